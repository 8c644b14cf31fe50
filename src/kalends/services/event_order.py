"""The order of events: an organization's events are numbered in the order of their commits.

A transaction that commits late must not slip in behind a reader's back, so no number is given before the
commit. Whoever numbers (the worker, or a reader who would not wait for it) holds the lock of the
organization's head and takes everything that is committed and has no number yet. What was committed when
another transaction began thus comes before it; and of one appointment, the earlier version always before the
later.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    case,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from kalends.core.event_types import APPOINTMENT_EVENTS, BOOKING_ASKED, OF_THEMSELVES, TEST_EVENT, matches
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, event_heads, events, organizations, receivers
from kalends.db.verbs import insert_new
from kalends.ids import new_id

_MOST_AT_ONCE = 5_000
"""Events, or deliveries of them, that are made in one transaction."""

PENDING: ColumnElement[str] = literal_column("'pending'")
"""In the indexes' own words, so that they are used by prepared statements, too."""
MAIL = "mail"
"""The id of an organization's receiver of mails."""
CLIENT, FORMER, STAFF, REMINDER = "client", "former", "staff", "reminder"
"""Whom mails are for. The former is whoever the client's address led to before it was changed."""
_BOOKED = frozenset({"appointment.created", "appointment.confirmed", "appointment.rescheduled"})
_MAILED = {
    CLIENT: _BOOKED
    | {BOOKING_ASKED, "appointment.cancelled", "appointment.updated"},  # another address, perhaps
    FORMER: frozenset(APPOINTMENT_EVENTS) - {"appointment.created"},  # likewise
    STAFF: _BOOKED | {"appointment.cancelled"},
    REMINDER: _BOOKED,
}
"""Of which events there are mails, and for whom. Whether one is wanted is decided when it is written."""


def waiting(tx: Tx) -> Sequence[str]:
    """Some organizations with events that have no number yet."""
    found = select(events.c.org_id).where(events.c.seq.is_(None)).distinct().limit(100)
    return tx.execute(found).scalars().all()


def is_waiting(tx: Tx, org_id: str) -> bool:
    """Whether the organization has events that have no number yet."""
    found = select(events.c.id).where(events.c.org_id == org_id, events.c.seq.is_(None)).limit(1)
    return tx.execute(found).first() is not None


def number(tx: Tx, org_id: str, now: datetime, *, mail: bool, wait: bool = True) -> int:
    """Number what has been committed, or much of it, and make a delivery of it for every webhook that wants
    it, and for mails where they are sent (`mail`); how many. Who would not `wait` leaves it to whoever is
    about it."""
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
    tx.execute(_NUMBER, [{"org": org_id, "event": event.id, "number": place} for place, event in numbered])
    tx.execute(
        update(event_heads)
        .where(event_heads.c.org_id == org_id)
        .values(seq=head.seq + len(numbered), numbered_at=now)
    )
    made = [
        delivery(org_id, webhook.id, event, place, now)
        for webhook in webhooks
        for place, event in numbered
        if wants(webhook, event)
    ]
    _insert(tx, org_id, made, now)
    if mail:
        _fan_out_to_mail(tx, org_id, numbered, now)
    return len(numbered)


def number_all(tx: Tx, org_id: str, now: datetime, *, mail: bool) -> None:
    """Number everything that has been committed, however much it is."""
    while number(tx, org_id, now, mail=mail):
        pass


def lock_head(tx: Tx, org_id: str, now: datetime) -> AnyRow:
    """The organization's head, locked until the transaction ends."""
    return tx.execute(_head(tx, org_id, now).with_for_update()).one()


def _free_head(tx: Tx, org_id: str, now: datetime) -> AnyRow | None:
    """The same; None where somebody else has locked it."""
    return tx.execute(_head(tx, org_id, now).with_for_update(skip_locked=True)).first()


def _head(tx: Tx, org_id: str, now: datetime) -> Select[*tuple[Any, ...]]:
    insert_new(tx, event_heads, {"org_id": org_id, "seq": 0, "forgotten": 0, "numbered_at": now})
    return select(event_heads).where(event_heads.c.org_id == org_id)


def _unnumbered(tx: Tx, org_id: str, most: int) -> Sequence[AnyRow]:
    """What is to be numbered now, by id: so many, and besides whatever else happened to those appointments,
    since that may have come before, though its id is greater."""
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
    """By id, which is by the clock of the machine that made it; but clocks differ, so among the places that
    one appointment's events have, they are put in the order of its versions."""
    ordered = list(unnumbered)
    places: dict[str, list[int]] = {}
    for place, event in enumerate(ordered):
        if event.subject_version is not None:
            places.setdefault(event.subject_id, []).append(place)
    for mine in places.values():
        by_version = sorted((ordered[place] for place in mine), key=lambda event: event.subject_version)
        for place, event in zip(mine, by_version, strict=True):
            ordered[place] = event
    return ordered


