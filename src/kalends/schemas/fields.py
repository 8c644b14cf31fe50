"""The types of fields that clients fill in. Validation and OpenAPI document say the same of each."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from dateutil.parser import isoparser
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kalends.core.contacts import plain_address, plain_phone
from kalends.core.hours import zone_names
from kalends.core.lifecycle import MAX_DURATION_MINUTES
from kalends.core.text import INVISIBLE, LONGEST_NAME, in_lines, is_blank, one_line

# What JSON Schema can say of these fields; the validators below say it with better sentences.
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_NO_NUL = r"^[^\x00]*$"
_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
_VISIBLE = rf"^[^\x00]*[^{INVISIBLE}][^\x00]*$"
_PHONE = r"^\+?([ ().\-/]*[0-9]){3,20}[ ().\-/]*((x|ext\.?|#) ?[0-9]{1,8})?$"
_CLOCK = r"^((0[0-9]|1[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LANGUAGE = r"^[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*$"

_NULLABLE_TEXT = ["string", "null"]

# An intranet's addresses, such as anna@clinic.local, are addresses too (the library's own way to say so).
SPECIAL_USE_DOMAIN_NAMES.clear()


def _or_blank(pattern: str) -> str:
    """Return the pattern extended by the empty string, which means null."""
    return f"^({pattern[1:-1]})?$"


def blank_is_null(value: Any) -> Any:
    """Return None for a text in which there is nothing to be seen, and any other value as it is."""
    return None if isinstance(value, str) and is_blank(value) else value


def _empty_is_null(value: Any) -> Any:
    """Do as `blank_is_null`, for a field whose pattern refuses invisible characters."""
    return None if isinstance(value, str) and not value.strip() else value


def _one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    line = one_line(value)
    return "" if is_blank(line) else line


def _in_lines(value: Any) -> Any:
    return in_lines(value) if isinstance(value, str) else value


def _plain_address(value: Any) -> Any:
    return plain_address(value) if isinstance(value, str) else value


def _plain_phone(value: Any) -> Any:
    return plain_phone(value) if isinstance(value, str) else value


def _email(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "must be an e-mail address: {why}", {"why": str(error)}) from None


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("nul", "must not contain NUL characters")
    if not value.isascii() and _HALF_A_PAIR.search(value):
        raise PydanticCustomError("surrogate", "must not contain half of a surrogate pair")
    return value


def phone_number(value: str) -> str:
    """Return a phone number as it is. Raises PydanticCustomError if it is none."""
    if not re.fullmatch(_PHONE, value):
        raise PydanticCustomError("phone", "must be a phone number: 3 to 20 digits, such as +1 234 567 890")
    return value


def _language(value: str) -> str:
    if not re.fullmatch(_LANGUAGE, value):
        raise PydanticCustomError("language", "must be a language tag such as en, de or pt-BR")
    return value.replace("_", "-")


WHOLE = BeforeValidator(_whole)
"""JSON has one kind of number: 60.0 is an integer, by JSON Schema and to JavaScript."""


Duration = Annotated[int, Field(ge=1, le=MAX_DURATION_MINUTES, description="1 minute to 7 days."), WHOLE]

ONE_LINE = BeforeValidator(_one_line)
"""For a field of one line: line breaks and invisible characters are folded before validation."""
IN_LINES = BeforeValidator(_in_lines)
"""For a field of several lines, which keeps its lines and loses other control characters."""

Text = Annotated[str, AfterValidator(_no_nul)]
Id = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra={"pattern": _NOT_BLANK}),
    AfterValidator(_no_nul),
]
"""An id. It is never altered, and any string may be one."""
Name = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME, json_schema_extra={"pattern": _VISIBLE}),
    AfterValidator(_no_nul),
    ONE_LINE,
]
ShortName = Annotated[
    str,
    Field(min_length=1, max_length=60, json_schema_extra={"pattern": _VISIBLE}),
    AfterValidator(_no_nul),
    ONE_LINE,
]
Label = Annotated[
    str,
    Field(min_length=1, max_length=500, json_schema_extra={"pattern": _VISIBLE}),
    AfterValidator(_no_nul),
    ONE_LINE,
]
Notes = Annotated[
    Annotated[str, Field(max_length=10_000, json_schema_extra={"pattern": _NO_NUL}), AfterValidator(_no_nul)]
    | None,
    BeforeValidator(blank_is_null),
    IN_LINES,
]

Address = Annotated[
    str,
    Field(max_length=254, json_schema_extra={"format": "email"}),
    AfterValidator(_email),
    BeforeValidator(_plain_address),
]
"""An e-mail address that must be there, in its normal form."""
Email = Annotated[
    Annotated[str, Field(max_length=254), AfterValidator(_email)] | None,
    BeforeValidator(blank_is_null),
    BeforeValidator(_plain_address),
    WithJsonSchema({"type": _NULLABLE_TEXT, "format": "email", "maxLength": 254}),
]

Phone = Annotated[
    Annotated[str, Field(max_length=50), AfterValidator(phone_number)] | None,
    BeforeValidator(blank_is_null),
    BeforeValidator(_plain_phone),
    WithJsonSchema({"type": _NULLABLE_TEXT, "pattern": _or_blank(_PHONE), "maxLength": 50}),
]
"""Three to twenty digits with the usual punctuation and an extension. No numbering plan is checked: the
contract's own example belongs to none."""

