"""/v1/webhooks, in the envelope the contract gives to these calls."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select

from kalends.core.webhook_secrets import signing_key
from kalends.db.database import Database, Tx
from kalends.db.tables import receivers
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from tests.api.hooks import ELSEWHERE, HOOK, PATH, book, failed, listed, make, number, succeeded, wrong
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("names")]


KEPT = (
    "id",
    "name",
    "url",
    "events",
    "active",
    "disabled_reason",
    "failing_since",
    "created_by",
    "created_at",
    "updated_at",
)


async def test_the_list_comes_in_pages(client: httpx.AsyncClient) -> None:
    async def page(**query: Any) -> tuple[list[str], dict[str, int]]:
        response = await client.get(PATH, params=query)
        assert list(response.json()) == ["success", "data", "pagination"]
        return [each["id"] for each in succeeded(response)], response.json()["pagination"]

    assert await page() == ([], {"page": 1, "limit": 50, "total": 0})
    ids = [(await make(client, url=f"{HOOK['url']}/{n}"))["id"] for n in range(53)]
    assert await page() == (ids[:50], {"page": 1, "limit": 50, "total": 53})
    assert await page(page=2) == (ids[50:], {"page": 2, "limit": 50, "total": 53})
    assert await page(page=1, limit=100) == (ids, {"page": 1, "limit": 100, "total": 53})
    assert await page(limit=1, page=53) == (ids[52:], {"page": 53, "limit": 1, "total": 53})
    for beyond in (3, 2**63, 10**30):
        assert await page(page=beyond) == ([], {"page": beyond, "limit": 50, "total": 53})
    walked = [each for n in range(1, 9) for each in (await page(page=n, limit=7))[0]]
    assert walked == ids
    # What was deleted leaves no gap.
    succeeded(await client.delete(f"{PATH}/{ids[0]}"))
    assert await page(limit=2) == (ids[1:3], {"page": 1, "limit": 2, "total": 52})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=all", "limit"),
        ("page=0&limit=0", "page"),
    ],
)
async def test_a_page_there_can_t_be_is_a_validation_error(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    error = failed(await client.get(f"{PATH}?{query}"), 400, "VALIDATION_ERROR")
    assert error["details"]["field"] == field
    assert error["details"]["reason"]
    assert error["message"].startswith(field)


async def test_a_list_is_of_ones_own_webhooks(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock
) -> None:
    mine = await make(client)
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as theirs:
        for name in ("a", "b"):
            await make(theirs, url=f"{HOOK['url']}/{name}")
        assert (await theirs.get(PATH)).json()["pagination"]["total"] == 2
    response = await client.get(PATH)
    assert response.json()["pagination"]["total"] == 1
    assert [each["id"] for each in succeeded(response)] == [mine["id"]]


async def test_a_webhooks_life(client: httpx.AsyncClient, clock: StoppedClock, org: Org) -> None:
    assert succeeded(await client.get(PATH)) == []
    made = await make(client, name="CRM")
    secret = made.pop("secret")
    assert made == {
        "id": made["id"],
        "name": "CRM",
        "url": "https://hook.example/in",
        "events": ["appointment.*"],
        "active": True,
        "disabled_reason": None,
        "failing_since": None,
        "created_by": {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"},
        "created_at": "2024-01-20T12:00:00Z",
        "updated_at": "2024-01-20T12:00:00Z",
    }
    assert tuple(made) == KEPT
    assert made["id"].startswith("whk_")
    assert secret.startswith("whsec_")
    assert len(signing_key(secret)) == 32
    second = await make(client, url=ELSEWHERE)
    assert second["secret"] != secret
    assert (second.pop("secret"), second["name"]) != (secret, "CRM")
    assert succeeded(await client.get(PATH)) == [made, second]
    path = f"{PATH}/{made['id']}"
    assert succeeded(await client.get(path)) == made

    clock.forward(minutes=1)
    changed = succeeded(await client.patch(path, json={"active": False, "unknown": 1}))
    assert changed == made | {"active": False, "updated_at": "2024-01-20T12:01:00Z"}
    clock.forward(minutes=1)
    wish = {"url": "http://other.example:8080/x?y=z", "events": ["*", "calendar.created"], "name": None}
    changed = succeeded(await client.patch(path, json=wish | {"active": True}))
    assert changed == made | wish | {"updated_at": "2024-01-20T12:02:00Z"}
    assert succeeded(await client.get(path)) == changed

    gone = await client.delete(path)
    assert gone.json() == {"success": True, "data": {"id": made["id"], "deleted": True}}
    assert gone.status_code == 200
    failed(await client.get(path), 404, "NOT_FOUND")
    failed(await client.delete(path), 404, "NOT_FOUND")
    assert succeeded(await client.get(PATH)) == [second]


async def test_dry_run_makes_nothing(client: httpx.AsyncClient) -> None:
    shown = succeeded(await client.post(f"{PATH}?dry_run=true", json=HOOK), 201)
    assert shown["url"] == HOOK["url"]
    assert succeeded(await client.get(PATH)) == []


@pytest.mark.parametrize(
    ("path", "status"), [("", 201), ("/{id}/rotate-secret", 200)], ids=["create", "rotate-secret"]
)
async def test_a_replay_does_not_show_the_secret_again(
    client: httpx.AsyncClient, db: Database, path: str, status: int
) -> None:
    before = await make(client, url=ELSEWHERE)

    async def call() -> httpx.Response:
        headers = {"Idempotency-Key": "order 66"}
        return await client.post(
            PATH + path.format(**before), json=HOOK if not path else None, headers=headers
        )

    first, again = await call(), await call()
    made = succeeded(first, status)
    assert made["secret"].startswith("whsec_")
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert succeeded(again, status) == made | {"secret": None}

    def stored(tx: Tx) -> str:
        return tx.execute(select(receivers.c.secret).where(receivers.c.id == made["id"])).scalar_one()

    assert await db.read(stored) == made["secret"]


async def test_every_failure_is_in_the_envelope(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    path = f"{PATH}/{made['id']}"
    for body, field in ((b"{", None), (b'{"url": 1, "url": 2}', None), (b"[]", None), (b"", None)):
        error = failed(await client.post(PATH, content=body), 400, "VALIDATION_ERROR")
        assert error["details"]["field"] == field
        assert error["details"]["reason"]
    for query, field in (("status=lost", "status"), ("limit=0", "limit"), ("limit=1001", "limit")):
        wrong(await client.get(f"{path}/deliveries?{query}"), field)
    failed(await client.post(f"{PATH}?dry_run=perhaps", json=HOOK), 400, "VALIDATION_ERROR")
    failed(await client.post(PATH, json=HOOK, headers={"Idempotency-Key": " "}), 400, "VALIDATION_ERROR")
    for unknown in ("/x/y", "/x/y/z", f"/{made['id']}/nothing", "/"):
        failed(await client.get(PATH + unknown), 404, "NOT_FOUND")
    for method, known, allowed in (
        ("PUT", PATH, "GET, HEAD, POST"),
        ("POST", path, "DELETE, GET, HEAD, PATCH"),
        ("GET", f"{path}/test", "POST"),
    ):
        response = await client.request(method, known)
        failed(response, 405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == allowed
    large = HOOK | {"name": "x" * 65_536}
    failed(await client.post(PATH, json=large), 413, "BODY_TOO_LARGE")
    sent = {"Content-Type": "text/plain"}
    failed(await client.post(PATH, content=b"{}", headers=sent), 415, "UNSUPPORTED_MEDIA_TYPE")
    reused = {"Idempotency-Key": "1"}
    await make(client, url=ELSEWHERE, headers=reused)
    failed(await client.post(PATH, json=HOOK | {"name": "x"}, headers=reused), 422, "IDEMPOTENCY_KEY_REUSED")

    revoked = await db.write(
        keys.create, operator(org.id), name=None, scopes=["read"], lifetime=None, now=clock.now()
    )
    await db.write(keys.revoke, operator(org.id), revoked["id"], clock.now())
    for key, code in ((None, "UNAUTHORIZED"), ("vst_wrong", "UNAUTHORIZED"), (revoked["key"], "KEY_REVOKED")):
        async with client_of(app, key) as nobody:
            response = await nobody.get(PATH)
            failed(response, 401, code)
            assert response.headers["www-authenticate"] == "Bearer"
    slow = await make_org(db, clock.now(), requests_per_hour=1)
    async with client_of(app, slow.key) as eager:
        assert succeeded(await eager.get(PATH)) == []
        response = await eager.get(PATH)
        assert failed(response, 429, "RATE_LIMITED")["details"]["limit"] == 1
        assert int(response.headers["retry-after"]) > 0


async def test_each_call_wants_its_scope(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    now = StoppedClock().now()
    path = f"{PATH}/{(await make(client))['id']}"
    wanted = [
        ("GET", PATH, "read"),
        ("POST", PATH, "write"),
        ("GET", path, "read"),
        ("PATCH", path, "write"),
        ("DELETE", path, "delete"),
        ("POST", f"{path}/rotate-secret", "write"),
        ("GET", f"{path}/deliveries", "read"),
        ("POST", f"{path}/deliveries/dlv_none/replay", "write"),
        ("POST", f"{path}/replay", "write"),
        ("POST", f"{path}/test", "write"),
    ]
    documented = {
        (method.upper(), known.replace("{id}", path.rpartition("/")[2]).replace("{delivery_id}", "dlv_none"))
        for known, methods in app.openapi()["paths"].items()
        if known.startswith(PATH)
        for method in methods
    }
    assert documented == {each[:2] for each in wanted}
    for scope, lacking in (("read", ["delete"]), ("write", ["read", "delete"]), ("delete", ["write"])):
        key = await db.write(keys.create, operator(org.id), name=None, scopes=lacking, lifetime=None, now=now)
        async with client_of(app, key["key"]) as limited:
            for method, address, needed in wanted:
                if needed == scope:
                    body = HOOK if method in ("POST", "PATCH") else None
                    error = failed(await limited.request(method, address, json=body), 403, "SCOPE_MISSING")
                    assert error["details"] == {"scope": scope}
    assert len(succeeded(await client.get(PATH))) == 1


async def test_anothers_webhooks_do_not_exist(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    await book(client, org, 1)
    await number(client)
    [delivery] = await listed(client, made)
    other = await make_org(db, clock.now())
    async with client_of(app, other.key) as theirs:
        own = await make(theirs)
        assert [each["id"] for each in succeeded(await theirs.get(PATH))] == [own["id"]]
        replay = {"from": "2024-01-20T00:00:00Z", "to": "2024-01-21T00:00:00Z"}
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"active": False}),
            ("DELETE", "", None),
            ("POST", "/rotate-secret", None),
            ("GET", "/deliveries", None),
            ("POST", f"/deliveries/{delivery['id']}/replay", None),
            ("POST", "/replay", replay),
            ("POST", "/test", None),
        ):
            failed(await theirs.request(method, f"{PATH}/{made['id']}{path}", json=body), 404, "NOT_FOUND")
        path = f"{PATH}/{own['id']}/deliveries/{delivery['id']}/replay"
        failed(await theirs.post(path), 404, "NOT_FOUND")
        assert await listed(theirs, own) == []
        assert succeeded(await theirs.post(f"{PATH}/{own['id']}/replay", json=replay)) == {"deliveries": 0}
    assert await listed(client, made) == [delivery]


async def test_mails_are_no_webhook(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    await book(client, org, 1)
    await db.write(event_order.number, org.id, clock.now(), mail=True)
    assert succeeded(await client.get(PATH)) == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate-secret"), ("GET", "/deliveries")):
        failed(await client.request(method, f"{PATH}/mail{path}"), 404, "NOT_FOUND")


async def test_rotating_gives_a_new_secret_and_nothing_else(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock
) -> None:
    made = await make(client, secret="sixteen-letters!")
    clock.forward(minutes=1)
    path = f"{PATH}/{made['id']}"
    rotated = succeeded(await client.post(f"{path}/rotate-secret"))
    assert len(signing_key(rotated["secret"])) == 32
    assert rotated == made | {"secret": rotated["secret"], "updated_at": "2024-01-20T12:01:00Z"}

    def stored(tx: Tx) -> tuple[Any, ...]:
        row = receivers.c
        return tuple(
            tx.execute(
                select(row.secret, row.old_secret, row.old_secret_until).where(row.id == made["id"])
            ).one()
        )

    until = clock.now() + timedelta(hours=24)
    assert await db.read(stored) == (rotated["secret"], "sixteen-letters!", until)
    assert "secret" not in succeeded(await client.get(path))
    assert "rotate-secret" in wrong(await client.patch(path, json={"secret": "another-of-theirs"}), "secret")
    assert (await db.read(stored))[0] == rotated["secret"]


async def test_there_may_be_so_many(client: httpx.AsyncClient, org: Org, db: Database) -> None:
    await make(client)

    def fill(tx: Tx) -> None:
        row = dict(tx.execute(select(receivers).where(receivers.c.org_id == org.id)).one()._mapping)
        copies = [row | {"id": f"whk_{number}"} for number in range(webhooks.MOST_WEBHOOKS - 2)]
        tx.execute(insert(receivers), copies)

    await db.write(fill)
    last = await make(client, url=ELSEWHERE)
    failed(await client.post(PATH, json=HOOK | {"url": f"{ELSEWHERE}/too"}), 409, "CONFLICT")
    succeeded(await client.delete(f"{PATH}/{last['id']}"))
    await make(client, url=ELSEWHERE)
