"""The pages that may call the API from a browser."""

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
    # W3C Trace Context: pages that trace send them unasked, and refusing one refuses the request.
    "Traceparent",
    "Tracestate",
    "Baggage",
)
"""Every header that the API reads, except those that browsers set themselves."""
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
"""Every header that the API sends, except those that pages may read anyway."""


class Cors:
    """Pure ASGI: Starlette's own answers to browsers. Pages of some origins may call everything, pages of
    others only what is for clients."""

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
