// A growing array of plain values that says when there is no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

namespace switchback::foreign {

// Two words while it is empty. The engine has no exceptions, with which std::vector would tell.
template <typename T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Array() = default;
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { std::free(static_cast<void*>(items_)); }

  bool empty() const { return size_ == 0; }
  std::uint32_t size() const { return size_; }
  T* begin() { return items_; }
  T* end() { return items_ + size_; }
  T& operator[](std::size_t index) { return items_[index]; }
  T& last() { return items_[size_ - 1]; }

  // Returns false, with the array as it was, if there is no memory.
  bool add(const T& item) {
    if (size_ == capacity_ && !grow()) return false;
    items_[size_++] = item;
    return true;
  }
  // Keeps the memory, as there are going to be as many items again.
  void shorten(std::uint32_t size) { size_ = size; }
  void clear() { size_ = 0; }

 private:
  bool grow() {
    const std::uint32_t capacity = capacity_ == 0 ? 4 : capacity_ * 2;
    void* const items = std::realloc(static_cast<void*>(items_), capacity * sizeof(T));
    if (items == nullptr) return false;
    items_ = static_cast<T*>(items);
    capacity_ = capacity;
    return true;
  }

  T* items_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace switchback::foreign
