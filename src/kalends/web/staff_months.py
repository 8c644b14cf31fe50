"""The page on which staff see a month: how much is booked on each day."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import NotFound
from kalends.services.booking import staff_months
from kalends.services.booking.months import FIRST_MONTH, LAST_MONTH, last_of, month_of
from kalends.services.booking.staff_months import CountedDay
from kalends.web.grids import at
from kalends.web.readers import Reader
from kalends.web.staff_calendar import Ways, known_of, month_address, views_of
from kalends.web.staff_pages import chosen_in, staff_page, today
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.web.visits import reader_of
from kalends.words.sentences import marked

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_ONE, _SEVERAL = marked("{count} appointment"), marked("{count} appointments")
_PENDING = marked("{count} to be confirmed")

router = APIRouter(prefix="/staff/month", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Cell:
    """A day in the table. Its `label` says everything about it."""

    about: CountedDay
    href: str
    label: str
    is_today: bool


@router.get("/{month}")
async def show(month: str, call: Entered) -> Response:
    """Show a month: each day leads to its page."""
    first, only = _month(month), chosen_in(call.request)
    found = await call.look(staff_months.of, call.org_id, call.timezone, first, call.now, only=only)
    calendar = ",".join(only) or None
    reader = at(reader_of(call), f"/staff/month/{month}", calendar=calendar)
    cells = [_cell(each, reader, today(call), calendar) for each in found.days]
    return staff_page(
        call,
        "staff/month.html",
        reader.month(first),
        reader,
        weekdays=reader.weekdays(),
        weeks=_weeks(cells, (first.isoweekday() - reader.first_weekday) % 7),
        ways=_ways(call, reader, first, only),
        calendars=found.calendars,
        chosen=known_of(only, found.calendars),
        zone=reader.zone_name(call.timezone, call.now),
    )


def _cell(about: CountedDay, reader: Reader, present: date, calendar: str | None) -> Cell:
    parts = [reader.long_day(about.date)]
    if about.booked:
        parts.append(reader.say(_ONE if about.booked == 1 else _SEVERAL).format(count=about.booked))
    if about.pending:
        parts.append(reader.say(_PENDING).format(count=about.pending))
    if about.is_closed:
        parts.append(reader.say("Closed"))
    href = reader.link(f"/staff/day/{about.date}", calendar=calendar)
    return Cell(about, href, ", ".join(parts), about.date == present)


def _weeks(cells: Sequence[Cell], before: int) -> list[list[Cell | None]]:
    """Return the days in rows of seven, with nothing in the places `before` the first and after the last."""
    places: list[Cell | None] = [*[None] * before, *cells]
    places += [None] * (-len(places) % 7)
    return [places[each : each + 7] for each in range(0, len(places), 7)]


def _ways(call: EnteredCall, reader: Reader, first: date, only: Collection[str]) -> Ways:
    before, after = (first - timedelta(days=1)).replace(day=1), last_of(first) + timedelta(days=1)
    present = month_of(call.now, call.timezone)
    # The other views show today, if it is in this month.
    day = today(call) if present == first else first
    views = views_of(reader, "month", day, day, only)
    views[-1] = views_of(reader, "month", first, last_of(first), only)[-1]
    return Ways(
        month_address(reader, before, only) if before >= FIRST_MONTH else None,
        month_address(reader, present, only),
        month_address(reader, after, only) if after <= LAST_MONTH else None,
        views,
        f"{reader.prefix}{reader.path}",
        reader.carried,
    )


def _month(text: str) -> date:
    """Return the first day of a month. Raises NotFound for what is none, and at the ends of the calendar."""
    try:
        first = date.fromisoformat(f"{text}-01") if _MONTH.fullmatch(text) else None
    except ValueError:
        first = None
    if first is None or not FIRST_MONTH <= first <= LAST_MONTH:
        raise NotFound("There is no such month.")
    return first
