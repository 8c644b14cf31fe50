"""`/readyz` says whether the database can be written to, and asks that seldom."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends import zone_data
from kalends.api import readiness
from kalends.api.readiness import Readiness
from kalends.app import create_app
from kalends.core.errors import Unavailable
from kalends.db.database import Database, Tx
from kalends.db.tables import zone_data as noted
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def server_of(url: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=url, worker=False), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


async def ready(app: FastAPI) -> httpx.Response:
    async with client_of(app, None) as client:
        return await client.get("/readyz")


async def anew() -> None:
    """Wait until an answer is not shared any longer."""
    await asyncio.sleep(readiness.SHARED_SECONDS + 0.1)


async def test_it_is_ready_and_leaves_nothing_behind(own_url: str) -> None:
    async with server_of(own_url) as app:
        assert (await ready(app)).json() == {"status": "ok", "zone_data": zone_data.choose()}
        versions = await app.state.context.database.read(
            lambda tx: set(tx.execute(select(noted.c.version)).scalars())
        )
        assert versions == {zone_data.choose()}


async def test_a_full_disk_is_told(tmp_path: Path, own_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    if own_url.startswith("postgresql"):
        pytest.skip("a full disk ends PostgreSQL's own process")

    def room(tx: Tx, pages: int) -> None:
        """Let the file grow by so many pages, and use up those that are free."""
        present = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {present + pages}")

    async with server_of(own_url) as app:
        database = app.state.context.database
        await database.write(room, 0)
        refusal = refused(await ready(app), 503, "unavailable")
        assert refusal["error"] == "The server's disk is full; nothing was changed."
        assert "the disk is full. Make room." in capsys.readouterr().err
        await database.write(room, 1_000)
        assert (await ready(app)).status_code == 503, "the answer of this second"
        await anew()
        assert (await ready(app)).status_code == 200


async def test_a_database_that_can_only_be_read_is_told(
    own_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with server_of(own_url) as app:
        assert (await ready(app)).status_code == 200
        async with read_only(app, own_url):
            await anew()
            refused(await ready(app), 503, "unavailable")
            assert "read-only" in capsys.readouterr().err
        if own_url.startswith("postgresql"):
            await anew()
            assert (await ready(app)).status_code == 200


@contextlib.asynccontextmanager
async def read_only(app: FastAPI, url: str) -> AsyncIterator[None]:
    """Make the database as a standby is, or the file as on a disk that is mounted read-only. That one stays
    so."""
    if url.startswith("sqlite"):
        await app.state.context.database.write(
            lambda tx: tx.exec_driver_sql("PRAGMA query_only = 1") and None
        )
        yield
        return
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    name = await connection.fetchval("SELECT current_database()")
    try:
        for value in ("on", "off"):
            await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if value == "on":
                yield
    finally:
        await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await connection.close()


class CountingDatabase:
    """Counts what is written, and fails if it is told to."""

    def __init__(self) -> None:
        self.writes = 0
        self.error: Exception | None = None

    async def write(self, *_: Any) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, Unavailable("Full.")])
async def test_however_often_it_is_asked_it_writes_once_a_second(error: Exception | None) -> None:
    database = CountingDatabase()
    database.error = error
    checked = Readiness(cast(Database, database), StoppedClock(), "2026a")
    for _ in range(3):
        asked = (checked.check() for _ in range(50))
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert set(results) == {error}
    assert database.writes == 1
    await anew()
    with contextlib.suppress(Unavailable):
        await checked.check()
    assert database.writes == 2
