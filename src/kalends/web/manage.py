"""The page behind a client's link: their appointment, and what they can do about it."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.manage import said
from kalends.api.visits import ByLink, LinkChange, LinkVisit, WritingByLink
from kalends.core.errors import Conflict, Malformed, PreconditionFailed, Refusal
from kalends.db.database import Tx
from kalends.delivery import calendar_files
from kalends.schemas.public import Cancellation
from kalends.services.booking import booking_page, own_pages, particulars
from kalends.web import calendar_links, problems
from kalends.web.appointments import OwnAppointment
from kalends.web.forms import Form, form_of, validated
from kalends.web.kinds import Kind
from kalends.web.pages import About
from kalends.web.readers import NEWS, Reader
from kalends.web.sent import versions_in
from kalends.web.visits import lead_to, page, reader_of
from kalends.words.sentences import marked

_MAILED = frozenset({"booked", "moved", "confirmed"})
_PLAINLY = "appointment"
_TITLES: Mapping[str, str] = {
    "booked": marked("Booked"),
    "moved": marked("Moved"),
    "confirmed": marked("Confirmed"),
    "saved": marked("Saved"),
    "requested": marked("Requested"),
    "unconfirmed": marked("Please confirm"),
    "cancelled": marked("Cancelled"),
    "expired": marked("Not confirmed in time"),
    _PLAINLY: marked("Your appointment"),
}
_CANCELLING = marked("Cancel this appointment?")

router = APIRouter(prefix="/manage", include_in_schema=False)


@router.get("/{token}")
async def see(visit: ByLink) -> Response:
    """Show the appointment, and what can be done about it."""
    own = await visit.db.read(found, visit, reader_of(visit))
    return _appointment(visit, own)


@router.get("/{token}/appointment.ics")
async def file(visit: ByLink) -> Response:
    """Return the appointment for a calendar program."""
    about, told = await visit.db.read(particulars.own, visit.by, visit.now)
    content = calendar_files.own(about, visit.host.name, visit.timezone, particulars=told)
    headers = {
        "Content-Disposition": 'attachment; filename="appointment.ics"',
        "X-Robots-Tag": "noindex",
    }
    return Response(content, headers=headers, media_type="text/calendar")


@router.get("/{token}/zone")
async def zones(visit: ByLink, to: str = "", city: str = "") -> Response:
    """Ask for the zone in which times are told, by a city; if it is known, lead back."""
    reader = reader_of(visit)
    own = await visit.db.read(found, visit, reader)
    below = "/move" if to == "move" else ""
    if (zone := reader.zone_called(city)) is not None:
        return lead_to(visit, path_of(visit, reader, below, zone=zone))
    return page(
        visit,
        "booking/zone.html",
        About(reader.say("Your time zone")),
        reader=reader,
        kind=own,
        action=f"{reader.prefix}/manage/{visit.request.path_params['token']}/zone",
        kept={**reader.carried, **({"to": to} if below else {})},
        city=city,
        places=reader.places(visit.now),
        back=path_of(visit, reader, below),
    )


@router.get("/{token}/confirm")
async def back(visit: ByLink) -> Response:
    """Lead to the appointment, which has the button. Whoever reads a refusal in another language comes
    here."""
    return lead_to(visit, path_of(visit, reader_of(visit)))


@router.post("/{token}/confirm")
async def confirm(change: WritingByLink) -> Response:
    """Confirm a booking that waits for it."""
    reader = reader_of(change)
    try:
        await change.make(said(change), booking_page.confirm, change.by, change.now)
    except Conflict as refusal:
        own = await change.db.read(found, change, reader)
        return _appointment(change, own, status=problems.noted(change.request, refusal))
    return lead_to(change, path_of(change, reader, confirmed="1"))


@router.get("/{token}/cancel")
async def ask_to_cancel(visit: ByLink) -> Response:
    """Ask whether the appointment is to be cancelled."""
    own = await visit.db.read(found, visit, reader_of(visit))
    return _cancelling(visit, own)


@router.post("/{token}/cancel")
async def cancel(change: WritingByLink) -> Response:
    """Cancel the appointment. Sent again, it changes nothing."""
    form = await form_of(change.request)
    reader = reader_of(change)
    versions = versions_in(form.text("version"))
    try:
        wish = validated(Cancellation, form.sent("reason"))
        cancelling = booking_page.cancel
        await change.make(said(change), cancelling, change.by, wish, change.now, versions=versions)
    except (Conflict, Malformed, PreconditionFailed) as refusal:
        own = await change.db.read(found, change, reader)
        return _cancelling(change, own, form, refusal)
    return lead_to(change, path_of(change, reader, cancelled="1"))


def found(tx: Tx, call: LinkVisit | LinkChange, reader: Reader) -> OwnAppointment:
    """Return the appointment of a link for its reader. Raises NotFound if the link has ended."""
    own = own_pages.of(tx, call.by, call.now)
    kind = Kind(own.type_, call.host, reader)
    return OwnAppointment(own.appointment, kind, own.is_offered, call.now)


def path_of(call: LinkVisit | LinkChange, reader: Reader, below: str = "", **query: str | None) -> str:
    """Return the address of the appointment's page, or of one `below` it."""
    return reader.link(f"/manage/{call.request.path_params['token']}{below}", **query)


