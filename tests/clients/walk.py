"""Book, list, reschedule and cancel with the generated Python client: `walk.py URL KEY TYPE`."""

import sys
from datetime import UTC, datetime, timedelta

from kalends_client import AuthenticatedClient
from kalends_client.api.appointments import appointments_change, appointments_create, appointments_list
from kalends_client.models import (
    AppointmentAnswer,
    AppointmentChange,
    AppointmentChangeStatus,
    AppointmentCreate,
    AppointmentsAnswer,
    AppointmentStatus,
    ErrorAnswer,
)

START = datetime(2031, 3, 4, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)


def walk(client: AuthenticatedClient, type_id: str) -> None:
    wish = AppointmentCreate(
        appointment_type_id=type_id,
        start_time=START,
        client_name="Jane Doe",
        client_email="jane@example.com",
    )
    booked = appointments_create.sync(client=client, body=wish)
    assert isinstance(booked, AppointmentAnswer), booked
    made = booked.appointment
    assert (made.start_time, made.end_time) == (START, START + HOUR)
    assert made.client_name == "Jane Doe"
    assert made.client_email == "jane@example.com"
    assert made.status is AppointmentStatus.CONFIRMED
    assert made.appointment_type.name == "Tax Consultation"

    refused = appointments_create.sync(client=client, body=wish)
    assert isinstance(refused, ErrorAnswer), refused
    assert refused.code == "slot_taken"

    page = appointments_list.sync(client=client, from_="2031-03-04", to="2031-03-04")
    assert isinstance(page, AppointmentsAnswer), page
    assert page.appointments == [made]
    assert page.next_cursor is None

    later = AppointmentChange(start_time=START + HOUR)
    moved = appointments_change.sync(made.id, client=client, body=later)
    assert isinstance(moved, AppointmentAnswer), moved
    assert moved.appointment.id == made.id
    assert (moved.appointment.start_time, moved.appointment.end_time) == (START + HOUR, START + 2 * HOUR)
    assert moved.appointment.version == made.version + 1

    ended = AppointmentChange(status=AppointmentChangeStatus.CANCELLED, cancellation_reason="Ill")
    cancelled = appointments_change.sync(made.id, client=client, body=ended)
    assert isinstance(cancelled, AppointmentAnswer), cancelled
    assert cancelled.appointment.status is AppointmentStatus.CANCELLED
    assert cancelled.appointment.cancellation_reason == "Ill"
    assert isinstance(cancelled.appointment.cancelled_at, datetime)


if __name__ == "__main__":
    url, key, type_id = sys.argv[1:]
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        walk(client, type_id)
    print("Python: booked, listed, rescheduled, cancelled")
