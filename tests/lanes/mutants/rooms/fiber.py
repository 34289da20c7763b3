"""Mutants of src/fiber: fibers, their stacks, and what a thread does with them when it ends."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

FIBER = "fiber/fiber.hpp"
FIBER_CPP = "fiber/fiber.cpp"
STACK = "fiber/stack_fiber.cpp"
STACK_HPP = "fiber/stack_fiber.hpp"
THREAD = "fiber/thread.cpp"
THREAD_HPP = "fiber/thread.hpp"
LIST = "fiber/unwind_list.hpp"

# Whose a suspended fiber is.

add(
    "the_thread_that_resumes_a_fiber_is_not_compared",
    "a stack is resumed by another thread than the one whose addresses its C frames hold",
    FIBER,
    "return thread_ == thread && thread_state_id_ == thread_state->id;",
    "return thread_state_id_ == thread_state->id;",
    killed_by=("test_a_state_that_moves_to_another_thread_leaves_its_portals",),
)
add(
    "the_thread_state_that_resumes_a_fiber_is_not_compared",
    "C frames go on with a thread state that is gone",
    FIBER,
    "return thread_ == thread && thread_state_id_ == thread_state->id;",
    "return thread_ == thread;",
    killed_by=("test_a_portal_belongs_to_one_of_the_states_of_its_thread",),
    quick=True,
)
add(
    "a_fiber_whose_thread_state_has_ended_is_not_stranded",
    "a portal that refused to close with its state is handed back to its thread for ever",
    FIBER_CPP,
    "return thread_state_id_ == 0 || !thread_->alive();",
    "return !thread_->alive();",
    killed_by=("test_a_portal_that_outlives_its_state_says_so",),
)
add(
    "a_fiber_whose_thread_has_ended_is_not_stranded",
    "a portal that is dropped is handed to a thread that is gone",
    FIBER_CPP,
    "return thread_state_id_ == 0 || !thread_->alive();",
    "return thread_state_id_ == 0;",
    killed_by=("test_a_state_that_moves_to_another_thread_leaves_its_portals",),
)
add(
    "fibers_of_other_states_are_unwound_with_one_that_ends",
    "portals end that are going to be resumed",
    THREAD,
    "if (fiber->progress_ == Fiber::Progress::running || !fiber->belongs_to(this, thread_state))",
    "if (fiber->progress_ == Fiber::Progress::running)",
    killed_by=("test_a_state_that_ends_leaves_the_portals_of_others",),
)
add(
    "what_a_suspended_fiber_waits_for_is_not_noted",
    "cr_await of a portal says None",
    FIBER,
    "    awaited_ = awaited;\n",
    "    (void)awaited;\n",
    killed_by=("cr_await_of_a_suspended_portal",),
)
add(
    "a_value_is_sent_twice",
    "the next await_() in the step gets the answer of the last",
    FIBER,
    "return std::exchange(message_value_, nullptr);",
    "return message_value_;",
    killed_by=("test_a_message_is_taken_once",),
)

# The life of a thread.

add(
    "the_end_of_a_thread_is_not_watched",
    "`finally` blocks of portals are not run as their thread ends",
    THREAD,
    "thread.unwind_suspended(thread_state);",
    "",
    killed_by=("test_a_thread_that_ends_with_suspended_portals",),
    quick=True,
)
add(
    "the_end_of_the_next_state_of_a_thread_is_not_watched",
    "`finally` blocks of portals are not run as the second state of a thread ends",
    THREAD_HPP,
    "return watched_state_ == thread_state->id || start_to_watch(thread_state);",
    "return watched_state_ != 0 || start_to_watch(thread_state);",
    killed_by=("test_portals_of_each_state_of_a_thread_are_unwound",),
)
add(
    "the_end_of_another_state_of_the_thread_is_taken_for_that_of_the_current_one",
    "portals are unwound that are going to be resumed",
    THREAD,
    "if (ended != this_thread_ || thread_state->id != id || interpreter::is_finalizing()) return;",
    "if (ended != this_thread_ || interpreter::is_finalizing()) return;",
    killed_by=("test_a_state_that_is_cleared_by_another_leaves_the_portals_of_that",),
    quick=True,
)
add(
    "the_end_of_a_state_in_another_thread_is_taken_for_that_of_this_ones",
    "the end of a state in a thread that has no portals crashes",
    THREAD,
    "if (ended != this_thread_ || thread_state->id != id || interpreter::is_finalizing()) return;",
    "if (thread_state->id != id || interpreter::is_finalizing()) return;",
    killed_by=("test_a_state_that_ends_in_a_thread_without_portals",),
)
add(
    "portals_that_refuse_to_end_with_their_state_are_not_stranded",
    "a portal is resumed in a thread state that is gone",
    THREAD,
    "if (fiber->belongs_to(&thread, thread_state)) fiber->thread_state_id_ = 0;",
    "",
    killed_by=("test_a_portal_that_outlives_its_state_says_so",),
)
add(
    "a_thread_that_ends_keeps_its_idle_stacks",
    "the stacks of each thread that ends are lost",
    THREAD,
    "      StackFiber::destroy(static_cast<StackFiber*>(idle));\n    }\n    this_thread_",
    "      (void)idle;\n    }\n    this_thread_",
    killed_by=("test_the_stacks_of_a_thread_are_given_back_when_it_ends",),
    quick=True,
)
add(
    "the_record_of_a_thread_that_has_ended_is_still_used_in_it",
    "Python code that runs later as a thread ends uses memory that is gone",
    THREAD,
    "    this_thread_ = nullptr;\n",
    "",
    killed_by=("test_python_code_that_runs_after_the_stacks_of_its_thread_are_gone",),
)
add(
    "a_thread_that_has_ended_counts_as_alive",
    "a portal that is dropped is handed to a thread that is gone",
    THREAD,
    "    thread->alive_.store(false, std::memory_order_release);\n",
    "",
    killed_by=("test_a_state_that_moves_to_another_thread_leaves_its_portals",),
)
add(
    "the_record_of_a_thread_is_freed_while_suspended_portals_refer_to_it",
    "what a portal says of its thread is read from memory that is gone",
    THREAD,
    "const bool referred_to = thread->unfinished_.load(std::memory_order_acquire) != nullptr ||",
    "const bool referred_to = false ||",
    killed_by=("test_the_record_of_a_thread_outlives_it_while_portals_refer_to_it",),
    quick=True,
)
add(
    "the_record_of_a_thread_is_never_freed",
    "each thread that ever had a portal costs memory for good",
    THREAD,
    "    if (!referred_to) delete thread;\n",
    "    (void)referred_to;\n",
    killed_by=("test_the_records_of_threads_are_freed",),
    quick=True,
)
add(
    "fibers_that_are_abandoned_stay_listed",
    "a thread that ends asks portals to unwind that are gone",
    THREAD,
    "  unlist(fiber);\n  fiber->owner_ = nullptr;",
    "  fiber->owner_ = nullptr;",
    killed_by=("test_a_thread_outlives_portals_that_were_abandoned_in_it",),
)
add(
    "portals_that_were_dropped_elsewhere_are_not_unwound_as_their_thread_ends",
    "`finally` blocks of portals that another thread has dropped are not run",
    THREAD,
    "  unwind_adopted();\n  // To unwind",
    "  // To unwind",
    killed_by=("test_a_thread_that_ends_closes_those_that_were_dropped_elsewhere",),
)
add(
    "portals_that_refuse_to_end_are_unwound_for_ever",
    "a thread with a portal that awaits in `finally` never ends",
    THREAD,
    "for (int round = 0; round < most_rounds; ++round) {",
    "for (int round = 0; most_rounds > 0; ++round) {",
    killed_by=("test_a_thread_that_ends_with_portals_that_refuse_to_close",),
)
add(
    "portals_that_closing_has_suspended_are_not_unwound",
    "what a portal suspends in `finally` as its thread ends is lost",
    THREAD,
    "constexpr int most_rounds = 16;",
    "constexpr int most_rounds = 1;",
    killed_by=("test_portals_that_others_suspend_as_their_thread_ends_are_unwound_as_well",),
)
add(
    "portals_that_were_dropped_elsewhere_are_never_freed",
    "each portal that another thread drops is lost",
    LIST,
    "      Py_DECREF(done->owner);\n",
    "",
    killed_by=("portals_dropped_across_threads", "test_adopted_portals_are_freed"),
    quick=True,
)
add(
    "no_handler_is_called_around_fork",
    "a child that is forked while a thread gives back a stack hangs",
    STACK,
    "core::at_fork([] { stacks.allocator.lock(); }, [] { stacks.allocator.unlock(); });",
    "",
    killed_by=("test_a_fork_waits_for_a_thread_that_gives_its_stacks_back",),
    quick=True,
)
add(
    "the_lock_is_not_taken_before_a_fork",
    "a child that is forked while a thread gives back a stack finds it half given back",
    STACK,
    "[] { stacks.allocator.lock(); }",
    "[] {}",
    (STACK, "[] { stacks.allocator.unlock(); }", "[] {}"),
    killed_by=("test_a_fork_waits_for_a_thread_that_gives_its_stacks_back",),
)

# Idle stacks.

add(
    "a_stack_is_never_used_again",
    "each portal takes system calls for a new stack",
    THREAD,
    "if (idle_stacks_.give(stack)) {",
    "if (false) {",
    killed_by=("test_stacks_are_given_back_and_used_again",),
)
add(
    "stacks_that_the_pool_does_not_take_are_lost",
    "the address space of many portals is never given back",
    THREAD,
    "    } else {\n      StackFiber::destroy(stack);\n    }",
    "    }",
    killed_by=("test_stacks_that_are_not_kept_for_reuse_go_back_to_the_system",),
)
add(
    "the_memory_of_idle_stacks_is_not_given_back",
    "a program keeps the memory of the deepest step on each stack",
    STACK_HPP,
    "if (went_deep()) discard_depths();",
    "",
    killed_by=("stacks_that_went_deep_give_their_memory_back",),
    quick=True,
)
add(
    "a_stack_that_was_suspended_deep_is_not_noted",
    "an idle stack keeps memory that C frames have left out words of",
    STACK,
    "if (suspended_at() < kept_low_) suspended_deep_ = true;",
    "",
    killed_by=("test_a_stack_that_was_suspended_deep_gives_its_memory_back",),
    quick=True,
)
add(
    "a_stack_that_was_suspended_deep_is_noted_for_good",
    "each step on a stack that was deep once takes two system calls",
    STACK,
    "  suspended_deep_ = false;\n",
    "",
    killed_by=("test_a_stack_that_went_deep_once_takes_no_calls_afterwards",),
)
add(
    "words_below_what_is_kept_are_not_looked_at",
    "an idle stack keeps the memory of deep C calls that awaited nothing",
    STACK,
    "written |= *(below - i * apart) | above[i * apart];",
    "written |= above[i * apart];",
    killed_by=("test_a_stack_that_was_deep_in_c_alone_gives_its_memory_back",),
)
add(
    "words_above_what_is_kept_are_not_looked_at",
    "an idle stack keeps the memory of deep Python calls that awaited nothing",
    STACK,
    "written |= *(below - i * apart) | above[i * apart];",
    "written |= *(below - i * apart);",
    killed_by=("stacks_that_went_deep_give_their_memory_back",),
)
add(
    "the_c_stack_of_an_idle_stack_is_not_given_back",
    "an idle stack keeps the memory of deep C calls",
    STACK,
    "core::discard_memory(stack.usable_low(), parts.lower - kept);",
    "(void)parts.lower;",
    killed_by=("stacks_that_went_deep_give_their_memory_back",),
)
add(
    "the_data_stack_of_an_idle_stack_is_not_given_back",
    "an idle stack keeps the memory of deep Python calls",
    STACK,
    "if (parts.upper > kept) core::discard_memory(middle + kept, parts.upper - kept);",
    "",
    killed_by=("stacks_that_went_deep_give_their_memory_back",),
)
add(
    "what_a_finished_step_leaves_is_not_dropped",
    "the next portal on the stack begins with what the last has left",
    STACK,
    "if (ended() && interpreter_.has_leftovers()) {",
    "if (false) {",
    killed_by=("test_what_a_step_leaves_handled_is_gone_with_it",),
)

# Sizes.

add(
    "stacks_may_be_smaller_than_what_they_are_divided_into",
    "a stack has no room for anything",
    STACK,
    "if (asked < static_cast<long long>(StackParts::smallest) ||",
    "if (asked < 0 ||",
    killed_by=("test_it_has_bounds",),
    minors=("3.14", "3.15"),
)
add(
    "stacks_may_be_larger_than_any_memory",
    "portals fail at their first step",
    STACK,
    "asked > static_cast<long long>(StackParts::largest)) {",
    "false) {",
    killed_by=("test_it_has_bounds",),
)
add(
    "small_stacks_are_taken_where_nothing_measures_them",
    "deep recursion in C ends the process",
    STACK,
    "if (!interpreter::measures_c_stack && size < default_stack_size) {",
    "if (false) {",
    killed_by=("test_small_stacks_are_refused_where_nothing_measures_them",),
    minors=("3.11", "3.12", "3.13"),
)
