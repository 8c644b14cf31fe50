"""Reading: other calendars are read, many at once, and their busy times are kept."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kalends.clock import Clock
from kalends.core.errors import Unavailable
from kalends.core.pacing import next_reading
from kalends.core.sources import Reading, SourceAddress, SourceTrouble, Unchanged
from kalends.db.database import Database
from kalends.delivery.calendar_files import is_echo, uid_of
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.services.booking import readings
from kalends.services.booking.readings import Turn
from kalends.storing import stored
from kalends.telemetry import DEFECTS, Outages
from kalends.vault import CLEAR, SealedError, Vault

MOST_SOURCES = 20
"""How many sources one worker reads at once. Each waits for its own server only."""
MOST_WHILE_BUSY = 5
"""The same within a server that is busy: there they wait for CPU time, and each other."""
READING_SECONDS = 0.02
"""CPU time per source that is taken, read and recorded, on the event loop; measured, rounded up."""
ATTEMPT_SECONDS = 300
"""How long an attempt may take in all, so that it ends within the lease. Most of it is waiting for a turn."""
ADVICE = "Its last known times stay busy. Staff see this in GET /v1/calendar/calendars/{id}/sources."
DEFECT = "It could not be read because of a defect of Kalends: the operator's log has the details."

Read = Callable[
    [SourceAddress, str | None, tuple[datetime, datetime], str, Callable[[str], bool]],
    Awaitable[Reading | Unchanged],
]
"""Reads a source: its address, what is known of it, the window, the zone, and which UIDs are our own."""


class Scout:
    """Reads sources that were leased, each in a task of its own."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        read: Read,
        *,
        every: timedelta,
        vault: Vault = CLEAR,
        metrics: Metrics | None = None,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`every` is how long after it was read a source is read again. `chance` spreads that: it returns a
        number between 0 and 1."""
        self._database = database
        self._clock = clock
        self._read = read
        self._every = every
        self._vault = vault
        self._metrics = metrics
        self._pace = pace or Pace()
        self._chance = chance
        self._reading: set[asyncio.Task[None]] = set()
        self._sources = Outages("a source can't be read", "a source can be read again")
        self._defects = Outages(*DEFECTS)

    @property
    def under_way(self) -> int:
        """How many sources it reads now."""
        return len(self._reading)

    @property
    def places(self) -> int:
        """How many more sources it may read now; 0 or less if none."""
        return (MOST_WHILE_BUSY if self._pace.is_busy else MOST_SOURCES) - self.under_way

    def begin(self, turn: Turn) -> None:
        """Begin to read a source."""
        task = asyncio.create_task(self._take_turn(turn))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def finish(self) -> None:
        """Wait until everything it began is done."""
        await asyncio.gather(*self._reading)

    async def stop(self) -> None:
        """Break off everything it began, and give the sources back."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def _take_turn(self, turn: Turn) -> None:
        try:
            await self._pace.rest(READING_SECONDS)
            await self._attempt(turn)
        except Unavailable:
            pass  # the database tells so itself, and the lease ends by itself
        except asyncio.CancelledError:
            await stored(self._database.write(readings.release, turn))
            raise
        except Exception as error:  # noqa: BLE001 - the other sources go on
            self._defects.fails(turn.source_id, type(error).__name__, **_which(turn), exc_info=True)
            with contextlib.suppress(Exception):  # then the lease ends by itself
                await self._fail(turn, DEFECT)

    async def _attempt(self, turn: Turn) -> None:
        """Read one source, and record what became of that."""
        try:
            task = await self._database.read(readings.task, turn, self._clock.now(), self._vault)
            if task is None:
                return
            own = frozenset(map(uid_of, task.own))
            async with asyncio.timeout(ATTEMPT_SECONDS):
                read = await self._read(
                    task.address,
                    task.state,
                    task.window,
                    task.zone,
                    lambda uid: uid in own or is_echo(uid, turn.calendar_id, turn.org_id),
                )
        except SourceTrouble as trouble:
            await self._fail(turn, str(trouble), trouble.retry_after)
        except SealedError as trouble:
            await self._fail(turn, f"What is stored of its address can't be read: {trouble}.")
        except TimeoutError:
            await self._fail(turn, f"It could not be read within {ATTEMPT_SECONDS} seconds.")
        else:
            await self._keep(turn, read)

    async def _keep(self, turn: Turn, read: Reading | Unchanged) -> None:
        rest, now = next_reading(self._every, 0, self._chance()), self._clock.now()
        for part in readings.parts(read):
            await stored(self._database.write(readings.keep, turn, part, now, rest))
        self._sources.works(turn.source_id, **_which(turn))
        self._count("read" if isinstance(read, Reading) else "unchanged")

    async def _fail(self, turn: Turn, why: str, asked: float | None = None) -> None:
        """Record that a source could not be read. `asked` is how long its server wants to be left alone."""
        chance, wait = self._chance(), None if asked is None else timedelta(seconds=asked)

        def rest(failures: int) -> timedelta:
            return next_reading(self._every, failures, chance, wait)

        await stored(self._database.write(readings.fail, turn, why, self._clock.now(), rest))
        self._sources.fails(turn.source_id, f"{why} {ADVICE}", **_which(turn))
        self._count("failed")

    def _count(self, result: str) -> None:
        if self._metrics is not None:
            self._metrics.reading(result)


def _which(turn: Turn) -> dict[str, str]:
    return {"org_id": turn.org_id, "calendar_id": turn.calendar_id, "source_id": turn.source_id}
