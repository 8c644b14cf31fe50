"""Time that appointments take which were inserted as rows, past the services."""

from typing import Any

from sqlalchemy import Select, insert, literal, literal_column, select

from kalends.db.database import Tx
from kalends.db.tables import appointments, occupations


def take_time(tx: Tx, org_id: str) -> None:
    """Insert the occupations of all appointments of an organization that has none yet."""
    time: Select[*tuple[Any, ...]] = select(
        appointments.c.org_id,
        appointments.c.id,
        appointments.c.calendar_id,
        literal("appointment"),
        appointments.c.busy_start,
        appointments.c.busy_end,
        literal_column("0"),
        literal_column("0"),
        appointments.c.status != "cancelled",
        appointments.c.expires_at,
        appointments.c.overlap_allowed,
    ).where(appointments.c.org_id == org_id)
    tx.execute(insert(occupations).from_select(list(occupations.c), time))
