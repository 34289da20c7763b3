// The books of the allocator: which stacks are free, which are prepared, and who else looks at
// them.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "core/os/system.hpp"
#include "core/stack_allocator.hpp"

namespace switchback::core {
namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

std::vector<Stack> allocate(StackAllocator& allocator, std::size_t count) {
  std::vector<Stack> stacks;
  for (std::size_t i = 0; i < count; ++i) {
    StackFailure failure{};
    stacks.push_back(allocator.allocate(&failure));
  }
  return stacks;
}

void give_back(StackAllocator& allocator, const std::vector<Stack>& stacks) {
  for (const Stack& stack : stacks) allocator.deallocate(stack);
}

TEST(AnAllocator, uses_a_slab_again_that_was_full) {
  StackAllocator allocator(mebibyte);
  // The first slab is full, the next one is not.
  std::vector<Stack> stacks = allocate(allocator, 9);
  std::set<std::byte*> lows;
  for (const Stack& stack : stacks) lows.insert(stack.low);
  ASSERT_EQ(lows.size(), 9U);
  std::byte* const low = stacks[3].low;
  allocator.deallocate(stacks[3]);
  stacks[3] = allocate(allocator, 1)[0];
  EXPECT_EQ(stacks[3].low, low);
  give_back(allocator, stacks);
}

#ifdef __linux__
TEST(AnAllocator, prepares_none_ahead_where_few_are_in_use) {
  constexpr std::size_t first_used = 256 * 1024;
  StackAllocator allocator(mebibyte, first_used);
  const std::vector<Stack> stacks = allocate(allocator, 100);
  const Stack last = stacks.back();
  for (std::size_t n = 1; n < 16; ++n) {
    std::byte* page = last.top() - first_used + n * (last.size + 4096);
    unsigned char resident = 0;
    if (mincore(page, page_size(), &resident) != 0) break;
    EXPECT_EQ(resident & 1U, 0U);
  }
  give_back(allocator, stacks);
}
#endif

// Whether a call in another thread waits for the allocator while this one has it locked.
bool waits_for_the_lock(StackAllocator& allocator, const std::function<void()>& call) {
  std::atomic<bool> done = false;
  allocator.lock();
  std::thread thread([&] {
    call();
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const bool waits = !done;
  allocator.unlock();
  thread.join();
  return waits && done;
}

TEST(AnAllocator, is_used_by_one_thread_at_a_time) {
  StackAllocator allocator(mebibyte);
  std::vector<Stack> stacks;
  EXPECT_TRUE(waits_for_the_lock(allocator, [&] { stacks = allocate(allocator, 1); }));
  EXPECT_TRUE(waits_for_the_lock(allocator, [&] { give_back(allocator, stacks); }));
  EXPECT_TRUE(waits_for_the_lock(allocator, [&] { allocator.resize(mebibyte, 0); }));
  EXPECT_TRUE(waits_for_the_lock(allocator, [&] { (void)allocator.live(); }));
}

}  // namespace
}  // namespace switchback::core
