"""The order of events: an organization's events are numbered in the order of their commits.

A transaction that commits late must not slip in behind a reader's back, so no number is given before the
commit. The process that numbers (a worker, or a server if a reader asks earlier) holds the lock of the
organization's head and takes everything that is committed and has no number yet. What was committed when
another transaction began thus comes before it, and of one appointment, the earlier version always before the
later.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select, update

from kalends.core.event_types import FOR_MAILS, OF_THEMSELVES, TEST_EVENT, matches
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import event_heads, events, receivers
from kalends.db.verbs import insert_new
from kalends.services.outbox import mailing, queue

_MOST_AT_ONCE = 5_000
"""How many events are numbered, or deliveries made of them, in one transaction."""


def waiting(tx: Tx) -> Sequence[str]:
    """Return some organizations with events that have no number yet."""
    found = select(events.c.org_id).where(events.c.seq.is_(None)).distinct().limit(100)
    return tx.execute(found).scalars().all()


def is_waiting(tx: Tx, org_id: str) -> bool:
    """Return whether the organization has events that have no number yet."""
    found = select(events.c.id).where(events.c.org_id == org_id, events.c.seq.is_(None)).limit(1)
    return tx.execute(found).first() is not None


def number(tx: Tx, org_id: str, now: datetime, *, mail: bool, wait: bool = True) -> int:
    """Number committed events, up to a limit, and make their deliveries: to every webhook that wants one, and
    of mails, if they are sent (`mail`). Returns how many events; with `wait=False`, 0 if another process is
    numbering."""
    head = lock_head(tx, org_id, now) if wait else _free_head(tx, org_id, now)
    if head is None:
        return 0
    webhooks = tx.execute(
        # Inactive ones, too: that is what they get when they are made active again.
        select(receivers.c.id, receivers.c.events).where(
            receivers.c.org_id == org_id, receivers.c.kind == "webhook"
        )
    ).all()
    unnumbered = _unnumbered(tx, org_id, _MOST_AT_ONCE // max(1, len(webhooks)))
    if not unnumbered:
        return 0
    # Clocks differ, but what is numbered later is due later.
    now = max(now, head.numbered_at)
    numbered = list(enumerate(_in_order(unnumbered), start=head.seq + 1))
    numbers = [{"org": org_id, "event": event.id, "number": position} for position, event in numbered]
    tx.execute(_NUMBER, numbers)
    tx.execute(
        update(event_heads)
        .where(event_heads.c.org_id == org_id)
        .values(seq=head.seq + len(numbered), numbered_at=now)
    )
    rows = [
        queue.delivery(org_id, webhook.id, event, position, now)
        for webhook in webhooks
        for position, event in numbered
        if wants(webhook, event)
    ]
    queue.add(tx, org_id, rows, now)
    if mail:
        mailing.fan_out(tx, org_id, numbered, now)
    return len(numbered)


def number_all(tx: Tx, org_id: str, now: datetime, *, mail: bool) -> None:
    """Number everything that has been committed, however much it is."""
    while number(tx, org_id, now, mail=mail):
        pass


def lock_head(tx: Tx, org_id: str, now: datetime) -> AnyRow:
    """Return the organization's head, locked until the transaction ends."""
    return tx.execute(_head(tx, org_id, now).with_for_update()).one()


def _free_head(tx: Tx, org_id: str, now: datetime) -> AnyRow | None:
    """Return the organization's head, locked; None if another transaction has locked it."""
    return tx.execute(_head(tx, org_id, now).with_for_update(skip_locked=True)).first()


def _head(tx: Tx, org_id: str, now: datetime) -> Select[*tuple[Any, ...]]:
    insert_new(tx, event_heads, {"org_id": org_id, "seq": 0, "forgotten": 0, "numbered_at": now})
    return select(event_heads).where(event_heads.c.org_id == org_id)


def _unnumbered(tx: Tx, org_id: str, most: int) -> Sequence[AnyRow]:
    """Return the next `most` unnumbered events by id, and every other one of the same appointments: one with
    a greater id may carry an earlier version."""
    wanted = (
        select(events.c.id, events.c.type, events.c.subject_id, events.c.subject_version)
        .where(events.c.org_id == org_id, events.c.seq.is_(None))
        .order_by(events.c.id)
    )
    found = tx.execute(wanted.limit(most)).all()
    if len(found) < most:
        return found
    versioned = {event.subject_id for event in found if event.subject_version is not None}
    besides = wanted.where(
        events.c.id > found[-1].id,
        events.c.subject_version.is_not(None),
        events.c.subject_id.in_(versioned),
    )
    return [*found, *tx.execute(besides)]


def _in_order(unnumbered: Sequence[AnyRow]) -> list[AnyRow]:
    """Return events in the order of their ids, which is by the clocks of the machines that made them. Clocks
    differ, so those of one appointment change places until they are in the order of its versions."""
    ordered = list(unnumbered)
    indices: dict[str, list[int]] = {}
    for index, event in enumerate(ordered):
        if event.subject_version is not None:
            indices.setdefault(event.subject_id, []).append(index)
    for of_subject in indices.values():
        by_version = sorted((ordered[index] for index in of_subject), key=lambda event: event.subject_version)
        for index, event in zip(of_subject, by_version, strict=True):
            ordered[index] = event
    return ordered


def wants(webhook: AnyRow, event: AnyRow) -> bool:
    """Return whether a webhook is to be told of an event."""
    if event.type == TEST_EVENT:
        return bool(event.subject_id == webhook.id)
    if event.type in FOR_MAILS or (event.type in OF_THEMSELVES and event.subject_id == webhook.id):
        return False
    return matches(event.type, webhook.events)


_NUMBER = (
    update(events)
    .where(events.c.org_id == bindparam("org"), events.c.id == bindparam("event"))
    .values(seq=bindparam("number"))
)
