"""What events carry. An event is stored as the bytes that will be delivered."""

from typing import Any

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
