// Tells the tests whether they run in an emulator, as scripts/test-arm64.sh says.
#pragma once

#include <cstdlib>
#include <string_view>

namespace switchback::core {

inline bool is_emulated() {
  const char* const under = std::getenv("SWITCHBACK_UNDER");
  return under != nullptr && std::string_view(under) == "qemu";
}

}  // namespace switchback::core
