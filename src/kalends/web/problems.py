"""What refusals of a booking say to clients: by their stable codes, so that every language has them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request

from kalends.api.errors import status_of
from kalends.api.trail import trail_of
from kalends.core.errors import PreconditionFailed, Refusal
from kalends.schemas.wrong_fields import WHOLE
from kalends.web.readers import Reader
from kalends.words import dates
from kalends.words.sentences import marked

_AGAIN = marked("Please try again {when}.")
_REFUSALS: Mapping[str, str] = {
    "slot_taken": marked("{time} has just been taken."),
    "too_soon": marked("It is too late to book {time} online."),
    "too_many_open": marked(
        "You have as many open bookings of this kind as we accept online. Please cancel one, or get in touch "
        "with us."
    ),
    "too_many_holds": marked(
        "From your network, too many times are kept at the moment. Please try again in a few minutes."
    ),
    "rate_limited": marked("At the moment we accept no more bookings online."),
    "precondition_failed": marked(
        "Your appointment was changed meanwhile. Please look again: this is how it stands now."
    ),
    "unavailable": marked("Your booking could not be stored just now. Nothing that you entered is lost."),
    "outcome_unknown": marked(
        "The connection was lost at the last moment. Press Book once more: nothing is booked twice."
    ),
}
_OTHERWISE = marked("{time} can no longer be booked.")

_NUMBER = marked("Please enter a number, such as 3 or 2.5.")
_WHOLE = marked("Please enter a whole number, such as 30.")
_UNREADABLE = marked("There is something in it that we can't read. Please write it in other words.")
_FIELDS: Mapping[str, str] = {
    "required": marked("Please fill this in."),
    "contact": marked("Please give an e-mail address or a phone number."),
    "email": marked("This is no complete e-mail address. It looks like name@example.org."),
    "phone": marked("This is no phone number. It has 3 to 20 digits, such as +1 234 567 890."),
    "number": _NUMBER,
    "too_small": _NUMBER,
    "too_large": _NUMBER,
    "option": marked("Please choose one of the answers."),
    "too_long": marked("This is too long. Please shorten it."),
}
"""What is wrong with a field, by the code of an entry of `details.fields`."""


_LIMITS: Mapping[str, str] = {
    "too_small": marked("The least that is possible is {limit}."),
    "too_large": marked("The most that is possible is {limit}."),
}
"""What is wrong with a number, if the entry says how much it may be."""


def of_refusal(refusal: Refusal, start: datetime | None, zone: str, reader: Reader) -> str:
    """Return why a start can't be booked."""
    sentence = reader.say(_REFUSALS.get(refusal.code, _OTHERWISE))
    time = "" if start is None else reader.time(dates.local(start, zone))
    return sentence.format(time=time)


def again(seconds: int, reader: Reader) -> str:
    """Return when to try again, in so many seconds."""
    return reader.say(_AGAIN).format(when=reader.wait(seconds))


def of_field(entry: Mapping[str, Any], reader: Reader) -> str:
    """Return what is wrong with a field, by its entry in `details.fields`."""
    if "limit" in entry and entry["code"] in _LIMITS:
        return reader.say(_LIMITS[entry["code"]]).format(limit=f"{entry['limit']:g}")
    if entry["code"] == "number" and entry["reason"] == WHOLE:
        return reader.say(_WHOLE)
    return reader.say(_FIELDS.get(entry["code"], _UNREADABLE))


def noted(request: Request, refusal: Refusal) -> int:
    """Note a refusal that a page tells by itself, for the log. Returns its status."""
    trail_of(request.scope).refused = refusal.code
    if isinstance(refusal, PreconditionFailed):
        return 409  # what was seen is told by the form, and by no header that 412 would be about
    return status_of(type(refusal))
