"""Booking time."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, select

from kalends.core.errors import HoldGone, HoldMismatch
from kalends.core.event_types import BOOKING_ASKED
from kalends.core.finding import found_by
from kalends.core.hours import instant
from kalends.core.lifecycle import Check, confirm_by
from kalends.core.offered import BookedType
from kalends.core.requirements import Need
from kalends.db.claims import Values, claim, claim_of_hold
from kalends.db.database import Tx
from kalends.db.tables import appointment_types, calendars, type_calendars
from kalends.schemas.answers import corrected, judged_again
from kalends.schemas.appointments import Appointment, AppointmentCreate, Booking, QuestionAnswer, pinned
from kalends.schemas.events import AppointmentCreated
from kalends.schemas.wrong_fields import WrongField
from kalends.services.booking import confirmations, holds, manage_links, offers, placing
from kalends.services.booking.appointments import details, new_row, pending
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.services.booking.placing import Place
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party


def by_staff(tx: Tx, party: Party, wish: AppointmentCreate, now: datetime) -> Appointment:
    """Book by hand. Unless `check` is `all`, the time may be past, and outside opening hours.

    Raises ScopeMissing if the check is waived without `admin`, Malformed for wrong answers to the type's
    questions, and what `book` raises.
    """
    placing.must_be_allowed(party, wish.check, "Booking")
    answers: Sequence[QuestionAnswer] = ()
    if wish.answers:
        type_ = offers.type_of(tx, party.org_id, wish.appointment_type_id)
        answers = corrected(offers.questions_of(type_), (), wish.answers)
    return book(
        tx,
        party,
        wish,
        answers,
        now,
        check=wish.check,
        pins=pinned(wish.calendar_id, wish.calendar_ids),
        hold_id=wish.hold_id,
        minutes=wish.duration_minutes,
    )


def wrong_besides(tx: Tx, org_id: str, body: Mapping[str, Any]) -> list[WrongField]:
    """Return what is wrong with the body of a booking by staff besides what its schema says: answers that do
    not fit the type's questions."""
    given = body.get("answers")
    if not (given and isinstance(given, Mapping | list)):
        return []
    return judged_again(offers.questions_asked(tx, org_id, body.get("appointment_type_id")), (), given)[1]


def by_staff_with_link(
    tx: Tx, party: Party, wish: AppointmentCreate, now: datetime
) -> tuple[Appointment, str]:
    """Book by hand and make a link for the client. Returns the appointment and the link's token. Raises what
    `by_staff` raises."""
    booked = by_staff(tx, party, wish, now)
    return booked, manage_links.issue(tx, party.org_id, booked.id, now)


def by_staff_at_once(tx: Tx, party: Party, wish: AppointmentCreate, now: datetime) -> Appointment | None:
    """Book by hand by a single statement, as nearly all bookings can be: there is one calendar in question,
    and it is free. Returns None, with nothing stored, if it is not as simple: then `by_staff` books, or says
    why not.

    Raises InvalidTime.
    """
    if wish.check != "conflicts" or wish.hold_id is not None or wish.answers or wish.calendar_ids:
        return None
    if wish.duration_minutes is not None:
        return None
    wanted = {"org": party.org_id, "type": wish.appointment_type_id}
    if wish.calendar_id is None:
        found = tx.execute(_SERVED, wanted).all()
    else:
        found = tx.execute(_NAMED, wanted | {"calendar": wish.calendar_id}).all()
    if len(found) != 1:
        return None
    calendar_id, calendar_is_active, *columns = found[0]
    type_ = BookedType(*columns)
    if not (type_.is_active and calendar_is_active) or type_.is_of_days or type_.requirements:
        return None  # how long a type of days is depends on the hours
    taken = type_.occupation(instant(wish.start_time, party.timezone), type_.duration)
    place = Place([(Need(), [calendar_id])], taken)
    row = _row(party, type_, place, wish, (), now)
    booked, event = _told(party, type_, row, wish.check)
    return booked if claim(tx, row, event, place.takes) else None


