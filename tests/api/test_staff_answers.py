"""Answers to a type's questions, given and corrected by staff."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.answers import answered, refused
from tests.support.databases import on_sqlite
from tests.support.desk import APPOINTMENTS, Desk, open_desk

pytestmark = pytest.mark.anyio

QUESTIONS: list[dict[str, Any]] = [
    {"id": "topic", "type": "text", "label": "Topic?", "required": True},
    {"id": "kind", "type": "select", "label": "Which?", "options": ["Red", "Blue"]},
    {"id": "times", "type": "number", "label": "How often?"},
    {"id": "agreed", "type": "checkbox", "label": "Agreed?", "required": True},
    {"id": "phone", "type": "phone", "label": "Phone?"},
]
TOPIC = {"id": "topic", "label": "Topic?", "answer": "Tax"}
AGREED = {"id": "agreed", "label": "Agreed?", "answer": True}


@pytest.fixture
async def page(app: FastAPI) -> Desk:
    return await open_desk(app, bookingQuestions=QUESTIONS)


@pytest.fixture
async def booked(page: Desk) -> dict[str, Any]:
    made = await page.booked_by_client(answers={"topic": "Tax", "agreed": True})
    seen: dict[str, Any] = await page.get(made["appointment"]["id"])
    assert seen["answers"] == [TOPIC, AGREED]
    return seen


async def change(page: Desk, made: dict[str, Any], answers: Any, **fields: Any) -> httpx.Response:
    return await page.staff.patch(f"{APPOINTMENTS}/{made['id']}", json={"answers": answers} | fields)


async def changed(page: Desk, made: dict[str, Any], answers: Any) -> dict[str, Any]:
    return {
        each["id"]: each["answer"]
        for each in answered(await change(page, made, answers), "appointment")["answers"]
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"agreed": False, "topic": " Tax "}, [("topic", "Tax"), ("agreed", False)]),
        ([{"id": "times", "answer": 2}, TOPIC], [("times", 2), ("topic", "Tax")]),
        ({"phone": "+49\xa089 1234", "times": None}, [("phone", "+49 89 1234")]),
        ({}, []),
        ([], []),
        (None, []),
    ],
)
async def test_staff_answer_when_they_book_and_need_not_answer_all(
    page: Desk, given: Any, kept: list[tuple[str, Any]]
) -> None:
    made = await page.booked(answers=given)
    assert [(each["id"], each["answer"]) for each in made["answers"]] == kept
    assert await page.get(made["id"]) == made
    [told] = [
        each
        for each in (await page.staff.get("/v1/events?types=appointment.created")).json()["events"]
        if each["data"]["appointment"]["id"] == made["id"]
    ]
    assert told["data"]["appointment"]["answers"] == made["answers"]


async def test_by_id_only_what_is_sent_changes_and_null_removes(page: Desk, booked: dict[str, Any]) -> None:
    assert await changed(page, booked, {"kind": "Blue"}) == {"topic": "Tax", "agreed": True, "kind": "Blue"}
    assert await changed(page, booked, {"topic": "Law"}) == {"topic": "Law", "agreed": True, "kind": "Blue"}
    assert await changed(page, booked, {"agreed": None, "kind": ""}) == {"topic": "Law"}
    assert await changed(page, booked, {"agreed": False}) == {"topic": "Law", "agreed": False}
    assert await changed(page, booked, {}) == {"topic": "Law", "agreed": False}
    assert await changed(page, booked, None) == {}


async def test_a_list_replaces_all(page: Desk, booked: dict[str, Any]) -> None:
    assert await changed(page, booked, [{"id": "kind", "answer": "Red"}, TOPIC]) == {
        "kind": "Red",
        "topic": "Tax",
    }
    assert await changed(page, booked, [AGREED | {"answer": False}]) == {"agreed": False}
    assert await changed(page, booked, []) == {}


async def test_what_stays_as_it_is_need_not_be_asked_any_more(page: Desk, booked: dict[str, Any]) -> None:
    await page.set_type(bookingQuestions=[QUESTIONS[2], QUESTIONS[3] | {"label": "Sure?"}])
    same = await change(page, booked, booked["answers"])
    assert answered(same, "appointment") == booked
    assert answered(await change(page, booked, {"topic": "Tax", "agreed": True}), "appointment") == booked
    wish = [*booked["answers"], {"id": "times", "label": "How often?", "answer": 3}]
    seen = answered(await change(page, booked, wish), "appointment")
    assert seen["answers"] == wish
    refused(await change(page, booked, {"topic": "Law"}), 400, "invalid_request")
    refused(await change(page, booked, [TOPIC | {"answer": "Law"}]), 400, "invalid_request")
    seen = answered(await change(page, booked, {"topic": None, "agreed": False}), "appointment")
    assert seen["answers"] == [
        {"id": "agreed", "label": "Sure?", "answer": False},
        {"id": "times", "label": "How often?", "answer": 3},
    ]


@on_sqlite
@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"kind": "Green"}, "answers.kind", "must be one of the question's options"),
        ({"times": "often"}, "answers.times", ""),
        ({"times": True}, "answers.times", ""),
        ({"agreed": 1}, "answers.agreed", ""),
        ({"phone": "call me"}, "answers.phone", "must be a phone number"),
        ({"topic": "x" * 1_001}, "answers.topic", ""),
        ({"topic": ["x"]}, "answers.topic", ""),
        ({"other": "x"}, "answers.other", "answers no question of this type"),
        ({"other": None}, "answers.other", "answers no question of this type"),
        ([TOPIC, TOPIC], "answers.topic", "is answered twice"),
        ([TOPIC | {"label": "What?"}], "answers.topic", "must have the label of its question"),
        ([{"id": "topic"}], "answers.0", "must be an object with the id of a question, and the answer"),
        ([TOPIC, {"answer": "x"}], "answers.1", "must be an object with the id"),
        ([{"id": 5, "answer": "x"}], "answers.0", "must be an object"),
        (["Tax"], "answers.0", "must be an object"),
        ("Tax", "answers", "must be an object by the questions' ids, or a list"),
        (5, "answers", "must be an object by the questions' ids, or a list"),
        ({str(n): n for n in range(101)}, "answers", "must have at most 100 answers"),
    ],
)
async def test_wrong_answers_are_refused_and_change_nothing(
    page: Desk, booked: dict[str, Any], wrong: Any, field: str, reason: str
) -> None:
    for response in (
        await change(page, booked, wrong, client_name="Other"),
        await page.staff.post(APPOINTMENTS, json=page.wish(start_time="2024-01-26T14:00:00Z", answers=wrong)),
    ):
        answer = refused(response, 400, "invalid_request")
        [told] = [each for each in answer["details"]["fields"] if each["field"] == field]
        assert told["reason"].startswith(reason)
    assert (await page.staff.get(APPOINTMENTS)).json()["appointments"] == [booked]


async def test_corrected_answers_are_told_in_history_and_events(page: Desk, booked: dict[str, Any]) -> None:
    seen = answered(await change(page, booked, {"topic": "Law"}), "appointment")
    law = [TOPIC | {"answer": "Law"}, AGREED]
    assert (seen["answers"], seen["version"]) == (law, 2)
    entry = (await page.history(booked["id"]))[-1]
    assert (entry["before"], entry["after"]) == ({"answers": booked["answers"]}, {"answers": law})
    events = (await page.staff.get("/v1/events?types=appointment.updated")).json()["events"]
    assert events[-1]["data"]["appointment"] == seen
    assert events[-1]["data"]["previous"] == {"answers": booked["answers"]}


async def test_answers_go_with_a_hold_and_with_an_idempotency_key(page: Desk) -> None:
    wish = {"appointment_type_id": page.org.type_id, "start_time": "2024-01-25T14:00:00Z"}
    held = answered(await page.staff.post("/v1/calendar/holds", json=wish), "hold")
    body = page.wish(hold_id=held["id"], answers={"topic": "Tax"})
    headers = {"Idempotency-Key": "once"}
    made = answered(await page.staff.post(APPOINTMENTS, json=body, headers=headers), "appointment")
    assert made["answers"] == [TOPIC]
    again = await page.staff.post(APPOINTMENTS, json=body, headers=headers)
    assert answered(again, "appointment") == made
