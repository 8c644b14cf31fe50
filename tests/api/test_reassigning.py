"""Another calendar, another length, another type: a standing appointment is changed, never booked anew."""

from typing import Any

import pytest

from tests.api.test_appointment_changes import kinds  # the events of an organization
from tests.support.answers import answered, refused
from tests.support.desk import APPOINTMENTS, Desk, at, codes, week

pytestmark = [pytest.mark.anyio, pytest.mark.both]


async def change(page: Desk, booked: dict[str, Any], **fields: Any) -> dict[str, Any]:
    response = await page.staff.patch(f"{APPOINTMENTS}/{booked['id']}", json=fields)
    return answered(response, "appointment")


async def refuse(
    page: Desk, booked: dict[str, Any], status: int, code: str, /, **fields: Any
) -> dict[str, Any]:
    response = await page.staff.patch(f"{APPOINTMENTS}/{booked['id']}", json=fields)
    answer = refused(response, status, code)
    shown = answered(await page.staff.get(f"{APPOINTMENTS}/{booked['id']}"), "appointment")
    assert shown == booked
    return answer


async def last_event(page: Desk) -> dict[str, Any]:
    found = (await page.staff.get("/v1/events")).json()["events"]
    event: dict[str, Any] = found[-1]
    return event


async def test_another_calendar_takes_it_over(page: Desk) -> None:
    booked, room = await page.booked(at("14:00")), await page.room()
    changed = await change(page, booked, calendar_id=room)
    assert changed == booked | {
        "calendar_id": room,
        "calendars": [{"requirement": "calendar", "calendar_id": room}],
        "version": 2,
        "updated_at": changed["updated_at"],
    }
    event = await last_event(page)
    assert (event["type"], event["data"]["previous"]) == (
        "appointment.reassigned",
        {name: booked[name] for name in ("calendar_id", "calendars")},
    )
    # The time it had is free, and the time it has is not.
    again = await page.booked(at("14:00"), calendar_id=booked["calendar_id"])
    refused(await page.book(at("14:00"), calendar_id=room), 409, "slot_taken")
    answer = await refuse(page, again, 409, "slot_taken", calendar_id=room)
    assert [each["appointment_id"] for each in answer["details"]["reasons"]] == [booked["id"]]


async def test_it_may_be_moved_at_the_same_time(page: Desk) -> None:
    booked, room = await page.booked(at("14:00")), await page.room()
    changed = await change(page, booked, calendar_id=room, start_time=at("16:00"))
    assert (changed["calendar_id"], changed["start_time"]) == (room, at("16:00"))
    assert (await kinds(page.app.state.context.database, page.org))[-2:] == [
        "appointment.rescheduled",
        "appointment.reassigned",
    ]


async def test_a_calendar_that_is_out_of_service_takes_nothing_over(page: Desk) -> None:
    booked, room = await page.booked(at("14:00")), await page.room(is_active=False)
    await refuse(page, booked, 409, "calendar_inactive", calendar_id=room)
    await refuse(page, booked, 404, "not_found", calendar_id="cal_unknown")
    answer = await refuse(
        page, booked, 409, "calendar_not_serving", calendar_id=await page.room(), check="all"
    )
    assert "calendar_not_serving" in codes(answer["details"])


async def test_its_own_calendar_is_no_change(page: Desk) -> None:
    booked = await page.booked(at("14:00"))
    own = {name: booked[name] for name in ("calendar_id", "appointment_type_id", "end_time")}
    assert await change(page, booked, **own, duration_minutes=60) == booked


@pytest.mark.parametrize(
    "wish", [{"duration_minutes": 90}, {"end_time": at("15:30")}], ids=lambda wish: next(iter(wish))
)
async def test_another_length(page: Desk, wish: dict[str, Any]) -> None:
    booked = await page.booked(at("14:00"))
    changed = await change(page, booked, **wish)
    assert (changed["start_time"], changed["end_time"]) == (at("14:00"), at("15:30"))
    event = await last_event(page)
    assert (event["type"], event["data"]["previous"]) == (
        "appointment.rescheduled",
        {"end_time": booked["end_time"]},
    )
    refused(await page.book(at("15:00")), 409, "slot_taken")
    await page.booked(at("15:30"))
    await refuse(page, changed, 409, "slot_taken", duration_minutes=91)
    # The length is its own now, wherever it is moved, until it is that of its type again.
    moved = await change(page, changed, start_time=at("10:00"))
    assert moved["end_time"] == at("11:30")
    short = await change(page, moved, duration_minutes=60)
    assert short["end_time"] == at("11:00")
    await page.set_type(durationMinutes=45)
    assert (await change(page, short, start_time=at("12:00")))["end_time"] == at("12:45")


async def test_a_start_with_its_present_end_is_a_move(page: Desk) -> None:
    booked = await page.booked(at("14:00"))
    moved = await change(page, booked, **booked | {"start_time": at("10:00")})
    assert (moved["start_time"], moved["end_time"]) == (at("10:00"), at("11:00"))


@pytest.mark.parametrize(
    "wish",
    [
        {"duration_minutes": 0},
        {"duration_minutes": 10_081},
        {"end_time": at("14:00")},
        {"end_time": at("13:00")},
        {"end_time": "2024-01-25T15:00:30Z"},
        {"end_time": "2024-02-25T15:00:00Z"},
        {"end_time": at("15:30"), "duration_minutes": 45},
        {"calendar_id": None},
        {"calendar_id": 5},
        {"appointment_type_id": ""},
    ],
    ids=str,
)
async def test_what_is_no_length_is_refused(page: Desk, wish: dict[str, Any]) -> None:
    booked = await page.booked(at("14:00"))
    await refuse(page, booked, 400, "invalid_request", **wish)


