"""What refusals say to staff: every reason, by its stable code, so that every language has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kalends.core.errors import AmbiguousTime, NonexistentTime, Refusal, Unbookable
from kalends.schemas.fields import as_moment
from kalends.web import problems
from kalends.web.grids import Time
from kalends.web.readers import Reader
from kalends.web.staff_moments import UNLIKELY
from kalends.words import dates
from kalends.words.sentences import marked

_REASONS: Mapping[str, str] = {
    "conflict": marked("{calendar} is taken: {time}."),
    "held": marked("{calendar} is being kept for a client: {time}."),
    "blocked": marked("{calendar} is blocked: {time}."),
    "busy_elsewhere": marked("{calendar} is busy elsewhere: {time}."),
    "type_inactive": marked("This type of appointment is not in service."),
    "calendar_inactive": marked("{calendar} is not in service."),
    "calendar_not_serving": marked("No calendar serves this type of appointment."),
}
_OTHERWISE = marked("This time can't be booked.")
_FORCEABLE = frozenset({"conflict", "blocked", "busy_elsewhere"})
"""The codes of reasons over which a booking may be forced (`services.booking.placing`)."""
_REFUSALS: Mapping[str, str] = {
    "not_found": marked("It was deleted meanwhile. Please choose again."),
    "ambiguous_time": marked("On that day, clocks show this time twice."),
    "nonexistent_time": marked("On that day, clocks skip this time."),
    "illegal_transition": marked("As it stands, that is not possible with this appointment."),
    "too_late": marked("It is too late to undo this. You can still take the cancellation back."),
    "unavailable": marked("Nothing could be stored just now. What you entered is still here."),
    "outcome_unknown": marked(
        "The connection was lost at the last moment. Please look whether it was done before you try again."
    ),
}
_OVER = marked("{day} is in the past.")
_FAR = marked("{day} is more than a year ahead.")
_IMPOSSIBLE = marked("This is not possible. Nothing was changed.")
_DATE, _CLOCK = marked("Please enter a date."), marked("Please enter a time, such as 14:30.")
_FIELDS: Mapping[str, str] = {
    "date": _DATE,
    "clock_time": _CLOCK,
    "invalid_time": _CLOCK,
    "edge": marked("This day is at the end of the calendar. Please choose another one."),
    "window": marked("It has to end after it begins."),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """What a page says of something that was refused: first the `alert`, then every reason, each with the
    address of what is in the way, if it has one. Then come the starts that can be had `instead`, and whether
    it can be done all the same, or will be once somebody is `sure` of that day (ISO 8601)."""

    alert: str
    reasons: Sequence[tuple[str, str | None]] = ()
    instead: Sequence[Time] = ()
    can_be_forced: bool = False
    sure: str | None = None


def refused(
    refusal: Refusal,
    calendars: Mapping[str, str],
    reader: Reader,
    zone: str,
    now: datetime,
    *,
    may_force: bool,
) -> Refused:
    """Return what a page says of a refusal. `calendars` has names by id."""
    if (day := refusal.details.get(UNLIKELY)) is not None:
        return Refused(doubt(day, reader, zone, now), sure=day.isoformat())
    return Refused(
        plainly(refusal, reader),
        reasons_of(refusal, calendars, reader, zone, now),
        instead_of(refusal, reader, zone, now),
        may_force and can_be_forced(refusal),
    )


def doubt(day: date, reader: Reader, zone: str, now: datetime) -> str:
    """Return what is said of a day that may well be a slip of the pen."""
    sentence = _OVER if day < dates.local(now, zone).date() else _FAR
    return reader.say(sentence).format(day=reader.long_day(day))


def reasons_of(
    refusal: Refusal, calendars: Mapping[str, str], reader: Reader, zone: str, now: datetime
) -> list[tuple[str, str | None]]:
    """Return every reason why a time can't be booked: a sentence, and the address of what is in the way, if
    it has one. `calendars` has names by id."""
    found = []
    for each in refusal.details.get("reasons", ()) if isinstance(refusal, Unbookable) else ():
        code = "held" if each["code"] == "conflict" and "held_until" in each else each["code"]
        time = _span(each, reader, zone, now) if "busy_start" in each else ""
        calendar = calendars.get(each.get("calendar_id", ""), reader.say("Calendar"))
        sentence = reader.say(_REASONS.get(code, _OTHERWISE)).format(calendar=calendar, time=time)
        found.append((sentence, _address(each, reader)))
    return list(dict.fromkeys(found))


def can_be_forced(refusal: Refusal) -> bool:
    """Return whether time that was refused can be booked by those who may waive every check."""
    if not isinstance(refusal, Unbookable):
        return False
    codes = {each["code"] for each in refusal.details.get("reasons", ())}
    return bool(codes) and codes <= _FORCEABLE


def plainly(refusal: Refusal, reader: Reader) -> str:
    """Return what a refusal says as a whole."""
    otherwise = _OTHERWISE if isinstance(refusal, Unbookable) else _IMPOSSIBLE
    return reader.say(_REFUSALS.get(refusal.code, otherwise))


def instead_of(refusal: Refusal, reader: Reader, zone: str, now: datetime) -> Sequence[Time]:
    """Return the starts that can be had in place of one that was refused: the next free ones, or what may be
    meant by a time that clocks show twice or skip."""
    details = refusal.details
    starts = details.get("next_available", ())
    if isinstance(refusal, AmbiguousTime | NonexistentTime):
        starts = details.get("readings", ())
    return [Time(each, moment(as_moment(each), reader, zone, now)) for each in starts]


def of_field(entry: Mapping[str, Any], reader: Reader) -> str:
    """Return what is wrong with a field, by its entry in `details.fields`."""
    if entry["code"] in _FIELDS:
        return reader.say(_FIELDS[entry["code"]])
    return problems.of_field(entry, reader)


def moment(at: datetime, reader: Reader, zone: str, now: datetime) -> str:
    """Return a day and time in a few words: `Thu 3 Dec, 9:00`."""
    when, today = dates.local(at, zone), dates.local(now, zone)
    return f"{reader.short_day(when.date(), today.date())}, {reader.time(when)}"


def _span(each: Mapping[str, Any], reader: Reader, zone: str, now: datetime) -> str:
    start, end = as_moment(each["busy_start"]), as_moment(each["busy_end"])
    last = dates.local(end, zone)
    if dates.local(start, zone).date() == last.date():
        return f"{moment(start, reader, zone, now)} – {reader.time(last)}"
    return f"{moment(start, reader, zone, now)} – {moment(end, reader, zone, now)}"


def _address(each: Mapping[str, Any], reader: Reader) -> str | None:
    if "appointment_id" in each:
        return reader.link(f"/staff/appointments/{each['appointment_id']}")
    if "block_id" in each:
        return reader.link(f"/staff/blocks/{each['block_id']}", at=each.get("busy_start"))
    return None
