"""Behind a proxy that serves the API below a path, whether or not the proxy takes that path off."""

import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, by_api, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SITE = "https://clinic.example"
BASE = f"{SITE}/our%20clinic/booking"
PREFIX = "/our clinic/booking"


def stripping(app: ASGIApp) -> ASGIApp:
    """A proxy that takes the prefix off."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        assert path.startswith(f"{PREFIX}/"), path
        await app({**scope, "path": path.removeprefix(PREFIX)}, receive, send)

    return proxy


def plain(app: ASGIApp) -> ASGIApp:
    """A proxy that hands on what it gets."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"].startswith(f"{PREFIX}/"), scope["path"]
        await app(scope, receive, send)

    return proxy


Proxy = Callable[[ASGIApp], ASGIApp]


@pytest.fixture
async def app(url: str) -> AsyncIterator[FastAPI]:
    settings = Settings(database_url=url, worker=False, public_url=f"{BASE}/")
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def page(app: FastAPI) -> Desk:
    return await open_desk(app)


def client_behind(proxy: Proxy, app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(proxy(app)))


async def shown(client: httpx.AsyncClient, address: str) -> list[str]:
    """Every address that the page of the documentation asks for, as its browser does."""
    page = await client.get(address)
    assert page.status_code == 200
    found = re.findall(r"""(?:src|href)=["']([^"']+)["']|url:\s*'([^']+)'""", page.text)
    return [urljoin(address, one or other) for one, other in found]


@pytest.mark.parametrize("proxy", [stripping, plain])
async def test_the_documentation_and_its_calls_are_below_the_prefix(
    app: FastAPI, page: Desk, proxy: Proxy
) -> None:
    async with client_behind(proxy, app) as client:
        addresses = await shown(client, f"{BASE}/docs")
        assert f"{BASE}/openapi.json" in addresses
        assert len(addresses) == 4
        for address in addresses:
            assert address.startswith(f"{BASE}/")
            assert (await client.get(address)).status_code == 200
        document = (await client.get(f"{BASE}/openapi.json")).json()
        server = document["servers"][0]["url"]
        assert server == BASE
        key = {"Authorization": page.staff.headers["authorization"]}
        answered(await client.get(f"{server}/v1/organization", headers=key), "organization")
        refused(await client.get(f"{server}/v1/organization"), 401, "unauthorized")
        assert (await client.get(f"{server}/readyz")).status_code == 200
        assert (await client.head(f"{server}/healthz")).status_code == 200
        refused(await client.get(f"{server}/nothing"), 404, "not_found")
        allowed = await client.delete(f"{server}/v1/organization", headers=key)
        assert (allowed.status_code, allowed.headers["allow"]) == (405, "GET, HEAD, PATCH")
        missing = await client.get(f"{server}/v1/webhooks/whk_x", headers=key)
        assert missing.json()["success"] is False


@pytest.mark.parametrize("proxy", [stripping, plain])
async def test_links_lead_back_through_the_proxy(app: FastAPI, page: Desk, proxy: Proxy) -> None:
    link = by_api((await page.booked_by_client())["manage_url"])
    feed = (await page.staff.post("/v1/calendar/feeds", json={})).json()["url"]
    async with client_behind(proxy, app) as client:
        answered(await client.get(link), "appointment")
        assert (await client.get(f"{link}.ics")).status_code == 200
        assert (await client.get(feed)).status_code == 200
        moved = await client.post(f"{link}/reschedule", json={"start_time": "2024-01-26T14:00:00Z"})
        answered(moved, "appointment")


async def test_without_a_proxy_the_same_is_there_without_the_prefix(page: Desk) -> None:
    answered(await page.staff.get("/v1/organization"), "organization")
    for address in await shown(page.client, "http://kalends.test/docs"):
        assert address.startswith("http://kalends.test/")
        assert (await page.client.get(address)).status_code == 200


async def test_the_documentation_is_below_a_prefix_nobody_told_of(url: str) -> None:
    app = create_app(Settings(database_url=url, worker=False), clock=StoppedClock())
    async with app.router.lifespan_context(app), client_behind(stripping, app) as client:
        for address in await shown(client, f"{BASE}/docs"):
            assert (await client.get(address)).status_code == 200
        document = (await client.get(f"{BASE}/openapi.json")).json()
        assert document["servers"][0]["url"] == "/"


@pytest.mark.parametrize("path", ["/v1", "/v1/booking", "/docs", "/manage"])
async def test_a_prefix_that_is_called_like_a_path_of_ours_is_never_taken_off(url: str, path: str) -> None:
    settings = Settings(database_url=url, worker=False, public_url=f"{SITE}{path}")
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        page = await open_desk(app)
        answered(await page.staff.get("/v1/organization"), "organization")
        for address in await shown(page.client, "http://kalends.test/docs"):
            assert (await page.client.get(address)).status_code == 200