async def test_another_type(page: Desk) -> None:
    booked = await page.booked(at("14:00"))
    other = await page.add_type(durationMinutes=30, bufferAfterMinutes=15, name="Checkup")
    changed = await change(page, booked, appointment_type_id=other["id"])
    assert (changed["appointment_type"]["name"], changed["end_time"]) == ("Checkup", at("14:30"))
    event = await last_event(page)
    assert event["type"] == "appointment.rescheduled"
    assert event["data"]["previous"]["appointment_type_id"] == booked["appointment_type_id"]
    refused(await page.book(at("14:40")), 409, "slot_taken")
    await page.booked(at("14:45"))
    history = (await page.staff.get(f"{APPOINTMENTS}/{booked['id']}/history")).json()["history"]
    assert history[-1]["before"]["appointment_type_id"] == booked["appointment_type_id"]


async def test_another_type_in_a_calendar_of_its_own(page: Desk) -> None:
    room, booked = await page.room(), await page.booked(at("14:00"))
    other = await page.add_type(durationMinutes=60, calendarIds=[room])
    changed = await change(page, booked, appointment_type_id=other["id"])
    assert changed["calendar_id"] == room
    back = await change(
        page,
        changed,
        appointment_type_id=page.org.type_id,
        calendar_id=booked["calendar_id"],
        duration_minutes=75,
    )
    assert (back["calendar_id"], back["end_time"]) == (booked["calendar_id"], at("15:15"))


async def test_another_type_is_judged_like_a_booking(page: Desk) -> None:
    booked = await page.booked(at("14:00"))
    asleep = await page.add_type(isActive=False)
    await refuse(page, booked, 409, "type_inactive", appointment_type_id=asleep["id"])
    await refuse(page, booked, 404, "not_found", appointment_type_id="type_unknown")
    await page.booked(at("15:00"))
    longer = await page.add_type(durationMinutes=90)
    await refuse(page, booked, 409, "slot_taken", appointment_type_id=longer["id"])


async def test_what_is_cancelled_goes_where_it_would_be_and_takes_time_when_it_stands(page: Desk) -> None:
    booked, room = await page.booked(at("14:00")), await page.room()
    cancelled = await change(page, booked, status="cancelled")
    elsewhere = await change(page, cancelled, calendar_id=room, duration_minutes=90)
    assert (elsewhere["calendar_id"], elsewhere["end_time"]) == (room, at("15:30"))
    await page.booked(at("14:00"), calendar_id=room)
    await refuse(page, elsewhere, 409, "slot_taken", status="confirmed")
    standing = await change(page, elsewhere, status="confirmed", start_time=at("16:00"))
    assert (standing["calendar_id"], standing["end_time"]) == (room, at("17:30"))


async def test_the_search_for_another_time_knows_the_length_it_has(page: Desk) -> None:
    await page.open(*week("09:00-17:00"))
    await page.set_type(minNoticeHours=0, maxDaysAhead=None)
    booked = await page.booked(at("14:00"))
    assert (await page.starts(moving=booked["id"]))[-1] == at("16:00")
    changed = await change(page, booked, duration_minutes=90)
    assert (await page.starts(moving=booked["id"]))[-1] == at("15:00")
    await refuse(page, changed, 409, "outside_hours", start_time=at("16:00"), check="all")
    assert (await change(page, changed, start_time=at("15:00"), check="all"))["end_time"] == at("16:30")


async def test_null_gives_it_the_length_of_its_type_again(page: Desk) -> None:
    booked = await page.booked(at("14:00"))
    longer = await change(page, booked, duration_minutes=120)
    again = await change(page, longer, duration_minutes=None)
    assert (longer["end_time"], again["end_time"]) == (at("16:00"), at("15:00"))
    await refuse(page, again, 400, "invalid_request", duration_minutes=None, end_time=at("16:00"))


async def test_what_is_cancelled_gets_another_calendar_at_the_same_time(page: Desk) -> None:
    booked, room = await page.booked(at("14:00")), await page.room()
    gone = await change(page, booked, status="cancelled", calendar_id=room)
    assert (gone["status"], gone["calendar_id"]) == ("cancelled", room)
    for calendar_id in (booked["calendar_id"], room):
        assert (await page.book(at("14:00"), dry_run=True, calendar_id=calendar_id)).status_code == 200


async def test_what_keeps_its_calendars_keeps_their_order_and_is_not_reassigned(page: Desk) -> None:
    """Whose turn it was decided the order in which it has them."""
    one, two, three = [await page.room(name) for name in ("One", "Two", "Three")]
    for times, calendar_id in ((1, one), (2, two)):
        kind = await page.add_type(minNoticeHours=0, calendarIds=[calendar_id])
        for hour in range(9, 9 + times):
            await page.booked(at(f"{hour:02}:00"), appointment_type_id=kind["id"])
    needs = [{"name": "team", "calendarIds": [one, two, three], "count": 2}]
    kind = await page.add_type(durationMinutes=60, minNoticeHours=0, requirements=needs)
    booked = await page.booked(at("14:00"), appointment_type_id=kind["id"])
    assert [each["calendar_id"] for each in booked["calendars"]] == [three, one]
    for wish in ({"duration_minutes": 30}, {"start_time": at("15:00")}, {"calendar_ids": [one, three]}):
        changed = await change(page, booked, **wish)
        assert (changed["calendars"], changed["calendar_id"]) == (booked["calendars"], three)
    types = [each for each in await kinds(page.app.state.context.database, page.org) if "assigned" in each]
    assert types == []
    changed = await change(page, booked, calendar_id=two)
    assert changed["calendar_id"] == two
    assert [each["calendar_id"] for each in changed["calendars"]][1] in (one, three)
