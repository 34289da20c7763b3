// A function of a framework's that takes no arguments.
#pragma once

#include "interpreter/ref.hpp"

namespace switchback::tasks {

using interpreter::Ref;

// It is called by the shortest way where it is written in C.
class Query {
 public:
  void set(Ref function);
  void clear() { set(Ref()); }
  explicit operator bool() const { return static_cast<bool>(function_); }
  PyObject* function() const { return function_.get(); }
  bool is_direct() const { return direct_ != nullptr; }

  // An empty reference with an exception set on failure.
  Ref ask() const {
    return Ref::steal(direct_ != nullptr ? direct_(self_, nullptr)
                                         : PyObject_CallNoArgs(function_.get()));
  }

 private:
  Ref function_;
  PyCFunction direct_ = nullptr;  // of the function, or nullptr
  PyObject* self_ = nullptr;      // borrowed from the function
};

}  // namespace switchback::tasks
