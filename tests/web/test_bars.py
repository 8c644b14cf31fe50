"""How little it takes to book: bytes, requests and clicks, measured in a real browser."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.browser import PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, open_desk
from tests.support.sights import Walk
from tests.web.staff import DAY, signed_in

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

PAGE_BYTES, SCRIPT_BYTES, STAFF_SCRIPT_BYTES = 40 * 1024, 10 * 1024, 20 * 1024
FIRST_REQUESTS, ALL_REQUESTS = 4, 9
CLICKS_OF_ONE, CLICKS_OF_SEVERAL = 2, 3


@dataclass
class Wire:
    """What came over the wire, as the browser counts it: with headers, compressed."""

    bodies: dict[str, int] = field(default_factory=dict)
    """By the kind of the resource."""
    requests: list[str] = field(default_factory=list)
    """What was asked of the server: not what the browser had already."""

    @property
    def total(self) -> int:
        return sum(self.bodies.values())


async def counted(visitor: Visitor) -> Wire:
    """Return what the browser counts from now on."""
    wire = Wire()
    kinds: dict[str, str] = {}
    at_hand: set[str] = set()
    session = await visitor.page.context.new_cdp_session(visitor.page)
    await session.send("Network.enable")

    def asked(event: dict[str, Any]) -> None:
        if before := event.get("redirectResponse"):
            wire.requests.append(before["url"])

    def answered(event: dict[str, Any]) -> None:
        response = event["response"]
        kinds[event["requestId"]] = "Logo" if "/logo?" in response["url"] else event["type"]
        if not response.get("fromDiskCache") and event["requestId"] not in at_hand:
            wire.requests.append(response["url"])

    def finished(event: dict[str, Any]) -> None:
        kind = kinds.get(event["requestId"], "Other")
        wire.bodies[kind] = wire.bodies.get(kind, 0) + int(event["encodedDataLength"])

    session.on("Network.requestServedFromCache", lambda event: at_hand.add(event["requestId"]))
    session.on("Network.requestWillBeSent", asked)
    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    return wire


@dataclass
class Hand:
    """Counts its clicks."""

    visitor: Visitor
    clicks: int = 0

    async def click(self, selector: str) -> None:
        """Click what is first found, and see what follows."""
        self.clicks += 1
        async with self.visitor.page.expect_navigation(wait_until="load"):
            await self.visitor.page.locator(selector).first.click()

    async def book(self, clock: StoppedClock) -> None:
        """Book the first time on the page."""
        await self.click("button[name=start]")
        await self.visitor.page.get_by_label("Name").fill("Jane Doe")
        await self.visitor.page.get_by_label("E-mail").fill("jane@example.com")
        clock.forward(seconds=30)
        await self.click("form#details button:not([formaction])")
        assert await self.visitor.page.text_content("h1") == "Booked"


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


async def test_the_page_with_everything_is_small(visit: Visit, desk: Desk, clock: StoppedClock) -> None:
    sights = await Walk(desk.staff, desk.client, desk.org.slug, clock.now()).sights()
    [times] = [each for each in sights if each.name == "times"]
    visitor = await visit(viewport=PHONE)
    wire = await counted(visitor)
    await visitor.page.goto(f"{visitor.base}{times.path}", wait_until="networkidle")
    assert wire.bodies.keys() >= {"Document", "Stylesheet", "Script", "Logo"}
    logo = wire.bodies.pop("Logo")
    print(f"{wire.total:,} bytes without the logo ({logo:,}): {wire.bodies}")
    assert wire.total <= PAGE_BYTES
    assert wire.bodies["Script"] <= SCRIPT_BYTES


async def test_a_day_of_staff_is_small(visit: Visit, desk: Desk) -> None:
    await desk.booked()
    visitor = await visit()
    wire = await counted(visitor)
    await signed_in(visitor, desk)  # which shows today
    await visitor.page.goto(f"{visitor.base}{DAY}", wait_until="networkidle")
    print(f"{wire.total:,} bytes: {wire.bodies}")
    assert STAFF_SCRIPT_BYTES / 3 < wire.bodies["Script"] <= STAFF_SCRIPT_BYTES
    assert wire.total <= PAGE_BYTES


async def test_booking_takes_few_requests_and_clicks(visit: Visit, desk: Desk, clock: StoppedClock) -> None:
    visitor = await visit()
    wire = await counted(visitor)
    await visitor.page.goto(f"{visitor.base}/{desk.org.slug}/tax-consultation", wait_until="networkidle")
    first = len(wire.requests)
    hand = Hand(visitor)
    await hand.book(clock)
    await visitor.page.wait_for_load_state("networkidle")
    print(f"{first} requests, {len(wire.requests)} in all, {hand.clicks} clicks")
    assert 1 < first <= FIRST_REQUESTS
    assert first + 4 <= len(wire.requests) <= ALL_REQUESTS, wire.requests
    assert hand.clicks <= CLICKS_OF_ONE


async def test_booking_one_of_several_takes_one_click_more(
    visit: Visit, desk: Desk, clock: StoppedClock
) -> None:
    await desk.add_type(name="Review")
    visitor = await visit()
    await visitor.go(f"/{desk.org.slug}")
    hand = Hand(visitor)
    await hand.click("main ul a")
    await hand.book(clock)
    assert hand.clicks <= CLICKS_OF_SEVERAL


async def test_the_only_service_needs_no_click(visit: Visit, desk: Desk, clock: StoppedClock) -> None:
    visitor = await visit()
    await visitor.go(f"/{desk.org.slug}")
    hand = Hand(visitor)
    await hand.book(clock)
    assert hand.clicks <= CLICKS_OF_ONE
