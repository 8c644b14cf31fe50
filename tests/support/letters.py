"""Letters and appointments as values, for what is written out of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter, Occasion

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)


def appointment(
    *, start: datetime = datetime(2024, 1, 25, 14, tzinfo=UTC), kind: str = "Tax Consultation", **fields: Any
) -> Appointment:
    """Jane's, an hour long."""
    known = {
        "id": "apt_1",
        "org_id": "org_1",
        "appointment_type_id": "type_1",
        "calendar_id": "cal_1",
        "start_time": start,
        "end_time": start + timedelta(hours=1),
        "client_name": "Jane Doe",
        "client_email": "jane@example.com",
        "client_phone": None,
        "client_language": "en",
        "client_timezone": None,
        "client_notes": None,
        "internal_notes": "difficult patient",
        "answers": [],
        "status": "confirmed",
        "expires_at": None,
        "confirmed_at": NOON,
        "completed_at": None,
        "cancelled_at": None,
        "no_show_at": None,
        "cancellation_reason": None,
        "source": "manual",
        "overlap_allowed": False,
        "version": 1,
        "created_at": NOON,
        "updated_at": NOON,
        "appointment_type": {
            "id": "type_1",
            "name": kind,
            "duration_minutes": 60,
            "color": "#3b82f6",
        },
    }
    return Appointment.model_validate(known | fields)


def letter(
    occasion: Occasion = "confirmed",
    *,
    to_staff: bool = False,
    host: str = "Clinic",
    timezone: str = "UTC",
    before: datetime | None = None,
    link: str | None = "token",
    reply_to: str | None = None,
    language: str | None = None,
    about: Appointment | None = None,
) -> Letter:
    """To the client of an appointment, or to staff."""
    about = about or appointment()
    assert about.client_email
    return Letter(
        id="evt_1.client",
        occasion=occasion,
        to_staff=to_staff,
        address="desk@clinic.example" if to_staff else about.client_email,
        name=host if to_staff else about.client_name,
        language=language or ("en" if to_staff else about.client_language),
        timezone=timezone,
        host=host,
        appointment=about,
        before=before,
        link=None if to_staff or occasion in ("cancelled", "expired", "former") else link,
        reply_to=reply_to,
    )
