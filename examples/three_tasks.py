"""Two tasks sort with a key that awaits, while a third one ticks: one thread, one event loop."""

import asyncio

from switchback import await_, with_portal_run_sync

SIZES = {
    "Lagos": 15_388_000,
    "Lima": 10_092_000,
    "Montevideo": 1_302_000,
    "Oslo": 717_000,
    "Quito": 1_763_000,
    "Reykjavik": 139_000,
}
COLUMN = 26
FIRST, SECOND, TICKER = range(3)


def show(column: int, text: str) -> None:
    print(f"{'':{column * COLUMN}}{text}", flush=True)


async def fetch_size(city: str, column: int) -> int:
    await asyncio.sleep(len(city) / 5)  # stands for a request
    show(column, f"{city:<12}{SIZES[city]:>10,}")
    return SIZES[city]


def by_size(cities: list[str], column: int) -> list[str]:
    return sorted(cities, key=lambda city: await_(fetch_size(city, column)))


async def tick() -> None:
    while True:
        await asyncio.sleep(0.5)
        show(TICKER, "tick")


async def sort_in_a_portal(cities: list[str], column: int) -> None:
    show(column, " ".join(await with_portal_run_sync(by_size, cities, column)))


async def main() -> None:
    print(f"{'a task in sorted()':<{COLUMN}}{'another in sorted()':<{COLUMN}}a third", flush=True)
    ticker = asyncio.create_task(tick())
    await asyncio.gather(
        sort_in_a_portal(["Reykjavik", "Lagos", "Quito"], FIRST),
        sort_in_a_portal(["Lima", "Oslo", "Montevideo"], SECOND),
    )
    ticker.cancel()


asyncio.run(main())
