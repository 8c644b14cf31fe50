"""Doing something once, however often it is asked for (the `Idempotency-Key` header)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from kalends.core.errors import IdempotencyKeyReused
from kalends.core.hours import shifted
from kalends.db.database import Tx
from kalends.db.tables import idempotency_keys
from kalends.db.verbs import insert_new

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A client's name for a request, and a digest of what it asks."""

    org_id: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, as JSON, and whether it had been given before."""

    answer: str
    replayed: bool


def once(
    tx: Tx,
    ticket: Ticket,
    now: datetime,
    unit: Callable[[Tx], str],
    *,
    keep: Callable[[str], str] = str,
    revive: Callable[[Tx, str], str] = lambda _tx, answer: answer,
) -> Kept:
    """Run `unit`, unless it was run for this ticket in the last 24 hours: then give its answer again.

    Key, fingerprint and answer are stored in the unit's own transaction, so of two requests at once the
    second waits for the first, and a refused request stores nothing. For answers that hold a secret, `keep`
    makes what is stored of the answer, and `revive` makes the answer of a replay from that. Raises
    IdempotencyKeyReused if the key stands for another request.
    """
    # A key of long ago that the worker has not deleted yet is free again.
    long_ago = idempotency_keys.c.created_at <= shifted(now, -KEPT)
    tx.execute(delete(idempotency_keys).where(*_named(ticket), long_ago))
    new = {"org_id": ticket.org_id, "key": ticket.key, "fingerprint": ticket.fingerprint, "answer": None}
    if not insert_new(tx, idempotency_keys, new | {"created_at": now}):
        earlier = _answer(tx, ticket)
        if earlier is None:
            raise IdempotencyKeyReused
        return Kept(revive(tx, earlier), replayed=True)
    answer = unit(tx)
    tx.execute(update(idempotency_keys).where(*_named(ticket)).values(answer=keep(answer)))
    return Kept(answer, replayed=False)


def is_done(tx: Tx, ticket: Ticket, now: datetime) -> bool:
    """Tell whether `once` would give a stored answer. Raises IdempotencyKeyReused as it does."""
    return _answer(tx, ticket, idempotency_keys.c.created_at > shifted(now, -KEPT)) is not None


def _answer(tx: Tx, ticket: Ticket, *rules: ColumnElement[bool]) -> str | None:
    """Return what is stored of the ticket's answer. Raises IdempotencyKeyReused if its key stands for another
    request."""
    stored = select(idempotency_keys.c.fingerprint, idempotency_keys.c.answer)
    earlier = tx.execute(stored.where(*_named(ticket), *rules)).first()
    if earlier is None:
        return None
    fingerprint, answer = earlier
    if fingerprint != ticket.fingerprint:
        raise IdempotencyKeyReused
    return answer


def _named(ticket: Ticket) -> tuple[ColumnElement[bool], ...]:
    return (idempotency_keys.c.org_id == ticket.org_id, idempotency_keys.c.key == ticket.key)
