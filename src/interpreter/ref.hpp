// Ref: the owned reference. A raw PyObject* anywhere else is borrowed, unless its comment says so.
//
// All code that holds one is compiled without exceptions. CPython up to 3.13 ends a daemon thread
// by unwinding it while the interpreter finalizes, without the GIL: no destructor may run then.
#pragma once

#include <utility>

#include "interpreter/exceptions.hpp"

namespace switchback::interpreter {

class Ref {
 public:
  Ref() = default;
  static Ref steal(PyObject* object) { return Ref(object); }
  static Ref borrow(PyObject* object) { return Ref(Py_XNewRef(object)); }

  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) {
    PyObject* previous = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(previous);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  explicit Ref(PyObject* object) : object_(object) {}
  PyObject* object_ = nullptr;
};

// Puts the raised exception aside and sets it again at the end of the scope.
class RaisedScope {
 public:
  RaisedScope() : raised_(take_raised()) {}
  RaisedScope(const RaisedScope&) = delete;
  RaisedScope& operator=(const RaisedScope&) = delete;
  ~RaisedScope() {
    if (raised_ != nullptr) set_raised(raised_);
  }

 private:
  PyObject* raised_;  // owned
};

}  // namespace switchback::interpreter
