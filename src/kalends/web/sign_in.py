"""How people of the staff come in, by a link or a password."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.context import context_of
from kalends.api.members import member_of
from kalends.core.contacts import plain_address
from kalends.services.setup import links, sessions
from kalends.telemetry import log
from kalends.web import entrance, staff_visits, tries
from kalends.web.entrance import lead, plain_page
from kalends.web.forms import form_of
from kalends.web.readers import Reader
from kalends.web.staff_visits import is_overheard, way_back
from kalends.words.sentences import marked

_ENTER = marked("Sign in as {name}")
_WRONG = marked("This is not the right e-mail address and password.")
_LONGEST = 254

router = APIRouter(prefix="/staff", include_in_schema=False)


@router.get("/enter/{token}")
async def ask_in(token: str, request: Request) -> Response:
    """Ask whoever has a link whether they want to sign in. Programs that follow links in mails use nothing
    up."""
    context = context_of(request.scope)
    person = await context.database.read(links.invited, token, context.clock.now())
    if person is None:
        return entrance.no_entry(request)
    reader = Reader.of(request.scope, own=person.language)
    title = reader.say(_ENTER).format(name=person.name)
    return plain_page(
        "staff/enter.html",
        reader,
        title,
        organization=person.organization,
        is_overheard=is_overheard(request.scope),
    )


@router.post("/enter/{token}")
async def enter(token: str, request: Request) -> Response:
    """Sign in by a link, which is used up. Whoever could not come back without another is led to where they
    see to that."""
    if (page := entrance.turned_away(request)) is not None:
        return page
    context = context_of(request.scope)
    now = context.clock.now()
    person = await context.database.read(links.invited, token, now)
    device = entrance.device_of(request)
    begun = await context.database.write(links.enter, token, device, now)
    if person is None or begun is None:
        return entrance.no_entry(request)
    returns = person.again or await context.database.read(sessions.may_return, person.org_id, person.id)
    return await entrance.signed_in(request, begun, "/staff" if returns else "/staff/me?first=1", way="link")


@router.get("/sign-in")
async def ask_who(request: Request, next_: Annotated[str, Query(alias="next")] = "") -> Response:
    """Ask for an address and a password. Whoever is signed in goes on."""
    if await member_of(request.scope) is not None:
        return lead(request, way_back(next_))
    return entrance.asking(request, next_)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with an address and a password. Whoever has both in several organizations is asked which."""
    if (page := entrance.turned_away(request)) is not None:
        return page
    form = await form_of(request)
    back, typed = form.text("next"), form.text("email")
    email = plain_address(typed)[:_LONGEST]
    context = context_of(request.scope)
    counted = await tries.count(request, email)
    found = [] if "\x00" in email else await context.database.read(sessions.known, email)
    right = await tries.right(request, found, form.text("password"))
    if right:
        await tries.give_back(request, counted)
    if form.text("organization"):
        right = [each for each in right if each.org_id == form.text("organization")]
    if len(right) > 1:
        return entrance.asking(request, back, email=typed, choices=right)
    begun = None
    for person in right:
        device, now = entrance.device_of(request), context.clock.now()
        begun = await context.database.write(sessions.sign_in, person, device, now)
    if begun is None:
        return entrance.asking(request, back, _WRONG, email=typed)
    return await entrance.signed_in(request, begun, way_back(back), way="password")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Sign out in this browser."""
    member = await member_of(request.scope)
    if member is not None:
        await context_of(request.scope).database.write(sessions.end, member)
        log.info("signed out", org_id=member.host.org_id, person_id=member.person_id)
    return staff_visits.forget_in(lead(request, staff_visits.SIGN_IN), request.scope)
