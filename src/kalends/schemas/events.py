"""The payloads of events. An event is stored as the bytes that will be delivered."""

from datetime import datetime
from typing import Any

from pydantic import Field

from kalends.core.lifecycle import Check
from kalends.schemas.appointments import Actor, Appointment
from kalends.schemas.wire import Answer


class AppointmentCreated(Answer):
    """`appointment.created`: the appointment as the API shows it, and how it was checked."""

    appointment: Appointment
    actor: Actor
    check: Check


class AppointmentChanged(Answer):
    """`appointment.confirmed`, `.rescheduled`, …: the appointment now, and its changed fields before."""

    appointment: Appointment
    previous: dict[str, Any]
    actor: Actor
    check: Check


class Event(Answer):
    """Something that happened."""

    id: str
    type: str
    occurred_at: datetime
    actor: Actor | None = Field(description="Who caused it.")
    data: dict[str, Any] = Field(
        description="The thing as the API shows it, under its name. For a changed appointment also "
        "`previous`: the fields that changed, with their former values."
    )


class EventsAnswer(Answer):
    """Events in the order in which they happened."""

    events: list[Event]
    next_cursor: str = Field(
        description="Send it as `after` to get what happened since; nothing is ever skipped."
    )
