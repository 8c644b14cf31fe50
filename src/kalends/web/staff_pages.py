"""What pages for staff have in common."""

import re
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kalends.core.errors import InvalidTime
from kalends.core.hours import instant
from kalends.core.local_spans import span_of_day
from kalends.schemas.fields import as_moment
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.web.forms import Form
from kalends.web.pages import About
from kalends.web.readers import Reader
from kalends.web.staff_colors import stylesheet
from kalends.web.staff_visits import EnteredCall
from kalends.web.visits import page
from kalends.words import dates

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_KEY = 100
_LONGEST_IDS = 50
"""So many calendars are chosen at once at most."""


def staff_page(
    call: EnteredCall,
    template: str,
    title: str,
    reader: Reader,
    *,
    room: str | None = None,
    colors: Sequence[str] = (),
    **what: Any,
) -> Response:
    """Return a page for staff. `room` is which of the links of all pages leads to it, and `colors` are those
    of types and calendars (`#rrggbb`) that it may show."""
    what["colors"] = stylesheet(reader, colors)
    member = call.member
    may_write = member.may("write")
    about = About(title)
    return page(call, template, about, reader=reader, room=room, member=member, may_write=may_write, **what)


def today(call: EnteredCall) -> date:
    """Return which day it is at the organization."""
    return dates.local(call.now, call.timezone).date()


def chosen_in(request: Request) -> tuple[str, ...]:
    """Return the calendars that an address names, separated by commas, or by a parameter each."""
    named = [each.strip() for sent in request.query_params.getlist("calendar") for each in sent.split(",")]
    return tuple(dict.fromkeys(each for each in named if each and "\x00" not in each))[:_LONGEST_IDS]


def day_in(text: str) -> date | None:
    """Return a date that was sent, as browsers write it; None for what is none."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def moment_in(form: Form, day: str, time: str, zone: str) -> datetime:
    """Return the UTC instant that the fields `day` and `time` of a form say, on the clocks of `zone`. Raises
    Malformed if one of them says nothing that can be read, and for a day that no page can show;
    NonexistentTime and AmbiguousTime if the clocks skip or repeat it."""
    if (on := day_in(form.text(day))) is None:
        raise malformed([wrong(day, "must be a date", "date")])
    must_be_shown(on, day, zone)
    try:
        wall = as_moment(f"{on.isoformat()}T{form.text(time)}")
    except ValueError:
        raise malformed([wrong(time, "must be a time of day", "clock_time")]) from None
    if wall.tzinfo is not None:
        raise malformed([wrong(time, "must be a time of day", "clock_time")])
    return instant(wall, zone)


def must_be_shown(on: date, field: str, zone: str) -> None:
    """Raise Malformed for a `field` that says a day at the ends of the calendar, which has no page."""
    try:
        span_of_day(on, zone)
    except InvalidTime:
        raise malformed([wrong(field, "is at the end of the calendar", "edge")]) from None


def on_the_clock(at: datetime, zone: str) -> tuple[str, str]:
    """Return the day and the time that fields say for an instant."""
    when = dates.local(at, zone)
    return when.date().isoformat(), f"{when:%H:%M}"


def shown_moment(reader: Reader, at: datetime, zone: str) -> str:
    """Return a day and time in words: `Thursday, 3 December 2026, 9:00`."""
    when = dates.local(at, zone)
    return f"{reader.long_day(when.date())}, {reader.time(when)}"


def shown_span(reader: Reader, start: datetime, end: datetime, zone: str) -> str:
    """Return from when to when, in words, with the day of the end if it is another one."""
    first, last = dates.local(start, zone), dates.local(end, zone)
    until = reader.time(last)
    if last.date() != first.date():
        until = f"{reader.long_day(last.date())}, {until}"
    return f"{shown_moment(reader, start, zone)} – {until}"


def new_key() -> str:
    """Return a name for a form, which no other form has."""
    return secrets.token_urlsafe(16)


def key_in(form: Form) -> str:
    """Return the name of a form that was sent."""
    return form.text("key")[:_LONGEST_KEY] or new_key()
