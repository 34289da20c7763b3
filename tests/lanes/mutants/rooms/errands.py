"""Mutants of errands: what a step on a stack of ours has done on the thread's own, by greenlet."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

ERRAND = "fiber/errand.hpp"
STACK = "fiber/stack_fiber.cpp"
THREAD = "fiber/thread.cpp"
THREAD_HPP = "fiber/thread.hpp"
TAKEOVER = "greenlet/takeover.cpp"
FIBER = "greenlet/greenlet_fiber.cpp"

ELSEWHERE = "test_a_greenlet_goes_on_from_elsewhere"
ENDS = "test_what_ends_the_portal_is_not_lost_when_something_else_was_there_before"
WAITS = "test_what_waits_in_await_refuses_to_be_switched_to"

# Running an errand.

add(
    "an_errand_is_not_noted_as_away",
    "await_() in a greenlet does not find its portal",
    STACK,
    "    thread.add_away(this);\n",
    "",
    (STACK, "    thread.remove_away(this);\n", ""),
    killed_by=("test_at_any_depth",),
    quick=True,
)
add(
    "an_errand_stays_noted_as_away",
    "await_() outside of a portal is taken for that of the last one that switched greenlets",
    STACK,
    "    thread.remove_away(this);\n",
    "",
    killed_by=("test_an_await_that_goes_on_without_its_portal_is_refused_where_no_step_runs",),
)
add(
    "an_errand_of_an_inner_step_is_taken_for_the_outers",
    "the trap of the inner portal goes to the outer one",
    STACK,
    "  if (!errand.is_own) {\n",
    "  if (false) {\n",
    killed_by=("test_each_await_in_a_greenlet_belongs_to_the_inner_of_two_portals",),
)
add(
    "an_errand_is_taken_up_by_what_switches_alone",
    "the second trap of the inner portal goes to the outer one",
    STACK,
    "    return thread.call_on_own_stack(call, errand.places);\n  }\n  // Something",
    "    return (void)thread, call();\n  }\n  // Something",
    killed_by=("test_each_await_in_a_greenlet_belongs_to_the_inner_of_two_portals",),
    quick=True,
)
add(
    "what_an_errand_raises_is_lost",
    "greenlet.throw() in a portal ends in SystemError",
    STACK,
    "  if (errand.raised != nullptr) interpreter::set_raised(errand.raised);\n",
    "",
    killed_by=(ELSEWHERE, "test_exceptions_of_await_inside_a_nested_greenlet"),
)
add(
    "an_errand_that_is_suspended_counts_as_done",
    "a step goes on before its portal is resumed",
    STACK,
    "      return false;\n    }\n    // Where",
    "      return true;\n    }\n    // Where",
    killed_by=("test_at_any_depth",),
)

# await_() in a greenlet.

add(
    "a_place_is_not_told_that_its_portal_resumes_it",
    "each await_() in a greenlet is refused",
    STACK,
    "    waiting.state = Waiting::State::resumed;\n",
    "",
    killed_by=("test_at_any_depth",),
)
add(
    "a_place_goes_on_whatever_has_switched_to_it",
    "await_() returns an answer that nobody has given",
    STACK,
    '  if (switched) places.refuse_switch("waits in await_()");',
    "  if (switched) return Py_NewRef(Py_None);",
    killed_by=(WAITS,),
)
add(
    "a_place_that_goes_on_by_itself_is_not_forgotten",
    "a portal goes on in a greenlet that has ended",
    STACK,
    "    waiting->state = Waiting::State::forgotten;\n    waiting->place = Ref();",
    "    waiting->place = Ref();",
    killed_by=(WAITS, ENDS),
)
add(
    "a_trap_counts_as_delivered_at_once",
    "a step that goes on without its portal counts as suspended",
    STACK,
    "    if (!waiting->delivered) undo_suspend();\n",
    "",
    killed_by=("test_a_trap_that_reaches_nobody_is_taken_back",),
)
add(
    "a_trap_never_counts_as_delivered",
    "a portal whose trap the loop has counts as running",
    STACK,
    "      errand.waiting->delivered = true;\n",
    "",
    killed_by=("test_a_portal_whose_greenlet_is_gone_is_still_one_that_waits",),
)
add(
    "what_is_thrown_into_a_portal_whose_greenlet_is_gone_is_lost",
    "a task that is cancelled gets another error",
    STACK,
    "  if (PyObject* exception = take_message_exception()) {",
    "  if (PyObject* exception = nullptr) {",
    killed_by=(ENDS,),
)
add(
    "a_portal_whose_greenlet_is_gone_is_not_refused",
    "a step ends in SystemError",
    STACK,
    '    errand.places.refuse_switch("waits for a greenlet that waited in await_()");\n',
    "",
    killed_by=(WAITS,),
)

# What C++ keeps of exceptions.

add(
    "an_errand_begins_with_the_cpp_exceptions_of_its_resumer",
    "C++ code in a greenlet rethrows the exception of another place",
    STACK,
    "  thread.exception_globals().assign(core::ExceptionGlobals{});\n",
    "",
    killed_by=("test_a_greenlet_does_not_see_the_cpp_exception_of_the_one_that_resumes_its_step",),
)
add(
    "a_resumer_loses_its_cpp_exceptions_to_an_errand",
    "`throw;` in a catch block around a step ends the process",
    STACK,
    "  thread.exception_globals().assign(exceptions);\n  if (errand",
    "  if (errand",
    killed_by=("test_cpp_exceptions_of_greenlets_in_interleaved_steps_stay_apart",),
)
add(
    "a_greenlet_that_waits_loses_its_cpp_exceptions",
    "`throw;` after an await_() rethrows what another portal handles",
    STACK,
    "  live.assign(exceptions);\n  // From here",
    "  // From here",
    killed_by=("test_cpp_exceptions_of_greenlets_in_interleaved_steps_stay_apart",),
)
add(
    "a_step_in_a_greenlet_loses_its_cpp_exceptions",
    "`throw;` after an await_() on the greenlet backend rethrows what another portal handles",
    FIBER,
    "  live.assign(exceptions_);\n",
    "",
    killed_by=("test_cpp_exceptions_of_interleaved_steps_stay_apart",),
    backend="greenlet",
)
add(
    "the_resumer_of_a_step_in_a_greenlet_loses_its_cpp_exceptions",
    "`throw;` in a catch block around a step on the greenlet backend rethrows another exception",
    FIBER,
    "  live.assign(exceptions);\n",
    "",
    killed_by=("test_cpp_exceptions_of_interleaved_steps_stay_apart",),
    backend="greenlet",
)

# Taking greenlet over.

for method, flags in (("switch", "METH_VARARGS | METH_KEYWORDS"), ("throw", "METH_VARARGS")):
    add(
        f"the_method_{method}_of_a_greenlet_is_not_looked_at",
        "a greenlet of another kind is taken over, and its functions are called by a wrong type",
        TAKEOVER,
        f'method_of(type, "{method}", {flags});',
        f'method_of(type, "{"throw" if method == "switch" else "switch"}", '
        f"{'METH_VARARGS' if method == 'switch' else 'METH_VARARGS | METH_KEYWORDS'});",
        killed_by=("test_portals_fall_back_to_greenlet", "test_at_any_depth"),
    )
add(
    "flags_of_methods_are_not_looked_at",
    "a method of another kind is called by a wrong type",
    TAKEOVER,
    "definition->ml_flags == flags && definition->ml_meth != nullptr",
    "(void(flags), definition->ml_meth != nullptr)",
    killed_by=("test_portals_fall_back_to_greenlet",),
    quick=True,
)
add(
    "a_method_without_a_function_is_taken_over",
    "a switch calls no function",
    TAKEOVER,
    "definition->ml_flags == flags && definition->ml_meth != nullptr",
    "definition->ml_flags == flags",
    killed_by=("test_portals_fall_back_to_greenlet",),
)
add(
    "the_type_in_the_table_is_not_looked_at",
    "memory of another object is taken for that of a type",
    TAKEOVER,
    "if (type == nullptr || !PyType_Check(reinterpret_cast<PyObject*>(type)) ||\n"
    "      type->tp_dict == nullptr) {",
    "if (type == nullptr) {",
    killed_by=("test_portals_fall_back_to_greenlet",),
)
add(
    "a_table_without_throw_is_taken_over",
    "what calls throw() of the C API calls no function",
    TAKEOVER,
    " && api.table()[Api::throw_index] != nullptr;",
    ";",
    killed_by=("test_portals_fall_back_to_greenlet",),
)
add(
    "a_greenlet_is_taken_over_too_late",
    "one that was started on a stack of ours before comes back to it from elsewhere",
    TAKEOVER,
    "if (StackFiber::live() == 0) {",
    "if (true) {",
    killed_by=("test_one_imported_without_our_being_told_is_left_as_it_is",),
)
add(
    "a_greenlet_that_is_imported_once_more_counts_as_another",
    "portals fall back to the greenlet backend",
    TAKEOVER,
    "if (taken && is_ours(api)) return nullptr;  // imported once more",
    "",
    killed_by=("test_greenlet_imported_twice_stays_taken_over",),
)
for part, place, original in (
    (
        "switch",
        "switching->ml_meth, as_method(&method_switch)",
        "switching->ml_meth, switching->ml_meth",
    ),
    ("throw", "throwing->ml_meth, &method_throw", "throwing->ml_meth, throwing->ml_meth"),
    ("the_end_of_a_greenlet", "type->tp_dealloc, &dealloc", "type->tp_dealloc, type->tp_dealloc"),
):
    add(
        f"{part}_is_not_taken_over",
        "greenlet copies a stack of ours, and the process crashes",
        TAKEOVER,
        f"std::exchange({place})",
        f"std::exchange({original})",
        killed_by=("test_at_any_depth", ELSEWHERE),
    )

# What greenlets leave behind.

TASKS = "tasks/current_tasks.cpp"
add(
    "a_loop_that_a_greenlet_left_running_is_taken_for_one_inside",
    "await_() finds no portal once a library keeps its loop in a greenlet",
    STACK,
    "  if (is_watched) errand_watch.after(*this);\n",
    "",
    killed_by=("test_a_loop_that_waits_is_nothing_to_the_steps_of_another_library",),
)
add(
    "what_takes_the_place_of_the_portals_own_loop_is_taken_for_it",
    "what is awaited goes to a loop that is not the running one",
    TASKS,
    "    if (now.current[i] != before && before != nullptr && before != left_[i]) return;\n",
    "",
    killed_by=("test_a_loop_that_an_errand_puts_in_that_place_is_refused",),
)
add(
    "a_loop_that_a_greenlet_left_running_may_not_end",
    "await_() finds no portal once the loop that a library kept in a greenlet has ended",
    TASKS,
    "noted.current[i] = left_[i] = now.current[i];",
    "noted.current[i] = now.current[i];",
    killed_by=("test_by_hand_a_loop_that_waits_is_nothing_to_a_step",),
)
add(
    "a_step_that_was_not_innermost_is_after_an_errand",
    "a portal is suspended from inside a loop that runs in it",
    STACK,
    "const bool is_watched = errand_watch.before(*this);",
    "const bool is_watched = true;",
    killed_by=("test_an_errand_inside_another_loop_leaves_that_in_the_way",),
)

# How deep calls nest.

add(
    "a_step_in_a_greenlet_counts_as_no_call",
    "a chain of portals on the greenlet backend is a segmentation fault",
    FIBER,
    "if (is_new && (!interpreter::leaves_c_stack(where) || Py_EnterRecursiveCall(where))) {",
    "if ((void)where, false) {",
    (FIBER, "  if (is_new) Py_LeaveRecursiveCall();\n", ""),
    killed_by=("deep_chains_of_portals_on_greenlet",),
    minors=("3.13",),
)
