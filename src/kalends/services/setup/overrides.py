"""Days that differ from a schedule: other hours, or none; public holidays among them.

Where a schedule is None, the organization's default one is meant.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from kalends.core.errors import Malformed, NotFound
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import organizations, overrides
from kalends.db.verbs import insert_new
from kalends.ids import new_id
from kalends.schemas.hours import (
    HolidaysCreate,
    Override,
    OverrideAnswer,
    OverrideChange,
    OverrideCreate,
    OverridesAnswer,
)
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party
from kalends.services.setup import public_holidays, schedules


def create(tx: Tx, party: Party, schedule: str | None, wish: OverrideCreate, now: datetime) -> Override:
    """Add days that differ. Raises NotFound for an unknown schedule, Malformed if they end before they
    start."""
    lock_settings(tx, party.org_id)
    row = {
        "org_id": party.org_id,
        "id": new_id("ovr"),
        "schedule_id": _schedule(tx, party.org_id, schedule),
        "windows": [],
        "reason": None,
        "holiday": None,
        "created_at": now,
        "updated_at": now,
    } | _values(wish)
    _in_order(row)
    tx.execute(insert(overrides), row)
    override = Override.model_validate(row)
    events.tell(tx, party, "override.created", OverrideAnswer.of(override), override.id, now)
    return override


def all_of(
    tx: Tx, org_id: str, schedule: str | None, first: date | None, last: date | None
) -> list[Override]:
    """Return the overrides that touch the days from `first` to `last`, by date. Both days are included; None
    sets no bound."""
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
    """Return one override. Raises NotFound."""
    return Override.model_validate(dict(_row(tx, org_id, schedule, override_id)._mapping))


def change(
    tx: Tx, party: Party, schedule: str | None, override_id: str, wish: OverrideChange, now: datetime
) -> Override:
    """Change what is sent. Raises NotFound, Malformed if it would end before it starts and for another value
    of what can't be changed."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    present = dict(_row(tx, org_id, schedule, override_id)._mapping)
    wish.must_agree(Override.model_validate(present))
    row = present | _values(wish) | {"updated_at": now}
    _in_order(row)
    tx.execute(
        update(overrides).where(overrides.c.org_id == org_id, overrides.c.id == override_id).values(**row)
    )
    override = Override.model_validate(row)
    events.tell(tx, party, "override.updated", OverrideAnswer.of(override), override_id, now)
    return override


def remove(tx: Tx, party: Party, schedule: str | None, override_id: str, now: datetime) -> str:
    """Delete an override. Returns its id. Raises NotFound."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    _row(tx, org_id, schedule, override_id)
    tx.execute(delete(overrides).where(overrides.c.org_id == org_id, overrides.c.id == override_id))
    events.tell(tx, party, "override.deleted", Deleted.of(override_id), override_id, now)
    return override_id


def add_holidays(
    tx: Tx, party: Party, schedule: str | None, wish: HolidaysCreate, now: datetime
) -> list[Override]:
    """Close the public holidays of a year, named in the organization's language, or else in the country's.
    Asked again, it adds nothing. Returns all holidays of that year.

    Raises Malformed for an unknown country or subdivision, and for a year without known holidays.
    """
    org_id = party.org_id
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
    closed = [each for each in all_of(tx, org_id, schedule, *year) if each.holiday == source]
    events.tell(tx, party, "override.holidays_added", OverridesAnswer.of(closed), org_id, now)
    return closed


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
