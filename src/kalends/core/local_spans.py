"""Spans of one local day, which lasts 23, 24 or 25 hours: where something lies in it."""

from dataclasses import dataclass
from datetime import date

from kalends.core.hours import HOUR, begin_of, end_of, seconds
from kalends.core.intervals import Span


@dataclass(frozen=True, slots=True)
class Piece:
    """What lies within a day of something: from `start` to `end`, in seconds after the day began; whether it
    `began_before` the day, and whether it `ends_after` it."""

    start: int
    end: int
    began_before: bool
    ends_after: bool


def span_of_day(day: date, zone: str) -> Span:
    """Return the instants, in seconds, of a calendar day in `zone` (IANA name): from its first instant until
    the first of the next. They are none if the clocks leave the date out.

    Raises InvalidTime at the ends of the calendar.
    """
    return seconds(begin_of(day, zone)), seconds(end_of(day, zone))


def cut(span: Span, day: Span) -> Piece | None:
    """Return what lies within a day of a span, both as instants in seconds; None if nothing does."""
    start, end = max(span[0], day[0]), min(span[1], day[1])
    if start >= end:
        return None
    return Piece(start - day[0], end - day[0], span[0] < day[0], span[1] > day[1])


def whole_hours(start: int, end: int, length: int) -> tuple[int, int]:
    """Return the hours of a day that lasts `length` seconds which have all from `start` to `end`, in seconds
    after it began: the number of the first one, and that after the last one."""
    last = -(-length // HOUR)
    return max(0, start // HOUR), min(last, -(-end // HOUR))
