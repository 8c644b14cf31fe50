"""Shares of the server: calls that may take long can't take all of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from kalends.core.errors import Unavailable

QUEUE = 30
"""How many calls of one organization may wait; more are refused at once."""
PATIENCE_SECONDS = 5
"""How long a call waits for its turn."""


class Share:
    """Some places, of which each organization has one at a time, so that none takes the places of all. The
    other calls wait for their turn, in the order in which they came, but not for long."""

    def __init__(self, places: int, *, queue: int = QUEUE, patience: float = PATIENCE_SECONDS) -> None:
        """`patience` is in seconds."""
        self._places = asyncio.Semaphore(places)
        self._turns: dict[str, asyncio.Lock] = {}
        self._present: Counter[str] = Counter()
        self._queue = queue
        self._patience = patience

    @asynccontextmanager
    async def of(self, org_id: str) -> AsyncIterator[None]:
        """Take a place for the length of a block. Raises Unavailable if too many calls of this organization
        wait, or if its turn does not come in time."""
        if self._present[org_id] > self._queue:
            raise _busy()
        self._present[org_id] += 1
        turn = self._turns.setdefault(org_id, asyncio.Lock())
        try:
            async with AsyncExitStack() as taken:
                try:
                    async with asyncio.timeout(self._patience):
                        await taken.enter_async_context(turn)
                        await taken.enter_async_context(self._places)
                except TimeoutError:
                    raise _busy() from None
                yield
        finally:
            self._present[org_id] -= 1
            if not self._present[org_id]:
                del self._present[org_id], self._turns[org_id]


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares that searches of staff and of clients have, so that neither wait for the other."""

    staff: Share = field(default_factory=lambda: Share(2))
    clients: Share = field(default_factory=lambda: Share(2))


def _busy() -> Unavailable:
    return Unavailable("Too many ask for this at the moment; try again shortly.")