def book(
    tx: Tx,
    party: Party,
    wish: Booking,
    answers: Sequence[QuestionAnswer],
    now: datetime,
    *,
    check: Check = "all",
    pins: Sequence[str] = (),
    hold_id: str | None = None,
    minutes: int | None = None,
    asked_from: bytes | None = None,
) -> Appointment:
    """Book time, or turn a hold into the booking. `minutes` is its length, if that is not the type's.
    `asked_from` is a digest of a client's network address, if
    they have to confirm the booking by mail.

    Raises NotFound for an unknown type or calendar, InvalidTime, Unbookable with every reason, HoldGone,
    HoldMismatch.
    """
    start = instant(wish.start_time, party.timezone)
    type_ = offers.type_of(tx, party.org_id, wish.appointment_type_id)
    if hold_id is not None:
        place = holds.redeemed(tx, type_, hold_id, start, pins, now)
        if minutes is not None and place.taken.end - start != timedelta(minutes=minutes):
            raise HoldMismatch
        if start <= now and (asked_from is not None or _waits(party, type_)):
            raise HoldGone("The time of this hold has begun, so nobody could confirm it; choose another.")
    else:
        lasting = type_.lasting(minutes)
        in_question = offers.requirements_of(tx, type_, pins)
        taken = placing.occupation(tx, lasting, start)
        place = placing.place(tx, lasting, in_question, taken, check, now)
        if start <= now and asked_from is not None:
            raise placing.begins_now(type_, taken, now)
    row = _row(party, type_, place, wish, answers, now)
    row["own_minutes"] = None if minutes == type_.duration_minutes else minutes
    if asked_from is not None:
        row = confirmations.asked(row, asked_from, now)
    booked, event = _told(party, type_, row, check)
    if hold_id is not None:
        claim_of_hold(tx, row, event, hold_id)
    elif not claim(tx, row, event, place.takes):
        raise placing.refused_by_the_database(row, now)
    return booked


def _told(
    party: Party, type_: BookedType, row: Values, check: Check
) -> tuple[Appointment, Mapping[str, Any]]:
    """Return a new appointment as it is shown, and the event that tells of it."""
    booked = Appointment.shown(row, type_.name, type_.duration_minutes, type_.color)
    payload = AppointmentCreated(appointment=booked, actor=party.actor, check=check)
    event_type = BOOKING_ASKED if booked.version == UNCONFIRMED else "appointment.created"
    return booked, events.of_appointment(event_type, payload, row["created_at"])


def _waits(party: Party, type_: BookedType) -> bool:
    """Return whether a booking has to be confirmed: staff's never have to be, clients' may."""
    return party.is_client and type_.requires_confirmation


def _row(
    party: Party,
    type_: BookedType,
    place: Place,
    wish: Booking,
    answers: Sequence[QuestionAnswer],
    now: datetime,
) -> dict[str, Any]:
    row = new_row(party, type_.id, place.taken, now) | place.columns | details(dict(wish))
    row |= {"answers": [each.model_dump() for each in answers], **found_by(row)}
    if _waits(party, type_):
        row |= pending(confirm_by(now, type_.confirm_within_hours, place.taken.start))
    return row


_OFFERED = select(
    calendars.c.id,
    calendars.c.is_active,
    *(appointment_types.c[each.name] for each in fields(BookedType)),
).where(
    appointment_types.c.org_id == bindparam("org"),
    appointment_types.c.id == bindparam("type"),
    calendars.c.deleted_at.is_(None),
)
_SERVED = (
    _OFFERED.join_from(
        appointment_types,
        type_calendars,
        and_(
            type_calendars.c.org_id == appointment_types.c.org_id,
            type_calendars.c.appointment_type_id == appointment_types.c.id,
        ),
    )
    .join(
        calendars,
        and_(calendars.c.org_id == type_calendars.c.org_id, calendars.c.id == type_calendars.c.calendar_id),
    )
    .limit(2)
)
_NAMED = _OFFERED.join_from(
    appointment_types,
    calendars,
    and_(calendars.c.org_id == appointment_types.c.org_id, calendars.c.id == bindparam("calendar")),
)
