"""The pages on which staff see their days and weeks."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import InvalidTime, NotFound
from kalends.core.local_spans import span_of_day
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.services.booking import staff_days
from kalends.services.booking.staff_days import ShownCalendar, StaffDays
from kalends.services.outbox import event_pages
from kalends.services.setup import colors
from kalends.services.setup.colors import Colors
from kalends.web import block_rules, first_run
from kalends.web.block_forms import BlockSheet
from kalends.web.grids import at
from kalends.web.readers import Reader
from kalends.web.staff_days import DayView
from kalends.web.staff_pages import chosen_in, day_in, staff_page, today
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.web.visits import lead_to, reader_of

WEEK = 7

router = APIRouter(prefix="/staff", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Ways:
    """Where to go from a day or a week: the addresses of those before and after it, of the present one, and
    of other `views` (each with its name, and whether it is this one). A form that chooses calendars is sent
    to `action`, with what is `kept`."""

    earlier: str | None
    today: str
    later: str | None
    views: Sequence[tuple[str, str, bool]]
    action: str
    kept: Mapping[str, str]


@router.get("")
async def enter(call: Entered) -> Response:
    """Lead to today, or to the first steps of a new organization."""
    if await first_run.is_needed(call):
        return lead_to(call, reader_of(call).link(first_run.PATH))
    return lead_to(call, reader_of(call).link(f"/staff/day/{today(call)}"))


@router.get("/day/{day}")
async def day(day: str, call: Entered) -> Response:
    """Show a day, with the calendars side by side."""
    return await day_page(call, _day(day), chosen_in(call.request))


@router.get("/week/{day}")
async def week(day: str, call: Entered) -> Response:
    """Show the week of a day, as lists."""
    reader = reader_of(call)
    wanted = _day(day)
    shown = _week(wanted, reader.first_weekday, call.timezone)
    first, count, only = shown[0], len(shown), chosen_in(call.request)
    near = min(max(wanted, first), shown[-1])
    reader = _at(reader, "week", wanted, only)
    looked = await call.look(_views, call, reader, first, count, only)
    found = looked.found
    span = f"{reader.short_day(first)} – {reader.short_day(shown[-1], first)}"
    return await asyncio.to_thread(  # where many are booked, it is long
        staff_page,
        call,
        "staff/week.html",
        reader.say("Week: {days}").format(days=span),
        reader,
        colors=looked.colors.every,
        views=[(each, _address(reader, "day", each.date, only)) for each in looked.views],
        today=today(call),
        ways=_ways(call, reader, "week", near, WEEK, only),
        calendars=found.calendars,
        chosen=known_of(only, found.calendars),
        zone=reader.zone_name(call.timezone, call.now),
    )


async def day_page(
    call: EnteredCall,
    day: date,
    only: Collection[str],
    sheet: BlockSheet | None = None,
    *,
    status: int = 200,
) -> Response:
    """Return the page of a day. `sheet` is the form that blocks time, if it was filled in and refused."""
    reader = _at(reader_of(call), "day", day, only)
    looked = await call.db.read(_views, call, reader, day, 1, only)
    found, [view] = looked.found, looked.views
    return await asyncio.to_thread(
        staff_page,
        call,
        "staff/day.html",
        view.title,
        reader,
        room="day" if day == today(call) else None,
        status=status,
        colors=looked.colors.every,
        view=view,
        after=looked.after,
        ways=_ways(call, reader, "day", day, 1, only),
        calendars=found.calendars,
        chosen=known_of(only, found.calendars),
        zone=reader.zone_name(call.timezone, call.now),
        block=sheet or BlockSheet.empty(reader, day, only),
        block_weekdays=block_rules.weekdays(reader),
    )


class _Looked(NamedTuple):
    """Some days, in the reader's words, the colours in them, and the cursor of the events up to which they
    are known."""

    after: str
    found: StaffDays
    views: Sequence[DayView]
    colors: Colors


def _views(
    tx: Tx,
    call: EnteredCall,
    reader: Reader,
    first: date,
    count: int,
    only: Collection[str],
) -> _Looked:
    """Return some days. Raises InvalidTime at the ends of the calendar."""
    after = event_pages.newest(tx, call.org_id)
    found = staff_days.of(tx, call.org_id, call.timezone, first, call.now, days=count, only=only)
    known = colors.of(tx, call.org_id)

    def made() -> Sequence[DayView]:
        views = [DayView(each, reader, call.timezone, call.now, known) for each in found.days]
        for view in views:
            _ = view.columns if count == 1 else view.lines
        return views

    return _Looked(after, found, aside(tx, made), known)


def _ways(
    call: EnteredCall,
    reader: Reader,
    view: str,
    day: date,
    step: int,
    only: Collection[str],
) -> Ways:
    before, after = (_beside(day, by, call.timezone) for by in (-step, step))
    return Ways(
        None if before is None else _address(reader, view, before, only),
        _address(reader, view, today(call), only),
        None if after is None else _address(reader, view, after, only),
        views_of(reader, view, day, day, only),
        f"{reader.prefix}{reader.path}",
        reader.carried,
    )


def views_of(
    reader: Reader, view: str, first: date, last: date, only: Collection[str]
) -> list[tuple[str, str, bool]]:
    """Return the views of some days: the name and the address of each, and whether it is the one that is
    shown."""
    say = reader.say
    bounds = {"from": first.isoformat(), "to": last.isoformat(), "calendar": ",".join(only) or None}
    return [
        (say("Day"), _address(reader, "day", first, only), view == "day"),
        (say("Week"), _address(reader, "week", first, only), view == "week"),
        (say("Month"), month_address(reader, first, only), view == "month"),
        (say("List"), reader.link("/staff/list", **bounds), False),
    ]


def month_address(reader: Reader, day: date, only: Collection[str]) -> str:
    """Return the address of the month of a day."""
    return reader.link(f"/staff/month/{day.isoformat()[:7]}", calendar=",".join(only) or None)


def _at(reader: Reader, view: str, day: date, only: Collection[str]) -> Reader:
    """Return the reader at the address of a day or a week, which is not where a form was sent to."""
    return at(reader, f"/staff/{view}/{day}", calendar=",".join(only) or None)


def _address(reader: Reader, view: str, day: date, only: Collection[str]) -> str:
    return reader.link(f"/staff/{view}/{day}", calendar=",".join(only) or None)


def known_of(only: Collection[str], calendars: Sequence[ShownCalendar]) -> frozenset[str]:
    """Return the calendars that were chosen and can be; none if all are shown."""
    return frozenset(only) & {each.id for each in calendars}


def _day(text: str) -> date:
    found = day_in(text)
    if found is None:
        raise NotFound("There is no such day.")
    return found


def _week(wanted: date, first_weekday: int, zone: str) -> list[date]:
    """Return the days of the week of a day: fewer at the ends of the calendar, where some can't be shown.
    Raises NotFound if none can."""
    back = (wanted.isoweekday() - first_weekday) % WEEK
    days = (_shifted(wanted, each - back) for each in range(WEEK))
    if not (shown := [each for each in days if each is not None and _length(each, zone) is not None]):
        raise NotFound("There is no such week.")
    return shown


def _beside(day: date, by: int, zone: str) -> date | None:
    """Return a day so many days later; if the clocks leave that one out, the next in that direction. None at
    the ends of the calendar."""
    while (found := _shifted(day, by)) is not None and _length(found, zone) == 0:
        day, by = found, 1 if by > 0 else -1
    return None if found is None or _length(found, zone) is None else found


def _length(day: date, zone: str) -> int | None:
    """Return how many seconds a day has, none if the clocks leave it out; None if it can't be
    shown."""
    try:
        begin, end = span_of_day(day, zone)
    except InvalidTime:
        return None
    return end - begin


def _shifted(day: date, by: int) -> date | None:
    """Return a day so many days later; None beyond the calendar."""
    try:
        return day + timedelta(days=by)
    except OverflowError:
        return None
