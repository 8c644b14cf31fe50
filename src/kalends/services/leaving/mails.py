"""Mails: what was sent and what is to be sent, to clients and to staff."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from kalends.core.contacts import is_same
from kalends.core.errors import Conflict, NotFound
from kalends.core.event_types import CLASHES
from kalends.core.hours import stamp
from kalends.db.aside import aside
from kalends.db.database import AnyRow, Tx
from kalends.db.joins import IS_ITS_EVENT
from kalends.db.tables import deliveries, events, receivers
from kalends.schemas.appointments import Appointment
from kalends.schemas.mails import Mail, MailsAnswer, MailsQuery
from kalends.services.booking import appointments
from kalends.services.leaving import attempts, letters
from kalends.services.outbox import event_order, queue
from kalends.services.outbox.mailing import CLIENT, MAIL, PERSON, STAFF
from kalends.services.outbox.parties import Party
from kalends.services.outbox.queue import PENDING


def page(tx: Tx, org_id: str, query: MailsQuery, *, of_people: bool) -> MailsAnswer:
    """Return a page of the organization's mails, newest first. Those by which people are invited are among
    them only if `of_people`, for whoever may see the addresses of the staff."""
    wanted = _MAILS.where(*_seen(org_id, of_people))
    if query.status is not None:
        wanted = wanted.where(deliveries.c.status == query.status)
    if query.appointment_id is not None:
        wanted = wanted.where(deliveries.c.appointment_id == query.appointment_id)
    if query.cursor is not None:
        wanted = wanted.where(deliveries.c.id < query.cursor)
    rows = tx.execute(wanted.order_by(deliveries.c.id.desc()).limit(query.limit + 1))
    found = aside(tx, lambda: [_shown(row) for row in rows])
    following = found[query.limit - 1].id if len(found) > query.limit else None
    return MailsAnswer.model_construct(mails=found[: query.limit], next_cursor=following)


def get(tx: Tx, org_id: str, mail_id: str, *, of_people: bool) -> Mail:
    """Return one mail (see `page`). Raises NotFound."""
    row = tx.execute(_MAILS.where(*_seen(org_id, of_people), deliveries.c.id == mail_id)).first()
    if row is None:
        raise NotFound("There is no mail with this id.")
    return _shown(row)


def replay(tx: Tx, party: Party, mail_id: str, now: datetime, *, of_people: bool, mail: bool) -> Mail:
    """Send a mail again, as a new one; one that waits for a retry is sent now instead. Raises NotFound,
    Conflict if nobody would want it any more, if it is a reminder before its time or an invitation, and if
    this server sends no mails at all (`mail`)."""
    org_id = party.org_id
    event_order.lock_head(tx, org_id, now)  # nobody forgets the event meanwhile
    row = tx.execute(_REPLAYED.where(*_seen(org_id, of_people), deliveries.c.id == mail_id)).first()
    if row is None:
        raise NotFound("There is no mail with this id.")
    if row.audience == PERSON:
        raise Conflict(
            "A link to sign in is mailed once; make a new one by POST /v1/people/{id}/link with send: true."
        )
    if not mail:
        raise Conflict(
            "No mails are sent: this server's operator has set no mail server (KALENDS_SMTP_HOST)."
        )
    _must_be_wanted(tx, org_id, row, now)
    if row.status == "pending":
        tx.execute(update(deliveries).where(*_mine(org_id), _until(row)).values(due_at=now))
    else:
        again = queue.delivery(org_id, MAIL, row, row.place, now)
        copied = {
            "audience": row.audience,
            "appointment_id": row.appointment_id,
            "subject_id": row.mail_subject,
        }
        tx.execute(insert(deliveries), again | copied)
        mail_id = again["id"]
    queue.wake(tx, org_id, {MAIL}, now)
    mailbox = (receivers.c.org_id == org_id, receivers.c.id == MAIL)
    tx.execute(update(receivers).where(*mailbox).values(rests_until=None))  # somebody wants it now
    return get(tx, org_id, mail_id, of_people=of_people)


def _until(row: AnyRow) -> ColumnElement[bool]:
    """Match a mail that waits, and those that have to arrive before it."""
    before = and_(deliveries.c.subject_id == row.mail_subject, deliveries.c.place < row.place)
    return and_(deliveries.c.status == PENDING, or_(deliveries.c.id == row.mail_id, before))


def _must_be_wanted(tx: Tx, org_id: str, row: AnyRow, now: datetime) -> None:
    mailed = Appointment.model_validate(json.loads(row.payload)["appointment"])
    present = next(iter(appointments.locked(tx, org_id, [mailed.id], now)), None)
    is_about_it = row.audience in (CLIENT, STAFF) and row.type != CLASHES  # which may be about others, too
    if present is not None and is_about_it and _moved_on(mailed, present, row.audience):
        raise Conflict(
            "The appointment was changed since this mail, so it is not sent again; a later one tells all.",
            appointment_id=mailed.id,
        )
    written = letters.write(tx, org_id, row, present, now)
    if isinstance(written, datetime):
        raise Conflict("This mail is sent when its time comes; it is too early now.", at=stamp(written))
    if written is None:
        raise Conflict(
            "Nobody would want this mail any more, so it stays unsent: the appointment is over or no longer "
            "stands, staff made the change themselves, or there is no address to send it to.",
            appointment_id=mailed.id,
        )
    letters.withdraw(tx, org_id, [written])  # the mail gets links of its own when it is sent


def _moved_on(mailed: Appointment, present: Appointment, audience: str) -> bool:
    """Tell whether a mail would say what is no longer true, or go to an address that is no longer the
    client's."""
    if audience == CLIENT and not is_same(mailed.client_email, present.client_email):
        return True
    return (mailed.status, mailed.start_time) != (present.status, present.start_time)


def _mine(org_id: str) -> tuple[Any, ...]:
    return (deliveries.c.org_id == org_id, deliveries.c.receiver_id == MAIL)


def _seen(org_id: str, of_people: bool) -> tuple[Any, ...]:
    return _mine(org_id) if of_people else (*_mine(org_id), deliveries.c.audience != PERSON)


def _shown(row: AnyRow) -> Mail:
    return Mail.model_validate(dict(row._mapping))


_MAILS = attempts.SHOWN.add_columns(
    deliveries.c.audience, deliveries.c.appointment_id, deliveries.c.address.label("to")
)
_REPLAYED = select(
    deliveries.c.id.label("mail_id"),
    deliveries.c.audience,
    deliveries.c.appointment_id,
    deliveries.c.subject_id.label("mail_subject"),
    deliveries.c.place,
    deliveries.c.status,
    events.c.id,
    events.c.id.label("event_id"),
    events.c.type,
    events.c.payload,
    events.c.subject_id,
).join_from(deliveries, events, IS_ITS_EVENT)
