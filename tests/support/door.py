"""A server whose door has limits that a test can reach, and connections to it that are as bad as can be."""

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import uvicorn

from kalends.door.connection import Connection
from kalends.door.places import Door, Limits

SECONDS = 20
"""For so long at the most something is waited for."""


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes


class Line:
    """A connection, byte by byte."""

    def __init__(self, port: int, *, receive_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(SECONDS)
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.connect(("127.0.0.1", port))
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *pieces: bytes, pause: float = 0.02) -> Self:
        """Send pieces one after the other; a server that has closed is not told any more."""
        for place, piece in enumerate(pieces):
            if place:
                time.sleep(pause)
            try:
                self._socket.sendall(piece)
            except (ConnectionResetError, BrokenPipeError):
                break
        return self

    def answer(self) -> Answer:
        """The next answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, rest = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        body = bytearray(rest)
        while len(body) < size:
            self._read = b""
            self._more()
            body += self._read
        self._read = bytes(body[size:])
        return Answer(int(head.split()[1]), head.lower(), bytes(body[:size]))

    def is_closed(self) -> bool:
        """Wait until the server has closed it; False if it does not, or something else comes."""
        try:
            return not self._read and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close_sending(self) -> Self:
        self._socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Close it as a machine does that has forgotten it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def take(self, size: int) -> int:
        """Read at most so many bytes, and return how many there were."""
        return len(self._socket.recv(size))

    def _more(self) -> None:
        some = self._socket.recv(65_536)
        if not some:
            raise ConnectionError("closed before the answer was complete")
        self._read += some


@dataclass
class Stub:
    """An application that does as its path says: /wait until it is let go, /large with a large answer, /read
    with the size of the body."""

    loop: asyncio.AbstractEventLoop | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    disconnected: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked += 1
        body = b"{}"
        if scope["path"] == "/wait":
            await self.go.wait()
        elif scope["path"] == "/large":
            body = b"x" * 30_000_000
        elif scope["path"] == "/read":
            size, more = 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.disconnected += 1
                    return
                size += len(message["body"])
                more = message["more_body"]
            body = b"%d" % size
        elif scope["path"] == "/headers":
            body = b" ".join(name for name, _ in scope["headers"])
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def let_go(self) -> None:
        assert self.loop
        self.loop.call_soon_threadsafe(self.go.set)


@contextmanager
def behind(app: Any, *, lifespan: str = "off", **limits: Any) -> Iterator[int]:
    """The port of an application in a thread, behind a door with these limits."""
    limits = {"sweep_seconds": 0.05, "linger_seconds": 0.5} | limits
    config = uvicorn.Config(
        app,
        http=partial(Connection, Door(Limits(**limits))),  # type: ignore[arg-type]
        ws="none",
        lifespan=lifespan,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    deadline = time.monotonic() + SECONDS
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()
