from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import events
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org, stored

pytestmark = [pytest.mark.anyio, pytest.mark.both]

PATH = "/v1/calendar/appointments"


async def test_create_answers_as_documented(client: httpx.AsyncClient, org: Org) -> None:
    appointment = await book_jane(client, org)
    assert appointment.pop("id").startswith("apt_")
    assert appointment == {
        "org_id": org.id,
        "appointment_type_id": org.type_id,
        "calendar_id": org.calendar_id,
        "calendars": [{"requirement": "calendar", "calendar_id": org.calendar_id}],
        "start_time": "2024-01-25T14:00:00Z",
        "end_time": "2024-01-25T15:00:00Z",
        "client_name": "Jane Doe",
        "client_email": "jane@example.com",
        "client_phone": "+1234567890",
        "client_language": "en",
        "client_timezone": None,
        "client_notes": None,
        "internal_notes": None,
        "answers": [],
        "expires_at": None,
        "status": "confirmed",
        "confirmed_at": "2024-01-20T12:00:00Z",
        "completed_at": None,
        "cancelled_at": None,
        "no_show_at": None,
        "cancellation_reason": None,
        "source": "manual",
        "overlap_allowed": False,
        "version": 1,
        "created_at": "2024-01-20T12:00:00Z",
        "updated_at": "2024-01-20T12:00:00Z",
        "appointment_type": {
            "id": org.type_id,
            "name": "Tax Consultation",
            "duration_minutes": 60,
            "color": "#3b82f6",
        },
    }


async def test_create_keeps_every_field(client: httpx.AsyncClient, org: Org) -> None:
    sent: dict[str, Any] = {
        "client_language": "pt-BR",
        "client_notes": "Parking?\nBlue car.",
        "internal_notes": "VIP",
        "client_name": "  José 🦊  ",
        "calendar_id": org.calendar_id,
        "client_email": None,
        "client_phone": "",
        "some_field_of_the_original": [1, {"x": None}],
    }
    made = await book_jane(client, org, **sent)
    shown = answered(await client.get(f"{PATH}/{made['id']}"), "appointment")
    assert shown == made
    assert {field: shown[field] for field in sent if field in shown} == {
        "client_language": "pt-BR",
        "client_notes": "Parking?\nBlue car.",
        "internal_notes": "VIP",
        "client_name": "José 🦊",
        "calendar_id": org.calendar_id,
        "client_email": None,
        "client_phone": None,
    }


async def test_create_writes_its_event(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    response = await client.post(PATH, json=org.wish())

    def told(tx: Tx) -> list[tuple[str, str]]:
        rows = tx.execute(select(events.c.type, events.c.payload).where(events.c.org_id == org.id))
        return [(row.type, row.payload) for row in rows]

    [(kind, payload)] = await db.read(told)
    assert kind == "appointment.created"
    assert httpx.Response(200, text=payload).json() == {
        "appointment": response.json()["appointment"],
        "actor": {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"},
        "check": "conflicts",
    }


async def test_create_over_another_is_refused_with_reasons(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    first = await book_jane(client, org)
    body = refused(
        await client.post(PATH, json=org.wish(start_time="2024-01-25T14:30:00Z")), 409, "slot_taken"
    )
    assert body["details"]["reasons"] == [
        {
            "code": "conflict",
            "message": f"Appointment {first['id']} keeps the calendar busy from 2024-01-25T14:00:00Z "
            "to 2024-01-25T15:00:00Z, buffers included.",
            "calendar_id": org.calendar_id,
            "appointment_id": first["id"],
            "start_time": "2024-01-25T14:00:00Z",
            "end_time": "2024-01-25T15:00:00Z",
            "busy_start": "2024-01-25T14:00:00Z",
            "busy_end": "2024-01-25T15:00:00Z",
        }
    ]
    assert await stored(db, org) == 1


async def test_create_forced_needs_admin(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    await book_jane(client, org)
    forced = await book_jane(client, org, check="none")
    assert forced["overlap_allowed"] is True

    staff = await make_org(db, clock.now(), scopes=("write", "delete"))
    async with client_of(app, staff.key) as theirs:
        body = refused(await theirs.post(PATH, json=staff.wish(check="none")), 403, "scope_missing")
    assert body["details"] == {"scope": "admin"}
    assert await stored(db, staff) == 0


async def test_dry_run_checks_everything_and_stores_nothing(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    for _ in range(2):
        made = answered(await client.post(PATH, json=org.wish(), params={"dry_run": "true"}), "appointment")
    assert await stored(db, org) == 0
    refused(await client.get(f"{PATH}/{made['id']}"), 404, "not_found")
    answered(await client.post(PATH, json=org.wish(), params={"dry_run": "false"}), "appointment")
    refused(await client.post(PATH, json=org.wish(), params={"dry_run": "true"}), 409, "slot_taken")
    refused(await client.post(PATH, json=org.wish(), params={"dry_run": "yes"}), 400, "invalid_request")
    assert await stored(db, org) == 1


async def test_get_never_shows_another_organizations_appointment(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made = await book_jane(client, org)
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as theirs:
        theirs_404 = refused(await theirs.get(f"{PATH}/{made['id']}"), 404, "not_found")
        unknown = refused(await theirs.get(f"{PATH}/apt_unknown"), 404, "not_found")
        assert theirs_404 == unknown
        other_type = refused(await theirs.post(PATH, json=org.wish()), 404, "not_found")
        unknown_type = refused(
            await theirs.post(PATH, json=org.wish(appointment_type_id="type_unknown")), 404, "not_found"
        )
        assert other_type == unknown_type


@pytest.mark.parametrize(
    "id_", ["../../etc/passwd", "a'b\"c", "x" * 10_000, "apt_%27%20OR%201=1", "ünï", "%F0%9F%A6%8A", " "]
)
async def test_get_unknown_ids_are_404(client: httpx.AsyncClient, id_: str) -> None:
    refused(await client.get(f"{PATH}/{id_}"), 404, "not_found")


async def test_get_an_id_with_nul_is_400(client: httpx.AsyncClient) -> None:
    refused(await client.get(f"{PATH}/a%00b"), 400, "invalid_request")


async def test_an_inactive_type_is_409(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    made = answered(
        await client.post(
            "/v1/calendar/appointment-types", json={"name": "Old", "durationMinutes": 5, "isActive": False}
        ),
        "appointmentType",
    )
    refused(await client.post(PATH, json=org.wish(appointment_type_id=made["id"])), 409, "type_inactive")
    assert await stored(db, org) == 0
