// Telling what an errand has left running from what runs inside of a step.
#include "portal/errands.hpp"

#include "fiber/stack_fiber.hpp"
#include "portal/portal.hpp"

namespace switchback::portal {
namespace {

using fiber::StackFiber;

bool is_in_innermost_task(const StackFiber& fiber) { return in_innermost_task(fiber); }

void note_left(const StackFiber& fiber) {
  Portal* const portal = portal_on(fiber);
  portal->module_state->current_tasks.note_left(portal->noted, interpreter::current_thread_state());
}

}  // namespace

void watch_errands() { StackFiber::watch_errands({is_in_innermost_task, note_left}); }

}  // namespace switchback::portal
