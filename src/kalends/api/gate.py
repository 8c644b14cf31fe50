"""Who may come in: the API key, and how often."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors
from kalends.api.addresses import address_of
from kalends.api.context import Context, context_of
from kalends.api.rate_limits import Allowance
from kalends.core.caller import Caller
from kalends.core.errors import RateLimited, Refusal, Unauthorized
from kalends.ids import digest

GUARDED = "/v1/"
PUBLIC = "/v1/public/"
_WRITES_COST = 10
"""A booking or a hold of a client without a key counts as so many requests."""


class Gate:
    """Pure ASGI: everything under /v1 needs a key, but for what is public, where addresses are counted
    instead. Every answer carries the key's or the address's allowance.

    It stands before routing and parsing, so nobody without a key learns anything but that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        allowance: Allowance | None = None

        async def send_with_allowance(message: Message) -> None:
            if allowance is not None and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowance.headers]
            await send(message)

        try:
            if scope["path"].startswith(PUBLIC):
                who, limit, owner = address_of(scope), context.public_requests_per_hour, "address"
                cost = 1 if scope["method"] in ("GET", "HEAD", "OPTIONS") else _WRITES_COST
            else:
                caller = await _caller(context, Headers(scope=scope))
                scope["state"]["caller"] = caller
                who, limit, owner, cost = caller.key_id, caller.hourly_limit, "key", 1
            allowance = await context.rate_limits.count(who, limit, cost=cost)
            if allowance is not None and not allowance.granted:
                raise RateLimited(
                    f"This {owner}'s {allowance.limit} requests for the hour are used up; "
                    "the limit is counted anew at X-RateLimit-Reset.",
                    limit=allowance.limit,
                    reset=allowance.reset,
                )
        except Refusal as refusal:
            scope["state"]["refused"] = refusal.code
            await errors.answer(refusal, scope["path"], _retry_after(context, allowance))(
                scope, receive, send_with_allowance
            )
            return
        await self._app(scope, receive, send_with_allowance)


async def _caller(context: Context, headers: Headers) -> Caller:
    sent = headers.getlist("authorization")
    if len(sent) > 1:
        raise Unauthorized("Send exactly one Authorization header.")
    scheme, _, key = (sent[0] if sent else "").strip().partition(" ")
    if scheme.lower() != "bearer" or not (key := key.strip()):
        raise Unauthorized
    # Header values are latin-1 by the ASGI specification; a key is ASCII, so any other finds nothing.
    caller = await context.callers.get(digest(key.encode("latin-1")))
    if caller is None:
        raise Unauthorized("There is no such API key.")
    now = context.clock.now()
    caller.stand(now)
    context.key_use.note(caller, now)
    return caller


def _retry_after(context: Context, allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    return {"Retry-After": str(max(1, allowance.reset - int(context.clock.now().timestamp())))}
