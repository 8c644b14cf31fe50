"""The application from create_app, called over ASGI; its clock stands at noon on 20 January 2024."""

import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.courier import Courier
from kalends.db.database import Database
from kalends.delivery.webhooks import Poster
from kalends.settings import Settings
from kalends.worker import Worker
from tests.api.counter import Counter
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, open_desk, week
from tests.support.organizations import Org, counts, make_org


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    app = create_app(
        Settings(database_url=url, cors_origins=("https://app.example",), worker=False), clock=clock
    )
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def db(app: FastAPI) -> Database:
    database: Database = app.state.context.database
    return database


@pytest.fixture
async def org(db: Database, clock: StoppedClock) -> Org:
    return await make_org(db, clock.now())


@pytest.fixture
async def client(app: FastAPI, org: Org) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `org`, with a key for everything."""
    async with client_of(app, org.key) as client:
        yield client


@pytest.fixture
async def worker(db: Database, clock: StoppedClock) -> AsyncIterator[Worker]:
    """A worker that works when told, and sends no mail."""
    poster = Poster(allow_private=True)
    yield Worker(db, clock, Courier(db, clock, poster, None), events_kept=timedelta(days=30))
    await poster.close()


@pytest.fixture
async def page(app: FastAPI) -> Desk:
    return await open_desk(app)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Where names lead. Nobody is asked: every other name leads nowhere, and the spellings of addresses are
    the system's own."""
    known = {
        "hook.example": ["93.184.216.34"],
        "other.example": ["2606:2800:220:1::1", "93.184.216.34"],
        "localhost": ["127.0.0.1"],
        "inside.example": ["10.1.2.3"],
        "inside6.example": ["fd00::1"],
        "both.example": ["93.184.216.34", "127.0.0.1"],
        "mapped.example": ["::ffff:169.254.169.254"],
    }
    system = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        found = known.get(name.lower(), [name])
        named["flags"] = socket.AI_NUMERICHOST
        return [each for address in found for each in system(address, port, *rest[:3], **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
async def counter(app: FastAPI, org: Org) -> Counter:
    """Open round the clock, from now on and for ever; an hour each, every hour."""
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(minNoticeHours=0, maxDaysAhead=None)
    return Counter(desk)


@pytest.fixture
async def nothing_stored(db: Database, org: Org) -> AsyncIterator[None]:
    """What is asked and what is refused leaves nothing behind."""
    before = await db.read(counts, org.id)
    yield
    assert await db.read(counts, org.id) == before
