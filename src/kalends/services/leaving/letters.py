"""Deciding whether an event is worth a mail, and what the mail has to say."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal_column, select

from kalends.core.caller import Host
from kalends.core.contacts import is_replaced, is_same
from kalends.core.event_types import BOOKING_ASKED, CLASH, CLASHES
from kalends.core.hours import shifted
from kalends.core.lifecycle import CONFIRMATION_EXPIRED
from kalends.db.database import AnyRow, Tx
from kalends.db.joins import IS_ITS_EVENT
from kalends.db.tables import appointment_types, deliveries, events, organizations
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Clash, Letter, Occasion
from kalends.schemas.people import Person
from kalends.schemas.public import changeable_until
from kalends.services.booking import (
    appointments,
    clashes,
    manage_links,
    particulars,
    public_types,
    request_links,
)
from kalends.services.booking.appointments import DEFAULT_LANGUAGE
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.services.leaving import cancellations
from kalends.services.leaving.cases import Case
from kalends.services.outbox import mailing
from kalends.services.outbox.mailing import CLIENT, FORMER, MAIL, REMINDER, STAFF
from kalends.services.setup import people
from kalends.services.setup.organizations import host_of

_WITHOUT_LINK = frozenset({"cancelled", "expired", "former"})

MOST_CLASHES = 10
"""How many appointments one letter lists."""
STILL_NEWS = timedelta(days=7)
"""How long people are still told that something did not take place, though it would be over by now."""


def write(
    tx: Tx, org_id: str, delivery: AnyRow, present: Appointment | None, now: datetime
) -> Letter | datetime | None:
    """Return the letter of a delivery (with its event's `type` and `payload`); when to ask again, if it is
    too early for it; None if nobody wants it. `present` is the appointment as it is now, locked, so that its
    address stays the same until the letter's link is stored."""
    if present is None:
        return None
    payload = json.loads(delivery.payload)
    then = Appointment.model_validate(payload["appointment"])
    case = Case(org_id, delivery, payload, then, present, now)
    if delivery.type == BOOKING_ASKED:
        waits = present.version == UNCONFIRMED and present.status == "pending"
        return _letter(tx, case, "asked", then) if waits else None
    if delivery.type in (CLASH, CLASHES):
        return _clash(tx, case)
    if delivery.audience == FORMER:
        return _farewell(tx, case)
    if (later := cancellations.decided_at(case)) is not None:
        return later
    if then.end_time <= now and not _is_still_news(then, now):
        return None  # it is over: staff entered it afterwards, or no mails were sent for long
    if delivery.audience == REMINDER:
        return _reminder(tx, case)
    return _news(tx, case)


def _news(tx: Tx, case: Case) -> Letter | None:
    """Return a letter about a change; None if its reader knows of it, or has no need to."""
    then, previous, by = case.then, case.previous, case.by
    occasion = _occasion(case)
    if occasion is None or cancellations.is_untold(tx, case):
        return None
    # The reader at a new address knows no earlier time.
    before = None if case.has_new_reader else previous.get("start_time")
    if case.delivery.audience == STAFF:
        if by in ("api_key", "person"):
            return None  # staff know what they did themselves
    elif not is_same(then.client_email, case.present.client_email):
        return None  # the reader at the present address is told by the event that brought it
    person = None if case.delivery.audience == STAFF else _other_person(tx, case)
    if occasion == "reassigned" and person is None:
        return None  # the reader knew of nobody in particular
    return _letter(tx, case, occasion, then, before=before, person=person)


def _other_person(tx: Tx, case: Case) -> str | None:
    """Return with whom an appointment is since the event, as clients call them; None if that did not change,
    or has changed again."""
    mine = case.then.calendar_id
    stays = case.previous.get("calendar_id", mine) == mine or case.present.calendar_id != mine
    return None if stays else public_types.person(tx, case.then)


def _occasion(case: Case) -> Occasion | None:
    """Return what an event means to people; None if nothing. One change is one mail, even if it makes two
    events."""
    then, previous = case.then, case.previous
    stands = then.status in ("pending", "confirmed")
    match case.delivery.type.removeprefix("appointment."):
        case "updated" if then.status == "pending" and previous.get("status") == "cancelled":
            return "requested"
        case "created" | "confirmed":
            return "requested" if then.status == "pending" else "confirmed"
        case kind if _is_second(kind, then, previous):
            return None
        case "rescheduled" | "reassigned" | "updated" if stands and case.has_new_reader:
            return "requested" if then.status == "pending" else "confirmed"
        case "updated" if then.status == "cancelled" and case.has_new_reader:
            # Only a stranger may have been told of it.
            return "expired" if then.cancellation_reason == CONFIRMATION_EXPIRED else "cancelled"
        case "rescheduled" if stands:
            return "requested" if then.status == "pending" else "moved"
        case "reassigned" if stands:
            return "reassigned"
        case "cancelled":
            lapsed = case.by == "system" and then.cancellation_reason == CONFIRMATION_EXPIRED
            return "expired" if lapsed else "cancelled"
        case _:
            return None


def _is_second(kind: str, then: Appointment, previous: dict[str, Any]) -> bool:
    """Return whether an event is not the first of its change: a change of status is told first, and a move
    before another calendar."""
    if kind not in ("rescheduled", "reassigned"):
        return False
    moved = kind == "reassigned" and not previous.keys().isdisjoint({"start_time", "end_time"})
    return moved or ("status" in previous and then.status != "pending")


def _farewell(tx: Tx, case: Case) -> Letter | None:
    """Return a letter to an address that is no longer the client's, which takes back what was mailed there;
    None if nothing was. It may be a stranger's, so it says nothing that was not mailed before."""
    then, address = case.then, case.previous.get("client_email")
    if not is_replaced(address, then.client_email) or not is_replaced(address, case.present.client_email):
        return None
    if _is_second(case.delivery.type.removeprefix("appointment."), then, case.previous):
        return None
    known = _last_told(tx, case, address)
    if known is None or known.end_time <= case.now:
        return None
    gone = known.model_copy(
        update={
            "status": "cancelled",
            "version": then.version,
            "updated_at": then.updated_at,
            "cancellation_reason": None,
        }
    )
    return _letter(tx, case, "former", gone, former=address)


def _last_told(tx: Tx, case: Case, address: str | None) -> Appointment | None:
    """Return the appointment as the last mail to an address had it; None if there was none, or if it was a
    cancellation."""
    mails = tx.execute(
        select(events.c.type, events.c.payload)
        .join_from(
            deliveries,
            events,
            IS_ITS_EVENT,
        )
        .where(
            deliveries.c.org_id == case.org_id,
            deliveries.c.receiver_id == MAIL,
            deliveries.c.subject_id == mailing.subject(case.then.id, CLIENT),
            deliveries.c.place < case.delivery.place,
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


def _is_still_news(then: Appointment, now: datetime) -> bool:
    """Return whether people should still hear of an appointment that would be over by now, that it was
    cancelled, or confirmed by nobody, before its end: they may wait for an answer, or wonder about it."""
    gone = then.cancelled_at
    return (
        then.status == "cancelled"
        and gone is not None
        and gone < then.end_time
        and now < shifted(gone, STILL_NEWS)
    )


def _reminder(tx: Tx, case: Case) -> Letter | datetime | None:
    """Return a reminder of what still stands as it was booked and has not begun; when to ask again, if it is
    too early for it; else None."""
    then, present, now = case.then, case.present, case.now
    stands = present.status == "confirmed" and present.start_time == then.start_time > now
    type_ = appointment_types.c
    hours = tx.execute(
        select(type_.reminder_hours).where(type_.org_id == case.org_id, type_.id == then.appointment_type_id)
    ).scalar()
    if not stands or present.client_email is None:
        return None
    if hours is None:
        return then.start_time  # unless the type wants reminders by then
    due = shifted(then.start_time, -timedelta(hours=hours))
    if now < due:
        return due
    if cancellations.booked_at(case) > due:
        return None  # it was booked so late that the confirmation is reminder enough
    return _letter(tx, case, "reminder", present)


def _clash(tx: Tx, case: Case) -> Letter | None:
    """Return a letter that a calendar is busy elsewhere during the appointments that a reading told of; None
    if it no longer is."""
    payload, org_id, now = case.payload, case.org_id, case.now
    calendar, first = payload["calendar"], payload["appointment"]
    told = payload.get("told") or {first["id"]: {"start_time": first["start_time"], "busy": payload["busy"]}}
    starts = {id_: clash["start_time"] for id_, clash in told.items()}
    found = clashes.standing(tx, org_id, starts, calendar["id"], payload["source_id"], now)
    if not found:
        return None
    about, *others = (appointments.get(tx, org_id, id_, now) for id_ in found[:MOST_CLASHES])
    start, end = (datetime.fromisoformat(told[about.id]["busy"][name]) for name in ("start_time", "end_time"))
    clash = Clash(calendar["name"], start, end, others, len(found) - 1)
    return _letter(tx, replace(case, present=about), "clash", about, clash=clash)


def _letter(
    tx: Tx,
    case: Case,
    occasion: Occasion,
    about: Appointment,
    *,
    before: str | None = None,
    former: str | None = None,
    clash: Clash | None = None,
    person: str | None = None,
) -> Letter | None:
    """Return a letter to the delivery's audience: to staff, who answer to the client's present address, or to
    that address (or to the `former` one), with a link of the client's own if it is of use. Returns None if
    there is no address."""
    delivery, present, now = case.delivery, case.present, case.now
    row = tx.execute(select(organizations).where(organizations.c.id == case.org_id)).one()
    host, client = host_of(row), former or present.client_email
    to_staff = delivery.audience == STAFF
    address = row.notification_email if to_staff else client
    if address is None:
        return None
    reader = people.at_address(tx, case.org_id, address) if to_staff else None
    own = about.client_language if not to_staff else None if reader is None else reader.language
    language = own or host.language or DEFAULT_LANGUAGE
    about, told = particulars.told(tx, host, about, language)
    theirs = None if to_staff or told.in_person else about.client_timezone
    has_link = not to_staff and occasion not in _WITHOUT_LINK
    return Letter(
        id=f"{delivery.event_id}.{delivery.audience}",
        occasion=occasion,
        to_staff=to_staff,
        address=address,
        name=host.name if to_staff else about.client_name,
        reply_to=client if to_staff else row.notification_email,
        language=language,
        timezone=theirs or host.timezone,
        host=host.name,
        appointment=about,
        before=None if before is None else datetime.fromisoformat(before),
        link=manage_links.issue(tx, case.org_id, about.id, now) if has_link else None,
        link_template=host.manage_url_template,
        particulars=told,
        changeable=_is_changeable(present, host, now),
        clash=clash,
        person=person,
        decision=None if occasion != "requested" else _decision(tx, case, reader),
    )


def _decision(tx: Tx, case: Case, reader: Person | None) -> str | None:
    """Return the token of a link by which the reader decides about a request; None if they may not, or if it
    no longer waits. Mailboxes that are no person's get none: history could not tell who acted."""
    waits = case.present.status == "pending" and case.present.start_time == case.then.start_time
    if reader is None or not waits or not request_links.may_decide(reader):
        return None
    return request_links.issue(tx, case.present, reader.id)


def withdraw(tx: Tx, org_id: str, unsent: Sequence[Letter]) -> None:
    """Remove the links of letters that are not sent."""
    if tokens := [letter.link for letter in unsent if letter.link is not None]:
        manage_links.withdraw(tx, org_id, tokens)
    if tokens := [letter.decision for letter in unsent if letter.decision is not None]:
        request_links.withdraw(tx, org_id, tokens)


def _is_changeable(present: Appointment, host: Host, now: datetime) -> bool:
    """Return whether the client may still move or cancel an appointment, a moment after this one: a mail is
    read later than it is written."""
    return present.status in ("pending", "confirmed") and now < changeable_until(present, host)
