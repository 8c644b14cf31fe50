"""The days of an organization as its staff see them: when each calendar is open, and what takes its time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple

from sqlalchemy import and_, or_, select

from kalends.core.errors import InvalidTime
from kalends.core.hours import hours, moment
from kalends.core.intervals import Intervals, Span
from kalends.core.lifecycle import Status
from kalends.core.local_spans import span_of_day
from kalends.db.aside import aside
from kalends.db.claims import kept_at, occupying
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, blocks, calendars, occupations, schedules
from kalends.db.verbs import in_seconds
from kalends.services.booking import opening_hours

EntryKind = Literal["appointment", "hold", "block", "busy"]
"""What takes time: an appointment, time that is kept for a client who is booking, a block, or what another
calendar tells."""
MOST_DAYS = 31


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that takes time of a calendar, without buffers: instants in seconds. `id` is that of the
    appointment or the block; None for what is secret or has none. A block `repeats` if it has a rule, and may
    be of all calendars. Appointments may be forced over others (`overlaps`); of each, `whole` is all of its
    time, of which this calendar may have a part, and `version` says of which version that is."""

    kind: EntryKind
    id: str | None
    start: int
    end: int
    status: Status | None = None
    client_name: str = ""
    type_name: str = ""
    reason: str | None = None
    repeats: bool = False
    of_all: bool = False
    overlaps: bool = False
    whole: Span | None = None
    version: int = 0

    @property
    def span(self) -> Span:
        """From when to when."""
        return self.start, self.end


