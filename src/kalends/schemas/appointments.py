"""Appointments on the wire (snake_case, by the contract)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kalends.core.lifecycle import Check, Source, Status
from kalends.core.requirements import CALENDAR
from kalends.schemas.fields import Duration, Email, Id, Language, Moment, Name, Notes, Phone, Zone
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request
from kalends.schemas.wrong_fields import malformed, wrong


class Actor(Answer):
    """Who caused something."""

    kind: Literal["api_key", "person", "client", "system", "operator"] = Field(
        description="`person`: somebody of the staff, who is signed in; `client`: without a key, by the "
        "booking page or a link; `system`: Kalends itself, when time has come; `operator`: the person who "
        "runs the server, at the command line."
    )
    id: str | None = Field(description="The id of the key or the person.")
    name: str | None = Field(description="The name of the key or the person.")


Maker = Annotated[
    Actor | None,
    BeforeValidator(lambda stored: Actor.model_validate_json(stored) if isinstance(stored, str) else stored),
    Field(description="Who made it; null if it is older than this record."),
]


def _answers(value: Any) -> Any:
    if not isinstance(value, dict | list | None):
        raise PydanticCustomError("dict_or_list", "must be an object by the questions' ids, or a list")
    if value is not None and len(value) > _MOST_ANSWERS:
        raise PydanticCustomError(
            "too_many", "must have at most {max_length} answers", {"max_length": _MOST_ANSWERS}
        )
    return value


_MOST_ANSWERS = 100
Answers = Annotated[
    dict[str, Any] | list[Any] | None,
    BeforeValidator(_answers),
    WithJsonSchema(
        {
            "type": ["object", "array", "null"],
            "maxProperties": _MOST_ANSWERS,
            "additionalProperties": True,
            "maxItems": _MOST_ANSWERS,
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "label": {"type": "string"}, "answer": {}},
                "required": ["id", "answer"],
            },
        }
    ),
]
"""Answers of staff; `schemas.answers` judges them by the questions of the type."""

_BY_STATUS = "it follows from the status; send status"
_WHY_NOT = {
    "hold_id": "a hold is for booking; send start_time to move the appointment",
    "confirmed_at": _BY_STATUS,
    "completed_at": _BY_STATUS,
    "cancelled_at": _BY_STATUS,
    "no_show_at": _BY_STATUS,
    "overlap_allowed": "it follows from the check",
    "calendars": "send calendar_ids",
    "appointment_type": "change the type itself",
    "appointment": "send its fields themselves",
}


def _named_once(ids: list[str]) -> list[str]:
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("unique", "must name each calendar once")
    return ids


CalendarIds = Annotated[list[Id], Field(min_length=1, max_length=100), AfterValidator(_named_once)]


def pinned(calendar_id: str | None, calendar_ids: Sequence[str] | None = None) -> Sequence[str]:
    """Return the calendars that were chosen, by either field. Raises Malformed if they contradict."""
    if calendar_id is None or calendar_ids is None:
        return calendar_ids or (() if calendar_id is None else (calendar_id,))
    if calendar_id not in calendar_ids:
        raise malformed([wrong("calendar_id", "must be one of calendar_ids", "invalid")])
    return calendar_ids


class Booking(Request):
    """What staff and clients say alike of a booking. `end_time` is computed from the type's duration."""

    must_have = ("appointment_type_id", "start_time", "client_name")

    appointment_type_id: Id
    start_time: Moment
    client_name: Name
    client_email: Email = None
    client_phone: Phone = None
    client_language: Language = None
    client_timezone: Zone | None = None
    client_notes: Notes = None


