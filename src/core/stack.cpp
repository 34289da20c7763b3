// Stacks from mmap(): the only file that knows how an operating system reserves and guards memory.
#include "core/stack.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace switchback::core {
namespace {

// Linux 6.13 and later; older C libraries do not name it. A guard set by madvise() lives in the
// page tables, so it does not split the mapping in two: vm.max_map_count no longer bounds the
// number of stacks.
#ifdef MADV_GUARD_INSTALL
constexpr int guard_install = MADV_GUARD_INSTALL;
#else
constexpr int guard_install = 102;
#endif

std::size_t round_to_pages(std::size_t size) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

bool install_guard(std::byte* low) {
  static std::atomic<bool> madvise_works{true};
  if (madvise_works.load(std::memory_order_relaxed)) {
    if (madvise(low, Stack::guard_size, guard_install) == 0) return true;
    // Only a kernel that does not know of it is not asked again.
    if (errno != EINVAL) return false;
    madvise_works.store(false, std::memory_order_relaxed);
  }
  return mprotect(low, Stack::guard_size, PROT_NONE) == 0;
}

}  // namespace

Stack map_stack(std::size_t size) noexcept {
  size = round_to_pages(size);
  if (size <= Stack::guard_size) return Stack{};  // too small, or so large that it overflowed
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return Stack{};
  Stack stack{static_cast<std::byte*>(memory), size};
#ifdef MADV_NOHUGEPAGE
  // A huge page would make the first touch of a stack cost 2 MiB. MAP_STACK implies this only
  // from Linux 6.7 on; a kernel without huge pages refuses, which is as good.
  (void)madvise(memory, size, MADV_NOHUGEPAGE);
#endif
  if (!install_guard(stack.low)) {
    unmap_stack(stack);
    return Stack{};
  }
  return stack;
}

void unmap_stack(Stack stack) noexcept { munmap(stack.low, stack.size); }

}  // namespace switchback::core
