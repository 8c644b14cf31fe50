"""Use cases of appointment types."""

from datetime import datetime

from sqlalchemy import func, insert, select

from kalends.core.errors import NotFound
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types
from kalends.ids import new_id
from kalends.schemas.appointment_types import AppointmentType, AppointmentTypeCreate


def create(
    tx: Tx, org_id: str, wish: AppointmentTypeCreate, now: datetime, *, type_id: str | None = None
) -> AppointmentType:
    """Add a type, last in the organization's order. `type_id` is for the demo.

    Raises NotFound for an unknown schedule.
    """
    if wish.schedule_id is not None:
        raise NotFound("There is no schedule with this id.", field="scheduleId")
    last = tx.execute(
        select(func.max(appointment_types.c.sort_order)).where(appointment_types.c.org_id == org_id)
    ).scalar()
    values = wish.model_dump() | {
        "org_id": org_id,
        "id": type_id or new_id("type"),
        "sort_order": 0 if last is None else last + 1,
        "created_at": now,
        "updated_at": now,
    }
    return _shown(tx.execute(insert(appointment_types).values(values).returning(appointment_types)).one())


def all_of(tx: Tx, org_id: str) -> list[AppointmentType]:
    """Every type of the organization, active or not, in its order."""
    rows = tx.execute(
        select(appointment_types)
        .where(appointment_types.c.org_id == org_id)
        .order_by(appointment_types.c.sort_order, appointment_types.c.id)
    )
    return [_shown(row) for row in rows]


def _shown(row: AnyRow) -> AppointmentType:
    return AppointmentType.model_validate({**row._mapping, "schedule_name": None})
