"""A doctor and a room and a device in one appointment: all of them are taken, or none."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.answers import answered, refused
from tests.support.desk import APPOINTMENTS, BASE, Desk, at, week

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]


@dataclass(frozen=True)
class Clinic:
    """Two doctors, two rooms and a device, open from nine to five."""

    desk: Desk
    type_id: str
    ana: str
    ben: str
    red: str
    blue: str
    laser: str

    async def book(self, start: str, **fields: Any) -> dict[str, Any]:
        return await self.desk.booked(start, appointment_type_id=self.type_id, **fields)

    async def refuse(self, start: str, code: str, **fields: Any) -> dict[str, Any]:
        response = await self.desk.book(start, appointment_type_id=self.type_id, **fields)
        return refused(response, 409, code)

    async def free(self, calendar_id: str, start: str) -> bool:
        """Whether a calendar can be booked by itself, of the organization's short type."""
        return (await self.desk.book(start, dry_run=True, calendar_id=calendar_id)).status_code == 200


def calendars_of(appointment: dict[str, Any]) -> dict[str, Any]:
    return {each["requirement"]: each["calendar_id"] for each in appointment["calendars"]}


@pytest.fixture
async def clinic(page: Desk) -> Clinic:
    await page.open(*week("09:00-17:00"))
    ana, ben, red, blue, laser = [await page.room(name) for name in ("Ana", "Ben", "Red", "Blue", "Laser")]
    type_ = await page.add_type(
        name="Surgery",
        durationMinutes=60,
        bufferAfterMinutes=15,
        slotIntervalMinutes=15,
        minNoticeHours=0,
        maxDaysAhead=None,
        requirements=[
            {"name": "doctor", "calendarIds": [ana, ben], "count": 1},
            {"name": "room", "calendarIds": [red, blue], "count": 1},
            {
                "name": "device",
                "calendarIds": [laser],
                "count": 1,
                "offsetMinutes": 30,
                "durationMinutes": 15,
            },
        ],
    )
    await page.set_type(minNoticeHours=0, maxDaysAhead=None, durationMinutes=15)
    return Clinic(page, type_["id"], ana, ben, red, blue, laser)


