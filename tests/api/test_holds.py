"""Time kept for somebody: against everybody, for a while, and then for the booking it was kept for."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import appointments
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at, codes, week
from tests.support.organizations import Org, counts, make_org, stored

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]

TEN = at("10:00")
Taking = Callable[[Desk], Awaitable[httpx.Response]]


async def _reschedule(desk: Desk, **fields: Any) -> httpx.Response:
    [id_] = await desk.listed(status="confirmed")
    return await desk.change({"id": id_}, start_time=at("10:30"), **fields)


async def _un_cancel(desk: Desk) -> httpx.Response:
    [id_] = await desk.listed(status="cancelled")
    return await desk.change({"id": id_}, status="confirmed")


TAKING: dict[str, Taking] = {
    "book": lambda desk: desk.book(at("10:30")),
    "book by every rule": lambda desk: desk.book(TEN, check="all"),
    "hold": lambda desk: desk.hold(at("09:30")),
    "hold by every rule": lambda desk: desk.hold(TEN, check="all"),
    "reschedule": _reschedule,
    "reschedule by every rule": lambda desk: _reschedule(desk, check="all"),
    "un-cancel": _un_cancel,
}


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to five; an hour each, every half hour. There is one at three; another was cancelled."""
    desk = Desk(app, org)
    await desk.open(*week("09:00-17:00"))
    await desk.set_type(slotIntervalMinutes=30)
    await desk.booked(at("15:00"))
    await desk.changed(await desk.booked(TEN), status="cancelled")
    return desk


async def holds(db: Database, org: Org) -> list[str]:
    """The holds that are stored, lapsed or not."""

    def ids(tx: Tx) -> list[str]:
        mine = (appointments.c.org_id == org.id, appointments.c.is_hold)
        return list(tx.execute(select(appointments.c.id).where(*mine)).scalars())

    return await db.read(ids)


async def test_a_hold_is_answered_as_documented(desk: Desk, db: Database) -> None:
    before = await db.read(counts, desk.org.id)
    hold = await desk.held(TEN)
    assert hold.pop("id").startswith("hold_")
    assert hold == {
        "org_id": desk.org.id,
        "appointment_type_id": desk.org.type_id,
        "calendar_id": desk.org.calendar_id,
        "calendars": [{"requirement": "calendar", "calendar_id": desk.org.calendar_id}],
        "start_time": TEN,
        "end_time": at("11:00"),
        "expires_at": "2024-01-20T12:05:00Z",
        "created_at": "2024-01-20T12:00:00Z",
    }
    after = await db.read(counts, desk.org.id)
    assert (after["appointments"], after["events"]) == (before["appointments"] + 1, before["events"])
    longest = await desk.held(at("12:00"), ttl_seconds=900, check="all", calendar_id=desk.org.calendar_id)
    assert longest["expires_at"] == "2024-01-20T12:15:00Z"
    assert (await desk.held(at("14:00"), ttl_seconds=1))["expires_at"] == "2024-01-20T12:00:01Z"


async def test_holds_that_are_none(desk: Desk, db: Database) -> None:
    for wrong in ({"ttl_seconds": 0}, {"ttl_seconds": 901}, {"ttl_seconds": "60"}, {"check": "none"}):
        refused(await desk.hold(TEN, **wrong), 400, "invalid_request")
    answer = refused(await desk.staff.post(f"{BASE}/holds", json={}), 400, "missing_fields")
    assert answer["error"] == "appointment_type_id and start_time are required"
    refused(await desk.hold("2024-01-25"), 400, "invalid_time")
    for field in ("appointment_type_id", "calendar_id"):
        answer = refused(await desk.hold(TEN, **{field: "none"}), 404, "not_found")
        assert answer["details"] == {"field": field}
    answer = refused(await desk.hold(at("08:15"), check="all"), 409, "outside_hours")
    assert codes(answer["details"]) == ["outside_hours"]
    assert len(answer["details"]["next_available"]) == 5
    room = await desk.room()
    refused(await desk.hold(TEN, check="all", calendar_id=room), 409, "calendar_not_serving")
    rehearsed = await desk.staff.post(
        f"{BASE}/holds",
        json={"appointment_type_id": desk.org.type_id, "start_time": TEN},
        params={"dry_run": "true"},
    )
    assert answered(rehearsed, "hold")["start_time"] == TEN
    await desk.set_type(isActive=False)
    refused(await desk.hold(TEN), 409, "type_inactive")
    assert await holds(db, desk.org) == []


