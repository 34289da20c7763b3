"""The backend as the program and the environment set it."""

from __future__ import annotations

import asyncio
import os

import pytest
from support.by_hand import finish, trap
from support.greenlet_programs import NATIVE, check_program, greenlet, run_program, running_on
from support.greenlet_users import copies_stacks

import switchback
from switchback import (
    _engine,
    await_,
    ensure_portal,
    with_portal_run_sync,
)

pytestmark = [pytest.mark.imports_greenlet, copies_stacks, pytest.mark.unknown_minor]


@pytest.mark.parametrize("name", ["auto", NATIVE, "greenlet"])
def test_the_backend_can_be_set(name, monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", name)
    assert switchback.settings.backend == name

    def sync_fn():
        first = running_on()
        await_(asyncio.sleep(0))
        return first, running_on()

    is_native = name != "greenlet" and _engine.native_obstacle() is None
    expected = "native" if is_native else "greenlet"
    assert asyncio.run(with_portal_run_sync(sync_fn)) == (expected, expected)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_a_new_setting_counts_for_portals_that_begin_later(monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", "native")

    def sync_fn():
        assert running_on() == "native"
        switchback.settings.backend = "greenlet"
        await_(asyncio.sleep(0))
        assert running_on() == "native"

    async def begins_later():
        await ensure_portal()
        assert running_on() == "greenlet"
        switchback.settings.backend = "native"
        await_(asyncio.sleep(0))
        assert running_on() == "greenlet"

    async def main():
        await ensure_portal()
        sync_fn()
        await asyncio.sleep(0)
        assert running_on() == "native"
        await asyncio.create_task(begins_later())

    asyncio.run(main())


@pytest.mark.chooses_native(reason="chooses the native backend")
@pytest.mark.parametrize("inner_backend", ["native", "greenlet"])
@pytest.mark.parametrize("outer_backend", ["native", "greenlet"])
def test_a_portal_inside_another_runs_on_the_backend_that_is_set(
    outer_backend, inner_backend, monkeypatch
):
    monkeypatch.setattr(switchback.settings, "backend", outer_backend)

    def outer():
        assert (greenlet.getcurrent().parent is None) == (outer_backend == "native")
        before = greenlet.getcurrent()
        switchback.settings.backend = inner_backend
        portal = _engine.open_call_portal(inner, (before,))
        for step in range(3):
            await_(trap(step))
            assert portal.send(None) == "trap"
        return finish(portal)

    def inner(outside):
        for _ in range(3):
            assert (greenlet.getcurrent() is outside) == (inner_backend == "native")
            await_(trap())
        return "done"

    portal = _engine.open_call_portal(outer, ())
    assert [portal.send(None) for _ in range(3)] == [0, 1, 2]
    assert finish(portal) == "done"


@pytest.mark.parametrize(
    "name", ["", "Native", "greenlets", "auto ", "native\0", "nativ\N{KELVIN SIGN}"]
)
def test_other_names_are_refused(name):
    before = switchback.settings.backend
    with pytest.raises(ValueError, match="one of 'auto', 'native' and 'greenlet', not ") as caught:
        switchback.settings.backend = name
    assert repr(name) in str(caught.value)
    assert switchback.settings.backend == before


@pytest.mark.parametrize("name", [None, 1, b"native"])
def test_what_is_not_a_name_is_refused(name):
    before = switchback.settings.backend
    with pytest.raises(TypeError):
        switchback.settings.backend = name
    assert switchback.settings.backend == before


def test_the_setting_cannot_be_deleted():
    with pytest.raises(AttributeError):
        del switchback.settings.backend
    assert switchback.settings.backend in ("auto", "native", "greenlet")


@pytest.mark.chooses_native(reason="chooses the native backend")
@pytest.mark.parametrize("name", ["", "auto", "native", "greenlet"])
def test_the_environment_variable(name):
    output = check_program(
        """
        print(switchback.settings.backend, asyncio.run(with_portal_run_sync(running_on)))
        import greenlet
        print(asyncio.run(with_portal_run_sync(running_on)))
        """,
        backend=name,
    )
    assert (
        output.split()
        == {
            "": ["auto", "native", "native"],
            "auto": ["auto", "native", "native"],
            "native": ["native", "native", "native"],
            "greenlet": ["greenlet", "greenlet", "greenlet"],
        }[name]
    )


def test_an_invalid_environment_variable():
    child = run_program("", backend="stackless")
    code, output = child.returncode, child.stdout
    assert code == 1
    assert output.strip().splitlines()[-1] == (
        "ValueError: SWITCHBACK_BACKEND: the backend is one of 'auto', 'native' and 'greenlet', "
        "not 'stackless'"
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_the_program_can_override_the_environment_variable():
    check_program(
        """
        assert asyncio.run(with_portal_run_sync(running_on)) == "greenlet"
        switchback.settings.backend = "auto"
        assert asyncio.run(with_portal_run_sync(running_on)) == "native"
        """,
        backend="greenlet",
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_the_greenlet_backend_without_greenlet():
    output = check_program("""
        sys.modules["greenlet"] = None
        try:
            switchback.settings.backend = "greenlet"
        except RuntimeError as error:
            print(error)
        assert switchback.settings.backend == "auto"
        assert asyncio.run(with_portal_run_sync(lambda: await_(asyncio.sleep(0, 1)))) == 1
    """)
    assert "pip install greenlet" in output


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_the_environment_variable_without_greenlet():
    child = run_program(
        "", backend="greenlet", first="import sys; sys.modules['greenlet'] = None\n"
    )
    code, output = child.returncode, child.stdout
    assert code == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: ")
    assert "pip install greenlet" in last


@pytest.mark.minor(since="3.12", reason="eager tasks are new in 3.12")
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_of_eager_portals_under_one_that_began_natively():
    """Their stacks are reused, though greenlet has been imported in the middle of its step."""
    check_program(
        """
        def call():
            await_(asyncio.sleep(0))

        async def child():
            await with_portal_run_sync(call)

        from support.resident_memory import mapped_bytes, trend

        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            await ensure_portal()
            import greenlet

            readings = []
            for count in range(300):
                await asyncio.create_task(child())
                if count >= 100:
                    readings.append(mapped_bytes())
            # A stack for every tenth would be too many.
            assert trend(readings) < 1e6, readings

        asyncio.run(main())
        """,
        backend="auto",
    )
