// The protocol of `await`: finding the iterator, sending, throwing and closing.
#include "portal/awaitable.hpp"

#include "interpreter/coroutines.hpp"

namespace switchback::portal {

using interpreter::is_generator_coroutine;

namespace {

// What throw() and close() of a coroutine that runs would raise, or false.
bool refuse_executing(PyObject* iterator) {
  if (!interpreter::is_executing(iterator)) return false;
  PyErr_Format(PyExc_ValueError, "%s already executing",
               PyCoro_CheckExact(iterator) ? "coroutine" : "generator");
  return true;
}

}  // namespace

bool check_not_awaited(PyObject* coroutine) {
  Ref awaited = Ref::steal(PyObject_GetAttrString(coroutine, "cr_await"));
  if (!awaited) return false;
  if (awaited.get() == Py_None) return true;
  PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
  return false;
}

Ref await_iterator(PyObject* awaitable) {
  if (PyCoro_CheckExact(awaitable)) {
    // One that has not run awaits nothing, which takes no look-up to tell.
    const bool is_free =
        interpreter::is_unstarted_coroutine(awaitable) || check_not_awaited(awaitable);
    return is_free ? Ref::borrow(awaitable) : Ref();
  }
  if (is_generator_coroutine(awaitable)) return Ref::borrow(awaitable);

  const PyAsyncMethods* methods = Py_TYPE(awaitable)->tp_as_async;
  if (methods == nullptr || methods->am_await == nullptr) {
    interpreter::set_not_awaitable(awaitable);
    return Ref();
  }
  Ref iterator = Ref::steal(methods->am_await(awaitable));
  if (!iterator) return iterator;
  if (PyCoro_CheckExact(iterator.get()) || is_generator_coroutine(iterator.get())) {
    interpreter::set_await_returned_coroutine(awaitable);
    return Ref();
  }
  if (!PyIter_Check(iterator.get())) {
    interpreter::set_await_returned_no_iterator(awaitable, iterator.get());
    return Ref();
  }
  return iterator;
}

PySendResult send_result(PyObject* returned, PyObject** result) {
  *result = returned;
  if (returned != nullptr) return PYGEN_NEXT;
  if (!PyErr_Occurred()) {
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
  }
  if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return PYGEN_ERROR;
  Ref stop = Ref::steal(interpreter::take_raised());
  // A subclass may have been raised whose constructor returns something else.
  if (!PyObject_TypeCheck(stop.get(), reinterpret_cast<PyTypeObject*>(PyExc_StopIteration))) {
    interpreter::set_raised(stop.release());
    return PYGEN_ERROR;
  }
  *result = Py_NewRef(reinterpret_cast<PyStopIterationObject*>(stop.get())->value);
  return PYGEN_RETURN;
}

bool close_iterator(ModuleState& module_state, PyObject* iterator) {
  if (refuse_executing(iterator)) return false;
  bool failed = false;
  Ref close =
      Ref::steal(interpreter::optional_attribute(iterator, module_state.name_close, &failed));
  if (!close) {
    // As the interpreter: an attribute that fails to be looked up does not stop the exit.
    if (failed) PyErr_WriteUnraisable(iterator);
    return true;
  }
  Ref closed = Ref::steal(PyObject_CallNoArgs(close.get()));
  return static_cast<bool>(closed);
}

PySendResult throw_into(ModuleState& module_state, PyObject* iterator, PyObject* exception,
                        PyObject** result) {
  *result = nullptr;
  if (refuse_executing(iterator)) return PYGEN_ERROR;
  if (PyCoro_CheckExact(iterator) || PyGen_CheckExact(iterator)) {
    return send_result(PyObject_CallMethodOneArg(iterator, module_state.name_throw, exception),
                       result);
  }
  bool failed = false;
  Ref method =
      Ref::steal(interpreter::optional_attribute(iterator, module_state.name_throw, &failed));
  if (failed) return PYGEN_ERROR;
  if (method) return send_result(PyObject_CallOneArg(method.get(), exception), result);
  interpreter::set_raised(Py_NewRef(exception));
  return PYGEN_ERROR;
}

PySendResult throw_into_delegate(ModuleState& module_state, PyObject* iterator, PyObject* exception,
                                 PyObject** result) {
  if (!PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit)) {
    return throw_into(module_state, iterator, exception, result);
  }
  *result = nullptr;
  if (close_iterator(module_state, iterator)) interpreter::set_raised(Py_NewRef(exception));
  return PYGEN_ERROR;
}

void set_stop_iteration(PyObject* value) {
  if (value == Py_None) {
    PyErr_SetNone(PyExc_StopIteration);
  } else if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
    PyErr_SetObject(PyExc_StopIteration, value);
  } else {
    // PyErr_SetObject() would take a tuple for the arguments, and an exception for the instance.
    Ref stop = Ref::steal(PyObject_CallOneArg(PyExc_StopIteration, value));
    if (stop) PyErr_SetObject(PyExc_StopIteration, stop.get());
  }
}

}  // namespace switchback::portal
