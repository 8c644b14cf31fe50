"""How long is waited for a database: to one deadline, by so many, and what is refused is never done."""

import asyncio
import contextlib
import shutil
import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.util import await_only

from kalends.core.errors import OutcomeUnknown, Unavailable
from kalends.db import patience
from kalends.db.batches import Batches
from kalends.db.database import Database, Tx
from kalends.db.postgres import PostgresDatabase
from kalends.db.sqlite import SqliteDatabase
from tests.db.test_database import add, names
from tests.support.postgres import Postgres

pytestmark = pytest.mark.anyio

LONG = 30
"""Seconds after which a test that hangs ends."""
Opened = Callable[..., Database]


@pytest.fixture
def prefix() -> str:
    return f"patience-{uuid.uuid4().hex[:12]}-"


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Opened]:
    """Opens the database with a single connection."""
    with_ends = contextlib.AsyncExitStack()

    def open_(**limits: Any) -> Database:
        database: Database = (
            PostgresDatabase(url, pool_size=1, **limits)
            if url.startswith("postgresql")
            else SqliteDatabase(Path(url.removeprefix("sqlite:///")), readers=1, **limits)
        )
        with_ends.push_async_callback(database.close)
        return database

    async with with_ends:
        yield open_


class Gate:
    """A unit of work that has begun and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._opened, self._opened_here = threading.Event(), asyncio.Event()

    def pass_(self, tx: Tx) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        if tx.dialect.name == "sqlite":
            assert self._opened.wait(LONG)
        else:
            tx.execute(text("SELECT 1"))  # begin
            await_only(self._opened_here.wait())
        return "passed"

    def open(self) -> None:
        self._opened.set()
        self._opened_here.set()


@contextlib.asynccontextmanager
async def occupied(use: Callable[..., Any]) -> AsyncIterator[tuple[Gate, "asyncio.Task[Any]"]]:
    """The only connection, or thread, is in use until the gate is opened."""
    gate = Gate()
    task = asyncio.create_task(use(gate.pass_))
    await asyncio.wait_for(gate.begun.wait(), LONG)
    try:
        yield gate, task
    finally:
        gate.open()
        await asyncio.wait([task])


@pytest.fixture
def locked(tmp_path: Path, sqlite_template: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A file that another program has locked."""
    path = tmp_path / "locked.db"
    shutil.copy(sqlite_template, path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield path, other
    other.close()


async def outcomes(asked: list[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), LONG)


async def test_who_waits_too_long_is_refused_in_time_and_never_run(opened: Opened, prefix: str) -> None:
    database = opened(wait_seconds=0.2)
    async with occupied(database.write) as (gate, task):
        uses = (database.write, database.write_one, database.rehearse)
        refused = await outcomes([uses[i % 3](add, f"{prefix}{i}") for i in range(60)])
        assert {type(each) for each in refused} == {Unavailable}
        assert all("nothing was changed" in each.message and each.operator for each in refused)
        gate.open()
        assert await task == "passed"  # it had begun in time
    await database.write(add, f"{prefix}later")
    assert await database.read(names, prefix) == {f"{prefix}later"}


async def test_reads_wait_no_longer(opened: Opened, prefix: str) -> None:
    database = opened(wait_seconds=0.2)
    async with occupied(database.read):
        refused = await outcomes([database.read(names, prefix) for _ in range(20)])
        assert {type(each) for each in refused} == {Unavailable}
    assert await database.read(names, prefix) == set()


@pytest.mark.slow
async def test_no_more_wait_than_may(opened: Opened, prefix: str) -> None:
    database = opened(wait_seconds=LONG, most_waiting=5)
    for use in (database.write, database.read):
        async with occupied(use) as (gate, _):
            unit = add if use == database.write else names
            asked = [asyncio.create_task(use(unit, f"{prefix}{i}")) for i in range(50)]
            done, waiting = await asyncio.wait(asked, timeout=1)
            assert len(waiting) == 5, "the others are refused at once"
            for each in done:
                assert isinstance(refusal := each.exception(), Unavailable)
                assert refusal.operator
            gate.open()
            await outcomes(list(waiting))
    kept = await database.read(names, prefix)
    assert kept == {f"{prefix}{i}" for i in range(5)}


async def test_who_gave_up_is_not_run(opened: Opened, prefix: str) -> None:
    database = opened()
    async with occupied(database.write) as (gate, _):
        asked = [asyncio.create_task(database.write(add, f"{prefix}{i}")) for i in range(4)]
        await asyncio.sleep(0.05)
        for each in asked[::2]:
            each.cancel()
        await asyncio.sleep(0)  # they give up
        gate.open()
        await outcomes(asked)
    assert await database.read(names, prefix) == {f"{prefix}1", f"{prefix}3"}


async def test_a_request_has_an_end_whatever_it_waits_for(opened: Opened, prefix: str) -> None:
    """It has begun, so nobody knows what becomes of it; the connection is of use to the next one."""
    database = opened()
    gate = Gate()

    def begin_and_wait(tx: Tx) -> str:
        add(tx, f"{prefix}begun")
        return gate.pass_(tx) if tx.dialect.name == "sqlite" else str(tx.execute(text("SELECT pg_sleep(20)")))

    def wait(tx: Tx) -> str:
        return gate.pass_(tx) if tx.dialect.name == "sqlite" else str(tx.execute(text("SELECT pg_sleep(20)")))

    async def ask(use: Callable[..., Any], unit: Callable[[Tx], str]) -> Any:
        with patience.limited(0.3):
            return await use(unit)

    for use, unit, refusal in (
        (database.write, begin_and_wait, OutcomeUnknown),
        (database.read, wait, Unavailable),
        (database.rehearse, wait, Unavailable),
    ):
        [error] = await outcomes([ask(use, unit)])
        assert type(error) is refusal
    gate.open()
    await database.write(add, f"{prefix}later")
    assert f"{prefix}later" in await database.read(names, prefix)


async def test_a_request_that_gets_on_may_go_on(opened: Opened, prefix: str) -> None:
    database = opened()
    with patience.limited(0.01):
        await asyncio.sleep(0.05)
        [refusal] = await outcomes([database.write(add, f"{prefix}a")])
        assert isinstance(refusal, Unavailable)
        patience.renew()
        await database.write(add, f"{prefix}b")
    assert patience.until() is None
    patience.renew()
    assert patience.until() is None, "what is no request has no end"
    assert await database.read(names, prefix) == {f"{prefix}b"}


async def test_a_request_does_not_wait_for_a_shared_look_up_longer_than_it_may(opened: Opened) -> None:
    database = opened()
    gate = Gate()
    shared: Batches[str, str] = Batches(database, lambda tx, keys: {key: gate.pass_(tx) for key in keys})
    with patience.limited(0.2), pytest.raises(Unavailable):
        await shared.get("a")
    patient = asyncio.create_task(shared.get("b"))
    gate.open()
    assert await asyncio.wait_for(patient, LONG) == "passed"


@pytest.mark.slow
async def test_a_locked_file_is_waited_for_to_each_ones_own_deadline(
    locked: tuple[Path, sqlite3.Connection], prefix: str
) -> None:
    path, other = locked
    database = SqliteDatabase(path, readers=1, wait_seconds=2)
    try:
        early = [asyncio.create_task(database.write(add, f"{prefix}early-{i}")) for i in range(300)]
        await asyncio.sleep(1.5)
        late = [asyncio.create_task(database.write(add, f"{prefix}late-{i}")) for i in range(3)]
        refused = await outcomes(early)
        assert {type(each) for each in refused} == {Unavailable}
        assert "busy with another process" in refused[0].message
        assert "lsof" in refused[0].operator
        assert not any(each.done() for each in late)
        other.execute("ROLLBACK")
        await outcomes(late)
        assert await database.read(names, prefix) == {f"{prefix}late-{i}" for i in range(3)}
    finally:
        await database.close()


async def test_a_slow_unit_keeps_nobody_waiting(tmp_path: Path, sqlite_template: Path, prefix: str) -> None:
    """What waits behind it in its group is refused in time, and not run afterwards."""
    path = tmp_path / "slow.db"
    shutil.copy(sqlite_template, path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # so that both come into one group
    database = SqliteDatabase(path, readers=1, wait_seconds=1)
    gate = Gate()
    try:
        first = asyncio.create_task(database.write(add, f"{prefix}first"))
        await asyncio.sleep(0.05)
        slow = asyncio.create_task(database.write(gate.pass_))
        second = asyncio.create_task(database.write(add, f"{prefix}second"))
        other.execute("ROLLBACK")
        [refusal] = await outcomes([second])
        assert isinstance(refusal, Unavailable)
        gate.open()
        assert await outcomes([first, slow]) == [f"{prefix}first", "passed"]
        assert await database.read(names, prefix) == {f"{prefix}first"}
    finally:
        other.close()
        await database.close()


async def test_a_silent_server_is_left_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Not one connection after the other, each in its own time."""
    with Postgres.start() as server:
        database = PostgresDatabase(server.url("postgres"), pool_size=4)

        def hold(tx: Tx) -> None:
            tx.exec_driver_sql("SELECT pg_sleep(0.2)")

        await asyncio.gather(*(database.read(hold) for _ in range(4)))
        with server.frozen():
            async with asyncio.timeout(9):  # less than the ten seconds that one would wait
                await database.close()
    assert "Traceback" not in capfd.readouterr().err
