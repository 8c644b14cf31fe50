"""Being served below a path: https://clinic.example/booking."""

from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_OURS = ("/v1/", "/docs/", "/static/", "/manage/", "/staff/")
"""How our own paths begin, where there is something below them."""


class Prefix:
    """Pure ASGI: takes the path of `public_url` off, if the proxy has not done so. So everything below gets
    the same paths behind both kinds of proxies, and without one."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._prefix = unquote(urlsplit(public_url).path)
        if f"{self._prefix}/".startswith(_OURS):
            self._prefix = ""  # it would be unclear whether it was taken off

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            scope["path"] = scope["path"].removeprefix(self._prefix)
        await self._app(scope, receive, send)
