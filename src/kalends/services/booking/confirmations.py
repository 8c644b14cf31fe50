"""Bookings that their clients have to confirm by mail.

Until then it is not an appointment, but a hold with a client (version 0): it keeps its time, counts for
limits and lapses as every hold does, and only its client sees it. The same row becomes the appointment, so
the time is never given up in between.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from kalends.core.errors import IllegalTransition, NotFound
from kalends.core.lifecycle import confirm_by
from kalends.db.claims import Values, rewrite
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import events as outbox
from kalends.schemas.appointments import Appointment
from kalends.schemas.events import AppointmentCreated
from kalends.services.booking import offers
from kalends.services.booking.appointments import fields_of, pending, with_fields
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party

WITHIN = timedelta(minutes=30)
UNCONFIRMED = 0
"""The version of a booking that is not an appointment yet."""


def asked(booked: Values, held_from: bytes, now: datetime) -> dict[str, Any]:
    """Return the row of a booking as it is until its client has confirmed it. `held_from` is a digest of the
    network address that asked for it."""
    return {
        **booked,
        **pending(min(now + WITHIN, booked["start_time"])),
        "is_hold": True,
        "version": UNCONFIRMED,
        "held_from": held_from,
    }


def shown(row: AnyRow) -> Appointment:
    """Return what the client sees of a row of WITH_HOLDS that has not lapsed."""
    fields = fields_of(row)
    return with_fields(
        row, fields | {"expires_at": fields["expires_at"] if row.status == "pending" else None}
    )


def must_stand(row: AnyRow, now: datetime) -> None:
    """Raise NotFound if its client did not confirm it in time."""
    if row.is_hold and row.expires_at <= now:
        raise NotFound(
            "This booking was not confirmed in time, so its time was given back; please book again."
        )


def must_be_confirmed(present: Appointment) -> None:
    """Raise IllegalTransition for a booking that can't be moved or corrected, since its client has not
    confirmed it yet."""
    if present.version == UNCONFIRMED:
        raise IllegalTransition(
            "This booking waits to be confirmed by its client; confirm it first, then it can be changed.",
            status=present.status,
            allowed=["confirmed", "cancelled"],
        )


def is_cancelled() -> IllegalTransition:
    """Return the refusal to confirm what is cancelled."""
    sentence = "This booking was cancelled, so it can't be confirmed; please book again."
    return IllegalTransition(sentence, status="cancelled", allowed=[])


def confirm(tx: Tx, party: Party, row: AnyRow, now: datetime) -> Appointment:
    """Make an appointment of a locked row that has not lapsed, as if it were booked at this moment. Raises
    IllegalTransition if its client has cancelled it."""
    if row.status == "cancelled":
        raise is_cancelled()
    type_ = offers.type_of(tx, row.org_id, row.appointment_type_id)
    after = {
        "is_hold": False,
        "version": 1,
        "held_from": None,
        "status": "confirmed",
        "confirmed_at": now,
        "expires_at": None,
        "created_at": now,
        "updated_at": now,
    }
    if type_.requires_confirmation:
        after |= pending(confirm_by(now, type_.confirm_within_hours, row.start_time))
    _write(tx, row, after)
    booked = with_fields(row, fields_of(row) | after)
    payload = AppointmentCreated(appointment=booked, actor=party.actor, check="all")
    tx.execute(insert(outbox), events.of_appointment("appointment.created", payload, now))
    return booked


def withdraw(tx: Tx, row: AnyRow, reason: str | None, now: datetime) -> Appointment:
    """Give back the time of a locked row that has not lapsed. Nobody else is told, since nobody knew of it.
    The row is removed when it would have lapsed."""
    after = {"status": "cancelled", "cancelled_at": now, "cancellation_reason": reason, "updated_at": now}
    _write(tx, row, after)
    return with_fields(row, fields_of(row) | after | {"expires_at": None})


def _write(tx: Tx, row: AnyRow, after: dict[str, Any]) -> None:
    before = fields_of(row)
    rewrite(tx, before, before | after)
