"""The weekly hours: the organization's own, and schedules by name, which types and calendars follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import AppointmentsInTheWay, InUse, NotFound, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.calendars import Calendar
from kalends.schemas.hours import (
    AvailabilitiesAnswer,
    Availability,
    AvailabilityReplace,
    Schedule,
    ScheduleAnswer,
    ScheduleChange,
    ScheduleCreate,
)
from kalends.schemas.wire import Deleted
from kalends.services.setup import appointment_types, as_seen, availability, calendars, schedules
from kalends.web import left_alone, problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.hours_forms import HoursForm, HoursSheet
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.setting_forms import MOST_FIELDS, REFUSALS, Told, deed_in, seen_in, told
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in, new_key
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/hours"
_OPENING, _NAME, _ZONE = marked("Opening hours"), marked("Name"), marked("Time zone")
ROWS = frozenset({"add", "remove", "copy"})

router = APIRouter(prefix=PATH, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Hours:
    """What the page shows: the organization's own hours, the schedules, and who follows them."""

    own: Sequence[Availability]
    schedules: Sequence[Schedule]
    types: Sequence[AppointmentType]
    calendars: Sequence[Calendar]

    def schedule(self, id_: str) -> Schedule:
        """Return a schedule. Raises NotFound."""
        found = next((each for each in self.schedules if each.id == id_), None)
        if found is None:
            raise NotFound("There is no schedule with this id.")
        return found

    def followers(self, id_: str, reader: Reader) -> list[tuple[str, str]]:
        """Return the names of what follows a schedule, with their addresses."""
        base = "/staff/settings"
        types = [(each.name, f"{base}/types/{each.id}") for each in self.types if each.schedule_id == id_]
        served = [
            (each.name, f"{base}/calendars/{each.id}") for each in self.calendars if each.schedule_id == id_
        ]
        return [(name, reader.link(path)) for name, path in (*types, *served)]


@router.get("")
async def see(call: Entered) -> Response:
    """Show the organization's own hours."""
    return await _own(call)


@router.post("")
async def save(change: EnteredWriting) -> Response:
    """Replace the organization's own hours, or make a schedule, or change the rows of the form."""
    form = await form_of(change.request, most=MOST_FIELDS)
    deed, what = deed_in(form)
    if deed == "make":
        return await _make(change, form)
    present = await change.db.read(availability.all_of, change.org_id)
    hours = HoursForm.filled(form, present)
    if deed in ROWS:
        return await _own(change, hours.done(deed, what), form)
    hours = hours.merged()
    try:
        await save_own(change, hours, form)
    except REFUSALS as refusal:
        return await _own(change, hours, form, refusal=refusal)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


@router.get("/{schedule_id}")
async def see_one(schedule_id: Name, call: Entered) -> Response:
    """Show a schedule."""
    return await _one(call, schedule_id)


@router.post("/{schedule_id}")
async def save_one(schedule_id: Name, change: EnteredWriting) -> Response:
    """Change a schedule, or change the rows of the form."""
    form = await form_of(change.request, most=MOST_FIELDS)
    reader, (deed, what) = reader_of(change), deed_in(form)
    hours, org_id = HoursForm.filled(form), change.org_id
    if deed in ROWS:
        return await _one(change, schedule_id, form, hours.done(deed, what))
    hours = hours.merged()
    try:
        zone = form.text("zone")
        named = {"name": form.text("name"), "timezone": reader.zone_called(zone) or zone}
        wish = validated(ScheduleChange, named | {"windows": hours.windows()})
        await change.make(
            ScheduleAnswer.of,
            as_seen.change,
            org_id,
            form.text("seen"),
            lambda tx: schedules.get(tx, org_id, schedule_id),
            left_alone.unless(
                change,
                form,
                lambda tx: schedules.change(tx, change.party, schedule_id, wish, change.now),
            ),
        )
    except REFUSALS as refusal:
        return await _one(change, schedule_id, form, hours, refusal=refusal)
    return lead_to(change, reader.link(f"{PATH}/{schedule_id}", saved="1"))


@router.get("/{schedule_id}/remove")
async def ask_to_remove(schedule_id: Name, call: Entered) -> Response:
    """Ask whether a schedule is to be deleted."""
    schedule = await call.db.read(schedules.get, call.org_id, schedule_id)
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "hours",
        schedule.name,
        action=reader.link(f"{PATH}/{schedule_id}/remove"),
        back=reader.link(f"{PATH}/{schedule_id}"),
        hint=marked("The closed days of these hours go with them."),
    )


@router.post("/{schedule_id}/remove")
async def remove(schedule_id: Name, change: EnteredDeleting) -> Response:
    """Delete a schedule, and lead to the hours."""
    try:
        await change.make(Deleted.of, schedules.remove, change.party, schedule_id, change.now)
    except InUse as refusal:
        return await _one(change, schedule_id, refusal=refusal)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


