"""The busy times in iCalendar files (RFC 5545), which strangers wrote: parsed, expanded, and judged.

It may take as much time and memory as they like, so it runs in a process of its own (`reading/aside.py`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vDDDTypes, vRecur
from icalendar.timezone import tzp
from recurring_ical_events import CalendarQuery

from kalends.core.hours import day_start, moment, seconds, shifted, zone_names
from kalends.core.intervals import Span
from kalends.core.sources import SourceTrouble
from kalends.reading.sieve import CUT_OFF, sieved

MOST_INSTANCES = 10_000
MOST_UNREADABLE = 10
"""How many of the events that can't be read are named."""
_AROUND = timedelta(days=2)
_DAY = timedelta(days=1)
_TIMES = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"})
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a calendar: its busy times between two instants in seconds. `zone` is its owner's."""

    window: Span
    zone: str
    free_timed_events: bool = False

    @property
    def around(self) -> tuple[datetime, datetime]:
        """The window and two days more: local days and times are up to a day off from UTC."""
        start, end = (moment(second) for second in self.window)
        return shifted(start, -_AROUND), shifted(end, _AROUND)


@dataclass(slots=True)
class Found:
    """What a calendar holds: the busy times of each event, by its UID, and which events can't be read."""

    busy: dict[str, list[Span]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    instances: int = 0


def search(files: Sequence[str], question: Question) -> Found:
    """Return the busy times in iCalendar files.

    Raises SourceTrouble if one of them is no whole calendar, if there are too many events, or if none of
    them can be read.
    """
    found = Found()
    read = False
    for calendar in (each for file in files for each in _calendars(file, question)):
        place = _zone_of(calendar, question.zone)
        for uid, events in _series(calendar):
            try:
                if spans := _busy(events, question, place, found):
                    found.busy.setdefault(uid, []).extend(spans)
                read = True
            except (SourceTrouble, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - what strangers wrote is wrong in every way
                if not all(_is_free(event) for event in events):
                    found.unreadable.append(_name(uid, events, error))
    if found.unreadable and not read:
        raise SourceTrouble(f"None of its events can be read. {found.unreadable[0]}")
    return found


def _calendars(file: str, question: Question) -> Iterator[Calendar]:
    """Parse a file, in which there may be several calendars."""
    text = file.strip("\ufeff \t\r\n")
    if not text[:40].upper().startswith("BEGIN:VCALENDAR"):
        raise SourceTrouble(_not_a_calendar(text))
    if not text[-40:].upper().endswith("END:VCALENDAR"):
        raise SourceTrouble(CUT_OFF)
    for calendar in sieved(text, *(at.date() for at in question.around)):
        # A zone that one calendar spells out is not another's, even if they call it the same.
        tzp.use_default()
        try:
            yield Calendar.from_ical(calendar)
        except (ValueError, LookupError) as error:
            raise SourceTrouble(f"The calendar can't be read: {_told(error)}.") from error


def _not_a_calendar(text: str) -> str:
    if not text:
        return "The answer is empty. An empty calendar would say BEGIN:VCALENDAR and END:VCALENDAR."
    if text.startswith("<"):
        return "The answer is a web page, not a calendar. Enter the address of its iCalendar file (.ics)."
    return "The answer is not a calendar: it does not begin with BEGIN:VCALENDAR."


def _zone_of(calendar: Calendar, zone: str) -> ZoneInfo:
    """Return the zone of local times that name none: the calendar's, if it tells a known one, or else its
    owner's."""
    told = str(calendar.get("X-WR-TIMEZONE", ""))
    return ZoneInfo(told if told in zone_names() else zone)


def _series(calendar: Calendar) -> Iterator[tuple[str, list[Event]]]:
    """Return the events by UID: a series, and those of its instances that were changed. Of two that have one
    UID, though they may not, each is a series."""
    series: dict[str, list[Event]] = defaultdict(list)
    for event in calendar.walk("VEVENT"):
        if isinstance(event, Event):
            series[str(event.get("UID", f"{id(event)}@nowhere"))].append(event)
    for uid, events in series.items():
        firsts = [event for event in events if "RECURRENCE-ID" not in event]
        yield uid, firsts[:1] + [event for event in events if "RECURRENCE-ID" in event]
        yield from ((uid, [event]) for event in firsts[1:])


def _busy(events: Sequence[Event], question: Question, place: ZoneInfo, found: Found) -> Sequence[Span]:
    """Return the busy times of a series of events in the window."""
    start, end = question.window
    for event in events:
        _check(event)
        _mend(event)
    series = Calendar()
    series.subcomponents.extend(events)
    spans: list[Span] = []
    for event in CalendarQuery(series).between(*question.around):
        begins = event.decoded("DTSTART")
        first, last = _span(begins, event.decoded("DTEND"), question.zone, place)
        if max(first, start) >= min(last, end):
            continue
        found.instances += 1
        if found.instances > MOST_INSTANCES:
            raise SourceTrouble(f"The calendar has more than {MOST_INSTANCES:,} events in the time ahead.")
        if not _is_free(event) and not (question.free_timed_events and isinstance(begins, datetime)):
            spans.append((max(first, start), min(last, end)))
    return spans


def _check(event: Event) -> None:
    """Raise ValueError if a time of the event could not be parsed, or if it recurs more often than people's
    events do."""
    for name, error in event.errors:
        # A line without a name could not even be split, and only lines that matter are left of an event.
        if name is None or name in _TIMES:
            raise ValueError(f"{name}: {error}")
    for rule in _rules(event):
        if _TOO_OFTEN.intersection(str(frequency).upper() for frequency in rule.get("FREQ", ())):
            raise ValueError("RRULE: it recurs every second or minute")


def _mend(event: Event) -> None:
    """Give rules an end that is comparable with the start. Many programs write UNTIL as a day or in local
    time; either includes what begins by then where the event takes place."""
    start = event.decoded("DTSTART")
    if not isinstance(start, datetime) or start.tzinfo is None:
        return
    for rule in _rules(event):
        rule["UNTIL"] = [_instant(until, start) for until in rule.get("UNTIL", ())]
        if not rule["UNTIL"]:
            del rule["UNTIL"]


def _instant(until: date, start: datetime) -> datetime:
    if not isinstance(until, datetime):
        until = datetime.combine(until, time(23, 59, 59))
    return (until if until.tzinfo is not None else until.replace(tzinfo=start.tzinfo)).astimezone(UTC)


def _rules(event: Event) -> Sequence[vRecur]:
    rules = event.get("RRULE", [])
    return rules if isinstance(rules, list) else [rules]


def _is_free(event: Event) -> bool:
    """Return whether an event takes no time: cancelled, or shown as free. A tentative one takes it."""
    return (
        _word(event, "STATUS") == "CANCELLED"
        or _word(event, "TRANSP") == "TRANSPARENT"
        or _word(event, "X-MICROSOFT-CDO-BUSYSTATUS") == "FREE"
    )


def _word(event: Event, name: str) -> str:
    value = event.get(name, "")
    return str(value[-1] if isinstance(value, list) else value).strip().upper()


def _span(begins: date, ends: date, zone: str, place: ZoneInfo) -> Span:
    """Return when an instance takes time. Whole days are its owner's, and a day that ends when it begins is
    one day."""
    if isinstance(begins, datetime):
        return _second(begins, place), _second(ends, place)
    last = ends.date() if isinstance(ends, datetime) else ends
    return seconds(day_start(begins, zone)), seconds(day_start(max(last, begins + _DAY), zone))


def _second(at: date, place: ZoneInfo) -> int:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    return seconds(at if at.tzinfo is not None else at.replace(tzinfo=place))


def _name(uid: str, events: Sequence[Event], error: Exception) -> str:
    """Name an event that can't be read so that its owner finds it, without telling what it is about."""
    start = events[0].get("DTSTART")
    day = start.dt if isinstance(start, vDDDTypes) else None
    which = f"The event of {day:%Y-%m-%d}" if isinstance(day, date) else f"The event {uid[:80]}"
    return f"{which} can't be read: {_told(error)}."


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
