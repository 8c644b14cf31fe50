"""When keys were last used: known to the minute, without a write per request."""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

from kalends.core.caller import Caller
from kalends.core.errors import Unavailable
from kalends.db.database import Database
from kalends.services import keys
from kalends.telemetry import Outage

MINUTE = timedelta(minutes=1)
FLUSH_SECONDS = 5


class KeyUse:
    """Collects the minutes in which keys were used, and writes each once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[tuple[str, str], datetime] = {}

    def note(self, caller: Caller, now: datetime) -> None:
        """Remember that the key was used in this minute, unless that is known already."""
        if caller.last_used_at is None or now - caller.last_used_at >= MINUTE:
            self._used[caller.org_id, caller.key_id] = now.replace(second=0)

    async def flush(self) -> None:
        """Write what was collected. While the database can't be used, which it tells itself, the note is
        dropped: it is no booking."""
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
