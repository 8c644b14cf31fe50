"""A request before the person to whom it was mailed: they confirm or decline it by the link in the mail,
without signing in."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.calls import Call
from kalends.api.changes import Change
from kalends.api.context import context_of
from kalends.api.gate import wrong_guess
from kalends.api.trail import trail_of
from kalends.core.caller import Host, RequestLink
from kalends.core.errors import (
    Conflict,
    Malformed,
    NotFound,
    PreconditionFailed,
    RateLimited,
    Refusal,
    TooLate,
    Unbookable,
)
from kalends.core.lifecycle import Status
from kalends.schemas.appointments import AppointmentAnswer, AppointmentChange
from kalends.services.booking import request_links
from kalends.web import problems, staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at
from kalends.web.pages import About, Site, render
from kalends.web.readers import Reader
from kalends.web.seen_appointments import Seen, seen
from kalends.web.sent import version_in
from kalends.web.staff_appointments import STALE
from kalends.web.visits import lead_to, page, reader_of
from kalends.words.sentences import marked

_ASKING = marked("Confirm or decline this request")
_ENDED = marked("This link is no longer valid")
_NEWS = {"confirmed": marked("You have confirmed it."), "cancelled": marked("You have declined it.")}

router = APIRouter(prefix="/staff/requests", include_in_schema=False)


class _Look(Call[Host]):
    """A look at a request by the link in a mail."""

    def __init__(self, request: Request, link: RequestLink) -> None:
        super().__init__(request, link.host)
        self.by = link
        self.own_language = link.language


class _Decision(_Look, Change[Host]):
    """A decision about a request by the link in a mail."""


@router.get("/{token}")
async def see(token: str, request: Request) -> Response:
    """Show the request, with buttons as long as it waits. Programs that follow links in mails change
    nothing."""
    link = await _find(token, request)
    return await _ended(request) if link is None else await _shown(_Look(request, link))


@router.get("/{token}/confirm")
@router.get("/{token}/decline")
@router.get("/{token}/undo")
async def back(token: str, request: Request) -> Response:
    """Lead to the request, which has the buttons. Whoever reads a refusal in another language comes here."""
    link = await _find(token, request)
    return await _ended(request) if link is None else _lead(_Look(request, link))


@router.post("/{token}/confirm")
async def confirm(token: str, request: Request) -> Response:
    """Confirm the request. Sent again, it changes nothing."""
    return await _decide(token, request, "confirmed")


@router.post("/{token}/decline")
async def decline(token: str, request: Request) -> Response:
    """Decline the request, which cancels it. Sent again, it changes nothing."""
    return await _decide(token, request, "cancelled")


@router.post("/{token}/undo")
async def undo(token: str, request: Request) -> Response:
    """Undo that it was declined a moment ago. Sent again, it changes nothing."""
    link = await _find(token, request)
    if link is None:
        return await _ended(request)
    change, form = _Decision(request, link), await form_of(request)
    undoing = request_links.undo
    try:
        versions = {version_in(form)}
        await change.make(AppointmentAnswer.of, undoing, link, change.now, versions=versions)
    except NotFound:
        return await _ended(request)
    except (Malformed, Conflict, PreconditionFailed) as refusal:
        own = await _seen(change)
        if isinstance(refusal, Malformed) or own.about.status == "cancelled":
            return await _shown(change, None, refusal)
    return _lead(change)


async def _decide(token: str, request: Request, status: Status) -> Response:
    link = await _find(token, request)
    if link is None:
        return await _ended(request)
    change, form = _Decision(request, link), await form_of(request)
    reason = form.text("reason").strip() or None
    sent = {"status": status} | ({"cancellation_reason": reason} if status == "cancelled" else {})
    deciding = request_links.decide
    try:
        wish, versions = validated(AppointmentChange, sent), {version_in(form)}
        await change.make(AppointmentAnswer.of, deciding, link, wish, change.now, versions=versions)
    except NotFound:
        return await _ended(request)
    except (Malformed, Conflict, PreconditionFailed) as refusal:
        own = await _seen(change)
        if own.about.status != status:
            return await _shown(change, form, refusal)
    return _lead(change, **{status: "1"})


async def _find(token: str, request: Request) -> RequestLink | None:
    """Return the link with a token; None if it has ended, or never existed."""
    context = context_of(request.scope)
    link = await context.database.read(request_links.find, token, context.clock.now())
    if link is not None:
        trail_of(request.scope).org_id = link.host.org_id
    return link


async def _ended(request: Request) -> Response:
    """Return the page of a link that has ended. Raises RateLimited if many such links were tried."""
    refusal = await wrong_guess(request.scope, request_links.no_link())
    if isinstance(refusal, RateLimited):
        raise refusal
    reader = Reader.of(request.scope)
    title, site = About(reader.say(_ENDED)), Site("Kalends", home=None)
    return render("staff/no_request.html", reader, title, site, status=problems.noted(request, refusal))


def _lead(call: _Look, **news: str) -> Response:
    return lead_to(call, reader_of(call).link(_path(call), **news))


def _path(call: _Look) -> str:
    return f"/staff/requests/{call.request.path_params['token']}"


async def _seen(call: _Look) -> Seen:
    reader, appointment_id = at(reader_of(call), _path(call)), call.by.appointment_id
    return await call.db.read(seen, call.org_id, appointment_id, reader, call.timezone, call.now)


async def _shown(call: _Look, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    """Return the page of a request; above it, why a decision was refused."""
    link = await _find(call.request.path_params["token"], call.request)
    if link is None:
        return await _ended(call.request)
    own = await _seen(call)
    reader, status = own.reader, own.about.status
    is_open = request_links.is_open(link, own.about)
    news = _NEWS.get(status) if link.is_used and status in reader.query else None
    return page(
        call,
        "staff/request.html",
        About(reader.say(_ASKING) if is_open else own.about.client_name),
        reader=reader,
        status=200 if refusal is None else problems.noted(call.request, refusal),
        own=own,
        is_open=is_open,
        can_undo=request_links.may_undo(link, own.history[-1]),
        is_moved=status == "pending" and not is_open,
        heading=reader.say(_ASKING) if is_open else own.about.client_name,
        person=link.name,
        news=None if news is None else reader.say(news),
        reason="" if form is None else form.text("reason"),
        path=_path(call),
        zone=reader.zone_name(own.zone, own.about.start_time),
        is_mailed=call.settings.mail and own.about.client_email is not None,
        **_refused(own, refusal),
    )


def _refused(own: Seen, refusal: Refusal | None) -> dict[str, Any]:
    """Return what the page says of a refusal: in the box on top of it, and at the field for the reason."""
    if refusal is None:
        return {"refused": None, "problem": None}
    wrong = refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ()
    if wrong:
        return {"refused": None, "problem": staff_problems.of_field(wrong[0], own.reader)}
    if isinstance(refusal, Malformed | TooLate | Unbookable):
        return {"refused": staff_problems.plainly(refusal, own.reader), "problem": None}
    return {"refused": own.reader.say(STALE).format(who=own.changed_by), "problem": None}
