"""A cancellation by staff is undone within ten seconds."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, Desk, at, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


async def undo(desk: Desk, appointment: dict[str, Any], **headers: str) -> httpx.Response:
    path = f"{APPOINTMENTS}/{appointment['id']}/undo-cancellation"
    return await desk.staff.post(
        path, headers={name.replace("_", "-"): each for name, each in headers.items()}
    )


async def told(desk: Desk) -> list[str]:
    found = (await desk.staff.get("/v1/events", params={"types": "appointment.*"})).json()["events"]
    return [each["type"].removeprefix("appointment.") for each in found]


async def test_it_is_what_it_was_in_the_very_time_it_had(desk: Desk, clock: StoppedClock) -> None:
    booked = await desk.booked()
    booked = await desk.changed(booked, duration_minutes=75)
    clock.forward(minutes=5)
    await desk.changed(booked, status="cancelled", cancellation_reason="Ill")
    await desk.set_type(durationMinutes=30, bufferAfterMinutes=60)
    clock.forward(seconds=10)
    undone = answered(await undo(desk, booked, If_Match='"3"'), "appointment")
    ignored = ("updated_at", "appointment_type")
    same = {name: value for name, value in undone.items() if name not in ignored}
    assert same == {name: booked[name] for name in booked if name not in ignored} | {"version": 4}
    refused(await desk.book(at("15:10")), 409, "slot_taken")
    assert (await desk.booked(at("15:15")))["status"] == "confirmed"  # it has no more than it had
    last = (await desk.history(booked))[-1]
    assert (last["actor"]["kind"], last["before"]["status"]) == ("api_key", "cancelled")
    assert last["after"]["status"] == "confirmed"
    assert await told(desk) == ["created", "rescheduled", "cancelled", "confirmed", "created"]
    refused(await undo(desk, booked), 409, "illegal_transition")


async def test_a_request_waits_again_until_it_did(desk: Desk, clock: StoppedClock) -> None:
    await desk.set_type(requiresConfirmation=True, confirmWithinHours=1)
    asked = (await desk.booked_by_client())["appointment"]
    asked = await desk.get(asked)
    clock.forward(minutes=59, seconds=50)
    await desk.changed(asked, status="cancelled")
    clock.forward(seconds=9)
    undone = answered(await undo(desk, asked), "appointment")
    assert (undone["status"], undone["expires_at"]) == ("pending", asked["expires_at"])
    assert undone["confirmed_at"] is None
    assert await told(desk) == ["created", "cancelled", "updated"]
    refused(await desk.book(), 409, "slot_taken")
    await desk.changed(asked, status="cancelled")
    clock.forward(seconds=1)
    refused(await undo(desk, asked), 409, "illegal_transition")  # by now it would have lapsed


async def test_after_ten_seconds_it_is_too_late(desk: Desk, clock: StoppedClock) -> None:
    booked = await desk.booked()
    await desk.changed(booked, status="cancelled")
    clock.forward(seconds=11)
    details = refused(await undo(desk, booked), 409, "too_late")["details"]
    assert details == {"until": "2024-01-20T12:00:10Z"}
    assert (await desk.get(booked))["version"] == 2
    assert (await desk.changed(booked, status="confirmed"))["status"] == "confirmed"


async def test_only_staffs_own_last_change_is_undone(desk: Desk) -> None:
    client = await desk.booked_by_client()
    answered(
        await desk.client.post(f"/v1/public/appointments/{client['manage_token']}/cancel", json={}),
        "appointment",
    )
    refused(await undo(desk, client["appointment"]), 409, "illegal_transition")
    booked = await desk.booked()
    refused(await undo(desk, booked), 409, "illegal_transition")
    await desk.changed(booked, status="cancelled", client_name="Max")
    refused(await undo(desk, booked), 409, "illegal_transition")
    other = await desk.booked(at("10:00"))
    await desk.changed(other, status="cancelled")
    await desk.changed(other, internal_notes="Rang.")
    refused(await undo(desk, other), 409, "illegal_transition")
    refused(await undo(desk, other, If_Match='"2"'), 412, "precondition_failed")
    refused(await undo(desk, {"id": "apt_unknown"}), 404, "not_found")


async def test_time_that_was_taken_meanwhile_is_not_taken_back(desk: Desk) -> None:
    booked = await desk.booked()
    await desk.changed(booked, status="cancelled")
    other = await desk.booked(at("14:30"))
    body = refused(await undo(desk, booked), 409, "slot_taken")
    [reason] = body["details"]["reasons"]
    assert reason["appointment_id"] == other["id"]
    assert body["details"]["next_available"][0] == at("16:00")
    await desk.changed(other, status="cancelled")
    held = await desk.held(at("14:30"))
    refused(await undo(desk, booked), 409, "slot_taken")
    await desk.staff.delete(f"/v1/calendar/holds/{held['id']}")
    blocked = {"calendar_id": desk.org.calendar_id, "start_time": at("14:00"), "end_time": at("14:15")}
    made = (await desk.staff.post("/v1/calendar/blocks", json=blocked)).json()["block"]
    refused(await undo(desk, booked), 409, "blocked")
    await desk.staff.delete(f"/v1/calendar/blocks/{made['id']}")
    assert answered(await undo(desk, booked), "appointment")["status"] == "confirmed"


async def test_all_its_calendars_are_taken_again_or_none(desk: Desk) -> None:
    room = await desk.room()
    needs = [
        {"name": "Therapist", "calendarIds": [desk.org.calendar_id]},
        {"name": "Room", "calendarIds": [room], "durationMinutes": 30},
    ]
    await desk.set_type(requirements=needs)
    single = await desk.add_type(name="Room only", durationMinutes=30, calendarIds=[room])
    booked = await desk.booked()
    await desk.changed(booked, status="cancelled")
    other = await desk.booked(appointment_type_id=single["id"], calendar_id=room)
    refused(await undo(desk, booked), 409, "slot_taken")
    await desk.changed(other, status="cancelled")
    undone = answered(await undo(desk, booked), "appointment")
    assert undone["calendars"] == booked["calendars"]
    wish = {"appointment_type_id": single["id"], "calendar_id": room}
    refused(await desk.book(**wish), 409, "slot_taken")
    assert (await desk.booked(at("14:30"), **wish))["calendar_id"] == room


async def test_a_calendar_that_was_deleted_meanwhile_gets_nothing_back(desk: Desk) -> None:
    room = await desk.room()
    booked = await desk.booked(calendar_id=room)
    await desk.changed(booked, status="cancelled")
    assert (await desk.staff.delete(f"/v1/calendar/calendars/{room}")).status_code == 200
    refused(await undo(desk, booked), 409, "conflict")
    assert (await desk.get(booked))["status"] == "cancelled"


async def test_what_was_forced_over_others_lies_over_them_again(desk: Desk, clock: StoppedClock) -> None:
    await desk.booked()
    forced = await desk.booked(at("14:30"), check="none")
    assert forced["overlap_allowed"]
    clock.forward(minutes=1)
    await desk.changed(forced, status="cancelled")
    assert answered(await undo(desk, forced), "appointment")["overlap_allowed"]
    await desk.changed(forced, status="cancelled")
    await desk.booked(at("15:00"))
    refused(await undo(desk, forced), 409, "slot_taken")


async def test_of_an_undoing_and_a_booking_at_once_one_gets_the_time(desk: Desk) -> None:
    for hour in range(9, 17, 2):  # an hour apart, for one that begins at half past
        booked = await desk.booked(at(f"{hour:02}:00"))
        await desk.changed(booked, status="cancelled")
        undone, *made = await asyncio.gather(
            undo(desk, booked), *(desk.book(at(f"{hour:02}:{part}")) for part in ("00", "30"))
        )
        answers = [undone, *made]
        assert {each.status_code for each in answers} == {200, 409}
        if undone.status_code == 200:
            assert {each.status_code for each in made} == {409}
        stands = (await desk.get(booked))["status"]
        assert stands == ("confirmed" if undone.status_code == 200 else "cancelled")


async def test_of_several_undoings_at_once_one_is_done(desk: Desk) -> None:
    booked = await desk.booked()
    await desk.changed(booked, status="cancelled")
    answers = await asyncio.gather(*(undo(desk, booked) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 5]
    assert [each["version"] for each in await desk.history(booked)] == [1, 2, 3]
