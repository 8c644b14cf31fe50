"""What clients see without a key, and the holds they take."""

import asyncio
from typing import Any

import pytest

from kalends.db.database import Database
from tests.api.questions import QUESTIONS
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, Desk
from tests.support.organizations import rows

pytestmark = pytest.mark.anyio


TEXTS = (
    "language",
    "intro",
    "address",
    "phone",
    "contact_email",
    "privacy_url",
    "terms_url",
    "color",
    "logo",
)
TERMS: dict[str, Any] = {
    "min_notice_hours": 24,
    "max_days_ahead": 60,
    "location": None,
    "price": None,
    "contact": "either",
    "texts": {},
    "calendars": [],
}


async def test_the_page_shows_the_active_types_in_order_and_nothing_else(page: Desk) -> None:
    await page.set_type(description="Bring last year's papers.", requiresConfirmation=True, maxPerDay=3)
    await page.add_type(name="Old", isActive=False)
    last = await page.add_type(bookingQuestions=QUESTIONS, color="#fff")
    response = await page.client.get(page.path)
    assert response.status_code == 200
    assert response.json() == {
        "organization": {
            "slug": page.org.slug,
            "name": "Doe & Daughters",
            "timezone": "UTC",
            "week_start": 1,
            "client_notice_hours": 24,
            "client_grace_minutes": 15,
        }
        | dict.fromkeys(TEXTS),
        "appointment_types": [
            {
                "id": page.org.type_id,
                "name": "Tax Consultation",
                "description": "Bring last year's papers.",
                "duration_minutes": 60,
                "color": "#3b82f6",
                "requires_confirmation": True,
                "questions": [],
                "slug": "tax-consultation",
            }
            | TERMS,
            {
                "id": last["id"],
                "name": "Review",
                "description": None,
                "duration_minutes": 30,
                "color": "#fff",
                "requires_confirmation": False,
                "questions": [{"required": False, "options": None} | each for each in QUESTIONS],
                "slug": "review",
            }
            | TERMS,
        ],
    }


async def test_the_page_shows_how_the_organization_wants_to_look(page: Desk) -> None:
    look = {
        "language": "de-AT",
        "intro": "Welcome.\nRing the bell.",
        "address": "Main St 4\nSpringfield",
        "phone": "+43 1 234567",
        "contact_email": "desk@clinic.example",
        "privacy_url": "https://clinic.example/privacy",
        "terms_url": "https://clinic.example/terms",
        "color": "#0a7",
    }
    answered(await page.staff.patch("/v1/organization", json=look | {"week_start": 0}), "organization")
    shown = (await page.client.get(page.path)).json()["organization"]
    assert shown.items() >= (look | {"week_start": 0, "logo": None}).items()


async def test_what_is_for_those_who_have_booked_is_not_for_everybody(page: Desk) -> None:
    await page.set_type(
        location={"kind": "link", "value": "https://meet.example/secret-room"},
        confirmationText="Door code 1234",
        redirectUrl="https://clinic.example/secret-thanks",
        texts={"de": {"name": "Beratung", "confirmationText": "Code 1234"}},
    )
    response = await page.client.get(page.path)
    [shown] = response.json()["appointment_types"]
    assert shown["location"] == {"kind": "link", "value": None}
    assert shown["texts"]["de"]["name"] == "Beratung"
    assert "1234" not in response.text
    assert "secret" not in response.text


async def test_only_public_types_and_public_calendars_are_shown(page: Desk) -> None:
    own, other = page.org.calendar_id, await page.room()
    await page.set_type(calendarIds=[other, own], clientsChoose=True)
    await page.add_type(name="Secret", visibility="link")
    await page.add_type(name="Staff's", visibility="staff")
    shown = (await page.client.get(page.path)).json()["appointment_types"]
    assert [(each["name"], each["calendars"]) for each in shown] == [("Tax Consultation", [])]
    ana = {"public_name": "Dr. Ana", "about": "Speaks Spanish", "is_public": True}
    answered(await page.staff.patch(f"/v1/calendar/calendars/{other}", json=ana), "calendar")
    answered(await page.staff.patch(f"/v1/calendar/calendars/{own}", json={"is_public": True}), "calendar")
    [shown] = (await page.client.get(page.path)).json()["appointment_types"]
    names = [(each["id"], each["name"], each["about"]) for each in shown["calendars"]]
    assert names[0] == (other, "Dr. Ana", "Speaks Spanish")
    assert names[1][0] == own
    await page.set_type(clientsChoose=False)
    [shown] = (await page.client.get(page.path)).json()["appointment_types"]
    assert shown["calendars"] == []


