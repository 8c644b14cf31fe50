"""Every calendar example of the reference, as a client written for it walks it: request, answer, error."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import JANE, Org, make_org

pytestmark = pytest.mark.anyio


@pytest.fixture
async def walked(url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Org]]:
    app = create_app(Settings(database_url=url, worker=False), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, StoppedClock().now(), timezone="America/New_York")
        async with client_of(app, org.key) as client:
            yield client, org


def holds(answer: dict[str, Any], documented: dict[str, Any]) -> None:
    """The answer is a superset of what is documented."""
    assert {field: answer.get(field, "missing") for field in documented} == documented


async def test_create_and_its_error(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, org = walked
    response = await client.post(
        "/v1/calendar/appointments", json=JANE | {"appointment_type_id": org.type_id}
    )
    assert response.status_code == 200
    assert response.json().keys() == {"appointment"}
    appointment = response.json()["appointment"]
    assert appointment["id"].startswith("apt_")
    documented = JANE | {
        "org_id": org.id,
        "appointment_type_id": org.type_id,
        "end_time": "2024-01-25T15:00:00Z",
        "status": "confirmed",
        "confirmed_at": "2024-01-20T12:00:00Z",
        "source": "manual",
        "appointment_type": {
            "id": org.type_id,
            "name": "Tax Consultation",
            "duration_minutes": 60,
            "color": "#3b82f6",
        },
    }
    holds(appointment, documented)
    error = await client.post("/v1/calendar/appointments", json={"client_name": "Jane Doe"})
    assert error.status_code == 400
    assert error.json()["error"] == "appointment_type_id, start_time, and client_name are required"


async def test_list(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, org = walked
    wish = JANE | {"appointment_type_id": org.type_id, "client_notes": "First visit"}
    made = (await client.post("/v1/calendar/appointments", json=wish)).json()["appointment"]
    response = await client.get(
        "/v1/calendar/appointments",
        params={"status": "confirmed", "from": "2024-01-01", "to": "2024-01-31", "limit": 50},
    )
    assert response.status_code == 200
    assert response.json()["appointments"] == [made]
    assert made["client_notes"] == "First visit"
    assert made["source"] == "manual"
    for other in ("pending", "completed", "cancelled", "no_show"):
        listed = await client.get("/v1/calendar/appointments", params={"status": other})
        assert listed.json()["appointments"] == []


async def test_update_and_its_error(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, org = walked
    wish = JANE | {"appointment_type_id": org.type_id}
    made = (await client.post("/v1/calendar/appointments", json=wish)).json()["appointment"]
    change = {"id": made["id"], "status": "completed", "internal_notes": "Filed on time"}
    response = await client.patch("/v1/calendar/appointments", json=change)
    assert response.status_code == 200
    appointment = response.json()["appointment"]
    holds(appointment, change | {"completed_at": "2024-01-20T12:00:00Z"})
    assert appointment["appointment_type"]["id"] == org.type_id
    moved = await client.patch(
        "/v1/calendar/appointments", json={"id": made["id"], "start_time": "2024-01-26T15:00:00Z"}
    )
    holds(moved.json()["appointment"], {"id": made["id"], "end_time": "2024-01-26T16:00:00Z"})
    error = await client.patch("/v1/calendar/appointments", json={"status": "completed"})
    assert (error.status_code, error.json()["error"]) == (400, "id is required")


async def test_appointment_types(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, org = walked
    sent = {
        "name": "Initial Consultation",
        "durationMinutes": 30,
        "description": "A first talk",
        "color": "#3b82f6",
        "bufferBeforeMinutes": 5,
        "bufferAfterMinutes": 10,
        "maxPerDay": 8,
        "maxPerWeek": None,
        "maxPerMonth": None,
        "minNoticeHours": 24,
        "maxDaysAhead": 60,
        "requiresConfirmation": False,
        "confirmWithinHours": None,
        "bookingQuestions": [{"id": "q1", "type": "textarea", "label": "Your topic?", "required": True}],
        "scheduleId": None,
        "isActive": True,
    }
    response = await client.post("/v1/calendar/appointment-types", json=sent)
    assert response.status_code == 200
    made = response.json()["appointmentType"]
    question = made["bookingQuestions"][0]
    holds(question, sent["bookingQuestions"][0])  # type: ignore[index]
    holds(made | {"bookingQuestions": sent["bookingQuestions"]}, sent)
    read_only = {"id", "orgId", "scheduleName", "sortOrder", "createdAt", "updatedAt"}
    assert read_only <= made.keys()
    changed = await client.put(
        "/v1/calendar/appointment-types", json={"id": made["id"], "durationMinutes": 45}
    )
    holds(changed.json()["appointmentType"], {"id": made["id"], "durationMinutes": 45, "name": sent["name"]})
    listed = (await client.get("/v1/calendar/appointment-types")).json()["appointmentTypes"]
    assert [kind["id"] for kind in listed] == [org.type_id, made["id"]]


async def test_availability_and_its_error(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, org = walked
    window = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
    response = await client.post("/v1/calendar/availability", json=window)
    assert response.status_code == 200
    row = response.json()["schedule"]
    documented = window | {
        "org_id": org.id,
        "appointment_type_id": None,
        "is_active": True,
        "created_at": "2024-01-20T12:00:00Z",
    }
    holds(row, documented)
    assert (await client.get("/v1/calendar/availability")).json() == {"schedules": [row]}
    replaced = await client.put(
        "/v1/calendar/availability", json={"schedules": [window, window | {"day_of_week": 2}]}
    )
    assert [each["day_of_week"] for each in replaced.json()["schedules"]] == [1, 2]
    error = await client.post("/v1/calendar/availability", json={"day_of_week": 1})
    assert error.status_code == 400
    assert error.json()["error"] == "day_of_week, start_time, and end_time are required"


async def test_lists_outside_the_calendar(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, _ = walked
    hooks = [{"url": f"https://93.184.215.14/{name}", "events": ["*"]} for name in "abc"]
    made = [(await client.post("/v1/webhooks", json=hook)).json()["data"] for hook in hooks]
    answer = (await client.get("/v1/webhooks")).json()
    assert [each["id"] for each in answer["data"]] == [each["id"] for each in made]
    holds(answer, {"success": True, "pagination": {"page": 1, "limit": 50, "total": 3}})
    second = (await client.get("/v1/webhooks", params={"page": 2, "limit": 2})).json()
    assert [each["id"] for each in second["data"]] == [made[2]["id"]]
    assert second["pagination"] == {"page": 2, "limit": 2, "total": 3}
    error = (await client.get("/v1/webhooks", params={"limit": 101})).json()
    assert error["success"] is False
    assert error["error"]["code"] == "VALIDATION_ERROR"
    assert error["error"]["details"]["field"] == "limit"


async def test_the_conventions(walked: tuple[httpx.AsyncClient, Org]) -> None:
    client, _ = walked
    response = await client.get("/v1/calendar/appointments")
    for header in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"):
        assert response.headers[header].isdigit()
    without = await client.get("/v1/calendar/appointments", headers={"Authorization": ""})
    assert without.status_code == 401
    missing = await client.get("/v1/calendar/appointments/apt_abc123")
    assert missing.status_code == 404
    assert isinstance(missing.json()["error"], str)
