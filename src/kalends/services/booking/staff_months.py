"""A month as an organization's staff see it: how much is booked on each day, and which days are closed."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select

from kalends.core.hours import day_named, hours, local_day, moment, seconds
from kalends.core.intervals import Intervals
from kalends.core.local_spans import span_of_day
from kalends.db.aside import aside
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments
from kalends.services.booking import opening_hours
from kalends.services.booking.appointments import status_at, takes_time_of
from kalends.services.booking.months import last_of
from kalends.services.booking.staff_days import ShownCalendar, calendars_with_hours, is_in_service, seen


@dataclass(frozen=True, slots=True)
class CountedDay:
    """A day: how many appointments begin on it that are not cancelled, how many of these wait to be
    confirmed, and whether every calendar is closed."""

    date: date
    booked: int
    pending: int
    is_closed: bool


class StaffMonth(NamedTuple):
    """The days of a month, and the calendars that can be chosen from: those that are in service."""

    days: Sequence[CountedDay]
    calendars: Sequence[ShownCalendar]


def of(
    tx: Tx, org_id: str, timezone: str, first: date, now: datetime, *, only: Collection[str] = ()
) -> StaffMonth:
    """Return the month that begins on `first`, in the organization's zone; of some calendars `only`, if there
    are any of these. Raises InvalidTime at the ends of the calendar."""
    dates = [first + timedelta(days=each) for each in range(last_of(first).day)]
    start, end = span_of_day(dates[0], timezone)[0], span_of_day(dates[-1], timezone)[1]
    rows = tx.execute(calendars_with_hours(org_id)).all()
    chosen = [row for row in rows if row.id in only]
    shown = [row for row in chosen or rows if is_in_service(row)]
    wanted = {row.schedule_id: row.schedule_timezone or timezone for row in shown}
    known = opening_hours.schedules(tx, org_id, wanted, start, end)
    counted = _counted(tx, org_id, start, end, now, [row.id for row in chosen])

    def made() -> StaffMonth:
        booked, pending = _by_day(counted, timezone)
        open_ = [hours(schedule, start, end).open for schedule in known.values()]
        return StaffMonth(
            [CountedDay(day, booked[day], pending[day], not _is_open(day, timezone, open_)) for day in dates],
            [seen(row) for row in rows if is_in_service(row)],
        )

    return aside(tx, made)


def _is_open(day: date, timezone: str, open_: Iterable[Intervals]) -> bool:
    whole = Intervals([span_of_day(day, timezone)])
    return any(list(each & whole) for each in open_)


def _by_day(rows: Iterable[AnyRow], timezone: str) -> tuple[Counter[date], Counter[date]]:
    """Return how many appointments begin on each day, and how many of them wait to be confirmed."""
    booked: Counter[date] = Counter()
    pending: Counter[date] = Counter()
    for row in rows:
        day = day_named(local_day(timezone, seconds(row.start_time)))
        booked[day] += row.many
        if row.status == "pending":
            pending[day] += row.many
    return booked, pending


def _counted(
    tx: Tx, org_id: str, start: int, end: int, now: datetime, only: Sequence[str]
) -> Sequence[AnyRow]:
    """Return how many appointments of each status begin at each moment; many begin at the same."""
    columns, status = appointments.c, status_at(now).label("status")
    which: list[ColumnElement[bool]] = [
        columns.org_id == org_id,
        ~columns.is_hold,
        columns.start_time >= moment(start),
        columns.start_time < moment(end),
        status_at(now) != "cancelled",
    ]
    if only:
        which.append(or_(*(takes_time_of(each) for each in only)))
    statement = select(columns.start_time, status, func.count().label("many")).where(*which)
    found: Sequence[AnyRow] = tx.execute(statement.group_by(columns.start_time, status)).all()
    return found
