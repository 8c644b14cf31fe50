"""What pages of other origins can send and read: every answer, and every header there is."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import kalends.api
from kalends.api.cors import ACCEPTED, EXPOSED, METHODS, Cors
from kalends.api.last_net import LastNet
from kalends.api.trail import trail_of
from kalends.core.errors import Unavailable
from kalends.services.booking import bookings, slots
from kalends.services.setup import organizations
from kalends.telemetry import configure
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.desk import Desk
from tests.support.documents import complete
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

PAGE = {"Origin": "https://app.example"}
BOOKINGS = "/v1/calendar/appointments"
ALLOWANCE = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
SAFE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
"""What pages may read of any answer (Fetch, section 2.2.2, CORS-safelisted response-header names)."""
BROWSERS = {"accept-encoding", "content-length", "host", "origin"}
"""What is read and pages can't set (Fetch, section 2.2.2, forbidden request-headers)."""
FOLLOWED = {"location", "content-encoding", "accept-ranges"}
"""What browsers act upon before a page sees the answer."""
PROXIES = {"x-forwarded-for", "x-forwarded-proto"}
"""What proxies say and pages don't."""


FOR_BROWSERS = {
    "content-security-policy",
    "cross-origin-opener-policy",
    "referrer-policy",
    "x-content-type-options",
}
"""What comes with answers for people: browsers act on it, and pages need not know."""


class Defect(Exception):  # noqa: N818 - ours are defects, not errors
    pass


def broken(*_: object, **__: object) -> Any:
    raise Defect("a bug")


def readable(response: httpx.Response) -> None:
    """Assert that a page can read the answer, and every header of it."""
    assert response.headers["access-control-allow-origin"] == PAGE["Origin"]
    exposed = response.headers["access-control-expose-headers"].lower().split(", ")
    unread = {
        name
        for name in response.headers
        if name not in {*exposed, *SAFE, *FOLLOWED, *FOR_BROWSERS, "vary"}
        and not name.startswith("access-control-")
    }
    assert not unread


