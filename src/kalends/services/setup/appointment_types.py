"""Use cases of appointment types."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update

from kalends.core.errors import AlreadyExists, NotFound
from kalends.core.slugs import free_slug
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import appointment_types, schedules, type_calendars, windows
from kalends.ids import new_id
from kalends.schemas.appointment_types import (
    AppointmentType,
    AppointmentTypeAnswer,
    AppointmentTypeChange,
    AppointmentTypeCreate,
)
from kalends.schemas.requirements import Requirement, all_filled, all_stored
from kalends.schemas.wire import Deleted
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.outbox import events, mailing
from kalends.services.outbox.parties import Party
from kalends.services.setup import calendars
from kalends.services.setup.schedules import named


def create(
    tx: Tx, party: Party, wish: AppointmentTypeCreate, now: datetime, *, type_id: str | None = None
) -> AppointmentType:
    """Add a type, last in the organization's order. `type_id` is for the demo.

    Raises NotFound for an unknown schedule or calendar, AlreadyExists if another type has the slug.
    """
    org_id, type_id = party.org_id, type_id or new_id("type")
    lock_settings(tx, org_id)
    last = tx.execute(
        select(func.max(appointment_types.c.sort_order)).where(appointment_types.c.org_id == org_id)
    ).scalar()
    requirements = _wished(wish) or [Requirement.plain([calendars.default_id(tx, org_id)])]
    row = wish.model_dump(exclude=_NEEDS, by_alias=False) | {
        "requirements": all_stored(requirements),
        "org_id": org_id,
        "id": type_id,
        "slug": _slug(tx, org_id, wish.slug) or free_slug(wish.name, _taken(tx, org_id)),
        "sort_order": 0 if last is None else last + 1,
        "created_at": now,
        "updated_at": now,
    }
    _check(tx, org_id, wish)
    tx.execute(insert(appointment_types), row)
    _serve(tx, org_id, type_id, requirements)
    type_ = get(tx, org_id, type_id)
    events.tell(tx, party, "appointment_type.created", AppointmentTypeAnswer.of(type_), type_id, now)
    return type_


def all_of(tx: Tx, org_id: str, active: bool | None) -> list[AppointmentType]:
    """Return the types of the organization in its order: all of them, or only the `active` or inactive
    ones."""
    wanted = [appointment_types.c.org_id == org_id]
    if active is not None:
        wanted.append(appointment_types.c.is_active == active)
    return _shown(tx, org_id, *wanted)


def get(tx: Tx, org_id: str, type_id: str) -> AppointmentType:
    """Return one type. Raises NotFound."""
    found = _shown(tx, org_id, appointment_types.c.org_id == org_id, appointment_types.c.id == type_id)
    if not found:
        raise NotFound("There is no appointment type with this id.")
    return found[0]


def change(tx: Tx, party: Party, type_id: str, wish: AppointmentTypeChange, now: datetime) -> AppointmentType:
    """Change what is sent. Appointments that are booked stay as they are, but for when clients are reminded.

    Raises NotFound for the type, its schedule or a calendar, AlreadyExists if another type has the slug,
    Malformed for another value of what can't be changed.
    """
    org_id = party.org_id
    lock_settings(tx, org_id)
    present = get(tx, org_id, type_id)
    wish.must_agree(present)
    requirements = _wished(wish, present)
    _check(tx, org_id, wish)
    _slug(tx, org_id, wish.slug, besides=type_id)
    sent = wish.model_dump(include=wish.model_fields_set - {"id"} - _NEEDS, by_alias=False)
    if requirements is not None:
        sent["requirements"] = all_stored(requirements)
        _serve(tx, org_id, type_id, requirements)
    tx.execute(
        update(appointment_types)
        .where(appointment_types.c.org_id == org_id, appointment_types.c.id == type_id)
        .values(**sent, updated_at=now)
    )
    if "reminder_hours" in sent:
        mailing.recheck_reminders(tx, org_id)
    type_ = get(tx, org_id, type_id)
    events.tell(tx, party, "appointment_type.updated", AppointmentTypeAnswer.of(type_), type_id, now)
    return type_


def remove(tx: Tx, party: Party, type_id: str, now: datetime) -> None:
    """Delete a type with its hours. Nothing may refer to it: the database would refuse."""
    org_id = party.org_id
    for part in (type_calendars, windows):
        tx.execute(delete(part).where(part.c.org_id == org_id, part.c.appointment_type_id == type_id))
    tx.execute(
        delete(appointment_types).where(
            appointment_types.c.org_id == org_id, appointment_types.c.id == type_id
        )
    )
    events.tell(tx, party, "appointment_type.deleted", Deleted.of(type_id), type_id, now)


def _check(tx: Tx, org_id: str, wish: AppointmentTypeChange) -> None:
    if wish.schedule_id is not None:
        named(tx, org_id, wish.schedule_id, field="scheduleId")
    needed = [id_ for each in wish.requirements or () for id_ in each.calendar_ids]
    for field, ids in (("requirements", needed), ("calendarIds", wish.calendar_ids or [])):
        if not calendars.known(tx, org_id, ids):
            raise NotFound("There is no calendar with this id.", field=field)


def _slug(tx: Tx, org_id: str, wanted: str | None, *, besides: str = "") -> str | None:
    """Return the slug that is wanted, if any is. Raises AlreadyExists if it is another type's, or has another
    meaning in addresses."""
    if wanted is not None and wanted in _taken(tx, org_id, besides):
        raise AlreadyExists(f"The slug '{wanted}' is taken; choose another.")
    return wanted


def _taken(tx: Tx, org_id: str, besides: str = "") -> frozenset[str]:
    types = appointment_types.c
    found = select(types.slug).where(types.org_id == org_id, types.id != besides)
    return _RESERVED.union(tx.execute(found).scalars())


_RESERVED = frozenset({"hold", "logo", "theme", "appointments"})
"""Names with another meaning below an organization's slug."""


