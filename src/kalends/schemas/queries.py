"""The parameters of lists and searches."""

import base64
import json
import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kalends.core.event_types import TEST_EVENT, is_filter
from kalends.core.finding import LONGEST_SEARCH
from kalends.core.hours import FIRST_SECOND, LAST_SECOND
from kalends.core.lifecycle import MAX_DURATION_MINUTES, Status
from kalends.schemas.fields import Address, Id, Moment, Text, Zone, as_date, as_moment
from kalends.schemas.wire import Request

STATUSES: tuple[Status, ...] = get_args(Status)


_BARE_OFFSET = re.compile(r"(.*[Tt ].*[0-9]) ([0-9]{2}(?::?[0-9]{2})?)", re.DOTALL)


def _plus(value: Any) -> Any:
    """Restore a `+` of an offset: in a query, it arrives as a space unless it is encoded. A space between a
    time of day and hours and minutes was one."""
    if isinstance(value, str) and (split := _BARE_OFFSET.fullmatch(value.strip())):
        return f"{split[1]}+{split[2]}"
    return value


def _every_plus(value: Any) -> Any:
    """Restore every `+` of a value that has no spaces: an address, or the name of a zone."""
    return value.strip(" ").replace(" ", "+") if isinstance(value, str) else value


PLUS = BeforeValidator(_plus)
EVERY_PLUS = BeforeValidator(_every_plus)


def _bound(value: Any) -> Any:
    """Keep a date as a date: its instant depends on the end that it bounds, and on the zone."""
    if isinstance(value, str) and (day := as_date(value.strip())) is not None:
        return day
    return as_moment(value)


def _statuses(value: Any) -> Any:
    sent = value if isinstance(value, list) else [value]  # ?status=a&status=b means a,b
    names = [name.strip() for each in sent for name in str(each).split(",") if name.strip()]
    unknown = [name for name in names if name not in STATUSES]
    if unknown or not names:
        raise PydanticCustomError(
            "status",
            "must be one or several of {all}, not {unknown}",
            {"all": ", ".join(STATUSES), "unknown": unknown[0][:40] if unknown else "none"},
        )
    return tuple(names)


Bound = Annotated[
    datetime | date,
    BeforeValidator(_bound),
    PLUS,
    WithJsonSchema({"type": "string", "maxLength": 64, "examples": ["2024-01-01", "2024-01-01T00:00:00Z"]}),
]
"""An ISO 8601 date-time, or a bare date: a day of the organization."""

Statuses = Annotated[
    tuple[Status, ...],
    BeforeValidator(_statuses),
    WithJsonSchema({"type": "string", "examples": ["confirmed", "pending,confirmed"]}),
]


class Cursor(Request):
    """The end of a page: an opaque string on the wire. It belongs to one order of the list."""

    by: Literal["start_time", "updated_at"]
    order: Literal["asc", "desc"]
    at: Annotated[int, Field(ge=FIRST_SECOND, le=LAST_SECOND)]
    id: Id

    def __str__(self) -> str:
        fields = json.dumps([self.by, self.order, self.at, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(fields.encode()).decode().rstrip("=")


def _cursor(value: Any) -> Any:
    try:
        padded = value + "=" * (-len(value) % 4)
        by, order, at, id_ = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return Cursor(by=by, order=order, at=at, id=id_)
    except (ValueError, TypeError):
        raise PydanticCustomError("cursor", "must be the next_cursor of an earlier answer") from None


CursorParameter = Annotated[
    Cursor, BeforeValidator(_cursor), WithJsonSchema({"type": "string", "maxLength": 1000})
]
Limit = Annotated[int, Field(ge=1, le=1000, strict=False)]
Words = Annotated[
    Text,
    Field(
        max_length=LONGEST_SEARCH,
        description="Words that are all found in the client's name, e-mail address or phone number, or in "
        "notes, without regard to capitals and accents. Part of a word is enough.",
    ),
]
Flag = Annotated[bool, Field(strict=False)]


class AppointmentsQuery(Request):
    """The parameters of the list of appointments."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    status: Statuses | None = Field(default=None, description="One or several, separated by commas.")
    from_: Bound | None = Field(
        default=None, alias="from", description="`from` ≤ start; a bare date is the organization's day."
    )
    to: Bound | None = Field(default=None, description="start < `to`; a bare date includes that day.")
    overlapping: Flag = Field(
        default=False,
        description="Also what begins before `from` and ends after it: `from` < end and start < `to`.",
    )
    limit: Limit = 50
    cursor: CursorParameter | None = Field(
        default=None,
        description="The `next_cursor` of the page before. Send the other parameters as for that page.",
    )
    appointment_type_id: Id | None = None
    calendar_id: Id | None = None
    client_email: Annotated[Address, EVERY_PLUS] | None = Field(
        default=None, description="In upper or lower case."
    )
    updated_since: Bound | None = Field(
        default=None,
        description="Only what was made or changed since. The list is then ordered by last change.",
    )
    q: Words | None = None
    same_client_as: Id | None = Field(
        default=None,
        description="Only what the client of the appointment with this id has booked, such as the `id` that "
        "the list of clients has.",
    )
    order: Literal["asc", "desc"] = "asc"


class ClientsQuery(Request):
    """The parameters of the list of clients."""

    q: Words | None = None
    limit: Annotated[int, Field(ge=1, le=100, strict=False)] = 50
    cursor: CursorParameter | None = Field(
        default=None,
        description="The `next_cursor` of the page before. Send the other parameters as for that page.",
    )


class BlocksQuery(Request):
    """The parameters of the list of blocks."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    from_: Bound | None = Field(
        default=None, alias="from", description="`from` < end; a bare date is the organization's day."
    )
    to: Bound | None = Field(default=None, description="start < `to`; a bare date includes that day.")
    calendar_id: Id | None = Field(
        default=None, description="Only what takes time of this calendar; that of all calendars does, too."
    )
    limit: Annotated[int, Field(ge=1, le=100, strict=False)] = 50
    cursor: CursorParameter | None = Field(
        default=None,
        description="The `next_cursor` of the page before. Send the other parameters as for that page.",
    )


class EventCursor(Request):
    """The point up to which events were read: an opaque string on the wire."""

    seq: Annotated[int, Field(ge=0, lt=2**62)]

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"e{self.seq}".encode()).decode().rstrip("=")


