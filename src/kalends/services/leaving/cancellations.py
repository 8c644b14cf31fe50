"""Mails of cancellations that may still be undone, or were taken back before anybody was told."""

import json
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from kalends.core.hours import shifted
from kalends.core.lifecycle import undo_until
from kalends.db.database import Tx
from kalends.db.joins import IS_ITS_EVENT
from kalends.db.tables import deliveries, events
from kalends.schemas.appointments import Appointment
from kalends.services.leaving.cases import Case
from kalends.services.outbox.mailing import CLIENT, MAIL, REMINDER

MARGIN = timedelta(seconds=2)
"""How much longer than it can be undone a cancellation is kept back: clocks of servers differ a little, and a
change that began in time may be stored a little late."""


def decided_at(case: Case) -> datetime | None:
    """Return when to ask again about a cancellation that the person who made it can still undo, or about a
    reminder of what was cancelled and may stand again; None if that is decided."""
    present, audience = case.present, case.delivery.audience
    if present.status != "cancelled" or present.cancelled_at is None:
        return None
    if audience != REMINDER and not (audience == CLIENT and _is_by_person(case)):
        return None
    decided = shifted(undo_until(present.cancelled_at), MARGIN)
    return decided if case.now < decided else None


def booked_at(case: Case) -> datetime:
    """Return since when an appointment stands as the event left it: what was undone at once has stood
    before."""
    then, gone = case.then, case.previous.get("cancelled_at")
    if then.status == "cancelled" or gone is None:
        return then.updated_at
    cancelled = datetime.fromisoformat(gone)
    return cancelled if then.updated_at <= undo_until(cancelled) else then.updated_at


def is_untold(tx: Tx, case: Case) -> bool:
    """Return whether a client need not hear of an event: of a cancellation by a person that was taken back
    before it was mailed, or that it was."""
    then, present = case.then, case.present
    if case.delivery.audience != CLIENT or case.has_new_reader:
        return False
    if _is_by_person(case):
        return present.cancelled_at != then.cancelled_at
    if case.previous.get("status") != "cancelled":
        return False
    known = _known(tx, case)
    return known is not None and (known.status, known.start_time) == (then.status, then.start_time)


def _is_by_person(case: Case) -> bool:
    return bool(case.delivery.type == "appointment.cancelled" and case.by == "person")


def _known(tx: Tx, case: Case) -> Appointment | None:
    """Return the appointment as its client knows it by the mails before this one: those that were sent, may
    have arrived, or are being sent. Returns None if there was none."""
    told = tx.execute(
        select(events.c.payload)
        .join_from(
            deliveries,
            events,
            IS_ITS_EVENT,
        )
        .where(
            deliveries.c.org_id == case.org_id,
            deliveries.c.receiver_id == MAIL,
            deliveries.c.appointment_id == case.then.id,
            deliveries.c.audience == CLIENT,
            deliveries.c.place < case.delivery.place,
            or_(deliveries.c.status != "skipped", deliveries.c.attempts > 0),
        )
        .order_by(deliveries.c.place.desc())
        .limit(1)
    ).scalar()
    return None if told is None else Appointment.model_validate(json.loads(told)["appointment"])
