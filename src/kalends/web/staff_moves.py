"""The page on which staff move an appointment: to another time, and to other calendars."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, Malformed, NotFound, PreconditionFailed, Refusal
from kalends.core.requirements import CALENDAR
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.appointments import AppointmentChange
from kalends.schemas.calendars import Calendar
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import appointment_changes
from kalends.services.setup import appointment_types, calendars
from kalends.web import staff_problems
from kalends.web.forms import Form, form_of, number_in, validated
from kalends.web.grids import Time, at
from kalends.web.seen_appointments import Seen, seen
from kalends.web.sent import Name, id_in, version_in
from kalends.web.staff_appointments import form_page, make
from kalends.web.staff_moments import (
    CHOSEN,
    chosen_fields,
    is_looking,
    moment_of,
    must_be_meant,
    shown_as_chosen,
    sure_of,
    typed_moment,
)
from kalends.web.staff_pages import day_in
from kalends.web.staff_times import free_times
from kalends.web.staff_visits import EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words import dates
from kalends.words.sentences import marked

_MOVING = marked("Move this appointment")
_TWICE = marked("Please choose each calendar once.")
_NOT_FOR_THIS = marked("This calendar can't be chosen for what is needed here.")
_LABELS = {"date": marked("Day"), "time": marked("Time"), "minutes": marked("Length in minutes")}
_STORED = {"duration_minutes": "minutes"}
"""The names of fields that are stored under another."""

router = APIRouter(prefix="/staff/appointments", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A field for one of the calendars of an appointment: what it is needed for, if that has a name, the one
    that is chosen, and all that can be, by id and name; `others` can be, too, but don't serve the type."""

    name: str
    requirement: str | None
    chosen: str
    options: Sequence[tuple[str, str]]
    others: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Movable:
    """An appointment with the calendars to which it could be given, and the free `times` of a `day` in those
    that are chosen."""

    own: Seen
    choices: Sequence[Choice]
    day: date
    times: Sequence[Time] = ()

    @property
    def present(self) -> list[str]:
        """The ids of the calendars in which it is."""
        return [each.calendar_id for each in self.own.about.calendars]

    @property
    def where(self) -> list[str]:
        """In which calendars free time is looked for."""
        return [self.own.calendars.get(each.chosen, each.chosen) for each in self.choices]


@router.get("/{appointment_id}/move")
async def ask(appointment_id: Name, call: EnteredToWrite) -> Response:
    """Show the form, with the present time and calendars, or with the free time that was chosen; and the free
    times of a day."""
    query = call.request.query_params
    day = day_in(query.get("date", ""))
    asked = Form({"date": [day.isoformat()]} if day else {})
    if start := query.get("start"):
        asked = Form({CHOSEN: [start]})
    return _form(call, await _movable(call, appointment_id, asked), asked)


@router.post("/{appointment_id}/move")
async def move(appointment_id: Name, change: EnteredWriting) -> Response:
    """Move the appointment, if it still is as the form showed it; or only show free times, or choose one.
    Sent again, it changes nothing."""
    form = await form_of(change.request)
    there = await _movable(change, appointment_id, form)
    if is_looking(form):
        return _form(change, there, form)
    try:
        if version_in(form) == there.own.about.version:
            appointment_changes.must_be_movable(there.own.about.status)
        wish = _wish(change, there, form)
        await make(change, appointment_id, wish, form)
    except PreconditionFailed as refusal:
        fresh = await _movable(change, appointment_id, Form({}))
        if not _is_there(fresh.own, wish, form):
            return _form(change, fresh, form, refusal)
    except (Malformed, Conflict, NotFound) as refusal:
        return _form(change, await _movable(change, appointment_id, form), form, refusal)
    return lead_to(change, reader_of(change).link(there.own.path))


async def _movable(call: EnteredCall, appointment_id: str, form: Form) -> Movable:
    """Return the appointment, with the free times of the day that a form says, as long as it can be moved."""
    reader = at(reader_of(call), f"/staff/appointments/{appointment_id}/move")

    def read(tx: Tx) -> Movable:
        own = seen(tx, call.org_id, appointment_id, reader, call.timezone, call.now)
        type_ = appointment_types.get(tx, call.org_id, own.about.appointment_type_id)
        day = day_in(_typed(own, form)["date"]) or dates.local(own.about.start_time, own.zone).date()
        return Movable(own, _choices(own, type_, calendars.all_of(tx, call.org_id), form), day)

    there = await call.db.read(read)
    if not there.own.can_cancel:
        return there
    ids = [each.chosen for each in there.choices]
    elsewhere: dict[str, Any] = {"calendar_ids": sorted(ids, key=there.present.__contains__)}
    what = {"moving": appointment_id} if ids == there.present else elsewhere
    type_id = there.own.about.appointment_type_id
    minutes = form.text("minutes").strip()
    if minutes == _minutes(there.own) and ids == there.present:
        minutes = ""  # it keeps what it has
    return replace(there, times=await free_times(call, reader, type_id, there.day, minutes=minutes, **what))


