"""Selling time: the statements that insert an appointment with its time and its event, or refuse.

The last word is the database's (see migration 0008): two active occupations of a calendar never overlap, but
for busy time that came after the other had been booked. What staff forced stands outside that constraint, so
the insert looks for it itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_into_postgres
from sqlalchemy.exc import IntegrityError

from kalends.core.hours import shifted
from kalends.core.lifecycle import MAX_BUSY, Taking
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments, calendars, events, occupations

Values = Mapping[str, Any]

_GUARD = "occupations_no_double_booking"


def _parameter(column: ColumnElement[Any] | Any, name: str | None = None) -> ColumnElement[Any]:
    return bindparam(name or column.name, type_=column.type)


_APPOINTMENT = [_parameter(column) for column in appointments.c]
_EVENT = [_parameter(column, f"event_{column.name}") for column in events.c]
_INSERT_APPOINTMENT, _INSERT_EVENT = insert(appointments), insert(events)
"""Made once, since what a statement is cached by costs as much as running it."""

NOT_CANCELLED: ColumnElement[bool] = appointments.c.status != literal_column("'cancelled'")
_ACTIVE: ColumnElement[bool] = literal_column("occupations.active")
"""In the words of the indexes that have the active rows only, so that the databases use those."""
_APPOINTMENTS: ColumnElement[bool] = occupations.c.kind == literal_column("'appointment'")
_ANY: tuple[ColumnElement[bool], ...] = (
    occupations.c.kind.in_([literal_column(f"'{kind}'") for kind in ("appointment", "block", "source")]),
    occupations.c.overlap_allowed.in_((False, True)),
)
"""Always true: with it, the databases enter the index of what occupies a calendar at the times."""


def active_at(now: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of appointments and holds that keep their time at `now`: they are neither
    cancelled nor have they lapsed."""
    return NOT_CANCELLED, or_(appointments.c.expires_at.is_(None), appointments.c.expires_at > now)


