"""Use cases of appointments."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, select

from kalends.core.caller import Caller
from kalends.core.errors import CalendarInactive, NotFound, SlotTaken, TypeInactive
from kalends.core.hours import instant, stamp
from kalends.core.lifecycle import occupy
from kalends.db.claims import Values, claim, in_the_way
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, calendars, type_calendars
from kalends.ids import new_id
from kalends.schemas.appointments import Appointment, AppointmentCreate
from kalends.schemas.events import AppointmentCreated
from kalends.services import events

DEFAULT_LANGUAGE = "en"


def book(tx: Tx, caller: Caller, wish: AppointmentCreate, now: datetime) -> Appointment:
    """Book time by hand, past or future, within opening hours or not.

    Raises NotFound for an unknown type or calendar, TypeInactive, CalendarInactive, InvalidTime, SlotTaken
    where the calendar is taken (buffers included), ScopeMissing where the check is waived without `admin`.
    """
    if wish.check == "none":
        caller.need("admin", "Booking without a check (check: none)")
    start = instant(wish.start_time, caller.timezone)
    offer = _offer(tx, caller.org_id, wish)
    taken = occupy(
        start,
        duration=offer.duration_minutes,
        buffer_before=offer.buffer_before_minutes,
        buffer_after=offer.buffer_after_minutes,
    )
    row = {
        "org_id": caller.org_id,
        "id": new_id("apt"),
        "appointment_type_id": offer.id,
        "calendar_id": offer.calendar_id,
        "start_time": taken.start,
        "end_time": taken.end,
        "busy_start": taken.busy_start,
        "busy_end": taken.busy_end,
        "overlap_allowed": False,
        "client_name": wish.client_name,
        "client_email": wish.client_email,
        "client_phone": wish.client_phone,
        "client_language": wish.client_language or DEFAULT_LANGUAGE,
        "client_notes": wish.client_notes or None,
        "internal_notes": wish.internal_notes or None,
        "status": "confirmed",
        "source": "manual",
        "version": 1,
        "confirmed_at": now,
        "completed_at": None,
        "cancelled_at": None,
        "no_show_at": None,
        "cancellation_reason": None,
        "created_by": events.actor(caller).model_dump_json(),
        "created_at": now,
        "updated_at": now,
    }
    appointment = _try(tx, caller, row, offer, wish)
    if appointment is None and wish.check == "none":
        # Only what really overlaps is stored outside the database's guarantee.
        appointment = _try(tx, caller, row | {"overlap_allowed": True}, offer, wish)
    if appointment is None:
        raise slot_taken(row, in_the_way(tx, row))
    return appointment


def get(tx: Tx, org_id: str, appointment_id: str) -> Appointment:
    """One appointment. Raises NotFound where the organization has none by that id."""
    return shown(row_of(tx, org_id, appointment_id))


def row_of(tx: Tx, org_id: str, appointment_id: str) -> AnyRow:
    """The row of SHOWN of one appointment. Raises NotFound."""
    row = tx.execute(
        SHOWN.where(appointments.c.org_id == org_id, appointments.c.id == appointment_id)
    ).first()
    if row is None:
        raise not_found()
    return row


def not_found() -> NotFound:
    return NotFound("There is no appointment with this id.")


def shown(row: AnyRow) -> Appointment:
    """The wire form of a row of SHOWN."""
    return Appointment.shown(dict(row._mapping), row.type_name, row.type_minutes, row.type_color)


def _offer(tx: Tx, org_id: str, wish: AppointmentCreate) -> AnyRow:
    """The type that is wanted and the calendar that gives its time."""
    wanted = {"org": org_id, "type": wish.appointment_type_id}
    if wish.calendar_id is None:
        offer = tx.execute(_OFFER_OF_FIRST_CALENDAR, wanted).first()
    else:
        offer = tx.execute(_OFFER_OF_CALENDAR, wanted | {"calendar": wish.calendar_id}).first()
    if offer is None:
        raise NotFound("There is no appointment type with this id.", field="appointment_type_id")
    if offer.calendar_id is None:
        raise NotFound("There is no calendar with this id.", field="calendar_id")
    if not offer.calendar_is_active:
        raise CalendarInactive(f"The calendar '{offer.calendar_name}' is not active, so it can't be booked.")
    if not offer.is_active:
        raise TypeInactive(f"The appointment type '{offer.name}' is not active, so it can't be booked.")
    return offer


def _try(tx: Tx, caller: Caller, row: Values, offer: AnyRow, wish: AppointmentCreate) -> Appointment | None:
    appointment = Appointment.shown(row, offer.name, offer.duration_minutes, offer.color)
    told = AppointmentCreated(appointment=appointment, actor=events.actor(caller), check=wish.check)
    event = events.row(caller.org_id, "appointment.created", told, row["created_at"])
    return appointment if claim(tx, row, event) else None


def slot_taken(row: Values, others: Sequence[AnyRow]) -> SlotTaken:
    """The refusal of a row of `appointments`, naming what is in its way: none where it has gone meanwhile,
    and then the next try succeeds."""
    reasons = [
        {
            "code": "conflict",
            "message": f"Appointment {other.id} keeps the calendar busy "
            f"from {stamp(other.busy_start)} to {stamp(other.busy_end)}, buffers included.",
            "appointment_id": other.id,
            "start_time": stamp(other.start_time),
            "end_time": stamp(other.end_time),
            "busy_start": stamp(other.busy_start),
            "busy_end": stamp(other.busy_end),
        }
        for other in others
    ]
    return SlotTaken(
        f"The calendar is already taken between {stamp(row['busy_start'])} and {stamp(row['busy_end'])}, "
        "buffers included.",
        reasons=reasons,
    )


_OFFER = select(
    appointment_types.c.id,
    appointment_types.c.name,
    appointment_types.c.color,
    appointment_types.c.duration_minutes,
    appointment_types.c.buffer_before_minutes,
    appointment_types.c.buffer_after_minutes,
    appointment_types.c.is_active,
    calendars.c.id.label("calendar_id"),
    calendars.c.name.label("calendar_name"),
    calendars.c.is_active.label("calendar_is_active"),
).where(appointment_types.c.org_id == bindparam("org"), appointment_types.c.id == bindparam("type"))
_OFFER_OF_FIRST_CALENDAR = (
    _OFFER.join_from(
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
    .order_by(type_calendars.c.position)
    .limit(1)
)
_OFFER_OF_CALENDAR = _OFFER.outerjoin_from(
    appointment_types,
    calendars,
    and_(
        calendars.c.org_id == appointment_types.c.org_id,
        calendars.c.id == bindparam("calendar"),
        calendars.c.deleted_at.is_(None),
    ),
)

SHOWN = select(
    appointments,
    appointment_types.c.name.label("type_name"),
    appointment_types.c.duration_minutes.label("type_minutes"),
    appointment_types.c.color.label("type_color"),
).join_from(
    appointments,
    appointment_types,
    and_(
        appointment_types.c.org_id == appointments.c.org_id,
        appointment_types.c.id == appointments.c.appointment_type_id,
    ),
)
"""Appointments with what is shown of their types."""
