"""Mutants of src/greenlet: what a step that runs in a greenlet keeps, notes and refuses."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

FIBER = "greenlet/greenlet_fiber.cpp"
FIBER_HPP = "greenlet/greenlet_fiber.hpp"
CONTEXT = "greenlet/followed_context.hpp"
API = "greenlet/api.hpp"

add(
    "a_switch_by_somebody_else_is_taken_for_a_steps_end",
    "run() returns a result that nobody has given",
    FIBER,
    "  if (delivered_) return;\n",
    "  return;\n",
    killed_by=("test_a_foreign_greenlet_switches_to_the_resumer",),
    quick=True,
)
add(
    "a_step_does_not_say_that_it_was_delivered",
    "each step of a portal is refused",
    FIBER,
    "    depart();\n    delivered_ = true;\n",
    "    depart();\n",
    killed_by=("test_context_variables_pass_as_on_native",),
)
add(
    "a_suspension_does_not_say_that_it_was_delivered",
    "each await_() of a portal is refused",
    FIBER,
    "  if (in_trampoline) depart();\n  delivered_ = true;\n",
    "  if (in_trampoline) depart();\n",
    killed_by=("test_context_variables_pass_as_on_native",),
)
add(
    "a_delivery_is_never_forgotten",
    "a switch by somebody else is taken for the end of a step",
    FIBER,
    "  delivered_ = false;\n",
    "",
    killed_by=("test_a_foreign_greenlet_switches_to_the_resumer",),
)
add(
    "a_step_that_was_left_in_its_middle_is_not_noted",
    "a greenlet that waits in the middle of a step is used for another one",
    FIBER,
    "  broken_ = true;\n",
    "",
    killed_by=(
        "test_a_foreign_greenlet_throws_into_the_resumer",
        "test_a_foreign_greenlet_switches_to_the_resumer",
    ),
)
add(
    "a_resumer_stays_noted_after_its_step",
    "a step that somebody else resumes switches to a greenlet that is gone",
    FIBER,
    "  live.assign(exceptions);\n  resumer_ = nullptr;\n",
    "  live.assign(exceptions);\n",
    killed_by=("test_a_greenlet_that_is_suspended_in_await_is_switched_to",),
)
add(
    "a_step_that_ended_without_its_portal_is_resumed",
    "a portal whose step has come to its end elsewhere never ends",
    FIBER,
    "if (resumed_ && ended()) {",
    "if (false) {",
    killed_by=("test_a_greenlet_that_is_suspended_in_await_is_switched_to",),
    quick=True,
)
add(
    "a_message_that_nobody_takes_is_never_freed",
    "an answer stays in memory where the step has ended elsewhere",
    FIBER,
    "    resumed_ = Ref();\n    drop_message();\n",
    "    resumed_ = Ref();\n",
    killed_by=("test_a_message_that_no_step_takes_is_let_go_of",),
)
add(
    "what_a_step_has_waited_for_stays_noted_where_somebody_else_resumes_it",
    "cr_await of a portal is an object that is gone",
    FIBER,
    "    drop_message();\n    if (switched) api_.refuse_switch",
    "    if (switched) api_.refuse_switch",
    killed_by=("cr_await_after_a_foreign_switch",),
)
add(
    "the_exception_of_a_step_is_lost",
    "a step that fails raises SystemError",
    FIBER,
    "if (raised_ != nullptr) interpreter::set_raised(std::exchange(raised_, nullptr));",
    "",
    killed_by=("test_the_synchronous_part_may_raise_what_ends_coroutines",),
    backend="greenlet",
)
add(
    "a_trampoline_runs_a_job_that_it_was_not_given",
    "a greenlet that comes back to where nobody waits runs the last step again",
    FIBER,
    "if (!has_job_) Py_RETURN_NONE;",
    "",
    killed_by=(
        "test_a_nested_greenlet_that_outlives_its_step",
        "greenlets_that_outlive_their_step",
    ),
)
add(
    "a_trampoline_ends_after_one_job",
    "each step takes a new greenlet",
    FIBER,
    "has_job_ = is_new;",
    "has_job_ = false;",
    killed_by=("test_greenlets_that_portals_keep_are_used_again",),
)
add(
    "a_step_in_a_greenlet_is_not_listed_as_running",
    "await_() does not find its portal",
    FIBER,
    "  thread.add_away(this);\n",
    "",
    (FIBER, "  thread.remove_away(this);\n", ""),
    killed_by=("test_await_inside_nested_greenlets",),
)
add(
    "a_greenlet_that_descends_from_a_step_is_not_found",
    "the trap of a step goes to the portal of another, which has begun in its middle",
    FIBER,
    "greenlet = api_.parent(greenlet.get())) {",
    "greenlet = Ref()) {",
    killed_by=("test_steps_that_take_turns_in_greenlets_find_themselves",),
)
add(
    "await_does_not_hold_the_fiber_that_it_uses",
    "a greenlet that waits in await_() comes back to a fiber that is gone",
    "portal/await.cpp",
    "keep = static_cast<DelegatedFiber*>(fiber)->keep();",
    "{}",
    killed_by=("test_a_greenlet_that_waits_in_await_outlives_the_one_of_its_portal",),
    quick=True,
)
add(
    "a_trampoline_that_has_ended_is_taken_from_the_pool",
    "a portal is refused as another one has switched to its resumer",
    FIBER,
    "if (!idle->is_dead()) return",
    "return",
    killed_by=("test_a_greenlet_that_comes_to_its_end_while_it_lies_idle_is_not_used_again",),
    quick=True,
)
add(
    "a_private_context_outlives_its_job",
    "a portal runs in the context of one that has ended long ago",
    CONTEXT,
    "void begin() { is_private_ = false; }",
    "void begin() {}",
    killed_by=("test_a_greenlet_that_is_used_again_has_the_context_of_its_new_resumer",),
    quick=True,
)
add(
    "a_greenlet_for_portals_is_a_child_of_the_current_one",
    "a pooled greenlet keeps another one alive, and ends with it",
    API,
    "while (Ref above = parent(main.get())) main = std::move(above);",
    "",
    killed_by=("greenlet_dropped_below_suspended_portals",),
)
add(
    "a_step_does_not_follow_the_context_of_its_resumer",
    "a portal sees the context of the step before",
    CONTEXT,
    "PyObject* previous = std::exchange(thread_state->context, Py_NewRef(context));",
    "PyObject* previous = Py_NewRef(context);",
    killed_by=("test_context_variables_pass_as_on_native",),
    quick=True,
)
add(
    "a_context_that_was_followed_is_never_freed",
    "the context of each task with a portal stays in memory",
    CONTEXT,
    "    Py_XDECREF(previous);\n",
    "    (void)previous;\n",
    killed_by=("test_greenlets_keep_no_context_but_their_last",),
    quick=True,
)
add(
    "a_private_context_is_not_noted",
    "a portal inside Context.run() goes on in the context of the event loop",
    CONTEXT,
    "is_private_ = thread_state->context != context;",
    "is_private_ = false && thread_state->context != context;",
    killed_by=("test_context_variables_pass_as_on_native",),
)
add(
    "a_private_context_is_not_rebased",
    "a Context.run() that is left under another context comes back to the first one",
    CONTEXT,
    "interpreter::rebase_context(thread_state->context, followed_, context);",
    "",
    killed_by=("context_left_under_another",),
    backend="greenlet",
)
