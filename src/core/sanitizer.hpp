// Tells AddressSanitizer and ThreadSanitizer about a switch of stacks; empty in ordinary builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SWITCHBACK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SWITCHBACK_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SWITCHBACK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SWITCHBACK_TSAN 1
#endif
#endif

#ifdef SWITCHBACK_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SWITCHBACK_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// For functions that read memory of a stack on which nothing runs.
#ifdef SWITCHBACK_ASAN
#define SWITCHBACK_NO_ASAN __attribute__((no_sanitize("address")))
#else
#define SWITCHBACK_NO_ASAN
#endif

namespace switchback::core {

// One side's view of the other while a stack is being left: bounds and shadow state.
// start_*() is called just before the jump, finish_*() just after it, on the other stack.
class SanitizerSwitch {
 public:
  void set_stack([[maybe_unused]] const void* low, [[maybe_unused]] std::size_t size) {
#ifdef SWITCHBACK_ASAN
    own_low_ = low;
    own_size_ = size;
#endif
#ifdef SWITCHBACK_TSAN
    own_tsan_ = __tsan_create_fiber(0);
#endif
  }

  // `suspended_at` is where the stack is suspended for good. The calls below that place have
  // returned and unpoisoned what they used; to do so once more would commit shadow memory, a
  // megabyte for a stack.
  void forget_stack([[maybe_unused]] const void* suspended_at) {
#ifdef SWITCHBACK_ASAN
    const auto* low = static_cast<const std::byte*>(suspended_at);
    const auto* top = static_cast<const std::byte*>(own_low_) + own_size_;
    __asan_unpoison_memory_region(low, static_cast<std::size_t>(top - low));
#endif
#ifdef SWITCHBACK_TSAN
    __tsan_destroy_fiber(own_tsan_);
#endif
  }

  // Resumer -> this stack.
  void start_resume() {
#ifdef SWITCHBACK_ASAN
    __sanitizer_start_switch_fiber(&resumer_shadow_, own_low_, own_size_);
#endif
#ifdef SWITCHBACK_TSAN
    resumer_tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(own_tsan_, 0);
#endif
  }
  void finish_resume() {  // on this stack
#ifdef SWITCHBACK_ASAN
    __sanitizer_finish_switch_fiber(own_shadow_, &resumer_low_, &resumer_size_);
#endif
  }

  // This stack -> resumer.
  void start_suspend() {
#ifdef SWITCHBACK_ASAN
    __sanitizer_start_switch_fiber(&own_shadow_, resumer_low_, resumer_size_);
#endif
#ifdef SWITCHBACK_TSAN
    __tsan_switch_to_fiber(resumer_tsan_, 0);
#endif
  }
  void finish_suspend() {  // on the resumer's stack
#ifdef SWITCHBACK_ASAN
    __sanitizer_finish_switch_fiber(resumer_shadow_, nullptr, nullptr);
#endif
  }

 private:
#ifdef SWITCHBACK_ASAN
  const void* own_low_ = nullptr;
  std::size_t own_size_ = 0;
  void* own_shadow_ = nullptr;
  const void* resumer_low_ = nullptr;
  std::size_t resumer_size_ = 0;
  void* resumer_shadow_ = nullptr;
#endif
#ifdef SWITCHBACK_TSAN
  void* own_tsan_ = nullptr;
  void* resumer_tsan_ = nullptr;
#endif
};

}  // namespace switchback::core
