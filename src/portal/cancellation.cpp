// Telling a cancellation that has been lost from one that somebody has handled.
#include "portal/cancellation.hpp"

#include <utility>

namespace switchback::portal {
namespace {

enum class Answer { no, yes, unknown };

// What a function of the Python package says of the exception. None is set before or after.
Answer ask(PyObject* function, PyObject* exception) {
  if (function == nullptr) return Answer::no;
  Ref answer = Ref::steal(PyObject_CallOneArg(function, exception));
  if (!answer) PyErr_WriteUnraisable(function);
  if (answer.get() == Py_True) return Answer::yes;
  return answer.get() == Py_None ? Answer::unknown : Answer::no;
}

bool is_ordinary(PyObject* exception) {
  return PyErr_GivenExceptionMatches(exception, PyExc_Exception) != 0 ||
         PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit) != 0;
}

}  // namespace

void note_raised(ModuleState& module_state, Fiber& fiber) {
  if (is_ordinary(PyErr_Occurred())) return;
  Portal* const self = portal_on(fiber);
  PyObject* const exception = interpreter::take_raised();
  const Py_ssize_t held = Py_REFCNT(exception);
  if (ask(module_state.is_cancellation_requested, exception) == Answer::yes) {
    Py_XSETREF(self->cancellation, Py_NewRef(exception));
    self->held = held;
    fiber.set_guarded(true);  // so that no await_() takes the short way
  }
  interpreter::set_raised(exception);
}

Ref take_lost(Portal* self) {
  if (self->cancellation == nullptr) return Ref();
  // While it is on its way, or where somebody keeps it, there is one more.
  if (Py_REFCNT(self->cancellation) > self->held) return Ref();
  ModuleState& module_state = *self->module_state;
  Ref exception = Ref::steal(std::exchange(self->cancellation, nullptr));
  const Answer left = ask(module_state.has_left_python, exception.get());
  if (left == Answer::unknown) {
    Py_XSETREF(self->cancellation, exception.release());
    return Ref();
  }
  const bool is_lost = left == Answer::yes &&
                       ask(module_state.is_cancellation_requested, exception.get()) == Answer::yes;
  return is_lost ? std::move(exception) : Ref();
}

PySendResult raise_lost(Portal* self, PySendResult outcome, PyObject** result) {
  Ref exception = Ref::steal(std::exchange(self->cancellation, nullptr));
  if (!exception || outcome == PYGEN_NEXT) return outcome;
  PyObject* raised = outcome == PYGEN_ERROR ? interpreter::take_raised() : nullptr;
  ModuleState& module_state = *self->module_state;
  // Nothing of the portal's code is running, so whoever refers to it does not raise it.
  const bool is_lost =
      (raised == nullptr || PyErr_GivenExceptionMatches(raised, PyExc_Exception) != 0) &&
      ask(module_state.has_left_python, exception.get()) == Answer::yes &&
      ask(module_state.is_cancellation_requested, exception.get()) == Answer::yes;
  if (!is_lost) {
    if (raised != nullptr) interpreter::set_raised(raised);
    return outcome;
  }
  if (raised != nullptr) {
    PyException_SetContext(exception.get(), raised);  // steals
  } else {
    Py_CLEAR(*result);
  }
  interpreter::set_raised(exception.release());
  return PYGEN_ERROR;
}

}  // namespace switchback::portal
