"""The pages: a synchronous template, online through await_() and offline from memory."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import data
import httpx
import jinja2

from switchback import autoawait, await_


def load_template(**names: Any) -> jinja2.Template:
    """Load the template, with `names` as its functions and, if so called, its filter."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["clock"] = names.pop("clock")
    environment.globals.update(names)
    return environment.get_template("country.txt")


class OnlinePages:
    """Pages that fetch what they show. `render` is synchronous and needs a portal."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._template = load_template(
            find_country=self.find_country, same_clock=self.same_clock, clock=self.clock
        )

    def render(self, code: str) -> str:
        return self._template.render(code=code)

    def find_country(self, code: str) -> OnlineCountry:
        return OnlineCountry(self._client, code)

    def same_clock(self, clock: data.Clock) -> list[str]:
        response = await_(self._client.get(f"/same-clock/{clock['january']}/{clock['july']}"))
        return cast(list[str], response.raise_for_status().json())

    @autoawait
    async def clock(self, zone: str) -> data.Clock:
        response = await self._client.get(f"/clock/{zone}")
        return cast(data.Clock, response.raise_for_status().json())


class OnlineCountry:
    """A country whose constructor and lazy property are requests."""

    def __init__(self, client: httpx.AsyncClient, code: str) -> None:
        self._client = client
        response = await_(client.get(f"/country/{code}"))
        country: data.Country = response.raise_for_status().json()
        self.code = country["code"]
        self.name = country["name"]

    @cached_property
    def zones(self) -> list[data.Zone]:
        response = await_(self._client.get(f"/zones/{self.code}"))
        return cast(list[data.Zone], response.raise_for_status().json())


def expected_pages(codes: list[str]) -> dict[str, str]:
    """Render the same template from the data in memory: no network, no await_()."""
    template = load_template(
        find_country=lambda code: {**data.country(code), "zones": data.zones(code)},
        same_clock=lambda clock: data.same_clock(**clock),
        clock=data.clock,
    )
    return {code: template.render(code=code) for code in codes}
