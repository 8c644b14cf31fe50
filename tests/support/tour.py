"""A tour of the whole API, in the demo on 20 January 2024: every operation answers once, and refuses whatever
it can be made to refuse. What is said on it becomes the examples of the OpenAPI document."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from kalends import demo
from kalends.app import create_app
from kalends.courier import Courier
from kalends.db.database import Database, Tx
from kalends.delivery.webhooks import Poster
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys, organizations
from kalends.settings import Settings
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.documents import spelled_out
from tests.support.elsewhere import Elsewhere
from tests.support.organizations import JANE

BASE = "https://book.example.com"
HOOK = "https://example.com/hook"
DAV = "https://dav.example.com/calendars/weber/work/"
START = "2024-01-25T14:00:00Z"
"""A Thursday: the reference's own example."""
FRIDAY = "2024-01-26"
TYPE = demo.TYPE_ID
LIMIT = 60
"""Requests per hour of those who have not many."""
CLIENT = {name: JANE[name] for name in ("client_name", "client_email")}
_KEYS = {name: f"vst_{name}" for name in ("reading", "deleting", "expired", "revoked", "counted")}
"""Keys that can't do all: for being refused."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request that was answered as it should be."""

    path: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Tour:
    """Asks by the names of operations, and keeps what is said: by operation, `request`, `answer` (or `file`),
    and `refusals` by their code."""

    app: FastAPI
    clients: dict[str, httpx.AsyncClient]
    clock: StoppedClock
    worker: Worker
    elsewhere: Elsewhere
    said: dict[str, Json] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in spelled_out(self.app.openapi())["paths"].items()
            for method, operation in methods.items()
        }

    @property
    def db(self) -> Database:
        database: Database = self.app.state.context.database
        return database

    async def read_sources(self) -> None:
        """Let the worker read what is due."""
        assert self.worker.scout is not None
        await self.worker.read_sources()
        await self.worker.scout.finish()

    async def ask(self, operation: str, body: Any = None, /, **more: Any) -> Any:
        """Ask for what must be answered; the answer. `query` and `headers` have their names, what else is
        named is part of the path."""
        query, headers = more.pop("query", {}), more.pop("headers", {})
        asked = Asked(more, query, body, headers)
        response = await self._send(operation, asked)
        assert response.status_code in (200, 201), f"{operation}: {response.status_code} {response.text}"
        kept = self.said.setdefault(operation, {})
        is_json = response.headers["content-type"] == "application/json"
        told = response.json() if is_json else response.text
        if operation not in self.asked:
            kept |= ({"request": body} if isinstance(body, dict) else {}) | {"answer": told}
            self.asked[operation] = asked
        return told

    async def refuse(self, operation: str, code: str, body: Any = None, /, **more: Any) -> None:
        """Ask for what must be refused with this code."""
        query, headers, by = more.pop("query", {}), more.pop("headers", {}), more.pop("by", None)
        response = await self._send(operation, Asked(more, query, body, headers), by)
        assert self._keep(operation, response) == code, f"{operation}: {response.status_code} {response.text}"

    async def spoil(self, operation: str) -> None:
        """Ask once more for what was answered, but wrongly in every way that can be tried with any."""
        _, _, documented = self.operations[operation]
        for by in ("reading", "deleting"):
            if documented.get("security"):
                self._keep(operation, await self._send(operation, self.asked[operation], by))
        for wrong in _spoilt(self.app.openapi(), documented, self.asked[operation]):
            self._keep(operation, await self._send(operation, wrong))

    def _keep(self, operation: str, response: httpx.Response) -> str | None:
        """Keep a refusal, the first of its code, if the operation documents it; its code."""
        told = response.json() if response.headers["content-type"] == "application/json" else {}
        known = self._codes(operation, response.status_code)
        if response.is_success or not known:
            return None
        refusal = told["error"] if "success" in told else told
        code = refusal["code"].lower()
        if code == "validation_error":
            code = refusal["details"]["code"]
        if code in known:
            self.said.setdefault(operation, {}).setdefault("refusals", {}).setdefault(code, told)
        return str(code)

    def _codes(self, operation: str, status: int) -> set[str]:
        response = self.operations[operation][2]["responses"].get(str(status), {})
        return set(response.get("content", {}).get("application/json", {}).get("examples", {}))

    async def _send(self, operation: str, asked: Asked, by: str | None = None) -> httpx.Response:
        assert operation in self.operations, f"there is no operation {operation}"
        method, path, documented = self.operations[operation]
        client = self.clients[by or ("staff" if documented.get("security", [1]) else "client")]
        content = {"content": asked.body} if isinstance(asked.body, bytes) else {"json": asked.body}
        return await client.request(
            method,
            path.format(**asked.path),
            params=asked.query,
            headers=asked.headers,
            **({} if asked.body is None else content),
        )


