"""What comes with pages, and what does not come with the API."""

import re

import httpx
import pytest
from starlette.responses import Response

from kalends.app import create_app
from kalends.settings import Settings
from kalends.web.headers import Headers, policy
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import open_desk
from tests.support.organizations import Org
from tests.web.browsers import OURS, browser_of

pytestmark = pytest.mark.anyio

STRICT = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@on_sqlite
async def test_every_answer_for_people_is_strict(browser: httpx.AsyncClient, org: Org) -> None:
    for path in ("/", "/nothing", "/robots.txt", "/favicon.ico", f"/{org.slug}/theme.css", "/static/x.js"):
        for answer in (await browser.get(path), await browser.post(path), await browser.head(path)):
            assert STRICT.items() <= dict(answer.headers).items(), path
            assert "strict-transport-security" not in answer.headers
            assert "set-cookie" not in answer.headers


@on_sqlite
@pytest.mark.parametrize(
    ("path", "kept"),
    [("/nothing", "no-cache"), ("/manage/token", "no-store"), ("/staff/day", "no-store"), ("/x", "no-cache")],
)
async def test_how_long_a_page_is_kept(browser: httpx.AsyncClient, path: str, kept: str) -> None:
    assert (await browser.get(path)).headers["cache-control"] == kept
    assert (await browser.post(path, headers=OURS)).headers["cache-control"] == kept


@on_sqlite
async def test_the_api_is_as_it_was(browser: httpx.AsyncClient) -> None:
    for path in ("/v1/keys", "/v1/public/nobody", "/docs", "/healthz"):
        answer = await browser.get(path)
        assert not STRICT.keys() & answer.headers.keys(), path


async def test_a_page_names_who_may_embed_it() -> None:
    """What an answer says itself stays."""
    own = {
        "Content-Security-Policy": policy(["https://a.example", "https://b.example"]),
        "cache-control": "x",
    }
    app = Headers(Response("", headers=own))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        answer = await client.get("/sun")
    assert answer.headers["content-security-policy"].endswith(
        "frame-ancestors https://a.example https://b.example"
    )
    assert answer.headers.get_list("cache-control") == ["x"]


def test_no_policy_is_unsafe() -> None:
    assert not re.search(r"unsafe|\*|https?:", policy())


@on_sqlite
async def test_pages_are_counted_by_address_and_files_are_not(browser: httpx.AsyncClient, org: Org) -> None:
    async def left(method: str, path: str) -> int:
        answer = await browser.request(method, path, headers=OURS)
        return int(answer.headers["x-ratelimit-remaining"])

    assert await left("GET", "/nothing") == 999
    assert await left("HEAD", "/nothing") == 998
    assert await left("POST", "/nothing") == 988
    assert await left("GET", f"/v1/public/{org.slug}") == 987
    for path in (
        "/static/x.css",
        "/favicon.ico",
        "/robots.txt",
        "/embed.js",
        "/docs",
        "/healthz",
    ):
        assert "x-ratelimit-remaining" not in (await browser.get(path)).headers
    assert await left("GET", "/") == 986
    # They are read from the database; browsers ask for them once.
    assert await left("GET", f"/{org.slug}/theme.css") == 985
    assert await left("GET", f"/{org.slug}/logo") == 984


@on_sqlite
async def test_a_client_with_a_link_is_not_shut_out_by_others_at_the_address(url: str) -> None:
    app = create_app(
        Settings(database_url=url, worker=False, public_requests_per_hour=40), clock=StoppedClock()
    )
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        desk = await open_desk(app)
        token = (await desk.booked_by_client())["manage_token"]
        statuses = [(await browser.post("/nothing", headers=OURS)).status_code for _ in range(5)]
        assert statuses[-1] == 429
        assert (await browser.get("/manage/unknown")).status_code == 429
        assert (await browser.get(f"/manage/{token}")).status_code != 429
        assert (await browser.post(f"/manage/{token}/cancel", headers=OURS)).status_code != 429
