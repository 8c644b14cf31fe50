"""Requests come first: a worker inside a server takes only a share of its time while requests are being
served.

What it puts off is done as soon as there is a lull; a `kalends worker` of its own rests for nobody.
"""

import asyncio
import time

SHARE = 1 / 8
"""Of one core, while there are requests."""
_LULL_SECONDS = 0.1
"""Without a request for so long, nobody is kept waiting."""


class Pace:
    """Knows when the last request was served."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._turn = asyncio.Lock()

    def served(self) -> None:
        """A request was served just now."""
        self._last = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether requests are being served."""
        return time.monotonic() - self._last < _LULL_SECONDS

    async def rest(self, seconds: float) -> None:
        """Rest as long as work of so many seconds asks for."""
        async with self._turn:
            if self.is_busy:
                await asyncio.sleep(seconds / SHARE - seconds)
