"""Appointments as rows: making new ones, and reading them as they are at the moment of asking."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, or_, select

from kalends.core.contacts import digits, folded
from kalends.core.errors import NotFound
from kalends.core.lifecycle import Occupancy, as_of
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, occupations
from kalends.ids import new_id
from kalends.schemas.appointments import Appointment
from kalends.services.outbox.parties import Party

DEFAULT_LANGUAGE = "en"
_DETAILS = (
    "client_name",
    "client_email",
    "client_phone",
    "client_timezone",
    "client_notes",
    "internal_notes",
)


def new_row(party: Party, type_id: str, taken: Occupancy, now: datetime) -> dict[str, Any]:
    """Return a new row of `appointments`, whole but for the calendars (`Place.columns`): a confirmed
    appointment of nobody in particular. Callers override what is different."""
    return {
        "org_id": party.org_id,
        "id": new_id("apt"),
        "appointment_type_id": type_id,
        **times(taken),
        "is_hold": False,
        "expires_at": None,
        "held_from": None,
        "client_name": "",
        "client_email": None,
        "client_email_folded": None,
        "client_phone": None,
        "client_phone_digits": None,
        "client_key": None,
        "client_words": "",
        "client_language": "",
        "client_timezone": None,
        "client_notes": None,
        "internal_notes": None,
        "answers": [],
        "own_minutes": None,
        "status": "confirmed",
        "source": party.source,
        "version": 1,
        "confirmed_at": now,
        "completed_at": None,
        "cancelled_at": None,
        "no_show_at": None,
        "cancellation_reason": None,
        "created_by": party.actor.model_dump_json(),
        "created_at": now,
        "updated_at": now,
    }


def times(taken: Occupancy) -> dict[str, datetime]:
    """Return the columns that hold what time an appointment takes."""
    return {
        "start_time": taken.start,
        "end_time": taken.end,
        "busy_start": taken.busy_start,
        "busy_end": taken.busy_end,
    }


def occupied(fields: Mapping[str, Any]) -> Occupancy:
    """Return what time an appointment takes by its columns."""
    return Occupancy(fields["start_time"], fields["end_time"], fields["busy_start"], fields["busy_end"])


def details(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that hold what was sent about the client, and of notes."""
    columns = {name: sent[name] for name in _DETAILS if name in sent}
    if "client_email" in sent:
        address = sent["client_email"]
        columns["client_email_folded"] = None if address is None else folded(address)
    if "client_phone" in sent:
        number = sent["client_phone"]
        columns["client_phone_digits"] = None if number is None else digits(number)
    if "client_language" in sent:
        columns["client_language"] = sent["client_language"] or DEFAULT_LANGUAGE
    return columns


def pending(until: datetime) -> dict[str, Any]:
    """Return the columns of what waits to be confirmed, at the latest at `until`."""
    return {"status": "pending", "confirmed_at": None, "expires_at": until}


def get(tx: Tx, org_id: str, appointment_id: str, now: datetime) -> Appointment:
    """Return an appointment. Raises NotFound if the organization has none with this id."""
    return shown(row_of(tx, org_id, appointment_id), now)


def row_of(tx: Tx, org_id: str, appointment_id: str, *, locked: bool = False) -> AnyRow:
    """Return the row of SHOWN of an appointment; `locked` until the transaction ends. Raises NotFound."""
    row = find(tx, org_id, appointment_id, locked=locked)
    if row is None:
        raise NotFound("There is no appointment with this id.")
    return row


def find(
    tx: Tx, org_id: str, appointment_id: str, *, locked: bool = False, asked: bool = False
) -> AnyRow | None:
    """Return the row of an appointment as `row_of` does; None if there is none. If `asked`, it may also be a
    booking that its client has not confirmed yet."""
    rows = WITH_HOLDS if asked else SHOWN
    statement = rows.where(appointments.c.org_id == org_id, appointments.c.id == appointment_id)
    if locked:
        statement = statement.with_for_update(of=appointments, key_share=True)
    return tx.execute(statement).first()


def own_minutes(tx: Tx, org_id: str, appointment_id: str) -> int | None:
    """Return how long an appointment lasts, if staff gave it another length than its type's."""
    mine = (appointments.c.org_id == org_id, appointments.c.id == appointment_id)
    return tx.execute(select(appointments.c.own_minutes).where(*mine)).scalar()


def locked(tx: Tx, org_id: str, ids: Collection[str], now: datetime) -> list[Appointment]:
    """Return some appointments, including those that wait for their client's confirmation. No other
    transaction can change them until this one ends."""
    wanted = WITH_HOLDS.where(appointments.c.org_id == org_id, appointments.c.id.in_(ids))
    # In the order of ids, so that no two transactions wait for each other's rows.
    rows = tx.execute(wanted.order_by(appointments.c.id).with_for_update(of=appointments, read=True))
    return [shown(row, now) for row in rows]


def fields_of(row: AnyRow) -> dict[str, Any]:
    """Return the columns of `appointments` in a row of SHOWN."""
    return {column.name: row._mapping[column.name] for column in appointments.c}


def shown(row: AnyRow, now: datetime) -> Appointment:
    """Return the wire form of a row of SHOWN, as it is at `now`."""
    return with_fields(row, as_of(dict(row._mapping), now))


def with_fields(row: AnyRow, fields: Mapping[str, Any]) -> Appointment:
    """Return the wire form of `fields` of `appointments`, with the type that a row of SHOWN names."""
    return Appointment.shown(fields, row.type_name, row.type_minutes, row.type_color)


WITH_HOLDS = select(
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
"""Rows of `appointments`, with what is shown of their types."""

SHOWN = WITH_HOLDS.where(~appointments.c.is_hold)
"""The rows of WITH_HOLDS that are appointments; a hold is none."""


def status_at(now: datetime) -> Any:
    """Return the SQL expression for the status of appointments at `now` (see `core.lifecycle.as_of`)."""
    return case((appointments.c.expires_at <= now, "cancelled"), else_=appointments.c.status)


def takes_time_of(calendar_id: str) -> ColumnElement[bool]:
    """Return the condition of appointments that take time of a calendar, be it one of several."""
    others = exists().where(
        occupations.c.org_id == appointments.c.org_id,
        occupations.c.holder_id == appointments.c.id,
        occupations.c.calendar_id == calendar_id,
    )
    return or_(appointments.c.calendar_id == calendar_id, and_(appointments.c.calendars.is_not(None), others))
