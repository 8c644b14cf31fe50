"""Appointments as iCalendar (RFC 5545): files, feeds, and parts of mails."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vCalAddress, vDuration, vText, vUri

from kalends.core.caller import FeedLink
from kalends.core.hours import moment
from kalends.core.intervals import Span
from kalends.core.lifecycle import CONFIRMATION_EXPIRED, Status
from kalends.delivery.labels import BUSY, PHONE, SEE, WHERE, labelled
from kalends.delivery.mailboxes import mailto
from kalends.delivery.places import Where, where_of
from kalends.delivery.plain_text import lines, one_line
from kalends.delivery.time_zones import spelled_out
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Particulars
from kalends.schemas.offered import Location
from kalends.words.languages import LANGUAGES, language_of
from kalends.words.sentences import translate as _

PRODUCT = "-//Kalends//Kalends//EN"
_STATUS: dict[Status, str] = {
    "pending": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "completed": "CONFIRMED",
    "no_show": "CONFIRMED",
    "cancelled": "CANCELLED",
}
_NOTHING = Particulars()
_REFRESH = timedelta(minutes=15)
"""How often calendar programs are asked to read a feed again."""
_END = b"END:VCALENDAR\r\n"
_EARLY, _LATE = 3, 9996
"""In years before and after these, some zones have no local time."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A time zone, and how it is spelled out."""

    zone: ZoneInfo
    spelled: Timezone


class Feed:
    """What staff's calendar programs show: every appointment with its client, never internal notes. It is
    written a part at a time, since that of a busy practice takes seconds."""

    def __init__(
        self,
        name: str,
        zone: str,
        years: tuple[int, int] | None,
        calendars: Mapping[str, str] | None = None,
        *,
        places: Mapping[str, Location] | None = None,
        language: str | None = None,
    ) -> None:
        """`years` are the first and the last of its appointments. If the names of `calendars` are given, by
        id, each appointment says whose it is. `places` are where appointments take place, by the ids of their
        types, and `language` (a BCP 47 tag; None: English) is in which it says so."""
        self._name = name
        self._place = None if years is None else _place(zone, *years)
        self._whose = calendars or {}
        self._places = places or {}
        self._language = language_of(language or LANGUAGES[0])

    def part(self, appointments: Iterable[Appointment]) -> bytes:
        """Write some appointments."""
        return b"".join(self._event(each).to_ical() for each in appointments)

    def whole(self, parts: Iterable[bytes]) -> bytes:
        """Put the parts together."""
        frame = _written(_subscribed(self._name), self._place, [])
        return b"".join((frame.removesuffix(_END), *parts, _END))

    def _event(self, appointment: Appointment) -> Event:
        summary = f"{appointment.appointment_type.name}: {appointment.client_name}"
        if appointment.calendar_id in self._whose:
            summary += f" – {self._whose[appointment.calendar_id]}"
        place = self._places.get(appointment.appointment_type_id)
        where = where_of(place, appointment, self._language, to_staff=True)
        return _event(appointment, summary, _contact(appointment), self._place, where)


def busy(link: FeedLink, spans: Iterable[Span]) -> bytes:
    """Write what a calendar program shows of time that is taken, and nothing of why: its subscribers may be
    anybody. (Calendar programs that subscribe to a feed understand events, but not VFREEBUSY.)"""
    language = language_of(link.host.language or LANGUAGES[0])
    return _written(
        _subscribed(link.name), None, [_taken(link, start, end, _(language, BUSY)) for start, end in spans]
    )


def own(
    appointment: Appointment,
    host: str,
    zone: str,
    *,
    method: str | None = None,
    particulars: Particulars = _NOTHING,
) -> bytes:
    """Write what a client's calendar program shows of their appointment with `host`."""
    calendar = _calendar(host)
    if method is not None:
        calendar.add("method", method)
    place = _place_of(zone, appointment)
    event = _for_client(appointment, host, place, particulars, None)
    return _written(calendar, place, [event])


def invitation(
    appointment: Appointment,
    host: str,
    zone: str,
    *,
    method: Literal["REQUEST", "CANCEL"],
    organizer: str,
    url: str | None,
    particulars: Particulars = _NOTHING,
) -> bytes:
    """Write the part of a mail that a client's calendar program takes over: it replaces what an earlier mail
    with a lower SEQUENCE said (RFC 5546)."""
    calendar = _calendar(host)
    calendar.add("method", method)
    place = _place_of(zone, appointment)
    event = _for_client(appointment, host, place, particulars, url)
    sender = vCalAddress(mailto(organizer))
    sender.params["CN"] = vText(one_line(host))
    event.add("organizer", sender)
    if appointment.client_email is not None:
        attendee = vCalAddress(mailto(appointment.client_email))
        attendee.params["CN"] = vText(one_line(appointment.client_name))
        attendee.params["PARTSTAT"] = vText("ACCEPTED")
        attendee.params["RSVP"] = vText("FALSE")
        event.add("attendee", attendee)
    return _written(calendar, place, [event])


