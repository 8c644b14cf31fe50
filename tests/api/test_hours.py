"""Availability, schedules, overrides, holidays, calendars: when there is work, and whose."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import all_answered, answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import book_jane
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

BASE = "/v1/calendar"
MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
NINE_TO_FIVE = {"start_time": "09:00:00", "end_time": "17:00:00"}


async def listed(client: httpx.AsyncClient, path: str, name: str, **query: str) -> list[dict[str, Any]]:
    return all_answered(await client.get(f"{BASE}{path}", params=query), name)


async def made(client: httpx.AsyncClient, path: str, thing: str, /, **body: Any) -> dict[str, Any]:
    return answered(await client.post(f"{BASE}{path}", json=body), thing)


async def test_availability_is_as_the_reference_shows_it(client: httpx.AsyncClient, org: Org) -> None:
    row = await made(client, "/availability", "schedule", **MONDAY)
    assert row.pop("id").startswith("avail_")
    assert row == {
        "org_id": org.id,
        "day_of_week": 1,
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "appointment_type_id": None,
        "is_active": True,
        "created_at": "2024-01-20T12:00:00Z",
    }
    sunday = await made(
        client,
        "/availability",
        "schedule",
        **MONDAY
        | {"day_of_week": 0, "appointment_type_id": org.type_id, "is_active": False, "end_time": "24:00"},
    )
    assert sunday["end_time"] == "24:00:00"
    assert [each["day_of_week"] for each in await listed(client, "/availability", "schedules")] == [0, 1]


async def test_availability_is_replaced_as_a_whole_or_not_at_all(client: httpx.AsyncClient, org: Org) -> None:
    await made(client, "/availability", "schedule", **MONDAY)
    week = [MONDAY | {"day_of_week": day} for day in range(1, 6)]
    replaced = await client.put(f"{BASE}/availability", json={"schedules": week})
    rows = all_answered(replaced, "schedules")
    assert [row["day_of_week"] for row in rows] == [1, 2, 3, 4, 5]
    for bad, status, code in (
        ([*week, {"day_of_week": 7, **NINE_TO_FIVE}], 400, "invalid_request"),
        ([*week, {"day_of_week": 1}], 400, "missing_fields"),
        ([*week, MONDAY | {"appointment_type_id": "type_none"}], 404, "not_found"),
    ):
        refused(await client.put(f"{BASE}/availability", json={"schedules": bad}), status, code)
        assert await listed(client, "/availability", "schedules") == rows
    gone = await client.delete(f"{BASE}/availability/{rows[0]['id']}")
    assert gone.json() == {"id": rows[0]["id"], "deleted": True}
    assert len(await listed(client, "/availability", "schedules")) == 4
    emptied = await client.put(f"{BASE}/availability", json={"schedules": []})
    assert all_answered(emptied, "schedules") == []


async def test_availability_says_what_is_required(client: httpx.AsyncClient) -> None:
    sentence = "day_of_week, start_time, and end_time are required"
    for body in ({}, {"day_of_week": 1}, MONDAY | {"end_time": ""}):
        answer = refused(await client.post(f"{BASE}/availability", json=body), 400, "missing_fields")
        assert answer["error"] == sentence
    answer = refused(await client.put(f"{BASE}/availability", json={}), 400, "missing_fields")
    assert answer["error"] == "schedules is required"


@pytest.mark.parametrize(
    "wrong",
    [
        {"day_of_week": -1},
        {"day_of_week": 7},
        {"day_of_week": "1"},
        {"start_time": "9:00"},
        {"start_time": "25:00:00"},
        {"start_time": "24:00:00"},
        {"end_time": "09:00:00"},
        {"end_time": "08:59:59"},
        {"end_time": "24:00:01"},
        {"end_time": "17:60:00"},
        {"is_active": "yes"},
    ],
)
async def test_windows_that_are_none(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    refused(await client.post(f"{BASE}/availability", json=MONDAY | wrong), 400, "invalid_request")
    assert await listed(client, "/availability", "schedules") == []


PAST_MIDNIGHT = [
    ("22:00", "02:00", 5, "22:00:00 to 24:00:00 on day_of_week 5 and 00:00:00 to 02:00:00 on day_of_week 6"),
    (
        "22:00:00",
        "00:00:01",
        6,
        "22:00:00 to 24:00:00 on day_of_week 6 and 00:00:00 to 00:00:01 on day_of_week 0",
    ),
    ("17:00", "09:00", 0, "17:00:00 to 24:00:00 on day_of_week 0 and 00:00:00 to 09:00:00 on day_of_week 1"),
    ("22:00", "00:00", 5, "the midnight that ends a day is 24:00:00"),
    ("24:00", "02:00", 5, "write 00:00:00 to 02:00:00 on day_of_week 6"),
    ("09:00", "09:00", 5, "a whole day is 00:00:00 to 24:00:00"),
    ("00:00", "00:00", 5, "a whole day is 00:00:00 to 24:00:00"),
    ("24:00", "00:00", 5, "a whole day is 00:00:00 to 24:00:00"),
]


@pytest.mark.parametrize(("start", "end", "day", "told"), PAST_MIDNIGHT)
async def test_hours_past_midnight_are_refused_with_how_to_write_them(
    client: httpx.AsyncClient, org: Org, start: str, end: str, day: int, told: str
) -> None:
    wrong = {"day_of_week": day, "start_time": start, "end_time": end}
    path = f"{BASE}/schedules/{(await made(client, '/schedules', 'schedule', name='Evenings'))['id']}"
    for response in (
        await client.post(f"{BASE}/availability", json=wrong),
        await client.put(f"{BASE}/availability", json={"schedules": [MONDAY, wrong]}),
        await client.post(f"{BASE}/schedules", json={"name": "Nights", "windows": [wrong]}),
        await client.patch(path, json={"windows": [wrong]}),
    ):
        answer = refused(response, 400, "invalid_request")
        assert "end_time must be later than start_time" in answer["error"]
        assert answer["error"].endswith(told)
        assert told in answer["details"]["fields"][0]["reason"]
    of_a_day = {"date": "2024-12-31", "windows": [{"start_time": start, "end_time": end}]}
    there = told.replace(f" on day_of_week {day} and", " here and")
    there = there.replace(f"on day_of_week {(day + 1) % 7}", "in an override of the next day")
    override = await made(client, "/overrides", "override", date="2024-12-31")
    for response in (
        await client.post(f"{BASE}/overrides", json=of_a_day),
        await client.patch(f"{BASE}/overrides/{override['id']}", json={"windows": of_a_day["windows"]}),
    ):
        assert refused(response, 400, "invalid_request")["error"].endswith(there)
    assert await listed(client, "/availability", "schedules") == []


async def test_hours_past_midnight_as_two_windows_are_one_run(client: httpx.AsyncClient, org: Org) -> None:
    """As the refusal says: from Friday at ten in the evening to Saturday at two in the night."""
    for day, start, end in ((5, "22:00:00", "24:00:00"), (6, "00:00:00", "02:00:00")):
        await made(client, "/availability", "schedule", day_of_week=day, start_time=start, end_time=end)
    query = {"appointment_type_id": org.type_id, "from": "2024-01-26", "to": "2024-01-27"}
    await client.put(f"{BASE}/appointment-types/{org.type_id}", json={"durationMinutes": 90})
    slots = (await client.get(f"{BASE}/slots", params=query)).json()["slots"]
    assert [slot["start_time"] for slot in slots] == ["2024-01-26T22:00:00Z", "2024-01-26T23:30:00Z"]


async def test_a_schedules_life(client: httpx.AsyncClient, org: Org, clock: StoppedClock) -> None:
    plain = await made(client, "/schedules", "schedule", name="Evenings")
    assert (plain["timezone"], plain["windows"]) == ("UTC", [])
    schedule = await made(
        client, "/schedules", "schedule", name="Business Hours", timezone="Europe/Berlin", windows=[MONDAY]
    )
    assert schedule == {
        "id": schedule["id"],
        "org_id": org.id,
        "name": "Business Hours",
        "timezone": "Europe/Berlin",
        "windows": [MONDAY],
        "created_at": "2024-01-20T12:00:00Z",
        "updated_at": "2024-01-20T12:00:00Z",
    }
    path = f"{BASE}/schedules/{schedule['id']}"
    assert answered(await client.get(path), "schedule") == schedule
    assert await listed(client, "/schedules", "schedules") == [schedule, plain]
    clock.forward(hours=1)
    changed = answered(await client.patch(path, json={"name": "Hours"}), "schedule")
    assert changed == schedule | {"name": "Hours", "updated_at": "2024-01-20T13:00:00Z"}
    tuesday = MONDAY | {"day_of_week": 2}
    assert answered(await client.patch(path, json={"windows": [tuesday]}), "schedule")["windows"] == [tuesday]
    refused(await client.patch(path, json={"timezone": "Mars/X"}), 400, "invalid_request")
    refused(await client.patch(path, json={"name": None}), 400, "invalid_request")

    kind = answered(
        await client.put(f"{BASE}/appointment-types", json={"id": org.type_id, "scheduleId": schedule["id"]}),
        "appointmentType",
    )
    assert (kind["scheduleId"], kind["scheduleName"]) == (schedule["id"], "Hours")
    await client.patch(path, json={"name": "Renamed"})
    kinds = (await client.get(f"{BASE}/appointment-types")).json()["appointmentTypes"]
    assert kinds[0]["scheduleName"] == "Renamed"
    refused(await client.delete(path), 409, "in_use")
    await client.put(f"{BASE}/appointment-types/{org.type_id}", json={"scheduleId": None})
    assert (await client.delete(path)).json() == {"id": schedule["id"], "deleted": True}
    refused(await client.get(path), 404, "not_found")


@pytest.mark.parametrize("named", [False, True], ids=["default schedule", "named schedule"])
async def test_an_overrides_life(client: httpx.AsyncClient, org: Org, named: bool) -> None:
    path = "/overrides"
    if named:
        path = f"/schedules/{(await made(client, '/schedules', 'schedule', name='S'))['id']}/overrides"
    eve = await made(client, path, "override", date="2024-12-24", reason="Christmas Eve")
    assert eve["id"].startswith("ovr_")
    assert {field: eve[field] for field in ("start_date", "end_date", "windows", "reason", "holiday")} == {
        "start_date": "2024-12-24",
        "end_date": "2024-12-24",
        "windows": [],
        "reason": "Christmas Eve",
        "holiday": None,
    }
    weeks = await made(
        client, path, "override", start_date="2024-07-01", end_date="2024-07-14", windows=[NINE_TO_FIVE]
    )
    assert weeks["windows"] == [NINE_TO_FIVE]
    assert await listed(client, path, "overrides") == [weeks, eve]
    assert await listed(client, path, "overrides", **{"from": "2024-07-14", "to": "2024-12-23"}) == [weeks]
    assert await listed(client, path, "overrides", **{"from": "2024-07-15"}) == [eve]
    one = f"{BASE}{path}/{eve['id']}"
    assert answered(await client.get(one), "override") == eve
    changed = answered(await client.patch(one, json={"windows": [NINE_TO_FIVE], "reason": None}), "override")
    assert (changed["windows"], changed["reason"]) == ([NINE_TO_FIVE], None)
    assert (
        answered(await client.patch(one, json={"date": "2024-12-31"}), "override")["end_date"] == "2024-12-31"
    )
    refused(await client.patch(one, json={"end_date": "2024-12-01"}), 400, "invalid_request")
    assert (await client.delete(one)).json() == {"id": eve["id"], "deleted": True}
    refused(await client.get(one), 404, "not_found")
    refused(await client.delete(one), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"date": "2024-02-30"},
        {"date": "24.12.2024"},
        {"start_date": "2024-12-24"},
        {"date": "2024-12-24", "end_date": "2024-12-25"},
        {"start_date": "2024-12-25", "end_date": "2024-12-24"},
        {"date": "2024-12-24", "windows": [{"start_time": "10:00", "end_time": "09:00"}]},
        {"date": "2024-12-24", "windows": "none"},
    ],
)
async def test_overrides_that_are_none(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    refused(await client.post(f"{BASE}/overrides", json=body), 400, "invalid_request")
    assert await listed(client, "/overrides", "overrides") == []


async def test_holidays_close_their_days_once_and_each_can_be_removed(client: httpx.AsyncClient) -> None:
    wish = {"country": "de", "subdivision": "BY", "year": 2024}
    response = await client.post(f"{BASE}/overrides/holidays", json=wish)
    days = all_answered(response, "overrides")
    dates = [day["start_date"] for day in days]
    assert {"2024-01-01", "2024-10-03", "2024-12-25", "2024-01-06"} <= set(dates)
    assert all(day["windows"] == [] and day["holiday"] == "DE-BY" and day["reason"] for day in days)
    again = await client.post(f"{BASE}/overrides/holidays", json=wish)
    assert all_answered(again, "overrides") == days
    await client.delete(f"{BASE}/overrides/{days[0]['id']}")
    assert [day["start_date"] for day in await listed(client, "/overrides", "overrides")] == dates[1:]
    for bad in ({"country": "XX"}, {"subdivision": "ZZ"}, {"year": 1800}, {"country": ""}, {"year": "2024"}):
        response = await client.post(f"{BASE}/overrides/holidays", json=wish | bad)
        assert response.status_code == 400
    assert len(await listed(client, "/overrides", "overrides")) == len(days) - 1


async def test_however_a_country_is_spelled_its_holidays_close_a_day_once(client: httpx.AsyncClient) -> None:
    async def added(**wish: Any) -> list[dict[str, Any]]:
        response = await client.post(
            f"{BASE}/overrides/holidays", json={"country": "DE", "year": 2027} | wish
        )
        return all_answered(response, "overrides")

    days = await added()
    assert days[0]["reason"] == "Neujahr"
    for country in ("DEU", "de", " Deu "):
        assert await added(country=country) == days
    assert await listed(client, "/overrides", "overrides") == days
    answered(await client.patch("/v1/organization", json={"language": "en-GB"}), "organization")
    assert await added() == days, "what is there stays as it is named"
    assert (await added(year=2028))[0]["reason"] == "New Year's Day"
    said = await client.post(f"{BASE}/overrides/holidays", json={"country": "LK", "year": 2100})
    assert refused(said, 400, "invalid_request")["details"] == {"first_year": 2003, "last_year": 2026}


async def test_a_calendars_life(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock, db: Database
) -> None:
    room = await made(client, "/calendars", "calendar", name="Room 2", color="#10b981")
    assert (room["is_active"], room["is_default"], room["schedule_id"]) == (True, False, None)
    default, other = await listed(client, "/calendars", "calendars")
    assert (default["id"], default["is_default"], other) == (org.calendar_id, True, room)
    path = f"{BASE}/calendars/{room['id']}"
    # The same time may be booked once in each.
    await book_jane(client, org)
    start = "2024-01-25T14:00:00Z"
    booking = org.wish(calendar_id=room["id"], start_time=start)
    booked = answered(await client.post(f"{BASE}/appointments", json=booking), "appointment")
    refused(await client.post(f"{BASE}/appointments", json=booking), 409, "slot_taken")
    refused(await client.delete(path), 409, "in_use")

    inactive = answered(await client.patch(path, json={"is_active": False}), "calendar")
    assert inactive["is_active"] is False
    later = booking | {"start_time": "2024-02-01T14:00:00Z"}
    refused(await client.post(f"{BASE}/appointments", json=later), 409, "calendar_inactive")
    refused(await client.patch(path, json={"schedule_id": "sched_none"}), 404, "not_found")

    clock.forward(days=10)  # what lay ahead lies behind
    assert (await client.delete(path)).json() == {"id": room["id"], "deleted": True}
    refused(await client.get(path), 404, "not_found")
    refused(await client.post(f"{BASE}/appointments", json=later), 404, "not_found")
    past = answered(await client.get(f"{BASE}/appointments/{booked['id']}"), "appointment")
    assert past["calendar_id"] == room["id"]
    refused(await client.delete(f"{BASE}/calendars/{org.calendar_id}"), 409, "conflict")


async def test_a_types_calendars(client: httpx.AsyncClient, app: FastAPI, org: Org) -> None:
    rooms = [await made(client, "/calendars", "calendar", name=f"Room {n}") for n in range(2)]
    ids = [room["id"] for room in rooms]
    kind = answered(
        await client.put(f"{BASE}/appointment-types/{org.type_id}", json={"calendarIds": ids}),
        "appointmentType",
    )
    assert kind["calendarIds"] == ids
    booked = await book_jane(client, org)
    assert booked["calendar_id"] == ids[0]
    refused(await client.delete(f"{BASE}/calendars/{ids[0]}"), 409, "in_use")
    assert (await client.delete(f"{BASE}/calendars/{ids[1]}")).status_code == 200
    kind = answered(await client.get(f"{BASE}/appointment-types/{org.type_id}"), "appointmentType")
    assert kind["calendarIds"] == ids[:1]
    for bad, status in (([], 400), (["cal_none"], 404), ([ids[0], ids[0]], 400), ([ids[1]], 404)):
        response = await client.put(f"{BASE}/appointment-types/{org.type_id}", json={"calendarIds": bad})
        assert response.status_code == status
    alone = await made(client, "/calendars", "calendar", name="Alone")
    await client.post(
        f"{BASE}/appointment-types", json={"name": "T", "durationMinutes": 5, "calendarIds": [alone["id"]]}
    )
    answer = refused(await client.delete(f"{BASE}/calendars/{alone['id']}"), 409, "in_use")
    assert "'T' has no other calendar" in answer["error"]


async def test_a_types_life(client: httpx.AsyncClient, org: Org, clock: StoppedClock) -> None:
    path = f"{BASE}/appointment-types"
    kind = answered(
        await client.post(path, json={"name": "T", "durationMinutes": 30, "slotIntervalMinutes": 15}),
        "appointmentType",
    )
    assert kind["slotIntervalMinutes"] == 15
    clock.forward(hours=1)
    sent = {"id": kind["id"], "name": "Talk", "maxPerDay": 3, "isActive": False, "slotIntervalMinutes": None}
    changed = answered(await client.put(path, json=sent), "appointmentType")
    assert changed == kind | sent | {"updatedAt": "2024-01-20T13:00:00Z"}
    assert [
        each["id"]
        for each in (await client.get(path, params={"isActive": "false"})).json()["appointmentTypes"]
    ] == [kind["id"]]
    assert [
        each["id"]
        for each in (await client.get(path, params={"isActive": "true"})).json()["appointmentTypes"]
    ] == [org.type_id]
    refused(await client.get(path, params={"isActive": "maybe"}), 400, "invalid_request")
    assert (
        refused(await client.put(path, json={"name": "X"}), 400, "missing_fields")["error"]
        == "id is required"
    )
    refused(await client.put(path, json={"id": "type_none"}), 404, "not_found")
    refused(await client.put(f"{path}/{kind['id']}", json={"durationMinutes": None}), 400, "invalid_request")
    assert (await client.delete(f"{path}/{kind['id']}")).json() == {"id": kind["id"], "deleted": True}
    refused(await client.get(f"{path}/{kind['id']}"), 404, "not_found")
    await book_jane(client, org)
    answer = refused(await client.delete(f"{path}/{org.type_id}"), 409, "in_use")
    assert "isActive: false" in answer["error"]
