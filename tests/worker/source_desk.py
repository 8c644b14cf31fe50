"""A practice whose calendar has sources, and the worker that reads them; what they say is set by hand."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from kalends.core.sources import Reading, Unchanged
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import events, occupations, sources
from kalends.scout import Scout
from kalends.worker import Worker
from tests.support.answers import answered
from tests.support.elsewhere import Elsewhere
from tests.support.practice import Practice

URL = "https://93.184.215.14/private-8c1f0e44/basic.ics"
LUNCH = ("2024-01-25T12:00:00Z", "2024-01-25T13:00:00Z")
TWO = ("2024-01-25T14:00:00Z", "2024-01-25T15:00:00Z")
"""When the reference's own example begins and ends."""
HALF_PAST_TWO = ("2024-01-25T14:30:00Z", "2024-01-25T15:30:00Z")


@dataclass
class SourceDesk:
    """A practice whose calendar has a source, and what that says."""

    p: Practice
    elsewhere: Elsewhere
    id: str = ""
    """Of the source that was made last."""
    calendar: str = ""
    """Whose sources they are, if not the default one's."""

    @property
    def path(self) -> str:
        return f"/v1/calendar/calendars/{self.calendar or self.p.desk.org.calendar_id}/sources"

    async def add(self, **fields: Any) -> dict[str, Any]:
        wish = {"kind": "ics", "url": URL} | fields
        made = answered(await self.p.desk.staff.post(self.path, json=wish), "source")
        self.id = made["id"]
        return made

    async def shown(self) -> dict[str, Any]:
        return answered(await self.p.desk.staff.get(f"{self.path}/{self.id}"), "source")

    async def refresh(self) -> dict[str, Any]:
        return answered(await self.p.desk.staff.post(f"{self.path}/{self.id}/refresh"), "source")

    async def delete(self) -> None:
        assert (await self.p.desk.staff.delete(f"{self.path}/{self.id}")).status_code == 200

    @property
    def state(self) -> str | None:
        """What the last reading was given of the one before."""
        return self.elsewhere.asked[-1].state

    @property
    def scout(self) -> Scout:
        assert self.p.worker.scout is not None
        return self.p.worker.scout

    async def turn(self, worker: Worker | None = None) -> int:
        """Read what is due; how much that was."""
        before, worker = len(self.elsewhere.asked), worker or self.p.worker
        await worker.read_sources()
        assert worker.scout is not None
        await worker.scout.finish()
        return len(self.elsewhere.asked) - before

    async def say(self, said: Reading | Unchanged | Exception) -> None:
        """Let the source say something, and the worker read it when it is due."""
        self.elsewhere.said = said
        self.p.clock.forward(minutes=5)
        assert await self.turn() == 1

    def another(self, **seams: Any) -> Worker:
        """Another worker, in another process."""
        p = self.p
        scout = self.elsewhere.scout(p.db, p.clock, **seams)
        return Worker(p.db, p.clock, p.worker.courier, events_kept=timedelta(days=30), scout=scout)

    async def busy(self) -> list[tuple[str, str]]:
        """What is kept of the sources."""

        def find(tx: Tx) -> list[tuple[str, str]]:
            rows = tx.execute(
                select(occupations.c.busy_start, occupations.c.busy_end)
                .where(occupations.c.org_id == self.p.desk.org.id, occupations.c.kind == "source")
                .order_by(occupations.c.busy_start)
            )
            return [(f"{start:%FT%TZ}", f"{end:%FT%TZ}") for start, end in rows]

        return await self.p.db.read(find)

    async def happened(self, *types: str) -> list[dict[str, Any]]:
        """What was told by events of these types, in their order."""

        def find(tx: Tx) -> list[dict[str, Any]]:
            mine = events.c.org_id == self.p.desk.org.id, events.c.type.in_(types)
            rows = tx.execute(select(events.c.type, events.c.payload).where(*mine).order_by(events.c.id))
            return [{"type": row.type} | json.loads(row.payload) for row in rows]

        return await self.p.db.read(find)

    async def row(self) -> AnyRow:
        """What is stored of the source."""

        def find(tx: Tx) -> AnyRow:
            return tx.execute(select(sources).where(sources.c.id == self.id)).one()

        return await self.p.db.read(find)
