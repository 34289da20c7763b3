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
    "      if (result == nullptr) note_error(module_state);\n",
    "",
    killed_by=(AT_THE_END,),
    quick=True,
)
add(
    "any_await_may_take_the_short_way_once_one_was_kept",
    "what comes after a lost timeout waits as long as it likes",
    LOST,
    "    fiber.set_guarded(true);  // so that no await_() takes the short way\n",
    "    (void)fiber;\n",
    killed_by=(AT_THE_NEXT,),
)
add(
    "a_new_step_may_take_the_short_way_once_one_was_kept",
    "what comes after a lost timeout waits as long as it likes",
    STEP,
    "if (self->guard != nullptr || self->cancellation != nullptr) [[unlikely]]",
    "if (self->guard != nullptr) [[unlikely]]",
    killed_by=("test_one_that_is_lost_is_raised_in_a_later_step",),
)
add(
    "one_on_its_way_counts_as_lost",
    "what a cancelled task cleans up with is cancelled as well",
    LOST,
    "  if (Py_REFCNT(self->cancellation) > self->held) return Ref();\n",
    "",
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
    "      ask(module_state.is_cancellation_requested, exception.get()) == Answer::yes;\n"
    "  return is_lost",
    "      true;\n  return is_lost",
    killed_by=(TAKEN_BACK,),
)
add(
    "one_is_not_raised_at_the_end",
    "a timeout is lost where nothing is awaited after it",
    STEP,
    "  if (!goes_on) return raise_lost(self, outcome, result);\n",
    "  if (!goes_on) return outcome;\n",
    killed_by=(AT_THE_END,),
)
add(
    "one_is_not_raised_where_a_coroutine_awaits",
    "what comes after a lost timeout waits as long as it likes",
    STEP,
    "    if (Ref lost = take_lost(self)) {\n",
    "    if (Ref lost; lost) {\n",
    killed_by=("test_a_coroutine_that_awaits_natively_is_told",),
)
add(
    "one_that_becomes_a_context_is_lost_itself",
    "a timeout is lost where SQLite puts an error in its place",
    LOST,
    "PyErr_GivenExceptionMatches(raised, PyExc_Exception) != 0) &&\n      ask(",
    "false) &&\n      ask(",
    killed_by=("test_what_replaces_it_becomes_its_context",),
)