@pytest.mark.parametrize("take", TAKING.values(), ids=TAKING)
async def test_a_hold_keeps_its_time_to_the_second(
    desk: Desk, db: Database, clock: StoppedClock, take: Taking
) -> None:
    hold = await desk.held(TEN, ttl_seconds=60)
    clock.forward(seconds=59)
    response = await take(desk)
    answer = refused(response, 409, "slot_taken")
    assert answer["details"]["reasons"] == [
        {
            "code": "conflict",
            "message": "A hold keeps the calendar busy from 2024-01-25T10:00:00Z to 2024-01-25T11:00:00Z, "
            "buffers included.",
            "calendar_id": desk.org.calendar_id,
            "held_until": "2024-01-20T12:01:00Z",
            "start_time": TEN,
            "end_time": at("11:00"),
            "busy_start": TEN,
            "busy_end": at("11:00"),
        }
    ]
    assert hold["id"] not in response.text
    assert not {TEN, at("10:30")} & set(await desk.starts())

    clock.forward(seconds=1)
    assert {TEN, at("10:30")} <= set(await desk.starts())
    assert await holds(db, desk.org) == [hold["id"]]  # nobody has looked after it
    assert (await take(desk)).status_code == 200
    assert hold["id"] not in await holds(db, desk.org)


async def test_a_hold_is_released(app: FastAPI, desk: Desk, db: Database, clock: StoppedClock) -> None:
    hold = await desk.held(TEN)
    path = f"{BASE}/holds/{hold['id']}"
    assert (await desk.staff.delete(path, params={"dry_run": "true"})).status_code == 200
    refused(await desk.book(TEN), 409, "slot_taken")
    assert (await desk.staff.delete(path)).json() == {"id": hold["id"], "deleted": True}
    refused(await desk.staff.delete(path), 404, "not_found")
    booked = await desk.booked(TEN)
    refused(await desk.staff.delete(f"{BASE}/holds/{booked['id']}"), 404, "not_found")
    assert await desk.get(booked) == booked
    lapsed = await desk.held(at("12:00"))
    clock.forward(seconds=300)
    refused(await desk.staff.delete(f"{BASE}/holds/{lapsed['id']}"), 404, "not_found")


async def test_a_hold_is_booked_as_it_was_held(desk: Desk, db: Database) -> None:
    await desk.set_type(bufferAfterMinutes=30, maxPerDay=2)
    hold = await desk.held(TEN, check="all")
    await desk.set_type(durationMinutes=15, bufferAfterMinutes=0, maxPerDay=1, isActive=False)
    await desk.set_calendar(desk.org.calendar_id, is_active=False)
    await desk.open()
    before = await db.read(counts, desk.org.id)
    for dry_run in (True, False):
        response = await desk.book(TEN, hold_id=hold["id"], check="all", dry_run=dry_run)
        booked = answered(response, "appointment")
    after = await db.read(counts, desk.org.id)  # the appointment takes the hold's place
    assert (after["appointments"], after["events"]) == (before["appointments"], before["events"] + 1)
    assert await holds(db, desk.org) == []
    assert booked["id"] != hold["id"]
    assert {
        name: booked[name] for name in ("start_time", "end_time", "calendar_id", "status", "expires_at")
    } == {
        "start_time": TEN,
        "end_time": at("11:00"),
        "calendar_id": desk.org.calendar_id,
        "status": "confirmed",
        "expires_at": None,
    }
    await desk.set_type(isActive=True)
    await desk.set_calendar(desk.org.calendar_id, is_active=True)
    answer = refused(await desk.book(at("11:15")), 409, "slot_taken")
    [reason] = answer["details"]["reasons"]
    assert (reason["appointment_id"], reason["busy_end"]) == (booked["id"], at("11:30"))
    refused(await desk.book(TEN, hold_id=hold["id"]), 409, "hold_gone")


async def test_a_hold_is_booked_once_however_often_it_is_asked(desk: Desk, db: Database) -> None:
    hold = await desk.held(TEN)
    wish = desk.org.wish(start_time=TEN, hold_id=hold["id"])
    first, again = [
        await desk.staff.post(f"{BASE}/appointments", json=wish, headers={"Idempotency-Key": "mine"})
        for _ in range(2)
    ]
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len(await desk.listed(status="confirmed")) == 2


async def test_a_hold_is_good_for_what_it_was_made_for(
    app: FastAPI, desk: Desk, db: Database, clock: StoppedClock
) -> None:
    other = await desk.make("appointment-types", "appointmentType", name="Other", durationMinutes=60)
    room = await desk.room()
    hold = await desk.held(TEN)
    for wrong in ({"appointment_type_id": other["id"]}, {"calendar_id": room}):
        refused(await desk.book(TEN, hold_id=hold["id"], **wrong), 409, "hold_mismatch")
    refused(await desk.book(at("10:30"), hold_id=hold["id"]), 409, "hold_mismatch")
    [booked, _] = await desk.listed()
    unknown = refused(await desk.book(TEN, hold_id="hold_none"), 409, "hold_gone")
    assert refused(await desk.book(TEN, hold_id=booked), 409, "hold_gone") == unknown
    stranger = await make_org(db, clock.now())
    theirs = Desk(app, stranger)
    assert refused(await theirs.book(TEN, hold_id=hold["id"]), 409, "hold_gone") == unknown
    not_found = refused(await theirs.staff.delete(f"{BASE}/holds/hold_none"), 404, "not_found")
    assert refused(await theirs.staff.delete(f"{BASE}/holds/{hold['id']}"), 404, "not_found") == not_found
    assert await stored(db, stranger) == 0
    released = await desk.held(at("12:00"))
    await desk.staff.delete(f"{BASE}/holds/{released['id']}")
    assert refused(await desk.book(at("12:00"), hold_id=released["id"]), 409, "hold_gone") == unknown

    clock.forward(seconds=299)
    wall = await desk.book("2024-01-25T11:00:00+01:00", hold_id=hold["id"], calendar_id=desk.org.calendar_id)
    answered(wall, "appointment")
    lapsed = await desk.held(at("12:00"))
    clock.forward(seconds=300)
    assert refused(await desk.book(at("12:00"), hold_id=lapsed["id"]), 409, "hold_gone") == unknown


