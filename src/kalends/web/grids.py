"""A month as a grid of days, and the times of a day, as their reader sees them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from kalends.core.hours import stamp
from kalends.schemas.days import Day
from kalends.services.booking.months import FIRST_MONTH, LAST_MONTH, Month, day_of, last_of, month_of
from kalends.web.readers import Reader
from kalends.words import dates
from kalends.words.sentences import marked

FOLDED = 24
"""More times than these are shown in parts that can be unfolded."""
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PARTS = {"morning": marked("Morning"), "afternoon": marked("Afternoon"), "evening": marked("Evening")}


@dataclass(frozen=True, slots=True)
class Time:
    """A start: what forms send of it, and what its reader sees. It `is_own` if what is to be moved begins
    then."""

    value: str
    shown: str
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a day, and its times."""

    name: str
    times: Sequence[Time]


@dataclass(frozen=True, slots=True)
class Cell:
    """A day in the grid. It has an `href` if something is free, and `is_own` if what is to be moved begins on
    it."""

    date: date
    label: str
    href: str | None
    is_chosen: bool
    is_today: bool
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A month for its reader, who sees it on a page with parameters `month` and `date`. `horizon` is how many
    days ahead can be booked, if that is limited. `own` is when an appointment begins that is to be moved."""

    month: Month
    zone: str
    reader: Reader
    now: datetime
    horizon: int | None
    own: datetime | None = None

    @property
    def title(self) -> str:
        """`December 2026`."""
        return self.reader.month(self.month.first)

    @property
    def weekdays(self) -> list[tuple[str, str]]:
        """The short and the full names of the days of a week."""
        return self.reader.weekdays()

    @property
    def weeks(self) -> list[list[Cell | None]]:
        """The days in rows of seven; before the first and after the last there is nothing."""
        known = {each.date: each for each in self.month.days}
        cells: list[Cell | None] = [None] * ((self.month.first.isoweekday() - self.reader.first_weekday) % 7)
        last = last_of(self.month.first)
        cells += [self._cell(self.month.first + timedelta(days=day), known) for day in range(last.day)]
        cells += [None] * (-len(cells) % 7)
        return [cells[each : each + 7] for each in range(0, len(cells), 7)]

    @property
    def earlier(self) -> str | None:
        """The address of the month before, unless that is over."""
        if self.month.first <= FIRST_MONTH:
            return None
        before = (self.month.first - timedelta(days=1)).replace(day=1)
        return self._month(before) if before >= month_of(self.now, self.zone) else None

    @property
    def later(self) -> str | None:
        """The address of the month after, unless it is too far ahead."""
        after = last_of(self.month.first) + timedelta(days=1)
        return self._month(after) if after <= self._end else None

    @property
    def is_last(self) -> bool:
        """Whether nothing after this month can be booked yet."""
        return self.horizon is not None and self.later is None

    @property
    def has_free(self) -> bool:
        """Whether something is free in the month."""
        return any(each.free for each in self.month.days)

    @property
    def next(self) -> tuple[str, str] | None:
        """Where to go from a month in which nothing is free: the address of the first free time after it, and
        that time in words."""
        if self.month.next_available is None or self.has_free:
            return None
        when = dates.local(self.month.next_available, self.zone)
        today = day_of(self.now, self.zone)
        words = f"{self.reader.short_day(when.date(), today)}, {self.reader.time(when)}"
        return self._day(when.date()), words

    @property
    def day(self) -> str | None:
        """The day whose times are shown, in words."""
        return None if self.month.day is None else self.reader.long_day(self.month.day)

    @property
    def parts(self) -> list[Part]:
        """The times of that day by the parts of it."""
        local = [(dates.local(start, self.zone), start) for start in self.month.starts]
        return [
            Part(
                self.reader.say(_PARTS[name]),
                [Time(stamp(start), self.reader.time(when), start == self.own) for when, start in times],
            )
            for name, times in groupby(local, lambda each: dates.part_of_day(each[0]))
        ]

    @property
    def is_folded(self) -> bool:
        """Whether there are so many times that the parts of the day can be unfolded."""
        return len(self.month.starts) > FOLDED

    def _cell(self, day: date, known: dict[date, Day]) -> Cell:
        free = known[day].free if day in known else 0
        words = self.reader.long_day(day)
        label = self.reader.say(_COUNTED[free == 1]).format(day=words, count=free) if free else words
        is_today = day == day_of(self.now, self.zone)
        is_own = self.own is not None and day == day_of(self.own, self.zone)
        if is_own:
            label = f"{label} ({self.reader.say(_OWN)})"
        return Cell(day, label, self._day(day) if free else None, day == self.month.day, is_today, is_own)

    def _day(self, day: date) -> str:
        return self.reader.here(month=None, date=day.isoformat())

    def _month(self, first: date) -> str:
        return self.reader.here(month=first.isoformat()[:7], date=None)

    @property
    def _end(self) -> date:
        if self.horizon is None:
            return LAST_MONTH
        try:
            return min(LAST_MONTH, day_of(self.now, self.zone) + timedelta(days=self.horizon))
        except OverflowError:
            return LAST_MONTH


_OWN = marked("your appointment")
_COUNTED = {True: marked("{day}, {count} time free"), False: marked("{day}, {count} times free")}


def asked(reader: Reader, now: datetime, zone: str) -> tuple[date | None, date | None]:
    """Return which month is asked for, by its first day, and which day. What is no such thing, or is over,
    was not asked for."""
    day = _date(_DATE, reader.query.get("date", ""))
    month = _date(_MONTH, reader.query.get("month", ""))
    if day is not None and day < day_of(now, zone):
        day = None
    if month is not None and month < month_of(now, zone):
        month = None
    if day is not None and month in (None, day.replace(day=1)):
        return day.replace(day=1), day
    return month, None


def elsewhere(reader: Reader, start: datetime, zone: str) -> str | None:
    """Return what a start is on the reader's own clock, and on that of an organization in `zone`, if they
    differ: `9:00 in Berlin is 13:45 for you`."""
    if reader.zone is None:
        return None
    there, here = dates.local(start, zone), dates.local(start, reader.zone)
    if there.utcoffset() == here.utcoffset():
        return None
    shown = reader.time(here)
    if there.date() != here.date():
        shown = f"{reader.short_day(here.date())}, {shown}"
    place = dates.place(zone, reader.locale)
    return reader.say("{time} in {place} is {own} for you").format(
        time=reader.time(there), place=place, own=shown
    )


def at(reader: Reader, path: str, **query: str | None) -> Reader:
    """Return the reader as if they were at another path, with `query` in place of some parameters; what is
    None there is left out."""
    kept = {**reader.query, **query}
    return replace(reader, path=path, query={name: sent for name, sent in kept.items() if sent is not None})


def _date(form: re.Pattern[str], text: str) -> date | None:
    if not form.fullmatch(text):
        return None
    try:
        found = date.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except ValueError:
        return None
    return None if found.replace(day=1) > LAST_MONTH else found
