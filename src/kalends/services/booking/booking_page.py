"""What clients do for themselves: look, hold, book, and later cancel or move."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from kalends.core.caller import Host, Link, Visitor
from kalends.core.errors import IllegalTransition, TooLate, TooManyHolds, Unbookable
from kalends.core.hours import instant, stamp
from kalends.db.database import AnyRow, Tx
from kalends.schemas.answers import judged, judged_again
from kalends.schemas.appointments import Appointment, AppointmentChange, QuestionAnswer, pinned
from kalends.schemas.days import DaysAnswer
from kalends.schemas.holds import ClientHoldCreate, Hold
from kalends.schemas.public import (
    Cancellation,
    ClientAppointment,
    ClientBooking,
    Correction,
    Rescheduling,
    changeable_until,
)
from kalends.schemas.queries import DaysByLinkQuery, ExplainByLinkQuery, SlotsByLinkQuery
from kalends.schemas.slots import Explanation
from kalends.schemas.wire import is_missing
from kalends.schemas.wrong_fields import WrongField, malformed, wrong
from kalends.services.booking import (
    appointment_changes,
    appointments,
    bookings,
    client_limits,
    confirmations,
    days,
    holds,
    manage_links,
    offers,
    public_types,
    searches,
    slots,
)
from kalends.services.booking.searches import Search
from kalends.services.outbox import parties


def hold(tx: Tx, host: Host, wish: ClientHoldCreate, visitor: Visitor, now: datetime) -> Hold:
    """Keep time for a while, by every rule. Raises TooManyHolds, and what `public_types.offered` and
    `holds.hold` raise."""
    public_types.offered(tx, host, wish.appointment_type_id, wish.calendar_id)
    client_limits.of_address(tx, host, visitor, now, besides=wish.replaces)
    party = parties.client(host)
    return holds.hold(tx, party, wish, now, pins=pinned(wish.calendar_id), held_from=visitor.digest)


def keep(tx: Tx, host: Host, wish: ClientHoldCreate, visitor: Visitor, now: datetime) -> Hold:
    """Keep time as `hold` does for a client who may have gone back in the browser, so that an earlier hold is
    in the way: if the start is taken, return the hold of it that their address has; if the address has too
    many, replace its oldest of this type. Raises what `hold` raises."""
    theirs = (host.org_id, visitor.digest, wish.appointment_type_id, now)
    try:
        return hold(tx, host, wish, visitor, now)
    except Unbookable:
        start = instant(wish.start_time, host.timezone)
        same = holds.oldest_from(tx, *theirs, start=start, calendar_id=wish.calendar_id)
        if same is None:
            raise
        return same
    except TooManyHolds:
        oldest = holds.oldest_from(tx, *theirs)
        if oldest is None:
            raise
        return hold(tx, host, wish.model_copy(update={"replaces": oldest.id}), visitor, now)


def book(
    tx: Tx, host: Host, wish: ClientBooking, visitor: Visitor, now: datetime
) -> tuple[Appointment, str | None]:
    """Book by every rule, or with a hold. Returns the appointment and the token of its client's link. If
    clients confirm by mail, the booking waits for that, and only the mail has a link: the token is None.

    Raises Malformed for wrong answers to the type's questions, without what the type asks for to reach the
    client, and without an address to mail to; TooManyOpen, TooManyHolds, and what `public_types.offered` and
    `bookings.book` raise.
    """
    type_ = public_types.offered(tx, host, wish.appointment_type_id, wish.calendar_id)
    answers, unfit = judged(offers.questions_of(type_), wish.answers)
    by_mail = host.clients_confirm_by_mail
    unreached = _out_of_reach(host, type_.contact, wish.client_email, wish.client_phone)
    if found := unreached + unfit:
        raise malformed(found)
    client_limits.of_client(tx, host, type_, wish.client_email, wish.client_phone, now)
    if by_mail:
        client_limits.of_address(tx, host, visitor, now, besides=wish.hold_id)
    asked_from = visitor.digest if by_mail else None
    booked = bookings.book(
        tx,
        parties.client(host),
        wish,
        answers,
        now,
        pins=pinned(wish.calendar_id),
        hold_id=wish.hold_id,
        asked_from=asked_from,
    )
    return booked, None if by_mail else manage_links.issue(tx, host.org_id, booked.id, now)


def wrong_besides(tx: Tx, host: Host, body: Mapping[str, Any]) -> list[WrongField]:
    """Return what is wrong with the body of a client's booking besides what its schema says: what the
    organization and the type ask for."""
    type_ = offers.type_asked(tx, host.org_id, body.get("appointment_type_id"))
    if type_ is not None and type_.visibility == "staff":
        type_ = None  # clients don't learn what it asks
    contact = "either" if type_ is None else type_.contact
    found = _out_of_reach(host, contact, body.get("client_email"), body.get("client_phone"))
    given = body.get("answers", {})
    if type_ is None or not isinstance(given, Mapping):
        return found
    return found + judged(offers.questions_of(type_), given)[1]


def own(tx: Tx, link: Link, now: datetime) -> Appointment:
    """Return the appointment of a link. Raises NotFound if the link has ended."""
    row = _row(tx, link, now)
    manage_links.must_be_good(
        tx, link
    )  # after the row was read, so nothing newer than the link's end is shown
    return confirmations.shown(row) if row.is_hold else appointments.shown(row, now)


def confirm(tx: Tx, link: Link, now: datetime) -> Appointment:
    """Confirm a booking that waits for its client. If it was confirmed before, or never waited, nothing
    changes. Raises NotFound, also if it was not confirmed in time, and IllegalTransition if it is
    cancelled."""
    row = _row(tx, link, now, locked=True)
    manage_links.must_be_good(tx, link)
    return (
        confirmations.confirm(tx, parties.client(link.host), row, now)
        if row.is_hold
        else _confirmed(row, now)
    )


def cancel(
    tx: Tx, link: Link, wish: Cancellation, now: datetime, *, versions: Collection[int] | None = None
) -> Appointment:
    """Cancel an appointment. If it is cancelled already, nothing changes. Raises TooLate, IllegalTransition;
    PreconditionFailed if its version is not among `versions`."""
    # Locked, since staff may be confirming it at this moment: then the notice for changes applies.
    row = _row(tx, link, now, locked=True)
    present = confirmations.shown(row) if row.is_hold else appointments.shown(row, now)
    if present.status == "cancelled":
        return present
    if row.is_hold:
        return confirmations.withdraw(tx, row, wish.reason, now)
    _in_time(present, link.host, now)
    cancelled = AppointmentChange(status="cancelled", cancellation_reason=wish.reason)
    return _change(tx, link, cancelled, now, versions=versions)


def reschedule(
    tx: Tx, link: Link, wish: Rescheduling, now: datetime, *, versions: Collection[int] | None = None
) -> Appointment:
    """Move an appointment by every rule. Raises TooLate, IllegalTransition, Unbookable; PreconditionFailed if
    its version is not among `versions`."""
    _movable(tx, link, now)
    moved = AppointmentChange(start_time=wish.start_time, check="all")
    return _change(tx, link, moved, now, versions=versions)


def free_slots(tx: Tx, link: Link, query: SlotsByLinkQuery, now: datetime) -> str:
    """Return every start to which `reschedule` would move the appointment, as `slots.found` does. Raises
    TooLate, IllegalTransition, and what that raises."""
    return slots.found(tx, search(tx, link, now), link.host.timezone, query, naming=False)


def free_days(tx: Tx, link: Link, query: DaysByLinkQuery, now: datetime) -> DaysAnswer:
    """Return on which days there are such starts, as `days.found` does. Raises TooLate, IllegalTransition,
    and what that raises."""
    return days.found(tx, search(tx, link, now), link.host.timezone, query)


def explain(tx: Tx, link: Link, query: ExplainByLinkQuery, now: datetime) -> Explanation:
    """Return whether `reschedule` would move the appointment to a start, as `slots.explained` does. Raises
    TooLate, IllegalTransition, and what that raises."""
    return slots.explained(tx, search(tx, link, now), link.host.timezone, query)


def search(tx: Tx, link: Link, now: datetime) -> Search:
    """Return the search for time to which the client of a link may move the appointment. Raises NotFound,
    TooLate, IllegalTransition."""
    return searches.to_move(tx, _movable(tx, link, now), now, by_client=True)


def _movable(tx: Tx, link: Link, now: datetime) -> Appointment:
    """Return the appointment of a link if its client may move it. Raises NotFound, TooLate,
    IllegalTransition."""
    present = own(tx, link, now)
    appointment_changes.must_be_movable(present.status)
    confirmations.must_be_confirmed(present)
    _in_time(present, link.host, now)
    return present


def correct(tx: Tx, link: Link, wish: Correction, now: datetime) -> Appointment:
    """Correct what a client said of themselves: their number, notes and answers, until the appointment is
    over, whatever the notice for changes. Raises IllegalTransition, TooLate; Malformed for wrong answers, for
    a number that is removed though there is no address, and for another value of what can't be corrected."""
    row = _row(tx, link, now, locked=True)
    manage_links.must_be_good(tx, link)
    present = confirmations.shown(row) if row.is_hold else appointments.shown(row, now)
    _must_be_correctable(present, link.host, now)
    wish.must_agree(ClientAppointment.of(present, link.host), zone=link.host.timezone)
    sent = wish.sent()
    answers, found = _corrected_answers(tx, present, sent)
    if found := _unreachable(tx, present, sent) + found:
        raise malformed(found)
    if "answers" in sent:
        sent["answers"] = [each.model_dump() for each in answers]
    return _change(tx, link, AppointmentChange(**sent), now)


