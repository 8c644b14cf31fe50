"""What is wrong with a form is said in one round, each field with a code that never changes."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from kalends.db.database import Database
from kalends.db.tables import organizations
from kalends.schemas.wrong_fields import CODES
from tests.support.answers import answered, refused
from tests.support.desk import APPOINTMENTS, BASE, Desk
from tests.support.organizations import counts

pytestmark = pytest.mark.anyio

QUESTIONS = [
    {"id": "q1", "type": "text", "label": "Why?", "required": True},
    {"id": "q2", "type": "select", "label": "Which?", "options": ["Red", "Blue"]},
    {"id": "q3", "type": "number", "label": "How many?"},
]


@pytest.fixture
async def page(page: Desk) -> Desk:
    await page.set_type(bookingQuestions=QUESTIONS)
    return page


async def wrong(page: Desk, code: str = "invalid_request", /, **fields: Any) -> dict[str, str]:
    """The codes of what is wrong with a client's booking, by the field, in the order of the answer."""
    body = refused(await page.post("appointments", **fields), 400, code)
    assert body["error"]
    return {each["field"]: each["code"] for each in body["details"]["fields"]}


def in_order(found: dict[str, str]) -> list[tuple[str, str]]:
    return list(found.items())


async def test_fields_and_answers_are_judged_together(page: Desk, db: Database) -> None:
    before = await db.read(counts, page.org.id)
    found = await wrong(
        page,
        client_email="jane",
        client_phone="call me",
        client_notes="x" * 10_001,
        client_language="?",
        client_timezone="Mars/Olympus",
        answers={"q2": "Green", "q3": "many", "q4": "x"},
    )
    assert in_order(found) == [
        ("client_email", "email"),
        ("client_phone", "phone"),
        ("client_language", "language"),
        ("client_timezone", "timezone"),
        ("client_notes", "too_long"),
        ("answers.q1", "required"),
        ("answers.q2", "option"),
        ("answers.q3", "number"),
        ("answers.q4", "unknown"),
    ]
    assert await wrong(page, answers={}) == {"answers.q1": "required"}
    assert await wrong(page, client_email="jane", answers={"q1": "x"}) == {"client_email": "email"}
    assert await db.read(counts, page.org.id) == before


async def test_what_is_missing_comes_first_in_the_contracts_words(page: Desk) -> None:
    wish = page.wish(client_name=" ", client_email="jane", answers={"q1": "x" * 1_001})
    response = await page.client.post(f"{page.path}/appointments", json=wish)
    body = refused(response, 400, "missing_fields")
    assert body["error"] == "appointment_type_id, start_time, and client_name are required"
    assert body["details"]["fields"] == [
        {"field": "client_name", "reason": "is required", "code": "required"},
        {
            "field": "client_email",
            "reason": "must be an e-mail address: An email address must have an @-sign.",
            "code": "email",
        },
        {
            "field": "answers.q1",
            "reason": "must have at most 1000 characters",
            "code": "too_long",
            "limit": 1_000,
        },
    ]
    nothing = refused(await page.client.post(f"{page.path}/appointments", json={}), 400, "missing_fields")
    assert [(each["field"], each["code"]) for each in nothing["details"]["fields"]] == [
        ("appointment_type_id", "required"),
        ("start_time", "required"),
        ("client_name", "required"),
        ("The body", "contact"),
    ]


async def test_a_client_who_can_not_be_reached_is_told_so_with_the_rest(page: Desk) -> None:
    for nobody in ({"client_email": None}, {"client_email": " ", "client_phone": ""}):
        found = await wrong(page, "invalid_time", start_time="soon", **nobody)
        assert in_order(found) == [
            ("start_time", "invalid_time"),
            ("The body", "contact"),
            ("answers.q1", "required"),
        ]
    assert "The body" not in await wrong(page, client_email="jane")


async def test_names_that_are_none_are_said_with_the_rest(page: Desk) -> None:
    found = await wrong(page, end_time="2024-01-25T15:00:00Z", client_phone="x")
    assert in_order(found) == [
        ("end_time", "read_only"),
        ("client_phone", "phone"),
        ("answers.q1", "required"),
    ]
    assert await wrong(page, clientNotes="x") == {"clientNotes": "unknown", "answers.q1": "required"}


@pytest.mark.parametrize("type_id", ["none", 7, "x" * 300, "\0", "\ud800", None, ["x"], " "])
async def test_without_a_type_the_fields_alone_are_judged(page: Desk, type_id: Any) -> None:
    wish = json.dumps(page.wish(client_email="jane", appointment_type_id=type_id))
    sent_as = {"Content-Type": "application/json"}
    found = await page.client.post(f"{page.path}/appointments", content=wish, headers=sent_as)
    assert found.status_code == 400, found.text
    fields = [each["field"] for each in found.json()["details"]["fields"]]
    assert "client_email" in fields
    assert not any(each.startswith("answers") for each in fields)


