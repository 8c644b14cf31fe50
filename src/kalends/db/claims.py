"""Selling time: the statement that inserts an appointment with its event, or refuses.

The last word is the database's (see the first migration): two active appointments never overlap on one
calendar. What staff forced stands outside that constraint, so the insert looks for it itself.
"""

import contextlib
from collections.abc import Collection, Mapping, Set
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_into_postgres
from sqlalchemy.exc import IntegrityError

from kalends.core.hours import shifted
from kalends.core.lifecycle import MAX_BUSY
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, appointments, calendars, events, organizations

Values = Mapping[str, Any]

_GUARD = "appointments_no_double_booking"
_APPOINTMENT = [bindparam(column.name, type_=column.type) for column in appointments.c]
_EVENT = [bindparam(f"event_{column.name}", type_=column.type) for column in events.c]


def _parameter(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=appointments.c[name].type)


NOT_CANCELLED: ColumnElement[bool] = appointments.c.status != literal_column("'cancelled'")
"""In the words of the indexes that have the active rows only, so that the databases use those."""
_ANY_OVERLAP: ColumnElement[bool] = appointments.c.overlap_allowed.in_((False, True))
"""Always true: with it, the databases enter the index of what occupies a calendar at the times."""


def active_at(now: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of appointments and holds that keep their time at `now`: they are neither
    cancelled nor have they lapsed."""
    return NOT_CANCELLED, or_(appointments.c.expires_at.is_(None), appointments.c.expires_at > now)


def occupying(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of appointments and holds that occupy their calendar within `[start, end)`,
    buffers included."""
    return _ANY_OVERLAP, *_busy_within(start, end, shifted(start, -MAX_BUSY))


def _busy_within(start: Any, end: Any, reach: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        appointments.c.busy_start < end,
        appointments.c.busy_end > start,
        # Nothing is busy longer than MAX_BUSY, so the index is read over a bounded range.
        appointments.c.busy_start > reach,
    )


_IN_THE_WAY = (
    appointments.c.org_id == _parameter("org_id"),
    appointments.c.calendar_id == _parameter("calendar_id"),
    NOT_CANCELLED,
    *_busy_within(
        _parameter("busy_start"),
        _parameter("busy_end"),
        bindparam("reach", type_=appointments.c.busy_start.type),
    ),
    appointments.c.id != _parameter("id"),
)
_FREE = or_(
    bindparam("overlap_allowed", type_=Boolean),
    bindparam("promised", type_=Boolean),
    ~exists().where(*_IN_THE_WAY, appointments.c.overlap_allowed),
)


def claim(tx: Tx, appointment: Values, event: Values | None, *, promised: bool = False) -> bool:
    """Insert an appointment, and its event if there is one. Returns False, with nothing inserted, if another
    active appointment overlaps on that calendar, or the calendar was deleted meanwhile.

    `appointment` and `event` are whole rows. An appointment with `overlap_allowed` may overlap any other; one
    that was `promised` (by a hold) may overlap what staff have forced there since the hold was made. What has
    lapsed is in the way until it is settled (`services.booking.lapses`).
    """
    row = dict(appointment, reach=_reach(appointment), promised=promised)
    if tx.dialect.name == "postgresql":
        if event is None:
            return tx.execute(_CLAIM_WITHOUT_EVENT_ON_POSTGRES, row).first() is not None
        named = {f"event_{name}": value for name, value in event.items()}
        return tx.execute(_CLAIM_ON_POSTGRES, row | named).first() is not None
    try:
        if tx.execute(_CLAIM_ON_SQLITE, row).first() is None:
            return False
    except IntegrityError as error:
        if _GUARD in str(error.orig):
            return False
        raise
    if event is not None:
        tx.execute(insert(events), event)
    return True


def rewrite(tx: Tx, appointment: Values) -> bool:
    """Rewrite an appointment's row. Returns False, with nothing changed, if the database refuses because it
    would overlap another active appointment on its calendar. That is the last word; look for what is
    `in_the_way` first, under the calendar's lock."""
    mine = (appointments.c.org_id == appointment["org_id"], appointments.c.id == appointment["id"])
    try:
        with tx.begin_nested() if tx.dialect.name == "postgresql" else contextlib.nullcontext():
            tx.execute(update(appointments).where(*mine).values(appointment))
    except IntegrityError as error:
        if _GUARD in str(error.orig):
            return False
        raise
    return True


def lock_name(tx: Tx, *name: str) -> None:
    """Wait until no other transaction counts under this name, and keep it so until this one ends. This lock
    comes before all locks of rows, and a client's before a network address's. (On SQLite the writer is alone
    anyway.)"""
    if tx.dialect.name == "sqlite":
        return
    key = int.from_bytes(sha256("\0".join(name).encode()).digest()[:8], signed=True)
    tx.execute(select(func.pg_advisory_xact_lock(bindparam("key", key, BigInteger))))


def lock_settings(tx: Tx, org_id: str) -> None:
    """Wait until no other transaction changes the organization's calendars, types, schedules and hours, and
    keep it so until this one ends: they refer to each other, and what one change looks at, another may
    change. Bookings don't wait for it. This lock comes before all other locks of rows."""
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


def in_the_way(tx: Tx, appointment: Values, now: datetime, *, most: int = 10) -> list[AnyRow]:
    """Return the active appointments and holds that overlap this one on its calendar at `now`, earliest
    first: id, start_time, end_time, busy_start, busy_end, is_hold, expires_at."""
    wanted = {name: appointment[name] for name in ("org_id", "calendar_id", "busy_start", "busy_end", "id")}
    wanted["now"] = now
    wanted["reach"] = _reach(appointment)
    return list(tx.execute(_BLOCKERS.limit(most), wanted))


def _reach(appointment: Values) -> Any:
    return shifted(appointment["busy_start"], -MAX_BUSY)


_BLOCKERS = (
    select(
        appointments.c.id,
        appointments.c.start_time,
        appointments.c.end_time,
        appointments.c.busy_start,
        appointments.c.busy_end,
        appointments.c.is_hold,
        appointments.c.expires_at,
    )
    .where(
        *_IN_THE_WAY,
        _ANY_OVERLAP,
        *active_at(bindparam("now", type_=appointments.c.expires_at.type)),
    )
    .order_by(appointments.c.busy_start)
)

_CLAIM_ON_SQLITE = (
    insert(appointments)
    .from_select(list(appointments.c), select(*_APPOINTMENT).where(_FREE))
    .returning(appointments.c.id)
)

# One statement is one round trip, and its own transaction if none was begun. The calendar's row is
# locked first: two unlocked inserts that clash under an exclusion constraint could wait for each other
# until the deadlock timeout. The constraint sees what was committed while this waited for the lock,
# though the statement's own snapshot does not; `ON CONFLICT` turns its refusal into no row, not an error.
_CALENDAR = (
    select(calendars.c.id)
    .where(
        calendars.c.org_id == _parameter("org_id"),
        calendars.c.id == _parameter("calendar_id"),
        calendars.c.deleted_at.is_(None),  # checked again once it is locked
    )
    .with_for_update(key_share=True)
    .cte("calendar")
)
_STORED = (
    insert_into_postgres(appointments)
    .from_select(list(appointments.c), select(*_APPOINTMENT).select_from(_CALENDAR).where(_FREE))
    .on_conflict_do_nothing()
    .returning(appointments.c.id)
    .cte("stored")
)
_CLAIM_WITHOUT_EVENT_ON_POSTGRES = select(_STORED.c.id)
_CLAIM_ON_POSTGRES = (
    insert(events)
    .from_select(list(events.c), select(*_EVENT).select_from(_STORED))
    .returning(events.c.id)
    .add_cte(_STORED)
)
