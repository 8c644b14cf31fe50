"""Feeds that tell only when time is taken."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import vobject
from fastapi import FastAPI
from icalendar import Calendar, Event

from kalends.core.hours import seconds, stamp
from kalends.db.busy_times import keep_busy
from kalends.db.database import Database, Tx
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at
from tests.support.organizations import Org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

FEEDS = f"{BASE}/feeds"


async def subscribe(desk: Desk, **fields: Any) -> str:
    """The path of a new busy feed."""
    response = await desk.staff.post(FEEDS, json={"kind": "busy"} | fields)
    assert response.status_code == 200, response.text
    return str(httpx.URL(response.json()["url"]).path)


async def events(desk: Desk, path: str) -> list[Event]:
    """The events that anybody reads there; another library must read the same ones."""
    async with client_of(desk.app, None) as anybody:
        response = await anybody.get(path)
    assert response.status_code == 200, response.text
    found = Calendar.from_ical(response.content).events
    other = vobject.readOne(response.text).contents.get("vevent", [])
    assert [str(event["UID"]) for event in found] == [event.uid.value for event in other]
    assert len({str(event["UID"]) for event in found}) == len(found)
    return list(found)


async def busy(desk: Desk, path: str) -> list[tuple[str, str]]:
    found = await events(desk, path)
    return [(stamp(event.decoded("DTSTART")), stamp(event.decoded("DTEND"))) for event in found]


async def test_a_busy_feed_tells_when_and_nothing_else(page: Desk) -> None:
    await page.booked(client_notes="About the divorce", internal_notes="difficult")
    await page.make(
        "blocks", "block", all=True, start_time=at("09:00"), end_time=at("10:00"), reason="Surgery"
    )
    path = await subscribe(page)
    [block, appointment] = await events(page, path)
    assert appointment.decoded("DTSTART") == datetime(2024, 1, 25, 14, tzinfo=UTC)
    for event in (block, appointment):
        assert event.keys() == {
            *("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "CLASS", "TRANSP"),
            "X-MICROSOFT-CDO-BUSYSTATUS",
        }
        assert (event["SUMMARY"], event["CLASS"], event["TRANSP"]) == ("Busy", "PRIVATE", "OPAQUE")
    text = (await page.client.get(path)).text
    for secret in ("Jane", "divorce", "difficult", "Surgery", "Consultation", "apt_", "blk_"):
        assert secret not in text
    await page.set_organization(language="de-AT")
    assert {str(event["SUMMARY"]) for event in await events(page, path)} == {"Belegt"}


async def test_what_adjoins_or_overlaps_is_one(page: Desk) -> None:
    await page.set_type(bufferBeforeMinutes=15, bufferAfterMinutes=30)
    await page.booked(at("10:00"))
    await page.booked(at("13:00"))
    room = await page.room()
    for first, last, calendar in (("11:30", "12:00", page.org.calendar_id), ("14:00", "16:00", room)):
        wish = {"start_time": at(first), "end_time": at(last), "calendar_id": calendar}
        await page.make("blocks", "block", **wish)
    own = await subscribe(page, calendar_id=page.org.calendar_id)
    assert await busy(page, own) == [(at("09:45"), at("12:00")), (at("12:45"), at("14:30"))]
    assert await busy(page, await subscribe(page, calendar_id=room)) == [(at("14:00"), at("16:00"))]
    everybody = [(at("09:45"), at("12:00")), (at("12:45"), at("16:00"))]
    assert await busy(page, await subscribe(page)) == everybody


async def test_what_is_held_cancelled_lapsed_or_told_elsewhere_is_left_out(
    page: Desk, db: Database, clock: StoppedClock
) -> None:
    await page.held(at("09:00"))
    await page.changed(await page.booked(at("10:00")), status="cancelled")
    await page.set_type(requiresConfirmation=True, confirmWithinHours=1)
    await page.booked_by_client(start_time=at("11:00"))
    noon = seconds(datetime(2024, 1, 25, 12, tzinfo=UTC))

    def elsewhere(tx: Tx) -> None:
        keep_busy(tx, page.org.id, "src_1", "source", page.org.calendar_id, [(noon, noon + 3600)])

    await db.write(elsewhere)
    path = await subscribe(page)
    assert await busy(page, path) == [(at("11:00"), at("12:00"))]
    clock.forward(hours=2)
    assert await busy(page, path) == []


async def test_a_busy_feed_reaches_as_far_as_any_feed(page: Desk) -> None:
    await page.set_type(minNoticeHours=0, maxDaysAhead=None)
    for day in ("2023-12-20", "2023-12-21", "2025-01-19", "2025-01-20"):
        wish = {"start_time": at("09:00", day), "end_time": at("10:00", day)}
        await page.make("blocks", "block", all=True, **wish)
    found = await busy(page, await subscribe(page))
    assert [start[:10] for start, _ in found] == ["2023-12-21", "2025-01-19"]


async def test_a_busy_feed_is_read_again_only_if_it_has_changed(page: Desk, clock: StoppedClock) -> None:
    appointment = await page.booked(at("10:00"))
    path, other = await subscribe(page), await subscribe(page)
    first = await page.client.get(path)
    known = {"If-None-Match": first.headers["etag"]}
    await page.changed(appointment, client_name="Somebody else")  # which is not told
    clock.forward(minutes=7)
    assert (await page.client.get(path, headers=known)).status_code == 304
    assert (await page.client.get(other)).content == first.content
    await page.changed(appointment, start_time=at("11:00"))
    assert (await page.client.get(path, headers=known)).status_code == 200
    await page.changed(appointment, start_time=at("10:00"))
    assert (await page.client.get(path, headers=known)).status_code == 304


async def test_a_feed_shows_its_kind(page: Desk) -> None:
    for kind in ("busy", "appointments"):
        made = await page.staff.post(FEEDS, json={"kind": kind})
        assert made.json()["feed"]["kind"] == kind
    assert [each["kind"] for each in (await page.staff.get(FEEDS)).json()["feeds"]] == [
        "busy",
        "appointments",
    ]
    refused(await page.staff.post(FEEDS, json={"kind": "free"}), 400, "invalid_request")


async def test_a_busy_feed_of_another_organization_tells_nothing_of_this_one(
    app: FastAPI, page: Desk, other_org: Org
) -> None:
    await page.booked()
    theirs = Desk(app, other_org)
    assert await busy(theirs, await subscribe(theirs)) == []
    refused(
        await theirs.staff.post(FEEDS, json={"kind": "busy", "calendar_id": page.org.calendar_id}),
        404,
        "not_found",
    )
