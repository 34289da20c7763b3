// A lock that is ready before the program starts, on every platform.
#pragma once

#ifndef _WIN32
#include <mutex>
#endif

namespace switchback::core {

#ifdef _WIN32
// The system's own (SRWLOCK). std::mutex is made at run time by some libraries for Windows, is
// missing from others, and Microsoft's depends on a library that does not come with Python: where
// another package has loaded an old one of that, the first lock() ends the process.
class Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept;
  void unlock() noexcept;

 private:
  void* state_ = nullptr;
};
#else
using Lock = std::mutex;
#endif

}  // namespace switchback::core
