"""A day is booked hour by hour while some of it is blocked: nothing is booked over a block that was there."""

import asyncio
from collections import Counter

from bench.wire import Reply

from kalends.db.opening import open_database
from tests.support.books import check_blocks, check_books
from tests.support.load import PATH
from tests.support.organizations import Org, new_org
from tests.support.patient import PatientClient, crowd
from tests.support.processes import everyday_two_workers
from tests.support.server import serving

BLOCKS = "/v1/calendar/blocks"
HOURS = range(24)
ASKED, FORCED = range(9, 13), range(15, 19)
"""The hours that are blocked unless somebody has booked them, and those that are blocked in any case."""


@everyday_two_workers("rounds", everyday=4, torture=50)
def test_nothing_is_booked_over_a_block_that_was_there(url: str, options: list[str], rounds: int) -> None:
    with serving(url, *options) as server:
        told = asyncio.run(_race(url, server.port, rounds))
    print(dict(told))


async def _race(url: str, port: int, rounds: int) -> Counter[str]:
    org, told, booked = await new_org(url), Counter[str](), list[str]()
    async with crowd(port, len(HOURS) + 2) as clients:
        for round_ in range(rounds):
            day = f"2030-{round_ % 12 + 1:02}-{round_ // 12 + 1:02}"
            for each in clients:
                await each.ready()
            blocks = [
                asyncio.ensure_future(_block(org, client, day, hours, force=hours is FORCED))
                for client, hours in zip(clients[-2:], (ASKED, FORCED), strict=True)
            ]
            await asyncio.sleep(round_ % 4 / 500)  # they have a start of some milliseconds, or none
            *first, asked, forced = await asyncio.gather(*_bookings(org, clients, day), *blocks)
            again = await asyncio.gather(*_bookings(org, clients, day))
            in_time = [first[hour] for hour in ASKED if first[hour].status == 200]
            assert forced.status == 200
            if asked.status == 200:
                assert not in_time
            else:
                details = asked.json()["details"]
                assert (asked.status, details["total"]) == (409, len(details["appointments"]))
                assert 1 <= details["total"] <= len(in_time)
            closed = {*FORCED, *(ASKED if asked.status == 200 else ())}
            for hour in HOURS:
                assert again[hour].status == (409 if hour in closed or first[hour].status == 200 else 200)
            told[f"blocked: {asked.status}"] += 1
            told["booked before it was blocked"] += sum(first[hour].status == 200 for hour in FORCED)
            booked += [each.json()["appointment"]["id"] for each in (*first, *again) if each.status == 200]
    assert await check_books(url, org, booked) == len(booked)
    database = open_database(url, pool_size=1)
    try:
        await database.read(check_blocks, org.id)
    finally:
        await database.close()
    return told


def _bookings(org: Org, clients: list[PatientClient], day: str) -> list[asyncio.Task[Reply]]:
    """One for each hour."""
    wishes = [org.wish(start_time=f"{day}T{hour:02}:00:00Z") for hour in HOURS]
    return [
        asyncio.ensure_future(client.send("POST", PATH, wish, org.key))
        for client, wish in zip(clients, wishes, strict=False)
    ]


async def _block(org: Org, client: PatientClient, day: str, hours: range, *, force: bool) -> Reply:
    start, end = (f"{day}T{hour:02}:00:00Z" for hour in (hours.start, hours.stop))
    wish = {"all": True, "start_time": start, "end_time": end, "force": force}
    return await client.send("POST", BLOCKS, wish, org.key)
