"""The data set: the countries of the world and their clocks, from the tz database.

It is in the public domain and comes with the PyPI package ``tzdata``.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TypedDict

# The package's files only, whatever version the system has.
_FILES = files("tzdata").joinpath("zoneinfo")
zoneinfo.reset_tzpath(to=())


class Country(TypedDict):
    code: str
    name: str


class Zone(TypedDict):
    name: str
    comments: str


class Clock(TypedDict):
    """The offsets from UTC on the first of two months, such as ``+05:30``."""

    january: str
    july: str


def country(code: str) -> Country:
    return {"code": code, "name": _names()[code]}


def zones(code: str) -> list[Zone]:
    """The time zones of a country, that of most of its people first."""
    return _zones()[code]


def clock(zone: str) -> Clock:
    return {"january": _offset(zone, month=1), "july": _offset(zone, month=7)}


def same_clock(january: str, july: str) -> list[str]:
    """The names of the countries whose first time zone has these offsets."""
    return _countries_by_clock().get((january, july), [])


def codes() -> list[str]:
    """The codes of the countries that have a time zone; two uninhabited ones have none."""
    return [code for code in _names() if code in _zones()]


def _rows(table: str) -> Iterator[list[str]]:
    text = _FILES.joinpath(table).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


@cache
def _names() -> dict[str, str]:
    return {code: name for code, name in _rows("iso3166.tab")}


@cache
def _zones() -> dict[str, list[Zone]]:
    found: dict[str, list[Zone]] = {}
    for code, _position, name, *comments in _rows("zone.tab"):
        found.setdefault(code, []).append({"name": name, "comments": "".join(comments)})
    return found


@cache
def _offset(zone: str, month: int) -> str:
    offset = datetime(2025, month, 1, 12, tzinfo=zoneinfo.ZoneInfo(zone)).utcoffset()
    assert offset is not None
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"{'-' if offset < timedelta(0) else '+'}{hours:02}:{minutes:02}"


@cache
def _countries_by_clock() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for code in codes():
        first = clock(zones(code)[0]["name"])
        found.setdefault((first["january"], first["july"]), []).append(_names()[code])
    return found
