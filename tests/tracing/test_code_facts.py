"""What is found out of code objects: where calls have their slots, and what stands in for code."""

from __future__ import annotations

import asyncio
import dis
import types

from switchback import _code_facts


def codes_in(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_in(constant)


def codes_of_the_library():
    for module in (asyncio.base_events, asyncio.tasks, asyncio.streams, dis, types):
        with open(module.__file__, encoding="utf-8") as file:
            yield from codes_in(compile(file.read(), module.__file__, "exec", dont_inherit=True))


def test_the_value_stack_is_never_below_its_bottom_nor_above_its_size():
    count = 0
    for code in codes_of_the_library():
        depths = _code_facts.depths_of(code)
        assert all(0 <= depth <= code.co_stacksize for depth in depths.values()), code
        count += len(depths)
    assert count > 10_000


def test_every_call_has_its_slots_on_the_value_stack():
    count = 0
    for code in codes_of_the_library():
        for _, place, _, _ in _code_facts.calls_of(code):
            assert 0 <= place < code.co_stacksize, code
            count += 1
    assert count > 1000


def test_every_function_has_a_stand_in_with_its_names():
    for code in codes_of_the_library():
        stand_in, unit = _code_facts.stand_in_of(code)
        if len(code.co_code) < 12:
            continue
        assert stand_in.co_code[unit * 2] == dis.opmap["YIELD_VALUE"]
        assert stand_in.co_code[unit * 2 + 2 : unit * 2 + 4] == bytes([dis.opmap["RESUME"], 1])
        assert stand_in.co_code[: unit * 2] == code.co_code[: unit * 2]
        assert stand_in.co_qualname == code.co_qualname
        assert stand_in.co_freevars == code.co_freevars


def test_no_code_of_a_metaclass_is_run():
    ran = []

    class Meta(type):
        def __eq__(cls, other):
            ran.append("__eq__")
            raise ValueError

        def __hash__(cls):
            ran.append("__hash__")
            return hash(int)

    kinds = [Meta("one", (), {}), Meta("two", (int,), {})]
    assert "append" in _code_facts.methods_of_types.__wrapped__()
    assert len(kinds) == 2
    assert ran == []
