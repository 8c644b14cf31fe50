"""What the Python client of openapi-generator does: by key it books, lists, reschedules, cancels, and makes
and deletes a webhook; without one it books a free time, and cancels by the link.
`walk_generated.py URL KEY TYPE`."""

import sys
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from openapi_client import (
    ApiClient,
    AppointmentChange,
    AppointmentCreate,
    AppointmentsApi,
    Cancellation,
    ClientBooking,
    ClientHoldCreate,
    Configuration,
    ErrorAnswer,
    HoldCreate,
    HoldsApi,
    ManageApi,
    OrganizationApi,
    PublicApi,
    WebhookCreate,
    WebhooksApi,
)
from openapi_client.exceptions import ConflictException

START = datetime(2031, 3, 6, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
"""One pixel."""


def by_key(client: ApiClient, type_id: str) -> None:
    appointments = AppointmentsApi(client)
    wish = AppointmentCreate(
        appointment_type_id=type_id,
        start_time=START,
        client_name="Jane Doe",
        client_email="jane@example.com",
        client_notes=None,
    )
    made = appointments.appointments_create(wish).appointment
    assert (made.start_time, made.end_time) == (START, START + HOUR)
    assert (made.client_name, made.client_email) == ("Jane Doe", "jane@example.com")
    assert (made.status, made.client_phone, made.answers) == ("confirmed", None, [])
    assert made.appointment_type.name == "Tax Consultation"

    assert code_of(lambda: appointments.appointments_create(wish)) == "slot_taken"

    page = appointments.appointments_list(var_from="2031-03-06", to="2031-03-06")
    assert page.appointments == [made]
    assert page.next_cursor is None

    moved = appointments.appointments_change(made.id, AppointmentChange(start_time=START + HOUR))
    assert moved.appointment.id == made.id
    assert (moved.appointment.start_time, moved.appointment.end_time) == (START + HOUR, START + 2 * HOUR)
    assert moved.appointment.client_email == "jane@example.com", "what is not sent stays"

    ended = AppointmentChange(status="cancelled", cancellation_reason="Ill")
    cancelled = appointments.appointments_change(made.id, ended).appointment
    assert (cancelled.status, cancelled.cancellation_reason) == ("cancelled", "Ill")
    assert isinstance(cancelled.cancelled_at, datetime)

    history = appointments.appointments_history(made.id).history
    assert [each.version for each in history] == [1, 2, 3]
    assert history[0].before is None
    assert history[0].actor is not None
    assert history[0].actor.kind == "api_key"

    holds = HoldsApi(client)
    hold = holds.holds_create(HoldCreate(appointment_type_id=type_id, start_time=START)).hold
    assert holds.holds_delete(hold.id).deleted is True

    branded = OrganizationApi(client).organization_set_logo(PNG).organization
    assert str(branded.logo).startswith("/demo/logo?v=")

    webhooks = WebhooksApi(client)
    created = webhooks.webhooks_create(WebhookCreate(url="http://127.0.0.1:1/hook", events=["appointment.*"]))
    assert created.success is True
    assert created.data.name is None
    assert webhooks.webhooks_delete(created.data.id).data.deleted is True


def publicly(client: ApiClient, type_id: str) -> None:
    public, manage = PublicApi(client), ManageApi(client)
    first = datetime.now(UTC).date() + timedelta(weeks=3)
    free = public.public_slots(
        slug="demo",
        appointment_type_id=type_id,
        var_from=first.isoformat(),
        to=(first + timedelta(days=6)).isoformat(),
    )
    start = free.slots[0].start_time
    assert free.slots[0].end_time == start + HOUR

    hold = public.public_hold("demo", ClientHoldCreate(appointment_type_id=type_id, start_time=start)).hold
    wish = ClientBooking(
        appointment_type_id=type_id,
        start_time=start,
        client_name="Jane Doe",
        client_phone="+1234567890",
        hold_id=hold.id,
    )
    booked = public.public_book("demo", wish)
    assert (booked.appointment.start_time, booked.appointment.client_phone) == (start, "+1234567890")
    assert booked.appointment.client_email is None

    assert code_of(lambda: public.public_book("demo", wish)) == "hold_gone"

    assert manage.manage_get(booked.manage_token).appointment == booked.appointment
    cancelled = manage.manage_cancel(booked.manage_token, Cancellation(reason="I am ill."))
    assert cancelled.appointment.status == "cancelled"


def code_of(call: Callable[[], object]) -> str:
    """The code of the refusal that the call must meet."""
    try:
        call()
    except ConflictException as conflict:
        refusal = conflict.data
    else:
        raise AssertionError("it was not refused")
    assert isinstance(refusal, ErrorAnswer), refusal
    return str(refusal.code)


if __name__ == "__main__":
    url, key, type_id = sys.argv[1:]
    with ApiClient(Configuration(host=url, access_token=key)) as client:
        by_key(client, type_id)
    with ApiClient(Configuration(host=url)) as client:
        publicly(client, type_id)
    print("openapi-generator, Python: by key and publicly")
