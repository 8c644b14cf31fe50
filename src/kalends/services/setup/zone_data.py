"""The versions of the time zone data that the servers and workers of this database use."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, update

from kalends.core.hours import shifted
from kalends.db.database import Tx
from kalends.db.tables import zone_data
from kalends.db.verbs import insert_new

RECENT = timedelta(minutes=20)
"""Each process notes its version twice in that time."""


def note(tx: Tx, version: str, now: datetime) -> Mapping[str, datetime]:
    """Note that a process uses `version`. Returns the other versions that were noted within RECENT before
    `now`, each with when it was noted last."""
    if not insert_new(tx, zone_data, {"version": version, "seen_at": now}):
        tx.execute(update(zone_data).where(zone_data.c.version == version).values(seen_at=now))
    others = select(zone_data.c.version, zone_data.c.seen_at).where(
        zone_data.c.version != version, zone_data.c.seen_at >= shifted(now, -RECENT)
    )
    return {row.version: row.seen_at for row in tx.execute(others)}
