// A clock that is read in a few nanoseconds, and counts in units of its own.
#pragma once

#include <chrono>
#include <cstdint>

namespace switchback::core {

// Nanoseconds, by the clock that time.monotonic() reads.
inline std::int64_t monotonic_nanoseconds() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::steady_clock;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// All processors of a machine count alike. That of x86 may halt only where it is decades old.
inline std::int64_t ticks() {
#if defined(__x86_64__) && defined(__GNUC__)
  return static_cast<std::int64_t>(__builtin_ia32_rdtsc());
#elif defined(__aarch64__) && defined(__GNUC__)
  std::int64_t count;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#else
  return monotonic_nanoseconds();
#endif
}

// Tells nanoseconds from ticks, by what both were at two moments.
class TickRate {
 public:
  TickRate() : ticks_(ticks()), nanoseconds_(monotonic_nanoseconds()) {}

  // The longer after it was made, the more exact. Returns the time, in ticks.
  std::int64_t measure() {
    const std::int64_t now = ticks();
    if (now > ticks_) {
      rate_ = static_cast<double>(monotonic_nanoseconds() - nanoseconds_) /
              static_cast<double>(now - ticks_);
    }
    return now;
  }
  std::int64_t nanoseconds(std::int64_t ticks) const {
    return nanoseconds_ + static_cast<std::int64_t>(static_cast<double>(ticks - ticks_) * rate_);
  }

 private:
  std::int64_t ticks_;
  std::int64_t nanoseconds_;
  double rate_ = 1;
};

}  // namespace switchback::core
