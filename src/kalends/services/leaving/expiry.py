"""Forgetting what has expired, of all organizations, some at a time.

What still has a meaning is kept: keys that were revoked or have expired stay in the list, since other things
name them as their makers. Appointments and their history are never removed.
"""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, exists, literal, select, tuple_

from kalends.db.claims import give_back
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import (
    appointments,
    idempotency_keys,
    manage_links,
    organizations,
    request_links,
    zone_data,
)
from kalends.ids import first_id_of
from kalends.services.booking.manage_links import GOOD_AFTER_END
from kalends.services.outbox.idempotency import KEPT

LINKS_KEPT = GOOD_AFTER_END + timedelta(days=60)
"""How long links are kept after the end of their appointment: if it is moved to a later day by then, they
work again."""
SANDBOXES_KEPT = timedelta(days=30)
"""How long holds of sandboxes are kept after they were made by the real clock: there, requests say what time
it is."""
SANDBOX_LINKS_KEPT = timedelta(days=365)
"""How long links of sandboxes are kept after their appointment was made by the real clock."""
ZONE_DATA_KEPT = timedelta(days=90)
_MOST_AT_ONCE = 500

Place = tuple[datetime, bytes]
"""How far a search through old links has come: when the last one was made, and its digest."""


def forget_answers(tx: Tx, now: datetime) -> int:
    """Remove some answers that are no longer repeated (`Idempotency-Key`). Returns how many."""
    expired = idempotency_keys.c.created_at <= now - KEPT
    some = select(idempotency_keys.c.org_id, idempotency_keys.c.key).where(expired)
    rows = tx.execute(some.order_by(idempotency_keys.c.created_at).limit(_MOST_AT_ONCE)).all()
    if rows:
        # By its key, and only if the row is still the one that has expired.
        named = (idempotency_keys.c.org_id == bindparam("org"), idempotency_keys.c.key == bindparam("name"))
        tx.execute(
            delete(idempotency_keys).where(*named, expired),
            [{"org": row.org_id, "name": row.key} for row in rows],
        )
    return len(rows)


def old_links(tx: Tx, now: datetime, after: Place | None) -> tuple[list[bytes], Place | None]:
    """Look at some links that were made long ago, `after` a place. Returns the digests of those that have
    also ended long ago, and the place of the last one, or None if there are no more."""
    wanted = (
        select(
            manage_links.c.digest,
            manage_links.c.created_at,
            manage_links.c.appointment_id,
            appointments.c.end_time,
            organizations.c.sandbox,
        )
        .join_from(
            manage_links,
            appointments,
            (appointments.c.org_id == manage_links.c.org_id)
            & (appointments.c.id == manage_links.c.appointment_id),
        )
        .join(organizations, organizations.c.id == manage_links.c.org_id)
        .where(manage_links.c.created_at <= now - LINKS_KEPT)
    )
    if after is not None:
        made_at, digest = after
        place = tuple_(literal(made_at, manage_links.c.created_at.type), digest)
        wanted = wanted.where(tuple_(manage_links.c.created_at, manage_links.c.digest) > place)
    rows = tx.execute(
        wanted.order_by(manage_links.c.created_at, manage_links.c.digest).limit(_MOST_AT_ONCE)
    ).all()
    ended = [row.digest for row in rows if _has_ended_long_ago(row, now)]
    return ended, (rows[-1].created_at, rows[-1].digest) if rows else None


def forget_links(tx: Tx, digests: list[bytes], now: datetime) -> int:
    """Remove links that ended long ago, unless their appointment was moved since they were found. Returns how
    many were found."""
    has_ended = exists().where(
        appointments.c.org_id == manage_links.c.org_id,
        appointments.c.id == manage_links.c.appointment_id,
        appointments.c.end_time <= now - LINKS_KEPT,
    )
    tx.execute(
        delete(manage_links).where(manage_links.c.digest == bindparam("link"), has_ended),
        [{"link": digest} for digest in digests],
    )
    return len(digests)


def forget_request_links(tx: Tx, now: datetime) -> int:
    """Remove some links to requests, in mails to staff, that have ended. Returns how many."""
    ended = request_links.c.start_time <= now
    some = select(request_links.c.org_id, request_links.c.digest).where(ended)
    rows = tx.execute(some.order_by(request_links.c.start_time).limit(_MOST_AT_ONCE)).all()
    if rows:
        named = (request_links.c.org_id == bindparam("org"), request_links.c.digest == bindparam("link"))
        tx.execute(
            delete(request_links).where(*named), [{"org": row.org_id, "link": row.digest} for row in rows]
        )
    return len(rows)


def forget_holds(tx: Tx, now: datetime) -> int:
    """Remove some holds of sandboxes that were made long ago by the real clock. Returns how many. Holds of
    other organizations are removed when they expire."""
    some = (
        select(appointments.c.org_id, appointments.c.id)
        .where(
            appointments.c.expires_at.is_not(None),  # so that the index of what lapses is read, and no other
            appointments.c.is_hold,
            appointments.c.id.concat("") < first_id_of("hold", now - SANDBOXES_KEPT),
            exists().where(organizations.c.id == appointments.c.org_id, organizations.c.sandbox),
        )
        .limit(_MOST_AT_ONCE)
    )
    rows = tx.execute(some).all()
    for row in rows:
        mine = (appointments.c.org_id == row.org_id, appointments.c.id == row.id, appointments.c.is_hold)
        if tx.execute(delete(appointments).where(*mine).returning(appointments.c.id)).first() is not None:
            give_back(tx, row.org_id, row.id)
    return len(rows)


def forget_zone_data(tx: Tx, now: datetime) -> int:
    """Remove the versions of the time zone data that no process has used for a long time. Returns how many.
    There are a few a year."""
    return tx.execute(delete(zone_data).where(zone_data.c.seen_at < now - ZONE_DATA_KEPT)).rowcount


def _has_ended_long_ago(row: AnyRow, now: datetime) -> bool:
    if row.end_time > now - LINKS_KEPT:
        return False
    return not row.sandbox or row.appointment_id < first_id_of("apt", now - SANDBOX_LINKS_KEPT)