class AppointmentCreate(Booking):
    """A booking made by hand. `end_time` is computed from the type's duration."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_type_id": "type_def456",
                    "start_time": "2024-01-25T14:00:00Z",
                    "client_name": "Jane Doe",
                    "client_email": "jane@example.com",
                    "client_phone": "+1234567890",
                }
            ]
        }
    )

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment,)

    client_timezone: Zone | None = Field(
        default=None, description="The zone of the times in mails to the client."
    )
    client_notes: Notes = Field(default=None, description="From the client.")
    internal_notes: Notes = Field(default=None, description="Never shown to the client.")
    calendar_id: Id | None = Field(
        default=None,
        description="Whose time is booked. If left out, the free calendar of the type with the fewest "
        "appointments in that week; among equals, the one that was booked longest ago.",
    )
    calendar_ids: CalendarIds | None = Field(
        default=None,
        description="The same for a type that needs several calendars: those that are to be among them. The "
        "others are chosen.",
    )
    duration_minutes: Duration | None = Field(
        default=None,
        description="How long this one lasts, if not as long as others of its type: 1 minute to 7 days. It "
        "keeps this length when it is moved. A hold has its own.",
    )
    check: Check = Field(
        default="conflicts",
        description="`conflicts` refuses to overlap another active appointment of the calendar; `all` checks "
        "hours, notice, horizon and limits, too; `none` checks nothing, and needs the scope `admin`.",
    )
    hold_id: Id | None = Field(
        default=None, description="Books the time of this hold, which is not checked again."
    )
    manage_link: bool = Field(
        default=False, description="Whether the answer has a secret link for the client (`manage_url`)."
    )
    answers: Answers = Field(
        default=None,
        description="Answers to the type's questions: by the question's id, or as the list that an "
        "appointment shows. Staff may leave out required ones.",
    )


class AppointmentChange(Change):
    """What is to be changed. A field that is not sent stays as it is; null clears an optional one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "completed"}]})
    why_not = _WHY_NOT

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment, AppointmentCreate, "appointment")

    status: Status = Field(default=UNSENT, description="Each status sets its own timestamp.")
    appointment_type_id: Id = Field(
        default=UNSENT,
        description="Makes it an appointment of another type, with that type's duration. It stays in its "
        "calendar if that serves the type.",
    )
    calendar_id: Id = Field(
        default=UNSENT,
        description="Gives the appointment to another calendar. If the type needs several, those of other "
        "requirements stay.",
    )
    calendar_ids: CalendarIds = Field(default=UNSENT, description="The same for several calendars at once.")
    start_time: Moment = Field(
        default=UNSENT,
        description="Moves the appointment. Its id stays; its end follows from the type's present duration, "
        "or from the length that the appointment was given.",
    )
    end_time: Moment = Field(
        default=UNSENT,
        description="Gives the appointment another length. Its present end is no wish, so that a whole "
        "answer can be sent back with another start.",
    )
    duration_minutes: Duration | None = Field(
        default=UNSENT, description="The same in minutes: 1 minute to 7 days."
    )
    client_name: Name = UNSENT
    client_email: Email = Field(
        default=UNSENT,
        description="With another address, all earlier links stop working, and the former address is mailed "
        "that the appointment is no longer under it.",
    )
    client_phone: Phone = UNSENT
    client_language: Language = UNSENT
    client_timezone: Zone | None = UNSENT
    client_notes: Notes = UNSENT
    internal_notes: Notes = UNSENT
    cancellation_reason: Notes = Field(
        default=UNSENT, description="For the status `cancelled`. The client reads it in the mail."
    )
    answers: Answers = Field(
        default=UNSENT,
        description="By the question's id: only what is sent changes, and null removes an answer; or the "
        "whole list, as an appointment shows it.",
    )
    check: Check = Field(
        default="conflicts",
        description="As for a booking, if the appointment is moved or un-cancelled.",
    )


