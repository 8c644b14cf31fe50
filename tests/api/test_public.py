"""What clients do without a key: look, hold, book."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import appointments, events, metadata
from kalends.settings import Settings
from kalends.telemetry import configure
from tests.api.pages import APPOINTMENTS, LINKS, TYPES, Page, open_page
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock

pytestmark = pytest.mark.anyio

QUESTIONS: list[dict[str, Any]] = [
    {"id": "q1", "type": "text", "label": "Company", "required": True},
    {"id": "q2", "type": "select", "label": "Topic", "options": ["Tax", "Audit"]},
    {"id": "q3", "type": "checkbox", "label": "First visit"},
    {"id": "q4", "type": "number", "label": "Staff"},
]


@pytest.fixture
async def page(app: FastAPI) -> AsyncIterator[Page]:
    async with open_page(app) as page:
        yield page


async def rows(db: Database, org_id: str) -> int:
    """How many appointments and holds an organization has."""

    def count(tx: Tx) -> int:
        return len(tx.execute(select(appointments.c.id).where(appointments.c.org_id == org_id)).all())

    return await db.read(count)


async def test_the_page_shows_the_active_types_in_order_and_nothing_else(page: Page) -> None:
    await page.change_type(description="Bring last year's papers.", requiresConfirmation=True, maxPerDay=3)
    await page.add_type(name="Old", isActive=False)
    last = await page.add_type(bookingQuestions=QUESTIONS, color="#fff")
    response = await page.client.get(page.path)
    assert response.status_code == 200
    assert response.json() == {
        "organization": {"slug": page.slug, "name": "Doe & Daughters", "timezone": "UTC"},
        "appointment_types": [
            {
                "id": page.type_id,
                "name": "Tax Consultation",
                "description": "Bring last year's papers.",
                "duration_minutes": 60,
                "color": "#3b82f6",
                "requires_confirmation": True,
                "questions": [],
            },
            {
                "id": last["id"],
                "name": "Review",
                "description": None,
                "duration_minutes": 30,
                "color": "#fff",
                "requires_confirmation": False,
                "questions": [{"required": False, "options": None} | each for each in QUESTIONS],
            },
        ],
    }


async def test_slots_are_told_without_calendars(page: Page) -> None:
    other = await page.add_calendar()
    own = (await page.by_staff(start_time="2024-01-25T15:00:00Z"))["calendar_id"]
    await page.change_type(calendarIds=[own, other])
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
    asked = day | {"appointment_type_id": page.type_id, "calendar_id": own}
    refused(await page.client.get(f"{page.path}/slots", params=asked), 400, "invalid_request")
    await page.by_staff(start_time="2024-01-25T15:00:00Z", calendar_id=other)
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
    page: Page, db: Database, clock: StoppedClock
) -> None:
    response = await page.post("holds", ttl_seconds=60)
    held = answered(response, "hold")
    assert held.pop("id").startswith("hold_")
    assert held == {
        "appointment_type_id": page.type_id,
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
    assert (await page.book(hold_id=id_))["appointment"]["start_time"] == "2024-01-25T14:00:00Z"
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
    await page.book(**second)
    assert await rows(db, page.org_id) == 2


async def test_what_is_answered_to_a_booking(page: Page) -> None:
    booked = await page.book(client_language="pt_BR", client_notes=" Parking? ", client_phone="+1 234 567")
    token = booked["manage_token"]
    id_ = booked["appointment"].pop("id")
    assert booked == {
        "appointment": {
            "start_time": "2024-01-25T14:00:00Z",
            "end_time": "2024-01-25T15:00:00Z",
            "status": "confirmed",
            "expires_at": None,
            "to_be_confirmed_by": None,
            "client_name": "Jane Doe",
            "client_email": "jane@example.com",
            "client_phone": "+1 234 567",
            "client_language": "pt-BR",
            "client_timezone": None,
            "client_notes": "Parking?",
            "answers": [],
            "appointment_type": {
                "id": page.type_id,
                "name": "Tax Consultation",
                "duration_minutes": 60,
                "color": "#3b82f6",
            },
            "organization": {"slug": page.slug, "name": "Doe & Daughters", "timezone": "UTC"},
            "changeable_until": "2024-01-24T14:00:00Z",
            "created_at": "2024-01-20T12:00:00Z",
        },
        "manage_url": f"http://kalends.test/v1/public/appointments/{token}",
        "manage_token": token,
    }
    assert (await page.as_staff_see(id_))["source"] == "booking_page"


async def test_a_client_books_for_the_client_only(page: Page, db: Database) -> None:
    """What staff may say in a booking is refused here."""
    room = await page.add_calendar()
    pushed = {
        "check": "none",
        "calendar_id": room,
        "internal_notes": "VIP",
        "status": "completed",
        "source": "manual",
        "expires_at": None,
        "overlap_allowed": True,
        "org_id": "org_other",
    }
    for what, names in (("appointments", pushed), ("holds", ("check", "calendar_id", "org_id"))):
        for name in names:
            body = refused(await page.post(what, **{name: pushed[name]}), 400, "invalid_request")
            assert body["error"].startswith(
                f"{name} can't be set here. These can be set: appointment_type_id, "
            )
    assert (await page.staff.get(APPOINTMENTS)).json()["appointments"] == []
    booked = await page.book(utm_source="mail", crm_reference={"id": 5})
    seen = await page.as_staff_see(booked["appointment"]["id"])
    assert seen["calendar_id"] != room
    assert (
        seen
        | {
            "org_id": page.org_id,
            "internal_notes": None,
            "status": "confirmed",
            "source": "booking_page",
            "overlap_allowed": False,
            "version": 1,
        }
        == seen
    )

    def told(tx: Tx) -> list[Any]:
        mine = select(events.c.type, events.c.payload).where(
            events.c.org_id == page.org_id, events.c.type.startswith("appointment.", autoescape=True)
        )
        return [(row.type, json.loads(row.payload)) for row in tx.execute(mine)]

    assert await db.read(told) == [
        (
            "appointment.created",
            {
                "appointment": seen,
                "actor": {"kind": "client", "id": None, "name": None},
                "check": "all",
            },
        )
    ]


async def test_every_rule_counts_whatever_the_client_says(page: Page, db: Database) -> None:
    """And no refusal says more than the rule."""
    await page.change_type(minNoticeHours=48, maxDaysAhead=5, maxPerDay=1)
    await page.book(start_time="2024-01-23T09:00:00Z")
    old = await page.add_type(isActive=False)
    idle = await page.add_type(calendarIds=[await page.add_calendar(is_active=False)])
    before = await rows(db, page.org_id)
    for code, message, wish in (
        (
            "too_soon",
            "It must be booked at least 48 hours ahead.",
            {"start_time": "2024-01-22T11:00:00Z"},
        ),
        (
            "too_far_ahead",
            "It can be booked at most 5 days ahead, now until 2024-01-25.",
            {"start_time": "2024-01-26T09:00:00Z"},
        ),
        ("outside_hours", "It is outside the opening hours.", {"start_time": "2024-01-24T08:00:00Z"}),
        (
            "off_grid",
            "Times are offered every 60 minutes from 2024-01-24T09:00:00Z on.",
            {"start_time": "2024-01-24T09:01:00Z"},
        ),
        (
            "limit_reached",
            "No more of this type can be booked in that day.",
            {"start_time": "2024-01-23T10:00:00Z"},
        ),
        (
            "type_inactive",
            "This can't be booked now.",
            {"start_time": "2024-01-24T09:00:00Z", "appointment_type_id": old["id"]},
        ),
        (
            "calendar_inactive",
            "Nobody is available at that time.",
            {"start_time": "2024-01-24T09:00:00Z", "appointment_type_id": idle["id"]},
        ),
    ):
        reason = {"code": code, "message": message}
        for what in ("appointments", "holds"):
            body = refused(await page.post(what, **wish), 409, code)
            assert body["error"] == message
            assert body["details"].keys() == {"reasons", "next_available"}
            assert body["details"]["reasons"] == [reason]
        told = await page.ask("slots/explain", **wish)
        assert (told["bookable"], told["reasons"]) == (False, [reason])
        assert told["next_available"] == body["details"]["next_available"]
    assert await rows(db, page.org_id) == before
    refused(await page.post("appointments", appointment_type_id="type_unknown"), 404, "not_found")


async def test_bookings_may_have_to_be_confirmed(page: Page, clock: StoppedClock) -> None:
    await page.change_type(requiresConfirmation=True, confirmWithinHours=2)
    booked = (await page.book())["appointment"]
    assert (booked["status"], booked["expires_at"]) == ("pending", "2024-01-20T14:00:00Z")
    refused(await page.post("appointments"), 409, "slot_taken")
    clock.forward(hours=2)
    again = (await page.book())["appointment"]
    confirmed = await page.staff.patch(f"{APPOINTMENTS}/{again['id']}", json={"status": "confirmed"})
    assert answered(confirmed, "appointment")["confirmed_at"] == "2024-01-20T14:00:00Z"
    lapsed = await page.as_staff_see(booked["id"])
    assert (lapsed["status"], lapsed["cancellation_reason"]) == ("cancelled", "confirmation_expired")


async def test_an_email_address_or_a_phone_number_at_least(page: Page, db: Database) -> None:
    for none in ({"client_email": None}, {"client_email": " ", "client_phone": "\t"}):
        body = refused(await page.post("appointments", **none), 400, "invalid_request")
        assert body["error"] == "The body: client_email or client_phone is required"
    # One good one does not make up for a bad one.
    for field, contact in (
        ("client_email", {"client_email": "jane@", "client_phone": "+1 234"}),
        ("client_phone", {"client_phone": "12"}),
    ):
        body = refused(await page.post("appointments", **contact), 400, "invalid_request")
        assert [each["field"] for each in body["details"]["fields"]] == [field]
    assert await rows(db, page.org_id) == 0
    await page.book(client_email=None, client_phone="+1 234")
    await page.book(client_phone="", start_time="2024-01-25T15:00:00Z")


async def test_missing_fields_are_named(page: Page) -> None:
    for what, sentence in (
        ("appointments", "appointment_type_id, start_time, and client_name are required"),
        ("holds", "appointment_type_id and start_time are required"),
    ):
        missing = await page.client.post(f"{page.path}/{what}", json={"start_time": " "})
        assert refused(missing, 400, "missing_fields")["error"] == sentence
    refused(await page.post("holds", ttl_seconds=901), 400, "invalid_request")


async def test_answers_are_kept_with_their_questions(page: Page) -> None:
    await page.change_type(bookingQuestions=QUESTIONS)
    given = {"q4": 2.5, "q1": " ACME ", "q3": True, "q2": ""}
    key = {"Idempotency-Key": "answers"}
    booked = (await page.post("appointments", key, answers=given)).json()
    again = await page.post("appointments", key, answers=given)
    booked["manage_token"] = again.json()["manage_token"]
    assert again.json()["appointment"] == booked["appointment"]
    kept = [
        {"id": "q1", "label": "Company", "answer": "ACME"},
        {"id": "q3", "label": "First visit", "answer": True},
        {"id": "q4", "label": "Staff", "answer": 2.5},
    ]
    assert booked["appointment"]["answers"] == kept
    own = answered(await page.client.get(f"{LINKS}/{booked['manage_token']}"), "appointment")
    assert own == booked["appointment"]
    await page.change_type(bookingQuestions=[QUESTIONS[0] | {"label": "Firm"}])
    assert (await page.as_staff_see(own["id"]))["answers"] == kept
    [made] = await page.as_staff_see(own["id"], "/history")
    assert made["after"]["answers"] == kept
    listed = (await page.staff.get(APPOINTMENTS)).json()["appointments"]
    assert [each["answers"] for each in listed] == [kept]
    later = await page.book(answers={"q1": "b"}, start_time="2024-01-26T14:00:00Z")
    assert later["appointment"]["answers"] == [{"id": "q1", "label": "Firm", "answer": "b"}]


async def test_wrong_answers_are_named_and_nothing_is_booked(page: Page, db: Database) -> None:
    await page.change_type(bookingQuestions=QUESTIONS)
    wrong = {"q2": "Law", "q3": "yes", "q4": "2", "q9": 1}
    body = refused(await page.post("appointments", answers=wrong), 400, "invalid_request")
    assert [each["field"] for each in body["details"]["fields"]] == [
        f"answers.{id_}" for id_ in ("q1", "q2", "q3", "q4", "q9")
    ]
    assert body["error"] == "answers.q1 is required"
    refused(await page.post("appointments"), 400, "invalid_request")
    refused(await page.post("appointments", answers=[]), 400, "invalid_request")
    assert await rows(db, page.org_id) == 0


async def test_a_repeated_booking_books_once_and_has_a_link_that_works(
    page: Page, db: Database, clock: StoppedClock
) -> None:
    key = {"Idempotency-Key": "mine"}
    first = await page.post("appointments", key)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (200, False)
    works = first.json()["manage_token"]
    answered(await page.client.get(f"{LINKS}/{works}"), "appointment")
    clock.forward(hours=23)
    again = await page.post("appointments", key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    fresh = again.json()["manage_token"]
    assert fresh != works
    assert again.json() == first.json() | {
        "manage_token": fresh,
        "manage_url": f"http://kalends.test{LINKS}/{fresh}",
    }
    for token in (works, fresh):
        answered(await page.client.get(f"{LINKS}/{token}"), "appointment")
    assert await rows(db, page.org_id) == 1
    # Two at once are one as well.
    later = {"start_time": "2024-01-26T14:00:00Z"}
    answers = await asyncio.gather(*(page.post("appointments", key, **later) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["appointment"]["id"] for answer in answers}) == 1
    links = await asyncio.gather(
        *(page.client.get(f"{LINKS}/{answer.json()['manage_token']}") for answer in answers)
    )
    assert [link.status_code for link in links] == [200] * 8
    assert await rows(db, page.org_id) == 2


async def test_clients_do_not_share_their_keys(page: Page, db: Database) -> None:
    key = {"Idempotency-Key": "1"}
    one = await page.post("appointments", key)
    two = await page.post("appointments", key, start_time="2024-01-25T15:00:00Z", client_name="John")
    hold = await page.post("holds", key, start_time="2024-01-25T16:00:00Z")
    staff = await page.staff.post(
        APPOINTMENTS, json=page.wish(start_time="2024-01-25T13:00:00Z"), headers=key
    )
    for made in (one, two, hold, staff):
        assert made.status_code == 200, made.text
        assert "idempotent-replayed" not in made.headers
    assert two.json()["appointment"]["client_name"] == "John"
    held = await page.post("holds", key, start_time="2024-01-25T16:00:00Z")
    assert (held.headers["idempotent-replayed"], held.json()) == ("true", hold.json())
    assert await rows(db, page.org_id) == 4


async def test_nothing_is_known_of_other_slugs(page: Page, db: Database) -> None:
    for slug in ("nobody", page.slug.upper(), page.slug[:-1], "appointments", "ünï", " "):
        for method, suffix in (
            ("GET", ""),
            ("GET", "/slots?appointment_type_id=x&from=2024-01-25&to=2024-01-25"),
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
    assert await rows(db, page.org_id) == 0


async def test_a_slug_with_nul_is_400_for_whoever_sent_it_only(page: Page) -> None:
    asked = [page.client.get(page.path if n % 2 else "/v1/public/a%00b") for n in range(10)]
    for n, response in enumerate(await asyncio.gather(*asked)):
        if n % 2:
            assert response.status_code == 200, response.text
        else:
            refused(response, 400, "invalid_request")


async def test_keys_are_not_looked_at(app: FastAPI, page: Page) -> None:
    """Neither good nor bad ones: what is public is the same for everybody."""
    async with open_page(app) as other:
        good = other.staff.headers["authorization"]
    for keys in (["Bearer vst_wrong"], ["nonsense"], [good], [good, good]):
        headers = [("Authorization", key) for key in keys]
        response = await page.client.get(page.path, headers=headers)
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "1000"
        held = await page.client.post(f"{page.path}/holds", json=page.wish(), headers=headers)
        gone = await page.client.delete(f"{page.path}/holds/{answered(held, 'hold')['id']}", headers=headers)
        assert gone.status_code == 200


@pytest.fixture
async def other_app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    """A server that counts 25 requests of each address, and lets pages of one origin call what is public."""
    settings = Settings(
        database_url=url,
        worker=False,
        public_requests_per_hour=25,
        cors_origins=("https://app.example",),
        public_cors_origins=("https://book.example",),
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        yield app


def coming_from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://kalends.test")


async def test_requests_are_counted_by_address_and_writes_as_ten(other_app: FastAPI) -> None:
    async with open_page(other_app) as page, coming_from(other_app, "203.0.113.7") as client:

        async def left(method: str, path: str, **sent: Any) -> int:
            response = await client.request(method, path, **sent)
            assert response.headers["x-ratelimit-limit"] == "25"
            assert int(response.headers["x-ratelimit-reset"]) > 0
            return int(response.headers["x-ratelimit-remaining"])

        # Refused or not, known or not: whatever is public is one account.
        assert await left("GET", page.path) == 24
        assert await left("POST", f"{page.path}/holds", json=page.wish()) == 14
        assert await left("HEAD", "/v1/public/nobody") == 13
        assert await left("POST", f"{LINKS}/unknown/cancel", content=b"{") == 3
        assert await left("GET", f"{LINKS}/unknown") == 2
        booking = await client.post(f"{page.path}/appointments", json=page.wish())
        body = refused(booking, 429, "rate_limited")
        assert body["error"].startswith("This address's 25 requests for the hour are used up")
        assert body["details"]["limit"] == 25
        assert booking.headers["x-ratelimit-remaining"] == "0"
        refused(await client.get(page.path), 429, "rate_limited")
        # Others are not touched by it, nor are keys.
        async with coming_from(other_app, "203.0.113.8") as neighbour:
            assert (await neighbour.get(page.path)).headers["x-ratelimit-remaining"] == "24"
        key = {"Authorization": page.staff.headers["authorization"]}
        assert (await client.get(TYPES, headers=key)).headers["x-ratelimit-limit"] == "1000000"


async def test_an_ipv6_network_is_one_address(other_app: FastAPI) -> None:
    for one, another, together in (
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:5:6::1", "2001:db8:5:7::1", False),
        ("::ffff:203.0.113.1", "203.0.113.1", True),
        ("::ffff:203.0.113.2", "::ffff:203.0.113.3", False),
        ("a-socket", "another-socket", False),
    ):
        async with coming_from(other_app, one) as first, coming_from(other_app, another) as second:
            await first.get("/v1/public/nobody")
            left = (await second.get("/v1/public/nobody")).headers["x-ratelimit-remaining"]
        assert left == ("23" if together else "24"), one


async def test_pages_of_some_origins_may_call_what_is_public_only(other_app: FastAPI) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    async with open_page(other_app) as page:
        for origin, public, elsewhere in (
            ("https://book.example", True, False),
            ("https://app.example", True, True),
            ("https://evil.example", False, False),
        ):
            for path, allowed in ((f"{page.path}/holds", public), (APPOINTMENTS, elsewhere)):
                preflight = await page.client.options(path, headers={"Origin": origin} | asked)
                told = preflight.headers.get("access-control-allow-origin")
                assert (preflight.status_code, told) == ((200, origin) if allowed else (400, None))
                response = await page.staff.get(path.removesuffix("/holds"), headers={"Origin": origin})
                assert response.status_code == 200
                assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
        # What is refused must be readable, too.
        for _ in range(3):
            last = await page.post("appointments", {"Origin": "https://book.example"}, start_time="?")
        refused(last, 429, "rate_limited")
        assert last.headers["access-control-allow-origin"] == "https://book.example"
        assert "Retry-After" in last.headers["access-control-expose-headers"]


async def everything_stored(db: Database) -> str:
    """Every value in every table, as text."""

    def read(tx: Tx) -> str:
        tables = metadata.tables.values()
        return "\n".join(str(tuple(row)) for table in tables for row in tx.execute(select(table)))

    return await db.read(read)


async def test_the_secret_of_a_link_is_nowhere_but_in_its_answer(
    page: Page, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    key = {"Idempotency-Key": "once"}
    answers = [await page.post("appointments", key) for _ in range(2)]
    manage = f"{APPOINTMENTS}/{answers[0].json()['appointment']['id']}/manage-link"
    answers += [await page.staff.post(manage) for _ in range(2)]
    answers += [await page.staff.post(manage, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200] * 6
    tokens = [answer.json()["manage_token"] for answer in answers]
    assert len(set(tokens)) == 6
    link = f"{LINKS}/{tokens[-1]}"
    answered(await page.client.get(link), "appointment")
    to = {"start_time": "2024-01-26T14:00:00Z"}
    for _ in range(2):
        answered(await page.client.post(f"{link}/reschedule", json=to, headers=key), "appointment")
    refused(await page.client.post(f"{link}/reschedule", json={}), 400, "missing_fields")
    other = {"Idempotency-Key": "another"}
    answered(await page.client.post(f"{link}/cancel", json={}, headers=other), "appointment")
    stored, logged = await everything_stored(db), capsys.readouterr().err
    assert answers[0].json()["appointment"]["id"] in stored
    assert "/v1/public/appointments/{token}/cancel" in logged
    for token in tokens:
        assert token not in stored
        assert token not in logged


async def test_clients_learn_nothing_of_others(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    """Whatever they ask, and whatever is refused: no other client, no note, no calendar, no name of ours."""
    secrets = {
        "client_name": "Zaphod Secret",
        "client_email": "zaphod@secret.example",
        "client_phone": "+49 555 0815",
        "client_notes": "secret wish",
        "internal_notes": "secret opinion",
    }
    async with open_page(app, maxPerDay=2, requiresConfirmation=True, slotIntervalMinutes=30) as page:
        schedule = await page.staff.post("/v1/calendar/schedules", json={"name": "Secret shifts"})
        hours = answered(schedule, "schedule")["id"]
        rooms = [await page.add_calendar(name=name) for name in ("Secret A", "Secret B")]
        closed = await page.add_calendar(name="Secret C", schedule_id=hours)
        gone = await page.add_calendar(name="Secret D")
        await page.staff.delete(f"/v1/calendar/calendars/{gone}")
        day_off = {"date": "2024-01-30", "reason": "Secret holiday"}
        answered(await page.staff.post("/v1/calendar/overrides", json=day_off), "override")
        await page.change_type(calendarIds=[*rooms, closed])
        single = (await page.add_type(calendarIds=[rooms[0]]))["id"]
        off = (await page.add_type(calendarIds=[closed], isActive=False))["id"]
        days = [f"2024-01-{day}T14:00:00Z" for day in (25, 26, 29)]
        for day in days[:2]:
            for room in rooms:
                await page.by_staff(start_time=day, calendar_id=room, **secrets)
        answered(await page.staff.post("/v1/calendar/holds", json=page.wish(start_time=days[2])), "hold")
        known = await everything_stored(db)

        answers = [await page.client.get(page.path)]
        for kind in (page.type_id, single, off, "type_unknown"):
            for start in (*days, "2024-01-25T14:30:00Z", "2024-01-25T14:20:00Z", "2024-01-30T09:00:00Z"):
                wish = {"appointment_type_id": kind, "start_time": start}
                answers += [
                    await page.client.get(f"{page.path}/slots/explain", params=wish),
                    await page.post("holds", **wish),
                ]
            span = {"appointment_type_id": kind, "from": "2024-01-25", "to": "2024-01-31"}
            answers.append(await page.client.get(f"{page.path}/slots", params=span))
        for bad in ({"answers": {"x": 1}}, {"client_email": "x"}, {"start_time": "x"}, {"hold_id": "x"}):
            answers.append(await page.post("appointments", **bad))
        booked = await page.post("appointments", start_time="2024-01-31T14:00:00Z")
        link = f"{LINKS}/{booked.json()['manage_token']}"
        await page.staff.patch(
            f"{APPOINTMENTS}/{booked.json()['appointment']['id']}",
            json={"internal_notes": "secret opinion", "status": "confirmed"},
        )
        answers += [
            booked,
            await page.post("appointments"),
            await page.client.get(link),
            await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}),
            await page.client.post(f"{link}/reschedule", json={"start_time": "2024-01-31T15:00:00Z"}),
            await page.client.post(f"{link}/cancel", json={}),
            await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}),
            await page.client.get(f"{LINKS}/unknown"),
            await page.client.delete(f"{page.path}/holds/unknown"),
        ]
        clock.forward(days=11)
        answers.append(await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}))

        def ids(tx: Tx) -> set[str]:
            """Whatever of the organization has an id, but for its types."""
            tables = [table for name, table in metadata.tables.items() if name != "appointment_types"]
            return {
                id_
                for table in tables
                if "id" in table.c
                for id_ in tx.execute(
                    select(table.c.id).where(table.c.get("org_id", table.c.id) == page.org_id)
                ).scalars()
            }

        theirs = await db.read(ids)
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 400, 404, 409}
    own = {answer.json()["hold"]["id"] for answer in answers if "hold" in answer.json()}
    own.add(booked.json()["appointment"]["id"])
    told = "\n".join(str(answer.headers) + answer.text for answer in answers)
    for secret in ("Zaphod", "zaphod", "555 0815", "secret", "Secret", "Reception", "vst_"):
        assert secret in known
        assert secret not in told
    assert {id_.partition("_")[0] for id_ in theirs} >= {"org", "cal", "sched", "apt", "hold", "key", "ovr"}
    assert own < theirs
    for id_ in theirs - own:
        assert id_ not in told


async def test_a_repeated_booking_has_no_link_once_the_address_is_another(page: Page) -> None:
    """Whoever it was that booked under the old address: the link of the new one stays good."""
    key = {"Idempotency-Key": "mine"}
    first = (await page.post("appointments", key)).json()
    path = f"{APPOINTMENTS}/{first['appointment']['id']}"
    answered(await page.staff.patch(path, json={"client_email": "jane.doe@example.com"}), "appointment")
    fresh = (await page.staff.post(f"{path}/manage-link")).json()["manage_token"]
    again = await page.post("appointments", key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json() == first | {"manage_url": None, "manage_token": None}
    answered(await page.client.get(f"{LINKS}/{fresh}"), "appointment")
    refused(await page.client.get(f"{LINKS}/{first['manage_token']}"), 404, "not_found")
    # A link that was ended stays ended, also if the old address comes back.
    answered(await page.staff.patch(path, json={"client_email": "JANE@example.com"}), "appointment")
    assert (await page.post("appointments", key)).json()["manage_token"] is None


async def test_a_repeated_booking_has_no_link_once_staff_have_ended_the_first(page: Page) -> None:
    key = {"Idempotency-Key": "mine"}
    first = (await page.post("appointments", key)).json()
    path = f"{APPOINTMENTS}/{first['appointment']['id']}"
    answered(await page.staff.patch(path, json={"client_email": "JANE@example.com"}), "appointment")
    second = (await page.post("appointments", key)).json()
    for token in (first["manage_token"], second["manage_token"]):
        answered(await page.client.get(f"{LINKS}/{token}"), "appointment")
    await page.staff.post(f"{path}/manage-link")
    assert (await page.post("appointments", key)).json() == first | {"manage_url": None, "manage_token": None}
