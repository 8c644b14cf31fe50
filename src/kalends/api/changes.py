"""Calls that change something: for good, once per Idempotency-Key, or only for show."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, Self

from fastapi import Security
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.calls import Call, Scoped, caller_of, only
from kalends.api.json_body import JsonRequest
from kalends.core.caller import Caller, Host
from kalends.core.errors import Malformed, Unavailable, Unbookable, Wanted
from kalends.db import patience
from kalends.db.batches import Batches
from kalends.db.database import P, T, Tx
from kalends.schemas.wire import Answer
from kalends.services import idempotency, parties
from kalends.services.idempotency import Ticket
from kalends.services.parties import Party

_KEY = r"^[!-~]([ -~]{0,253}[!-~])?$"

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A name of your own for this request. Repeated within 24 hours, it changes nothing "
        "and is answered as the first time (`Idempotent-Replayed: true`); with another body: 422.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _KEY},
    },
    {
        "name": "dry_run",
        "in": "query",
        "description": "`true`: check everything, answer as usual but without secrets, and store nothing.",
        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    },
]
"""How the OpenAPI document tells of what `Change` reads, for every call that is one."""

IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "Make the change only where the appointment still has this version (its ETag); else 412.",
    "schema": {"type": "string", "examples": ['"3"']},
}

ETAG: dict[str, Any] = {
    "headers": {"ETag": {"description": "Names what was answered.", "schema": {"type": "string"}}}
}


class Change(Call):
    """Runs a handler's unit of work, and answers with what `say` makes of its result.

    Raises Malformed for a bad Idempotency-Key or dry_run.
    """

    reads = ("dry_run",)

    def __init__(self, request: Request, host: Caller | Host) -> None:
        super().__init__(request, host)
        self._key = only("Idempotency-Key", request.headers.getlist("idempotency-key"))
        if self._key is not None and not re.fullmatch(_KEY, self._key):
            raise _wrong("Idempotency-Key", "must have 1 to 255 printable ASCII characters")
        dry_run = request.query_params.getlist("dry_run")
        if len(dry_run) > 1 or not {"true", "false"}.issuperset(dry_run):
            raise _wrong("dry_run", "must be true or false, and sent once")
        self.rehearsed = dry_run == ["true"]
        self._status = 200
        self._keep: Callable[[str], str] = str
        self._revive: Callable[[Tx, str], str] = lambda _tx, answer: answer
        self._rehearse: Callable[[str], str] = str

    def keeping(
        self,
        keep: Callable[[str], str],
        revive: Callable[[Tx, str], str] | None = None,
        rehearse: Callable[[str], str] | None = None,
    ) -> Self:
        """For an answer that holds a secret: `keep` makes what is stored of it, `revive` what a replay makes
        of that, and `rehearse` what a rehearsal answers: what is kept, if nothing else is said."""
        self._keep = keep
        self._revive = revive or self._revive
        self._rehearse = rehearse or keep
        return self

    @property
    def versions(self) -> frozenset[int] | None:
        """The versions `If-Match` allows; None where it allows any (RFC 9110, section 13.1.1)."""
        header = self.request.headers.get("if-match")
        if header is None or header.strip() == "*":
            return None
        return frozenset(int(tag) for tag in re.findall(r'"([0-9]{1,9})"', header))

    @property
    def party(self) -> Party:
        """Who makes the change."""
        return parties.staff(self.caller)

    def answering(self, status: int) -> Self:
        """For a change that is answered with another status than 200."""
        self._status = status
        return self

    async def make(
        self,
        say: Callable[[T], Answer],
        unit: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> Response:
        """Make the change in one transaction."""
        try:
            return await self._make(lambda tx: say(unit(tx, *args, **kw)).model_dump_json())
        except Unbookable as refusal:
            raise await self._with_alternatives(refusal) from None

    async def make_at_once(
        self,
        say: Callable[[T], Answer],
        at_once: Callable[Concatenate[Tx, P], T | None],
        unit: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> Response:
        """Make the change by a single statement, its own transaction (`Database.write_one`), if that will do,
        and by the whole unit where `at_once` gives None."""
        if not self.rehearsed and self._key is None:
            done = await self.db.write_one(lambda tx: at_once(tx, *args, **kw))
            if done is not None:
                return self._json(say(done).model_dump_json())
        return await self.make(say, unit, *args, **kw)

    async def ahead(self, unit: Callable[Concatenate[Tx, P], int], *args: P.args, **kw: P.kwargs) -> None:
        """Run a unit ahead of the change, each time in a transaction of its own, until it has nothing left to
        do: what would hold others up in one. Not for a rehearsal or a replay, which change nothing.

        Raises IdempotencyKeyReused where the change would.
        """
        if self.rehearsed:
            return
        if await self.is_replay():
            return
        while await self.db.write(unit, *args, **kw):
            patience.renew()

    async def is_replay(self) -> bool:
        """Tell whether it was made before under its Idempotency-Key, and is only to be answered again. Raises
        IdempotencyKeyReused."""
        if self.rehearsed:
            return False
        ticket = await self._named()
        return ticket is not None and await self.db.read(idempotency.is_done, ticket, self.real_now)

    @property
    def was_made(self) -> bool:
        """Whether what was answered without a refusal has changed something: it was neither rehearsed nor
        replayed."""
        return "made" not in self.request.scope["state"]

    async def _make(self, unit: Callable[[Tx], str]) -> Response:
        if self.rehearsed:
            self.request.scope["state"]["made"] = "rehearsed"
            # A secret of what is undone would be good for nothing.
            return self._json(self._rehearse(await self.db.rehearse(unit)))
        ticket = await self._named()
        if ticket is None:
            return self._json(await self.db.write(unit))
        kept = await self.db.write(
            idempotency.once,
            ticket,
            self.real_now,
            unit,
            keep=self._keep,
            revive=self._revive,
        )
        if kept.replayed:
            self.request.scope["state"]["made"] = "replayed"
        return self._json(kept.answer, replayed=kept.replayed)

    def _json(self, body: str, *, replayed: bool = False) -> Response:
        headers = {"Idempotent-Replayed": "true"} if replayed else None
        return Response(body, self._status, headers, media_type="application/json")

    async def _named(self) -> Ticket | None:
        """The request by its Idempotency-Key; None where it has none."""
        return None if self._key is None else self._ticket(self._key, await _fingerprint(self.request))

    def _ticket(self, key: str, fingerprint: bytes) -> Ticket:
        return Ticket(self.org_id, key, fingerprint)

    @property
    def _suggestions(self) -> Batches[Wanted, list[str]]:
        return self.context.suggestions

    async def _with_alternatives(self, refusal: Unbookable) -> Unbookable:
        """The refusal, with what could be had instead. That is looked up after the refused transaction, and
        once for all who wanted the same at the same time, so that losers of a race hold nobody up."""
        if refusal.wanted is not None:
            try:
                found = await self._suggestions.get(refusal.wanted)
            except Unavailable:  # the refusal stands, whatever became of the database since
                return refusal
            refusal.details = {**refusal.details, "next_available": found or []}
        return refusal


def _wrong(field: str, reason: str) -> Malformed:
    return Malformed(f"{field} {reason}.", fields=[{"field": field, "reason": reason}])


async def _fingerprint(request: Request) -> bytes:
    """A digest of what is asked: method, path and query, and the body's meaning rather than its spelling."""
    body = await request.body()
    meant = await request.json() if body and isinstance(request, JsonRequest) else body.hex()
    query = sorted(each for each in request.query_params.multi_items() if each[0] not in Change.reads)
    asked = json.dumps([request.method, request.url.path, meant, *([query] if query else [])], sort_keys=True)
    return hashlib.sha256(asked.encode()).digest()


class _ScopedChange(Scoped):
    async def __call__(self, request: Request) -> Change:
        caller = caller_of(request)
        caller.need(self.scope)
        return Change(request, caller)


Writing = Annotated[Change, Security(_ScopedChange("write"))]
Deleting = Annotated[Change, Security(_ScopedChange("delete"))]
Administering = Annotated[Change, Security(_ScopedChange("admin"))]