async def test_what_is_forced_over_a_hold_leaves_it_good(desk: Desk) -> None:
    hold = await desk.held(TEN)
    assert (await desk.booked(TEN, check="none"))["overlap_allowed"] is True
    booked = await desk.booked(TEN, hold_id=hold["id"])
    assert booked["start_time"] == TEN


async def test_a_hold_is_no_appointment(desk: Desk, clock: StoppedClock) -> None:
    appointments_only = set(await desk.listed())
    hold = await desk.held(TEN)
    path = f"{BASE}/appointments/{hold['id']}"
    refused(await desk.staff.get(path), 404, "not_found")
    refused(await desk.staff.get(f"{path}/history"), 404, "not_found")
    refused(await desk.staff.post(f"{path}/manage-link", json={}), 404, "not_found")
    for change in ({"status": "confirmed"}, {"start_time": at("12:00")}, {"client_name": "Mallory"}):
        refused(await desk.staff.patch(path, json=change), 404, "not_found")
        response = await desk.staff.patch(f"{BASE}/appointments", json=change | {"id": hold["id"]})
        refused(response, 404, "not_found")
    for query in (
        {"updated_since": "2024-01-20"},
        {"calendar_id": desk.org.calendar_id, "appointment_type_id": desk.org.type_id},
        {"from": TEN, "to": at("18:00")},
    ):
        assert set(await desk.listed(**query)) == appointments_only
    assert await desk.listed(status="pending") == []
    clock.forward(hours=1)
    assert set(await desk.listed()) == appointments_only
    assert len(await desk.listed(status="cancelled")) == 1


async def test_holds_count_for_limits_while_they_stand(desk: Desk, clock: StoppedClock) -> None:
    await desk.set_type(maxPerDay=2)
    hold = await desk.held(TEN, check="all")
    for response in (await desk.book(at("12:00"), check="all"), await desk.hold(at("12:00"), check="all")):
        [reason] = refused(response, 409, "limit_reached")["details"]["reasons"]
        assert (reason["limit"], reason["booked"]) == (2, 2)
    assert await desk.starts() == []
    clock.forward(seconds=299)
    assert await desk.starts() == []
    clock.forward(seconds=1)
    assert hold["start_time"] in await desk.starts()
    await desk.booked(at("12:00"), check="all")


async def test_a_place_that_one_server_saw_lapse_is_not_redeemed_at_another(
    desk: Desk, clock: StoppedClock
) -> None:
    """Of two servers, the one whose clock is behind is asked last."""
    await desk.set_type(maxPerDay=2)
    hold = await desk.held(TEN, check="all")
    clock.forward(seconds=301)
    await desk.booked(at("12:00"), check="all")
    clock.forward(seconds=-2)
    refused(await desk.book(TEN, hold_id=hold["id"]), 409, "hold_gone")
    assert len(await desk.listed(status="confirmed")) == 2


async def test_holds_count_for_who_is_least_busy_while_they_stand(desk: Desk, clock: StoppedClock) -> None:
    clock.forward(seconds=1)
    first, second = desk.org.calendar_id, await desk.room()
    await desk.set_type(calendarIds=[first, second])
    assert (await desk.held(at("12:00", "2024-01-24"), ttl_seconds=60))["calendar_id"] == second
    assert (await desk.held(at("14:00", "2024-01-24")))["calendar_id"] == first
    assert (await desk.booked(TEN))["calendar_id"] == second
    clock.forward(seconds=60)
    assert (await desk.booked(at("12:00")))["calendar_id"] == second


async def test_what_holds_refer_to_can_be_deleted_once_they_lapse(desk: Desk, clock: StoppedClock) -> None:
    room = await desk.room()
    kind = await desk.make("appointment-types", "appointmentType", name="Other", durationMinutes=60)
    await desk.held(TEN, calendar_id=room, appointment_type_id=kind["id"])
    paths = [f"{BASE}/calendars/{room}", f"{BASE}/appointment-types/{kind['id']}"]
    for path in paths:
        refused(await desk.staff.delete(path), 409, "in_use")
    clock.forward(seconds=300)
    for path in paths:
        assert (await desk.staff.delete(path)).status_code == 200
        refused(await desk.staff.get(path), 404, "not_found")
