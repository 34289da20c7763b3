"""The tests that do not hold under a sanitizer, each with the reason."""

from __future__ import annotations

_GREENLETS = "greenlet copies stacks, which this sanitizer does not follow"
_FIBERS = "ThreadSanitizer has room for some thousand stacks at a time"
_THREAD_ENDS = "ThreadSanitizer does not let a thread end on a stack of ours"
_ALLOCATORS = "the sanitizer has an allocator of its own, which the test does not get to fail"
_RESIDENT = "the sanitizer has resident memory of its own for what a stack has touched"
_FORKS = (
    "ThreadSanitizer sees no order of events any more in the child of a process with threads, for "
    "which it takes stacks"
)
_SCRIPT = "test_isolated.py::test_script_exits_cleanly"

# What follows a switch of greenlets is tested by "asan-greenlet", built without redzones on the
# stack.
_UNDER_BOTH = {
    "test_backend.py": _GREENLETS,
    "test_greenlet_users.py": _GREENLETS,
    f"{_SCRIPT}[cr_await_after_a_foreign_switch]": _GREENLETS,
    f"{_SCRIPT}[greenlet_dropped_below_suspended_portals]": _GREENLETS,
    f"{_SCRIPT}[greenlet_on_a_stack_above_its_resumer]": _GREENLETS,
    f"{_SCRIPT}[greenlet_portal_on_a_native_stack]": _GREENLETS,
    f"{_SCRIPT}[greenlets_that_outlive_their_step]": _GREENLETS,
    f"{_SCRIPT}[modules_that_run_code_when_looked_at]": _GREENLETS,
    f"{_SCRIPT}[stacks_that_went_deep_give_their_memory_back]": _RESIDENT,
    f"{_SCRIPT}[address_space_that_runs_out]": _ALLOCATORS,
    "test_out_of_memory.py::test_the_system_has_no_memory[new]": _ALLOCATORS,
}

#: What scripts/sanitized-pytest.sh runs -> the start of a test's id -> why it is skipped.
NOT_UNDER: dict[str, dict[str, str]] = {
    "asan": _UNDER_BOTH,
    "tsan": _UNDER_BOTH
    | {
        "test_stack_exhaustion.py": "ThreadSanitizer itself notes calls to some depth only",
        "test_life_cycle.py::test_ten_thousand_portals_suspended_at_once": _FIBERS,
        "test_out_of_memory.py::test_the_system_has_no_memory[mappings]": _FIBERS,
        f"{_SCRIPT}[fork_goes_on_in_both_processes]": _FORKS,
        f"{_SCRIPT}[exit_with_threads_blocked_below_await]": _THREAD_ENDS,
        f"{_SCRIPT}[exit_in_each_state]": _THREAD_ENDS,
    },
}
