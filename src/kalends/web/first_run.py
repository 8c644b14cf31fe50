"""The first steps of a new organization: its name and zone, its hours, a type of appointment, and then the
address of its page. Each step is a form of the settings, and can be left out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Refusal
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.hours import Availability
from kalends.schemas.organizations import Organization
from kalends.services.booking import unoffered
from kalends.services.booking.unoffered import Unoffered
from kalends.services.setup import appointment_types, as_seen, availability, calendars, organizations
from kalends.web import problems, settings_hours
from kalends.web.forms import Form, form_of
from kalends.web.hours_forms import HoursForm, HoursSheet
from kalends.web.readers import Reader
from kalends.web.setting_forms import MOST_FIELDS, REFUSALS, Told, deed_in, seen_in, told
from kalends.web.settings_hours import ROWS, save_own
from kalends.web.settings_organization import change_as, refused, snippet, zone_in
from kalends.web.settings_types import make
from kalends.web.staff_pages import key_in, new_key, staff_page, today
from kalends.web.staff_visits import (
    Entered,
    EnteredAdministering,
    EnteredCall,
    EnteredToWrite,
    EnteredWriting,
)
from kalends.web.type_forms import LABELS, TypeForm, field_of
from kalends.web.unoffered_types import told as told_why
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/start"
HOURS, TYPE, DONE = f"{PATH}/hours", f"{PATH}/type", f"{PATH}/done"
_TITLES = {
    "name": marked("Your organization"),
    "hours": marked("Opening hours"),
    "type": marked("What can be booked?"),
    "done": marked("Your page is ready"),
    "missing": marked("Nearly ready"),
}
_STEPS = ("name", "hours", "type", "done")
SETTINGS_OF, TYPES = "/staff/settings/organization", "/staff/settings/types"
_NO_PAGE = marked("There are no pages for clients.")
_NO_HOURS = marked("There are no opening hours, so there is no time to book.")
_NO_TYPE = marked("There is no type of appointment, so there is nothing to book.")
_MOST_SHOWN = 5
_ASKED = ("name", "duration")
_MINUTES, _CURRENCY = "30", "EUR"

router = APIRouter(prefix=PATH, include_in_schema=False)


async def is_needed(call: EnteredCall) -> bool:
    """Return whether somebody who may set up an organization finds it without hours and types."""
    return call.member.may("write") and await call.db.read(_is_new, call.org_id)


@router.get("")
async def ask_name(call: Entered) -> Response:
    """Ask for the name and the zone; of those who may not change them, for the hours."""
    if not call.member.may("admin"):
        return lead_to(call, reader_of(call).link(HOURS))
    return await _name(call)


@router.post("")
async def save_name(change: EnteredAdministering) -> Response:
    """Change the name and the zone."""
    form = await form_of(change.request)
    body = {"name": form.text("name"), "timezone": zone_in(form, reader_of(change))}
    try:
        await change_as(change, body, form)
    except REFUSALS as refusal:
        return await _name(change, form, refusal)
    return lead_to(change, reader_of(change).link(HOURS))


@router.get("/hours")
async def ask_hours(call: EnteredToWrite) -> Response:
    """Ask for the weekly hours."""
    return await _hours(call)


@router.post("/hours")
async def save_hours(change: EnteredWriting) -> Response:
    """Replace the weekly hours, or change the rows of the form."""
    form = await form_of(change.request, most=MOST_FIELDS)
    hours = HoursForm.filled(form, await change.db.read(availability.all_of, change.org_id))
    deed, what = deed_in(form)
    if deed in ROWS:
        return await _hours(change, hours.done(deed, what), form)
    hours = hours.merged()
    try:
        await save_own(change, hours, form)
    except REFUSALS as refusal:
        return await _hours(change, hours, form, refusal)
    return lead_to(change, reader_of(change).link(TYPE))


@router.get("/type")
async def ask_type(call: EnteredToWrite) -> Response:
    """Ask for a type of appointment."""
    return await _type(call)


@router.post("/type")
async def save_type(change: EnteredWriting) -> Response:
    """Add a type, once for each form. What is not asked here is as in a new form of the settings."""
    form = await form_of(change.request)
    default = await change.db.read(calendars.default_id, change.org_id)
    empty = TypeForm.new(default, _CURRENCY)
    try:
        await make(change, replace(empty, typed={**empty.typed, **form.typed(*_ASKED)}), key_in(form))
    except REFUSALS as refusal:
        return await _type(change, form, refusal)
    return lead_to(change, reader_of(change).link(DONE))


@router.get("/done")
async def done(call: Entered) -> Response:
    """Show the address of the page on which clients book."""
    reader = reader_of(call)
    slug = call.host.slug
    organization, hours, types, whys = await call.db.read(_made, call.org_id, call.now)
    missing = []
    if not organization.page:
        missing.append((reader.say(_NO_PAGE), reader.link(SETTINGS_OF)))
    if not hours:
        missing.append((reader.say(_NO_HOURS), reader.link(HOURS)))
    if not types:
        missing.append((reader.say(_NO_TYPE), reader.link(TYPE)))
    elif hours:
        missing += [
            (f"{each.name}: {why.words}", why.href or reader.link(f"{TYPES}/{each.id}"))
            for each, why in (
                (each, told_why(whys[each.id], each, reader)) for each in types if each.id in whys
            )
        ]
    notices = [
        (
            each.name,
            each.min_notice_hours,
            reader.link(f"{TYPES}/{each.id}"),
        )
        for each in types
        if each.min_notice_hours
    ]
    return _step(
        call,
        reader,
        "done",
        title="done" if not missing else "missing",
        missing=missing,
        notices=notices[:_MOST_SHOWN],
        cancelling=organization.client_notice_hours,
        has_page=organization.page,
        origins=organization.embed_origins,
        settings=reader.link(SETTINGS_OF),
        address=f"{call.base}/{slug}",
        snippet=snippet(call, slug, reader),
        calendar=reader.link(f"/staff/day/{today(call)}"),
        told=Told(),
    )


async def _name(call: EnteredCall, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    reader = reader_of(call)
    found: Organization = await call.db.read(organizations.get, call.org_id)
    return _step(
        call,
        reader,
        "name",
        seen=seen_in(form, refusal, as_seen.mark(found)),
        name=form.text("name") if form else found.name,
        zone=form.text("zone") if form else found.timezone,
        places=reader.places(call.now),
        **refused(call, refusal, reader, "start"),
    )


async def _hours(
    call: EnteredCall,
    hours: HoursForm | None = None,
    form: Form | None = None,
    refusal: Refusal | None = None,
) -> Response:
    reader = reader_of(call)
    found = await call.db.read(availability.all_of, call.org_id)
    seen = seen_in(form, refusal, as_seen.mark(found))
    shown = hours or (HoursForm.of(found) if found else HoursForm.suggested())
    sheet = HoursSheet.showing(shown, reader, seen)
    if refusal is not None:
        sheet = settings_hours.refused(call, sheet, refusal, reader, {})
    return _step(
        call,
        reader,
        "hours",
        sheet=sheet,
        told=sheet.told,
        zone=reader.zone_name(call.timezone, call.now),
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


async def _type(call: EnteredCall, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    reader = reader_of(call)
    labels = {name: reader.say(LABELS[name]) for name in _ASKED}
    return _step(
        call,
        reader,
        "type",
        typed=form.typed(*_ASKED) if form else {"name": "", "duration": _MINUTES},
        key=new_key(),
        labels=labels,
        told=Told() if refusal is None else told(refusal, reader, labels, field_of),
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


def _step(call: EnteredCall, reader: Reader, step: str, *, title: str | None = None, **what: Any) -> Response:
    """Return the page of a step, under another title than its own if there is one."""
    place = _STEPS.index(step) + 1
    said = reader.say(marked("Step {place} of {count}")).format(place=place, count=len(_STEPS))
    words = reader.say(_TITLES[title or step])
    return staff_page(call, f"staff/start/{step}.html", words, reader, place=said, **what)


def _made(
    tx: Tx, org_id: str, now: datetime
) -> tuple[Organization, Sequence[Availability], Sequence[AppointmentType], Mapping[str, Unoffered]]:
    """Return what there is by now: the organization, its hours, the types in service, and why those of which
    nothing can be booked can't be."""
    types = appointment_types.all_of(tx, org_id, True)
    whys = unoffered.of_all(tx, org_id, [each.id for each in types[:_MOST_SHOWN]], now)
    return organizations.get(tx, org_id), availability.all_of(tx, org_id), types, whys


def _is_new(tx: Tx, org_id: str) -> bool:
    return not appointment_types.all_of(tx, org_id, None) and not availability.all_of(tx, org_id)
