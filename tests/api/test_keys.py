import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from kalends.db.database import Database, Tx
from kalends.db.tables import api_keys
from kalends.ids import digest
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, stored

pytestmark = pytest.mark.anyio

PATH = "/v1/calendar/appointments"
TYPES = "/v1/calendar/appointment-types"


@pytest.fixture
async def nobody(app: FastAPI) -> Any:
    async with client_of(app, None) as client:
        yield client


async def test_every_path_under_v1_needs_a_key(nobody: httpx.AsyncClient) -> None:
    for method, path in (("POST", PATH), ("GET", TYPES), ("GET", "/v1/nothing"), ("DELETE", PATH)):
        response = await nobody.request(method, path, content=b"not even json")
        refused(response, 401, "unauthorized")
        assert "x-ratelimit-limit" not in response.headers


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{key}",
        "Basic {key}",
        "Token {key}",
        "Bearer{key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer vst_unknown",
        "Bearer {key} {key}",
        "Bearer " + "x" * 10_000,
    ],
)
async def test_headers_that_hold_no_key(nobody: httpx.AsyncClient, org: Org, header: str) -> None:
    headers = {"Authorization": header.format(key=org.key)}
    refused(await nobody.get(TYPES, headers=headers), 401, "unauthorized")


async def test_a_key_that_is_not_ascii_is_401(nobody: httpx.AsyncClient) -> None:
    headers = [(b"authorization", "Bearer vst_schlüssel".encode("latin-1"))]
    refused(await nobody.get(TYPES, headers=headers), 401, "unauthorized")


async def test_two_authorization_headers_are_401(nobody: httpx.AsyncClient, org: Org) -> None:
    header = ("Authorization", f"Bearer {org.key}")
    refused(await nobody.get(TYPES, headers=[header, header]), 401, "unauthorized")


@pytest.mark.parametrize(
    "header", ["Bearer {key}", "bearer {key}", "BEARER {key}", "Bearer   {key}", "Bearer {key}  "]
)
async def test_headers_that_hold_a_key(nobody: httpx.AsyncClient, org: Org, header: str) -> None:
    response = await nobody.get(TYPES, headers={"Authorization": header.format(key=org.key)})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_write"),
    [
        (["read"], True, False),
        (["write"], True, True),
        (["delete"], False, False),
        (["admin"], True, True),
        (["read", "delete"], True, False),
    ],
)
async def test_scopes(
    app: FastAPI,
    db: Database,
    clock: StoppedClock,
    org: Org,
    scopes: list[str],
    may_read: bool,
    may_write: bool,
) -> None:
    made = await db.write(
        keys.create, operator(org.id), name=None, scopes=scopes, lifetime=None, now=clock.now()
    )
    async with client_of(app, made["key"]) as client:
        reading = await client.get(TYPES)
        writing = await client.post(PATH, json=org.wish())
        for response, allowed, scope in ((reading, may_read, "read"), (writing, may_write, "write")):
            if allowed:
                assert response.status_code == 200
            else:
                assert refused(response, 403, "scope_missing")["details"] == {"scope": scope}
                assert scope in response.json()["error"]
    assert await stored(db, org) == int(may_write)


async def test_a_revoked_key_is_refused_from_the_next_request_on(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    assert (await client.get(TYPES)).status_code == 200
    await db.write(keys.revoke, operator(org.id), org.caller.key_id, clock.now())
    refused(await client.get(TYPES), 401, "key_revoked")
    refused(await client.post(PATH, json=org.wish()), 401, "key_revoked")


async def test_an_expired_key_is_refused(app: FastAPI, db: Database, clock: StoppedClock, org: Org) -> None:
    made = await db.write(
        keys.create, operator(org.id), name=None, lifetime=timedelta(days=90), now=clock.now()
    )
    async with client_of(app, made["key"]) as client:
        clock.forward(days=90, seconds=-1)
        assert (await client.get(TYPES)).status_code == 200
        clock.forward(seconds=1)
        refused(await client.get(TYPES), 401, "key_expired")


async def test_last_used_is_kept_to_the_minute_without_a_write_per_request(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    key_use = app.state.context.key_use

    async def last_used() -> Any:
        return (await db.read_one(keys.find, [digest(org.key)]))[digest(org.key)].last_used_at

    def forget(tx: Tx) -> None:
        tx.execute(update(api_keys).where(api_keys.c.org_id == org.id).values(last_used_at=None))

    clock.forward(seconds=30)
    await client.get(TYPES)
    await key_use.flush()
    noon = clock.now().replace(second=0)
    assert await last_used() == noon
    clock.forward(seconds=29)
    await client.get(TYPES)
    assert not key_use._used  # the minute is known: nothing to write
    clock.forward(seconds=1)
    await client.get(TYPES)
    await key_use.flush()
    assert await last_used() == noon + timedelta(minutes=1)
    await db.write(forget)
    await key_use.flush()
    assert await last_used() is None


async def test_many_requests_at_once_are_told_apart(
    app: FastAPI, client: httpx.AsyncClient, nobody: httpx.AsyncClient, org: Org
) -> None:
    """Keys are looked up together; nobody may get another's answer."""
    asked = []
    for i in range(100):
        key = org.key if i % 2 else f"vst_unknown_{i}"
        asked.append(nobody.get(TYPES, headers={"Authorization": f"Bearer {key}"}))
    statuses = [response.status_code for response in await asyncio.gather(*asked)]
    assert statuses == [200 if i % 2 else 401 for i in range(100)]
