"""What `check` asks of a booking and of a change: nothing, only what is booked, or every rule."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from kalends.services.booking import placing
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at, codes, week
from tests.support.organizations import Org, counts, stored

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to five; an hour each, every half hour; three a week."""
    desk = Desk(app, org)
    await desk.open(*week("09:00-17:00"))
    await desk.set_type(slotIntervalMinutes=30, maxPerWeek=3)
    return desk


async def rooms(desk: Desk, clock: StoppedClock, count: int) -> list[str]:
    """So many calendars for the type, the oldest first; it names them from the youngest."""
    ids = [desk.org.calendar_id]
    for _ in range(count - 1):
        clock.forward(seconds=1)
        ids.append(await desk.room())
    await desk.set_type(calendarIds=ids[::-1])
    return ids


async def test_each_level_refuses_what_it_asks_for(desk: Desk, db: Database) -> None:
    await desk.booked(at("10:00"))
    for day in ("2024-02-05", "2024-02-06", "2024-02-07"):
        await desk.booked(at("10:00", day))
    before = await db.read(counts, desk.org.id)
    for start, code in {
        at("12:00", "2024-01-20"): "too_soon",
        at("10:00", "2024-03-21"): "too_far_ahead",
        at("16:30"): "outside_hours",
        at("14:15"): "off_grid",
        at("10:00", "2024-02-08"): "limit_reached",
    }.items():
        answer = refused(await desk.book(start, check="all"), 409, code)
        assert codes(answer["details"]) == [code]
        assert len(answer["details"]["next_available"]) == (0 if code == "too_far_ahead" else 5)
        for check in ("conflicts", "none"):
            answered(await desk.book(start, check=check, dry_run=True), "appointment")
    taken = [
        refused(await desk.book(at("10:30"), check=check), 409, "slot_taken")
        for check in ("all", "conflicts")
    ]
    assert taken[0] == taken[1]
    assert codes(taken[0]["details"]) == ["conflict"]
    assert taken[0]["details"]["next_available"][:2] == [at("11:00"), at("11:30")]
    forced = answered(await desk.book(at("10:30"), check="none", dry_run=True), "appointment")
    assert forced["overlap_allowed"] is True
    refused(await desk.book(at("14:00"), check="some"), 400, "invalid_request")
    assert await db.read(counts, desk.org.id) == before


async def test_what_no_level_waives(desk: Desk, db: Database) -> None:
    room = await desk.room()
    answer = refused(await desk.book(at("10:00"), check="all", calendar_id=room), 409, "calendar_not_serving")
    assert codes(answer["details"]) == ["calendar_not_serving"]
    for check in ("conflicts", "none"):
        answered(await desk.book(at("10:00"), check=check, calendar_id=room, dry_run=True), "appointment")
    await desk.set_calendar(room, is_active=False)
    await desk.set_calendar(desk.org.calendar_id, is_active=False)
    for check in ("all", "conflicts", "none"):
        answer = refused(await desk.book(at("10:00"), check=check), 409, "calendar_inactive")
        [reason] = answer["details"]["reasons"]
        assert (reason["calendar_id"], answer["details"]["next_available"]) == (desk.org.calendar_id, [])
        named = await desk.book(at("10:00"), check=check, calendar_id=room)
        assert refused(named, 409, "calendar_inactive")["details"]["reasons"][0]["calendar_id"] == room
    await desk.set_type(isActive=False)
    for check in ("all", "conflicts", "none"):
        refused(await desk.book(at("10:00"), check=check), 409, "type_inactive")
    assert await stored(db, desk.org) == 0


async def test_a_refusal_lists_every_reason_and_is_named_after_the_first(desk: Desk, db: Database) -> None:
    for start in ("08:30", "10:30", "12:00"):
        await desk.booked(at(start, "2024-01-21"))
    start = at("11:45", "2024-01-21")
    answer = refused(await desk.book(start, check="all"), 409, "too_soon")
    why = await desk.explain(start)
    assert codes(why) == ["too_soon", "limit_reached", "off_grid", "conflict"]
    assert answer["error"] == why["reasons"][0]["message"]
    assert answer["details"] == {name: why[name] for name in ("reasons", "next_available")}
    assert why["next_available"][0] == at("09:00", "2024-01-22")
    answer = refused(await desk.book(start), 409, "slot_taken")
    assert answer["details"] == {"reasons": why["reasons"][-1:], "next_available": why["next_available"]}
    await desk.set_type(durationMinutes=120)
    answer = refused(await desk.book(start), 409, "slot_taken")
    assert codes(answer["details"]) == ["conflict"]
    answer = refused(await desk.book(at("11:00", "2024-01-21")), 409, "slot_taken")
    assert codes(answer["details"]) == ["conflict", "conflict"]
    assert await stored(db, desk.org) == 3


