"""A module whose body awaits is imported by one portal; others wait for it, as threads do."""

from __future__ import annotations

import asyncio
import importlib
import sys

import pytest

from switchback import _imports, with_portal_run_sync

pytestmark = pytest.mark.not_under("leak", reason="a module is imported once")


@pytest.fixture
def modules(tmp_path, monkeypatch, library):
    """Write modules that await, by what the library has for it; return how."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    (tmp_path / "checkpoints.py").touch()
    sys.modules["checkpoints"] = checkpoints = importlib.import_module("checkpoints")
    checkpoints.checkpoint = library.checkpoint
    checkpoints.bodies = []

    def write(name, body):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "from switchback import await_\n"
            "from checkpoints import checkpoint, bodies\n"
            "bodies.append(__name__)\n" + body
        )
        importlib.invalidate_caches()

    write.bodies = checkpoints.bodies
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


SLOW = "for _ in range(5): await_(checkpoint())\nlate = 'there'\n"


def run_many(library, *functions):
    async def main():
        return await library.gather(*[lambda fn=fn: with_portal_run_sync(fn) for fn in functions])

    return library.run(main)


def by_statement():
    import slow_module

    return slow_module.late


def by_from():
    from slow_module import late

    return late


def by_function():
    return importlib.import_module("slow_module").late


def by_dunder():
    return __import__("slow_module").late


@pytest.mark.parametrize("how", [by_statement, by_from, by_function, by_dunder])
def test_the_others_wait_for_the_body(how, modules, library):
    modules("slow_module.py", SLOW)
    assert run_many(library, *[how] * 50) == ["there"] * 50
    assert modules.bodies == ["slow_module"]


def test_a_package_and_its_modules(modules, library):
    modules("slow_package/__init__.py", SLOW + "from . import first\n")
    modules("slow_package/first.py", SLOW)
    modules("slow_package/second.py", SLOW + "from .first import late as again\n")

    def of_the_package():
        import slow_package

        return slow_package.first.late

    def of_a_module():
        from slow_package.second import again

        return again

    def of_both():
        import slow_package.first
        import slow_package.second

        return slow_package.second.late

    functions = [of_the_package, of_a_module, of_both, of_a_module] * 5
    assert run_many(library, *functions) == ["there"] * 20
    assert sorted(modules.bodies) == ["slow_package", "slow_package.first", "slow_package.second"]


def test_a_body_that_fails_is_run_again_by_those_who_wait(modules, library):
    modules("slow_module.py", SLOW + "if len(bodies) < 3: raise KeyError(len(bodies))\n")

    def tries():
        try:
            import slow_module
        except KeyError as error:
            return error.args[0]
        return slow_module.late

    found = run_many(library, *[tries] * 5)
    assert found.count("there") == 3 and {1, 2} <= set(found)


def test_a_circle_in_one_portal_is_what_python_makes_of_one(modules, library):
    modules("circle_a.py", "import circle_b\n" + SLOW)
    modules("circle_b.py", SLOW + "import circle_a\nassert not hasattr(circle_a, 'late')\n")

    def imports():
        import circle_a

        return circle_a.circle_b.late

    assert run_many(library, imports, imports) == ["there"] * 2


def test_a_circle_of_two_portals_comes_to_an_end(modules, library):
    modules("circle_a.py", SLOW + "import circle_b\n")
    modules("circle_b.py", SLOW + "import circle_a\n")

    def first():
        import circle_a

        return circle_a.late

    def second():
        import circle_b

        return circle_b.late

    assert run_many(library, first, second) == ["there"] * 2


GATED = "import checkpoints\nawait_(checkpoints.gate.wait())\nlate = 'there'\n"


async def begin_imports(count):
    """Tasks that import the module, the first of which is inside its body."""
    sys.modules["checkpoints"].gate = gate = asyncio.Event()
    tasks = [asyncio.ensure_future(with_portal_run_sync(by_statement)) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    return gate, tasks


def test_who_waits_can_be_cancelled(modules):
    modules("slow_module.py", GATED)

    async def main():
        gate, tasks = await begin_imports(4)
        tasks[1].cancel()
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(main())
    assert isinstance(found.pop(1), asyncio.CancelledError)
    assert found == ["there"] * 3
    assert modules.bodies == ["slow_module"]


def test_one_that_is_cancelled_in_the_body_leaves_it_to_the_next(modules):
    modules("slow_module.py", GATED)

    async def main():
        gate, tasks = await begin_imports(2)
        tasks[0].cancel()
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = asyncio.run(main())
    assert isinstance(first, asyncio.CancelledError) and second == "there"
    assert modules.bodies == ["slow_module"] * 2


def test_a_loop_inside_of_a_body_does_not_wait_for_that(modules):
    """It would wait for what is below it on the stack."""
    modules(
        "slow_module.py",
        "import asyncio\nfrom switchback import with_portal_run_sync\n"
        "def again():\n    import slow_module\n    return hasattr(slow_module, 'late')\n"
        "from support.libraries import without_running_loop\n"
        "with without_running_loop():\n"
        "    seen = asyncio.run(with_portal_run_sync(again))\nlate = 'there'\n",
    )

    def imports():
        import slow_module

        return slow_module.seen

    async def main():
        return await with_portal_run_sync(imports)

    assert asyncio.run(main()) is False


def test_outside_of_portals_nothing_waits(modules, library):
    modules("slow_module.py", "late = 'there'\n")

    async def main():
        await library.checkpoint()
        import slow_module

        return slow_module.late

    assert library.run(main) == "there"
    assert not _imports._under_way