def kept_at(now: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of occupations that take their time at `now`."""
    return _ACTIVE, or_(occupations.c.expires_at.is_(None), occupations.c.expires_at > now)


def booked_at(now: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of occupations by appointments and holds that take their time at `now`."""
    return _APPOINTMENTS, *kept_at(now)


def occupying(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of active occupations within `[start, end)`, buffers included."""
    return _ACTIVE, *_ANY, *_busy_within(start, end, shifted(start, -MAX_BUSY))


def _busy_within(start: Any, end: Any, reach: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        occupations.c.busy_start < end,
        occupations.c.busy_end > start,
        # Nothing is busy longer than MAX_BUSY, so the index is read over a bounded range.
        occupations.c.busy_start > reach,
    )


def claim(tx: Tx, appointment: Values, event: Values | None, takes: Sequence[Taking]) -> bool:
    """Insert an appointment, the time it takes, and its event if there is one. Returns False if another
    active occupation is in the way on one of its calendars, or if one of them was deleted meanwhile: then
    nothing of it is stored, and on PostgreSQL a transaction that was begun may only be given up.

    `appointment` and `event` are whole rows. An appointment with `overlap_allowed` may overlap any other.
    What has lapsed is in the way until it is settled (`services.booking.lapses`).
    """
    if tx.dialect.name == "postgresql":
        named = {} if event is None else {f"event_{name}": value for name, value in event.items()}
        statement = _claim_on_postgres(len(takes), with_event=event is not None)
        return _went_well(tx, statement, dict(appointment) | named | _taking(takes))
    if not _take(tx, appointment, takes):
        return False
    tx.execute(_INSERT_APPOINTMENT, appointment)
    if event is not None:
        tx.execute(_INSERT_EVENT, event)
    return True


def claim_of_hold(tx: Tx, appointment: Values, event: Values, hold_id: str) -> None:
    """Insert an appointment and its event, with the time that a hold keeps, in place of that locked hold.
    What staff have forced over the hold meanwhile, and busy time that has come, is not in the way."""
    tx.execute(_INSERT_APPOINTMENT, appointment)
    tx.execute(_INSERT_EVENT, event)
    tx.execute(
        update(occupations)
        .where(*_held_by(appointment["org_id"], hold_id))
        .values(holder_id=appointment["id"], expires_at=appointment["expires_at"])
    )
    mine = (appointments.c.org_id == appointment["org_id"], appointments.c.id == hold_id)
    tx.execute(delete(appointments).where(*mine))


def rewrite(tx: Tx, before: Values, after: Values, takes: Sequence[Taking] | None = None) -> bool:
    """Rewrite an appointment's row, and the time it takes if that is another one or is taken again (`takes`).
    Returns False if the database refuses because it would overlap another active occupation; then on
    PostgreSQL the transaction can only be given up. That is the last word; look for what is `in_the_way`
    first, under the calendars' locks."""
    org_id, id_ = before["org_id"], before["id"]
    changed = {name: value for name, value in after.items() if value != before[name]}
    if changed:
        mine = (appointments.c.org_id == org_id, appointments.c.id == id_)
        tx.execute(update(appointments).where(*mine).values(changed))
    if takes is None:
        if "status" in changed or "expires_at" in changed:
            kept = {"active": after["status"] != "cancelled", "expires_at": after["expires_at"]}
            tx.execute(update(occupations).where(*_held_by(org_id, id_)).values(kept))
        return True
    give_back(tx, org_id, id_)
    return _take(tx, after, takes, moving=True)


def give_back(tx: Tx, org_id: str, holder_id: str) -> None:
    """Remove whatever time an appointment, a hold, a block or a source takes."""
    tx.execute(delete(occupations).where(*_held_by(org_id, holder_id)))


def _held_by(org_id: str, holder_id: str) -> tuple[ColumnElement[bool], ...]:
    return occupations.c.org_id == org_id, occupations.c.holder_id == holder_id


def in_the_way(
    tx: Tx, org_id: str, taking: Taking, now: datetime, *, besides: str = "", most: int = 10
) -> list[AnyRow]:
    """Return what takes some of this time of a calendar at `now`, earliest first, but for what the holder
    `besides` takes: id, kind, busy_start, busy_end, and of appointments and holds start_time, end_time,
    is_hold, expires_at."""
    wanted = _taking([taking]) | {"org_id": org_id, "id": besides, "now": now}
    return list(tx.execute(_IN_THE_WAY.limit(most), wanted))


def _take(tx: Tx, appointment: Values, takes: Sequence[Taking], *, moving: bool = False) -> bool:
    """Take an appointment's time. Returns False, with nothing stored, if it can't be had. What is `moving`
    may be in a deleted calendar."""
    wanted = ("org_id", "id", "expires_at", "overlap_allowed")
    statement = _take_all(len(takes), moving=moving)
    return _went_well(tx, statement, {name: appointment[name] for name in wanted} | _taking(takes))


def _went_well(tx: Tx, statement: Any, parameters: Values) -> bool:
    try:
        return tx.execute(statement, parameters).first() is not None
    except IntegrityError as error:
        if _GUARD in str(error.orig):
            return False
        raise


def _taking(takes: Sequence[Taking]) -> dict[str, Any]:
    """Return the parameters of the statements that take time."""
    return {
        f"{name}_{number}": value
        for number, taking in enumerate(takes)
        for name, value in (
            ("calendar", taking.calendar_id),
            ("busy_start", taking.busy_start),
            ("busy_end", taking.busy_end),
            ("reach", shifted(taking.busy_start, -MAX_BUSY)),
        )
    }


def _wanted(number: int) -> tuple[ColumnElement[Any], ...]:
    """Return the parameters of one calendar's time: calendar, busy_start, busy_end, and where to begin to
    look for what reaches into it."""
    time = occupations.c.busy_start
    return (
        _parameter(occupations.c.calendar_id, f"calendar_{number}"),
        _parameter(time, f"busy_start_{number}"),
        _parameter(time, f"busy_end_{number}"),
        _parameter(time, f"reach_{number}"),
    )


_ORG, _ID = _parameter(occupations.c.org_id), _parameter(appointments.c.id)
_FORCED = _parameter(occupations.c.overlap_allowed)


def _in_its_way(number: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of what is in the way of one calendar's time."""
    calendar, start, end, reach = _wanted(number)
    return (
        occupations.c.org_id == _ORG,
        occupations.c.calendar_id == calendar,
        occupations.c.holder_id != _ID,
        _ACTIVE,
        *_busy_within(start, end, reach),
    )


def _locked(count: int, *, moving: bool) -> CTE:
    """Return the calendars, locked in the order of their ids and read as they are then. Two inserts without
    locks that clash under an exclusion constraint could wait for each other until the deadlock timeout. The
    constraint sees what was committed while this waited, though the statement's own snapshot does not."""
    ids = [_wanted(number)[0] for number in range(count)]
    standing = true() if moving else calendars.c.deleted_at.is_(None)  # checked again once it is locked
    return (
        select(calendars.c.id, calendars.c.busy_changes)
        .where(calendars.c.org_id == _ORG, calendars.c.id.in_(ids), standing)
        .order_by(calendars.c.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )


def _time(count: int, *, moving: bool = False) -> Select[*tuple[Any, ...]]:
    """Return the rows of occupations that an appointment takes: of all its calendars, or none."""
    locked = _locked(count, moving=moving)
    if count == 1:
        calendar, start, end, _ = _wanted(0)
        source: FromClause = locked
        enough: ColumnElement[bool] = true()
    else:
        parts = [
            select(calendar.label("calendar_id"), start.label("busy_start"), end.label("busy_end"))
            for calendar, start, end, _ in map(_wanted, range(count))
        ]
        wanted = union_all(*parts).cte("wanted")
        calendar, start, end = wanted.c.calendar_id, wanted.c.busy_start, wanted.c.busy_end
        source = wanted.join(locked, locked.c.id == calendar)
        enough = select(func.count()).select_from(locked).scalar_subquery() == count
    forced = (
        exists().where(*_in_its_way(number), _APPOINTMENTS, occupations.c.overlap_allowed)
        for number in range(count)
    )
    return (
        select(
            *(_ORG, _ID, calendar, literal_column("'appointment'"), start, end),
            *(literal_column("0"), locked.c.busy_changes, true()),
            *(_parameter(occupations.c.expires_at), _FORCED),
        )
        .select_from(source)
        .where(enough, or_(_FORCED, and_(*(~each for each in forced))))
    )


@cache
def _take_all(count: int, *, moving: bool) -> Any:
    rows = insert(occupations).from_select(list(occupations.c), _time(count, moving=moving))
    return rows.returning(occupations.c.holder_id)


@cache
def _claim_on_postgres(count: int, *, with_event: bool) -> Any:
    """Return the statement that claims. One statement is one round trip, and its own transaction if none was
    begun. Of one calendar, `ON CONFLICT` turns the constraint's refusal into no row, not an error; of several
    it would store some of the rows."""
    rows = insert_into_postgres(occupations).from_select(list(occupations.c), _time(count))
    if count == 1:
        rows = rows.on_conflict_do_nothing()
    taken = rows.returning(occupations.c.holder_id).cte("taken")
    stored = (
        insert(appointments)
        .from_select(list(appointments.c), select(*_APPOINTMENT).select_from(taken).limit(1))
        .returning(appointments.c.id)
        .cte("stored")
    )
    if not with_event:
        return select(stored.c.id)
    return (
        insert(events).from_select(list(events.c), select(*_EVENT).select_from(stored)).returning(events.c.id)
    )


_IN_THE_WAY = (
    select(
        occupations.c.holder_id.label("id"),
        occupations.c.kind,
        occupations.c.busy_start,
        occupations.c.busy_end,
        occupations.c.expires_at,
        appointments.c.start_time,
        appointments.c.end_time,
        appointments.c.is_hold,
    )
    .outerjoin_from(
        occupations,
        appointments,
        and_(
            _APPOINTMENTS,
            appointments.c.org_id == occupations.c.org_id,
            appointments.c.id == occupations.c.holder_id,
        ),
    )
    .where(*_in_its_way(0), *_ANY, *kept_at(_parameter(appointments.c.created_at, "now")))
    .order_by(occupations.c.busy_start)
)
