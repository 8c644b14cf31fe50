"""What lapses by itself: holds that nobody used, and bookings that nobody confirmed in time.

Whether something has lapsed is asked of the clock (`expires_at`), so its time is free from that second on.
But a constraint can't ask the clock: a booking first settles what has lapsed in its calendars, in the same
transaction. A booking under a cap also settles what has lapsed under that cap, because clocks differ: what
one server counted as lapsed, another must not redeem or confirm afterwards. The worker settles the rest.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select

from kalends.core.hours import moment
from kalends.core.lifecycle import Occupancy, as_of
from kalends.db.claims import NOT_CANCELLED, give_back, occupying, rewrite
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments, occupations, organizations
from kalends.schemas.appointments import Appointment
from kalends.services.booking import history, manage_links
from kalends.services.booking.appointments import WITH_HOLDS, fields_of, with_fields
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.services.outbox import parties

_MOST_AT_ONCE = 200


def settle(tx: Tx, org_id: str, calendar_ids: Collection[str], taken: Occupancy, now: datetime) -> None:
    """Settle what has lapsed on these locked calendars within the time that is to be taken."""
    holders = select(occupations.c.holder_id).where(
        occupations.c.org_id == org_id,
        occupations.c.calendar_id.in_(calendar_ids),
        occupations.c.expires_at <= now,
        *occupying(taken.busy_start, taken.busy_end),
    )
    lapsed = (
        appointments.c.org_id == org_id,
        appointments.c.id.in_(holders),
        appointments.c.expires_at <= now,  # still, once it is locked
        NOT_CANCELLED,
    )
    _settle_where(tx, lapsed, now)


def settle_counted(tx: Tx, org_id: str, type_id: str, span: tuple[int, int], now: datetime) -> None:
    """Settle what has lapsed of a locked type and starts within the instants `span`, in whose caps a booking
    is to be counted."""
    lapsed = (
        appointments.c.org_id == org_id,
        appointments.c.appointment_type_id == type_id,
        appointments.c.start_time >= moment(span[0]),
        appointments.c.start_time < moment(span[1]),
        appointments.c.expires_at <= now,
        NOT_CANCELLED,
    )
    _settle_where(tx, lapsed, now)


def sweep(tx: Tx, now: datetime) -> int:
    """Settle some of what has lapsed, of all organizations but sandboxes, where requests say what time it is.
    Returns how many. Several workers may sweep at the same time."""
    live = organizations.c.id == appointments.c.org_id, ~organizations.c.sandbox
    rows = tx.execute(
        WITH_HOLDS.where(appointments.c.expires_at <= now, exists().where(*live))
        .order_by(appointments.c.expires_at, appointments.c.id)
        .limit(_MOST_AT_ONCE)
        .with_for_update(of=appointments, key_share=True, skip_locked=True)
    ).all()
    _settle(tx, rows, now)
    return len(rows)


def settle_one(tx: Tx, row: AnyRow, now: datetime) -> Appointment:
    """Store that a locked row of SHOWN has lapsed. Returns the appointment as it is now."""
    after = {**as_of(dict(row._mapping), now), "updated_at": now}
    before = fields_of(row)
    rewrite(tx, before, {name: after[name] for name in before})
    settled = with_fields(row, after)
    history.record(tx, parties.system(row.org_id), with_fields(row, before), settled, "none", now)
    return settled


def clear_holds(tx: Tx, org_id: str, type_id: str, now: datetime) -> None:
    """Remove the holds of a type that no longer keep time."""
    gone = (
        appointments.c.org_id == org_id,
        appointments.c.appointment_type_id == type_id,
        appointments.c.is_hold,
        or_(appointments.c.expires_at <= now, appointments.c.status == "cancelled"),
    )
    _settle_where(tx, gone, now)


def _settle_where(tx: Tx, lapsed: Sequence[ColumnElement[bool]], now: datetime) -> None:
    # In the order of ids, so that no two transactions wait for each other's rows.
    found = WITH_HOLDS.where(*lapsed).order_by(appointments.c.id)
    _settle(tx, tx.execute(found.with_for_update(of=appointments, key_share=True)).all(), now)


def _settle(tx: Tx, lapsed: Sequence[AnyRow], now: datetime) -> None:
    for row in lapsed:
        if row.is_hold:
            if row.version == UNCONFIRMED:
                manage_links.drop(tx, row.org_id, row.id)
            mine = (appointments.c.org_id == row.org_id, appointments.c.id == row.id)
            tx.execute(delete(appointments).where(*mine))
            give_back(tx, row.org_id, row.id)
        else:
            settle_one(tx, row, now)
