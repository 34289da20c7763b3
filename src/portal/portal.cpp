// Making portals.
#include "portal/portal.hpp"

namespace switchback::portal {
namespace {

Portal* allocate(ModuleState& module_state) {
  PyTypeObject* type = module_state.portal_type;
  auto* self = as_portal(type->tp_alloc(type, 0));
  if (self == nullptr) return nullptr;
  self->module_state = &module_state;
  self->framework = -1;
  self->frame_state = interpreter::frame_cleared;
  return self;
}

}  // namespace

void finish(Portal* self) {
  self->phase = Portal::Phase::finished;
  Py_CLEAR(self->args);
  Py_CLEAR(self->kwargs);
}

Ref make_portal(ModuleState& module_state, PyObject* awaitable_iterator, PyObject* task,
                int framework) {
  Portal* self = allocate(module_state);
  if (self == nullptr) return Ref();
  self->target = Py_NewRef(awaitable_iterator);
  if (task != nullptr) {
    self->framework = static_cast<std::int8_t>(framework);
    self->noted.current[framework] = task;
  }
  return Ref::steal(self->object());
}

Ref make_call_portal(ModuleState& module_state, PyObject* function, PyObject* args,
                     PyObject* kwargs) {
  Portal* self = allocate(module_state);
  if (self == nullptr) return Ref();
  self->target = Py_NewRef(function);
  self->args = Py_NewRef(args);
  self->kwargs = Py_XNewRef(kwargs);
  self->calls_function = true;
  return Ref::steal(self->object());
}

}  // namespace switchback::portal
