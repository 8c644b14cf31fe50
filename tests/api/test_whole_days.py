"""Types that last whole days, where whole days are open: they last calendar days, of 23 or 25 hours, too."""

from typing import Any

import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, codes, week, window
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

DAY = 1_440
SHORT, LONG = (
    ("2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"),
    ("2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"),
)
"""31 March has 23 hours in Berlin, and 27 October has 25."""
BEFORE, AFTER = "2024-03-29T23:00:00Z", "2024-04-01T22:00:00Z"


@pytest.fixture
async def org(db: Database, clock: StoppedClock) -> Org:
    """In Berlin, around the clock; its type lasts a day."""
    kind: dict[str, Any] = {"durationMinutes": DAY, "minNoticeHours": 0, "maxDaysAhead": None}
    return await make_org(db, clock.now(), timezone="Europe/Berlin", **kind)


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    return desk


async def spans(desk: Desk, first: str, last: str, **query: str) -> list[tuple[str, str]]:
    return [(slot["start_time"], slot["end_time"]) for slot in await desk.slots(first, last, **query)]


@pytest.mark.parametrize("check", ["conflicts", "all", "none"])
async def test_a_booking_of_an_odd_day_takes_that_day_and_no_other(desk: Desk, check: str) -> None:
    for start, end in (SHORT, LONG):
        booked = await desk.booked(start, check=check)
        assert (booked["start_time"], booked["end_time"]) == (start, end)
        assert booked["appointment_type"]["duration_minutes"] == DAY
        assert (await desk.get(booked))["end_time"] == end
    for neighbour in (BEFORE, SHORT[1], LONG[1], "2024-10-25T22:00:00Z"):
        await desk.booked(neighbour, check=check)
    refused(await desk.book("2024-03-31T12:00:00Z"), 409, "slot_taken")


async def test_odd_days_are_listed_as_long_as_they_are(desk: Desk) -> None:
    days = [(BEFORE, SHORT[0]), SHORT, (SHORT[1], AFTER)]
    assert await spans(desk, "2024-03-30", "2024-04-01") == days
    assert await spans(desk, "2024-10-27", "2024-10-28") == [LONG, (LONG[1], "2024-10-28T23:00:00Z")]
    [slot] = await desk.slots("2024-03-31", "2024-03-31", timezone="Asia/Tokyo")
    assert slot["local_end_time"] == "2024-04-01T07:00:00+09:00"
    await desk.booked(SHORT[1], check="all")  # the day after
    assert await spans(desk, "2024-03-30", "2024-04-01") == days[:2]
    told = await desk.explain(SHORT[0])
    assert told["bookable"] is True
    assert told["next_available"][0] == AFTER
    assert (await desk.explain(BEFORE))["next_available"][:2] == [SHORT[0], AFTER]
    await desk.booked(SHORT[0], check="all")
    answer = refused(await desk.book(SHORT[0], check="all"), 409, "slot_taken")
    assert answer["details"]["next_available"][0] == AFTER
    assert answer["error"].startswith(
        "The calendar is already taken between 2024-03-30T23:00:00Z and 2024-03-31T22:00:00Z"
    )


async def test_seven_days_and_the_same_hour_of_the_day(desk: Desk) -> None:
    await desk.set_type(durationMinutes=7 * DAY, slotIntervalMinutes=60, bufferAfterMinutes=DAY)
    week_before = await desk.booked("2024-10-21T09:00:00", check="all")
    assert (week_before["start_time"], week_before["end_time"]) == (
        "2024-10-21T07:00:00Z",
        "2024-10-28T08:00:00Z",
    )
    refused(await desk.book("2024-10-29T08:59:00"), 409, "slot_taken")  # buffers are real minutes
    spring = await desk.booked("2024-03-25T09:00:00", check="all")
    assert spring["end_time"] == "2024-04-01T07:00:00Z"
    found = await spans(desk, "2024-10-29", "2024-10-29")
    assert found[0] == ("2024-10-29T08:00:00Z", "2024-11-05T08:00:00Z")


async def test_holds_moves_and_uncancelling_take_the_same(desk: Desk) -> None:
    held = await desk.held(SHORT[0], check="all")
    assert held["end_time"] == SHORT[1]
    assert await spans(desk, "2024-03-31", "2024-03-31") == []
    booked = await desk.booked(SHORT[0], hold_id=held["id"])
    assert booked["end_time"] == SHORT[1]
    moved = await desk.changed(booked, start_time=LONG[0], check="all")
    assert (moved["start_time"], moved["end_time"]) == LONG
    moved = await desk.changed(booked, start_time=SHORT[0])
    assert (moved["start_time"], moved["end_time"]) == SHORT
    version = moved["version"]
    assert (await desk.changed(booked, start_time=SHORT[0]))["version"] == version
    await desk.changed(booked, status="cancelled")
    neighbour = await desk.booked(SHORT[1], check="all")
    again = await desk.changed(booked, status="confirmed", check="all")
    assert (again["start_time"], again["end_time"]) == SHORT
    # A minute earlier, all of them end a minute earlier.
    await desk.set_type(slotIntervalMinutes=1)
    moved = await desk.changed(booked, start_time="2024-03-30T22:59:00Z", check="all")
    assert moved["end_time"] == "2024-03-31T21:59:00Z"
    refused(await desk.change(booked, start_time="2024-03-30T23:01:00Z", check="all"), 409, "slot_taken")
    assert (await desk.get(neighbour))["end_time"] == AFTER


