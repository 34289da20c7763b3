// How stacks of every size are divided.
#include "core/stack_parts.hpp"

#include <gtest/gtest.h>

namespace switchback::core {
namespace {

constexpr std::size_t kibibyte = 1024;
constexpr std::size_t mebibyte = 1024 * kibibyte;

TEST(StackParts, are_together_as_large_as_the_stack_whatever_its_size) {
  for (std::size_t size = StackParts::smallest; size <= 20 * mebibyte; size += StackParts::unit) {
    const StackParts parts(size);
    ASSERT_EQ(Stack::guard_size + parts.lower + parts.upper, size);
    ASSERT_EQ(parts.lower % StackParts::unit, 0U);
    ASSERT_EQ(parts.upper % StackParts::unit, 0U);
    ASSERT_GE(parts.lower, size / 2);
    // What tells of a deep step lies beyond what is kept, and in the part.
    ASSERT_LE(parts.kept + kibibyte, parts.upper);
    ASSERT_LE(parts.kept + kibibyte, parts.lower);
    ASSERT_EQ(parts.kept % (32 * kibibyte), 0U);
  }
}

TEST(StackParts, of_a_large_stack_are_for_calls_in_c_mostly) {
  EXPECT_EQ(StackParts(10 * mebibyte).upper, 256 * kibibyte);
  EXPECT_EQ(StackParts(10 * mebibyte).kept, 64 * kibibyte);
  EXPECT_EQ(StackParts(StackParts::largest).upper, 256 * kibibyte);
}

TEST(StackParts, of_a_small_stack_are_smaller) {
  EXPECT_EQ(StackParts(mebibyte).upper, 128 * kibibyte);
  EXPECT_EQ(StackParts(StackParts::smallest).upper, 64 * kibibyte);
  EXPECT_EQ(StackParts(StackParts::smallest).kept, 32 * kibibyte);
}

TEST(AStackSize, is_rounded_up_to_what_guards_are_made_of) {
  EXPECT_EQ(StackParts::rounded(mebibyte), mebibyte);
  EXPECT_EQ(StackParts::rounded(mebibyte + 1), mebibyte + StackParts::unit);
  EXPECT_EQ(StackParts::rounded(mebibyte - 1), mebibyte);
}

}  // namespace
}  // namespace switchback::core
