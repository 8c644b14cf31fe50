"""Booking pages: an organization that is open from nine to five every day, its staff, and a client of it."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import appointments
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys, organizations
from tests.support.answers import answered
from tests.support.clients import client_of

APPOINTMENTS = "/v1/calendar/appointments"
LINKS = "/v1/public/appointments"
TYPES = "/v1/calendar/appointment-types"
QUESTIONS: list[dict[str, Any]] = [
    {"id": "q1", "type": "text", "label": "Company", "required": True},
    {"id": "q2", "type": "select", "label": "Topic", "options": ["Tax", "Audit"]},
    {"id": "q3", "type": "checkbox", "label": "First visit"},
    {"id": "q4", "type": "number", "label": "Staff"},
]
WEEK = [{"day_of_week": day, "start_time": "09:00:00", "end_time": "17:00:00"} for day in range(7)]


@dataclass(frozen=True)
class Page:
    """`staff` has a key for everything, `client` has none."""

    org_id: str
    slug: str
    type_id: str
    staff: httpx.AsyncClient
    client: httpx.AsyncClient

    @property
    def path(self) -> str:
        return f"/v1/public/{self.slug}"

    def wish(self, **fields: Any) -> dict[str, Any]:
        """A client's booking, with these fields."""
        return {
            "appointment_type_id": self.type_id,
            "start_time": "2024-01-25T14:00:00Z",
            "client_name": "Jane Doe",
            "client_email": "jane@example.com",
        } | fields

    async def post(
        self, what: str, headers: dict[str, str] | None = None, /, **fields: Any
    ) -> httpx.Response:
        """Ask for `holds` or `appointments` of the page."""
        return await self.client.post(f"{self.path}/{what}", json=self.wish(**fields), headers=headers)

    async def ask(self, question: str, **query: str) -> Any:
        """What `slots` or `slots/explain` answer about the page's type."""
        asked = {"appointment_type_id": self.type_id} | query
        response = await self.client.get(f"{self.path}/{question}", params=asked)
        assert response.status_code == 200, response.text
        return response.json()

    async def book(self, **fields: Any) -> dict[str, Any]:
        """Book as a client; what was answered."""
        response = await self.post("appointments", **fields)
        assert response.status_code == 200, response.text
        booked: dict[str, Any] = response.json()
        return booked

    async def by_staff(self, **fields: Any) -> dict[str, Any]:
        """Book as staff; the appointment."""
        return answered(await self.staff.post(APPOINTMENTS, json=self.wish(**fields)), "appointment")

    async def as_staff_see(self, appointment_id: str, suffix: str = "") -> Any:
        response = await self.staff.get(f"{APPOINTMENTS}/{appointment_id}{suffix}")
        return answered(response, "history" if suffix else "appointment")

    async def change_type(self, **fields: Any) -> None:
        answered(await self.staff.put(f"{TYPES}/{self.type_id}", json=fields), "appointmentType")

    async def add_type(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "Review", "durationMinutes": 30} | fields
        return answered(await self.staff.post(TYPES, json=body), "appointmentType")

    async def add_calendar(self, **fields: Any) -> str:
        body = {"name": "Second room"} | fields
        made = answered(await self.staff.post("/v1/calendar/calendars", json=body), "calendar")
        return str(made["id"])


@contextlib.asynccontextmanager
async def open_page(
    app: FastAPI, *, timezone: str = "UTC", sandbox: bool = False, **kind: Any
) -> AsyncIterator[Page]:
    """The page of a new organization, with one type."""
    context = app.state.context
    slug = f"page-{uuid.uuid4().hex}"
    org_id, key = await context.database.write(_make, slug, timezone, sandbox, context.clock.now())
    async with client_of(app, key) as staff, client_of(app, None) as client:
        body = {"name": "Tax Consultation", "durationMinutes": 60} | kind
        made = answered(await staff.post(TYPES, json=body), "appointmentType")
        answered(await staff.put("/v1/calendar/availability", json={"schedules": WEEK}), "schedules")
        yield Page(org_id, slug, made["id"], staff, client)


def _make(tx: Tx, slug: str, timezone: str, sandbox: bool, now: datetime) -> tuple[str, str]:
    row = organizations.create(
        tx, name="Doe & Daughters", slug=slug, timezone=timezone, sandbox=sandbox, now=now
    )
    key = keys.create(tx, operator(row["id"]), name="Reception", scopes=["admin"], lifetime=None, now=now)
    return row["id"], key["key"]


async def rows(db: Database, org_id: str) -> int:
    """How many appointments and holds an organization has."""

    def count(tx: Tx) -> int:
        return len(tx.execute(select(appointments.c.id).where(appointments.c.org_id == org_id)).all())

    return await db.read(count)
