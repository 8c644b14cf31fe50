"""The database goes away, under load or silently, or is locked, and comes back; nobody touches the server."""

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench.wire import Connection
from sqlalchemy import text

from kalends.clock import SystemClock
from kalends.core.errors import OutcomeUnknown, Unavailable
from kalends.core.hours import stamp
from kalends.db import migrating, patience
from kalends.db.batches import Batches
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.ids import digest
from kalends.services.setup import keys, organizations
from tests.support.books import check_books
from tests.support.load import PATH, Load
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


@pytest.mark.parametrize(
    "seconds",
    [1, pytest.param(patience.REQUEST_SECONDS, marks=pytest.mark.torture)],
    ids=["impatient", "usual"],
)
def test_a_frozen_database_is_not_waited_for_longer_than_a_request_may(seconds: float) -> None:
    """It answers nothing, and breaks no connection: as if its host were gone."""
    with Postgres.start() as postgres:
        asyncio.run(_freeze(postgres, seconds))


async def _freeze(postgres: Postgres, seconds: float) -> None:
    database = open_database(postgres.url("postgres"), pool_size=4)
    try:
        await database.migrate()
        org = await make_org(database, SystemClock().now())
        shared = Batches(database, keys.find)
        which = digest(org.key)

        async def ask(use: Callable[..., Any], unit: Callable[..., Any], *args: Any) -> Any:
            with patience.limited(seconds):
                await shared.get(which)
                return await use(unit, *args)

        def add(tx: Tx) -> None:
            now = SystemClock().now()
            organizations.create(tx, name="Another", slug=f"another-{uuid.uuid4().hex}", now=now)

        uses: list[tuple[Any, ...]] = [
            (database.read, migrating.check),
            (database.read_one, keys.find, [which]),
            (database.write, add),
            (database.write_one, add),
            (database.rehearse, add),
        ]
        everything = [each for each in uses for _ in range(4)]
        await asyncio.gather(*(ask(*each) for each in uses))  # connections are open
        began = time.monotonic()
        with postgres.frozen():
            # Some wait for an answer, some for a connection, and those after the first for a look-up.
            inside = [database.read(lambda tx: tx.execute(text("SELECT 1")).scalar()) for _ in range(2)]
            with patience.limited(seconds):
                refused = await asyncio.gather(
                    *(ask(*each) for each in everything), *inside, return_exceptions=True
                )
            took = time.monotonic() - began
        assert {type(each) for each in refused} <= {Unavailable, OutcomeUnknown}, refused
        print(f"refused after {took:.1f} s at the most")
        assert took < seconds + 5, "a frozen server was waited for"
        await asyncio.wait_for(_until_it_works(database), 30)
    finally:
        await database.close()


async def _until_it_works(database: Database) -> None:
    while True:
        try:
            await database.read(migrating.check)
        except Unavailable:
            await asyncio.sleep(0.1)
        else:
            return


@pytest.mark.parametrize(
    ("bookings", "seconds"),
    [(100, 7), pytest.param(500, 22, marks=pytest.mark.torture)],
    ids=["7 seconds", "22 seconds"],
)
def test_a_file_that_another_program_locks_is_waited_for_five_seconds(
    tmp_path: Path, bookings: int, seconds: float
) -> None:
    path = tmp_path / "locked.db"
    url = f"sqlite:///{path}"
    org = asyncio.run(_prepare(url))
    with serving(url) as server:
        asyncio.run(_book_while_locked(path, url, org, server.port, bookings, seconds))


async def _book_while_locked(
    path: Path, url: str, org: Org, port: int, bookings: int, seconds: float
) -> None:
    connections = [await Connection.open(port) for _ in range(bookings)]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        first = datetime(2030, 1, 1, tzinfo=UTC)
        wishes = [org.wish(start_time=stamp(first + timedelta(hours=i))) for i in range(bookings)]
        asked = [
            asyncio.create_task(each.post(PATH, wish, org.key))
            for each, wish in zip(connections, wishes, strict=True)
        ]
        unlocked = asyncio.get_running_loop().time() + seconds
        replies = await asyncio.gather(*asked)
        for each in connections:
            await each.close()
        assert {reply.status for reply in replies} == {503}
        assert all("busy with another process" in reply.json()["error"] for reply in replies)
        slowest = max(reply.seconds for reply in replies)
        print(f"the last of {bookings} was refused after {slowest:.1f} s")
        assert slowest < patience.WAIT_SECONDS + 5  # much less; but machines may be busy
        await asyncio.sleep(unlocked - asyncio.get_running_loop().time())
    finally:
        other.execute("ROLLBACK")
        other.close()
    connection = await Connection.open(port)
    reply = await connection.post(PATH, wishes[0], org.key)
    await connection.close()
    assert reply.status == 200
    assert await check_books(url, org, [reply.json()["appointment"]["id"]]) == 1, "what was refused was done"
