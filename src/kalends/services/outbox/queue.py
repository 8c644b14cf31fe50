"""The queue: deliveries that wait, one for each event and receiver, and their order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, insert, literal, literal_column, or_, select, update

from kalends.db.claims import Values
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, receivers
from kalends.ids import new_id

PENDING: ColumnElement[str] = literal_column("'pending'")
"""In the indexes' own words, so that prepared statements use them, too."""


def delivery(org_id: str, receiver_id: str, event: AnyRow, position: int, now: datetime) -> dict[str, Any]:
    """Return a new row of `deliveries`, due now. `position` is the event's number."""
    return {
        "org_id": org_id,
        "receiver_id": receiver_id,
        "id": new_id("dlv"),
        "event_id": event.id,
        "audience": None,
        "appointment_id": None,
        "subject_id": event.subject_id,
        "place": position,
        "status": "pending",
        "attempts": 0,
        "due_at": now,
        "due_since": now,
        "created_at": now,
    }


def add(tx: Tx, org_id: str, rows: Sequence[Values], now: datetime) -> None:
    """Insert deliveries, if there are any, and wake their receivers."""
    if rows:
        tx.execute(insert(deliveries), rows)
        wake(tx, org_id, {row["receiver_id"] for row in rows}, now)


def wake(tx: Tx, org_id: str, receiver_ids: set[str], now: datetime) -> None:
    """Make receivers due now, unless they are already. Their rows are locked in any case: a worker that is
    giving one back either looks before this is committed, and is overruled, or afterwards, and sees what is
    to be delivered."""
    later = or_(receivers.c.due_at.is_(None), receivers.c.due_at > now)
    tx.execute(
        update(receivers)
        .where(receivers.c.org_id == org_id, receivers.c.id.in_(receiver_ids))
        .values(due_at=case((later, literal(now, receivers.c.due_at.type)), else_=receivers.c.due_at))
    )


def in_turn(org_id: str, receiver_id: str, *, together: bool = False) -> Select[*tuple[Any, ...]]:
    """Select from a receiver's pending deliveries those with no earlier pending one of the same subject. If
    they are taken `together`, in the order of `due_at`, an earlier one that is due no later is in no one's
    way."""
    before = deliveries.alias()
    # One row in place of EXISTS, for which PostgreSQL would read all pending deliveries for each of them.
    earlier = select(before.c.id).where(
        before.c.org_id == org_id,
        before.c.receiver_id == receiver_id,
        before.c.status == PENDING,
        before.c.subject_id == deliveries.c.subject_id,
        before.c.place < deliveries.c.place,
        *((before.c.due_at > deliveries.c.due_at,) if together else ()),
    )
    return select().where(
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == receiver_id,
        deliveries.c.status == PENDING,
        earlier.limit(1).correlate(deliveries).scalar_subquery().is_(None),
    )
