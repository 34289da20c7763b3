"""The tests that hold on the native backend only, each with the reason."""

from __future__ import annotations

_FRAMES = "greenlet hides the frames below a greenlet from those in it"
_MEMORY = "greenlet itself does not survive a lack of memory"
_COLLECTOR = "greenlet moves the stack on which the garbage collector has its lists"
_STACKS = "is about stacks of our own"

#: The start of a test's id -> why it does not hold where greenlet switches.
NATIVE_ONLY = {
    "test_tracing.py::test_the_frames_of_the_event_loop_are_below_those_in_a_portal": _FRAMES,
    "test_tracing.py::test_inspect_stack_in_the_synchronous_part": _FRAMES,
    "test_tracing.py::test_tracebacks_print_inside_a_portal": _FRAMES,
    "test_tracing.py::test_faulthandler_dumps_a_portals_stack": _FRAMES,
    "test_tracing.py::test_tracemalloc_traces_allocations_in_a_portal": _FRAMES,
    "test_same_as_await.py::test_the_caller_of_await_is_on_the_stack_as_of_an_await": _FRAMES,
    "test_isolated.py::test_script_exits_cleanly[c_functions_at_the_base_of_a_portal]": _FRAMES,
    "test_isolated.py::test_script_exits_cleanly[frame_of_the_base_outlives_its_stack]": _FRAMES,
    "test_isolated.py::test_script_exits_cleanly["
    "finalizers_of_the_collector_wait_while_garbage_is_freed]": _COLLECTOR,
    "test_isolated.py::test_script_exits_cleanly[random_lives]": _COLLECTOR,
    "test_isolated.py::test_script_exits_cleanly[address_space_that_runs_out]": _MEMORY,
    "test_isolated.py::test_script_exits_cleanly[deep_portal_resumed_by_deep_code]": (
        "greenlet counts the recursion of each greenlet on its own"
    ),
    "test_isolated.py::test_script_exits_cleanly[greenlet_portal_on_a_native_stack]": (
        "is about greenlet not being imported yet"
    ),
    "test_isolated.py::test_script_exits_cleanly[frameworks_that_appear_in_a_step]": (
        "is about greenlet not being imported yet"
    ),
    "test_stack_exhaustion.py::test_nested_portals_and_awaits_end_in_a_recursion_error": (
        "greenlets nest on the one stack of the thread, which nothing measures up to Python 3.13"
    ),
    "test_out_of_memory.py": _MEMORY,
    "test_hardening.py": _STACKS,
    "test_life_cycle.py::test_the_stacks_of_a_thread_are_given_back_when_it_ends": _STACKS,
    "test_life_cycle.py::test_stacks_are_given_back_and_used_again": _STACKS,
    "test_life_cycle.py::test_stacks_that_are_not_kept_for_reuse_go_back_to_the_system": _STACKS,
    "test_isolated.py::test_script_exits_cleanly[stacks_that_went_deep_give_their_memory_back]": (
        _STACKS
    ),
}

_CHOOSES = "chooses the native backend, which is not to be had in this interpreter"
_LAYOUT = "has to change how contexts are linked, of which the layout is not known here"

#: The same where there is no native backend at all: see `interpreter::native_obstacle()`. Beside
#: these, the variants of a test that are named after the native backend.
WITHOUT_NATIVE = {
    f"test_backend.py::{name}": _CHOOSES
    for name in (
        "test_auto_is_the_default_and_native_without_greenlet",
        "test_auto_is_greenlet_in_a_program_that_has_imported_it",
        "test_greenlet_imported_between_two_steps",
        "test_greenlet_imported_while_a_portal_is_suspended",
        "test_greenlet_imported_inside_a_step",
        "test_greenlet_imported_among_many_suspended_portals",
        "test_greenlet_that_cannot_be_imported_leaves_auto_native",
        "test_a_new_setting_counts_for_portals_that_begin_later",
        "test_a_portal_inside_one_on_native_runs_on_native_too",
        "test_await_inside_a_nested_greenlet_on_native_is_refused",
        "test_the_environment_variable",
        "test_the_program_can_override_the_environment_variable",
        "test_the_greenlet_backend_without_greenlet",
    )
} | {
    "test_greenlet_users.py::test_sqlalchemy_event_handler_that_awaits_is_refused": _CHOOSES,
    "test_greenlet_users.py::test_sqlalchemy_imported_inside_a_portal_that_began": _CHOOSES,
    "test_context_variables.py::test_a_private_context_is_kept_when_the_driver_changes": _LAYOUT,
    "test_isolated.py::test_script_exits_cleanly[context_left_under_another]": _LAYOUT,
}
