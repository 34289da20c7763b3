/* Preloaded into a Python: lets the n-th call of what stacks are made with fail.
 *
 * Stacks are told from other mappings by MAP_STACK; the kernel and the C library go unasked only
 * where a call is to fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { STACK_MAP, ANY_MAP, GUARD_BY_MADVISE, GUARD_BY_MPROTECT, NEW, KINDS };

static const size_t smallest_stack = 1 << 20;
static const int guard_install = 102; /* MADV_GUARD_INSTALL */

static long until_failure[KINDS] = {-1, -1, -1, -1, -1};
static int and_all_after[KINDS];
static long failures[KINDS];

/* Lets calls of a kind fail: the one after `n` others, and with `forever` all that follow it too.
 * With n < 0, none. */
void fail_at(int kind, long n, int forever) {
  until_failure[kind] = n;
  and_all_after[kind] = forever;
  failures[kind] = 0;
}

long count_failures(int kind) { return failures[kind]; }

static int is_to_fail(enum kind kind) {
  if (until_failure[kind] < 0) return 0;
  if (until_failure[kind] > 0) {
    --until_failure[kind];
    return 0;
  }
  if (!and_all_after[kind]) until_failure[kind] = -1;
  ++failures[kind];
  return 1;
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  const int is_stack = (flags & MAP_STACK) != 0 && size >= smallest_stack;
  if ((flags & MAP_ANONYMOUS) != 0 && is_to_fail(is_stack ? STACK_MAP : ANY_MAP)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

void *mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  return mmap(address, size, protection, flags, file, offset);
}

int madvise(void *address, size_t size, int advice) {
  if (advice == guard_install && is_to_fail(GUARD_BY_MADVISE)) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_madvise, address, size, advice);
}

/* Guards for several stacks at once. */
ssize_t process_madvise(int process, const struct iovec *parts, size_t count, int advice,
                        unsigned flags) {
  if (advice == guard_install && is_to_fail(GUARD_BY_MADVISE)) {
    errno = EINVAL;
    return -1;
  }
  return syscall(SYS_process_madvise, process, parts, count, advice, flags);
}

int mprotect(void *address, size_t size, int protection) {
  if (protection == PROT_NONE && is_to_fail(GUARD_BY_MPROTECT)) {
    errno = ENOMEM;
    return -1;
  }
  return (int)syscall(SYS_mprotect, address, size, protection);
}

/* operator new(std::size_t, const std::nothrow_t&) of C++. */
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow) {
  (void)nothrow;
  return is_to_fail(NEW) ? NULL : malloc(size);
}
