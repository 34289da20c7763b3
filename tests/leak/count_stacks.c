/* Preloaded into a Python: counts the stacks that are mapped.
 *
 * The engine's are told from other mappings by MAP_STACK, and all of one size. (The C library maps
 * the stacks of threads by calls of its own, which do not come here.) Threads that end unmap
 * stacks without the GIL. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long live_count;
static atomic_size_t stack_size;

long count_live_stacks(void) { return live_count; }

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  void *memory = (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
  if ((flags & MAP_STACK) != 0 && memory != MAP_FAILED) {
    stack_size = size;
    ++live_count;
  }
  return memory;
}

void *mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  return mmap(address, size, protection, flags, file, offset);
}

int munmap(void *address, size_t size) {
  if (size == stack_size) --live_count;
  return (int)syscall(SYS_munmap, address, size);
}
