"""Bookings by staff with a length of their own."""

import pytest
from fastapi import FastAPI

from tests.support.answers import refused
from tests.support.desk import Desk, at, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


async def test_it_takes_and_keeps_the_length_that_it_was_given(desk: Desk) -> None:
    await desk.set_type(bufferAfterMinutes=10)
    booked = await desk.booked(duration_minutes=90)
    assert (booked["end_time"], booked["appointment_type"]["duration_minutes"]) == (at("15:30"), 60)
    refused(await desk.book(at("15:39"), check="conflicts"), 409, "slot_taken")
    await desk.booked(at("15:40"), duration_minutes=1)
    refused(await desk.book(at("13:00"), duration_minutes=51), 409, "slot_taken")
    moved = await desk.changed(booked, start_time=at("09:00"))
    assert moved["end_time"] == at("10:30")
    # That of the type is none of its own.
    usual = await desk.booked(at("12:00"), duration_minutes=60)
    await desk.set_type(durationMinutes=30)
    assert (await desk.changed(usual, start_time=at("12:30")))["end_time"] == at("13:00")
    assert (await desk.booked(at("11:00"), duration_minutes=None))["end_time"] == at("11:30")


async def test_rules_are_kept_as_by_others(desk: Desk) -> None:
    refused(await desk.book(at("16:00"), duration_minutes=90, check="all"), 409, "outside_hours")
    assert (await desk.booked(at("15:00"), duration_minutes=120, check="all"))["end_time"] == at("17:00")
    for wrong in (0, -1, 1.5, "soon", 7 * 24 * 60 + 1):
        refused(await desk.book(at("10:00"), duration_minutes=wrong), 400, "invalid_request")
    week = await desk.booked(at("10:00", "2024-02-01"), duration_minutes=7 * 24 * 60)
    assert week["end_time"] == at("10:00", "2024-02-08")


async def test_a_hold_has_its_own(desk: Desk) -> None:
    hold = (await desk.held(at("10:00")))["id"]
    refused(await desk.book(at("10:00"), hold_id=hold, duration_minutes=90), 409, "hold_mismatch")
    booked = await desk.booked(at("10:00"), hold_id=hold, duration_minutes=60)
    assert booked["end_time"] == at("11:00")
    said = refused(
        await desk.staff.post("/v1/calendar/holds", json=desk.org.wish(duration_minutes=90)),
        400,
        "invalid_request",
    )
    assert said["error"].startswith("duration_minutes can't be set here: a hold is as long as its type")
