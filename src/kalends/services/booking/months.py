"""A month as pages show it: how much is free on each day, and when something is on one of them."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kalends.core.caller import Host
from kalends.core.errors import NotFound
from kalends.core.hours import begin_of, day_named, end_of, local_day, moment, seconds
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.schemas.days import Day
from kalends.schemas.queries import DaysByLinkQuery
from kalends.services.booking import days, holds, public_types, searches
from kalends.services.booking.searches import Search
from kalends.services.booking.slots import MOST_SLOTS

FIRST_MONTH, LAST_MONTH = date(1, 2, 1), date(9999, 11, 1)
"""The months whose days begin and end in every zone: the calendar has no time before and after it."""
_LOOK_AHEAD = (7, 28, 92, 240)
"""The days in which the first free time is looked for, a part at a time."""


@dataclass(frozen=True, slots=True)
class Month:
    """The `days` of a month in some zone, a `day` of it, if one is shown, and the `starts` on that day that
    can be booked. `next_available` is the first start from the beginning of the month on, if there is one
    within a year after it."""

    first: date
    days: Sequence[Day]
    next_available: datetime | None
    day: date | None
    starts: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to see: the times of a type, perhaps with one of its calendars, as if the hold that
    is to be replaced did not stand."""

    type_id: str
    calendar_id: str | None = None
    replaces: str | None = None


def for_clients(
    tx: Tx, host: Host, wish: Wish, zone: str, now: datetime, *, first: date | None, day: date | None
) -> Month:
    """Return a month for clients who want to book, as `found` does. Raises what `public_types.offered`
    raises."""
    type_ = public_types.offered(tx, host, wish.type_id, wish.calendar_id)
    in_question = searches.in_question(tx, type_, wish.calendar_id)
    ours = _standing(tx, host, wish.replaces, now)
    return found(tx, Search(type_, in_question, now, ours), zone, first=first, day=day)


def first_free(tx: Tx, host: Host, type_ids: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Return the first start of each type that clients can book; a type without one is left out."""
    free = {}
    for id_ in type_ids:
        type_ = public_types.offered(tx, host, id_)
        search = Search(type_, searches.in_question(tx, type_), now)
        for start in searches.following(tx, search, seconds(now), 1, _LOOK_AHEAD):
            free[id_] = moment(start)
    return free


def found(tx: Tx, wanted: Search, zone: str, *, first: date | None, day: date | None) -> Month:
    """Return what a search finds in the month that begins on `first`, and on a `day` in it. Without a month,
    it is the one with the first free time; without a day in the month, the first with free time. Days are
    those of `zone`, an IANA name."""
    asked = month_of(wanted.now, zone) if first is None else _kept(first)
    counted = days.found(tx, wanted, zone, _whole(asked, zone))
    ahead = counted.next_available
    if first is None and ahead is not None and (later := month_of(ahead, zone)) > asked:
        asked, counted = later, days.found(tx, wanted, zone, _whole(later, zone))
    if day is None or day.replace(day=1) != asked:
        day = next((each.date for each in counted.days if each.free), None)
    starts = () if day is None else _starts(tx, wanted, day, zone)
    return Month(asked, counted.days, counted.next_available, day, starts)


def last_of(first: date) -> date:
    """Return the last day of the month that begins on `first`."""
    return first.replace(day=monthrange(first.year, first.month)[1])


def day_of(instant: datetime, zone: str) -> date:
    """Return the calendar day of an instant in a zone."""
    return day_named(local_day(zone, seconds(instant)))


def month_of(instant: datetime, zone: str) -> date:
    """Return the first day of the month of an instant in a zone; at the ends of the calendar, that of the
    nearest month that is whole in every zone."""
    return _kept(day_of(instant, zone).replace(day=1))


def _kept(first: date) -> date:
    return min(max(first, FIRST_MONTH), LAST_MONTH)


def _starts(tx: Tx, wanted: Search, day: date, zone: str) -> Sequence[datetime]:
    start, end = seconds(begin_of(day, zone)), seconds(end_of(day, zone))
    offer = searches.offer(tx, wanted, start, end)
    return [moment(each) for each in aside(tx, offer.starts, start, end, MOST_SLOTS)]


def _whole(first: date, zone: str) -> DaysByLinkQuery:
    bounds = {"from": first.isoformat(), "to": last_of(first).isoformat()}
    return DaysByLinkQuery.model_validate(bounds | {"timezone": zone})


def _standing(tx: Tx, host: Host, hold_id: str | None, now: datetime) -> str | None:
    """Return the id of a hold if it stands. No other time may look free that is not."""
    if hold_id is None:
        return None
    try:
        return holds.get(tx, host.org_id, hold_id, now).id
    except NotFound:
        return None
