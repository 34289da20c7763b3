"""Modules of gevent's own tests, in a portal: they pass as they do outside."""

from __future__ import annotations

import pytest
from support.greenlet_programs import NATIVE, check_program
from support.greenlet_users import copies_stacks, needs

pytestmark = [needs("gevent"), copies_stacks, pytest.mark.in_child_process]

# Those that are quick, and do not compare times.
MODULES = (
    "test__contextvars",
    "test__event",
    "test__exc_info",
    "test__greenlet",
    "test__hub",
    "test__iwait",
    "test__joinall",
    "test__local",
    "test__queue",
    "test__real_greenlet",
    "test__timeout",
)


@pytest.mark.parametrize("backend", [NATIVE])
@pytest.mark.parametrize("module", MODULES)
def test_gevents_tests_pass_in_a_portal(module, backend):
    check_program(
        f"""
        import importlib
        import unittest
        import warnings

        warnings.simplefilter("ignore")  # what its tests do is its affair

        def run():
            module = importlib.import_module("gevent.tests.{module}")
            tests = unittest.defaultTestLoader.loadTestsFromModule(module)
            with open("/dev/null", "w") as nowhere:
                result = unittest.TextTestRunner(nowhere).run(tests)
            failed = [text for _, text in result.failures + result.errors]
            return result.testsRun, failed, running_on()

        async def main():
            # Portals beside it, which stay suspended.
            others = [asyncio.create_task(with_portal_run_sync(waits)) for _ in range(3)]
            await asyncio.sleep(0)
            outcome = await with_portal_run_sync(run)
            event.set()
            await asyncio.gather(*others)
            return outcome

        def waits():
            await_(event.wait())

        event = asyncio.Event()
        count, failed, where = asyncio.run(main())
        assert count > 0 and not failed and where == {backend!r}, (count, where, *failed)
        """,
        backend,
    )
