/* A library that calls back, and keeps the call under way in a thread-local: its data is on the stack.
 *
 * Compiled with one of KEEPS_IN_THREAD_LOCAL, KEEPS_IN_FIXED_PLACE, KEEPS_IN_KEY; and, for the first,
 * with WORDS_BEFORE and WORDS_AFTER of other thread-locals around it. With MODULE, the name of an
 * extension module, it can be imported.
 */
#include <Python.h>
#include <locale.h>
#include <pthread.h>

struct call {
  long number;
  struct call* outer;
};

#if defined(KEEPS_IN_KEY)

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make_key(void) { pthread_key_create(&key, NULL); }
static struct call* get(void) {
  pthread_once(&once, make_key);
  return pthread_getspecific(key);
}
static void set(struct call* call) {
  pthread_once(&once, make_key);
  pthread_setspecific(key, call);
}

#else

#ifndef WORDS_BEFORE
#define WORDS_BEFORE 0
#define WORDS_AFTER 0
#endif
#ifdef KEEPS_IN_FIXED_PLACE
#define MODEL __attribute__((tls_model("initial-exec")))
#else
#define MODEL __attribute__((tls_model("global-dynamic")))
#endif
static MODEL __thread struct {
  void* before[WORDS_BEFORE];
  struct call* call;
  void* after[WORDS_AFTER];
} words;
static struct call* get(void) { return words.call; }
static void set(struct call* call) { words.call = call; }

#endif

/* Calls function(), and returns what it returns, with whether this call is still the one under way. */
PyObject* call_back(long number, PyObject* function) {
  struct call mine = {number, get()};
  set(&mine);
  PyObject* result = PyObject_CallNoArgs(function);
  int is_mine = get() == &mine;
  set(mine.outer);
  return result == NULL ? NULL : Py_BuildValue("(NO)", result, is_mine ? Py_True : Py_False);
}

/* The number of the call under way, or 0. */
long under_way(void) {
  struct call* call = get();
  return call == NULL ? 0 : call->number;
}

/* Calls function() while a thread-local of the C library points to a locale on the stack. */
PyObject* call_with_locale(PyObject* function) {
  struct __locale_struct on_stack;
  locale_t global = duplocale(LC_GLOBAL_LOCALE);
  memcpy(&on_stack, global, sizeof on_stack);
  locale_t before = uselocale(&on_stack);
  PyObject* result = PyObject_CallOneArg(function, PyLong_FromVoidPtr(&on_stack));
  uselocale(before);
  freelocale(global);
  return result;
}

/* For a caller that keeps the data itself. */
void set_call(void* call) { set(call); }
void* get_call(void) { return get(); }

#ifdef MODULE
static PyObject* call_back_in_module(PyObject* module, PyObject* function) {
  (void)module;
  return call_back(1, function);
}
static PyMethodDef methods[] = {{"call_back", call_back_in_module, METH_O, NULL},
                                {NULL, NULL, 0, NULL}};
#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT,
                                 .m_name = TEXT(MODULE),
                                 .m_size = -1,
                                 .m_methods = methods};
#define INIT_OF(name) PyInit_##name
#define INIT(name) INIT_OF(name)
PyMODINIT_FUNC INIT(MODULE)(void) { return PyModule_Create(&definition); }
#endif
