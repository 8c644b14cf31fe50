"""What the settings say of a type that nobody can book (`services.booking.unoffered`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from kalends.schemas.appointment_types import AppointmentType
from kalends.services.booking.unoffered import Unoffered
from kalends.web.readers import Reader
from kalends.words.sentences import marked

_SENTENCES: Mapping[str, str] = {
    "calendars": marked("It needs {count} of its calendars at once. In service: {there}."),
    "hours": marked("The hours that it follows have no open time in the coming year."),
    "length": marked("It lasts {length}, longer than any of the hours that it follows."),
    "notice": marked("It has to be booked {hours} hours ahead, but no more than {days} days ahead."),
    "own": marked("Its calendars are never open long enough when it could take place."),
    "full": marked("Everything that could be booked is taken or closed."),
}
_ALONE = marked("None of its calendars is in service.")
_PLACES: Mapping[str, str] = {"hours": "hours", "length": "hours", "own": "calendars", "full": "closures"}
"""Where it can be changed, if not in the form of the type."""


@dataclass(frozen=True, slots=True)
class Told:
    """Why a type can't be booked, in words, and the address of the page on which that can be changed, if it
    is another one."""

    words: str
    href: str | None


def told(why: Unoffered, type_: AppointmentType, reader: Reader) -> Told:
    """Return what a page says."""
    is_alone = why.details.get("count") == 1
    sentence = reader.say(_ALONE if is_alone else _SENTENCES[why.why])
    words = sentence.format(length=reader.length(type_.duration_minutes), **why.details)
    place = _PLACES.get(why.why)
    if place == "hours" and type_.schedule_id:
        place = f"hours/{type_.schedule_id}"
    return Told(words, None if place is None else reader.link(f"/staff/settings/{place}"))
