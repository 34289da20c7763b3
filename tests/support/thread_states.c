/* Calls Python functions in thread states of other making than threading's: several of one thread,
 * one that several threads take in turns, and those of threads that Python has not started.
 *
 * Each function is called with the GIL, and returns None. */
#include <Python.h>
#include <pthread.h>
#include <sys/mman.h>

static void call(PyObject *function) {
  PyObject *result = PyObject_CallNoArgs(function);
  if (result == NULL) PyErr_WriteUnraisable(function);
  Py_XDECREF(result);
}

static PyThreadState *new_state(void) {
  return PyThreadState_New(PyThreadState_GetInterpreter(PyThreadState_Get()));
}

/* In a new state of this thread, which then ends. */
PyObject *in_new_state(PyObject *function) {
  PyThreadState *mine = PyThreadState_Get(), *other = new_state();
  PyThreadState_Swap(other);
  call(function);
  PyThreadState_Clear(other);
  PyThreadState_Swap(mine);
  PyThreadState_Delete(other);
  Py_RETURN_NONE;
}

/* The same, but the new state is ended from within this one. */
PyObject *in_new_state_cleared_from_outside(PyObject *function) {
  PyThreadState *mine = PyThreadState_Get(), *other = new_state();
  PyThreadState_Swap(other);
  call(function);
  PyThreadState_Swap(mine);
  PyThreadState_Clear(other);
  PyThreadState_Delete(other);
  Py_RETURN_NONE;
}

struct work {
  PyThreadState *state;
  PyObject *function;
  int ends;
};

static void *run_in_state(void *argument) {
  struct work *work = argument;
  PyEval_RestoreThread(work->state);
  if (work->function != NULL) call(work->function);
  if (work->ends) {
    PyThreadState_Clear(work->state);
    PyThreadState_DeleteCurrent();
  } else {
    PyEval_SaveThread();
  }
  return NULL;
}

static void start_and_join(void *(*start)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 8 << 20);
  if (pthread_create(&thread, &attributes, start, argument) != 0) Py_FatalError("no thread");
  pthread_attr_destroy(&attributes);
  pthread_join(thread, NULL);
}

/* In this state, which another thread of the system takes meanwhile. */
PyObject *in_another_thread(PyObject *function) {
  struct work work = {PyEval_SaveThread(), function, 0};
  start_and_join(run_in_state, &work);
  PyEval_RestoreThread(work.state);
  Py_RETURN_NONE;
}

/* In a new state, in a thread of the system that ends before another one ends the state. */
PyObject *in_a_state_that_ends_in_another_thread(PyObject *function) {
  struct work begin = {new_state(), function, 0}, end = {begin.state, NULL, 1};
  PyThreadState *mine = PyEval_SaveThread();
  start_and_join(run_in_state, &begin);
  start_and_join(run_in_state, &end);
  PyEval_RestoreThread(mine);
  Py_RETURN_NONE;
}

static void *run_foreign(void *function) {
  PyGILState_STATE state = PyGILState_Ensure();
  call(function);
  PyGILState_Release(state);
  return NULL;
}

/* In a thread of which Python learns by the call, and whose state ends with that. */
PyObject *in_a_foreign_thread(PyObject *function) {
  PyThreadState *mine = PyEval_SaveThread();
  start_and_join(run_foreign, function);
  PyEval_RestoreThread(mine);
  Py_RETURN_NONE;
}

/* In a foreign thread whose stack lies below those of portals. */
PyObject *in_a_low_thread(PyObject *function) {
  const size_t size = 64 << 20;
  void *const wanted = (void *)0x200000000;
  void *stack = mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack != wanted) Py_FatalError("no room for the stack");
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, size);
  PyThreadState *mine = PyEval_SaveThread();
  if (pthread_create(&thread, &attributes, run_foreign, function) != 0) Py_FatalError("no thread");
  pthread_join(thread, NULL);
  PyEval_RestoreThread(mine);
  Py_RETURN_NONE;
}

/* As C code does that may be called in any thread. */
PyObject *ask_for_the_gil(void) {
  PyGILState_STATE state = PyGILState_Ensure();
  PyGILState_Release(state);
  Py_RETURN_NONE;
}

static pthread_key_t later;

static void *run_twice(void *function) {
  run_foreign(function);
  pthread_setspecific(later, function);
  return NULL;
}

static void call_later(void *function) { run_foreign(function); }

/* In a foreign thread, and once more when its C++ thread-locals are gone. */
PyObject *now_and_after_thread_locals(PyObject *function) {
  PyThreadState *mine = PyEval_SaveThread();
  pthread_key_create(&later, call_later);
  start_and_join(run_twice, function);
  PyEval_RestoreThread(mine);
  Py_RETURN_NONE;
}
