"""When keys were last used, and how often in this hour, without a write per request."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from kalends.api.rate_limits import Allowance, RateLimits
from kalends.core.caller import Caller
from kalends.core.errors import Unavailable
from kalends.db.database import Database
from kalends.services.setup import keys
from kalends.telemetry import Outage

MINUTE = timedelta(minutes=1)
FLUSH_SECONDS = 5
_KIND = "key"


class KeyUse:
    """Collects the minutes in which keys were used, and writes each once. Counts the requests of each key."""

    def __init__(self, database: Database, rate_limits: RateLimits) -> None:
        self._database = database
        self._rate_limits = rate_limits
        self._used: dict[tuple[str, str], datetime] = {}
        self._made: dict[str, tuple[int, int]] = {}

    def note(self, caller: Caller, now: datetime) -> None:
        """Note that the key was used in this minute, unless that is stored already."""
        if caller.last_used_at is None or now - caller.last_used_at >= MINUTE:
            self._used[caller.org_id, caller.key_id] = now.replace(second=0)

    def count(self, key_id: str, allowance: Allowance) -> None:
        """Count a request of the key, in the hour of its organization's allowance."""
        made, reset = self._made.get(key_id, (0, allowance.reset))
        if allowance.reset > reset + 1:  # another hour; the end that Redis tells may be off by a second
            made = 0
        self._made[key_id] = (made + 1, allowance.reset)

    async def requests_this_hour(self, key_ids: Sequence[str]) -> dict[str, int | None]:
        """Return how many requests each key made in its organization's hour; None if the storage is
        unreachable. The counts of other processes arrive through Redis a few seconds later."""
        await self._tell_counts()
        return {key_id: await self._rate_limits.counted(_KIND, key_id) for key_id in key_ids}

    async def flush(self) -> None:
        """Write what was collected. While the database is unavailable, which it logs itself, the note is
        dropped: it is no booking."""
        await self._tell_counts()
        if not self._used:
            return
        used, self._used = self._used, {}
        with contextlib.suppress(Unavailable):
            await self._database.write(keys.note_use, used)

    async def flush_forever(self) -> None:
        """Flush every few seconds, until cancelled."""
        outage = Outage("last use of keys not written", "last use of keys written again", logging.ERROR)
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - the next round must come
                outage.fails(
                    f"a defect ({type(error).__name__}): please report it with this trace", exc_info=True
                )
            else:
                outage.works()

    async def _tell_counts(self) -> None:
        made, self._made = self._made, {}
        for key_id, (requests, reset) in made.items():
            await self._rate_limits.note(_KIND, key_id, requests, reset)
