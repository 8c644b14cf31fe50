"""The answer to a defect of ours, if nothing else has answered."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api import errors
from kalends.api.trail import trail_of
from kalends.telemetry import defect


class LastNet:
    """Pure ASGI: an exception raised below ends here, as a trace in the log and a 500 in the shape of errors.

    It stands right below everything that adds headers to answers: without the headers of CORS, a page can't
    read a 500, and takes it for a network error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:  # noqa: BLE001 - for any defect, the client gets an answer and the log a trace
            defect()
            trail_of(scope).refused = errors.InternalError.code
            if not begun:
                await errors.answer(errors.InternalError(), scope["path"])(scope, receive, send)
