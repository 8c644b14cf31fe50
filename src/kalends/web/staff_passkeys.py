"""How people of the staff add passkeys, and sign in with them. What a browser is asked is kept until it
answers, under a cookie of its own."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from kalends import passkeys
from kalends.api.addresses import address_of
from kalends.api.calls import NO_NUL
from kalends.api.context import context_of
from kalends.core.errors import Conflict, Malformed, NotFound
from kalends.passkeys import Place, WrongAnswer
from kalends.services.setup import challenges
from kalends.services.setup import passkeys as kept
from kalends.services.setup.passkeys import Found
from kalends.telemetry import log
from kalends.web import account, asked, entrance, tries
from kalends.web.entrance import lead
from kalends.web.forms import form_of
from kalends.web.settings_pages import asked_again
from kalends.web.staff_visits import EnteredAtAll, place_of, way_back
from kalends.web.visits import reader_of
from kalends.words.sentences import marked

_ENTER = "sign in by passkey"
_WRONG = marked("This passkey does not work here, or no longer. Please try again, or sign in another way.")
_REMOVE = marked("Remove the passkey “{name}”?")
_REMOVED = marked("Nobody can sign in with it any more. Everywhere else you are signed out.")
_NOT_ADDED = marked("The passkey could not be added. Please try again.")

router = APIRouter(prefix="/staff", include_in_schema=False)


@router.post("/passkeys/options")
async def ask_to_show(request: Request) -> Response:
    """Tell the script of the page what it needs to ask for a passkey."""
    return await _ask(request, _ENTER, passkeys.to_show)


@router.post("/passkeys/sign-in")
async def show(request: Request) -> Response:
    """Sign in with a passkey. It says whose it is, so nobody types an address."""
    if (page := entrance.turned_away(request)) is not None:
        return page
    form = await form_of(request)
    begun = await _begun(request, form.text("answer"))
    if begun is None:
        # Nobody can guess one, so right ones are not counted: no stranger shuts out who shares the address.
        await tries.count_other(request, "passkeys")
        return asked.forget(entrance.asking(request, form.text("next"), _WRONG), request.scope)
    answer = await entrance.signed_in(request, begun, way_back(form.text("next")), way="passkey")
    return asked.forget(answer, request.scope)


@router.post("/me/passkeys/options")
async def ask_to_make(call: EnteredAtAll) -> Response:
    """Tell the script of the page what it needs to have a passkey made. Raises Malformed if the person has a
    password, and it was not said, or has not signed in lately."""
    if not await account.signed_in_lately(call):
        raise Malformed("Sign out and in again first.")
    if not await account.knows_password(call, await form_of(call.request)):
        raise Malformed("This is not the present password.")
    member = call.member
    known = await call.db.read(kept.credentials_of, member)

    def options(place: Place, challenge: bytes) -> str:
        return passkeys.to_make(
            place,
            challenge,
            organization=member.host.name,
            handle=member.person_id.encode(),
            name=f"{member.email or member.name} ({member.host.name})",
            known=known,
        )

    return await _ask(call.request, _purpose(member.person_id), options)


@router.post("/me/passkeys")
async def add(call: EnteredAtAll) -> Response:
    """Add a passkey that the browser has made."""
    form = await form_of(call.request)
    place, challenge = (
        place_of(call.request.scope),
        await asked.take(call.request, _purpose(call.member.person_id)),
    )
    try:
        async with tries.computing.of(call.org_id):
            made = await asyncio.to_thread(passkeys.made, place, challenge, form.text("answer"))
        await call.db.write(kept.add, call.member, made, form.text("name"), call.now)
    except (WrongAnswer, Conflict):
        said = reader_of(call).say(_NOT_ADDED)
        page = await account.show_account(call, {None: said}, device=form.text("name"))
        return asked.forget(page, call.request.scope)
    log.info("passkey added", org_id=call.org_id, person_id=call.member.person_id)
    return asked.forget(lead(call.request, account.SAVED), call.request.scope)


@router.get("/me/passkeys/{name}/remove")
async def ask_to_remove(name: Annotated[str, Path(pattern=NO_NUL)], call: EnteredAtAll) -> Response:
    """Ask whether a passkey is to be forgotten."""
    reader = reader_of(call)
    mine = {each.id: each for each in await call.db.read(kept.all_of, call.member)}
    if name not in mine:
        raise NotFound("There is no such passkey.")
    return asked_again(
        call,
        reader,
        None,
        mine[name].name or reader.say("A passkey"),
        action=reader.link(f"/staff/me/passkeys/{name}/remove"),
        back=reader.link("/staff/me"),
        hint=_REMOVED,
        question=_REMOVE,
        button=marked("Remove this passkey"),
    )


@router.post("/me/passkeys/{name}/remove")
async def remove(name: Annotated[str, Path(pattern=NO_NUL)], call: EnteredAtAll) -> Response:
    """Forget a passkey. Everywhere else the person is signed out."""
    if not await account.signed_in_lately(call):
        return await account.show_account(call, {None: reader_of(call).say(account.STALE)})
    if not await call.db.write(kept.remove, call.member, name):
        raise NotFound("There is no such passkey.")
    log.info("passkey removed", org_id=call.org_id, person_id=call.member.person_id)
    return lead(call.request, account.SAVED)


async def _ask(request: Request, purpose: str, options: Callable[[Place, bytes], str]) -> Response:
    """Answer with the options for a new challenge, which is kept. Raises NotFound if passkeys are good
    nowhere on this server."""
    place = place_of(request.scope)
    if place is None:
        raise NotFound("At this address, browsers have no passkeys.")
    challenge = challenges.new_content()
    answer = Response(options(place, challenge), media_type="application/json")
    return await asked.put(request, answer, purpose, challenge)


async def _begun(request: Request, answer: str) -> str | None:
    """Return the token of a new session of the person whose passkey was shown; None if it is not right."""
    place, challenge = place_of(request.scope), await asked.take(request, _ENTER)
    context = context_of(request.scope)
    found = None
    try:
        found = await context.database.read(kept.find, passkeys.credential_in(answer))
        if found is None:
            return None
        handle = found.person_id.encode()
        async with tries.computing.of(address_of(request.scope)):
            count = await asyncio.to_thread(passkeys.shown, place, challenge, answer, found.passkey, handle)
    except WrongAnswer as wrong:
        if found is not None:
            _log_refused(found, str(wrong))
        return None
    device, now = entrance.device_of(request), context.clock.now()
    begun = await context.database.write(kept.sign_in, found, count, device, now)
    if begun is None:
        _log_refused(found, "it was used or removed meanwhile")
    return begun


def _log_refused(found: Found, why: str) -> None:
    log.warning("passkey refused", org_id=found.org_id, person_id=found.person_id, why=why)


def _purpose(person_id: str) -> str:
    return f"add a passkey of {person_id}"
