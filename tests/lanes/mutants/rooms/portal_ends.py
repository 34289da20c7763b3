"""Mutants of src/portal: how portals are closed and dropped, what await_() does, and the type."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

CLOSE = "portal/close.cpp"
AWAIT = "portal/await.cpp"
AWAITABLE = "portal/awaitable.cpp"
PORTAL = "portal/portal.cpp"
TYPE = "portal/portal_type.cpp"
MODULE = "module/module.cpp"

# Closing and dropping.

add(
    "a_portal_that_is_dropped_is_not_closed",
    "`finally` blocks are not run",
    CLOSE,
    "if (self->phase != Portal::Phase::idle || !self->started) return;",
    "if (self->started) return;",
    killed_by=("test_dropping_a_portal_closes_it",),
    quick=True,
)
add(
    "a_coroutine_that_others_hold_is_closed_with_its_portal",
    "a coroutine that is going to be awaited is closed",
    CLOSE,
    "if (fiber == nullptr && Py_REFCNT(self->target) > 1) return;",
    "",
    killed_by=("test_a_coroutine_that_others_hold_outlives_its_portal",),
)
add(
    "a_portal_that_another_thread_drops_is_closed_there",
    "a stack goes on in another thread, whose state its frames do not know",
    CLOSE,
    "if (fiber != nullptr && !fiber->belongs_to(thread, interpreter::current_thread_state())) {",
    "if (false) {",
    killed_by=("test_a_portal_dropped_in_another_thread_is_closed_in_its_own",),
)
add(
    "a_portal_that_another_thread_drops_is_lost",
    "`finally` blocks of portals that another thread has dropped are not run",
    CLOSE,
    "if (!fiber->stranded()) fiber->thread()->adopt(object);",
    "",
    killed_by=("test_a_portal_dropped_in_another_thread_is_closed_in_its_own",),
)
add(
    "a_greenlet_portal_that_is_dropped_on_a_stack_of_ours_is_closed_there",
    "greenlet takes all that lies between two stacks for one",
    CLOSE,
    "if (thread != nullptr && is_out_of_place(self->backend, *thread)) {",
    "if (false) {",
    killed_by=("greenlet_portal_on_a_native_stack",),
)
add(
    "a_portal_that_is_dropped_is_asked_to_end_once",
    "a portal that awaits in `finally` is left with the rest of it undone",
    CLOSE,
    "constexpr int most_attempts = 8;",
    "constexpr int most_attempts = 1;",
    killed_by=("test_a_portal_that_awaits_as_it_is_dropped_comes_to_its_end",),
)
add(
    "an_exception_that_is_set_is_lost_as_a_portal_is_dropped",
    "an exception that drops a portal on its way disappears",
    CLOSE,
    "  RaisedScope raised;\n  Thread* const thread",
    "  Thread* const thread",
    killed_by=("test_an_exception_that_drops_a_portal_on_its_way_goes_on",),
)
add(
    "a_portal_that_ignores_generator_exit_counts_as_closed",
    "close() returns although the portal is suspended",
    CLOSE,
    '"coroutine ignored GeneratorExit");\n      return nullptr;',
    '"coroutine ignored GeneratorExit");\n      PyErr_Clear();\n      Py_RETURN_NONE;',
    killed_by=("test_a_portal_that_ignores_generator_exit_says_so_and_can_go_on",),
)
add(
    "the_trap_of_a_portal_that_ignores_generator_exit_is_never_freed",
    "close() leaves a future behind",
    CLOSE,
    "    case PYGEN_NEXT:\n      Py_DECREF(result);",
    "    case PYGEN_NEXT:",
    killed_by=("test_what_is_yielded_to_a_close_is_let_go_of",),
)
add(
    "closing_a_portal_that_never_began_leaves_its_arguments",
    "the arguments of a call live as long as its portal",
    PORTAL,
    "  Py_CLEAR(self->args);\n  Py_CLEAR(self->kwargs);\n",
    "",
    killed_by=("test_a_portal_that_was_closed_before_it_began_holds_nothing",),
)

# await_().

add(
    "await_does_not_look_for_the_innermost_task",
    "a trap goes to the event loop of the portal while another one runs",
    AWAIT,
    "if (fiber == nullptr || !in_innermost_task(*fiber)) return",
    "if (fiber == nullptr) return",
    (AWAIT, "if (!in_innermost_task(fiber)) [[unlikely]] {", "if (false) {"),
    killed_by=("test_another_current_task_is_noticed",),
    quick=True,
)
add(
    "await_of_a_coroutine_does_not_look_for_the_innermost_task",
    "a trap goes to the event loop of the portal while another one runs",
    AWAIT,
    "if (!in_innermost_task(fiber)) [[unlikely]] {",
    "if (false) {",
    killed_by=("test_another_current_task_is_noticed_by_a_coroutine",),
)
add(
    "what_cannot_be_awaited_is_not_closed",
    "a refused coroutine warns that it was never awaited",
    AWAIT,
    "if (!close_iterator(module_state, iterator)) PyErr_WriteUnraisable(iterator);",
    "(void)module_state;",
    killed_by=("test_in_a_task_without_a_portal",),
)
add(
    "a_trap_that_is_refused_is_never_freed",
    "each refused await_() leaves a future behind",
    AWAIT,
    "      Py_DECREF(trap);\n      return refuse",
    "      (void)trap;\n      return refuse",
    killed_by=("test_a_trap_that_is_refused_is_let_go_of",),
)
add(
    "what_is_sent_to_a_coroutine_is_never_freed",
    "each answer to a portal stays in memory",
    AWAIT,
    "    Py_DECREF(value);\n    if (outcome",
    "    if (outcome",
    killed_by=("test_traps_and_answers_are_let_go_of",),
    quick=True,
)
add(
    "an_exception_that_is_thrown_into_a_coroutine_is_never_freed",
    "each cancellation of a portal stays in memory",
    AWAIT,
    "      // An exception is thrown in; from here on by what serves every case.\n"
    "      Ref thrown = Ref::steal(exception);",
    "      Ref thrown = Ref::borrow(exception);",
    killed_by=("test_traps_and_answers_are_let_go_of",),
)
add(
    "an_exception_that_is_thrown_into_an_awaitable_is_never_freed",
    "each cancellation of a portal stays in memory",
    AWAIT,
    "    } else {\n      Ref thrown = Ref::steal(exception);",
    "    } else {\n      Ref thrown = Ref::borrow(exception);",
    killed_by=("test_traps_and_answers_are_let_go_of",),
)
add(
    "an_exception_that_is_thrown_does_not_get_the_handled_one_as_context",
    "a traceback lacks what was being handled",
    AWAIT,
    "if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();\n      thrown",
    "thrown",
    killed_by=("test_an_exception_thrown_at_the_trap_gets_the_handled_one_as_context",),
)
add(
    "a_coroutine_that_is_awaited_already_is_taken",
    "a coroutine gets the answer of another future",
    AWAITABLE,
    "if (awaited.get() == Py_None) return true;",
    "return true;",
    killed_by=("test_an_awaitable_that_is_awaited_already_is_refused",),
)
add(
    "what_is_no_iterator_is_driven",
    "await_() crashes where __await__() returns something else",
    AWAITABLE,
    "if (!PyIter_Check(iterator.get())) {",
    "if (false) {",
    killed_by=("test_an_await_that_returns_no_iterator_is_refused",),
)
add(
    "generator_exit_is_thrown_where_close_is_called_for",
    "an iterator without throw() is not closed",
    AWAITABLE,
    "if (!PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit)) {",
    "if (true) {",
    killed_by=("test_closing_a_portal_closes_the_iterator_that_it_waits_for",),
)
add(
    "tuples_are_not_wrapped_in_stop_iteration",
    "a portal that returns a tuple returns its first item",
    AWAITABLE,
    "} else if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {",
    "} else if (!PyExceptionInstance_Check(value)) {",
    killed_by=("test_send_reports_the_value_as_that_of_a_coroutine",),
)

# The type, and the module.

add(
    "a_portal_does_not_say_that_it_has_no_frame",
    "a debugger in another process reads a frame where there is none",
    PORTAL,
    "  self->frame_state = interpreter::frame_cleared;\n",
    "",
    killed_by=("test_tasks_with_portals_are_listed_from_another_process",),
    minors=("3.14", "3.15"),
    quick=True,
)
add(
    "a_portal_does_not_show_its_coroutine_to_the_collector",
    "a portal that its own coroutine refers to is never freed",
    TYPE,
    "  Py_VISIT(self->target);",
    "",
    killed_by=("test_a_portal_in_a_cycle_with_its_target_is_traversed_and_cleared",),
    quick=True,
)
add(
    "a_portal_that_refuses_to_end_is_freed_with_its_stack_in_use",
    "a thread that ends resumes a portal that is gone",
    TYPE,
    "    fiber::Thread::abandon(self->fiber);",
    "    {}",
    killed_by=("test_a_thread_outlives_portals_that_were_abandoned_in_it",),
)
add(
    "portals_are_left_suspended_at_exit",
    "`finally` blocks are not run as the program ends",
    CLOSE,
    "thread->unwind_suspended(interpreter::current_thread_state());",
    "",
    killed_by=("exit_runs_finally_of_suspended_portals",),
)
add(
    "the_engine_is_imported_in_a_sub_interpreter",
    "thread states of two interpreters are taken for one",
    MODULE,
    "if (PyInterpreterState_Get() != PyInterpreterState_Main()) {",
    "if (false) {",
    killed_by=("sub_interpreters",),
    quick=True,
)
