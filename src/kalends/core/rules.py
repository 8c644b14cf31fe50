"""What makes a time bookable. Each rule is the set of starts it allows: a search is what all of them allow,
and an explanation is every rule that does not allow the start in question, so the two can't disagree.

Times are instants in whole seconds since 1970, lengths are seconds; sets are right within the range asked.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kalends.core.hours import (
    DAY,
    FIRST_SECOND,
    HOUR,
    LAST_SECOND,
    MINUTE,
    Hours,
    Schedule,
    count_by_local_day,
    day_named,
    day_number,
    hours,
    local_day,
    local_days,
    moment,
    stamp,
)
from kalends.core.intervals import ENDLESS, EVER, NEVER, Intervals

Period = Literal["day", "week", "month"]
Step = tuple[int, int, int]
"""A span `[start, end)` from whose start offered times are counted, and the step from one to the next."""
_FOREVER = 5_000_000
"""More days than the calendar has."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an appointment type asks of a booking. `week_start` is the day weeks begin on: 0 for Sunday … 6
    for Saturday.

    An appointment lasts `duration`, except from the starts in `odd` (calendar days of 23 or 25 hours), each
    set of which has its length.
    """

    is_active: bool
    duration: int
    buffer_before: int
    buffer_after: int
    interval: int
    min_notice_hours: int
    max_days_ahead: int | None
    caps: Mapping[Period, int]
    week_start: int
    schedule: Schedule
    requires_confirmation: bool = False
    odd: Sequence[tuple[Intervals, int]] = ()

    @property
    def longest(self) -> int:
        """No appointment lasts longer."""
        return max([self.duration, *(length for _, length in self.odd)])

    def length(self, start: int) -> int:
        """Return how long an appointment lasts that begins at `start`."""
        return next((length for starts, length in self.odd if start in starts), self.duration)

    def fitting(self, allows: Callable[[int], Intervals]) -> Intervals:
        """Return the starts that are allowed for the length that an appointment has there. `allows` gives the
        starts that are allowed for a length."""
        fit = allows(self.duration)
        for starts, length in self.odd:
            fit = (fit - starts) | (starts & allows(length))
        return fit


@dataclass(frozen=True, slots=True)
class Calendar:
    """Whose time it would be: when it is busy, buffers of what is there included, and its hours, if any."""

    id: str
    is_active: bool
    serves: bool
    schedule: Schedule | None
    busy: Intervals


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a start can't be booked: a stable code, a sentence, and numbers."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """The starts that a rule allows, and its reason against any other."""

    allows: Intervals
    against: Callable[[int], Reason]


def of_type(
    terms: Terms, open_: Hours, within: Intervals, booked: Sequence[int], now: int, start: int, end: int
) -> list[Rule]:
    """Return the rules of a type for starts in `[start, end)`, the graver first. `open_` are its hours, and
    `within` the starts from which all that an appointment takes lies in time that can be represented;
    `booked` are the starts of its active appointments in every day, week and month that the range touches."""
    zone = terms.schedule.zone
    rules = [
        Rule(
            EVER if terms.is_active else NEVER, lambda _: Reason("type_inactive", "This can't be booked now.")
        ),
        _notice(terms, now),
        Rule(
            terms.fitting(open_.open.starts) & within,
            lambda _: Reason("outside_hours", "It is outside the opening hours.", {"timezone": zone}),
        ),
    ]
    if terms.max_days_ahead is not None:
        rules.insert(2, _horizon(terms, terms.max_days_ahead, now, start, end))
    return rules + [_cap(terms, period, most, booked) for period, most in terms.caps.items()]


def grid(terms: Terms, open_: Hours) -> Iterator[Step]:
    """Return the spans from whose starts offered times are counted, each with the step. If whole days are
    open, a step of whole days is one of calendar days: only the beginnings of days are offered."""
    by_day = terms.interval % DAY == 0
    for begin, finish in open_.grid:
        yield begin, finish, finish - begin if by_day and begin in open_.days else terms.interval


def on_grid(terms: Terms, open_: Hours, start: int) -> Reason | None:
    """Return the reason against a start within the hours that is not on the grid of offered times; None if it
    is on the grid."""
    for begin, finish, step in grid(terms, open_):
        if begin <= start < finish and (start - begin) % step:
            minutes = terms.interval // MINUTE
            return Reason(
                "off_grid",
                f"Times are offered every {minutes} minutes from {stamp(moment(begin))} on.",
                {"interval_minutes": minutes, "counted_from": stamp(moment(begin))},
            )
    return None


def of_calendar(terms: Terms, calendar: Calendar, start: int, end: int) -> list[Rule]:
    """Return the rules of a calendar for starts in `[start, end)`, the graver first."""
    named = {"calendar_id": calendar.id}
    rules = []
    if not calendar.is_active:
        rules.append(Rule(NEVER, lambda _: Reason("calendar_inactive", "The calendar is not active.", named)))
    if not calendar.serves:
        sentence = "The calendar does not serve this type."
        rules.append(Rule(NEVER, lambda _: Reason("calendar_not_serving", sentence, named)))
    if calendar.schedule is not None:
        zone = calendar.schedule.zone
        own = terms.fitting(hours(calendar.schedule, start, end + terms.longest).open.starts)
        details = named | {"timezone": zone}
        sentence = "It is outside the calendar's own hours."
        rules.append(Rule(own, lambda _: Reason("outside_hours", sentence, details)))
    # Seconds are whole, so a start conflicts from one second after the last that still fits before.
    reach = terms.buffer_after - 1
    free = terms.fitting(
        lambda length: ~calendar.busy.grown(before=length + reach, after=terms.buffer_before)
    )
    rules.append(Rule(free, lambda _: Reason("conflict", "The time is taken, buffers included.", named)))
    return rules


def representable(terms: Terms) -> Intervals:
    """Return the starts from which all of an appointment, buffers included, lies within the years 1 to
    9999."""
    first, last = FIRST_SECOND + terms.buffer_before, LAST_SECOND - terms.buffer_after
    return terms.fitting(lambda length: Intervals([(first, last - length + 1)]))


def _notice(terms: Terms, now: int) -> Rule:
    # What begins this second can no longer be confirmed.
    earliest = now + max(terms.min_notice_hours * HOUR, int(terms.requires_confirmation))

    def against(_: int) -> Reason:
        if not terms.min_notice_hours:
            return Reason(
                "too_soon", "It is in the past.", {"min_notice_hours": 0, "earliest": stamp(moment(earliest))}
            )
        return Reason(
            "too_soon",
            f"It must be booked at least {terms.min_notice_hours} hours ahead.",
            {"min_notice_hours": terms.min_notice_hours, "earliest": stamp(moment(earliest))},
        )

    return Rule(Intervals([(earliest, ENDLESS)]), against)


def _horizon(terms: Terms, days: int, now: int, start: int, end: int) -> Rule:
    zone = terms.schedule.zone
    last = min(local_day(zone, now) + days, _FOREVER)
    # Only the days near the range matter, and a zone may leave a day and come back to it.
    near, far = start // DAY - 2, end // DAY + 2
    allowed = local_days(zone, near, min(last, far))

    def against(_: int) -> Reason:
        day = day_named(last).isoformat()
        return Reason(
            "too_far_ahead",
            f"It can be booked at most {days} days ahead, now until {day}.",
            {"max_days_ahead": days, "last_date": day, "timezone": zone},
        )

    return Rule(allowed, against)


def _cap(terms: Terms, period: Period, most: int, booked: Sequence[int]) -> Rule:
    zone = terms.schedule.zone
    counted: Counter[tuple[int, int]] = Counter()
    for day, count in count_by_local_day(zone, booked).items():
        counted[_period(period, terms.week_start, day)] += count
    full = (
        span
        for (first, last), count in counted.items()
        if count >= most
        for span in local_days(zone, first, last)
    )

    def against(start: int) -> Reason:
        first, last = _period(period, terms.week_start, local_day(zone, start))
        return Reason(
            "limit_reached",
            f"No more of this type can be booked in that {period}.",
            {
                "period": period,
                "limit": most,
                "booked": counted[first, last],
                "from_date": day_named(first).isoformat(),
                "to_date": day_named(last).isoformat(),
                "timezone": zone,
            },
        )

    return Rule(~Intervals(full), against)


def span_of_periods(
    capped: Collection[Period], zone: str, week_start: int, start: int, end: int
) -> tuple[int, int] | None:
    """Return the instants `[first, last)` within which bookings count against the caps of starts in
    `[start, end)`; None if nothing is capped."""
    if not capped:
        return None
    days = (local_day(zone, start) - 1, local_day(zone, end) + 1)
    periods = [_period(period, week_start, day) for period in capped for day in days]
    first, last = min(first for first, _ in periods), max(last for _, last in periods)
    return (first - 2) * DAY, (last + 3) * DAY


def week_of(zone: str, week_start: int, start: int) -> tuple[int, int]:
    """Return the instants `[first, last)` of the week in `zone` in which a start lies."""
    spans = list(local_days(zone, *_period("week", week_start, local_day(zone, start))))
    return spans[0][0], spans[-1][1]


def _period(period: Period, week_start: int, day: int) -> tuple[int, int]:
    """Return the first and the last day of the period in which `day` lies; days are counted from
    1970-01-01."""
    if period == "day":
        return day, day
    if period == "week":
        first = day - (day + 4 - week_start) % 7  # 1970-01-01 was a Thursday
        return first, first + 6
    date = day_named(day)
    first = day_number(date.replace(day=1))
    return first, first + monthrange(date.year, date.month)[1] - 1
