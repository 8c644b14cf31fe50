"""Blocks: time of a calendar without a client, once or every week."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import islice

from kalends.core.hours import DAY, day_named, wall_clock, when_showing
from kalends.core.intervals import Span

MOST_DAYS = 731
"""Two years: a block, or what its rule makes of it, lasts no longer."""
_TWO_YEARS = "two years after start_time"
_WEEK = 7 * DAY
Fault = tuple[str, str, str]
"""A wrong field, why it is wrong, and a code for the reason (`schemas.wrong_fields`)."""


@dataclass(frozen=True, slots=True)
class WeeklyRule:
    """On which days a block comes again: on these days of the week, 0 for Sunday … 6 for Saturday.

    Weeks are counted from the day of the block's start, and of `interval_weeks` the first one counts. The
    last day is `until`, included, or that of the instance with the number `count`. There is none on
    `except_days`, though they are counted. Days are numbers since 1970-01-01.
    """

    days_of_week: Set[int]
    interval_weeks: int = 1
    until: int | None = None
    count: int | None = None
    except_days: Set[int] = frozenset()

    def days(self, first: int) -> Iterator[int]:
        """Return the days of a block that starts on the day `first`."""
        return (day for day in self._counted(first) if day not in self.except_days)

    def fault(self, first: int) -> Fault | None:
        """Return what is wrong with the rule for a block that starts on the day `first`."""
        if (day := day_of_week(first)) not in self.days_of_week:
            return "rule.days_of_week", f"must have that of start_time, {day} (0 = Sunday)", "invalid"
        if self.until is not None and self.until < first:
            return "rule.until", "must not be before start_time", "invalid"
        if self.until is not None and self.until > first + MOST_DAYS:
            return "rule.until", f"must not be after {_named(first + MOST_DAYS)}, {_TWO_YEARS}", "invalid"
        if self.count is not None and self.count > sum(1 for _ in self._counted(first)):
            return "rule.count", f"must not lead beyond {_named(first + MOST_DAYS)}, {_TWO_YEARS}", "invalid"
        return None

    def _counted(self, first: int) -> Iterator[int]:
        last = first + MOST_DAYS if self.until is None else self.until
        found = (
            day
            for day in range(first, last + 1)
            if (day - first) // 7 % self.interval_weeks == 0 and day_of_week(day) in self.days_of_week
        )
        return islice(found, self.count)


def day_of_week(day: int) -> int:
    """Return the day of the week of a calendar day, 0 for Sunday … 6 for Saturday."""
    return (day + 4) % 7  # 1970 began on a Thursday


def fault(start: int, end: int, rule: WeeklyRule | None, zone: str) -> Fault | None:
    """Return what is wrong with a block from `start` to `end`, both instants in seconds, and its rule, in
    `zone`, an IANA name; None if it may be."""
    if end <= start:
        return "end_time", "must be later than start_time", "window"
    if end - start > MOST_DAYS * DAY:
        return "end_time", f"must be at most {_TWO_YEARS}", "invalid"
    if rule is None:
        return None
    begin, finish = wall_clock(zone, start), wall_clock(zone, end)
    if not begin < finish <= begin + _WEEK:
        reason = "must be later than start_time on the clock, and by seven days at most, if there is a rule"
        return "end_time", reason, "window"
    if (found := rule.fault(begin // DAY)) is not None:
        return found
    if not instances(start, end, rule, zone):
        return "rule.except_dates", "must not have all of the rule's days", "invalid"
    return None


def instances(start: int, end: int, rule: WeeklyRule | None, zone: str) -> list[Span]:
    """Return the time that a block takes, one instance after the other, as instants in seconds. A rule's
    instances begin and end at the same times of the wall clock in `zone`. What the clocks skip is left out of
    an instance, and what they repeat is in it twice."""
    if rule is None:
        return [(start, end)]
    begin, finish = wall_clock(zone, start), wall_clock(zone, end)
    first = begin // DAY
    later = [(day - first) * DAY for day in rule.days(first)]
    return when_showing(zone, [(begin + by, finish + by) for by in later])


def _named(day: int) -> str:
    return day_named(day).isoformat()
