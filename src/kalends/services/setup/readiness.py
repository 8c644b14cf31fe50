"""Whether the database can be written to."""

from datetime import datetime

from sqlalchemy import delete, insert

from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.tables import zone_data as noted
from kalends.services.setup import zone_data

_ROOM = "room " + "." * 8_000
"""More than fits without a new page in the file, which a full disk has no room for."""


def prove(tx: Tx, version: str, now: datetime) -> None:
    """Write what `zone_data.note` writes, and something that needs room, which is removed at once: what a
    rollback undoes would never have reached the disk. Raises SchemaOutdated."""
    migrating.check(tx)
    zone_data.note(tx, version, now)
    tx.execute(insert(noted), {"version": _ROOM, "seen_at": now})
    tx.execute(delete(noted).where(noted.c.version == _ROOM))
