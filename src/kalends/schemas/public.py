"""The public booking API on the wire (snake_case): what clients may see, and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from kalends.core.caller import Host
from kalends.core.lifecycle import Status, latest_change
from kalends.schemas.appointment_types import BookingQuestion, Contact
from kalends.schemas.appointments import (
    Answers,
    Appointment,
    AppointmentChange,
    AppointmentCreate,
    Booking,
    QuestionAnswer,
    TypeSummary,
)
from kalends.schemas.fields import Id, Moment, Notes, Phone, Zone
from kalends.schemas.offered import Location, Price
from kalends.schemas.wire import UNSENT, Answer, Change, Request, again, is_missing

_CONTACTS = ("client_email", "client_phone")


class HostSummary(Answer):
    """The organization."""

    slug: str
    name: str
    timezone: str


class BookingHost(HostSummary):
    """The organization, as its booking page shows it."""

    language: str | None
    week_start: int
    client_notice_hours: int
    client_grace_minutes: int
    intro: str | None
    address: str | None
    phone: str | None
    contact_email: str | None
    privacy_url: str | None
    terms_url: str | None
    color: str | None
    logo: str | None = Field(description="The path of the logo on this server; null if there is none.")


class PublicCalendar(Answer):
    """A person or a place that clients may choose."""

    id: str
    name: str
    about: str | None


class BookableType(Answer):
    """A kind of appointment that clients can book."""

    id: str
    slug: str
    name: str
    description: str | None
    duration_minutes: int
    color: str
    requires_confirmation: bool
    min_notice_hours: int
    max_days_ahead: int | None
    location: Location | None
    price: Price | None
    contact: Contact
    texts: dict[str, Any] = Field(description="Translations by language tag.")
    questions: list[BookingQuestion]
    calendars: list[PublicCalendar] = Field(
        description="Those among which clients may choose; empty if they can't."
    )


class ClientType(BookableType):
    """A kind of appointment as its own clients see it, with what is said only once it is booked: the link to
    a call, the text of the confirmation, and where pages lead then."""

    confirmation_text: str | None
    redirect_url: str | None

    def for_everybody(self) -> BookableType:
        """Return what people may see who have not booked it."""
        seen = {name: getattr(self, name) for name in BookableType.model_fields}
        if self.location is not None and self.location.kind == "link":
            seen["location"] = self.location.model_copy(update={"value": None})
        seen["texts"] = {
            tag: {name: text for name, text in texts.items() if name != "confirmation_text"}
            for tag, texts in self.texts.items()
        }
        return BookableType.model_construct(**seen)


class BookingPage(Answer):
    """What clients can book, and of whom."""

    organization: BookingHost
    appointment_types: list[BookableType]


class ClientBooking(Booking):
    """A booking by a client for themselves: an e-mail address or a phone number, at least one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_type_id": "type_def456",
                    "start_time": "2024-01-25T14:00:00Z",
                    "client_name": "Jane Doe",
                    "client_email": "jane@example.com",
                    "answers": {},
                }
            ],
        }
    )
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"end_time": "it follows from the start and the type's duration"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment, AppointmentCreate, ClientAppointment)

    client_timezone: Zone | None = Field(default=None, description="In which mails tell the time.")
    answers: Annotated[dict[str, Any], Field(max_length=100)] = Field(
        default={}, description="By the id of the type's question."
    )
    calendar_id: Id | None = Field(
        default=None, description="A public calendar, if the type lets clients choose."
    )
    hold_id: Id | None = Field(default=None, description="Books the time of this hold.")

    @model_validator(mode="wrap")
    @classmethod
    def _can_be_reached(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse a booking without an address and a number, together with what else is wrong."""
        nobody = PydanticCustomError("contact", "client_email or client_phone is required")
        try:
            wish = handler(body)
        except ValidationError as error:
            if not isinstance(body, Mapping) or any(not is_missing(body.get(each)) for each in _CONTACTS):
                raise
            lacking = InitErrorDetails(type=nobody, loc=(), input=body)
            raise ValidationError.from_exception_data(cls.__name__, [*again(error), lacking]) from None
        if wish.client_email is None and wish.client_phone is None:
            raise nobody
        return wish


class Confirmation(Request):
    """Nothing: the link names the booking."""


class Cancellation(Request):
    """The reason, if the client wants to give one."""

    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"cancellation_reason": "send reason"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment, AppointmentChange, ClientAppointment)

    reason: Annotated[Notes, Field(description="For the organization; it is in the mails to both.")] = None


class Rescheduling(Request):
    """The new start."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"start_time": "2024-01-26T14:00:00Z"}]})
    must_have = ("start_time",)
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"end_time": "it follows from the start and the type's duration"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment, AppointmentChange, ClientAppointment)

    start_time: Moment


