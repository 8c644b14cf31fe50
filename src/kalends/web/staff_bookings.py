"""The page on which staff book for a client, as when somebody calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IdempotencyKeyReused, InvalidTime, Malformed, NotFound, Refusal
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
from kalends.web.kept_answers import kept_answers
from kalends.web.kinds import Question
from kalends.web.readers import Reader
from kalends.web.sent import id_in, start_in
from kalends.web.sheets import name_of
from kalends.web.staff_moments import (
    chosen_fields,
    fields_of,
    is_looking,
    moment_of,
    must_be_meant,
    shown_as_chosen,
    sure_of,
    typed_moment,
)
from kalends.web.staff_pages import day_in, key_in, new_key, staff_page, today
from kalends.web.staff_problems import Refused
from kalends.web.staff_times import free_times
from kalends.web.staff_visits import EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.languages import LANGUAGES, language_of, own_name
from kalends.words.sentences import marked

_FIELDS = ("minutes", *OWN, "internal_notes", "language")
_UNSAID = {"date": "", "time": "", "start": ""}
_STORED = {
    "appointment_type_id": "type",
    "calendar_id": "calendar",
    "start_time": "time",
    "duration_minutes": "minutes",
    "client_name": "name",
    "client_email": "email",
    "client_phone": "phone",
    "client_notes": "notes",
    "internal_notes": "internal_notes",
    "client_language": "language",
}
"""The names of the fields, by those of the API."""
_LABELS: Mapping[str, str] = {
    "type": marked("What"),
    "calendar": marked("Calendar"),
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
_ANY = marked("Any calendar that serves this type")
_SPENT = marked("With this form, you have booked already. To book once more, press Book again.")

router = APIRouter(prefix="/staff/new", include_in_schema=False)


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

    def calendar(self, id_: str | None) -> Calendar | None:
        """Return the calendar with this id, if it is in service."""
        return next((each for each in self.calendars if each.id == id_), None)


@dataclass(frozen=True, slots=True)
class StaffSheet:
    """The form for a booking of a type, perhaps on one calendar (`calendar_id`). It books once by its `key`.
    There is no type if none was chosen, or one that is gone. `typed` is by the names of fields, with the
    `start` that was chosen, of which they say day and time, and so are the `problems`, which are sentences.
    `kept` is what was answered to other types."""

    reader: Reader
    offered: Offered
    type_: AppointmentType | None
    calendar_id: str | None
    key: str
    typed: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    refused: Refused | None = None

    @classmethod
    def filled(cls, reader: Reader, offered: Offered, form: Form, zone: str) -> "StaffSheet":
        """Return the form as it was sent; with the time of the button that was pressed, if one was. Raises
        InvalidTime."""
        type_ = offered.type(id_in(form.text("type")))
        answers, others = kept_answers(form, offered.types, type_)
        typed = _UNSAID | form.typed(*_FIELDS) | typed_moment(form, zone) | answers
        return cls(reader, offered, type_, id_in(form.text("calendar")), key_in(form), typed, others)

    @property
    def calendar(self) -> Calendar | None:
        """The calendar that was chosen, if it is in service."""
        return self.offered.calendar(self.calendar_id)

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
    def where(self) -> str:
        """In which calendars free time is looked for."""
        return self.reader.say(_ANY) if self.calendar is None else self.calendar.name

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
        stored = {name: self.typed.get(field_, "") for name, field_ in _STORED.items()}
        sent: dict[str, Any] = {name: text for name, text in stored.items() if text.strip()}
        if "duration_minutes" in sent:
            sent["duration_minutes"] = number_in(sent["duration_minutes"])
        answers = Form({name: [text] for name, text in self.typed.items()}).answers(self._asked)
        type_id = {} if self.type_ is None else {"appointment_type_id": self.type_.id}
        return sent | {
            **type_id,
            "start_time": start,
            "calendar_id": self.calendar_id,
            "answers": answers,
            "check": "none" if form.text("force") == "1" else "conflicts",
        }


@router.get("")
async def ask(call: EnteredToWrite) -> Response:
    """Ask what is to be booked, when, and for whom."""
    query = call.request.query_params
    offered, reader = await call.db.read(_offered, call.org_id), reader_of(call)
    client_id, chosen = id_in(query.get("client")), _asked(call)
    day = day_in(query.get("date", "")) or today(call)
    typed = _UNSAID | {"date": day.isoformat(), "minutes": query.get("minutes", "")}
    typed |= {"language": language_of(call.host.language or reader.tag)}
    if client_id is not None:
        typed |= await call.db.read(_said_by, call, client_id)
    if chosen is not None:
        typed |= chosen_fields(chosen, call.timezone)
    type_, calendar = offered.type(id_in(query.get("type"))), offered.calendar(query.get("calendar"))
    calendar_id = None if calendar is None else calendar.id
    sheet = StaffSheet(reader, offered, type_, calendar_id, new_key(), typed)
    return await _page(call, sheet, Form({}), client_id=client_id)


@router.post("")
async def book(change: EnteredWriting) -> Response:
    """Book, once for each form, and lead to the appointment; or only show free times, or choose one."""
    form = await form_of(change.request)
    offered = await change.db.read(_offered, change.org_id)
    sheet = StaffSheet.filled(reader_of(change), offered, form, change.timezone)
    if is_looking(form):
        return await _page(change, sheet, form)
    try:
        made = await _made(change, sheet, form)
    except (Malformed, Conflict, NotFound, IdempotencyKeyReused) as refusal:
        return await _refused(change, sheet, form, refusal)
    return lead_to(change, sheet.reader.link(f"/staff/appointments/{made.appointment.id}"))


async def _made(change: EnteredChange, sheet: StaffSheet, form: Form) -> AppointmentAnswer:
    """Book what was filled in. Raises Malformed with everything that is wrong, NotFound for a type that is
    gone, Conflict for a day of which one has to be sure, IdempotencyKeyReused if the form has booked
    something else already, and what `bookings.by_staff` raises."""
    if sheet.type_ is None and form.text("type"):
        raise NotFound("There is no appointment type with this id.", field="appointment_type_id")
    start, wrong = change.now, []
    try:
        start = moment_of(form, change.timezone)
    except InvalidTime:
        raise
    except Malformed as refusal:
        wrong = refusal.details["fields"]
    body = sheet.body(form, start)
    try:
        wish = validated(AppointmentCreate, body)
    except Malformed as refusal:
        besides = await change.db.read(bookings.wrong_besides, change.org_id, body)
        raise malformed([*wrong, *refusal.details["fields"], *besides]) from None
    if wrong:
        raise malformed(wrong)
    must_be_meant(form, start, change.timezone, change.now)
    once = change.for_form(f"new:{sheet.key}")
    answer = await once.make(AppointmentAnswer.of, bookings.by_staff, change.party, wish, change.now)
    return AppointmentAnswer.model_validate_json(bytes(answer.body))


async def _refused(change: EnteredChange, sheet: StaffSheet, form: Form, refusal: Refusal) -> Response:
    reader, zone = sheet.reader, change.timezone
    if isinstance(refusal, IdempotencyKeyReused):
        sheet = replace(sheet, key=new_key(), refused=Refused(reader.say(_SPENT)))
    elif isinstance(refusal, Malformed) and refusal.details.get("fields"):
        found: dict[str, str] = {}
        for entry in refusal.details["fields"]:
            found.setdefault(_field(entry["field"]), staff_problems.of_field(entry, reader))
        sheet = replace(sheet, problems=found)
    elif isinstance(refusal, NotFound) and (name := refusal.details.get("field")) in _STORED:
        sheet = replace(sheet, problems={_field(name): staff_problems.plainly(refusal, reader)})
    else:
        may_force = change.party.may_force
        told = staff_problems.refused(
            refusal, sheet.offered.names, reader, zone, change.now, may_force=may_force
        )
        sheet = replace(sheet, refused=told)
    return await _page(change, sheet, form, status=problems.noted(change.request, refusal))


async def _page(
    call: EnteredCall,
    sheet: StaffSheet,
    form: Form,
    *,
    status: int = 200,
    client_id: str | None = None,
) -> Response:
    type_, calendar, typed = sheet.type_, sheet.calendar, sheet.typed
    day = day_in(typed["date"]) or today(call)
    if is_looking(form):
        typed = {**typed, "date": day.isoformat()}
    query = {
        "type": None if type_ is None else type_.id,
        "calendar": None if calendar is None else calendar.id,
        "date": day.isoformat(),
        "client": client_id,
    }
    reader = at(sheet.reader, "/staff/new", **query)
    times = []
    if type_ is not None:
        only = [] if calendar is None else [calendar.id]
        times = await free_times(call, reader, type_.id, day, calendar_ids=only, minutes=typed["minutes"])
    serving, others = sheet.offered.serving(type_)
    return staff_page(
        call,
        "staff/new.html",
        reader.say("New appointment"),
        reader,
        room="new",
        status=status,
        sheet=replace(sheet, typed=typed),
        types=_named(sheet.offered.types),
        serving=_named(serving),
        others=_named(others),
        chosen=shown_as_chosen(typed, call.timezone),
        sure=sure_of(form, typed),
        day=reader.long_day(day),
        times=times,
        languages_known=[(each, own_name(each)) for each in LANGUAGES],
        zone=reader.zone_name(call.timezone, call.now),
    )


def _named(found: Sequence[AppointmentType] | Sequence[Calendar]) -> list[tuple[str, str]]:
    return [(each.id, each.name) for each in found]


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
    on = fields_of(chosen, call.timezone)["date"]
    return chosen if query.get("date", on) == on else None


def _field(stored: str) -> str:
    """Return the name of the field in the form that is stored under another."""
    return _STORED.get(stored, name_of(stored))
