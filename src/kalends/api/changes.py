"""How a request's change is made: for good, once per Idempotency-Key, or only for show."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Concatenate, Literal

from fastapi import Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.dependencies import Db, Now
from kalends.core.caller import Caller
from kalends.db.database import Database, P, T, Tx
from kalends.schemas.wire import Answer
from kalends.services import idempotency
from kalends.services.idempotency import Ticket

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]([ -~]*[!-~])?$",
        description="A name of your own for this request. Repeated within 24 hours, it changes nothing "
        "and is answered as the first time (`Idempotent-Replayed: true`); with another body: 422.",
    ),
]
DryRun = Annotated[
    Literal["true", "false"],
    Query(description="`true`: check everything, answer as usual, and store nothing."),
]


class Change:
    """Runs a handler's unit of work and answers with what `say` makes of its result."""

    def __init__(self, database: Database, ticket: Ticket | None, now: Now, *, rehearsed: bool) -> None:
        self._database = database
        self._ticket = ticket
        self._now = now
        self._rehearsed = rehearsed

    async def make(
        self,
        say: Callable[[T], Answer],
        unit: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> Response:
        """Make the change in one transaction."""
        return await self._make(self._database.write, say, lambda tx: unit(tx, *args, **kw))

    async def make_by_one_statement(
        self,
        say: Callable[[T], Answer],
        unit: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> Response:
        """Make a change that is a single statement, and so its own transaction (`Database.write_one`)."""
        return await self._make(self._database.write_one, say, lambda tx: unit(tx, *args, **kw))

    async def _make(
        self,
        write: Callable[[Callable[[Tx], T]], Awaitable[T]],
        say: Callable[[T], Answer],
        unit: Callable[[Tx], T],
    ) -> Response:
        if self._rehearsed:
            return _json(say(await self._database.rehearse(unit)).model_dump_json())
        if self._ticket is None:
            return _json(say(await write(unit)).model_dump_json())
        kept = await self._database.write(
            idempotency.once, self._ticket, self._now, lambda tx: say(unit(tx)).model_dump_json()
        )
        return _json(kept.answer, replayed=kept.replayed)


def _json(body: str, *, replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return Response(body, media_type="application/json", headers=headers)


async def _change(
    request: Request, database: Db, now: Now, key: IdempotencyKey = None, dry_run: DryRun = "false"
) -> Change:
    ticket = None
    if key is not None:
        caller = request.scope["state"]["caller"]
        assert isinstance(caller, Caller)
        ticket = Ticket(caller.org_id, key, await _fingerprint(request))
    return Change(database, ticket, now, rehearsed=dry_run == "true")


async def _fingerprint(request: Request) -> bytes:
    """A digest of what is asked: method, path, and the body's meaning rather than its spelling."""
    asked = json.dumps([request.method, request.url.path, await request.json()], sort_keys=True)
    return hashlib.sha256(asked.encode()).digest()


Changing = Annotated[Change, Depends(_change)]
