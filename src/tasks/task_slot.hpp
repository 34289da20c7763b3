// Replacing the coroutine of a task whose type keeps it in a private field of a C structure.
#pragma once

#include "interpreter/python.hpp"

namespace switchback::tasks {

// Makes the type TaskSlot and adds it to `module`. Returns an owned reference, or nullptr with an
// exception set on failure.
PyTypeObject* add_task_slot_type(PyObject* module);

}  // namespace switchback::tasks
