// That a switch of contexts leaves alone what a leaf function keeps below its stack pointer.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "core/switch.hpp"
#include "live_stacks.hpp"

namespace switchback::core {
namespace {

SuspendedPoint outside = nullptr, inside = nullptr;
std::uint64_t sum_inside = 0;

// Calls nothing, so that its locals may lie in the red zone of the x86-64 ABI.
[[gnu::noinline]] std::uint64_t sum_across_a_switch(SuspendedPoint& from, SuspendedPoint& to,
                                                    std::uint64_t first) {
  volatile std::uint64_t values[12];
  for (std::size_t i = 0; i < 12; ++i) values[i] = first + i;
  switch_stacks(from, to, nullptr);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < 12; ++i) sum += values[i];
  return sum;
}

void entry(void*) {
  sum_inside = sum_across_a_switch(inside, outside, 1'000);
  sum_across_a_switch(inside, outside, 0);
}

TEST(ASwitch, spares_the_locals_of_leaf_functions) {
  const TestStack stack;
  inside = make_stack<&entry>(stack->top(), static_cast<std::size_t>(stack->top() - stack->low));
  EXPECT_EQ(sum_across_a_switch(outside, inside, 100), 1'266U);
  EXPECT_EQ(sum_across_a_switch(outside, inside, 200), 2'466U);
  EXPECT_EQ(sum_inside, 12'066U);
}

}  // namespace
}  // namespace switchback::core
