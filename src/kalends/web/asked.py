"""What a browser was asked and has to answer, under a cookie of its own: once, and within minutes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from kalends.api.context import context_of
from kalends.api.members import cookie_name
from kalends.ids import new_token
from kalends.services.setup import challenges
from kalends.web.staff_visits import forget_in, keep_in

_COOKIE = "-challenge"


async def put(request: Request, answer: Response, purpose: str, content: bytes) -> Response:
    """Keep what a browser is asked by an answer. Returns the answer, with the cookie."""
    context, browser = context_of(request.scope), new_token()
    await context.database.write(challenges.put, browser, purpose, content, context.clock.now())
    return keep_in(answer, request.scope, browser, _COOKIE, challenges.LIFETIME)


async def take(request: Request, purpose: str) -> bytes | None:
    """Return what this browser was asked, which is used up by that. None if it was not, or too long ago."""
    context = context_of(request.scope)
    browser = request.cookies.get(cookie_name(request.scope) + _COOKIE)
    if browser is None:
        return None
    return await context.database.write(challenges.take, browser, purpose, context.clock.now())


def forget(answer: Response, scope: Scope) -> Response:
    """Have a browser forget that it was asked."""
    return forget_in(answer, scope, _COOKIE)
