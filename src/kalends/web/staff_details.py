"""The page on which staff change whose an appointment is, of which type, how long, and what was said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, Malformed, NotFound, PreconditionFailed, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.appointments import AppointmentChange
from kalends.services.setup import appointment_types
from kalends.web import staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at
from kalends.web.kinds import Question
from kalends.web.seen_appointments import Seen, seen
from kalends.web.sent import Name, start_in
from kalends.web.sheets import name_of
from kalends.web.staff_appointments import form_page, make
from kalends.web.staff_visits import EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.touched import marks, sent_back, touched_in, typed_of
from kalends.web.visits import lead_to, reader_of
from kalends.words.languages import LANGUAGES, language_of, own_name
from kalends.words.sentences import marked

_CHANGING = marked("Change this appointment")
_MINUTES = marked("Please enter how many minutes it lasts, such as 45.")
_WHOLE = re.compile(r"[0-9]{1,9}")
_STORED = {
    "type": "appointment_type_id",
    "minutes": "duration_minutes",
    "name": "client_name",
    "email": "client_email",
    "phone": "client_phone",
    "language": "client_language",
    "notes": "client_notes",
}
_FIELDS = {stored: name for name, stored in _STORED.items()}
_LABELS = {
    "type": marked("What"),
    "minutes": marked("Length in minutes"),
    "name": marked("Name"),
    "email": marked("E-mail"),
    "phone": marked("Phone"),
    "language": marked("Language"),
    "notes": marked("Notes of the client"),
}

router = APIRouter(prefix="/staff/appointments", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Changing:
    """An appointment with its type, and the types that it can get: those in service, and its own."""

    own: Seen
    type_: AppointmentType
    types: Sequence[AppointmentType]

    @property
    def questions(self) -> list[Question]:
        """What its type asks. Staff may leave any of it out."""
        return [
            Question(each.id, each.type, each.label, False, [(one, one) for one in each.options or ()])
            for each in self.type_.booking_questions
        ]

    @property
    def known(self) -> dict[str, str]:
        """What is known, by the names of the fields, as a browser sends it if nobody touches it."""
        about = self.own.about
        answers = {each.id: each.answer for each in about.answers}
        return {
            "type": about.appointment_type_id,
            "minutes": str((about.end_time - about.start_time) // timedelta(minutes=1)),
            "name": about.client_name,
            "email": about.client_email or "",
            "phone": about.client_phone or "",
            "language": language_of(about.client_language),
            **{each.field: typed_of(each, answers.get(each.id)) for each in self.questions},
            "notes": sent_back(about.client_notes or ""),
        }

    def touched(self, form: Form) -> set[str]:
        """Return the names of the fields that were touched. A form that does not say what its page showed
        touches what it sends."""
        if shown := form.text("shown"):
            return touched_in(form, self.known, shown)
        return touched_in(form, self.known.keys() & form.fields.keys(), marks(self.known))


@router.get("/{appointment_id}/change")
async def ask(appointment_id: Name, call: EnteredToWrite) -> Response:
    """Show the form with what is known."""
    return _form(call, await _changing(call, appointment_id), Form({}))


@router.post("/{appointment_id}/change")
async def change(appointment_id: Name, change: EnteredWriting) -> Response:
    """Store what was touched, if the appointment still is as the form showed it. Sent again, it changes
    nothing."""
    form = await form_of(change.request)
    there = await _changing(change, appointment_id)
    try:
        await make(change, appointment_id, _wish(change, there, form), form)
    except PreconditionFailed as refusal:
        there = await _changing(change, appointment_id)
        if any(form.text(name) != there.known[name] for name in there.touched(form)):
            return _form(change, there, form, refusal)
    except (Malformed, Conflict, NotFound) as refusal:
        return _form(change, await _changing(change, appointment_id), form, refusal)
    return lead_to(change, reader_of(change).link(there.own.path))


async def _changing(call: EnteredCall, appointment_id: str) -> Changing:
    reader = at(reader_of(call), f"/staff/appointments/{appointment_id}/change")

    def read(tx: Tx) -> Changing:
        own = seen(tx, call.org_id, appointment_id, reader, call.timezone, call.now)
        type_ = appointment_types.get(tx, call.org_id, own.about.appointment_type_id)
        types = appointment_types.all_of(tx, call.org_id, True)
        return Changing(own, type_, types if type_.id in {each.id for each in types} else [type_, *types])

    return await call.db.read(read)


def _wish(change: EnteredChange, there: Changing, form: Form) -> AppointmentChange:
    """Return what the form asks for: only what was touched is sent. Raises Malformed, InvalidTime."""
    touched = there.touched(form)
    sent: dict[str, Any] = {}
    for name in touched & _STORED.keys():
        text = form.text(name)
        sent[_STORED[name]] = _number(text) if name == "minutes" else text
    answers = form.answers(there.type_.booking_questions)
    corrected = {each.id: answers.get(each.id) for each in there.questions if each.field in touched}
    if corrected:
        sent["answers"] = corrected
    if another := form.text("instead"):
        sent["start_time"] = start_in(another, change.timezone)
    if form.text("force") == "1":
        sent["check"] = "none"
    return validated(AppointmentChange, sent)


def _number(typed: str) -> int | str | None:
    """Return the number that was typed; None for a blank field, which asks for the type's own length; what is
    none, as it is."""
    typed = typed.strip()
    return (int(typed) if _WHOLE.fullmatch(typed) else typed) if typed else None


def _form(call: EnteredCall, there: Changing, form: Form, refusal: Refusal | None = None) -> Response:
    own, known, reader = there.own, there.known, there.own.reader
    typed = known | ({name: form.text(name) for name in there.touched(form)} if form.fields else {})
    labels = {name: (name, reader.say(label)) for name, label in _LABELS.items()}
    labels |= {each.field: (f"q{place}", each.label) for place, each in enumerate(there.questions)}
    return form_page(
        call,
        "staff/change.html",
        _CHANGING,
        own,
        {name: labels[name] for name in known},
        {} if refusal is None else _wrong(refusal, there),
        refusal,
        there=there,
        typed=typed,
        shown=marks(known),
        languages_known=[(each, own_name(each)) for each in LANGUAGES],
    )


def _wrong(refusal: Refusal, there: Changing) -> dict[str, str]:
    """Return what is wrong with each field."""
    fields = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    reader = there.own.reader
    found: dict[str, str] = {}
    for each in fields:
        name = _FIELDS.get(each["field"], name_of(each["field"]))
        said = reader.say(_MINUTES) if name == "minutes" else staff_problems.of_field(each, reader)
        found.setdefault(name if name in there.known else "type", said)
    return found
