// Stacks and contexts of several threads: which may hand over what, and what a thread leaves.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/machine_context.hpp"
#include "core/stack_allocator.hpp"
#include "core/stack_pool.hpp"
#include "live_stacks.hpp"

namespace switchback::core {
namespace {

constexpr int thread_count = 4;

// Runs `body` with the numbers of the threads, in as many of them, and waits for their end.
template <typename Body>
void run_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (int number = 0; number < thread_count; ++number) threads.emplace_back(body, number);
  for (std::thread& thread : threads) thread.join();
}

// What one thread gives to others.
template <typename Item>
class Queue {
 public:
  void put(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_one();
  }
  Item get() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !items_.empty(); });
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
};

TEST(AStack, allocated_in_one_thread_is_given_back_in_another) {
  constexpr int rounds = 200;
  Queue<std::unique_ptr<TestStack>> queue;
  run_threads([&](int number) {
    for (int round = 0; round < rounds; ++round) {
      if (number % 2 == 0) {
        auto stack = std::make_unique<TestStack>();
        *((*stack)->top() - 1) = std::byte(round);
        queue.put(std::move(stack));
      } else {
        EXPECT_LT(static_cast<int>(*((*queue.get())->top() - 1)), 256);
      }
    }
  });
}

TEST(AContext, that_has_ended_is_destroyed_by_another_thread) {
  constexpr int rounds = 100;
  Queue<std::unique_ptr<TestContext>> queue;
  std::array<int, thread_count> sums{};
  run_threads([&](int number) {
    int& sum = sums[static_cast<std::size_t>(number)];
    for (int round = 0; round < rounds; ++round) {
      if (number % 2 != 0) {
        EXPECT_TRUE(queue.get()->ended());
        continue;
      }
      auto context = std::make_unique<TestContext>([&sum](TestContext& self) {
        ++sum;
        self.suspend();
        ++sum;
      });
      while (context->resume()) {
      }
      queue.put(std::move(context));
    }
  });
  EXPECT_EQ(sums, (std::array{2 * rounds, 0, 2 * rounds, 0}));
}

TEST(AContext, belongs_to_the_thread_that_resumes_it_first) {
  constexpr int count = 20;
  std::array<std::thread::id, count> ran_in{};
  std::vector<std::unique_ptr<TestContext>> contexts;
  for (auto& id : ran_in) {
    contexts.push_back(std::make_unique<TestContext>([&id](TestContext& self) {
      self.suspend();
      id = std::this_thread::get_id();
    }));
  }
  std::thread::id other;
  std::thread([&] {
    other = std::this_thread::get_id();
    for (const auto& context : contexts) {
      while (context->resume()) {
      }
    }
  }).join();
  EXPECT_NE(other, std::this_thread::get_id());
  for (const auto id : ran_in) EXPECT_EQ(id, other);
}

// A fiber of the engine is used so: idle in the pool of its thread, prepared once, run many times.
class PooledContext : public PooledStack, public MachineContext {
 public:
  static PooledContext* create() {
    StackFailure failure;
    const Stack stack = allocator_.allocate(&failure);
    if (!stack) throw std::bad_alloc();
    ++live_stacks;
    std::byte* place = stack.top() - 1024;
    auto* context = ::new (place) PooledContext();
    context->stack = stack;
    context->prepare(stack.usable_low(), place, [](MachineContext& self) {
      for (;;) {
        ++static_cast<PooledContext&>(self).runs;
        self.suspend();
      }
    });
    return context;
  }
  static void destroy(PooledContext* context) {
    const Stack stack = context->stack;
    context->dismiss();
    context->~PooledContext();
    allocator_.deallocate(stack);
    --live_stacks;
  }

  int runs = 0;

 private:
  static inline StackAllocator allocator_{TestStack::default_size};  // of all threads
};
static_assert(sizeof(PooledContext) <= 1024);