def _event_cursor(value: Any) -> Any:
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
        (seq,) = re.fullmatch(r"e([0-9]{1,19})", text).groups()  # type: ignore[union-attr]
        return EventCursor(seq=int(seq))
    except (ValueError, TypeError, AttributeError):
        raise PydanticCustomError("cursor", "must be the next_cursor of an earlier answer") from None


def _event_names(value: Any) -> Any:
    sent = value if isinstance(value, list) else [value]
    names = [name.strip() for each in sent for name in str(each).split(",") if name.strip()]
    if not names:
        raise PydanticCustomError("event", "must name events, such as appointment.* (see docs/events.md)")
    if unknown := [name for name in names if name != TEST_EVENT and not is_filter(name)]:
        raise PydanticCustomError(
            "event", "names no event: {unknown} (see docs/events.md)", {"unknown": unknown[0][:40]}
        )
    return tuple(names)


class EventsQuery(Request):
    """The parameters of reading events."""

    after: (
        Annotated[
            EventCursor, BeforeValidator(_event_cursor), WithJsonSchema({"type": "string", "maxLength": 100})
        ]
        | None
    ) = Field(
        default=None,
        description="The `next_cursor` of the answer before. Without it, reading begins at the oldest.",
    )
    types: (
        Annotated[
            tuple[str, ...],
            BeforeValidator(_event_names),
            WithJsonSchema({"type": "string", "examples": ["appointment.created,appointment.cancelled"]}),
        ]
        | None
    ) = Field(
        default=None, description="One or several, separated by commas; `appointment.*` names all of a kind."
    )
    limit: Limit = 100


OF_CALENDAR = Field(default=None, description="Only this calendar's time.")
MOVING = Field(
    default=None,
    description="The id of an appointment of this type: its own time counts as free, and what is told is "
    "where it could be moved, within its calendar, with `check: all`.",
)

AskedMinutes = Annotated[int, Field(ge=1, le=MAX_DURATION_MINUTES, strict=False)]
LASTING = Field(
    default=None,
    description="How long it is to last, if not as long as others of its type: 1 minute to 7 days. If left "
    "out, an appointment that is moving keeps its length.",
)


class OfType(Request):
    """What type the question is about."""

    appointment_type_id: Id


class ForClients(OfType):
    """What a client asks about: a type, and perhaps whom they choose."""

    calendar_id: Id | None = Field(
        default=None, description="Only the time of this public calendar, if the type lets clients choose."
    )


class SlotsByLinkQuery(Request):
    """The parameters of a client's search for free time to which to move their appointment."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    from_: Bound = Field(alias="from", description="`from` ≤ start; a bare date is the organization's day.")
    to: Bound = Field(
        description="start < `to`; a bare date includes that day. At most 92 days after `from`."
    )
    timezone: Annotated[Zone, EVERY_PLUS] | None = Field(
        default=None, description="Adds each slot's local times in this zone; changes nothing else."
    )


class ClientSlotsQuery(SlotsByLinkQuery, ForClients):
    """The parameters of a client's search for free time."""


class SlotsQuery(SlotsByLinkQuery, OfType):
    """The parameters of the search for free time."""

    calendar_id: Id | None = OF_CALENDAR
    moving: Id | None = MOVING
    duration_minutes: AskedMinutes | None = LASTING


class ExplainByLinkQuery(Request):
    """The parameters of a client's question whether their appointment can be moved to a start."""

    start_time: Annotated[Moment, PLUS]


class ClientExplainQuery(ExplainByLinkQuery, ForClients):
    """The parameters of a client's question whether a start can be booked."""


class ExplainQuery(ExplainByLinkQuery, OfType):
    """The parameters of the question whether a start can be booked."""

    calendar_id: Id | None = OF_CALENDAR
    moving: Id | None = MOVING
    duration_minutes: AskedMinutes | None = LASTING


class DaysByLinkQuery(Request):
    """The parameters of a client's question on which days there is time to which to move their
    appointment."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    from_: Bound = Field(
        alias="from", description="`from` ≤ start; a bare date is a day in the `timezone` asked for."
    )
    to: Bound = Field(description="start < `to`; a bare date includes that day. 92 days at most.")
    timezone: Annotated[Zone, EVERY_PLUS] | None = Field(
        default=None, description="The zone of the days. If it is left out, the organization's."
    )


class ClientDaysQuery(DaysByLinkQuery, ForClients):
    """The parameters of a client's question on which days something is free."""


class DaysQuery(DaysByLinkQuery, OfType):
    """The parameters of the question on which days something is free."""

    calendar_id: Id | None = OF_CALENDAR
    moving: Id | None = MOVING
    duration_minutes: AskedMinutes | None = LASTING
