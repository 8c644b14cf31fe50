"""Reading what the core needs to decide what can be booked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from kalends.core.errors import NotFound
from kalends.core.hours import moment, seconds, shifted
from kalends.core.intervals import Intervals
from kalends.core.lifecycle import MAX_BUSY, Occupancy
from kalends.core.offered import Candidate, OfferedType, RequirementInQuestion, required
from kalends.core.requirements import Requirement
from kalends.core.rules import Calendar, span_of_periods
from kalends.core.slots import Offer
from kalends.db.claims import active_at, booked_at, kept_at, occupying
from kalends.db.database import Tx
from kalends.db.joins import IS_HOLDER
from kalends.db.tables import (
    appointment_types,
    appointments,
    calendars,
    occupations,
    organizations,
    schedules,
    type_calendars,
)
from kalends.db.verbs import all_in_seconds
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.fields import Id
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import opening_hours

_ID: TypeAdapter[str] = TypeAdapter(Id, config=ConfigDict(str_strip_whitespace=True, strict=True))
"""An id, read as bodies are."""


def type_of(tx: Tx, org_id: str, type_id: str) -> OfferedType:
    """Return a type. Raises NotFound."""
    row = tx.execute(_TYPE, {"org": org_id, "type": type_id}).first()
    if row is None:
        raise no_type()
    return OfferedType(**row._mapping)


def questions_of(type_: OfferedType) -> list[BookingQuestion]:
    """Return the questions that a type asks."""
    return [BookingQuestion.model_validate(each) for each in type_.booking_questions]


def type_asked(tx: Tx, org_id: str, type_id: Any) -> OfferedType | None:
    """Return the type whose id was sent, which may be anything; None if there is no such type."""
    try:
        return type_of(tx, org_id, _ID.validate_python(type_id))
    except (ValidationError, NotFound):
        return None


def questions_asked(tx: Tx, org_id: str, type_id: Any) -> list[BookingQuestion]:
    """Return the questions of the type whose id was sent; none if there is no such type."""
    type_ = type_asked(tx, org_id, type_id)
    return [] if type_ is None else questions_of(type_)


def requirements_of(
    tx: Tx, type_: OfferedType, pinned_ids: Collection[str] = ()
) -> Sequence[RequirementInQuestion]:
    """Return what a type needs, with the calendars in question: those that serve it. Calendars that are
    pinned are to be among the chosen, whether they serve it or not; one that does not counts for the first
    requirement. Raises NotFound if there is none by such a name, Malformed if more are pinned than a
    requirement needs."""
    return _around(tx, type_, _named(tx, type_, pinned_ids))


def requirements_around(
    tx: Tx, type_: OfferedType, pinned_ids: Collection[str], present: Sequence[str]
) -> Sequence[RequirementInQuestion]:
    """Return what an appointment needs that has the calendars `present`, and is to have those that are
    pinned: in place of others of their requirements. Of those that it has, the ones that serve the type stay.
    Raises what `requirements_of` raises."""
    pinned = _named(tx, type_, pinned_ids)
    own = _candidates(tx, _OWN, type_, set(present).difference(pinned_ids))
    return _around(tx, type_, [*pinned, *_staying(type_, [each for each in own if each.serves], pinned)])


def _staying(
    type_: OfferedType, own: Sequence[Candidate], pinned: Sequence[Candidate] = ()
) -> Sequence[Candidate]:
    """Return those of an appointment's own calendars that go on filling its requirements beside what is
    pinned: as many as each needs, those that serve the type first."""
    staying: list[Candidate] = []
    for number, need in enumerate(type_.needs):
        missing = max(need.count - sum(each.requirement == number for each in pinned), 0)
        mine = [each for each in own if each.requirement == number]
        staying += sorted(mine, key=lambda each: not each.serves)[:missing]
    return staying


def _named(tx: Tx, type_: OfferedType, ids: Collection[str]) -> Sequence[Candidate]:
    """Return the calendars that are pinned. Raises NotFound if there is none by such a name, Malformed if
    more are pinned than a requirement needs."""
    pinned = _candidates(tx, _NAMED, type_, ids) if ids else ()
    if len(pinned) < len(set(ids)):
        raise no_calendar()
    for number, need in enumerate(type_.needs):
        if sum(each.requirement == number for each in pinned) > need.count:
            reason = f"names more calendars than {need.count} for '{need.name}'"
            raise malformed([wrong("calendar_ids", reason, "too_long")])
    return pinned


def calendar_named(tx: Tx, type_: OfferedType, calendar_id: str) -> Candidate:
    """Return a calendar, whether it serves the type or not. Raises NotFound."""
    return _named(tx, type_, [calendar_id])[0]


def no_type() -> NotFound:
    """Return the refusal of a type that there is not, or not for those who ask."""
    return NotFound("There is no appointment type with this id.", field="appointment_type_id")


def no_calendar() -> NotFound:
    """Return the refusal of a calendar that there is not, or not for those who ask."""
    return NotFound("There is no calendar with this id.", field="calendar_id")


def requirements_for_moving(
    tx: Tx, type_: OfferedType, calendar_ids: Sequence[str], *, by_client: bool
) -> Sequence[RequirementInQuestion]:
    """Return what an appointment in `calendar_ids` needs to be moved: staff move it within its own, which may
    be out of service by now. A client takes any that serve the type, but where clients choose a person, they
    stay with theirs as long as that serves the type."""
    if by_client and not type_.clients_choose:
        return _around(tx, type_, ())
    own = _candidates(tx, _OWN, type_, calendar_ids)
    if by_client:
        own = [each for each in own if each.serves and each.is_active and each.requirement == 0]
    return _around(tx, type_, _staying(type_, own))


def _around(tx: Tx, type_: OfferedType, pinned: Sequence[Candidate]) -> Sequence[RequirementInQuestion]:
    """Return what is in question for each need of a type. What is pinned may be enough for all."""
    alone = required(type_.needs, pinned)
    if all(len(each.candidates) >= each.need.count for each in alone):
        return alone
    return required(type_.needs, pinned, _candidates(tx, _SERVING, type_))


def _candidates(
    tx: Tx, statement: Select[*tuple[Any, ...]], type_: OfferedType, named: Collection[str] = ()
) -> Sequence[Candidate]:
    wanted = {"org": type_.org_id, "type": type_.id, "calendars": list(named)}
    return [Candidate(**row._mapping) for row in tx.execute(statement, wanted)]


def counted(type_: OfferedType, start: int, end: int) -> tuple[int, int] | None:
    """Return the instants within which bookings of the type count against its caps on starts in
    `[start, end)`; None if it has no caps."""
    return span_of_periods(type_.caps, type_.followed_timezone, type_.week_start, start, end)


def offer(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[RequirementInQuestion],
    start: int,
    end: int,
    now: datetime,
    *,
    moving: str | None = None,
    taking: Occupancy | None = None,
) -> Offer:
    """Return the offer of a type on some calendars, good for starts in `[start, end)`, in seconds since 1970.
    What the appointment `moving` takes does not count. `taking` is what an appointment takes, if that is not
    what the type asks for now."""
    candidates = [each for requirement in in_question for each in requirement.candidates]
    wanted = {type_.followed_id: type_.followed_timezone}
    wanted |= {
        each.schedule_id: each.schedule_timezone
        for each in candidates
        if each.schedule_id and each.schedule_timezone
    }
    offsets = [0, *(each.need.offset for each in in_question)]
    asked = (start + min(offsets), end + max(offsets))
    known = opening_hours.schedules(tx, type_.org_id, wanted, *asked, of_type=type_.id)
    terms = type_.terms(known[type_.followed_id], start, end, taking)
    reaches = [each.need.reach(terms) for each in in_question]
    needed = (start + min(reach[0] for reach in reaches), end + max(reach[1] for reach in reaches))
    busy = _busy(tx, type_.org_id, [each.id for each in candidates], *needed, now, moving)

    def calendar(candidate: Candidate) -> Calendar:
        return Calendar(
            id=candidate.id,
            is_active=candidate.is_active,
            serves=candidate.serves,
            schedule=known[candidate.schedule_id] if candidate.schedule_id else None,
            busy=Intervals(busy.get(candidate.id, ())),
        )

    return Offer(
        terms,
        [Requirement(each.need, [*map(calendar, each.candidates)], each.pinned) for each in in_question],
        _booked(tx, type_, counted(type_, start, end), now, moving),
        seconds(now),
    )


def length(tx: Tx, type_: OfferedType, start: int) -> int:
    """Return how long an appointment of the type lasts that begins at `start`, both in seconds."""
    if type_.is_of_days:
        wanted = {type_.followed_id: type_.followed_timezone}
        known = opening_hours.schedules(tx, type_.org_id, wanted, start, start + 1, of_type=type_.id)
        followed = known[type_.followed_id]
        for starts, lasting in type_.odd(followed, start, start + 1):
            if start in starts:
                return lasting
    return type_.duration


def _busy(
    tx: Tx,
    org_id: str,
    calendar_ids: Collection[str],
    start: int,
    end: int,
    now: datetime,
    moving: str | None,
) -> Mapping[str, list[tuple[int, int]]]:
    """Return when each calendar is busy within `[start, end)`; those that are free are left out."""
    rows = tx.execute(
        select(
            occupations.c.calendar_id,
            all_in_seconds(tx, occupations.c.busy_start),
            all_in_seconds(tx, occupations.c.busy_end),
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id.in_(calendar_ids),
            *occupying(moment(start), moment(end)),
            *kept_at(now),
            *(() if moving is None else (occupations.c.holder_id != moving,)),
        )
        .group_by(occupations.c.calendar_id)
    )
    return {calendar_id: list(zip(begins, ends, strict=True)) for calendar_id, begins, ends in rows}


def _booked(
    tx: Tx, type_: OfferedType, span: tuple[int, int] | None, now: datetime, moving: str | None
) -> Sequence[int]:
    """Return the starts of the type's active appointments within a span."""
    if span is None:
        return ()
    starts = select(all_in_seconds(tx, appointments.c.start_time)).where(
        appointments.c.org_id == type_.org_id,
        appointments.c.appointment_type_id == type_.id,
        appointments.c.start_time >= moment(span[0]),
        appointments.c.start_time < moment(span[1]),
        *active_at(now),
        *(() if moving is None else (appointments.c.id != moving,)),
    )
    return tx.execute(starts).scalar() or ()


