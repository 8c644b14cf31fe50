"""Why a type that is in service can't be booked at all: what of the settings stands against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from kalends.core.hours import DAY, hours, seconds
from kalends.core.intervals import NEVER
from kalends.core.offered import OfferedType
from kalends.core.slots import Offer
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.services.booking import offers, searches
from kalends.services.booking.searches import Search

_PARTS = (28, 92, 246)
"""The days in which a start is looked for, a part at a time: a year together."""
_YEAR = sum(_PARTS)
_HOURS_OF_DAY = 24


@dataclass(frozen=True, slots=True)
class Unoffered:
    """What stands against every start of the coming year: too few `calendars` in service, no `hours`, none
    that are as long as the `length`, a `notice` that is longer than the days ahead, or calendars whose `own`
    hours don't fit. If it is none of them, the time is `full`: taken or closed."""

    why: Literal["calendars", "hours", "length", "notice", "own", "full"]
    details: Mapping[str, Any] = field(default_factory=dict)


def of(tx: Tx, org_id: str, type_id: str, now: datetime) -> Unoffered | None:
    """Return why nothing of a type can be booked; None if something can, or if it is not in service. Raises
    NotFound."""
    type_ = offers.type_of(tx, org_id, type_id)
    search = Search(type_, searches.in_question(tx, type_), now)
    start = seconds(now)
    if not type_.is_active or searches.following(tx, search, start, 1, _PARTS):
        return None
    return _of_calendars(search) or aside(
        tx, _of_offer, searches.offer(tx, search, start, start + _YEAR * DAY), type_, start
    )


def of_all(tx: Tx, org_id: str, type_ids: Sequence[str], now: datetime) -> Mapping[str, Unoffered]:
    """Return why nothing can be booked of those of some types of which nothing can. Raises NotFound."""
    found = {type_id: of(tx, org_id, type_id, now) for type_id in type_ids}
    return {type_id: why for type_id, why in found.items() if why is not None}


def _of_calendars(search: Search) -> Unoffered | None:
    for each in search.in_question:
        there = sum(candidate.is_active for candidate in each.candidates)
        if there < each.need.count:
            return Unoffered("calendars", {"count": each.need.count, "there": there})
    return None


def _of_offer(offer: Offer, type_: OfferedType, start: int) -> Unoffered:
    terms, end = offer.terms, start + _YEAR * DAY
    open_ = hours(terms.schedule, start, end).open
    if not open_:
        return Unoffered("hours")
    if not terms.fitting(open_.starts):
        return Unoffered("length")
    ahead = type_.max_days_ahead
    if ahead is not None and type_.min_notice_hours >= (ahead + 1) * _HOURS_OF_DAY:
        return Unoffered("notice", {"hours": type_.min_notice_hours, "days": ahead})
    needs = [
        replace(each, calendars=[replace(calendar, busy=NEVER) for calendar in each.calendars])
        for each in offer.requirements
    ]
    unlimited = replace(terms, min_notice_hours=0, max_days_ahead=None, caps={})
    if not replace(offer, terms=unlimited, requirements=needs).starts(start, end, 1):
        return Unoffered("own")
    return Unoffered("full")
