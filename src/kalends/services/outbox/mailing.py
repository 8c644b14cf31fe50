"""The mails that events are worth: for whom, of which events, and in which order."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update

from kalends.core.event_types import APPOINTMENT_EVENTS, BOOKING_ASKED, CLASHES, PERSON_MAILED
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, organizations, receivers
from kalends.db.verbs import insert_new
from kalends.services.outbox import queue

MAIL = "mail"
"""The id of an organization's receiver of mails."""
CLIENT, FORMER, STAFF, REMINDER, PERSON = "client", "former", "staff", "reminder", "person"
"""The audiences of mails. The former is the person whom the client's address led to before it was changed. A
person is somebody of the staff who is invited."""
_BOOKED = frozenset({"appointment.created", "appointment.confirmed", "appointment.rescheduled"})
_MAILED = {
    CLIENT: _BOOKED
    # Another address, perhaps.
    | {BOOKING_ASKED, "appointment.cancelled", "appointment.updated", "appointment.reassigned"},
    FORMER: frozenset(APPOINTMENT_EVENTS) - {"appointment.created"},  # likewise
    STAFF: _BOOKED | {"appointment.cancelled", CLASHES},
    REMINDER: _BOOKED,
    PERSON: frozenset({PERSON_MAILED}),
}
"""Of which events there are mails, by audience. Whether one is wanted is decided when it is written."""


def fan_out(tx: Tx, org_id: str, numbered: Sequence[tuple[int, AnyRow]], now: datetime) -> None:
    """Make a delivery of each event for every audience. `numbered` are events with their positions.

    Mails to the client and to staff of the same appointment do not wait for each other, nor for a reminder,
    which is made now and sent much later. It reminds of the last time that was booked. Nothing waits for a
    mail to a former address, which may not exist.
    """
    booked = {event.subject_id: position for position, event in numbered if event.type in _MAILED[REMINDER]}
    desk = select(organizations.c.notification_email).where(organizations.c.id == org_id)
    audiences = [CLIENT, FORMER, REMINDER, PERSON, *((STAFF,) if tx.execute(desk).scalar() else ())]
    rows = [
        queue.delivery(org_id, MAIL, event, position, now)
        | {"audience": audience, "subject_id": subject(event.subject_id, audience)}
        | {"appointment_id": None if audience == PERSON else event.subject_id}
        for position, event in numbered
        for audience in audiences
        if event.type in _MAILED[audience] and (audience != REMINDER or booked[event.subject_id] == position)
    ]
    if rows:
        mailbox = {"org_id": org_id, "id": MAIL, "kind": "mail", "url": "", "events": [], "secret": ""}
        insert_new(tx, receivers, {**mailbox, "active": True, "created_at": now, "updated_at": now})
        queue.add(tx, org_id, rows, now)
    again = {event.subject_id for _, event in numbered if event.type != "appointment.created"} & booked.keys()
    if again:
        outdated = [
            {"org": org_id, "subject": subject(each, REMINDER), "before": booked[each]} for each in again
        ]
        tx.execute(_OUTDATE, outdated)


def subject(thing_id: str, audience: str) -> str | None:
    """Return what mails have in common that are sent in the order of their events: they are about one
    appointment, or invite one person. Returns None for those that no other waits for."""
    return None if audience == FORMER else f"{thing_id}/{audience}"


def recheck_client(tx: Tx, org_id: str, appointment_id: str) -> None:
    """Make mails to the client due that wait for another attempt: their address is no longer the client's,
    and mails to the new one must not wait for them."""
    waiting = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == MAIL,
        deliveries.c.status == queue.PENDING,
        deliveries.c.subject_id == subject(appointment_id, CLIENT),
    )
    tx.execute(update(deliveries).where(*waiting).values(due_at=deliveries.c.created_at))


def recheck_reminders(tx: Tx, org_id: str) -> None:
    """Make reminders due, as of when they were made, so that the worker decides again when to send them."""
    mailbox = (receivers.c.org_id == org_id, receivers.c.id == MAIL)
    tx.execute(update(receivers).where(*mailbox).values(due_at=receivers.c.created_at))
    reminders = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == MAIL,
        deliveries.c.audience == REMINDER,
        deliveries.c.status == queue.PENDING,
    )
    tx.execute(update(deliveries).where(*reminders).values(due_at=deliveries.c.created_at))


_OUTDATE = (
    update(deliveries)
    .where(
        deliveries.c.org_id == bindparam("org"),
        deliveries.c.receiver_id == MAIL,
        deliveries.c.status == queue.PENDING,
        deliveries.c.subject_id == bindparam("subject"),
        deliveries.c.place < bindparam("before"),
    )
    .values(status="skipped", due_at=None)
)
