"""Made from the OpenAPI document, so that a new route can't be forgotten: no route shows, changes or names
another organization's things, and every route wants a good key with the right scope."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import metadata
from kalends.services import keys
from kalends.settings import Settings
from tests.api.conftest import client_of
from tests.support.answers import refused
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith("/v1/")
    for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]

MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
# How to make one of everything that has an id, and where that id is named in bodies and queries.
MADE_BY = {
    "appointments": ("/v1/calendar/appointments", "appointment"),
    "appointment_types": ("/v1/calendar/appointment-types", "appointmentType"),
    "availability": ("/v1/calendar/availability", "schedule"),
    "schedules": ("/v1/calendar/schedules", "schedule"),
    "overrides": ("/v1/calendar/overrides", "override"),
    "schedule_overrides": ("/v1/calendar/schedules/{schedules}/overrides", "override"),
    "calendars": ("/v1/calendar/calendars", "calendar"),
    "keys": ("/v1/keys", "key"),
}
NAMED_IN_BODIES = {
    "appointment_type_id": "appointment_types",
    "calendar_id": "calendars",
    "calendarIds": "calendars",
    "scheduleId": "schedules",
    "schedule_id": "schedules",
}
SCOPES = {"GET": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


def scope_of(method: str, operation: dict[str, Any]) -> str:
    tag = operation["tags"][0]
    if tag == "keys" and operation["operationId"] != "keys.current":
        return "admin"
    return SCOPES[method]


def example(operation: dict[str, Any]) -> Any:
    """A body that the document itself gives as an example."""
    if "requestBody" not in operation:
        return None
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return schema.get("examples", [{}])[0], schema["properties"]


class House:
    """An organization with one of everything."""

    def __init__(self, org: Org, client: httpx.AsyncClient) -> None:
        self.org = org
        self.client = client
        self.ids: dict[str, str] = {}

    async def furnish(self) -> None:
        org = self.org
        bodies: dict[str, dict[str, Any]] = {
            "calendars": {"name": "Room"},
            "schedules": {"name": "Hours"},
            "appointment_types": {"name": "Kind", "durationMinutes": 30},
            "availability": MONDAY,
            "overrides": {"date": "2024-12-24"},
            "schedule_overrides": {"date": "2024-12-24"},
            "keys": {"name": "Another"},
            "appointments": org.wish(),
        }
        for tag, body in bodies.items():
            path, name = MADE_BY[tag]
            response = await self.client.post(path.format(**self.ids), json=body)
            assert response.status_code == 200, response.text
            self.ids[tag] = response.json()[name]["id"]


@pytest.fixture
async def app(url: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=url, worker=False), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def mine(app: FastAPI) -> AsyncIterator[House]:
    async for house in _house(app):
        yield house


@pytest.fixture
async def theirs(app: FastAPI) -> AsyncIterator[House]:
    async for house in _house(app):
        yield house


async def _house(app: FastAPI) -> AsyncIterator[House]:
    org = await make_org(app.state.context.database, StoppedClock().now())
    async with client_of(app, org.key) as client:
        house = House(org, client)
        await house.furnish()
        yield house


def path_of(path: str, operation: dict[str, Any], ids: dict[str, str], schedule: str | None = None) -> str:
    tag = operation["tags"][0]
    return path.replace("{schedule_id}", schedule or ids["schedules"]).replace("{id}", ids.get(tag, "none"))


async def snapshot(db: Database, org_id: str) -> dict[str, list[Any]]:
    """Every row of an organization."""

    def rows(tx: Tx) -> dict[str, list[Any]]:
        return {
            table.name: sorted(
                tuple(map(str, row)) for row in tx.execute(select(table).where(_owner(table) == org_id))
            )
            for table in metadata.tables.values()
        }

    return await db.read(rows)


def _owner(table: Any) -> Any:
    return table.c.id if table.name == "organizations" else table.c.org_id


def test_every_tag_with_an_id_is_known_here() -> None:
    with_ids = {operation["tags"][0] for _, path, operation in OPERATIONS if "{id}" in path}
    assert with_ids <= MADE_BY.keys()


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
async def test_anothers_ids_are_404_and_change_nothing(
    app: FastAPI, mine: House, theirs: House, method: str, path: str, operation: dict[str, Any]
) -> None:
    db = app.state.context.database
    before = await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)
    body, properties = example(operation) if "requestBody" in operation else (None, {})
    tried = []
    if "{" in path:
        tried.append((path_of(path, operation, theirs.ids), body))
        if "{schedule_id}" in path and "{id}" in path:  # their override under my schedule, and the reverse
            tried.append((path_of(path, operation, theirs.ids, mine.ids["schedules"]), body))
            tried.append((path_of(path, operation, mine.ids, theirs.ids["schedules"]), body))
    own = {
        "appointment_type_id": mine.ids["appointment_types"],
        "id": mine.ids.get(operation["tags"][0], ""),
    }
    for field in properties:
        theirs_is = NAMED_IN_BODIES.get(field)
        if field == "id":
            foreign: Any = theirs.ids[operation["tags"][0]]
        elif theirs_is:
            foreign = [theirs.ids[theirs_is]] if field.endswith("Ids") else theirs.ids[theirs_is]
        else:
            continue
        ours = {name: value for name, value in own.items() if name in properties}
        tried.append((path_of(path, operation, mine.ids), body | ours | {field: foreign}))
    for address, content in tried:
        response = await mine.client.request(method, address, json=content)
        refused(response, 404, "not_found")
    assert (await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)) == before
    if method == "GET":
        response = await mine.client.get(path_of(path, operation, mine.ids))
        assert response.status_code == 200, response.text
        for foreign in (theirs.org.id, *theirs.ids.values()):
            assert foreign not in response.text


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
async def test_every_route_wants_a_good_key_with_its_scope(
    app: FastAPI, mine: House, method: str, path: str, operation: dict[str, Any]
) -> None:
    db, org = app.state.context.database, mine.org
    clock = StoppedClock()
    before = await snapshot(db, org.id)
    scope = scope_of(method, operation)
    implied_by = {"read": {"read", "write"}, "write": {"write"}, "delete": {"delete"}, "admin": set()}
    others = sorted({"read", "write", "delete"} - implied_by[scope])

    async def key(scopes: list[str], lifetime: timedelta | None = None) -> dict[str, Any]:
        made = await db.write(
            keys.create, org.id, name=None, scopes=scopes, lifetime=lifetime, now=clock.now()
        )
        return dict(made)

    revoked, expired = await key(["admin"]), await key(["admin"], timedelta(0))
    await db.write(keys.revoke, revoked["id"], clock.now())
    body, _ = example(operation) if "requestBody" in operation else (None, {})
    address = path_of(path, operation, mine.ids)

    async def call(secret: str | None) -> httpx.Response:
        async with client_of(app, secret) as client:
            return await client.request(method, address, json=body)

    refused(await call(None), 401, "unauthorized")
    refused(await call("vst_wrong"), 401, "unauthorized")
    refused(await call(revoked["key"]), 401, "key_revoked")
    refused(await call(expired["key"]), 401, "key_expired")
    lacking = await key(others)
    assert refused(await call(lacking["key"]), 403, "scope_missing")["details"] == {"scope": scope}
    after = await snapshot(db, org.id)
    for table in before:
        if table != "api_keys":
            assert after[table] == before[table], table
    assert re.fullmatch(r"\{.*\}", (await call(None)).text)
