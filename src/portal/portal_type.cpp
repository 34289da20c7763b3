// The slots, methods and attributes of the type.
#include "portal/portal_type.hpp"

#include <structmember.h>

#include <cstddef>
#include <utility>

#include "fiber/thread.hpp"
#include "portal/awaitable.hpp"
#include "portal/backend.hpp"
#include "portal/close.hpp"
#include "portal/noted_step.hpp"
#include "portal/step.hpp"

namespace switchback::portal {

using fiber::StackFiber;

namespace {

using TakeStep = PySendResult (*)(Portal*, Step, PyObject**);

// Most steps are run by these two slots.
template <TakeStep take>
PySendResult am_send(PyObject* self, PyObject* value, PyObject** result) {
  return take(as_portal(self), Step::sent(value), result);
}

template <TakeStep take>
PyObject* tp_iternext(PyObject* self) {
  PyObject* result;
  if (take(as_portal(self), Step::sent(Py_None), &result) != PYGEN_RETURN) return result;
  // Without an exception, the end of an iterator means None.
  if (result != Py_None) set_stop_iteration(result);
  Py_DECREF(result);
  return nullptr;
}

// Runs a step and reports its outcome as a method does: a return is a StopIteration.
PyObject* step_as_method(PyObject* self, Step step) {
  PyObject* result;
  if (take_step(as_portal(self), step, &result) != PYGEN_RETURN) return result;
  set_stop_iteration(result);
  Py_DECREF(result);
  return nullptr;
}

PyObject* send(PyObject* self, PyObject* value) { return step_as_method(self, Step::sent(value)); }

// The exception that throw(type[, value[, traceback]]) or throw(value) means, or an empty
// reference with an exception set.
Ref thrown_exception(PyObject* type, PyObject* value, PyObject* traceback) {
  if (traceback == Py_None) traceback = nullptr;
  if (traceback != nullptr && !PyTraceBack_Check(traceback)) {
    PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
    return Ref();
  }
  if (PyExceptionInstance_Check(type)) {
    if (value != nullptr && value != Py_None) {
      PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
      return Ref();
    }
    if (traceback != nullptr && PyException_SetTraceback(type, traceback) < 0) return Ref();
    return Ref::borrow(type);
  }
  if (!PyExceptionClass_Check(type)) {
    PyErr_Format(PyExc_TypeError,
                 "exceptions must be classes or instances deriving from BaseException, not %s",
                 Py_TYPE(type)->tp_name);
    return Ref();
  }
  PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(traceback));
  return Ref::steal(interpreter::take_raised());
}

PyObject* throw_method(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 1 || count > 3) {
    PyErr_Format(PyExc_TypeError, "throw() takes from 1 to 3 arguments, got %zd", count);
    return nullptr;
  }
  Ref exception = thrown_exception(arguments[0], count > 1 ? arguments[1] : nullptr,
                                   count > 2 ? arguments[2] : nullptr);
  if (!exception) return nullptr;
  return step_as_method(self, Step::thrown(exception.get()));
}

PyObject* close_method(PyObject* self, PyObject*) {
  if (as_portal(self)->phase == Portal::Phase::running) {
    PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    return nullptr;
  }
  return close_portal(as_portal(self));
}

// Attributes of the coroutine, so that a task's repr, asyncio's slow-callback warning and a task's
// stack show the user's code.
PyObject* forward(PyObject* self, void* name) {
  Ref target = Ref::borrow(as_portal(self)->target);
  if (Py_EnterRecursiveCall(" in an attribute of a portal")) return nullptr;
  PyObject* value = PyObject_GetAttrString(target.get(), static_cast<const char*>(name));
  Py_LeaveRecursiveCall();
  if (value == nullptr && PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Clear();
    const bool is_name = static_cast<const char*>(name)[0] == '_';
    if (is_name) return PyUnicode_FromString(Py_TYPE(target.get())->tp_name);
    Py_RETURN_NONE;
  }
  return value;
}

PyObject* get_running(PyObject* self, void*) {
  return PyBool_FromLong(as_portal(self)->phase == Portal::Phase::running);
}

PyObject* get_suspended(PyObject* self, void* name) {
  const Portal* portal = as_portal(self);
  if (portal->fiber != nullptr) Py_RETURN_TRUE;
  if (portal->phase == Portal::Phase::running) Py_RETURN_FALSE;
  return forward(self, name);
}

