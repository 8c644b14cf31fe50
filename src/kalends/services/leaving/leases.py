"""Leases: which receivers are due, and which worker delivers to them.

A worker leases a receiver, so its deliveries are made one after the other and by no other worker. A lease
that is not renewed ends by itself, and another worker takes over. What was delivered but not recorded when a
worker died is delivered again: at least once, with the same id.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, func, or_, select, update

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, events, organizations, receivers
from kalends.ids import new_id
from kalends.schemas.deliveries import Lease
from kalends.services.outbox import queue

LENGTHS: Mapping[str, timedelta] = {"webhook": timedelta(seconds=20), "mail": timedelta(seconds=45)}
"""By the receiver's kind: how long a lease lasts if the worker dies. Every batch renews it."""
FRESH: Mapping[str, timedelta] = {"webhook": timedelta(seconds=4), "mail": timedelta(seconds=15)}
"""By the receiver's kind: how long after a batch was taken an attempt may begin, so that the longest one ends
within the lease."""


def is_due(tx: Tx, now: datetime, *, mail: bool) -> bool:
    """Return whether any receiver waits for a worker."""
    return tx.execute(select(receivers.c.id).where(*_waiting(now, mail)).limit(1)).first() is not None


def lease(tx: Tx, now: datetime, most: int, *, mail: bool) -> list[Lease]:
    """Take some receivers that are due and that no other worker delivers to."""
    rows = tx.execute(
        select(receivers.c.org_id, receivers.c.id, receivers.c.kind)
        .where(*_waiting(now, mail))
        .order_by(receivers.c.due_at)
        .limit(most)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    leases = [Lease(new_id("lease"), row.org_id, row.id, row.kind) for row in rows]
    if leases:
        until = [
            {"org": each.org_id, "receiver": each.receiver_id, "lease": each.id}
            | {"until": now + LENGTHS[each.kind]}
            for each in leases
        ]
        tx.execute(_LEASE, until)
    return leases


def renew(tx: Tx, held: Lease, now: datetime) -> AnyRow | None:
    """Keep a receiver for longer. Returns it as it is now; None if it was lost, deleted or made inactive."""
    until = now + LENGTHS[held.kind]
    renewed = update(receivers).where(*still_held(held), receivers.c.active).values(leased_until=until)
    return tx.execute(renewed.returning(*receivers.c)).first()


def release(tx: Tx, held: Lease, now: datetime, pause: timedelta | None) -> None:
    """Give a receiver back. It is due again when its next delivery is, or after a pause."""
    # The receiver's row is locked first: what makes deliveries for it meanwhile then wakes it afterwards.
    row = select(receivers.c.id).where(*still_held(held)).with_for_update(key_share=True)
    if tx.execute(row).first() is None:
        return
    following = queue.in_turn(held.org_id, held.receiver_id).add_columns(deliveries.c.due_at)
    due_at = tx.execute(following.order_by(deliveries.c.due_at).limit(1)).scalar()
    tx.execute(
        update(receivers)
        .where(*still_held(held))
        .values(
            leased_by=None,
            leased_until=None,
            # What is due already queues up behind others.
            due_at=None if due_at is None else max(due_at, now),
            rests_until=None if pause is None else now + pause,
        )
    )


def receiver_of(held: Lease) -> tuple[Any, ...]:
    """Return the conditions for the receiver's row."""
    return (receivers.c.org_id == held.org_id, receivers.c.id == held.receiver_id)


def still_held(held: Lease) -> tuple[Any, ...]:
    """Return the conditions for the receiver's row, if no other worker has taken over."""
    return (*receiver_of(held), receivers.c.leased_by == held.id)


def lag_seconds(tx: Tx, now: datetime, *, mail: bool) -> float:
    """Return for how many seconds the oldest thing has waited that should have left: an event that has no
    number, or a delivery that was to be made by now, whether it is due or waits for another attempt. Inactive
    webhooks don't count, nor sandboxes: there events happen whenever a Test-Clock says."""
    live = exists().where(organizations.c.id == receivers.c.org_id, ~organizations.c.sandbox)
    in_live = exists().where(organizations.c.id == events.c.org_id, ~organizations.c.sandbox)
    # By receiver, since each one's are found along an index of its own: the first is the oldest.
    first = (
        select(deliveries.c.due_since)
        .where(
            deliveries.c.org_id == receivers.c.org_id,
            deliveries.c.receiver_id == receivers.c.id,
            deliveries.c.status == queue.PENDING,
            deliveries.c.due_since <= now,
        )
        .order_by(deliveries.c.due_since)
        .limit(1)
        .correlate(receivers)
        .scalar_subquery()
    )
    waiting = receivers.c.due_at.is_not(None), receivers.c.active, _able(mail), live
    each_first = select(first.label("since")).where(*waiting).subquery()
    oldest = [
        tx.execute(select(func.min(events.c.occurred_at)).where(events.c.seq.is_(None), in_live)).scalar(),
        tx.execute(select(func.min(each_first.c.since))).scalar(),
    ]
    return max([0.0, *((now - each).total_seconds() for each in oldest if each is not None)])


def _waiting(now: datetime, mail: bool) -> tuple[Any, ...]:
    free = or_(receivers.c.leased_until.is_(None), receivers.c.leased_until <= now)
    awake = or_(receivers.c.rests_until.is_(None), receivers.c.rests_until <= now)
    return (receivers.c.due_at <= now, receivers.c.active, free, awake, _able(mail))


def _able(mail: bool) -> ColumnElement[bool]:
    """Return the condition for receivers that this process can deliver to."""
    return receivers.c.kind.in_(("webhook", "mail") if mail else ("webhook",))


_LEASE = (
    update(receivers)
    .where(receivers.c.org_id == bindparam("org"), receivers.c.id == bindparam("receiver"))
    .values(leased_by=bindparam("lease"), leased_until=bindparam("until"))
)