async def test_clients_book_odd_days_and_move_to_them(desk: Desk) -> None:
    await desk.staff.patch("/v1/organization", json={"client_notice_hours": 0})
    client = desk.client
    asked = {"appointment_type_id": desk.org.type_id, "from": "2024-03-31", "to": "2024-03-31"}
    [slot] = (await client.get(f"{desk.path}/slots", params=asked)).json()["slots"]
    assert (slot["start_time"], slot["end_time"]) == SHORT
    response = await client.post(f"{desk.path}/appointments", json=desk.org.wish(start_time=SHORT[0]))
    assert response.json()["appointment"]["end_time"] == SHORT[1]
    link = f"/v1/public/appointments/{response.json()['manage_token']}/reschedule"
    moved = answered(await client.post(link, json={"start_time": LONG[0]}), "appointment")
    assert moved["end_time"] == LONG[1]


async def test_hours_decide_whether_days_are_whole(desk: Desk) -> None:
    """Overrides, windows for the type alone and its schedule included; else lengths are real minutes."""
    real = ("2024-03-30T23:00:00Z", "2024-03-31T23:00:00Z")

    async def lasts() -> tuple[str, str]:
        booked = await desk.booked(SHORT[0], dry_run=True)
        return booked["start_time"], booked["end_time"]

    assert await lasts() == SHORT
    holiday = await desk.make("overrides", "override", date="2024-03-31", windows=[])
    assert await lasts() == real
    path = f"/v1/calendar/overrides/{holiday['id']}"
    await desk.staff.patch(path, json={"date": "2024-04-01"})  # the day after may be closed
    assert await lasts() == SHORT
    assert await spans(desk, "2024-03-31", "2024-04-01") == [SHORT]
    await desk.open(*week("00:00-23:59"))
    assert await lasts() == real
    await desk.make("overrides", "override", date="2024-03-31", windows=[window("00:00-24:00")])
    assert await lasts() == SHORT
    await desk.open(*week("00:00-12:00"), *week("12:00-24:00", appointment_type_id=desk.org.type_id))
    assert await lasts() == SHORT
    schedule = await desk.make(
        "schedules", "schedule", name="By day", timezone="Europe/Berlin", windows=week("09:00-17:00")
    )
    await desk.set_type(scheduleId=schedule["id"])
    assert await lasts() == real
    await desk.staff.patch(f"/v1/calendar/schedules/{schedule['id']}", json={"windows": week("00:00-24:00")})
    assert await lasts() == SHORT
    # In another zone the day is another one.
    await desk.staff.patch(f"/v1/calendar/schedules/{schedule['id']}", json={"timezone": "Asia/Tokyo"})
    assert await lasts() == real
    await desk.set_type(durationMinutes=DAY + 1, scheduleId=None)
    assert await lasts() == (real[0], "2024-03-31T23:01:00Z")


async def test_a_calendars_own_hours_only_take_away(desk: Desk) -> None:
    own = await desk.make(
        "schedules", "schedule", name="Late", timezone="Europe/Berlin", windows=week("00:00-23:00")
    )
    await desk.set_calendar(desk.org.calendar_id, schedule_id=own["id"])
    assert (await desk.booked(SHORT[0], dry_run=True))["end_time"] == SHORT[1]
    assert codes((refused(await desk.book(SHORT[0], check="all"), 409, "outside_hours"))["details"]) == [
        "outside_hours"
    ]
    await desk.staff.patch(f"/v1/calendar/schedules/{own['id']}", json={"windows": week("00:00-24:00")})
    assert await spans(desk, "2024-03-31", "2024-03-31") == [SHORT]
    assert (await desk.booked(SHORT[0], check="all"))["end_time"] == SHORT[1]


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"),
        ("Australia/Lord_Howe", "2024-10-06", "2024-10-05T13:30:00Z", "2024-10-06T13:00:00Z"),
        ("Australia/Lord_Howe", "2024-04-07", "2024-04-06T13:00:00Z", "2024-04-07T13:30:00Z"),
    ],
)
async def test_midnights_that_are_skipped_or_repeated_and_half_hours(
    app: FastAPI, db: Database, clock: StoppedClock, zone: str, day: str, start: str, end: str
) -> None:
    clock.at = clock.at.replace(year=2018, month=1, day=1)
    org = await make_org(db, clock.now(), timezone=zone, durationMinutes=DAY, maxDaysAhead=None)
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    assert await spans(desk, day, day) == [(start, end)]
    booked = await desk.booked(start, check="all")
    assert (booked["start_time"], booked["end_time"]) == (start, end)
    await desk.booked(end, check="all")
