"""The page on which staff book for a client, as when somebody calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IdempotencyKeyReused, Malformed, NotFound, Refusal
from kalends.core.hours import stamp
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType, BookingQuestion
from kalends.schemas.appointments import AppointmentAnswer, AppointmentCreate
from kalends.schemas.calendars import Calendar
from kalends.schemas.wrong_fields import malformed
from kalends.services.booking import appointments, bookings
from kalends.services.setup import appointment_types, calendars
from kalends.web import problems, staff_problems
from kalends.web.forms import OWN, Form, form_of, number_in, validated
from kalends.web.grids import at
from kalends.web.kinds import Question
from kalends.web.readers import Reader
from kalends.web.sent import id_in, start_in
from kalends.web.sheets import name_of
from kalends.web.staff_pages import (
    day_in,
    key_in,
    moment_in,
    must_be_shown,
    new_key,
    staff_page,
    today,
)
from kalends.web.staff_problems import Refused
from kalends.web.staff_times import free_times
from kalends.web.staff_visits import EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words import dates
from kalends.words.languages import LANGUAGES, language_of, own_name
from kalends.words.sentences import marked

_FIELDS = ("date", "time", "minutes", *OWN, "internal_notes", "language")
_STORED = {
    "client_name": "name",
    "client_email": "email",
    "client_phone": "phone",
    "client_notes": "notes",
    "internal_notes": "internal_notes",
    "client_language": "language",
    "duration_minutes": "minutes",
}
_LABELS: Mapping[str, str] = {
    "date": marked("Day"),
    "time": marked("Time"),
    "minutes": marked("Length in minutes"),
    "name": marked("Name"),
    "email": marked("E-mail"),
    "phone": marked("Phone"),
    "language": marked("Language"),
    "notes": marked("Notes of the client"),
    "internal_notes": marked("Internal notes"),
}
_SPENT = marked("With this form, you have booked already. To book once more, press Book again.")

router = APIRouter(prefix="/staff/new", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StaffSheet:
    """The form for a booking of a type, perhaps on one calendar (`calendar_id`). It books once by its `key`.
    There is no type if the one that was chosen is gone.
    `start` is the free time that was chosen, of which the fields say day and time. `typed` is by the names
    of fields, and so are the `problems`, which are sentences."""

    reader: Reader
    type_: AppointmentType | None
    calendar_id: str | None
    key: str
    start: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    refused: Refused | None = None

    @property
    def questions(self) -> list[Question]:
        """What the type asks, as its organization put it. Staff may leave any of it out."""
        return [
            Question(each.id, each.type, each.label, False, [(one, one) for one in each.options or ()])
            for each in self._asked
        ]

    @property
    def _asked(self) -> Sequence[BookingQuestion]:
        return () if self.type_ is None else self.type_.booking_questions

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return (*_FIELDS, *(each.field for each in self.questions))

    @property
    def listed(self) -> list[tuple[str | None, str]]:
        """What is wrong, in the order of the fields: the id of each, and a sentence that begins with its
        label."""
        known = {name: (name, self.reader.say(label)) for name, label in _LABELS.items()}
        known |= {each.field: (f"q{place}", each.label) for place, each in enumerate(self.questions)}
        found: list[tuple[str | None, str]] = [
            (id_, f"{label} – {self.problems[name]}")
            for name, (id_, label) in known.items()
            if name in self.problems
        ]
        return found + [(None, each) for name, each in self.problems.items() if name not in known]

    def body(self, form: Form, start: datetime) -> dict[str, Any]:
        """Return the booking that was filled in, as the API takes it."""
        stored: dict[str, Any] = {
            name: form.text(field_) for name, field_ in _STORED.items() if form.text(field_).strip()
        }
        if "duration_minutes" in stored:
            stored["duration_minutes"] = number_in(stored["duration_minutes"])
        return stored | {
            "appointment_type_id": None if self.type_ is None else self.type_.id,
            "start_time": start,
            "calendar_id": self.calendar_id,
            "answers": form.answers(self._asked),
            "check": "none" if form.text("force") == "1" else "conflicts",
        }


@dataclass(frozen=True, slots=True)
class Offered:
    """What staff can book: types and calendars in service, and the names of all calendars by id."""

    types: Sequence[AppointmentType]
    calendars: Sequence[Calendar]
    names: Mapping[str, str]

    def type(self, id_: str | None) -> AppointmentType | None:
        """Return the type with this id; if there is but one, that one."""
        if id_ is None and len(self.types) == 1:
            return self.types[0]
        return next((each for each in self.types if each.id == id_), None)

    def serving(self, type_: AppointmentType | None) -> tuple[list[Calendar], list[Calendar]]:
        """Return the calendars that serve a type, and the others."""
        if type_ is None:
            return list(self.calendars), []
        needed = {id_ for each in type_.requirements for id_ in each.calendar_ids} | {*type_.calendar_ids}
        serve = [each for each in self.calendars if each.id in needed]
        return serve, [each for each in self.calendars if each.id not in needed]

    def calendar(self, id_: str | None) -> str | None:
        """Return the id of a calendar, if it is in service."""
        return next((each.id for each in self.calendars if each.id == id_), None)


@router.get("")
async def ask(call: EnteredToWrite) -> Response:
    """Ask what is to be booked, and when; then for whom."""
    query = call.request.query_params
    offered = await call.db.read(_offered, call.org_id)
    reader = reader_of(call)
    type_, calendar_id = offered.type(id_in(query.get("type"))), offered.calendar(query.get("calendar"))
    client_id = id_in(query.get("client"))
    day = day_in(query.get("date", "")) or today(call)
    chosen = _asked(call)
    start = "" if chosen is None else stamp(chosen)
    if chosen is not None:
        day = dates.local(chosen, call.timezone).date()
    if type_ is None:
        return await _page(call, offered, None, calendar_id, day, start=start, client_id=client_id)
    typed = {"date": day.isoformat(), "time": "", "minutes": query.get("minutes", "")}
    typed |= {"language": language_of(call.host.language or reader.tag)}
    if client_id is not None:
        typed |= await call.db.read(_said_by, call, client_id)
    if chosen is not None:
        typed |= _on_the_clock(chosen, call.timezone)
    sheet = StaffSheet(reader, type_, calendar_id, new_key(), start, typed)
    return await _page(call, offered, sheet, calendar_id, day, start=start, client_id=client_id)


@router.post("")
async def book(change: EnteredWriting) -> Response:
    """Book, once for each form, and lead to the appointment."""
    form = await form_of(change.request)
    offered = await change.db.read(_offered, change.org_id)
    type_ = offered.type(id_in(form.text("type")))
    key = key_in(form)
    calendar_id = id_in(form.text("calendar"))
    sheet = StaffSheet(reader_of(change), type_, calendar_id, key, form.text("start"))
    sheet = replace(sheet, typed=_kept(change, sheet, form))
    if type_ is None:
        return await _refused(change, offered, sheet, NotFound("There is no appointment type with this id."))
    try:
        made = await _made(change, sheet, form)
    except (Malformed, Conflict, NotFound, IdempotencyKeyReused) as refusal:
        return await _refused(change, offered, sheet, refusal)
    return lead_to(change, sheet.reader.link(f"/staff/appointments/{made.appointment.id}"))


async def _made(change: EnteredChange, sheet: StaffSheet, form: Form) -> AppointmentAnswer:
    """Book what was filled in. Raises Malformed with everything that is wrong, IdempotencyKeyReused if the
    form has booked something else already, and what `bookings.by_staff` raises."""
    body = sheet.body(form, _start(change, sheet, form))
    try:
        wish = validated(AppointmentCreate, body)
    except Malformed as refusal:
        besides = await change.db.read(bookings.wrong_besides, change.org_id, body)
        raise malformed([*refusal.details["fields"], *besides]) from None
    once = change.for_form(f"new:{sheet.key}")
    answer = await once.make(AppointmentAnswer.of, bookings.by_staff, change.party, wish, change.now)
    return AppointmentAnswer.model_validate_json(bytes(answer.body))


async def _refused(change: EnteredChange, offered: Offered, sheet: StaffSheet, refusal: Refusal) -> Response:
    reader, zone = sheet.reader, change.timezone
    if isinstance(refusal, IdempotencyKeyReused):
        sheet = replace(sheet, key=new_key(), refused=Refused(reader.say(_SPENT)))
    elif isinstance(refusal, Malformed) and refusal.details.get("fields"):
        found: dict[str, str] = {}
        for entry in refusal.details["fields"]:
            found.setdefault(_field(entry["field"]), staff_problems.of_field(entry, reader))
        sheet = replace(sheet, problems=found)
    else:
        may_force = change.party.may_force
        told = staff_problems.refused(refusal, offered.names, reader, zone, change.now, may_force=may_force)
        sheet = replace(sheet, refused=told)
    day = day_in(sheet.typed["date"]) or today(change)
    status = problems.noted(change.request, refusal)
    return await _page(change, offered, sheet, sheet.calendar_id, day, status=status)


async def _page(
    call: EnteredCall,
    offered: Offered,
    sheet: StaffSheet | None,
    calendar_id: str | None,
    day: date,
    *,
    start: str = "",
    status: int = 200,
    client_id: str | None = None,
) -> Response:
    type_ = None if sheet is None else sheet.type_
    minutes = call.request.query_params.get("minutes") if sheet is None else sheet.typed.get("minutes")
    query = {
        "type": None if type_ is None else type_.id,
        "calendar": calendar_id,
        "date": day.isoformat(),
        "client": client_id,
        "minutes": minutes or None,
    }
    reader = at(reader_of(call), "/staff/new", **query)
    times = []
    if type_ is not None:
        times = await free_times(call, reader, type_.id, day, calendar_id=calendar_id)
    kept = {"start": start, "client": client_id, "minutes": query["minutes"]}
    serving, others = offered.serving(type_)
    return staff_page(
        call,
        "staff/new.html",
        reader.say("New appointment"),
        reader,
        room="new",
        status=status,
        sheet=sheet,
        offered=offered,
        type_=type_,
        types=[(each.id, each.name) for each in offered.types],
        serving=serving,
        others=others,
        calendar_id=calendar_id,
        date=day.isoformat(),
        day=reader.long_day(day),
        times=[(each, reader.here(start=each.value)) for each in times],
        languages_known=[(each, own_name(each)) for each in LANGUAGES],
        kept={**reader.carried, **{name: value for name, value in kept.items() if value}},
        zone=reader.zone_name(call.timezone, call.now),
    )


def _said_by(tx: Tx, call: EnteredCall, appointment_id: str) -> dict[str, str]:
    """Return what the fields have for the client of an appointment; nothing if there is none with this id."""
    try:
        about = appointments.get(tx, call.org_id, appointment_id, call.now)
    except NotFound:
        return {}
    said = {"name": about.client_name, "email": about.client_email, "phone": about.client_phone}
    known = {name: text for name, text in said.items() if text}
    return known | {"language": language_of(about.client_language)}


def _offered(tx: Tx, org_id: str) -> Offered:
    known = [each for each in calendars.all_of(tx, org_id) if each.is_active]
    return Offered(appointment_types.all_of(tx, org_id, True), known, calendars.names(tx, org_id))


def _asked(call: EnteredCall) -> datetime | None:
    """Return the start that an address names; not if it names a day as well, and that is another one. Raises
    InvalidTime."""
    query = call.request.query_params
    if not query.get("start"):
        return None
    chosen = start_in(query["start"], call.timezone)
    on = _on_the_clock(chosen, call.timezone)["date"]
    return chosen if query.get("date", on) == on else None


def _start(change: EnteredChange, sheet: StaffSheet, form: Form) -> datetime:
    """Return when it begins: as a button says, or as the fields do. If they still say what they said of the
    free time that was chosen, it is that one, though clocks may show it twice. Raises Malformed,
    InvalidTime."""
    zone = change.timezone
    if another := form.text("instead"):
        return start_in(another, zone)
    if sheet.start:
        chosen = start_in(sheet.start, zone)
        if form.typed("date", "time") == _on_the_clock(chosen, zone):
            must_be_shown(dates.local(chosen, zone).date(), "date", zone)
            return chosen
    return moment_in(form, "date", "time", zone)


def _kept(change: EnteredChange, sheet: StaffSheet, form: Form) -> dict[str, str]:
    """Return what was typed, to be shown again; with the time of the button that was pressed, if one was."""
    typed = form.typed(*sheet.names)
    if another := form.text("instead"):
        typed |= _on_the_clock(start_in(another, change.timezone), change.timezone)
    return typed


def _on_the_clock(start: datetime, zone: str) -> dict[str, str]:
    when = dates.local(start, zone)
    return {"date": when.date().isoformat(), "time": f"{when:%H:%M}"}


def _field(stored: str) -> str:
    """Return the name of the field in the form that is stored under another."""
    known = _STORED | {"start_time": "time"}
    return known.get(stored, name_of(stored))
