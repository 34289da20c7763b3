// Steps that are noted in a timeline, and its start and end.
#include "portal/noted_step.hpp"

#include <new>
#include <utility>

#include "portal/portal_type.hpp"
#include "portal/step.hpp"

namespace switchback::portal {

using timeline::Timeline;

namespace {

// The name of the portal's function. Runs Python code; no exception is set before or after.
Ref name_of(Portal* self) {
  Ref name = Ref::steal(PyObject_GetAttrString(self->object(), "__qualname__"));
  if (name && PyUnicode_Check(name.get())) {
    name = Ref::steal(PyUnicode_FromObject(name.get()));  // of just that type
  } else {
    PyErr_Clear();
    name = Ref::steal(PyUnicode_FromString("portal"));
  }
  if (!name) PyErr_Clear();
  return name;
}

void note_begin(Portal* self) {
  const ModuleState& module_state = *self->module_state;
  const PyThreadState* const thread_state = interpreter::current_thread_state();
  if (module_state.timeline->knows(self->track)) {
    self->track = module_state.timeline->run(self->track, thread_state);
    return;
  }
  self->track = 0;
  Ref name = name_of(self);
  // That has run Python code, which may have stopped the timeline or the portal.
  Timeline* const timeline = module_state.timeline;
  if (timeline == nullptr || !name || self->phase != Portal::Phase::idle || self->track != 0)
    return;
  self->track = timeline->add(name.get(), thread_state);
}

void note_end(Portal* self) {
  Timeline* const timeline = self->module_state->timeline;
  if (timeline == nullptr || !timeline->knows(self->track)) return;
  if (self->phase == Portal::Phase::idle) [[likely]] {
    timeline->wait(self->track, self->fiber != nullptr ? self->fiber->awaited() : nullptr);
  } else if (self->phase == Portal::Phase::finished) {
    timeline->end(std::exchange(self->track, 0));
  }
}

PyObject* set_no_timeline() {
  PyErr_SetString(PyExc_RuntimeError, "no timeline is being written");
  return nullptr;
}

}  // namespace

PySendResult take_step(Portal* self, Step step, PyObject** result) {
  Ref keep = Ref::borrow(self->object());
  // In another phase, the step is refused.
  const bool is_noted =
      self->module_state->timeline != nullptr && self->phase == Portal::Phase::idle;
  if (is_noted) note_begin(self);
  const PySendResult outcome = run_step(self, step, result);
  if (!is_noted) return outcome;
  if (outcome == PYGEN_NEXT) [[likely]] {
    note_end(self);
  } else {
    const RaisedScope raised;
    note_end(self);
  }
  return outcome;
}

bool start_timeline(ModuleState& module_state) {
  if (module_state.timeline != nullptr) {
    PyErr_SetString(PyExc_RuntimeError,
                    "a timeline is being written already: one at a time can be, in a process");
    return false;
  }
  auto* const timeline = new (std::nothrow) Timeline(module_state.next_track);
  if (timeline == nullptr || !timeline->is_ready()) {
    delete timeline;
    PyErr_NoMemory();
    return false;
  }
  module_state.timeline = timeline;
  set_noted(module_state, true);
  return true;
}

PyObject* take_timeline(ModuleState& module_state) {
  Timeline* const timeline = module_state.timeline;
  if (timeline == nullptr || timeline->is_taken()) return set_no_timeline();
  return timeline->take(false);
}

PyObject* stop_timeline(ModuleState& module_state) {
  Timeline* const timeline = std::exchange(module_state.timeline, nullptr);
  if (timeline == nullptr) return set_no_timeline();
  set_noted(module_state, false);
  module_state.next_track = timeline->next();
  if (timeline->is_taken()) return set_no_timeline();  // by a thread that may not be here
  PyObject* const taken = timeline->take(true);
  delete timeline;
  return taken;
}

void end_track(const Portal* self) {
  Timeline* const timeline = self->module_state->timeline;
  if (timeline != nullptr && timeline->knows(self->track)) timeline->end(self->track);
}

}  // namespace switchback::portal
