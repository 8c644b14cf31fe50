"""How much of an organization's time one client, who books without a key, may have at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from kalends.core.caller import Host, Visitor
from kalends.core.contacts import digits, folded
from kalends.core.errors import TooManyHolds, TooManyOpen
from kalends.core.hours import shifted
from kalends.core.lifecycle import MAX_BUSY
from kalends.core.offered import OfferedType
from kalends.db.claims import active_at
from kalends.db.database import Tx
from kalends.db.locks import lock_name
from kalends.db.tables import appointments
from kalends.services.booking.confirmations import UNCONFIRMED


def of_client(
    tx: Tx, host: Host, type_: OfferedType, email: str | None, phone: str | None, now: datetime
) -> None:
    """Raise TooManyOpen if a client has as many open bookings of a type as it allows. Bookings with the same
    e-mail address are one client's; of those without an address, those with the same phone number. No other
    transaction counts for the same client until this one ends. What staff booked does not count."""
    most = type_.max_open_per_client
    if most is None or (email is None and phone is None):
        return
    mine: tuple[Any, ...]
    if email is not None:
        client, named = folded(email), "Under this e-mail address"
        mine = (appointments.c.client_email_folded == client,)
    else:
        client, named = digits(phone or ""), "With this phone number"
        mine = (appointments.c.client_phone_digits == client, appointments.c.client_email_folded.is_(None))
    lock_name(tx, "open bookings", host.org_id, type_.id, client)
    open_ = (
        appointments.c.org_id == host.org_id,
        *mine,
        appointments.c.appointment_type_id == type_.id,
        appointments.c.source == "booking_page",
        # So that the index is entered at the times.
        appointments.c.start_time > shifted(now, -MAX_BUSY),
        appointments.c.end_time > now,
        *active_at(now),
    )
    if _count(tx, *open_) >= most:
        raise TooManyOpen(
            f"{named} no more of this type can be booked for now: cancel a booking, wait until one is over, "
            f"or get in touch with {host.name}.",
            limit=most,
        )


def of_address(tx: Tx, host: Host, visitor: Visitor, now: datetime, *, besides: str | None = None) -> None:
    """Raise TooManyHolds if a network address holds as much time as it may, `besides` the hold with this id.
    No other transaction counts for the same address until this one ends."""
    lock_name(tx, "holds", host.org_id, visitor.digest.hex())
    held = (
        appointments.c.org_id == host.org_id,
        appointments.c.held_from == visitor.digest,
        # Only a hold can be used up; a booking that waits for its client stands and counts.
        or_(appointments.c.id != (besides or ""), appointments.c.version == UNCONFIRMED),
        *active_at(now),
    )
    if _count(tx, *held) >= visitor.most_holds:
        raise TooManyHolds(
            "Too much is held from this network address already: book, confirm or release some of it, or try "
            "again in a few minutes.",
            limit=visitor.most_holds,
        )


def _count(tx: Tx, *which: Any) -> int:
    counted: int = tx.execute(select(func.count()).select_from(appointments).where(*which)).scalar_one()
    return counted
