"""One connection: uvicorn's protocol, with limits to how large and how slow a request may be."""

import asyncio
import re
import uuid
from typing import Any

import httptools
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kalends.api import errors
from kalends.api.trail import trail_of
from kalends.core.errors import Malformed, Refusal
from kalends.door.places import Door, Group
from kalends.telemetry import log

_MOST_AROUND = 1024 * 1024
"""How many bytes may come around a body: sizes and extensions of chunks, trailers."""
_TAKEN_BYTES = 16 * 1024
"""How much of an answer a reader must take to count as reading it."""
_METHOD_AND_SPACES = 32
_PATH = re.compile("^[a-z]+://[^/?]*", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """A connection that is refused in the shape of all refusals: for a head that is too long (414, 431), late
    (408) or not HTTP (400), or a body that is late (408), broken (400) or wrapped in too much (413).

    What is wrong with a body is passed to the application, which is waiting for it and ends the request.
    """

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door = door
        self.group: Group = {}
        """The group that the door keeps it in."""
        self._limits = door.limits
        self._served = self.app
        self._in_body = False
        self._heads = 0
        self._begun = False
        """Whether a part of a head has arrived."""
        self._raw = 0
        """Bytes of this head, in pieces that contain nothing else."""
        self._around = 0
        self._upgrading = False
        self._replaying = False
        self._why: Refusal | None = None
        self._deaf = False
        """Whether nothing more is read."""
        self._last_words: bytes | None = None
        self._since: float | None = None
        """Since when it waits for a head or a body."""
        self._slow = False
        self._dismissed: float | None = None
        self._stuck: float | None = None
        self._left = 0
        self._running: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the last that was read."""

    # Called by uvicorn's event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn's own narrowing
        self._since = self.loop.time()
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self)
        self._forget()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Answer a client that will send no more (RFC 9112, section 9.6) before the connection is closed."""
        if self._in_body or self._begun or self.cycle is None or self.cycle.response_complete:
            return False
        self._deaf = True
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if self._since is None:
            self._since = self.loop.time()
        while data and not self._deaf:
            # A head is parsed in pieces that hardly exceed its limit: what is not parsed takes no memory.
            room = len(data) if self._in_body else self._limits.head_bytes + 1 - self._raw
            data = self._feed(data[:room]) + data[room:]

    def _feed(self, piece: bytes) -> bytes:
        """Parse a piece. Returns the part of it that is to be parsed again."""
        heads, in_body = self._heads, self._in_body
        again = b""
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            again = piece[upgrade.args[0] :]
            self._ignore_upgrade()
        except httptools.HttpParserError:
            self._refuse(self._why or Malformed("This is not a valid HTTP/1.1 request."))
            return b""
        if self._in_body:
            if in_body and self._heads == heads:
                self._around += len(piece)
                if self._around > _MOST_AROUND:
                    self._refuse(errors.BodyTooLarge())
        elif in_body or self._heads != heads:
            self._raw = 0
        else:
            self._raw += len(piece)
            if self._raw > self._limits.head_bytes:
                self._refuse(self._too_long())
        return again

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        super().on_message_begin()
        self._begun = True
        if self._since is None:
            self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        self._look_at_headers()
        if len(self.pipeline) >= self._limits.pipelined:
            self.cycle.keep_alive = False  # the last that is answered
            self._deaf = True
            self._stop(Malformed())
        self.app = _full if self._door.is_full(self.url) else self._served
        super().on_headers_complete()
        # What comes now are trailers. They must not become headers: those have been checked already.
        self.headers = []
        self._heads += 1
        self._in_body = True
        self._begun = False
        self._around = 0
        self._since = self.loop.time()
        self._door.begin(self)

    def on_body(self, body: bytes) -> None:
        self._around -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._replaying and self.parser.should_upgrade():
            return  # to the parser, what follows is not HTTP; to us it is
        super().on_message_complete()
        if self._slow:
            self._slow = False
            if not self.cycle.response_complete:
                self._door.begin(self)
        self._in_body = False
        self._since = None
        self._raw = 0

    def on_response_complete(self) -> None:
        more = bool(self.pipeline)
        super().on_response_complete()
        if more or self.transport.is_closing():
            return
        if self._last_words is not None:
            self._say(self._last_words)
        else:
            self._door.rest(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # Called by the door

    def look(self, now: float) -> None:
        """Look whether something takes too long, at `now` by the loop's clock."""
        self._look_at_reader(now)
        if self._dismissed is not None:
            if now - self._dismissed >= self._limits.linger_seconds:
                self._let_go()
        elif self._since is None or self.transport.is_closing():
            return
        elif self._in_body:
            self._look_at_body(now - self._since)
        elif self.flow.read_paused:
            self._since = now  # it waits for us
        elif now - self._since >= self._limits.head_seconds:
            if self._begun or self._raw:
                self._refuse(errors.RequestTimeout())
            else:
                self.transport.close()  # no request, so no answer: browsers connect ahead

    def give_way(self) -> None:
        """Close a connection that waits. The request whose body it should have sent ends in the usual way."""
        self._deaf = True
        self._let_go()

    def turn_away(self) -> None:
        """Refuse a new connection: there is no place."""
        self._deaf = True
        self.transport.write(self._answer(errors.ServerBusy()))
        self.transport.close()

    def _let_go(self) -> None:
        """Close the connection at once."""
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        """End the requests of a connection that is gone: the one under way is answered to no one, and those
        that wait behind it are not begun."""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _look_at_body(self, seconds: float) -> None:
        if seconds >= self._limits.body_seconds:
            self._refuse(errors.RequestTimeout())
        elif seconds >= self._limits.slow_seconds and not self._slow:
            self._slow = True
            if not self.cycle.response_complete:
                self._door.slow(self)

    def _look_at_reader(self, now: float) -> None:
        left = self.transport.get_write_buffer_size()
        if not left:
            self._stuck = None
        elif self._stuck is None or left <= self._left - _TAKEN_BYTES:
            self._stuck, self._left = now, left
        elif now - self._stuck >= self._limits.answer_seconds:
            self._let_go()
        else:
            self._left = max(left, self._left)

    def _too_long(self) -> Refusal:
        if self._begun and not self.headers and len(self.url) + _METHOD_AND_SPACES >= self._raw:
            return errors.TargetTooLong()
        return errors.HeadersTooLarge()

    def _look_at_headers(self) -> None:
        version = self.parser.get_http_version()
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            hosts += name == b"host"
            if name == b"transfer-encoding" and (value.strip().lower() != b"chunked" or version != "1.1"):
                self._stop(Malformed("The only Transfer-Encoding that is read is chunked, in HTTP/1.1."))
        if version not in ("1.0", "1.1"):
            self._stop(Malformed("HTTP/1.1 is spoken here, and HTTP/1.0."))
        if hosts > 1:  # a proxy may have used the other one
            self._stop(Malformed("Send one Host header."))
        if size > self._limits.head_bytes:
            too_long = len(self.url) > self._limits.head_bytes
            self._stop(errors.TargetTooLong() if too_long else errors.HeadersTooLarge())

    def _stop(self, why: Refusal) -> None:
        """Stop parsing, from within the parser's call."""
        self._why = why
        raise ValueError(why.code)

    def _ignore_upgrade(self) -> None:
        """Ignore that another protocol was asked for: go on with a parser that has not seen it."""
        lengths = [
            b"%b: %b\r\n" % header
            for header in self.scope["headers"]
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._replaying = True
        self.parser.feed_data(b"".join((b"POST / HTTP/1.1\r\n", *lengths, b"\r\n")))
        self._replaying = False

    def _refuse(self, refusal: Refusal) -> None:
        """Read nothing more, and answer: through the application if it has the request already, and after the
        answers to earlier requests."""
        if self._deaf:
            return
        self._deaf = True
        self._since = None
        if self._in_body:
            self._cut_off(errors.status_of(type(refusal)))
        elif self.cycle is None or self.cycle.response_complete:
            self._say(self._answer(refusal))
        else:
            self._last_words = self._answer(refusal)

    def _cut_off(self, status: int) -> None:
        if self.cycle.response_complete:
            self.transport.close()
            return
        self.cycle.keep_alive = False
        trail_of(self.cycle.scope).cut_off = status
        self.cycle.message_event.set()

    def _say(self, answer: bytes) -> None:
        self._unset_keepalive_if_required()
        self._deaf = True
        self.flow.resume_reading()
        self.transport.write(answer)
        self.transport.write_eof()
        self._dismissed = self.loop.time()
        self._door.dismiss(self)

    def _answer(self, refusal: Refusal) -> bytes:
        url = "" if not self._begun else self.url.decode("latin-1")
        answer = _answered(refusal, _PATH.sub("", url))
        lines = [b"%b: %b\r\n" % each for each in (*self.server_state.default_headers, *answer.raw_headers)]
        return b"".join((STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body)))


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in place of the application: the server is busy."""
    await _answered(errors.ServerBusy(), scope["path"], scope["method"])(scope, receive, send)


def _answered(refusal: Refusal, path: str, method: str | None = None) -> Response:
    """Return the answer to a request that the application never sees, and log the request."""
    request_id = uuid.uuid4().hex
    answer = errors.answer(refusal, path, {"Connection": "close", "X-Request-Id": request_id})
    log.info(
        "request",
        method=method,
        route="unmatched",
        status=answer.status_code,
        code=refusal.code,
        request_id=request_id,
    )
    return answer
