"""Who made keys, people, feeds, webhooks and sources; that each change of them is an event; and what goes
with a key."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, insert, select

from kalends.db.database import Database, Tx
from kalends.db.tables import deliveries, events, feeds, metadata, receivers
from kalends.ids import digest
from kalends.schemas.webhooks import WebhookCreate
from kalends.services.leaving import webhooks
from kalends.services.outbox import events as outbox
from kalends.services.outbox import queue
from kalends.services.outbox.parties import operator, staff
from kalends.services.setup import keys
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

KEYS, FEEDS, WEBHOOKS, EVENTS = "/v1/keys", "/v1/calendar/feeds", "/v1/webhooks", "/v1/events"
CALENDARS = "/v1/calendar/calendars"
HOOK = "https://93.184.216.34/in?token=hidden"
ENDS = ("key.revoked", "person.updated", "feed.deleted", "webhook.deleted", "source.deleted")
OPERATOR = {"kind": "operator", "id": None, "name": None}


async def make(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.is_success, response.text
    made: dict[str, Any] = response.json()
    return made


async def make_key(client: httpx.AsyncClient, name: str, *scopes: str) -> tuple[str, str]:
    """The id and the secret of a new key."""
    made = await make(client, KEYS, name=name, scopes=scopes or ("admin",))
    return made["key"]["id"], made["secret"]


async def make_all(app: FastAPI, secret: str, place: str) -> dict[str, str]:
    """A key, a person, a feed, a webhook and a source, made with the key of this secret: ids, and the new
    key's secret."""
    async with client_of(app, secret) as client:
        key, made = await make_key(client, place)
        person = (await make(client, "/v1/people", name=place))["person"]["id"]
        feed = (await make(client, FEEDS))["feed"]["id"]
        hook = await make(client, WEBHOOKS, url=f"https://93.184.216.34/{place}", events=["*"])
        calendar = (await client.get(CALENDARS)).json()["calendars"][0]["id"]
        source = await make(client, f"{CALENDARS}/{calendar}/sources", kind="ics", url=f"{HOOK}/{place}")
        return {
            "key": key,
            "secret": made,
            "person": person,
            "feed": feed,
            "webhook": hook["data"]["id"],
            "source": source["source"]["id"],
        }


async def told(client: httpx.AsyncClient, *types: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await client.get(EVENTS, params={"types": ",".join(types or ("*",)), "limit": 1000})
    ).json()["events"]
    return found


def ids(made: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: [each["id"] for each in things] for kind, things in made.items() if kind != "entered"}


NOTHING: dict[str, list[str]] = {"keys": [], "people": [], "feeds": [], "webhooks": [], "sources": []}
NAMES = {kind: kind.removesuffix("s") for kind in NOTHING} | {"people": "person"}
"""What one of each kind is called."""


@pytest.fixture
async def chain(app: FastAPI, client: httpx.AsyncClient) -> list[dict[str, str]]:
    """A key that made a key, a feed, a webhook and a source; and the second key did so, too."""
    id_, secret = await make_key(client, "first")
    first = await make_all(app, secret, "first")
    second = await make_all(app, first["secret"], "second")
    return [{"key": id_, "secret": secret}, first, second]


