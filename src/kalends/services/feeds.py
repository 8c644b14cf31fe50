"""Calendar feeds: what calendar programs read at a secret address."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, delete, insert, select

from kalends.core.caller import FeedLink
from kalends.core.errors import NotFound
from kalends.core.hours import shifted
from kalends.db.database import Tx
from kalends.db.tables import appointments, feeds, organizations
from kalends.db.tables import calendars as calendars_
from kalends.ids import digest, new_id, new_token
from kalends.schemas.appointments import Appointment
from kalends.schemas.feeds import Feed, FeedCreate
from kalends.services import calendars
from kalends.services.appointments import SHOWN, shown
from kalends.services.organizations import host_of

PAST, AHEAD = timedelta(days=30), timedelta(days=365)


def create(tx: Tx, org_id: str, wish: FeedCreate, now: datetime) -> tuple[Feed, str]:
    """Make a feed; with the token of its address, which is told this once. Raises NotFound for an unknown
    calendar."""
    if wish.calendar_id is not None and not calendars.known(tx, org_id, [wish.calendar_id]):
        raise NotFound("There is no calendar with this id.", field="calendar_id")
    token = new_token()
    row = {
        "org_id": org_id,
        "id": new_id("feed"),
        "calendar_id": wish.calendar_id,
        "digest": digest(token),
        "created_at": now,
    }
    tx.execute(insert(feeds), row)
    return Feed.model_validate(row), token


def all_of(tx: Tx, org_id: str) -> list[Feed]:
    """Every feed, oldest first."""
    rows = tx.execute(select(feeds).where(feeds.c.org_id == org_id).order_by(feeds.c.id))
    return [Feed.model_validate(dict(row._mapping)) for row in rows]


def remove(tx: Tx, org_id: str, feed_id: str) -> str:
    """Delete a feed; its address is good no more. Its id. Raises NotFound."""
    mine = (feeds.c.org_id == org_id, feeds.c.id == feed_id)
    if tx.execute(delete(feeds).where(*mine).returning(feeds.c.id)).first() is None:
        raise NotFound("There is no feed with this id.")
    return feed_id


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, FeedLink]:
    """The feeds behind some digests."""
    rows = tx.execute(
        select(organizations, feeds.c.digest, feeds.c.calendar_id, calendars_.c.name.label("calendar_name"))
        .join_from(feeds, organizations, organizations.c.id == feeds.c.org_id)
        .outerjoin(
            calendars_, and_(calendars_.c.org_id == feeds.c.org_id, calendars_.c.id == feeds.c.calendar_id)
        )
        .where(feeds.c.digest.in_(digests))
    )
    return {row.digest: FeedLink(host_of(row), row.calendar_id, row.calendar_name) for row in rows}


def appointments_of(tx: Tx, link: FeedLink, now: datetime) -> tuple[list[Appointment], Mapping[str, str]]:
    """Return the appointments of the last 30 and the next 365 days, cancelled ones too, by start; and the
    names of the calendars by id, if it takes names to tell whose an appointment is. The days are whole, so
    that nothing changes from one hour to the next unless something has changed."""
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    wanted = SHOWN.where(
        appointments.c.org_id == link.host.org_id,
        appointments.c.start_time >= shifted(today, -PAST),
        appointments.c.start_time < shifted(today, AHEAD + timedelta(days=1)),
    )
    if link.calendar_id is not None:
        wanted = wanted.where(appointments.c.calendar_id == link.calendar_id)
    rows = tx.execute(wanted.order_by(appointments.c.start_time, appointments.c.id))
    return [shown(row, now) for row in rows], {} if link.calendar_id is not None else _names(tx, link)


def _names(tx: Tx, link: FeedLink) -> Mapping[str, str]:
    """Return the names of an organization's calendars by id, deleted ones too; of a single one, none."""
    mine = select(calendars_.c.id, calendars_.c.name).where(calendars_.c.org_id == link.host.org_id)
    names = {row.id: row.name for row in tx.execute(mine)}
    return names if len(names) > 1 else {}
