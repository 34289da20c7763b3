// Arithmetic on addresses, and a hint to the processor about them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace switchback::core {

// How far above `start` the first place is that lies `remainder` above a multiple of `alignment`.
inline std::size_t distance_to_place(const std::byte* start, std::size_t alignment,
                                     std::size_t remainder) noexcept {
  return (remainder - reinterpret_cast<std::uintptr_t>(start)) & (alignment - 1);
}

// Has the processor load what lies there into its caches, without waiting for it; a hint.
inline void prefetch_memory([[maybe_unused]] const std::byte* low,
                            [[maybe_unused]] std::size_t size) noexcept {
#ifndef _MSC_VER
  constexpr std::size_t cache_line = 64;
#pragma GCC unroll 32
  for (std::size_t i = 0; i < size; i += cache_line) __builtin_prefetch(low + i);
#endif
}

}  // namespace switchback::core
