// What a switch of contexts keeps: where each was, its registers, its control words, its depth.
#include "core/machine_context.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <cfenv>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "live_stacks.hpp"

namespace switchback::core {
namespace {

TEST(AContext, runs_until_it_suspends_and_goes_on_from_there) {
  std::vector<int> order;
  TestContext context([&](TestContext& self) {
    order.push_back(1);
    self.suspend();
    order.push_back(3);
    self.suspend();
    order.push_back(5);
  });
  EXPECT_TRUE(order.empty());
  EXPECT_TRUE(context.resume());
  order.push_back(2);
  EXPECT_TRUE(context.resume());
  order.push_back(4);
  EXPECT_FALSE(context.resume());
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5}));
}

TEST(AContext, passes_through_a_million_switches) {
  constexpr int rounds = 500'000;
  int counter = 0;
  TestContext context([&](TestContext& self) {
    for (int i = 0; i < rounds; ++i) {
      ++counter;
      self.suspend();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    ASSERT_TRUE(context.resume());
    ASSERT_EQ(counter, i + 1);
  }
  EXPECT_FALSE(context.resume());
}

TEST(AContext, runs_on_its_own_stack) {
  const char* address = nullptr;
  TestContext context([&](TestContext&) {
    const char local = 0;
    address = &local;
  });
  context.resume();
#ifndef SWITCHBACK_ASAN  // which may move locals to a fake stack
  EXPECT_GE(address, reinterpret_cast<const char*>(context.stack().usable_low()));
  EXPECT_LT(address, reinterpret_cast<const char*>(context.stack().top()));
#endif
}

TEST(AContext, keeps_its_locals_while_others_run) {
  constexpr int count = 50;
  std::array<int, count> sums{};
  std::vector<std::unique_ptr<TestContext>> contexts;
  for (int i = 0; i < count; ++i) {
    contexts.push_back(std::make_unique<TestContext>([&sums, i](TestContext& self) {
      int sum = 0;
      for (int step = 0; step < 100; ++step) {
        sum += i;
        self.suspend();
      }
      sums[static_cast<std::size_t>(i)] = sum;
    }));
  }
  for (int step = 0; step <= 100; ++step) {
    for (auto& context : contexts) context->resume();
  }
  for (int i = 0; i < count; ++i) {
    EXPECT_TRUE(contexts[static_cast<std::size_t>(i)]->ended());
    EXPECT_EQ(sums[static_cast<std::size_t>(i)], 100 * i);
  }
}

TEST(AContext, can_be_prepared_again_on_the_same_stack) {
  static int runs;
  runs = 0;
  const TestStack stack;
  for (int i = 0; i < 3; ++i) {
    MachineContext context;
    context.prepare(stack->usable_low(), stack->top(), [](MachineContext& self) {
      ++runs;
      self.suspend();
    });
    context.resume();
    context.dismiss();
  }
  EXPECT_EQ(runs, 3);
}

TEST(AContext, begins_at_a_top_that_is_not_the_end_of_the_mapping) {
  static bool ran;
  ran = false;
  const TestStack stack;
  // As a fiber does, which lies above its C stack; 16 bytes is what calling conventions ask for.
  std::byte* const top = stack->top() - 4096 + 16;
  std::memset(top, 0x77, 4096 - 16);
  MachineContext context;
  context.prepare(stack->usable_low(), top, [](MachineContext& self) {
    ran = true;
    self.suspend();
  });
  context.resume();
  context.dismiss();
  EXPECT_TRUE(ran);
  for (const std::byte* byte = top; byte != stack->top(); ++byte) {
    ASSERT_EQ(*byte, std::byte{0x77});
  }
}

// Keeps more floating-point values at hand than there are registers for them.
template <typename Switch>
double sum_over_switches(double start, Switch switch_contexts) {
  std::array<double, 20> terms{};
  for (int round = 0; round < 100; ++round) {
    for (std::size_t i = 0; i < terms.size(); ++i) terms[i] += start + static_cast<double>(i);
    switch_contexts();
  }
  return std::accumulate(terms.begin(), terms.end(), 0.0);
}

TEST(AContext, keeps_its_floating_point_values) {
  double inside = 0;
  TestContext context(
      [&](TestContext& self) { inside = sum_over_switches(0.5, [&] { self.suspend(); }); });
  const double outside = sum_over_switches(1000, [&] { context.resume(); });
  context.resume();
  EXPECT_EQ(inside, 100 * (20 * 0.5 + 190));
  EXPECT_EQ(outside, 100 * (20 * 1000.0 + 190));
}

TEST(AContext, keeps_its_own_rounding_mode) {
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  int after_switch = -1;
  TestContext context([&](TestContext& self) {
    std::fesetround(FE_UPWARD);
    self.suspend();
    after_switch = std::fegetround();
  });
  context.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  std::fesetround(FE_DOWNWARD);
  context.resume();
  EXPECT_EQ(after_switch, FE_UPWARD);
  EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
  std::fesetround(FE_TONEAREST);
}

TEST(AContext, rounds_by_its_own_mode) {
  // Volatile, so that the divisions take place here and at this time.
  volatile double one = 1, three = 3;
  const double nearest = one / three;
  double upward = 0;
  TestContext context([&](TestContext& self) {
    std::fesetround(FE_UPWARD);
    self.suspend();
    upward = one / three;
  });
  context.resume();
  EXPECT_EQ(one / three, nearest);
  context.resume();
  EXPECT_GT(upward, nearest);
}

// Resumes a context inside a context, to this depth; every level suspends once on the way.
int nest(int depth) {
  if (depth == 0) return 0;
  int below = 0;
  TestContext context([&](TestContext& self) {
    self.suspend();
    below = nest(depth - 1);
    self.suspend();
  });
  while (context.resume()) {
  }
  return below + 1;
}

TEST(Contexts, nest_a_hundred_deep) { EXPECT_EQ(nest(100), 100); }

TEST(Contexts, nested_in_one_another_suspend_to_whoever_resumed_them) {
  std::vector<int> order;
  TestContext inner([&](TestContext& self) {
    order.push_back(2);
    self.suspend();
    order.push_back(5);
  });
  TestContext outer([&](TestContext& self) {
    order.push_back(1);
    inner.resume();
    order.push_back(3);
    self.suspend();
    order.push_back(7);
  });
  outer.resume();
  order.push_back(4);
  // Suspended in the outer context, it goes on in this one.
  inner.resume();
  order.push_back(6);
  outer.resume();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5, 6, 7}));
}