@pytest.mark.parametrize("answers", [None, [], "x", 7, {str(number): 1 for number in range(101)}])
async def test_what_is_no_object_of_answers_is_said_once(page: Desk, answers: Any) -> None:
    found = await wrong(page, client_email="jane", answers=answers)
    assert list(found) == ["client_email", "answers"]


async def test_a_missing_address_is_said_with_the_rest_where_clients_confirm_by_mail(
    page: Desk, db: Database
) -> None:
    mine = organizations.c.id == page.org.id
    by_mail = update(organizations).where(mine).values(clients_confirm_by_mail=True)
    await db.write(lambda tx: tx.execute(by_mail))
    found = await wrong(page, client_email=None, client_phone="x")
    assert in_order(found) == [
        ("client_phone", "phone"),
        ("client_email", "required"),
        ("answers.q1", "required"),
    ]


async def test_staff_are_told_in_one_round_too_and_may_leave_answers_out(page: Desk) -> None:
    response = await page.book(client_email="jane", answers={"q2": "Green", "q4": "x"})
    body = refused(response, 400, "invalid_request")
    assert [(each["field"], each["code"]) for each in body["details"]["fields"]] == [
        ("client_email", "email"),
        ("answers.q2", "option"),
        ("answers.q4", "unknown"),
    ]
    listed = await page.book(client_email="jane", answers=[{"id": "q3", "answer": True}])
    assert [each["field"] for each in refused(listed, 400, "invalid_request")["details"]["fields"]] == [
        "client_email",
        "answers.q3",
    ]
    answered(await page.book(), "appointment")


@pytest.mark.parametrize(
    ("method", "path", "sent", "code"),
    [
        ("POST", "calendars", {"name": "x" * 256}, {"name": "too_long"}),
        ("POST", "calendars", {"name": 7}, {"name": "type"}),
        ("POST", "calendars", {"name": "a\0b"}, {"name": "characters"}),
        ("POST", "holds", {"appointment_type_id": "x", "start_time": "soon"}, {"start_time": "invalid_time"}),
        ("POST", "overrides", {"date": "soon"}, {"date": "date"}),
        ("POST", "overrides", {}, {"The body": "dates"}),
        (
            "POST",
            "overrides",
            {"date": "2024-12-24", "windows": [{"start_time": "9", "end_time": "10:00"}]},
            {"windows.0.start_time": "clock_time"},
        ),
        (
            "POST",
            "overrides",
            {"date": "2024-12-24", "windows": [{"start_time": "11:00", "end_time": "10:00"}]},
            {"windows.0": "window"},
        ),
        (
            "POST",
            "appointment-types",
            {"name": "x", "durationMinutes": 0, "bookingQuestions": [{"type": "select", "label": "?"}]},
            {"durationMinutes": "too_small", "bookingQuestions.0.id": "required"},
        ),
        ("GET", "appointments?status=lost", None, {"status": "option"}),
        ("GET", "appointments?cursor=!", None, {"cursor": "cursor"}),
        ("GET", "appointments?limit=many", None, {"limit": "number"}),
        ("GET", "appointments?colour=red", None, {"colour": "unknown"}),
        ("POST", "appointments?dry_run=perhaps", {}, {"dry_run": "option"}),
    ],
)
async def test_every_refusal_of_a_field_has_its_code(
    page: Desk, method: str, path: str, sent: Any, code: dict[str, str]
) -> None:
    response = await page.staff.request(method, f"{BASE}/{path}", json=sent)
    assert response.status_code == 400
    assert {each["field"]: each["code"] for each in response.json()["details"]["fields"]} == code


async def test_every_code_is_explained(page: Desk) -> None:
    document = (await page.client.get("/openapi.json")).json()
    fields = document["components"]["schemas"]["ErrorAnswer"]["properties"]["details"]["properties"]["fields"]
    described = fields["items"]["properties"]["code"]["description"]
    assert all(code in described for code in CODES)


async def test_a_change_of_an_appointment_keeps_its_codes(page: Desk) -> None:
    booked = await page.booked()
    for change, expected in (
        ({"org_id": "another"}, {"org_id": "read_only"}),
        ({"status": "lost"}, {"status": "option"}),
        ({"answers": {"q3": "x"}}, {"answers.q3": "number"}),
    ):
        response = await page.staff.patch(f"{APPOINTMENTS}/{booked['id']}", json=change)
        body = refused(response, 400, "invalid_request")
        assert {each["field"]: each["code"] for each in body["details"]["fields"]} == expected
