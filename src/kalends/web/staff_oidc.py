"""How people of the staff sign in by an identity provider: they are led there, and come back with a code."""

import hmac
import json
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kalends.api.context import context_of
from kalends.core.errors import NotFound
from kalends.core.identities import Identity
from kalends.identity import Asked, NoIdentity, Provider
from kalends.ids import new_token
from kalends.services.setup import identities
from kalends.telemetry import log
from kalends.web import asked, entrance, tries
from kalends.web.staff_visits import way_back
from kalends.words.sentences import marked

_BEGIN = "/staff/oidc"
_LONGEST = 255
_ENTER = "sign in by the provider"
_FAILED = marked("Signing in there did not work. Please try again, or sign in another way.")
_UNKNOWN = marked(
    "Nobody is known here by what was said there. "
    "Please ask a colleague to add your e-mail address as it is known there."
)

router = APIRouter(prefix=_BEGIN, include_in_schema=False)


@router.get("")
async def lead_there(
    request: Request,
    next_: Annotated[str, Query(alias="next")] = "",
    organization: str = "",
) -> Response:
    """Lead whoever signs in to the provider. (No form could: the policy of our pages lets none end
    elsewhere.)"""
    provider = _provider(request)
    await tries.count_other(request, "oidc")
    way = Asked(new_token(), new_token(), new_token())
    try:
        address = await provider.address(_back(request), way)
    except NoIdentity as error:
        return _failed(request, next_, error)
    secrets = [way.state, way.nonce, way.verifier]
    about = json.dumps({"way": secrets, "next": way_back(next_), "organization": organization[:_LONGEST]})
    return await asked.put(request, RedirectResponse(address, 303), _ENTER, about.encode())


@router.get("/callback")
async def come_back(request: Request, code: str = "", state: str = "", iss: str = "") -> Response:
    """Sign in whoever comes back from the provider, if they are known here."""
    provider = _provider(request)
    kept = await asked.take(request, _ENTER)
    if kept is None:
        return _failed(request, "", NoIdentity("this browser was not led to the provider, or long ago"))
    about = json.loads(kept)
    way, back = Asked(*about["way"]), str(about["next"])
    try:
        if not hmac.compare_digest(way.state.encode(), state.encode()) or iss not in ("", provider.issuer):
            return _failed(request, back, NoIdentity("the state or the issuer is another"))
        now = context_of(request.scope).clock.now().timestamp()
        identity = await provider.identity(_back(request), code, way, now)
    except NoIdentity as error:
        return _failed(request, back, error)
    answer = await _enter(request, identity, back, str(about["organization"]))
    return asked.forget(answer, request.scope)


async def _enter(request: Request, identity: Identity, back: str, org_id: str) -> Response:
    """Sign in somebody whose identity is sure. Whoever works in several organizations is asked which."""
    context = context_of(request.scope)
    found = await context.database.read(identities.known, identity)
    if org_id:
        found = [each for each in found if each.org_id == org_id]
    if len(found) > 1:
        return entrance.asking(request, back, organizations=found)
    begun = None
    for person in found:
        device, now = entrance.device_of(request), context.clock.now()
        begun = await context.database.write(identities.sign_in, identity, person, device, now)
    if begun is None:
        return entrance.asking(request, back, _UNKNOWN)
    return await entrance.signed_in(request, begun, back, way="oidc")


def _failed(request: Request, back: str, error: NoIdentity) -> Response:
    log.info("nobody signed in by the identity provider", reason=str(error))
    return entrance.asking(request, back, _FAILED)


def _provider(request: Request) -> Provider:
    """Return the identity provider. Raises NotFound if there is none."""
    provider = context_of(request.scope).provider
    if provider is None:
        raise NotFound("This server has no identity provider.")
    return provider


def _back(request: Request) -> str:
    """Return where the provider leads people back to."""
    base = context_of(request.scope).settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{_BEGIN}/callback"
