"""Appointment types on the wire (camelCase, by the contract)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from kalends.core.lifecycle import MAX_BUFFER_MINUTES
from kalends.schemas.fields import WHOLE, Duration, Id, Label, Name, Notes
from kalends.schemas.links import WebAddress
from kalends.schemas.offered import Location, Price, Texts
from kalends.schemas.requirements import MOST_REQUIREMENTS, Requirement
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request

_MOST = 1_000_000
"""The largest count or horizon. More would make no sense, and must fit a 32-bit column."""
_CAP = "Bookings of this type; null: no limit."
_OPEN = (
    "How many open bookings of this type a client who books without a key may have: those that are not "
    "cancelled and not over yet; null: no limit."
)

Buffer = Annotated[int, Field(ge=0, le=MAX_BUFFER_MINUTES, description="0 to 24 hours."), WHOLE]
Count = Annotated[int, Field(ge=1, le=_MOST), WHOLE]
CountFromZero = Annotated[int, Field(ge=0, le=_MOST), WHOLE]
NO_COLOR = "#3b82f6"
"""What types have that were given no colour of their own."""
Color = Annotated[str, Field(pattern=r"^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")]
TypeSlug = Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Visibility = Literal["public", "link", "staff"]
Contact = Literal["email", "phone", "either", "both"]
_SLUG = "Names the type in the addresses of pages; made from the name if left out."
_VISIBILITY = (
    "Who may book it: `public`: everybody, and pages list it; `link`: clients who know its id or slug; "
    "`staff`: only staff."
)
_CONTACT = "What clients must give: an e-mail address, a phone number, either of them, or both."
_CHOOSE = "Whether clients may choose among its calendars: those that are public."


class BookingQuestion(Request):
    """A question that the booking page asks."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"type": {"const": "select"}}},
            "then": {
                "properties": {"options": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
                "required": ["options"],
            },
        }
    )

    id: Id
    type: Literal["text", "textarea", "select", "checkbox", "email", "phone", "number"]
    label: Label
    required: bool = False
    options: Annotated[list[Label] | None, Field(max_length=100)] = Field(
        default=None, description="The choices of a `select`."
    )

    @model_validator(mode="after")
    def _select_has_options(self) -> Self:
        if self.type == "select" and not self.options:
            raise PydanticCustomError("options", "a question of type select needs options")
        return self


class AppointmentTypeChange(Change):
    """What is to be changed in a type. A field that is not sent stays as it is."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=False,
        json_schema_extra={"examples": [{"durationMinutes": 45}]},
    )
    why_not: ClassVar[Mapping[str, str]] = {
        "scheduleName": "it is the schedule's; send scheduleId",
        "appointmentType": "send its fields themselves",
    }

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (AppointmentType, "appointmentType")

    name: Name = UNSENT
    duration_minutes: Duration = UNSENT
    description: Notes = Field(default=UNSENT, description="Shown on the booking page.")
    color: Color = UNSENT
    buffer_before_minutes: Buffer = UNSENT
    buffer_after_minutes: Buffer = UNSENT
    max_per_day: Count | None = Field(default=UNSENT, description=_CAP)
    max_per_week: Count | None = Field(default=UNSENT, description=_CAP)
    max_per_month: Count | None = Field(default=UNSENT, description=_CAP)
    max_open_per_client: Count | None = Field(default=UNSENT, description=_OPEN)
    min_notice_hours: CountFromZero = UNSENT
    max_days_ahead: CountFromZero | None = Field(
        default=UNSENT, description="How far ahead clients can book; null: no limit, 0: today only."
    )
    requires_confirmation: bool = UNSENT
    confirm_within_hours: Count | None = Field(
        default=UNSENT,
        description="After how many hours an unconfirmed booking is cancelled automatically, at its start "
        "at the latest.",
    )
    slot_interval_minutes: Duration | None = Field(
        default=UNSENT, description="Minutes from one offered start to the next; null: the duration."
    )
    reminder_hours: Count | None = Field(
        default=UNSENT,
        description="How many hours before the start clients are reminded by mail; null: not at all.",
    )
    booking_questions: Annotated[list[BookingQuestion], Field(max_length=100)] = Field(
        default=UNSENT, description="Each has an id of its own."
    )
    schedule_id: Id | None = Field(
        default=UNSENT, description="A named schedule that gives the availability."
    )
    calendar_ids: Annotated[list[Id], Field(max_length=100)] = Field(
        default=UNSENT,
        description="The calendars that serve it, each once; the default calendar if left out. If it has "
        "`requirements`, those of the first; others, sent alone, make it a type that needs one of these.",
    )
    requirements: Annotated[list[Requirement], Field(min_length=1, max_length=MOST_REQUIREMENTS)] = Field(
        default=UNSENT,
        description="What it needs at once, such as a person and a room. Each has a name of its own, and "
        "each calendar is in one of them. `calendarIds` alone is short for one that needs one calendar.",
    )
    slug: TypeSlug = Field(default=UNSENT, description=_SLUG)
    location: Location | None = Field(default=UNSENT, description="Where it takes place; null: not said.")
    price: Price | None = UNSENT
    visibility: Visibility = Field(default=UNSENT, description=_VISIBILITY)
    contact: Contact = Field(default=UNSENT, description=_CONTACT)
    confirmation_text: Notes = Field(
        default=UNSENT, description="What clients read once they have booked, on pages and in mails."
    )
    redirect_url: WebAddress = Field(
        default=UNSENT,
        description="Where a link leads, on the page that says that it is booked; null: there is none.",
    )
    texts: Texts = Field(default=UNSENT, description="Translations by language tag.")
    clients_choose: bool = Field(default=UNSENT, description=_CHOOSE)
    is_active: bool = Field(default=UNSENT, description="Whether the type is bookable.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        ids = [question.id for question in self.booking_questions or ()]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("unique", "bookingQuestions must have unique ids")
        if len(set(self.calendar_ids or ())) < len(self.calendar_ids or ()):
            raise PydanticCustomError("unique", "calendarIds must name each calendar once")
        names = [each.name for each in self.requirements or ()]
        if len(set(names)) < len(names):
            raise PydanticCustomError("unique", "requirements must have unique names")
        ids = [id_ for each in self.requirements or () for id_ in each.calendar_ids]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("unique", "requirements must name each calendar once")
        return self

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.requirements and self.calendar_ids not in (None, self.requirements[0].calendar_ids):
            raise PydanticCustomError(
                "invalid", "calendarIds must be those of the first of the requirements, or be left out"
            )
        return self


class AppointmentTypeUpdate(AppointmentTypeChange):
    """A change that names its type in the body, as the reference does."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "type_def456", "durationMinutes": 45}]})
    must_have = ("id",)

    id: Id


