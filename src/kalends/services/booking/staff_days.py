"""The days of an organization as its staff see them: when each calendar is open, and what takes its time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Table, and_, or_, select

from kalends.core.errors import InvalidTime
from kalends.core.hours import hours, moment
from kalends.core.intervals import Intervals, Span
from kalends.core.lifecycle import Status
from kalends.core.local_spans import span_of_day
from kalends.db.aside import aside
from kalends.db.claims import kept_at, occupying
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, blocks, calendars, occupations, schedules
from kalends.db.verbs import among, in_seconds
from kalends.schemas.appointment_types import NO_COLOR
from kalends.services.booking import opening_hours

EntryKind = Literal["appointment", "hold", "block", "busy"]
"""What takes time: an appointment, time that is kept for a client who is booking, a block, or what another
calendar tells."""
MOST_DAYS = 31


class Entry(NamedTuple):
    """Something that takes time of a calendar: instants in seconds. `busy` is that time with the buffers that
    are kept free around it, if it has any. `id` is that of the appointment or the block; None for what is
    secret or has none. A block `repeats` if it has a rule, and may be of all calendars. Appointments may be
    forced over others (`overlaps`); of each, `whole` is all of its time, of which this calendar may have a
    part, and `version` says of which version that is."""

    kind: EntryKind
    id: str | None
    start: int
    end: int
    status: Status | None = None
    client_name: str = ""
    type_name: str = ""
    type_color: str = NO_COLOR
    reason: str | None = None
    repeats: bool = False
    of_all: bool = False
    overlaps: bool = False
    whole: Span | None = None
    version: int = 0
    busy: Span | None = None

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
        entries = found.by_calendar()
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


class _Found(NamedTuple):
    """What takes time: a row of each holder on each calendar, by the start of the time with its buffers
    (calendar, holder, kind, busy from, busy to), and what is known of the holders, by id."""

    taken: Sequence[AnyRow] = ()
    appointments: Mapping[str, AnyRow] = {}
    types: Mapping[str, AnyRow] = {}
    blocks: Mapping[str, AnyRow] = {}

    def by_calendar(self) -> Mapping[str, Sequence[Entry]]:
        """Return what takes the time of each calendar, by start. A block that is kept in pieces is one."""
        found: dict[str, list[Entry]] = {}
        latest: dict[tuple[str, str], int] = {}
        for calendar_id, holder_id, kind, start, end in self.taken:
            column = found.setdefault(calendar_id, [])
            if kind != "block":
                entry = self._booked(holder_id, start, end) if kind == "appointment" else None
                entry = entry or Entry("busy", None, start, end)
                if entry.start < entry.end:
                    column.append(entry)
                continue
            place = latest.get((calendar_id, holder_id))
            if place is not None and column[place].end == start:
                column[place] = column[place]._replace(end=end)
            else:
                latest[calendar_id, holder_id] = len(column)
                column.append(self._blocked(holder_id, start, end))
        for column in found.values():
            column.sort(key=lambda each: each.start)  # those with longer buffers are busy earlier
        return found

    def _blocked(self, id_: str, start: int, end: int) -> Entry:
        _, calendar_id, reason, rule = self.blocks[id_]
        repeats, of_all = rule is not None, calendar_id is None
        return Entry("block", id_, start, end, reason=reason, repeats=repeats, of_all=of_all)

    def _booked(self, id_: str, busy_from: int, busy_to: int) -> Entry:
        """Return an appointment or a hold: the buffers, as they were when it was booked, lie around the time
        of every calendar."""
        row = self.appointments[id_]
        _, type_id, is_hold, status, version, client_name, overlaps, begins, ends, *busy = row
        start, end = busy_from + begins - busy[0], busy_to - busy[1] + ends
        _, type_name, color = self.types[type_id]
        buffered = None if (start, end) == (busy_from, busy_to) else (busy_from, busy_to)
        if is_hold:
            return Entry("hold", None, start, end, type_name=type_name, type_color=color, busy=buffered)
        return Entry(
            "appointment",
            id_,
            start,
            end,
            status,
            client_name,
            type_name,
            color,
            overlaps=overlaps,
            whole=(begins, ends),
            version=version,
            busy=buffered,
        )


def _entries(tx: Tx, org_id: str, calendar_ids: Sequence[str], start: int, end: int, now: datetime) -> _Found:
    """Return what takes time of some calendars between two instants. What is known of the holders is asked
    for by their ids: in one statement with their time, a database without statistics reads all appointments
    of the organization once for each."""
    if start >= end or not calendar_ids:
        return _Found()
    taken = _taken(tx, org_id, calendar_ids, start, end, now)
    holders: dict[str, set[str]] = {"appointment": set(), "block": set(), "source": set()}
    for _, holder_id, kind, *_ in taken:
        holders[kind].add(holder_id)
    booked = _booked(tx, org_id, holders["appointment"])
    types = {row.appointment_type_id for row in booked.values()}
    of_type, of_block = appointment_types.c, blocks.c
    return _Found(
        taken,
        booked,
        _known(tx, org_id, appointment_types, types, of_type.name, of_type.color),
        _known(tx, org_id, blocks, holders["block"], of_block.calendar_id, of_block.reason, of_block.rule),
    )


def _taken(
    tx: Tx, org_id: str, calendar_ids: Sequence[str], start: int, end: int, now: datetime
) -> Sequence[AnyRow]:
    columns = occupations.c
    times = (in_seconds(tx, columns.busy_start), in_seconds(tx, columns.busy_end))
    statement: Any = (
        select(columns.calendar_id, columns.holder_id, columns.kind, *times)
        .where(
            columns.org_id == org_id,
            columns.calendar_id.in_(calendar_ids),
            *occupying(moment(start), moment(end)),
            *kept_at(now),
        )
        .order_by(columns.busy_start, columns.holder_id)
    )
    found: Sequence[AnyRow] = tx.execute(statement).all()
    return found


def _booked(tx: Tx, org_id: str, ids: Collection[str]) -> Mapping[str, AnyRow]:
    its = appointments.c
    wanted = (its.appointment_type_id, its.is_hold, its.status, its.version, its.client_name)
    times = (in_seconds(tx, each) for each in (its.start_time, its.end_time, its.busy_start, its.busy_end))
    return _known(tx, org_id, appointments, ids, *wanted, its.overlap_allowed, *times)


def _known(
    tx: Tx, org_id: str, table: Table[Any], ids: Collection[str], *columns: Any
) -> Mapping[str, AnyRow]:
    """Return rows of a table by their ids: the id itself and some columns."""
    if not ids:
        return {}
    wanted = select(table.c.id, *columns).where(table.c.org_id == org_id, among(tx, table.c.id, ids))
    return {row[0]: row for row in tx.execute(wanted)}


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
