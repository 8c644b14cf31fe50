"""Made from the OpenAPI document, so that a new route can't be forgotten: no route shows, changes or names
another organization's things, and every route wants a good key with the right scope, or is public."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.api.gate import PUBLIC
from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import metadata
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from kalends.settings import Settings
from tests.api.operations import MADE_BY, MAIL, OPERATIONS, OneOfEverything, example, queries, sent
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import sqlite_first
from tests.support.organizations import make_org

pytestmark = pytest.mark.anyio


WITH_A_KEY = [each for each in OPERATIONS if not each[1].startswith(PUBLIC)]
WITHOUT = [each for each in OPERATIONS if each[1].startswith(PUBLIC)]


def names(operations: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    return [operation["operationId"] for _, _, operation in operations]


NAMED = {
    "appointment_id": "appointments",
    "appointment_type_id": "appointment_types",
    "hold_id": "holds",
    "moving": "appointments",
    "calendar_id": "calendars",
    "calendarIds": "calendars",
    "scheduleId": "schedules",
    "schedule_id": "schedules",
}
SCOPES = {"GET": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


def scope_of(method: str, operation: dict[str, Any]) -> str:
    tag = operation["tags"][0]
    if (tag == "organization" and method != "GET") or (
        tag in ("keys", "people") and operation["operationId"] != "keys.current"
    ):
        return "admin"
    if tag == "holds" and method != "GET":  # to give time back is no more than to take it
        return "write"
    return SCOPES[method]


@pytest.fixture
async def app(url: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=url, worker=False, **MAIL), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def mine(app: FastAPI) -> AsyncIterator[OneOfEverything]:
    async for house in _house(app):
        yield house


@pytest.fixture
async def theirs(app: FastAPI) -> AsyncIterator[OneOfEverything]:
    async for house in _house(app):
        yield house


async def _house(app: FastAPI) -> AsyncIterator[OneOfEverything]:
    org = await make_org(app.state.context.database, StoppedClock().now())
    async with client_of(app, org.key) as client:
        house = OneOfEverything(org, client)
        await house.furnish()
        yield house


async def snapshot(db: Database, org_id: str) -> dict[str, list[Any]]:
    """Every row of an organization, but for when keys were last used: that is written when it suits."""

    def rows(tx: Tx) -> dict[str, list[Any]]:
        return {
            table.name: sorted(
                tuple(map(str, row))
                for row in tx.execute(
                    select(*(column for column in table.c if column.name != "last_used_at")).where(
                        _owner(table) == org_id
                    )
                )
            )
            for table in metadata.tables.values()
            if table.name not in ("zone_data", "challenges")  # which are about servers, and of nobody yet
        }

    return await db.read(rows)


def _owner(table: Any) -> Any:
    return table.c.id if table.name == "organizations" else table.c.org_id


def test_every_tag_with_an_id_is_known_here() -> None:
    with_ids = {operation["tags"][0] for _, path, operation in OPERATIONS if "{id}" in path}
    assert with_ids <= MADE_BY.keys()


@pytest.mark.slow
async def test_anothers_ids_are_404_and_change_nothing(
    app: FastAPI, mine: OneOfEverything, theirs: OneOfEverything, subtests: pytest.Subtests
) -> None:
    db = app.state.context.database
    before = await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)
    for method, path, operation in WITH_A_KEY:
        with subtests.test(operation["operationId"]):
            body, _ = example(operation)
            tried = []
            if "{" in path:
                tried.append(theirs.path(path, operation))
            if "{schedule_id}" in path and "{id}" in path:  # their override of my schedule, and the reverse
                tried.append(theirs.path(path, operation, schedule=mine.ids["schedules"]))
                tried.append(mine.path(path, operation, schedule=theirs.ids["schedules"]))
            if "{calendar_id}" in path and "{id}" in path:
                tried.append(theirs.path(path, operation, calendar=mine.ids["calendars"]))
                tried.append(mine.path(path, operation, calendar=theirs.ids["calendars"]))
            if "{delivery_id}" in path:
                tried.append(theirs.path(path, operation, delivery=mine.ids["deliveries"]))
                tried.append(mine.path(path, operation, delivery=theirs.ids["deliveries"]))
            for address in tried:
                denied(await mine.client.request(method, address, **sent(body)), 404, "not_found")
            await name_foreign_things(mine.client, mine, theirs, method, path, operation)
            assert (await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)) == before
            if method == "GET":
                response = await mine.client.get(mine.path(path, operation), params=mine.query(operation))
                assert response.status_code == 200, response.text
                tells_nothing_of(theirs, response)


@sqlite_first()
@pytest.mark.parametrize(("method", "path", "operation"), WITHOUT, ids=names(WITHOUT))
async def test_what_is_public_needs_no_key_and_is_of_the_slug_or_the_link(
    app: FastAPI,
    mine: OneOfEverything,
    theirs: OneOfEverything,
    method: str,
    path: str,
    operation: dict[str, Any],
) -> None:
    db = app.state.context.database
    before = await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)
    # With their key and their ids, under my slug.
    if "{id}" in path:
        foreign = mine.path(path, operation).replace(mine.ids["public"], theirs.ids["public"])
        refused(await theirs.client.request(method, foreign), 404, "not_found")
    await name_foreign_things(theirs.client, mine, theirs, method, path, operation)
    assert (await snapshot(db, theirs.org.id), await snapshot(db, mine.org.id)) == before
    # Without a key, with my ids.
    body, properties = example(operation)
    wish = {"appointment_type_id": mine.org.type_id, "start_time": "2024-01-22T10:00:00Z"}
    async with client_of(app, None) as client:
        response = await client.request(
            method,
            mine.path(path, operation),
            params=mine.query(operation),
            json=body and body | {name: value for name, value in wish.items() if name in properties},
        )
    assert response.status_code == 200, response.text
    tells_nothing_of(theirs, response)
    assert await snapshot(db, theirs.org.id) == before[0]
    # What does not wait for its client's confirmation is not changed by it.
    stays = method == "GET" or operation["operationId"] == "manage.confirm"
    assert (await snapshot(db, mine.org.id) == before[1]) is stays


async def name_foreign_things(
    client: httpx.AsyncClient,
    mine: OneOfEverything,
    theirs: OneOfEverything,
    method: str,
    path: str,
    operation: dict[str, Any],
) -> None:
    """Ask for what is mine, and name one thing of theirs, wherever a body or a query can."""
    body, properties = example(operation)
    address = mine.path(path, operation)
    own = {
        "appointment_type_id": mine.ids["appointment_types"],
        "id": mine.ids.get(operation["tags"][0], ""),
    }
    for field in properties:
        if field == "id":
            foreign: Any = theirs.ids[operation["tags"][0]]
        elif field in NAMED:
            foreign = theirs.ids[NAMED[field]]
        else:
            continue
        ours = {name: value for name, value in own.items() if name in properties}
        wish = body | ours | {field: [foreign] if field.endswith("Ids") else foreign}
        if field == "calendar_id":  # instead of all
            wish.pop("all", None)
        response = await client.request(method, address, json=wish)
        if field == "hold_id":  # no other than one that has gone
            refused(response, 409, "hold_gone")
        else:
            refused(response, 404, "not_found")
    for field in (each["name"] for each in queries(operation)):
        if field in NAMED:
            query = mine.query(operation) | {field: theirs.ids[NAMED[field]]}
            response = await client.request(method, address, params=query)
            if operation["operationId"] in ("appointments.list", "blocks.list", "mails.list"):
                assert response.json() == {operation["tags"][0]: [], "next_cursor": None}
            else:
                refused(response, 404, "not_found")


def denied(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a response is a refusal, of webhooks in their own shape; its details."""
    body = response.json()
    if "success" not in body:
        told: dict[str, Any] = refused(response, status, code)["details"]
        return told
    assert (response.status_code, body["success"], body["error"]["code"]) == (status, False, code.upper())
    details: dict[str, Any] = body["error"]["details"]
    return details


