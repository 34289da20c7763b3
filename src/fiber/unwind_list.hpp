// Owners of suspended jobs that are going to be unwound.
#pragma once

#include <new>
#include <utility>

#include "interpreter/ref.hpp"

namespace switchback::fiber {

// Holds them until then, in order. It takes no object of the interpreter for that, as to make one
// may run Python code. What is still in the list when that goes is leaked rather than dropped.
class UnwindList {
 public:
  UnwindList() = default;
  UnwindList(const UnwindList&) = delete;
  UnwindList& operator=(const UnwindList&) = delete;

  bool empty() const { return first_ == nullptr; }

  // `owner` is borrowed. Returns false, without an exception, if there is no memory.
  bool add(PyObject* owner) {
    auto* entry = new (std::nothrow) Entry{owner, nullptr};
    if (entry == nullptr) return false;
    Py_INCREF(owner);
    *last_ = entry;
    last_ = &entry->next;
    return true;
  }

  // Unwinds those that are in the list by now, and empties it: by their finalizers (see Job),
  // called directly, as the interpreter calls that of an object only once. Runs Python code.
  void unwind_all() {
    Entry* entry = std::exchange(first_, nullptr);
    last_ = &first_;
    while (entry != nullptr) {
      Py_TYPE(entry->owner)->tp_finalize(entry->owner);
      Entry* const done = std::exchange(entry, entry->next);
      Py_DECREF(done->owner);
      delete done;
    }
  }

 private:
  struct Entry {
    PyObject* owner;  // owned
    Entry* next;
  };

  Entry* first_ = nullptr;
  Entry** last_ = &first_;
};

}  // namespace switchback::fiber
