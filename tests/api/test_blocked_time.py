"""Time that is blocked can't be booked, on either database and by whatever call."""

from typing import Any

import httpx
import pytest

from tests.support.answers import answered, refused
from tests.support.desk import BASE, THURSDAY, Desk, at, codes

pytestmark = [pytest.mark.anyio, pytest.mark.both]

BLOCKS = f"{BASE}/blocks"


async def block(desk: Desk, first: str, last: str, **fields: Any) -> httpx.Response:
    whose = {} if "calendar_id" in fields else {"all": True}
    wish = {"start_time": at(first), "end_time": at(last)} | whose | fields
    return await desk.staff.post(BLOCKS, json=wish)


async def blocked(desk: Desk, first: str, last: str, **fields: Any) -> dict[str, Any]:
    return answered(await block(desk, first, last, **fields), "block")


async def test_blocked_time_is_neither_offered_nor_booked(page: Desk) -> None:
    made = await blocked(page, "12:00", "14:00")
    assert await page.starts() == [at(f"{hour:02}:00") for hour in (9, 10, 11, 14, 15, 16)]
    for start in ("11:30", "12:00", "13:30"):
        answer = refused(await page.book(at(start)), 409, "blocked")
        [reason] = answer["details"]["reasons"]
        assert reason == {
            "code": "blocked",
            "message": f"The calendar is blocked from {at('12:00')} to {at('14:00')}.",
            "calendar_id": page.org.calendar_id,
            "block_id": made["id"],
            "busy_start": at("12:00"),
            "busy_end": at("14:00"),
        }
        assert at("14:00") in answer["details"]["next_available"]
        refused(await page.hold(at(start)), 409, "blocked")
    assert codes(await page.explain(at("13:00"))) == ["blocked"]
    refused(await page.post("appointments", start_time=at("12:00")), 409, "slot_taken")
    refused(await page.post("holds", start_time=at("12:00")), 409, "slot_taken")
    appointment = await page.booked(at("11:00"))
    refused(await page.change(appointment, start_time=at("12:00")), 409, "blocked")
    assert (await page.book(at("12:00"), check="none")).status_code == 200
    answered(await page.staff.patch(f"{BLOCKS}/{made['id']}", json={"end_time": at("13:00")}), "block")
    await page.booked(at("13:00"))
    assert (await page.staff.delete(f"{BLOCKS}/{made['id']}")).status_code == 200
    await page.changed(appointment, start_time=at("15:00"))
    assert await page.starts() == [at(f"{hour:02}:00") for hour in (9, 10, 11, 14, 16)]


async def test_appointments_in_the_way_are_listed_or_left(page: Desk) -> None:
    first = await page.booked(at("13:00"))
    await page.changed(await page.booked(at("11:00")), status="cancelled")
    held = await page.held(at("09:00"))
    answer = refused(await block(page, "09:30", "13:30"), 409, "appointments_in_the_way")
    mine = {"calendar_id": page.org.calendar_id}
    assert answer["details"] == {
        "total": 2,
        "appointments": [
            {
                "held_until": held["expires_at"],
                **mine,
                **dict.fromkeys(("start_time", "busy_start"), at("09:00")),
                **dict.fromkeys(("end_time", "busy_end"), at("10:00")),
            },
            {
                "id": first["id"],
                **mine,
                **dict.fromkeys(("start_time", "busy_start"), at("13:00")),
                **dict.fromkeys(("end_time", "busy_end"), at("14:00")),
            },
        ],
    }
    assert held["id"] not in str(answer)
    assert await page.starts() == [at(f"{hour:02}:00") for hour in (10, 11, 12, 14, 15, 16)]
    made = await blocked(page, "09:30", "13:30", force=True)
    assert await page.starts() == [at(f"{hour:02}:00") for hour in (14, 15, 16)]
    assert (await page.get(first))["status"] == "confirmed"
    assert (await page.changed(first, status="completed"))["status"] == "completed"
    # The hold is as good as it was, but its time is not given to anybody else.
    used = await page.booked(at("09:00"), hold_id=held["id"])
    await page.changed(used, status="cancelled")
    refused(await page.change(used, status="confirmed"), 409, "blocked")
    # Only what is blocked newly counts.
    path = f"{BLOCKS}/{made['id']}"
    answered(await page.staff.patch(path, json={"end_time": at("13:15"), "reason": "Audit"}), "block")
    answered(await page.staff.patch(path, json={"start_time": at("09:15")}), "block")
    await page.booked(at("15:00"))
    refused(await page.staff.patch(path, json={"end_time": at("15:30")}), 409, "appointments_in_the_way")
    answered(await page.staff.patch(path, json={"end_time": at("15:30"), "force": True}), "block")


