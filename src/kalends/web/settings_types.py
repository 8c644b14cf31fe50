"""The types of appointments: what can be booked, and what is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import AppointmentsInTheWay, InUse, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointment_types import (
    AppointmentType,
    AppointmentTypeAnswer,
    AppointmentTypeChange,
    AppointmentTypeCreate,
)
from kalends.schemas.calendars import Calendar
from kalends.schemas.hours import Schedule
from kalends.schemas.wire import Deleted
from kalends.services.booking import unbooked_types, unoffered
from kalends.services.booking.unoffered import Unoffered
from kalends.services.setup import appointment_types, as_seen, calendars, schedules
from kalends.web import left_alone, problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.setting_forms import MOST_FIELDS, REFUSALS, Told, deed_in, seen_in, told
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in, new_key
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.type_forms import CONTACTS, KINDS, LABELS, PLACES, VISIBILITIES, TypeForm, field_of
from kalends.web.unoffered_types import told as told_why
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/types"
NEW = f"{PATH}/new"
_TYPES, _NEW = marked("Appointment types"), marked("New appointment type")
_ROWS = frozenset({"ask", "drop", "up", "down", "need", "spare"})
_CURRENCY = "EUR"
_MOST_ASKED = 50
"""Of so many types at most, the list says why they can't be booked: a year is searched for each."""
_QUESTION, _OPTIONS = marked("Question"), marked("What one can choose from")
_NEEDED, _COUNT, _CALENDARS = marked("What is needed"), marked("How many"), marked("Calendars")
_SENTENCES = {
    "in_use": marked("It was booked already, so it can't be deleted. Take it out of service instead."),
}

