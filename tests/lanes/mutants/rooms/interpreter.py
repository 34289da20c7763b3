"""Mutants of src/interpreter: what every minor saves, restores, clears and counts at a switch."""

from mutant import MINORS, Room

room = Room()
MUTANTS = room.mutants
add = room.add

DATA_STACK = "interpreter/data_stack.hpp"
EXCEPTIONS = "interpreter/handled_exceptions.hpp"
CONTEXT = "interpreter/context_variables.hpp"
RECURSION = "interpreter/recursion.hpp"

# The data stack: where the frames of Python functions lie.

for field in ("chunk", "top", "limit"):
    add(
        f"the_data_stacks_{field}_is_not_loaded_on_entering",
        "frames of a portal are laid over those of the event loop",
        DATA_STACK,
        f"thread_state->datastack_{field} = {field}_;",
        "",
        killed_by=(
            "frames_lie_on_the_stack_that_they_belong_to",
            "test_steps_and_what_follows_them_map_no_memory",
            "test_frames_of_the_resumer_are_given_back",
            "test_frames_of_a_step_are_given_back",
        ),
        minors=MINORS[1:],  # 3.11 crashes without memory for frames, which is how some are seen
    )
    add(
        f"the_data_stacks_{field}_is_not_saved_on_leaving",
        "a portal that goes on lays frames over those that it has",
        DATA_STACK,
        f"{field}_ = thread_state->datastack_{field};",
        "",
        killed_by=(
            "frames_lie_on_the_stack_that_they_belong_to",
            "test_steps_and_what_follows_them_map_no_memory",
            "test_frames_of_the_resumer_are_given_back",
            "test_frames_of_a_step_are_given_back",
        ),
        minors=MINORS[1:],  # 3.11 crashes without memory for frames, which is how some are seen
    )
    add(
        f"the_data_stacks_{field}_is_not_restored_on_leaving",
        "frames of the event loop are laid over those of a portal that waits",
        DATA_STACK,
        f"thread_state->datastack_{field} = resumer.{field};",
        "",
        killed_by=(
            "frames_lie_on_the_stack_that_they_belong_to",
            "test_steps_and_what_follows_them_map_no_memory",
            "test_frames_of_the_resumer_are_given_back",
            "test_frames_of_a_step_are_given_back",
        ),
        minors=MINORS[1:],  # 3.11 crashes without memory for frames, which is how some are seen
    )
add(
    "the_first_chunk_of_a_data_stack_says_that_it_is_larger_than_it_is",
    "frames are laid beyond the end of a stack, once some have been in a second chunk",
    DATA_STACK,
    "root->size = memory.chunk_size;",
    "root->size = 2 * memory.chunk_size;",
    killed_by=("frames_lie_on_the_stack_that_they_belong_to",),
)

# Handled exceptions.

add(
    "the_handled_exceptions_of_the_resumer_are_not_linked",
    "code in a portal does not see what the code that resumes it handles",
    EXCEPTIONS,
    "base_.previous_item = resumer.exc_info;",
    "",
    killed_by=("test_a_step_sees_the_exception_that_its_resumer_handles",),
)
add(
    "the_handled_exceptions_are_not_loaded_on_entering",
    "code in a portal handles the exceptions of the event loop as its own",
    EXCEPTIONS,
    "thread_state->exc_info = exc_info_;",
    "",
    killed_by=("test_a_step_that_handles_one_keeps_it_to_itself",),
    quick=True,
)
add(
    "the_handled_exceptions_are_not_saved_on_leaving",
    "a portal that goes on has lost the exception that it handles",
    EXCEPTIONS,
    "exc_info_ = thread_state->exc_info;",
    "",
    killed_by=("test_a_generator_in_a_step_keeps_what_it_handles",),
    quick=True,
)
add(
    "the_handled_exceptions_are_not_restored_on_leaving",
    "the event loop sees what a portal that waits handles",
    EXCEPTIONS,
    "thread_state->exc_info = resumer.exc_info;",
    "",
    killed_by=("test_a_step_that_handles_one_keeps_it_to_itself",),
)
add(
    "an_exception_left_by_a_finished_step_is_not_dropped",
    "the next portal on the stack begins with the exception of the last",
    EXCEPTIONS,
    "Py_CLEAR(base_.exc_value);",
    "",
    killed_by=("test_what_a_step_leaves_handled_is_gone_with_it",),
    quick=True,
)
add(
    "an_exception_left_by_a_finished_step_is_not_looked_for",
    "the next portal on the stack begins with the exception of the last",
    EXCEPTIONS,
    "return base_.exc_value != nullptr;",
    "return false;",
    killed_by=("test_what_a_step_leaves_handled_is_gone_with_it",),
)

# Context variables.

