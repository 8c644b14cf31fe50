"""What is free, why something is not, and what could be had instead."""

from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, THURSDAY, Desk, at, codes, week, window
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

MORNING = week("09:00-12:00")
NINE, TEN, ELEVEN = (at(f"{hour}:00") for hour in ("09", "10", "11"))


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to twelve, every day."""
    desk = Desk(app, org)
    await desk.open(*MORNING)
    return desk


def told(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasons without their sentences."""
    assert all(reason.pop("message") for reason in reasons)
    return reasons


async def test_a_search_answers_every_start_in_order(desk: Desk) -> None:
    mine = [desk.org.calendar_id]
    free = {"calendar_ids": mine, "choices": [{"requirement": "calendar", "calendar_ids": mine}]}
    assert (await desk.search("2024-01-25", "2024-01-26T10:30:00Z")).json() == {
        "slots": [
            {"start_time": NINE, "end_time": TEN} | free,
            {"start_time": TEN, "end_time": ELEVEN} | free,
            {"start_time": ELEVEN, "end_time": at("12:00")} | free,
            {"start_time": at("09:00", "2024-01-26"), "end_time": at("10:00", "2024-01-26")} | free,
            {"start_time": at("10:00", "2024-01-26"), "end_time": at("11:00", "2024-01-26")} | free,
        ],
        "timezone": "UTC",
    }


async def test_a_search_is_bounded_by_start(desk: Desk) -> None:
    assert await desk.starts(TEN, ELEVEN) == [TEN]
    assert await desk.starts(f"{THURSDAY}T09:00:01Z", f"{THURSDAY}T11:00:01Z") == [TEN, ELEVEN]
    assert await desk.starts(TEN, TEN) == []
    refused(await desk.search(ELEVEN, TEN), 400, "invalid_request")
    refused(await desk.search("2024-01-26", "2024-01-24"), 400, "invalid_request")
    assert len(await desk.starts("2024-01-21", "2024-04-21")) == 59 * 3  # 92 days
    refused(await desk.search("2024-01-21", "2024-04-23"), 400, "invalid_request")


