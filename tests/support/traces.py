"""Reads what `switchback.inspect.timeline()` writes."""

from __future__ import annotations

import asyncio
import io
import json
from collections import defaultdict

from switchback import with_portal_run_sync
from switchback.inspect import timeline


class Track:
    """What one track shows: its name, its thread, and its stretches of time in order."""

    def __init__(self):
        self.name = self.thread = None
        self.stretches = []  # (begin, end, name); the end is None while it has none

    def names(self):
        return [name for _, _, name in self.stretches]


def tracks_of(events):
    """Return the tracks by number, after a look at whether each stretch ends before the next."""
    tracks = defaultdict(Track)
    for event in events:
        track = tracks[event["tid"]] if "tid" in event else None
        if event["ph"] == "M":
            if event["name"] == "thread_name":
                track.name, track.thread = event["args"]["name"], event["pid"]
        elif event["ph"] == "X":
            assert event["dur"] >= 0
            end = round(event["ts"] + event["dur"], 3)
            track.stretches.append((event["ts"], end, event["name"]))
        elif event["ph"] == "B":
            track.stretches.append((event["ts"], None, event["name"]))
        else:
            assert event["ph"] == "E"
            begin, end, name = track.stretches.pop()
            assert (end, name) == (None, event["name"])
            track.stretches.append((begin, event["ts"], name))
        if track is not None and track.thread is not None:
            assert event["pid"] == track.thread
    for track in tracks.values():
        for (_, end, _), (begin, _, _) in zip(track.stretches, track.stretches[1:], strict=False):
            assert end is not None
            assert end <= begin + 0.001
    return dict(tracks)


def trace(run, **options):
    """Return the tracks of what `run()` does, and the names of threads."""
    file = io.BytesIO()
    with timeline(file, **options):
        run()
    events = json.loads(file.getvalue())
    threads = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    return tracks_of(events), threads


def trace_tasks(*functions):
    async def main():
        await asyncio.gather(*(with_portal_run_sync(function) for function in functions))

    return trace(lambda: asyncio.run(main()))