async def test_dry_run_and_replay(desk: Desk, db: Database) -> None:
    async def once(start: str) -> httpx.Response:
        wish = desk.org.wish(start_time=start, check="all")
        return await desk.staff.post(f"{BASE}/appointments", json=wish, headers={"Idempotency-Key": start})

    answered(await desk.book(at("10:00"), check="all", dry_run=True), "appointment")
    refused(await desk.book(at("10:15"), check="all", dry_run=True), 409, "off_grid")
    assert await stored(db, desk.org) == 0
    first = await once(at("10:00"))
    again = await once(at("10:00"))
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    refused(await desk.book(at("10:00"), check="all"), 409, "slot_taken")
    # Of a refusal nothing is kept, so what was refused may be had later.
    refused(await once(at("18:00")), 409, "outside_hours")
    await desk.open(*week("09:00-19:00"))
    assert "idempotent-replayed" not in (await once(at("18:00"))).headers
    assert await stored(db, desk.org) == 2


async def test_moving_by_every_rule_does_not_count_what_moves(desk: Desk, db: Database) -> None:
    await desk.set_type(maxPerDay=1)
    mine = await desk.booked(at("10:00"))
    other = await desk.booked(at("10:00", "2024-01-26"))
    mine = await desk.changed(mine, start_time=at("10:30"), check="all")
    assert (mine["start_time"], mine["version"]) == (at("10:30"), 2)
    before = await db.read(counts, desk.org.id)
    for start, reasons in {
        at("09:00", "2024-01-26"): ["limit_reached"],
        at("10:30", "2024-01-26"): ["limit_reached", "conflict"],
        at("10:15"): ["off_grid"],
        at("20:00"): ["outside_hours"],
        at("12:00", "2024-01-20"): ["too_soon"],
    }.items():
        answer = refused(await desk.change(mine, start_time=start, check="all"), 409, reasons[0])
        assert codes(answer["details"]) == reasons
        if "conflict" in reasons:
            assert answer["details"]["reasons"][-1]["appointment_id"] == other["id"]
    elsewhere = await desk.change(mine, start_time=at("20:00", "2024-01-24"), check="all")
    answer = refused(elsewhere, 409, "outside_hours")
    # Its own hour and its own place of the day are among what it could have instead.
    assert answer["details"]["next_available"][:2] == [at("09:00"), at("09:30")]
    assert await desk.get(mine) == mine
    assert await db.read(counts, desk.org.id) == before
    moved = await desk.changed(mine, start_time=at("20:00", "2024-01-26"))
    assert moved["overlap_allowed"] is False
    forced = await desk.changed(mine, start_time=at("10:30", "2024-01-26"), check="none")
    assert (forced["overlap_allowed"], forced["calendar_id"]) == (True, other["calendar_id"])


async def test_rules_are_asked_only_where_time_is_taken(desk: Desk) -> None:
    late = await desk.booked(at("22:00"))
    for change in ({"client_notes": "Late"}, {"start_time": at("22:00")}, {"status": "completed"}):
        await desk.changed(late, check="all", **change)
    assert (await desk.changed(late, status="no_show", check="all"))["version"] == 4


async def test_un_cancelling_by_every_rule(desk: Desk, clock: StoppedClock) -> None:
    await desk.set_type(maxPerDay=1)
    mine = await desk.booked(at("10:00"))
    mine = await desk.changed(mine, status="cancelled")
    other = await desk.booked(at("10:30"))
    answer = refused(await desk.change(mine, status="confirmed", check="all"), 409, "limit_reached")
    assert codes(answer["details"]) == ["limit_reached", "conflict"]
    await desk.changed(other, status="cancelled")
    assert (await desk.changed(mine, status="confirmed", check="all"))["status"] == "confirmed"
    await desk.changed(mine, status="cancelled")
    clock.forward(days=4)
    refused(await desk.change(mine, status="confirmed", check="all"), 409, "too_soon")
    assert (await desk.get(mine))["status"] == "cancelled"
    assert (await desk.changed(mine, status="confirmed"))["status"] == "confirmed"


@pytest.fixture
async def shortened(desk: Desk) -> dict[str, Any]:
    """A cancelled appointment from ten to eleven, of a type that takes half an hour by now."""
    cancelled = await desk.changed(await desk.booked(at("10:00")), status="cancelled")
    await desk.set_type(durationMinutes=30)
    return cancelled


