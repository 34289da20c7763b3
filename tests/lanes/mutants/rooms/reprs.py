"""Mutants of what is exchanged of the containers whose repr() is under way."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

REPRS = "interpreter/reprs_under_way.hpp"
STACK = "fiber/stack_fiber.cpp"
GREENLET = "greenlet/greenlet_fiber.cpp"
THREAD = "fiber/thread.cpp"

add(
    "reprs_are_not_put_aside",
    "repr() of a container that another task prints is [...]",
    REPRS,
    "if (own <= 0 || ends) return;",
    "return;",
    killed_by=("test_repr_outside_of_the_portal_that_waits_in_one",),
)
add(
    "reprs_are_not_put_back",
    "repr() of a container that contains itself and waits does not end",
    REPRS,
    "if (count_ == 0) return;",
    "return;",
    killed_by=("test_a_portal_that_waits_in_repr_still_finds_what_it_is_in",),
)
add(
    "reprs_of_the_resumer_are_put_aside_as_well",
    "repr() that leads back to a container of the resumer takes it for another",
    REPRS,
    "base_ = PyList_GET_SIZE(list.list_);",
    "base_ = 0;",
    killed_by=("test_a_portal_that_is_suspended_again_leaves_the_resumer_what_it_is_in",),
)
add(
    "references_of_reprs_put_aside_are_not_given_back",
    "a container lives for ever once a portal has waited in its repr()",
    REPRS,
    "Py_DECREF(items_[i]);",
    "",
    killed_by=("test_a_portal_that_waits_in_repr_keeps_no_more_references",),
)
add(
    "stacks_with_reprs_are_not_counted",
    "a repr() that waits is not found again where no other is under way",
    REPRS,
    "++list.stacks_;",
    "",
    killed_by=("test_a_portal_that_waits_in_repr_still_finds_what_it_is_in",),
)
add(
    "reprs_are_not_looked_at_before_a_stack_is_entered",
    "a repr() that waits is not found again",
    STACK,
    "if (thread.reprs().in_use() != 0) reprs_.enter(thread.reprs());",
    "",
    killed_by=("test_a_portal_that_waits_in_repr_still_finds_what_it_is_in",),
)
add(
    "reprs_are_not_looked_at_after_a_stack_has_been_left",
    "repr() of a container that another task prints is [...]",
    STACK,
    "if (thread.reprs().in_use() != 0) reprs_.leave(thread.reprs(), ended());",
    "",
    killed_by=("test_repr_outside_of_the_portal_that_waits_in_one",),
)
add(
    "reprs_are_not_looked_at_before_a_greenlet_is_entered",
    "a repr() that waits is not found again, on greenlet",
    GREENLET,
    "if (reprs.in_use() != 0) reprs_.enter(reprs);",
    "",
    killed_by=("test_a_portal_that_waits_in_repr_still_finds_what_it_is_in",),
    backend="greenlet",
)
add(
    "reprs_are_not_looked_at_after_a_greenlet_has_been_left",
    "repr() of a container that another task prints is [...], on greenlet",
    GREENLET,
    "if (reprs.in_use() != 0) reprs_.leave(reprs, ended());",
    "",
    killed_by=("test_repr_outside_of_the_portal_that_waits_in_one",),
    backend="greenlet",
)
add(
    "the_list_of_reprs_outlives_its_thread",
    "each thread that has run a portal leaves a list behind",
    THREAD,
    "if (thread.watched_state_ == id) thread.reprs_.forget();",
    "",
    killed_by=("test_a_thread_leaves_no_list_of_reprs_behind",),
)
