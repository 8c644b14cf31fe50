"""What was taken while the form was filled in, in a real browser."""

import pytest
from fastapi import FastAPI

from tests.support.browser import Visit
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import at, open_desk

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]


async def test_another_time_is_booked_with_the_form_that_was_filled_in(
    app: FastAPI, clock: StoppedClock, visit: Visit
) -> None:
    desk = await open_desk(app)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"/{desk.org.slug}/tax-consultation")
    await page.click("text=12:00")
    await page.wait_for_url("**/hold/**")
    await page.fill("#name", "Jane")
    await page.fill("#email", "jane@example.com")
    clock.forward(minutes=11)
    await desk.booked(at("12:00", "2024-01-21"))
    await page.click("button:text-is('Book')")
    await page.click("button[name=instead] >> nth=0")
    await page.wait_for_selector("text=Kept for you until")
    assert await page.input_value("#name") == "Jane"
    clock.forward(seconds=5)
    await page.click("button:text-is('Book')")
    await page.wait_for_url("**/manage/**")
    found = await desk.staff.get("/v1/calendar/appointments")
    starts = [each["start_time"] for each in found.json()["appointments"]]
    assert starts == [at("12:00", "2024-01-21"), at("13:00", "2024-01-21")]