// What inspect.getcoroutinestate() asks for from 3.15 on.
PyObject* get_state(PyObject* self, void* name) {
  const Portal* portal = as_portal(self);
  if (portal->phase == Portal::Phase::running) return PyUnicode_FromString("CORO_RUNNING");
  if (portal->fiber != nullptr) return PyUnicode_FromString("CORO_SUSPENDED");
  if (portal->phase == Portal::Phase::finished) return PyUnicode_FromString("CORO_CLOSED");
  return portal->calls_function ? PyUnicode_FromString("CORO_CREATED") : forward(self, name);
}

// A portal around a function shows the function's frame where it is suspended.
PyObject* get_frame(PyObject* self, void* name) {
  const Portal* portal = as_portal(self);
  if (!portal->calls_function || portal->fiber == nullptr) return forward(self, name);
  Ref frame = Ref::steal(portal->fiber->innermost_frame(interpreter::current_thread_state()));
  while (frame) {
    Ref caller = Ref::steal(reinterpret_cast<PyObject*>(
        PyFrame_GetBack(reinterpret_cast<PyFrameObject*>(frame.get()))));
    if (!caller) return frame.release();
    frame = std::move(caller);
  }
  Py_RETURN_NONE;
}

// While await_() has suspended a step, the coroutine itself is executing and awaits nothing. In its
// place stand the calls that have led to await_(), and then what that was given. (Up to 3.12,
// cr_await of an executing coroutine reads its bytecode at a place where there may be anything.)
PyObject* get_await(PyObject* self, void* name) {
  const Portal* portal = as_portal(self);
  if (portal->fiber != nullptr && portal->fiber->awaited() != nullptr) {
    Ref awaited = Ref::borrow(portal->fiber->awaited());
    PyObject* const link_calls = portal->module_state->link_calls;
    if (link_calls == nullptr) return awaited.release();
    return PyObject_CallFunctionObjArgs(link_calls, self, awaited.get(), nullptr);
  }
  if (portal->fiber != nullptr || portal->phase == Portal::Phase::running) Py_RETURN_NONE;
  return forward(self, name);
}

PyObject* repr(PyObject* self) {
  Ref name = Ref::steal(forward(self, const_cast<char*>("__qualname__")));
  if (!name) return nullptr;
  return PyUnicode_FromFormat("<coroutine object %S in a switchback portal at %p>", name.get(),
                              static_cast<void*>(self));
}

PyObject* itself(PyObject* self) { return Py_NewRef(self); }

// What `await portal` iterates over. A coroutine that is suspended in an `await` belongs to whoever
// awaits it, and so does a portal.
PyObject* am_await(PyObject* self) {
  const Portal* portal = as_portal(self);
  while (portal->fiber == nullptr && portal->started &&
         is_portal(*portal->module_state, portal->target)) {
    portal = as_portal(portal->target);
  }
  if (portal->fiber != nullptr) {
    if (portal->fiber->awaited() == nullptr) return itself(self);
    PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
    return nullptr;
  }
  const bool may_be_awaited = portal->phase != Portal::Phase::running && !never_ran(portal) &&
                              PyCoro_CheckExact(portal->target);
  return may_be_awaited && !check_not_awaited(portal->target) ? nullptr : itself(self);
}
PyObject* itself_method(PyObject* self, PyObject*) { return Py_NewRef(self); }

// Whether the collector is shown what the portal's suspended stack refers to. Garbage is finalized,
// so that the stack is unwound, before anything of it is cleared. What could not be unwound then,
// or has no chance to be, must not be cleared: unseen, it counts as alive.
bool shows_stack(const Portal* self) {
  return self->fiber->is_native() && !interpreter::is_finalizing() &&
         PyObject_GC_IsFinalized(const_cast<Portal*>(self)->object()) == 0 &&
         static_cast<const StackFiber*>(self->fiber)->can_be_visited();
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Portal* const self = as_portal(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->args);
  Py_VISIT(self->kwargs);
  Py_VISIT(self->guard);
  Py_VISIT(self->cancellation);
  Py_VISIT(self->exit);
  if (self->fiber != nullptr && !shows_stack(self)) return 0;
  Py_VISIT(self->target);
  if (self->fiber == nullptr) return 0;
  auto* const fiber = static_cast<StackFiber*>(self->fiber);
  return fiber->traverse(self->module_state->await, self->target, visit, arg);
}

int clear(PyObject* object) {
  Portal* const self = as_portal(object);
  if (self->fiber != nullptr || self->phase == Portal::Phase::running) return 0;
  finish(self);
  Py_CLEAR(self->guard);
  Py_CLEAR(self->cancellation);
  Py_CLEAR(self->exit);
  if (self->target != Py_None) Py_SETREF(self->target, Py_NewRef(Py_None));
  return 0;
}

