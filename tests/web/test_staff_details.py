"""The page on which staff change whose an appointment is, and what it is."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.desk import at
from tests.web.clients import alert_of, words_of
from tests.web.staff import Staff, buttons_in, entered, fields_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

QUESTIONS = [
    {"id": "pets", "type": "checkbox", "label": "Any pets?", "required": True},
    {"id": "how_many", "type": "number", "label": "How many?", "required": False},
    {"id": "size", "type": "select", "label": "Size", "options": ["small", "large"], "required": False},
]


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def path_of(appointment: dict[str, Any]) -> str:
    return f"/staff/appointments/{appointment['id']}"


async def form_of(staff: Staff, appointment: dict[str, Any]) -> dict[str, str]:
    """The form as its page shows it."""
    return fields_in(await staff.see(f"{path_of(appointment)}/change"), "change")


async def test_what_is_known_of_the_client_is_changed(staff: Staff) -> None:
    await staff.desk.set_type(bookingQuestions=QUESTIONS)
    answers = {"pets": True, "how_many": 2, "size": "small"}
    booked = await staff.desk.booked(answers=answers, client_notes="Two\nlines")
    path = path_of(booked)
    assert f"{path}/change" in links_in(await staff.see(path), path)
    typed = await form_of(staff, booked)
    assert await staff.do(f"{path}/change", **typed) == path
    assert (await staff.desk.get(booked))["version"] == 1  # nothing was touched
    del typed["q.pets"]
    new = {
        "name": "Zoë",
        "email": "",
        "phone": "+49 30 1234567",
        "language": "pt",
        "notes": "",
        "q.how_many": "3",
    }
    await staff.do(f"{path}/change", **typed | new | {"q.size": ""})
    seen = await staff.desk.get(booked)
    assert [seen[f"client_{each}"] for each in ("name", "email", "phone", "language", "notes")] == [
        *("Zoë", None, "+49 30 1234567", "pt", None)
    ]
    assert {each["id"]: each["answer"] for each in seen["answers"]} == {"pets": False, "how_many": 3}
    # Sent again, it changes nothing.
    await staff.do(f"{path}/change", **typed | new | {"q.size": ""})
    assert (await staff.desk.get(booked))["version"] == 2


async def test_it_gets_another_type_and_another_length(staff: Staff) -> None:
    other = await staff.desk.add_type()
    await staff.desk.add_type(name="Gone", isActive=False)
    booked = await staff.desk.booked()
    path = path_of(booked)
    page = await staff.see(f"{path}/change")
    assert "Gone" not in page.text
    await staff.do(f"{path}/change", **fields_in(page, "change") | {"type": other["id"]})
    seen = await staff.desk.get(booked)
    assert (seen["appointment_type_id"], seen["end_time"]) == (other["id"], at("14:30"))
    await staff.do(f"{path}/change", **await form_of(staff, booked) | {"minutes": " 75 "})
    assert (await staff.desk.get(booked))["end_time"] == at("15:15")
    await staff.do(f"{path}/change", **await form_of(staff, booked) | {"minutes": ""})
    assert (await staff.desk.get(booked))["end_time"] == at("14:30")


async def test_a_length_that_is_taken(staff: Staff) -> None:
    booked, next_ = await staff.desk.booked(), await staff.desk.booked(at("15:00"), client_name="Bob")
    path = f"{path_of(booked)}/change"
    typed = await form_of(staff, booked) | {"minutes": "90", "name": "Zoë"}
    refused = await staff.send(path, **typed)
    assert refused.status_code == 409
    assert reasons_in(refused)
    assert links_in(refused, path_of(next_))
    again = fields_in(refused, "change")
    assert (again["minutes"], again["name"]) == ("90", "Zoë")
    first = at("09:00", "2024-01-26")
    await staff.do(path, **again | {"instead": first})
    seen = await staff.desk.get(booked)
    assert (seen["start_time"], seen["end_time"]) == (first, at("10:30", "2024-01-26"))
    assert seen["client_name"] == "Zoë"
    # Those who may can do it all the same.
    assert "Do it all the same" in buttons_in(refused)
    forced = await form_of(staff, booked) | {"instead": at("14:00"), "force": "1"}
    await staff.do(path, **forced)
    assert (await staff.desk.get(booked))["overlap_allowed"]


async def test_what_is_wrong_is_said_at_its_field(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = f"{path_of(booked)}/change"
    typed = await form_of(staff, booked)
    wrong = {"name": " ", "email": "jane@", "phone": "x", "minutes": "soon", "notes": "a\x00"}
    refused = await staff.send(path, **typed | wrong)
    assert refused.status_code == 400
    for id_ in ("name", "email", "phone", "minutes", "notes"):
        assert f'id="{id_}-problem"' in refused.text, id_
    assert "Please enter how many minutes it lasts, such as 45." in words_of(refused)
    assert fields_in(refused, "change")["email"] == "jane@"
    for odd in ("0", "99999999", "-5", "1.5", "9" * 400):
        assert (await staff.send(path, **typed | {"minutes": odd})).status_code == 400, odd
    assert (await staff.send(path, **typed | {"type": "type_nothing"})).status_code == 404
    for odd in ("", "\x00", "x" * 300):
        assert (await staff.send(path, **typed | {"type": odd})).status_code == 400, odd
    assert (await staff.desk.get(booked))["version"] == 1


async def test_somebody_else_was_faster(staff: Staff, app: FastAPI) -> None:
    booked = await staff.desk.booked()
    path = f"{path_of(booked)}/change"
    typed = await form_of(staff, booked) | {"phone": "+49 30 1234567"}
    await staff.desk.changed(booked, client_name="Janet")
    refused = await staff.send(path, **typed)
    assert refused.status_code == 409
    assert "changed it meanwhile" in alert_of(refused)
    again = fields_in(refused, "change")
    # What they changed is there, and what was typed here is, too.
    assert (again["name"], again["phone"], again["version"]) == ("Janet", "+49 30 1234567", "2")
    await staff.do(path, **again)
    seen = await staff.desk.get(booked)
    assert (seen["client_name"], seen["client_phone"]) == ("Janet", "+49 30 1234567")
    reader = await entered(app, staff.desk, "read")
    assert (await reader.open(path)).status_code == 403
