import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import book_jane
from tests.support.organizations import Org, counts, make_org, stored

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]

PATH = "/v1/calendar/appointments"
TYPES = "/v1/calendar/appointment-types"
KEY = {"Idempotency-Key": "order 66"}


async def test_a_repeated_request_is_answered_again_and_books_once(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    first = await client.post(PATH, json=org.wish(), headers=KEY)
    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    clock.forward(hours=23, minutes=59)
    # The same meaning in another spelling is the same request.
    respelled = json.dumps(dict(reversed(org.wish().items())), indent=2)
    again = await client.post(PATH, content=respelled, headers=KEY | {"Content-Type": "application/json"})
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await stored(db, org) == 1


async def test_another_body_or_call_under_the_same_key_is_422(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    answered(await client.post(PATH, json=org.wish(), headers=KEY), "appointment")
    other = org.wish(start_time="2024-02-01T00:00:00Z")
    refused(await client.post(PATH, json=other, headers=KEY), 422, "idempotency_key_reused")
    kind = {"name": "Review", "durationMinutes": 30}
    refused(await client.post(TYPES, json=kind, headers=KEY), 422, "idempotency_key_reused")
    assert await stored(db, org) == 1


async def test_two_at_once_book_once(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    responses = await asyncio.gather(*(client.post(PATH, json=org.wish(), headers=KEY) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
    assert await stored(db, org) == 1


async def test_nothing_is_kept_of_a_refused_request(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    taken = await book_jane(client, org)
    refused(await client.post(PATH, json=org.wish(), headers=KEY), 409, "slot_taken")
    refused(await client.post(PATH, json={}, headers=KEY), 400, "missing_fields")
    assert (await db.read(counts, org.id))["idempotency_keys"] == 0
    other = org.wish(start_time=taken["end_time"])
    made = await client.post(PATH, json=other, headers=KEY)
    assert made.status_code == 200
    assert "idempotent-replayed" not in made.headers


async def test_a_key_is_forgotten_after_24_hours(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    answered(await client.post(PATH, json=org.wish(), headers=KEY), "appointment")
    clock.forward(hours=24)
    other = org.wish(start_time="2024-02-01T00:00:00Z")
    made = await client.post(PATH, json=other, headers=KEY)
    assert made.status_code == 200
    assert "idempotent-replayed" not in made.headers
    assert await db.read(counts, org.id) == {"appointments": 2, "events": 2, "idempotency_keys": 1}


async def test_organizations_do_not_share_keys(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    answered(await client.post(PATH, json=org.wish(), headers=KEY), "appointment")
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as theirs:
        made = answered(await theirs.post(PATH, json=stranger.wish(), headers=KEY), "appointment")
    assert made["org_id"] == stranger.id


async def test_a_rehearsal_neither_keeps_nor_replays(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    rehearsal = {"dry_run": "true"}
    answered(await client.post(PATH, json=org.wish(), headers=KEY, params=rehearsal), "appointment")
    assert await db.read(counts, org.id) == {"appointments": 0, "events": 0, "idempotency_keys": 0}
    made = await client.post(PATH, json=org.wish(), headers=KEY)
    assert "idempotent-replayed" not in made.headers
    refused(await client.post(PATH, json=org.wish(), headers=KEY, params=rehearsal), 409, "slot_taken")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ünï".encode("latin-1"), b"a\tb"])
async def test_bad_keys_are_400(client: httpx.AsyncClient, db: Database, org: Org, key: str | bytes) -> None:
    sent = key if isinstance(key, bytes) else key.encode()
    response = await client.post(PATH, json=org.wish(), headers={b"Idempotency-Key": sent})
    refused(response, 400, "invalid_request")
    assert await stored(db, org) == 0


async def test_a_key_of_255_characters_is_kept(client: httpx.AsyncClient, org: Org) -> None:
    long = {"Idempotency-Key": "x" * 255}
    answered(await client.post(PATH, json=org.wish(), headers=long), "appointment")
    again = await client.post(PATH, json=org.wish(), headers=long)
    assert again.headers["idempotent-replayed"] == "true"


async def test_appointment_types_are_made_once_too(client: httpx.AsyncClient) -> None:
    kind = {"name": "Review", "durationMinutes": 30}
    first = await client.post(TYPES, json=kind, headers=KEY)
    again = await client.post(TYPES, json=kind, headers=KEY)
    assert again.content == first.content
    assert len((await client.get(TYPES)).json()["appointmentTypes"]) == 2


async def test_a_deletion_is_made_once_too(client: httpx.AsyncClient) -> None:
    made = answered(await client.post("/v1/calendar/calendars", json={"name": "Room"}), "calendar")
    path = f"/v1/calendar/calendars/{made['id']}"
    first = await client.delete(path, headers=KEY)
    again = await client.request("DELETE", path, headers=KEY)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    refused(await client.delete(path), 404, "not_found")
    # What a body would mean to a call that reads none is not asked, but it is another request.
    other = await client.request("DELETE", path, headers=KEY, content=b"\xff{")
    refused(other, 422, "idempotency_key_reused")
