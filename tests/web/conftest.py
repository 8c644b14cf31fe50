"""Pages of an application that is called over ASGI, as a browser asks for them."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from kalends.app import create_app
from kalends.db.database import Database
from kalends.settings import Settings
from tests.support.browser import Visit, launched, served, visiting
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org
from tests.web.browsers import browser_of
from tests.web.clients import Client, client_at


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=url, worker=False), clock=clock)
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
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(app) as browser:
        yield browser


@pytest.fixture
async def client(app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock) -> Client:
    """Of an organization that is open from nine to five."""
    return await client_at(app, browser, clock)


@pytest.fixture(scope="session")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    """The one real browser of all tests."""
    async with launched() as chromium:
        yield chromium


@pytest.fixture
async def visit(chromium: Browser, app: FastAPI) -> AsyncIterator[Visit]:
    """Opens windows of the real browser at a real server of the application."""
    async with served(app) as base, visiting(chromium, base) as visit:
        yield visit
