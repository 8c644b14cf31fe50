"""HTTP/1.1 over a plain socket, so cheap that the client is not what is measured: for the benchmark and the
tests that race."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `seconds` is the time from the first byte sent to the last byte read."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: Any, key: str, headers: dict[str, str] | None = None) -> Reply:
        """POST a JSON body. Raises OSError or IncompleteReadError where the server goes away."""
        return await self.send("POST", path, body, key, headers)

    async def send(
        self, method: str, path: str, body: Any, key: str, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a JSON body by any method."""
        content = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        return await self._exchange(head.encode() + b"\r\n" + content)

    async def _exchange(self, request: bytes) -> Reply:
        began = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(head[0].split(" ", 2)[1]), headers, body, time.perf_counter() - began)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
