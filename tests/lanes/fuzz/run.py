"""Runs random programs natively and through portals, until a difference or enough of them.

Without arguments, this starts child processes for chunks of programs: a crash is then reported with
the seed and the program. SWITCHBACK_FUZZ_PROGRAMS is how many, SWITCHBACK_FUZZ_SEED where to start.
Where SWITCHBACK_TEST_BESIDE is greenlet, programs start greenlets. With SWITCHBACK_FUZZ_COLLECT=3,
garbage is collected at a third of the points at which something happens. With the argument
`libraries`, functions are called by libraries that keep the call under way in thread-locals.
"""

from __future__ import annotations

import faulthandler
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

#: Programs in a process.
CHUNK = 1000

#: For how long to look for a smaller program that differs.
SHRINK_SECONDS = 40


def run_chunk(seed: int, count: int, file: Path) -> None:
    # As in a program that has imported it before the package.
    if os.environ.get("SWITCHBACK_TEST_BESIDE") == "greenlet":
        import greenlet  # noqa: F401

    import cases
    import hypothesis
    import programs
    import worlds

    faulthandler.enable()
    warnings.simplefilter("ignore")  # coroutines never awaited, natively as in portals
    done = 0
    smallest: tuple[int, str, str] | None = None
    deadline = float("inf")

    def fail() -> NoReturn:
        assert smallest is not None
        _, script, difference = smallest
        file.write_text(script)
        print(f"A difference:\n{difference}\n\nThe program:\n\n{script}", flush=True)
        os._exit(1)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    @hypothesis.given(programs.cases())
    def same_trace(case: cases.Case) -> None:
        nonlocal done, smallest, deadline
        script = case.script()
        file.write_text(script)
        # Twice: the order in which garbage is finalized depends on what was allocated before.
        difference = worlds.difference(case) and worlds.difference(case)
        done += 1
        if difference is not None:
            if smallest is None:
                deadline = time.monotonic() + SHRINK_SECONDS
            if smallest is None or len(script) < smallest[0]:
                smallest = len(script), script, difference
        if time.monotonic() > deadline:
            fail()
        assert difference is None

    try:
        same_trace()
    except AssertionError:
        fail()
    print(done)


def run_child(seed: int, count: int, directory: Path) -> tuple[int, int, str, Path]:
    file = directory / f"program-{seed}.py"
    child = subprocess.run(
        [sys.executable, __file__, str(seed), str(count), str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return seed, child.returncode, child.stdout, file


def main() -> None:
    wanted = int(os.environ.get("SWITCHBACK_FUZZ_PROGRAMS") or 20_000)
    seed = int(os.environ.get("SWITCHBACK_FUZZ_SEED") or random.randrange(10**9))
    print(f"seed {seed} (SWITCHBACK_FUZZ_SEED={seed} repeats this run)", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="switchback-fuzz-"))
    if sys.argv[1:] == ["libraries"]:
        import libraries

        libraries.build(directory)
    start = time.monotonic()
    done = 0
    chunks = [
        (seed + index, min(CHUNK, wanted - first), directory)
        for index, first in enumerate(range(0, wanted, CHUNK))
    ]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for chunk_seed, code, output, file in pool.map(lambda chunk: run_child(*chunk), chunks):
            if code != 0:
                pool.shutdown(cancel_futures=True)
                print(output)
                if code != 1:
                    print(f"The process ended with exit code {code} in this program:\n")
                    print(file.read_text())
                print(f"seed of this chunk: {chunk_seed}; the program is in {file}")
                sys.exit(1)
            done += int(output.split()[-1])
    seconds = time.monotonic() - start
    print(
        f"Python {sys.version.split()[0]}: {done} programs, no difference, "
        f"{seconds:.0f} s, {done / seconds:.0f} programs/s, seed {seed}"
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        run_chunk(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