@dataclass(frozen=True, slots=True)
class ShownCalendar:
    """A calendar as staff see it; `is_deleted` if only its past is left."""

    id: str
    name: str
    is_active: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A calendar on one day: when it is open, within that day, and what takes its time, by start."""

    calendar: ShownCalendar
    open: Intervals
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class StaffDay:
    """A day, from its first instant until the first of the next, in seconds; nothing if the clocks leave the
    date out."""

    date: date
    span: Span
    columns: Sequence[Column]


class StaffDays(NamedTuple):
    """Some days, and the calendars that can be chosen from: those that are in service."""

    days: Sequence[StaffDay]
    calendars: Sequence[ShownCalendar]


def of(
    tx: Tx,
    org_id: str,
    timezone: str,
    first: date,
    now: datetime,
    *,
    days: int = 1,
    only: Collection[str] = (),
) -> StaffDays:
    """Return some days of the organization from the `first` on, in its zone: with every calendar in service,
    and with those that no longer are if they have something to show; of some calendars `only`, if there are
    any of these. At most MOST_DAYS.

    Raises InvalidTime at the ends of the calendar.
    """
    dates = _dates(first, min(days, MOST_DAYS))
    spans = [span_of_day(each, timezone) for each in dates]
    start, end = spans[0][0], spans[-1][1]
    rows = tx.execute(calendars_with_hours(org_id)).all()
    chosen = [row for row in rows if row.id in only] or rows
    wanted = {row.schedule_id: row.schedule_timezone or timezone for row in chosen}
    known = opening_hours.schedules(tx, org_id, wanted, start, end)
    found = _entries(tx, org_id, [row.id for row in chosen], start, end, now)

    def made() -> StaffDays:
        open_ = {id_: hours(schedule, start, end).open for id_, schedule in known.items()}
        entries = _by_calendar(found)
        return StaffDays(
            [
                StaffDay(day, span, _columns(chosen, open_, entries, span))
                for day, span in zip(dates, spans, strict=True)
            ],
            [seen(row) for row in rows if is_in_service(row)],
        )

    return aside(tx, made)


def _dates(first: date, count: int) -> list[date]:
    try:
        return [first + timedelta(days=each) for each in range(count)]
    except OverflowError:
        raise InvalidTime("These days are beyond the year 9999.") from None


def _columns(
    rows: Iterable[AnyRow],
    open_: Mapping[str, Intervals],
    entries: Mapping[str, Sequence[Entry]],
    day: Span,
) -> list[Column]:
    columns = []
    whole = Intervals([day])
    for row in rows:
        within = [each for each in entries.get(row.id, ()) if each.start < day[1] and each.end > day[0]]
        if is_in_service(row) or any(each.kind == "appointment" for each in within):
            columns.append(Column(seen(row), open_[row.schedule_id] & whole, within))
    return columns


def _by_calendar(rows: Iterable[AnyRow]) -> Mapping[str, Sequence[Entry]]:
    """Return what takes the time of each calendar, by start. A block that is kept in pieces is one."""
    found: dict[str, list[Entry]] = {}
    latest: dict[tuple[str, str], int] = {}
    for row in rows:
        entry, column = _entry(row), found.setdefault(row.calendar_id, [])
        place = latest.get((row.calendar_id, row.holder_id))
        if entry.kind == "block" and place is not None and column[place].end == entry.start:
            column[place] = replace(column[place], end=entry.end)
        elif entry.start < entry.end:
            latest[row.calendar_id, row.holder_id] = len(column)
            column.append(entry)
    for column in found.values():
        column.sort(key=lambda each: each.start)  # those with longer buffers are busy earlier
    return found


def _entry(row: AnyRow) -> Entry:
    if row.kind == "block":
        repeats, of_all = row.rule is not None, row.blocked_calendar is None
        return Entry(
            "block",
            row.holder_id,
            row.busy_from,
            row.busy_to,
            reason=row.reason,
            repeats=repeats,
            of_all=of_all,
        )
    if row.kind == "source" or row.status is None:
        return Entry("busy", None, row.busy_from, row.busy_to)
    # The type's buffers, as they were when it was booked, lie around the time of every calendar.
    start, end = row.busy_from + row.before, row.busy_to - row.after
    if row.is_hold:
        return Entry("hold", None, start, end, type_name=row.type_name)
    return Entry(
        "appointment",
        row.holder_id,
        start,
        end,
        status=row.status,
        client_name=row.client_name,
        type_name=row.type_name,
        overlaps=row.overlap_allowed,
        whole=(row.begins, row.ends),
        version=row.version,
    )


def _entries(
    tx: Tx, org_id: str, calendar_ids: Sequence[str], start: int, end: int, now: datetime
) -> Sequence[AnyRow]:
    if start >= end or not calendar_ids:
        return ()
    instant = partial(in_seconds, tx)
    statement: Any = (
        select(
            occupations.c.calendar_id,
            occupations.c.holder_id,
            occupations.c.kind,
            instant(occupations.c.busy_start).label("busy_from"),
            instant(occupations.c.busy_end).label("busy_to"),
            appointments.c.is_hold,
            (instant(appointments.c.start_time) - instant(appointments.c.busy_start)).label("before"),
            (instant(appointments.c.busy_end) - instant(appointments.c.end_time)).label("after"),
            instant(appointments.c.start_time).label("begins"),
            instant(appointments.c.end_time).label("ends"),
            appointments.c.status,
            appointments.c.version,
            appointments.c.client_name,
            appointments.c.overlap_allowed,
            appointment_types.c.name.label("type_name"),
            blocks.c.reason,
            blocks.c.rule,
            blocks.c.calendar_id.label("blocked_calendar"),
        )
        .select_from(
            occupations.outerjoin(
                appointments,
                and_(
                    appointments.c.org_id == occupations.c.org_id,
                    appointments.c.id == occupations.c.holder_id,
                ),
            )
            .outerjoin(
                appointment_types,
                and_(
                    appointment_types.c.org_id == appointments.c.org_id,
                    appointment_types.c.id == appointments.c.appointment_type_id,
                ),
            )
            .outerjoin(
                blocks,
                and_(blocks.c.org_id == occupations.c.org_id, blocks.c.id == occupations.c.holder_id),
            )
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id.in_(calendar_ids),
            *occupying(moment(start), moment(end)),
            *kept_at(now),
        )
        .order_by(occupations.c.busy_start, occupations.c.holder_id)
    )
    found: Sequence[AnyRow] = tx.execute(statement).all()
    return found


def calendars_with_hours(org_id: str) -> Any:
    """Return the statement for all calendars, the default one first, with the schedules that they follow."""
    return (
        select(
            calendars.c.id,
            calendars.c.name,
            calendars.c.is_active,
            calendars.c.deleted_at,
            schedules.c.id.label("schedule_id"),
            schedules.c.timezone.label("schedule_timezone"),
        )
        .join_from(
            calendars,
            schedules,
            and_(
                schedules.c.org_id == calendars.c.org_id,
                or_(
                    schedules.c.id == calendars.c.schedule_id,
                    and_(calendars.c.schedule_id.is_(None), schedules.c.is_default),
                ),
            ),
        )
        .where(calendars.c.org_id == org_id)
        .order_by(calendars.c.is_default.desc(), calendars.c.created_at, calendars.c.id)
    )


def is_in_service(row: AnyRow) -> bool:
    """Return whether a calendar is in service, by its row."""
    return row.is_active and row.deleted_at is None


def seen(row: AnyRow) -> ShownCalendar:
    """Return a calendar as staff see it, by its row."""
    return ShownCalendar(row.id, row.name, row.is_active, row.deleted_at is not None)
