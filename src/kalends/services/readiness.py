"""Whether the database can be written to."""

from datetime import datetime

from sqlalchemy import delete, insert

from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.tables import zone_data as noted
from kalends.services import zone_data

_ROOM = "room " + "." * 8_000
"""More than fits where there is no new page for it, as there is none on a full disk."""


def prove(tx: Tx, version: str, now: datetime) -> None:
    """Write what `zone_data.note` does, and something that needs room, which is removed at once: what is
    undone by a rollback would never have reached the disk. Raises SchemaOutdated."""
    migrating.check(tx)
    zone_data.note(tx, version, now)
    tx.execute(insert(noted), {"version": _ROOM, "seen_at": now})
    tx.execute(delete(noted).where(noted.c.version == _ROOM))
