"""Forms are accepted from our own pages only."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kalends.api import errors
from kalends.api.context import context_of
from kalends.api.paths import is_for_people
from kalends.api.trail import trail_of

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Pure ASGI: what may change something, and comes from another site's page, is refused (CSRF). Browsers
    say where a request comes from in Sec-Fetch-Site, or, if they are old or the connection is not encrypted,
    in Origin. No page can make them say otherwise, so forms need no tokens. The API is not guarded: it asks
    for a key, which browsers don't send by themselves, or changes nothing of the sender's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_guarded(scope) or is_ours(scope):
            await self._app(scope, receive, send)
            return
        trail_of(scope).refused = errors.ForeignPage.code
        await errors.answer(errors.ForeignPage(), scope["path"])(scope, receive, send)


def _is_guarded(scope: Scope) -> bool:
    return scope["method"] not in _SAFE and is_for_people(scope["path"])


def is_ours(scope: Scope) -> bool:
    """Return whether a request comes from a page of this server; not if nothing says so."""
    headers = Headers(scope=scope)
    if sites := headers.getlist("sec-fetch-site"):
        return sites == ["same-origin"]
    origins = [each.lower() for each in headers.getlist("origin")]
    known = urlsplit(context_of(scope).settings.public_url)
    if origins == [f"{known.scheme}://{known.netloc}".lower()]:
        return True
    # A proxy may have taken the encryption off, so that only the host is known.
    hosts = [each.lower() for each in headers.getlist("host")]
    return [each.partition("://")[2] for each in origins] == hosts != [""]
