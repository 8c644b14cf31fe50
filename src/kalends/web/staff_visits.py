"""What handlers of pages for staff ask for: the person who is signed in, by a cookie."""

import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from kalends.api.calls import Call
from kalends.api.changes import Change
from kalends.api.context import context_of
from kalends.api.members import cookie_name, is_encrypted, member_of
from kalends.core.caller import Host, Member
from kalends.core.errors import Unauthorized
from kalends.passkeys import Place
from kalends.services.outbox import parties
from kalends.services.outbox.idempotency import Ticket
from kalends.services.outbox.parties import Party
from kalends.services.setup import sessions

SIGN_IN = "/staff/sign-in"
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?")
_LOCAL_PATH = re.compile(r"/staff(?:[/?][A-Za-z0-9._~/?&=%:+,-]*)?")
_NO_PAGE = re.compile(r"/staff/(?:sign-in|sign-out|enter|passkeys)(?![A-Za-z0-9_-]).*", re.DOTALL)
"""What only leads in or out, or takes forms alone."""
_ELSEWHERE = re.compile(r"//|\.\.|%2e", re.IGNORECASE)


class EnteredCall(Call[Host]):
    """A call of a person of the staff, who is signed in."""

    def __init__(self, request: Request, member: Member) -> None:
        super().__init__(request, member.host)
        self.member = member
        self.own_language = member.language

    @property
    def party(self) -> Party:
        """Who looks, or makes a change."""
        return parties.member(self.member)


class EnteredChange(EnteredCall, Change[Host]):
    """A change by a person of the staff, who is signed in."""

    def for_form(self, name: str) -> Self:
        """Make the change once for the form with this name, which no other form has. Sent with other words,
        the form is refused with IdempotencyKeyReused. Raises Malformed."""
        return self.under(name)

    def _ticket(self, key: str, fingerprint: bytes) -> Ticket:
        return Ticket(self.org_id, f"person:{self.member.person_id}:{key}", fingerprint)


class NotSignedInError(Exception):
    """Nobody is signed in, so whoever looks is led to where they can sign in."""


def keep_in(
    response: Response, scope: Scope, token: str, name: str = "", lifetime: timedelta = sessions.LONGEST
) -> Response:
    """Have a browser keep the token of a session, for as long as one may last; or another one, of this name.
    It sends it back to this server only, and shows it to no script."""
    response.set_cookie(
        cookie_name(scope) + name,
        token,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=is_encrypted(scope),
        httponly=True,
        samesite="lax",
    )
    return response


def forget_in(response: Response, scope: Scope, name: str = "") -> Response:
    """Have a browser forget it."""
    response.delete_cookie(
        cookie_name(scope) + name, path="/", secure=is_encrypted(scope), httponly=True, samesite="lax"
    )
    return response


def is_overheard(scope: Scope) -> bool:
    """Return whether others may listen to the connection: it is neither encrypted nor within this machine."""
    host = urlsplit(context_of(scope).settings.public_url).netloc or Headers(scope=scope).get("host", "")
    return not is_encrypted(scope) and not _LOOPBACK.fullmatch(host)


def refuses_cookies(scope: Scope) -> bool:
    """Return whether the browser that sends a form won't keep the cookie of a session: its page came without
    encryption, though people reach this server with it. Browsers say so by the origin of the page, whatever a
    proxy took off or left out. What says nothing is believed to be on the connection that it is on."""
    headers = Headers(scope=scope)
    scheme, _, host = headers.get("origin", "").lower().partition("://")
    if not host:
        scheme, host = scope["scheme"], headers.get("host", "").lower()
    return is_encrypted(scope) and scheme != "https" and not _LOOPBACK.fullmatch(host)


def place_of(scope: Scope) -> Place | None:
    """Return where passkeys are good on this server; None if it has an address at which there are none."""
    return Place.at(context_of(scope).settings.public_url or str(HTTPConnection(scope).base_url))


def way_back(text: str) -> str:
    """Return the path of a page for staff that somebody wanted to see before they signed in; that of the
    first page, if it is anything else."""
    is_page = _LOCAL_PATH.fullmatch(text) and not _NO_PAGE.fullmatch(text)
    return text if is_page and not _ELSEWHERE.search(text) else "/staff"


def sign_in_path(scope: Scope) -> str:
    """Return where to sign in, and come back from there."""
    query = scope["query_string"].decode("latin-1")
    here = scope["path"] + (f"?{query}" if query else "")
    return f"{SIGN_IN}?next={quote(here, safe='/')}"


async def lead_to_sign_in(request: Request, _error: Exception) -> Response:
    """Lead whoever is not signed in to where they can do that."""
    prefix = urlsplit(context_of(request.scope).settings.public_url).path
    return RedirectResponse(f"{prefix}{sign_in_path(request.scope)}", status_code=303)


async def _entered(request: Request) -> Member:
    member = await member_of(request.scope)
    if member is not None:
        return member
    if request.method in ("GET", "HEAD"):
        raise NotSignedInError
    raise Unauthorized("Nobody is signed in here, or no longer. Sign in once more.")


def _with(scope: str | None) -> Callable[[Request], Coroutine[Any, Any, EnteredCall]]:
    async def enter(request: Request) -> EnteredCall:
        member = await _entered(request)
        if scope is not None:
            member.need(scope)
        return EnteredCall(request, member)

    return enter


def _changing(scope: str) -> Callable[[Request], Coroutine[Any, Any, EnteredChange]]:
    async def enter(request: Request) -> EnteredChange:
        member = await _entered(request)
        member.need(scope)
        return EnteredChange(request, member)

    return enter


Entered = Annotated[EnteredCall, Depends(_with("read"))]
EnteredToWrite = Annotated[EnteredCall, Depends(_with("write"))]
"""For a form that only those may send who may write: nobody fills it in for nothing."""
EnteredAtAll = Annotated[EnteredCall, Depends(_with(None))]
"""For everybody's own account."""
EnteredWriting = Annotated[EnteredChange, Depends(_changing("write"))]
EnteredDeleting = Annotated[EnteredChange, Depends(_changing("delete"))]
EnteredAdministering = Annotated[EnteredChange, Depends(_changing("admin"))]
EnteredAsAdmin = Annotated[EnteredCall, Depends(_with("admin"))]
"""For what only an admin may see."""
