"""Mutants of src/greenlet."""

from mutant import Room

room = Room()
MUTANTS = room.mutants
add = room.add
