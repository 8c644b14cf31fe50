"""Clients that race: each keeps a connection, and waits if a busy server asks them to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bench.wire import Connection, Reply


class PatientClient:
    """Has a connection that is opened again if it was idle: servers hang up on those, after five seconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: Connection | None = None
        self._used = 0.0

    async def ready(self) -> Connection:
        now = asyncio.get_running_loop().time()
        if self._connection is None or now > self._used + 2:
            await self.close()
            self._connection = await Connection.open(self._port)
        self._used = now
        return self._connection

    async def once(
        self, method: str, path: str, body: Any, key: str, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = await self.ready()
        reply = await connection.send(method, path, body, key, headers)
        self._used = asyncio.get_running_loop().time()
        return reply

    async def send(
        self, method: str, path: str, body: Any, key: str, headers: dict[str, str] | None = None
    ) -> Reply:
        """Ask, and ask again if the server is too busy: it says so, and nothing was done."""
        while (reply := await self.once(method, path, body, key, headers)).status == 503:
            await asyncio.sleep(float(reply.headers["retry-after"]))
        return reply

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


@contextlib.asynccontextmanager
async def crowd(port: int, number: int) -> AsyncIterator[list[PatientClient]]:
    """So many of them, whose connections are closed however the block ends."""
    clients = [PatientClient(port) for _ in range(number)]
    try:
        yield clients
    finally:
        for each in clients:
            await each.close()
