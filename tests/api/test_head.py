"""HEAD is answered as GET is, without a body, wherever there is a GET."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from kalends.telemetry import configure
from tests.api.operations import MAIL, OPERATIONS, OneOfEverything
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.organizations import make_org

pytestmark = pytest.mark.anyio

UNGUARDED = (
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/assets/swagger-ui.css",
    "/docs/assets/nothing.css",
    "/nothing",
)
COUNTED = ("x-request-id", "x-ratelimit-remaining")
"""What differs from one answer to the next."""


@pytest.fixture
async def house(url: str) -> AsyncIterator[OneOfEverything]:
    app = create_app(Settings(database_url=url, worker=False, metrics=True, **MAIL), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, StoppedClock().now())
        async with client_of(app, org.key) as client:
            house = OneOfEverything(org, client)
            await house.furnish()
            yield house


def same(got: httpx.Response, asked: httpx.Response) -> None:
    """Assert that what HEAD was answered is what GET was, but for the body."""
    assert asked.status_code == got.status_code
    assert asked.content == b""
    assert {name: value for name, value in asked.headers.items() if name not in COUNTED} == {
        name: value for name, value in got.headers.items() if name not in COUNTED
    }
    if "content-length" in got.headers:
        assert int(asked.headers["content-length"]) == got.num_bytes_downloaded
    else:  # nothing is sent, or a file is compressed as it is read
        assert got.status_code == 304 or got.headers["content-encoding"] == "gzip"


@pytest.mark.slow
@on_sqlite
async def test_head_is_get_without_a_body(house: OneOfEverything, subtests: pytest.Subtests) -> None:
    client = house.client
    calls = [
        (house.path(path, operation), house.query(operation))
        for method, path, operation in OPERATIONS
        if method == "GET"
    ]
    for path, query in (*calls, *((each, {}) for each in UNGUARDED)):
        with subtests.test(path):
            got, asked = await client.get(path, params=query), await client.head(path, params=query)
            assert got.is_success is ("nothing" not in path)
            same(got, asked)
            if "x-ratelimit-remaining" in got.headers:
                left = [int(each.headers["x-ratelimit-remaining"]) for each in (got, asked)]
                assert left[0] - left[1] == 1  # counted as a GET is, of clients without a key, too
            if (tag := got.headers.get("etag")) and ".ics" in path:
                known = {"If-None-Match": tag}
                unchanged = await client.get(path, headers=known)
                assert unchanged.status_code == 304
                same(unchanged, await client.head(path, headers=known))


@on_sqlite
async def test_a_refused_head_has_no_body_either(house: OneOfEverything) -> None:
    client = house.client
    for path, status in (
        ("/v1/calendar/appointments/apt_x", 404),
        ("/v1/calendar/appointments?limit=0", 400),
        ("/v1/webhooks?limit=x", 400),
        ("/v1/public/nobody", 404),
    ):
        got = await client.get(path)
        assert got.status_code == status
        same(got, await client.head(path))
    without = {"Authorization": ""}
    same(
        await client.get("/v1/webhooks", headers=without), await client.head("/v1/webhooks", headers=without)
    )
    refusal = await client.head(f"/v1/webhooks/{house.ids['webhooks']}/test")
    assert (refusal.status_code, refusal.headers["allow"], refusal.content) == (405, "POST", b"")


@on_sqlite
async def test_head_needs_a_key_with_the_scope_too(house: OneOfEverything) -> None:
    made = (await house.client.post("/v1/keys", json={"scopes": ["delete"]})).json()
    async with client_of(house.client._transport.app, made["secret"]) as other:  # type: ignore[attr-defined]
        refusal = await other.head("/v1/calendar/appointments")
    assert (refusal.status_code, refusal.content) == (403, b"")


@on_sqlite
async def test_allow_names_head_wherever_get_is(house: OneOfEverything) -> None:
    for path, allowed in (
        ("/v1/calendar/appointments", "GET, HEAD, PATCH, POST"),
        ("/v1/webhooks/x/test", "POST"),
        ("/v1/public/demo", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/docs/assets/swagger-ui.css", "GET, HEAD"),
    ):
        for method in ("PROPFIND", "OPTIONS"):
            response = await house.client.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, allowed)


@on_sqlite
async def test_the_log_and_the_metrics_say_head(
    house: OneOfEverything, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    path = f"/v1/calendar/appointments/{house.ids['appointments']}"
    await house.client.head(path)
    [line] = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert (line["method"], line["route"], line["status"]) == (
        "HEAD",
        "/v1/calendar/appointments/{id}",
        200,
    )
    told = (await house.client.get("/metrics")).text
    assert (
        'kalends_request_seconds_count{method="HEAD",route="/v1/calendar/appointments/{id}",status="200"} 1.0'
        in told
    )
    assert (await house.client.head("/metrics")).status_code == 200


@on_sqlite
async def test_a_page_may_ask_with_head(app: FastAPI) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "HEAD",
        "Access-Control-Request-Headers": "authorization",
    }
    async with client_of(app, None) as client:
        response = await client.options("/v1/calendar/appointments", headers=asked)
        assert response.status_code == 200
        assert "HEAD" in response.headers["access-control-allow-methods"].split(", ")
