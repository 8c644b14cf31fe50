"""Shares of the server: calls that may take long can't take it all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from kalends.core.errors import Unavailable

QUEUE = 30
"""Those of one organization who come beyond so many that wait are refused at once."""
PATIENCE_SECONDS = 5
"""So long they wait for their turn."""


class Share:
    """So many at a time, and one of each organization, so that none takes the places of all; the others wait
    for their turn, in the order in which they came, but not for long."""

    def __init__(self, places: int, *, queue: int = QUEUE, patience: float = PATIENCE_SECONDS) -> None:
        """`patience` is in seconds."""
        self._places = asyncio.Semaphore(places)
        self._turns: dict[str, asyncio.Lock] = {}
        self._here: Counter[str] = Counter()
        self._queue = queue
        self._patience = patience

    @asynccontextmanager
    async def of(self, org_id: str) -> AsyncIterator[None]:
        """Take a place for the length of a block. Raises Unavailable if too many of this organization wait,
        or if the turn does not come in time."""
        if self._here[org_id] > self._queue:
            raise _busy()
        self._here[org_id] += 1
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
            self._here[org_id] -= 1
            if not self._here[org_id]:
                del self._here[org_id], self._turns[org_id]


@dataclass(frozen=True, slots=True)
class Shares:
    """Who has a share of their own to search in, so that neither waits for the other: staff, strangers."""

    staff: Share = field(default_factory=lambda: Share(2))
    clients: Share = field(default_factory=lambda: Share(2))


def _busy() -> Unavailable:
    return Unavailable("Too many ask for this at the moment; try again shortly.")