class AppointmentTypeCreate(AppointmentTypeChange):
    """A new kind of appointment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Tax Consultation", "durationMinutes": 60}]}
    )
    must_have = ("name", "durationMinutes")

    name: Name
    duration_minutes: Duration
    color: Color = NO_COLOR
    buffer_before_minutes: Buffer = 0
    buffer_after_minutes: Buffer = 0
    max_open_per_client: Count | None = Field(default=3, description=_OPEN)
    min_notice_hours: CountFromZero = 24
    max_days_ahead: CountFromZero | None = Field(
        default=60, description="How far ahead clients can book; null: no limit, 0: today only."
    )
    requires_confirmation: bool = False
    reminder_hours: Count | None = Field(
        default=24,
        description="How many hours before the start clients are reminded by mail; null: not at all.",
    )
    booking_questions: Annotated[list[BookingQuestion], Field(max_length=100)] = Field(
        default=[], description="Each has an id of its own."
    )
    visibility: Visibility = Field(default="public", description=_VISIBILITY)
    contact: Contact = Field(default="either", description=_CONTACT)
    texts: Texts = Field(default={}, description="Translations by language tag.")
    clients_choose: bool = Field(default=False, description=_CHOOSE)
    is_active: bool = Field(default=True, description="Whether the type is bookable.")


class AppointmentType(Answer):
    """A kind of appointment."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str
    org_id: str
    name: str
    duration_minutes: int
    description: str | None
    color: str
    buffer_before_minutes: int
    buffer_after_minutes: int
    max_per_day: int | None
    max_per_week: int | None
    max_per_month: int | None
    max_open_per_client: int | None
    min_notice_hours: int
    max_days_ahead: int | None
    requires_confirmation: bool
    confirm_within_hours: int | None
    slot_interval_minutes: int | None
    reminder_hours: int | None
    booking_questions: list[BookingQuestion]
    calendar_ids: list[str]
    requirements: list[Requirement]
    schedule_id: str | None
    schedule_name: str | None
    slug: str
    location: Location | None
    price: Price | None
    visibility: Visibility
    contact: Contact
    confirmation_text: str | None
    redirect_url: str | None
    texts: Texts
    clients_choose: bool
    is_active: bool
    sort_order: int
    created_at: datetime
    updated_at: datetime


class AppointmentTypeAnswer(OneThing):
    """One appointment type."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    appointment_type: AppointmentType


class AppointmentTypesAnswer(OneThing):
    """Every appointment type, in the organization's order."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    appointment_types: list[AppointmentType]
