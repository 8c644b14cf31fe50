"""Text is sent compressed to those who can read it."""

import asyncio
import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST = 1_024
"""Bytes. Below it, compression saves less than a packet."""
LEVEL = 5
"""Of zlib: 9 takes three times as long, and saves 2 % more of a long list."""
LONG = 128 * 1_024
"""Bytes that take some milliseconds: they are compressed in a thread, which lets the event loop go on."""
_TEXTS = re.compile(
    rb"(text/(?!event-stream)[a-z0-9.+-]+|application/(([a-z0-9.-]+\+)?(json|xml)|javascript|manifest\+json)"
    rb"|image/svg\+xml)\s*(;|$)",
    re.IGNORECASE,
)
_UNLESS = frozenset({b"content-encoding", b"content-range"})
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="kalends-compress")
"""Few, since each computes at the expense of the event loop's core."""


class Compression:
    """Pure ASGI: gzip for text of 1 KiB and more that is read (GET, and HEAD above it).

    Answers to changes are left as they are. They are short, and they are the only ones that hold secrets:
    what compresses them beside what the request sent can tell an onlooker the secret by its length (BREACH).

    A strong ETag names bytes, so that of a compressed answer becomes a weak one (RFC 9110, section 8.8.1);
    `If-None-Match` finds either, and a 304 has the one that it was asked about.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(scope, send).send)


class _Answer:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        """The beginning, kept back until the body says whether it is worth it."""
        self._zlib: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _may_be_compressed(message):
                self._start = {**message, "headers": list(message["headers"])}
                return
            if message["status"] == 304:
                message = _known_as_asked(message, Headers(scope=self._scope))
        elif message["type"] == "http.response.body":
            if self._start is not None:
                await self._begin(self._start, message)
            if self._zlib is not None:
                message = {**message, "body": await self._compressed(self._zlib, message)}
        await self._send(message)

    async def _begin(self, start: Message, first: Message) -> None:
        """Send the beginning, as it is or for a compressed body."""
        self._start = None
        more = first.get("more_body", False)
        if more or len(first.get("body", b"")) >= SMALLEST:
            headers = MutableHeaders(raw=start["headers"])
            headers.add_vary_header("Accept-Encoding")
            if accepts_gzip(Headers(scope=self._scope).getlist("accept-encoding")):
                self._zlib = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
                headers["Content-Encoding"] = "gzip"
                del headers["Content-Length"]
                if "Accept-Ranges" in headers:  # of the bytes as they were
                    del headers["Accept-Ranges"]
                if "ETag" in headers:
                    headers["ETag"] = _weak(headers["ETag"])
                if not more:
                    body = await self._compressed(self._zlib, first)
                    self._zlib = None
                    headers["Content-Length"] = str(len(body))
                    first["body"] = body
        await self._send(start)

    async def _compressed(self, compressor: "zlib._Compress", message: Message) -> bytes:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) < LONG:
            return _squeezed(compressor, body, more)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_THREADS, _squeezed, compressor, body, more)


def _squeezed(compressor: "zlib._Compress", body: bytes, more: bool) -> bytes:
    return compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)


def _may_be_compressed(start: Message) -> bool:
    """Return whether an answer is text of a length that is worth it, or of unknown length, and is not
    compressed already."""
    if start["status"] in (204, 206, 304):
        return False
    is_text = False
    for name, value in start["headers"]:
        if name == b"content-length":
            if int(value) < SMALLEST:
                return False
        elif name == b"content-type":
            is_text = _TEXTS.match(value) is not None
        elif name in _UNLESS or (name == b"cache-control" and b"no-transform" in value.lower()):
            return False
    return is_text


def accepts_gzip(values: Sequence[str]) -> bool:
    """Return whether Accept-Encoding, in one or several headers, allows gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for each in ",".join(values).lower().split(","):
        coding, _, parameter = each.partition(";")
        name, _, weight = parameter.partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    named = weights.get("gzip")
    return (weights.get("*", 0.0) if named is None else named) > 0


def _weak(tag: str) -> str:
    return tag if tag.startswith("W/") else f"W/{tag}"


def _known_as_asked(start: Message, asked: Headers) -> Message:
    """Return a 304 with the weak tag if that is what the request has: by it, a cache finds what it kept."""
    headers = MutableHeaders(raw=list(start["headers"]))
    if "ETag" in headers and _weak(headers["ETag"]) in asked.get("if-none-match", ""):
        headers["ETag"] = _weak(headers["ETag"])
    return {**start, "headers": headers.raw}