_NEEDS = {"calendar_ids", "requirements"}
"""The fields that say what a type needs."""


def _wished(
    wish: AppointmentTypeChange, present: AppointmentType | None = None
) -> Sequence[Requirement] | None:
    """Return what a type is to need; None if nothing is said of that, or no more than `present` says already.
    Raises Malformed if it would need one of no calendars."""
    if wish.requirements:
        return wish.requirements
    if wish.calendar_ids is None or (present is not None and wish.calendar_ids == present.calendar_ids):
        return None
    if not wish.calendar_ids:
        raise malformed([wrong("calendarIds", "must have at least 1", "too_short")])
    return [Requirement.plain(wish.calendar_ids)]


def _serve(tx: Tx, org_id: str, type_id: str, requirements: Sequence[Requirement]) -> None:
    present = (type_calendars.c.org_id == org_id, type_calendars.c.appointment_type_id == type_id)
    tx.execute(delete(type_calendars).where(*present))
    dealt = [(number, id_) for number, each in enumerate(requirements) for id_ in each.calendar_ids]
    rows = [
        {
            "org_id": org_id,
            "appointment_type_id": type_id,
            "position": position,
            "calendar_id": calendar_id,
            "requirement": requirement,
        }
        for position, (requirement, calendar_id) in enumerate(dealt)
    ]
    if rows:
        tx.execute(insert(type_calendars), rows)


def _shown(tx: Tx, org_id: str, *wanted: Any) -> list[AppointmentType]:
    rows = tx.execute(
        select(appointment_types, schedules.c.name.label("schedule_name"))
        .outerjoin_from(
            appointment_types,
            schedules,
            and_(
                schedules.c.org_id == appointment_types.c.org_id,
                schedules.c.id == appointment_types.c.schedule_id,
            ),
        )
        .where(*wanted)
        .order_by(appointment_types.c.sort_order, appointment_types.c.id)
    ).all()
    serving: dict[str, list[tuple[int, str]]] = {row.id: [] for row in rows}
    for served in tx.execute(
        select(type_calendars)
        .where(type_calendars.c.org_id == org_id, type_calendars.c.appointment_type_id.in_(serving))
        .order_by(type_calendars.c.position)
    ):
        serving[served.appointment_type_id].append((served.requirement, served.calendar_id))
    return [_type(row, all_filled(row.requirements, serving[row.id])) for row in rows]


def _type(row: AnyRow, requirements: Sequence[Requirement]) -> AppointmentType:
    needed = {"requirements": requirements, "calendar_ids": requirements[0].calendar_ids}
    return AppointmentType.model_validate({**row._mapping, **needed})
