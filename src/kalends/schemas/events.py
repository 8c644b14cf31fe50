"""What events carry. An event is stored as the bytes that will be delivered."""

from typing import Literal

from kalends.core.lifecycle import Check
from kalends.schemas.appointments import Appointment
from kalends.schemas.wire import Answer


class Actor(Answer):
    """Who caused it."""

    kind: Literal["api_key"]
    id: str
    name: str | None


class AppointmentCreated(Answer):
    """`appointment.created`: the appointment as the API shows it, and how it was checked."""

    appointment: Appointment
    actor: Actor
    check: Check
