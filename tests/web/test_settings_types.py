"""The pages on which staff set up types of appointments."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.desk import BASE, week
from tests.web.clients import QUESTIONS, alert_of, words_of
from tests.web.staff import Staff, entered, fields_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

TYPES = "/staff/settings/types"
NEW = f"{TYPES}/new"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def type_of(staff: Staff, path: str) -> dict[str, Any]:
    found = await staff.desk.staff.get(f"{BASE}/appointment-types/{path.split('/')[-1].partition('?')[0]}")
    shown: dict[str, Any] = found.json()["appointmentType"]
    return shown


async def test_a_type_is_made_once_and_changed(staff: Staff) -> None:
    typed = fields_in(await staff.see(NEW), "type")
    answer = await staff.send(NEW, **typed)
    assert (answer.status_code, reasons_in(answer)) == (
        400,
        ["Name – Please fill this in.", "Minutes – Please fill this in."],
    )
    typed = fields_in(answer, "type") | {"name": "First visit", "duration": "45"}
    typed |= {"amount": "80,50", "currency": "chf", "kind": "phone", "place": "+41 44 1", "confirm": "1"}
    [path] = {await staff.do(NEW, **typed) for _ in range(2)}
    made = await type_of(staff, path)
    assert (made["name"], made["durationMinutes"], made["slug"]) == ("First visit", 45, "first-visit")
    assert made["price"] == {"amount": 80.5, "currency": "CHF"}
    assert made["location"] == {"kind": "phone", "value": "+41 44 1"}
    assert (made["requiresConfirmation"], made["calendarIds"]) == (True, [staff.desk.org.calendar_id])
    # The form shows everything as it is, so sending it as it is changes nothing.
    path = path.partition("?")[0]
    await staff.do(path, **fields_in(await staff.see(path), "type"))
    assert await type_of(staff, path) | {"updatedAt": ""} == made | {"updatedAt": ""}
    assert path in links_in(await staff.see(TYPES), path)


async def test_what_the_form_does_not_show_stays(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    texts = {"de": {"name": "Beratung"}}
    needs = [
        {"name": "doctor", "calendarIds": [staff.desk.org.calendar_id], "offsetMinutes": 5, "count": 1},
        {"name": "room", "calendarIds": [room], "durationMinutes": 30},
    ]
    await staff.desk.set_type(
        color="#123456", maxPerDay=7, texts=texts, requirements=needs, bookingQuestions=QUESTIONS
    )
    path = f"{TYPES}/{staff.desk.org.type_id}"
    before = await type_of(staff, path)
    typed = fields_in(await staff.see(path), "type")
    await staff.do(path, **typed | {"name": "Another name"})
    after = await type_of(staff, path)
    assert after | {"name": 0, "updatedAt": 0} == before | {"name": 0, "updatedAt": 0}
    typed = fields_in(await staff.see(path), "type")
    page = await staff.send(path, **typed | {"do": "spare-1"})
    await staff.do(path, **fields_in(page, "type"))
    [need] = (await type_of(staff, path))["requirements"]
    assert (need["name"], need["offsetMinutes"]) == ("doctor", 5)


async def test_a_form_without_a_type_changes_nothing(staff: Staff) -> None:
    path = f"/staff/settings/types/{staff.desk.org.type_id}"
    before = await type_of(staff, path)
    for sent in ({}, {"foo": "bar"}, {"durationMinutes": "20"}):
        assert (await staff.send(path, **sent)).status_code == 400
    assert await type_of(staff, path) == before


async def test_needs_are_added(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    path = f"{TYPES}/{staff.desk.org.type_id}"
    page = await staff.send(path, **fields_in(await staff.see(path), "type") | {"do": "need"})
    typed = fields_in(page, "type") | {
        "need-0-name": "doctor",
        "need-0-calendars": staff.desk.org.calendar_id,
    }
    answer = await staff.send(path, **typed | {"need-1-count": "2", "need-1-calendars": room})
    assert reasons_in(answer) == ["What is needed – Please fill this in."]
    typed |= {"need-1-name": "room", "need-1-calendars": room}
    await staff.do(path, **typed)
    needs = (await type_of(staff, path))["requirements"]
    assert [(each["name"], each["calendarIds"]) for each in needs] == [
        ("doctor", [staff.desk.org.calendar_id]),
        ("room", [room]),
    ]


async def test_questions_are_added_moved_and_removed_row_by_row(staff: Staff) -> None:
    path = f"{TYPES}/{staff.desk.org.type_id}"
    typed = fields_in(await staff.see(path), "type")
    for kind in ("text", "select", "checkbox", "textarea", "number", "email", "phone"):
        typed = fields_in(await staff.send(path, **typed | {"do": "ask", "new_kind": kind}), "type")
    typed |= {f"q-{place}-label": f"Question {place}" for place in range(7)} | {"q-0-required": "1"}
    answer = await staff.send(path, **typed)
    assert reasons_in(answer) == ["What one can choose from 2 – Please write down what one can choose from."]
    typed |= {"q-1-options": "Cheese\n\nWine"}
    typed = fields_in(await staff.send(path, **typed | {"do": "up-1"}), "type")
    typed = fields_in(await staff.send(path, **typed | {"do": "down-5"}), "type")
    typed = fields_in(await staff.send(path, **typed | {"do": "drop-2"}), "type")
    assert (await type_of(staff, path))["bookingQuestions"] == []
    await staff.do(path, **typed)
    asked = (await type_of(staff, path))["bookingQuestions"]
    assert [each["type"] for each in asked] == ["select", "text", "textarea", "number", "phone", "email"]
    assert (asked[0]["options"], asked[1]["required"]) == (["Cheese", "Wine"], True)
    assert len({each["id"] for each in asked}) == 6


async def test_what_is_wrong_is_said_and_kept(staff: Staff) -> None:
    await staff.desk.add_type(slug="taken")
    path = f"{TYPES}/{staff.desk.org.type_id}"
    before = await type_of(staff, path)
    typed = fields_in(await staff.see(path), "type")
    bad = {"duration": "long", "notice": "-1", "amount": "1", "currency": "XXZ", "kind": "link", "place": "x"}
    answer = await staff.send(path, **typed | bad | {"slug": "Ä b", "schedule": "\x00", "name": "a\x00"})
    assert [each.partition(" – ")[0] for each in reasons_in(answer)] == [
        *("Name", "Minutes", "Address, number or link", "Currency", "Hours of notice", "Hours"),
        "Name in the address",
    ]
    assert fields_in(answer, "type")["duration"] == "long"
    for each in ("1.5", "long", "٣٠"):
        answer = await staff.send(path, **typed | {"duration": each, "notice": each})
        said = "Please enter a whole number, such as 30."
        assert reasons_in(answer) == [f"Minutes – {said}", f"Hours of notice – {said}"]
    answer = await staff.send(path, **typed | {"slug": "taken"})
    said = "Name in the address – Another one has this address already. Please choose another."
    assert (answer.status_code, reasons_in(answer)) == (409, [said])
    answer = await staff.send(path, **typed | {"duration": "0", "name": "   "})
    assert reasons_in(answer) == [
        "Name – Please fill this in.",
        "Minutes – The least that is possible is 1.",
    ]
    answer = await staff.send(path, **typed | {"need-0-calendars": "cal_nothing"})
    assert answer.status_code == 404
    assert (await staff.send(path, **typed | {"duration": "9" * 15})).status_code == 400
    assert await type_of(staff, path) == before


async def test_the_change_of_somebody_else_is_not_lost_unseen(staff: Staff) -> None:
    path = f"{TYPES}/{staff.desk.org.type_id}"
    typed = fields_in(await staff.see(path), "type")
    await staff.desk.set_type(name="By a colleague")
    # Neither by a form that was filled in wrongly first.
    typed = fields_in(await staff.send(path, **typed | {"duration": "long"}), "type") | {"duration": "60"}
    answer = await staff.send(path, **typed)
    assert (answer.status_code, (await type_of(staff, path))["name"]) == (409, "By a colleague")
    await staff.do(path, **fields_in(answer, "type"))
    assert (await type_of(staff, path))["name"] == typed["name"]


async def test_what_was_booked_is_taken_out_of_service(app: FastAPI, staff: Staff) -> None:
    path = f"{TYPES}/{staff.desk.org.type_id}"
    await staff.desk.booked()
    answer = await staff.send(f"{path}/remove")
    assert (answer.status_code, alert_of(answer)) == (
        409,
        "It was booked already, so it can't be deleted. Take it out of service instead.",
    )
    answer = await staff.send(path, do="deactivate")
    assert alert_of(answer) == "Nothing is saved yet: nobody would be there for an appointment."
    await staff.do(path, do="deactivate-sure")
    assert "Not in service" in words_of(await staff.see(TYPES))
    await staff.do(path, do="activate")
    other = f"{TYPES}/{(await staff.desk.add_type())['id']}"
    writer = await entered(app, staff.desk, "write")
    assert (await writer.send(f"{other}/remove")).status_code == 403
    assert f"{other}/remove" in links_in(await staff.see(other), other)
    assert "Delete Review?" in words_of(await staff.see(f"{other}/remove"))
    await staff.do(f"{other}/remove")
    assert (await staff.open(other)).status_code == 404


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"min_notice_hours": 240, "max_days_ahead": 3},
            "It has to be booked 240 hours ahead, but no more than",
        ),
        ({"duration_minutes": 600}, "It lasts "),
        ({"requirements": "two"}, "It needs 2 of its calendars at once. In service: 1."),
        ({"calendar": {"is_active": False}}, "None of its calendars is in service."),
        ({"calendar": {"schedule": "22:00-23:00"}}, "Its calendars are never open long enough"),
        ({"hours": []}, "The hours that it follows have no open time in the coming year."),
        ({"closed": "2024-01-01"}, "The hours that it follows have no open time in the coming year."),
        ({"blocked": True, "max_days_ahead": 3}, "Everything that could be booked is taken or closed."),
    ],
)
async def test_why_a_type_can_not_be_booked_is_said(staff: Staff, changed: dict[str, Any], said: str) -> None:
    desk, calendar_id, changed = staff.desk, staff.desk.org.calendar_id, dict(changed)
    path = f"{TYPES}/{desk.org.type_id}"
    for page in (path, TYPES):
        assert "can't be booked now" not in words_of(await staff.see(page))
    other = await desk.room(is_active=False)
    if changed.pop("requirements", None):
        changed["requirements"] = [{"name": "two", "count": 2, "calendarIds": [calendar_id, other]}]
    calendar = dict(changed.pop("calendar", {}))
    if span := calendar.pop("schedule", None):
        schedule = await desk.make("schedules", "schedule", name="Late", windows=week(span))
        calendar["schedule_id"] = schedule["id"]
    await desk.set_calendar(calendar_id, **calendar)
    if "hours" in changed:
        await desk.open(*changed.pop("hours"))
    if first := changed.pop("closed", None):
        await desk.make("overrides", "override", start_date=first, end_date="2026-01-01")
    if changed.pop("blocked", None):
        times = {"start_time": "2024-01-20T00:00:00Z", "end_time": "2024-02-20T00:00:00Z"}
        await desk.make("blocks", "block", calendar_id=calendar_id, **times)
    await desk.set_type(**{_camel(name): value for name, value in changed.items()})
    for page in (path, TYPES):
        assert f"It can't be booked now: {said}" in words_of(await staff.see(page))
    await desk.set_type(isActive=False)
    assert "can't be booked now" not in words_of(await staff.see(path))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)