async def test_bare_dates_and_local_times(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    org = await make_org(db, clock.now(), timezone="America/New_York")
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    starts = await desk.starts(THURSDAY, THURSDAY)
    assert (starts[0], starts[-1], len(starts)) == (at("05:00"), at("04:00", "2024-01-26"), 24)
    assert await desk.starts(f"{THURSDAY}T23:00", "2024-01-25T19:00:00-10:00") == [starts[-1]]

    plain = (await desk.search(THURSDAY, THURSDAY)).json()
    local = (await desk.search(THURSDAY, THURSDAY, timezone="Asia/Kathmandu")).json()
    assert (plain["timezone"], local["timezone"]) == ("America/New_York", "Asia/Kathmandu")
    assert local["slots"][0] == plain["slots"][0] | {
        "local_start_time": "2024-01-25T10:45:00+05:45",
        "local_end_time": "2024-01-25T11:45:00+05:45",
    }
    for slot in local["slots"]:
        del slot["local_start_time"], slot["local_end_time"]
    assert local["slots"] == plain["slots"]
    refused(await desk.search(timezone="Mars/Olympus"), 400, "invalid_request")


async def test_calendars_are_told_by_age_and_only_those_that_could_take_it(
    desk: Desk, clock: StoppedClock
) -> None:
    first, rooms = desk.org.calendar_id, []
    for name in ("Second", "Third", "Not serving"):
        clock.forward(seconds=1)
        rooms.append(await desk.room(name))
    second, third, stranger = rooms
    await desk.set_type(calendarIds=[third, first, second])
    await desk.booked(TEN, calendar_id=second)
    await desk.booked(ELEVEN, calendar_id=first)
    assert {slot["start_time"]: slot["calendar_ids"] for slot in await desk.slots()} == {
        NINE: [first, second, third],
        TEN: [first, third],
        ELEVEN: [second, third],
    }
    assert [slot["calendar_ids"] for slot in await desk.slots(calendar_id=second)] == [[second], [second]]
    assert await desk.starts(calendar_id=second) == [NINE, ELEVEN]
    assert await desk.starts(calendar_id=stranger) == []
    await desk.set_calendar(third, is_active=False)
    assert [slot["calendar_ids"] for slot in await desk.slots()] == [[first, second], [first], [second]]
    assert await desk.starts(calendar_id=third) == []
    await desk.set_type(isActive=False)
    assert await desk.starts() == []
    for unknown in ({"calendar_id": "cal_none"}, {"appointment_type_id": "type_none"}):
        answer = refused(await desk.search(**unknown), 404, "not_found")
        assert answer["details"] == {"field": next(iter(unknown))}


async def test_a_calendars_own_hours_narrow_and_move_nothing(desk: Desk) -> None:
    late = await desk.make(
        "schedules", "schedule", name="Late", timezone="Europe/Berlin", windows=week("10:30-13:00")
    )
    await desk.set_calendar(desk.org.calendar_id, schedule_id=late["id"])
    assert await desk.starts() == [TEN, ELEVEN]  # 9:30 to 12:00 in UTC


async def test_a_type_may_follow_a_schedule_of_its_own(desk: Desk) -> None:
    own = await desk.make(
        "schedules", "schedule", name="Own", timezone="Europe/Berlin", windows=week("14:00-16:00")
    )
    await desk.set_type(scheduleId=own["id"])
    assert await desk.starts() == [at("13:00"), at("14:00")]
    closed = {"date": THURSDAY}
    await desk.make("overrides", "override", **closed)  # of hours it does not follow
    assert await desk.starts() == [at("13:00"), at("14:00")]
    await desk.make(f"schedules/{own['id']}/overrides", "override", **closed)
    assert await desk.starts() == []


async def test_windows_for_one_type_only(desk: Desk) -> None:
    other = await desk.make("appointment-types", "appointmentType", name="Other", durationMinutes=60)
    await desk.open(
        *week("09:00-10:00"),
        *week("10:00-11:00", appointment_type_id=other["id"]),
        *week("14:00-15:00", appointment_type_id=desk.org.type_id),
        *week("16:00-17:00", is_active=False),
    )
    assert await desk.starts() == [NINE, at("14:00")]
    assert await desk.starts(appointment_type_id=other["id"]) == [NINE, TEN]


async def test_overrides_beat_hours_and_each_other(desk: Desk) -> None:
    async def override(**body: Any) -> None:
        await desk.make("overrides", "override", **body)

    days = {"start_date": "2024-01-24", "end_date": "2024-01-26"}
    await override(date=THURSDAY, windows=[window("09:30-11:30")])
    await override(**days, windows=[window("20:00-21:00")])
    assert await desk.starts("2024-01-23", "2024-01-26") == [
        *(at(hour, "2024-01-23") for hour in ("09:00", "10:00", "11:00")),
        at("20:00", "2024-01-24"),
        at("09:30"),  # the fewer days, the stronger, though it was set before
        at("10:30"),
        at("20:00", "2024-01-26"),
    ]
    await override(**days)
    assert await desk.starts("2024-01-24", "2024-01-26") == [at("09:30"), at("10:30")]


async def test_a_day_set_by_hand_beats_the_holiday(desk: Desk) -> None:
    day = "2024-02-19"  # Presidents' Day
    by_hand = await desk.make("overrides", "override", date=day, windows=[window("15:00-16:00")])
    response = await desk.staff.post(f"{BASE}/overrides/holidays", json={"country": "US", "year": 2024})
    assert day in [each["start_date"] for each in response.json()["overrides"]]
    assert await desk.starts(day, day) == [at("15:00", day)]
    await desk.staff.delete(f"{BASE}/overrides/{by_hand['id']}")
    assert await desk.starts(day, day) == []


async def test_notice_horizon_limits_and_buffers_leave_starts_out(desk: Desk, clock: StoppedClock) -> None:
    assert await desk.starts("2024-01-20", "2024-01-21") == []  # noon to noon is notice
    await desk.set_type(minNoticeHours=22, maxDaysAhead=3)
    assert await desk.starts("2024-01-20", "2024-01-26") == [
        *(at(hour, "2024-01-21") for hour in ("10:00", "11:00")),
        *(at(hour, day) for day in ("2024-01-22", "2024-01-23") for hour in ("09:00", "10:00", "11:00")),
    ]
    await desk.set_type(maxDaysAhead=None, slotIntervalMinutes=30, bufferBeforeMinutes=15, maxPerDay=2)
    await desk.booked(at("09:00", "2024-01-22"))
    assert await desk.starts("2024-01-22", "2024-01-22") == [
        at(hour, "2024-01-22") for hour in ("10:30", "11:00")
    ]
    await desk.set_type(bufferBeforeMinutes=0, bufferAfterMinutes=30)
    assert await desk.starts("2024-01-22", "2024-01-22") == [
        at(hour, "2024-01-22") for hour in ("10:00", "10:30", "11:00")
    ]
    second = await desk.booked(at("22:00", "2024-01-22"))
    assert await desk.starts("2024-01-22", "2024-01-22") == []
    await desk.changed(second, status="cancelled")
    assert len(await desk.starts("2024-01-22", "2024-01-22")) == 3


async def test_an_explanation_names_every_rule_of_the_type_that_fails(desk: Desk) -> None:
    await desk.open(*week("13:00-18:00"))
    booked = await desk.booked(at("13:30", "2024-01-20"))
    await desk.set_type(maxPerDay=1, maxPerWeek=1, maxPerMonth=1, isActive=False)
    await desk.staff.patch("/v1/organization", json={"week_start": 0})
    answer = await desk.explain(at("14:15", "2024-01-20"))
    limit = {"code": "limit_reached", "limit": 1, "booked": 1, "timezone": "UTC"}
    assert told(answer["reasons"]) == [
        {"code": "type_inactive"},
        {"code": "too_soon", "min_notice_hours": 24, "earliest": "2024-01-21T12:00:00Z"},
        limit | {"period": "day", "from_date": "2024-01-20", "to_date": "2024-01-20"},
        limit | {"period": "week", "from_date": "2024-01-14", "to_date": "2024-01-20"},
        limit | {"period": "month", "from_date": "2024-01-01", "to_date": "2024-01-31"},
        {"code": "off_grid", "interval_minutes": 60, "counted_from": "2024-01-20T13:00:00Z"},
        {
            "code": "conflict",
            "calendar_id": desk.org.calendar_id,
            "appointment_id": booked["id"],
            "start_time": "2024-01-20T13:30:00Z",
            "end_time": "2024-01-20T14:30:00Z",
            "busy_start": "2024-01-20T13:30:00Z",
            "busy_end": "2024-01-20T14:30:00Z",
        },
    ]
    assert (answer["bookable"], answer["next_available"]) == (False, [])
    await desk.staff.patch("/v1/organization", json={"week_start": 1})
    answer = await desk.explain(at("13:00", "2024-01-21"))
    [a_week] = [reason for reason in answer["reasons"] if reason.get("period") == "week"]
    assert (a_week["from_date"], a_week["to_date"]) == ("2024-01-15", "2024-01-21")


@pytest.mark.parametrize("first", range(7))
async def test_a_limit_per_week_counts_from_the_organizations_first_day(desk: Desk, first: int) -> None:
    changed = await desk.staff.patch("/v1/organization", json={"week_start": first})
    assert answered(changed, "organization")["week_start"] == first
    await desk.open(*week("13:00-18:00"))
    await desk.set_type(maxPerWeek=1, minNoticeHours=0)
    await desk.booked(at("13:00", "2024-02-07"))  # a Wednesday
    days = [date(2024, 2, 1) + timedelta(days=n) for n in range(14)]
    begin = next(day for day in reversed(days[:7]) if day.isoweekday() % 7 == first)
    full = {begin + timedelta(days=n) for n in range(7)}
    for day in days:
        told = await desk.explain(at("14:00", f"{day}"))
        assert told["bookable"] == (day not in full)
        assert codes(told) == ["limit_reached"] * (day in full)
    [limit] = (await desk.explain(at("14:00", f"{begin}")))["reasons"]
    assert (limit["from_date"], limit["to_date"]) == (f"{begin}", f"{begin + timedelta(days=6)}")


async def test_an_explanation_names_every_rule_of_the_calendars_that_fails(desk: Desk) -> None:
    hours = await desk.make("schedules", "schedule", name="Evenings", timezone="Asia/Tokyo")
    room = await desk.room(schedule_id=hours["id"])
    booked = await desk.booked(at("05:00", "2024-05-01"), calendar_id=room)
    await desk.set_calendar(room, is_active=False)
    answer = await desk.explain(at("05:59", "2024-05-01"), calendar_id=room)
    of_the_room = [
        {"code": "calendar_inactive", "calendar_id": room},
        {"code": "calendar_not_serving", "calendar_id": room},
        {"code": "outside_hours", "calendar_id": room, "timezone": "Asia/Tokyo"},
        {
            "code": "conflict",
            "calendar_id": room,
            "appointment_id": booked["id"],
            "start_time": "2024-05-01T05:00:00Z",
            "end_time": "2024-05-01T06:00:00Z",
            "busy_start": "2024-05-01T05:00:00Z",
            "busy_end": "2024-05-01T06:00:00Z",
        },
    ]
    assert told(answer["reasons"]) == [
        {"code": "too_far_ahead", "max_days_ahead": 60, "last_date": "2024-03-20", "timezone": "UTC"},
        {"code": "outside_hours", "timezone": "UTC"},
        *of_the_room,
    ]
    # Where several serve, all of them are told once none is free; and nothing is where one is.
    await desk.set_type(calendarIds=[room, desk.org.calendar_id], maxDaysAhead=None)
    await desk.open(*week("05:00-08:00"))
    assert codes(await desk.explain(at("05:00", "2024-05-01"))) == []
    await desk.booked(at("05:30", "2024-05-01"), calendar_id=desk.org.calendar_id)
    reasons = (await desk.explain(at("05:00", "2024-05-01")))["reasons"]
    assert [(reason["code"], reason["calendar_id"]) for reason in reasons] == [
        ("conflict", desk.org.calendar_id),
        ("calendar_inactive", room),
        ("outside_hours", room),
        ("conflict", room),
    ]


async def test_an_explanation_of_what_can_be_booked_and_of_what_is_past(
    desk: Desk, clock: StoppedClock
) -> None:
    assert await desk.explain(f"{THURSDAY}T10:00:00+01:00") == {
        "bookable": True,
        "reasons": [],
        "next_available": [TEN, ELEVEN, *(at(f"{hour}:00", "2024-01-26") for hour in ("09", "10", "11"))],
    }
    await desk.set_type(minNoticeHours=0)
    clock.at = clock.at.replace(hour=9)
    assert codes(await desk.explain(at("09:00", "2024-01-20"))) == []
    clock.forward(seconds=1)
    assert told((await desk.explain(at("09:00", "2024-01-20")))["reasons"]) == [
        {"code": "too_soon", "min_notice_hours": 0, "earliest": "2024-01-20T09:00:01Z"}
    ]


async def test_next_available_is_later_and_not_before_the_notice(desk: Desk) -> None:
    async def following(start: str) -> list[str]:
        found: list[str] = (await desk.explain(start))["next_available"]
        return found

    assert await following("2020-01-01T00:00:00Z") == [
        *(at(f"{hour}:00", "2024-01-22") for hour in ("09", "10", "11")),
        *(at(f"{hour}:00", "2024-01-23") for hour in ("09", "10")),
    ]
    await desk.set_type(maxDaysAhead=6)
    assert await following(NINE) == [TEN, ELEVEN, *(at(f"{h}:00", "2024-01-26") for h in ("09", "10", "11"))]
    assert await following(TEN) == [ELEVEN, *(at(f"{h}:00", "2024-01-26") for h in ("09", "10", "11"))]
    assert await following(at("11:00", "2024-01-26")) == []
    # Far ahead, and on either side of where the search is divided.
    await desk.set_type(maxDaysAhead=None)
    await desk.open()
    assert await following(NINE) == []
    days = ("2024-01-26", "2024-02-28", "2024-03-01", "2024-04-26", "2024-04-27")
    for day in days:
        await desk.make("overrides", "override", date=day, windows=[window("09:00-10:00")])
    assert await following(NINE) == [at("09:00", day) for day in days[:4]]


async def test_others_change_nothing(app: FastAPI, db: Database, clock: StoppedClock, desk: Desk) -> None:
    before = ((await desk.search()).json(), await desk.explain(NINE))
    other = await make_org(db, clock.now())
    theirs = Desk(app, other)
    await theirs.open(*week("09:00-12:00"))
    await theirs.set_type(maxPerDay=2)
    await theirs.booked(NINE)
    await theirs.held(TEN)
    await theirs.make("overrides", "override", date=THURSDAY)
    assert await theirs.starts() == []
    refused(await theirs.search(appointment_type_id=desk.org.type_id), 404, "not_found")
    refused(await theirs.search(calendar_id=desk.org.calendar_id), 404, "not_found")
    asked = {"appointment_type_id": desk.org.type_id, "start_time": NINE}
    refused(await theirs.staff.get(f"{BASE}/slots/explain", params=asked), 404, "not_found")
    asked = {
        "appointment_type_id": other.type_id,
        "start_time": NINE,
        "calendar_id": desk.org.calendar_id,
    }
    refused(await theirs.staff.get(f"{BASE}/slots/explain", params=asked), 404, "not_found")
    assert ((await desk.search()).json(), await desk.explain(NINE)) == before


async def test_search_explanation_and_booking_agree(desk: Desk, clock: StoppedClock) -> None:
    clock.forward(seconds=1)
    room = await desk.room()
    await desk.set_type(
        calendarIds=[desk.org.calendar_id, room],
        durationMinutes=30,
        bufferBeforeMinutes=10,
        slotIntervalMinutes=20,
        minNoticeHours=24 * 4 + 21,  # until just after nine
    )
    await desk.open(*week("09:00-11:00"), *week("12:00-14:00"))
    for start, calendar_id in (("10:10", room), ("10:40", desk.org.calendar_id), ("13:00", room)):
        await desk.booked(at(start), calendar_id=calendar_id)
    await desk.held(at("12:50"), calendar_id=desk.org.calendar_id)
    offered = {slot["start_time"]: slot["calendar_ids"] for slot in await desk.slots()}
    assert list(offered) == [at(time) for time in ("09:20", "09:40", "10:00", "12:00", "12:20")]
    minutes = [*range(8 * 60 + 40, 14 * 60 + 10, 20), 9 * 60 + 30, 12 * 60 + 10]
    for start in (at(f"{minute // 60:02}:{minute % 60:02}") for minute in minutes):
        why = await desk.explain(start)
        response = await desk.book(start, check="all", dry_run=True)
        assert why["bookable"] == (start in offered)
        if start in offered:
            assert response.json()["appointment"]["calendar_id"] in offered[start]
        else:
            answer = refused(response, 409, why["reasons"][0]["code"].replace("conflict", "slot_taken"))
            assert answer["details"] == {name: why[name] for name in ("reasons", "next_available")}
