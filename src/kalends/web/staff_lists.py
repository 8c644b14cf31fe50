"""The list of appointments: every view of the calendar once more as a table, to be filtered and printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import InvalidTime, Malformed
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment, AppointmentsAnswer
from kalends.schemas.calendars import Calendar
from kalends.schemas.queries import AppointmentsQuery
from kalends.services.booking import appointment_lists
from kalends.services.setup import calendars
from kalends.web import problems
from kalends.web.forms import validated
from kalends.web.grids import at
from kalends.web.readers import Reader
from kalends.web.staff_days import STATUSES
from kalends.web.staff_pages import day_in, shown_span, staff_page, today
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.web.visits import reader_of

_LONGEST = 255
_DAYS = 7
"""So many days are listed unless others are asked for."""
PAGE = 50

router = APIRouter(prefix="/staff/list", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """An appointment in words."""

    when: str
    href: str
    client: str
    type: str
    calendars: str
    status: str
    state: str


@router.get("")
async def show(call: Entered) -> Response:
    """List appointments by start, from one day to another, of some status, in a calendar."""
    sent = {name: value[:_LONGEST] for name, value in call.request.query_params.items()}
    first = day_in(sent.get("from", "")) or today(call)
    last = day_in(sent.get("to", "")) or _last(first)
    asked = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "status": sent.get("status", ""),
        "calendar": sent.get("calendar", "").partition(",")[0],
        "cursor": sent.get("cursor", ""),
    }
    kept = {name: value or None for name, value in asked.items()}
    reader = at(reader_of(call), "/staff/list", **kept)
    status, refused = 200, None
    try:
        found, known, names = await call.db.read(_found, call, asked)
    except (Malformed, InvalidTime) as refusal:
        status, refused = problems.noted(call.request, refusal), reader.say("This does not work")
        found = AppointmentsAnswer(appointments=[], next_cursor=None)
        _, known, names = await call.db.read(_found, call, None)
    return staff_page(
        call,
        "staff/list.html",
        reader.say("Appointments"),
        reader,
        room="list",
        status=status,
        refused=refused,
        asked=asked,
        rows=[_row(each, names, reader, call.timezone) for each in found.appointments],
        statuses=[(name, reader.say(words)) for name, words in STATUSES.items()],
        calendars=known,
        following=found.next_cursor and reader.here(cursor=found.next_cursor),
        start=reader.here(cursor=None) if asked["cursor"] else None,
        span=f"{reader.long_day(first)} – {reader.long_day(last)}",
        zone=reader.zone_name(call.timezone, call.now),
        kept=reader.carried,
    )


def _found(
    tx: Tx, call: EnteredCall, asked: Mapping[str, str] | None
) -> tuple[AppointmentsAnswer, list[Calendar], Mapping[str, str]]:
    """Return what was asked for, the calendars to choose from, and the names of all of them. Raises
    Malformed, InvalidTime."""
    answer = AppointmentsAnswer(appointments=[], next_cursor=None)
    if asked is not None:
        names = {"calendar": "calendar_id"}
        sent = {names.get(name, name): value for name, value in asked.items() if value}
        query = validated(AppointmentsQuery, sent | {"limit": PAGE, "overlapping": True})
        answer = appointment_lists.page(tx, call.org_id, call.timezone, query, call.now)
    return answer, calendars.all_of(tx, call.org_id), calendars.names(tx, call.org_id)


def _row(about: Appointment, names: Mapping[str, str], reader: Reader, zone: str) -> Row:
    return Row(
        shown_span(reader, about.start_time, about.end_time, zone),
        reader.link(f"/staff/appointments/{about.id}"),
        about.client_name,
        about.appointment_type.name,
        ", ".join(names.get(each.calendar_id, each.calendar_id) for each in about.calendars),
        reader.say(STATUSES[about.status]),
        about.status,
    )


def _last(first: date) -> date:
    try:
        return first + timedelta(days=_DAYS - 1)
    except OverflowError:
        return first
