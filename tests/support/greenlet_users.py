"""Marks of tests that use greenlet, themselves or by way of libraries."""

import importlib.util

import pytest

copies_stacks = pytest.mark.not_under(
    "asan", "tsan", reason="greenlet copies stacks, which this sanitizer does not follow"
)


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


both_backends = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(None, id="auto"),
        pytest.param(
            "native", marks=pytest.mark.chooses_native(reason="a variant on native"), id="native"
        ),
    ],
)
