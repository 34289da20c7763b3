"""Mutants of src/tracing, and of what it asks the interpreter: what tools are told at a switch."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

EVENTS = "tracing/switch_events.cpp"
FACTS = "tracing/code_facts.cpp"
FRAMES = "interpreter/python_frames.hpp"
MONITORING = "interpreter/monitoring.hpp"
AWAIT = "portal/traced_await.cpp"
GATE = "portal/traced_await.hpp"

TOLD = ("3.11", "3.12", "3.13", "3.14", "3.15")
MONITORED = ("3.12", "3.13", "3.14", "3.15")

SAME_EVENTS = (
    "test_settrace_sees_the_same_events_in_all_functions",
    "test_setprofile_sees_the_same_events_in_all_functions",
    "test_a_profiler_counts_the_same_calls_of_the_users_functions",
)
RANDOM = ("test_each_return_matches_its_call",)

add(
    "tools_are_not_told_of_suspensions",
    "a profiler takes the next task's calls for those of the one that waits",
    EVENTS,
    "if (watched && !tell_suspended(thread_state, entries_[i], trap)) return false;",
    "",
    killed_by=SAME_EVENTS,
    minors=TOLD,
    quick=True,
)
add(
    "tools_are_not_told_of_resumptions",
    "a profiler sees functions return that were not called",
    EVENTS,
    "if (!tell_resumed(thread_state, entries_[i])) return false;",
    "",
    killed_by=SAME_EVENTS,
    minors=TOLD,
    quick=True,
)
add(
    "frames_are_resumed_from_the_innermost_on",
    "a profiler takes a caller for what it has called",
    EVENTS,
    "if (!tell_resumed(thread_state, entries_[i])) return false;",
    "if (!tell_resumed(thread_state, entries_[count_ - 1 - i])) return false;",
    killed_by=RANDOM,
    minors=TOLD,
)
add(
    "a_trace_function_sees_frames_that_do_not_look_as_if_they_waited",
    "coverage adds branches, and pdb stops at the end of a step",
    EVENTS,
    "if (facts == nullptr || facts->stand_in() == nullptr) return;",
    "return;",
    killed_by=("test_frames_look_as_those_that_wait_to_a_trace_function",),
    minors=TOLD,
)
add(
    "c_calls_that_wait_are_not_told_of",
    "sorted() stays open in a profiler while its key function waits",
    EVENTS,
    "  entry.callable = Ref::borrow(facts->function_that_is(found.callable));",
    "",
    killed_by=("test_the_c_calls_that_wait_end_and_begin_with_their_callers",),
    minors=TOLD,
)
add(
    "a_method_of_a_type_is_told_of_unbound",
    "list.sort() is two functions to a profiler",
    EVENTS,
    "if (!Py_IS_TYPE(callable, &PyMethodDescr_Type) || first == nullptr) return Ref();",
    "return Ref();",
    killed_by=("test_the_c_calls_that_wait_end_and_begin_with_their_callers",),
    minors=TOLD,
)
add(
    "await_itself_is_told_of_though_its_call_was_not",
    "a profiler that is switched on meanwhile sees await_() called, and never return",
    AWAIT,
    "const bool call_is_told = tracing::is_call_told(thread_state);",
    "const bool call_is_told = false;",
    killed_by=RANDOM,
    minors=TOLD,
)
add(
    "a_debugger_is_not_told_where_a_coroutine_ends",
    "`return` of pdb does not stop in the function that has called await_()",
    AWAIT,
    "!tracing::tell_completed(thread_state, frame.get(), result.get())) {",
    "false) {",
    killed_by=("test_return_leads_through_every_function",),
    minors=TOLD,
)
add(
    "a_debugger_is_told_of_coroutines_that_it_was_not_in",
    "`next` of pdb stops at each await_()",
    EVENTS,
    "|| interpreter::trace_of(awaited) == nullptr) return true;",
    ") return true;",
    killed_by=("test_a_debugger_stops_where_it_does_in_async_functions",),
    minors=TOLD,
)
add(
    "what_a_tool_raises_at_a_resumption_is_lost",
    "an error of a trace function shows up at some other place",
    AWAIT,
    "  if (suspension.tell_resumed(current_thread_state())) return value;",
    "  if (suspension.tell_resumed(current_thread_state()) || (PyErr_Clear(), true)) return value;",
    killed_by=("test_what_a_tool_raises_at_a_switch_is_raised_by_await",),
    minors=TOLD,
)
add(
    "a_tool_that_awaits_keeps_others_from_being_traced",
    "while a debugger waits, no task is traced",
    FRAMES,
    "    if (tracing_ != 0) set(0);",
    "",
    killed_by=("test_a_tool_may_await_and_others_are_traced_meanwhile",),
    minors=TOLD,
)
add(
    "a_tool_that_was_switched_on_meanwhile_does_not_see_the_rest",
    "a function that waited meanwhile seems never to return",
    EVENTS,
    "    instrument_running_code();",
    "",
    killed_by=("test_a_tool_that_is_switched_on_meanwhile_sees_the_rest",),
    minors=MONITORED,
)
add(
    "resumptions_are_told_of_only_where_suspensions_were",
    "a tool that was switched on meanwhile sees returns without calls",
    GATE,
    "return resume_traced(value, false, exception);",
    "return value;",
    killed_by=("test_a_tool_that_is_switched_on_meanwhile_sees_the_rest",),
    minors=TOLD,
)
add(
    "the_table_of_tools_is_not_found",
    "no tool is told of anything",
    "interpreter/monitoring.cpp",
    "callbacks = find_table(PyThreadState_Get()->interp, tool, marker);",
    "callbacks = nullptr;",
    killed_by=SAME_EVENTS,
    minors=MONITORED,
)
add(
    "the_facts_of_code_are_found_out_each_time",
    "a traced program is slow, and leaks what was found out",
    FACTS,
    "return static_cast<CodeFacts*>(known);\n  Ref function",
    "static_cast<void>(known);\n  Ref function",
    killed_by=("test_facts_are_found_out_once_for_each_code",),
    minors=TOLD,
)
