// The containers whose repr() is under way, which the interpreter keeps for a thread state.
#pragma once

#include "interpreter/python.hpp"

namespace switchback::interpreter {

// The list of a thread state (Py_ReprEnter() in Objects/object.c): repr() of a container that is in
// it is "[...]". What a suspended stack has in there is put aside; what its resumer has stays, as a
// container that contains itself may lead there by way of a portal.
//
// While no repr() is under way, neither here nor in a suspended stack, all there is to do is to
// look whether in_use() is 0.
class ReprList {
 public:
  ReprList() = default;
  ReprList(const ReprList&) = delete;
  ReprList& operator=(const ReprList&) = delete;

  // Finds the list in the thread state's dict, or makes it. Returns false with an exception set on
  // failure.
  bool find(PyObject* dict) {
    constexpr char name[] = "Py_Repr";
    PyObject* key = PyUnicode_InternFromString(name);
    if (key == nullptr) return false;
    PyObject* list = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    if (list == nullptr && !PyErr_Occurred()) {
      list = PyList_New(0);
      if (list != nullptr && PyDict_SetItem(dict, key, list) < 0) Py_CLEAR(list);
    }
    Py_DECREF(key);
    if (list == nullptr) return false;
    forget();
    list_ = list;
    look_at_right_one();
    return true;
  }

  // As the thread state ends.
  void forget() {
    Py_CLEAR(list_);
    look_at_right_one();
  }

  Py_ssize_t in_use() const { return *in_use_; }

 private:
  friend class ReprsUnderWay;

  void look_at_right_one() {
    if (stacks_ != 0) {
      in_use_ = &stacks_;
    } else {
      in_use_ = list_ != nullptr ? &reinterpret_cast<const PyVarObject*>(list_)->ob_size : &none;
    }
  }

  static constexpr Py_ssize_t none = 0;

  PyObject* list_ = nullptr;          // owned
  Py_ssize_t stacks_ = 0;             // how many suspended ones have some put aside
  const Py_ssize_t* in_use_ = &none;  // the size of the list; or, where that is not 0, `stacks_`
};

// Those of one stack. Both functions are called on the resumer's stack, where list.in_use() is not
// 0 before the stack is entered, or after it has been left. They run no Python code.
class ReprsUnderWay {
 public:
  void enter(ReprList& list) {
    if (list.list_ == nullptr) return;
    base_ = PyList_GET_SIZE(list.list_);
    if (count_ == 0) return;
    for (Py_ssize_t i = 0; i < count_; ++i) {
      // What there is no memory for is forgotten: as if its repr() had not begun.
      if (PyList_Append(list.list_, items_[i]) < 0) PyErr_Clear();
      Py_DECREF(items_[i]);  // not the last one, as its repr() goes on
    }
    PyMem_Free(static_cast<void*>(items_));
    items_ = nullptr;
    count_ = 0;
    --list.stacks_;
    list.look_at_right_one();
  }

  // `ends`: nothing is going to enter this stack where it was left.
  void leave(ReprList& list, bool ends) {
    if (list.list_ == nullptr) return;
    const Py_ssize_t base = base_, own = PyList_GET_SIZE(list.list_) - base;
    base_ = 0;
    if (own <= 0 || ends) return;
    items_ = static_cast<PyObject**>(PyMem_Malloc(static_cast<size_t>(own) * sizeof(PyObject*)));
    if (items_ == nullptr) return;  // left where they are, as if this were not known
    for (Py_ssize_t i = 0; i < own; ++i) items_[i] = PyList_GET_ITEM(list.list_, base + i);
    Py_SET_SIZE(list.list_, base);  // the references are ours now
    count_ = own;
    ++list.stacks_;
    list.look_at_right_one();
  }

 private:
  PyObject** items_ = nullptr;  // owned, while the stack is suspended
  Py_ssize_t count_ = 0;
  Py_ssize_t base_ = 0;  // how many the resumer has, while the stack runs
};

}  // namespace switchback::interpreter
