"""Appointments as iCalendar (RFC 5545): files, feeds, and parts of mails."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vText

from kalends.core.lifecycle import Status
from kalends.delivery.plain_text import lines, one_line
from kalends.schemas.appointments import Appointment

PRODUCT = "-//Kalends//Kalends//EN"
_STATUS: dict[Status, str] = {
    "pending": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "completed": "CONFIRMED",
    "no_show": "CONFIRMED",
    "cancelled": "CANCELLED",
}
_YEAR = timedelta(days=366)
_EARLY, _LATE = date(3, 1, 1), date(9997, 1, 1)
"""Beyond them some zones have no local time, or no rules that can be written down."""


def feed(name: str, appointments: Iterable[Appointment], zone: str) -> bytes:
    """What staff's calendar programs show: every appointment with its client, never internal notes."""
    return _written(
        _calendar(name),
        [
            _event(each, f"{each.appointment_type.name}: {each.client_name}", _contact(each), zone)
            for each in appointments
        ],
    )


def own(appointment: Appointment, host: str, zone: str, *, method: str | None = None) -> bytes:
    """What a client's calendar program shows of their appointment with `host`."""
    calendar = _calendar(host)
    if method is not None:
        calendar.add("method", method)
    return _written(
        calendar, [_event(appointment, f"{appointment.appointment_type.name}, {host}", None, zone)]
    )


def invitation(
    appointment: Appointment,
    host: str,
    zone: str,
    *,
    method: Literal["REQUEST", "CANCEL"],
    organizer: str,
    url: str | None,
) -> bytes:
    """The part of a mail that a client's calendar program takes over: it replaces what an earlier mail with a
    lower SEQUENCE said (RFC 5546)."""
    calendar = _calendar(host)
    calendar.add("method", method)
    event = _event(appointment, f"{appointment.appointment_type.name}, {host}", url, zone)
    sender = vCalAddress(f"MAILTO:{organizer}")
    sender.params["CN"] = vText(one_line(host))
    event.add("organizer", sender)
    if appointment.client_email is not None:
        attendee = vCalAddress(f"MAILTO:{appointment.client_email}")
        attendee.params["CN"] = vText(one_line(appointment.client_name))
        attendee.params["PARTSTAT"] = vText("ACCEPTED")
        attendee.params["RSVP"] = vText("FALSE")
        event.add("attendee", attendee)
    return _written(calendar, [event])


def _calendar(name: str) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    for shown in ("name", "x-wr-calname"):
        calendar.add(shown, vText(one_line(name)))
    return calendar


def _event(appointment: Appointment, summary: str, description: str | None, zone: str) -> Event:
    """Nothing in it depends on when it is written: the same appointment gives the same bytes."""
    place = ZoneInfo(zone)
    event = Event()
    event.add("uid", f"{appointment.id}@kalends")
    event.add("sequence", appointment.version - 1)
    event.add("dtstamp", appointment.updated_at)
    event.add("created", appointment.created_at)
    event.add("last-modified", appointment.updated_at)
    event.add("dtstart", _local(appointment.start_time, place))
    event.add("dtend", _local(appointment.end_time, place))
    event.add("summary", one_line(summary))
    event.add("status", _STATUS[appointment.status])
    if description:
        event.add("description", lines(description))
    return event


def _local(instant: datetime, place: ZoneInfo) -> datetime:
    """An hour that happens twice can't be told in local time, so it is told in UTC; so are the ends of the
    calendar."""
    if not _EARLY < instant.date() < _LATE:
        return instant
    local = instant.astimezone(place)
    return instant if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset() else local


def _contact(appointment: Appointment) -> str:
    known = (appointment.client_phone, appointment.client_email, appointment.client_notes)
    return "\n".join(each for each in known if each)


def _written(calendar: Calendar, events: list[Event]) -> bytes:
    for event in events:
        calendar.add_component(event)
    if events:
        days = [event.decoded("dtstart").date() for event in events]
        first, last = max(min(days), _EARLY) - _YEAR, min(max(days), _LATE) + _YEAR
        calendar.add_missing_timezones(first_date=first, last_date=last)
    return bytes(calendar.to_ical())