async def test_buffers_are_in_the_way_as_well(page: Desk) -> None:
    await page.set_type(bufferAfterMinutes=30)
    await page.booked(at("10:00"))
    refused(await block(page, "11:15", "12:00"), 409, "appointments_in_the_way")
    await blocked(page, "11:30", "12:00")
    refused(await page.book(at("08:45"), check="conflicts"), 409, "slot_taken")
    await blocked(page, "14:00", "15:00")
    refused(await page.book(at("12:45")), 409, "blocked")


async def test_a_list_of_appointments_in_the_way_ends_somewhere(page: Desk) -> None:
    await page.set_type(durationMinutes=5, slotIntervalMinutes=5)
    for minute in range(0, 60, 5):
        for hour in range(9, 14):
            await page.booked(at(f"{hour:02}:{minute:02}"))
    details = refused(await block(page, "09:00", "17:00"), 409, "appointments_in_the_way")["details"]
    assert details["total"] == 60
    assert len(details["appointments"]) == 50
    assert details["appointments"][0]["start_time"] == at("09:00")


async def test_a_rule_blocks_every_instance(page: Desk) -> None:
    rule = {"rule": {"days_of_week": [4, 5], "until": "2024-02-02", "except_dates": ["2024-01-26"]}}
    await page.booked(at("12:00", "2024-02-02"))
    answer = refused(await block(page, "12:00", "13:00", **rule), 409, "appointments_in_the_way")
    assert answer["details"]["total"] == 1
    await blocked(page, "12:00", "13:00", force=True, **rule)
    days = ("2024-01-25", "2024-01-26", "2024-02-01", "2024-02-02", "2024-02-08")
    free = [day for day in days if at("12:00", day) in await page.starts(day, day)]
    assert free == ["2024-01-26", "2024-02-08"]


async def test_blocks_may_lie_over_each_other(page: Desk) -> None:
    long = await blocked(page, "12:00", "14:00")
    await blocked(page, "13:00", "15:00", calendar_id=page.org.calendar_id)
    assert (await page.staff.delete(f"{BLOCKS}/{long['id']}")).status_code == 200
    assert at("12:00") in await page.starts()
    refused(await page.book(at("13:00")), 409, "blocked")


async def test_a_block_of_all_calendars_is_one_of_those_made_later_too(page: Desk) -> None:
    past = {"start_time": at("12:00", "2024-01-18"), "end_time": at("13:00", "2024-01-18")}
    await blocked(page, "12:00", "13:00", **past)
    made = await blocked(page, "12:00", "13:00", rule={"count": 2})
    alone = await blocked(page, "14:00", "15:00", calendar_id=page.org.calendar_id)
    room = await page.room()
    await page.set_type(calendarIds=[page.org.calendar_id, room])
    for day in (THURSDAY, "2024-02-01"):
        refused(await page.book(at("12:00", day), calendar_id=room), 409, "blocked")
    await page.booked(at("14:00"), calendar_id=room)
    # It becomes one of a single calendar, and one of all again.
    path = f"{BLOCKS}/{made['id']}"
    answered(await page.staff.patch(path, json={"calendar_id": page.org.calendar_id}), "block")
    await page.booked(at("12:00"), calendar_id=room)
    details = refused(await page.staff.patch(path, json={"all": True}), 409, "appointments_in_the_way")
    assert details["details"]["appointments"][0]["calendar_id"] == room
    answered(await page.staff.patch(path, json={"all": True, "force": True}), "block")
    refused(await page.book(at("12:00", "2024-02-01"), calendar_id=room), 409, "blocked")
    # A calendar that goes out of service takes nothing along.
    third = await page.room("Third")
    assert (await page.staff.delete(f"{BASE}/calendars/{third}")).status_code == 200
    answered(await page.staff.patch(path, json={"end_time": at("12:30")}), "block")
    for each in (made, alone):
        assert (await page.staff.delete(f"{BLOCKS}/{each['id']}")).status_code == 200
    await page.booked(at("14:00"), calendar_id=page.org.calendar_id)


async def test_a_block_of_two_years_is_blocked_from_one_end_to_the_other(page: Desk) -> None:
    await page.set_type(minNoticeHours=0, maxDaysAhead=None)
    wish = {"end_time": at("00:00", "2026-01-25")}
    made = await blocked(page, "00:00", "00:00", **wish)
    assert made["instances"] == [{"start_time": at("00:00"), **wish}]
    for day in ("2024-01-25", "2024-02-05", "2024-02-06", "2025-07-01", "2026-01-24"):
        refused(await page.book(at("10:00", day)), 409, "blocked")
        assert await page.starts(day, day) == []
    await page.booked(at("10:00", "2024-01-24"))
    await page.booked(at("10:00", "2026-01-25"))
    response = await page.staff.get(BLOCKS, params={"from": "2025-07-01", "to": "2025-07-01"})
    assert [each["id"] for each in response.json()["blocks"]] == [made["id"]]
    assert (await page.staff.delete(f"{BLOCKS}/{made['id']}")).status_code == 200
    await page.booked(at("10:00", "2025-07-01"))