add(
    "the_context_version_is_not_raised_on_entering",
    "a variable read in a portal has the value that the event loop has just read",
    CONTEXT,
    "context_ = nullptr;\n      thread_state->context_ver++;",
    "context_ = nullptr;",
    killed_by=("test_a_variable_read_before_a_step_is_read_anew_in_it",),
    quick=True,
)
add(
    "the_context_version_is_not_raised_on_leaving",
    "a variable read in the event loop has the value that a portal has just read",
    CONTEXT,
    "context_ = context;\n      thread_state->context_ver++;",
    "context_ = context;",
    killed_by=("test_a_variable_read_in_a_step_is_read_anew_after_it",),
    quick=True,
)
add(
    "a_private_context_is_not_loaded_on_entering",
    "a portal inside Context.run() goes on in the context of the event loop",
    CONTEXT,
    "thread_state->context = context_;",
    "Py_DECREF(context_);",
    killed_by=("test_a_private_context_stays_private",),
)
add(
    "a_reference_of_a_context_is_leaked_when_a_step_leaves_its_own",
    "the context of each task in which a Context.run() was left is never freed",
    CONTEXT,
    "if (resumer.stack_was_private) Py_DECREF(context);",
    "",
    killed_by=("test_switches_keep_the_count_of_references_to_contexts",),
    quick=True,
)
add(
    "a_reference_of_a_context_is_not_made_when_a_step_enters_its_own",
    "the context of the event loop is freed while it is current",
    CONTEXT,
    "if (!resumer.stack_was_private) Py_INCREF(resumer.context);",
    "",
    killed_by=("test_switches_keep_the_count_of_references_to_contexts",),
)
add(
    "the_context_of_the_resumer_is_not_restored_on_leaving",
    "the event loop goes on in the private context of a portal that waits",
    CONTEXT,
    "thread_state->context = resumer.context;",
    "Py_XDECREF(resumer.context), Py_INCREF(context);",
    killed_by=("test_a_private_context_stays_private",),
)
add(
    "the_context_that_is_followed_is_not_noted",
    "a Context.run() that is left under another context comes back to the first one",
    CONTEXT,
    "followed_ = resumer.context;",
    "",
    killed_by=("context_left_under_another",),
)
add(
    "a_context_left_by_a_finished_step_is_not_dropped",
    "the next portal on the stack begins in the context that the last has entered",
    CONTEXT,
    "Py_CLEAR(context_);",
    "",
    killed_by=("test_a_context_that_a_step_leaves_entered_is_gone_with_it",),
)
add(
    "a_context_left_by_a_finished_step_is_not_looked_for",
    "the next portal on the stack begins in the context that the last has entered",
    CONTEXT,
    "return context_ != nullptr; }\n  void",
    "return false; }\n  void",
    killed_by=("test_a_context_that_a_step_leaves_entered_is_gone_with_it",),
)
add(
    "a_step_in_a_context_of_its_own_is_not_rebased",
    "a Context.run() that is left under another context comes back to the first one",
    CONTEXT,
    "rebase_context(context_, followed_, thread_state->context);",
    "(void)thread_state;",
    killed_by=("context_left_under_another",),
)
add(
    "a_reference_of_the_context_that_is_followed_is_leaked",
    "contexts of tasks that resume a Context.run() in turns are never freed",
    CONTEXT,
    "  Py_DECREF(previous);\n}",
    "  (void)previous;\n}",
    killed_by=("test_rebased_contexts_keep_the_count_of_their_references",),
)
add(
    "no_reference_is_made_of_the_context_that_is_followed",
    "a context that is current is freed",
    CONTEXT,
    "reinterpret_cast<PyContext*>(Py_NewRef(base))",
    "reinterpret_cast<PyContext*>(base)",
    killed_by=("test_rebased_contexts_keep_the_count_of_their_references",),
    quick=True,
)
add(
    "a_thread_without_a_context_gets_none",
    "the first portal of a thread crashes",
    CONTEXT,
    "if (thread_state->context != nullptr) return true;",
    "if (thread_state != nullptr) return true;",
    killed_by=("test_a_portal_may_be_driven_without_a_context_of_its_own",),
)

# The depth of recursion of Python functions.

add(
    "the_depth_of_a_stack_does_not_count_when_it_goes_on",
    "a deep portal that waits often recurses past the limit",
    RECURSION,
    "int base = depth, left = found - used_;",
    "int base = depth, left = found;",
    killed_by=("test_the_depth_of_a_step_counts_when_it_goes_on",),
)
add(
    "the_depth_of_the_resumer_is_not_restored",
    "the event loop has less room to recurse after each step of a deep portal",
    RECURSION,
    "remaining(thread_state) = now - resumer.depth;",
    "",
    killed_by=("test_the_depth_of_a_step_does_not_count_outside",),
    quick=True,
)
add(
    "a_limit_that_is_exceeded_on_entering_is_forgotten",
    "a deep portal that deep code resumes has less and less room, or ends the interpreter",
    RECURSION,
    "      base += left;\n",
    "",
    killed_by=("test_a_step_that_exceeds_the_limit_leaves_nothing_counted",),
    quick=True,
)
add(
    "less_than_nothing_may_remain_on_entering",
    "a deep portal that deep code resumes ends the interpreter",
    RECURSION,
    "      left = 0;\n",
    "",
    killed_by=("deep_portal_resumed_by_deep_code",),
)

# Frames.

BASE_FRAME = "interpreter/base_frame.hpp"
add(
    "a_frame_object_that_is_kept_refers_to_the_stack",
    "a frame that outlives a portal shows what runs on its stack now",
    BASE_FRAME,
    "object->f_frame = copy;",
    "",
    killed_by=("frame_of_the_base_outlives_its_stack",),
)
add(
    "the_code_of_a_frame_object_that_is_kept_is_not_counted",
    "the code at the base of every portal is freed",
    BASE_FRAME,
    "Py_INCREF(code());",
    "",
    killed_by=("test_frames_of_the_base_that_are_kept_own_their_code",),
)
add(
    "the_frame_object_of_a_finished_step_is_not_let_go_of",
    "the next portal on the stack shows the frame of the last",
    BASE_FRAME,
    "frame_.frame_obj = nullptr;",
    "",
    killed_by=("test_frames_of_the_base_that_are_kept_own_their_code",),
)
