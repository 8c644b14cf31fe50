"""An appointment before its organization's staff: what is known of it, and what becomes of it."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IllegalTransition, Malformed, PreconditionFailed, Refusal
from kalends.schemas.appointments import AppointmentAnswer, AppointmentChange
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import appointment_changes, undoing
from kalends.web import problems, staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at
from kalends.web.seen_appointments import Seen, seen
from kalends.web.sent import Name, start_in, version_in
from kalends.web.staff_pages import staff_page
from kalends.web.staff_problems import Refused
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

STALE = marked("{who} changed it meanwhile. This is how it stands now; nothing else was changed.")
_CANCELLING = marked("Cancel this appointment?")

router = APIRouter(prefix="/staff/appointments", include_in_schema=False)


@router.get("/{appointment_id}")
async def see(appointment_id: Name, call: Entered) -> Response:
    """Show an appointment."""
    return appointment_page(call, await found(call, appointment_id))


@router.get("/{appointment_id}/status")
@router.get("/{appointment_id}/notes")
@router.get("/{appointment_id}/undo")
async def back(appointment_id: Name, call: Entered) -> Response:
    """Lead to the appointment, which has the buttons."""
    return lead_to(call, reader_of(call).link(f"/staff/appointments/{appointment_id}"))


@router.post("/{appointment_id}/status")
async def set_status(appointment_id: Name, change: EnteredWriting) -> Response:
    """Confirm it, mark it, or take its cancellation back. Sent again, it changes nothing."""
    form = await form_of(change.request)
    sent: dict[str, Any] = {"status": form.given("status")}
    if another := form.text("instead"):
        sent["start_time"] = start_in(another, change.timezone)
    wish = _wish(form, **sent)
    try:
        await make(change, appointment_id, wish, form)
    except PreconditionFailed as refusal:
        own = await found(change, appointment_id)
        if own.about.status != wish.status:
            return appointment_page(change, own, refused=stale(own), refusal=refusal)
    except Conflict as refusal:
        own = await found(change, appointment_id)
        told = told_of(change, own, refusal)
        return appointment_page(change, own, refused=told, refusal=refusal, status_wanted=wish.status)
    return lead_to(change, reader_of(change).link(f"/staff/appointments/{appointment_id}"))


@router.post("/{appointment_id}/notes")
async def keep_notes(appointment_id: Name, change: EnteredWriting) -> Response:
    """Store what staff note for themselves."""
    form = await form_of(change.request)
    notes = form.given("notes")
    try:
        wish = validated(AppointmentChange, {"internal_notes": notes or None})
        await make(change, appointment_id, wish, form)
    except (Malformed, PreconditionFailed) as refusal:
        own = await found(change, appointment_id)
        told = stale(own) if isinstance(refusal, PreconditionFailed) else _of_field(own, refusal)
        return appointment_page(change, own, refused=told, refusal=refusal, notes=notes)
    return lead_to(change, reader_of(change).link(f"/staff/appointments/{appointment_id}", saved="1"))


@router.get("/{appointment_id}/cancel")
async def ask_to_cancel(appointment_id: Name, call: EnteredToWrite) -> Response:
    """Ask whether the appointment is to be cancelled, and why."""
    return _cancelling(call, await found(call, appointment_id))


@router.post("/{appointment_id}/cancel")
async def cancel(appointment_id: Name, change: EnteredWriting) -> Response:
    """Cancel the appointment. Sent again, it changes nothing; with another reason, it is refused: the client
    has read the first one."""
    form = await form_of(change.request)
    reason = form.given("reason").strip() or None
    version_in(form)
    own = await found(change, appointment_id)
    if own.about.status != "cancelled":
        try:
            sent = {"status": "cancelled", "cancellation_reason": reason}
            await make(change, appointment_id, validated(AppointmentChange, sent), form)
        except (Malformed, Conflict, PreconditionFailed) as refusal:
            own = await found(change, appointment_id)
            if own.about.status != "cancelled":
                return _cancelling(change, own, form, refusal)
    if own.about.status == "cancelled" and own.about.cancellation_reason != reason:
        return _cancelling(change, own, form, IllegalTransition())
    return lead_to(change, reader_of(change).link(f"/staff/appointments/{appointment_id}"))


@router.post("/{appointment_id}/undo")
async def undo(appointment_id: Name, change: EnteredWriting) -> Response:
    """Make the appointment what it was before it was cancelled a moment ago. Sent again, it changes
    nothing."""
    version = version_in(await form_of(change.request))
    unit, versions = undoing.cancellation, {version}
    try:
        await change.make(
            AppointmentAnswer.of, unit, change.party, appointment_id, change.now, versions=versions
        )
    except (Conflict, PreconditionFailed) as refusal:
        if isinstance(refusal, PreconditionFailed):
            _must_be_known(version, refusal)
        own = await found(change, appointment_id)
        if own.about.status == "cancelled":
            told = told_of(change, own, refusal)
            return appointment_page(change, own, refused=told, refusal=refusal, status_wanted="confirmed")
    return lead_to(change, reader_of(change).link(f"/staff/appointments/{appointment_id}"))


async def found(call: EnteredCall, appointment_id: str) -> Seen:
    """Return an appointment for the reader of a call. Raises NotFound."""
    reader = at(reader_of(call), f"/staff/appointments/{appointment_id}")
    return await call.db.read(seen, call.org_id, appointment_id, reader, call.timezone, call.now)


async def make(change: EnteredChange, appointment_id: str, wish: AppointmentChange, form: Form) -> Response:
    """Change an appointment, if it still is of the version that the form was made for. Raises what
    `appointment_changes.change` raises, with other times if one is taken; Malformed for a form without a
    version that the appointment has or had."""
    version = version_in(form)
    changing = appointment_changes.change
    try:
        return await change.make(
            AppointmentAnswer.of, changing, change.party, appointment_id, wish, change.now, versions={version}
        )
    except PreconditionFailed as refusal:
        _must_be_known(version, refusal)
        raise


def _must_be_known(version: int, refusal: PreconditionFailed) -> None:
    """Raise Malformed for a version that the appointment neither has nor had."""
    if version > refusal.details["version"]:
        raise malformed([wrong("version", "is none that it ever had", "invalid")]) from None


def stale(own: Seen) -> Refused:
    """Return what is said to those who would change what somebody else has changed."""
    return Refused(own.reader.say(STALE).format(who=own.changed_by))


def told_of(change: EnteredChange, own: Seen, refusal: Refusal) -> Refused:
    """Return what is said of a refusal that is about an appointment."""
    if isinstance(refusal, PreconditionFailed):
        return stale(own)
    return staff_problems.refused(
        refusal,
        own.calendars,
        own.reader,
        own.zone,
        change.now,
        may_force=change.party.may_force,
    )


def appointment_page(
    call: EnteredCall,
    own: Seen,
    *,
    refused: Refused | None = None,
    refusal: Refusal | None = None,
    **what: Any,
) -> Response:
    """Return the page of an appointment; above it, why something was refused."""
    status = 200 if refusal is None else problems.noted(call.request, refusal)
    known: dict[str, Any] = {"notes": own.about.internal_notes or "", "status_wanted": None}
    return staff_page(
        call,
        "staff/appointment.html",
        own.about.client_name,
        own.reader,
        status=status,
        own=own,
        refused=refused,
        saved="saved" in call.request.query_params,
        zone=own.reader.zone_name(own.zone, own.about.start_time),
        **(known | what),
    )


def form_page(
    call: EnteredCall,
    template: str,
    heading: str,
    own: Seen,
    labels: Mapping[str, tuple[str, str]],
    wrong: Mapping[str, str],
    refusal: Refusal | None,
    **what: Any,
) -> Response:
    """Return the page of a form about an appointment; above it, what is wrong with its fields, or else why it
    was refused. `labels` has the fields by their names, in order: the id of each, and what stands before
    it."""
    refused = None
    if refusal is not None and not wrong:
        assert isinstance(call, EnteredChange)
        refused = told_of(call, own, refusal)
    return staff_page(
        call,
        template,
        f"{own.reader.say(heading)} – {own.about.client_name}",
        own.reader,
        status=200 if refusal is None else problems.noted(call.request, refusal),
        own=own,
        heading=own.reader.say(heading),
        problems=wrong,
        listed=[(id_, f"{label} – {wrong[name]}") for name, (id_, label) in labels.items() if name in wrong],
        refused=refused,
        zone=own.reader.zone_name(own.zone, own.about.start_time),
        **what,
    )


def _cancelling(
    call: EnteredCall,
    own: Seen,
    form: Form | None = None,
    refusal: Refusal | None = None,
) -> Response:
    reader = at(own.reader, f"{own.path}/cancel")
    status = 200 if refusal is None else problems.noted(call.request, refusal)
    fields = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    told = [each for each in fields if each["field"] != "version"]
    alert = None
    if own.about.status == "cancelled":
        alert = reader.say("This appointment is cancelled already.") if refusal is not None else None
    elif refusal is not None and not told:
        is_stale = isinstance(refusal, PreconditionFailed)
        alert = stale(own).alert if is_stale else staff_problems.plainly(refusal, reader)
    return staff_page(
        call,
        "staff/cancel.html",
        f"{reader.say(_CANCELLING)} – {own.about.client_name}",
        reader,
        status=status,
        own=own,
        heading=reader.say(_CANCELLING),
        reason="" if form is None else form.text("reason"),
        problem=staff_problems.of_field(told[0], reader) if told else None,
        refused=alert,
        is_mailed=call.settings.mail and own.about.client_email is not None,
    )


def _of_field(own: Seen, refusal: Malformed) -> Refused:
    found = [each for each in refusal.details.get("fields", ()) if each["field"] != "version"]
    if not found:
        return Refused(staff_problems.plainly(refusal, own.reader))
    return Refused(
        own.reader.say("Please check what you entered."),
        [(staff_problems.of_field(each, own.reader), None) for each in found],
    )


def _wish(form: Form, **sent: Any) -> AppointmentChange:
    """Return the change that a form asks for. Who may waive every check can say so."""
    return validated(AppointmentChange, sent | ({"check": "none"} if form.text("force") == "1" else {}))
