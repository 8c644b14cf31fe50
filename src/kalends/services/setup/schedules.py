"""Named schedules, and the organization's default one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from kalends.core.errors import InUse, NotFound
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import appointment_types, calendars, organizations, overrides, schedules, windows
from kalends.ids import new_id
from kalends.schemas.hours import (
    Schedule,
    ScheduleAnswer,
    ScheduleChange,
    ScheduleCreate,
    ShownWindow,
    Window,
)
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party


def create(tx: Tx, party: Party, wish: ScheduleCreate, now: datetime) -> Schedule:
    """Make a named schedule, in the organization's zone unless it has one of its own."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    zone = select(organizations.c.timezone).where(organizations.c.id == org_id)
    schedule_id = new_id("sched")
    row = {
        "org_id": org_id,
        "id": schedule_id,
        "name": wish.name,
        "timezone": wish.timezone or tx.execute(zone).scalar_one(),
        "is_default": False,
        "created_at": now,
        "updated_at": now,
    }
    tx.execute(insert(schedules), row)
    _open(tx, org_id, schedule_id, wish.windows, now)
    schedule = get(tx, org_id, schedule_id)
    events.tell(tx, party, "schedule.created", ScheduleAnswer.of(schedule), schedule_id, now)
    return schedule


def all_of(tx: Tx, org_id: str) -> list[Schedule]:
    """Return the named schedules, by name."""
    rows = tx.execute(
        select(schedules)
        .where(schedules.c.org_id == org_id, ~schedules.c.is_default)
        .order_by(schedules.c.name, schedules.c.id)
    ).all()
    return _shown(tx, org_id, rows)


def get(tx: Tx, org_id: str, schedule_id: str) -> Schedule:
    """Return one named schedule. Raises NotFound."""
    return _shown(tx, org_id, [named(tx, org_id, schedule_id)])[0]


def change(tx: Tx, party: Party, schedule_id: str, wish: ScheduleChange, now: datetime) -> Schedule:
    """Change what is sent; windows are replaced as a whole. Raises NotFound, Malformed for another value of
    what can't be changed."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    wish.must_agree(get(tx, org_id, schedule_id))
    sent = wish.sent()
    values = {field: sent[field] for field in ("name", "timezone") if field in sent}
    tx.execute(
        update(schedules)
        .where(schedules.c.org_id == org_id, schedules.c.id == schedule_id)
        .values(**values, updated_at=now)
    )
    if "windows" in sent:
        tx.execute(delete(windows).where(windows.c.org_id == org_id, windows.c.schedule_id == schedule_id))
        _open(tx, org_id, schedule_id, wish.windows, now)
    schedule = get(tx, org_id, schedule_id)
    events.tell(tx, party, "schedule.updated", ScheduleAnswer.of(schedule), schedule_id, now)
    return schedule


def remove(tx: Tx, party: Party, schedule_id: str, now: datetime) -> str:
    """Delete a schedule, its windows and its overrides. Returns its id. Raises NotFound, InUse if a type or a
    calendar follows it."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    named(tx, org_id, schedule_id)
    for table, what in ((appointment_types, "appointment types"), (calendars, "calendars")):
        used = exists().where(table.c.org_id == org_id, table.c.schedule_id == schedule_id)
        if tx.execute(select(used)).scalar():
            raise InUse(f"Some {what} follow this schedule, so it can't be deleted; give them another first.")
    for part in (windows, overrides):
        tx.execute(delete(part).where(part.c.org_id == org_id, part.c.schedule_id == schedule_id))
    tx.execute(delete(schedules).where(schedules.c.org_id == org_id, schedules.c.id == schedule_id))
    events.tell(tx, party, "schedule.deleted", Deleted.of(schedule_id), schedule_id, now)
    return schedule_id


def default_id(tx: Tx, org_id: str) -> str:
    """Return the id of the organization's default schedule."""
    default = select(schedules.c.id).where(schedules.c.org_id == org_id, schedules.c.is_default)
    return tx.execute(default).scalar_one()


def named(tx: Tx, org_id: str, schedule_id: str, *, field: str | None = None) -> AnyRow:
    """Return the row of a named schedule. Raises NotFound, naming the `field` that named it."""
    row = tx.execute(
        select(schedules).where(
            schedules.c.org_id == org_id, schedules.c.id == schedule_id, ~schedules.c.is_default
        )
    ).first()
    if row is None:
        raise NotFound("There is no schedule with this id.", **({"field": field} if field else {}))
    return row


def _open(tx: Tx, org_id: str, schedule_id: str, wanted: Iterable[Window], now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        window.model_dump()
        | {
            "org_id": org_id,
            "id": new_id("avail"),
            "schedule_id": schedule_id,
            "appointment_type_id": None,
            "is_active": True,
            "created_at": now,
        }
        for window in wanted
    ]
    if rows:
        tx.execute(insert(windows), rows)


def _shown(tx: Tx, org_id: str, rows: Sequence[AnyRow]) -> list[Schedule]:
    hours: dict[str, list[ShownWindow]] = {row.id: [] for row in rows}
    found = tx.execute(
        select(windows)
        .where(windows.c.org_id == org_id, windows.c.schedule_id.in_(hours))
        .order_by(windows.c.day_of_week, windows.c.start_time, windows.c.id)
    )
    for window in found:
        hours[window.schedule_id].append(ShownWindow.model_validate(dict(window._mapping)))
    return [Schedule.model_validate({**row._mapping, "windows": hours[row.id]}) for row in rows]