// Takes at least a kilobyte of stack a level; `lowest` is set to where the deepest one lies.
[[gnu::noinline]] void recurse(int levels, std::uintptr_t& lowest) {
  volatile char frame[1024];
  frame[0] = 1;
  lowest = reinterpret_cast<std::uintptr_t>(frame);
  if (levels > 1) recurse(levels - 1, lowest);
  frame[1023] = frame[0];
}

TEST(AContext, is_as_deep_as_its_stack) {
  constexpr std::size_t mebibyte = 1024 * 1024;
#ifdef SWITCHBACK_ASAN  // which widens frames
  constexpr int levels = 4 * 1024;
#else
  constexpr int levels = 7 * 1024;
#endif
  std::uintptr_t lowest = 0;
  TestContext context(
      [&](TestContext& self) {
        for (int i = 0; i < 3; ++i) {
          recurse(levels, lowest);
          self.suspend();
        }
      },
      Stack::guard_size + 8 * mebibyte);
  while (context.resume()) {
  }
#ifndef SWITCHBACK_ASAN
  const auto low = reinterpret_cast<std::uintptr_t>(context.stack().usable_low());
  EXPECT_GE(lowest, low);
  EXPECT_LT(lowest, low + mebibyte);
#endif
}

TEST(AContext, that_recurses_without_end_is_stopped_by_the_guard) {
  // Made in the process that ends: ThreadSanitizer takes contexts for threads, which a fork loses.
  const auto overflow = [] {
    std::uintptr_t lowest = 0;
    TestContext context([&](TestContext&) { recurse(1'000'000, lowest); });
    // The one below is in use as well, and would be overwritten silently if there were no guard.
    const TestStack below;
    context.resume();
  };
  EXPECT_EXIT(overflow(), testing::KilledBySignal(SIGSEGV), "");
}

TEST(Contexts, run_on_several_threads_at_once) {
  constexpr int count = 4, rounds = 50'000;
  std::array<int, count> counters{};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&counters, i] {
      int& counter = counters[static_cast<std::size_t>(i)];
      TestContext context([&](TestContext& self) {
        for (int round = 0; round < rounds; ++round) {
          ++counter;
          self.suspend();
        }
      });
      while (context.resume()) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int counter : counters) EXPECT_EQ(counter, rounds);
}

#if !defined(SWITCHBACK_ASAN) && !defined(SWITCHBACK_TSAN)
// CPython up to 3.13 ends threads so while the interpreter finalizes.
TEST(AThread, may_end_inside_a_context) {
  static MachineContext* running;
  const TestStack stack;
  MachineContext context;
  running = &context;
  context.prepare(stack->usable_low(), stack->top(),
                  [](MachineContext&) { pthread_exit(nullptr); });
  bool went_on = false;
  std::thread thread([&] {
    running->resume();
    went_on = true;
  });
  thread.join();
  context.dismiss();
  EXPECT_FALSE(went_on);
}
#endif

#ifndef NDEBUG
TEST(AContext, asserts_that_it_was_prepared) {
  MachineContext context;
  EXPECT_DEATH(context.resume(), "target_ != nullptr");
}
#endif

}  // namespace
}  // namespace switchback::core
