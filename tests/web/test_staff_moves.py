"""The page on which staff move an appointment."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.desk import at
from tests.web.clients import alert_of, times_of, words_of
from tests.web.staff import Staff, buttons_in, entered, fields_in, free_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def path_of(appointment: dict[str, Any]) -> str:
    return f"/staff/appointments/{appointment['id']}"


async def form_of(staff: Staff, appointment: dict[str, Any]) -> dict[str, str]:
    """The form as its page shows it."""
    return fields_in(await staff.see(f"{path_of(appointment)}/move"), "move")


async def test_an_appointment_is_moved(staff: Staff) -> None:
    booked = await staff.desk.booked()
    typed = await form_of(staff, booked)
    calendar = staff.desk.org.calendar_id
    assert typed == {
        "version": "1",
        "start": at("14:00"),
        "date": "2024-01-25",
        "time": "14:00",
        "minutes": "60",
        "calendar0": calendar,
    }
    path = path_of(booked)
    # Staff may book outside of the hours.
    assert await staff.do(f"{path}/move", **typed | {"date": "2024-01-27", "time": "20:15"}) == path
    seen = await staff.desk.get(booked)
    assert (seen["start_time"], seen["end_time"]) == (at("20:15", "2024-01-27"), at("21:15", "2024-01-27"))
    assert seen["calendar_id"] == calendar


async def test_what_is_sent_twice_moves_once(staff: Staff) -> None:
    booked = await staff.desk.booked()
    typed = await form_of(staff, booked) | {"time": "10:00"}
    for _ in range(2):
        await staff.do(f"{path_of(booked)}/move", **typed)
    assert (await staff.desk.get(booked))["version"] == 2


async def test_it_is_given_to_another_calendar(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    await staff.desk.room("Cellar", is_active=False)
    booked = await staff.desk.booked()
    page = await staff.see(f"{path_of(booked)}/move")
    assert "Cellar" not in page.text
    await staff.do(f"{path_of(booked)}/move", **fields_in(page, "move") | {"calendar0": room})
    seen = await staff.desk.get(booked)
    assert (seen["calendar_id"], seen["start_time"]) == (room, at("14:00"))


async def test_each_calendar_of_several_is_chosen_by_what_it_is_needed_for(staff: Staff) -> None:
    desk = staff.desk
    red, blue = await desk.room("Red"), await desk.room("Blue")
    await desk.set_type(
        requirements=[
            {"name": "adviser", "calendarIds": [desk.org.calendar_id]},
            {"name": "room", "calendarIds": [red, blue]},
        ]
    )
    booked = await desk.booked(calendar_ids=[red])
    page = await staff.see(f"{path_of(booked)}/move")
    assert ">adviser</label>" in page.text
    assert ">room</label>" in page.text
    typed = fields_in(page, "move")
    assert (typed["calendar0"], typed["calendar1"]) == (desk.org.calendar_id, red)
    await staff.do(f"{path_of(booked)}/move", **typed | {"calendar1": blue})
    seen = await desk.get(booked)
    assert [each["calendar_id"] for each in seen["calendars"]] == [desk.org.calendar_id, blue]
    # One that does not serve is none of the choices, and neither is one that there is not.
    typed = await form_of(staff, booked)
    for strange in (desk.org.calendar_id, "cal_nothing"):
        wish = typed | {"time": "10:00", "calendar1": strange}
        answer = await staff.send(f"{path_of(booked)}/move", **wish)
        assert answer.status_code == 400
        assert reasons_in(answer) == ["room – This calendar can't be chosen for what is needed here."]
        assert fields_in(answer, "move") == wish | {"calendar1": blue}
    assert (await desk.get(booked))["version"] == 2


async def test_the_same_calendar_twice_is_refused(staff: Staff) -> None:
    desk = staff.desk
    red, blue = await desk.room("Red"), await desk.room("Blue")
    await desk.set_type(requirements=[{"name": "room", "calendarIds": [red, blue], "count": 2}])
    booked = await desk.booked()
    typed = await form_of(staff, booked) | {"calendar0": red, "calendar1": red}
    answer = await staff.send(f"{path_of(booked)}/move", **typed)
    assert answer.status_code == 400
    assert "Please choose each calendar once." in words_of(answer)
    assert fields_in(answer, "move") == typed


async def test_a_refusal_says_everything_and_offers_other_times(staff: Staff) -> None:
    desk = staff.desk
    booked = await desk.booked()
    other = await desk.booked(at("10:00"))
    wish = {"calendar_id": desk.org.calendar_id, "start_time": at("11:00"), "end_time": at("12:00")}
    blocked = (await desk.staff.post("/v1/calendar/blocks", json=wish | {"reason": "Lunch"})).json()["block"]
    typed = await form_of(staff, booked) | {"time": "10:30"}
    answer = await staff.send(f"{path_of(booked)}/move", **typed)
    assert (answer.status_code, alert_of(answer)) == (409, "This time can't be booked.")
    assert sorted(reasons_in(answer)) == [
        "Doe & Daughters is blocked: Thu 25 Jan, 11:00 – 12:00.",
        "Doe & Daughters is taken: Thu 25 Jan, 10:00 – 11:00.",
    ]
    assert path_of(other) in links_in(answer, "/staff/appointments/")
    [there] = links_in(answer, "/staff/blocks/")
    assert there == f"/staff/blocks/{blocked['id']}?at=2024-01-25T11%3A00%3A00Z"
    assert fields_in(answer, "move") == typed
    offered = times_of(answer)
    assert offered[:2] == [(at("12:00"), "Thu 25 Jan, 12:00"), (at("13:00"), "Thu 25 Jan, 13:00")]
    assert (await desk.get(booked))["version"] == 1
    await staff.do(f"{path_of(booked)}/move", **typed, instead=offered[0][0])
    assert (await desk.get(booked))["start_time"] == at("12:00")


async def test_only_admins_may_book_all_the_same(app: FastAPI, staff: Staff) -> None:
    booked = await staff.desk.booked()
    await staff.desk.booked(at("10:00"))
    typed = await form_of(staff, booked) | {"time": "10:00"}
    path = f"{path_of(booked)}/move"
    writer = await entered(app, staff.desk, "write")
    assert "Move it all the same" not in buttons_in(await writer.send(path, **typed))
    assert (await writer.send(path, **typed, force="1")).status_code == 403
    assert (await staff.desk.get(booked))["version"] == 1
    assert "Move it all the same" in buttons_in(await staff.send(path, **typed))
    await staff.do(path, **typed, force="1")
    seen = await staff.desk.get(booked)
    assert (seen["start_time"], seen["overlap_allowed"]) == (at("10:00"), True)


async def test_what_somebody_else_has_changed_is_shown_first(staff: Staff) -> None:
    booked = await staff.desk.booked()
    typed = await form_of(staff, booked)
    await staff.desk.changed(booked, start_time=at("09:00"))
    answer = await staff.send(f"{path_of(booked)}/move", **typed | {"time": "10:00"})
    assert answer.status_code == 409
    assert alert_of(answer).startswith("The API key Reception changed it meanwhile.")
    assert fields_in(answer, "move") == typed | {"version": "2", "time": "09:00", "start": at("09:00")}
    assert (await staff.desk.get(booked))["start_time"] == at("09:00")


async def test_what_is_cancelled_can_not_be_moved(staff: Staff) -> None:
    booked = await staff.desk.booked()
    await staff.desk.changed(booked, status="cancelled")
    page = await staff.see(f"{path_of(booked)}/move")
    assert "This appointment is cancelled already." in words_of(page)
    assert buttons_in(page) == ["Take the cancellation back"]
    room = await staff.desk.room()
    for typed in ({"time": "10:00"}, {"time": "14:00", "calendar0": room}):
        sent = {"version": "2", "date": "2024-01-25", **typed}
        answer = await staff.send(f"{path_of(booked)}/move", **sent)
        assert answer.status_code == 409
        assert alert_of(answer) == "As it stands, that is not possible with this appointment."
        assert buttons_in(answer) == ["Take the cancellation back"]
    assert (await staff.desk.get(booked))["version"] == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"date": ""}, "Day – Please enter a date."),
        ({"date": "25.1.2024"}, "Day – Please enter a date."),
        ({"time": ""}, "Time – Please enter a time, such as 14:30."),
        ({"time": "noon"}, "Time – Please enter a time, such as 14:30."),
    ],
)
async def test_what_is_wrong_is_said_and_kept(staff: Staff, wrong: dict[str, str], said: str) -> None:
    booked = await staff.desk.booked()
    typed = await form_of(staff, booked) | wrong
    answer = await staff.send(f"{path_of(booked)}/move", **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
    assert reasons_in(answer) == [said]
    assert fields_in(answer, "move") == typed


async def test_times_that_clocks_show_twice_or_skip_are_asked_for_again(app: FastAPI) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    booked = await staff.desk.booked()
    typed = await form_of(staff, booked) | {"date": "2024-10-27", "time": "02:30"}
    path = f"{path_of(booked)}/move"
    answer = await staff.send(path, **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "On that day, clocks show this time twice.")
    assert times_of(answer) == [
        ("2024-10-27T00:30:00Z", "Sun 27 Oct, 02:30 CEST"),
        ("2024-10-27T01:30:00Z", "Sun 27 Oct, 02:30 CET"),
    ]
    await staff.do(path, **typed, instead="2024-10-27T01:30:00Z")
    assert (await staff.desk.get(booked))["start_time"] == "2024-10-27T01:30:00Z"
    # The form as it is now says 02:30, and means the time that the appointment has.
    typed = await form_of(staff, booked)
    assert (typed["date"], typed["time"]) == ("2024-10-27", "02:30")
    await staff.do(path, **typed)
    assert (await staff.desk.get(booked))["version"] == 2
    skipped = await staff.send(path, **typed | {"date": "2024-03-31"})
    assert alert_of(skipped) == "On that day, clocks skip this time."
    assert [shown for _, shown in times_of(skipped)] == ["Sun 31 Mar, 01:30", "Sun 31 Mar, 03:30"]


async def test_free_times_of_a_day_are_there_to_be_chosen(staff: Staff) -> None:
    booked = await staff.desk.booked()
    await staff.desk.booked(at("10:00", "2024-01-26"))
    path = f"{path_of(booked)}/move"
    page = await staff.see(path)
    assert at("14:00") in free_in(page)  # its own time counts as free
    assert "Doe & Daughters · Time zone" in words_of(page)
    other = await staff.see(path, date="2024-01-26")
    assert "Free: Friday, 26 January 2024" in words_of(other)
    typed = fields_in(other, "move") | {"minutes": "45"}
    assert typed["date"] == "2024-01-26"
    free = free_in(other)
    assert len(free) == len(await staff.desk.starts("2024-01-26", "2024-01-26", moving=booked["id"]))
    assert at("10:00", "2024-01-26") not in free
    for pressed in ({"show": "1"}, {"chosen": free[0]}):
        answer = await staff.send(path, **typed, **pressed)
        assert answer.status_code == 200
        if "chosen" in pressed:
            typed |= {"time": "09:00", "start": free[0]}
            assert 'aria-pressed="true">09:00<' in answer.text
        assert fields_in(answer, "move") == typed
    assert (await staff.desk.get(booked))["version"] == 1
    await staff.do(path, **typed)
    seen = await staff.desk.get(booked)
    assert (seen["start_time"], seen["end_time"]) == (free[0], at("09:45", "2024-01-26"))


async def test_free_times_are_those_of_the_calendar_that_is_chosen(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    await staff.desk.set_type(calendarIds=[staff.desk.org.calendar_id, room])
    booked = await staff.desk.booked(calendar_id=staff.desk.org.calendar_id)
    await staff.desk.booked(at("10:00"), calendar_id=room)
    await staff.desk.booked(at("11:00"), calendar_id=staff.desk.org.calendar_id)
    path = f"{path_of(booked)}/move"
    answer = await staff.send(path, **await form_of(staff, booked) | {"calendar0": room}, show="1")
    assert fields_in(answer, "move")["calendar0"] == room
    assert "Room 1 · Time zone" in words_of(answer)
    assert at("10:00") not in free_in(answer)
    assert at("11:00") in free_in(answer)


async def test_a_day_that_may_be_a_slip_is_asked_about_once(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = f"{path_of(booked)}/move"
    for day in ("2024-01-19", "2025-06-25"):
        typed = await form_of(staff, booked) | {"date": day}
        answer = await staff.send(path, **typed)
        assert answer.status_code == 409
        assert fields_in(answer, "move") == typed
        assert f'name="sure" value="{day}"' in answer.text
    assert (await staff.desk.get(booked))["version"] == 1
    for _ in range(2):
        await staff.do(path, **typed, sure="2025-06-25")
    # On the day on which it is, it is moved without a question.
    await staff.do(path, **await form_of(staff, booked) | {"time": "11:00"})
    assert (await staff.desk.get(booked))["start_time"] == at("11:00", "2025-06-25")


async def test_a_free_time_that_clocks_show_twice_is_the_one_that_was_chosen(staff: Staff) -> None:
    await staff.desk.set_organization(timezone="Europe/Berlin")
    booked = await staff.desk.booked()
    path = f"{path_of(booked)}/move"
    typed = fields_in(await staff.see(path, start="2024-10-27T01:30:00Z"), "move")
    assert (typed["date"], typed["time"]) == ("2024-10-27", "02:30")
    await staff.do(path, **typed)
    assert (await staff.desk.get(booked))["start_time"] == "2024-10-27T01:30:00Z"
    for bad in ({"start": "soon"}, {"start": "0001-01-01T00:00"}):
        assert (await staff.open(path, **bad)).status_code in (200, 400)
    for odd in ({"date": "9999-12-31"}, {"date": "0001-01-01"}, {"date": "x\x00"}):
        assert (await staff.open(path, **odd)).status_code == 200
