// Keeping what Python has found out about a code object.
#include "tracing/code_facts.hpp"

#if SWITCHBACK_KNOWS_FRAMES
#include <algorithm>
#include <new>

#include "interpreter/exceptions.hpp"

namespace switchback::tracing {
namespace {

constexpr char module_name[] = "switchback._code_facts";

// A function of the module; empty, with an exception set, where there is none.
Ref function_of_module(const char* name) {
  Ref module = Ref::steal(PyImport_ImportModule(module_name));
  return Ref::steal(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
}

// The number by which an interpreter knows these facts among what others keep with code objects.
// Negative where it has none left, without an exception.
Py_ssize_t extra_index(freefunc free) {
  PyObject* const dict = PyInterpreterState_GetDict(PyThreadState_Get()->interp);  // borrowed
  if (dict == nullptr) return -1;
  PyObject* const known = PyDict_GetItemString(dict, module_name);  // borrowed
  if (known != nullptr) return PyLong_AsSsize_t(known);
  const Py_ssize_t index = interpreter::request_code_extra(free);
  Ref number = Ref::steal(PyLong_FromSsize_t(index));
  if (!number || PyDict_SetItemString(dict, module_name, number.get()) < 0) {
    interpreter::clear_error_but_interrupts();
  }
  return index;
}

}  // namespace

const CodeFacts* CodeFacts::of(PyCodeObject* code) {
  const CodeFacts* const facts = find(code);
  if (facts == nullptr && PyErr_Occurred()) interpreter::clear_error_but_interrupts();
  return facts;
}

CodeFacts* CodeFacts::find(PyCodeObject* code) {
  const Py_ssize_t index = extra_index(&CodeFacts::free);
  if (index < 0) return nullptr;
  if (void* known = interpreter::code_extra(code, index)) return static_cast<CodeFacts*>(known);
  Ref function = function_of_module("facts_of");
  if (!function) return nullptr;
  Ref found = Ref::steal(PyObject_CallOneArg(function.get(), reinterpret_cast<PyObject*>(code)));
  if (!found) return nullptr;
  // Another thread may have been here meanwhile.
  if (void* known = interpreter::code_extra(code, index)) return static_cast<CodeFacts*>(known);
  CodeFacts* const facts = make(found.get());
  if (facts == nullptr) return nullptr;
  if (!interpreter::set_code_extra(code, index, facts)) {
    free(facts);
    return nullptr;
  }
  return facts;
}

// `found` is (stand-in or None, unit, [(unit, place, unpacks, has arguments), ...], [function,
// ...]).
CodeFacts* CodeFacts::make(PyObject* found) {
  PyObject *stand_in, *list, *functions;
  int yield_unit;
  if (!PyArg_ParseTuple(found, "OiO!O!", &stand_in, &yield_unit, &PyList_Type, &list, &PyList_Type,
                        &functions)) {
    return nullptr;
  }
  const auto count = static_cast<std::size_t>(PyList_GET_SIZE(list));
  void* const memory = PyMem_Malloc(sizeof(CodeFacts) + count * sizeof(Call));
  if (memory == nullptr) return nullptr;
  auto* const facts = ::new (memory) CodeFacts(stand_in == Py_None ? Ref() : Ref::borrow(stand_in),
                                               yield_unit, Ref::borrow(functions), count);
  for (std::size_t i = 0; i < count; ++i) {
    int unit, place, unpacks, has_arguments;
    PyObject* const item = PyList_GET_ITEM(list, static_cast<Py_ssize_t>(i));
    if (!PyArg_ParseTuple(item, "iipp", &unit, &place, &unpacks, &has_arguments)) {
      free(facts);
      return nullptr;
    }
    ::new (facts->calls() + i) Call{unit, place, unpacks != 0, has_arguments != 0};
  }
  return facts;
}

void CodeFacts::free(void* facts) {
  if (facts == nullptr) return;
  static_cast<CodeFacts*>(facts)->~CodeFacts();
  PyMem_Free(facts);
}

PyObject* CodeFacts::function_that_is(const PyObject* object) const {
  for (Py_ssize_t i = 0; object != nullptr && i < PyList_GET_SIZE(functions_.get()); ++i) {
    PyObject* const function = PyList_GET_ITEM(functions_.get(), i);
    if (function == object) return function;
  }
  return nullptr;
}

const CodeFacts::Call* CodeFacts::call_at(int unit) const {
  const Call* const end = calls() + count_;
  const Call* const call = std::lower_bound(
      calls(), end, unit, [](const Call& one, int other) { return one.unit < other; });
  return call != end && call->unit == unit ? call : nullptr;
}

void instrument_running_code() {
  Ref function = function_of_module("instrument_running_code");
  Ref done = Ref::steal(function ? PyObject_CallNoArgs(function.get()) : nullptr);
  if (!done) interpreter::clear_error_but_interrupts();
}

}  // namespace switchback::tracing
#endif
