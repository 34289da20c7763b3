"""Mutants of src/portal/created_tasks.cpp: which tasks get a portal as they are created."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

CREATED = "portal/created_tasks.cpp"
STEP = "portal/step.cpp"
AWAIT = "portal/await.cpp"

add(
    "tasks_of_enabled_loops_get_no_portal",
    "await_() fails in the tasks of a whole program",
    CREATED,
    "if (enabled == loop) return 1;",
    "if (enabled == loop) return 0;",
    killed_by=("test_every_way_to_create_a_task",),
    quick=True,
)
add(
    "tasks_of_every_loop_get_a_portal",
    "tasks get a portal that nobody has asked for",
    CREATED,
    "if (enabled == loop) return 1;",
    "return (void)enabled, 1;",
    killed_by=("test_another_loop_has_no_portals",),
)
add(
    "trees_that_have_ended_give_portals",
    "what outlives a tree has portals for its tasks",
    CREATED,
    "if (PyList_GET_ITEM(tree.get(), 0) == loop) return 1;",
    "return 1;",
    killed_by=("test_what_outlives_the_tree_gives_no_more_portals",),
)
add(
    "outer_trees_are_forgotten",
    "children of an inner tree that has ended have no portal in the outer one",
    CREATED,
    "tree = Ref::borrow(PyList_GET_ITEM(tree.get(), 1));",
    "tree = Ref();",
    killed_by=("test_children_of_an_inner_tree_are_in_the_outer_one", "test_a_tree_inside_a_tree"),
)
add(
    "subclasses_are_left_as_they_are",
    "tasks of a subclass that is there already have no portal",
    CREATED,
    "if (!exchange_slot(reinterpret_cast<PyTypeObject*>(subclass), from, to)) return false;",
    "",
    killed_by=("test_every_way_to_create_a_task",),
)
add(
    "the_descriptor_is_left_as_it_is",
    "tasks of a subclass with an __init__() of its own have no portal",
    CREATED,
    "descriptor->d_wrapped = reinterpret_cast<void*>(init_task);",
    "",
    killed_by=("test_every_way_to_create_a_task",),
)
add(
    "the_descriptor_is_not_put_back",
    "the next loop that is enabled has to do with a task factory",
    CREATED,
    "hook.descriptor->d_wrapped = reinterpret_cast<void*>(hook.original);",
    "",
    killed_by=("test_a_task_type_that_is_not_as_expected_is_refused",),
)
add(
    "the_slot_is_not_put_back",
    "the next loop that is enabled has to do with a task factory",
    CREATED,
    "if (!exchange_slot(hook.type, init_task, hook.original)) {",
    "if (false) {",
    killed_by=("test_a_task_type_that_is_not_as_expected_is_refused",),
)
add(
    "a_task_type_of_another_kind_is_taken",
    "what initializes a task is not what is replaced",
    CREATED,
    "PyDescr_TYPE(descriptor) != type ||",
    "",
    killed_by=("test_a_task_type_that_is_not_as_expected_is_refused",),
)
add(
    "the_arguments_of_a_call_are_not_put_back",
    "the coroutine of each task is kept for ever",
    CREATED,
    "    PyTuple_SET_ITEM(args, 0, coroutine);\n",
    "    PyTuple_SET_ITEM(args, 0, Py_NewRef(Py_None));\n",
    killed_by=("test_nothing_is_kept_of_a_task",),
)
add(
    "a_portal_is_put_into_a_portal",
    "a task that a factory has given a portal has two",
    CREATED,
    "if (is_portal(module_state, object)) return 0;",
    "",
    killed_by=("test_a_portal_is_left_as_it_is",),
)
add(
    "tasks_by_keyword_are_passed_over",
    "asyncio.Task(coro=...) has no portal",
    CREATED,
    "coroutine = PyDict_GetItemWithError(kwargs, name_coroutine);",
    "",
    killed_by=("test_every_way_to_create_a_task",),
)
add(
    "the_running_loop_is_not_asked_for",
    "asyncio.Task(...) without a loop has no portal",
    CREATED,
    "loop = running.get();",
    "",
    killed_by=("test_every_way_to_create_a_task",),
)
add(
    "scopes_are_not_told",
    "what run() leaves running goes on",
    CREATED,
    "return note_in_scope(module_state->created_tasks, task, kept.get()) ? 0 : -1;",
    "return 0;",
    killed_by=("test_what_it_leaves_running_is_cancelled",),
)
add(
    "the_end_of_an_async_generator_counts_as_left_running",
    "async generators that run() has dropped are not finished",
    CREATED,
    "if (!created.has_scopes || interpreter::is_close_of_generator(coroutine)) return true;",
    "if (!created.has_scopes) return true;",
    killed_by=("test_async_generators_are_finalized",),
    minors=("3.11", "3.12"),
)
add(
    "marks_are_not_kept",
    "children of the tasks of a tree have no portal, in Trio",
    CREATED,
    "as_portal(portal.get())->mark = static_cast<std::int32_t>(mark);",
    "",
    killed_by=(
        "test_with_portal_run_tree_as_the_main_function",
        "test_auto_portal_instrument_covers_the_whole_run",
    ),
)
add(
    "what_is_loaded_is_never_looked_at",
    "two tasks inside of a library see the call of one another",
    AWAIT,
    "module_state.current_tasks.look_again();",
    "",
    killed_by=("test_a_library_that_nothing_is_known_of",),
)
add(
    "await_takes_the_short_way_past_the_look",
    "two tasks inside of a library see the call of one another",
    "portal/portal.hpp",
    " || self->looks_late ||",
    " ||",
    killed_by=("test_a_library_that_nothing_is_known_of",),
)
add(
    "threads_of_a_loop_are_passed_over",
    "await_() in a thread that the loop has sent a function to finds no portal",
    AWAIT,
    "if (PyTuple_Check(found.get())) return Py_NewRef(PyTuple_GET_ITEM(found.get(), 0));",
    "",
    killed_by=("test_it_awaits_on_the_loop_and_blocks_only_the_thread",),
)
add(
    "code_with_a_portal_is_taken_for_a_thread",
    "await_() of anything but a new coroutine asks for a loop of the thread each time",
    AWAIT,
    "if (module_state.await_in_thread != nullptr && Thread::current_fiber() == nullptr) {",
    "if (module_state.await_in_thread != nullptr) {",
    killed_by=("test_a_portal_in_a_thread_awaits_in_its_own_loop",),
)
add(
    "what_ends_the_program_ends_the_loop",
    "sys.exit() inside of run() ends the loop around it",
    STEP,
    "if (!is_exit) return PYGEN_ERROR;",
    "return (void)is_exit, PYGEN_ERROR;",
    killed_by=("test_what_ends_the_program_arrives_at_the_call",),
)
add(
    "every_error_counts_as_an_exit",
    "what run() raises is raised past the task",
    STEP,
    "if (!is_exit) return PYGEN_ERROR;",
    "",
    killed_by=("test_the_task_of_an_inner_run_has_its_exception",),
)
