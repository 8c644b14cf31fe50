"""Calls that change something: for good, once per Idempotency-Key, or only for show."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, Self

from fastapi import Security
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.calls import Call, H, Scoped, caller_of, only
from kalends.api.json_body import JsonRequest
from kalends.api.paths import is_for_people
from kalends.api.trail import trail_of
from kalends.core.caller import Caller
from kalends.core.errors import Malformed, Unavailable, Unbookable, Wanted
from kalends.db import patience
from kalends.db.batches import Batches
from kalends.db.database import P, T, Tx
from kalends.schemas.wire import Answer
from kalends.schemas.wrong_fields import WrongField, malformed, sentence_of, wrong
from kalends.services.outbox import idempotency, parties
from kalends.services.outbox.idempotency import Ticket
from kalends.services.outbox.parties import Party

_KEY = r"^[!-~]([ -~]{0,253}[!-~])?$"

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A key you choose for this request. Sent again within 24 hours, the request changes "
        "nothing and gets the first answer (`Idempotent-Replayed: true`); with another body: 422.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _KEY},
    },
    {
        "name": "dry_run",
        "in": "query",
        "description": "`true`: check everything, answer as usual but without secrets, and store nothing.",
        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    },
]
"""What `Change` reads, as the OpenAPI document says it of every such call."""

IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "Make the change only if the appointment still has this version (its ETag); else 412.",
    "schema": {"type": "string", "examples": ['"3"']},
}

ETAG: dict[str, Any] = {
    "headers": {
        "ETag": {"description": "Identifies the version of what is answered.", "schema": {"type": "string"}}
    }
}


class Change(Call[H]):
    """Runs a handler's unit of work, and answers with what `say` makes of its result.

    Raises Malformed for a bad Idempotency-Key or dry_run.
    """

    reads = ("dry_run",)

    def __init__(self, request: Request, host: H) -> None:
        super().__init__(request, host)
        self._key: str | None = None
        if (key := only("Idempotency-Key", request.headers.getlist("idempotency-key"))) is not None:
            self.under(key)
        # A page that said "booked" of what is only rehearsed would send people before a closed door.
        is_page = is_for_people(request.scope["path"])
        dry_run = [] if is_page else request.query_params.getlist("dry_run")
        if len(dry_run) > 1 or not {"true", "false"}.issuperset(dry_run):
            raise _wrong(wrong("dry_run", "must be true or false, and sent once", "option"))
        self.rehearsed = dry_run == ["true"]
        self._status = 200
        self._keep: Callable[[str], str] = str
        self._revive: Callable[[Tx, str], str] = lambda _tx, answer: answer
        self._rehearse: Callable[[str], str] = str

    def under(self, key: str) -> Self:
        """Make the change once per Idempotency-Key. Raises Malformed."""
        if not re.fullmatch(_KEY, key):
            reason = "must have 1 to 255 printable ASCII characters"
            raise _wrong(wrong("Idempotency-Key", reason, "characters"))
        self._key = key
        return self

    def keeping(
        self,
        keep: Callable[[str], str],
        revive: Callable[[Tx, str], str] | None = None,
        rehearse: Callable[[str], str] | None = None,
    ) -> Self:
        """Handle an answer that holds a secret: `keep` makes what is stored of it, `revive` the answer of a
        replay from that, and `rehearse` the answer of a rehearsal; by default, `keep` makes that, too."""
        self._keep = keep
        self._revive = revive or self._revive
        self._rehearse = rehearse or keep
        return self

    @property
    def versions(self) -> frozenset[int] | None:
        """The versions that `If-Match` allows; None if it allows any (RFC 9110, section 13.1.1)."""
        header = self.request.headers.get("if-match")
        if header is None or header.strip() == "*":
            return None
        return frozenset(int(tag) for tag in re.findall(r'"([0-9]{1,9})"', header))

    def answering(self, status: int) -> Self:
        """Answer with another status than 200."""
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
        """Make the change by a single statement, which is a transaction by itself (`Database.write_one`), or,
        if `at_once` returns None, by the whole unit."""
        if not self.rehearsed and self._key is None:
            done = await self.db.write_one(lambda tx: at_once(tx, *args, **kw))
            if done is not None:
                return self._json(say(done).model_dump_json())
        return await self.make(say, unit, *args, **kw)

    async def ahead(self, unit: Callable[Concatenate[Tx, P], int], *args: P.args, **kw: P.kwargs) -> None:
        """Run a unit before the change, each time in a transaction of its own, until it returns 0: one
        transaction for all of it would hold others up. A rehearsal or a replay runs it not at all.

        Raises IdempotencyKeyReused if the change would.
        """
        if self.rehearsed:
            return
        if await self.is_replay():
            return
        while await self.db.write(unit, *args, **kw):
            patience.renew()

    async def is_replay(self) -> bool:
        """Tell whether the change was made before under its Idempotency-Key, so that only its answer is given
        again. Raises IdempotencyKeyReused."""
        if self.rehearsed:
            return False
        ticket = await self._named()
        return ticket is not None and await self.db.read(idempotency.is_done, ticket, self.real_now)

    @property
    def was_made(self) -> bool:
        """Whether a change that was not refused was made now, and neither rehearsed nor replayed."""
        return trail_of(self.request.scope).made == "booked"

    async def _make(self, unit: Callable[[Tx], str]) -> Response:
        if self.rehearsed:
            trail_of(self.request.scope).made = "rehearsed"
            # A secret of something that is undone would be worth nothing.
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
            trail_of(self.request.scope).made = "replayed"
        return self._json(kept.answer, replayed=kept.replayed)

    def _json(self, body: str, *, replayed: bool = False) -> Response:
        headers = {"Idempotent-Replayed": "true"} if replayed else None
        return Response(body, self._status, headers, media_type="application/json")

    async def _named(self) -> Ticket | None:
        """Return the request's ticket, by its Idempotency-Key; None if it has none."""
        return None if self._key is None else self._ticket(self._key, await _fingerprint(self.request))

    def _ticket(self, key: str, fingerprint: bytes) -> Ticket:
        return Ticket(self.org_id, key, fingerprint)

    @property
    def _suggestions(self) -> Batches[Wanted, list[str]]:
        return self.context.suggestions

    async def _with_alternatives(self, refusal: Unbookable) -> Unbookable:
        """Return the refusal with times that are free instead. They are looked up after the refused
        transaction, and once for all who wanted the same at the same time, so that the losers of a race hold
        nobody up."""
        if refusal.wanted is not None:
            try:
                found = await self._suggestions.get(refusal.wanted)
            except Unavailable:  # the refusal stands without them
                return refusal
            refusal.details = {**refusal.details, "next_available": found or []}
        return refusal


def _wrong(field: WrongField) -> Malformed:
    return malformed([field], f"{sentence_of(field)}.")


async def _fingerprint(request: Request) -> bytes:
    """Return a digest of what is asked: method, path, query, and the body's meaning, not its spelling."""
    body = await request.body()
    meant = await request.json() if body and isinstance(request, JsonRequest) else body.hex()
    query = sorted(each for each in request.query_params.multi_items() if each[0] not in Change.reads)
    asked = json.dumps([request.method, request.url.path, meant, *([query] if query else [])], sort_keys=True)
    return hashlib.sha256(asked.encode()).digest()


class StaffChange(Change[Caller]):
    """A change by somebody with a key."""

    @property
    def party(self) -> Party:
        """Who makes the change."""
        return parties.staff(self.caller)


class _ScopedChange(Scoped):
    async def __call__(self, request: Request) -> StaffChange:
        caller = caller_of(request)
        caller.need(self.scope)
        return StaffChange(request, caller)


Writing = Annotated[StaffChange, Security(_ScopedChange("write"))]
Deleting = Annotated[StaffChange, Security(_ScopedChange("delete"))]
Administering = Annotated[StaffChange, Security(_ScopedChange("admin"))]
