"""Requests come first: a worker inside a server takes only a share of CPU time while requests are being
served.

What it puts off is done as soon as there is a lull. A `kalends worker` in a process of its own never rests.
"""

import asyncio
import time

SHARE = 1 / 8
"""How much of one core the worker takes while there are requests."""
_LULL_SECONDS = 0.1
"""How long without a request until the server is not busy any longer."""


class Pace:
    """Knows when the last request was served. If none ever is, nothing rests."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._turn = asyncio.Lock()

    def served(self) -> None:
        """Note that a request was served just now."""
        self._last = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether requests are being served."""
        return time.monotonic() - self._last < _LULL_SECONDS

    async def rest(self, seconds: float) -> None:
        """Rest as long as work of so many seconds of CPU time requires, if requests are being served."""
        async with self._turn:
            if self.is_busy:
                await asyncio.sleep(seconds / SHARE - seconds)
