// How a stack of a given size is divided, and which sizes there are.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/stack.hpp"

namespace switchback::core {

// Above the guard lies what grows downwards, above that the part that grows upwards. All of these
// are multiples of the largest size of a page.
struct StackParts {
  static constexpr std::size_t unit = Stack::guard_size;
  static constexpr std::size_t smallest = 4 * unit;
  static constexpr std::size_t largest = std::size_t{1024} * 1024 * 1024;

  // The size to take for one that was asked for.
  static constexpr std::size_t rounded(std::size_t size) { return (size + unit - 1) / unit * unit; }

  constexpr explicit StackParts(std::size_t stack_size)
      : upper(std::clamp(stack_size / 8 / unit * unit, unit, 4 * unit)),
        lower(stack_size - Stack::guard_size - upper),
        kept(std::min(unit, upper / 2)) {}

  std::size_t upper;
  std::size_t lower;
  // How much of each part, next to the other, an idle stack keeps in memory. What a step needs more
  // takes it so long that a few pages more or less are not felt.
  std::size_t kept;
};

}  // namespace switchback::core
