// Where the stacks of a slab lie: apart from each other, within a span, in different places of it.
#include "core/slab_layout.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/stack.hpp"

namespace switchback::core {
namespace {

constexpr std::size_t mebibyte = 1024 * 1024;
constexpr std::size_t page = 4096;
constexpr std::size_t sizes[] = {256 * 1024, mebibyte, 2 * mebibyte, 4 * mebibyte, 10 * mebibyte};

// Where the n-th stack of a slab begins, counted from the start of a span.
std::size_t place(const SlabLayout& layout, std::size_t slab, std::size_t n) {
  return SlabLayout::place_in_span(slab) + n * layout.spacing();
}

TEST(ASlabLayout, leaves_each_stack_its_size) {
  for (const std::size_t size : sizes) {
    for (const std::size_t page_size : {page, 4 * page, 16 * page}) {
      const SlabLayout layout(size, page_size);
      EXPECT_GE(layout.spacing(), size);
      EXPECT_EQ(layout.spacing() % page_size, 0U);
      EXPECT_GE(layout.slab_size(7), 6 * layout.spacing() + size);
    }
  }
}

TEST(ASlabLayout, begins_in_whole_pages_of_any_size) {
  for (std::size_t slab = 0; slab < 2 * SlabLayout::colours; ++slab) {
    EXPECT_EQ(SlabLayout::place_in_span(slab) % Stack::guard_size, 0U);
    EXPECT_LT(SlabLayout::place_in_span(slab), page_table_span);
  }
}

TEST(ASlabLayout, has_what_is_used_first_in_one_span) {
  for (const std::size_t size : {2 * mebibyte, 4 * mebibyte, 10 * mebibyte}) {
    const SlabLayout layout(size, page);
    for (std::size_t slab = 0; slab < SlabLayout::colours; ++slab) {
      for (std::size_t n = 0; n < SlabLayout::most_stacks; ++n) {
        const std::size_t top = place(layout, slab, n) + size;
        const std::size_t guard_end = place(layout, slab, n + 1) + Stack::guard_size;
        const std::size_t span = (guard_end - 1) / page_table_span;
        EXPECT_EQ((top - SlabLayout::used_below) / page_table_span, span);
      }
    }
  }
}

TEST(ASlabLayout, gives_each_stack_of_a_slab_another_place_in_its_span) {
  const SlabLayout layout(10 * mebibyte, page);
  std::set<std::size_t> places;
  for (std::size_t slab = 0; slab < SlabLayout::colours; ++slab) {
    for (std::size_t n = 0; n < SlabLayout::most_stacks; ++n) {
      places.insert(place(layout, slab, n) % page_table_span);
    }
  }
  EXPECT_EQ(places.size(), SlabLayout::colours * SlabLayout::most_stacks);
}

TEST(ASlabLayout, is_without_gaps_where_pages_are_larger) {
  EXPECT_EQ(SlabLayout(10 * mebibyte, 4 * page).spacing(), 10 * mebibyte);
  EXPECT_EQ(SlabLayout(10 * mebibyte, 16 * page).spacing(), 10 * mebibyte);
}

}  // namespace
}  // namespace switchback::core
