"""What the page behind a client's link shows: the appointment with its type, and where it can be moved."""

from dataclasses import dataclass
from datetime import date, datetime

from kalends.core.caller import Link
from kalends.core.errors import NotFound
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment
from kalends.schemas.public import ClientType
from kalends.services.booking import booking_page, months, public_types
from kalends.services.booking.months import Month


@dataclass(frozen=True, slots=True)
class Own:
    """A client's own appointment, and its type. `is_offered` tells whether clients can book another of it."""

    appointment: Appointment
    type_: ClientType
    is_offered: bool


def of(tx: Tx, link: Link, now: datetime) -> Own:
    """Return the appointment of a link. Raises NotFound if the link has ended."""
    found = booking_page.own(tx, link, now)
    type_id = found.appointment_type_id
    try:
        return Own(found, public_types.bookable(tx, link.host, type_id), is_offered=True)
    except NotFound:  # only staff book it, or nobody any longer
        return Own(found, public_types.any_type(tx, link.host, type_id), is_offered=False)


def month(tx: Tx, link: Link, zone: str, now: datetime, *, first: date | None, day: date | None) -> Month:
    """Return a month with the starts to which the appointment of a link can be moved, as `months.found` does.
    Raises NotFound, TooLate, IllegalTransition."""
    return months.found(tx, booking_page.search(tx, link, now), zone, first=first, day=day)
