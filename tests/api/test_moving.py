"""Where an appointment can go: what is listed for moving it, to staff and to its client."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.db.database import Database
from kalends.services.booking import manage_links
from kalends.settings import Settings
from tests.api.counter import malformed
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import BASE, THURSDAY, Desk, Link, at, codes, open_desk, week
from tests.support.organizations import Org, counts

pytestmark = pytest.mark.anyio

DAY = {"from": THURSDAY, "to": THURSDAY}


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to twelve, every day, with a start every half an hour."""
    desk = Desk(app, org)
    await desk.open(*week("09:00-12:00"))
    await desk.set_type(slotIntervalMinutes=30)
    return desk


async def hours(desk: Desk, moving: str, **query: str) -> list[str]:
    """To which hours of Thursday staff could move an appointment; the days must say the same."""
    starts = await desk.starts(moving=moving, **query)
    counted = (await desk.count(moving=moving, **query)).json()
    first = starts[0] if starts else None
    assert counted["days"] == [{"date": THURSDAY, "free": len(starts), "first": first}]
    assert not starts or counted["next_available"] == first
    return [start[11:16] for start in starts]


async def own_hours(link: Link) -> list[str]:
    """To which hours of Thursday a client could move their appointment; the days must say the same."""
    listed, counted = await link.ask("slots", **DAY), await link.ask("days", **DAY)
    assert (listed.status_code, counted.status_code) == (200, 200), listed.text + counted.text
    slots = listed.json()["slots"]
    assert all(slot.keys() == {"start_time", "end_time"} for slot in slots)
    first = slots[0]["start_time"] if slots else None
    assert counted.json()["days"] == [{"date": THURSDAY, "free": len(slots), "first": first}]
    return [slot["start_time"][11:16] for slot in slots]


def everything(link: Link) -> list[Any]:
    """All that a client can ask about moving."""
    return [
        link.ask("slots", **DAY),
        link.ask("slots/explain", start_time=at("11:00")),
        link.ask("days", **DAY),
    ]


async def test_its_own_time_counts_as_free(desk: Desk) -> None:
    mine = await desk.booked(at("09:30"))
    assert await desk.starts() == [at("10:30"), at("11:00")]
    assert await hours(desk, mine["id"]) == ["09:00", "09:30", "10:00", "10:30", "11:00"]
    other = await desk.booked(at("11:00"))
    assert await hours(desk, mine["id"]) == ["09:00", "09:30", "10:00"]
    told = await desk.explain(at("10:00"), moving=mine["id"])
    assert (told["bookable"], told["reasons"]) == (True, [])
    assert told["next_available"][0] == at("09:00", "2024-01-26")
    told = await desk.explain(at("10:30"), moving=mine["id"])
    assert [reason["appointment_id"] for reason in told["reasons"]] == [other["id"]]
    assert codes(await desk.explain(at("10:00"))) == ["conflict"]
    moved = await desk.changed(mine, start_time=at("10:00"), check="all")
    assert moved["start_time"] == at("10:00")
    assert await hours(desk, mine["id"]) == ["09:00", "09:30", "10:00"]  # wherever it is


async def test_a_client_is_told_the_same_by_the_link(desk: Desk) -> None:
    link = desk.link(await desk.booked_by_client(start_time=at("09:30")))
    assert await own_hours(link) == ["09:00", "09:30", "10:00", "10:30", "11:00"]
    await desk.booked(at("11:00"))
    assert await own_hours(link) == ["09:00", "09:30", "10:00"]
    told = (await link.ask("slots/explain", start_time=at("10:30"))).json()
    assert told["bookable"] is False
    assert told["reasons"] == [{"code": "conflict", "message": "The time is taken."}]
    assert told["next_available"][0] == at("09:00", "2024-01-26")
    local = await link.ask("slots", **DAY, timezone="Asia/Kathmandu")
    assert local.json()["slots"][0]["local_start_time"] == "2024-01-25T14:45:00+05:45"
    answered(await link.reschedule(at("10:00")), "appointment")
    assert await own_hours(link) == ["09:00", "09:30", "10:00"]
    in_tokyo = (await link.ask("days", **DAY, timezone="Asia/Tokyo")).json()
    assert (in_tokyo["timezone"], in_tokyo["days"][0]["free"]) == ("Asia/Tokyo", 3)


