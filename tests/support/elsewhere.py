"""Calendars elsewhere, as a worker reads them: what they say is set by hand."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kalends.clock import Clock
from kalends.core.hours import seconds
from kalends.core.sources import Reading, SourceAddress, Unchanged
from kalends.db.database import Database
from kalends.scout import Scout

EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """What was to be read."""

    address: SourceAddress
    state: str | None
    window: tuple[datetime, datetime]
    zone: str
    is_own: Callable[[str], bool]


@dataclass
class Elsewhere:
    """All calendars elsewhere: they say the same."""

    said: Reading | Unchanged | Exception = field(default_factory=lambda: busy())
    before: Callable[[], Awaitable[None]] | None = None
    """What happens while one is read."""
    asked: list[Asked] = field(default_factory=list)

    async def read(
        self,
        address: SourceAddress,
        state: str | None,
        window: tuple[datetime, datetime],
        zone: str,
        own_uids: Callable[[str], bool],
    ) -> Reading | Unchanged:
        self.asked.append(Asked(address, state, window, zone, own_uids))
        if self.before is not None:
            await self.before()
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def scout(self, db: Database, clock: Clock, **seams: Any) -> Scout:
        """Something that reads them, as a worker has it. Nothing is left to chance."""
        return Scout(db, clock, self.read, every=EVERY, chance=lambda: 0, **seams)


def busy(*spans: tuple[str, str], state: str | None = None) -> Reading:
    """What a calendar says that is busy within these spans, by ISO 8601."""
    times = [tuple(seconds(datetime.fromisoformat(each)) for each in span) for span in spans]
    return Reading(busy=[(start, end) for start, end in times], events=len(times), state=state)
