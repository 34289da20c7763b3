"""Mutants of what the garbage collector is shown of a suspended stack, and keeps from."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

FRAMES = "interpreter/frame_references.cpp"
DEPTHS = "interpreter/stack_depths.cpp"
FIBER = "fiber/stack_fiber.cpp"
TYPE = "portal/portal_type.cpp"

LOST = "test_a_lost_task_is_collected_as_natively"
SCRIPT = "collections_while_portals_wait"
NOTED = ("3.14", "3.15")
NOT_NOTED = ("3.11", "3.12", "3.13")

add(
    "what_runs_on_a_suspended_stack_may_be_finalized",
    "a task that is collected says that its coroutine is already executing",
    FIBER,
    "  marks_ = interpreter::mark_generators(interpreter_.suspended_frame(), marked_);",
    "",
    killed_by=(LOST,),
)
add(
    "what_runs_on_a_stack_counts_as_finalized_for_good",
    "a generator that was suspended during a collection is not closed when it is dropped",
    FIBER,
    "  if (marks_ != 0) [[unlikely]]\n    unmark_running();",
    "",
    killed_by=(SCRIPT,),
)
add(
    "the_reference_of_a_job_to_what_it_runs_is_not_shown",
    "a task that waits for what nothing else refers to stays",
    FIBER,
    "  Py_VISIT(target);",
    "",
    killed_by=(LOST,),
)
add(
    "what_a_job_was_started_with_is_not_shown",
    "a task stays into which an exception was thrown that refers to it",
    FIBER,
    "  Py_VISIT(argument());",
    "",
    killed_by=(SCRIPT,),
)
add(
    "what_await_holds_is_not_shown",
    "a task that waits for a future that nothing else refers to stays",
    FIBER,
    "  Py_VISIT(details().held);",
    "",
    killed_by=(LOST,),
)
add(
    "the_exception_that_a_stack_handles_is_not_shown",
    "a task stays that handles an exception which refers to it",
    "interpreter/handled_exceptions.hpp",
    "    Py_VISIT(base_.exc_value);",
    "",
    killed_by=(LOST,),
    minors=NOT_NOTED,  # later ones hold the exception as well
)
add(
    "the_private_context_of_a_stack_is_not_shown",
    "a task stays that is inside a Context.run(), in a context that refers to it",
    "interpreter/context_variables.hpp",
    "    Py_VISIT(context_);",
    "",
    killed_by=(SCRIPT,),
    minors=NOTED,
)
add(
    "the_locals_of_a_coroutine_that_has_called_c_are_not_shown",
    "a task stays whose coroutine has called await_() itself",
    FRAMES,
    "  if (const int failed = visit_slots(locals, locals + count, visit, arg)) return failed;",
    "",
    killed_by=(LOST,),
    minors=NOT_NOTED,
)
add(
    "what_a_coroutine_shows_itself_is_shown_twice",
    "what a task is about to use is freed",
    FRAMES,
    "    return is_generator ? 0 : visit_slots(",
    "    return visit_slots(",
    killed_by=(SCRIPT, LOST),
    minors=NOT_NOTED,
)
add(
    "the_argument_of_await_is_not_shown",
    "a task stays that waits for a coroutine",
    FRAMES,
    "    arguments_end_ = arguments + count;",
    "    arguments_end_ = arguments;",
    killed_by=(LOST,),
    minors=NOT_NOTED,
)
add(
    "the_iterator_of_a_loop_is_not_recognized",
    "a task stays that waits in an iterator",
    FRAMES,
    "if (runs_generator(end[-1]) || runs_next(end[-1])) show(end, end);",
    "",
    killed_by=(LOST,),
    minors=NOT_NOTED,
)
add(
    "what_an_interpreter_has_borrowed_is_shown",
    "what a task is about to use is freed",
    FRAMES,
    "  if (!PyStackRef_RefcountOnObject(slot)) return 0;",
    "",
    killed_by=(SCRIPT, LOST),
    minors=NOTED,
)
add(
    "a_portal_that_refused_to_be_closed_is_shown_again",
    "its locals are cleared, and its code goes on",
    TYPE,
    "PyObject_GC_IsFinalized(const_cast<Portal*>(self)->object()) == 0 &&",
    "",
    killed_by=(SCRIPT,),
)
add(
    "what_a_thread_that_has_ended_has_suspended_is_shown",
    "what its stack refers to is finalized, and the stack is not unwound",
    FIBER,
    "!state_has_ended() && ",
    "",
    killed_by=(SCRIPT,),
)