async def test_a_defect_can_be_read_by_pages(
    app: FastAPI,
    client: httpx.AsyncClient,
    page: Desk,
    org: Org,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info")
    monkeypatch.setattr(bookings, "by_staff_at_once", broken)
    monkeypatch.setattr(slots, "found", broken)
    monkeypatch.setattr(organizations, "get", broken)
    asked = {"appointment_type_id": page.org.type_id, "from": "2024-01-22", "to": "2024-01-22"}
    for response in (
        await client.post(BOOKINGS, json=org.wish(), headers=PAGE),
        await page.client.get(f"{page.path}/slots", params=asked, headers=PAGE),
        await client.get("/v1/organization", headers=PAGE),
        await client.head("/v1/organization", headers=PAGE),
    ):
        assert response.status_code == 500
        if response.request.method != "HEAD":
            refused(response, 500, "internal_error")
        readable(response)
        assert response.headers["x-request-id"]
        assert all(response.headers[name].isdigit() for name in ALLOWANCE)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert ["exception" in line for line in told] == [True, False] * 4  # one trace for each
    for trace, line in zip(told[::2], told[1::2], strict=True):
        assert "Defect: a bug" in trace["exception"]
        assert trace["request_id"] == line["request_id"]
        assert (line["status"], line["code"]) == (500, "internal_error")
        assert line["route"] != "unmatched"
    assert [line["method"] for line in told[1::2]] == ["POST", "GET", "GET", "HEAD"]


async def test_a_defect_of_the_gate_can_be_read_by_pages(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(app.state.context.callers), "get", broken)
    response = await client.get(BOOKINGS, headers=PAGE)
    refused(response, 500, "internal_error")
    readable(response)


async def test_a_defect_of_what_is_outside_is_answered_and_logged_all_the_same(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    monkeypatch.setattr(Cors, "__call__", broken)
    refused(await client.get(BOOKINGS), 500, "internal_error")
    trace, line = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert "Defect: a bug" in trace["exception"]
    assert (line["event"], line["status"], line["code"]) == ("request", 500, "internal_error")


async def test_a_defect_after_the_headers_adds_nothing() -> None:
    sent: list[Any] = []

    async def half(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Defect

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "path": "/v1/x", "state": {}}
    await LastNet(half)(scope, broken, send)
    assert sent == ["http.response.start"]
    assert trail_of(scope).refused == "internal_error"


@pytest.mark.slow
async def test_every_refusal_can_be_read_by_pages(
    app: FastAPI, page: Desk, org: Org, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = app.state.context
    few = await make_org(context.database, context.clock.now(), requests_per_hour=1)
    reader = (await client.post("/v1/keys", json={"scopes": ["read"]})).json()["secret"]
    feed = (await client.post("/v1/calendar/feeds", json={})).json()["url"]
    file = await client.get(feed, headers=PAGE)
    once = PAGE | {"Idempotency-Key": "once"}
    large = PAGE | {"Content-Type": "application/json"}
    async with client_of(app, few.key) as limited, client_of(app, reader) as reading:
        await limited.get(BOOKINGS)
        answers = [
            (200, file),
            (304, await client.get(feed, headers=PAGE | {"If-None-Match": file.headers["etag"]})),
            (200, await client.post(BOOKINGS, json=org.wish(), headers=once)),
            (200, await client.post(BOOKINGS, json=org.wish(), headers=once)),
            (400, await client.post(BOOKINGS, json={}, headers=PAGE)),
            (401, await page.client.get(BOOKINGS, headers=PAGE)),
            (403, await reading.post(BOOKINGS, json=org.wish(), headers=PAGE)),
            (404, await client.get("/v1/nothing", headers=PAGE)),
            (404, await client.get("/nothing", headers=PAGE)),
            (404, await page.client.get("/v1/public/nobody", headers=PAGE)),
            (405, await client.request("PROPFIND", BOOKINGS, headers=PAGE)),
            (409, await client.post(BOOKINGS, json=org.wish(), headers=PAGE)),
            (413, await client.post(BOOKINGS, content=b" " * 70_000, headers=large)),
            (415, await client.post(BOOKINGS, content=b"{}", headers=PAGE | {"Content-Type": "text/plain"})),
            (422, await client.post(BOOKINGS, json=org.wish(client_name="John"), headers=once)),
            (429, await limited.get(BOOKINGS, headers=PAGE)),
            (200, await client.get("/openapi.json", headers=PAGE)),
            (404, await client.get("/docs/assets/nothing.css", headers=PAGE)),
        ]

        async def away(*_: object) -> None:
            raise Unavailable

        monkeypatch.setattr(type(context.callers), "get", away)
        answers.append((503, await client.get(BOOKINGS, headers=PAGE)))
    for status, response in answers:
        assert response.status_code == status
        readable(response)
    assert "idempotent-replayed" in answers[3][1].headers


async def test_a_page_may_send_every_header_that_is_read(app: FastAPI) -> None:
    async with client_of(app, None) as client:
        for name in ACCEPTED:
            asked = PAGE | {
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": f"authorization,{name.lower()}",
            }
            assert (await client.options(BOOKINGS, headers=asked)).status_code == 200, name


DOCUMENT = complete()
OPERATIONS = [each for methods in DOCUMENT["paths"].values() for each in methods.values()]


def test_what_is_documented_is_in_the_two_lists() -> None:
    taken = {
        each["name"]
        for operation in OPERATIONS
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }
    told = {
        name
        for operation in OPERATIONS
        for response in operation["responses"].values()
        for name in response["headers"]
    }
    assert {"Idempotency-Key", "If-Match", "If-None-Match"} <= taken <= set(ACCEPTED)
    assert {"ETag", "WWW-Authenticate", "Retry-After", "Idempotent-Replayed"} <= told <= set(EXPOSED)
    assert {method.upper() for methods in DOCUMENT["paths"].values() for method in methods} < set(METHODS)


def test_what_the_code_names_is_in_the_two_lists() -> None:
    read, sent = set(), set()
    for path in Path(kalends.api.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text())
        read |= {name.lower() for name in _read(tree)}
        if path.name != "cors.py":
            sent |= {name.lower() for name in _named(tree)}
    accepted, exposed = ({each.lower() for each in names} for names in (ACCEPTED, EXPOSED))
    assert {"authorization", "if-none-match", "test-clock"} <= read
    assert read <= {*accepted, *BROWSERS, *PROXIES}
    assert {"allow", "etag", "retry-after", "x-request-id"} <= sent
    assert sent <= {*accepted, *exposed, *SAFE, *FOLLOWED, *BROWSERS, *PROXIES}


def _read(tree: ast.AST) -> Iterator[str]:
    """The names that headers are asked for: `….headers.get("…")`, `Headers(…).getlist("…")`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("get", "getlist")
            and "headers" in ast.unparse(node.func.value).lower()
        ):
            name = node.args[0]
            assert isinstance(name, ast.Constant)
            yield str(name.value)


def _named(tree: ast.AST) -> Iterator[str]:
    """What looks like the name of a header: words in capitals with hyphens, and those of one word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if re.fullmatch(
                r"(X|[A-Z][A-Za-z]+)(-[A-Z][A-Za-z]*)+|x(-[a-z]+)+|ETag|Allow|Vary|Link|Location", text
            ):
                yield text
