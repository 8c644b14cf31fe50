"""The work of a day of staff in a real browser, three times: with a mouse, a finger, and with keys alone.
After each step the page and the server say the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from tests.support.browser import Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at, open_desk
from tests.web.days import day_of
from tests.web.hands import Finger, Hand, Keys, Mouse

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MINE, ROOM = "Doe & Daughters", "Room 1"
SCREEN = {"width": 1280, "height": 1300}
TABLET: dict[str, Any] = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    """With two calendars, and a request of a client for two o'clock that waits to be confirmed."""
    desk = await open_desk(app)
    serving = {"calendarIds": [desk.org.calendar_id, await desk.room(ROOM)]}
    await desk.set_type(requiresConfirmation=True, **serving)
    await desk.booked_by_client(start_time=at("14:00"), client_name="Max Power")
    await desk.set_type(requiresConfirmation=False, **serving)
    return desk


@pytest.mark.parametrize(
    ("way", "window"),
    [
        pytest.param(Mouse, {"viewport": SCREEN}, id="mouse"),
        pytest.param(Finger, TABLET, id="finger"),
        pytest.param(Keys, {"viewport": SCREEN}, id="keys"),
    ],
)
async def test_a_days_work(
    visit: Visit, desk: Desk, clock: StoppedClock, way: Callable[[Visitor], Hand], window: dict[str, Any]
) -> None:
    [asked] = await desk.listed()
    day = await day_of(await visit(**window), desk)
    work = Work(way(day.visitor), desk)
    booked = await work.book()
    await work.move(booked)
    await work.lengthen(booked)
    await work.confirm(asked)
    clock.at = datetime(2024, 1, 25, 13, 30, tzinfo=UTC)
    await work.mark_absent(booked)
    await work.block()
    await work.cancel(asked)
    print(f"{way.__name__.lower()}: {work.hand.presses} presses, {work.hand.fields} fields")


class Work:
    """What somebody does with one hand."""

    def __init__(self, hand: Hand, desk: Desk) -> None:
        self.hand, self.desk = hand, desk
        self.day, self.page = hand.day, hand.visitor.page

    async def book(self) -> str:
        """Book free time for somebody who calls. Returns the id of what was booked."""
        await self.hand.book(ROOM, "10:15")
        await self.page.wait_for_url("**/staff/new?**")
        await self.hand.fill("Name", "Jane Doe")
        before = await self.desk.listed()
        await self.hand.press_button("Book")
        await expect(self.page.locator("h1")).to_have_text("Jane Doe")
        [booked] = set(await self.desk.listed()) - set(before)
        await self.shows("Confirmed", booked)
        await self.is_fine()
        await self.back()
        await self.stands(booked, "10:15", "11:15", ROOM)
        return booked

    async def move(self, booked: str) -> None:
        """Move it to another time and another calendar, back again, and there once more."""
        await self.hand.move("Jane Doe", 6, MINE)
        await expect(self.page.locator(".toast")).to_contain_text(f"11:45 – 12:45, {MINE}")
        await self.stands(booked, "11:45", "12:45", MINE)
        await self.hand.undo()
        await expect(self.day.column(ROOM).locator(".appointment")).to_contain_text("10:15 – 11:15")
        await self.stands(booked, "10:15", "11:15", ROOM)
        assert await self.day.said() == "It is as it was before."
        await self.hand.move("Jane Doe", 6, MINE)
        await expect(self.day.column(MINE).locator(".appointment", has_text="Jane")).to_be_visible()
        await self.stands(booked, "11:45", "12:45", MINE)
        await self.is_fine()

    async def lengthen(self, booked: str) -> None:
        """Make it half an hour longer."""
        await self.hand.resize("Jane Doe", 2)
        await expect(self.day.line()).to_contain_text("11:45 – 13:15")
        await self.stands(booked, "11:45", "13:15", MINE)

    async def confirm(self, asked: str) -> None:
        """Confirm what a client asked for."""
        await expect(self.day.line("Max Power")).to_contain_text("To be confirmed")
        await self.hand.press(self.day.line("Max Power").locator("a"))
        await self.hand.press_button("Confirm")
        await self.shows("Confirmed", asked)
        await self.back()
        await expect(self.day.line("Max Power")).not_to_contain_text("To be confirmed")

    async def mark_absent(self, booked: str) -> None:
        """Note that a client did not come; that was the wrong button, and they had come."""
        await self.hand.press(self.day.line().locator("a"))
        await self.hand.press_button("Mark as not attended")
        await self.shows("Not attended", booked)
        await self.hand.press_button("Mark as completed")
        await self.shows("Completed", booked)
        await self.hand.press_button("Mark as not attended")
        await self.shows("Not attended", booked)
        await self.back()
        await expect(self.day.line()).to_contain_text("Not attended")

    async def block(self) -> None:
        """Keep a room free from three to four."""
        await self.hand.press(self.page.locator("summary", has_text="Block time"))
        await self.hand.fill("Calendar", ROOM)
        await self.hand.fill("From (time)", "15:00")
        await self.hand.fill("Until (time)", "16:00")
        await self.hand.fill("Reason (optional)", "Lunch")
        await self.hand.press_button("Block this time")
        await expect(self.day.column(ROOM).locator(".line.block")).to_contain_text("15:00 – 16:00")
        [block] = (await self.desk.staff.get(f"{BASE}/blocks")).json()["blocks"]
        assert (block["start_time"], block["end_time"], block["reason"]) == (
            at("15:00"),
            at("16:00"),
            "Lunch",
        )
        assert (await self.desk.book(at("15:30"), calendar_id=block["calendar_id"])).status_code == 409
        await self.is_fine()

    async def cancel(self, asked: str) -> None:
        """Cancel what was asked for, and undo it."""
        await self.hand.press(self.day.line("Max Power").locator("a"))
        await self.hand.follow("Cancel it")
        await self.hand.fill("Reason (optional)", "Ana is ill.")
        await self.hand.press_button("Cancel this appointment")
        await self.shows("Cancelled", asked)
        assert (await self.desk.get(asked))["cancellation_reason"] == "Ana is ill."
        await self.hand.press_button("Undo")
        await self.shows("Confirmed", asked)
        await self.back()
        await expect(self.day.line("Max Power")).to_be_visible()

    async def back(self) -> None:
        """Go back from an appointment to its day."""
        await self.hand.follow("Back to the day")
        await self.page.wait_for_url("**/staff/day/2024-01-25*")

    async def stands(self, id_: str, start: str, end: str, calendar: str) -> None:
        """Assert that the page and the server say where an appointment is."""
        await self.day.settled()
        assert await self.day.where() == [f"{start} – {end} {calendar}"]
        seen = await self.desk.get(id_)
        assert (seen["start_time"], seen["end_time"]) == (at(start), at(end))
        assert (seen["calendar_id"] == self.desk.org.calendar_id) == (calendar == MINE)

    async def shows(self, status: str, id_: str) -> None:
        """Assert that the page and the server say how an appointment stands."""
        await expect(self.page.locator(".status")).to_have_text(status)
        known = {"Not attended": "no_show"}.get(status, status.lower())
        assert (await self.desk.get(id_))["status"] == known

    async def is_fine(self) -> None:
        assert await self.hand.visitor.violations() == []
