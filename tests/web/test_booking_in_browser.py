"""Booking in a real browser: with a mouse, by keyboard alone, without JavaScript, from right to left."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.browser import PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, at, open_desk
from tests.support.right_to_left import LANGUAGE, arabic

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

QUESTIONS: list[dict[str, Any]] = [
    {"id": "t", "type": "text", "label": "Tax number", "required": True},
    {"id": "s", "type": "select", "label": "Meal", "options": ["Fish", "Cheese"]},
    {"id": "c", "type": "checkbox", "label": "Agreed", "required": True},
]


async def booked(desk: Desk) -> list[str]:
    """The starts that are booked."""
    found = await desk.staff.get("/v1/calendar/appointments")
    return [each["start_time"] for each in found.json()["appointments"]]


async def is_fine(visitor: Visitor) -> None:
    """Assert that a page can be used by everybody."""
    assert await visitor.violations() == []
    assert not await visitor.is_too_wide()


async def test_a_booking_takes_two_clicks_and_few_requests(
    app: FastAPI, clock: StoppedClock, visit: Visit
) -> None:
    desk = await open_desk(app)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    assert visitor.asked <= 4
    await is_fine(visitor)
    await page.click("text=12:00")
    await page.wait_for_url("**/hold/**")
    clock.forward(seconds=5)
    await page.fill("#name", "Jane")
    await page.fill("#email", "jane@example.com")
    await is_fine(visitor)
    await page.dblclick("button:text-is('Book')")
    await page.wait_for_url("**/manage/**")
    assert visitor.asked <= 9, visitor.requests
    assert await booked(desk) == [at("12:00", "2024-01-21")]
    assert all(each.startswith(visitor.base) for each in visitor.requests)


async def test_by_keyboard_alone(app: FastAPI, clock: StoppedClock, visit: Visit) -> None:
    desk = await open_desk(app)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await page.focus("#later")
    await visitor.press("Tab")
    assert (await visitor.focused()).startswith("Sunday, 21 January")  # the one stop of the grid
    await visitor.press("ArrowRight")
    assert (await visitor.focused()).startswith("Monday, 22 January")
    await visitor.press("End")
    assert (await visitor.focused()).startswith("Sunday, 28 January")
    await visitor.press("Home", "ArrowDown", "ArrowUp", "ArrowLeft")
    assert (await visitor.focused()).startswith("Sunday, 21 January")
    await visitor.press("PageDown")
    await page.wait_for_function("() => document.activeElement.id === 'd2024-02-21'")
    assert "month=2024-02" in page.url
    assert await page.inner_text("[aria-live]") == "February 2024"
    await visitor.press("PageUp")
    await page.wait_for_function("() => document.activeElement.id === 'd2024-01-21'")
    await visitor.press("PageDown")
    await page.wait_for_function("() => document.activeElement.id === 'd2024-02-21'")
    await visitor.press("ArrowUp", "ArrowUp", "ArrowUp")
    await page.wait_for_function("() => document.activeElement.id === 'd2024-01-31'")
    await visitor.press("ArrowDown")  # the same weekday, a week later
    await page.wait_for_function("() => document.activeElement.id === 'd2024-02-07'")
    await visitor.press("ArrowUp")
    await page.wait_for_function("() => document.activeElement.id === 'd2024-01-31'")
    await visitor.press("ArrowUp", "Enter")
    await page.wait_for_function("() => document.querySelector('#day').innerText.startsWith('Wednesday, 24')")
    assert (await visitor.focused()).startswith("Wednesday, 24 January")
    assert await page.inner_text("[aria-live]") == "Wednesday, 24 January 2024"
    await is_fine(visitor)
    await page.go_back()
    await page.wait_for_function("() => document.querySelector('#day').innerText.startsWith('Sunday, 21')")
    await page.go_forward()
    await page.wait_for_function("() => document.querySelector('#day').innerText.startsWith('Wednesday, 24')")
    await page.focus("#d2024-01-24")
    await visitor.press("Tab")
    assert await visitor.focused() == "09:00"
    await visitor.press("Enter")
    await page.wait_for_url("**/hold/**")
    clock.forward(seconds=5)
    await page.focus("#name")
    await page.keyboard.type("Jane")
    await visitor.press("Enter")
    await page.wait_for_selector("#alert")
    assert (await visitor.focused()).startswith("Please check")
    await is_fine(visitor)
    await visitor.press("Tab", "Enter")
    assert await page.evaluate("() => document.activeElement.id") == "email"
    await page.keyboard.type("jane@example.com")
    await visitor.press("Enter")
    await page.wait_for_url("**/manage/**")
    assert await booked(desk) == [at("09:00", "2024-01-24")]


async def test_without_javascript_on_a_phone(app: FastAPI, clock: StoppedClock, visit: Visit) -> None:
    desk = await open_desk(app)
    ben = await desk.room("Ben", is_public=True)
    await desk.set_type(
        calendarIds=[desk.org.calendar_id, ben], clientsChoose=True, bookingQuestions=QUESTIONS
    )
    visitor = await visit(java_script_enabled=False, viewport=PHONE, color_scheme="dark")
    page = visitor.page
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await page.select_option("#with", label="Ben")
    await page.click("text=Show")
    await page.click("#later")
    await page.click("#d2024-02-05")
    await page.click("text=09:00")
    clock.forward(seconds=5)
    await page.fill("#name", "Jane")
    await page.click("button:text-is('Book')")
    assert await page.inner_text("#alert h2") == "Please check what you entered."
    await page.fill("#phone", "+49 30 1")
    await page.fill("#q0", "7")
    await page.select_option("#q1", "Cheese")
    await page.check("#q2")
    await page.click("button:text-is('Book')")
    assert "/manage/" in page.url
    assert await booked(desk) == [at("09:00", "2024-02-05")]


async def test_from_right_to_left(app: FastAPI, clock: StoppedClock, visit: Visit) -> None:
    desk = await open_desk(app)
    with arabic():
        visitor = await visit(locale=LANGUAGE, viewport=PHONE)
        page = visitor.page
        await visitor.go(f"/{desk.org.slug}/tax-consultation")
        await is_fine(visitor)
        await page.focus("#d2024-01-21")
        await visitor.press("ArrowLeft")
        assert await page.evaluate("() => document.activeElement.id") == "d2024-01-22"
        await visitor.press("ArrowRight")
        assert await page.evaluate("() => document.activeElement.id") == "d2024-01-21"
        later, month = [await page.locator(each).bounding_box() for each in ("#later", "#month")]
        assert later
        assert month
        assert later["x"] < month["x"]
        await page.click(".slots button >> nth=0")
        await page.wait_for_url("**/hold/**")
        await is_fine(visitor)
        clock.forward(seconds=5)
        await page.fill("#name", "Jane")
        await page.fill("#email", "jane@example.com")
        await visitor.press("Enter")
        await page.wait_for_url("**/manage/**")
    assert len(await booked(desk)) == 1


async def test_the_zone_of_the_device_is_asked_for_once(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.set_type(location={"kind": "phone"})
    visitor = await visit(timezone_id="Asia/Tokyo")
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await visitor.page.wait_for_url("**zone=Asia%2FTokyo**")
    assert "Japan Time (Asia/Tokyo)" in await visitor.page.inner_text("main")
    assert "12:00 in UTC is 21:00 for you" in await visitor.page.inner_text("main")
    await is_fine(visitor)
    await visitor.page.click("text=Change")
    await is_fine(visitor)
    await visitor.page.fill("#city", "New York")
    await visitor.page.click("button:text-is('Show times in this zone')")
    assert "Eastern Time" in await visitor.page.inner_text("main")


async def test_a_server_that_is_away_costs_nothing_that_was_typed(
    app: FastAPI, clock: StoppedClock, visit: Visit
) -> None:
    desk = await open_desk(app)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await page.route("**/*", lambda route: route.abort())
    await page.click("#later")
    await page.wait_for_selector("#alert")
    assert "could not be loaded" in await page.inner_text("#alert")
    await page.unroute("**/*")
    await page.click("text=12:00")
    await page.wait_for_url("**/hold/**")
    clock.forward(seconds=5)
    await page.fill("#name", "Jane")
    await page.fill("#email", "jane@example.com")
    await page.route("**/*", lambda route: route.abort())
    await page.click("button:text-is('Book')")
    await page.wait_for_selector("#alert")
    assert "What you entered is still here" in await page.inner_text("#alert")
    await page.unroute("**/*")
    refusal = "<main><h1>Too many requests</h1><p>Later</p></main>"
    await page.route(
        "**/hold/*", lambda route: route.fulfill(status=429, content_type="text/html", body=refusal)
    )
    await page.click("button:text-is('Book')")
    await page.wait_for_function("() => document.querySelector('#alert').innerText.includes('Too many')")
    assert await page.input_value("#name") == "Jane"
    await page.unroute("**/hold/*")
    visitor.troubles = [each for each in visitor.troubles if "ERR_FAILED" not in each]
    await page.click("button:text-is('Book')")
    await page.wait_for_url("**/manage/**")
    assert len(await booked(desk)) == 1


async def test_how_long_a_time_is_kept_is_shown_and_said_twice(
    app: FastAPI, clock: StoppedClock, visit: Visit
) -> None:
    desk = await open_desk(app)
    visitor = await visit()
    page = visitor.page
    await page.clock.install()
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await page.click("text=12:00")
    await page.wait_for_url("**/hold/**")
    said = page.locator("[aria-live]")
    heard = []
    for seconds in (1, 470, 5, 60, 20, 5, 20, 20):
        await page.clock.run_for(seconds * 1000)
        if (now := await said.inner_text()) and now not in heard:
            heard.append(now)
    assert [re.sub(r"This time is (.*?)\..*", r"\1", each) for each in heard] == [
        "kept for you for two more minutes",
        "kept for you for thirty more seconds",
        "no longer kept for you",
    ]
    assert "no longer kept" in await page.inner_text(".kept")