_STAYS = "it stays as it was booked; please get in touch with the organization"
_AT_ITS_OWN_PATH = "moving and cancelling have calls of their own, POST …/reschedule and POST …/cancel"


class Correction(Change):
    """What a client corrects: only what is sent changes, and null removes it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"client_phone": "+1 234 567 890", "client_notes": "By car."}]}
    )
    why_not: ClassVar[Mapping[str, str]] = {
        "client_name": _STAYS,
        "client_email": f"mails with secret links go there, so {_STAYS}",
        "appointment_type_id": "cancel the appointment and book another",
        "start_time": _AT_ITS_OWN_PATH,
        "status": _AT_ITS_OWN_PATH,
        "appointment": "send its fields themselves",
    }

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Appointment, AppointmentChange, ClientAppointment, "appointment")

    client_phone: Phone = Field(
        default=UNSENT, description="It can be removed only if there is an e-mail address."
    )
    client_notes: Notes = UNSENT
    answers: Answers = Field(
        default=UNSENT,
        description="By the question's id: only what is sent changes, and null removes an answer that is not "
        "required; or the whole list, as the appointment shows it.",
    )


class ClientAppointment(Answer):
    """An appointment as its client sees it."""

    id: str
    start_time: datetime
    end_time: datetime
    status: Status
    expires_at: datetime | None = Field(
        description="Until when a pending appointment has to be confirmed, at the latest its start; then it "
        "is cancelled automatically."
    )
    to_be_confirmed_by: Literal["client", "organization"] | None = Field(
        default=None,
        description="Who has to confirm a pending appointment: its client, by the link in the mail, or "
        "the organization. Null if nobody has to.",
    )
    client_name: str
    client_email: str | None
    client_phone: str | None
    client_language: str
    client_timezone: str | None
    client_notes: str | None
    answers: list[QuestionAnswer]
    appointment_type: TypeSummary
    organization: HostSummary
    changeable_until: datetime = Field(description="Until when the client may cancel or move it.")
    created_at: datetime

    @classmethod
    def of(cls, appointment: Appointment, host: Host) -> "ClientAppointment":
        """Return what its client may see of an appointment."""
        by: Literal["client", "organization"] = "organization" if appointment.version else "client"
        known = {
            name: getattr(appointment, name) for name in cls.model_fields if name in Appointment.model_fields
        }
        # What comes from our own database was validated when it was stored.
        return cls.model_construct(
            **known,
            to_be_confirmed_by=by if appointment.status == "pending" else None,
            organization=host_summary(host),
            changeable_until=changeable_until(appointment, host),
        )


class ClientAppointmentAnswer(Answer):
    """An appointment as its client sees it."""

    appointment: ClientAppointment


class BookedAnswer(ClientAppointmentAnswer):
    """What was booked, and the secret link by which to see, cancel and move it."""

    manage_url: str | None = Field(
        description="Null in a rehearsal, which books nothing; in a replay, if the first link has ended; and "
        "if the client has to confirm by the link in the mail."
    )
    manage_token: str | None = Field(description="The last part of the link, for a page of your own.")


def changeable_until(appointment: Appointment, host: Host) -> datetime:
    """Return until when the client may cancel or move an appointment or a request, as it is now."""
    until = latest_change(
        appointment.status,
        appointment.start_time,
        appointment.created_at,
        notice_hours=host.client_notice_hours,
        grace_minutes=host.client_grace_minutes,
    )
    return until if appointment.expires_at is None else min(until, appointment.expires_at)


def host_summary(host: Host) -> HostSummary:
    """Return what clients see of an organization."""
    return HostSummary(slug=host.slug, name=host.name, timezone=host.timezone)