async def save_own(change: EnteredChange, hours: HoursForm, form: Form) -> None:
    """Replace the organization's own hours, if they are still as they were seen. Raises Malformed, NotFound,
    PreconditionFailed, AppointmentsInTheWay."""
    org_id = change.org_id
    wish = validated(AvailabilityReplace, {"schedules": hours.availability()})
    await change.make(
        AvailabilitiesAnswer.of,
        as_seen.change,
        org_id,
        form.text("seen"),
        lambda tx: availability.all_of(tx, org_id),
        left_alone.unless(
            change, form, lambda tx: availability.replace(tx, change.party, wish.schedules, change.now)
        ),
    )


def refused(
    call: EnteredCall, sheet: HoursSheet, refusal: Refusal, reader: Reader, others: Mapping[str, str]
) -> HoursSheet:
    """Return the form with what speaks against it. `others` are the labels of other fields of the page."""
    if isinstance(refusal, AppointmentsInTheWay):
        return replace(sheet, told=left_alone.asked(call, refusal, reader, "hours", "save"))
    return sheet.refused(refusal, reader, others)


async def _make(change: EnteredChange, form: Form) -> Response:
    """Make a schedule once for each form, with the organization's own hours to begin with."""
    reader = reader_of(change)
    try:
        own = HoursForm.of(await change.db.read(availability.all_of, change.org_id))
        wish = validated(ScheduleCreate, {"name": form.text("name"), "windows": own.windows()})
        once = change.for_form(f"schedule:{key_in(form)}")
        answer = await once.make(ScheduleAnswer.of, schedules.create, change.party, wish, change.now)
    except REFUSALS as refusal:
        labels = {"name": reader.say(_NAME)}
        return await _own(change, made=(form.text("name"), told(refusal, reader, labels)), refusal=refusal)
    made = ScheduleAnswer.model_validate_json(bytes(answer.body)).schedule
    return lead_to(change, reader.link(f"{PATH}/{made.id}"))


async def _own(
    call: EnteredCall,
    hours: HoursForm | None = None,
    form: Form | None = None,
    *,
    made: tuple[str, Told] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """Return the page of the organization's own hours, with what was typed, if anything was. `made` is the
    name of a schedule that can't be made, and why."""
    reader = reader_of(call)
    found = await call.db.read(_hours, call.org_id)
    seen = seen_in(form, refusal, as_seen.mark(found.own))
    types = [(each.id, each.name) for each in found.types]
    is_for_some = len(types) > 1 or any(each.appointment_type_id for each in found.own)
    sheet = HoursSheet.showing(hours or HoursForm.of(found.own), reader, seen, types if is_for_some else ())
    if refusal is not None and made is None:
        sheet = refused(call, sheet, refusal, reader, {})
    return settings_page(
        call,
        "staff/settings/hours.html",
        reader.say(_OPENING),
        reader,
        room="hours",
        sheet=sheet,
        hours=found,
        schedule=None,
        name=made[0] if made else "",
        told=made[1] if made else sheet.told,
        making=made is not None,
        key=new_key(),
        zone=reader.zone_name(call.timezone, call.now),
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


async def _one(
    call: EnteredCall,
    schedule_id: str,
    form: Form | None = None,
    hours: HoursForm | None = None,
    *,
    refusal: Refusal | None = None,
) -> Response:
    """Return the page of a schedule, with what was typed, if anything was. Raises NotFound."""
    reader = reader_of(call)
    found = await call.db.read(_hours, call.org_id)
    schedule = found.schedule(schedule_id)
    seen = seen_in(form, refusal, as_seen.mark(schedule))
    sheet = HoursSheet.showing(hours or HoursForm.of(schedule.windows), reader, seen)
    followers = found.followers(schedule_id, reader)
    if refusal is not None:
        labels = {"name": reader.say(_NAME), "timezone": reader.say(_ZONE)}
        sheet = refused(call, sheet, refusal, reader, labels)
    return settings_page(
        call,
        "staff/settings/schedule.html",
        schedule.name,
        reader,
        room="hours",
        sheet=sheet,
        hours=found,
        schedule=schedule,
        name=form.text("name") if form else schedule.name,
        zone=form.text("zone") if form else schedule.timezone,
        places=reader.places(call.now),
        followers=followers,
        remove=reader.link(f"{PATH}/{schedule_id}/remove") if call.member.may("delete") else None,
        told=sheet.told,
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


def _hours(tx: Tx, org_id: str) -> Hours:
    return Hours(
        availability.all_of(tx, org_id),
        schedules.all_of(tx, org_id),
        appointment_types.all_of(tx, org_id, None),
        calendars.all_of(tx, org_id),
    )