router = APIRouter(prefix=PATH, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a form can choose from, and the types that there are."""

    types: Sequence[AppointmentType]
    calendars: Sequence[Calendar]
    schedules: Sequence[Schedule]

    def empty(self) -> TypeForm:
        """Return the form of a new type."""
        currencies = [each.price.currency for each in self.types if each.price]
        return TypeForm.new(self.calendars[0].id, (currencies or [_CURRENCY])[0])


@router.get("")
async def list_all(call: Entered) -> Response:
    """List the types."""
    reader = reader_of(call)

    def read(tx: Tx) -> tuple[Sequence[AppointmentType], Mapping[str, Unoffered]]:
        types = appointment_types.all_of(tx, call.org_id, None)
        asked = [each.id for each in types if each.is_active][:_MOST_ASKED]
        return types, unoffered.of_all(tx, call.org_id, asked, call.now)

    found, whys = await call.db.read(read)
    lines = [
        (
            each,
            reader.length(each.duration_minutes),
            reader.link(f"{PATH}/{each.id}"),
            told_why(whys[each.id], each, reader) if each.id in whys else None,
        )
        for each in found
    ]
    return settings_page(
        call, "staff/settings/types.html", reader.say(_TYPES), reader, room="types", lines=lines
    )


@router.get("/new")
async def ask(call: Entered) -> Response:
    """Ask what a new type is like."""
    return await _page(call, None)


@router.post("/new")
async def create(change: EnteredWriting) -> Response:
    """Add a type once for each form, or change the rows of the form."""
    form = await form_of(change.request, most=MOST_FIELDS)
    filled, (deed, what) = TypeForm.filled(form), deed_in(form)
    if deed in _ROWS:
        return await _page(change, None, filled.done(deed, what, form.text("new_kind")), form)
    try:
        made = await make(change, filled, key_in(form))
    except REFUSALS as refusal:
        return await _page(change, None, filled, form, refusal)
    return lead_to(change, reader_of(change).link(f"{PATH}/{made.id}", saved="1"))


@router.get("/{type_id}")
async def see(type_id: Name, call: Entered) -> Response:
    """Show a type."""
    return await _page(call, type_id)


@router.post("/{type_id}")
async def save(type_id: Name, change: EnteredWriting) -> Response:
    """Change a type, take it out of service or into it, or change the rows of the form."""
    form = await form_of(change.request, most=MOST_FIELDS)
    present = await change.db.read(appointment_types.get, change.org_id, type_id)
    reader, (deed, what) = reader_of(change), deed_in(form)
    # The buttons beside the form send nothing of it.
    is_button = deed != "save" and "name" not in form.fields
    filled = TypeForm.of(present) if is_button else TypeForm.filled(form, present)
    if deed in _ROWS:
        return await _page(change, type_id, filled.done(deed, what, form.text("new_kind")), form)
    try:
        await _change(change, type_id, filled, form)
    except REFUSALS as refusal:
        return await _page(change, type_id, filled, form, refusal)
    return lead_to(change, reader.link(f"{PATH}/{type_id}", saved="1"))


@router.get("/{type_id}/remove")
async def ask_to_remove(type_id: Name, call: Entered) -> Response:
    """Ask whether a type is to be deleted."""
    type_ = await call.db.read(appointment_types.get, call.org_id, type_id)
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "types",
        type_.name,
        action=reader.link(f"{PATH}/{type_id}/remove"),
        back=reader.link(f"{PATH}/{type_id}"),
        hint=marked("It can no longer be booked. A type that was ever booked can't be deleted."),
    )


@router.post("/{type_id}/remove")
async def remove(type_id: Name, change: EnteredDeleting) -> Response:
    """Delete a type, and lead to the list."""
    try:
        await change.make(Deleted.of, unbooked_types.remove, change.party, type_id, change.now)
    except InUse as refusal:
        return await _page(change, type_id, refusal=refusal)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


async def make(change: EnteredChange, filled: TypeForm, key: str) -> AppointmentType:
    """Add a type once for each form. Raises Malformed, Conflict, NotFound, IdempotencyKeyReused."""
    wish = validated(AppointmentTypeCreate, filled.body())
    once = change.for_form(f"type:{key}")
    answer = await once.make(
        AppointmentTypeAnswer.of, appointment_types.create, change.party, wish, change.now
    )
    return AppointmentTypeAnswer.model_validate_json(bytes(answer.body)).appointment_type


async def _change(change: EnteredChange, type_id: str, filled: TypeForm, form: Form) -> None:
    """Change what the form shows, or only whether a type is in service."""
    deed, _ = deed_in(form)
    only = {"activate": {"isActive": True}, "deactivate": {"isActive": False}}
    wish = validated(AppointmentTypeChange, only.get(deed) or filled.body())
    org_id = change.org_id
    await change.make(
        AppointmentTypeAnswer.of,
        as_seen.change,
        org_id,
        "" if deed in only else form.text("seen"),
        lambda tx: appointment_types.get(tx, org_id, type_id),
        left_alone.unless(
            change, form, lambda tx: appointment_types.change(tx, change.party, type_id, wish, change.now)
        ),
    )


async def _page(
    call: EnteredCall,
    type_id: str | None,
    filled: TypeForm | None = None,
    form: Form | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """Return the page of a type, or of a new one, with what was typed, if anything was. Raises NotFound."""
    reader = reader_of(call)
    shelf, type_ = await call.db.read(_shelf, call.org_id, type_id)
    why = None if type_id is None else await call.db.read(unoffered.of, call.org_id, type_id, call.now)
    shown = filled or (shelf.empty() if type_ is None else TypeForm.of(type_))
    present = "" if type_ is None else as_seen.mark(type_)
    said = Told()
    if isinstance(refusal, AppointmentsInTheWay):
        of, deed = ("service", "deactivate") if form and "name" not in form.fields else ("type", "save")
        said = left_alone.asked(call, refusal, reader, of, deed)
    elif refusal is not None:
        said = told(refusal, reader, _labels(shown, reader), field_of, _SENTENCES)
    key = form.text("key") if form and (refusal is None or refusal.code != "idempotency_key_reused") else ""
    return settings_page(
        call,
        "staff/settings/type.html",
        reader.say(_NEW) if type_ is None else type_.name,
        reader,
        room="types",
        type_=type_,
        why=told_why(why, type_, reader) if why and type_ else None,
        form=shown,
        shelf=shelf,
        told=said,
        seen=seen_in(form, refusal, present),
        key=key or new_key(),
        action=reader.link(NEW if type_ is None else f"{PATH}/{type_.id}"),
        page=reader.link(f"/{call.host.slug}/{type_.slug}") if type_ and call.host.page else None,
        remove=reader.link(f"{PATH}/{type_.id}/remove") if type_ and call.member.may("delete") else None,
        labels={name: reader.say(label) for name, label in LABELS.items()},
        choices={
            name: [(sent, reader.say(words)) for sent, words in of.items()]
            for name, of in (
                ("questions", KINDS),
                ("kind", PLACES),
                ("visibility", VISIBILITIES),
                ("contact", CONTACTS),
            )
        },
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


def _labels(shown: TypeForm, reader: Reader) -> dict[str, str]:
    """Return the labels of all fields."""
    labels = {name: reader.say(label) for name, label in LABELS.items()}
    for place, _ in enumerate(shown.needs):
        for part, label in (("name", _NEEDED), ("count", _COUNT), ("calendars", _CALENDARS)):
            labels[f"need-{place}-{part}"] = reader.say(label)
    for place, _ in enumerate(shown.questions):
        for part, label in (("label", _QUESTION), ("options", _OPTIONS)):
            labels[f"q-{place}-{part}"] = f"{reader.say(label)} {place + 1}"
    return labels


def _shelf(tx: Tx, org_id: str, type_id: str | None) -> tuple[Shelf, AppointmentType | None]:
    type_ = None if type_id is None else appointment_types.get(tx, org_id, type_id)
    types = appointment_types.all_of(tx, org_id, None)
    return Shelf(types, calendars.all_of(tx, org_id), schedules.all_of(tx, org_id)), type_
