/* Preloaded into a Python: counts the calls by which stacks are guarded, filled and emptied; refuses
 * some of them, or takes its time over them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { GUARD, GUARD_BY_MPROTECT, POPULATE, DISCARD, KINDS };

static atomic_long counts[KINDS];
static atomic_int refused[KINDS];
static atomic_long delays[KINDS];
static atomic_int begun[KINDS];

long count(int kind) { return counts[kind]; }
/* Such calls fail with that error from now on; 0 for none. */
void refuse(int kind, int error) { refused[kind] = error; }
/* Such calls take so many milliseconds from now on. */
void delay(int kind, long milliseconds) { delays[kind] = milliseconds; }
/* How many such calls have begun, and may not have returned yet. */
int started(int kind) { return begun[kind]; }

static int note(enum kind kind) {
  ++counts[kind];
  ++begun[kind];
  if (delays[kind] != 0) {
    struct timespec time = {delays[kind] / 1000, delays[kind] % 1000 * 1000000};
    nanosleep(&time, NULL);
  }
  if (refused[kind] == 0) return 0;
  errno = refused[kind];
  return -1;
}

static enum kind kind_of(int advice) {
  switch (advice) {
    case 102: /* MADV_GUARD_INSTALL */
      return GUARD;
    case 23: /* MADV_POPULATE_WRITE */
      return POPULATE;
    case MADV_DONTNEED:
      return DISCARD;
  }
  return KINDS;
}

int madvise(void *address, size_t size, int advice) {
  const enum kind kind = kind_of(advice);
  if (kind != KINDS && note(kind) != 0) return -1;
  return (int)syscall(SYS_madvise, address, size, advice);
}

ssize_t process_madvise(int process, const struct iovec *parts, size_t number, int advice,
                        unsigned flags) {
  const enum kind kind = kind_of(advice);
  if (kind != KINDS && note(kind) != 0) return -1;
  return syscall(SYS_process_madvise, process, parts, number, advice, flags);
}

int mprotect(void *address, size_t size, int protection) {
  if (protection == PROT_NONE && note(GUARD_BY_MPROTECT) != 0) return -1;
  return (int)syscall(SYS_mprotect, address, size, protection);
}