def tells_nothing_of(theirs: OneOfEverything, response: httpx.Response) -> None:
    for foreign in (theirs.org.id, *theirs.tokens.values(), *theirs.ids.values()):
        assert foreign not in response.text


@pytest.mark.slow
@sqlite_first()
async def test_every_route_wants_a_good_key_with_its_scope(
    app: FastAPI, mine: OneOfEverything, subtests: pytest.Subtests
) -> None:
    db, clock = app.state.context.database, StoppedClock()
    implied_by = {"read": {"read", "write"}, "write": {"write"}, "delete": {"delete"}, "admin": set()}

    async def key(scopes: set[str], lifetime: timedelta | None = None) -> dict[str, Any]:
        made = await db.write(
            keys.create, operator(mine.org.id), name=None, scopes=scopes, lifetime=lifetime, now=clock.now()
        )
        return dict(made)

    revoked, expired = await key({"admin"}), await key({"admin"}, timedelta(0))
    await db.write(keys.revoke, operator(mine.org.id), revoked["id"], clock.now())
    lacking = {
        scope: (await key({"read", "write", "delete"} - enough))["key"]
        for scope, enough in implied_by.items()
    }
    before = await snapshot(db, mine.org.id)
    for method, path, operation in WITH_A_KEY:
        with subtests.test(operation["operationId"]):
            body, _ = example(operation)
            scope = scope_of(method, operation)
            for secret, status, code in (
                (None, 401, "unauthorized"),
                ("vst_wrong", 401, "unauthorized"),
                (revoked["key"], 401, "key_revoked"),
                (expired["key"], 401, "key_expired"),
                (lacking[scope], 403, "scope_missing"),
            ):
                async with client_of(app, secret) as client:
                    response = await client.request(method, mine.path(path, operation), **sent(body))
                details = {"scope": scope} if status == 403 else {}
                assert denied(response, status, code) == details
            assert await snapshot(db, mine.org.id) == before
