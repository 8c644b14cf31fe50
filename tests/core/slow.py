"""Opening hours once more, slow and obvious: looked up instant by instant, with nothing but zoneinfo.

And schedules to try, with ranges of time that lie mostly where clocks change.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import assume
from hypothesis import strategies as st

from kalends.core.hours import Hours, Override, Schedule, zone_names
from kalends.core.intervals import Intervals

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MINUTES_OF_A_DAY = 1_440
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first second of the year 1 and the last of the year 9999."""
SUNDAY = (date(1970, 1, 4) - date(1970, 1, 1)).days


def at(text: str) -> int:
    """An instant in ISO 8601 as seconds: `2024-03-31T01:00Z`."""
    return int((datetime.fromisoformat(text) - EPOCH).total_seconds())


def windows(*texts: str) -> Intervals:
    """`09:00-17:00` as seconds of a day."""
    return Intervals(
        (
            sum(int(part) * unit for part, unit in zip(start.split(":"), (HOUR, MINUTE), strict=True)),
            sum(int(part) * unit for part, unit in zip(end.split(":"), (HOUR, MINUTE), strict=True)),
        )
        for start, end in (text.split("-") for text in texts)
    )


def daily(zone: str, *texts: str) -> Schedule:
    """The same windows on every day of the week."""
    return Schedule(zone, [windows(*texts)] * 7)


def wall_of(zone: str, second: int) -> datetime:
    return (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))


