"""The page on which staff move an appointment: to another time, and to other calendars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, Malformed, NotFound, PreconditionFailed, Refusal
from kalends.core.hours import stamp
from kalends.core.requirements import CALENDAR
from kalends.db.database import Tx
from kalends.schemas.appointment_types import AppointmentType
from kalends.schemas.appointments import AppointmentChange
from kalends.schemas.calendars import Calendar
from kalends.services.booking import appointment_changes
from kalends.services.setup import appointment_types, calendars
from kalends.web import problems, staff_problems
from kalends.web.forms import Form, form_of, number_in, validated
from kalends.web.grids import Time, at
from kalends.web.seen_appointments import Seen, seen
from kalends.web.sent import Name, id_in, start_in, version_in
from kalends.web.staff_appointments import make, stale, told_of
from kalends.web.staff_pages import day_in, moment_in, staff_page
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
    """An appointment with the calendars to which it could be given, and the free `times` of a `day` in its
    own ones, each with its address."""

    own: Seen
    choices: Sequence[Choice]
    day: date
    times: Sequence[tuple[Time, str]] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


@router.get("/{appointment_id}/move")
async def ask(appointment_id: Name, call: EnteredToWrite) -> Response:
    """Show the form, with the present time and calendars, or with the free time that was chosen; and the free
    times of a day."""
    there = await _movable(call, appointment_id, Form({}))
    return _form(call, there, Form({}), start=_start_asked(call))


@router.post("/{appointment_id}/move")
async def move(appointment_id: Name, change: EnteredWriting) -> Response:
    """Move the appointment, if it still is as the form showed it. Sent again, it changes nothing."""
    form = await form_of(change.request)
    there = await _movable(change, appointment_id, form)
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
    reader = at(reader_of(call), f"/staff/appointments/{appointment_id}/move")

    def read(tx: Tx) -> Movable:
        own = seen(tx, call.org_id, appointment_id, reader, call.timezone, call.now)
        type_ = appointment_types.get(tx, call.org_id, own.about.appointment_type_id)
        day = dates.local(own.about.start_time, own.zone).date()
        return Movable(own, _choices(own, type_, calendars.all_of(tx, call.org_id), form), day)

    return await _with_times(call, await call.db.read(read), form)


async def _with_times(call: EnteredCall, there: Movable, form: Form) -> Movable:
    """Return it with the free times of the day that is chosen, as long as it can be moved."""
    own = there.own
    start = _start_asked(call)
    sent = form.text("date") or call.request.query_params.get("date", "")
    day = there.day if start is None else dates.local(start, own.zone).date()
    day = day_in(sent) or day
    there = replace(there, day=day)
    if not own.can_cancel:
        return there
    reader, about = at(own.reader, own.reader.path, date=day.isoformat()), own.about
    times = await free_times(call, reader, about.appointment_type_id, day, moving=about.id)
    return replace(there, times=[(each, reader.here(start=each.value)) for each in times])


def _start_asked(call: EnteredCall) -> datetime | None:
    """Return the free time that an address names. Raises InvalidTime."""
    text = call.request.query_params.get("start")
    return start_in(text, call.timezone) if text else None


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
    (`from_calendar`, `to_calendar`) is judged by the core. Raises Malformed, InvalidTime."""
    sent: dict[str, Any] = {"start_time": _start(change, there.own, form)}
    present = [each.calendar_id for each in there.own.about.calendars]
    chosen = [
        _instead_of(id_, form) or choice.chosen for id_, choice in zip(present, there.choices, strict=True)
    ]
    if chosen != present:
        sent["calendar_ids"] = chosen
    minutes = form.text("minutes").strip()
    if minutes and minutes != _minutes(there.own):
        sent["duration_minutes"] = number_in(minutes)
    if form.text("force") == "1":
        sent["check"] = "none"
    return validated(AppointmentChange, sent)


def _instead_of(calendar_id: str, form: Form) -> str | None:
    """Return the calendar to which an appointment was dragged from this one; None if it was not."""
    return id_in(form.text("to_calendar")) if form.text("from_calendar") == calendar_id else None


def _start(change: EnteredChange, own: Seen, form: Form) -> datetime:
    if another := form.text("instead"):
        return start_in(another, change.timezone)
    present = _typed(own)
    if {name: form.text(name) for name in present} == present:
        return own.about.start_time  # which clocks may show twice
    if chosen := form.text("start"):
        start = start_in(chosen, change.timezone)
        if form.typed("date", "time") == _on_the_clock(start, own.zone):
            return start
    return moment_in(form, "date", "time", change.timezone)


def _typed(own: Seen) -> dict[str, str]:
    """Return what the fields have that say when the appointment begins."""
    return _on_the_clock(own.about.start_time, own.zone)


def _on_the_clock(start: datetime, zone: str) -> dict[str, str]:
    when = dates.local(start, zone)
    return {"date": when.date().isoformat(), "time": f"{when:%H:%M}"}


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


def _form(
    call: EnteredCall,
    there: Movable,
    form: Form,
    refusal: Refusal | None = None,
    *,
    start: datetime | None = None,
) -> Response:
    own, reader = there.own, there.own.reader
    typed = _typed(own) | {"minutes": _minutes(own)}
    if start is not None:
        typed |= _on_the_clock(start, own.zone)
    elif not form.fields:
        typed["date"] = there.day.isoformat()
    if another := form.text("instead"):
        typed |= _on_the_clock(start_in(another, own.zone), own.zone)
    elif form.fields and not isinstance(refusal, PreconditionFailed):
        typed |= form.typed("date", "time")
    if not isinstance(refusal, PreconditionFailed):
        typed |= form.sent("minutes")
    wrong: dict[str, str] = {}
    refused = None
    if refusal is not None:
        assert isinstance(call, EnteredChange)
        wrong = _wrong(refusal, there)
        refused = stale(own) if isinstance(refusal, PreconditionFailed) else told_of(call, own, refusal)
    return staff_page(
        call,
        "staff/move.html",
        f"{reader.say(_MOVING)} – {own.about.client_name}",
        reader,
        status=200 if refusal is None else problems.noted(call.request, refusal),
        own=own,
        there=there,
        start=form.text("start") if start is None else stamp(start),
        day=reader.long_day(there.day),
        choices=there.choices,
        heading=reader.say(_MOVING),
        typed=typed,
        problems=wrong,
        listed=[(name, f"{label} – {wrong[name]}") for name, label in _labels(there) if name in wrong],
        refused=refused,
        zone=reader.zone_name(own.zone, own.about.start_time),
    )


def _labels(there: Movable) -> list[tuple[str, str]]:
    """Return the names of the fields, and what stands before each."""
    say = there.own.reader.say
    own = [(each.name, each.requirement or say("Calendar")) for each in there.choices]
    return [(name, say(label)) for name, label in _LABELS.items()] + own


def _wrong(refusal: Refusal, there: Movable) -> dict[str, str]:
    """Return what is wrong with each field."""
    fields = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    reader, found = there.own.reader, {}
    for each in fields:
        if each["field"] == "version":
            continue
        if each["field"].startswith("calendar"):
            sentence = _TWICE if each["code"] == "repeated" else _NOT_FOR_THIS
            found[there.choices[-1].name] = reader.say(sentence)
        else:
            name = _STORED.get(each["field"], each["field"])
            found[name if name in _LABELS else "time"] = staff_problems.of_field(each, reader)
    return found
