"""What of an iCalendar file matters to busy times: when events are, and how zones are spelled out.

All else is dropped before it is parsed: what events are about is nobody's business here, and most of a
calendar is its past.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from kalends.core.sources import SourceTrouble

CUT_OFF = "The calendar is cut off: it does not end as it began."
_LINE_END = re.compile(r"\r\n?")
_FOLD = re.compile(r"\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_DAY = re.compile(r":([0-9]{8})(?:T[0-9]{6}Z?)?$")
_OF_CALENDARS = frozenset({"CALSCALE", "PRODID", "VERSION", "X-WR-TIMEZONE"})
_OF_EVENTS = frozenset(
    {
        *("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SEQUENCE"),
        *("STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"),
    }
)
_RECURRING = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})


def sieved(text: str, first: date, last: date) -> Iterator[str]:
    """Return the calendars in a file, each with what matters only: without events that are not a series and
    are over before the `first` day, or begin after the `last`.

    Raises SourceTrouble if what the file begins does not end: what is cut off would free what it lost.
    """
    for calendar in _parts(_FOLD.sub("", _LINE_END.sub("\n", text)).split("\n")):
        if _parted(calendar[0]) != ("BEGIN", "VCALENDAR"):
            raise SourceTrouble(
                "The calendar can't be read: it has something before its begin or after its end."
            )
        kept = [line for part in _parts(calendar[1:-1]) for line in _what_matters(part, first, last)]
        yield "\r\n".join([calendar[0], *kept, calendar[-1], ""])


def _parts(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """Return the components among the lines, each whole, and by itself each line that is of none."""
    part: list[str] = []
    inside: list[str] = []
    for line in filter(str.strip, lines):
        name, value = _parted(line)
        part.append(line)
        if name == "BEGIN":
            inside.append(value)
        elif name == "END" and (not inside or inside.pop() != value):
            raise SourceTrouble(f"The calendar can't be read: END:{value[:40]} ends what did not begin.")
        if not inside:
            yield part
            part = []
    if inside:
        raise SourceTrouble(CUT_OFF)


def _parted(line: str) -> tuple[str, str]:
    """Return the name of a line, and what it begins or ends."""
    found = _NAME.match(line)
    name = found[0].upper() if found else ""
    return name, line[len(name) + 1 :].strip().upper() if name in ("BEGIN", "END") else ""


def _what_matters(part: Sequence[str], first: date, last: date) -> Sequence[str]:
    """Return the lines that matter of a component, or of a line of the calendar itself."""
    name, value = _parted(part[0])
    if value == "VTIMEZONE" or name in _OF_CALENDARS:
        return part
    if value == "VFREEBUSY":
        raise SourceTrouble(
            "The address tells only when somebody is busy (VFREEBUSY). Enter their calendar's."
        )
    if value != "VEVENT":
        return ()
    alone = (inner[0] for inner in _parts(part[1:-1]) if len(inner) == 1)
    event = [line for line in alone if _parted(line)[0] in _OF_EVENTS]
    return [part[0], *event, part[-1]] if _is_near(event, first, last) else ()


def _is_near(event: Sequence[str], first: date, last: date) -> bool:
    """Return whether an event may be on the days from `first` to `last`. If in doubt, it may."""
    lines = {_parted(line)[0]: line for line in event}
    starts = _day(lines.get("DTSTART", ""))
    if starts is None or not _RECURRING.isdisjoint(lines):
        return True
    ends = starts if "DTEND" not in lines else _day(lines["DTEND"])
    over = "DURATION" not in lines and ends is not None and max(starts, ends) < f"{first:%Y%m%d}"
    return not over and starts <= f"{last:%Y%m%d}"


def _day(line: str) -> str | None:
    found = _DAY.search(line)
    return found[1] if found else None
