"""What surrounds the calls: health, documentation, CORS, request ids, the log, unknown paths."""

import json
import re
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI

from kalends.db import migrating
from kalends.db.database import Database
from kalends.services.booking import bookings
from kalends.telemetry import configure
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.databases import on_sqlite
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

PATH = "/v1/calendar/appointments"


async def test_health_needs_no_key(app: FastAPI) -> None:
    async with client_of(app, None) as client:
        for path in ("/healthz", "/readyz"):
            response = await client.get(path)
            assert (response.status_code, response.json()["status"]) == (200, "ok")


async def test_not_ready_before_the_schema_is(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "newest", lambda: "9999")
    body = refused(await client.get("/readyz"), 503, "schema_outdated")
    assert "run `kalends migrate`" in body["error"]
    assert (await client.get("/healthz")).status_code == 200


async def test_the_documentation_asks_nothing_of_the_internet(app: FastAPI) -> None:
    async with client_of(app, None) as client:
        page = (await client.get("/docs")).text
        addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']|url:\s*'([^']+)'""", page)
        found = [one or other for one, other in addresses]
        assert len(found) >= 3
        for address in found:
            assert not address.startswith(("/", "http")), address  # relative: the rest is the proxy's
            assert (await client.get(urljoin("/docs", address))).status_code == 200
        assert "https://" not in page


async def test_the_documentation_keeps_the_key_and_can_be_filtered(app: FastAPI) -> None:
    async with client_of(app, None) as client:
        page = (await client.get("/docs")).text
    said = dict(re.findall(r'^"?(\w+)"?: (true|false),?$', page, re.MULTILINE))
    assert (said.get("persistAuthorization"), said.get("filter")) == ("true", "true")


@on_sqlite
@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
async def test_the_root_leads_to_the_documentation(app: FastAPI, accept: str) -> None:
    """By a relative address, which is right behind a path prefix, too."""
    async with client_of(app, None) as client:
        response = await client.get("/", headers={"Accept": accept})
        assert (response.status_code, response.headers["location"]) == (307, "docs")
        followed = await client.get("/", follow_redirects=True)
        assert (followed.status_code, followed.url.path) == (200, "/docs")


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    refused(await client.get("/v1/nothing"), 404, "not_found")
    refused(await client.get("/nothing"), 404, "not_found")
    refused(await client.get(f"{PATH}/"), 404, "not_found")
    refused(await client.get(f"{PATH}/../../etc/passwd"), 404, "not_found")
    for path, allowed in (
        (PATH, {"GET", "HEAD", "PATCH", "POST"}),
        (f"{PATH}/apt_x", {"GET", "HEAD", "PATCH"}),
        ("/v1/calendar/appointment-types", {"GET", "HEAD", "POST", "PUT"}),
        ("/v1/calendar/overrides/holidays", {"POST"}),
        ("/v1/calendar/overrides/ovr_x", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("/healthz", {"GET", "HEAD"}),
    ):
        response = await client.request("PROPFIND", path)
        refused(response, 405, "method_not_allowed")
        assert set(response.headers["allow"].split(", ")) == allowed


async def test_request_ids_are_honoured_or_made(client: httpx.AsyncClient) -> None:
    mine = await client.get("/v1/nothing", headers={"X-Request-Id": "trace-42"})
    assert mine.headers["x-request-id"] == "trace-42"
    for unfit in ("", "x" * 129, "two words"):
        made = (await client.get("/healthz", headers={"X-Request-Id": unfit})).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


async def test_browsers_of_known_origins_may_call(app: FastAPI, org: Org) -> None:
    known = {"Origin": "https://app.example"}
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    async with client_of(app, None) as client:
        asked = await client.options(PATH, headers=known | ask)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://app.example"
        stranger = await client.options(PATH, headers={"Origin": "https://evil.example"} | ask)
        assert "access-control-allow-origin" not in stranger.headers
        # Refusals must be readable, too.
        refusal = await client.post(PATH, json={}, headers=known)
        refused(refusal, 401, "unauthorized")
        assert refusal.headers["access-control-allow-origin"] == "https://app.example"
    async with client_of(app, org.key) as client:
        made = await client.post(PATH, json=org.wish(), headers=known)
        answered(made, "appointment")
        assert "X-RateLimit-Remaining" in made.headers["access-control-expose-headers"]


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


async def test_one_log_line_per_request_without_personal_data(
    client: httpx.AsyncClient, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    wish = org.wish(client_notes="secret notes", internal_notes="very secret")
    await client.post(PATH, json=wish, headers={"X-Request-Id": "one"})
    await client.post(PATH, json=wish, headers={"X-Request-Id": "two"})
    await client.post(f"{PATH}?name=Jane", content=b"{Jane", headers={"X-Request-Id": "three"})
    await client.get("/v1/jane@example.com", headers={"X-Request-Id": "four"})
    written = capsys.readouterr().err
    said = lines(written)
    assert [(line["request_id"], line["status"], line["code"], line["route"]) for line in said] == [
        ("one", 200, None, PATH),
        ("two", 409, "slot_taken", PATH),
        ("three", 400, "invalid_request", PATH),
        ("four", 404, "not_found", "unmatched"),
    ]
    assert all(line["org_id"] == org.id and line["key_id"] == org.caller.key_id for line in said)
    for private in ("Jane", "jane", "+1234567890", "secret", org.key):
        assert private not in written


async def test_a_defect_is_a_500_in_the_one_shape_and_a_trace_in_the_log(
    client: httpx.AsyncClient, org: Org, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    configure("info")
    monkeypatch.setattr(bookings, "by_staff_at_once", broken)
    response = await client.post(PATH, json=org.wish(), headers={"X-Request-Id": "broken"})
    refused(response, 500, "internal_error")
    trace, line = lines(capsys.readouterr().err)
    assert "ZeroDivisionError: a bug" in trace["exception"]
    assert trace["request_id"] == line["request_id"] == "broken"
    assert (line["status"], line["code"]) == (500, "internal_error")


async def test_a_database_error_does_not_put_the_row_in_the_log(
    client: httpx.AsyncClient,
    db: Database,
    org: Org,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from kalends.core import lifecycle, offered

    def backwards(start: Any, **_: Any) -> lifecycle.Occupancy:
        return lifecycle.Occupancy(start, start, start, start)  # breaks a CHECK of the table

    configure("info")
    monkeypatch.setattr(offered, "occupy", backwards)
    refused(await client.post(PATH, json=org.wish()), 500, "internal_error")
    written = capsys.readouterr().err
    assert "ck_occupations_times" in written
    for private in ("Jane", "jane", "+1234567890"):
        assert private not in written


async def test_a_database_that_is_away_is_503(
    app: FastAPI, client: httpx.AsyncClient, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator is told of it, and how often: tests/db/test_troubles.py."""
    from kalends.core.errors import OutcomeUnknown, Unavailable

    async def away(*_: object) -> None:
        raise OutcomeUnknown

    monkeypatch.setattr(type(app.state.context.database), "write_one", away)
    refused(await client.post(PATH, json=org.wish()), 503, "outcome_unknown")

    async def gone(*_: object) -> None:
        raise Unavailable from ConnectionError("refused")

    monkeypatch.setattr(type(app.state.context.callers), "get", gone)
    refused(await client.post(PATH, json=org.wish()), 503, "unavailable")
