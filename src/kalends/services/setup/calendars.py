"""Calendars: people, rooms, chairs: what can't be in two places at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update

from kalends.core.errors import Conflict, InUse, NotFound
from kalends.core.hours import shifted
from kalends.core.lifecycle import MAX_BUSY
from kalends.db.claims import booked_at
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_calendars, lock_settings
from kalends.db.tables import appointment_types, calendars, occupations, people, type_calendars
from kalends.ids import new_id
from kalends.schemas.calendars import Calendar, CalendarAnswer, CalendarChange, CalendarCreate
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party
from kalends.services.setup import blocked_time, blocks, schedules, sources


def create(tx: Tx, party: Party, wish: CalendarCreate, now: datetime) -> Calendar:
    """Add a calendar. Raises NotFound for an unknown schedule."""
    lock_settings(tx, party.org_id)
    row = {
        "org_id": party.org_id,
        "id": new_id("cal"),
        "color": None,
        "is_active": True,
        "is_default": False,
        "schedule_id": None,
        "public_name": None,
        "about": None,
        "is_public": False,
        "deleted_at": None,
        "created_at": now,
        "updated_at": now,
    } | _values(tx, party.org_id, wish)
    tx.execute(insert(calendars), row)
    blocked_time.extend(tx, party.org_id, row["id"], now)
    calendar = Calendar.model_validate(row)
    events.tell(tx, party, "calendar.created", CalendarAnswer.of(calendar), calendar.id, now)
    return calendar


def all_of(tx: Tx, org_id: str) -> list[Calendar]:
    """Return every calendar, the default one first."""
    rows = tx.execute(
        select(calendars)
        .where(calendars.c.org_id == org_id, calendars.c.deleted_at.is_(None))
        .order_by(calendars.c.is_default.desc(), calendars.c.id)
    )
    return [Calendar.model_validate(dict(row._mapping)) for row in rows]


def get(tx: Tx, org_id: str, calendar_id: str) -> Calendar:
    """Return one calendar. Raises NotFound."""
    return Calendar.model_validate(dict(_row(tx, org_id, calendar_id)._mapping))


def names(tx: Tx, org_id: str) -> Mapping[str, str]:
    """Return the name of every calendar by its id, also of those that were deleted: their past is kept."""
    rows = tx.execute(select(calendars.c.id, calendars.c.name).where(calendars.c.org_id == org_id))
    return {row.id: row.name for row in rows}


def change(tx: Tx, party: Party, calendar_id: str, wish: CalendarChange, now: datetime) -> Calendar:
    """Change what is sent. Raises NotFound for the calendar or its schedule, Malformed for another value of
    what can't be changed."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    present = dict(_row(tx, org_id, calendar_id)._mapping)
    wish.must_agree(Calendar.model_validate(present))
    row = present | _values(tx, org_id, wish) | {"updated_at": now}
    tx.execute(
        update(calendars).where(calendars.c.org_id == org_id, calendars.c.id == calendar_id).values(**row)
    )
    calendar = Calendar.model_validate(row)
    events.tell(tx, party, "calendar.updated", CalendarAnswer.of(calendar), calendar_id, now)
    return calendar


def remove(tx: Tx, party: Party, calendar_id: str, now: datetime) -> str:
    """Take a calendar out of service, with its sources and its blocks; its appointments stay readable.
    Returns its id.

    Raises NotFound; Conflict for the default one; InUse if appointments lie ahead, or if a type would have
    too few calendars without it.
    """
    org_id = party.org_id
    lock_settings(tx, org_id)
    lock_calendars(tx, org_id, [calendar_id])  # nobody books there until it is decided
    row = _row(tx, org_id, calendar_id)
    if row.is_default:
        raise Conflict("The default calendar can't be deleted; every organization needs one.")
    ahead = exists().where(
        occupations.c.org_id == org_id,
        occupations.c.calendar_id == calendar_id,
        occupations.c.busy_start > shifted(now, -MAX_BUSY),  # so that the index is entered at the times
        occupations.c.busy_end > now,
        *booked_at(now),
    )
    if tx.execute(select(ahead)).scalar():
        raise InUse("Appointments lie ahead in this calendar; move or cancel them first.")
    _must_leave_enough(tx, org_id, calendar_id)
    served = (type_calendars.c.org_id == org_id, type_calendars.c.calendar_id == calendar_id)
    tx.execute(delete(type_calendars).where(*served))
    theirs = (people.c.org_id == org_id, people.c.calendar_id == calendar_id)
    tx.execute(update(people).where(*theirs).values(calendar_id=None))
    sources.remove_all(tx, party, calendar_id, now)
    blocks.remove_all(tx, party, calendar_id, now)
    tx.execute(
        update(calendars)
        .where(calendars.c.org_id == org_id, calendars.c.id == calendar_id)
        .values(deleted_at=now, updated_at=now, is_active=False)
    )
    events.tell(tx, party, "calendar.deleted", Deleted.of(calendar_id), calendar_id, now)
    return calendar_id


def known(tx: Tx, org_id: str, ids: list[str]) -> bool:
    """Tell whether all these calendars exist."""
    found = select(calendars.c.id).where(
        calendars.c.org_id == org_id, calendars.c.id.in_(ids), calendars.c.deleted_at.is_(None)
    )
    return set(ids) <= set(tx.execute(found).scalars())


def default_id(tx: Tx, org_id: str) -> str:
    """Return the id of the organization's default calendar."""
    default = select(calendars.c.id).where(calendars.c.org_id == org_id, calendars.c.is_default)
    return tx.execute(default).scalar_one()


def _must_leave_enough(tx: Tx, org_id: str, calendar_id: str) -> None:
    """Raise InUse if a requirement of a type would have too few calendars without this one."""
    served, others = type_calendars, type_calendars.alias()
    rest = select(func.count()).where(
        others.c.org_id == org_id,
        others.c.appointment_type_id == served.c.appointment_type_id,
        others.c.requirement == served.c.requirement,
        others.c.calendar_id != calendar_id,
    )
    found = (
        select(
            *(appointment_types.c.name, appointment_types.c.requirements),
            *(served.c.requirement, rest.scalar_subquery().label("rest")),
        )
        .join_from(
            served,
            appointment_types,
            (appointment_types.c.org_id == served.c.org_id)
            & (appointment_types.c.id == served.c.appointment_type_id),
        )
        .where(served.c.org_id == org_id, served.c.calendar_id == calendar_id)
        .order_by(appointment_types.c.sort_order, appointment_types.c.id)
    )
    for type_ in tx.execute(found):
        if not type_.requirements and not type_.rest:
            raise InUse(f"The appointment type '{type_.name}' has no other calendar; give it one first.")
        needed = type_.requirements[type_.requirement] if type_.requirements else {"count": 1}
        if type_.rest < needed["count"]:
            raise InUse(
                f"The appointment type '{type_.name}' would have too few calendars for '{needed['name']}'; "
                "give it another one first."
            )


def _row(tx: Tx, org_id: str, calendar_id: str) -> AnyRow:
    row = tx.execute(
        select(calendars).where(
            calendars.c.org_id == org_id, calendars.c.id == calendar_id, calendars.c.deleted_at.is_(None)
        )
    ).first()
    if row is None:
        raise NotFound("There is no calendar with this id.")
    return row


def _values(tx: Tx, org_id: str, wish: CalendarChange) -> dict[str, Any]:
    sent = wish.sent()
    if sent.get("schedule_id") is not None:
        schedules.named(tx, org_id, sent["schedule_id"], field="schedule_id")
    return sent
