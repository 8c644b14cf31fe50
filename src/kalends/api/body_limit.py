"""The limit of a body's size; and a body that will not come is not waited for."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors
from kalends.api.paths import is_for_people
from kalends.api.trail import trail_of
from kalends.db import patience


class BodyLimit:
    """Pure ASGI: a body whose declared length is too large is refused unread; one that turns out to be, or
    that ends too early, while it is read. Some paths have a limit of their own (`by_path`), and so have
    forms: one letter of a text may take nine bytes there.

    Starlette's own limit answers in plain text, past every handler, and so not in our shape.
    """

    def __init__(self, app: ASGIApp, limit: int, forms: int, by_path: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._forms = forms
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        common = self._forms if is_for_people(scope["path"]) else self._limit
        limit = self._by_path.get(scope["path"], common)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
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
            if read > limit:
                raise HTTPException(413)
            ended = message["type"] == "http.request" and not message.get("more_body", False)
            if not ended and (status := trail_of(scope).cut_off) is not None:
                raise HTTPException(status, "The body is not valid HTTP/1.1.")
            if message["type"] == "http.disconnect":
                raise HTTPException(400, "The connection was closed before the body was complete.")
            if ended:
                patience.renew()  # the time the client took to send it does not count against the database
            return message

        await self._app(scope, receive_within_limit, send)
