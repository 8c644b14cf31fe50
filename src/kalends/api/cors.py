"""Which pages may call the API from a browser."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from kalends.api.gate import PUBLIC

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ACCEPTED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Test-Clock",
    "X-Request-Id",
    # W3C Trace Context: tracing pages send them without being asked, and a refused one is a refused request.
    "Traceparent",
    "Tracestate",
    "Baggage",
)
"""Every header that is read, but for those that browsers keep to themselves."""
EXPOSED = (
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "Allow",
    "ETag",
    "Idempotent-Replayed",
    "Retry-After",
    "WWW-Authenticate",
)
"""Every header that is sent, but for those that pages may read anyway."""


class Cors:
    """Pure ASGI: Starlette's own answers to browsers, for pages of some origins everywhere, and of others
    where clients book for themselves."""

    def __init__(self, app: ASGIApp, *, everywhere: Sequence[str], public: Sequence[str]) -> None:
        self._everywhere = _allowing(app, everywhere)
        self._public = _allowing(app, public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        public = scope["type"] == "http" and scope["path"].startswith(PUBLIC)
        await (self._public if public else self._everywhere)(scope, receive, send)


def _allowing(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=ACCEPTED,
        expose_headers=EXPOSED,
        max_age=600,
    )
