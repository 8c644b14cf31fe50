"""Appointments ahead for which, after a change of the settings, nobody is there: outside the hours, in a
calendar that is out of service, or of a type that is."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import and_, select

from kalends.core.errors import AppointmentsInTheWay
from kalends.core.hours import hours, seconds, shifted, stamp
from kalends.core.intervals import Intervals
from kalends.db.claims import booked_at
from kalends.db.database import AnyRow, Tx
from kalends.db.joins import IS_HOLDER
from kalends.db.locks import lock_settings
from kalends.db.tables import appointments, calendars, occupations, schedules
from kalends.services.booking import offers, opening_hours

T = TypeVar("T")
MOST_LISTED = 10
"""So many appointments are listed."""
_REACH = timedelta(days=3 * 366)
"""What lies further ahead is not looked at: nobody opens and closes days that far ahead."""


@dataclass(frozen=True, slots=True)
class _Booked:
    """An appointment that lies ahead, with all its calendars."""

    row: AnyRow
    calendar_ids: Sequence[str]

    @property
    def span(self) -> tuple[int, int]:
        """From when to when, in seconds since 1970."""
        return seconds(self.row.start_time), seconds(self.row.end_time)


def unless(tx: Tx, org_id: str, now: datetime, make: Callable[[Tx], T], *, sure: bool) -> T:
    """Make a change of the settings. Raises AppointmentsInTheWay, unless somebody is `sure`, if nobody is
    there after it for appointments for which somebody was: `details.total` of them, of which the first are
    listed, and `details.last`, when the last one starts."""
    if sure:
        return make(tx)
    lock_settings(tx, org_id)
    booked = _booked(tx, org_id, now)
    if not booked:
        return make(tx)
    before = _attended(tx, org_id, booked)
    made = make(tx)
    left = before - _attended(tx, org_id, booked)
    if left:
        raise _refusal([each for each in booked if each.row.id in left])
    return made


def _booked(tx: Tx, org_id: str, now: datetime) -> Sequence[_Booked]:
    """Return the appointments that are not over yet, by start."""
    rows = tx.execute(
        select(
            *(appointments.c[name] for name in ("id", "appointment_type_id", "client_name")),
            *(appointments.c[name] for name in ("start_time", "end_time")),
            occupations.c.calendar_id,
        )
        .join_from(
            occupations,
            appointments,
            IS_HOLDER,
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.busy_end > now,
            *booked_at(now),
            appointments.c.end_time > now,
            appointments.c.start_time < shifted(now, _REACH),
            ~appointments.c.is_hold,
        )
        .order_by(appointments.c.start_time, appointments.c.id)
    )
    found: dict[str, AnyRow] = {}
    taken: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.id] = row
        taken[row.id].append(row.calendar_id)
    return [_Booked(row, taken[id_]) for id_, row in found.items()]


def _attended(tx: Tx, org_id: str, booked: Iterable[_Booked]) -> set[str]:
    """Return the ids of those whose type and calendars are in service, and open at their time."""
    places = _calendars(tx, org_id)
    found: set[str] = set()
    of_types: defaultdict[str, list[_Booked]] = defaultdict(list)
    for each in booked:
        of_types[each.row.appointment_type_id].append(each)
    for type_id, mine in of_types.items():
        type_ = offers.type_of(tx, org_id, type_id)
        if not type_.is_active:
            continue
        wanted = {type_.followed_id: type_.followed_timezone}
        wanted |= {each.schedule_id: each.timezone for each in places.values() if each.schedule_id}
        closed = _closed(tx, org_id, type_id, wanted, mine)
        for each in mine:
            there = [places[id_] for id_ in each.calendar_ids if id_ in places]
            followed = {type_.followed_id, *(place.schedule_id for place in there if place.schedule_id)}
            is_served = len(there) == len(each.calendar_ids) and all(place.is_active for place in there)
            if is_served and not any(closed[id_].meets(each.span) for id_ in followed):
                found.add(each.row.id)
    return found


def _closed(
    tx: Tx, org_id: str, type_id: str, wanted: Mapping[str, str], booked: Sequence[_Booked]
) -> Mapping[str, Intervals]:
    """Return when schedules are closed, for appointments of a type."""
    start, end = min(each.span[0] for each in booked), max(each.span[1] for each in booked)
    known = opening_hours.schedules(tx, org_id, wanted, start, end, of_type=type_id)
    return {id_: ~hours(schedule, start, end).open for id_, schedule in known.items()}


def _calendars(tx: Tx, org_id: str) -> Mapping[str, AnyRow]:
    """Return the calendars that were not deleted, by their ids, with the schedules that they follow."""
    rows = tx.execute(
        select(calendars.c.id, calendars.c.is_active, calendars.c.schedule_id, schedules.c.timezone)
        .select_from(
            calendars.outerjoin(
                schedules,
                and_(schedules.c.org_id == calendars.c.org_id, schedules.c.id == calendars.c.schedule_id),
            )
        )
        .where(calendars.c.org_id == org_id, calendars.c.deleted_at.is_(None))
    )
    return {row.id: row for row in rows}


def _refusal(left: Sequence[_Booked]) -> AppointmentsInTheWay:
    return AppointmentsInTheWay(
        total=len(left),
        last=stamp(left[-1].row.start_time),
        appointments=[
            {
                "id": each.row.id,
                "start_time": stamp(each.row.start_time),
                "client_name": each.row.client_name,
            }
            for each in left[:MOST_LISTED]
        ],
    )