void dealloc(PyObject* object) {
  Portal* const self = as_portal(object);
  const bool unfinished = self->started && self->phase == Portal::Phase::idle;
  if (unfinished && PyObject_CallFinalizerFromDealloc(object) < 0) return;  // resurrected
  PyObject_GC_UnTrack(object);
  // A fiber that could not be unwound is leaked, with all that its frames refer to. Before the
  // trashcan, which may put the rest off and come here again.
  if (self->fiber != nullptr && self->fiber->owner() != nullptr)
    fiber::Thread::abandon(self->fiber);
  Py_TRASHCAN_BEGIN(object, dealloc);  // a portal around a portal, and so on
  if (self->weak_references != nullptr) PyObject_ClearWeakRefs(object);
  PyTypeObject* const type = Py_TYPE(object);
  if (self->track != 0) [[unlikely]]
    end_track(self);
  if (self->kept != nullptr) release_kept(self);
  if (self->fiber == nullptr) Py_XDECREF(self->target);
  Py_XDECREF(self->args);
  Py_XDECREF(self->kwargs);
  Py_XDECREF(self->guard);
  Py_XDECREF(self->cancellation);
  Py_XDECREF(self->exit);
  type->tp_free(object);
  Py_DECREF(type);
  Py_TRASHCAN_END;
}

char docstring[] =
    "A coroutine whose steps may be suspended by await_() from any depth.\n\n"
    "Behaves towards the event loop as the coroutine that it wraps.";

PyMethodDef methods[] = {
    {"send", send, METH_O, "Resume the portal with a value, as coroutine.send()."},
    {"throw", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(throw_method)),
     METH_FASTCALL, "Raise an exception where the portal is suspended, as coroutine.throw()."},
    {"close", close_method, METH_NOARGS,
     "Raise GeneratorExit where the portal is suspended, as coroutine.close()."},
    {"__await__", itself_method, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

char name_attribute[] = "__name__";
char qualname_attribute[] = "__qualname__";
char frame_attribute[] = "cr_frame";
char code_attribute[] = "cr_code";
char await_attribute[] = "cr_await";
char origin_attribute[] = "cr_origin";
char suspended_attribute[] = "cr_suspended";
char state_attribute[] = "cr_state";

PyGetSetDef getset[] = {
    {name_attribute, forward, nullptr, nullptr, name_attribute},
    {qualname_attribute, forward, nullptr, nullptr, qualname_attribute},
    {frame_attribute, get_frame, nullptr, nullptr, frame_attribute},
    {code_attribute, forward, nullptr, nullptr, code_attribute},
    {await_attribute, get_await, nullptr, nullptr, await_attribute},
    {origin_attribute, forward, nullptr, nullptr, origin_attribute},
    {"cr_running", get_running, nullptr, nullptr, nullptr},
    {state_attribute, get_state, nullptr, nullptr, state_attribute},
    {suspended_attribute, get_suspended, nullptr, nullptr, suspended_attribute},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Portal, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

template <typename Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

PyType_Slot slots[] = {
    {Py_tp_doc, docstring},
    {Py_tp_dealloc, slot(dealloc)},
    {Py_tp_finalize, slot(finalize_portal)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear)},
    {Py_tp_repr, slot(repr)},
    {Py_tp_iter, slot(itself)},
    {Py_tp_iternext, slot(tp_iternext<run_step>)},
    {Py_am_await, slot(am_await)},
    {Py_am_send, slot(am_send<run_step>)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, nullptr},
};

PyType_Spec spec = {
    "switchback._engine.Portal",
    sizeof(Portal),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

static_assert(interpreter::frame_state_offset == 0 ||
              interpreter::frame_state_offset == offsetof(Portal, frame_state));

}  // namespace

void set_noted(const ModuleState& module_state, bool is_noted) {
  PyTypeObject& type = *module_state.portal_type;
  type.tp_as_async->am_send = is_noted ? am_send<take_step> : am_send<run_step>;
  type.tp_iternext = is_noted ? tp_iternext<take_step> : tp_iternext<run_step>;
}

bool add_portal_type(PyObject* module, ModuleState& module_state) {
  module_state.portal_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return module_state.portal_type != nullptr &&
         PyModule_AddType(module, module_state.portal_type) == 0;
}

}  // namespace switchback::portal
