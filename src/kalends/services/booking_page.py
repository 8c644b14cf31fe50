"""What clients do for themselves: look, hold, book, and later cancel or move."""

from datetime import datetime

from sqlalchemy import select

from kalends.core.caller import Host, Link
from kalends.core.errors import TooLate
from kalends.core.hours import stamp
from kalends.db.database import Tx
from kalends.db.tables import appointment_types
from kalends.schemas.answers import answered
from kalends.schemas.appointments import Appointment, AppointmentChange, AppointmentCreate
from kalends.schemas.holds import ClientHoldCreate, Hold, HoldCreate
from kalends.schemas.public import BookableType, BookingPage, ClientBooking, changeable_until, host_summary
from kalends.services import appointment_changes, appointments, bookings, holds, manage_links, offers, parties
from kalends.services.parties import Party


def page(tx: Tx, host: Host) -> BookingPage:
    """The organization and its active types, in its order."""
    rows = tx.execute(
        select(appointment_types)
        .where(appointment_types.c.org_id == host.org_id, appointment_types.c.is_active)
        .order_by(appointment_types.c.sort_order, appointment_types.c.id)
    )
    types = [
        BookableType.model_validate({**row._mapping, "questions": row.booking_questions}) for row in rows
    ]
    return BookingPage(organization=host_summary(host), appointment_types=types)


def hold(tx: Tx, host: Host, wish: ClientHoldCreate, now: datetime) -> Hold:
    """Keep time for a while, by every rule. Raises as `holds.hold` does."""
    checked = HoldCreate.model_construct(**dict(wish), check="all")
    return holds.hold(tx, _client(host), checked, now)


def book(tx: Tx, host: Host, wish: ClientBooking, now: datetime) -> tuple[Appointment, str]:
    """Book by every rule, or with a hold; the appointment, and the token of its client's link.

    Raises Malformed for wrong answers to the type's questions, and what `bookings.book` raises.
    """
    kind = offers.kind_of(tx, host.org_id, wish.appointment_type_id)
    answers = answered(offers.questions_of(kind), wish.answers)
    known = {name: value for name, value in dict(wish).items() if name in AppointmentCreate.model_fields}
    booked = bookings.book(
        tx, _client(host), AppointmentCreate.model_construct(**known, check="all"), now, answers
    )
    return booked, manage_links.issue(tx, host.org_id, booked.id, now)


def own(tx: Tx, link: Link, now: datetime) -> Appointment:
    """The appointment of a link. Raises NotFound if the link has ended."""
    found = appointments.get(tx, link.host.org_id, link.appointment_id, now)
    manage_links.must_be_good(tx, link)  # looked at afterwards, so nothing newer than its end is shown
    return found


def cancel(tx: Tx, link: Link, reason: str | None, now: datetime) -> Appointment:
    """Cancel an appointment; again changes nothing. Raises TooLate, IllegalTransition."""
    # Locked: staff may be confirming it, and then the notice counts.
    row = appointments.row_of(tx, link.host.org_id, link.appointment_id, locked=True)
    present = appointments.shown(row, now)
    if present.status == "cancelled":
        return present
    _in_time(present, link.host, now)
    wish = AppointmentChange(status="cancelled", cancellation_reason=reason)
    return appointment_changes.change(tx, _client(link.host), link.appointment_id, wish, now, link=link)


def reschedule(tx: Tx, link: Link, start: datetime, now: datetime) -> Appointment:
    """Move an appointment by every rule. Raises TooLate, IllegalTransition, Unbookable."""
    present = own(tx, link, now)
    appointment_changes.must_be_movable(present.status)
    _in_time(present, link.host, now)
    wish = AppointmentChange.model_construct({"start_time", "check"}, start_time=start, check="all")
    return appointment_changes.change(tx, _client(link.host), link.appointment_id, wish, now, link=link)


def _in_time(appointment: Appointment, host: Host, now: datetime) -> None:
    until = changeable_until(appointment, host)
    if now > until:
        raise TooLate(
            f"It could be changed until {stamp(until)}; please get in touch with {host.name}.",
            until=stamp(until),
        )


def _client(host: Host) -> Party:
    return parties.client(host.org_id, host.timezone)
