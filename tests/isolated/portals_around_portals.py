"""Portals around portals around portals are looked at and dropped without end of the C stack."""

from support.by_hand import trap

from switchback import _engine, await_

DEPTH = 200_000


def around(portal, depth):
    for _ in range(depth):
        portal = _engine.open_portal(portal)
    return portal


def deep():
    return around(_engine.open_call_portal(await_, (trap(),)), DEPTH)


def outcome(function, *args):
    try:
        return function(*args)
    except RecursionError as error:
        return type(error)


names = ["__name__", "__qualname__", "cr_frame", "cr_code", "cr_await", "cr_origin", "cr_suspended"]
for look in [repr, *(lambda portal, name=name: getattr(portal, name) for name in names)]:
    assert outcome(look, deep()) is RecursionError
    outcome(look, around(_engine.open_call_portal(await_, (trap(),)), 50))

# Who awaits the outermost has the innermost, too.
inner = _engine.open_call_portal(await_, (trap(),))
outer = around(inner, 50)
assert outer.send(None) == "trap"
for portal in (inner, outer):
    try:
        _engine.open_portal(portal)
    except RuntimeError as error:
        assert str(error) == "coroutine is being awaited already", error
    else:
        raise AssertionError("awaited twice")
outer.close()
