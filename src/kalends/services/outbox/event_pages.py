"""Reading events, in their order."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, or_, select, update

from kalends.core.errors import CursorExpired
from kalends.core.event_types import EVENTS, FOR_MAILS, matches
from kalends.db.aside import aside
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments, deliveries, event_heads, events, organizations, receivers
from kalends.ids import first_id_of
from kalends.schemas.events import Event, EventsAnswer
from kalends.schemas.queries import EventCursor, EventsQuery
from kalends.services.outbox.event_order import lock_head
from kalends.services.outbox.mailing import CLIENT, REMINDER
from kalends.services.outbox.queue import PENDING

_NOT_SENT = frozenset({"actor", "check"})
_MOST_AT_ONCE = 1_000
_OVERDUE = timedelta(days=14)
"""How much longer an event is kept that could not be delivered: longer than it is tried."""


def page(tx: Tx, org_id: str, query: EventsQuery) -> EventsAnswer:
    """Return the events after the cursor, or from the oldest that is kept. Raises CursorExpired if events
    after the cursor are no longer kept, or if it points beyond the newest."""
    head = tx.execute(select(event_heads).where(event_heads.c.org_id == org_id)).first()
    forgotten = head.forgotten if head is not None else 0
    # What is older than that and still there is kept for mails only: between them, events are missing.
    after = forgotten if query.after is None else query.after.seq
    known = head.seq if head is not None else 0
    if not forgotten <= after <= known:  # beyond what is known, it is of a database that was restored since
        raise CursorExpired
    wanted = select(events).where(
        events.c.org_id == org_id, events.c.seq > after, events.c.type.not_in(FOR_MAILS)
    )
    if query.types is not None:
        named = [event for event in (*EVENTS, "webhook.test") if matches(event, query.types)]
        wanted = wanted.where(events.c.type.in_(named))
    rows = tx.execute(wanted.order_by(events.c.seq).limit(query.limit)).all()
    # If the page is not full, there is nothing else of these types yet.
    last = rows[-1].seq if len(rows) == query.limit else max(after, known)
    return EventsAnswer.model_construct(
        events=aside(tx, lambda: [_shown(row) for row in rows]), next_cursor=str(EventCursor(seq=last))
    )


def newest(tx: Tx, org_id: str) -> str:
    """Return the cursor after the newest event."""
    known = tx.execute(select(event_heads.c.seq).where(event_heads.c.org_id == org_id)).scalar()
    return str(EventCursor(seq=known or 0))


def data_of(payload: str) -> dict[str, Any]:
    """Return what receivers are told by an event: its payload without who caused it. Of an appointment that
    was made, nothing was changed."""
    known = json.loads(payload)
    data = {name: value for name, value in known.items() if name not in _NOT_SENT}
    return data | {"previous": {}} if data.keys() == {"appointment"} else data


def forget(tx: Tx, org_id: str, before: datetime, now: datetime) -> int:
    """Remove some events from before a time, with their deliveries. An event is kept if it is still to be
    delivered, or to remind somebody much later, or if it was mailed and its appointment lies ahead: if the
    address turns out to be a stranger's, the mail is taken back. Returns how many were removed."""
    waiting = exists().where(
        deliveries.c.org_id == events.c.org_id,
        deliveries.c.event_id == events.c.id,
        deliveries.c.status == PENDING,
        receivers.c.org_id == deliveries.c.org_id,
        receivers.c.id == deliveries.c.receiver_id,
        receivers.c.active,
        or_(deliveries.c.audience == REMINDER, events.c.id > first_id_of("evt", before - _OVERDUE)),
    )
    told_by_mail = exists().where(
        deliveries.c.org_id == events.c.org_id,
        deliveries.c.event_id == events.c.id,
        deliveries.c.status == "delivered",
        deliveries.c.audience == CLIENT,
        appointments.c.org_id == events.c.org_id,
        appointments.c.id == events.c.subject_id,
        appointments.c.end_time > now,
    )
    old = tx.execute(
        select(events.c.id, events.c.seq)
        .where(
            events.c.org_id == org_id,
            events.c.id < first_id_of("evt", before),
            events.c.seq.is_not(None),
            ~waiting,
            ~told_by_mail,
        )
        .order_by(events.c.id)
        .limit(_MOST_AT_ONCE)
    ).all()
    if old:
        head = lock_head(tx, org_id, now)
        ids = [row.id for row in old]
        tx.execute(delete(deliveries).where(deliveries.c.org_id == org_id, deliveries.c.event_id.in_(ids)))
        tx.execute(delete(events).where(events.c.org_id == org_id, events.c.id.in_(ids)))
        last = max(head.forgotten, *(row.seq for row in old))
        tx.execute(update(event_heads).where(event_heads.c.org_id == org_id).values(forgotten=last))
    return len(old)


def organizations_of(tx: Tx) -> list[str]:
    """Return every organization's id."""
    return list(tx.execute(select(organizations.c.id)).scalars())


def _shown(row: AnyRow) -> Event:
    return Event(
        id=row.id,
        type=row.type,
        occurred_at=row.occurred_at,
        actor=json.loads(row.payload).get("actor"),
        data=data_of(row.payload),
    )
