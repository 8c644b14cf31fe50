"""The list of appointments: every view of the calendar once more as a table, to be searched, filtered and
printed."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import InvalidTime, Malformed, Refusal
from kalends.core.finding import LONGEST_SEARCH, words
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment, AppointmentsAnswer
from kalends.schemas.calendars import Calendar
from kalends.schemas.queries import AppointmentsQuery
from kalends.services.booking import appointment_lists
from kalends.services.setup import calendars, colors
from kalends.services.setup.colors import Colors
from kalends.web import problems
from kalends.web.forms import validated
from kalends.web.grids import at
from kalends.web.readers import Reader
from kalends.web.staff_days import STATUSES
from kalends.web.staff_files import attached, cells_of
from kalends.web.staff_pages import day_in, shown_span, staff_page, today
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.web.themes import mark
from kalends.web.visits import reader_of
from kalends.words.sentences import marked

_LONGEST = 255
_DAYS = 7
"""So many days are listed unless others are asked for."""
PAGE = 50
MOST_IN_FILE = 10_000
"""So many appointments are in a file at most."""
_READ_AT_ONCE = 1_000
_NOT_POSSIBLE = marked("This does not work")
_DAYS_ASKED = {"from": marked("From"), "to": marked("Until")}
_NO_DATE = marked("Please enter a date.")
_BACKWARDS = marked("The last day comes before the first one.")
_TOO_MANY = marked("These are more than {count} appointments. Please choose fewer days.")

router = APIRouter(prefix="/staff/list", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """An appointment in words. `mark` is the class of its colour, if it has one of its own."""

    when: str
    href: str
    client: str
    type: str
    calendars: str
    status: str
    state: str
    mark: str


class Wanted(NamedTuple):
    """What is asked for: from which day to which (None: from the first, to the last one), and by the names of
    the parameters. What is searched for without days is in all of them, the latest first. What is `wrong`
    with the days is by the names of their parameters."""

    first: date | None
    last: date | None
    asked: Mapping[str, str]
    wrong: Mapping[str, str]

    def query(self, limit: int, cursor: str) -> AppointmentsQuery:
        """Return it as the API takes it. Raises Malformed."""
        if self.wrong:
            raise Malformed("The days can't be read, or the last one comes before the first one.")
        order = "desc" if self.first is None else "asc"
        sent: dict[str, Any] = {"limit": limit, "overlapping": True, "order": order}
        for name, value in {**self.asked, "cursor": cursor}.items():
            if value:
                sent["calendar_id" if name == "calendar" else name] = value
        return validated(AppointmentsQuery, sent)

    def span(self, reader: Reader) -> str:
        """Return which days these are, in words."""
        first, last = (each and reader.long_day(each) for each in (self.first, self.last))
        return f"{first or ''} – {last or ''}".strip() if first or last else reader.say("All days")


@router.get("")
async def show(call: Entered) -> Response:
    """List appointments by start, from one day to another, of some status, in a calendar, with some words."""
    return await _page(call, _wanted(call))


@router.get(".csv")
async def save(call: Entered) -> Response:
    """Answer with the same appointments as a file for spreadsheets."""
    wanted, reader = _wanted(call), reader_of(call)
    found: list[Appointment] = []
    names: Mapping[str, str] = {}
    cursor: str | None = ""
    try:
        while cursor is not None:
            if len(found) >= MOST_IN_FILE:
                told = reader.say(_TOO_MANY).format(count=MOST_IN_FILE)
                return await _page(call, wanted, told, Malformed("The file would be too large."))
            query = wanted.query(min(_READ_AT_ONCE, MOST_IN_FILE), cursor)
            page, _, names, _ = await call.look(_found, call, query)
            found += page.appointments
            cursor = page.next_cursor
    except (Malformed, InvalidTime) as refusal:
        told = "Please check what you entered." if wanted.wrong else _NOT_POSSIBLE
        return await _page(call, wanted, reader.say(told), refusal)
    name = f"appointments-{wanted.first or today(call)}.csv"
    return await asyncio.to_thread(lambda: attached(name, cells_of(found, names, reader, call.timezone)))


async def _page(
    call: EnteredCall, wanted: Wanted, refused: str | None = None, refusal: Refusal | None = None
) -> Response:
    asked = wanted.asked
    reader = at(reader_of(call), "/staff/list", **{name: value or None for name, value in asked.items()})
    read = call.look if asked["q"] else call.db.read
    try:
        query = wanted.query(PAGE, asked["cursor"]) if refusal is None else None
        found, known, names, own = await read(_found, call, query)
    except (Malformed, InvalidTime) as other:
        refused = reader.say("Please check what you entered." if wanted.wrong else _NOT_POSSIBLE)
        refusal = other
        found, known, names, own = await call.db.read(_found, call, None)
    return staff_page(
        call,
        "staff/list.html",
        reader.say("Appointments"),
        reader,
        room="list",
        status=200 if refusal is None else problems.noted(call.request, refusal),
        refused=refused,
        problems={name: reader.say(sentence) for name, sentence in wanted.wrong.items()},
        listed=[
            (name, f"{reader.say(label)} – {reader.say(wanted.wrong[name])}")
            for name, label in _DAYS_ASKED.items()
            if name in wanted.wrong
        ],
        asked=asked,
        longest=LONGEST_SEARCH,
        rows=rows_of(found.appointments, names, own, reader, call.timezone),
        colors=own.every,
        statuses=[(name, reader.say(said)) for name, said in STATUSES.items()],
        calendars=known,
        following=found.next_cursor and reader.here(cursor=found.next_cursor),
        start=reader.here(cursor=None) if asked["cursor"] else None,
        file=at(reader, "/staff/list.csv", cursor=None).here(),
        span=wanted.span(reader),
        zone=reader.zone_name(call.timezone, call.now),
    )


def rows_of(
    found: Iterable[Appointment], names: Mapping[str, str], known: Colors, reader: Reader, zone: str
) -> list[Row]:
    """Return appointments in words. `names` has those of calendars by id."""
    address = reader.below("/staff/appointments")
    return [
        Row(
            shown_span(reader, each.start_time, each.end_time, zone),
            address(each.id),
            each.client_name,
            each.appointment_type.name,
            ", ".join(names.get(taken.calendar_id, taken.calendar_id) for taken in each.calendars),
            reader.say(STATUSES[each.status]),
            each.status,
            mark(known.of(each.appointment_type.color, each.calendar_id)),
        )
        for each in found
    ]


def _wanted(call: EnteredCall) -> Wanted:
    sent = {name: value[:_LONGEST] for name, value in call.request.query_params.items()}
    first, last = day_in(sent.get("from", "")), day_in(sent.get("to", ""))
    searched = sent.get("q", "").strip()
    if not words(searched):
        first = first or min(today(call), last or date.max)
        last = last or _last(first)
    wrong = {name: _NO_DATE for name in ("from", "to") if sent.get(name) and day_in(sent[name]) is None}
    if not wrong and first and last and first > last:
        wrong = {"to": _BACKWARDS}
    asked = {
        "from": sent["from"] if "from" in wrong else "" if first is None else first.isoformat(),
        "to": sent["to"] if wrong.get("to") == _NO_DATE else "" if last is None else last.isoformat(),
        "status": sent.get("status", ""),
        "calendar": sent.get("calendar", "").partition(",")[0],
        "cursor": sent.get("cursor", ""),
        "q": searched,
    }
    return Wanted(first, last, asked, wrong)


def _found(
    tx: Tx, call: EnteredCall, query: AppointmentsQuery | None
) -> tuple[AppointmentsAnswer, list[Calendar], Mapping[str, str], Colors]:
    """Return what was asked for, the calendars to choose from, the names of all of them, and all colours.
    Raises Malformed, InvalidTime."""
    answer = AppointmentsAnswer(appointments=[], next_cursor=None)
    if query is not None:
        answer = appointment_lists.page(tx, call.org_id, call.timezone, query, call.now)
    org_id = call.org_id
    return answer, calendars.all_of(tx, org_id), calendars.names(tx, org_id), colors.of(tx, org_id)


def _last(first: date) -> date:
    try:
        return first + timedelta(days=_DAYS - 1)
    except OverflowError:
        return first
