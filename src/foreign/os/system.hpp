// What this room asks of an operating system: the thread-locals of the modules that are loaded. One
// source file a system implements it.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__) && defined(__GLIBC__) && defined(__LP64__) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define SWITCHBACK_SEES_THREAD_LOCALS 1
#else
#define SWITCHBACK_SEES_THREAD_LOCALS 0
#endif

namespace switchback::foreign {

// Whether the functions below do anything. Elsewhere there is no way that has been tried: nothing
// is put aside, and they say that there is nothing.
constexpr bool sees_thread_locals = SWITCHBACK_SEES_THREAD_LOCALS != 0;

// The modules that are loaded, as far as two looks are told apart.
struct LoadedSet {
  unsigned long long added = 0, removed = 0;  // how many, since the process began
  bool operator==(const LoadedSet&) const = default;
};

// A module that is loaded, and the thread-locals that the calling thread has of it.
struct Module {
  // Tell it apart from all others that are loaded.
  std::uintptr_t address = 0;
  const void* headers = nullptr;

  std::size_t header_count = 0;
  const char* name = nullptr;
  std::size_t tls_id = 0;            // 0: it has no thread-locals
  std::size_t size = 0;              // of a thread's block of them, in bytes
  const std::byte* image = nullptr;  // what a block begins with; zeros follow
  std::size_t image_size = 0;
  std::size_t alignment = 0;
  std::byte* data = nullptr;  // the thread's block; nullptr: the thread has not used it yet
};

// Calls visit(module, argument) for each module that is loaded, those of the system included, in an
// order that stays. That is done with a lock of the dynamic linker's, so `visit` loads nothing.
// With nullptr for `visit` it only says which set of modules there is, which takes little time.
LoadedSet list_modules(void (*visit)(const Module& module, void* argument), void* argument);

// The next three are asked about a module while it is visited.

// Whether the thread-locals of this module are none of our business: it is the system's, the
// interpreter, or the engine itself.
bool is_left_alone(const Module& module);

// Whether a module makes keys: pthread_key_create(), or what the interpreter has for that.
bool makes_keys(const Module& module);

// Whether a module uses its thread-locals at a fixed place, without asking the dynamic linker,
// which does not know then that the thread uses them.
bool has_fixed_block(const Module& module);

// That place in the calling thread, for the module of this name; nullptr if it is gone. To be asked
// after the visit.
std::byte* fixed_block(const char* name);

// Calls visit(file, argument) for each module that is on the running stack between the engine and
// where the engine began the stack, the innermost first; often more than once. Those that are left
// alone are left out.
void for_each_caller(void (*visit)(const char* file, void* argument), void* argument);

// A key is less than this.
extern const unsigned most_keys;

// Whether a key is in use, where the thread has no value for it. A new one is the least that is
// not.
bool key_exists(unsigned key);
void* key_value(unsigned key);
void set_key_value(unsigned key, void* value);

#if SWITCHBACK_SEES_THREAD_LOCALS
// The dynamic thread vector of the calling thread, by the processor's ABI for thread-locals: entry
// 0 is a generation; the others are blocks, each with another word that does not matter here.
struct ThreadVectorEntry {
  std::uintptr_t value;
  std::uintptr_t other;
};
inline const ThreadVectorEntry* thread_vector() {
  const ThreadVectorEntry* vector;
#ifdef __x86_64__
  asm volatile("mov %%fs:8, %0" : "=r"(vector));
#else
  const ThreadVectorEntry* const* pointer;
  asm volatile("mrs %0, tpidr_el0" : "=r"(pointer));
  vector = *pointer;
#endif
  return vector;
}

// Changes when the thread uses thread-locals of a module that was loaded since, and before the
// block of one that was unloaded is freed. Never ~0.
inline std::uintptr_t used_generation() { return thread_vector()->value; }

// What stands where the thread's block of a module belongs. Changes when it gets one.
inline std::uintptr_t block_slot(std::size_t tls_id) {
  const ThreadVectorEntry* const vector = thread_vector();
  return tls_id <= vector[-1].value ? vector[tls_id].value : 0;
}
#else
inline std::uintptr_t used_generation() { return 0; }
inline std::uintptr_t block_slot(std::size_t) { return 0; }
#endif

}  // namespace switchback::foreign
