"""Mutants of src/interpreter: the parts that only some minors of CPython have."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

CFRAME = "interpreter/cframe.hpp"
TRACED = "interpreter/traced_cframe.hpp"
CURRENT_FRAME = "interpreter/current_frame.hpp"
TRASHCAN = "interpreter/trashcan.hpp"
RECURSION = "interpreter/recursion.hpp"
LIMITS = "interpreter/c_stack_limits.hpp"
JIT = "interpreter/jit_executor.hpp"
ENDING = "interpreter/ending_thread_state.hpp"

WITH_CFRAMES = ("3.11", "3.12")
WITHOUT_CFRAMES = ("3.13", "3.14", "3.15")
COUNT_C_CALLS = ("3.12", "3.13")
MEASURE = ("3.14", "3.15")

# The current frame, and how the frames of a portal are linked to those of the event loop.

for minors, file, field, own in (
    (WITH_CFRAMES, CFRAME, "cframe", "cframe_"),
    (WITHOUT_CFRAMES, CURRENT_FRAME, "current_frame", "frame_"),
):
    add(
        f"the_{field}_is_not_loaded_on_entering",
        "frames of a portal are taken for those of the event loop",
        file,
        f"thread_state->{field} = {own};",
        "",
        killed_by=("test_the_frames_of_a_suspended_portal_end_with_its_first",),
        minors=minors,
    )
    add(
        f"the_{field}_is_not_saved_on_leaving",
        "a portal goes on in the wrong frame",
        file,
        f"{own} = thread_state->{field};",
        "",
        killed_by=("test_the_current_frame_is_the_callers_after_await",),
        minors=minors,
    )
    add(
        f"the_{field}_is_not_restored_on_leaving",
        "the event loop goes on in a frame of a portal that waits",
        file,
        f"thread_state->{field} = resumer.{own.rstrip('_')};",
        "",
        killed_by=("test_the_current_frame_is_the_callers_after_a_step",),
        minors=minors,
    )
    linked = {"cframe": "resumer.cframe->current_frame"}.get(field, "resumer.frame")
    add(
        f"the_frames_of_the_resumer_are_not_linked_to_the_{field}",
        "f_back and tracebacks end at the portal",
        file,
        f"base_.link({linked});",
        "",
        killed_by=("test_the_frames_of_the_event_loop_are_below_those_in_a_portal",),
        minors=minors[-1:] if field == "cframe" else minors,
    )
    add(
        f"the_frames_of_the_resumer_are_not_unlinked_from_the_{field}",
        "f_back of a frame that waits leads to frames that are gone",
        file,
        "base_.unlink();",
        "",
        killed_by=("test_the_frames_of_a_suspended_portal_end_with_its_first",),
        minors=minors,
    )
    add(
        f"a_frame_object_of_the_base_is_not_looked_for_beside_the_{field}",
        "the next portal on the stack shows the frame of the last",
        file,
        "return base_.has_object();",
        "return false;",
        killed_by=("test_frames_of_the_base_that_are_kept_own_their_code",),
        minors=minors,
    )
add(
    "the_frames_of_the_resumer_are_not_linked_to_the_traced_cframe",
    "f_back and tracebacks end at the portal",
    TRACED,
    "    base_.link(below);\n",
    "    base_.unlink();\n",
    killed_by=("test_the_frames_of_the_event_loop_are_below_those_in_a_portal",),
    minors=("3.11",),
)
add(
    "a_portal_without_a_frame_below_has_no_complete_one",
    "f_back of a frame that outlives its thread leads to memory that is used for something else",
    TRACED,
    "if (below == nullptr) below = outermost_frame(base_.code());",
    "static _PyInterpreterFrame none{}; if (below == nullptr) below = &none;",
    killed_by=("frames_of_portals_that_a_thread_closes_as_it_ends",),
    minors=("3.11",),
)
for name in ("globals", "builtins"):
    add(
        f"c_functions_at_the_base_find_no_{name}",
        "C code that runs directly in a portal crashes where it asks for them",
        TRACED,
        f"frame->f_{name} = below->f_{name};",
        f"frame->f_{name} = nullptr;",
        killed_by=("c_functions_at_the_base_of_a_portal",),
        minors=("3.11",),
    )
add(
    "the_locals_of_the_frame_at_the_base_are_not_dropped",
    "the next portal on the stack has the locals of the last",
    TRACED,
    "Py_CLEAR(base_.get()->f_locals);",
    "",
    killed_by=("test_locals_at_the_base_are_gone_with_their_step",),
    minors=("3.11",),
)
add(
    "the_locals_of_the_frame_at_the_base_are_not_looked_for",
    "the next portal on the stack has the locals of the last",
    TRACED,
    "return CFrame::has_leftovers() || base_locals() != nullptr;",
    "return CFrame::has_leftovers();",
    killed_by=("test_locals_at_the_base_are_gone_with_their_step",),
    minors=("3.11",),
)

# Whether to trace, which is noted in each C frame on 3.11.

add(
    "tracing_does_not_pass_into_a_portal",
    "a trace function that was set in the event loop does not see a portal that waited",
    TRACED,
    "thread_state->cframe->use_tracing = use_tracing;",
    "(void)use_tracing;",
    killed_by=("test_tracing_that_begins_between_two_steps_is_seen_in_the_second",),
    minors=("3.11",),
)
add(
    "tracing_does_not_pass_out_of_a_portal",
    "a trace function that was set in a portal does not see the event loop",
    TRACED,
    "resumer.cframe->use_tracing = thread_state->cframe->use_tracing;",
    "",
    killed_by=("test_trace_functions_installed_in_a_portal_stay_installed_outside",),
    minors=("3.11",),
)

# How deeply the freeing of objects is nested (the trashcan).

add(
    "the_trashcans_depth_is_that_of_the_resumer",
    "what a portal frees is kept until whoever resumes it has freed something",
    TRASHCAN,
    "nesting_of(thread_state) = nesting_;",
    "",
    killed_by=("test_a_step_frees_at_once_whatever_its_resumer_is_freeing",),
    minors=WITH_CFRAMES,
    quick=True,
)
add(
    "the_trashcans_depth_is_not_saved_on_leaving",
    "a portal that waits in a finalizer frees in another order when it goes on",
    TRASHCAN,
    "nesting_ = nesting_of(thread_state);",
    "",
    killed_by=("test_a_step_that_waits_in_a_finalizer_goes_on_freeing_as_before",),
    minors=WITH_CFRAMES,
)
add(
    "the_trashcans_depth_is_not_restored_on_leaving",
    "nothing nested is freed outside while a portal waits in a finalizer",
    TRASHCAN,
    "nesting_of(thread_state) = resumer.nesting;",
    "",
    killed_by=("test_a_portal_that_waits_in_a_finalizer_keeps_nobody_from_freeing",),
    minors=WITH_CFRAMES,
    quick=True,
)

# How many calls in C are nested.

add(
    "the_counter_of_c_recursion_is_that_of_the_resumer",
    "a portal that is resumed by deep C code has no room of its own",
    RECURSION,
    "thread_state->c_recursion_remaining = remaining_;",
    "",
    killed_by=("test_c_calls_of_the_resumer_do_not_count_in_a_step",),
    minors=COUNT_C_CALLS,
    quick=True,
)
add(
    "the_counter_of_c_recursion_is_not_saved_on_leaving",
    "a portal that waits deep in C recurses past the end of its stack",
    RECURSION,
    "remaining_ = thread_state->c_recursion_remaining;",
    "",
    killed_by=("test_c_calls_of_a_step_that_waits_count_when_it_goes_on",),
    minors=COUNT_C_CALLS,
)
add(
    "the_counter_of_c_recursion_is_not_restored_on_leaving",
    "the event loop has no room while a portal waits deep in C",
    RECURSION,
    "thread_state->c_recursion_remaining = resumer.remaining;",
    "",
    killed_by=("test_c_calls_of_a_step_that_waits_do_not_count_outside",),
    minors=COUNT_C_CALLS,
    quick=True,
)
add(
    "a_stack_has_room_for_more_c_recursion_than_the_threads_own",
    "C code that ends in RecursionError outside overruns the stack of a portal",
    "interpreter/stack_state.hpp",
    "return std::min(by_thread, by_size);",
    "return std::max(by_thread, by_size);",
    killed_by=("test_c_recursion_in_a_portal_is_as_deep_as_outside",),
    minors=COUNT_C_CALLS,
)

# What is measured from 3.14 on: the limits of the C stack; and what the JIT runs.

add(
    "the_limits_of_a_stack_are_not_set_on_entering",
    "nothing is freed inside a portal, and endless recursion in C crashes",
    LIMITS,
    "resumer.limits = std::exchange(running_, this);\n    set(thread_state);",
    "resumer.limits = std::exchange(running_, this);",
    killed_by=("test_objects_are_freed_at_once_in_a_step", "c_recursion_ends_in_recursion_error"),
    minors=MEASURE,
)
add(
    "the_limits_of_the_thread_are_not_reset_on_leaving",
    "endless recursion in C crashes after a portal has run",
    LIMITS,
    "      PyUnstable_ThreadState_ResetStackProtection(thread_state);",
    "      (void)thread_state;",
    killed_by=("c_recursion_outside_ends_in_recursion_error_after_a_step",),
    minors=MEASURE,
)
add(
    "the_limits_of_an_outer_portal_are_not_set_on_leaving",
    "nothing is freed inside a portal once another has run in it",
    LIMITS,
    "running_->set(thread_state);",
    "PyUnstable_ThreadState_ResetStackProtection(thread_state);",
    killed_by=("test_objects_are_freed_at_once_in_a_step_after_an_inner_one",),
    minors=MEASURE,
)
add(
    "the_limits_of_an_outer_portal_are_forgotten_on_leaving",
    "nothing is freed inside a portal once two others have run in it",
    LIMITS,
    "running_ = resumer.limits;",
    "",
    killed_by=("test_objects_are_freed_at_once_in_a_step_after_an_inner_one",),
    minors=MEASURE,
)
add(
    "the_limits_of_an_outer_portal_are_set_for_a_greenlet_on_the_threads_own_stack",
    "endless recursion in C crashes in a greenlet that a portal has gone back to",
    LIMITS,
    "if (running_ != nullptr && running_->contains(&resumer)) {",
    "if (running_ != nullptr) {",
    killed_by=("test_the_limits_of_the_stack_are_the_threads_where_a_greenlet_is_on_it",),
    minors=MEASURE,
)
for name, breaks, find in (
    (
        "the_executor_is_that_of_the_resumer",
        "code that the JIT has compiled goes on with the executor of other code",
        "thread_state->current_executor = executor_;",
    ),
    (
        "the_executor_of_a_portal_that_waits_is_forgotten",
        "code that the JIT has compiled goes on without its executor",
        "executor_ = thread_state->current_executor;",
    ),
    (
        "the_executor_of_the_resumer_is_not_restored",
        "code that the JIT has compiled goes on with the executor of a portal",
        "thread_state->current_executor = resumer.executor;",
    ),
):
    add(
        name,
        breaks,
        JIT,
        find,
        "",
        killed_by=("test_portals_take_turns_in_compiled_code",),
        minors=MEASURE,
        environment=(("PYTHON_JIT", "1"),),
    )
add(
    "the_frame_that_a_profiler_has_seen_is_not_forgotten",
    "a sampling profiler shows the frames of one portal below those of another",
    "interpreter/profiled_frame.hpp",
    "thread_state->last_profiled_frame = nullptr;",
    "(void)thread_state;",
    killed_by=("test_a_profiler_in_another_process_sees_the_portal_that_runs",),
    minors=("3.15",),
)

# A thread state that ends.

add(
    "the_gil_state_counter_is_not_raised_while_a_state_ends",
    "C code that a portal calls as its thread ends frees the thread state under it",
    ENDING,
    "    ++thread_state_->gilstate_counter;\n",
    "",
    (ENDING, "    --thread_state_->gilstate_counter;\n", ""),
    killed_by=("test_c_code_called_as_a_foreign_thread_ends_finds_its_state_in_use",),
    # PyGILState_Release() raises it itself from 3.12.4 on.
    minors=("3.11", "3.12"),
    quick=True,
)
add(
    "what_closing_leaves_in_the_dict_of_a_state_is_not_dropped",
    "what a portal puts into a threading.local as its thread ends is never freed",
    ENDING,
    "    Py_CLEAR(thread_state_->dict);\n",
    "",
    killed_by=("test_what_closing_leaves_in_a_thread_that_ends_is_freed",),
)
add(
    "what_closing_leaves_in_a_threading_local_is_not_dropped",
    "what a portal puts into a threading.local as its thread ends is never freed",
    ENDING,
    "    Py_CLEAR(thread_state_->threading_local_key);\n"
    "    Py_CLEAR(thread_state_->threading_local_sentinel);\n",
    "",
    killed_by=("test_what_closing_leaves_in_a_thread_that_ends_is_freed",),
    minors=WITHOUT_CFRAMES,
)
