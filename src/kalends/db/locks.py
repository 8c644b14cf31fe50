"""Locks: who may decide now, while everybody else waits.

Every transaction takes them in one order, so there is no deadlock: names, settings, types, calendars by id,
and rows of appointments last. On SQLite the writer is alone anyway.
"""

from collections.abc import Collection, Set
from hashlib import sha256

from sqlalchemy import BigInteger, bindparam, func, select

from kalends.db.database import Tx
from kalends.db.tables import appointment_types, calendars, organizations


def lock_name(tx: Tx, *name: str) -> None:
    """Wait until no other transaction counts under this name, and keep it so until this one ends. This lock
    comes before all locks of rows, and a client's before a network address's. (On SQLite the writer is alone
    anyway.)"""
    if tx.dialect.name == "sqlite":
        return
    key = int.from_bytes(sha256("\0".join(name).encode()).digest()[:8], signed=True)
    tx.execute(select(func.pg_advisory_xact_lock(bindparam("key", key, BigInteger))))


def lock_settings(tx: Tx, org_id: str) -> None:
    """Wait until no other transaction changes the organization's calendars, blocks, types, schedules and
    hours, and keep it so until this one ends: they refer to each other, and what one change looks at, another
    may change. Bookings don't wait for it. This lock comes before all other locks of rows."""
    if tx.dialect.name == "sqlite":
        return
    mine = select(organizations.c.id).where(organizations.c.id == org_id)
    tx.execute(mine.with_for_update(key_share=True))


def lock_type(tx: Tx, org_id: str, type_id: str) -> None:
    """Wait until no other transaction counts what is booked of this type, and keep it so until this one ends.
    Every transaction locks types, calendars and appointments in this order, so there is no deadlock."""
    if tx.dialect.name == "sqlite":
        return
    tx.execute(
        select(appointment_types.c.id)
        .where(appointment_types.c.org_id == org_id, appointment_types.c.id == type_id)
        .with_for_update(key_share=True)
    )


def lock_calendars(tx: Tx, org_id: str, calendar_ids: Collection[str]) -> Set[str]:
    """Wait until no other transaction takes time of these calendars, and keep it so until this one ends.
    Returns those that were deleted by then; on SQLite none, since nothing changes while a unit runs."""
    if tx.dialect.name == "sqlite":
        return frozenset()
    locked = tx.execute(
        select(calendars.c.id, calendars.c.deleted_at)
        .where(calendars.c.org_id == org_id, calendars.c.id.in_(calendar_ids))
        .order_by(calendars.c.id)
        .with_for_update(key_share=True)
    )
    return {row.id for row in locked if row.deleted_at is not None}
