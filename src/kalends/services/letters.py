"""Deciding which mails an event is worth, and what they have to say."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from kalends.core.errors import NotFound
from kalends.core.lifecycle import CONFIRMATION_EXPIRED
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types, organizations
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter, Occasion
from kalends.services import appointments, manage_links
from kalends.services.event_order import REMINDER, STAFF

STILL_NEWS = timedelta(days=7)
"""For so long it is told that something did not take place, though it would be over by now."""


def write(tx: Tx, org_id: str, delivery: AnyRow, now: datetime) -> Letter | datetime | None:
    """The letter of a delivery (with its event's `type` and `payload`); when to ask again, where it is too
    early for it; None where nobody wants it."""
    payload = json.loads(delivery.payload)
    told = Appointment.model_validate(payload["appointment"])
    if told.end_time <= now and not _is_still_news(told, now):
        return None  # it is over: staff wrote it down afterwards, or there was no mail for long
    if delivery.audience == REMINDER:
        return _reminder(tx, org_id, delivery, told, now)
    occasion = _occasion(delivery.type, told, payload.get("previous", {}), payload["actor"]["kind"])
    if occasion is None:
        return None
    before = payload.get("previous", {}).get("start_time")
    if delivery.audience == STAFF:
        if payload["actor"]["kind"] == "api_key":
            return None  # staff know what they did themselves
        return _letter(tx, org_id, delivery, occasion, told, before)
    return _letter(tx, org_id, delivery, occasion, told, before, link_from=now)


def _occasion(kind: str, told: Appointment, previous: dict[str, Any], by: str) -> Occasion | None:
    """What an event is to people. One change is one mail, though it may be two events."""
    match kind.removeprefix("appointment."):
        case "created" | "confirmed":
            return "requested" if told.status == "pending" else "confirmed"
        case "rescheduled" if "status" in previous and told.status != "pending":
            return None  # its change of status is told already
        case "rescheduled" if told.status in ("pending", "confirmed"):
            return "requested" if told.status == "pending" else "moved"
        case "updated" if "client_email" in previous and told.status in ("pending", "confirmed"):
            return "requested" if told.status == "pending" else "confirmed"  # the address is a new one
        case "cancelled":
            lapsed = by == "system" and told.cancellation_reason == CONFIRMATION_EXPIRED
            return "expired" if lapsed else "cancelled"
        case _:
            return None


def _is_still_news(told: Appointment, now: datetime) -> bool:
    """Whether people should hear of what would be over by now that it was cancelled, or that nobody confirmed
    it, before it ended: they may still wait for an answer, or wonder about it."""
    gone = told.cancelled_at
    return (
        told.status == "cancelled" and gone is not None and gone < told.end_time and now < gone + STILL_NEWS
    )


def _reminder(
    tx: Tx, org_id: str, delivery: AnyRow, told: Appointment, now: datetime
) -> Letter | datetime | None:
    """Only what still stands as it was booked is worth a reminder, and only before it begins."""
    try:
        present = appointments.get(tx, org_id, told.id, now)
    except NotFound:
        return None
    stands = present.status == "confirmed" and present.start_time == told.start_time > now
    kind = appointment_types.c
    hours = tx.execute(
        select(kind.reminder_hours).where(kind.org_id == org_id, kind.id == told.appointment_type_id)
    ).scalar()
    if not stands or present.client_email is None:
        return None
    if hours is None:
        return told.start_time  # unless the type wants reminders by then
    due = told.start_time - timedelta(hours=hours)
    if now < due:
        return due
    if told.updated_at > due:
        return None  # it was booked so late that the confirmation is reminder enough
    return _letter(tx, org_id, delivery, "reminder", present, None, link_from=now)


def _letter(
    tx: Tx,
    org_id: str,
    delivery: AnyRow,
    occasion: Occasion,
    told: Appointment,
    before: str | None,
    *,
    link_from: datetime | None = None,
) -> Letter | None:
    """To the client with a link of their own (`link_from`), else to staff; None where there is no address."""
    host = tx.execute(select(organizations).where(organizations.c.id == org_id)).one()
    to_staff = link_from is None
    address = host.notification_email if to_staff else told.client_email
    if address is None:
        return None
    token = None if link_from is None else manage_links.issue(tx, org_id, told.id, link_from)
    return Letter(
        id=f"{delivery.event_id}.{delivery.audience}",
        occasion=occasion,
        to_staff=to_staff,
        address=address,
        name=host.name if to_staff else told.client_name,
        language="en" if to_staff else told.client_language,
        timezone=host.timezone if to_staff else told.client_timezone or host.timezone,
        host=host.name,
        appointment=told,
        before=None if before is None else datetime.fromisoformat(before),
        link=token,
    )
