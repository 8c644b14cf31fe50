"""The demo: a throw-away organization with the contract's own example in it, and a key everybody knows."""

from datetime import datetime, timedelta

from kalends.core.caller import Caller
from kalends.db.database import Tx
from kalends.ids import digest
from kalends.schemas.appointment_types import AppointmentTypeCreate
from kalends.schemas.appointments import AppointmentCreate
from kalends.schemas.hours import AvailabilityCreate
from kalends.services.booking import bookings
from kalends.services.outbox import parties
from kalends.services.outbox.parties import operator
from kalends.services.setup import appointment_types, availability, keys, organizations

KEY = "vst_demo"
ORG_ID = "org_xyz789"
TYPE_ID = "type_def456"

_CLIENTS = (
    ("John Smith", "john@example.com", "en", "Quarterly filing"),
    ("María García", "maria@example.com", "es", None),
    ("Amélie Martin", None, "fr", "Prefers a call"),
)


def fill(tx: Tx, now: datetime) -> None:
    """Make the demo: organization, key, types, hours, and some appointments in the days after `now` (UTC)."""
    organizations.create(tx, name="Demo Tax Advisers", slug="demo", org_id=ORG_ID, now=now)
    party = operator(ORG_ID)
    keys.create(tx, party, now, name="Demo", scopes=["admin"], lifetime=None, secret=KEY)
    caller = next(iter(keys.find(tx, [digest(KEY)]).values()))
    for name, minutes, after, type_id in (
        ("Tax Consultation", 60, 0, TYPE_ID),
        ("First Meeting", 30, 15, None),
    ):
        wish = AppointmentTypeCreate(name=name, durationMinutes=minutes, bufferAfterMinutes=after)
        appointment_types.create(tx, party, wish, now, type_id=type_id)
    week = [
        AvailabilityCreate(day_of_week=day, start_time="09:00:00", end_time="17:00:00") for day in range(1, 6)
    ]
    availability.replace(tx, party, week, now)
    _book(tx, caller, now)


def _book(tx: Tx, caller: Caller, now: datetime) -> None:
    nine = now.replace(hour=9, minute=0, second=0)
    for day, (name, email, language, notes) in enumerate(_CLIENTS, start=1):
        start = nine + timedelta(days=day, hours=day)
        wish = AppointmentCreate(
            appointment_type_id=TYPE_ID,
            start_time=start,
            client_name=name,
            client_email=email,
            client_language=language,
            client_notes=notes,
        )
        bookings.by_staff(tx, parties.staff(caller), wish, now)


def curl(url: str) -> str:
    """Return a command to paste: the contract's own example, against this server."""
    return f"""curl -X POST {url}/v1/calendar/appointments \\
  -H "Authorization: Bearer {KEY}" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "appointment_type_id": "{TYPE_ID}",
    "start_time": "2024-01-25T14:00:00Z",
    "client_name": "Jane Doe",
    "client_email": "jane@example.com",
    "client_phone": "+1234567890"
  }}'"""