async def test_slots_are_told_without_calendars(page: Desk) -> None:
    other = await page.room()
    own = (await page.booked("2024-01-25T15:00:00Z"))["calendar_id"]
    await page.set_type(calendarIds=[own, other])
    day = {"from": "2024-01-25T14:00:00Z", "to": "2024-01-25"}
    afternoon = {
        "slots": [
            {"start_time": f"2024-01-25T{hour}:00:00Z", "end_time": f"2024-01-25T{hour + 1}:00:00Z"}
            for hour in (14, 15, 16)
        ],
        "timezone": "UTC",
    }
    assert await page.ask("slots", **day) == afternoon
    # Which calendar it would be is not for clients to ask.
    asked = day | {"appointment_type_id": page.org.type_id, "calendar_id": own}
    refused(await page.client.get(f"{page.path}/slots", params=asked), 400, "invalid_request")
    await page.booked("2024-01-25T15:00:00Z", calendar_id=other)
    local = await page.ask("slots", timezone="Asia/Kathmandu", **day)
    assert local == {
        "slots": [
            {
                "start_time": f"2024-01-25T{hour}:00:00Z",
                "end_time": f"2024-01-25T{hour + 1}:00:00Z",
                "local_start_time": f"2024-01-25T{hour + 5}:45:00+05:45",
                "local_end_time": f"2024-01-25T{hour + 6}:45:00+05:45",
            }
            for hour in (14, 16)
        ],
        "timezone": "Asia/Kathmandu",
    }
    told = await page.ask("slots/explain", start_time="2024-01-25T15:00:00Z")
    assert told == {
        "bookable": False,
        "reasons": [{"code": "conflict", "message": "The time is taken."}],
        "next_available": [
            f"2024-01-{time}:00:00Z" for time in ("25T16", "26T09", "26T10", "26T11", "26T12")
        ],
    }
    free = await page.ask("slots/explain", start_time="2024-01-25T14:00:00Z")
    assert (free["bookable"], free["reasons"]) == (True, [])


async def test_a_hold_keeps_time_until_it_is_used_released_or_expired(
    page: Desk, db: Database, clock: StoppedClock
) -> None:
    response = await page.post("holds", ttl_seconds=60)
    held = answered(response, "hold")
    assert held.pop("id").startswith("hold_")
    assert held == {
        "appointment_type_id": page.org.type_id,
        "start_time": "2024-01-25T14:00:00Z",
        "end_time": "2024-01-25T15:00:00Z",
        "expires_at": "2024-01-20T12:01:00Z",
    }
    id_ = response.json()["hold"]["id"]
    for what in ("holds", "appointments"):
        body = refused(await page.post(what), 409, "slot_taken")
        assert body["details"]["reasons"] == [{"code": "conflict", "message": "The time is taken."}]
    refused(await page.staff.post(APPOINTMENTS, json=page.wish()), 409, "slot_taken")
    clock.forward(seconds=59)
    moved = await page.post("appointments", hold_id=id_, start_time="2024-01-25T15:00:00Z")
    refused(moved, 409, "hold_mismatch")
    assert (await page.booked_by_client(hold_id=id_))["appointment"]["start_time"] == "2024-01-25T14:00:00Z"
    refused(await page.post("appointments", hold_id=id_), 409, "hold_gone")

    second = {"start_time": "2024-01-25T15:00:00Z"}
    released = answered(await page.post("holds", **second), "hold")
    assert released["expires_at"] == "2024-01-20T12:05:59Z"
    address = f"{page.path}/holds/{released['id']}"
    assert (await page.client.delete(address)).json() == {"id": released["id"], "deleted": True}
    refused(await page.client.delete(address), 404, "not_found")
    expired = answered(await page.post("holds", **second), "hold")
    clock.forward(seconds=300)
    refused(await page.client.delete(f"{page.path}/holds/{expired['id']}"), 404, "not_found")
    refused(await page.post("appointments", hold_id=expired["id"], **second), 409, "hold_gone")
    await page.booked_by_client(**second)
    assert await rows(db, page.org.id) == 2


async def test_nothing_is_known_of_other_slugs(page: Desk, db: Database) -> None:
    for slug in ("nobody", page.org.slug.upper(), page.org.slug[:-1], "appointments", "ünï", " "):
        for method, suffix in (
            ("GET", ""),
            ("GET", "/slots?appointment_type_id=x&from=2024-01-25&to=2024-01-25"),
            ("GET", "/days?appointment_type_id=x&from=2024-01-25&to=2024-01-25"),
            ("GET", "/slots/explain?appointment_type_id=x&start_time=2024-01-25T14:00:00Z"),
            ("POST", "/holds"),
            ("DELETE", "/holds/x"),
            ("POST", "/appointments"),
        ):
            body = page.wish() if method == "POST" else None
            response = await page.client.request(method, f"/v1/public/{slug}{suffix}", json=body)
            refused(response, 404, "not_found")
    refused(await page.staff.patch("/v1/organization", json={"slug": "appointments"}), 409, "already_exists")
    refused(await page.client.get("/v1/public/"), 404, "not_found")
    refused(await page.client.get("/v1/public"), 401, "unauthorized")
    assert await rows(db, page.org.id) == 0


async def test_a_slug_with_nul_is_400_for_whoever_sent_it_only(page: Desk) -> None:
    asked = [page.client.get(page.path if n % 2 else "/v1/public/a%00b") for n in range(10)]
    for n, response in enumerate(await asyncio.gather(*asked)):
        if n % 2:
            assert response.status_code == 200, response.text
        else:
            refused(response, 400, "invalid_request")
