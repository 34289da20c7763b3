// TaskSlot: where a C task type keeps its coroutine, found by looking and never assumed.
//
// A task type that is written in C has no public way to replace its coroutine, and the offset of
// the field differs from minor to minor. It is found on a throwaway task: the one pointer-sized
// place in the object that holds the coroutine. Each later replacement first compares the field
// with what the task itself says its coroutine is, so that a task laid out in any other way is
// refused, not damaged.
#include "tasks/task_slot.hpp"

#include "interpreter/ref.hpp"

namespace switchback::tasks {
namespace {

using interpreter::Ref;

PyObject*& field_at(PyObject* object, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

// The offset of the only field of `holder` that refers to `referent`; 0 if none does, -1 if more
// than one does.
Py_ssize_t find_field(PyObject* holder, PyObject* referent) {
  Py_ssize_t found = 0;
  const Py_ssize_t end = Py_TYPE(holder)->tp_basicsize - static_cast<Py_ssize_t>(sizeof(PyObject*));
  for (Py_ssize_t at = sizeof(PyObject); at <= end; at += alignof(PyObject*)) {
    if (field_at(holder, at) != referent) continue;
    if (found != 0) return -1;
    found = at;
  }
  return found;
}

struct TaskSlot {
  PyObject_HEAD
  PyTypeObject* task_type;  // owned
  Py_ssize_t offset;
};

PyObject* slot_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject *task, *coroutine;
  static const char* names[] = {"task", "coroutine", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:TaskSlot", const_cast<char**>(names), &task,
                                   &coroutine)) {
    return nullptr;
  }
  const Py_ssize_t offset = find_field(task, coroutine);
  if (offset <= 0) {
    PyErr_SetString(PyExc_RuntimeError,
                    offset == 0 ? "the task does not hold its coroutine in any field"
                                : "the task holds its coroutine in more than one field");
    return nullptr;
  }
  auto* self = reinterpret_cast<TaskSlot*>(type->tp_alloc(type, 0));
  if (self == nullptr) return nullptr;
  self->task_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(Py_TYPE(task)));
  self->offset = offset;
  return reinterpret_cast<PyObject*>(self);
}

PyObject* slot_replace(PyObject* object, PyObject* const* arguments, Py_ssize_t count) {
  auto* self = reinterpret_cast<TaskSlot*>(object);
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "replace() takes a task, its coroutine and the new one");
    return nullptr;
  }
  PyObject *task = arguments[0], *current = arguments[1], *replacement = arguments[2];
  if (!PyObject_TypeCheck(task, self->task_type)) {
    PyErr_Format(PyExc_TypeError, "expected a task of type %s, not %s", self->task_type->tp_name,
                 Py_TYPE(task)->tp_name);
    return nullptr;
  }
  PyObject*& coroutine = field_at(task, self->offset);
  if (coroutine != current) {
    PyErr_SetString(PyExc_RuntimeError, "the task's coroutine is not where it was found to be");
    return nullptr;
  }
  Ref previous = Ref::steal(coroutine);
  coroutine = Py_NewRef(replacement);
  Py_RETURN_NONE;
}

int slot_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(reinterpret_cast<TaskSlot*>(object)->task_type);
  return 0;
}

int slot_clear(PyObject* object) {
  Py_CLEAR(reinterpret_cast<TaskSlot*>(object)->task_type);
  return 0;
}

void slot_dealloc(PyObject* object) {
  PyObject_GC_UnTrack(object);
  PyTypeObject* const type = Py_TYPE(object);
  slot_clear(object);
  type->tp_free(object);
  Py_DECREF(type);
}

char docstring[] =
    "TaskSlot(task, coroutine)\n\n"
    "Where tasks of the type of `task`, whose coroutine is `coroutine`, keep theirs.";

PyMethodDef methods[] = {
    {"replace", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(slot_replace)),
     METH_FASTCALL,
     "replace(task, current, replacement)\n\n"
     "Replace the coroutine of `task`, which has to be `current`, by `replacement`."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, docstring},
    {Py_tp_new, reinterpret_cast<void*>(slot_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(slot_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(slot_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(slot_clear)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    "switchback._engine.TaskSlot",
    sizeof(TaskSlot),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

PyTypeObject* add_task_slot_type(PyObject* module) {
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  if (type == nullptr || PyModule_AddType(module, type) == 0) return type;
  Py_DECREF(type);
  return nullptr;
}

}  // namespace switchback::tasks