def _fan_out_to_mail(tx: Tx, org_id: str, numbered: Sequence[tuple[int, AnyRow]], now: datetime) -> None:
    """Mails to the client and to staff of the same appointment do not wait for each other, nor for a
    reminder, which is made now and sent much later. The last time it was booked is what it is reminded of.
    For what is sent to an address of before, which may be no address at all, nothing waits."""
    booked = {event.subject_id: place for place, event in numbered if event.type in _MAILED[REMINDER]}
    desk = select(organizations.c.notification_email).where(organizations.c.id == org_id)
    audiences = [CLIENT, FORMER, REMINDER, *((STAFF,) if tx.execute(desk).scalar() else ())]
    made = [
        delivery(org_id, MAIL, event, place, now)
        | {"audience": audience, "subject_id": mail_subject(event.subject_id, audience)}
        | {"appointment_id": event.subject_id}
        for place, event in numbered
        for audience in audiences
        if event.type in _MAILED[audience] and (audience != REMINDER or booked[event.subject_id] == place)
    ]
    if made:
        mailbox = {"org_id": org_id, "id": MAIL, "kind": "mail", "url": "", "events": [], "secret": ""}
        insert_new(tx, receivers, {**mailbox, "active": True, "created_at": now, "updated_at": now})
        _insert(tx, org_id, made, now)
    again = {event.subject_id for _, event in numbered if event.type != "appointment.created"} & booked.keys()
    if again:
        mine = [{"org": org_id, "subject": f"{each}/{REMINDER}", "before": booked[each]} for each in again]
        tx.execute(_OUTDATE, mine)


def _insert(tx: Tx, org_id: str, made: list[dict[str, Any]], now: datetime) -> None:
    if made:
        tx.execute(insert(deliveries), made)
        wake(tx, org_id, {each["receiver_id"] for each in made}, now)


def wants(webhook: AnyRow, event: AnyRow) -> bool:
    """Whether a webhook is to be told of an event."""
    if event.type == TEST_EVENT:
        return bool(event.subject_id == webhook.id)
    if event.type == BOOKING_ASKED or (event.type in OF_THEMSELVES and event.subject_id == webhook.id):
        return False
    return matches(event.type, webhook.events)


def delivery(org_id: str, receiver: str, event: AnyRow, place: int, now: datetime) -> dict[str, Any]:
    """A new row of `deliveries`, due now."""
    return {
        "org_id": org_id,
        "receiver_id": receiver,
        "id": new_id("dlv"),
        "event_id": event.id,
        "audience": None,
        "appointment_id": None,
        "subject_id": event.subject_id,
        "place": place,
        "status": "pending",
        "attempts": 0,
        "due_at": now,
        "due_since": now,
        "created_at": now,
    }


def mail_subject(appointment_id: str, audience: str) -> str | None:
    """Return what mails have in common that are sent in the order of their events; None for those that no
    other waits for."""
    return None if audience == FORMER else f"{appointment_id}/{audience}"


def mail_anew(tx: Tx, org_id: str, appointment_id: str) -> None:
    """Let the worker look again at mails that wait for another attempt: their address is no longer the
    client's, and mails to the new one must not wait for them."""
    waiting_ = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == MAIL,
        deliveries.c.status == PENDING,
        deliveries.c.subject_id == mail_subject(appointment_id, CLIENT),
    )
    tx.execute(update(deliveries).where(*waiting_).values(due_at=deliveries.c.created_at))


def remind_anew(tx: Tx, org_id: str) -> None:
    """Let the worker look again at when to remind: everything has been due since it was made."""
    mailbox = (receivers.c.org_id == org_id, receivers.c.id == MAIL)
    tx.execute(update(receivers).where(*mailbox).values(due_at=receivers.c.created_at))
    reminders = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == MAIL,
        deliveries.c.audience == REMINDER,
        deliveries.c.status == PENDING,
    )
    tx.execute(update(deliveries).where(*reminders).values(due_at=deliveries.c.created_at))


def wake(tx: Tx, org_id: str, receiver_ids: set[str], now: datetime) -> None:
    """Let the worker look at these receivers as soon as it may. Their rows are locked even where they are due
    already: whoever is giving one back then looks before this is committed, and is overruled by it, or
    afterwards, and sees what is to be delivered."""
    later = or_(receivers.c.due_at.is_(None), receivers.c.due_at > now)
    tx.execute(
        update(receivers)
        .where(receivers.c.org_id == org_id, receivers.c.id.in_(receiver_ids))
        .values(due_at=case((later, literal(now, receivers.c.due_at.type)), else_=receivers.c.due_at))
    )


_OUTDATE = (
    update(deliveries)
    .where(
        deliveries.c.org_id == bindparam("org"),
        deliveries.c.receiver_id == MAIL,
        deliveries.c.status == PENDING,
        deliveries.c.subject_id == bindparam("subject"),
        deliveries.c.place < bindparam("before"),
    )
    .values(status="skipped", due_at=None)
)
_NUMBER = (
    update(events)
    .where(events.c.org_id == bindparam("org"), events.c.id == bindparam("event"))
    .values(seq=bindparam("number"))
)
