"""Whether the database can be written to, asked not too often."""

import asyncio
import contextvars

from kalends.clock import Clock
from kalends.core.errors import OutcomeUnknown, Unavailable
from kalends.db import patience
from kalends.db.database import Database
from kalends.services.setup import readiness

SHARED_SECONDS = 1.0
"""How long an answer is given to others who ask, besides the time it takes to get it."""


class Readiness:
    """Proves that the database can be written to, once for all requests at about the same time."""

    def __init__(self, database: Database, clock: Clock, version: str) -> None:
        self._database = database
        self._clock = clock
        self._version = version
        self._proof: asyncio.Task[None] | None = None
        self._shared_until = 0.0

    async def check(self) -> None:
        """Return if the database can be written to. Raises Unavailable or SchemaOutdated if not."""
        loop = asyncio.get_running_loop()
        if self._proof is None or (self._proof.done() and loop.time() >= self._shared_until):
            # In a context of its own, not that of the request that happens to begin it, as in `db.batches`.
            self._proof = asyncio.create_task(self._prove(), context=contextvars.Context())
            # If no request waits any more, an error is not lost: retrieve it.
            self._proof.add_done_callback(lambda proof: proof.cancelled() or proof.exception())
        try:
            async with asyncio.timeout_at(patience.until()):
                await asyncio.shield(self._proof)
        except TimeoutError:
            raise Unavailable from None

    async def _prove(self) -> None:
        try:
            try:
                await self._write()
            except OutcomeUnknown:  # a connection turned out to be dead; writing twice does no harm
                await self._write()
        except OutcomeUnknown as refusal:
            raise Unavailable().telling(refusal.operator) from refusal
        finally:
            self._shared_until = asyncio.get_running_loop().time() + SHARED_SECONDS

    async def _write(self) -> None:
        await self._database.write(readiness.prove, self._version, self._clock.now())
