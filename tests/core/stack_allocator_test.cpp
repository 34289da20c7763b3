// What an allocated stack is: its size, its guard, its cost; and what becomes of it.
#include "core/stack_allocator.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/os/system.hpp"
#include "emulator.hpp"
#include "live_stacks.hpp"

namespace switchback::core {
namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

// Whether guards are marked in the page tables, and so do not count as mappings (Linux 6.13).
bool guards_are_free() {
  constexpr int guard_install = 102;
  void* page =
      mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // An emulated kernel may accept any advice and follow none.
  const bool works =
      madvise(page, page_size(), guard_install) == 0 && madvise(page, page_size(), -1) != 0;
  munmap(page, page_size());
  return works;
}

std::size_t resident_pages(const std::byte* low, std::size_t size) {
  std::vector<unsigned char> pages(size / page_size());
  EXPECT_EQ(mincore(const_cast<std::byte*>(low), size, pages.data()), 0);
  std::size_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1U;
  return resident;
}

std::size_t usable_size(const Stack& stack) {
  return static_cast<std::size_t>(stack.top() - stack.usable_low());
}

bool is_mapped(const Stack& stack) {
  std::vector<unsigned char> pages(stack.size / page_size());
  return mincore(stack.low, stack.size, pages.data()) == 0;
}

// The kibibytes of a line of /proc/self/status.
[[maybe_unused]] std::size_t status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    std::size_t kibibytes;
    if (word == name + ":" && file >> kibibytes) return kibibytes;
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

void write_byte(std::byte* at) { *static_cast<volatile std::byte*>(at) = std::byte{1}; }

TEST(AStack, has_the_size_asked_for) {
  const TestStack stack(mebibyte);
  EXPECT_EQ(stack->size, mebibyte);
  EXPECT_EQ(usable_size(*stack), mebibyte - Stack::guard_size);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stack->top()) % page_size(), 0U);
}

TEST(AStack, can_be_written_from_its_top_down_to_its_guard) {
  const TestStack stack(mebibyte);
  std::memset(stack->usable_low(), 0x5a, usable_size(*stack));
  EXPECT_EQ(*stack->usable_low(), std::byte{0x5a});
  EXPECT_EQ(*(stack->top() - 1), std::byte{0x5a});
}

TEST(AStack, costs_memory_only_where_it_was_touched) {
  const TestStack stack(8 * mebibyte);
  EXPECT_EQ(resident_pages(stack->usable_low(), usable_size(*stack)), 0U);
  write_byte(stack->top() - 1);
  EXPECT_EQ(resident_pages(stack->usable_low(), usable_size(*stack)), 1U);
}

TEST(AStack, of_an_absurd_size_is_refused) {
  constexpr std::size_t size = std::numeric_limits<std::size_t>::max() / 2 / Stack::guard_size;
  StackAllocator allocator(size * Stack::guard_size);
  StackFailure failure{};
  EXPECT_FALSE(allocator.allocate(&failure));
  EXPECT_EQ(failure, StackFailure::no_memory);
  EXPECT_EQ(allocator.live(), 0U);
}

TEST(AStack, can_be_allocated_where_there_is_no_room_for_a_whole_slab) {
  if (is_emulated()) GTEST_SKIP() << "QEMU has less address space";
  // A slab of eight does not fit into the address space, one of them does.
  StackAllocator allocator(std::size_t{1} << 45);
  StackFailure failure{};
  const Stack stack = allocator.allocate(&failure);
#if defined(SWITCHBACK_ASAN) || defined(SWITCHBACK_TSAN)
  if (!stack) GTEST_SKIP() << "the sanitizer's shadow memory leaves no room";
#endif
  ASSERT_TRUE(stack);
  write_byte(stack.top() - 1);
  allocator.deallocate(stack);
}

TEST(AllocatedStacks, do_not_overlap) {
  StackAllocator allocator(mebibyte);
  StackFailure failure{};
  std::vector<Stack> stacks;
  std::set<std::byte*> lows;
  for (int i = 0; i < 500; ++i) {
    stacks.push_back(allocator.allocate(&failure));
    ASSERT_TRUE(stacks.back());
    lows.insert(stacks.back().low);
  }
  EXPECT_EQ(allocator.live(), 500U);
  std::byte* end = nullptr;
  for (std::byte* low : lows) {
    EXPECT_GE(low, end);
    end = low + mebibyte;
  }
  for (const Stack& stack : stacks) allocator.deallocate(stack);
  EXPECT_EQ(allocator.live(), 0U);
}

