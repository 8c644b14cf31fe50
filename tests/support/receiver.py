"""A real HTTP server that webhooks are posted to: it keeps what it gets, and answers as it is told."""

import asyncio
import contextlib
import inspect
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it arrived; the names of headers in small letters. `at` is the loop's time."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    method: str = "POST"

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> Any:
        return json.loads(self.body)


Answer = int | bytes | None
"""A status; or all that is sent before the connection is closed; or no answer, as long as anybody waits."""


class Receiver:
    """A server on a port of 127.0.0.1, which it keeps when it is closed and opened again."""

    def __init__(self, answer: Callable[[Got], Answer | Awaitable[Answer]] = lambda _got: 200) -> None:
        self.answer = answer
        self.got: list[Got] = []
        self.connections = 0
        self.overlaps: list[str] = []
        """The paths at which a request came before the last one was answered."""
        self.port = 0
        self._busy: Counter[str] = Counter()
        self._serving: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            self._server = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> int:
        """How many connections are open now."""
        return len(self._serving)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        """What came to a path."""
        return [each for each in self.got if each.path == path]

    async def until(self, number: int, seconds: float = 20) -> list[Got]:
        """Wait for so many requests; the test fails where they don't come."""
        async with asyncio.timeout(seconds):
            while len(self.got) < number:
                await asyncio.sleep(0.005)
        return self.got

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection is kept."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:-2])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head[0].split(" ")
        got = Got(path, headers, body, asyncio.get_running_loop().time(), method)
        if self._busy[got.path]:
            self.overlaps.append(got.path)
        self._busy[got.path] += 1
        try:
            self.got.append(got)
            answer = self.answer(got)
            if inspect.isawaitable(answer):
                answer = await answer
            if answer is None:
                await reader.read()
                return False
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
                return False
            writer.write(b"HTTP/1.1 %d Told\r\nContent-Length: 2\r\n\r\nok" % answer)
            await writer.drain()
            return True
        finally:
            self._busy[got.path] -= 1
