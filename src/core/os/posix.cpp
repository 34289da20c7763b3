// Linux, macOS and other POSIX systems: memory from mmap(), guards by madvise() or mprotect().
#include "core/os/system.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "core/address.hpp"
#include "core/sanitizer.hpp"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif

#ifdef __linux__
// Not in every C library.
extern "C" ssize_t process_madvise(int process, const iovec* parts, size_t count, int advice,
                                   unsigned int flags) noexcept __attribute__((weak));
#endif

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

std::atomic<bool> madvise_works{true};
std::atomic<bool> guard_has_worked{false};
// Guards that have split a mapping in two.
std::atomic<std::size_t> splitting_guards{0};

std::size_t read_most_mappings() {
  unsigned long most = 0;
  if (std::FILE* file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
    char line[32];
    if (std::fgets(line, sizeof(line), file) != nullptr) most = std::strtoul(line, nullptr, 10);
    std::fclose(file);
  }
  return most != 0 ? most : 65530;  // the kernel's default
}

// Gives advice on several places at once. The process is named by a number that stands for the
// caller, from Linux 6.15 on: a descriptor would still name the parent after a fork(). Older
// kernels know no such descriptor, and refuse.
bool advise([[maybe_unused]] const Places& places, [[maybe_unused]] int advice) {
#ifdef __linux__
  constexpr int self = -10001;  // PIDFD_SELF_THREAD_GROUP
  static std::atomic<bool> works{true};
  if (process_madvise == nullptr || !works.load(std::memory_order_relaxed)) return false;
  std::array<iovec, 64> parts{};
  assert(places.count <= parts.size());
  for (std::size_t i = 0; i < places.count; ++i) {
    parts[i] = {places.first + i * places.spacing, places.size};
  }
  const ssize_t advised = process_madvise(self, parts.data(), places.count, advice, 0);
  if (advised == static_cast<ssize_t>(places.count * places.size)) return true;
  // Out of memory, or locked: that may pass.
  if (advised < 0 && errno != ENOMEM && errno != EINVAL && errno != EAGAIN) {
    works.store(false, std::memory_order_relaxed);
  }
#endif
  return false;
}

GuardResult protect(std::byte* low, std::size_t size) {
  // Two mappings a guard. An eighth is left for the rest of the process, which would not survive
  // without: malloc() needs them, too.
  if (splitting_guards.fetch_add(1) >= most_mappings() / 16 * 7) {
    splitting_guards.fetch_sub(1);
    return GuardResult::too_many;
  }
  if (mprotect(low, size, PROT_NONE) == 0) return GuardResult::installed_as_mapping;
  splitting_guards.fetch_sub(1);
  return errno == ENOMEM ? GuardResult::too_many : GuardResult::no_memory;
}

// Where to look for room first. greenlet saves what lies between the place where it is called and
// the greenlet that it is to resume; where the latter has its place on a stack of ours, that is
// nothing as long as all of the threads' own stacks lie above. The first thread's lies near the
// upper end (in QEMU's emulation at the lower end of what mmap() gives), the others' come from
// mmap().
void* place_below_the_threads([[maybe_unused]] std::size_t size) {
#if defined(__linux__) && defined(__LP64__) && !defined(SWITCHBACK_TSAN)
  // To twice that. The mappings lie higher, wherever the kernel begins: that hangs on the
  // processor, on how many bits the kernel uses and on the limit of the first stack.
  static const std::uintptr_t low = [] {
    void* usual = mmap(nullptr, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (usual == MAP_FAILED) return std::uintptr_t{0};
    munmap(usual, page_size());
    return std::bit_floor(reinterpret_cast<std::uintptr_t>(usual)) / 2;
  }();
  if (low == 0) return nullptr;
  // Somewhere in the first half, as addresses should not be known beforehand.
  static std::atomic<std::uintptr_t> next{[] {
    std::uintptr_t random = 0;
    if (getentropy(&random, sizeof(random)) != 0) random = 0;
    return (random % (low / 2)) >> 21 << 21;
  }()};
  return reinterpret_cast<void*>(low + next.fetch_add(size) % low);
#else
  return nullptr;
#endif
}

}  // namespace

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