def wrong_besides_correction(tx: Tx, link: Link, body: Mapping[str, Any]) -> list[WrongField]:
    """Return what is wrong with the body of a correction besides what its schema says."""
    row = appointments.find(tx, link.host.org_id, link.appointment_id)
    if row is None:
        return []
    present = appointments.with_fields(row, appointments.fields_of(row))
    return _unreachable(tx, present, body) + _corrected_answers(tx, present, body)[1]


def _must_be_correctable(present: Appointment, host: Host, now: datetime) -> None:
    confirmations.must_be_confirmed(present)
    if present.status not in ("pending", "confirmed"):
        raise IllegalTransition(
            f"An appointment that is {present.status} can't be corrected.", status=present.status, allowed=[]
        )
    if present.end_time <= now:
        until = stamp(present.end_time)
        raise TooLate(
            f"It could be corrected until {until}; please get in touch with {host.name}.", until=until
        )


def _corrected_answers(
    tx: Tx, present: Appointment, sent: Mapping[str, Any]
) -> tuple[list[QuestionAnswer], list[WrongField]]:
    """Return the answers as the client corrects them, and what is wrong with those."""
    if not isinstance(sent.get("answers", 0), Mapping | list | None):
        return [], []
    questions = offers.questions_asked(tx, present.org_id, present.appointment_type_id)
    return judged_again(questions, present.answers, sent["answers"], by_client=True)


