"""Busy feeds: what calendar programs read of when time is taken, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from kalends.core.caller import FeedLink
from kalends.core.hours import DAY, moment, seconds
from kalends.core.intervals import Intervals, Span
from kalends.db.aside import aside
from kalends.db.claims import kept_at, occupying
from kalends.db.database import Tx
from kalends.db.joins import IS_HOLDER
from kalends.db.tables import appointments, calendars, occupations
from kalends.ids import digest
from kalends.services.leaving.feeds import AHEAD_DAYS, PAST_DAYS


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """What a busy feed has: spans of instants in seconds, in order. `digest` changes whenever they do."""

    digest: str
    spans: Sequence[Span]


def contents(tx: Tx, link: FeedLink, now: datetime) -> BusyTimes:
    """Return when a feed's calendar is taken, or any of all calendars: by appointments, buffers included, and
    by blocks, within the last 30 and the next 365 days. What adjoins is one.

    Holds are left out, since most are gone before the feed is read again, and so is what other calendars say,
    since those may read it here.
    """
    today = seconds(now) // DAY
    low, high = moment((today - PAST_DAYS) * DAY), moment((today + AHEAD_DAYS + 1) * DAY)
    mine = select(calendars.c.id).where(calendars.c.org_id == link.host.org_id)
    if link.calendar_id is None:
        mine = mine.where(calendars.c.deleted_at.is_(None))
    else:
        mine = mine.where(calendars.c.id == link.calendar_id)
    rows = tx.execute(
        select(occupations.c.busy_start, occupations.c.busy_end)
        .outerjoin_from(
            occupations,
            appointments,
            IS_HOLDER,
        )
        .where(
            occupations.c.org_id == link.host.org_id,
            occupations.c.calendar_id.in_(tx.execute(mine).scalars().all()),
            or_(~appointments.c.is_hold, occupations.c.kind == "block"),
            *kept_at(now),
            *occupying(low, high),
        )
    ).all()

    def merged() -> BusyTimes:
        spans = list(Intervals((seconds(row.busy_start), seconds(row.busy_end)) for row in rows))
        return BusyTimes(digest(repr(spans)).hex(), spans)

    return aside(tx, merged)


def written(
    tx: Tx, link: FeedLink, now: datetime, write: Callable[[Sequence[Span]], bytes]
) -> tuple[BusyTimes, bytes]:
    """Have a busy feed written by `write`. Returns what it has at that moment, and what was written."""
    found = contents(tx, link, now)
    return found, aside(tx, write, found.spans)
