"""Mutants of src/tasks: which task is current, whether it has changed, and replacing coroutines."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

CURRENT_HPP = "tasks/current_tasks.hpp"
CURRENT = "tasks/current_tasks.cpp"
ASYNCIO = "tasks/asyncio_tasks.cpp"
TRIO = "tasks/trio_tasks.cpp"
GREENLET = "tasks/greenlet_tasks.cpp"
REGISTERED = "tasks/registered_tasks.cpp"
MODULES = "tasks/loaded_modules.cpp"
QUERY = "tasks/query.cpp"
SLOT = "tasks/task_slot.cpp"

WITH_DICT_VERSIONS = ("3.11", "3.12", "3.13")

# The marks, by which nothing has to be looked up.

add(
    "the_marks_do_not_look_at_the_running_loop",
    "a trap goes to the loop of the portal while another one runs",
    CURRENT_HPP,
    "asyncio.loop != 0 && asyncio == other.asyncio &&",
    "asyncio.loop != 0 && asyncio.tasks == other.asyncio.tasks &&",
    killed_by=("test_another_running_loop_is_noticed",),
    minors=WITH_DICT_VERSIONS,
    quick=True,
)
add(
    "the_marks_do_not_look_at_the_current_task_of_asyncio",
    "a trap goes to the task of the portal while another one runs",
    CURRENT_HPP,
    "asyncio.loop != 0 && asyncio == other.asyncio &&",
    "asyncio.loop != 0 && asyncio.loop == other.asyncio.loop &&",
    killed_by=("test_another_current_task_is_noticed",),
    minors=WITH_DICT_VERSIONS,
    quick=True,
)
add(
    "the_marks_do_not_look_at_the_current_task_of_trio",
    "a trap goes to the task of the portal while another one runs",
    CURRENT_HPP,
    "asyncio == other.asyncio && trio == other.trio;",
    "asyncio == other.asyncio;",
    killed_by=("test_another_current_task_of_trio_is_noticed",),
    minors=WITH_DICT_VERSIONS,
    quick=True,
)
add(
    "marks_that_tell_nothing_count_as_unchanged",
    "a trap goes to the task of the portal while another one runs",
    CURRENT_HPP,
    "return asyncio.loop != 0 && asyncio == other.asyncio",
    "return asyncio == other.asyncio",
    killed_by=(
        "test_another_current_task_is_noticed",
        "test_a_registered_frameworks_loop_inside_a_portal",
    ),
)
add(
    "all_tasks_count_as_unchanged",
    "await_() suspends whatever runs in between",
    CURRENT_HPP,
    "return marks(thread_state).same_as(noted.marks) || all_unchanged(noted, thread_state);",
    "return (void)noted, true;",
    killed_by=("test_another_current_task_is_noticed",),
)
add(
    "marks_are_used_although_tasks_of_asyncio_are_written_in_python",
    "a change of the current task is not noticed",
    CURRENT,
    "has_marks_ = interpreter::dicts_have_versions && asyncio_.is_marked() && trio_.is_marked() &&",
    "has_marks_ = interpreter::dicts_have_versions && trio_.is_marked() &&",
    killed_by=("test_functions_of_asyncio_that_are_replaced_are_asked",),
    minors=WITH_DICT_VERSIONS,
)
add(
    "marks_are_used_although_greenlet_is_imported",
    "await_() works in a greenlet that is no part of the portal",
    CURRENT,
    "               greenlet_.is_marked();",
    "               true;",
    killed_by=(
        "test_await_in_a_greenlet_that_does_not_descend_from_the_portal",
        "test_await_inside_a_nested_greenlet_on_native_is_refused",
    ),
    minors=WITH_DICT_VERSIONS,
)
add(
    "marks_are_used_although_frameworks_are_registered",
    "await_() works inside of a registered framework's loop",
    CURRENT,
    "has_marks_ &= registered.is_marked();",
    "(void)registered;",
    killed_by=("test_a_registered_frameworks_loop_inside_a_portal",),
    minors=WITH_DICT_VERSIONS,
)

# The comparison of tasks.

for index, name in ((0, "asyncio"), (1, "trio"), (2, "greenlet")):
    add(
        f"the_current_task_of_{name}_is_not_compared",
        "await_() suspends although another task of it runs",
        CURRENT,
        "for (int i = 0; i < NotedTasks::first_registered; ++i) {",
        f"for (int i = 0; i < NotedTasks::first_registered; ++i) {{ if (i == {index}) continue;",
        killed_by={
            "asyncio": ("test_another_current_task_is_noticed",),
            "trio": ("test_another_current_task_of_trio_is_noticed",),
            "greenlet": ("test_await_inside_a_nested_greenlet_on_native_is_refused",),
        }[name],
    )
add(
    "the_current_tasks_of_registered_frameworks_are_not_compared",
    "await_() works inside of a registered framework's loop",
    CURRENT,
    "for (int i = NotedTasks::first_registered; i < noted.count; ++i) {",
    "for (int i = NotedTasks::first_registered; i < 0; ++i) {",
    killed_by=("test_a_registered_frameworks_loop_inside_a_portal",),
)
add(
    "frameworks_that_were_registered_since_are_compared",
    "await_() is refused in a portal that was suspended while a framework was registered",
    CURRENT,
    "i < noted.count; ++i) {",
    "i < count_; ++i) {",
    killed_by=("test_a_framework_registered_in_a_step_is_not_compared_in_it",),
)
add(
    "any_greenlet_will_do",
    "await_() suspends a step from a greenlet that greenlet has put in its place",
    CURRENT,
    "(noted.in_any_greenlet || GreenletTasks::may_be(noted.current[index], now));",
    "true;",
    killed_by=("test_await_inside_a_nested_greenlet_on_native_is_refused",),
)
add(
    "the_main_greenlet_is_not_taken_for_that_of_before_the_import",
    "await_() is refused in a portal in whose step greenlet is imported",
    GREENLET,
    "return parent.get() == Py_None;",
    "return false;",
    killed_by=("test_greenlet_imported_inside_a_step",),
)
add(
    "a_greenlet_is_taken_for_that_of_before_the_import",
    "await_() works in a greenlet that is no part of the portal",
    GREENLET,
    "return parent.get() == Py_None;",
    "return true;",
    killed_by=("test_one_made_in_the_step_that_imports_greenlet_is_noticed",),
)

# Asking each framework.

add(
    "a_callback_of_asyncio_counts_as_no_task",
    "await_() in a callback suspends the task that was current before",
    ASYNCIO,
    "  if (task == nullptr || task == Py_None) {\n    PyErr_Clear();\n    return loop;\n  }",
    "  if (task == nullptr || task == Py_None) {\n    PyErr_Clear();\n    return nullptr;\n  }",
    killed_by=("test_a_portal_that_begins_in_a_callback_suspends_in_it_alone",),
)
add(
    "a_loop_is_taken_for_the_same_in_a_dict_that_has_changed",
    "the current task of a loop is taken from one that is gone",
    ASYNCIO,
    "if (noted_.version != 0 && noted_.version == interpreter::version_of_dict(thread_state)) {",
    "if (noted_.version != 0) {",
    killed_by=("test_another_running_loop_is_noticed",),
    minors=("3.11", "3.12"),
    quick=True,
)
add(
    "what_trio_runs_in_another_thread_is_taken_for_this_ones",
    "await_() is refused, or suspends the wrong task, where Trio runs in two threads",
    TRIO,
    "if (!run_variables_ || id != thread_state_id_) {",
    "if (!run_variables_) {",
    killed_by=("test_tasks_of_trio_are_those_of_the_thread",),
    quick=True,
)
add(
    "frameworks_are_not_looked_for",
    "await_() suspends the portal from inside of a loop of any of them",
    CURRENT_HPP,
    "if (modules_.changed()) find_frameworks();",
    "if (count_ == 0) find_frameworks();",
    killed_by=("test_another_current_task_is_noticed",),
)
add(
    "a_framework_that_was_looked_for_in_the_middle_of_its_import_is_never_found",
    "await_() suspends the portal from inside of a loop of that framework",
    MODULES,
    "if (is_being_imported(module.get())) looked_through_ = 0;",
    "",
    killed_by=("test_a_framework_is_found_that_was_looked_for_amid_its_import",),
    minors=("3.14", "3.15"),
)
add(
    "a_ctrl_c_in_a_framework_is_lost",
    "a Ctrl-C that comes while a current task is asked for does nothing",
    REGISTERED,
    "interpreter::clear_error_but_interrupts();",
    "PyErr_Clear();",
    killed_by=("keyboard_interrupt_in_a_framework",),
)
add(
    "the_exception_of_a_step_that_imports_a_framework_is_lost",
    "a step that fails raises nothing, or SystemError",
    CURRENT,
    "  RaisedScope raised;  // it may be the one that has ended a step\n",
    "",
    killed_by=("exception_of_a_step_that_imports",),
)
add(
    "functions_with_arguments_are_called_without_any",
    "a function of a framework that takes arguments crashes",
    QUERY,
    "PyCFunction_GET_FLAGS(object) == METH_NOARGS;",
    "true;",
    killed_by=("test_functions_of_asyncio_that_take_arguments_are_not_called_without",),
)

# Replacing the coroutine of a task.

add(
    "a_field_is_taken_although_another_holds_the_coroutine_as_well",
    "the wrong field of a task is written to",
    SLOT,
    "if (found != 0) return -1;",
    "",
    killed_by=("test_a_task_that_holds_its_coroutine_twice_is_refused",),
)
add(
    "a_task_of_another_type_is_written_to",
    "an object that is no task is damaged",
    SLOT,
    "if (!PyObject_TypeCheck(task, self->task_type)) {",
    "if (false) {",
    killed_by=("test_a_task_of_another_type_is_not_written_to",),
)
add(
    "a_task_whose_coroutine_is_another_is_written_to",
    "a coroutine that runs is replaced by another's portal",
    SLOT,
    "if (coroutine != current) {",
    "if (false) {",
    killed_by=("test_a_task_whose_coroutine_is_another_is_not_written_to",),
    quick=True,
)
add(
    "a_coroutine_that_is_replaced_is_never_freed",
    "each task with a portal leaves its coroutine behind",
    SLOT,
    "Ref previous = Ref::steal(coroutine);",
    "Ref previous = Ref::borrow(coroutine);",
    killed_by=("test_a_coroutine_that_is_replaced_is_let_go_of",),
    quick=True,
)
add(
    "the_replacement_of_a_coroutine_is_not_counted",
    "a portal is freed while its task runs",
    SLOT,
    "coroutine = Py_NewRef(replacement);",
    "coroutine = replacement;",
    killed_by=("test_a_coroutine_that_is_replaced_is_let_go_of",),
)
