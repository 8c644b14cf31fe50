"""What browsers are told with every page: what it may load, who may show it, and how long it may be kept."""

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api.paths import is_for_people

_SOURCES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)
_PERSONAL = ("/manage/", "/staff/")
"""How paths begin whose pages no browser keeps: others may use it after the reader."""


def is_personal(path: str) -> bool:
    """Return whether a page is for one person only: no browser keeps it, and no other site embeds it."""
    return f"{path}/".startswith(_PERSONAL)


def policy(embedders: Iterable[str] = ()) -> str:
    """Return the Content-Security-Policy of a page that pages of these origins may embed; of none, unless it
    is said. A page that may be embedded sets it in its own headers."""
    return _SOURCES + (" ".join(embedders) or "'none'")


class Headers:
    """Pure ASGI: adds to answers for people what they don't say themselves. HSTS is the proxy's, which has
    the certificate."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_for_people(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in _headers(scope["path"]).items():
                    sent.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _headers(path: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        # `no-cache` is asked again each time, and lets browsers go back without a request.
        "Cache-Control": "no-store" if is_personal(path) else "no-cache",
    }
