"""What the Python client of openapi-python-client does: by key it books, lists, reschedules and cancels, and
sends a logo; without one it books a free time, and cancels by the link. `walk.py URL KEY TYPE`."""

import sys
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from io import BytesIO

from kalends_client import AuthenticatedClient, Client
from kalends_client.api.appointments import appointments_change, appointments_create, appointments_list
from kalends_client.api.manage import manage_cancel, manage_get
from kalends_client.api.organization import organization_set_logo
from kalends_client.api.public import public_book, public_hold, public_slots
from kalends_client.models import (
    AppointmentAnswer,
    AppointmentChange,
    AppointmentChangeStatus,
    AppointmentCreate,
    AppointmentsAnswer,
    AppointmentStatus,
    BookedAnswer,
    BookedByStaffAnswer,
    Cancellation,
    ClientAppointmentAnswer,
    ClientBooking,
    ClientHoldAnswer,
    ClientHoldCreate,
    ClientSlotsAnswer,
    ErrorAnswer,
    OrganizationAnswer,
)
from kalends_client.types import File

START = datetime(2031, 3, 4, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
"""One pixel."""


def by_key(client: AuthenticatedClient, type_id: str) -> None:
    branded = organization_set_logo.sync(client=client, body=File(payload=BytesIO(PNG)))
    assert isinstance(branded, OrganizationAnswer), branded
    assert str(branded.organization.logo).startswith("/demo/logo?v=")

    wish = AppointmentCreate(
        appointment_type_id=type_id,
        start_time=START,
        client_name="Jane Doe",
        client_email="jane@example.com",
    )
    booked = appointments_create.sync(client=client, body=wish)
    assert isinstance(booked, BookedByStaffAnswer), booked
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


def publicly(client: Client, type_id: str) -> None:
    first = datetime.now(UTC).date() + timedelta(weeks=1)
    free = public_slots.sync(
        "demo",
        client=client,
        appointment_type_id=type_id,
        from_=first.isoformat(),
        to=(first + timedelta(days=6)).isoformat(),
    )
    assert isinstance(free, ClientSlotsAnswer), free
    start = free.slots[0].start_time
    assert free.slots[0].end_time == start + HOUR

    kept = public_hold.sync(
        "demo", client=client, body=ClientHoldCreate(appointment_type_id=type_id, start_time=start)
    )
    assert isinstance(kept, ClientHoldAnswer), kept

    wish = ClientBooking(
        appointment_type_id=type_id,
        start_time=start,
        client_name="Jane Doe",
        client_phone="+1234567890",
        hold_id=kept.hold.id,
    )
    booked = public_book.sync("demo", client=client, body=wish)
    assert isinstance(booked, BookedAnswer), booked
    assert (booked.appointment.start_time, booked.appointment.client_phone) == (start, "+1234567890")
    assert booked.appointment.client_email is None

    refused = public_book.sync("demo", client=client, body=wish)
    assert isinstance(refused, ErrorAnswer), refused
    assert refused.code == "hold_gone"

    seen = manage_get.sync(booked.manage_token, client=client)
    assert isinstance(seen, ClientAppointmentAnswer), seen
    assert seen.appointment == booked.appointment

    cancelled = manage_cancel.sync(booked.manage_token, client=client, body=Cancellation(reason="I am ill."))
    assert isinstance(cancelled, ClientAppointmentAnswer), cancelled
    assert cancelled.appointment.status.value == "cancelled"


if __name__ == "__main__":
    url, key, type_id = sys.argv[1:]
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        by_key(client, type_id)
    with Client(base_url=url, raise_on_unexpected_status=True) as client:
        publicly(client, type_id)
    print("openapi-python-client: by key and publicly")
