"""A day as its reader sees it: the calendars side by side, and where everything lies in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from kalends.core.hours import HOUR, MINUTE, moment, seconds, stamp
from kalends.core.intervals import Intervals, Span
from kalends.core.lanes import Lane, lanes
from kalends.core.lifecycle import TRANSITIONS, Status
from kalends.core.local_spans import cut, whole_hours
from kalends.services.booking.staff_days import Column, Entry, ShownCalendar, StaffDay
from kalends.services.setup.colors import Colors
from kalends.web.readers import Reader
from kalends.web.themes import mark
from kalends.words import dates
from kalends.words.sentences import marked

MOST_LANES = 9
"""So many lanes have a place of their own; what comes after lies over the last one."""
_SHORTEST = 15 * MINUTE
"""What is shorter is laid out as if it lasted so long, so that it can be read and hit."""
_USUAL = 8 * HOUR, 18 * HOUR
"""What is shown of a day on which there is nothing, in seconds after it began."""
STATUSES: Mapping[Status, str] = {
    "pending": marked("To be confirmed"),
    "confirmed": marked("Confirmed"),
    "completed": marked("Completed"),
    "no_show": marked("Not attended"),
    "cancelled": marked("Cancelled"),
}
_CLOSED = marked("Closed")
_OF_CLIENTS = ("appointment", "hold")
_NO_CLIENT = {
    "hold": marked("Kept for a client"),
    "block": marked("Blocked"),
    "busy": marked("Busy elsewhere"),
}


class Grip(NamedTuple):
    """What a script needs to move an appointment: which version of which one it is, when all of it begins
    (UTC) and how many minutes it lasts; and where it lies in its column, in minutes after the first one that
    is shown, though that may be before it."""

    id: str
    version: int
    start: str
    minutes: int
    at: int
    lasts: int


class Line(NamedTuple):
    """Something that takes time, in words: when, what, and how it stands. It leads somewhere if it has an
    `href`. `classes` say what it is, and where it lies in its column. It has a `grip` if it can be moved.
    `lines.html` takes its parts in this order: a day has hundreds."""

    classes: str
    time: str
    title: str
    detail: str = ""
    status: Status | None = None
    state: str = ""
    href: str | None = None
    grip: Grip | None = None


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A calendar on one day, in words: everything in it by time, closed hours too. `buffers` are the classes
    of what is kept free around appointments, and `mark` is that of the calendar's colour."""

    calendar: ShownCalendar
    lines: Sequence[Line]
    buffers: Sequence[str]
    mark: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An hour beside the columns, or the present, which is `at` so many minutes after the first one that is
    shown."""

    time: str
    classes: str
    at: int = 0


class DayView:
    """A day for its reader, in the organization's zone (IANA name). It is shown from one full hour after its
    beginning to another, so far as it is of interest."""

    def __init__(self, day: StaffDay, reader: Reader, zone: str, now: datetime, colors: Colors) -> None:
        self._day, self._reader, self._zone, self._colors = day, reader, zone, colors
        length = day.span[1] - day.span[0]
        self._first, self._last = whole_hours(*_range_of_interest(day), length)
        self._shown = (
            day.span[0] + self._first * HOUR,
            min(day.span[0] + self._last * HOUR, day.span[1]),
        )
        self._now = seconds(now)
        # What is the same for many lines is found once.
        self._ends: dict[int, str] = {}
        self._spans: dict[Span, str] = {}
        self._marks: dict[tuple[str, str], str] = {}
        self._places: dict[tuple[Span, int, int], str] = {}
        self._stamps: dict[int, str] = {}
        self._states = {status: reader.say(words) for status, words in STATUSES.items()}
        self._no_client = {kind: reader.say(words) for kind, words in _NO_CLIENT.items()}
        self._appointment = reader.below("/staff/appointments")
        self._block = reader.below("/staff/blocks")

    @property
    def date(self) -> date:
        """Which day it is."""
        return self._day.date

    @property
    def is_left_out(self) -> bool:
        """Whether the clocks leave the date out, as where the date line was moved."""
        return self._day.span[0] == self._day.span[1]

    @property
    def title(self) -> str:
        """`Thursday, 3 December 2026`."""
        return self._reader.long_day(self._day.date)

    @property
    def classes(self) -> str:
        """How long the part is that is shown."""
        return _lasting(max(0, self._shown[1] - self._shown[0]))

    @property
    def hours(self) -> list[Mark]:
        """The full hours after the beginning of the day, as clocks show them then."""
        return [
            Mark(self._time(at), _from(at - self._shown[0]))
            for at in range(self._shown[0], self._shown[1], HOUR)
        ]

    @property
    def now(self) -> Mark | None:
        """The present, if it is in the part that is shown."""
        if not self._shown[0] <= self._now < self._shown[1]:
            return None
        after = self._now - self._shown[0]
        return Mark(self._time(self._now), _from(after), after // MINUTE)

    @property
    def first(self) -> str:
        """The first instant that is shown (UTC)."""
        return stamp(moment(self._shown[0]))

    @property
    def minutes(self) -> int:
        """How many minutes are shown."""
        return max(0, self._shown[1] - self._shown[0]) // MINUTE

    @property
    def quarters(self) -> str:
        """What clocks show at every quarter of an hour, and at the end, each separated by a bar."""
        first, last = self._shown
        return "|".join(self._time(at) for at in (*range(first, last, 15 * MINUTE), last))

    @cached_property
    def columns(self) -> list[ShownColumn]:
        """The calendars, each with what is in it."""
        return [self._column(each) for each in self._day.columns]

    @cached_property
    def lines(self) -> list[Line]:
        """What takes time of any calendar, by time, with the names of its calendars. What is of several is
        there once."""
        found: dict[tuple[object, ...], tuple[Entry, str, list[str]]] = {}
        for column in self._day.columns:
            for entry in column.entries:
                key = (entry.kind, entry.id or (column.calendar.id, entry.start), entry.of_all or entry.span)
                found.setdefault(key, (entry, column.calendar.id, []))[2].append(column.calendar.name)
        ordered = sorted(found.values(), key=lambda each: each[0].start)
        return [self._line(entry, id_, detail=", ".join(names)) for entry, id_, names in ordered]

    def _column(self, column: Column) -> ShownColumn:
        first, last = self._shown
        shown = [each for each in column.entries if each.start < last and each.end > first]
        spans = [self._laid_out(each.start, each.end) for each in shown]
        placed = lanes(spans)
        id_ = column.calendar.id
        found = [
            (each.start, self._line(each, id_, self._place(span, lane)))
            for each, span, lane in zip(shown, spans, placed, strict=True)
        ]
        closed = Intervals([self._shown]) - column.open
        found += [(span[0], self._closed(span)) for span in closed]
        return ShownColumn(
            column.calendar,
            [line for _, line in sorted(found, key=lambda each: each[0])],
            [
                f"{self._mark(each, id_)}{self._place(span, lane)}"
                for each, lane in zip(shown, placed, strict=True)
                if each.busy is not None
                for span in self._buffers(each.span, each.busy)
            ],
            mark(self._colors.calendars.get(id_)),
        )

    def _buffers(self, span: Span, busy: Span) -> list[Span]:
        """Return what is shown of the time that is kept free before and after something."""
        first, last = self._shown
        around = (max(busy[0], first), min(span[0], last)), (max(span[1], first), min(busy[1], last))
        return [(start, end) for start, end in around if start < end]

    def _mark(self, entry: Entry, calendar_id: str) -> str:
        """Return the class of an appointment's colour, after a space; nothing if it has none of its own."""
        key = entry.type_color, calendar_id
        if (found := self._marks.get(key)) is None:
            color = self._colors.of(*key)
            found = self._marks[key] = "" if color is None else f" {mark(color)}"
        return found

    def _line(self, entry: Entry, calendar_id: str, place: str = "", detail: str = "") -> Line:
        classes, times, id_ = f"{entry.kind}{place}", self._times(entry.span), entry.id
        if entry.kind != "appointment" or id_ is None:
            href = None if id_ is None else self._block(id_)
            if href is not None and entry.repeats:  # which of its times, as far as it is on this day
                at = stamp(moment(max(entry.start, self._day.span[0])))
                href = f"{href}{'&' if '?' in href else '?'}at={at}"
            what = entry.reason or entry.type_name or detail
            return Line(classes, times, self._no_client[entry.kind], what, href=href)
        status = entry.status or "confirmed"
        return Line(
            f"{classes}{self._mark(entry, calendar_id)}",
            times,
            entry.client_name,
            f"{entry.type_name} · {detail}" if detail else entry.type_name,
            status,
            self._states[status],
            self._appointment(id_),
            self._grip(entry, id_) if "cancelled" in TRANSITIONS[status] else None,
        )

    def _grip(self, entry: Entry, id_: str) -> Grip:
        begin, end = entry.whole or entry.span
        if (start := self._stamps.get(begin)) is None:
            start = self._stamps[begin] = stamp(moment(begin))
        return Grip(
            id_,
            entry.version,
            start,
            (end - begin) // MINUTE,
            (entry.start - self._shown[0]) // MINUTE,
            (entry.end - entry.start) // MINUTE,
        )

    def _closed(self, span: Span) -> Line:
        place = self._place(span, Lane(0, 1))
        return Line(f"closed{place}", self._times(span), self._reader.say(_CLOSED))

    def _laid_out(self, start: int, end: int) -> Span:
        """Return what something takes of the part of the day that is shown."""
        start = max(start, self._shown[0])
        return start, max(min(end, self._shown[1]), start + _SHORTEST)

    def _place(self, span: Span, lane: Lane) -> str:
        """Return the classes that say where something lies."""
        number, of = min(lane.number, MOST_LANES - 1), min(lane.of, MOST_LANES)
        if (place := self._places.get((span, number, of))) is None:
            after, length = _from(span[0] - self._shown[0]), _lasting(span[1] - span[0])
            place = self._places[span, number, of] = f" {after} {length} lane-{number} of-{of}"
        return place

    def _times(self, span: Span) -> str:
        """Return from when to when, with the day of an end that lies on another one."""
        if (times := self._spans.get(span)) is None:
            times = self._spans[span] = f"{self._end(span[0])} – {self._end(span[1])}"
        return times

    def _end(self, second: int) -> str:
        """Return a time of this day, or with its day one of another. Many things begin or end at once."""
        if (known := self._ends.get(second)) is None:
            when = dates.local(moment(second), self._zone)
            known = self._reader.time(when)
            if when.date() != self._day.date and second != self._day.span[1]:
                known = f"{self._reader.short_day(when.date(), self._day.date)}, {known}"
            self._ends[second] = known
        return known

    def _time(self, second: int) -> str:
        return self._reader.time(dates.local(moment(second), self._zone))


def _range_of_interest(day: StaffDay) -> Span:
    """Return from when to when something is of interest, in seconds after the day began: when any calendar is
    open or booked, and enough of all else that each thing can be seen."""
    core: list[Span] = [each for column in day.columns for each in column.open]
    rest: list[Span] = []
    for entry in chain.from_iterable(column.entries for column in day.columns):
        (core if entry.kind in _OF_CLIENTS else rest).append(entry.busy or entry.span)
    begin, end = day.span
    low, high = _USUAL
    if core:
        low = max(min(start for start, _ in core) - begin, 0)
        high = min(max(until for _, until in core), end) - begin
    for span in rest:
        if (piece := cut(span, day.span)) and (piece.end <= low or piece.start >= high):
            low, high = min(low, piece.start), max(high, piece.end)
    return low, high


def _from(offset: int) -> str:
    return f"at-{offset // HOUR}h at-{offset % HOUR // MINUTE}m"


def _lasting(length: int) -> str:
    return f"for-{length // HOUR}h for-{length % HOUR // MINUTE}m"
