"""Who of the staff is signed in, by the cookie that their browser sends."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import Scope

from kalends.api.context import context_of
from kalends.api.trail import trail_of
from kalends.core.caller import Member
from kalends.ids import digest
from kalends.services.setup import sessions

_COOKIE = "kalends"
_STAFF = "/staff"


def is_for_staff(path: str) -> bool:
    """Return whether a path is that of a page for staff."""
    return path == _STAFF or path.startswith(f"{_STAFF}/")


async def member_of(scope: Scope) -> Member | None:
    """Return who is signed in; None if nobody is, or no longer. It is looked up once per request."""
    trail = trail_of(scope)
    if trail.member is None:
        trail.member = await _found(scope)
        trail.org_id = None if trail.member is None else trail.member.host.org_id
    return trail.member


def cookie_name(scope: Scope) -> str:
    """Return the name of the cookie. With `__Host-`, browsers take it from this very host only, and by an
    encrypted connection."""
    return f"__Host-{_COOKIE}" if is_encrypted(scope) else _COOKIE


def is_encrypted(scope: Scope) -> bool:
    """Return whether people reach this server by an encrypted connection, perhaps to a proxy."""
    return "https" in (urlsplit(context_of(scope).settings.public_url).scheme, scope["scheme"])


async def _found(scope: Scope) -> Member | None:
    context = context_of(scope)
    token = HTTPConnection(scope).cookies.get(cookie_name(scope))
    member = None if token is None else await context.members.get(digest(token))
    now = context.clock.now()
    if member is None or member.expires_at <= now:
        return None
    if now - member.seen_at >= sessions.SEEN_EVERY:
        await context.database.write(sessions.see, member, now)
    return member
