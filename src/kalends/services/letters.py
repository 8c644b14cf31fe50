"""Deciding which mails an event is worth, and what they have to say."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal_column, select

from kalends.core.contacts import is_replaced, is_same
from kalends.core.event_types import BOOKING_ASKED
from kalends.core.hours import shifted
from kalends.core.lifecycle import CONFIRMATION_EXPIRED
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, deliveries, events, organizations
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter, Occasion
from kalends.services import mailing, manage_links
from kalends.services.appointments import DEFAULT_LANGUAGE
from kalends.services.confirmations import UNCONFIRMED
from kalends.services.mailing import CLIENT, FORMER, MAIL, REMINDER, STAFF

_WITHOUT_LINK = frozenset({"cancelled", "expired", "former"})

STILL_NEWS = timedelta(days=7)
"""For so long it is told that something did not take place, though it would be over by now."""


def write(
    tx: Tx, org_id: str, delivery: AnyRow, present: Appointment | None, now: datetime
) -> Letter | datetime | None:
    """Return the letter of a delivery (with its event's `type` and `payload`); when to ask again, if it is
    too early for it; None if nobody wants it. `present` is the appointment as it is, locked, so that its
    address stays what it is until the letter's link is stored."""
    payload = json.loads(delivery.payload)
    told = Appointment.model_validate(payload["appointment"])
    previous: dict[str, Any] = payload.get("previous", {})
    if present is None:
        return None
    if delivery.type == BOOKING_ASKED:
        waits = present.version == UNCONFIRMED and present.status == "pending"
        return _letter(tx, org_id, delivery, "asked", told, told.client_email, now) if waits else None
    if delivery.audience == FORMER:
        return _farewell(tx, org_id, delivery, told, previous, present, now)
    if told.end_time <= now and not _is_still_news(told, now):
        return None  # it is over: staff wrote it down afterwards, or there was no mail for long
    if delivery.audience == REMINDER:
        return _reminder(tx, org_id, delivery, told, present, now)
    occasion = _occasion(delivery.type, told, previous, payload["actor"]["kind"])
    if occasion is None:
        return None
    # Whoever is at a new address knows nothing of any time before.
    before = None if _is_told_anew(told, previous) else previous.get("start_time")
    if delivery.audience == STAFF:
        if payload["actor"]["kind"] == "api_key":
            return None  # staff know what they did themselves
    elif not is_same(told.client_email, present.client_email):
        return None  # whoever is at the present address is told by the event that brought it
    return _letter(tx, org_id, delivery, occasion, told, present.client_email, now, before=before)


def _occasion(kind: str, told: Appointment, previous: dict[str, Any], by: str) -> Occasion | None:
    """What an event is to people. One change is one mail, though it may be two events."""
    stands = told.status in ("pending", "confirmed")
    match kind.removeprefix("appointment."):
        case "created" | "confirmed":
            return "requested" if told.status == "pending" else "confirmed"
        case "rescheduled" if _is_second(told, previous):
            return None
        case "rescheduled" | "updated" if stands and _is_told_anew(told, previous):
            return "requested" if told.status == "pending" else "confirmed"
        case "updated" if told.status == "cancelled" and _is_told_anew(told, previous):
            # Nobody but a stranger may know of it.
            return "expired" if told.cancellation_reason == CONFIRMATION_EXPIRED else "cancelled"
        case "rescheduled" if stands:
            return "requested" if told.status == "pending" else "moved"
        case "cancelled":
            lapsed = by == "system" and told.cancellation_reason == CONFIRMATION_EXPIRED
            return "expired" if lapsed else "cancelled"
        case _:
            return None


def _is_second(told: Appointment, previous: dict[str, Any]) -> bool:
    """Whether a move is the second event of its change: the change of status was told already."""
    return "status" in previous and told.status != "pending"


def _is_told_anew(told: Appointment, previous: dict[str, Any]) -> bool:
    """Whether an event brought an address that leads to somebody else."""
    return "client_email" in previous and not is_same(previous["client_email"], told.client_email)


def _farewell(
    tx: Tx,
    org_id: str,
    delivery: AnyRow,
    told: Appointment,
    previous: dict[str, Any],
    present: Appointment,
    now: datetime,
) -> Letter | None:
    """To an address that is no longer the client's, if it was told of the appointment: what it was told is
    taken back. It may be a stranger's, so nothing is said that it was not told before."""
    address = previous.get("client_email")
    if not is_replaced(address, told.client_email) or not is_replaced(address, present.client_email):
        return None
    if delivery.type == "appointment.rescheduled" and _is_second(told, previous):
        return None
    known = _last_told(tx, org_id, delivery, told.id, address)
    if known is None or known.end_time <= now:
        return None
    gone = known.model_copy(
        update={
            "status": "cancelled",
            "version": told.version,
            "updated_at": told.updated_at,
            "cancellation_reason": None,
        }
    )
    return _letter(tx, org_id, delivery, "former", gone, address, now)


def _last_told(
    tx: Tx, org_id: str, delivery: AnyRow, appointment_id: str, address: str | None
) -> Appointment | None:
    """Return the appointment as the last mail to an address had it; None if there was none, or if it was a
    cancellation."""
    mails = tx.execute(
        select(events.c.type, events.c.payload)
        .join_from(
            deliveries,
            events,
            (events.c.org_id == deliveries.c.org_id) & (events.c.id == deliveries.c.event_id),
        )
        .where(
            deliveries.c.org_id == org_id,
            deliveries.c.receiver_id == MAIL,
            deliveries.c.subject_id == mailing.subject(appointment_id, CLIENT),
            deliveries.c.place < delivery.place,
            # In the index's own words.
            deliveries.c.status == literal_column("'delivered'"),
            deliveries.c.audience == literal_column("'client'"),
        )
        .order_by(deliveries.c.place.desc())
    )
    for mail in mails:
        known = Appointment.model_validate(json.loads(mail.payload)["appointment"])
        if is_same(known.client_email, address):
            return None if mail.type == "appointment.cancelled" else known
    return None


def _is_still_news(told: Appointment, now: datetime) -> bool:
    """Whether people should hear of what would be over by now that it was cancelled, or that nobody confirmed
    it, before it ended: they may still wait for an answer, or wonder about it."""
    gone = told.cancelled_at
    return (
        told.status == "cancelled"
        and gone is not None
        and gone < told.end_time
        and now < shifted(gone, STILL_NEWS)
    )


def _reminder(
    tx: Tx, org_id: str, delivery: AnyRow, told: Appointment, present: Appointment, now: datetime
) -> Letter | datetime | None:
    """Only what still stands as it was booked is worth a reminder, and only before it begins."""
    stands = present.status == "confirmed" and present.start_time == told.start_time > now
    kind = appointment_types.c
    hours = tx.execute(
        select(kind.reminder_hours).where(kind.org_id == org_id, kind.id == told.appointment_type_id)
    ).scalar()
    if not stands or present.client_email is None:
        return None
    if hours is None:
        return told.start_time  # unless the type wants reminders by then
    due = shifted(told.start_time, -timedelta(hours=hours))
    if now < due:
        return due
    if told.updated_at > due:
        return None  # it was booked so late that the confirmation is reminder enough
    return _letter(tx, org_id, delivery, "reminder", present, present.client_email, now)


def _letter(
    tx: Tx,
    org_id: str,
    delivery: AnyRow,
    occasion: Occasion,
    about: Appointment,
    client: str | None,
    now: datetime,
    *,
    before: str | None = None,
) -> Letter | None:
    """To staff, who answer to the address `client`; or there, with a link of the client's own if there is
    something to be done by it. None if there is no address."""
    host = tx.execute(select(organizations).where(organizations.c.id == org_id)).one()
    to_staff = delivery.audience == STAFF
    address = host.notification_email if to_staff else client
    if address is None:
        return None
    has_link = not to_staff and occasion not in _WITHOUT_LINK
    return Letter(
        id=f"{delivery.event_id}.{delivery.audience}",
        occasion=occasion,
        to_staff=to_staff,
        address=address,
        name=host.name if to_staff else about.client_name,
        reply_to=client if to_staff else host.notification_email,
        language=(host.language or DEFAULT_LANGUAGE) if to_staff else about.client_language,
        timezone=host.timezone if to_staff else about.client_timezone or host.timezone,
        host=host.name,
        appointment=about,
        before=None if before is None else datetime.fromisoformat(before),
        link=manage_links.issue(tx, org_id, about.id, now) if has_link else None,
    )
