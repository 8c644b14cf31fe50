"""What both databases promise a unit of work."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from kalends.core.errors import Refusal, Unavailable
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import organizations
from kalends.services.setup import organizations as use_cases
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


def names(tx: Tx, prefix: str) -> set[str]:
    found = select(organizations.c.slug).where(organizations.c.slug.startswith(prefix))
    return set(tx.execute(found).scalars())


def add(tx: Tx, slug: str) -> str:
    use_cases.create(tx, name="Some", slug=slug, now=NOW)
    return slug


def add_and_fail(tx: Tx, slug: str) -> None:
    add(tx, slug)
    raise LookupError(slug)


@pytest.fixture
def prefix() -> str:
    import uuid

    return f"db-{uuid.uuid4().hex[:12]}-"


async def test_write_returns_what_the_unit_returns_and_keeps_it(db: Database, prefix: str) -> None:
    assert await db.write(add, f"{prefix}a") == f"{prefix}a"
    assert await db.read(names, prefix) == {f"{prefix}a"}


async def test_a_unit_that_fails_leaves_nothing_and_its_error_comes_through(
    db: Database, prefix: str
) -> None:
    with pytest.raises(LookupError):
        await db.write(add_and_fail, f"{prefix}a")
    assert await db.read(names, prefix) == set()


async def test_units_that_fail_do_not_disturb_their_neighbours(db: Database, prefix: str) -> None:
    units = [db.write(add if i % 3 else add_and_fail, f"{prefix}{i}") for i in range(60)]
    results = await asyncio.gather(*units, return_exceptions=True)
    kept = {f"{prefix}{i}" for i in range(60) if i % 3}
    assert {result for result in results if isinstance(result, str)} == kept
    assert sum(isinstance(result, LookupError) for result in results) == 20
    assert await db.read(names, prefix) == kept


async def test_a_statement_that_fails_does_not_disturb_its_neighbours(db: Database, prefix: str) -> None:
    def break_a_constraint(tx: Tx) -> None:
        tx.execute(text("INSERT INTO organizations (id) VALUES ('only an id')"))

    units: list[Any] = [db.write(add, f"{prefix}{i}") for i in range(10)]
    units[5:5] = [db.write(break_a_constraint)]
    results = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(results[5], DBAPIError)
    assert await db.read(names, prefix) == {f"{prefix}{i}" for i in range(10)}


async def test_rehearse_answers_and_undoes(db: Database, prefix: str) -> None:
    assert await db.rehearse(add, f"{prefix}a") == f"{prefix}a"
    assert await db.read(names, prefix) == set()
    with pytest.raises(LookupError):
        await db.rehearse(add_and_fail, f"{prefix}b")


async def test_read_sees_one_snapshot(db: Database, prefix: str) -> None:
    loop = asyncio.get_running_loop()
    written = asyncio.Event()

    def twice(tx: Tx) -> tuple[set[str], set[str]]:
        before = names(tx, prefix)
        if tx.dialect.name == "sqlite":  # runs in a reader thread
            asyncio.run_coroutine_threadsafe(write(), loop).result(10)
        else:
            from sqlalchemy.util import await_only

            await_only(write())
        return before, names(tx, prefix)

    async def write() -> None:
        await db.write(add, f"{prefix}a")
        written.set()

    assert await db.read(twice) == (set(), set())
    assert written.is_set()
    assert await db.read(names, prefix) == {f"{prefix}a"}


@pytest.mark.parametrize("bad", [datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=UTC)])  # noqa: DTZ001
async def test_naive_times_and_fractions_of_a_second_are_refused(
    db: Database, org: Org, bad: datetime
) -> None:
    def put(tx: Tx) -> None:
        row = tx.execute(select(organizations).where(organizations.c.id == org.id)).one()
        values = dict(row._mapping) | {"id": "org_bad", "slug": "bad", "created_at": bad}
        tx.execute(insert(organizations), values)

    with pytest.raises(StatementError, match="not a zoned instant in whole seconds"):
        await db.write(put)


async def test_a_closed_database_refuses(url: str, prefix: str) -> None:
    database = open_database(url, pool_size=2)
    await database.write(add, f"{prefix}a")
    await database.close()
    if url.startswith("sqlite"):
        with pytest.raises(Unavailable):
            await database.write(add, f"{prefix}b")


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody@127.0.0.1:1/nothing", "sqlite:////nonexistent/folder/kalends.db"],
)
async def test_a_database_out_of_reach_is_unavailable(url: str, prefix: str) -> None:
    database = open_database(url, pool_size=1)
    try:
        for use in (database.read, database.read_one):
            with pytest.raises(Unavailable):
                await use(names, prefix)
        for use in (database.write, database.write_one, database.rehearse):
            with pytest.raises(Unavailable):
                await use(add, f"{prefix}a")
        with pytest.raises(Unavailable):
            await database.migrate()
    finally:
        await database.close()


@pytest.mark.parametrize(
    "url", ["mysql://root:secret@localhost/db", "sqlite://", "sqlite:///:memory:", "x", ""]
)
def test_other_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ValueError, match="database URL must be") as refused:
        open_database(url, pool_size=1)
    assert "secret" not in str(refused.value)


async def test_a_busy_sqlite_file_is_unavailable_and_recovers(
    tmp_path: Any, sqlite_template: Any, prefix: str
) -> None:
    import shutil
    import sqlite3

    from kalends.db.sqlite import SqliteDatabase

    shutil.copy(sqlite_template, tmp_path / "k.db")
    database = SqliteDatabase(tmp_path / "k.db", readers=1, wait_seconds=0.1)
    other = sqlite3.connect(tmp_path / "k.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="busy"):
            await database.write(add, f"{prefix}a")
        other.execute("ROLLBACK")
        await database.write(add, f"{prefix}a")
    finally:
        other.close()
        await database.close()


async def test_a_full_sqlite_disk_is_unavailable_and_recovers(
    tmp_path: Any, sqlite_template: Any, prefix: str
) -> None:
    import shutil

    shutil.copy(sqlite_template, tmp_path / "k.db")
    database = open_database(f"sqlite:///{tmp_path / 'k.db'}", pool_size=1)

    def limit(tx: Tx, extra_pages: int) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages + extra_pages}")

    def fill(tx: Tx) -> None:
        for i in range(300):
            use_cases.create(tx, name="x" * 250, slug=f"{prefix}fill-{i}", now=NOW)

    try:
        await database.write(add, f"{prefix}a")
        await database.write(limit, 1)
        results = await asyncio.gather(
            database.write(add, f"{prefix}b"), database.write(fill), return_exceptions=True
        )
        assert isinstance(results[1], Unavailable)
        assert "disk is full" in results[1].message
        # The neighbour was acknowledged only if it is there.
        there = await database.read(names, prefix)
        assert (f"{prefix}b" in there) == (not isinstance(results[0], Refusal))
        await database.write(limit, 10_000)
        await database.write(fill)
    finally:
        await database.close()


async def test_serialization_failures_are_run_again(postgres_url: str) -> None:
    database = open_database(postgres_url, pool_size=2)
    runs = 0

    def fail_twice(tx: Tx) -> str:
        nonlocal runs
        runs += 1
        if runs < 3:
            tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))
        return "done"

    def fail_always(tx: Tx) -> None:
        tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$"))

    try:
        assert await database.write(fail_twice) == "done"
        assert runs == 3
        with pytest.raises(Unavailable):
            await database.write(fail_always)
    finally:
        await database.close()


async def test_a_connection_that_died_is_replaced(postgres_url: str, prefix: str) -> None:
    database = open_database(postgres_url, pool_size=1)

    def own_pid(tx: Tx) -> int:
        return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def kill(tx: Tx, pid: int) -> None:
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    killer = open_database(postgres_url, pool_size=1)
    try:
        await killer.write(kill, await database.read(own_pid))
        await asyncio.sleep(0.2)
        assert await database.read(names, prefix) == set()  # a read is simply run again
        await killer.write(kill, await database.read(own_pid))
        await asyncio.sleep(0.2)
        try:
            await database.write(add, f"{prefix}a")
        except Unavailable:
            await database.write(add, f"{prefix}a")
        assert await database.read(names, prefix) == {f"{prefix}a"}
    finally:
        await killer.close()
        await database.close()
