"""Mutants of src/core: the switch, the stacks and their guards, slabs, batches and the pool."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

SWITCH = "core/switch.hpp"
MACHINE = "core/machine_context.hpp"
GLOBALS = "core/exception_globals.hpp"
ALLOCATOR = "core/stack_allocator.cpp"
POOL = "core/stack_pool.hpp"
PARTS = "core/stack_parts.hpp"
LAYOUT = "core/slab_layout.hpp"
POSIX = "core/os/posix.cpp"

# The switch.

add(
    "the_sse_control_word_is_not_restored_by_a_switch",
    "a rounding mode that is set in a portal holds in the event loop",
    SWITCH,
    '      "ldmxcsr (%%rsp)\\n\\t"\n',
    "",
    killed_by=("AContext.keeps_its_own_rounding_mode", "AContext.rounds_by_its_own_mode"),
    quick=True,
)
add(
    "the_sse_control_word_is_not_saved_by_a_switch",
    "a portal computes with floating-point modes of its own that nobody has set",
    SWITCH,
    '      "stmxcsr (%%rsp)\\n\\t"\n',
    "",
    killed_by=("AContext.keeps_its_own_rounding_mode", "AContext.rounds_by_its_own_mode"),
)
add(
    "the_x87_control_word_is_not_restored_by_a_switch",
    "a rounding mode that is set in a portal holds for long doubles in the event loop",
    SWITCH,
    '      "fldcw 4(%%rsp)\\n\\t"\n',
    "",
    killed_by=("AContext.keeps_its_own_rounding_mode", "AContext.rounds_by_its_own_mode"),
)
add(
    "the_floating_point_modes_of_a_new_stack_are_not_the_callers",
    "a portal traps on the first inexact result",
    SWITCH,
    '  __asm__ volatile("stmxcsr %0\\n\\tfnstcw %1" : "=m"(frame.sse_control), '
    '"=m"(frame.x87_control));\n',
    "",
    killed_by=("AContext.keeps_its_own_rounding_mode", "AContext.rounds_by_its_own_mode"),
)
add(
    "the_register_rbx_is_not_restored_by_a_switch",
    "callers of a switch go on with another value",
    SWITCH,
    '      "movq 16(%%rsp), %%rbx\\n\\t"\n',
    "",
    killed_by=("AContext.keeps_the_registers_that_a_callee_has_to_keep",),
)
add(
    "the_register_rbp_is_not_restored_by_a_switch",
    "callers of a switch go on with another frame pointer",
    SWITCH,
    '      "movq 24(%%rsp), %%rbp\\n\\t"\n',
    "",
    killed_by=("AContext.keeps_the_registers_that_a_callee_has_to_keep",),
)
add(
    "the_red_zone_is_not_spared_by_a_switch",
    "locals of functions that call no other are overwritten",
    SWITCH,
    '      "leaq -128(%%rsp), %%rsp\\n\\t"\n',
    "",
    (SWITCH, '      "leaq 128(%%rsp), %%rsp\\n\\t"\n', ""),
    killed_by=("ASwitch.spares_the_locals_of_leaf_functions",),
    quick=True,
)

# The state of C++ exceptions.

for name, find, replace in (
    ("handled_by_the_resumer_stay_visible_in_the_context", "    live.assign(exceptions_);\n", ""),
    (
        "of_a_context_that_suspends_are_lost",
        "    jump();\n    exceptions_.assign(live);",
        "    jump();",
    ),
    ("of_the_resumer_are_lost", "    live.assign(resumer);\n", ""),
    (
        "that_a_context_begins_to_handle_stay_visible_outside",
        "      live = ExceptionGlobals{};\n",
        "",
    ),
    (
        "that_a_context_begins_to_handle_are_lost",
        "      exceptions_.assign(live);\n      live",
        "      live",
    ),
):
    add(
        f"cpp_exceptions_{name}",
        "`throw;` in a catch block raises the exception of another stack",
        MACHINE,
        find,
        replace,
        killed_by=(
            "AnException.rethrown_after_a_switch_is_the_one_of_its_own_context",
            "AnException.that_a_context_has_handled_is_gone_when_that_goes_on",
            "AnException.handled_by_the_resumer_is_not_visible_in_the_context",
            "AnException.handled_by_a_suspended_context_is_not_visible_outside",
            "TheNumberOfExceptionsInFlight.is_that_of_the_running_context",
        ),
    )
add(
    "the_cpp_exceptions_of_stacks_are_never_exchanged",
    "`throw;` in a catch block raises the exception of another stack",
    MACHINE,
    "if (live.any() || exceptions_.any()) [[unlikely]] {",
    "if (false) {",
    (MACHINE, "if (live.any()) [[unlikely]] {", "if (false) {"),
    killed_by=("test_cpp_exceptions_of_interleaved_steps_stay_apart",),
    quick=True,
)
add(
    "the_number_of_cpp_exceptions_in_flight_is_not_exchanged",
    "destructors in a portal take themselves for part of an unwinding elsewhere",
    GLOBALS,
    "    uncaught = other.uncaught;\n",
    "",
    killed_by=(
        "TheNumberOfExceptionsInFlight.is_that_of_the_running_context",
        "TheNumberOfExceptionsInFlight.stays_with_a_context_that_suspends_while_it_unwinds",
    ),
    quick=True,
)
add(
    "cpp_exceptions_in_flight_alone_are_not_exchanged",
    "destructors in a portal take themselves for part of an unwinding elsewhere",
    GLOBALS,
    "return caught != nullptr || uncaught != 0;",
    "return caught != nullptr;",
    killed_by=(
        "TheNumberOfExceptionsInFlight.is_that_of_the_running_context",
        "TheNumberOfExceptionsInFlight.stays_with_a_context_that_suspends_while_it_unwinds",
    ),
)

# Guards.

add(
    "no_guard_is_installed",
    "code that overruns its stack writes to that of another portal",
    POSIX,
    "GuardResult install_guard(std::byte* low, std::size_t size) noexcept {\n",
    "GuardResult install_guard(std::byte* low, std::size_t size) noexcept {\n"
    "  return GuardResult::installed;\n",
    killed_by=("TheGuard.ends_a_process_that_writes_just_below_the_stack",),
    quick=True,
)
add(
    "no_guard_is_installed_for_stacks_that_are_prepared_together",
    "code that overruns its stack writes to that of another portal",
    POSIX,
    "return guard_has_worked.load(std::memory_order_relaxed) && advise(places, guard_install);",
    "return guard_has_worked.load(std::memory_order_relaxed);",
    killed_by=("AnAllocator.prepares_several_stacks_together_each_as_zero_and_with_its_guard",),
)
add(
    "guards_may_take_all_mappings_of_the_process",
    "where the kernel has no guards of its own, malloc() fails once there are many portals",
    POSIX,
    "if (splitting_guards.fetch_add(1) >= most_mappings() / 16 * 7) {",
    "if (splitting_guards.fetch_add(1) >= most_mappings()) {",
    killed_by=("test_the_system_has_no_memory",),
    quick=True,
)
add(
    "guards_that_are_mappings_are_not_counted_down_with_their_slab",
    "where the kernel has no guards of its own, there are no more stacks at some time",
    POSIX,
    "splitting_guards.fetch_sub(guard_mappings);",
    "(void)guard_mappings;",
    killed_by=("test_mappings_of_guards_are_counted_down_with_their_stacks",),
)
add(
    "a_kernel_without_guards_is_asked_for_each",
    "each new stack takes a system call in vain",
    POSIX,
    "    if (!guard_has_worked.load(std::memory_order_relaxed)) {\n"
    "      madvise_works.store(false, std::memory_order_relaxed);\n    }\n",
    "",
    killed_by=("test_the_kernel_is_asked_once_for_what_it_has_not",),
)
add(
    "stacks_lie_above_those_of_threads",
    "greenlet takes all that lies between two stacks for one",
    POSIX,
    "mmap(place_below_the_threads(size + slack), size + slack",
    "mmap(nullptr, size + slack",
    killed_by=("stacks_lie_below_those_of_threads",),
)
add(
    "stacks_may_get_huge_pages",
    "a portal costs 2 MiB",
    POSIX,
    "(void)madvise(low, size, MADV_NOHUGEPAGE);",
    "(void)madvise(low, size, MADV_HUGEPAGE);",
    killed_by=("AStack.costs_memory_only_where_it_was_touched",),
)

# Slabs.

add(
    "a_stack_that_is_given_back_keeps_its_memory",
    "a program never gives back what its many portals have used at one time",
    ALLOCATOR,
    "discard_memory(stack.usable_low(), stack_size_ - Stack::guard_size);",
    "",
    killed_by=("AnAllocator.hands_a_stack_out_again_as_zero",),
    quick=True,
)
add(
    "slabs_that_are_not_used_are_kept",
    "the address space of many portals is never given back",
    ALLOCATOR,
    "if (slab->free == slab->all() && has_others) {",
    "if (false) {",
    killed_by=("AnAllocator.gives_back_the_address_space_of_all_slabs_but_one",),
)
add(
    "the_last_slab_that_is_not_used_is_given_back",
    "a program with one portal at a time maps and unmaps a slab for each",
    ALLOCATOR,
    "if (slab->free == slab->all() && has_others) {",
    "if (slab->free == slab->all()) {",
    killed_by=("AnAllocator.gives_back_the_address_space_of_all_slabs_but_one",),
)
add(
    "a_full_slab_is_not_found_again_when_a_stack_of_it_is_given_back",
    "stacks that are given back are never used again",
    ALLOCATOR,
    "if (slab->free == 0) link(slab);\n",
    "",
    killed_by=("AnAllocator.uses_a_slab_again_that_was_full",),
)
add(
    "a_full_slab_is_handed_out_from",
    "two portals get the same stack",
    ALLOCATOR,
    "if (slab->free == 0) unlink(slab);",
    "",
    killed_by=("AllocatedStacks.do_not_overlap",),
)
add(
    "a_stack_that_is_handed_out_stays_free",
    "two portals get the same stack",
    ALLOCATOR,
    "  slab->free &= ~bit;\n",
    "",
    killed_by=("AllocatedStacks.do_not_overlap",),
)
add(
    "a_guard_that_is_there_is_not_remembered",
    "each use of a stack takes a system call for its guard",
    ALLOCATOR,
    "    slab->guarded |= bit;\n",
    "",
    killed_by=("test_a_stack_that_is_used_again_has_its_guard_already",),
    quick=True,
)
add(
    "guards_of_stacks_that_are_prepared_together_are_not_remembered",
    "the first use of each stack takes a system call for its guard all the same",
    ALLOCATOR,
    "  slab.guarded |= bits;\n",
    "",
    killed_by=("test_stacks_are_prepared_together_by_few_calls",),
)
add(
    "no_stacks_are_prepared_together",
    "each of many portals takes a system call for its guard",
    ALLOCATOR,
    "if (count < 2) return false;",
    "if (count < 200) return false;",
    killed_by=("test_stacks_are_prepared_together_by_few_calls",),
)
add(
    "too_many_stacks_are_prepared_ahead_of_their_use",
    "a program pays memory for portals that it never has",
    ALLOCATOR,
    "constexpr std::size_t most_unused_share = 64;",
    "constexpr std::size_t most_unused_share = 4;",
    killed_by=("AnAllocator.prepares_none_ahead_where_few_are_in_use",),
)
add(
    "the_first_page_of_stacks_that_are_prepared_together_gets_no_memory",
    "each of many portals takes a page fault",
    ALLOCATOR,
    "if (first_used_ != 0) {",
    "if (false) {",
    killed_by=("test_stacks_that_are_prepared_together_get_their_memory_by_few_calls",),
)
add(
    "the_size_of_stacks_can_be_changed_while_there_are_some",
    "stacks overlap",
    ALLOCATOR,
    "if (slabs_made_ != 0) return false;",
    "",
    killed_by=("test_it_is_fixed_by_the_first_stack",),
)
add(
    "where_there_is_no_room_for_a_slab_no_smaller_one_is_tried",
    "portals fail where address space is scarce, but not used up",
    ALLOCATOR,
    "count > 0; count /= 2) {",
    "count > 0; count = 0) {",
    killed_by=("AStack.can_be_allocated_where_there_is_no_room_for_a_whole_slab",),
)
add(
    "the_allocator_is_not_locked_while_a_stack_is_handed_out",
    "threads get the same stack",
    ALLOCATOR,
    "  const std::lock_guard lock(mutex_);\n  *failure",
    "  *failure",
    killed_by=("AnAllocator.is_used_by_one_thread_at_a_time",),
)
add(
    "the_allocator_is_not_locked_while_a_stack_is_given_back",
    "stacks are lost, or in two threads",
    ALLOCATOR,
    "  const std::lock_guard lock(mutex_);\n  const SlabLayout layout(stack_size_, page_size());\n"
    "  Slab* const slab = stack.slab;",
    "  const SlabLayout layout(stack_size_, page_size());\n  Slab* const slab = stack.slab;",
    killed_by=("AnAllocator.is_used_by_one_thread_at_a_time",),
)
add(
    "all_slabs_begin_at_the_same_place_of_their_span",
    "the first pages of many stacks push each other out of the processor's caches",
    LAYOUT,
    "return lowest_place + number_of_slab % colours * (most_stacks * step);",
    "return lowest_place + number_of_slab * 0;",
    killed_by=("ASlabLayout.gives_each_stack_of_a_slab_another_place_in_its_span",),
)
add(
    "all_stacks_of_a_slab_have_the_same_place_in_their_spans",
    "the first pages of many stacks push each other out of the processor's caches",
    LAYOUT,
    "step_(page_size == step ? step : 0)",
    "step_(page_size == step ? 0 : 0)",
    killed_by=("ASlabLayout.gives_each_stack_of_a_slab_another_place_in_its_span",),
)
add(
    "sizes_of_stacks_are_not_rounded",
    "a guard ends in the middle of a page",
    PARTS,
    "return (size + unit - 1) / unit * unit;",
    "return size;",
    killed_by=("AStackSize.is_rounded_up_to_what_guards_are_made_of",),
)

# The pool.

add(
    "the_pool_has_no_bound",
    "a program keeps all the stacks that it has ever used at one time",
    POOL,
    "if (idle_ == capacity_) return false;",
    "",
    killed_by=("AStackPool.refuses_what_exceeds_its_capacity",),
    quick=True,
)
add(
    "the_pool_does_not_count_what_it_hands_out",
    "the pool is full at some time, and keeps nothing",
    POOL,
    "      --idle_;\n",
    "",
    killed_by=("AStackPool.counts_what_is_idle",),
)
add(
    "a_stack_that_is_handed_out_stays_linked_to_the_pool",
    "one that is given back is in the list twice",
    POOL,
    "      taken->next_idle = nullptr;\n",
    "",
    killed_by=("AStackPool.hands_out_stacks_that_can_be_given_back",),
)
