"""What clients book without a key, and what is answered."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import events
from tests.api.questions import QUESTIONS
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, Desk
from tests.support.organizations import rows

pytestmark = pytest.mark.anyio


async def test_what_is_answered_to_a_booking(page: Desk) -> None:
    booked = await page.booked_by_client(
        client_language="pt_BR", client_notes=" Parking? ", client_phone="+1 234 567"
    )
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
                "id": page.org.type_id,
                "name": "Tax Consultation",
                "duration_minutes": 60,
                "color": "#3b82f6",
            },
            "organization": {"slug": page.org.slug, "name": "Doe & Daughters", "timezone": "UTC"},
            "changeable_until": "2024-01-24T14:00:00Z",
            "created_at": "2024-01-20T12:00:00Z",
        },
        "manage_url": f"http://kalends.test/manage/{token}",
        "manage_token": token,
    }
    assert (await page.get(id_))["source"] == "booking_page"


async def test_a_client_books_for_the_client_only(page: Desk, db: Database) -> None:
    """What staff may say in a booking is refused here."""
    room = await page.room()
    pushed = {
        "check": "none",
        "internal_notes": "VIP",
        "status": "completed",
        "source": "manual",
        "expires_at": None,
        "overlap_allowed": True,
        "org_id": "org_other",
    }
    for what, names in (("appointments", pushed), ("holds", ("check", "org_id"))):
        for name in names:
            body = refused(await page.post(what, **{name: pushed[name]}), 400, "invalid_request")
            assert body["error"].startswith(
                f"{name} can't be set here. These can be set: appointment_type_id, "
            )
    assert (await page.staff.get(APPOINTMENTS)).json()["appointments"] == []
    booked = await page.booked_by_client(utm_source="mail", crm_reference={"id": 5})
    seen = await page.get(booked["appointment"]["id"])
    assert seen["calendar_id"] != room
    assert (
        seen
        | {
            "org_id": page.org.id,
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
            events.c.org_id == page.org.id, events.c.type.startswith("appointment.", autoescape=True)
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


async def test_every_rule_counts_whatever_the_client_says(page: Desk, db: Database) -> None:
    """And no refusal says more than the rule."""
    await page.set_type(minNoticeHours=48, maxDaysAhead=5, maxPerDay=1)
    await page.booked_by_client(start_time="2024-01-23T09:00:00Z")
    old = await page.add_type(isActive=False)
    idle = await page.add_type(calendarIds=[await page.room(is_active=False)])
    before = await rows(db, page.org.id)
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
    assert await rows(db, page.org.id) == before
    refused(await page.post("appointments", appointment_type_id="type_unknown"), 404, "not_found")


async def test_bookings_may_have_to_be_confirmed(page: Desk, clock: StoppedClock) -> None:
    await page.set_type(requiresConfirmation=True, confirmWithinHours=2)
    booked = (await page.booked_by_client())["appointment"]
    assert (booked["status"], booked["expires_at"]) == ("pending", "2024-01-20T14:00:00Z")
    refused(await page.post("appointments"), 409, "slot_taken")
    clock.forward(hours=2)
    again = (await page.booked_by_client())["appointment"]
    confirmed = await page.staff.patch(f"{APPOINTMENTS}/{again['id']}", json={"status": "confirmed"})
    assert answered(confirmed, "appointment")["confirmed_at"] == "2024-01-20T14:00:00Z"
    lapsed = await page.get(booked["id"])
    assert (lapsed["status"], lapsed["cancellation_reason"]) == ("cancelled", "confirmation_expired")


async def test_an_email_address_or_a_phone_number_at_least(page: Desk, db: Database) -> None:
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
    assert await rows(db, page.org.id) == 0
    await page.booked_by_client(client_email=None, client_phone="+1 234")
    await page.booked_by_client(client_phone="", start_time="2024-01-25T15:00:00Z")


async def test_missing_fields_are_named(page: Desk) -> None:
    for what, sentence in (
        ("appointments", "appointment_type_id, start_time, and client_name are required"),
        ("holds", "appointment_type_id and start_time are required"),
    ):
        missing = await page.client.post(f"{page.path}/{what}", json={"start_time": " "})
        assert refused(missing, 400, "missing_fields")["error"] == sentence
    refused(await page.post("holds", ttl_seconds=901), 400, "invalid_request")


async def test_answers_are_kept_with_their_questions(page: Desk) -> None:
    await page.set_type(bookingQuestions=QUESTIONS)
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
    await page.set_type(bookingQuestions=[QUESTIONS[0] | {"label": "Firm"}])
    assert (await page.get(own["id"]))["answers"] == kept
    [made] = await page.history(own["id"])
    assert made["after"]["answers"] == kept
    listed = (await page.staff.get(APPOINTMENTS)).json()["appointments"]
    assert [each["answers"] for each in listed] == [kept]
    later = await page.booked_by_client(answers={"q1": "b"}, start_time="2024-01-26T14:00:00Z")
    assert later["appointment"]["answers"] == [{"id": "q1", "label": "Firm", "answer": "b"}]


async def test_wrong_answers_are_named_and_nothing_is_booked(page: Desk, db: Database) -> None:
    await page.set_type(bookingQuestions=QUESTIONS)
    wrong = {"q2": "Law", "q3": "yes", "q4": "2", "q9": 1}
    body = refused(await page.post("appointments", answers=wrong), 400, "invalid_request")
    assert [each["field"] for each in body["details"]["fields"]] == [
        f"answers.{id_}" for id_ in ("q1", "q2", "q3", "q4", "q9")
    ]
    assert body["error"] == "answers.q1 is required"
    refused(await page.post("appointments"), 400, "invalid_request")
    refused(await page.post("appointments", answers=[]), 400, "invalid_request")
    assert await rows(db, page.org.id) == 0


async def test_a_repeated_booking_books_once_and_has_a_link_that_works(
    page: Desk, db: Database, clock: StoppedClock
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
        "manage_url": f"http://kalends.test/manage/{fresh}",
    }
    for token in (works, fresh):
        answered(await page.client.get(f"{LINKS}/{token}"), "appointment")
    assert await rows(db, page.org.id) == 1
    # Two at once are one as well.
    later = {"start_time": "2024-01-26T14:00:00Z"}
    answers = await asyncio.gather(*(page.post("appointments", key, **later) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["appointment"]["id"] for answer in answers}) == 1
    links = await asyncio.gather(
        *(page.client.get(f"{LINKS}/{answer.json()['manage_token']}") for answer in answers)
    )
    assert [link.status_code for link in links] == [200] * 8
    assert await rows(db, page.org.id) == 2


async def test_clients_do_not_share_their_keys(page: Desk, db: Database) -> None:
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
    assert await rows(db, page.org.id) == 4


async def test_a_repeated_booking_has_no_link_once_the_address_is_another(page: Desk) -> None:
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


async def test_a_repeated_booking_has_no_link_once_staff_have_ended_the_first(page: Desk) -> None:
    key = {"Idempotency-Key": "mine"}
    first = (await page.post("appointments", key)).json()
    path = f"{APPOINTMENTS}/{first['appointment']['id']}"
    answered(await page.staff.patch(path, json={"client_email": "JANE@example.com"}), "appointment")
    second = (await page.post("appointments", key)).json()
    for token in (first["manage_token"], second["manage_token"]):
        answered(await page.client.get(f"{LINKS}/{token}"), "appointment")
    await page.staff.post(f"{path}/manage-link")
    assert (await page.post("appointments", key)).json() == first | {"manage_url": None, "manage_token": None}
