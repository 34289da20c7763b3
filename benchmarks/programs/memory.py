"""What this process has in memory, as Linux tells it, in bytes."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

STATUS = Path("/proc/self/status")
MAPPINGS = Path("/proc/self/smaps")


def resident() -> dict[str, int]:
    """Resident memory and page tables."""
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return {
        "resident": int(fields["VmRSS"].split()[0]) * 1024,
        "page tables": int(fields["VmPTE"].split()[0]) * 1024,
    }


def stacks() -> int:
    """Resident memory of the stacks that Switchback has mapped.

    They are told apart by a flag, MAP_NORESERVE: neither malloc() nor Python's allocator sets it in
    a process of one thread.
    """
    total = size = 0
    for line in MAPPINGS.read_text().splitlines():
        if line.startswith("Rss:"):
            size = int(line.split()[1]) * 1024
        elif line.startswith("VmFlags:") and "nr" in line.split():
            total += size
    return total


def usage() -> dict[str, int]:
    """Context switches and page faults so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "voluntary switches": used.ru_nvcsw,
        "involuntary switches": used.ru_nivcsw,
        "page faults": used.ru_minflt,
    }


def settle() -> None:
    """Have the collector done with what the program has left so far."""
    gc.collect()
