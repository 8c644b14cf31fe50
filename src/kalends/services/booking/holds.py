"""Holds: time that is kept for a client while they fill in a form.

A hold is a row of `appointments` without a client, so the database keeps it apart from appointments and other
holds as it keeps appointments apart from each other.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from kalends.core.errors import HoldGone, HoldMismatch, InvalidTime, NotFound
from kalends.core.hours import instant, shifted
from kalends.core.lifecycle import Check
from kalends.core.offered import OfferedType
from kalends.db.claims import claim, lock_calendars
from kalends.db.database import Tx
from kalends.db.tables import appointments
from kalends.ids import new_id
from kalends.schemas.holds import ClientHoldCreate, Hold
from kalends.services.booking import offers, placing
from kalends.services.booking.appointments import new_row, occupied, pending
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.services.booking.placing import Place
from kalends.services.outbox.parties import Party


def hold(
    tx: Tx,
    party: Party,
    wish: ClientHoldCreate,
    now: datetime,
    *,
    calendar_id: str | None = None,
    check: Check = "all",
    held_from: bytes | None = None,
) -> Hold:
    """Keep time for a while. `held_from` is a digest of a client's network address.

    Raises NotFound for an unknown type or calendar, InvalidTime, Unbookable.
    """
    start = instant(wish.start_time, party.timezone)
    type_ = offers.type_of(tx, party.org_id, wish.appointment_type_id)
    in_question = offers.calendars_of(tx, type_, calendar_id)
    taken = placing.occupation(tx, type_, start)
    place = placing.place(tx, type_, in_question, taken, check, now)
    row = new_row(party, type_.id, place.calendar_id, taken, now) | pending(_expiry(now, wish.ttl_seconds))
    row |= {"id": new_id("hold"), "is_hold": True, "held_from": held_from}
    if not claim(tx, row, None):
        raise placing.refused_by_the_database(row, now)
    return Hold.model_validate(row)


def release(tx: Tx, party: Party, hold_id: str, now: datetime) -> str:
    """Give the time of a hold back. Returns its id. Raises NotFound, also if it has expired."""
    mine = _standing(party.org_id, hold_id, now)
    gone = tx.execute(delete(appointments).where(*mine).returning(appointments.c.id)).first()
    if gone is None:
        raise NotFound("There is no hold with this id, or it has expired.")
    return hold_id


def redeem(
    tx: Tx, type_: OfferedType, hold_id: str, start: datetime, calendar_id: str | None, now: datetime
) -> Place:
    """Remove a hold, for the booking that takes its place in the same transaction. The rules were checked
    when the hold was made, and the booking takes the same time. Raises HoldGone, HoldMismatch."""
    mine = _standing(type_.org_id, hold_id, now)
    found = tx.execute(select(appointments).where(*mine)).first()
    if found is None:
        raise HoldGone
    if (found.appointment_type_id, found.start_time) != (type_.id, start) or (
        calendar_id is not None and calendar_id != found.calendar_id
    ):
        raise HoldMismatch
    lock_calendars(tx, type_.org_id, [found.calendar_id])
    if tx.execute(delete(appointments).where(*mine).returning(appointments.c.id)).first() is None:
        raise HoldGone  # another booking was faster
    return Place(found.calendar_id, occupied(found._asdict()))


def _expiry(now: datetime, ttl_seconds: int) -> datetime:
    wanted = timedelta(seconds=ttl_seconds)
    expires_at = shifted(now, wanted)
    if expires_at - now < wanted:
        raise InvalidTime("The hold would expire after the year 9999.")
    return expires_at


def _standing(org_id: str, hold_id: str, now: datetime) -> tuple[Any, ...]:
    return (
        appointments.c.org_id == org_id,
        appointments.c.id == hold_id,
        appointments.c.is_hold,
        appointments.c.version > UNCONFIRMED,
        appointments.c.expires_at > now,
    )
