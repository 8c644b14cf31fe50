"""Calendar feeds: what calendar programs read at a secret address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, select, tuple_

from kalends.core.caller import FeedLink
from kalends.core.errors import NotFound
from kalends.core.hours import DAY, moment, seconds
from kalends.db.aside import aside
from kalends.db.columns import UtcDateTime
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, feeds, organizations
from kalends.db.tables import calendars as calendars_
from kalends.db.verbs import in_seconds
from kalends.ids import digest, new_id, new_token
from kalends.schemas.appointments import Appointment
from kalends.schemas.feeds import Feed, FeedCreate
from kalends.schemas.offered import Location
from kalends.schemas.wire import Deleted
from kalends.services.booking.appointments import SHOWN, shown, takes_time_of
from kalends.services.booking.particulars import place_of
from kalends.services.outbox import events, makers
from kalends.services.outbox.parties import Party
from kalends.services.setup import calendars
from kalends.services.setup.organizations import host_of

PAST_DAYS, AHEAD_DAYS = 30, 365
_SLICE = 200
"""How many appointments are read and written at a time, so that other requests get their turn in between."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a feed has, without the appointments themselves. `digest` changes whenever anything in the feed
    does; `years` are those of its first and its last appointment, if it has any; `calendars` has the names of
    the calendars by id, if there are several; `places` says where the types take place, by their ids."""

    digest: str
    years: tuple[int, int] | None
    calendars: Mapping[str, str]
    places: Mapping[str, Location]


def create(tx: Tx, party: Party, wish: FeedCreate, now: datetime) -> tuple[Feed, str]:
    """Make a feed. Returns it and the token of its address, which is shown this once. Raises NotFound for an
    unknown calendar, KeyRevoked if the key that makes it was revoked meanwhile."""
    if wish.calendar_id is not None and not calendars.known(tx, party.org_id, [wish.calendar_id]):
        raise NotFound("There is no calendar with this id.", field="calendar_id")
    token = new_token()
    row = {
        "org_id": party.org_id,
        "id": new_id("feed"),
        "calendar_id": wish.calendar_id,
        "kind": wish.kind,
        "digest": digest(token),
        "created_by": makers.stamp(tx, party),
        "created_at": now,
    }
    tx.execute(insert(feeds), row)
    feed = Feed.model_validate(row)
    events.tell(tx, party, "feed.created", {"feed": feed.model_dump(mode="json")}, feed.id, now)
    return feed, token


def all_of(tx: Tx, org_id: str) -> list[Feed]:
    """Return every feed, oldest first."""
    rows = tx.execute(select(feeds).where(feeds.c.org_id == org_id).order_by(feeds.c.id))
    return [Feed.model_validate(dict(row._mapping)) for row in rows]


def remove(tx: Tx, party: Party, feed_id: str, now: datetime) -> str:
    """Delete a feed; its address stops working. Returns its id. Raises NotFound."""
    this = (feeds.c.org_id == party.org_id, feeds.c.id == feed_id)
    row = tx.execute(delete(feeds).where(*this).returning(*feeds.c)).first()
    if row is None:
        raise NotFound("There is no feed with this id.")
    feed = Feed.model_validate(dict(row._mapping)).model_dump(mode="json")
    events.tell(tx, party, "feed.deleted", Deleted.of(feed_id).model_dump() | {"feed": feed}, feed_id, now)
    return feed_id


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, FeedLink]:
    """Return the feeds with these digests."""
    rows = tx.execute(
        select(
            *(organizations, feeds.c.digest, feeds.c.kind, feeds.c.calendar_id),
            calendars_.c.name.label("calendar_name"),
        )
        .join_from(feeds, organizations, organizations.c.id == feeds.c.org_id)
        .outerjoin(
            calendars_, and_(calendars_.c.org_id == feeds.c.org_id, calendars_.c.id == feeds.c.calendar_id)
        )
        .where(feeds.c.digest.in_(digests))
    )
    return {row.digest: FeedLink(host_of(row), row.kind, row.calendar_id, row.calendar_name) for row in rows}


def contents(tx: Tx, link: FeedLink, now: datetime) -> Contents:
    """Return what a feed has: the appointments of the last 30 and the next 365 days, cancelled ones too. Days
    are whole ones, so that the passing of an hour alone changes nothing."""
    lapsed = func.count().filter(appointments.c.expires_at <= now)
    # Every change raises a version, and no later change can set all of these sums back.
    sums = tx.execute(
        select(
            func.min(appointments.c.start_time),
            func.max(appointments.c.end_time),
            func.count(),
            func.sum(appointments.c.version),
            func.sum(in_seconds(tx, appointments.c.start_time)),
            func.sum(in_seconds(tx, appointments.c.updated_at)),
            lapsed,
        ).where(~appointments.c.is_hold, *_within(link, now))
    ).one()
    named = select(appointment_types.c.id, appointment_types.c.name, appointment_types.c.location)
    types = tx.execute(named.where(appointment_types.c.org_id == link.host.org_id).order_by("id")).all()
    found = {row.id: place_of(row.location, link.host) for row in types}
    places = {type_id: place for type_id, place in found.items() if place is not None}
    names = {} if link.calendar_id is not None else _names(tx, link)
    first, last, *counted = sums
    parts = [str(each) for each in (*counted, *types, *sorted(names.items()), *places.values())]
    years = None if first is None else (first.year, last.year)
    return Contents(digest("\n".join(parts)).hex(), years, names, places)


def written(
    tx: Tx, link: FeedLink, now: datetime, write: Callable[[Contents, Sequence[Appointment]], bytes]
) -> tuple[Contents, list[bytes]]:
    """Have all appointments of a feed written by `write`, by start and some at a time. Returns what the feed
    has at that moment, and what was written."""
    found = contents(tx, link, now)
    first = SHOWN.where(*_within(link, now)).order_by(*_PLACE).limit(_SLICE)

    def part(rows: Sequence[AnyRow]) -> bytes:
        return write(found, [shown(row, now) for row in rows])

    parts: list[bytes] = []
    rows = tx.execute(first).all()
    while rows:
        parts.append(aside(tx, part, rows))
        last = tuple_(literal(rows[-1].start_time, UtcDateTime()), literal(rows[-1].id))
        rows = tx.execute(first.where(tuple_(*_PLACE) > last)).all() if len(rows) == _SLICE else []
    return found, parts


def _within(link: FeedLink, now: datetime) -> list[ColumnElement[bool]]:
    today = seconds(now) // DAY
    wanted = [
        appointments.c.org_id == link.host.org_id,
        appointments.c.start_time >= moment((today - PAST_DAYS) * DAY),
        appointments.c.start_time < moment((today + AHEAD_DAYS + 1) * DAY),
    ]
    if link.calendar_id is not None:
        wanted.append(takes_time_of(link.calendar_id))
    return wanted


def _names(tx: Tx, link: FeedLink) -> Mapping[str, str]:
    """Return the names of an organization's calendars by id, deleted ones too; none if there is one only."""
    every = select(calendars_.c.id, calendars_.c.name).where(calendars_.c.org_id == link.host.org_id)
    names = {row.id: row.name for row in tx.execute(every)}
    return names if len(names) > 1 else {}


_PLACE = (appointments.c.start_time, appointments.c.id)
