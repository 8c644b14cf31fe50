"""Which of several calendars takes a booking: the one with the fewest that week; of equals the one that was
booked longest ago, and of those never booked the oldest."""

import asyncio
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from kalends.services.booking import offers
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, at, week
from tests.support.organizations import JANE, Org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

WEEKS = [f"{date(2024, 2, 5) + timedelta(weeks=n)}" for n in range(10)]
"""Ten Mondays."""


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    desk = Desk(app, org)
    await desk.open(*week("09:00-17:00"))
    await desk.set_type(maxDaysAhead=None)
    return desk


async def rooms(desk: Desk, clock: StoppedClock, count: int) -> list[str]:
    """So many calendars for the type, the oldest first."""
    ids = [desk.org.calendar_id]
    for _ in range(count - 1):
        clock.forward(seconds=1)
        ids.append(await desk.room())
    await desk.set_type(calendarIds=ids[::-1])
    return ids


async def by_client(desk: Desk, start: str) -> dict[str, Any]:
    """What a client books, as staff see it."""
    wish = JANE | {"appointment_type_id": desk.org.type_id, "start_time": start}
    made = await desk.client.post(f"{desk.path}/appointments", json=wish)
    assert made.status_code == 200, made.text
    return await desk.get(made.json()["appointment"])


@pytest.mark.parametrize("check", ["conflicts", "all", "none"])
@pytest.mark.parametrize("count", [2, 3, 5])
async def test_one_booking_a_week_goes_round(desk: Desk, clock: StoppedClock, count: int, check: str) -> None:
    ids = await rooms(desk, clock, count)
    taken = [(await desk.booked(at("10:00", day), check=check))["calendar_id"] for day in WEEKS]
    assert taken == [ids[n % count] for n in range(10)]


async def test_what_clients_book_and_hold_goes_round_with_what_staff_do(
    desk: Desk, clock: StoppedClock
) -> None:
    first, second, third = await rooms(desk, clock, 3)
    assert (await by_client(desk, at("10:00", WEEKS[0])))["calendar_id"] == first
    assert (await desk.booked(at("10:00", WEEKS[1])))["calendar_id"] == second
    held = await desk.held(at("10:00", WEEKS[2]))
    assert held["calendar_id"] == third
    assert (await desk.booked(at("10:00", WEEKS[2]), hold_id=held["id"]))["calendar_id"] == third
    assert (await by_client(desk, at("10:00", WEEKS[3])))["calendar_id"] == first


async def test_holds_of_several_weeks_at_once_go_round(desk: Desk, clock: StoppedClock) -> None:
    ids = await rooms(desk, clock, 2)
    held = [await desk.held(at("10:00", day)) for day in WEEKS[:4]]
    assert [each["calendar_id"] for each in held] == ids * 2
    clock.forward(seconds=300)  # they have expired, and nobody has been booked
    assert (await desk.held(at("10:00", WEEKS[0])))["calendar_id"] == ids[0]


async def test_the_fewest_of_that_week_come_before_whose_turn_it_is(desk: Desk, clock: StoppedClock) -> None:
    first, second = await rooms(desk, clock, 2)
    for hour in ("10", "11"):
        await desk.booked(at(f"{hour}:00", WEEKS[0]), calendar_id=second)
    await desk.booked(at("10:00", WEEKS[1]), calendar_id=first)
    # The second was booked longest ago, but has more to do that week.
    assert (await desk.booked(at("14:00", WEEKS[0])))["calendar_id"] == first
    assert (await desk.booked(at("10:00", WEEKS[2])))["calendar_id"] == second


async def test_it_is_when_it_was_booked_that_counts_and_not_for_when(desk: Desk, clock: StoppedClock) -> None:
    first, second = await rooms(desk, clock, 2)
    await desk.booked(at("10:00", WEEKS[9]), calendar_id=second)
    await desk.booked(at("10:00", "2024-01-02"), calendar_id=first)  # a note of something past, made later
    assert (await desk.booked(at("10:00", WEEKS[4])))["calendar_id"] == second


async def test_what_is_cancelled_was_no_turn(desk: Desk, clock: StoppedClock) -> None:
    first, second = await rooms(desk, clock, 2)
    for day, calendar in zip(WEEKS[:3], (first, second, first), strict=True):
        booked = await desk.booked(at("10:00", day))
        assert booked["calendar_id"] == calendar
    await desk.changed(booked, status="cancelled")
    assert (await desk.booked(at("10:00", WEEKS[3])))["calendar_id"] == first
    # Nor was a request that nobody confirmed, whether or not that has been written down.
    await desk.set_type(requiresConfirmation=True, confirmWithinHours=1)
    assert (await by_client(desk, at("10:00", WEEKS[4])))["calendar_id"] == second
    clock.forward(hours=1)
    assert (await desk.booked(at("10:00", WEEKS[5])))["calendar_id"] == second


async def test_a_client_moves_to_whose_turn_it_is_where_its_own_is_taken(
    desk: Desk, clock: StoppedClock
) -> None:
    first, second, third = await rooms(desk, clock, 3)
    wish = JANE | {"appointment_type_id": desk.org.type_id, "start_time": at("10:00", WEEKS[0])}
    made = (await desk.client.post(f"{desk.path}/appointments", json=wish)).json()
    assert (await desk.get(made["appointment"]))["calendar_id"] == first
    await desk.booked(at("10:00", WEEKS[1]), calendar_id=third)
    await desk.booked(at("10:00", WEEKS[2]), calendar_id=second)
    await desk.booked(at("10:00", WEEKS[3]), calendar_id=first)
    link = f"/v1/public/appointments/{made['manage_token']}/reschedule"
    answered(await desk.staff.post(link, json={"start_time": at("10:00", WEEKS[3])}), "appointment")
    assert (await desk.get(made["appointment"]))["calendar_id"] == third


async def test_turns_are_looked_up_where_calendars_are_equals_only(
    desk: Desk, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    look_up = offers.last_booked

    def counted(tx: Any, org_id: str, calendar_ids: list[str], now: Any) -> Any:
        asked.append(calendar_ids)
        return look_up(tx, org_id, calendar_ids, now)

    monkeypatch.setattr(offers, "last_booked", counted)
    await desk.booked(at("10:00", WEEKS[0]), check="all")
    first, second, third = await rooms(desk, clock, 3)
    await desk.booked(at("11:00", WEEKS[0]), calendar_id=second)
    await desk.booked(at("12:00", WEEKS[0]))  # the third has none
    assert asked == []
    await desk.booked(at("14:00", WEEKS[0]))
    assert asked == [[first, second, third]]


async def test_bookings_at_once_go_round_too(desk: Desk, clock: StoppedClock) -> None:
    ids = await rooms(desk, clock, 2)
    answers = await asyncio.gather(*(desk.book(at("10:00", day)) for day in WEEKS))
    taken = Counter(answered(each, "appointment")["calendar_id"] for each in answers)
    assert taken == dict.fromkeys(ids, 5)


async def test_a_taken_calendar_is_passed_over(desk: Desk, clock: StoppedClock) -> None:
    first, second = await rooms(desk, clock, 2)
    await desk.booked(at("12:00", WEEKS[1]), calendar_id=second)
    await desk.booked(at("10:00", WEEKS[1]), calendar_id=first)
    # It is the first's turn no more than the second's, but it is busy then.
    assert (await desk.booked(at("10:00", WEEKS[1])))["calendar_id"] == second
    refused(await desk.book(at("10:00", WEEKS[1])), 409, "slot_taken")
