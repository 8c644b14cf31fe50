"""Watching that all processes of a database use the same time zone data."""

import asyncio
from collections.abc import Set

from kalends.clock import Clock
from kalends.core.errors import Refusal
from kalends.core.hours import stamp
from kalends.db.database import Database
from kalends.services.setup import zone_data
from kalends.telemetry import defect, log

SECONDS = zone_data.RECENT.total_seconds() / 2


async def watch(database: Database, clock: Clock, version: str, *, seconds: float = SECONDS) -> None:
    """Note every so many seconds in the database that this process uses this version of the time zone data,
    until cancelled, and log a warning if other processes use another. If the database can't be written to,
    it is asked again the next time."""
    known: Set[str] = frozenset()
    while True:
        try:
            others = await database.write(zone_data.note, version, clock.now())
            if others.keys() - known:
                log.warning(
                    "servers or workers of this database use different time zone data, so they may tell "
                    "times that are an hour apart: bring all of them to the newest and restart those you "
                    "changed (nothing is to be done if the others were stopped or upgraded just now)",
                    zone_data=version,
                    others={other: stamp(seen_at) for other, seen_at in others.items()},
                )
            known = others.keys()
        except Refusal as refusal:
            log.warning("the version of the time zone data could not be noted", why=refusal.message)
        except Exception:  # noqa: BLE001 - the server goes on
            defect()
        await asyncio.sleep(seconds)
