"""When keys were last used: known to the minute, without a write per request."""

import asyncio
from datetime import datetime, timedelta

from kalends.core.caller import Caller
from kalends.core.errors import Refusal
from kalends.db.database import Database
from kalends.services import keys
from kalends.telemetry import log

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
        """Write what was collected. Where the database is away the note is dropped: it is no booking."""
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            await self._database.write(keys.note_use, used)
        except Refusal as refusal:
            log.warning("last use of keys not written", keys=len(used), why=refusal.message)

    async def flush_forever(self) -> None:
        """Flush every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001 - the next round must come
                log.exception("last use of keys not written")
