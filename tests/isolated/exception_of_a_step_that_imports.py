"""The exception that ends a step is not lost where the step has imported a module.

From then on the engine looks anew whether the program has imported greenlet.
"""

import asyncio
import sys

import switchback

switchback.settings.backend = "auto"
NAMES = ["colorsys", "this_is_no_module", "plistlib", "fractions", "statistics"]


async def fails(name):
    await switchback.ensure_portal()
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = sys
    raise ValueError(name)


def fails_in_sync(name):
    switchback.await_(asyncio.sleep(0))
    sys.modules[f"another {name}"] = sys
    raise ValueError(name)


async def main():
    for name in NAMES:
        for attempt in (
            asyncio.create_task(fails(name)),
            switchback.with_portal_run_sync(fails_in_sync, name),
        ):
            try:
                await attempt
            except ValueError as error:
                assert error.args == (name,)
            else:
                raise AssertionError("no exception")


asyncio.run(main())
