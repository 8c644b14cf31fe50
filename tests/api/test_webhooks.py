"""/v1/webhooks, in the envelope the contract gives to these calls."""

import asyncio
import base64
import socket
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select, update

from kalends.app import create_app
from kalends.core.webhook_secrets import signing_key
from kalends.db.database import Database, Tx
from kalends.db.tables import deliveries, receivers
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from kalends.settings import Settings
from tests.api.conftest import client_of
from tests.support.answers import answered
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

PATH = "/v1/webhooks"
HOOK = {"url": "https://hook.example/in", "events": ["appointment.*"]}
ELSEWHERE = "https://hook.example/elsewhere"
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
LIFE = ("webhook.created", "webhook.updated", "webhook.secret_rotated", "webhook.deleted")


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Where names lead. Nobody is asked: every other name leads nowhere, and the spellings of addresses are
    the system's own."""
    known = {
        "hook.example": ["93.184.216.34"],
        "other.example": ["2606:2800:220:1::1", "93.184.216.34"],
        "localhost": ["127.0.0.1"],
        "inside.example": ["10.1.2.3"],
        "inside6.example": ["fd00::1"],
        "both.example": ["93.184.216.34", "127.0.0.1"],
        "mapped.example": ["::ffff:169.254.169.254"],
    }
    system = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        found = known.get(name.lower(), [name])
        named["flags"] = socket.AI_NUMERICHOST
        return [each for address in found for each in system(address, port, *rest[:3], **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def succeeded(response: httpx.Response, status: int = 200) -> Any:
    """Assert that a response is a success in the envelope, and return what is in it."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["success"] is True
    assert body.keys() - {"next_cursor", "pagination"} == {"success", "data"}
    return body["data"]


def failed(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a response is a failure in the envelope, and return its error."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"success", "error"}
    assert body["success"] is False
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "details"}
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert response.headers["content-type"] == "application/json"
    return error


def wrong(response: httpx.Response, field: str) -> str:
    """Assert that a field of the body was refused, and return the reason."""
    error = failed(response, 400, "VALIDATION_ERROR")
    assert error["details"]["field"] == field
    assert error["message"].startswith(field)
    reason = error["details"]["reason"]
    assert isinstance(reason, str)
    assert reason
    return reason


async def make(
    client: httpx.AsyncClient, headers: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    made: dict[str, Any] = succeeded(await client.post(PATH, json=HOOK | fields, headers=headers), 201)
    return made


async def book(client: httpx.AsyncClient, org: Org, day: int) -> str:
    wish = org.wish(start_time=f"2024-02-{day:02}T14:00:00Z")
    booked = answered(await client.post("/v1/calendar/appointments", json=wish), "appointment")
    return str(booked["id"])


async def number(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Give the events their numbers; all of them, but for those of the webhooks' own lives."""
    events: list[dict[str, Any]] = (await client.get("/v1/events")).json()["events"]
    return [each for each in events if each["type"] not in LIFE]


async def listed(client: httpx.AsyncClient, made: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = succeeded(await client.get(f"{PATH}/{made['id']}/deliveries", params=query))
    return found


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


SECRETS = {
    "24 bytes": "whsec_" + base64.b64encode(bytes(range(24))).decode(),
    "25 bytes": "whsec_" + base64.b64encode(bytes(range(25))).decode(),
    "64 bytes": "whsec_" + base64.b64encode(bytes(range(192, 256))).decode(),
    "16 characters": "sixteen-letters!",
    "255 characters": "!~" * 127 + "x",
}
NO_SECRETS = {
    "15 characters": "fifteen-letters",
    "256 characters": "x" * 256,
    "23 bytes": "whsec_" + base64.b64encode(bytes(23)).decode(),
    "65 bytes": "whsec_" + base64.b64encode(bytes(65)).decode(),
    "no base64": "whsec_" + "!" * 40,
    "a space": "correct horse battery",
    "not ASCII": "Schlüssel-Schlüssel",
    "a control character": "sixteen-letters\x7f!",
    "empty": "",
    "not text": 1234567890123456,
}


@pytest.mark.parametrize("name", SECRETS)
async def test_a_client_may_bring_a_secret(client: httpx.AsyncClient, name: str) -> None:
    assert (await make(client, secret=SECRETS[name]))["secret"] == SECRETS[name]


async def test_what_is_no_secret_is_refused(client: httpx.AsyncClient) -> None:
    for secret in NO_SECRETS.values():
        wrong(await client.post(PATH, json=HOOK | {"secret": secret}), "secret")
    assert succeeded(await client.get(PATH)) == []
    assert (await make(client, secret=None))["secret"].startswith("whsec_")


NO_FIELDS: list[tuple[str, Any]] = [
    *(
        ("url", url)
        for url in (
            "hook.example",
            "ftp://hook.example",
            "https://",
            "https:///in",
            "https://hook.example:0/",
            "https://hook.example:65536/",
            "https://user@hook.example/",
            "https://user:password@hook.example/",
            "https://hook.example/#part",
            "https://hook.example/a b",
            "https://höok.example/",
            "https://hook.example/\u2028x",
            "https://[::1/",
            "javascript:alert(1)",
            "https://hook.example/" + "x" * 2_000,
            7,
        )
    ),
    ("events", []),
    ("events", "appointment.*"),
    ("events", ["*"] * 51),
    ("events.0", ["appointment.made"]),
    ("events.1", ["*", "webhook.test"]),
    ("events.0", [1]),
    ("name", ""),
    ("name", "x" * 256),
]


async def test_what_is_wrong_is_named_and_nothing_is_changed(client: httpx.AsyncClient) -> None:
    made = await make(client)
    del made["secret"]
    path = f"{PATH}/{made['id']}"
    for field, value in NO_FIELDS:
        body = {field.partition(".")[0]: value}
        wrong(await client.post(PATH, json=HOOK | body), field)
        wrong(await client.patch(path, json=body), field)
    for field in ("url", "events", "active"):
        wrong(await client.patch(path, json={field: None}), field)
    wrong(await client.patch(path, json={"active": "no"}), "active")
    assert succeeded(await client.get(PATH)) == [made]


async def test_what_is_required_is_said(client: httpx.AsyncClient) -> None:
    for body, missing in (({}, ["url", "events"]), ({"url": " ", "events": ["*"]}, ["url"])):
        error = failed(await client.post(PATH, json=body), 400, "VALIDATION_ERROR")
        assert error["message"] == "url and events are required"
        assert error["details"] == {
            "field": missing[0],
            "reason": "is required",
            "code": "missing_fields",
            "fields": [{"field": field, "reason": "is required"} for field in missing],
        }
    made = await make(client)
    error = failed(
        await client.post(f"{PATH}/{made['id']}/replay", json={"from": "x"}), 400, "VALIDATION_ERROR"
    )
    assert error["message"] == "from and to are required"


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


PRIVATE = (
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.0x1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "0xa.1",
    "192.168.0.1",
    "3232235521",
    "169.254.169.254",
    "2852039166",
    "100.64.0.1",
    "[::]",
    "[::1]",
    "[::1]:8080",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fd00::1]",
    "[fe80::1]",
    "[fe80::1%lo]",
    "[ff02::1]",
    "localhost",
    "LocalHost",
    "localhost.",
    "localhost:5432",
    "inside.example",
    "inside6.example",
    "both.example",
    "mapped.example",
    "mapped.example.",
)


async def test_urls_that_lead_to_private_addresses_are_refused(client: httpx.AsyncClient) -> None:
    made = await make(client)
    for host in PRIVATE:
        for response in (
            await client.post(PATH, json=HOOK | {"url": f"https://{host}/in"}),
            await client.patch(f"{PATH}/{made['id']}", json={"url": f"http://{host}"}),
        ):
            reason = wrong(response, "url")
            assert reason == "must not lead to a private, loopback or link-local address", host
    [kept] = succeeded(await client.get(PATH))
    assert kept["url"] == HOOK["url"]


@pytest.mark.parametrize(
    "host", ["1.1.1.1", "[2606:4700::1111]", "16843009", "other.example", "nowhere.example"]
)
async def test_public_addresses_and_names_that_lead_nowhere_yet_are_let_in(
    client: httpx.AsyncClient, host: str
) -> None:
    url = f"https://{host}:8443/in"
    assert (await make(client, url=url))["url"] == url


async def test_private_addresses_may_be_allowed_for_development(url: str, clock: StoppedClock) -> None:
    settings = Settings(database_url=url, worker=False, webhooks_allow_private=True)
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as client:
            made = await make(client, url="http://127.0.0.1:9/in")
            changed = await client.patch(f"{PATH}/{made['id']}", json={"url": "http://localhost:9/in"})
            assert succeeded(changed)["url"] == "http://localhost:9/in"


async def test_a_webhook_gets_the_events_it_names_from_then_on(client: httpx.AsyncClient, org: Org) -> None:
    await book(client, org, 1)
    wanting = {
        each: await make(client, url=f"{ELSEWHERE}/{each}", events=each.split(","))
        for each in ("webhook.disabled", "appointment.*", "calendar.created,appointment.cancelled", "*")
    }
    booked = await book(client, org, 2)
    await client.patch(f"/v1/calendar/appointments/{booked}", json={"status": "cancelled"})
    await client.post("/v1/calendar/calendars", json={"name": "Room"})
    happened = (await number(client))[1:]
    assert [event["type"] for event in happened] == [
        "appointment.created",
        "appointment.cancelled",
        "calendar.created",
    ]
    found = {each: await listed(client, made) for each, made in wanting.items()}
    assert {each: [delivery["event"] for delivery in reversed(got)] for each, got in found.items()} == {
        "*": ["appointment.created", "appointment.cancelled", "calendar.created"],
        "appointment.*": ["appointment.created", "appointment.cancelled"],
        "calendar.created,appointment.cancelled": ["appointment.cancelled", "calendar.created"],
        "webhook.disabled": [],
    }
    newest = found["*"][0]
    assert newest == {
        "id": newest["id"],
        "event_id": happened[-1]["id"],
        "event": "calendar.created",
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": "2024-01-20T12:00:00Z",
        "last_attempt_at": None,
        "answer_code": None,
        "answer": None,
        "error": None,
        "latency_ms": None,
        "created_at": "2024-01-20T12:00:00Z",
    }
    # What it wants may change, for what happens then.
    path = f"{PATH}/{wanting['*']['id']}"
    succeeded(await client.patch(path, json={"events": ["calendar.*"]}))
    await book(client, org, 3)
    await number(client)
    assert await listed(client, wanting["*"]) == found["*"]


async def test_deliveries_are_listed_page_by_page_newest_first(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    for day in range(1, 6):
        await book(client, org, day)
        await number(client)
    everything = await listed(client, made)
    assert [each["event_id"] for each in reversed(everything)] == [
        each["id"] for each in await number(client)
    ]
    path = f"{PATH}/{made['id']}/deliveries"
    for limit in (1, 2, 4, 5):
        seen: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": limit}
        while True:
            response = await client.get(path, params=query)
            found = succeeded(response)
            assert 0 < len(found) <= limit
            seen += found
            cursor = response.json()["next_cursor"]
            if cursor is None:
                break
            query["cursor"] = cursor
        assert seen == everything

    def settle(tx: Tx) -> None:
        for status, each in zip(("delivered", "failed"), everything, strict=False):
            mine = deliveries.c.org_id == org.id, deliveries.c.id == each["id"]
            tried = {"attempts": 1, "last_attempt_at": clock.now(), "latency_ms": 12, "due_at": None}
            answer = {"answer_code": 200, "answer": "ok"} if status == "delivered" else {"error": "no answer"}
            tx.execute(update(deliveries).where(*mine).values({"status": status, **tried, **answer}))

    await db.write(settle)
    [delivered], [lost] = [await listed(client, made, status=status) for status in ("delivered", "failed")]
    tried = {
        "attempts": 1,
        "last_attempt_at": "2024-01-20T12:00:00Z",
        "latency_ms": 12,
        "next_attempt_at": None,
    }
    assert delivered == everything[0] | tried | {"status": "delivered", "answer_code": 200, "answer": "ok"}
    assert lost == everything[1] | tried | {"status": "failed", "error": "no answer"}
    assert await listed(client, made, status="pending") == everything[2:]
    [only] = await listed(client, made, status="pending", limit=1, cursor=everything[3]["id"])
    assert only == everything[4]
    assert len(await listed(client, other, status="pending")) == 5

    # A deleted webhook takes its deliveries with it; the events stay.
    succeeded(await client.delete(f"{PATH}/{made['id']}"))
    failed(await client.get(path), 404, "NOT_FOUND")
    assert len(await number(client)) == len(await listed(client, other)) == 5


async def test_one_delivery_is_replayed(client: httpx.AsyncClient, clock: StoppedClock, org: Org) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    await book(client, org, 1)
    await number(client)
    [first] = await listed(client, made)
    clock.forward(minutes=5)
    again = succeeded(await client.post(f"{PATH}/{made['id']}/deliveries/{first['id']}/replay"))
    assert again["id"] != first["id"]
    later = {"created_at": "2024-01-20T12:05:00Z", "next_attempt_at": "2024-01-20T12:05:00Z"}
    assert again == first | later | {"id": again["id"]}
    assert await listed(client, made) == [again, first]
    for path in (f"{other['id']}/deliveries/{first['id']}", f"{made['id']}/deliveries/dlv_none"):
        failed(await client.post(f"{PATH}/{path}/replay"), 404, "NOT_FOUND")
    assert len(await listed(client, other)) == 1


async def test_a_time_is_replayed_from_its_first_second_to_before_its_last(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = await make_org(db, clock.now(), timezone="Europe/Berlin")
    client.headers["Authorization"] = f"Bearer {org.key}"
    for day in range(1, 4):
        await book(client, org, day)
        await client.post("/v1/calendar/calendars", json={"name": f"Room {day}"})
        clock.forward(seconds=1)
    made = await make(client)  # it was told of none of these
    path = f"{PATH}/{made['id']}/replay"

    async def replayed(start: str, end: str) -> list[str]:
        before = await listed(client, made)
        count = succeeded(await client.post(path, json={"from": start, "to": end}))
        new = (await listed(client, made))[: -len(before) or None]
        assert count == {"deliveries": len(new)}
        assert all(each["event"] == "appointment.created" for each in new)
        return [each["event_id"] for each in reversed(new)]

    wanted = [each["id"] for each in await number(client) if each["type"] == "appointment.created"]
    assert len(wanted) == 3
    assert await replayed("2024-01-20T12:00:00Z", "2024-01-20T12:00:02Z") == wanted[:2]
    assert await replayed("2024-01-20T12:00:01Z", "2024-01-20T12:00:02Z") == wanted[1:2]
    assert await replayed("2024-01-20T13:00:01", "2024-01-20T13:00:03") == wanted[1:]  # its own zone's time
    assert await replayed("2024-01-20T12:00:01Z", "2024-01-20T12:00:01Z") == []
    assert await replayed("2024-01-20T12:00:02Z", "2024-01-20T12:00:00Z") == []
    for bad, field in (("yesterday", "from"), ("2024-01-20", "from")):
        wrong(await client.post(path, json={"from": bad, "to": "2024-01-21T00:00:00Z"}), field)
    skipped = {"from": "2024-03-31T02:30:00", "to": "2024-04-01T00:00:00Z"}
    error = failed(await client.post(path, json=skipped), 400, "VALIDATION_ERROR")
    assert error["details"]["code"] == "nonexistent_time"
    monkeypatch.setattr(webhooks, "_MOST_REPLAYED", 3)
    whole = {"from": "2024-01-20T12:00:00Z", "to": "2024-01-20T12:00:03Z"}
    error = failed(await client.post(path, json=whole), 400, "VALIDATION_ERROR")
    assert "More than 3 events" in error["message"]
    assert len(await listed(client, made)) == 5


async def test_a_test_is_told_to_one_webhook_only(client: httpx.AsyncClient) -> None:
    made, other = await make(client, name="CRM"), await make(client, url=ELSEWHERE, events=["*"])
    for _ in range(2):
        delivery = succeeded(await client.post(f"{PATH}/{made['id']}/test"))
        assert (delivery["event"], delivery["status"], delivery["attempts"]) == ("webhook.test", "pending", 0)
    assert (await listed(client, made))[0] == delivery
    assert len(await listed(client, made)) == 2
    assert await listed(client, other) == []
    event = (await number(client))[-1]
    assert (event["id"], event["type"]) == (delivery["event_id"], "webhook.test")
    assert event["data"] == {"webhook": {"id": made["id"], "name": "CRM"}}
    assert event["actor"]["kind"] == "api_key"
    succeeded(await client.patch(f"{PATH}/{made['id']}", json={"active": False}))
    failed(await client.post(f"{PATH}/{made['id']}/test"), 409, "CONFLICT")
    assert len(await number(client)) == 2


async def test_what_happened_before_a_webhook_was_made_is_not_told_however_much_it_was(
    client: httpx.AsyncClient, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_order, "_MOST_AT_ONCE", 2)
    for day in range(1, 6):
        await book(client, org, day)
    made = await make(client, events=["*"])
    for day in range(6, 11):
        await book(client, org, day)
    tested = succeeded(await client.post(f"{PATH}/{made['id']}/test"))
    told = [each["event_id"] for each in reversed(await listed(client, made))]
    assert told == [each["id"] for each in await number(client)][5:]
    assert told[-1] == tested["event_id"]


async def test_an_inactive_webhook_gets_what_it_missed_once_it_is_active_again(
    client: httpx.AsyncClient, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    path = f"{PATH}/{made['id']}"
    succeeded(await client.patch(path, json={"active": False}))
    missed = [await book(client, org, day) for day in (1, 2)]
    await number(client)
    clock.forward(hours=1)
    succeeded(await client.patch(path, json={"active": True}))
    later = await book(client, org, 3)
    told = [event["data"]["appointment"]["id"] for event in await number(client)]
    assert told == [*missed, later]
    events = [event["id"] for event in await number(client)]
    assert [each["event_id"] for each in reversed(await listed(client, made))] == events


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


# One webhook to one URL.

SPELLINGS = [
    "https://hook.example/in",
    "HTTPS://HOOK.Example/in",
    "https://hook.example:443/in",
    "https://hook.example./in",
    "https://hook.example/x/../in",
    "https://hook.example/./in",
    "https://hook.example/%69n",
    "https://hook.example/in?",
]
OTHERS = [
    "http://hook.example/in",
    "https://hook.example:8443/in",
    "https://other.example/in",
    "https://hook.example/in/",
    "https://hook.example/IN",
    "https://hook.example/in?a=b",
    "https://hook.example/in?a=B",
    "https://hook.example//in",
    "https://hook.example/%2Fin",
]


async def test_the_same_url_twice_is_refused_however_it_is_spelled(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    for url in SPELLINGS:
        for dry_run in ("true", "false"):
            wish = {"url": url, "events": ["calendar.created"], "secret": "sixteen-letters!"}
            error = failed(
                await client.post(PATH, json=wish, params={"dry_run": dry_run}), 409, "ALREADY_EXISTS"
            )
            assert error["details"] == {"webhook_id": made["id"]}
            assert made["id"] in error["message"]
            assert "PATCH its events" in error["message"]
    others = [await make(client, url=url) for url in OTHERS]
    assert [each["url"] for each in others] == OTHERS
    for path in ("https://bare.example", "https://query.example?a=b"):
        await make(client, url=path)
        slashed = path.replace(".example", ".example/")
        failed(await client.post(PATH, json=HOOK | {"url": slashed}), 409, "ALREADY_EXISTS")
    # Of another organization it may be.
    other = await make_org(db, clock.now())
    async with client_of(app, other.key) as theirs:
        await make(theirs)
    assert len(succeeded(await client.get(PATH))) == 1 + len(OTHERS) + 2


async def test_an_inactive_webhook_has_its_url_until_it_is_deleted(client: httpx.AsyncClient) -> None:
    made = await make(client)
    succeeded(await client.patch(f"{PATH}/{made['id']}", json={"active": False}))
    error = failed(await client.post(PATH, json=HOOK), 409, "ALREADY_EXISTS")
    assert "PATCH it active" in error["message"]
    succeeded(await client.delete(f"{PATH}/{made['id']}"))
    await make(client)


async def test_a_webhook_cant_be_given_the_url_of_another(client: httpx.AsyncClient) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    path = f"{PATH}/{other['id']}"
    for url in SPELLINGS:
        error = failed(await client.patch(path, json={"url": url, "name": "x"}), 409, "ALREADY_EXISTS")
        assert error["details"] == {"webhook_id": made["id"]}
    assert succeeded(await client.get(path)) == {
        name: value for name, value in other.items() if name != "secret"
    }
    # Its own, in another spelling, and one that has become free.
    for url in (ELSEWHERE.replace("hook", "HOOK"), f"{ELSEWHERE}/too", ELSEWHERE):
        assert succeeded(await client.patch(path, json={"url": url}))["url"] == url
    failed(await client.patch(f"{PATH}/whk_none", json={"url": HOOK["url"]}), 404, "NOT_FOUND")


async def test_two_of_old_with_one_url_stay_and_can_be_changed(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    made = await make(client)

    def copy(tx: Tx) -> None:
        row = dict(tx.execute(select(receivers).where(receivers.c.org_id == org.id)).one()._mapping)
        tx.execute(insert(receivers), row | {"id": "whk_old"})

    await db.write(copy)
    for id_ in (made["id"], "whk_old"):
        wish = {"url": HOOK["url"], "events": ["*"], "active": True}
        assert succeeded(await client.patch(f"{PATH}/{id_}", json=wish))["events"] == ["*"]


async def test_of_those_who_want_one_url_at_once_one_gets_it(client: httpx.AsyncClient) -> None:
    for number in range(5):
        url = f"{ELSEWHERE}/{number}"
        first, second = await make(client, url=f"{url}/a"), await make(client, url=f"{url}/b")
        responses = await asyncio.gather(
            *(client.post(PATH, json=HOOK | {"url": url}) for _ in range(3)),
            *(client.patch(f"{PATH}/{each['id']}", json={"url": url}) for each in (first, second)),
        )
        refusals = [each for each in responses if each.status_code == 409]
        assert len(refusals) == 4
        for each in refusals:
            failed(each, 409, "ALREADY_EXISTS")
        assert [each["url"] for each in succeeded(await client.get(PATH))].count(url) == 1
