"""The account of somebody of the staff: their passkeys and password, and where they are signed in."""

import asyncio
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from kalends import passwords
from kalends.core.caller import Member
from kalends.core.errors import AlreadyExists, Malformed, NotFound
from kalends.db.database import Tx
from kalends.schemas.people import PersonChange
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.setup import passkeys, people, sessions
from kalends.telemetry import log
from kalends.web import tries
from kalends.web.entrance import lead
from kalends.web.forms import Form, form_of, validated
from kalends.web.settings_pages import asked_again
from kalends.web.staff_pages import staff_page
from kalends.web.staff_visits import EnteredAtAll, EnteredCall, is_overheard, place_of
from kalends.web.visits import reader_of
from kalends.words import dates
from kalends.words.sentences import marked

SAVED = "/staff/me?saved=1"
LATELY = timedelta(minutes=15)
"""How long ago somebody has signed in who may change how they do."""
STALE = marked("You signed in more than 15 minutes ago. Sign out and in again, then you can change this.")
OTHER = marked("This is not your present password.")
_NO_ADDRESS = marked("This is no complete e-mail address. It looks like name@example.org.")
_TAKEN = marked("Somebody else has this e-mail address.")
_END = marked("Sign out in {name}?")
_ENDED = marked("Whoever works there has to sign in again.")
_SHORT = marked("A password has {fewest} to {most} characters.")

router = APIRouter(prefix="/staff/me", include_in_schema=False)


@router.get("")
async def me(call: EnteredAtAll) -> Response:
    """Show where the person is signed in, and let them add a passkey or set a password."""
    return await show_account(call)


@router.post("/password")
async def set_password(call: EnteredAtAll) -> Response:
    """Set or change the password. Everywhere else the person is signed out."""
    form = await form_of(call.request)
    reader = reader_of(call)
    new, email = form.text("password"), form.text("email")
    if not passwords.FEWEST <= len(new) <= passwords.MOST:
        said = reader.say(_SHORT).format(fewest=passwords.FEWEST, most=passwords.MOST)
        return await show_account(call, {"password": said}, email=email)
    if not await signed_in_lately(call):
        return await show_account(call, {None: reader.say(STALE)}, email=email)
    if not await knows_password(call, form):
        return await show_account(call, {"present": reader.say(OTHER)}, email=email)
    try:
        wish = _address_in(form) if lacks_address(call.member) else None
        hashed = await _hashed(call, new)
        await call.db.write(_set_password, call, wish, hashed)
    except (Malformed, AlreadyExists) as refusal:
        said = _TAKEN if isinstance(refusal, AlreadyExists) else _NO_ADDRESS
        return await show_account(call, {"email": reader.say(said)}, email=email)
    log.info("password set", org_id=call.org_id, person_id=call.member.person_id)
    return lead(call.request, SAVED)


def lacks_address(member: Member) -> bool:
    """Return whether somebody has to say their own address to set a password, with which they sign in: there
    may be no colleague who could."""
    return member.email is None and member.may("admin")


def _address_in(form: Form) -> PersonChange:
    """Return the address that was typed. Raises Malformed for none."""
    wish = validated(PersonChange, {"email": form.text("email")})
    if wish.email is None:
        raise malformed([wrong("email", "must be there", "required")])
    return wish


def _set_password(tx: Tx, call: EnteredCall, wish: PersonChange | None, hashed: str) -> None:
    if wish is not None:
        people.change(tx, call.party, call.member.person_id, wish, call.now)
    sessions.set_password(tx, call.member, hashed, call.now)


async def _hashed(call: EnteredCall, password: str) -> str:
    async with tries.computing.of(call.org_id):
        return await asyncio.to_thread(passwords.hashed, password)


@router.get("/devices/{name}")
async def ask_to_end(name: str, call: EnteredAtAll) -> Response:
    """Ask whether the person is to be signed out in one of their browsers."""
    reader = reader_of(call)
    others = {each.name: each for each in await call.db.read(sessions.devices, call.member, call.now)}
    if name not in others:
        raise NotFound("Nobody is signed in there.")
    return asked_again(
        call,
        reader,
        None,
        others[name].device or reader.say("An unknown browser"),
        action=reader.link(f"/staff/me/devices/{name}"),
        back=reader.link("/staff/me"),
        hint=_ENDED,
        question=_END,
        button=marked("Sign out there"),
    )


@router.post("/devices/{name}")
async def end(name: str, call: EnteredAtAll) -> Response:
    """Sign the person out in one of their browsers."""
    await call.db.write(sessions.end, call.member, name)
    return lead(call.request, SAVED)


async def knows_password(call: EnteredCall, form: Form) -> bool:
    """Return whether a form has the password of the person, or they have none. Whoever finds a browser where
    somebody is signed in does not get a way in of their own. Raises RateLimited."""
    found = await call.db.read(sessions.known_as, call.member)
    if found.password is None:
        return True
    counted = await tries.count(call.request, call.member.email or call.member.person_id)
    right = bool(await tries.right(call.request, [found], form.text("present")))
    if right:
        await tries.give_back(call.request, counted)
    return right


async def signed_in_lately(call: EnteredCall) -> bool:
    """Return whether a person has signed in just now, or can be asked for a password, or has no way to come
    back yet. Whoever finds a browser where somebody is signed in who has passkeys and no password does not
    get a way in of their own either."""
    if call.now - call.member.begun_at <= LATELY:
        return True
    known = await call.db.read(sessions.known_as, call.member)
    return known.password is not None or not await call.db.read(passkeys.all_of, call.member)


async def show_account(
    call: EnteredCall, problems: dict[str | None, str] | None = None, *, email: str = "", device: str = ""
) -> Response:
    """Show the account. `problems` are sentences by the ids of fields; None is for what is about none.
    `email` is the address that was typed, and `device` the name of a new passkey's."""
    reader = reader_of(call)
    devices = await call.db.read(sessions.devices, call.member, call.now)
    keys = await call.db.read(passkeys.all_of, call.member)

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
        email=email,
        device=device,
        lacks_address=lacks_address(call.member),
        fewest=passwords.FEWEST,
        most=passwords.MOST,
        saved="saved" in call.request.query_params,
        is_first="first" in call.request.query_params,
        devices=[(each, shown(each.begun_at), shown(each.seen_at)) for each in devices],
        passkeys=[
            (each, shown(each.created_at), None if each.used_at is None else shown(each.used_at))
            for each in keys
        ],
        place=place_of(call.request.scope),
        is_overheard=is_overheard(call.request.scope),
        stale=reader.say(STALE),
    )
