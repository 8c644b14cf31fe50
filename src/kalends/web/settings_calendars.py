"""The calendars: people, rooms and devices, which can be in one place only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import AppointmentsInTheWay, Conflict, NotFound, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.calendars import Calendar, CalendarAnswer, CalendarChange, CalendarCreate
from kalends.schemas.hours import Schedule
from kalends.schemas.wire import Deleted
from kalends.services.setup import appointment_types, as_seen, calendars, schedules
from kalends.web import left_alone, problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.setting_forms import REFUSALS, Told, blank_is_none, seen_in, told
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in, new_key
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/calendars"
_CALENDARS, _NAME = marked("Calendars"), marked("Name")
_LABELS: Mapping[str, str] = {
    "name": _NAME,
    "color": marked("Colour"),
    "public_name": marked("What clients call it"),
    "about": marked("What clients read of it"),
    "schedule_id": marked("Hours"),
}
_SENTENCES: Mapping[str, str] = {
    "in_use": marked(
        "It can't be deleted as long as appointments lie ahead in it, or a type would have too few calendars."
    ),
    "conflict": marked("Every organization needs this calendar. It can be given another name."),
}

router = APIRouter(prefix=PATH, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What the pages show: the calendars, the hours that they can follow, and the types that they serve."""

    calendars: Sequence[Calendar]
    schedules: Sequence[Schedule]
    types: Sequence[AppointmentType]

    def calendar(self, id_: str) -> Calendar:
        """Return a calendar. Raises NotFound."""
        found = next((each for each in self.calendars if each.id == id_), None)
        if found is None:
            raise NotFound("There is no calendar with this id.")
        return found

    def served(self, id_: str, reader: Reader) -> list[tuple[str, str]]:
        """Return the names of the types that a calendar serves, with their addresses."""
        return [
            (each.name, reader.link(f"/staff/settings/types/{each.id}"))
            for each in self.types
            if any(id_ in need.calendar_ids for need in each.requirements)
        ]


@router.get("")
async def list_all(call: Entered) -> Response:
    """List the calendars."""
    return await _list(call)


@router.post("")
async def create(change: EnteredWriting) -> Response:
    """Add a calendar, once for each form."""
    form = await form_of(change.request)
    try:
        wish = validated(CalendarCreate, {"name": form.text("name")})
        once = change.for_form(f"calendar:{key_in(form)}")
        answer = await once.make(CalendarAnswer.of, calendars.create, change.party, wish, change.now)
    except REFUSALS as refusal:
        return await _list(change, form, refusal)
    made = CalendarAnswer.model_validate_json(bytes(answer.body)).calendar
    return lead_to(change, reader_of(change).link(f"{PATH}/{made.id}", saved="1"))


@router.get("/{calendar_id}")
async def see(calendar_id: Name, call: Entered) -> Response:
    """Show a calendar."""
    return await _one(call, calendar_id)


@router.post("/{calendar_id}")
async def save(calendar_id: Name, change: EnteredWriting) -> Response:
    """Change a calendar."""
    form = await form_of(change.request)
    try:
        await _change(change, calendar_id, form)
    except REFUSALS as refusal:
        return await _one(change, calendar_id, form, refusal)
    return lead_to(change, reader_of(change).link(f"{PATH}/{calendar_id}", saved="1"))


@router.get("/{calendar_id}/remove")
async def ask_to_remove(calendar_id: Name, call: Entered) -> Response:
    """Ask whether a calendar is to be deleted."""
    calendar = await call.db.read(calendars.get, call.org_id, calendar_id)
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "calendars",
        calendar.name,
        action=reader.link(f"{PATH}/{calendar_id}/remove"),
        back=reader.link(f"{PATH}/{calendar_id}"),
        hint=marked("Its blocked time and its calendars elsewhere go with it. Past appointments stay."),
    )


@router.post("/{calendar_id}/remove")
async def remove(calendar_id: Name, change: EnteredDeleting) -> Response:
    """Delete a calendar, and lead to the list."""
    try:
        await change.make(Deleted.of, calendars.remove, change.party, calendar_id, change.now)
    except Conflict as refusal:
        return await _one(change, calendar_id, refusal=refusal)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


async def _change(change: EnteredChange, calendar_id: str, form: Form) -> None:
    org_id = change.org_id
    wish = validated(
        CalendarChange,
        {
            "name": form.text("name"),
            "color": blank_is_none(form.text("color").strip()),
            "public_name": blank_is_none(form.text("public_name")),
            "about": form.text("about"),
            "schedule_id": blank_is_none(form.text("schedule_id")),
            "is_public": bool(form.text("is_public")),
            "is_active": bool(form.text("is_active")),
        },
    )
    await change.make(
        CalendarAnswer.of,
        as_seen.change,
        org_id,
        form.text("seen"),
        lambda tx: calendars.get(tx, org_id, calendar_id),
        left_alone.unless(
            change, form, lambda tx: calendars.change(tx, change.party, calendar_id, wish, change.now)
        ),
    )


async def _list(call: EnteredCall, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    reader = reader_of(call)
    found = await call.db.read(calendars.all_of, call.org_id)
    return settings_page(
        call,
        "staff/settings/calendars.html",
        reader.say(_CALENDARS),
        reader,
        room="calendars",
        lines=[(each, reader.link(f"{PATH}/{each.id}")) for each in found],
        name=form.text("name") if form else "",
        key=new_key(),
        **_refused(call, refusal, reader),
    )


async def _one(
    call: EnteredCall, calendar_id: str, form: Form | None = None, refusal: Refusal | None = None
) -> Response:
    """Return the page of a calendar, with what was typed, if anything was. Raises NotFound."""
    reader = reader_of(call)
    found = await call.db.read(_found, call.org_id)
    calendar = found.calendar(calendar_id)
    shown = {name: getattr(calendar, name) or "" for name in (*_LABELS, "is_public", "is_active")}
    return settings_page(
        call,
        "staff/settings/calendar.html",
        calendar.name,
        reader,
        room="calendars",
        calendar=calendar,
        typed=form.typed(*shown) if form else shown,
        seen=seen_in(form, refusal, as_seen.mark(calendar)),
        schedules=found.schedules,
        served=found.served(calendar_id, reader),
        ahead=reader.link("/staff/list", calendar=calendar_id),
        action=reader.link(f"{PATH}/{calendar_id}"),
        remove=None if calendar.is_default else reader.link(f"{PATH}/{calendar_id}/remove"),
        may_delete=call.member.may("delete"),
        labels={name: reader.say(label) for name, label in _LABELS.items()},
        **_refused(call, refusal, reader),
    )


def _refused(call: EnteredCall, refusal: Refusal | None, reader: Reader) -> dict[str, Any]:
    """Return what every page says of a refusal."""
    if refusal is None:
        return {"told": Told(), "status": 200}
    if isinstance(refusal, AppointmentsInTheWay):
        said = left_alone.asked(call, refusal, reader, "calendar", "save")
        return {"told": said, "status": problems.noted(call.request, refusal)}
    labels = {name: reader.say(label) for name, label in _LABELS.items()}
    said = told(refusal, reader, labels, sentences=_SENTENCES)
    return {"told": said, "status": problems.noted(call.request, refusal)}


def _found(tx: Tx, org_id: str) -> Found:
    return Found(
        calendars.all_of(tx, org_id),
        schedules.all_of(tx, org_id),
        appointment_types.all_of(tx, org_id, None),
    )
