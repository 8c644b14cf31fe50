"""Letters and appointments as values, and what is written out of them."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any

from kalends.delivery import calendar_files
from kalends.delivery.letters import written
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter, Occasion, Particulars

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)
SENDER = "booking@clinic.example"
BASE = "https://book.example"


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
    link_template: str | None = None,
    reply_to: str | None = None,
    language: str | None = None,
    about: Appointment | None = None,
    particulars: Particulars | None = None,
    changeable: bool = True,
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
        link_template=link_template,
        particulars=particulars or Particulars(),
        changeable=changeable,
    )


def sent(what: Letter) -> bytes:
    """The mail as it goes over the wire."""
    return written(what, SENDER, NOON, BASE).as_bytes(policy=SMTP.clone(cte_type="7bit"))


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(what: Letter, kind: str) -> str:
    [found] = [part for part in read(sent(what)).walk() if part.get_content_type() == kind]
    return str(found.get_content()).replace("\r\n", "\n")


def feed_of(host: str, appointments: list[Appointment], zone: str) -> bytes:
    years = {each.start_time.year for each in appointments}
    file = calendar_files.Feed(host, zone, (min(years), max(years)))
    return file.whole(file.part([each]) for each in appointments)
