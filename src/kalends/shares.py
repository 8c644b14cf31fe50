"""Shares of the server: calls that may take long can't take it all."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType

from kalends.core.errors import Unavailable

QUEUE = 50
"""Those who come beyond so many that wait are refused at once."""
PATIENCE_SECONDS = 5
"""So long they wait for their turn."""


class Share(AbstractAsyncContextManager[None]):
    """So many at a time; the others wait for their turn, in the order in which they came, but not for long.

    Entering it raises Unavailable where too many wait, or if the turn does not come in time.
    """

    def __init__(self, places: int, *, queue: int = QUEUE, patience: float = PATIENCE_SECONDS) -> None:
        """`patience` is in seconds."""
        self._turn = asyncio.Semaphore(places)
        self._queue = queue
        self._patience = patience
        self._waiting = 0

    async def __aenter__(self) -> None:
        if not self._turn.locked():
            await self._turn.acquire()
            return
        if self._waiting >= self._queue:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turn.release()


@dataclass(frozen=True, slots=True)
class Shares:
    """Who has a share of their own to search in, so that neither waits for the other: staff, strangers."""

    staff: Share = field(default_factory=lambda: Share(2))
    clients: Share = field(default_factory=lambda: Share(2))


def _busy() -> Unavailable:
    return Unavailable("Too many ask for this at the moment; try again shortly.")