def _choices(own: Seen, type_: AppointmentType, known: Sequence[Calendar], form: Form) -> list[Choice]:
    """Return a field for each calendar of the appointment. For what the type needs first, any calendar can be
    chosen, as staff may; for anything else, those that serve it."""
    serving = {each.name: set(each.calendar_ids) for each in type_.requirements}
    first = own.about.calendars[0].requirement
    found = []
    for place, taken in enumerate(own.about.calendars):
        open_to = [each.id for each in known if each.is_active]
        if taken.requirement != first and taken.requirement in serving:
            open_to = [id_ for id_ in open_to if id_ in serving[taken.requirement]]
        ids = dict.fromkeys([taken.calendar_id, *open_to])
        serve = {taken.calendar_id} | serving.get(taken.requirement, set(type_.calendar_ids))
        named = [(id_, own.calendars.get(id_, id_)) for id_ in ids]
        sent = form.text(f"calendar{place}")
        if to := _instead_of(taken.calendar_id, form):
            sent = to
        found.append(
            Choice(
                f"calendar{place}",
                None if taken.requirement == CALENDAR else taken.requirement,
                sent if sent in ids else taken.calendar_id,
                [each for each in named if each[0] in serve],
                [each for each in named if each[0] not in serve],
            )
        )
    return found


def _wish(change: EnteredChange, there: Movable, form: Form) -> AppointmentChange:
    """Return what the form asks for; only what differs from the present is sent. What is dragged elsewhere
    (`from_calendar`, `to_calendar`) is judged by the core. Raises Malformed for a calendar that is none of
    the choices, InvalidTime, Conflict for a day of which one has to be sure."""
    own = there.own
    dragged = [_instead_of(id_, form) for id_ in there.present]
    strange = [
        wrong(each.name, "is none of those that can be chosen", "option")
        for each, to in zip(there.choices, dragged, strict=True)
        if to is None and form.text(each.name) not in ("", each.chosen)
    ]
    if strange:
        raise malformed(strange)
    start = moment_of(form, change.timezone)
    sent: dict[str, Any] = {"start_time": start}
    chosen = [to or choice.chosen for to, choice in zip(dragged, there.choices, strict=True)]
    if chosen != there.present:
        sent["calendar_ids"] = chosen
    minutes = form.text("minutes").strip()
    if minutes and minutes != _minutes(own):
        sent["duration_minutes"] = number_in(minutes)
    if form.text("force") == "1":
        sent["check"] = "none"
    wish = validated(AppointmentChange, sent)
    if dates.local(start, own.zone).date() != dates.local(own.about.start_time, own.zone).date():
        must_be_meant(form, start, own.zone, change.now)
    return wish


def _instead_of(calendar_id: str, form: Form) -> str | None:
    """Return the calendar to which an appointment was dragged from this one; None if it was not."""
    return id_in(form.text("to_calendar")) if form.text("from_calendar") == calendar_id else None


def _typed(own: Seen, form: Form) -> dict[str, str]:
    """Return what the fields say of a time and a length: the present ones, unless a form says others. Raises
    InvalidTime."""
    present = chosen_fields(own.about.start_time, own.zone) | {"minutes": _minutes(own)}
    return present | typed_moment(form, own.zone) | form.sent("minutes")


def _minutes(own: Seen) -> str:
    """Return what the field has that says how long the appointment lasts."""
    return str((own.about.end_time - own.about.start_time) // timedelta(minutes=1))


def _is_there(own: Seen, wish: AppointmentChange, form: Form) -> bool:
    """Return whether the appointment is where it was to be moved, and lasts as long as it should."""
    sent = wish.sent()
    ids = [each.calendar_id for each in own.about.calendars]
    return (
        own.about.start_time == wish.start_time
        and sent.get("calendar_ids", ids) == ids
        and form.text("to_calendar") in ("", *ids)
        and form.text("minutes").strip() in ("", _minutes(own))
    )


def _form(call: EnteredCall, there: Movable, form: Form, refusal: Refusal | None = None) -> Response:
    own = there.own
    kept = Form({}) if isinstance(refusal, PreconditionFailed) else form
    typed = _typed(own, kept)
    if is_looking(form):
        typed["date"] = there.day.isoformat()
    return form_page(
        call,
        "staff/move.html",
        _MOVING,
        own,
        _labels(there),
        {} if refusal is None else _wrong(refusal, there),
        refusal,
        there=there,
        chosen=shown_as_chosen(typed, own.zone),
        sure=sure_of(kept, typed),
        day=own.reader.long_day(there.day),
        typed=typed,
    )


def _labels(there: Movable) -> dict[str, tuple[str, str]]:
    """Return the fields by their names: the id of each, and what stands before it."""
    say = there.own.reader.say
    own = {each.name: (each.name, each.requirement or say("Calendar")) for each in there.choices}
    return {name: (name, say(label)) for name, label in _LABELS.items()} | own


def _wrong(refusal: Refusal, there: Movable) -> dict[str, str]:
    """Return what is wrong with each field."""
    fields = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    reader, found = there.own.reader, {}
    for each in fields:
        if each["field"] == "version":
            continue
        if each["field"].startswith("calendar"):
            sentence = _TWICE if each["code"] == "repeated" else _NOT_FOR_THIS
            is_choice = each["field"] in {choice.name for choice in there.choices}
            found[each["field"] if is_choice else there.choices[-1].name] = reader.say(sentence)
        else:
            name = _STORED.get(each["field"], each["field"])
            found[name if name in _LABELS else "time"] = staff_problems.of_field(each, reader)
    return found
