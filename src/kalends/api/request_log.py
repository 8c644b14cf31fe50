"""One log line per request, and a request id on every answer."""

import re
import time
import uuid
from contextlib import nullcontext
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api.context import context_of
from kalends.api.trail import trail_of
from kalends.db import patience
from kalends.telemetry import log

_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")


class RequestLog:
    """Pure ASGI, outermost; nothing below it raises. The line has the route's template, never the path or the
    query, and the ids of organization and key: no personal data gets into the log. The time that a request
    may wait for the database counts from here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = Headers(scope=scope).get("x-request-id", "")
        if not _ACCEPTED.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        scope.setdefault("state", {})
        trail = trail_of(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        facts: dict[str, Any] = {"method": scope["method"]}
        context = context_of(scope)
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            patience.limited(patience.REQUEST_SECONDS),
            nullcontext() if context.tracing is None else context.tracing.request(scope["headers"], facts),
        ):
            await self._app(scope, receive, send_with_id)
            seconds, caller = time.perf_counter() - began, trail.caller
            facts |= {"route": getattr(scope.get("route"), "path", "unmatched"), "status": status}
            context.pace.served()
            if (metrics := context.metrics) is not None:
                metrics.request(**facts, seconds=seconds, code=trail.refused, made=trail.made)
                metrics.waiting(context.database.waiting)
            log.info(
                "request",
                **facts,
                ms=round(seconds * 1000, 1),
                code=trail.refused,
                org_id=trail.org_id if caller is None else caller.org_id,
                key_id=None if caller is None else caller.key_id,
            )
