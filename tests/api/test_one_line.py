"""Fields of one line, wherever they come in: what is typed there makes no line, and turns no text."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.desk import book_jane, open_desk
from tests.support.organizations import Org, stored

pytestmark = pytest.mark.anyio

BASE = "/v1/calendar"
TYPED = " Jane\r\nStatus: paid\u2028\u202e\x07Doe\x85\t"
FOLDED = "Jane Status: paid Doe"
TEXT, LINES = "one\u202e\ntwo\x1b[2J\u2066\u2029\tthree\x07", "one\ntwo[2J\n\tthree"
NOTHING = ["\u202e", "\x07\u200f", "\u200b \u2060", "\n\u2028", "\u3164"]


async def put(client: httpx.AsyncClient, method: str, path: str, thing: str, **body: Any) -> dict[str, Any]:
    response = await client.request(method, path, json=body)
    assert response.status_code in (200, 201), response.text
    made: dict[str, Any] = response.json()[thing]
    return made


async def test_names_are_folded_wherever_they_come_in(client: httpx.AsyncClient, org: Org) -> None:
    for method, path, thing, body in (
        ("POST", f"{BASE}/appointment-types", "appointmentType", {"durationMinutes": 30}),
        ("PUT", f"{BASE}/appointment-types/{org.type_id}", "appointmentType", {}),
        ("POST", f"{BASE}/calendars", "calendar", {}),
        ("PATCH", f"{BASE}/calendars/{org.calendar_id}", "calendar", {}),
        ("POST", f"{BASE}/schedules", "schedule", {}),
        ("PATCH", "/v1/organization", "organization", {}),
        ("POST", "/v1/keys", "key", {}),
        ("POST", "/v1/webhooks", "data", {"url": "https://93.184.216.34/", "events": ["*"]}),
    ):
        made = await put(client, method, path, thing, **body, name=TYPED)
        assert made["name"] == FOLDED, path
        for nothing in NOTHING:
            response = await client.request(method, path, json=body | {"name": nothing})
            assert response.status_code == 400, path


async def test_a_clients_name_is_folded_by_staff_and_by_clients(app: FastAPI) -> None:
    page = await open_desk(app)
    made = await page.booked(client_name=TYPED, client_notes=TEXT, internal_notes=TEXT)
    assert (made["client_name"], made["client_notes"], made["internal_notes"]) == (FOLDED, LINES, LINES)
    path = f"{BASE}/appointments/{made['id']}"
    wish = {"client_name": "A\nB", "status": "cancelled", "cancellation_reason": TEXT}
    changed = answered(await page.staff.patch(path, json=wish), "appointment")
    assert (changed["client_name"], changed["cancellation_reason"]) == ("A B", LINES)
    booked = (await page.booked_by_client(client_name=TYPED, client_notes=TEXT))["appointment"]
    assert (booked["client_name"], booked["client_notes"]) == (FOLDED, LINES)


@pytest.mark.parametrize("nothing", NOTHING)
async def test_a_name_that_shows_nothing_is_missing(
    client: httpx.AsyncClient, db: Database, org: Org, nothing: str
) -> None:
    answer = refused(
        await client.post(f"{BASE}/appointments", json=org.wish(client_name=nothing)), 400, "missing_fields"
    )
    assert answer["error"] == "appointment_type_id, start_time, and client_name are required"
    assert await stored(db, org) == 0
    made = await book_jane(client, org, client_notes=nothing)
    assert made["client_notes"] is None
    path = f"{BASE}/appointments/{made['id']}"
    refused(await client.patch(path, json={"client_name": nothing}), 400, "invalid_request")
    assert answered(await client.get(path), "appointment") == made


@pytest.mark.parametrize("name", ["می‌خواهم", "👨‍👩‍👧 Doe", "क्‍ष", "Zoë O’Neil", "محمد"])
async def test_names_of_people_stay_as_they_are(client: httpx.AsyncClient, org: Org, name: str) -> None:
    made = await book_jane(client, org, client_name=name)
    assert made["client_name"] == name


async def test_what_is_folded_is_judged_by_the_length_it_then_has(
    client: httpx.AsyncClient, org: Org
) -> None:
    long = "x" * 254 + "\u202e\n" * 100 + "y"
    refused(
        await client.post(f"{BASE}/appointments", json=org.wish(client_name=long)), 400, "invalid_request"
    )
    fits = org.wish(client_name="x" * 255 + "\u202e\n" * 100)
    made = answered(await client.post(f"{BASE}/appointments", json=fits), "appointment")
    assert made["client_name"] == "x" * 255


async def test_ids_are_never_altered(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    for field in ("appointment_type_id", "calendar_id"):
        good = org.type_id if field == "appointment_type_id" else org.calendar_id
        wish = org.wish(**{field: f"{good[:9]}\u202e{good[9:]}"})
        refused(await client.post(f"{BASE}/appointments", json=wish), 404, "not_found")
    assert await stored(db, org) == 0


async def test_questions_and_answers_of_one_line_are_folded(app: FastAPI) -> None:
    questions = [
        {"id": "a", "type": "text", "label": TYPED},
        {"id": "b", "type": "textarea", "label": "B"},
        {"id": "c", "type": "select", "label": "C", "options": ["Red\nwine", "Beer"]},
        {"id": "d", "type": "phone", "label": "D"},
        {"id": "e", "type": "email", "label": "E"},
    ]
    page = await open_desk(app, bookingQuestions=questions)
    kind = answered(await page.staff.get(f"{BASE}/appointment-types/{page.org.type_id}"), "appointmentType")
    assert kind["bookingQuestions"][0]["label"] == FOLDED
    assert kind["bookingQuestions"][2]["options"] == ["Red wine", "Beer"]
    given = {
        "a": TYPED,
        "b": TEXT,
        "c": "Red\u202e\nwine",
        "d": "tel:+49\xa089\u2013123",
        "e": "\u200bmailto:Jane@EXAMPLE.com",
    }
    booked = (await page.booked_by_client(answers=given))["appointment"]
    assert [each["answer"] for each in booked["answers"]] == [
        *(FOLDED, LINES, "Red wine"),
        *("+49 89-123", "Jane@example.com"),
    ]
    assert booked["answers"][0]["label"] == FOLDED
