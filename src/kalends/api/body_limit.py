"""No body is read beyond its limit."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors


class BodyLimit:
    """Pure ASGI: a body that says it is too large is refused unread, one that turns out so, in the middle."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdigit() and int(said) > self._limit:
            scope["state"]["refused"] = errors.BodyTooLarge.code
            await errors.answer(errors.BodyTooLarge(), scope["path"])(scope, receive, send)
            return
        read = 0

        async def receive_within_limit() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise HTTPException(413)  # the one kind of error FastAPI passes on while it reads a body
            return message

        await self._app(scope, receive_within_limit, send)
