"""What people leave behind who are sent away, by the API."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database, Tx
from kalends.schemas.appointments import Actor
from kalends.schemas.feeds import FeedCreate
from kalends.schemas.webhooks import WebhookCreate
from kalends.services.leaving import feeds, webhooks
from kalends.services.outbox.parties import Party
from kalends.services.setup import keys
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

PEOPLE = "/v1/people"


@pytest.fixture
async def rogue(client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org) -> dict[str, str]:
    """An admin who has made a key, a feed and a webhook: their ids, and the secret of the key."""
    sent = {"name": "Rogue", "scopes": ["admin"]}
    person: str = (await client.post(PEOPLE, json=sent)).json()["person"]["id"]

    def make(tx: Tx) -> dict[str, str]:
        party, now = Party(org.id, Actor(kind="person", id=person, name="Rogue")), clock.now()
        key = keys.create(tx, party, name="Theirs", scopes=["admin"], lifetime=None, now=now)
        wish = WebhookCreate(url="https://93.184.216.34/theirs", events=["*"])
        return {
            "person": person,
            "keys": key["id"],
            "secret": key["key"],
            "feeds": feeds.create(tx, party, FeedCreate(), now)[0].id,
            "webhooks": webhooks.create(tx, party, wish, now, mail=False).id,
        }

    return await db.write(make)


def ids(made: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: [each["id"] for each in things] for kind, things in made.items() if things}


@pytest.mark.parametrize("how", ["deactivated", "no admin", "deleted"])
async def test_what_they_made_is_told_and_taken_along_if_wanted(
    app: FastAPI, client: httpx.AsyncClient, rogue: dict[str, str], how: str
) -> None:
    path = f"{PEOPLE}/{rogue['person']}"
    made = {kind: [rogue[kind]] for kind in ("keys", "feeds", "webhooks")}

    async def send(**query: str) -> httpx.Response:
        if how == "deleted":
            return await client.delete(path, params=query)
        wish: dict[str, Any] = {"active": False} if how == "deactivated" else {"scopes": ["read"]}
        return await client.patch(path, json=wish, params=query)

    told = (await send(dry_run="true")).json()
    assert (ids(told["still_standing"]), "taken_along" in told) == (made, False)
    rehearsed = (await send(dry_run="true", **{"with": "made"})).json()
    assert ids(rehearsed["taken_along"]) == made
    refused(await send(**{"with": "all"}), 400, "invalid_request")
    async with client_of(app, rogue["secret"]) as theirs:
        assert (await theirs.get("/v1/keys/current")).status_code == 200
        done = (await send(**{"with": "made"})).json()
        assert (ids(done["taken_along"]), "still_standing" in done) == (made, False)
        refused(await theirs.get("/v1/keys/current"), 401, "key_revoked")
    assert (await client.get("/v1/calendar/feeds")).json()["feeds"] == []
    assert (await client.get("/v1/webhooks")).json()["data"] == []


async def test_an_admin_who_stays_is_asked_about_nothing(
    client: httpx.AsyncClient, rogue: dict[str, str]
) -> None:
    changed = await client.patch(f"{PEOPLE}/{rogue['person']}", json={"name": "Robin"})
    assert changed.json().keys() == {"person"}
    refused(await client.patch(f"{PEOPLE}/psn_none", json={}, params={"with": "made"}), 404, "not_found")
    refused(await client.delete(f"{PEOPLE}/psn_none", params={"with": "made"}), 404, "not_found")
