"""An async sort key: sorted() is synchronous and knows nothing of the event loop."""

import asyncio

from switchback import await_, with_portal_run_sync


async def fetch_size(city: str) -> int:
    await asyncio.sleep(0.01)  # stands for a request
    return {"Reykjavik": 139_000, "Lagos": 15_388_000, "Quito": 1_763_000}[city]


def by_size(cities: list[str]) -> list[str]:
    return sorted(cities, key=lambda city: await_(fetch_size(city)))


print(asyncio.run(with_portal_run_sync(by_size, ["Reykjavik", "Lagos", "Quito"])))
