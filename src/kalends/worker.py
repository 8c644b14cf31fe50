"""What happens without a request: the worker writes down what has lapsed.

Any number of workers may run on one database, in servers or by themselves; each takes what no other has
taken.
"""

import asyncio
from collections.abc import Awaitable, Callable

from kalends.clock import Clock
from kalends.core.errors import Refusal
from kalends.db.database import Database
from kalends.services import lapses
from kalends.telemetry import log

LAPSES_SECONDS = 5


class Worker:
    """The rounds of the worker, each at its own pace."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        await _again_and_again(self.settle_lapses, LAPSES_SECONDS)

    async def settle_lapses(self) -> int:
        """Write down what has lapsed until nothing is left; how much there was."""
        total = 0
        while settled := await self._database.write(lapses.sweep, self._clock.now()):
            total += settled
        return total


async def _again_and_again(round_: Callable[[], Awaitable[object]], seconds: float) -> None:
    while True:
        try:
            await round_()
        except Refusal as refusal:
            log.warning("the worker waits for the database", why=refusal.message)
        except Exception:  # noqa: BLE001 - the next round must come
            log.exception("a defect: please report it with this trace")
        await asyncio.sleep(seconds)
