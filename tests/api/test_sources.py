"""Calendars elsewhere: making, showing, refreshing and deleting what the worker reads."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import metadata
from kalends.services.setup.sources import MOST_SOURCES
from kalends.settings import Settings
from tests.support.answers import all_answered, answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

URL = "https://93.184.215.14/private-8c1f0e44/basic.ics"
SECRET = "an app password"


def path_of(calendar_id: str) -> str:
    return f"/v1/calendar/calendars/{calendar_id}/sources"


@pytest.fixture
def path(org: Org) -> str:
    return path_of(org.calendar_id)


async def add(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    return answered(await client.post(path, json={"kind": "ics", "url": URL} | fields), "source")


def wrong(response: httpx.Response, field: str, code: str) -> str:
    """The sentence about this field, the only one that is wrong."""
    [found] = refused(response, 400, "invalid_request")["details"]["fields"]
    assert (found["field"], found["code"]) == (field, code)
    return str(found["reason"])


async def test_a_source_is_made_shown_listed_and_deleted(
    client: httpx.AsyncClient, path: str, org: Org
) -> None:
    assert all_answered(await client.get(path), "sources") == []
    made = await add(client, path)
    assert made == {
        "id": made["id"],
        "org_id": org.id,
        "calendar_id": org.calendar_id,
        "kind": "ics",
        "url": "https://93.184.215.14/….ics",
        "username": None,
        "free_timed_events": False,
        "events": None,
        "unreadable": [],
        "last_success_at": None,
        "failing_since": None,
        "error": None,
        "next_at": "2024-01-20T12:00:00Z",
        "created_by": {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"},
        "created_at": "2024-01-20T12:00:00Z",
    }
    assert made["id"].startswith("src_")
    other = await add(client, path, kind="caldav", username="weber", password=SECRET, free_timed_events=True)
    assert (other["kind"], other["username"], other["free_timed_events"]) == ("caldav", "weber", True)
    assert all_answered(await client.get(path), "sources") == [made, other]
    assert answered(await client.get(f"{path}/{made['id']}"), "source") == made
    gone = await client.delete(f"{path}/{made['id']}")
    assert gone.json() == {"id": made["id"], "deleted": True}
    assert all_answered(await client.get(path), "sources") == [other]
    for method, of in (("GET", ""), ("POST", "/refresh"), ("DELETE", "")):
        refused(await client.request(method, f"{path}/{made['id']}{of}"), 404, "not_found")


async def test_an_unknown_or_deleted_calendar_has_none(client: httpx.AsyncClient) -> None:
    room = answered(await client.post("/v1/calendar/calendars", json={"name": "Room"}), "calendar")["id"]
    assert (await client.delete(f"/v1/calendar/calendars/{room}")).is_success
    for calendar in ("cal_none", room):
        refused(await client.get(path_of(calendar)), 404, "not_found")
        refused(await client.post(path_of(calendar), json={"kind": "ics", "url": URL}), 404, "not_found")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (URL, "https://93.184.215.14/….ics"),
        ("webcal://93.184.215.14/calendars/5f1d9a07c2?key=81b2", "webcal://93.184.215.14/…81b2"),
        ("http://93.184.215.14:5232/weber/work/", "http://93.184.215.14:5232/…"),
        ("https://93.184.215.14", "https://93.184.215.14/"),
        ("https://93.184.215.14/?", "https://93.184.215.14/…"),
        ("HTTPS://93.184.215.14/weber", "https://93.184.215.14/…"),
    ],
)
async def test_of_its_address_only_the_server_and_the_end_is_shown(
    client: httpx.AsyncClient, path: str, address: str, shown: str
) -> None:
    assert (await add(client, path, url=address))["url"] == shown


async def test_what_is_wrong_with_it_is_said(client: httpx.AsyncClient, path: str) -> None:
    async def send(**fields: Any) -> httpx.Response:
        return await client.post(path, json={"kind": "ics", "url": URL} | fields)

    for url in (
        "ftp://93.184.215.14/x",
        "webcal:x",
        "//93.184.215.14/",
        "https:///x",
        "x",
        f"{URL}\u00fc",
        "webcal://%31%32%37.0.0.1/",
        "webcal://[fe80::1%25eth0]/",
        "https://2130706433/",
        "https://0177.1/",
        5,
    ):
        assert (await send(url=url)).status_code == 400, url
    assert "user" in wrong(await send(url="https://a:b@93.184.215.14/"), "url", "url")
    wrong(await send(url=f"https://93.184.215.14/{'x' * 2_000}"), "url", "too_long")
    for private in ("https://127.0.0.1/x", "webcal://10.0.0.1/x", "http://[::1]/", "http://169.254.169.254/"):
        wrong(await send(url=private), "url", "private")
    wrong(await send(kind="google"), "kind", "option")
    wrong(await send(username="a:b"), "username", "characters")
    wrong(await send(username="a\r\nb"), "username", "characters")
    wrong(await send(password=SECRET), "username", "required")
    wrong(await send(username="weber", password="\x00"), "password", "characters")
    wrong(await send(freeTimedEvents=True), "freeTimedEvents", "unknown")
    wrong(await send(calendar_id="cal_1"), "calendar_id", "read_only")
    wrong(await send(next_at="2024-01-20T12:00:00Z"), "next_at", "read_only")
    missing = refused(await client.post(path, json={"kind": "ics"}), 400, "missing_fields")
    assert missing["error"] == "kind and url are required"
    assert all_answered(await client.get(path), "sources") == []


async def test_a_server_may_let_private_addresses_in(url: str, clock: StoppedClock) -> None:
    app = create_app(Settings(database_url=url, worker=False, sources_allow_private=True), clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as client:
            made = await add(client, path_of(org.calendar_id), url="http://127.0.0.1:5232/weber/")
    assert made["url"] == "http://127.0.0.1:5232/…"


async def test_a_calendar_has_ten_at_most_however_many_are_made_at_once(
    client: httpx.AsyncClient, path: str
) -> None:
    for _ in range(MOST_SOURCES - 2):
        await add(client, path)
    wish = {"kind": "ics", "url": URL}
    answers = await asyncio.gather(*(client.post(path, json=wish) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 200, 409, 409]
    refused(await client.post(path, json=wish), 409, "conflict")
    room = answered(await client.post("/v1/calendar/calendars", json={"name": "Room"}), "calendar")
    await add(client, path_of(room["id"]))


async def test_no_secret_is_stored_in_clear_but_in_its_own_column_or_logged(
    client: httpx.AsyncClient, db: Database, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = {"kind": "caldav", "url": URL, "username": "weber", "password": SECRET}
    for _ in range(2):
        answer = await client.post(path, json=wish, headers={"Idempotency-Key": "once"})
        assert answer.is_success
    made = answer.json()["source"]
    assert (await client.post(path, json=wish, params={"dry_run": "true"})).is_success
    assert (await client.post(f"{path}/{made['id']}/refresh")).is_success
    happened = (await client.get("/v1/events", params={"types": "source.*"})).json()["events"]
    assert [(each["type"], each["data"]["source"]["id"]) for each in happened] == [
        ("source.created", made["id"])
    ]

    def everything(tx: Tx) -> dict[str, str]:
        return {
            table.name: str([tuple(map(str, row)) for row in tx.execute(select(table))])
            for table in metadata.tables.values()
        }

    found = await db.read(everything)
    for text in [*(text for name, text in found.items() if name != "sources"), capsys.readouterr().err]:
        assert "private-8c1f0e44" not in text
        assert SECRET not in text


async def test_staff_with_write_make_them_and_staff_with_read_see_them(
    app: FastAPI, client: httpx.AsyncClient, path: str
) -> None:
    made = await add(client, path)
    for scope, allowed in (("read", {"GET"}), ("write", {"GET", "POST"}), ("delete", {"DELETE"})):
        key = (await client.post("/v1/keys", json={"scopes": [scope]})).json()["secret"]
        async with client_of(app, key) as theirs:
            for method, address in (
                ("GET", path),
                ("GET", f"{path}/{made['id']}"),
                ("POST", path),
                ("POST", f"{path}/{made['id']}/refresh"),
                ("DELETE", f"{path}/src_none"),
            ):
                body = {"kind": "ics", "url": URL} if address == path and method == "POST" else None
                answer = await theirs.request(method, address, json=body)
                assert (answer.status_code == 403) == (method not in allowed), (scope, method, address)