Language = Annotated[
    Annotated[str, Field(max_length=35), AfterValidator(_language)] | None,
    BeforeValidator(_empty_is_null),
    WithJsonSchema(
        {
            "type": _NULLABLE_TEXT,
            "pattern": _or_blank(_LANGUAGE),
            "maxLength": 35,
            "description": "A BCP 47 language tag; `en` if none is given.",
        }
    ),
]
"""A well-formed BCP 47 language tag (RFC 5646, section 2.1); `en_US` is read as `en-US`."""


def _clock_time(value: str) -> str:
    if not re.fullmatch(_CLOCK, value):
        raise PydanticCustomError("clock_time", "must be a time of day such as 09:00:00")
    return value if len(value) == 8 else f"{value}:00"


def _zone(value: str) -> str:
    if value not in zone_names():
        raise PydanticCustomError("timezone", "must be an IANA time zone such as Europe/Berlin")
    return value


def _day(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(_DATE, value.strip()):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass
    raise PydanticCustomError("date", "must be a date such as 2024-12-24")


ClockTime = Annotated[
    str, Field(max_length=8, json_schema_extra={"pattern": _CLOCK}), AfterValidator(_clock_time)
]
"""A time of day on the wall, `HH:MM:SS` (seconds may be left out); 24:00:00 ends a day."""

Scope = Literal["read", "write", "delete", "admin"]
"""What a key or a person may do."""

Zone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_zone)]
"""An IANA time zone's name, checked against the list of them."""

Day = Annotated[
    str,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2024-12-24"]}),
]
"""A calendar date, `YYYY-MM-DD`."""

_ISO_8601 = isoparser(sep="T")
_EXAMPLES = "such as 2024-01-25T14:00:00Z or 2024-01-25T15:00:00+01:00"


def as_moment(value: Any) -> datetime:
    """Return a date-time in whole seconds: one that was read already, or text in any form of ISO 8601. It is
    naive if it has no offset."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_time", "must be a string, " + _EXAMPLES)
    text = value.strip()
    if len(text) > 64:
        raise PydanticCustomError("invalid_time", "is too long for an ISO 8601 date-time, " + _EXAMPLES)
    if as_date(text) is not None:
        raise PydanticCustomError("invalid_time", "is a date without a time of day; send both, " + _EXAMPLES)
    try:
        # RFC 3339 allows a space or a lower-case t in place of the T of ISO 8601.
        moment = _ISO_8601.isoparse(text.replace("t", "T", 1).replace(" ", "T", 1))
    except (ValueError, OverflowError):
        raise PydanticCustomError("invalid_time", "is not an ISO 8601 date-time, " + _EXAMPLES) from None
    return moment.replace(microsecond=0)


def as_date(text: str) -> date | None:
    """Return the calendar date that `text` is in some form of ISO 8601, or None."""
    if len(text) > 10 or "T" in text.upper():
        return None
    try:
        return _ISO_8601.parse_isodate(text)
    except ValueError:
        return None


Moment = Annotated[
    datetime,
    BeforeValidator(as_moment),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "maxLength": 64,
            "description": "Any ISO 8601 date-time. Without an offset or Z, it is wall-clock time in the "
            "organization's zone. Fractions of a second are cut.",
        }
    ),
]
"""A date-time as the client sent it, naive if it has no offset; `core.hours.instant` makes it UTC."""
