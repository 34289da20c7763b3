"""Mutants of src/portal."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add