class AppointmentUpdate(AppointmentChange):
    """A change that names its appointment in the body, as the reference does."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "apt_01j0k3x7v9e8mb2t5c4qd6r8zs", "status": "completed"}]}
    )
    must_have = ("id",)

    id: Id


class TypeSummary(Answer):
    """The type of an appointment."""

    id: str
    name: str
    duration_minutes: int
    color: str


class QuestionAnswer(Answer):
    """A client's answer to one of the type's questions, with the label at that time."""

    id: str
    label: str
    answer: str | bool | float | int


class TakenCalendar(Answer):
    """A calendar that an appointment takes, and the requirement of its type that the calendar fills."""

    requirement: str
    calendar_id: str


def taken_calendars(row: Mapping[str, Any]) -> list[TakenCalendar]:
    """Return the calendars of a row of `appointments`, the first one first."""
    short = [{"requirement": CALENDAR, "calendar_id": row["calendar_id"]}]
    return [TakenCalendar.model_construct(**each) for each in row["calendars"] or short]


class Appointment(Answer):
    """An appointment as the API and its events show it. Times are UTC; every field is always present."""

    id: str
    org_id: str
    appointment_type_id: str
    calendar_id: str = Field(description="The first of its calendars.")
    calendars: list[TakenCalendar] = Field(
        default=[], description="All its calendars, and which requirement of the type each fills."
    )
    start_time: datetime
    end_time: datetime
    client_name: str
    client_email: str | None
    client_phone: str | None
    client_language: str
    client_timezone: str | None
    client_notes: str | None
    internal_notes: str | None
    answers: list[QuestionAnswer] = Field(description="To the type's questions.")
    status: Status
    expires_at: datetime | None = Field(
        description="Until when a pending appointment has to be confirmed, at the latest its start; then it "
        "is cancelled automatically."
    )
    confirmed_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    no_show_at: datetime | None
    cancellation_reason: str | None
    source: Source
    overlap_allowed: bool = Field(description="Whether staff forced it over another appointment.")
    version: int = Field(description="1 when made, one more with every change.")
    created_at: datetime
    updated_at: datetime
    appointment_type: TypeSummary

    @classmethod
    def shown(
        cls, row: Mapping[str, Any], type_name: str, type_minutes: int, type_color: str
    ) -> "Appointment":
        """Return the wire form of a row of `appointments` and its type."""
        summary = TypeSummary.model_construct(
            id=row["appointment_type_id"], name=type_name, duration_minutes=type_minutes, color=type_color
        )
        # What comes from our own database was validated when it was stored.
        fields = {name: row[name] for name in cls.model_fields if name != "appointment_type"}
        fields["calendars"] = taken_calendars(row)
        fields["answers"] = [QuestionAnswer.model_construct(**each) for each in row["answers"]]
        return cls.model_construct(**fields, appointment_type=summary)


class AppointmentAnswer(OneThing):
    """One appointment."""

    appointment: Appointment


class BookedByStaffAnswer(AppointmentAnswer):
    """What was booked, with the client's secret link if `manage_link` asked for it. It is shown this once."""

    manage_url: str | None = Field(default=None, description="Only if `manage_link` asked for it.")
    manage_token: str | None = Field(
        default=None, description="The last part of the link, for a page of your own."
    )


class ManageLinkCreate(Request):
    """What happens to earlier links."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep_others": True}]})

    keep_others: bool = Field(
        default=False, description="Whether earlier links, also those in mails, go on working."
    )


class ManageLinkAnswer(Answer):
    """The secret link of an appointment's client. It is shown this once."""

    manage_url: str | None = Field(description="Null in a rehearsal, which makes none.")
    manage_token: str | None = Field(description="The last part of the link, for a page of your own.")


class AppointmentsAnswer(Answer):
    """A page of appointments."""

    appointments: list[Appointment]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null if this is the last."
    )


class HistoryEntry(Answer):
    """A change: who made it, when, and the fields that changed, before and after."""

    version: int
    at: datetime
    actor: Actor | None = Field(description="Null if the change is older than this record.")
    before: dict[str, Any] | None = Field(description="Null for the first entry: the appointment was made.")
    after: dict[str, Any]


class HistoryAnswer(OneThing):
    """Everything that was ever changed in an appointment, oldest first."""

    history: list[HistoryEntry]