@pytest.mark.parametrize("check", ["conflicts", "all"])
@pytest.mark.parametrize("forced", [False, True])
async def test_un_cancelling_asks_for_all_the_time_it_had(
    desk: Desk, shortened: dict[str, Any], check: str, forced: bool
) -> None:
    other = await desk.booked(at("10:30"))
    if forced:
        regular, other = other, await desk.booked(at("10:30"), check="none")
        await desk.changed(regular, status="cancelled")
    assert other["overlap_allowed"] is forced
    answer = refused(await desk.change(shortened, status="confirmed", check=check), 409, "slot_taken")
    assert [reason.get("appointment_id") for reason in answer["details"]["reasons"]] == [other["id"]]
    mine = await desk.changed(shortened, status="confirmed", check="none")
    assert (mine["overlap_allowed"], mine["end_time"]) == (True, at("11:00"))


async def test_un_cancelling_settles_what_lapsed_within_the_time_it_had(
    desk: Desk, shortened: dict[str, Any], clock: StoppedClock
) -> None:
    await desk.held(at("10:30"))
    clock.forward(hours=1)
    mine = await desk.changed(shortened, status="confirmed")
    assert (mine["overlap_allowed"], mine["end_time"]) == (False, at("11:00"))


async def test_un_cancelling_asks_for_no_more_than_the_time_it_had(desk: Desk) -> None:
    cancelled = await desk.changed(await desk.booked(at("10:00")), status="cancelled")
    await desk.set_type(durationMinutes=90)
    await desk.booked(at("11:00"))
    assert (await desk.changed(cancelled, status="confirmed"))["end_time"] == at("11:00")


async def test_what_is_in_the_way_may_be_gone_a_moment_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.booked(at("10:00"))
    monkeypatch.setattr(placing, "in_the_way", lambda *_, **__: [])
    answer = refused(await desk.book(at("10:00"), check="all"), 409, "slot_taken")
    assert codes(answer["details"]) == ["conflict"]


async def test_the_least_busy_free_calendar_of_the_week_takes_it(desk: Desk, clock: StoppedClock) -> None:
    await desk.set_type(maxPerWeek=None)
    first, second, third = await rooms(desk, clock, 3)

    async def taker(start: str, **fields: Any) -> str:
        made = answered(await desk.book(start, dry_run=True, **fields), "appointment")
        return str(made["calendar_id"])

    assert await taker(at("10:00")) == first  # of those never booked the oldest
    monday, sunday = "2024-01-22", "2024-01-28"
    await desk.booked(at("00:00", monday), calendar_id=first)
    assert await taker(at("10:00")) == second
    for check in ("none", "all"):
        assert await taker(at("10:00"), check=check) == second
    cancelled = await desk.booked(at("22:00", sunday), calendar_id=second)
    assert await taker(at("10:00")) == third
    await desk.changed(cancelled, status="cancelled")
    assert await taker(at("10:00")) == second
    # Other weeks do not count, nor does a calendar that is taken or out of service.
    await desk.booked(at("22:00", sunday), calendar_id=third)
    for day in ("2024-01-21", "2024-01-29"):
        await desk.booked(at("23:00", day), calendar_id=second)
    assert await taker(at("10:00")) == second
    await desk.booked(at("10:30"), calendar_id=second)
    assert await taker(at("10:00")) == first  # of equals the one that was booked longest ago
    await desk.set_calendar(first, is_active=False)
    assert await taker(at("10:00")) == third
    assert await taker(at("10:00"), calendar_id=second, check="none") == second


@pytest.mark.parametrize(("week_start", "takes"), [(0, 1), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)])
async def test_weeks_begin_on_the_organizations_day(
    desk: Desk, clock: StoppedClock, week_start: int, takes: int
) -> None:
    ids = await rooms(desk, clock, 2)
    answered(await desk.staff.patch("/v1/organization", json={"week_start": week_start}), "organization")
    await desk.booked(at("10:00", "2024-01-28"), calendar_id=ids[0])  # a Sunday
    await desk.booked(at("10:00", "2024-02-28"), calendar_id=ids[1])  # so it is the first one's turn
    # On Wednesday the first has had one that week only if the week began from Thursday to Sunday.
    assert (await desk.booked(at("10:00", "2024-01-31")))["calendar_id"] == ids[takes]


async def test_where_none_is_free_it_may_be_forced_onto_the_least_busy(
    desk: Desk, db: Database, clock: StoppedClock
) -> None:
    first, second, third, fourth = await rooms(desk, clock, 4)
    for calendar_id in (first, second, third, fourth):
        await desk.booked(at("10:00"), calendar_id=calendar_id)
    await desk.booked(at("12:00"), calendar_id=first)
    await desk.booked(at("12:00"), calendar_id=fourth)
    await desk.set_calendar(second, is_active=False)
    assert len(refused(await desk.book(at("10:30")), 409, "slot_taken")["details"]["reasons"]) == 3
    for calendar_id in (third, first):
        forced = await desk.booked(at("10:30"), check="none")
        assert (forced["calendar_id"], forced["overlap_allowed"]) == (calendar_id, True)
    assert await stored(db, desk.org) == 8
