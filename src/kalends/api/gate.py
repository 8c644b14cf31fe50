"""Who may come in, and how often: the API key, or the address."""

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors
from kalends.api.addresses import address_of
from kalends.api.context import Context, context_of
from kalends.api.members import is_for_staff, member_of
from kalends.api.paths import is_for_people, is_page
from kalends.api.rate_limits import Allowance
from kalends.api.trail import trail_of
from kalends.core.caller import Caller
from kalends.core.errors import RateLimited, Refusal, Unauthorized
from kalends.ids import digest

GUARDED = "/v1/"
PUBLIC = "/v1/public/"
_LINKS = f"{PUBLIC}appointments/"
_PAGES_OF_LINKS = "/manage/"
_FEEDS = f"{PUBLIC}feeds/"
_WRITES_COST = 10
"""How many requests a booking or a hold without a key counts as."""
_FEWEST_LINKS = 10
REQUESTS_OF_A_SESSION = 5_000
"""How many pages and forms somebody of the staff may ask for in an hour, in one browser."""


class Gate:
    """Pure ASGI: everything under /v1 needs a key, except what is public, where addresses are counted
    instead, and together with it the pages for people. Every answer has the allowance of the organization or
    of the address.

    The gate comes before routing and parsing, so without a key nobody learns more than that one is needed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_counted(scope["path"]):
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        trail = trail_of(scope)

        async def send_with_allowance(message: Message) -> None:
            if message["type"] == "http.response.start" and trail.allowance is not None:
                message["headers"] = [*message["headers"], *trail.allowance.headers]
            await send(message)

        try:
            if _is_public(scope["path"]):
                await _count_public(context, scope)
            else:
                caller = await _caller(context, scope)
                trail.caller = caller
                allowance = await context.rate_limits.count(
                    "organization", caller.org_id, caller.hourly_limit
                )
                if allowance is not None:
                    context.key_use.count(caller.key_id, allowance)
                _take(scope, allowance, "organization")
        except Refusal as refusal:
            trail.refused = refusal.code
            await errors.answer(refusal, scope["path"])(scope, receive, send_with_allowance)
            return
        await self._app(scope, receive, send_with_allowance)


def _is_counted(path: str) -> bool:
    return path.startswith(GUARDED) or is_page(path)


def _is_public(path: str) -> bool:
    return path.startswith(PUBLIC) or is_for_people(path)


async def wrong_guess(scope: Scope, refusal: Refusal) -> Refusal:
    """Count a wrong key or link, and return the refusal; or RateLimited in its place, once the address has
    guessed wrong too often in this hour. Right ones never come here, so no stranger can shut out others who
    share the address."""
    context = context_of(scope)
    what, limit = "wrong keys", context.settings.public_requests_per_hour
    if _is_public(scope["path"]):
        # These use up the address's allowance, too, and must leave enough of it to others.
        what, limit = "unknown links", max(_FEWEST_LINKS, limit // 10)
    allowance = await context.rate_limits.count(what, address_of(scope), limit)
    if allowance is None or allowance.granted:
        return refusal
    trail_of(scope).allowance = allowance
    return used_up(
        allowance,
        f"From this address came {limit} {what} in this hour; others are answered again at "
        "X-RateLimit-Reset. A right key or link works all the while.",
    )


def _take(scope: Scope, allowance: Allowance | None, owner: str) -> None:
    """Note the allowance for the answer. Raises RateLimited if it is used up."""
    trail_of(scope).allowance = allowance
    if allowance is not None and not allowance.granted:
        raise used_up(
            allowance,
            f"This {owner}'s {allowance.limit} requests for the hour are used up; "
            "the limit is counted anew at X-RateLimit-Reset.",
        )


async def _count_public(context: Context, scope: Scope) -> None:
    if is_for_staff(scope["path"]) and (member := await member_of(scope)) is not None:
        # A practice works behind one address, which its clients in the waiting room share.
        session = member.session.hex()
        allowance = await context.rate_limits.count("session", session, REQUESTS_OF_A_SESSION)
        _take(scope, allowance, "session")
        return
    limit = context.settings.public_requests_per_hour
    cost = 1 if scope["method"] in ("GET", "HEAD", "OPTIONS") else _WRITES_COST
    allowance = await context.rate_limits.count("address", address_of(scope), limit, cost=cost)
    owner = "address"
    if allowance is not None and not allowance.granted:
        # A client with a secret link is counted by the link, and not shut out by others at the same address.
        link = await _good_link(context, scope["path"])
        if link is not None:
            allowance, owner = await context.rate_limits.count("link", link, limit, cost=cost), "link"
    _take(scope, allowance, owner)


async def _good_link(context: Context, path: str) -> str | None:
    """Return what the client's link or the feed in a path is counted by; None if there is none."""
    for beginning, known in (
        (_LINKS, context.links),
        (_PAGES_OF_LINKS, context.links),
        (_FEEDS, context.feeds),
    ):
        if path.startswith(beginning):
            token = path.removeprefix(beginning).partition("/")[0].removesuffix(".ics")
            name = digest(token)
            return name.hex() if await known.get(name) is not None else None
    return None


async def _caller(context: Context, scope: Scope) -> Caller:
    now = context.clock.now()
    try:
        caller = await _known(context, Headers(scope=scope).getlist("authorization"))
        caller.stand(now)
    except Unauthorized as refusal:
        raise await wrong_guess(scope, refusal) from None
    context.key_use.note(caller, now)
    return caller


async def _known(context: Context, sent: list[str]) -> Caller:
    if len(sent) > 1:
        raise Unauthorized("Send exactly one Authorization header.")
    scheme, _, key = (sent[0] if sent else "").strip().partition(" ")
    if scheme.lower() != "bearer" or not (key := key.strip()):
        raise Unauthorized
    # Header values are latin-1 by the ASGI specification; a key is ASCII, so any other finds nothing.
    caller = await context.callers.get(digest(key.encode("latin-1")))
    if caller is None:
        raise Unauthorized("There is no such API key.")
    return caller


def used_up(allowance: Allowance, sentence: str) -> RateLimited:
    """Return the refusal of a request for which the allowance is used up."""
    refusal = RateLimited(sentence, limit=allowance.limit, reset=allowance.reset)
    return refusal.after(max(1, allowance.reset - int(time.time())))
