// Where the stacks of a slab lie, so that what they use first does not compete for the same caches.
#pragma once

#include <cstddef>

namespace switchback::core {

// How much address space one page of page tables is for, on processors with pages of 4 KiB.
constexpr std::size_t page_table_span = 2 * 1024 * 1024;

// What each stack uses first lies just below its top, and the next guard just above it. All of that
// has to lie in one span, as each span in which anything is used costs a page of page tables.
//
// The processor looks for the translation of an address in a place that the low bits of the page's
// number choose, and for the entry of the page table, if it has to, in one that the entry's place
// in its table chooses. Were the tops a multiple of 2 MiB apart, both would be the same for all
// stacks, and those of a few stacks push each other out. So each stack of a slab begins a page
// further on in its span than the one before, and each slab somewhere else.
//
// Where pages are larger a table spans more, and the stacks fill it differently as it is.
class SlabLayout {
 public:
  static constexpr std::size_t most_stacks = 64;
  static constexpr std::size_t colours = 6;  // of slabs

  // `stack_size` is in whole pages.
  constexpr SlabLayout(std::size_t stack_size, std::size_t page_size)
      : stack_size_(stack_size), step_(page_size == step ? step : 0) {}

  // From a stack to the next one above it.
  constexpr std::size_t spacing() const { return stack_size_ + step_; }

  constexpr std::size_t slab_size(std::size_t count) const { return spacing() * count; }

  // How far into a span the first stack of the slab begins, for the n-th slab.
  static constexpr std::size_t place_in_span(std::size_t number_of_slab) {
    return lowest_place + number_of_slab % colours * (most_stacks * step);
  }

  // Of what is used first, the part below the top and the guard above: in one span with the top.
  static constexpr std::size_t used_below = 256 * 1024 + 64 * 1024;
  static constexpr std::size_t used_above = 64 * 1024;

 private:
  static constexpr std::size_t step = 4096;
  static constexpr std::size_t lowest_place = used_below;
  static_assert(lowest_place + colours * most_stacks * step + step + used_above <= page_table_span);

  std::size_t stack_size_;
  std::size_t step_;
};

}  // namespace switchback::core
