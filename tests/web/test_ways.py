"""The ways in which people book, move and cancel: by keyboard alone, without JavaScript on a small screen,
from right to left. Each of them is gone from the beginning to the end in a real browser."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from playwright.async_api import Page

from tests.support.browser import DESK, PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, open_desk
from tests.support.right_to_left import arabic

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

MOST_TABS = 60
"""So often Tab is pressed at most until what is wanted has the focus."""


class Way(NamedTuple):
    """How somebody uses a browser."""

    by_keyboard: bool
    language: str
    options: dict[str, Any]


WAYS = {
    "by keyboard": Way(True, "en", {"viewport": DESK}),
    "without JavaScript, on a phone": Way(False, "en", {"viewport": PHONE, "java_script_enabled": False}),
    "by keyboard, without JavaScript": Way(True, "en", {"viewport": PHONE, "java_script_enabled": False}),
    "from right to left, on a phone": Way(False, "ar", {"viewport": PHONE}),
    "from right to left, by keyboard": Way(True, "ar", {"viewport": DESK}),
}


@dataclass
class Person:
    """Somebody who goes one of these ways."""

    visitor: Visitor
    way: Way

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def reach(self, selector: str) -> None:
        """Press Tab until what is wanted has the focus, and see that it has."""
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Tab")
            if await self.page.locator(f":is({selector}):focus").count():
                await self.page.locator(f":is({selector}):focus-visible").wait_for()
                return
        raise AssertionError(f"Tab never leads to {selector}")

    async def press(self, selector: str) -> None:
        """Follow a link, or press a button, that leads to another page."""
        before = self.page.url
        if self.way.by_keyboard:
            await self.reach(selector)
            await self.page.keyboard.press("Enter")
        else:
            await self.page.locator(selector).first.click()
        await self.page.wait_for_url(lambda url: url != before)

    async def type(self, field: str, text: str) -> None:
        """Fill in a field."""
        if self.way.by_keyboard:
            await self.reach(f"[name={field}]")
            await self.page.keyboard.type(text)
        else:
            await self.page.locator(f"[name={field}]").fill(text)

    async def choose(self, day: str) -> None:
        """Choose the day after that which is shown."""
        if self.way.by_keyboard and self.way.options.get("java_script_enabled", True):
            await self.reach(".grid a")
            await self.page.keyboard.press("ArrowLeft" if self.way.language == "ar" else "ArrowRight")
            await self.page.keyboard.press("Enter")
        else:
            await self.press(f"#d{day}")
        await self.page.locator(f"td[aria-selected] > #d{day}").wait_for()

    async def is_well(self) -> None:
        """See that the page is in the language and fits the screen."""
        assert await self.page.locator(f"html[lang^={self.way.language}]").count()
        assert not await self.visitor.is_too_wide()


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    way = WAYS[request.param]
    with arabic() if way.language == "ar" else nullcontext():
        yield way


async def test_people_book_move_and_cancel(visit: Visit, desk: Desk, clock: StoppedClock, way: Way) -> None:
    person = Person(await visit(**way.options), way)
    page = person.page
    await person.visitor.go(f"/{desk.org.slug}/tax-consultation?lang={way.language}")
    await person.is_well()
    await person.choose("2024-01-22")
    await person.press("button[name=start]")
    await person.is_well()
    await person.type("name", "Jane Doe")
    await person.type("email", "jane@example.com")
    clock.forward(seconds=30)
    await person.press("form#details button:not([formaction])")
    await page.wait_for_url(re.compile("/manage/"))
    await person.is_well()
    [booked] = await appointments(desk)
    assert (booked["client_name"], booked["start_time"]) == ("Jane Doe", "2024-01-22T09:00:00Z")

    await person.press("a[href*='/move']")
    await person.is_well()
    await person.choose("2024-01-23")
    await person.press("button[name=start]")
    await page.wait_for_url(re.compile("moved="))
    [moved] = await appointments(desk)
    assert (moved["id"], moved["start_time"]) == (booked["id"], "2024-01-23T09:00:00Z")

    await person.press("a[href*='/cancel']")
    await person.is_well()
    await person.type("reason", "Another time")
    await person.press("main form button")
    await page.wait_for_url(re.compile("/manage/[^/]+$"))
    await person.is_well()
    [left] = await appointments(desk)
    assert (left["status"], left["cancellation_reason"]) == ("cancelled", "Another time")


async def appointments(desk: Desk) -> list[dict[str, Any]]:
    found = await desk.staff.get("/v1/calendar/appointments")
    listed: list[dict[str, Any]] = found.json()["appointments"]
    return listed
