"""The application from create_app, called over ASGI; its clock stands at noon on 20 January 2024."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.courier import Courier
from kalends.db.database import Database
from kalends.delivery.webhooks import Poster
from kalends.settings import Settings
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org


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


def client_of(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://kalends.test", headers=headers
    )


@pytest.fixture
async def worker(db: Database, clock: StoppedClock) -> AsyncIterator[Worker]:
    """A worker that works when told, and sends no mail."""
    poster = Poster(allow_private=True)
    yield Worker(db, clock, Courier(db, clock, poster, None), events_kept=timedelta(days=30))
    await poster.close()
