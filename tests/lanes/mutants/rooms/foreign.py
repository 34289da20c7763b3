"""Mutants of src/foreign: which words of other libraries are put aside, and what is found there."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

WORDS = "foreign/thread_words.cpp"
CANDIDATES = "foreign/candidates.cpp"
CANDIDATES_HPP = "foreign/candidates.hpp"
SYSTEM = "foreign/os/glibc.cpp"
STACK = "fiber/stack_fiber.cpp"
GREENLET = "greenlet/greenlet_fiber.cpp"
TASKS = "tasks/current_tasks.cpp"

# The exchange itself.

add(
    "words_are_not_put_back",
    "a library finds no call under way when a callback returns",
    WORDS,
    "candidates_.set_value(learned_[item.index].place, item.value);",
    "(void)item;",
    killed_by=("test_calls_that_end_out_of_order_stay_apart",),
    quick=True,
)
add(
    "words_are_not_put_aside",
    "a library takes the call of a portal that is suspended for the one under way",
    WORDS,
    "    candidates_.set_value(learned_[index].place, base);\n  };",
    "    (void)base;\n  };",
    killed_by=("test_whoever_resumes_finds_no_call_under_way",),
)
add(
    "words_are_not_learned",
    "nothing is ever put aside",
    WORDS,
    "if (learned_.add({place, base})) put_aside",
    "if (false) put_aside",
    killed_by=("test_the_first_call_of_all_is_right",),
)
add(
    "a_resumer_gets_what_an_earlier_one_had",
    "a library goes on with a call that has ended",
    WORDS,
    "i < entry.count ? bases_[entry.first + i] : learned_[i].base",
    "learned_[i].base",
    killed_by=("test_whoever_resumes_finds_the_call_that_he_is_in",),
)
add(
    "what_a_library_puts_back_stays",
    "the resumer of a portal loses the call that it is in, when that of the portal ends",
    WORDS,
    "} else if (was_aside && value == outer) {",
    "} else if (false) {",
    killed_by=("test_whoever_resumes_finds_his_call_when_that_of_the_portal_ends",),
)
add(
    "what_an_outer_portal_has_is_not_learned",
    "a portal that has run another in a callback loses its call when it is suspended",
    WORDS,
    "if (nested && value - resumer",
    "if (false && value - resumer",
    killed_by=("test_the_first_portal_inside_of_a_portal_has_calls_of_its_own",),
)
add(
    "words_of_a_job_that_has_ended_are_kept",
    "a word points into the stack of a job that has ended, in the next one",
    WORDS,
    "if (!ends && !left_.add",
    "if (!left_.add",
    killed_by=("test_a_word_that_a_job_leaves_behind_does_not_go_to_the_next",),
)

# What there is to be watched.

add(
    "new_modules_are_not_looked_for_in_a_step",
    "the first call of a library that a portal has loaded goes wrong",
    WORDS,
    "refresh(true);",
    "looks_ = false;",
    killed_by=("libraries_loaded_and_used_in_a_step",),
)
add(
    "an_import_is_not_noticed",
    "the first call of a library that keeps it in a key goes wrong, if a portal has imported it",
    TASKS,
    "  foreign::ThreadWords::look_again();  // modules of C as well\n",
    "",
    killed_by=("libraries_loaded_and_used_in_a_step",),
)
add(
    "new_keys_are_not_looked_for",
    "the first call of a library that makes its key then goes wrong",
    WORDS,
    "(amid_step && candidates_.has_new_keys())",
    "false",
    killed_by=("test_the_first_call_of_all_is_right",),
)
add(
    "a_module_is_told_by_its_place_alone",
    "a word is written to a library that has taken the place of another",
    CANDIDATES,
    " && std::strcmp(known.name, module.name) == 0",
    "",
    killed_by=("libraries_unloaded_while_portals_wait",),
)
add(
    "blocks_of_unloaded_modules_stay",
    "a word is written to memory that has been freed",
    CANDIDATES,
    "    if (!module.loaded || !slots_are_right_) {\n"
    "      drop_block(module);\n"
    "      continue;\n"
    "    }\n",
    "",
    killed_by=("libraries_unloaded_while_portals_wait",),
)
add(
    "fixed_blocks_are_not_asked_for",
    "libraries with the initial-exec model have calls of other portals",
    CANDIDATES,
    "set_block(module, fixed_block(module.name), amid_step);",
    "set_block(module, nullptr, amid_step);",
    killed_by=("test_calls_that_end_out_of_order_stay_apart",),
)
add(
    "the_end_of_a_large_block_is_left_out",
    "a library with large thread-locals before the word has calls of other portals",
    CANDIDATES,
    "    pieces_.add({module.words + last, module.noted + end_words, end_words, index, last});\n",
    "",
    killed_by=("test_the_first_call_of_all_is_right",),
)
add(
    "the_middle_of_a_large_block_is_left_out",
    "a library with large thread-locals around the word has calls of other portals for ever",
    CANDIDATES,
    "    large_.add(index);\n",
    "",
    killed_by=("test_a_word_amid_a_large_block_is_found_in_time",),
)
add(
    "keys_are_not_looked_at",
    "pybind11 ends the process",
    SYSTEM,
    'std::strcmp(name, "pthread_key_create") == 0',
    "false",
    killed_by=("libraries_loaded_and_used_in_a_step",),
)

add(
    "thread_locals_of_the_system_are_exchanged",
    "the C library has another locale than it was given",
    SYSTEM,
    "return is_of_the_system(module.name) ||",
    "return",
    killed_by=("test_thread_locals_of_the_c_library_are_left_alone",),
)

# Where it is called.

add(
    "stacks_are_entered_without_their_words",
    "a library finds no call under way when a callback returns",
    STACK,
    "words.enter(foreign_, nested);",
    "(void)nested;",
    killed_by=("test_calls_that_end_out_of_order_stay_apart",),
)
add(
    "the_base_of_a_greenlet_is_not_noted",
    "on greenlet, a job that has ended leaves words behind",
    GREENLET,
    "    slice_.low = top - most_left_behind;\n",
    "",
    killed_by=("test_a_word_that_a_job_leaves_behind_does_not_go_to_the_next",),
    backend="greenlet",
)
