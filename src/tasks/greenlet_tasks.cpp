// Finding greenlet, and comparing the current one with one noted before.
#include "tasks/greenlet_tasks.hpp"

#include <utility>

#include "greenlet/takeover.hpp"

namespace switchback::tasks {

void GreenletTasks::find(LoadedModules& modules) {
  static PyObject* const name = PyUnicode_InternFromString("greenlet");
  Ref getcurrent = modules.attribute(name, "getcurrent");
  if (!getcurrent) return;
  greenlet::Takeover::take_if_early();
  if (!greenlet::Takeover::done() && !getcurrent_) getcurrent_.set(std::move(getcurrent));
}

PyObject* GreenletTasks::look_up() const {
  Ref current = getcurrent_.ask();
  if (!current) PyErr_Clear();
  return current.get();  // greenlet holds the running one
}

bool GreenletTasks::may_be(PyObject* noted, PyObject* now) {
  if (noted != nullptr) return false;
  // The main greenlet is where every thread was before the program imported greenlet.
  Ref parent = Ref::steal(PyObject_GetAttrString(now, "parent"));
  if (!parent) PyErr_Clear();
  return parent.get() == Py_None;
}

int GreenletTasks::traverse(visitproc visit, void* arg) {
  Py_VISIT(getcurrent_.function());
  return 0;
}

}  // namespace switchback::tasks