async def test_staff_move_within_the_calendar_and_clients_to_any_that_serves(desk: Desk) -> None:
    room, stranger = await desk.room(), await desk.room("Elsewhere")
    await desk.set_type(calendarIds=[desk.org.calendar_id, room])
    booked = await desk.booked_by_client(start_time=at("09:30"))
    link = desk.link(booked)
    own = (await link.seen())["calendar_id"]
    other = room if own == desk.org.calendar_id else desk.org.calendar_id
    await desk.booked(at("11:00"), calendar_id=own)
    assert (
        await hours(desk, link.id)
        == await hours(desk, link.id, calendar_id=own)
        == ["09:00", "09:30", "10:00"]
    )
    assert {tuple(slot["calendar_ids"]) for slot in await desk.slots(moving=link.id)} == {(own,)}
    assert await own_hours(link) == ["09:00", "09:30", "10:00", "10:30", "11:00"]
    for elsewhere in (other, stranger):
        malformed(await desk.search(moving=link.id, calendar_id=elsewhere), field="calendar_id")
    answered(await link.reschedule(at("11:00")), "appointment")
    assert (await link.seen())["calendar_id"] == other
    # A calendar that is out of service keeps what is in it, and only clients get their appointment out.
    await desk.set_calendar(other, is_active=False)
    assert await hours(desk, link.id) == []
    assert codes(await desk.explain(at("09:00"), moving=link.id)) == ["calendar_inactive"]
    assert await own_hours(link) == ["09:00", "09:30", "10:00"]


@on_sqlite
async def test_what_the_type_asks_for_by_now_counts(desk: Desk) -> None:
    mine = await desk.booked(at("09:00"))
    await desk.booked(at("11:30", "2024-01-25"), check="conflicts")
    await desk.set_type(durationMinutes=90, bufferAfterMinutes=30)
    assert await hours(desk, mine["id"]) == ["09:00", "09:30"]
    moved = await desk.changed(mine, start_time=at("09:30"), check="all")
    assert moved["end_time"] == at("11:00")
    await desk.set_type(durationMinutes=30, bufferAfterMinutes=0)
    assert await hours(desk, mine["id"]) == ["09:00", "09:30", "10:00", "10:30", "11:00"]


@on_sqlite
async def test_it_does_not_count_for_limits(desk: Desk) -> None:
    link = desk.link(await desk.booked_by_client(start_time=at("09:30")))
    await desk.set_type(maxPerDay=1, maxPerWeek=1, maxPerMonth=1)
    assert await desk.starts() == []
    assert len(await hours(desk, link.id)) == len(await own_hours(link)) == 5
    await desk.set_type(maxPerDay=2, maxPerWeek=None, maxPerMonth=None)
    await desk.booked(at("14:00"))
    assert len(await own_hours(link)) == 5
    await desk.set_type(maxPerDay=1)
    assert await own_hours(link) == []
    assert codes(await desk.explain(at("11:00"), moving=link.id)) == ["limit_reached"]


@on_sqlite
async def test_whatever_else_staff_can_move(desk: Desk, clock: StoppedClock) -> None:
    """All but what is cancelled, by somebody or by itself."""
    await desk.set_type(minNoticeHours=0, requiresConfirmation=True, confirmWithinHours=100)
    asked = desk.link(await desk.booked_by_client(start_time=at("11:00")))
    await desk.set_type(requiresConfirmation=False)
    done = await desk.booked(at("10:00", "2024-01-21"))
    clock.at = datetime.fromisoformat(at("09:00"))
    for status in ("completed", "no_show"):
        await desk.changed(done, status=status)
        assert len(await hours(desk, done["id"])) == 5
    assert answered(await asked.get(), "appointment")["status"] == "cancelled"  # by itself
    clock.at = datetime.fromisoformat(at("09:00", "2024-01-24"))
    assert len(await hours(desk, asked.id)) == 5
    clock.at += timedelta(hours=7)
    refused(await desk.search(moving=asked.id), 409, "illegal_transition")


@on_sqlite
async def test_what_waits_is_not_moved_to_this_very_second(desk: Desk, clock: StoppedClock) -> None:
    await desk.set_type(minNoticeHours=0, requiresConfirmation=True)
    asked = desk.link(await desk.booked_by_client(start_time=at("11:00")))
    settled = await desk.booked(at("11:00", "2024-01-26"))
    await desk.set_type(requiresConfirmation=False)  # of what is booked from now on
    clock.at = datetime.fromisoformat(at("09:00"))
    assert await hours(desk, settled["id"]) == ["09:00", "09:30", "10:00"]
    assert await hours(desk, asked.id) == await own_hours(asked) == ["09:30", "10:00", "10:30", "11:00"]
    for response in (
        await desk.change(asked.id, start_time=at("09:00"), check="all"),
        await asked.reschedule(at("09:00")),
    ):
        details = refused(response, 409, "too_soon")["details"]
        assert details["next_available"][:2] == [at("09:30"), at("10:00")]
    assert codes(await desk.explain(at("09:00"), moving=asked.id)) == ["too_soon"]
    answered(await desk.change(settled, start_time=at("09:00"), check="all"), "appointment")