def uid_of(appointment_id: str) -> str:
    """Return by which name calendar programs know an appointment."""
    return f"{appointment_id}{_OURS}"


def is_echo(uid: str, calendar_id: str, org_id: str) -> bool:
    """Return whether a UID is that of a time in the busy feed of this calendar, or of all of the
    organization's."""
    return uid.endswith(_OURS) and uid.startswith((f"{calendar_id}-", f"{org_id}-"))


_OURS = "@kalends"


def _calendar(name: str) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    for shown in ("name", "x-wr-calname"):
        calendar.add(shown, vText(one_line(name)))
    return calendar


def _subscribed(name: str) -> Calendar:
    """Return a calendar that is read again and again."""
    calendar = _calendar(name)
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})  # RFC 7986, section 5.7
    calendar.add("x-published-ttl", vDuration(_REFRESH))  # the same to Outlook
    return calendar


def _taken(link: FeedLink, start: int, end: int, summary: str) -> Event:
    event = Event()
    event.add("uid", f"{link.calendar_id or link.host.org_id}-{start}{_OURS}")
    event.add("dtstamp", moment(start))  # nothing that depends on the time of writing
    event.add("dtstart", moment(start))
    event.add("dtend", moment(end))
    event.add("summary", summary)
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    event.add("x-microsoft-cdo-busystatus", "BUSY")
    return event


def _for_client(
    appointment: Appointment, host: str, place: _Place | None, particulars: Particulars, url: str | None
) -> Event:
    summary = f"{appointment.appointment_type.name}, {host}"
    language = language_of(appointment.client_language)
    where = where_of(particulars.place, appointment, language)
    about = url if appointment.status == "cancelled" else _description(particulars, where, url, language)
    return _event(appointment, summary, about, place, where)


def _description(particulars: Particulars, where: Where | None, url: str | None, language: str) -> str | None:
    """Return what to know beforehand, and links to click on: not every program shows where it takes place."""
    known = []
    if where is not None and where.link is not None:
        known.append(labelled(language, WHERE, where.link))
    if particulars.text is not None:
        known.append(particulars.text)
    if particulars.phone is not None:
        known.append(labelled(language, PHONE, particulars.phone))
    if not known:
        return url
    if url is not None:
        known.append(f"{_(language, SEE)}\n{url}")
    return "\n\n".join(known)


def _event(
    appointment: Appointment,
    summary: str,
    description: str | None,
    place: _Place | None,
    where: Where | None,
) -> Event:
    """Return an event that does not depend on the time of writing: the same appointment, the same bytes."""
    event = Event()
    event.add("uid", uid_of(appointment.id))
    event.add("sequence", appointment.version - 1)
    event.add("dtstamp", appointment.updated_at)
    event.add("created", appointment.created_at)
    event.add("last-modified", appointment.updated_at)
    event.add("dtstart", _local(appointment.start_time, place))
    event.add("dtend", _local(appointment.end_time, place))
    event.add("summary", one_line(summary))
    event.add("status", _STATUS[appointment.status])
    if appointment.status == "cancelled":
        event.add("transp", "TRANSPARENT")
        if reason := reason_of(appointment):
            event.add("comment", lines(reason))
    if description:
        event.add("description", lines(description))
    if where is not None and appointment.status != "cancelled":
        event.add("location", one_line(where.in_one_line))
        if where.link is not None:  # RFC 7986, section 5.11
            event.add("conference", vUri(where.link), parameters={"VALUE": "URI"})
    return event


def reason_of(appointment: Appointment) -> str | None:
    """Return why it was cancelled, in a person's words; None if no one gave a reason."""
    reason = appointment.cancellation_reason
    return None if reason == CONFIRMATION_EXPIRED else reason


def _place(zone: str, first: int, last: int) -> _Place | None:
    """Return the zone in which appointments of these years are written; None if they are written in UTC: if
    no rule says how the clocks change, and at the ends of the calendar."""
    spelled = spelled_out(zone, first, last) if first > _EARLY and last < _LATE else None
    return None if spelled is None else _Place(ZoneInfo(zone), spelled)


def _place_of(zone: str, appointment: Appointment) -> _Place | None:
    return _place(zone, appointment.start_time.year, appointment.end_time.year)


def _local(instant: datetime, place: _Place | None) -> datetime:
    """Return local time; UTC in an hour that happens twice, which local time can't tell apart."""
    if place is None:
        return instant
    local = instant.astimezone(place.zone)
    return instant if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset() else local


def _contact(appointment: Appointment) -> str:
    known = (appointment.client_phone, appointment.client_email, appointment.client_notes)
    return "\n".join(each for each in known if each)


def _written(calendar: Calendar, place: _Place | None, events: list[Event]) -> bytes:
    if place is not None:
        calendar.add_component(place.spelled)
    for event in events:
        calendar.add_component(event)
    return bytes(calendar.to_ical())
