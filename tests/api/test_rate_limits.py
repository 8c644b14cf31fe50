import time
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from kalends.api.rate_limits import HOUR, Hours
from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import organizations
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

TYPES = "/v1/calendar/appointment-types"
GUESSES = 100
"""Wrong keys from an address in these tests, and unknown links from any: a tenth of the public allowance."""


def coming_from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://kalends.test")


async def page_of(client: httpx.AsyncClient) -> str:
    """The public address of a client's organization."""
    return f"/v1/public/{(await client.get('/v1/organization')).json()['organization']['slug']}"


async def on_plan(db: Database, org: Org, plan: str, own: int | None = None) -> None:
    def change(tx: Tx) -> None:
        tx.execute(
            update(organizations).where(organizations.c.id == org.id).values(plan=plan, requests_per_hour=own)
        )

    await db.write(change)


@pytest.mark.parametrize(
    ("plan", "limit"), [("starter", 1_000), ("professional", 10_000), ("enterprise", 1_000_000)]
)
async def test_every_answer_to_a_key_tells_its_allowance(
    client: httpx.AsyncClient, db: Database, org: Org, plan: str, limit: int
) -> None:
    await on_plan(db, org, plan)
    requests = [
        client.get(TYPES),
        client.get("/v1/nothing"),
        client.post("/v1/calendar/appointments", content=b"{"),
        client.delete(TYPES),
        client.post("/v1/calendar/appointments", json=org.wish()),
    ]
    for used, request in enumerate(requests, start=1):
        headers = (await request).headers
        assert headers["x-ratelimit-limit"] == str(limit)
        assert headers["x-ratelimit-remaining"] == str(limit - used)
        assert 3_590 <= int(headers["x-ratelimit-reset"]) - time.time() <= 3_602