async def test_moving_what_is_none(desk: Desk, other_org: Org) -> None:
    async def ask(moving: str, **query: str) -> list[httpx.Response]:
        at_ten = {"appointment_type_id": desk.org.type_id, "start_time": at("10:00"), "moving": moving}
        return [
            await desk.search(moving=moving, **query),
            await desk.count(moving=moving, **query),
            await desk.staff.get(f"{BASE}/slots/explain", params=at_ten | query),
        ]

    theirs = await Desk(desk.app, other_org).booked(at("10:00"))
    held = await desk.held(at("11:00"))
    for unknown in ("apt_none", theirs["id"], held["id"]):
        for response in await ask(unknown):
            assert refused(response, 404, "not_found")["details"] == {"field": "moving"}
    mine, another = await desk.booked(at("10:00")), (await desk.add_type())["id"]
    for response in await ask(mine["id"], appointment_type_id=another):
        assert "another type" in malformed(response, field="moving")["error"]
    for response in await ask(mine["id"], calendar_id="cal_none"):
        assert refused(response, 404, "not_found")["details"] == {"field": "calendar_id"}
    await desk.changed(mine, status="cancelled")
    for response in await ask(mine["id"]):
        details = refused(response, 409, "illegal_transition")["details"]
        assert details == {"status": "cancelled", "allowed": ["confirmed"]}


async def test_asking_moves_nothing(desk: Desk, db: Database) -> None:
    link = desk.link(await desk.booked_by_client(start_time=at("10:00")))
    before = await db.read(counts, desk.org.id), await link.seen()
    for _ in range(2):
        assert len(await hours(desk, link.id)) == len(await own_hours(link)) == 5
        assert [(await each).status_code for each in everything(link)] == [200] * 3
    assert (await db.read(counts, desk.org.id), await link.seen()) == before


async def test_a_link_that_has_ended_or_can_t_be_used_any_more(page: Desk, clock: StoppedClock) -> None:
    """Refused as moving is."""
    ended = page.link(await page.booked_by_client(start_time=at("09:00")))
    answered(await page.change(ended.id, client_email="else@example.com"), "appointment")
    for response in everything(ended):
        refused(await response, 404, "not_found")
    cancelled = page.link(await page.booked_by_client(start_time=at("10:00")))
    await cancelled.cancel()
    done = page.link(await page.booked_by_client(start_time=at("11:00")))
    await page.changed(done.id, status="completed")
    for link, status in ((cancelled, "cancelled"), (done, "completed")):
        for response in [*everything(link), link.reschedule(at("12:00"))]:
            told = refused(await response, 409, "illegal_transition")
            assert told["details"] == {"status": status, "allowed": []}
    late = page.link(await page.booked_by_client(start_time=at("14:00")))
    clock.at = datetime.fromisoformat(at("14:00", "2024-01-24"))
    assert [(await each).status_code for each in everything(late)] == [200] * 3
    clock.forward(seconds=1)
    for response in [*everything(late), late.reschedule(at("14:00", "2024-01-29"))]:
        told = refused(await response, 409, "too_late")
        assert told["details"] == {"until": at("14:00", "2024-01-24")}
        assert "Doe & Daughters" in told["error"]


@on_sqlite
async def test_bad_questions_by_the_link(page: Desk) -> None:
    link = page.link(await page.booked_by_client())
    for question in ("slots", "days"):
        malformed(await link.ask(question, **DAY | {"from": "soon"}), "invalid_time", field="from")
        malformed(await link.ask(question, **DAY | {"timezone": "Mars/Olympus"}), field="timezone")
        malformed(await link.ask(question, **{"from": THURSDAY, "to": "2024-01-20"}))
        malformed(await link.ask(question, **{"from": THURSDAY, "to": "2025-01-20"}))
        for name in ("appointment_type_id", "calendar_id", "moving"):
            malformed(await link.ask(question, **DAY | {name: page.org.type_id}), field=name)
    malformed(await link.ask("slots/explain"), field="start_time")
    malformed(await link.ask("slots/explain", start_time="9999-12-31T23:59:00Z"), "invalid_time")


async def test_what_its_client_has_not_confirmed_is_not_moved(url: str, clock: StoppedClock) -> None:
    mail: dict[str, Any] = {
        "smtp_host": "127.0.0.1",
        "smtp_from": "desk@clinic.example",
        "public_url": "https://x.example",
    }
    app = create_app(Settings(database_url=url, worker=False, **mail), clock=clock)
    async with app.router.lifespan_context(app):
        page = await open_desk(app)
        await page.set_organization(clients_confirm_by_mail=True)
        asked = await page.booked_by_client()
        db = app.state.context.database
        token = await db.write(manage_links.issue, page.org.id, asked["appointment"]["id"], clock.now())
        link = page.link(asked | {"manage_token": token})
        for response in [*everything(link), link.reschedule(at("09:00"))]:
            refused(await response, 409, "illegal_transition")
        refused(await page.search(moving=link.id), 404, "not_found")  # nobody else sees it
        answered(await page.client.post(f"{link.path}/confirm", json={}), "appointment")
        assert len(await own_hours(link)) == 8
