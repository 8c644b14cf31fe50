"""Days that differ from a schedule: other hours, or none; public holidays among them.

A schedule of None is the organization's default one.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from kalends.core.errors import Malformed, NotFound
from kalends.db.claims import lock_settings
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import organizations, overrides
from kalends.db.verbs import insert_new
from kalends.ids import new_id
from kalends.schemas.hours import HolidaysCreate, Override, OverrideChange, OverrideCreate
from kalends.services import public_holidays, schedules


def create(tx: Tx, org_id: str, schedule: str | None, wish: OverrideCreate, now: datetime) -> Override:
    """Add days that differ. Raises NotFound for an unknown schedule, Malformed where they end before they
    start."""
    lock_settings(tx, org_id)
    row = {
        "org_id": org_id,
        "id": new_id("ovr"),
        "schedule_id": _schedule(tx, org_id, schedule),
        "windows": [],
        "reason": None,
        "holiday": None,
        "created_at": now,
        "updated_at": now,
    } | _values(wish)
    _in_order(row)
    tx.execute(insert(overrides), row)
    return Override.model_validate(row)


def all_of(
    tx: Tx, org_id: str, schedule: str | None, first: date | None, last: date | None
) -> list[Override]:
    """The overrides that touch the days from `first` to `last` (both included, open where None), by date."""
    statement = select(overrides).where(
        overrides.c.org_id == org_id, overrides.c.schedule_id == _schedule(tx, org_id, schedule)
    )
    if first is not None:
        statement = statement.where(overrides.c.end_date >= first.isoformat())
    if last is not None:
        statement = statement.where(overrides.c.start_date <= last.isoformat())
    rows = tx.execute(statement.order_by(overrides.c.start_date, overrides.c.id))
    return [Override.model_validate(dict(row._mapping)) for row in rows]


def get(tx: Tx, org_id: str, schedule: str | None, override_id: str) -> Override:
    """One override. Raises NotFound."""
    return Override.model_validate(dict(_row(tx, org_id, schedule, override_id)._mapping))


def change(
    tx: Tx, org_id: str, schedule: str | None, override_id: str, wish: OverrideChange, now: datetime
) -> Override:
    """Change what is sent. Raises NotFound, Malformed where it would end before it starts and for another
    value of what can't be changed."""
    lock_settings(tx, org_id)
    present = dict(_row(tx, org_id, schedule, override_id)._mapping)
    wish.must_agree(Override.model_validate(present))
    row = present | _values(wish) | {"updated_at": now}
    _in_order(row)
    tx.execute(
        update(overrides).where(overrides.c.org_id == org_id, overrides.c.id == override_id).values(**row)
    )
    return Override.model_validate(row)


def remove(tx: Tx, org_id: str, schedule: str | None, override_id: str) -> str:
    """Delete an override; its id. Raises NotFound."""
    lock_settings(tx, org_id)
    _row(tx, org_id, schedule, override_id)
    tx.execute(delete(overrides).where(overrides.c.org_id == org_id, overrides.c.id == override_id))
    return override_id


def add_holidays(
    tx: Tx, org_id: str, schedule: str | None, wish: HolidaysCreate, now: datetime
) -> list[Override]:
    """Close the public holidays of a year, named in the organization's language, or else in the country's;
    again changes nothing.

    Raises Malformed for an unknown country or subdivision, and for a year that nothing is known of.
    """
    lock_settings(tx, org_id)
    owner = _schedule(tx, org_id, schedule)
    language = tx.execute(select(organizations.c.language).where(organizations.c.id == org_id)).scalar()
    source, days = public_holidays.of_year(wish.country, wish.subdivision, wish.year, language)
    for day, name in days.items():
        insert_new(
            tx,
            overrides,
            {
                "org_id": org_id,
                "id": new_id("ovr"),
                "schedule_id": owner,
                "start_date": day.isoformat(),
                "end_date": day.isoformat(),
                "windows": [],
                "reason": name,
                "holiday": source,
                "created_at": now,
                "updated_at": now,
            },
        )
    year = (date(wish.year, 1, 1), date(wish.year, 12, 31))
    return [each for each in all_of(tx, org_id, schedule, *year) if each.holiday == source]


def _schedule(tx: Tx, org_id: str, schedule: str | None) -> str:
    if schedule is None:
        return schedules.default_id(tx, org_id)
    return str(schedules.named(tx, org_id, schedule).id)


def _row(tx: Tx, org_id: str, schedule: str | None, override_id: str) -> AnyRow:
    row = tx.execute(
        select(overrides).where(
            overrides.c.org_id == org_id,
            overrides.c.id == override_id,
            overrides.c.schedule_id == _schedule(tx, org_id, schedule),
        )
    ).first()
    if row is None:
        raise NotFound("There is no override with this id.")
    return row


def _values(wish: OverrideChange) -> dict[str, Any]:
    sent = wish.model_dump(include=wish.model_fields_set)
    if "date" in sent:
        sent["start_date"] = sent["end_date"] = sent.pop("date")
    return sent


def _in_order(row: dict[str, Any]) -> None:
    if row["end_date"] < row["start_date"]:
        raise Malformed("end_date must not be before start_date.")
