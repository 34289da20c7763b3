"""Mutants of cancellations that code in C has lost."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

LOST = "portal/cancellation.cpp"
STATE = "portal/cancellation.hpp"
AWAIT = "portal/await.cpp"
STEP = "portal/step.cpp"

AT_THE_END = "test_a_timeout_comes_at_the_end_of_the_portal"
AT_THE_NEXT = "test_it_is_raised_at_the_next_suspension"
HANDLED = "test_one_that_is_handled_is_not_raised_again"
ON_ITS_WAY = "test_one_on_its_way_does_not_disturb_what_is_dropped_meanwhile"
TAKEN_BACK = "test_a_request_that_was_taken_back_is_not_raised_again"

add(
    "a_cancellation_that_leaves_await_is_not_kept",
    "a timeout is lost in a callback of C",
    AWAIT,
    "    note_raised(portal_on(*fiber), *fiber, exception);\n",
    "",
    killed_by=(AT_THE_END,),
    quick=True,
)
add(
    "any_await_may_take_the_short_way_once_one_was_kept",
    "what comes after a lost timeout waits as long as it likes",
    LOST,
    "  fiber.set_guarded(true);  // so that no await_() takes the short way\n",
    "  (void)fiber;\n",
    killed_by=(AT_THE_NEXT,),
)
add(
    "a_new_step_may_take_the_short_way_once_one_was_kept",
    "what comes after a lost timeout waits as long as it likes",
    STEP,
    "fiber->set_guarded(is_guarded(self));",
    "fiber->set_guarded(self->guard != nullptr || self->looks_late);",
    killed_by=("test_one_that_is_lost_is_raised_in_a_later_step",),
)
add(
    "one_on_its_way_counts_as_lost",
    "what a cancelled task cleans up with is cancelled as well",
    LOST,
    "if (self->cancellation == nullptr || is_held(self)) return Ref();",
    "if (self->cancellation == nullptr) return Ref();",
    killed_by=(ON_ITS_WAY,),
    quick=True,
)
add(
    "what_runs_a_step_holds_what_it_threw_for_good",
    "what a cancelled task cleans up with is cancelled as well",
    STATE,
    "  if (self->cancellation != nullptr) self->held -= Py_REFCNT(self->cancellation);\n",
    "  (void)self;\n",
    (STATE, "self->held += Py_REFCNT(self->cancellation);", "(void)self->held;"),
    killed_by=(ON_ITS_WAY,),
)
add(
    "one_that_python_handles_counts_as_lost",
    "a task that catches its cancellation is cancelled once more",
    LOST,
    "left == Answer::yes &&",
    "left != Answer::unknown &&",
    killed_by=(HANDLED,),
)
add(
    "one_that_was_taken_back_is_raised_again",
    "a task is cancelled that nobody cancels any more",
    LOST,
    "left == Answer::yes && is_requested(self, exception.get());",
    "left == Answer::yes;",
    killed_by=(TAKEN_BACK,),
)
add(
    "one_is_not_raised_at_the_end",
    "a timeout is lost where nothing is awaited after it",
    STEP,
    "  return raise_lost(self, outcome, result);\n",
    "  return outcome;\n",
    killed_by=(AT_THE_END,),
)
add(
    "one_is_not_raised_where_a_coroutine_awaits",
    "what comes after a lost timeout waits as long as it likes",
    STEP,
    "    if (outcome == PYGEN_NEXT) cancel_again(self);\n",
    "",
    killed_by=("test_a_coroutine_that_awaits_natively_is_told",),
)
add(
    "one_that_becomes_a_context_is_lost_itself",
    "a timeout is lost where SQLite puts an error in its place",
    LOST,
    "(raised == nullptr || !may_cancel(raised))",
    "(raised == nullptr)",
    killed_by=("test_what_replaces_it_becomes_its_context",),
)
add(
    "a_result_that_has_one_counts_for_nothing",
    "what returns a cancellation is cancelled itself",
    LOST,
    "raised != nullptr ? raised : *result) == Answer::no;",
    "raised != nullptr ? raised : *result) != Answer::unknown;",
    killed_by=(HANDLED,),
)
add(
    "one_that_was_lost_is_forgotten_for_a_later_one",
    "a timeout is lost where another cancellation has been handled since",
    LOST,
    "has_left(self, kept) == Answer::yes) return;",
    "has_left(self, kept) == Answer::yes) (void)0;",
    killed_by=("test_one_that_came_later_and_was_handled_does_not_hide_it",),
)
add(
    "one_that_is_kept_already_counts_twice",
    "what a cancelled task cleans up with is cancelled as well",
    LOST,
    "Py_REFCNT(exception) - (kept == exception ? 1 : 0);",
    "Py_REFCNT(exception);",
    killed_by=("test_one_that_leaves_two_calls_of_await_is_counted_once",),
)
add(
    "a_coroutine_that_goes_on_takes_the_short_way",
    "what comes after a lost timeout waits as long as it likes",
    AWAIT,
    "if (!fiber.takes_short_way()) [[unlikely]] {",
    "if (false) [[unlikely]] {",
    killed_by=("test_it_is_raised_in_the_coroutine_that_has_called_the_library",),
)
add(
    "who_closes_a_portal_is_cancelled",
    "close() raises what cancels the task of its caller",
    STEP,
    "  if (is_closed) {\n",
    "  if (is_closed && false) {\n",
    killed_by=("test_a_portal_that_is_closed_raises_nothing",),
)
