"""Mutants of src/timeline, and of the steps that are noted in it."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add

TIMELINE = "timeline/timeline.hpp"
NOTES = "timeline/timeline.cpp"
EVENTS = "timeline/trace_events.cpp"
STEP = "portal/noted_step.cpp"

TURNS = ("test_a_portal_runs_and_waits_in_turns",)

add(
    "a_timeline_does_not_hear_of_suspensions",
    "a portal seems to run while it waits",
    STEP,
    "    note_end(self);\n  } else {",
    "  } else {",
    killed_by=TURNS,
    quick=True,
)
add(
    "a_track_is_not_free_when_its_portal_has_ended",
    "each call has a track of its own, thousands of them",
    NOTES,
    "  name.free = track - first_ + 1;",
    "",
    killed_by=("test_a_portal_takes_the_place_of_one_that_has_ended",),
)
add(
    "a_portal_that_goes_away_keeps_its_track",
    "it seems to wait for ever",
    STEP,
    "timeline->knows(self->track)) timeline->end(self->track);",
    "timeline->knows(self->track)) return;",
    killed_by=("test_a_portal_that_waits_and_goes_away_ends_its_track",),
)
add(
    "a_portal_keeps_its_track_in_another_thread",
    "it seems to run in a thread in which it does not",
    TIMELINE,
    "if (threads_[line.thread].id != thread_state->id) [[unlikely]]",
    "if (false)",
    killed_by=("test_a_portal_that_goes_on_in_another_thread_has_a_track_there",),
)
add(
    "a_wait_that_is_long_is_not_in_the_file_before_it_ends",
    "what a killed process leaves does not show what hung",
    EVENTS,
    "} else if (!line.wait_is_begun && line.waits_since < before) {",
    "} else if (false) {",
    killed_by=("test_what_a_killed_process_leaves_is_valid_and_shows_what_hangs",),
)
add(
    "a_wait_that_has_begun_in_the_file_begins_there_once_more",
    "a picture with the same wait twice",
    EVENTS,
    "    line.wait_is_begun = false;\n",
    "    line.wait_is_begun = true;\n",
    killed_by=("test_long_waits_and_steps_are_written_once",),
)
add(
    "a_step_that_has_begun_in_the_file_does_not_end_there",
    "a portal seems to run for ever",
    EVENTS,
    "      line.step_is_begun = true;\n",
    "",
    killed_by=("test_long_waits_and_steps_are_written_once",),
)
add(
    "names_are_not_escaped",
    "a file that is not JSON",
    NOTES,
    "if (letter == '\"' || letter == '\\\\') *at++ = '\\\\';",
    "",
    killed_by=("test_names_are_escaped",),
)
add(
    "a_timeline_goes_on_when_it_is_stopped",
    "a later one does not begin",
    STEP,
    "std::exchange(module_state.timeline, nullptr);\n  if (timeline == nullptr) return set_no",
    "module_state.timeline;\n  if (timeline == nullptr) return set_no",
    killed_by=TURNS,
)
