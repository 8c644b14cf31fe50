"""The demo: a throw-away organization with the contract's own example in it, and a key everybody knows."""

from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from kalends.core.caller import Caller
from kalends.core.pictures import picture_of
from kalends.db.database import Tx
from kalends.ids import digest
from kalends.schemas.appointment_types import AppointmentTypeCreate
from kalends.schemas.appointments import AppointmentCreate
from kalends.schemas.calendars import CalendarChange, CalendarCreate
from kalends.schemas.hours import AvailabilityCreate
from kalends.schemas.organizations import OrganizationChange
from kalends.schemas.people import PersonCreate
from kalends.services.booking import bookings
from kalends.services.outbox import parties
from kalends.services.outbox.parties import Party, operator
from kalends.services.setup import (
    appointment_types,
    availability,
    calendars,
    keys,
    links,
    logos,
    organizations,
    people,
)

KEY = "vst_demo"
ORG_ID = "org_xyz789"
TYPE_ID = "type_def456"
SLUG = "demo"
_ENTRY = "demo"

_LOOK = {
    "intro": "Taxes without tears, since 1998. Choose a time, and we will have the kettle on.",
    "address": "4 Main Street\nLondon EC1A 1AA",
    "phone": "+44 20 7946 0000",
    "contact_email": "desk@example.com",
    "color": "#0f766e",
}
_ANA = {
    "name": "Ana Pereira",
    "public_name": "Ana Pereira",
    "about": "Tax adviser. Speaks English, Portuguese and Spanish.",
    "is_public": True,
}
_BEN = {
    "name": "Ben Weber",
    "public_name": "Ben Weber",
    "about": "Accountant for small companies. Speaks English and German.",
    "is_public": True,
}
_CONSULTATION = {
    "name": "Tax Consultation",
    "durationMinutes": 60,
    "description": "Your tax return, or whatever the tax office has written to you about.",
    "location": {"kind": "address"},
    "price": {"amount": 80, "currency": "EUR"},
    "confirmationText": "Please bring the last letter from the tax office.",
    "texts": {
        "de": {
            "name": "Steuerberatung",
            "description": "Ihre Steuererklärung, oder was Ihnen das Finanzamt sonst geschrieben hat.",
            "confirmationText": "Bitte bringen Sie den letzten Brief des Finanzamts mit.",
        }
    },
}
_FIRST = {
    "name": "First Meeting",
    "durationMinutes": 30,
    "bufferAfterMinutes": 15,
    "description": "We get to know each other, by phone and free of charge.",
    "location": {"kind": "phone"},
    "price": {"amount": 0, "currency": "EUR"},
    "contact": "phone",
    "clientsChoose": True,
    "bookingQuestions": [
        {
            "id": "topic",
            "type": "select",
            "label": "What is it about?",
            "required": True,
            "options": ["Income", "A company", "An inheritance"],
        },
        {"id": "returning", "type": "checkbox", "label": "I have been a client before"},
    ],
    "texts": {
        "de": {
            "name": "Erstgespräch",
            "description": "Wir lernen uns kennen: am Telefon und kostenlos.",
            "questions": {
                "topic": {
                    "label": "Worum geht es?",
                    "options": ["Einkommen", "Eine Firma", "Eine Erbschaft"],
                },
                "returning": {"label": "Ich war schon einmal Kunde"},
            },
        }
    },
}
_CLIENTS = (
    ("John Smith", "john@example.com", "en", "Quarterly filing"),
    ("María García", "maria@example.com", "es", None),
    ("Amélie Martin", None, "fr", "Prefers a call"),
)


def fill(tx: Tx, now: datetime) -> None:
    """Make the demo: organization, key, people, types, hours, and some appointments in the days after `now`
    (UTC)."""
    organizations.create(tx, name="Demo Tax Advisers", slug=SLUG, org_id=ORG_ID, now=now)
    party = operator(ORG_ID)
    keys.create(tx, party, now, name="Demo", scopes=["admin"], lifetime=None, secret=KEY)
    caller = next(iter(keys.find(tx, [digest(KEY)]).values()))
    _show(tx, party, now)
    calendar_ids = _people(tx, party, now)
    _offer(tx, party, _CONSULTATION, now, type_id=TYPE_ID)
    _offer(tx, party, _FIRST | {"calendarIds": calendar_ids}, now)
    _staff(tx, party, calendar_ids[0], now)
    week = [
        AvailabilityCreate(day_of_week=day, start_time="09:00:00", end_time="17:00:00") for day in range(1, 6)
    ]
    availability.replace(tx, party, week, now)
    _book(tx, caller, now)


def _staff(tx: Tx, party: Party, calendar_id: str, now: datetime) -> None:
    """Make somebody of the staff, whose link to sign in with everybody knows, and may be used again."""
    wish = PersonCreate(name="Ana Pereira", scopes=["admin"], calendar_id=calendar_id)
    person = people.create(tx, party, wish, now)
    links.invite(tx, party, person.id, now, token=_ENTRY, again=True)


def _show(tx: Tx, party: Party, now: datetime) -> None:
    """Give the organization what its pages say of it."""
    organizations.change(tx, party, OrganizationChange.model_validate(_LOOK), now)
    logos.keep(tx, party, picture_of((files("kalends") / "demo.png").read_bytes()), now)


def _people(tx: Tx, party: Party, now: datetime) -> list[str]:
    """Make the two people whose time is booked: the default calendar is one of them. Returns their ids."""
    ana = calendars.default_id(tx, ORG_ID)
    calendars.change(tx, party, ana, CalendarChange.model_validate(_ANA), now)
    return [ana, calendars.create(tx, party, CalendarCreate.model_validate(_BEN), now).id]


def _offer(tx: Tx, party: Party, kind: dict[str, Any], now: datetime, type_id: str | None = None) -> None:
    appointment_types.create(tx, party, AppointmentTypeCreate.model_validate(kind), now, type_id=type_id)


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


def page(url: str) -> str:
    """Return the address of the page on which clients of the demo book, on the server at `url`."""
    return f"{url}/{SLUG}"


def entrance(url: str) -> str:
    """Return the address by which somebody of the demo's staff signs in, on the server at `url`."""
    return f"{url}/staff/enter/{_ENTRY}"


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