def offset_of(zone: str, second: int) -> int:
    """In seconds. zoneinfo can't be asked for the first and the last two days of all; no clock changes
    there."""
    offset = wall_of(zone, min(max(second, FIRST + 2 * DAY), LAST - 2 * DAY)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def day_of(zone: str, second: int) -> date:
    return wall_of(zone, second).date()


class SlowHours:
    """A schedule's answers for one instant at a time. Windows begin and end on whole minutes."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._windows: dict[int, Intervals] = {}
        self._runs: dict[int, int | None] = {}
        self._asked: dict[int, int | None] = {}
        self._begins: dict[int, int | None] = {}

    def run_at(self, second: int) -> int | None:
        """Which run of hours on the wall an instant lies in, by the wall minute with which that begins."""
        if second not in self._asked:
            minute = (second + offset_of(self.schedule.zone, second)) // MINUTE
            if minute not in self._runs:
                self._find_run(minute)
            self._asked[second] = self._runs[minute]
        return self._asked[second]

    def is_open(self, second: int) -> bool:
        return self.run_at(second) is not None

    def begins_at(self, second: int) -> bool:
        """Whether times are counted from this very instant."""
        run = self.run_at(second)
        return run is not None and self.run_at(second - 1) != run

    def counted_from(self, second: int) -> int | None:
        """The instant from which times are counted, for a whole minute: back minute by minute. Only where
        offsets are whole minutes."""
        if second not in self._begins:
            begin: int | None = None
            if self.is_open(second):
                begin = second if self.begins_at(second) else self._counted_before(second)
            self._begins[second] = begin
        return self._begins[second]

    def _counted_before(self, second: int) -> int | None:
        back = second - MINUTE
        while back not in self._begins and not self.begins_at(back):
            back -= MINUTE
        return self._begins.get(back, back)

    def _find_run(self, minute: int) -> None:
        if not self._is_open_on_the_wall(minute):
            self._runs[minute] = None
            return
        first = minute
        while first not in self._runs and not self._begins_on_the_wall(first):
            first -= 1
        self._runs |= dict.fromkeys(range(first, minute + 1), self._runs.get(first, first))

    def _begins_on_the_wall(self, minute: int) -> bool:
        if not self._is_open_on_the_wall(minute - 1):
            return True
        day, rest = divmod(minute, MINUTES_OF_A_DAY)
        return rest == 0 and all(
            self._is_open_on_the_wall(each) for each in range((day - 1) * MINUTES_OF_A_DAY, minute)
        )

    def _is_open_on_the_wall(self, minute: int) -> bool:
        day, rest = divmod(minute, MINUTES_OF_A_DAY)
        if day not in self._windows:
            self._windows[day] = self._windows_of(day)
        return any(start <= rest * MINUTE < end for start, end in self._windows[day])

    def _windows_of(self, day: int) -> Intervals:
        covering = [each for each in self.schedule.overrides if each.first <= day <= each.last]
        if not covering:
            return self.schedule.weekly[(day - SUNDAY) % 7]
        fewest = min(each.last - each.first for each in covering)
        return [each for each in covering if each.last - each.first == fewest][-1].windows


def is_whole_day(slow: SlowHours, day: int) -> bool:
    return slow._windows_of(day) == Intervals([(0, DAY)])


def lasting(slow: SlowHours, duration: int, start: int) -> int:
    """How many seconds an appointment lasts from a start: whole days are calendar days where all that it
    touches are open from 00:00 to 24:00. Only where offsets are whole minutes."""
    if duration % DAY:
        return duration
    zone, days = slow.schedule.zone, timedelta(seconds=duration)
    wall = wall_of(zone, start).replace(tzinfo=None)
    if day_of(zone, start - 1) < wall.date() and beginning_of(zone, wall.date()) == start:
        until = datetime.combine(wall.date(), time()) + days
        first, end = wall.date(), beginning_of(zone, until.date())
    else:
        until = wall + days
        first, end = wall.date(), int((until.replace(tzinfo=ZoneInfo(zone)) - EPOCH).total_seconds())
    last = (until - timedelta(seconds=1)).date()
    touched = range((first - EPOCH.date()).days, (last - EPOCH.date()).days + 1)
    return end - start if all(is_whole_day(slow, day) for day in touched) else duration


@lru_cache(maxsize=4_096)
def beginning_of(zone: str, day: date) -> int:
    """The first instant at which the wall clock shows a day, or a later one because it leaves that out."""
    midnight = int((datetime.combine(day, time(), UTC) - EPOCH).total_seconds())
    return next(
        each for each in range(midnight - 2 * DAY, midnight + 2 * DAY, MINUTE) if day_of(zone, each) >= day
    )


# What to try.


def grid_at(found: Hours, second: int) -> int | None:
    """Where the span of the grid that an instant lies in begins."""
    begins = [begin for begin, finish in found.grid if begin <= second < finish]
    assert len(begins) < 2
    return begins[0] if begins else None


_edges = st.one_of(
    st.sampled_from([0, 0, 0, 1, 30, 60, 90, 120, 150, 165, 180, 1_380, 1_410, 1_439, 1_440, 1_440, 1_440]),
    st.integers(0, 1_440),
)
_window = st.tuples(_edges, _edges).map(lambda pair: (min(pair) * MINUTE, max(pair) * MINUTE))
_day = st.one_of(
    st.sampled_from(
        [
            [(0, DAY)],
            [(HOUR, 23 * HOUR)],
            [(0, 20 * HOUR), (22 * HOUR, DAY)],
            [(0, HOUR), (23 * HOUR, DAY)],
            [],
        ]
    ),
    st.lists(_window, min_size=1, max_size=3),
).map(Intervals)
_week = st.one_of(_day.map(lambda day: [day] * 7), st.lists(_day, min_size=7, max_size=7))


_overrides = st.lists(st.tuples(st.integers(-3, 4), st.integers(0, 4), _day), max_size=4)


def a_schedule(draw: st.DrawFn, zone: str, near: int) -> Schedule:
    """Hours of any kind, with overrides around an instant."""
    today = near // DAY
    return Schedule(
        zone,
        draw(_week),
        [Override(today + first, today + first + more, day) for first, more, day in draw(_overrides)],
    )


def an_open_schedule(draw: st.DrawFn, zone: str, near: int) -> Schedule:
    """Whole days, perhaps but for an override around an instant."""
    schedule = a_schedule(draw, zone, near)
    changed = schedule.overrides[:1] if draw(_either) else ()
    return replace(schedule, weekly=[Intervals([(0, DAY)])] * 7, overrides=changed)


@lru_cache(maxsize=2_048)
def changes(zone: str, year: int) -> Sequence[int]:
    """The first second of every new offset of a zone in a year."""
    found = []
    low = int((datetime(year, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
    for near in range(low, low + 366 * DAY, DAY // 4):
        start, end = near, near + DAY // 4
        before = offset_of(zone, start)
        if offset_of(zone, end) != before:
            while end - start > 1:
                middle = (start + end) // 2
                start, end = (middle, end) if offset_of(zone, middle) == before else (start, middle)
            found.append(end)
    return found


_ODD_PLACES = [
    ("Pacific/Apia", 2011),  # left out a day
    ("Pacific/Kwajalein", 1969),  # had most of a day twice
    ("Pacific/Kwajalein", 1993),
    ("America/Sao_Paulo", 2018),  # at midnight, both ways
    ("America/Asuncion", 2023),
    ("America/Havana", 2024),
    ("Asia/Dhaka", 2009),  # on the last day of the year
    ("Asia/Beirut", 2024),
    ("Africa/Cairo", 2024),
    ("America/St_Johns", 2006),  # a minute after midnight
    ("America/Caracas", 2007),
    ("Asia/Kathmandu", 1986),
    ("Asia/Pyongyang", 2018),
    ("Africa/Casablanca", 2024),
    ("Antarctica/Troll", 2024),
    ("Australia/Lord_Howe", 2024),
    ("Pacific/Chatham", 2024),
    ("Europe/Berlin", 2024),
    ("America/New_York", 2024),
]
_odd_places = st.sampled_from(_ODD_PLACES)
_zones = st.sampled_from(sorted(zone_names()))
_either = st.booleans()
EARLY_YEARS = st.integers(1840, 1950)
"""When offsets were still odd."""


_recent_years = st.integers(1930, 2037)
_hours_of_a_year = st.integers(0, 365 * 24)


def a_clock(draw: st.DrawFn, years: st.SearchStrategy[int] = _recent_years) -> tuple[str, int]:
    """A zone, and an instant at which its clocks change if they did in that year."""
    zone, year = draw(_odd_places) if draw(_either) else (draw(_zones), draw(years))
    if found := changes(zone, year):
        return zone, draw(st.sampled_from(found))
    return zone, at(f"{year}-01-01T00:00Z") + draw(_hours_of_a_year) * HOUR


def a_change(draw: st.DrawFn) -> tuple[str, int]:
    """A zone whose clocks change in an odd way, and when they do."""
    zone, year = draw(_odd_places)
    found = changes(zone, year)
    assume(found)
    return zone, draw(st.sampled_from(found))


def a_clock_of_whole_minutes(
    draw: st.DrawFn, clock: Callable[[st.DrawFn], tuple[str, int]] = a_clock
) -> tuple[str, int]:
    """As `clock`, where every offset from a week before to a week after is a whole number of minutes."""
    zone, near = clock(draw)
    for second in range(near - 7 * DAY, near + 8 * DAY, DAY):
        assume(offset_of(zone, second) % MINUTE == 0)
    return zone, near


@st.composite
def clocks(draw: st.DrawFn) -> tuple[str, int]:
    """Some of every kind."""
    return a_clock(draw, draw(st.sampled_from([_recent_years, EARLY_YEARS])))


_starts = st.one_of(st.integers(-130, 130), st.integers(-36 * 60, 12 * 60))
_odd_seconds = st.sampled_from([0, 0, 0, 1, 30, 59])


def a_range(draw: st.DrawFn, near: int, *, longest: int) -> tuple[int, int]:
    """A range of instants around another, up to so many seconds long. Its ends may be odd seconds."""
    minutes = longest // MINUTE
    start = near + draw(_starts) * MINUTE + draw(_odd_seconds)
    least = minutes // 2 if draw(_either) else 1
    return start, start + draw(st.integers(least, minutes)) * MINUTE + draw(_odd_seconds)
