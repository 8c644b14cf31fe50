"""What staff do in a day with a mouse, fingers and keys, in a real browser."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from tests.support.browser import PHONE, Visit
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, at, open_desk
from tests.web.days import QUARTER, Day, day_of
from tests.web.staff import DAY, entry_to, signed_in

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

MINE = "Doe & Daughters"


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    desk = await open_desk(app)
    room = await desk.room("Room 1")
    await desk.set_type(calendarIds=[desk.org.calendar_id, room])
    return desk


def mine(desk: Desk, **fields: Any) -> dict[str, Any]:
    return {"calendar_id": desk.org.calendar_id} | fields


async def fingers(page: Page) -> Callable[..., Awaitable[None]]:
    """Return what touches the screen: what fingers do, and where."""
    session = await page.context.new_cdp_session(page)

    async def touch(kind: str, *points: tuple[float, float]) -> None:
        sent = [{"x": left, "y": top} for left, top in points]
        await session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": sent})

    return touch


async def test_dragged_to_another_time_and_calendar_and_back_again(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(), desk)
    page = day.visitor.page
    await day.drag(quarters=-5, to="Room 1")
    await expect(page.locator(".toast")).to_contain_text("Jane Doe is now here: 12:45 – 13:45, Room 1.")
    await day.settled()
    assert await day.where() == ["12:45 – 13:45 Room 1"]
    assert (await desk.get(booked))["start_time"] == at("12:45")
    assert await day.visitor.violations() == []
    await page.dblclick(".toast button")  # the second click falls on free time
    await expect(day.column(MINE).locator(".appointment")).to_contain_text("14:00 – 15:00")
    await day.settled()
    assert await day.where() == [f"14:00 – 15:00 {MINE}"]
    assert await day.said() == "It is as it was before."
    seen = await desk.get(booked)
    assert (seen["start_time"], seen["calendar_id"], seen["version"]) == (
        at("14:00"),
        desk.org.calendar_id,
        3,
    )
    # A little shake is a click, and Escape leaves everything as it is.
    x, y = await day.grab()
    await page.mouse.move(x, y - 3 * QUARTER, steps=3)
    assert await page.locator(".ghost").count() == 1
    await page.keyboard.press("Escape")
    await page.mouse.move(x, y - 6 * QUARTER, steps=3)
    assert await page.locator(".ghost").count() == 0
    await page.mouse.up()
    assert (await desk.get(booked))["version"] == 3
    x, y = await day.grab()
    await page.mouse.move(x + 2, y + 2)
    await page.mouse.up()
    await page.wait_for_url(f"**/staff/appointments/{booked['id']}")


async def test_a_refusal_says_why_and_what_can_be_had(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    await desk.booked(at("10:00"), **mine(desk, client_name="Max Power"))
    day = await day_of(await visit(), desk)
    page = day.visitor.page
    dialog = page.locator("dialog")
    await day.drag(quarters=-14)
    await expect(dialog.locator("h2")).to_have_text("This time can't be booked.")
    await day.settled()
    assert await day.where() == [f"14:00 – 15:00 {MINE}"]
    assert await dialog.locator("li a").inner_text() == f"{MINE} is taken: Thu 25 Jan, 10:00 – 11:00."
    assert await day.visitor.violations() == []
    await dialog.locator("button", has_text="Thu 25 Jan, 11:00").click()
    await expect(page.locator(".toast")).to_contain_text("Thu 25 Jan, 11:00")
    await day.settled()
    assert await day.where() == [f"11:00 – 12:00 {MINE}"]
    await day.drag(quarters=-2)
    await dialog.locator("button:text-is('Move it all the same')").click()
    await expect(day.line("Jane Doe")).to_contain_text("10:30 – 11:30")
    assert (await desk.get(booked))["overlap_allowed"] is True


async def test_who_was_faster_is_said(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(), desk)
    await desk.changed(booked, start_time=at("09:00"))
    await day.drag(quarters=-5)
    await expect(day.visitor.page.locator("dialog h2")).to_contain_text("The API key Reception changed it")
    await day.settled()
    assert await day.where() == [f"09:00 – 10:00 {MINE}"]
    await day.visitor.page.click("dialog button")
    # What it became can't be undone as if it were one's own: that is said, too.
    await day.drag(quarters=4)
    await day.visitor.page.wait_for_selector(".toast")
    await desk.changed(booked, start_time=at("12:00"))
    await day.visitor.page.keyboard.press("Control+z")
    await expect(day.visitor.page.locator("dialog h2")).to_contain_text("The API key Reception changed it")
    await day.settled()
    assert await day.where() == [f"12:00 – 13:00 {MINE}"]


async def test_a_server_that_does_not_answer_or_knows_nobody(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(), desk)
    page = day.visitor.page
    dialog = page.locator("dialog")
    await page.route("**/move", lambda route: route.abort())
    await day.drag(quarters=-4)
    await expect(dialog.locator("h2")).to_contain_text("The server can't be reached.")
    await day.settled()
    assert await day.where() == [f"14:00 – 15:00 {MINE}"]
    await dialog.locator("button").click()
    await page.unroute("**/move")
    await page.context.clear_cookies()
    await day.drag(quarters=-4)
    await expect(dialog).to_contain_text("Please sign in once more, in another window.")
    assert (await desk.get(booked))["version"] == 1
    # Once that is done, it is sent again.
    another = await page.context.new_page()
    await another.goto(f"{day.visitor.base}{await entry_to(desk, 'write')}")
    await another.locator("main form button").first.click()
    await another.wait_for_url("**/staff/me?first=1")
    await dialog.locator("button:text-is('Try again')").click()
    await expect(day.line()).to_contain_text("13:00 – 14:00")
    assert (await desk.get(booked))["version"] == 2
    day.visitor.troubles.clear()  # the browser complains of the first


async def test_by_keyboard_alone(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(), desk)
    visitor = day.visitor
    await day.line().locator("a").focus()
    await visitor.press("m")
    assert (await day.said()).startswith("Jane Doe: arrow keys move it")
    await visitor.press("ArrowUp", "ArrowUp", "ArrowRight", "Shift+ArrowDown")
    assert await day.said() == "13:30 – 14:45, Room 1"
    assert await visitor.violations() == []
    await visitor.press("Escape")
    assert await day.said() == "It stays as it was."
    # Arrows point where they point, also if text runs from right to left.
    await visitor.page.evaluate("document.dir = 'rtl'")
    await visitor.press("m", "ArrowRight")
    assert (await day.said()).endswith(MINE)
    await visitor.press("ArrowLeft")
    assert (await day.said()).endswith("Room 1")
    await visitor.press("Escape")
    await visitor.page.evaluate("document.dir = 'ltr'")
    await visitor.press("m", "ArrowUp", "ArrowRight", "Shift+ArrowDown", "Enter")
    await expect(visitor.page.locator(".toast")).to_contain_text("13:45 – 15:00, Room 1")
    await day.settled()
    assert await day.where() == ["13:45 – 15:00 Room 1"]
    # The focus went with it.
    assert await visitor.page.evaluate("document.activeElement.closest('.line').dataset.version") == "2"
    await visitor.press("Control+z")
    await expect(day.column(MINE).locator(".appointment")).to_contain_text("14:00 – 15:00")
    assert (await desk.get(booked))["version"] == 3
    # Free time is one stop of the Tab key.
    await visitor.page.locator(".cursor").focus()
    await visitor.press("ArrowDown", "ArrowDown", "PageDown", "ArrowRight")
    assert await day.said() == "Book: 10:30, Room 1"
    assert await visitor.page.locator(".cursor").count() == 1
    await visitor.press("?")
    assert await visitor.page.locator(".keys[open]").count() == 1
    await visitor.page.locator(".cursor").focus()
    await visitor.press("Enter")
    await visitor.page.wait_for_url("**/staff/new?**")
    query = parse_qs(urlsplit(visitor.page.url).query)
    assert query["start"][0].startswith("2024-01-25T10:30:00")
    assert await visitor.page.input_value("#time") == "10:30"


async def test_resized_by_its_lower_edge_and_back(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(viewport={"width": 1280, "height": 1300}), desk)
    await day.drag(quarters=3, edge=True)
    await expect(day.line()).to_contain_text("14:00 – 15:45")
    await day.settled()
    assert (await desk.get(booked))["end_time"] == at("15:45")
    await day.visitor.press("Control+z")
    await expect(day.line()).to_contain_text("14:00 – 15:00")
    seen = await desk.get(booked)
    assert (seen["end_time"], seen["version"]) == (at("15:00"), 3)


async def test_by_a_finger_that_stays(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(has_touch=True), desk)
    page = day.visitor.page
    await day.line().scroll_into_view_if_needed()
    box = await day.line().bounding_box()
    assert box is not None
    x, y = box["x"] + 40, box["y"] + 10
    touch = await fingers(page)
    await touch("Start", (x, y))
    await page.wait_for_selector(".ghost")
    for step in range(1, 5):
        await touch("Move", (x, y - QUARTER * step))
    await touch("End")
    await expect(day.line()).to_contain_text("13:00 – 14:00")
    await day.settled()
    # Who moves at once scrolls.
    before = await page.evaluate("() => scrollY")
    await touch("Start", (x, y - 4 * QUARTER))
    for step in range(1, 5):
        await touch("Move", (x, y - (4 + step) * QUARTER))
    await touch("End")
    await day.comes(f"scrollY > {before}")
    assert await page.locator(".ghost").count() == 0
    assert (await desk.get(booked))["start_time"] == at("13:00")


async def test_what_is_out_of_sight_comes_near(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(at("09:00"), **mine(desk))
    day = await day_of(await visit(viewport={"width": 1280, "height": 500}), desk)
    page = day.visitor.page
    x, _ = await day.grab()
    await page.mouse.move(x, 480, steps=4)
    await day.comes("innerHeight + scrollY > document.body.scrollHeight - 10")
    await page.mouse.move(x, 300)
    await page.mouse.up()
    await page.wait_for_selector(".toast")
    assert (await desk.get(booked))["start_time"] > at("12:00")


async def test_what_others_change_appears_by_itself(visit: Visit, desk: Desk, clock: StoppedClock) -> None:
    booked = await desk.booked(**mine(desk))
    clock.at = datetime(2024, 1, 25, 12, 30, tzinfo=UTC)
    window = await visit()
    await window.page.clock.install()
    day = await day_of(window, desk)
    page = window.page
    link = day.line().locator("a")
    await link.focus()
    room = day.column("Room 1")
    await room.evaluate("(it) => { it.mark = 1 }")
    await desk.changed(booked, start_time=at("15:00"))
    await page.clock.run_for(15_000)
    await expect(link).to_contain_text("15:00 – 16:00")
    assert await link.evaluate("(it) => it === document.activeElement")
    assert await room.evaluate("(it) => it.mark") == 1  # only what changed is new
    # Nothing moves beneath a hand, and then it is shown.
    await window.press("m", "ArrowUp")
    await desk.booked(at("09:00"), **mine(desk, client_name="Max Power"))
    await page.clock.run_for(15_000)
    assert await page.locator(".ghost").count() == 1
    await window.press("Escape")
    await page.clock.run_for(15_000)
    await expect(day.line("Max Power")).to_be_visible()
    # Free time keeps the focus, too.
    await page.locator(".cursor").focus()
    await window.press("ArrowDown", "ArrowDown")
    await desk.booked(at("11:00"), **mine(desk, client_name="Mia Moss"))
    await page.clock.run_for(15_000)
    await expect(day.line("Mia Moss")).to_be_visible()
    assert await window.focused() == f"Book: 09:30, {MINE}"
    # The present goes on.
    now = page.locator(".now-line").first
    assert "at-3h at-30m" in str(await now.get_attribute("class"))
    asked = len(window.requests)
    await page.clock.run_for(61_000)
    assert {urlsplit(each).path for each in window.requests[asked:]} == {"/staff/changes"}
    assert "at-3h" in str(await now.get_attribute("class"))


async def test_an_hour_is_an_hour_when_clocks_change(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app, timezone="Europe/Berlin")
    # The browser is elsewhere, where clocks change on other days.
    window = await visit(timezone_id="America/New_York")
    await signed_in(window, desk)
    # From 1:30 to 3:30 in spring; from 2:30 to 2:30 in autumn.
    for date in ("2024-03-31", "2024-10-27"):
        booked = await desk.booked(at("00:30", date))
        await window.go(f"/staff/day/{date}")
        day = Day(window)
        await day.line().locator("a").focus()
        await window.press("m", *["ArrowDown"] * 4)
        said = await day.said()
        await window.press("Enter")
        await window.page.wait_for_selector(".toast")
        assert (await desk.get(booked))["start_time"] == at("01:30", date)
        shown = " ".join((await day.line().locator(".line-time").inner_text()).split())
        assert said.startswith(shown), date


async def test_free_time_is_booked_by_a_click(visit: Visit, desk: Desk) -> None:
    await desk.booked(at("09:00"), **mine(desk))
    window = await visit()
    day = await day_of(window, desk)
    box = await day.column("Room 1").locator(".lanes").bounding_box()
    assert box is not None
    await window.page.mouse.move(box["x"] + 50, box["y"] + 5 * QUARTER + 5)
    assert await window.page.locator(".cursor.pointed").inner_text() == "10:15"
    await window.page.mouse.down()
    await window.page.mouse.up()
    await window.page.wait_for_url("**/staff/new?**")
    assert await window.page.input_value("#time") == "10:15"


async def test_free_time_is_drawn_as_long_as_it_is_to_be(visit: Visit, desk: Desk) -> None:
    await desk.booked(at("16:00"), **mine(desk))
    window = await visit()
    day = await day_of(window, desk)
    page, cursor = window.page, window.page.locator(".cursor.pointed")
    x, y = await day.place("Room 1", 8.5)
    await page.mouse.move(x, y)
    start = await cursor.inner_text()
    # Nothing is booked by what ends outside, is broken off, or goes out of sight.
    await page.mouse.down()
    await page.mouse.move(x, y + 2 * QUARTER, steps=3)
    assert " – " in await cursor.inner_text()
    assert await page.locator(".day").get_attribute("data-moving") == "length"
    for x_outside, y_outside in ((1, y), (x, 1)):
        await page.mouse.move(x_outside, y_outside)
        assert await cursor.count() == 0
    await page.mouse.up()
    for ended in ("Escape", "blur", "pointercancel"):
        await page.mouse.move(x, y)
        await page.mouse.down()
        await page.mouse.move(x, y + 2 * QUARTER, steps=3)
        if ended == "Escape":
            await page.keyboard.press(ended)
        else:
            await page.evaluate(f"dispatchEvent(new PointerEvent('{ended}'))")
        assert await page.locator(".day").get_attribute("data-moving") is None
        await page.mouse.up()
    assert urlsplit(page.url).path == DAY
    # Upwards is as good as downwards.
    await page.mouse.move(x, y + 2 * QUARTER)
    await page.mouse.down()
    await page.mouse.move(x, y + QUARTER, steps=2)
    await page.mouse.move(x, y, steps=2)
    assert (await cursor.inner_text()).startswith(f"{start} – ")
    await page.mouse.up()
    await page.wait_for_url("**/staff/new?**")
    asked = {name: each[0] for name, each in parse_qs(urlsplit(page.url).query).items()}
    assert (asked["minutes"], await page.input_value("#minutes")) == ("45", "45")
    assert await page.input_value("#time") == start
    assert await window.violations() == []


async def test_free_time_is_drawn_by_a_finger_that_stays(visit: Visit, desk: Desk) -> None:
    day = await day_of(await visit(has_touch=True), desk)
    page = day.visitor.page
    x, y = await day.place("Room 1", 8.5)
    touch = await fingers(page)
    await touch("Start", (x, y))
    await page.wait_for_selector(".cursor.pointed")
    for step in range(1, 4):
        await touch("Move", (x, y + QUARTER * step))
    await touch("End")
    await page.wait_for_url("**/staff/new?**")
    assert await page.input_value("#minutes") == "60"


async def test_free_time_is_made_longer_by_keys(visit: Visit, desk: Desk) -> None:
    day = await day_of(await visit(), desk)
    page, window = day.visitor.page, day.visitor
    await page.locator(".cursor").focus()
    await window.press("PageDown", "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowUp", "ArrowDown")
    label = await page.locator(".cursor").get_attribute("aria-label")
    assert label == await day.said()
    assert label is not None
    assert " – " in label
    await window.press("Escape")
    assert " – " not in await day.said()
    await window.press("Shift+ArrowDown", "Enter")
    await page.wait_for_url("**/staff/new?**")
    assert await page.input_value("#minutes") == "30"


async def test_what_is_let_go_outside_stays_where_it_was(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    day = await day_of(await visit(), desk)
    page = day.visitor.page
    for outside in ((3, 300), (400, 3), (-50, 300), (400, 5000)):
        x, y = await day.grab()
        await page.mouse.move(x, y - 4 * QUARTER, steps=3)
        await page.mouse.move(*outside, steps=3)
        await page.mouse.up()
        await day.settled()
        assert await day.said() == "It stays as it was."
    for ended in ("blur", "pointercancel"):
        x, y = await day.grab()
        await page.mouse.move(x, y - 4 * QUARTER, steps=3)
        await page.evaluate(f"dispatchEvent(new PointerEvent('{ended}'))")
        await day.settled()
        await page.mouse.up()
    assert (await desk.get(booked))["version"] == 1
    assert urlsplit(page.url).path == DAY
    # Who comes back before they let go drops it there.
    x, y = await day.grab()
    await page.mouse.move(x, y - 4 * QUARTER, steps=3)
    await page.mouse.move(3, 300)
    await page.mouse.move(x, y - 4 * QUARTER, steps=3)
    await page.mouse.up()
    await expect(day.line()).to_contain_text("13:00 – 14:00")


async def test_on_a_small_screen_it_is_a_list(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked(**mine(desk))
    window = await visit(viewport=PHONE)
    day = await day_of(window, desk)
    assert not await window.page.locator(".cursor").is_visible()
    await day.line().locator("a").focus()
    await window.press("m", "ArrowDown", "Enter")
    await window.page.wait_for_url(f"**/staff/appointments/{booked['id']}")
    assert (await desk.get(booked))["version"] == 1
