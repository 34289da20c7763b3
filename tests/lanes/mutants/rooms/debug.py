"""Mutants of what debug mode looks at."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

AWAIT = "portal/await.cpp"
STEP = "portal/step.cpp"
PORTAL = "portal/portal.hpp"
SYSTEM = "foreign/os/glibc.cpp"

add(
    "debug_mode_does_not_look_before_suspensions",
    "nobody tells that portals were inside of a module at once",
    AWAIT,
    "if (module_state.debug != nullptr) [[unlikely]]",
    "if (false)",
    killed_by=("test_a_module_that_was_left_out_of_order_is_named_with_both_calls",),
)
add(
    "debug_mode_does_not_look_at_suspensions",
    "nobody tells of a lock that is held while a portal waits",
    STEP,
    "if (self->module_state->debug != nullptr) look_at_suspension(self);",
    "",
    killed_by=("test_a_lock_that_a_frame_holds_is_told_with_its_place",),
)
add(
    "debug_mode_takes_the_short_way",
    "await_() of a coroutine is not looked at in debug mode",
    PORTAL,
    "self->module_state->debug != nullptr;",
    "false;",
    killed_by=("test_a_lock_that_a_frame_holds_is_told_with_its_place",),
)
add(
    "modules_below_the_portal_are_taken_for_its_own",
    "a portal that was resumed inside of a module is said to be inside of it",
    SYSTEM,
    "walk.has_left_engine ? _URC_END_OF_STACK : _URC_NO_REASON;",
    "_URC_NO_REASON;",
    killed_by=("test_a_module_that_the_resumer_is_inside_of_is_not_the_portals",),
    backend="greenlet",
)
