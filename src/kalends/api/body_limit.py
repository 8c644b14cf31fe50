"""No body is read beyond its limit, nor waited for when it will not come."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors
from kalends.api.trail import trail_of
from kalends.db import patience


class BodyLimit:
    """Pure ASGI: a body that says it is too large is refused unread; one that turns out so, or ends too
    early, in the middle."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdigit() and int(said) > self._limit:
            trail_of(scope).refused = errors.BodyTooLarge.code
            await errors.answer(errors.BodyTooLarge(), scope["path"])(scope, receive, send)
            return
        read, ended = 0, False

        async def receive_within_limit() -> Message:
            # FastAPI passes on HTTPException, and no other error, while it reads a body.
            nonlocal read, ended
            message = await receive()
            if ended:
                return message
            read += len(message.get("body", b""))
            if read > self._limit:
                raise HTTPException(413)
            ended = message["type"] == "http.request" and not message.get("more_body", False)
            if not ended and (status := trail_of(scope).cut_off) is not None:
                raise HTTPException(status, "The body is not valid HTTP/1.1.")
            if message["type"] == "http.disconnect":
                raise HTTPException(400, "The connection was closed before the body was complete.")
            if ended:
                patience.renew()  # what the client took to send it is no time that the database took
            return message

        await self._app(scope, receive_within_limit, send)
