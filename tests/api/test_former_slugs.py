"""Slugs that an organization gave up: they stay its own, and lead on to the present one."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.core.errors import AlreadyExists
from kalends.db.database import Database, Tx
from kalends.db.tables import slugs
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys, organizations
from kalends.services.setup.organizations import MOST_FORMER_SLUGS
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, open_desk
from tests.support.organizations import JANE, Org, make_org
from tests.support.plans import plan

pytestmark = pytest.mark.anyio

ORGANIZATION = "/v1/organization"
PUBLIC = "/v1/public"


async def rename(client: httpx.AsyncClient, slug: str) -> dict[str, Any]:
    return answered(await client.patch(ORGANIZATION, json={"slug": slug}), "organization")


async def test_every_call_by_a_former_slug_leads_on(page: Desk, clock: StoppedClock) -> None:
    old, new = page.org.slug, f"{page.org.slug}-new"
    await rename(page.staff, new)
    asked = {
        "appointment_type_id": page.org.type_id,
        "from": "2024-01-22",
        "to": "2024-01-22",
        "timezone": "UTC",
    }
    wish = JANE | {"appointment_type_id": page.org.type_id, "start_time": "2024-01-22T09:00:00Z"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("HEAD", "", {}),
        ("GET", "/slots", {"params": asked}),
        ("GET", "/days", {"params": asked}),
        (
            "GET",
            "/slots/explain",
            {"params": {"appointment_type_id": page.org.type_id, "start_time": "2024-01-22T09:00:00Z"}},
        ),
        (
            "POST",
            "/holds",
            {"json": {"appointment_type_id": page.org.type_id, "start_time": "2024-01-22T11:00:00Z"}},
        ),
        ("POST", "/appointments", {"json": wish, "params": {"dry_run": "true"}}),
        ("POST", "/appointments", {"json": wish, "headers": {"Idempotency-Key": "mine"}}),
    ]
    for method, below, sent in calls:
        response = await page.client.request(method, f"{PUBLIC}/{old}{below}", **sent)
        assert response.status_code == 308, response.text
        query = response.request.url.query.decode()
        assert response.headers["location"] == f"{PUBLIC}/{new}{below}{f'?{query}' if query else ''}"
        assert response.headers["cache-control"] == "no-store"
        if method != "HEAD":
            assert refused(response, 308, "moved")["details"] == {"slug": new}
        followed = await page.client.request(method, f"{PUBLIC}/{old}{below}", follow_redirects=True, **sent)
        assert followed.status_code == 200, followed.text
        assert [each.status_code for each in followed.history] == [308]
        if below == "/holds":
            hold = followed.json()["hold"]["id"]
    gone = await page.client.delete(f"{PUBLIC}/{old}/holds/{hold}", follow_redirects=True)
    assert gone.json() == {"id": hold, "deleted": True}
    odd = await page.client.delete(f"{PUBLIC}/{old}/holds/a%3Fb%20c%23%C3%A9")
    assert odd.headers["location"] == f"{PUBLIC}/{new}/holds/a%3Fb%20c%23%C3%A9"
    [booked] = (await page.staff.get("/v1/calendar/appointments")).json()["appointments"]
    assert booked["client_name"] == "Jane Doe"


async def test_pages_of_other_origins_can_follow(url: str, clock: StoppedClock) -> None:
    settings = Settings(
        database_url=url,
        worker=False,
        public_cors_origins=("https://shop.example",),
        public_url="https://clinic.example/booking",
    )
    app = create_app(settings, clock=clock)
    origin = {"Origin": "https://shop.example"}
    async with app.router.lifespan_context(app):
        page = await open_desk(app)
        await rename(page.staff, f"{page.org.slug}-new")
        for prefix in ("", "/booking"):  # taken off by the proxy, or left on
            response = await page.client.get(f"{prefix}{PUBLIC}/{page.org.slug}", headers=origin)
            assert response.status_code == 308
            assert response.headers["access-control-allow-origin"] == "https://shop.example"
            # On the same origin: on another one, browsers would send `Origin: null`.
            assert response.headers["location"] == f"/booking{PUBLIC}/{page.org.slug}-new"
            followed = await page.client.get(response.headers["location"], headers=origin)
            assert followed.json()["organization"]["slug"] == f"{page.org.slug}-new"
        ask = origin | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        preflight = await page.client.options(f"{PUBLIC}/{page.org.slug}/appointments", headers=ask)
        assert preflight.status_code == 200


async def test_a_former_slug_is_nobody_elses(
    client: httpx.AsyncClient, app: FastAPI, db: Database, clock: StoppedClock
) -> None:
    mine = answered(await client.get(ORGANIZATION), "organization")["slug"]
    shown = await rename(client, f"{mine}-2")
    assert (shown["slug"], shown["former_slugs"]) == (f"{mine}-2", [mine])
    theirs = await make_org(db, clock.now())
    async with client_of(app, theirs.key) as other:
        before = answered(await other.get(ORGANIZATION), "organization")
        answer = refused(await other.patch(ORGANIZATION, json={"slug": mine}), 409, "already_exists")
        assert "stays reserved" in answer["error"]
        refused(await other.patch(ORGANIZATION, json={"slug": f"{mine}-2"}), 409, "already_exists")
        assert answered(await other.get(ORGANIZATION), "organization") == before
    # Nor the command line's, neither by name nor made up.
    for named in ({"name": "Other", "slug": mine}, {"name": mine}):
        with pytest.raises(AlreadyExists, match="stays reserved"):
            await db.write(organizations.create, **named, now=clock.now())
    # There it still finds the organization.
    assert (await db.read(organizations.row_of, mine)).id == shown["id"]


async def test_a_former_slug_may_be_taken_back(page: Desk) -> None:
    first, second, third = page.org.slug, f"{page.org.slug}-2", f"{page.org.slug}-3"
    await rename(page.staff, second)
    assert (await rename(page.staff, third))["former_slugs"] == [first, second]
    for old in (first, second):
        response = await page.client.get(f"{PUBLIC}/{old}")
        assert response.headers["location"] == f"{PUBLIC}/{third}"
    back = await rename(page.staff, first)
    assert (back["slug"], back["former_slugs"]) == (first, [second, third])
    assert (await page.client.get(f"{PUBLIC}/{first}")).json()["organization"]["slug"] == first
    for old in (second, third):
        response = await page.client.get(f"{PUBLIC}/{old}", follow_redirects=True)
        assert response.json()["organization"]["slug"] == first
    # What it has already, changes nothing.
    assert (await rename(page.staff, first))["former_slugs"] == [second, third]
    refused(await page.staff.patch(ORGANIZATION, json={"slug": "feeds"}), 409, "already_exists")


async def test_nobody_reserves_slugs_without_end(page: Desk) -> None:
    for number in range(MOST_FORMER_SLUGS):
        await rename(page.staff, f"{page.org.slug}-{number}")
    before = answered(await page.staff.get(ORGANIZATION), "organization")
    assert len(before["former_slugs"]) == MOST_FORMER_SLUGS
    more = {"slug": f"{page.org.slug}-more", "name": "Other"}
    answer = refused(await page.staff.patch(ORGANIZATION, json=more), 409, "conflict")
    assert page.org.slug in answer["error"]
    assert answer["details"]["former_slugs"] == before["former_slugs"]
    assert answered(await page.staff.get(ORGANIZATION), "organization") == before
    refused(await page.client.get(f"{PUBLIC}/{page.org.slug}-more"), 404, "not_found")
    assert (await rename(page.staff, page.org.slug))["slug"] == page.org.slug


async def test_of_many_at_once_one_gets_a_slug(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    """And nobody a server error; also if it is given up at the same moment."""
    orgs: list[Org] = [await make_org(db, clock.now()) for _ in range(6)]
    wanted = f"wanted-{orgs[0].id[-20:].lower()}"
    clients = [client_of(app, org.key) for org in orgs]
    asked = [client.patch(ORGANIZATION, json={"slug": wanted}) for client in clients]
    statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    winner = clients[statuses.index(200)]
    again = [
        winner.patch(ORGANIZATION, json={"slug": f"{wanted}-2"}),
        *(client.patch(ORGANIZATION, json={"slug": wanted}) for client in clients if client is not winner),
    ]
    assert sorted(answer.status_code for answer in await asyncio.gather(*again)) == [200, *[409] * 5]
    own = [winner.patch(ORGANIZATION, json={"slug": f"{wanted}-{n}"}) for n in range(3, 9)]
    assert {answer.status_code for answer in await asyncio.gather(*own)} == {200}
    shown = answered(await winner.get(ORGANIZATION), "organization")
    assert len({shown["slug"], *shown["former_slugs"]}) == 9
    for client in clients:
        await client.aclose()


async def test_the_organization_is_the_administrators(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    before = answered(await client.get(ORGANIZATION), "organization")
    scopes = ["read", "write", "delete"]
    made = await db.write(
        keys.create, operator(org.id), name=None, scopes=scopes, lifetime=None, now=clock.now()
    )
    async with client_of(app, made["key"]) as theirs:
        answer = refused(await theirs.patch(ORGANIZATION, json={"slug": "mine"}), 403, "scope_missing")
        assert answer["details"] == {"scope": "admin"}
        assert "'admin'" in answer["error"]
        assert answered(await theirs.get(ORGANIZATION), "organization") == before


async def test_a_slug_is_found_along_an_index(db: Database) -> None:
    def steps(tx: Tx) -> str:
        tx.exec_driver_sql("ANALYZE")
        return plan(tx, lambda: organizations.hosts(tx, ["one", "other"]), lambda each: "slugs" in each)

    found = await db.write(steps)
    assert "SCAN" not in found
    assert slugs.name in found