// Drained when the thread that it belongs to ends.
struct ThreadsPool {
  StackPool pool{64};
  ~ThreadsPool() {
    while (PooledStack* idle = pool.take()) {
      PooledContext::destroy(static_cast<PooledContext*>(idle));
    }
  }
};

TEST(AStackPool, is_drained_by_its_thread_as_that_ends) {
  std::atomic<int> runs{0};
  run_threads([&](int) {
    static thread_local ThreadsPool own;
    for (int round = 0; round < 100; ++round) {
      std::vector<PooledContext*> used;
      for (int i = 0; i < 10; ++i) {
        PooledStack* idle = own.pool.take();
        used.push_back(idle == nullptr ? PooledContext::create()
                                       : static_cast<PooledContext*>(idle));
      }
      for (PooledContext* context : used) context->resume();
      for (PooledContext* context : used) EXPECT_TRUE(own.pool.give(context));
    }
    while (PooledStack* idle = own.pool.take()) {
      auto* context = static_cast<PooledContext*>(idle);
      runs += context->runs;
      PooledContext::destroy(context);
      if (own.pool.idle() == 5) break;  // the destructor has some left
    }
  });
  // Each of the ten has run a hundred times; those that were left do not count.
  EXPECT_EQ(runs, thread_count * 5 * 100);
}

TEST(AThread, that_ends_leaves_its_suspended_contexts_as_they_are) {
  std::vector<std::unique_ptr<TestContext>> left(thread_count);
  std::array<const int*, thread_count> locals{};
  run_threads([&](int number) {
    const auto index = static_cast<std::size_t>(number);
    left[index] = std::make_unique<TestContext>([&, index](TestContext& self) {
      const int local = static_cast<int>(index);
      locals[index] = &local;
      self.suspend();
    });
    left[index]->resume();
  });
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_FALSE(left[i]->ended());
    EXPECT_EQ(*locals[i], static_cast<int>(i));
  }
}

TEST(Contexts, of_several_threads_handle_exceptions_of_their_own) {
  std::array<int, thread_count> caught{};
  run_threads([&](int number) {
    const std::string expected = std::to_string(number);
    int& count = caught[static_cast<std::size_t>(number)];
    for (int round = 0; round < 200; ++round) {
      TestContext context([&](TestContext& self) {
        try {
          throw std::runtime_error(expected);
        } catch (const std::runtime_error&) {
          self.suspend();
          try {
            throw;
          } catch (const std::runtime_error& error) {
            if (error.what() == expected) ++count;
          }
        }
      });
      while (context.resume()) {
      }
    }
  });
  EXPECT_EQ(std::accumulate(caught.begin(), caught.end(), 0), thread_count * 200);
}

TEST(Contexts, of_several_threads_share_what_a_mutex_guards) {
  constexpr int rounds = 2000;
  std::mutex mutex;
  int shared = 0;
  run_threads([&](int) {
    TestContext context([&](TestContext& self) {
      for (int round = 0; round < rounds; ++round) {
        {
          const std::lock_guard lock(mutex);
          ++shared;
        }
        self.suspend();
      }
    });
    while (context.resume()) {
    }
  });
  EXPECT_EQ(shared, thread_count * rounds);
}

#ifdef SWITCHBACK_TSAN
// Otherwise the other tests here would pass whatever they do.
TEST(ThreadSanitizer, reports_a_race_between_contexts_of_two_threads) {
  const auto race = [] {
    int shared = 0;
    // They outlive the threads: what is known of a context is forgotten with it.
    std::vector<std::unique_ptr<TestContext>> contexts;
    for (int i = 0; i < thread_count; ++i) {
      contexts.push_back(std::make_unique<TestContext>([&](TestContext&) { ++shared; }));
    }
    run_threads([&](int number) { contexts[static_cast<std::size_t>(number)]->resume(); });
    std::_Exit(0);
  };
  EXPECT_EXIT(race(), testing::ExitedWithCode(66), "data race");
}
#endif

}  // namespace
}  // namespace switchback::core