async def test_the_limit_is_that_of_the_organization_whatever_keys_it_makes(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    await on_plan(db, org, "enterprise", own=4)
    other = await db.write(keys.create, operator(org.id), name=None, lifetime=None, now=clock.now())
    neighbour = await make_org(db, clock.now())
    async with client_of(app, other["key"]) as theirs, client_of(app, neighbour.key) as next_door:
        turns = (client, theirs, client, theirs)
        left = [(await each.get(TYPES)).headers["x-ratelimit-remaining"] for each in turns]
        assert left == ["3", "2", "1", "0"]
        for each in (client, theirs):
            response = await each.get(TYPES)
            body = refused(response, 429, "rate_limited")
            assert body["error"].startswith("This organization's 4 requests for the hour are used up")
            assert body["details"]["limit"] == 4
            assert response.headers["x-ratelimit-limit"] == "4"
            assert response.headers["x-ratelimit-remaining"] == "0"
            assert 3_500 <= int(response.headers["retry-after"]) <= 3_601
            refused(await each.post("/v1/calendar/appointments", json=org.wish()), 429, "rate_limited")
        assert (await next_door.get(TYPES)).status_code == 200


async def test_keys_tell_how_many_requests_each_made(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    web = await db.write(keys.create, operator(org.id), name="web", lifetime=None, now=clock.now())
    idle = await db.write(keys.create, operator(org.id), name="idle", lifetime=None, now=clock.now())
    async with client_of(app, web["key"]) as theirs:
        for _ in range(3):
            await theirs.get(TYPES)
        refused(await theirs.get("/v1/keys"), 403, "scope_missing")
        assert (await theirs.get("/v1/keys/current")).json()["key"]["requests_this_hour"] == 5
        await app.state.context.key_use.flush()
        await theirs.get(TYPES)
    told = {each["id"]: each["requests_this_hour"] for each in (await client.get("/v1/keys")).json()["keys"]}
    assert told == {org.caller.key_id: 1, web["id"]: 6, idle["id"]: 0}


async def test_wrong_keys_are_counted_by_address_and_shut_out_nobody_with_a_right_one(
    app: FastAPI, client: httpx.AsyncClient, org: Org
) -> None:
    page = await page_of(client)
    context = app.state.context
    settings = context.settings.model_copy(update={"public_requests_per_hour": GUESSES})
    app.state.context = replace(context, settings=settings)
    async with coming_from(app, "203.0.113.7") as there, coming_from(app, "203.0.113.8") as elsewhere:
        right = {"Authorization": f"Bearer {org.key}"}
        for n in range(GUESSES):
            wrong = {} if n % 2 else {"Authorization": f"Bearer vst_{n}"}
            refused(await there.get(TYPES, headers=wrong), 401, "unauthorized")
        for wrong in ({}, {"Authorization": "Bearer vst_wrong"}, {"Authorization": "Basic x"}):
            response = await there.get(TYPES, headers=wrong)
            body = refused(response, 429, "rate_limited")
            assert "A right key or link works" in body["error"]
            assert body["details"]["limit"] == GUESSES
            assert response.headers["x-ratelimit-limit"] == str(GUESSES)
            assert response.headers["x-ratelimit-remaining"] == "0"
            assert 3_500 <= int(response.headers["retry-after"]) <= 3_601
        assert (await there.get(TYPES, headers=right)).headers["x-ratelimit-limit"] == "1000000"
        webhooks = await there.get("/v1/webhooks", headers={"Authorization": "Bearer vst_wrong"})
        assert (webhooks.status_code, webhooks.json()["error"]["code"]) == (429, "RATE_LIMITED")
        refused(await elsewhere.get(TYPES), 401, "unauthorized")
        assert (await there.get(page)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/public/nobody-{n}",
        "/v1/public/nobody-{n}/slots",
        "/v1/public/appointments/unknown-{n}",
        "/v1/public/appointments/unknown-{n}.ics",
        "/v1/public/feeds/unknown-{n}.ics",
    ],
)
async def test_unknown_links_are_counted_by_address_and_shut_out_no_right_one(
    app: FastAPI, client: httpx.AsyncClient, org: Org, path: str
) -> None:
    booked = await client.post("/v1/calendar/appointments", json=org.wish(manage_link=True))
    link = f"/v1/public/appointments/{booked.json()['manage_token']}"
    feed = (await client.post("/v1/calendar/feeds", json={})).json()["url"]
    page = await page_of(client)
    async with coming_from(app, "203.0.113.7") as there:
        for n in range(GUESSES):
            refused(await there.get(path.format(n=n)), 404, "not_found")
        response = await there.get(path.format(n=GUESSES))
        refused(response, 429, "rate_limited")
        assert response.headers["x-ratelimit-limit"] == str(GUESSES)
        assert response.headers["x-ratelimit-remaining"] == "0"
        assert 3_500 <= int(response.headers["retry-after"]) <= 3_601
        for right in (link, f"{link}.ics", feed, page):
            assert (await there.get(right)).status_code == 200
        assert (await there.get(TYPES, headers={"Authorization": f"Bearer {org.key}"})).status_code == 200


async def test_a_right_link_works_where_the_address_has_used_up_its_allowance(
    url: str, app: FastAPI, client: httpx.AsyncClient, org: Org
) -> None:
    booked = await client.post("/v1/calendar/appointments", json=org.wish(manage_link=True))
    feed = (await client.post("/v1/calendar/feeds", json={})).json()["url"]
    link = f"/v1/public/appointments/{booked.json()['manage_token']}"
    page = await page_of(client)
    settings = Settings(database_url=url, public_requests_per_hour=12, worker=False)
    narrow = create_app(settings, clock=app.state.context.clock)
    async with narrow.router.lifespan_context(narrow), coming_from(narrow, "203.0.113.7") as there:
        for _ in range(12):
            assert (await there.get(page)).status_code == 200
        for path in (page, "/v1/public/appointments/unknown", "/v1/public/feeds/no.ics"):
            refused(await there.get(path), 429, "rate_limited")
        assert (await there.get(feed)).headers["x-ratelimit-remaining"] == "11"
        assert (await there.get(link)).status_code == 200
        assert (await there.get(f"{link}.ics")).headers["x-ratelimit-remaining"] == "10"
        # The link has an allowance of its own, which ends, too.
        cancelled = [(await there.post(f"{link}/cancel", json={})).status_code for _ in range(2)]
        assert cancelled == [200, 429]


def test_memory_does_not_grow_with_the_number_of_addresses() -> None:
    hours = Hours(most=100)
    for n in range(1_000):
        assert hours.add(f"address-{n}", 1, now=float(n)) == (1, n + HOUR)
    assert len(hours) == 100
    assert hours.add("address-999", 2, now=1_000.0) == (3, 999 + HOUR)
    assert [hours.count(f"address-{n}", 1_000.0) for n in (0, 899, 900, 999)] == [0, 0, 1, 3]
    # What has ended makes room at once, whoever comes next.
    assert hours.add("late", 1, now=2_000.0 + HOUR) == (1, 2_000.0 + 2 * HOUR)
    assert len(hours) == 1


def test_an_hour_begins_with_its_first_request() -> None:
    hours = Hours()
    assert [hours.add("one", 1, now) for now in (0.0, HOUR - 1.0)] == [(1, HOUR), (2, HOUR)]
    assert hours.add("other", 1, 10.0) == (1, HOUR + 10)
    assert hours.add("one", 1, float(HOUR)) == (1, 2 * HOUR)
    assert hours.count("other", float(HOUR)) == 1
    assert hours.count("other", HOUR + 10.0) == 0


async def test_a_storage_that_is_away_turns_nobody_away(
    url: str, app: FastAPI, db: Database, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=url, rate_limit_storage="redis://127.0.0.1:1")
    other = create_app(settings, clock=app.state.context.clock)
    async with other.router.lifespan_context(other), client_of(other, org.key) as client:
        response = await client.get(TYPES)
        own = await client.get("/v1/keys/current")
        assert (own.status_code, own.json()["key"]["requests_this_hour"]) == (200, None)
        unknown = await client.get("/v1/calendar/feeds", headers={"Authorization": "Bearer vst_wrong"})
        assert unknown.status_code == 401
    assert response.status_code == 200
    assert "x-ratelimit-limit" not in response.headers
