"""Calendars as other programs write them, and what is asked of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from kalends.core.hours import seconds
from kalends.core.intervals import Span
from kalends.reading.events import Found, Question, search

ZONE = "Europe/Berlin"
WINDOW = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
START, END = map(seconds, WINDOW)


def event(*lines: str, uid: str = "one@example.com") -> str:
    """An event with the properties that the lines are."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])


def calendar(*parts: str) -> str:
    """An iCalendar file."""
    frame = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//Example//EN"]
    return "\r\n".join([*frame, *parts, "END:VCALENDAR", ""])


def searched(*parts: str, zone: str = ZONE, free_timed_events: bool = False) -> Found:
    """What is found in a calendar of these parts."""
    return search([calendar(*parts)], Question((START, END), zone, free_timed_events))


def local(spans: Sequence[Span], zone: str = ZONE) -> list[str]:
    """Spans as people in a zone say them."""
    return [
        " to ".join(f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%m-%d %H:%M}" for at in span)
        for span in sorted(spans)
    ]


def busy(*parts: str, zone: str = ZONE, free_timed_events: bool = False) -> list[str]:
    """The busy times in a calendar of these parts, none of which is unreadable."""
    found = searched(*parts, zone=zone, free_timed_events=free_timed_events)
    assert not found.unreadable
    return local([span for spans in found.busy.values() for span in spans], zone)
