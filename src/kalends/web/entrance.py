"""What all ways of signing in have in common: the page that asks who comes in, and what happens to those who
may."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kalends.api.context import context_of
from kalends.api.members import member_of
from kalends.ids import digest
from kalends.services.setup import sessions
from kalends.services.setup.sessions import Known
from kalends.telemetry import log
from kalends.web.pages import About, Site, render
from kalends.web.readers import Reader
from kalends.web.staff_visits import is_overheard, keep_in, place_of, refuses_cookies
from kalends.words.sentences import marked

_SIGN_IN = marked("Sign in")


def asking(
    request: Request,
    back: str,
    problem: str | None = None,
    *,
    email: str = "",
    choices: Sequence[Known] = (),
    organizations: Sequence[Known] = (),
) -> Response:
    """Ask who comes in. `problem` is what was wrong; `choices` are those of whom somebody may be one, and
    `organizations` those of whom the identity provider says so."""
    reader = Reader.of(request.scope)
    provider = context_of(request.scope).provider
    there = {"next": back} if back else {}
    return plain_page(
        "staff/sign_in.html",
        reader,
        reader.say(_SIGN_IN),
        status=200 if problem is None else 400,
        problem=None if problem is None else reader.say(problem),
        back=back,
        email=email,
        choices=[(each.org_id, each.organization) for each in choices],
        place=place_of(request.scope),
        provider=None if provider is None else provider.name,
        provider_address=reader.link("/staff/oidc", **there),
        organizations=[
            (each.organization, reader.link("/staff/oidc", organization=each.org_id, **there))
            for each in organizations
        ],
        is_overheard=is_overheard(request.scope),
    )


def turned_away(request: Request) -> Response | None:
    """Return a page that leads to the encrypted address of this one, if a browser sends a form from another,
    and would not keep the cookie of a session. None if it would."""
    if not refuses_cookies(request.scope):
        return None
    reader = Reader.of(request.scope)
    known = context_of(request.scope).settings.public_url or f"https://{request.url.netloc}"
    address = known + request.url.path
    return plain_page("staff/unencrypted.html", reader, reader.say(_SIGN_IN), status=400, address=address)


async def signed_in(request: Request, token: str, path: str, *, way: str) -> Response:
    """Lead on with a new session, and log by which way it came to be. A former one of this browser ends."""
    context = context_of(request.scope)
    former = await member_of(request.scope)
    if former is not None:
        await context.database.write(sessions.end, former)
    member = await context.members.get(digest(token))
    if member is not None:
        log.info("signed in", way=way, org_id=member.host.org_id, person_id=member.person_id)
    return keep_in(lead(request, path), request.scope, token)


def no_entry(request: Request) -> Response:
    """Say that a link has ended."""
    reader = Reader.of(request.scope)
    return plain_page("staff/no_entry.html", reader, reader.say(_SIGN_IN), status=404)


def plain_page(template: str, reader: Reader, title: str, *, status: int = 200, **what: Any) -> Response:
    """Return a page that is nobody's yet."""
    return render(template, reader, About(title), Site("Kalends", home=None), status=status, **what)


def lead(request: Request, path: str) -> Response:
    """Lead a browser to another page for staff."""
    return RedirectResponse(Reader.of(request.scope).prefix + path, status_code=303)


def device_of(request: Request) -> str:
    """Return what a browser calls itself."""
    return request.headers.get("user-agent", "")
