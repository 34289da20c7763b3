// Telling a cancellation that has been lost from one that somebody has handled.
#include "portal/cancellation.hpp"

#include <utility>

namespace switchback::portal {
namespace {

enum class Answer { no, yes, unknown };

// What a function of the Python package says. No exception is set before or after.
Answer ask(const Portal* self, const char* function, PyObject* exception,
           PyObject* other = nullptr) {
  PyObject* const functions = self->module_state->cancellation;
  if (functions == nullptr) return Answer::no;
  Ref found = Ref::steal(PyObject_GetAttrString(functions, function));
  Ref answer = Ref::steal(
      found ? PyObject_CallFunctionObjArgs(found.get(), exception, other, nullptr) : nullptr);
  if (!answer) interpreter::clear_error_but_interrupts();
  if (answer.get() == Py_True) return Answer::yes;
  return answer.get() == Py_None ? Answer::unknown : Answer::no;
}

// While it is on its way, or where somebody keeps it, there is one reference more.
bool is_held(const Portal* self, Py_ssize_t besides = 0) {
  return Py_REFCNT(self->cancellation) > self->held + besides;
}

bool has_for_context(PyObject* exception, PyObject* other) {
  Ref context = Ref::steal(PyException_GetContext(exception));
  return context.get() == other;
}

bool is_requested(const Portal* self, PyObject* exception) {
  return ask(self, "is_requested", exception) == Answer::yes;
}

Answer has_left(const Portal* self, PyObject* exception) {
  return ask(self, "has_left", exception);
}

}  // namespace

bool may_cancel(PyObject* exception) {
  return PyErr_GivenExceptionMatches(exception, PyExc_Exception) == 0 &&
         PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit) == 0;
}

void keep_raised(Portal* self, Fiber& fiber, PyObject* exception) {
  // One that was lost before this one came is not to be forgotten: none of them may be raised
  // twice.
  PyObject* const kept = self->cancellation;
  if (kept != nullptr && kept != exception) {
    // Who runs the step may be handling it, as asyncio's tasks in Python do.
    const bool is_context = has_for_context(exception, kept);
    if (!is_held(self, is_context ? 1 : 0) && has_left(self, kept) == Answer::yes) return;
  }
  self->held = Py_REFCNT(exception) - (kept == exception ? 1 : 0);
  Py_XSETREF(self->cancellation, Py_NewRef(exception));
  fiber.set_guarded(true);  // so that no await_() takes the short way
}

void note_raised(Portal* self, Fiber& fiber, PyObject* exception) {
  if (is_requested(self, exception)) keep_raised(self, fiber, exception);
}

Ref take_lost(Portal* self) {
  if (self->cancellation == nullptr || is_held(self)) return Ref();
  const Answer left = has_left(self, self->cancellation);
  if (left == Answer::unknown || self->cancellation == nullptr) return Ref();
  Ref exception = Ref::steal(std::exchange(self->cancellation, nullptr));
  const bool is_lost = left == Answer::yes && is_requested(self, exception.get());
  return is_lost ? std::move(exception) : Ref();
}

void cancel_again(Portal* self) {
  if (Ref lost = take_lost(self)) ask(self, "request_again", lost.get());
}

PySendResult raise_lost(Portal* self, PySendResult outcome, PyObject** result) {
  // No code of the portal's is running, so that what refers to it does not raise it.
  Ref exception = Ref::steal(std::exchange(self->cancellation, nullptr));
  PyObject* const raised = outcome == PYGEN_ERROR ? interpreter::take_raised() : nullptr;
  const bool is_lost =
      (raised == nullptr || !may_cancel(raised)) && has_left(self, exception.get()) != Answer::no &&
      is_requested(self, exception.get()) &&
      ask(self, "is_part_of", exception.get(), raised != nullptr ? raised : *result) == Answer::no;
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
