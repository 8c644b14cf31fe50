"""Counting free time by day: how much there is on each, and when there is some again."""

from datetime import datetime

from kalends.core.errors import Malformed
from kalends.core.hours import DAY, begin_of, day_named, days_within, end_of, moment, seconds
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.schemas.days import Day, DaysAnswer
from kalends.schemas.queries import DaysByLinkQuery, DaysQuery
from kalends.services.booking import searches
from kalends.services.booking.searches import Search

MOST_DAYS = 92
_LOOK_BEYOND = (28, 92, 246)
"""The days after the range in which a start is looked for if the range has none, a part at a time."""


def search(
    tx: Tx,
    org_id: str,
    timezone: str,
    query: DaysQuery,
    now: datetime,
) -> DaysAnswer:
    """Return how many starts can be booked on each day, or to how many an appointment that is moving could be
    moved by staff, as `found` does.

    Raises what `searches.by_staff` and `found` raise.
    """
    return found(tx, searches.by_staff(tx, org_id, query, now), timezone, query)


def found(tx: Tx, wanted: Search, timezone: str, query: DaysByLinkQuery) -> DaysAnswer:
    """Return how many starts a search finds on each day of the range, in the zone asked for or else in
    `timezone`, the organization's, and the first one from the beginning of the range on: if there is none
    within, then up to a year after it.

    Raises Malformed for a range that is reversed or too long, InvalidTime.
    """
    zone = query.timezone or timezone
    start, end = seconds(begin_of(query.from_, zone)), seconds(end_of(query.to, zone))
    if end < start or _is_reversed(query):
        raise Malformed("to must not be before from.")
    # So many days are never as long as two more, and those of a thousand years are not to be counted first.
    named = days_within(zone, start, end) if end - start < (MOST_DAYS + 2) * DAY else None
    if named is None or len(named) > MOST_DAYS:
        raise Malformed(f"At most {MOST_DAYS} days can be counted at once.")
    spans = [span for _, span in named]
    counted = aside(tx, searches.offer(tx, wanted, start, end).tally, spans) if spans else []
    firsts = [first for _, first in counted if first is not None]
    ahead = firsts[:1] or searches.following(tx, wanted, end, 1, _LOOK_BEYOND)
    return DaysAnswer(
        days=[
            Day(date=day_named(day), free=free, first=None if first is None else moment(first))
            for (day, _), (free, first) in zip(named, counted, strict=True)
        ],
        timezone=zone,
        next_available=moment(ahead[0]) if ahead else None,
    )


def _is_reversed(query: DaysByLinkQuery) -> bool:
    """Return whether the range is of bare dates, and the later one comes first."""
    dates = query.from_, query.to
    return not any(isinstance(each, datetime) for each in dates) and dates[1] < dates[0]
