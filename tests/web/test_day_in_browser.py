"""What staff do in a day with a mouse, fingers and keys, in a real browser."""

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from tests.support.browser import Visit
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, at, open_desk
from tests.web.days import day_of

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

MINE = "Doe & Daughters"


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    desk = await open_desk(app)
    await desk.room("Room 1")
    return desk


async def test_dragged_to_another_time_and_calendar_and_back_again(visit: Visit, desk: Desk) -> None:
    booked = await desk.booked()
    day = await day_of(await visit(), desk)
    page = day.visitor.page
    await day.drag(quarters=-5, to="Room 1")
    await expect(page.locator(".toast")).to_have_text("Jane Doe is now here: 12:45 – 13:45, Room 1.Undo")
    assert await day.where() == ["12:45 – 13:45 Room 1"]
    assert (await desk.get(booked))["start_time"] == at("12:45")
    await page.click(".toast button")
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