def in_week(
    tx: Tx, org_id: str, calendar_ids: Collection[str], week: tuple[int, int], now: datetime
) -> Mapping[str, int]:
    """Return how many active appointments start within the instants of a week, by calendar."""
    counted = (
        select(occupations.c.calendar_id, func.count().label("booked"))
        .join_from(
            occupations,
            appointments,
            IS_HOLDER,
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id.in_(calendar_ids),
            # What starts in the week is busy then, or soon: so the index is entered at the times.
            *occupying(shifted(moment(week[0]), -MAX_BUSY), shifted(moment(week[1]), MAX_BUSY)),
            *booked_at(now),
            appointments.c.start_time >= moment(week[0]),
            appointments.c.start_time < moment(week[1]),
        )
        .group_by(occupations.c.calendar_id)
    )
    return dict.fromkeys(calendar_ids, 0) | {row.calendar_id: row.booked for row in tx.execute(counted)}


def last_booked(tx: Tx, org_id: str, calendar_ids: Collection[str], now: datetime) -> Mapping[str, str]:
    """Return the id of the active appointment that was booked last, for any time, by calendar: ids sort by
    when they were made. It is blank for a calendar that has none. A hold counts as later than any
    appointment."""
    latest = (
        select(occupations.c.holder_id)
        .where(
            occupations.c.org_id == calendars.c.org_id,
            occupations.c.calendar_id == calendars.c.id,
            *booked_at(now),
        )
        .order_by(occupations.c.holder_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    mine = (calendars.c.org_id == org_id, calendars.c.id.in_(calendar_ids))
    rows = tx.execute(select(calendars.c.id, latest.label("latest")).where(*mine))
    return {row.id: row.latest or "" for row in rows}


_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    **appointment_types.c,
    "week_start": organizations.c.week_start,
    "followed_id": schedules.c.id,
    "followed_timezone": func.coalesce(schedules.c.timezone, organizations.c.timezone),
}
_TYPE = (
    select(*(_COLUMNS[each.name].label(each.name) for each in fields(OfferedType)))
    .join_from(appointment_types, organizations, organizations.c.id == appointment_types.c.org_id)
    .join(
        schedules,
        and_(
            schedules.c.org_id == appointment_types.c.org_id,
            or_(
                schedules.c.id == appointment_types.c.schedule_id,
                and_(appointment_types.c.schedule_id.is_(None), schedules.c.is_default),
            ),
        ),
    )
    .where(appointment_types.c.org_id == bindparam("org"), appointment_types.c.id == bindparam("type"))
)
_IN_QUESTION = (
    select(
        calendars.c.id,
        calendars.c.name,
        calendars.c.is_active,
        calendars.c.is_public,
        calendars.c.schedule_id,
        schedules.c.timezone.label("schedule_timezone"),
        type_calendars.c.calendar_id.is_not(None).label("serves"),
        func.coalesce(type_calendars.c.requirement, 0).label("requirement"),
    )
    .select_from(
        calendars.outerjoin(
            schedules,
            and_(schedules.c.org_id == calendars.c.org_id, schedules.c.id == calendars.c.schedule_id),
        ).outerjoin(
            type_calendars,
            and_(
                type_calendars.c.org_id == calendars.c.org_id,
                type_calendars.c.calendar_id == calendars.c.id,
                type_calendars.c.appointment_type_id == bindparam("type"),
            ),
        )
    )
    .where(calendars.c.org_id == bindparam("org"))
    .order_by(calendars.c.created_at, calendars.c.id)
)
_OWN = _IN_QUESTION.where(calendars.c.id.in_(bindparam("calendars", expanding=True)))
_NAMED = _OWN.where(calendars.c.deleted_at.is_(None))
_SERVING = _IN_QUESTION.where(type_calendars.c.calendar_id.is_not(None), calendars.c.deleted_at.is_(None))