def own_page(
    call: LinkVisit | LinkChange, template: str, title: str, own: OwnAppointment, **what: Any
) -> Response:
    """Return a page about the appointment. No other site may embed it."""
    reader = own.kind.reader
    about = About(f"{reader.say(title)} – {own.kind.name}")
    back = path_of(call, reader)
    return page(
        call, template, about, reader=reader, host=call.host, own=own, heading=title, back=back, **what
    )


def _appointment(call: LinkVisit | LinkChange, own: OwnAppointment, *, status: int = 200) -> Response:
    reader = own.kind.reader
    news = next((each for each in NEWS if each in reader.query), None)
    told = _told(own, news)
    return own_page(
        call,
        "manage/appointment.html",
        _TITLES[told],
        own,
        status=status,
        told=told,
        next_page=own.next_page if news == "booked" and own.is_open else None,
        mailed=own.about.client_email if news in _MAILED and call.settings.mail else None,
        is_only_here=news == "booked" and not (call.settings.mail and own.about.client_email),
        zones=None if own.kind.is_in_person else path_of(call, reader, "/zone"),
        file=path_of(call, reader, "/appointment.ics"),
        google=calendar_links.google(own),
        outlook=calendar_links.outlook(own),
        confirm=path_of(call, reader, "/confirm"),
        move=path_of(call, reader, "/move"),
        cancel=path_of(call, reader, "/cancel"),
        details=path_of(call, reader, "/details"),
        again=None if own.again is None else reader.link(own.again),
    )


def _told(own: OwnAppointment, news: str | None) -> str:
    """Return what the page says first: how it stands, if that is remarkable, or what was just done, if it
    still is so."""
    if own.state in ("unconfirmed", "requested", "cancelled", "expired"):
        return own.state
    return news if own.state == "confirmed" and news not in (None, "cancelled") else _PLAINLY


def _cancelling(
    call: LinkVisit | LinkChange,
    own: OwnAppointment,
    form: Form | None = None,
    refusal: Refusal | None = None,
) -> Response:
    status = 200 if refusal is None else problems.noted(call.request, refusal)
    if not own.can_cancel:
        return own_page(call, "manage/closed.html", _CANCELLING, own, status=status)
    reader = own.kind.reader
    wrong = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    refused = None
    if isinstance(refusal, PreconditionFailed):
        refused = problems.of_refusal(refusal, None, own.zone, reader)
    return own_page(
        call,
        "manage/cancel.html",
        _CANCELLING,
        own,
        status=status,
        action=path_of(call, reader, "/cancel"),
        reason="" if form is None else form.text("reason"),
        problem=problems.of_field(wrong[0], reader) if wrong else None,
        refused=refused,
        is_mailed=call.settings.mail and own.about.client_email is not None,
    )
