"""Clients correct what they said of themselves, by the link of their appointment."""

from typing import Any

import httpx
import pytest

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import LINKS, Desk, Link
from tests.support.organizations import counts

pytestmark = pytest.mark.anyio

QUESTIONS = [
    {"id": "why", "type": "text", "label": "Why?", "required": True},
    {"id": "agreed", "type": "checkbox", "label": "Agreed?", "required": True},
    {"id": "many", "type": "number", "label": "How many?"},
]
ANSWERS = {"why": "Taxes", "agreed": True, "many": 2}
LISTED: list[dict[str, Any]] = [
    {"id": "why", "label": "Why?", "answer": "Taxes"},
    {"id": "agreed", "label": "Agreed?", "answer": True},
    {"id": "many", "label": "How many?", "answer": 2},
]


@pytest.fixture
async def link(page: Desk) -> Link:
    """Of an appointment of a type that asks."""
    await page.set_type(bookingQuestions=QUESTIONS)
    return page.link(await page.booked_by_client(answers=ANSWERS, client_notes="I come by bike"))


async def correct(link: Link, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return await link.desk.client.patch(link.path, json=fields, headers=headers)


async def corrected(link: Link, **fields: Any) -> dict[str, Any]:
    return answered(await correct(link, **fields), "appointment")


async def wrong(link: Link, **fields: Any) -> dict[str, str]:
    body = refused(await correct(link, **fields), 400, "invalid_request")
    return {each["field"]: each["code"] for each in body["details"]["fields"]}


async def test_number_notes_and_answers_are_corrected(link: Link) -> None:
    before = await link.seen()
    shown = await corrected(
        link, client_phone=" +1 234 999 ", client_notes="By car", answers={"many": 3, "why": "Inheritance"}
    )
    assert (shown["client_phone"], shown["client_notes"]) == ("+1 234 999", "By car")
    assert {each["id"]: each["answer"] for each in shown["answers"]} == ANSWERS | {
        "many": 3,
        "why": "Inheritance",
    }
    after = await link.seen()
    kept = before | {name: shown[name] for name in ("client_phone", "client_notes", "answers")}
    assert after == kept | {"version": 2, "updated_at": after["updated_at"]}
    [_, change] = await link.desk.history(link.id)
    assert change["actor"]["kind"] == "client"
    assert change["after"].keys() == {"client_phone", "client_notes", "answers"}
    events = (await link.desk.staff.get("/v1/events", params={"types": "appointment.updated"})).json()
    [event] = events["events"]
    assert event["actor"]["kind"] == "client"
    assert event["data"]["previous"].keys() == {"client_phone", "client_notes", "answers"}


async def test_what_changes_nothing_makes_no_version(link: Link) -> None:
    shown = answered(await link.get(), "appointment")
    for body in ({}, shown, {"answers": LISTED}, {"client_notes": " I come by bike "}, {"utm": "x"}):
        assert answered(await link.desk.client.patch(link.path, json=body), "appointment") == shown
    assert (await link.seen())["version"] == 1


async def test_only_what_is_sent_changes_and_null_removes_it(link: Link) -> None:
    assert (await corrected(link, client_phone="+1 234 567"))["client_notes"] == "I come by bike"
    shown = await corrected(link, client_phone=None, client_notes="", answers={"many": None})
    assert (shown["client_phone"], shown["client_notes"], shown["answers"]) == (None, None, LISTED[:2])
    assert (await corrected(link, answers=LISTED))["answers"] == LISTED
    assert (await corrected(link, answers=LISTED[:2]))["answers"] == LISTED[:2]


async def test_what_is_not_theirs_to_change_stays(link: Link, db: Database) -> None:
    before = await db.read(counts, link.desk.org.id)
    for name, value in (
        ("client_name", "Mallory"),
        ("client_email", "mallory@example.com"),
        ("client_language", "de"),
        ("start_time", "2024-01-26T09:00:00Z"),
        ("status", "cancelled"),
        ("internal_notes", "pays late"),
        ("calendar_id", "another"),
        ("appointment_type_id", "another"),
    ):
        sent: dict[str, Any] = {name: value}
        body = refused(await correct(link, **sent), 400, "invalid_request")
        [field] = body["details"]["fields"]
        assert (field["field"], field["code"]) == (name, "read_only")
        assert field["reason"].endswith("These can be set: client_phone, client_notes, answers")
    assert "get in touch" in refused(await correct(link, client_name="M"), 400, "invalid_request")["error"]
    assert "reschedule" in refused(await correct(link, status="cancelled"), 400, "invalid_request")["error"]
    refused(await correct(link, clientPhone="+1 234 567"), 400, "invalid_request")
    assert await db.read(counts, link.desk.org.id) == before


async def test_it_is_judged_as_a_booking_is_in_one_round(link: Link) -> None:
    sent = {"client_phone": "call me", "client_notes": "x" * 10_001}
    answers = {"why": " ", "agreed": False, "many": "x", "none": 1}
    expected = {
        "client_phone": "phone",
        "client_notes": "too_long",
        "answers.why": "required",
        "answers.agreed": "required",
        "answers.many": "number",
        "answers.none": "unknown",
    }
    assert await wrong(link, **sent, answers=answers) == expected
    assert await wrong(link, answers=answers) == dict(list(expected.items())[2:])
    assert await wrong(link, answers={"why": None}) == {"answers.why": "required"}
    for left_out in (LISTED[1:], [], None):  # the list replaces all
        assert "answers.why" in await wrong(link, answers=left_out)
    assert await wrong(link, answers="x") == {"answers": "type"}
    assert (await link.seen())["version"] == 1


async def test_an_answer_that_staff_left_out_is_not_asked_for(page: Desk) -> None:
    await page.set_type(bookingQuestions=QUESTIONS)
    booked = await page.booked()
    made = await page.staff.post(f"/v1/calendar/appointments/{booked['id']}/manage-link")
    link = Link(page, booked["id"], f"{LINKS}/{made.json()['manage_token']}")
    assert (await corrected(link, client_phone="+1 234 999"))["answers"] == []
    assert (await corrected(link, answers={"many": 1}))["answers"] == [{**LISTED[2], "answer": 1}]
    assert await wrong(link, answers={"agreed": False}) == {"answers.agreed": "required"}


async def test_answers_to_questions_that_are_asked_no_longer_stay(link: Link) -> None:
    await link.desk.set_type(bookingQuestions=QUESTIONS[:1])
    shown = await corrected(link, answers={"why": "Wills"})
    assert [each["id"] for each in shown["answers"]] == ["why", "agreed", "many"]
    assert await wrong(link, answers={"many": 3}) == {"answers.many": "unknown"}


async def test_somebody_can_always_be_reached(page: Desk) -> None:
    by_phone = page.link(await page.booked_by_client(client_email=None, client_phone="+1 234 567"))
    for blank in (None, "", " "):
        assert await wrong(by_phone, client_phone=blank) == {"client_phone": "contact"}
        assert await wrong(by_phone, client_phone=blank, client_notes="x" * 10_001) == {
            "client_notes": "too_long",
            "client_phone": "contact",
        }
    assert (await corrected(by_phone, client_phone="+1 234 999"))["client_phone"] == "+1 234 999"


async def test_a_number_that_the_type_asks_for_stays(page: Desk) -> None:
    await page.set_type(contact="both")
    link = page.link(await page.booked_by_client(client_phone="+1 234 567"))
    for nothing in (None, "", " "):
        assert await wrong(link, client_phone=nothing) == {"client_phone": "required"}
    assert (await corrected(link, client_phone="+1 999"))["client_phone"] == "+1 999"
    await page.set_type(contact="either")
    assert (await corrected(link, client_phone=None))["client_phone"] is None


async def test_the_whole_answer_is_no_correction(link: Link) -> None:
    whole = (await link.get()).json()
    assert await wrong(link, **whole) == {"appointment": "read_only"}


async def test_it_is_possible_until_the_end_whatever_the_notice(link: Link, clock: StoppedClock) -> None:
    shown = answered(await link.get(), "appointment")
    clock.forward(days=5, hours=2, minutes=59)  # a minute before the end
    assert shown["changeable_until"] < "2024-01-25T14:00:00Z"
    refused(await link.cancel(), 409, "too_late")
    await corrected(link, client_notes="I am late")
    clock.forward(minutes=1)
    body = refused(await correct(link, client_notes="I was late"), 409, "too_late")
    assert body["details"] == {"until": "2024-01-25T15:00:00Z"}


@pytest.mark.parametrize("status", ["cancelled", "completed", "no_show"])
async def test_only_what_is_to_come_is_corrected(link: Link, status: str) -> None:
    await link.desk.changed(link.id, status=status)
    body = refused(await correct(link, client_notes="x"), 409, "illegal_transition")
    assert body["error"] == f"An appointment that is {status} can't be corrected."


async def test_a_request_is_corrected_and_still_waits(page: Desk, clock: StoppedClock) -> None:
    await page.set_type(requiresConfirmation=True, confirmWithinHours=1)
    link = page.link(await page.booked_by_client())
    before = answered(await link.get(), "appointment")
    assert await corrected(link, client_notes="x") == before | {"client_notes": "x"}
    clock.forward(hours=1)
    refused(await correct(link, client_notes="y"), 409, "illegal_transition")


async def test_it_is_made_once_or_for_show(link: Link) -> None:
    rehearsed = await link.desk.client.patch(
        link.path, json={"client_notes": "x"}, params={"dry_run": "true"}
    )
    assert answered(rehearsed, "appointment")["client_notes"] == "x"
    assert (await link.seen())["version"] == 1
    first, again = [await correct(link, {"Idempotency-Key": "k"}, client_notes="x") for _ in range(2)]
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await link.seen())["version"] == 2


async def test_a_link_that_has_ended_corrects_nothing(link: Link) -> None:
    await link.desk.changed(link.id, client_email="other@example.com")
    refused(await correct(link, client_notes="x"), 404, "not_found")
    refused(await link.desk.client.patch(f"{LINKS}/none", json={"client_phone": "x"}), 404, "not_found")