TEST(AnAllocator, hands_a_stack_out_again_as_zero) {
  StackAllocator allocator(mebibyte);
  StackFailure failure{};
  const Stack first = allocator.allocate(&failure);
  std::memset(first.usable_low(), 0x5a, usable_size(first));
  allocator.deallocate(first);
  const Stack second = allocator.allocate(&failure);
  ASSERT_EQ(second.low, first.low);
  EXPECT_EQ(resident_pages(second.usable_low(), usable_size(second)), 0U);
  for (const std::byte* at = second.usable_low(); at < second.top(); at += 512) {
    ASSERT_EQ(*at, std::byte{0});
  }
  EXPECT_EXIT(write_byte(second.usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
  allocator.deallocate(second);
}

TEST(AnAllocator, gives_back_the_address_space_of_all_slabs_but_one) {
  if (is_emulated())
    GTEST_SKIP() << "QEMU has mincore() count pages of 4,096 bytes, whatever their size";
  StackAllocator allocator(mebibyte);
  StackFailure failure{};
  std::vector<Stack> stacks;
  for (int i = 0; i < 1000; ++i) stacks.push_back(allocator.allocate(&failure));
  for (const Stack& stack : stacks) allocator.deallocate(stack);
  int mapped = 0;
  for (const Stack& stack : stacks) mapped += is_mapped(stack);
  EXPECT_GT(mapped, 0);
  EXPECT_LE(mapped, 64);
}

TEST(AnAllocator, keeps_its_books_whatever_the_order) {
  StackAllocator allocator(mebibyte);
  StackFailure failure{};
  std::mt19937 random(20);
  std::vector<Stack> stacks;
  for (int i = 0; i < 20'000; ++i) {
    if (stacks.empty() || random() % 100 < (i / 2000 % 2 == 0 ? 60 : 40)) {
      const Stack stack = allocator.allocate(&failure);
      ASSERT_TRUE(stack);
      // Nobody else has it: what is written last stays.
      *reinterpret_cast<std::byte**>(stack.top() - sizeof(std::byte*)) = stack.low;
      stacks.push_back(stack);
    } else {
      std::swap(stacks[random() % stacks.size()], stacks.back());
      const Stack stack = stacks.back();
      stacks.pop_back();
      ASSERT_EQ(*reinterpret_cast<std::byte**>(stack.top() - sizeof(std::byte*)), stack.low);
      allocator.deallocate(stack);
    }
    ASSERT_EQ(allocator.live(), stacks.size());
  }
  for (const Stack& stack : stacks) allocator.deallocate(stack);
}

TEST(AnAllocator, prepares_several_stacks_together_each_as_zero_and_with_its_guard) {
  constexpr std::size_t count = 3'000;
  constexpr std::size_t first_used = 256 * 1024;
  StackAllocator allocator(mebibyte, first_used);
  StackFailure failure{};
  std::vector<Stack> stacks;
  for (std::size_t i = 0; i < count; ++i) {
    stacks.push_back(allocator.allocate(&failure));
    ASSERT_TRUE(stacks.back());
    ASSERT_EQ(*(stacks.back().top() - first_used), std::byte{0});
    std::memset(stacks.back().top() - first_used, 0x5a, first_used);
  }
  for (std::size_t i = count - 40; i < count; ++i) {
    EXPECT_EXIT(write_byte(stacks[i].usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
    EXPECT_EXIT(write_byte(stacks[i].low), testing::KilledBySignal(SIGSEGV), "");
  }
  for (const Stack& stack : stacks) allocator.deallocate(stack);
}

#ifdef __linux__
TEST(AnAllocator, prepares_few_stacks_ahead_of_their_use) {
  constexpr std::size_t first_used = 256 * 1024;
  StackAllocator allocator(10 * mebibyte, first_used);
  StackFailure failure{};
  std::vector<Stack> stacks;
  for (std::size_t i = 0; i < 3'000; ++i) {
    stacks.push_back(allocator.allocate(&failure));
    ASSERT_TRUE(stacks.back());
  }
  // Those that have not been handed out lie above the last one in its slab.
  const Stack last = stacks.back();
  std::size_t ahead = 0;
  for (std::size_t n = 1; n < 64; ++n) {
    std::byte* page = last.top() - first_used + n * (last.size + 4096);
    unsigned char resident = 0;
    if (mincore(page, page_size(), &resident) != 0) break;
    ahead += resident & 1U;
  }
  EXPECT_LE(ahead, 16U);
  for (const Stack& stack : stacks) allocator.deallocate(stack);
}
#endif

TEST(AnAllocator, serves_many_threads) {
  StackAllocator allocator(mebibyte);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&allocator] {
      for (int round = 0; round < 20; ++round) {
        StackFailure failure{};
        std::vector<Stack> stacks;
        for (int j = 0; j < 50; ++j) stacks.push_back(allocator.allocate(&failure));
        for (const Stack& stack : stacks) write_byte(stack.top() - 1);
        for (const Stack& stack : stacks) allocator.deallocate(stack);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator.live(), 0U);
}

#ifndef SWITCHBACK_TSAN  // which does not support fork() with threads
TEST(AnAllocator, can_be_used_after_a_fork) {
  static StackAllocator allocator(mebibyte);
  at_fork([] { allocator.lock(); }, [] { allocator.unlock(); });
  std::atomic<bool> stop{false};
  std::thread busy([&stop] {
    StackFailure failure{};
    while (!stop) allocator.deallocate(allocator.allocate(&failure));
  });
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      StackFailure failure{};
      const Stack stack = allocator.allocate(&failure);
      write_byte(stack.top() - 1);
      allocator.deallocate(stack);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
}
#endif

#if !defined(SWITCHBACK_ASAN) && !defined(SWITCHBACK_TSAN)  // whose shadow memory is memory, too
TEST(AStack, that_is_used_near_its_top_costs_one_page_of_page_tables) {
  constexpr std::size_t count = 2'000;
  for (const std::size_t size : {10 * mebibyte, mebibyte}) {
    StackAllocator allocator(size);
    StackFailure failure{};
    std::vector<Stack> stacks;
    stacks.reserve(count);
    const std::size_t before = status("VmPTE");
    for (std::size_t i = 0; i < count; ++i) {
      stacks.push_back(allocator.allocate(&failure));
      ASSERT_TRUE(stacks.back());
      write_byte(stacks.back().top() - 256 * 1024);
    }
    const double kibibytes = static_cast<double>(status("VmPTE") - before) / count;
    EXPECT_LE(kibibytes, size == mebibyte ? 2.3 : 4.6) << size;
    for (const Stack& stack : stacks) allocator.deallocate(stack);
  }
}
#endif

TEST(TheGuard, ends_a_process_that_writes_just_below_the_stack) {
  const TestStack stack;
  EXPECT_EXIT(write_byte(stack->usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, reaches_down_to_the_stack_below) {
  const TestStack stack;
  EXPECT_EXIT(write_byte(stack->low), testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, ends_a_process_that_reads_it) {
  const TestStack stack;
  EXPECT_EXIT((void)*static_cast<volatile std::byte*>(stack->usable_low() - page_size()),
              testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, lies_below_each_of_a_great_many_stacks) {
  if (is_emulated()) GTEST_SKIP() << "QEMU keeps books of each page of the address space";
  // Where each guard splits its mapping in two, vm.max_map_count (65,530) bounds the number.
  const std::size_t count = guards_are_free() ? 40'000 : 10'000;
  StackAllocator allocator(8 * mebibyte);
  StackFailure failure{};
  std::vector<Stack> stacks;
  stacks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    stacks.push_back(allocator.allocate(&failure));
    ASSERT_TRUE(stacks.back());
  }
  for (const std::size_t i : {std::size_t{0}, count / 2, count - 1}) {
    write_byte(stacks[i].usable_low());
    EXPECT_EXIT(write_byte(stacks[i].usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
  }
  for (const Stack& stack : stacks) allocator.deallocate(stack);
}

}  // namespace
}  // namespace switchback::core
