"""Mutants of src/portal: the steps of portals, what they refuse, and the stacks that they take."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

STEP = "portal/step.cpp"
BACKEND = "portal/backend.cpp"

# What a step refuses.

add(
    "a_portal_that_is_suspended_elsewhere_is_resumed",
    "a stack goes on in another thread, whose state its frames do not know",
    STEP,
    "if (!fiber->belongs_to(&thread, thread_state)) {",
    "if (false) {",
    killed_by=("test_an_engine_portal_resumed_in_another_thread_is_refused_and_stays_usable",),
    quick=True,
)
add(
    "a_portal_that_runs_takes_another_step",
    "a coroutine runs twice at the same time",
    STEP,
    "if (self->phase == Portal::Phase::running) {",
    "if (false) {",
    killed_by=("test_a_portal_of_a_function_refuses_steps_while_it_runs",),
    quick=True,
)
add(
    "a_portal_that_has_finished_takes_another_step",
    "a function is called a second time, without its arguments",
    STEP,
    "if (self->phase == Portal::Phase::finished) {",
    "if (false) {",
    killed_by=("test_a_portal_of_a_function_refuses_steps_when_it_has_ended",),
)
add(
    "a_value_is_sent_to_a_function_that_has_not_begun",
    "what is sent is lost, where a coroutine refuses it",
    STEP,
    "if (step.argument != Py_None) {",
    "if (false) {",
    killed_by=("test_a_portal_of_a_function_refuses_a_value_before_it_begins",),
)
add(
    "a_function_is_called_although_an_exception_is_thrown_into_it",
    "a task that was cancelled before its first step runs",
    STEP,
    "if (step.kind != Step::Kind::send) {",
    "if (false) {",
    killed_by=("test_throwing_into_a_portal_that_never_started_runs_nothing",),
)
add(
    "a_greenlet_is_resumed_from_a_stack_of_ours",
    "greenlet takes all that lies between two stacks for one",
    STEP,
    "if (!fiber->is_native() && is_out_of_place(Backend::greenlet, thread)) {",
    "if (false) {",
    killed_by=("greenlet_portal_on_a_native_stack",),
)
add(
    "a_greenlet_portal_begins_its_step_on_a_stack_of_ours",
    "greenlet takes all that lies between two stacks for one",
    BACKEND,
    "if (is_out_of_place(self->backend, thread)) {",
    "if (false) {",
    killed_by=("greenlet_portal_on_a_native_stack",),
)
add(
    "a_portal_may_be_freed_in_its_own_step",
    "a task that drops its coroutine as it ends crashes",
    STEP,
    "Ref keep = Ref::borrow(self->object());",
    "",
    killed_by=("test_a_portal_that_its_task_lets_go_of_lives_until_its_step_ends",),
    quick=True,
)
add(
    "the_argument_of_a_step_is_not_held_by_it",
    "a coroutine gets a value that is gone",
    STEP,
    "Ref value = Ref::borrow(argument);",
    "Ref value = Ref::steal(argument);"
    " struct Keep { Ref& r; ~Keep() { r.release(); } } keep{value};",
    killed_by=("argument_of_a_suspended_step",),
)
add(
    "the_exception_of_a_step_is_not_held_by_it",
    "a coroutine handles an exception that is gone",
    STEP,
    "Ref exception = Ref::borrow(argument);",
    "Ref exception = Ref::steal(argument);"
    " struct Keep { Ref& r; ~Keep() { r.release(); } } keep{exception};",
    killed_by=("argument_of_a_suspended_step",),
)
add(
    "a_portal_that_could_not_begin_counts_as_running",
    "a portal whose first step had no memory can never be started",
    STEP,
    "    self->phase = Portal::Phase::idle;\n    return nullptr;",
    "    return nullptr;",
    killed_by=("test_the_system_has_no_memory",),
)
add(
    "a_coroutine_that_refuses_a_step_is_finished",
    "a portal that was sent a value too early cannot begin any more",
    STEP,
    "(outcome == PYGEN_ERROR && interpreter::is_unfinished_coroutine(self->target));",
    "false;",
    killed_by=("refused_steps",),
)
add(
    "portals_that_were_dropped_elsewhere_are_not_unwound_at_the_next_step",
    "`finally` blocks of portals that another thread has dropped run as their thread ends only",
    STEP,
    "if (thread.has_adopted()) thread.unwind_adopted();",
    "",
    killed_by=("test_a_portal_dropped_in_another_thread_is_closed_in_its_own",),
)
add(
    "a_step_that_ends_stays_listed",
    "a thread that ends unwinds portals that have ended",
    STEP,
    "if (fiber->is_listed()) Thread::unlist(fiber);",
    "",
    killed_by=("test_a_thread_that_ends_with_suspended_portals", "test_adopted_portals_are_freed"),
)
add(
    "a_step_that_is_suspended_is_not_listed",
    "`finally` blocks of portals are not run as their thread ends",
    STEP,
    "if (!fiber->is_listed()) thread.list_unfinished(fiber, thread_state);",
    "fiber->set_thread(&thread, thread_state);",
    killed_by=("test_a_thread_that_ends_with_suspended_portals",),
)
add(
    "a_portal_of_a_function_returns_what_stop_iteration_says",
    "a StopIteration that a function raises is taken for its result",
    STEP,
    "  interpreter::replace_stop_iteration();\n",
    "",
    killed_by=("test_a_stop_iteration_out_of_a_portal_of_a_function_is_not_taken_for_its_result",),
)

# The stack for a step, where the program uses greenlet.

add(
    "a_stack_is_not_kept_for_the_next_step",
    "a greenlet that a portal has started comes back to a stack that another portal uses",
    BACKEND,
    "if (with_greenlets && self->phase != Portal::Phase::finished) {",
    "if (false) {",
    killed_by=("greenlets_come_back_to_the_stack_that_their_portal_keeps",),
    quick=True,
)
add(
    "a_stack_that_was_kept_is_not_used",
    "a greenlet that a portal has started comes back to a stack that another portal uses",
    BACKEND,
    "if (usable) return std::exchange(self->kept, nullptr);",
    "(void)usable;",
    killed_by=("greenlets_come_back_to_the_stack_that_their_portal_keeps",),
)
add(
    "a_stack_on_which_greenlets_were_started_is_used_again",
    "a greenlet that is collected writes to the stack of another portal",
    BACKEND,
    "return fiber.is_native() && module_state.backend == BackendSetting::automatic;",
    "return (void)fiber, (void)module_state, false;",
    killed_by=("greenlets_outlive_a_portal_on_a_stack_of_ours",),
)
add(
    "a_greenlet_that_is_dead_is_used_for_the_next_step",
    "a portal whose greenlet was killed never runs again",
    BACKEND,
    "(self->kept->is_native() || !static_cast<DelegatedFiber*>(self->kept)->is_dead());",
    "true;",
    killed_by=(
        "test_a_portals_own_greenlet_is_killed_in_await",
        "test_a_kept_greenlet_is_killed_between_two_steps",
    ),
)
add(
    "a_greenlet_that_another_thread_keeps_is_used",
    "greenlet refuses to switch to a greenlet of another thread",
    BACKEND,
    "self->kept->belongs_to(&thread, thread_state) &&",
    "thread_state != nullptr &&",
    killed_by=("test_a_portal_that_keeps_a_greenlet_goes_on_in_another_thread",),
)
add(
    "a_portal_that_keeps_a_stack_changes_its_backend",
    "a greenlet that a portal has started comes back to a stack that nothing uses",
    BACKEND,
    "return self->backend == Backend::native && self->kept == nullptr &&",
    "return self->backend == Backend::native &&",
    killed_by=("greenlets_come_back_to_the_stack_that_their_portal_keeps",),
)
add(
    "a_portal_in_one_on_a_stack_of_ours_runs_on_greenlet",
    "greenlet that is not taken over takes all that lies between two stacks for one",
    BACKEND,
    "return is_out_of_place(Backend::greenlet, thread) ? Backend::native : Backend::greenlet;",
    "return (void)thread, Backend::greenlet;",
    killed_by=("test_one_that_differs_and_a_portal_inside_another",),
    quick=True,
)
add(
    "a_greenlet_that_is_not_taken_over_is_not_noticed",
    "await_() does not work in its greenlets",
    BACKEND,
    "if (!module_state.current_tasks.greenlet_untaken()) return Backend::native;",
    "return Backend::native;",
    killed_by=("test_portals_fall_back_to_greenlet",),
)
add(
    "what_a_portal_keeps_is_lost_with_it",
    "each portal in a program that uses greenlet costs a greenlet for good",
    BACKEND,
    "    thread->give_idle(fiber);\n  } else if",
    "    (void)thread;\n  } else if",
    killed_by=("test_greenlets_that_portals_keep_are_used_again",),
)

# no_await().

add(
    "a_guard_against_suspension_is_not_asked",
    "code that must not be interrupted is",
    "portal/await.cpp",
    "if (guard) return refuse_suspension",
    "if (false) return refuse_suspension",
    killed_by=("test_a_suspension_inside_raises_with_the_place",),
)
add(
    "a_guarded_portal_takes_the_short_way",
    "a coroutine suspends the portal where code guards against it",
    "module/functions.cpp",
    "fiber->set_guarded(portal::is_guarded(self));",
    "fiber->set_guarded(false);",
    killed_by=("test_what_was_to_be_awaited_is_closed",),
)
add(
    "a_guard_against_suspension_is_not_taken_away",
    "a portal cannot await_() any more once it has guarded against it",
    "module/functions.cpp",
    "std::exchange(self->guard, guard)",
    "std::exchange(self->guard, guard != nullptr ? guard : self->guard)",
    killed_by=("test_a_suspension_before_and_after_is_as_ever",),
)

# What a portal answers.

add(
    "the_calls_of_a_portal_are_left_out",
    "asyncio and Trio show no synchronous functions of a task that waits",
    "portal/portal_type.cpp",
    "    if (link_calls == nullptr) return awaited.release();",
    "    return awaited.release();",
    killed_by=("test_a_chain_has_the_calls_of_a_coroutine",),
)
add(
    "a_portal_around_a_function_has_no_frame",
    "Trio's iter_await_frames() raises an AttributeError",
    "portal/portal_type.cpp",
    "  if (!portal->calls_function || portal->fiber == nullptr) return forward(self, name);",
    "  if (portal != nullptr) return forward(self, name);",
    killed_by=("test_a_chain_has_the_calls_of_a_function",),
)
add(
    "a_portal_around_a_function_shows_its_innermost_frame",
    "the calls between are left out",
    "portal/portal_type.cpp",
    "    if (!caller) return frame.release();",
    "    if (frame) return frame.release();",
    killed_by=("test_a_chain_has_the_calls_of_a_function",),
)