async def test_all_its_calendars_are_taken_each_for_its_own_time(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"))
    assert calendars_of(booked) == {"doctor": clinic.ana, "room": clinic.red, "device": clinic.laser}
    assert booked["calendar_id"] == clinic.ana
    assert not await clinic.free(clinic.red, at("11:00"))  # the buffer
    assert await clinic.free(clinic.red, at("11:15"))
    assert await clinic.free(clinic.laser, at("10:15"))
    assert not await clinic.free(clinic.laser, at("10:30"))
    assert await clinic.free(clinic.laser, at("11:00"))
    second = await clinic.book(at("10:30"), check="all")
    assert calendars_of(second) == {"doctor": clinic.ben, "room": clinic.blue, "device": clinic.laser}
    third = await clinic.refuse(at("11:00"), "slot_taken", check="all")
    assert {reason["requirement"] for reason in third["details"]["reasons"]} == {"doctor", "room"}


async def test_what_one_requirement_lacks_takes_nothing_of_the_others(clinic: Clinic) -> None:
    await clinic.desk.booked(at("10:30"), calendar_id=clinic.laser)
    for check in ("conflicts", "all"):
        answer = await clinic.refuse(at("10:00"), "slot_taken", check=check)
        assert [each["requirement"] for each in answer["details"]["reasons"]] == ["device"]
        assert answer["details"]["next_available"][0] == at("10:15")
    for calendar in (clinic.ana, clinic.ben, clinic.red, clinic.blue):
        assert await clinic.free(calendar, at("10:00"))


async def test_pinned_calendars_are_among_them(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"), calendar_ids=[clinic.blue, clinic.ben])
    assert calendars_of(booked) == {"doctor": clinic.ben, "room": clinic.blue, "device": clinic.laser}
    one = await clinic.book(at("12:00"), calendar_id=clinic.blue)
    assert calendars_of(one)["room"] == clinic.blue
    answer = await clinic.refuse(at("12:15"), "slot_taken", calendar_ids=[clinic.blue])
    assert {each["calendar_id"] for each in answer["details"]["reasons"]} >= {clinic.blue}
    for pins in ([clinic.ana, clinic.ben], [clinic.ana, clinic.ana], [], ["cal_unknown"]):
        response = await clinic.desk.book(at("14:00"), appointment_type_id=clinic.type_id, calendar_ids=pins)
        assert response.status_code in (400, 404), pins
    response = await clinic.desk.book(
        at("14:00"), appointment_type_id=clinic.type_id, calendar_ids=[clinic.ana], calendar_id=clinic.red
    )
    refused(response, 400, "invalid_request")


async def test_a_hold_keeps_all_of_them_and_passes_them_on(clinic: Clinic) -> None:
    wish = {"appointment_type_id": clinic.type_id, "start_time": at("10:00"), "calendar_ids": [clinic.ben]}
    hold = answered(await clinic.desk.staff.post(f"{BASE}/holds", json=wish), "hold")
    assert calendars_of(hold) == {"doctor": clinic.ben, "room": clinic.red, "device": clinic.laser}
    for calendar in (clinic.ben, clinic.red):
        assert not await clinic.free(calendar, at("10:00"))
    booked = await clinic.book(at("10:00"), hold_id=hold["id"])
    assert booked["calendars"] == hold["calendars"]
    for calendar in (clinic.ben, clinic.red):
        assert not await clinic.free(calendar, at("10:00"))
    again = answered(
        await clinic.desk.staff.post(f"{BASE}/holds", json=wish | {"start_time": at("14:00")}), "hold"
    )
    assert (await clinic.desk.staff.delete(f"{BASE}/holds/{again['id']}")).status_code == 200
    for calendar in (clinic.ben, clinic.red, clinic.laser):
        assert await clinic.free(calendar, at("14:30"))


async def test_it_is_moved_with_all_of_them_and_cancelled_for_all(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"))
    path = f"{APPOINTMENTS}/{booked['id']}"
    moved = answered(await clinic.desk.staff.patch(path, json={"start_time": at("14:00")}), "appointment")
    assert moved["calendars"] == booked["calendars"]
    for calendar in (clinic.ana, clinic.red):
        assert await clinic.free(calendar, at("10:00"))
        assert not await clinic.free(calendar, at("14:00"))
    await clinic.desk.booked(at("16:00"), calendar_id=clinic.red)
    refused(await clinic.desk.staff.patch(path, json={"start_time": at("16:00")}), 409, "slot_taken")
    gone = answered(await clinic.desk.staff.patch(path, json={"status": "cancelled"}), "appointment")
    assert gone["calendars"] == booked["calendars"]
    for calendar in (clinic.ana, clinic.red, clinic.laser):
        assert await clinic.free(calendar, at("14:30"))
    answered(await clinic.desk.staff.patch(path, json={"status": "confirmed"}), "appointment")
    assert not await clinic.free(clinic.laser, at("14:30"))


async def test_one_of_them_is_given_to_another_calendar(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"))
    path = f"{APPOINTMENTS}/{booked['id']}"
    changed = answered(await clinic.desk.staff.patch(path, json={"calendar_id": clinic.blue}), "appointment")
    assert calendars_of(changed) == {"doctor": clinic.ana, "room": clinic.blue, "device": clinic.laser}
    assert changed["calendar_id"] == clinic.ana
    swapped = answered(
        await clinic.desk.staff.patch(path, json={"calendar_ids": [clinic.red]}), "appointment"
    )
    assert calendars_of(swapped) == {"doctor": clinic.ana, "room": clinic.red, "device": clinic.laser}
    both = {"calendar_ids": [clinic.ben, clinic.blue], "start_time": at("12:00")}
    changed = answered(await clinic.desk.staff.patch(path, json=both), "appointment")
    assert calendars_of(changed) == {"doctor": clinic.ben, "room": clinic.blue, "device": clinic.laser}
    assert await clinic.free(clinic.red, at("10:00"))
    # Sent back whole, it stays as it is.
    same = answered(await clinic.desk.staff.patch(path, json=changed), "appointment")
    assert same == changed


async def test_lists_and_feeds_of_each_calendar_have_it(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"))
    for calendar in (clinic.ana, clinic.red, clinic.laser):
        found = (await clinic.desk.staff.get(APPOINTMENTS, params={"calendar_id": calendar})).json()
        assert [each["id"] for each in found["appointments"]] == [booked["id"]]
    found = (await clinic.desk.staff.get(APPOINTMENTS, params={"calendar_id": clinic.blue})).json()
    assert found["appointments"] == []
    made = (await clinic.desk.staff.post(f"{BASE}/feeds", json={"calendar_id": clinic.laser})).json()
    assert booked["id"] in (await clinic.desk.client.get(made["url"])).text


async def test_clients_book_it_like_any_other(clinic: Clinic) -> None:
    booked = await clinic.desk.booked_by_client(start_time=at("10:00"), appointment_type_id=clinic.type_id)
    assert "calendars" not in booked["appointment"]
    shown = answered(
        await clinic.desk.staff.get(f"{APPOINTMENTS}/{booked['appointment']['id']}"), "appointment"
    )
    assert calendars_of(shown) == {"doctor": clinic.ana, "room": clinic.red, "device": clinic.laser}


async def test_turns_go_round_within_each_requirement(clinic: Clinic) -> None:
    taken = [calendars_of(await clinic.book(at(f"{hour}:00"))) for hour in (10, 12, 14, 16)]
    assert [each["doctor"] for each in taken] == [clinic.ana, clinic.ben] * 2
    assert [each["room"] for each in taken] == [clinic.red, clinic.blue] * 2


async def test_a_team_of_several(clinic: Clinic) -> None:
    everybody = [clinic.ana, clinic.ben, clinic.red]
    team = await clinic.desk.add_type(
        durationMinutes=60, requirements=[{"name": "team", "calendarIds": everybody, "count": 2}]
    )
    wish = {"appointment_type_id": team["id"]}
    first = await clinic.desk.booked(at("10:00"), **wish)
    assert [each["requirement"] for each in first["calendars"]] == ["team", "team"]
    refused(await clinic.desk.book(at("10:00"), **wish), 409, "slot_taken")
    pinned = await clinic.desk.booked(at("12:00"), calendar_ids=[clinic.red, clinic.ben], **wish)
    assert {each["calendar_id"] for each in pinned["calendars"]} == {clinic.red, clinic.ben}


async def test_staff_may_force_it_over_what_is_there(clinic: Clinic) -> None:
    await clinic.desk.booked(at("10:30"), calendar_id=clinic.laser)
    forced = await clinic.book(at("10:00"), check="none")
    assert forced["overlap_allowed"]
    assert calendars_of(forced) == {"doctor": clinic.ana, "room": clinic.red, "device": clinic.laser}
    assert not await clinic.free(clinic.red, at("10:00"))


async def test_what_its_type_needs_no_longer_is_given_back_when_it_is_moved(clinic: Clinic) -> None:
    booked = await clinic.book(at("10:00"))
    path = f"{APPOINTMENTS}/{booked['id']}"
    # The doctor is the younger calendar, so that no order by age could choose well by chance.
    ana = await clinic.desk.room("Ana again")
    pinned = {"calendar_ids": [ana], "check": "none"}
    kind = f"{BASE}/appointment-types/{clinic.type_id}"
    answered(await clinic.desk.staff.put(kind, json={"calendarIds": [ana]}), "appointmentType")
    moved = answered(await clinic.desk.staff.patch(path, json=pinned), "appointment")
    assert [each["calendar_id"] for each in moved["calendars"]] == [ana]
    two = [{"name": "doctor", "calendarIds": [ana]}, {"name": "room", "calendarIds": [clinic.red]}]
    answered(await clinic.desk.staff.put(kind, json={"requirements": two}), "appointmentType")
    moved = answered(await clinic.desk.staff.patch(path, json={"start_time": at("12:00")}), "appointment")
    assert calendars_of(moved) == {"doctor": ana, "room": clinic.red}
    answered(await clinic.desk.staff.put(kind, json={"requirements": two[:1]}), "appointmentType")
    moved = answered(await clinic.desk.staff.patch(path, json={"start_time": at("14:00")}), "appointment")
    assert [each["calendar_id"] for each in moved["calendars"]] == [ana]
    assert await clinic.free(clinic.red, at("12:00"))
