"""Holds: time that is kept for a client while they fill in a form.

A hold is a row of `appointments` without a client, so the database keeps it apart from appointments and other
holds as it keeps appointments apart from each other.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from kalends.core.errors import HoldGone, HoldMismatch, InvalidTime, NotFound, Unbookable
from kalends.core.hours import instant, shifted
from kalends.core.lifecycle import Check
from kalends.core.offered import OfferedType, RequirementInQuestion, ids_of
from kalends.db.claims import claim, give_back
from kalends.db.database import Tx
from kalends.db.locks import lock_calendars
from kalends.db.tables import appointments
from kalends.ids import new_id
from kalends.schemas.holds import ClientHoldCreate, Hold
from kalends.services.booking import offers, placing
from kalends.services.booking.appointments import new_row, pending
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.services.booking.placing import Place
from kalends.services.outbox.parties import Party


def hold(
    tx: Tx,
    party: Party,
    wish: ClientHoldCreate,
    now: datetime,
    *,
    pins: Sequence[str] = (),
    check: Check = "all",
    held_from: bytes | None = None,
) -> Hold:
    """Keep time for a while. If it replaces another hold, that one's time is given back first, so it is not
    in the way and not counted; one that is gone already is not missed. `held_from` is a digest of a client's
    network address.

    Raises NotFound for an unknown type or calendar, InvalidTime, Unbookable: then the other hold stands.
    """
    start = instant(wish.start_time, party.timezone)
    type_ = offers.type_of(tx, party.org_id, wish.appointment_type_id)
    in_question = offers.requirements_of(tx, type_, pins)
    taken = placing.occupation(tx, type_, start)
    expires_at = _expiry(now, wish.ttl_seconds)
    replaced = (
        None if wish.replaces is None else _give_back(tx, type_, wish.replaces, in_question, check, now)
    )
    try:
        place = placing.place(tx, type_, in_question, taken, check, now)
    except Unbookable as refusal:
        if replaced and refusal.wanted is not None:  # it stands again when other times are looked for
            refusal.wanted = replace(refusal.wanted, moving=replaced)
        raise
    row = new_row(party, type_.id, taken, now) | place.columns | pending(expires_at)
    row |= {"id": new_id("hold"), "is_hold": True, "held_from": held_from}
    if not claim(tx, row, None, place.takes):
        raise placing.refused_by_the_database(row, now, moving=replaced)
    return Hold.shown(row)


def get(tx: Tx, org_id: str, hold_id: str, now: datetime) -> Hold:
    """Return a hold. Raises NotFound, also if it has expired or was used."""
    found = tx.execute(select(appointments).where(*_standing(org_id, hold_id, now))).first()
    if found is None:
        raise _no_hold()
    return Hold.shown(found._asdict())


def oldest_from(
    tx: Tx,
    org_id: str,
    held_from: bytes,
    type_id: str,
    now: datetime,
    *,
    start: datetime | None = None,
    calendar_id: str | None = None,
) -> Hold | None:
    """Return the oldest hold of a type that stands and was made from an address, of which `held_from` is a
    digest; if a `start` (UTC) or a calendar is named, only one of those. Clients choose a calendar of a
    type's first requirement only."""
    columns = appointments.c
    wanted = [columns.held_from == held_from, columns.appointment_type_id == type_id]
    wanted += [] if start is None else [columns.start_time == start]
    wanted += [] if calendar_id is None else [columns.calendar_id == calendar_id]
    oldest = select(appointments).where(*_all_standing(org_id, now), *wanted)
    found = tx.execute(oldest.order_by(appointments.c.created_at, appointments.c.id).limit(1)).first()
    return None if found is None else Hold.shown(found._asdict())


def release(tx: Tx, party: Party, hold_id: str, now: datetime) -> str:
    """Give the time of a hold back. Returns its id. Raises NotFound, also if it has expired."""
    if not _remove(tx, party.org_id, hold_id, now):
        raise _no_hold()
    return hold_id


def redeemed(
    tx: Tx, type_: OfferedType, hold_id: str, start: datetime, pins: Sequence[str], now: datetime
) -> Place:
    """Lock a hold, for the booking that takes its place in the same transaction. Returns the time that it
    keeps. The rules were checked when the hold was made, and the booking takes the same time. Raises
    HoldGone, HoldMismatch."""
    mine = _standing(type_.org_id, hold_id, now)
    found = tx.execute(select(appointments).where(*mine)).first()
    if found is None:
        raise HoldGone
    if (found.appointment_type_id, found.start_time) != (type_.id, start) or (
        set(pins) - set(placing.own_calendars(found))
    ):
        raise HoldMismatch
    lock_calendars(tx, type_.org_id, placing.own_calendars(found))
    if tx.execute(select(appointments.c.id).where(*mine).with_for_update(key_share=True)).first() is None:
        raise HoldGone  # another booking was faster
    return placing.place_of(found)


def _give_back(
    tx: Tx,
    type_: OfferedType,
    hold_id: str,
    in_question: Sequence[RequirementInQuestion],
    check: Check,
    now: datetime,
) -> str | None:
    """Remove a hold, for the one that replaces it in the same transaction. Returns its id; None if there is
    no such hold now."""
    found = tx.execute(select(appointments).where(*_standing(type_.org_id, hold_id, now))).first()
    if found is None:
        return None
    # All at once and before its row, since everybody takes these locks in one order.
    placing.lock(tx, type_, [*placing.own_calendars(found), *ids_of(in_question)], check)
    return hold_id if _remove(tx, type_.org_id, hold_id, now) else None


def _remove(tx: Tx, org_id: str, hold_id: str, now: datetime) -> bool:
    """Remove a hold. Returns whether it stood until now."""
    mine = _standing(org_id, hold_id, now)
    if tx.execute(delete(appointments).where(*mine).returning(appointments.c.id)).first() is None:
        return False
    give_back(tx, org_id, hold_id)
    return True


def _no_hold() -> NotFound:
    return NotFound("There is no hold with this id, or it has expired.")


def _expiry(now: datetime, ttl_seconds: int) -> datetime:
    wanted = timedelta(seconds=ttl_seconds)
    expires_at = shifted(now, wanted)
    if expires_at - now < wanted:
        raise InvalidTime("The hold would expire after the year 9999.")
    return expires_at


def _standing(org_id: str, hold_id: str, now: datetime) -> tuple[Any, ...]:
    return (*_all_standing(org_id, now), appointments.c.id == hold_id)


def _all_standing(org_id: str, now: datetime) -> tuple[Any, ...]:
    return (
        appointments.c.org_id == org_id,
        appointments.c.is_hold,
        appointments.c.version > UNCONFIRMED,
        appointments.c.expires_at > now,
    )