async def test_who_made_it_is_shown_and_listed(app: FastAPI, client: httpx.AsyncClient, org: Org) -> None:
    maker = {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"}
    key = await make(client, KEYS, name="Web")
    feed = await make(client, FEEDS)
    hook = await make(client, WEBHOOKS, url=HOOK, events=["*"])
    assert [made["created_by"] for made in (key["key"], feed["feed"], hook["data"])] == [maker] * 3
    listed: Any = answered(await client.get(KEYS), "keys")
    assert [each["created_by"] for each in listed] == [OPERATOR, maker]
    assert (await client.get("/v1/keys/current")).json()["key"]["created_by"] == OPERATOR
    for path, name in ((FEEDS, "feeds"), (WEBHOOKS, "data")):
        [each] = (await client.get(path)).json()[name]
        assert each["created_by"] == maker
    # It can't be chosen.
    refused(await client.post(KEYS, json={"created_by": None}), 400, "invalid_request")
    refused(await client.post(FEEDS, json={"created_by": OPERATOR}), 400, "invalid_request")
    path = f"{WEBHOOKS}/{hook['data']['id']}"
    assert (await client.patch(path, json={"created_by": maker, "name": "CRM"})).status_code == 200
    assert (await client.patch(path, json={"created_by": OPERATOR})).status_code == 400
    assert (await client.patch(path, json={"created_by": None})).status_code == 400


async def test_what_was_made_before_has_no_maker(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    hook = await make(client, WEBHOOKS, url=HOOK, events=["*"])
    await make(client, FEEDS)

    def forget(tx: Tx) -> None:
        for table in (feeds, receivers, metadata.tables["api_keys"]):
            tx.execute(table.update().where(table.c.org_id == org.id).values(created_by=None))

    await db.write(forget)
    for path, name in ((KEYS, "keys"), (FEEDS, "feeds"), (WEBHOOKS, "data")):
        [each] = (await client.get(path)).json()[name]
        assert each["created_by"] is None
    path = f"{WEBHOOKS}/{hook['data']['id']}"
    shown = (await client.get(path)).json()["data"]
    assert shown["created_by"] is None
    assert (await client.patch(path, json=shown)).status_code == 200


async def test_each_change_is_an_event_and_tells_no_secret(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    me = {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"}
    key = await make(client, KEYS, name="Web")
    feed = await make(client, FEEDS)
    hook = await make(client, WEBHOOKS, url=HOOK, events=["appointment.*"])
    path = f"{WEBHOOKS}/{hook['data']['id']}"
    assert (await client.patch(path, json={"name": "CRM"})).is_success
    rotated = (await client.post(f"{path}/rotate-secret")).json()["data"]["secret"]
    assert (await client.delete(path)).is_success
    assert (await client.delete(f"{FEEDS}/{feed['feed']['id']}")).is_success
    assert (await client.delete(f"{KEYS}/{key['key']['id']}")).is_success
    assert (await client.delete(f"{KEYS}/{key['key']['id']}")).is_success  # twice is once
    shown = answered(await client.patch("/v1/organization", json={"name": "Renamed"}), "organization")
    happened = await told(client)
    assert [each["type"] for each in happened if not each["type"].startswith("appointment")] == [
        "key.created",
        "feed.created",
        "webhook.created",
        "webhook.updated",
        "webhook.secret_rotated",
        "webhook.deleted",
        "feed.deleted",
        "key.revoked",
        "organization.updated",
    ]
    of = {each["type"]: each for each in happened}
    assert all(each["actor"] == me for each in happened[-9:])
    assert of["key.created"]["data"]["key"] == {k: v for k, v in key["key"].items() if k != "prefix"}
    assert of["key.revoked"]["data"]["key"]["revoked_at"] == "2024-01-20T12:00:00Z"
    assert of["feed.created"]["data"] == {"feed": feed["feed"]}
    assert of["feed.deleted"]["data"] == {
        "id": feed["feed"]["id"],
        "deleted": True,
        "feed": feed["feed"],
    }
    assert of["webhook.updated"]["data"]["webhook"]["name"] == "CRM"
    assert of["webhook.deleted"]["data"]["id"] == hook["data"]["id"]
    assert of["organization.updated"]["data"] == {"organization": shown}
    token = feed["url"].rpartition("/")[2].removesuffix(".ics")
    text = str(happened)
    for secret in (key["secret"], key["key"]["prefix"], hook["data"]["secret"], rotated, token, "hidden"):
        assert secret not in text
        assert digest(secret).hex() not in text


async def test_webhooks_are_told_of_each_other_but_not_of_themselves(
    client: httpx.AsyncClient, worker: Any
) -> None:
    first = await make(client, WEBHOOKS, url=HOOK, events=["webhook.*", "key.*", "feed.*", "organization.*"])
    second = await make(client, WEBHOOKS, url=f"{HOOK}/2", events=["*"])
    for made in (first, second):
        path = f"{WEBHOOKS}/{made['data']['id']}"
        assert (await client.patch(path, json={"name": "One"})).is_success
    assert (await client.delete(f"{WEBHOOKS}/{second['data']['id']}")).is_success
    await told(client)
    got = (await client.get(f"{WEBHOOKS}/{first['data']['id']}/deliveries")).json()["data"]
    assert [each["event"] for each in reversed(got)] == [
        "webhook.created",
        "webhook.updated",
        "webhook.deleted",
    ]


async def test_no_secret_stands_in_clear_anywhere_but_a_webhooks_own(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    """Neither in events, nor in what is kept for replays, nor after a rehearsal."""
    secrets: list[str] = []
    for path, body in (
        (KEYS, {"name": "Web"}),
        (FEEDS, {}),
        (WEBHOOKS, {"url": HOOK, "events": ["*"]}),
        ("/v1/calendar/appointments", org.wish(manage_link=True)),
    ):
        assert (await client.post(path, json=body, params={"dry_run": "true"})).is_success
        key = {"Idempotency-Key": f"once {path}"}
        made = (await client.post(path, json=body, headers=key)).json()
        again = (await client.post(path, json=body, headers=key)).json()
        secrets += filter(
            None,
            (
                made.get("secret"),
                (made.get("url") or "").rpartition("/")[2].removesuffix(".ics"),
                made.get("manage_token"),
                again.get("manage_token"),
            ),
        )
        if path == WEBHOOKS:
            hook, signing = made["data"]["id"], made["data"]["secret"]
    rotated = await client.post(f"{WEBHOOKS}/{hook}/rotate-secret", headers={"Idempotency-Key": "rotate"})
    signing_too = rotated.json()["data"]["secret"]
    assert len(secrets) == 4
    await told(client)

    def everything(tx: Tx) -> dict[str, str]:
        return {
            table.name: str([tuple(map(str, row)) for row in tx.execute(select(table))])
            for table in metadata.tables.values()
        }

    for name, text in (await db.read(everything)).items():
        assert not [secret for secret in secrets if secret in text], name
        if name != "receivers":
            assert signing not in text, name
            assert signing_too not in text, name


async def test_a_revoked_key_tells_what_still_stands(
    client: httpx.AsyncClient, chain: list[dict[str, str]]
) -> None:
    first, second, third = chain
    revoked = (await client.delete(f"{KEYS}/{first['key']}")).json()
    assert revoked["key"]["id"] == first["key"]
    assert revoked["key"]["revoked_at"] == "2024-01-20T12:00:00Z"
    everything = {kind: [second[NAMES[kind]], third[NAMES[kind]]] for kind in NOTHING}
    assert ids(revoked["still_standing"]) == everything
    assert "taken_along" not in revoked
    # What is revoked itself is left out, and what it made is not.
    again = (await client.delete(f"{KEYS}/{second['key']}")).json()
    assert ids(again["still_standing"]) == {kind: [third[NAMES[kind]]] for kind in NOTHING}
    whole = (await client.delete(f"{KEYS}/{first['key']}")).json()
    assert ids(whole["still_standing"]) == everything | {"keys": [third["key"]]}


async def test_what_it_made_is_taken_along_with_an_event_for_each(
    app: FastAPI, client: httpx.AsyncClient, org: Org, chain: list[dict[str, str]]
) -> None:
    first, second, third = chain
    other = await make_all(app, org.key, "other")
    path = f"{KEYS}/{first['key']}"
    rehearsed = (await client.delete(path, params={"with": "made", "dry_run": "true"})).json()
    assert len(await told(client, *ENDS)) == 0
    headers = {"Idempotency-Key": "sweep"}
    done = await client.delete(path, params={"with": "made"}, headers=headers)
    assert ids(done.json()["taken_along"]) == ids(rehearsed["taken_along"])
    assert ids(done.json()["taken_along"]) == {
        kind: [second[NAMES[kind]], third[NAMES[kind]]] for kind in NOTHING
    }
    assert "still_standing" not in done.json()
    assert all(each["revoked_at"] for each in done.json()["taken_along"]["keys"])
    again = await client.delete(path, params={"with": "made"}, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (done.json(), "true")
    refused(await client.delete(path, headers=headers), 422, "idempotency_key_reused")
    for secret in (first["secret"], second["secret"], third["secret"]):
        async with client_of(app, secret) as theirs:
            refused(await theirs.get("/v1/keys/current"), 401, "key_revoked")
    assert [each["id"] for each in (await client.get(FEEDS)).json()["feeds"]] == [other["feed"]]
    assert [each["id"] for each in (await client.get(WEBHOOKS)).json()["data"]] == [other["webhook"]]
    happened = await told(client, *ENDS)
    gone = sorted(
        (each["type"], (each["data"].get("key") or each["data"].get("person") or each["data"])["id"])
        for each in happened
    )
    assert gone == sorted(
        [("key.revoked", each["key"]) for each in chain]
        + [("person.updated", each["person"]) for each in chain[1:]]
        + [("feed.deleted", each["feed"]) for each in chain[1:]]
        + [("webhook.deleted", each["webhook"]) for each in chain[1:]]
        + [("source.deleted", each["source"]) for each in chain[1:]]
    )
    assert {each["actor"]["id"] for each in happened} == {org.caller.key_id}


async def test_a_key_may_take_itself_along(app: FastAPI, chain: list[dict[str, str]]) -> None:
    first, second, _ = chain
    async with client_of(app, second["secret"]) as made:
        done = await made.delete(f"{KEYS}/{first['key']}", params={"with": "made"})
        assert second["key"] in ids(done.json()["taken_along"])["keys"]
        refused(await made.get(KEYS), 401, "key_revoked")


async def test_only_made_may_be_taken_along(client: httpx.AsyncClient, chain: list[dict[str, str]]) -> None:
    for wrong in ("all", "", "Made"):
        refused(
            await client.delete(f"{KEYS}/{chain[0]['key']}", params={"with": wrong}), 400, "invalid_request"
        )
    refused(await client.delete(f"{KEYS}/key_none", params={"with": "made"}), 404, "not_found")
    keys_: Any = answered(await client.get(KEYS), "keys")
    assert all(each["revoked_at"] is None for each in keys_)


async def test_a_webhook_with_many_deliveries_is_emptied_ahead(
    client: httpx.AsyncClient,
    db: Database,
    clock: StoppedClock,
    org: Org,
    chain: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "_MOST_REPLAYED", 10)
    hook = chain[1]["webhook"]

    def fill(tx: Tx) -> None:
        event = outbox.row(org.id, "calendar.created", "{}", clock.now())
        tx.execute(insert(events), {**event, "seq": 1_000_000})
        row = tx.execute(select(events).where(events.c.id == event["id"])).one()
        tx.execute(insert(deliveries), [queue.delivery(org.id, hook, row, n, clock.now()) for n in range(25)])

    def left(tx: Tx) -> int:
        mine = deliveries.c.receiver_id == hook
        return tx.execute(select(func.count()).select_from(deliveries).where(mine)).scalar_one()

    await db.write(fill)
    before = await db.read(left)
    path, query = f"{KEYS}/{chain[0]['key']}", {"with": "made"}
    assert (await client.delete(path, params=query | {"dry_run": "true"})).is_success
    assert await db.read(left) == before >= 25
    assert (await client.delete(path, params=query)).is_success
    assert await db.read(left) == 0


async def test_nothing_is_made_behind_the_back_of_who_revokes(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    """What a key makes while it is being revoked is taken along, or refused."""
    for _ in range(3):
        id_, secret = await make_key(client, "busy")
        async with client_of(app, secret) as theirs:
            making = [
                *(theirs.post(FEEDS, json={}) for _ in range(8)),
                *(theirs.post(KEYS, json={"scopes": ["admin"]}) for _ in range(4)),
                *(
                    theirs.post(WEBHOOKS, json={"url": f"https://93.184.216.34/{n}", "events": ["*"]})
                    for n in range(4)
                ),
            ]
            revoking = client.delete(f"{KEYS}/{id_}", params={"with": "made"})
            answers = await asyncio.gather(*making[::2], revoking, *making[1::2])
        assert {answer.status_code for answer in answers} <= {200, 201, 401}
        maker = {"kind": "api_key", "id": id_, "name": "busy"}
        listed: Any = answered(await client.get(KEYS), "keys")
        standing = [
            each
            for each in [
                *(each for each in listed if each["revoked_at"] is None),
                *(await client.get(FEEDS)).json()["feeds"],
                *(await client.get(WEBHOOKS)).json()["data"],
            ]
            if each["created_by"] == maker
        ]
        assert standing == []


async def test_a_key_that_was_revoked_since_the_call_came_in_makes_nothing(
    db: Database, clock: StoppedClock, org: Org
) -> None:
    from kalends.core.errors import KeyRevoked

    party = staff(org.caller)
    await db.write(keys.revoke, operator(org.id), org.caller.key_id, clock.now())
    with pytest.raises(KeyRevoked):
        await db.write(keys.create, party, name=None, lifetime=None, now=clock.now())
    wish = WebhookCreate(url=HOOK, events=["*"])
    with pytest.raises(KeyRevoked):
        await db.write(webhooks.create, party, wish, clock.now(), mail=False)