def _spoilt(document: Json, operation: Json, good: Asked) -> Iterator[Asked]:
    """The good request with something unknown in it, with nothing, and with something that is malformed."""
    path, query, body = good.path, good.query, good.body
    for name in path:
        yield Asked(path | {name: "unknown"}, query, body)
    for name in query:
        if name.endswith("_id"):
            yield Asked(path, query | {name: "unknown"}, body)
    if isinstance(body, dict):
        for name in _fields(document, operation):
            if name == "id" or name.endswith(("_id", "Id")):
                yield Asked(path, query, body | {name: "unknown"})
        yield Asked(path, query, {})
        for name in body or ["reason"]:
            yield Asked(path, query, body | {name: {"not": "this"}})
    for parameter in operation.get("parameters", ()):
        kind = parameter["schema"]
        if parameter["in"] == "query" and ("enum" in kind or kind["type"] == "integer"):
            yield Asked(path, query | {parameter["name"]: "perhaps"}, body)
    yield Asked(path, query, body, {"Test-Clock": START})


def _fields(document: Json, operation: Json) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return list(document["components"]["schemas"].get(name, {}).get("properties", {}))


@contextlib.asynccontextmanager
async def tour(url: str) -> AsyncIterator[Tour]:
    """A tour of the demo in this database, which must be migrated and empty; not gone yet."""
    clock = StoppedClock()
    settings = Settings(
        database_url=url,
        worker=False,
        public_url=BASE,
        webhooks_allow_private=True,
        sources_allow_private=True,
        smtp_host="localhost",  # nothing is sent there: there is no worker with a postman
        smtp_from="desk@example.com",
        public_requests_per_hour=1_000_000,
        public_holds_per_address=1,
    )
    app = create_app(settings, clock=clock)
    crowded = create_app(settings.model_copy(update={"public_requests_per_hour": LIMIT}), clock=clock)
    async with contextlib.AsyncExitStack() as opened:
        for each in (app, crowded):
            await opened.enter_async_context(each.router.lifespan_context(each))
        await app.state.context.database.write(_fill, clock)
        clients = {
            name: await opened.enter_async_context(_client(served, key))
            for name, served, key in (
                ("staff", app, demo.KEY),
                ("client", app, None),
                ("crowd", crowded, None),
                *((name, app, key) for name, key in _KEYS.items()),
            )
        }
        poster = Poster(allow_private=True)
        opened.push_async_callback(poster.close)
        db: Database = app.state.context.database
        elsewhere, courier = Elsewhere(), Courier(db, clock, poster, None)
        scout = elsewhere.scout(db, clock)
        worker = Worker(db, clock, courier, events_kept=timedelta(days=30), scout=scout)
        yield Tour(app, clients, clock, worker, elsewhere)


def _fill(tx: Tx, clock: StoppedClock) -> None:
    now = clock.now()
    demo.fill(tx, now)
    party = operator(demo.ORG_ID)
    for name, scopes in (("reading", ["read"]), ("deleting", ["delete"]), ("expired", ["read"])):
        lifetime = timedelta() if name == "expired" else None
        keys.create(tx, party, now, name=name, scopes=scopes, lifetime=lifetime, secret=_KEYS[name])
    made = keys.create(
        tx, party, now, name="revoked", scopes=["read"], lifetime=None, secret=_KEYS["revoked"]
    )
    keys.revoke(tx, party, made["id"], now)
    other = organizations.create(
        tx, name="Neighbours", slug="neighbours", plan="enterprise", requests_per_hour=LIMIT, now=now
    )
    keys.create(
        tx,
        operator(other["id"]),
        now,
        name="counted",
        scopes=["read"],
        lifetime=None,
        secret=_KEYS["counted"],
    )


def _client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers)
