"""PostgreSQL goes away under load and comes back; nobody touches the server."""

import asyncio

import pytest

from kalends.clock import SystemClock
from kalends.db.opening import open_database
from tests.support.books import check_books
from tests.support.load import Load
from tests.support.organizations import Org, make_org
from tests.support.postgres import Postgres
from tests.support.server import serving

RECOVERED_SECONDS = 5.0


@pytest.mark.parametrize(
    "stops",
    [["fast"], pytest.param(["fast", "immediate"] * 5, marks=pytest.mark.torture)],
    ids=["once", "ten times"],
)
def test_an_outage_is_answered_and_survived(stops: list[str]) -> None:
    with Postgres.start() as postgres:
        url = postgres.url("postgres")
        org = asyncio.run(_prepare(url))
        with serving(url) as server:
            asyncio.run(_stop_under_load(postgres, url, org, server.port, stops))


async def _stop_under_load(postgres: Postgres, url: str, org: Org, port: int, stops: list[str]) -> None:
    load = Load(org, port)
    running = asyncio.create_task(load.run())
    recovered = []
    try:
        for mode in stops:
            await load.watch()
            await asyncio.sleep(0.5)
            before = load.statuses[503]
            await asyncio.to_thread(postgres.down, mode)
            await asyncio.sleep(1.5)
            assert load.statuses[503] > before, "an outage must be answered, not waited out"
            await asyncio.to_thread(postgres.up)
            recovered.append(await asyncio.wait_for(load.watch(), 30))
        await asyncio.sleep(0.5)
    finally:
        load.stop()
        await running
    assert not load.odd, load.odd[:3]
    assert set(load.statuses) <= {200, 409, 503}
    total = await check_books(url, org, load.acknowledged)
    print(f"{dict(load.statuses)}, {total} stored, recovered in {[f'{s:.2f}' for s in recovered]} s")
    assert max(recovered) < RECOVERED_SECONDS


async def _prepare(url: str) -> Org:
    database = open_database(url, pool_size=1)
    try:
        await database.migrate()
        return await make_org(database, SystemClock().now())
    finally:
        await database.close()
