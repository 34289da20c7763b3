// The order and the limit of the pool of idle stacks.
#include "core/stack_pool.hpp"

#include <gtest/gtest.h>

namespace switchback::core {
namespace {

void drain(StackPool& pool) {
  while (pool.take() != nullptr) {
  }
}

TEST(AStackPool, starts_empty) {
  StackPool pool(4);
  EXPECT_EQ(pool.idle(), 0U);
  EXPECT_EQ(pool.take(), nullptr);
}

TEST(AStackPool, gives_out_first_what_was_given_back_last) {
  StackPool pool(4);
  PooledStack first, second, third;
  EXPECT_TRUE(pool.give(&first));
  EXPECT_TRUE(pool.give(&second));
  EXPECT_EQ(pool.take(), &second);
  EXPECT_TRUE(pool.give(&third));
  EXPECT_EQ(pool.take(), &third);
  EXPECT_EQ(pool.take(), &first);
  EXPECT_EQ(pool.take(), nullptr);
}

TEST(AStackPool, refuses_what_exceeds_its_capacity) {
  StackPool pool(2);
  PooledStack first, second, third;
  EXPECT_TRUE(pool.give(&first));
  EXPECT_TRUE(pool.give(&second));
  EXPECT_FALSE(pool.give(&third));
  EXPECT_EQ(third.next_idle, nullptr);
  EXPECT_EQ(pool.idle(), 2U);
  EXPECT_EQ(pool.take(), &second);
  EXPECT_TRUE(pool.give(&third));
  drain(pool);
}

TEST(AStackPool, without_capacity_keeps_nothing) {
  StackPool pool(0);
  PooledStack stack;
  EXPECT_FALSE(pool.give(&stack));
  EXPECT_EQ(pool.idle(), 0U);
}

TEST(AStackPool, counts_what_is_idle) {
  StackPool pool(4);
  PooledStack first, second;
  pool.give(&first);
  pool.give(&second);
  EXPECT_EQ(pool.idle(), 2U);
  pool.take();
  EXPECT_EQ(pool.idle(), 1U);
  drain(pool);
  EXPECT_EQ(pool.idle(), 0U);
}

TEST(AStackPool, hands_out_stacks_that_can_be_given_back) {
  StackPool pool(4);
  PooledStack first, second;
  pool.give(&first);
  pool.give(&second);
  PooledStack* const taken = pool.take();
  EXPECT_EQ(taken->next_idle, nullptr);
  EXPECT_TRUE(pool.give(taken));
  drain(pool);
}

#ifndef NDEBUG
TEST(AStackPool, asserts_that_its_owner_has_drained_it) {
  EXPECT_DEATH(
      {
        PooledStack stack;
        StackPool pool(1);
        pool.give(&stack);
      },
      "the owner drains the pool");
}
#endif

}  // namespace
}  // namespace switchback::core
