"""Somebody who holds time chooses another: the first hold is neither in the way nor counted."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at, open_desk
from tests.support.organizations import make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

NINE, HALF_PAST, TEN, NOON = at("09:00"), at("09:30"), at("10:00"), at("12:00")


@pytest.fixture
async def page(page: Desk) -> Desk:
    """Open from nine to five; an hour each, every half hour."""
    await page.set_type(slotIntervalMinutes=30)
    return page


async def kept(page: Desk, start: str, **fields: Any) -> dict[str, Any]:
    """The hold that a client gets."""
    return answered(await page.post("holds", start_time=start, **fields), "hold")


async def is_there(page: Desk, hold: dict[str, Any]) -> bool:
    return (await page.client.get(f"{page.path}/holds/{hold['id']}")).status_code == 200


async def test_a_hold_is_shown_to_those_who_have_its_id(
    app: FastAPI, page: Desk, clock: StoppedClock
) -> None:
    hold = await page.held(TEN)
    public, own = f"{page.path}/holds/{hold['id']}", f"{BASE}/holds/{hold['id']}"
    assert answered(await page.staff.get(own), "hold") == hold
    seen = answered(await page.client.get(public), "hold")
    assert seen == {name: hold[name] for name in seen}
    assert seen.keys() == {"id", "appointment_type_id", "start_time", "end_time", "expires_at"}
    assert seen == await kept(page, NOON) | seen
    stranger = Desk(app, await make_org(app.state.context.database, clock.now()))
    booked = await page.booked(at("15:00"))
    unknown = refused(await page.client.get(f"{page.path}/holds/none"), 404, "not_found")
    for asks, path in (
        (stranger.staff, own),
        (stranger.client, f"{stranger.path}/holds/{hold['id']}"),
        (page.staff, f"{BASE}/holds/{booked['id']}"),
        (page.client, f"{page.path}/holds/{booked['id']}"),
    ):
        assert refused(await asks.get(path), 404, "not_found") == unknown
    clock.forward(seconds=299)
    assert (await page.client.get(public)).status_code == 200
    clock.forward(seconds=1)
    for asks, path in ((page.staff, own), (page.client, public)):
        assert refused(await asks.get(path), 404, "not_found") == unknown
    redeemed = await page.held(TEN)
    await page.booked(TEN, hold_id=redeemed["id"])
    refused(await page.client.get(f"{page.path}/holds/{redeemed['id']}"), 404, "not_found")


@pytest.mark.parametrize("start", [HALF_PAST, NINE, NOON], ids=["overlapping", "the same", "another"])
async def test_the_hold_that_is_replaced_is_not_in_the_way(page: Desk, start: str) -> None:
    mine = await kept(page, NINE)
    if start != NOON:
        refused(await page.post("holds", start_time=start), 409, "slot_taken")
    other = await kept(page, start, replaces=mine["id"])
    assert not await is_there(page, mine)
    assert answered(await page.client.get(f"{page.path}/holds/{other['id']}"), "hold") == other
    starts = set(await page.starts())
    assert not {start} & starts
    assert (NINE in starts) == (start == NOON)
    refused(await page.post("appointments", start_time=NINE, hold_id=mine["id"]), 409, "hold_gone")
    booked = await page.booked_by_client(start_time=start, hold_id=other["id"])
    assert booked["appointment"]["start_time"] == start


async def test_staff_replace_holds_in_any_calendar(page: Desk) -> None:
    room = await page.room()
    for check in ("conflicts", "all"):
        first = await page.held(NINE, check=check)
        in_room = {"calendar_id": room, "check": "conflicts"}
        second = await page.held(HALF_PAST, replaces=first["id"], **in_room)
        assert second["calendar_id"] == room
        third = await page.held(HALF_PAST, replaces=second["id"], check=check)
        assert third["calendar_id"] == page.org.calendar_id
        assert [await is_there(page, each) for each in (first, second, third)] == [False, False, True]
        await page.staff.delete(f"{BASE}/holds/{third['id']}")


async def test_a_refused_hold_leaves_the_other_and_its_time_is_offered(page: Desk) -> None:
    mine = await kept(page, at("13:00"))
    await page.booked(NOON)
    body = refused(await page.post("holds", start_time=NOON, replaces=mine["id"]), 409, "slot_taken")
    assert body["details"]["next_available"][0] == at("13:00")  # where one's own hold is
    assert await is_there(page, mine)
    without = refused(await page.post("holds", start_time=NOON), 409, "slot_taken")
    assert without["details"]["next_available"][0] == at("14:00")
    for wrong, status, code in (
        ({"start_time": at("08:00")}, 409, "outside_hours"),
        ({"start_time": NOON, "appointment_type_id": "none"}, 404, "not_found"),
        ({"start_time": NOON, "ttl_seconds": 0}, 400, "invalid_request"),
        ({"start_time": NOON, "replaces": ""}, 400, "invalid_request"),
    ):
        refused(await page.post("holds", **{"replaces": mine["id"]} | wrong), status, code)
        assert await is_there(page, mine)
    rehearsed = await page.client.post(
        f"{page.path}/holds",
        json=page.wish(start_time=at("13:30"), replaces=mine["id"]),
        params={"dry_run": "true"},
    )
    assert answered(rehearsed, "hold")["start_time"] == at("13:30")
    assert await is_there(page, mine)


async def test_the_hold_that_is_replaced_does_not_count(page: Desk) -> None:
    await page.set_type(maxPerDay=1)
    mine = await kept(page, NINE)
    refused(await page.post("holds", start_time=NOON), 409, "limit_reached")
    other = await kept(page, NOON, replaces=mine["id"])
    assert (await page.held(TEN, check="all", replaces=other["id"]))["start_time"] == TEN


async def test_nor_for_who_is_least_busy(page: Desk) -> None:
    rooms = [page.org.calendar_id, await page.room()]
    await page.set_type(calendarIds=rooms)
    mine = await page.held(NINE, check="all")
    elsewhere = [each for each in rooms if each != mine["calendar_id"]]
    assert [(await page.held(NOON, check="all"))["calendar_id"]] == elsewhere
    assert (await page.held(NINE, check="all", replaces=mine["id"]))["calendar_id"] == mine["calendar_id"]


async def test_a_full_address_may_choose_another_time(page: Desk) -> None:
    most = page.app.state.context.settings.public_holds_per_address
    mine = [await kept(page, at(f"{9 + number:02}:00")) for number in range(most)]
    refused(await page.post("holds", start_time=at("15:00")), 409, "too_many_holds")
    for _ in range(2):  # it gives none to spare
        mine[0] = await kept(page, at("15:00"), replaces=mine[0]["id"])
        for gone in ("none", mine[0]["id"] + "x"):
            refused(await page.post("holds", start_time=at("16:00"), replaces=gone), 409, "too_many_holds")


async def test_only_a_hold_is_replaced(app: FastAPI, page: Desk, clock: StoppedClock) -> None:
    booked = await page.booked(NINE)
    stranger = await open_desk(app)
    theirs = await stranger.held(NINE)
    lapsed = await kept(page, at("16:00"), ttl_seconds=1)
    clock.forward(seconds=1)
    for number, other in enumerate((booked, theirs, lapsed, {"id": "none"})):
        refused(await page.post("holds", start_time=HALF_PAST, replaces=other["id"]), 409, "slot_taken")
        await kept(page, at(f"{11 + number}:00"), replaces=other["id"])
    assert await page.get(booked) == booked
    assert await is_there(stranger, theirs)


async def test_a_booking_that_waits_for_its_client_is_not_replaced(url: str, clock: StoppedClock) -> None:
    settings = Settings(
        database_url=url,
        worker=False,
        smtp_host="127.0.0.1",
        smtp_from="booking@clinic.example",
        public_url="https://book.example",
        public_holds_per_address=2,
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        page = await open_desk(app)
        await page.set_organization(clients_confirm_by_mail=True)
        waiting = [answered_id(await page.post("appointments", start_time=start)) for start in (NINE, NOON)]
        refused(await page.post("holds", start_time=NINE, replaces=waiting[0]), 409, "too_many_holds")
        refused(await page.post("holds", start_time=TEN, replaces=waiting[0]), 409, "too_many_holds")
        assert (await page.hold(NINE, replaces=waiting[0])).status_code == 409
        assert not {NINE, NOON} & set(await page.starts())


def answered_id(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["appointment"]["id"])


async def test_a_repeated_request_replaces_once(page: Desk) -> None:
    mine = await kept(page, NINE)
    wish = page.wish(start_time=HALF_PAST, replaces=mine["id"])
    first, again = [
        await page.client.post(f"{page.path}/holds", json=wish, headers={"Idempotency-Key": "mine"})
        for _ in range(2)
    ]
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


# At once.


async def test_of_two_who_replace_one_hold_at_once_both_are_answered(page: Desk) -> None:
    """One hold is given up once; a rival of the same time is refused, one of another is not."""
    for starts, won in (((HALF_PAST, TEN), 1), ((TEN, TEN), 1), ((TEN, NOON), 2)):
        mine = await kept(page, NINE)
        answers = await asyncio.gather(
            *(page.post("holds", start_time=each, replaces=mine["id"]) for each in starts)
        )
        got = [each.json()["hold"] for each in answers if each.status_code == 200]
        assert len(got) == won
        assert {each.json()["code"] for each in answers if each.status_code != 200} <= {"slot_taken"}
        assert not await is_there(page, mine)
        for hold in got:
            await page.client.delete(f"{page.path}/holds/{hold['id']}")


async def test_a_hold_is_replaced_or_redeemed(page: Desk) -> None:
    """Never both; and if it was booked, its time is in the way of what overlaps it."""
    outcomes: Counter[tuple[int, ...]] = Counter()
    for day in range(22, 30):
        nine, half_past = (at(each, f"2024-01-{day}") for each in ("09:00", "09:30"))
        mine = await kept(page, nine)
        asks = [
            page.book(nine, hold_id=mine["id"]),
            page.hold(half_past, replaces=mine["id"]),
            page.staff.delete(f"{BASE}/holds/{mine['id']}"),
        ]
        answers = await asyncio.gather(*(asks if day % 2 else reversed(asks)))
        booked, held, released = answers if day % 2 else reversed(answers)
        outcomes[(booked.status_code, held.status_code, released.status_code)] += 1
        assert [booked.status_code, held.status_code].count(200) == 1
        assert booked.status_code == 200 or refused(booked, 409, "hold_gone")
        assert held.status_code == 200 or refused(held, 409, "slot_taken")
    assert sum(outcomes.values()) == 8


async def test_holds_of_two_calendars_are_exchanged_without_a_deadlock(page: Desk) -> None:
    first, second = page.org.calendar_id, await page.room()
    mine, theirs = await page.held(NINE, calendar_id=first), await page.held(NINE, calendar_id=second)
    for _ in range(5):
        mine, theirs = [
            answered(each, "hold")
            for each in await asyncio.gather(
                page.hold(
                    NOON if mine["start_time"] == NINE else NINE,
                    replaces=mine["id"],
                    calendar_id=second if mine["calendar_id"] == first else first,
                ),
                page.hold(
                    NOON if theirs["start_time"] == NINE else NINE,
                    replaces=theirs["id"],
                    calendar_id=second if theirs["calendar_id"] == first else first,
                ),
            )
        ]
        assert {mine["calendar_id"], theirs["calendar_id"]} == {first, second}
