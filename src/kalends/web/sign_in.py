"""How people of the staff come in, by a link or a password, and where they see and change their account."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kalends import passwords
from kalends.api.addresses import address_of
from kalends.api.context import context_of
from kalends.api.gate import used_up
from kalends.api.members import member_of
from kalends.core.contacts import folded, plain_address
from kalends.services.setup import sessions
from kalends.services.setup.sessions import Known
from kalends.shares import Share
from kalends.web import staff_visits
from kalends.web.forms import Form, form_of
from kalends.web.pages import About, Site, render
from kalends.web.readers import Reader
from kalends.web.staff_pages import staff_page
from kalends.web.staff_visits import EnteredAtAll, EnteredCall, is_overheard, keep_in, way_back
from kalends.web.visits import reader_of
from kalends.words import dates
from kalends.words.sentences import marked

TRIES = 10
"""How many passwords may be tried in an hour for one person, from one network address."""
TRIES_FROM_ADDRESS = 40
"""And for anybody, from one network address: an office has one."""
TRIES_OF_PERSON = 100
"""And for one person, from anywhere."""
_ENTER = marked("Sign in as {name}")
_SIGN_IN = marked("Sign in")
_WRONG = marked("This is not the right e-mail address and password.")
_SHORT = marked("A password has {fewest} to {most} characters.")
_OTHER = marked("This is not your present password.")
_SAVED = marked("Saved")
_LONGEST = 254
_NOBODY = Known("", "", "", None)
_computing = Share(2, patience=20)
"""Passwords take a fifth of a second of CPU time each, so two at a time."""

router = APIRouter(prefix="/staff", include_in_schema=False)


@router.get("/enter/{token}")
async def ask_in(token: str, request: Request) -> Response:
    """Ask whoever has a link whether they want to sign in. Programs that follow links in mails use nothing
    up."""
    context = context_of(request.scope)
    person = await context.database.read(sessions.invited, token, context.clock.now())
    reader = Reader.of(request.scope, own=None if person is None else person.language)
    if person is None:
        return _plain("staff/no_entry.html", reader, reader.say(_SIGN_IN), status=404)
    title = reader.say(_ENTER).format(name=person.name)
    return _plain(
        "staff/enter.html",
        reader,
        title,
        organization=person.organization,
        is_overheard=is_overheard(request.scope),
    )


@router.post("/enter/{token}")
async def enter(token: str, request: Request) -> Response:
    """Sign in by a link, which is used up."""
    context = context_of(request.scope)
    begun = await context.database.write(sessions.enter, token, _device(request), context.clock.now())
    if begun is None:
        reader = Reader.of(request.scope)
        return _plain("staff/no_entry.html", reader, reader.say(_SIGN_IN), status=404)
    return await _signed_in(request, begun, "/staff")


@router.get("/sign-in")
async def ask_who(request: Request, next_: Annotated[str, Query(alias="next")] = "") -> Response:
    """Ask for an address and a password. Whoever is signed in goes on."""
    if await member_of(request.scope) is not None:
        return _lead(request, way_back(next_))
    return _asking(request, next_)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with an address and a password. Whoever has both in several organizations is asked which."""
    form = await form_of(request)
    email, password = plain_address(form.text("email"))[:_LONGEST], form.text("password")
    context = context_of(request.scope)
    await _count(request, email)
    found = [] if "\x00" in email else await context.database.read(sessions.known, email)
    right = await _right(request, found, password)
    if form.text("organization"):
        right = [each for each in right if each.org_id == form.text("organization")]
    if len(right) != 1:
        return _asking(request, form.text("next"), form, right)
    [person] = right
    now = context.clock.now()
    device = _device(request)
    begun = await context.database.write(sessions.sign_in, person, device, now)
    if begun is None:
        return _asking(request, form.text("next"), form)
    return await _signed_in(request, begun, way_back(form.text("next")))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Sign out in this browser."""
    member = await member_of(request.scope)
    if member is not None:
        await context_of(request.scope).database.write(sessions.end, member)
    return staff_visits.forget_in(_lead(request, staff_visits.SIGN_IN), request.scope)


@router.get("/me")
async def me(call: EnteredAtAll) -> Response:
    """Show where the person is signed in, and let them set a password."""
    return await _me(call)


@router.post("/me/password")
async def set_password(call: EnteredAtAll) -> Response:
    """Set or change the password. Everywhere else the person is signed out."""
    form = await form_of(call.request)
    reader = reader_of(call)
    new = form.text("password")
    if not passwords.FEWEST <= len(new) <= passwords.MOST:
        said = reader.say(_SHORT).format(fewest=passwords.FEWEST, most=passwords.MOST)
        return await _me(call, {"password": said})
    if call.member.has_password:
        await _count(call.request, call.member.email or call.member.person_id)
        found = await call.db.read(sessions.known_as, call.member)
        if not await _right(call.request, [found], form.text("present")):
            return await _me(call, {"present": reader.say(_OTHER)})
    async with _computing.of(call.org_id):
        hashed = await asyncio.to_thread(passwords.hashed, new)
    await call.db.write(sessions.set_password, call.member, hashed, call.now)
    return _lead(call.request, "/staff/me?saved=1")


@router.post("/me/devices/{name}")
async def end(name: str, call: EnteredAtAll) -> Response:
    """Sign the person out in one of their browsers."""
    await call.db.write(sessions.end, call.member, name)
    return _lead(call.request, "/staff/me?saved=1")


async def _me(call: EnteredCall, problems: dict[str, str] | None = None) -> Response:
    reader = reader_of(call)
    devices = await call.db.read(sessions.devices, call.member, call.now)

    def shown(at: datetime) -> str:
        when = dates.local(at, call.timezone)
        return f"{reader.short_day(when.date())}, {reader.time(when)}"

    return staff_page(
        call,
        "staff/me.html",
        call.member.name,
        reader,
        status=400 if problems else 200,
        problems=problems or {},
        fewest=passwords.FEWEST,
        most=passwords.MOST,
        saved="saved" in call.request.query_params,
        devices=[(each, shown(each.begun_at), shown(each.seen_at)) for each in devices],
        is_overheard=is_overheard(call.request.scope),
    )


async def _right(request: Request, found: Sequence[Known], password: str) -> list[Known]:
    """Return those whose password it is. It takes as long if there is nobody, and waits with others from the
    same network address only."""
    async with _computing.of(address_of(request.scope)):
        return [
            each
            for each in found or [_NOBODY]
            if await asyncio.to_thread(passwords.is_right, password, each.password)
        ]


async def _count(request: Request, email: str) -> None:
    """Raise RateLimited if too many passwords were tried in this hour: by the sender, for this person by the
    sender, or for this person. In this order, so that who is refused uses up nothing of others."""
    limits = context_of(request.scope).rate_limits
    sender, person = address_of(request.scope), folded(email)
    for kind, who, limit in (
        ("passwords from an address", sender, TRIES_FROM_ADDRESS),
        ("passwords of a person from an address", f"{sender} {person}", TRIES),
        ("passwords of a person", person, TRIES_OF_PERSON),
    ):
        allowance = await limits.count(kind, who, limit)
        if allowance is not None and not allowance.granted:
            raise used_up(allowance, f"{limit} passwords were tried in this hour, as many as may be.")


async def _signed_in(request: Request, token: str, path: str) -> Response:
    """Lead on with a new session. A former one of this browser ends."""
    former = await member_of(request.scope)
    if former is not None:
        await context_of(request.scope).database.write(sessions.end, former)
    return keep_in(_lead(request, path), request.scope, token)


def _asking(request: Request, back: str, form: Form | None = None, choices: Sequence[Known] = ()) -> Response:
    reader = Reader.of(request.scope)
    wrong = form is not None and not choices
    return _plain(
        "staff/sign_in.html",
        reader,
        reader.say(_SIGN_IN),
        status=400 if wrong else 200,
        problem=reader.say(_WRONG) if wrong else None,
        back=back,
        email="" if form is None else form.text("email"),
        choices=[(each.org_id, each.organization) for each in choices],
        is_overheard=is_overheard(request.scope),
    )


def _plain(template: str, reader: Reader, title: str, *, status: int = 200, **what: Any) -> Response:
    """Return a page that is nobody's yet."""
    return render(template, reader, About(title), Site("Kalends", home=None), status=status, **what)


def _lead(request: Request, path: str) -> Response:
    return RedirectResponse(Reader.of(request.scope).prefix + path, status_code=303)


def _device(request: Request) -> str:
    return request.headers.get("user-agent", "")
