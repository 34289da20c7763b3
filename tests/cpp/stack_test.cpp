// What a mapped stack is: its size, its guard, its cost, and how many there can be.
#include "core/stack.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "live_stacks.hpp"

namespace switchback::core {
namespace {

const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

// Whether guards are marked in the page tables, and so do not count as mappings (Linux 6.13).
bool guards_are_free() {
  constexpr int guard_install = 102;
  void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool works = madvise(page, page_size, guard_install) == 0;
  munmap(page, page_size);
  return works;
}

std::size_t resident_pages(const std::byte* low, std::size_t size) {
  std::vector<unsigned char> pages(size / page_size);
  EXPECT_EQ(mincore(const_cast<std::byte*>(low), size, pages.data()), 0);
  std::size_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1U;
  return resident;
}

void write_byte(std::byte* at) { *static_cast<volatile std::byte*>(at) = std::byte{1}; }

TEST(AStack, has_the_size_asked_for) {
  const TestStack stack(1024 * 1024);
  EXPECT_EQ(stack->size, 1024 * 1024U);
  EXPECT_EQ(stack->top() - stack->usable_low(),
            static_cast<std::ptrdiff_t>(1024 * 1024 - Stack::guard_size));
}

TEST(AStack, is_rounded_up_to_whole_pages) {
  const TestStack stack(1024 * 1024 + 1);
  EXPECT_EQ(stack->size, 1024 * 1024 + page_size);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stack->top()) % page_size, 0U);
}

TEST(AStack, can_be_written_from_its_top_down_to_its_guard) {
  const TestStack stack(1024 * 1024);
  const auto usable = static_cast<std::size_t>(stack->top() - stack->usable_low());
  std::memset(stack->usable_low(), 0x5a, usable);
  EXPECT_EQ(*stack->usable_low(), std::byte{0x5a});
  EXPECT_EQ(*(stack->top() - 1), std::byte{0x5a});
}

TEST(AStack, costs_memory_only_where_it_was_touched) {
  const TestStack stack(8 * 1024 * 1024);
  std::byte* const low = stack->usable_low();
  const auto usable = static_cast<std::size_t>(stack->top() - low);
  EXPECT_EQ(resident_pages(low, usable), 0U);
  write_byte(stack->top() - 1);
  EXPECT_EQ(resident_pages(low, usable), 1U);
}

TEST(AStack, is_gone_once_it_is_unmapped) {
  const Stack stack = map_stack(1024 * 1024);
  unmap_stack(stack);
  unsigned char pages[1024 * 1024 / 4096];
  EXPECT_EQ(mincore(stack.low, stack.size, pages), -1);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(AStack, of_an_absurd_size_is_refused) {
  EXPECT_EQ(map_stack(std::numeric_limits<std::size_t>::max() / 2).low, nullptr);
  EXPECT_EQ(map_stack(std::numeric_limits<std::size_t>::max()).low, nullptr);
}

TEST(AStack, can_be_mapped_again_after_a_refusal) {
  ASSERT_EQ(map_stack(std::numeric_limits<std::size_t>::max() / 2).low, nullptr);
  const TestStack stack;
  write_byte(stack->usable_low());
}

TEST(TheGuard, ends_a_process_that_writes_just_below_the_stack) {
  const TestStack stack;
  EXPECT_EXIT(write_byte(stack->usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, reaches_down_to_the_end_of_the_mapping) {
  const TestStack stack;
  EXPECT_EXIT(write_byte(stack->low), testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, ends_a_process_that_reads_it) {
  const TestStack stack;
  EXPECT_EXIT((void)*static_cast<volatile std::byte*>(stack->usable_low() - page_size),
              testing::KilledBySignal(SIGSEGV), "");
}

TEST(TheGuard, lies_below_each_of_a_great_many_stacks) {
  // Where each guard splits its mapping in two, vm.max_map_count (65,530) bounds the number.
  const std::size_t count = guards_are_free() ? 40'000 : 10'000;
  std::vector<TestStack> stacks;
  stacks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) stacks.emplace_back(8 * 1024 * 1024);
  for (const std::size_t i : {std::size_t{0}, count / 2, count - 1}) {
    write_byte(stacks[i]->usable_low());
    EXPECT_EXIT(write_byte(stacks[i]->usable_low() - 1), testing::KilledBySignal(SIGSEGV), "");
  }
}

}  // namespace
}  // namespace switchback::core
