// greenlet's C API, as far as it is used; found in the module that the program has imported.
#pragma once

#include "fiber/errand.hpp"

namespace switchback::greenlet {

using interpreter::Ref;

// The capsule greenlet._C_API holds a table of pointers; the indices are those of greenlet.h, which
// calls them its API, and have been the same since greenlet 0.4.
//
// All of it may be called on a stack of ours as well: what switches is done on the thread's own.
class Api final : public fiber::Places {
 public:
  // The places in the table of what switches.
  static constexpr int throw_index = 5, switch_index = 6;

  // Returns false with an exception set if there is no greenlet to import.
  bool load() {
    if (table_ == nullptr) {
      table_ = static_cast<void**>(PyCapsule_Import("greenlet._C_API", 0));
    }
    return table_ != nullptr;
  }
  void** table() const { return table_; }

  // greenlet.greenlet, borrowed.
  PyTypeObject* type() const { return static_cast<PyTypeObject*>(table_[0]); }
  // greenlet.greenlet(run, main), a child of the thread's main one: each refers to its parent, and
  // one for portals lives on in the pool, or suspended, after the current one has been dropped.
  Ref make(PyObject* run) const {
    Ref main = current();
    if (!main) return Ref();
    while (Ref above = parent(main.get())) main = std::move(above);
    return Ref::steal(call<PyObject*(PyObject*, PyObject*)>(3)(run, main.get()));
  }
  // greenlet.getcurrent()
  Ref current() const override { return Ref::steal(call<PyObject*()>(4)()); }
  // greenlet.switch(), without arguments. What may switch: this does. `greenlet` may be gone when
  // it returns, of which greenlet makes no use after a switch but in an assertion. To own it
  // meanwhile would keep one that is dropped while a portal of its loop is suspended.
  Ref switch_to(PyObject* greenlet) const override {
    return Ref::steal(
        call<PyObject*(PyObject*, PyObject*, PyObject*)>(switch_index)(greenlet, nullptr, nullptr));
  }
  // Whether it has started and not ended.
  bool active(PyObject* greenlet) const { return call<int(PyObject*)>(10)(greenlet) != 0; }
  // greenlet.parent, or an empty reference, without an exception.
  Ref parent(PyObject* greenlet) const {
    return Ref::steal(call<PyObject*(PyObject*)>(11)(greenlet));
  }

  void refuse_switch(const char* what_it_does) const override {
    Ref greenlet = current();
    if (!greenlet) return;
    PyErr_Format(PyExc_RuntimeError,
                 "a greenlet has switched to %R, which %s; only the portal may do that, when its "
                 "event loop resumes it: have greenlets switch to others only",
                 greenlet.get(), what_it_does);
  }

 private:
  template <typename Function>
  Function* call(int index) const {
    return reinterpret_cast<Function*>(table_[index]);
  }
  void** table_ = nullptr;
};

}  // namespace switchback::greenlet
