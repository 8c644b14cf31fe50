"""Reading appointments, as they are at the moment of asking."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, select

from kalends.core.errors import NotFound
from kalends.core.lifecycle import as_of
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments
from kalends.schemas.appointments import Appointment

DEFAULT_LANGUAGE = "en"


def get(tx: Tx, org_id: str, appointment_id: str, now: datetime) -> Appointment:
    """One appointment. Raises NotFound where the organization has none by that id."""
    return shown(row_of(tx, org_id, appointment_id), now)


def row_of(tx: Tx, org_id: str, appointment_id: str, *, locked: bool = False) -> AnyRow:
    """The row of SHOWN of one appointment; `locked` until the transaction ends. Raises NotFound."""
    row = find(tx, org_id, appointment_id, locked=locked)
    if row is None:
        raise NotFound("There is no appointment with this id.")
    return row


def find(
    tx: Tx, org_id: str, appointment_id: str, *, locked: bool = False, asked: bool = False
) -> AnyRow | None:
    """The same; None if there is none. `asked`: it may be one that its client has not confirmed yet."""
    rows = WITH_HOLDS if asked else SHOWN
    statement = rows.where(appointments.c.org_id == org_id, appointments.c.id == appointment_id)
    if locked:
        statement = statement.with_for_update(of=appointments, key_share=True)
    return tx.execute(statement).first()


def locked(tx: Tx, org_id: str, ids: Collection[str], now: datetime) -> list[Appointment]:
    """Return some appointments, those that wait for their client's confirmation included, which nobody can
    change until the transaction ends."""
    wanted = WITH_HOLDS.where(appointments.c.org_id == org_id, appointments.c.id.in_(ids))
    # In one order, so that no two wait for each other's rows.
    rows = tx.execute(wanted.order_by(appointments.c.id).with_for_update(of=appointments, read=True))
    return [shown(row, now) for row in rows]


def fields_of(row: AnyRow) -> dict[str, Any]:
    """The columns of `appointments` in a row of SHOWN."""
    return {column.name: row._mapping[column.name] for column in appointments.c}


def shown(row: AnyRow, now: datetime) -> Appointment:
    """The wire form of a row of SHOWN, as it is at `now`."""
    return with_fields(row, as_of(dict(row._mapping), now))


def with_fields(row: AnyRow, fields: Mapping[str, Any]) -> Appointment:
    """The wire form of `fields` of `appointments`, with what a row of SHOWN says of its type."""
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
"""The rows of `appointments` with what is shown of their types."""

SHOWN = WITH_HOLDS.where(~appointments.c.is_hold)
"""The same of appointments only: a hold is none."""


def status_at(now: datetime) -> Any:
    """The status of appointments at `now`, in SQL (`core.lifecycle.as_of`)."""
    return case((appointments.c.expires_at <= now, "cancelled"), else_=appointments.c.status)