std::byte* reserve_memory(std::size_t size, std::size_t alignment, std::size_t remainder) noexcept {
  const std::size_t slack = alignment;
  if (size + slack < size) return nullptr;
  void* mapped = mmap(place_below_the_threads(size + slack), size + slack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const start = static_cast<std::byte*>(mapped);
  const std::size_t before = distance_to_place(start, alignment, remainder);
  std::byte* const low = start + before;
  if (before != 0) munmap(start, before);
  if (before != slack) munmap(low + size, slack - before);
#ifdef MADV_NOHUGEPAGE
  // A huge page would make the first touch of a stack cost 2 MiB. MAP_STACK implies this only
  // from Linux 6.7 on; a kernel without huge pages refuses, which is as good.
  (void)madvise(low, size, MADV_NOHUGEPAGE);
#endif
  return low;
}

void release_memory(std::byte* low, std::size_t size, std::size_t guard_mappings) noexcept {
  munmap(low, size);
  splitting_guards.fetch_sub(guard_mappings);
}

GuardResult install_guard(std::byte* low, std::size_t size) noexcept {
  // What accepts even advice that does not exist follows none (QEMU's emulation of programs).
  [[maybe_unused]] static const bool asked = [low, size] {
    if (madvise(low, size, -1) == 0) madvise_works.store(false, std::memory_order_relaxed);
    return true;
  }();
  if (madvise_works.load(std::memory_order_relaxed)) {
    if (madvise(low, size, guard_install) == 0) {
      guard_has_worked.store(true, std::memory_order_relaxed);
      return GuardResult::installed;
    }
    if (errno != EINVAL) return GuardResult::no_memory;
    // Only a kernel that does not know of it is not asked again; locked memory cannot have any.
    if (!guard_has_worked.load(std::memory_order_relaxed)) {
      madvise_works.store(false, std::memory_order_relaxed);
    }
  }
  return protect(low, size);
}

bool install_guards(const Places& places) noexcept {
  // install_guard() finds out whether the kernel has guards, on one.
  return guard_has_worked.load(std::memory_order_relaxed) && advise(places, guard_install);
}

void populate([[maybe_unused]] const Places& places) noexcept {
#ifdef __linux__
  constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, not named by older C libraries
  if (guard_has_worked.load(std::memory_order_relaxed)) advise(places, populate_write);
#endif
}

std::size_t most_mappings() noexcept {
  static const std::size_t most = read_most_mappings();
  return most;
}

void discard_memory(std::byte* low, std::size_t size) noexcept {
#ifdef __linux__
  (void)madvise(low, size, MADV_DONTNEED);
#else
  // Elsewhere, only a new mapping is zero.
  (void)mmap(low, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
#endif
}

void at_fork(void (*before)(), void (*after)()) noexcept { pthread_atfork(before, after, after); }

namespace {

constexpr int most_signals = 65;
std::array<std::atomic<int>, most_signals> files_of_signals;

void write_to_file_of(int number) {
  const int error = errno;
  [[maybe_unused]] const auto written =
      write(files_of_signals[static_cast<std::size_t>(number)].load(), "", 1);
  errno = error;
}

}  // namespace

bool write_on_signal(int number, int file) noexcept {
  if (number <= 0 || number >= most_signals) return false;
  files_of_signals[static_cast<std::size_t>(number)].store(file);
  struct sigaction action = {};
  action.sa_handler = write_to_file_of;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  return sigaction(number, &action, nullptr) == 0;
}

bool has_shadow_stack() noexcept {
#if defined(__linux__) && defined(__x86_64__)
  constexpr int shadow_stack_status = 0x5005;  // ARCH_SHSTK_STATUS, from Linux 6.6 on
  constexpr unsigned long enabled = 1;         // ARCH_SHSTK_SHSTK
  unsigned long features = 0;
  return syscall(SYS_arch_prctl, shadow_stack_status, &features) == 0 && (features & enabled) != 0;
#else
  return false;
#endif
}

const char* const shadow_stack_remedy =
    "start Python with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off in the environment";

}  // namespace switchback::core
