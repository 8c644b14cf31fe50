"""What is public is counted by addresses, and may be called by pages of some origins."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, TYPES, open_desk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other_app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    """A server that counts 25 requests of each address, and lets pages of one origin call what is public."""
    settings = Settings(
        database_url=url,
        worker=False,
        public_requests_per_hour=25,
        cors_origins=("https://app.example",),
        public_cors_origins=("https://book.example",),
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        yield app


def coming_from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://kalends.test")


async def test_requests_are_counted_by_address_and_writes_as_ten(other_app: FastAPI) -> None:
    async with coming_from(other_app, "203.0.113.7") as client:
        page = await open_desk(other_app)

        async def left(method: str, path: str, **sent: Any) -> int:
            response = await client.request(method, path, **sent)
            assert response.headers["x-ratelimit-limit"] == "25"
            assert int(response.headers["x-ratelimit-reset"]) > 0
            return int(response.headers["x-ratelimit-remaining"])

        # Refused or not, known or not: whatever is public is one account.
        assert await left("GET", page.path) == 24
        assert await left("POST", f"{page.path}/holds", json=page.wish()) == 14
        assert await left("HEAD", "/v1/public/nobody") == 13
        assert await left("POST", f"{LINKS}/unknown/cancel", content=b"{") == 3
        assert await left("GET", f"{LINKS}/unknown") == 2
        booking = await client.post(f"{page.path}/appointments", json=page.wish())
        body = refused(booking, 429, "rate_limited")
        assert body["error"].startswith("This address's 25 requests for the hour are used up")
        assert body["details"]["limit"] == 25
        assert booking.headers["x-ratelimit-remaining"] == "0"
        refused(await client.get(page.path), 429, "rate_limited")
        # Others are not touched by it, nor are keys.
        async with coming_from(other_app, "203.0.113.8") as neighbour:
            assert (await neighbour.get(page.path)).headers["x-ratelimit-remaining"] == "24"
        key = {"Authorization": page.staff.headers["authorization"]}
        assert (await client.get(TYPES, headers=key)).headers["x-ratelimit-limit"] == "1000000"


async def test_an_ipv6_network_is_one_address(other_app: FastAPI) -> None:
    for one, another, together in (
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:5:6::1", "2001:db8:5:7::1", False),
        ("::ffff:203.0.113.1", "203.0.113.1", True),
        ("::ffff:203.0.113.2", "::ffff:203.0.113.3", False),
        ("a-socket", "another-socket", False),
    ):
        async with coming_from(other_app, one) as first, coming_from(other_app, another) as second:
            await first.get("/v1/public/nobody")
            left = (await second.get("/v1/public/nobody")).headers["x-ratelimit-remaining"]
        assert left == ("23" if together else "24"), one


async def test_pages_of_some_origins_may_call_what_is_public_only(other_app: FastAPI) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    page = await open_desk(other_app)
    for origin, public, elsewhere in (
        ("https://book.example", True, False),
        ("https://app.example", True, True),
        ("https://evil.example", False, False),
    ):
        for path, allowed in ((f"{page.path}/holds", public), (APPOINTMENTS, elsewhere)):
            preflight = await page.client.options(path, headers={"Origin": origin} | asked)
            told = preflight.headers.get("access-control-allow-origin")
            assert (preflight.status_code, told) == ((200, origin) if allowed else (400, None))
            response = await page.staff.get(path.removesuffix("/holds"), headers={"Origin": origin})
            assert response.status_code == 200
            assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
    # What is refused must be readable, too.
    for _ in range(3):
        last = await page.post("appointments", {"Origin": "https://book.example"}, start_time="?")
    refused(last, 429, "rate_limited")
    assert last.headers["access-control-allow-origin"] == "https://book.example"
    assert "Retry-After" in last.headers["access-control-expose-headers"]