def _unreachable(tx: Tx, present: Appointment, sent: Mapping[str, Any]) -> list[WrongField]:
    """Return what is wrong if the client removes their number, though no address is known or the type asks
    for it."""
    if not is_missing(sent.get("client_phone", "kept")):
        return []
    if present.client_email is None:
        return [wrong("client_phone", "can't be removed, since there is no e-mail address", "contact")]
    type_ = offers.type_asked(tx, present.org_id, present.appointment_type_id)
    if type_ is None or type_.contact not in ("phone", "both") or present.client_phone is None:
        return []
    return [wrong("client_phone", "is required for this type", "required")]


def _out_of_reach(host: Host, contact: str, address: Any, number: Any) -> list[WrongField]:
    """Return what is missing of what a type asks for to reach a client (its `contact`), and of what the
    organization needs if clients confirm by mail. One of the two is there in any case."""
    found = []
    if is_missing(address):
        if host.clients_confirm_by_mail:
            reason = "is required, since the booking has to be confirmed by mail"
            found.append(wrong("client_email", reason, "required"))
        elif contact in ("email", "both"):
            found.append(wrong("client_email", "is required for this type", "required"))
    if is_missing(number) and contact in ("phone", "both"):
        found.append(wrong("client_phone", "is required for this type", "required"))
    return found


def _change(
    tx: Tx, link: Link, wish: AppointmentChange, now: datetime, *, versions: Collection[int] | None = None
) -> Appointment:
    party = parties.client(link.host)
    return appointment_changes.change(tx, party, link.appointment_id, wish, now, versions=versions, link=link)


def _row(tx: Tx, link: Link, now: datetime, *, locked: bool = False) -> AnyRow:
    """Return the row behind a link, which may wait for its client's confirmation. Raises NotFound."""
    row = appointments.find(tx, link.host.org_id, link.appointment_id, asked=True, locked=locked)
    if row is None:  # it was not confirmed in time, and was removed after the link was found
        raise manage_links.no_link()
    confirmations.must_stand(row, now)
    return row


def _confirmed(row: AnyRow, now: datetime) -> Appointment:
    present = appointments.shown(row, now)
    if present.status == "cancelled":
        raise confirmations.is_cancelled()
    return present


def _in_time(appointment: Appointment, host: Host, now: datetime) -> None:
    until = changeable_until(appointment, host)
    if now > until:
        raise TooLate(
            f"It could be changed until {stamp(until)}; please get in touch with {host.name}.",
            until=stamp(until),
        )
