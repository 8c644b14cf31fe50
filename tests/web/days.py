"""A day of staff in a real browser: where things lie in it, and how they are moved."""

import asyncio
from dataclasses import dataclass

from playwright.async_api import Locator

from tests.support.browser import Visitor
from tests.support.desk import Desk
from tests.web.staff import DAY, ME, signed_in

QUARTER = 24
"""How many pixels high a quarter of an hour is drawn."""


@dataclass
class Day:
    """A day in a window of the browser."""

    visitor: Visitor

    def column(self, name: str) -> Locator:
        """The column of a calendar."""
        page = self.visitor.page
        return page.locator(".column", has=page.locator("h2", has_text=name))

    def line(self, who: str = "Jane Doe") -> Locator:
        """What a client has booked."""
        return self.visitor.page.locator(".line.appointment", has_text=who)

    async def where(self, who: str = "Jane Doe") -> list[str]:
        """The times of what a client has booked, and in whose column each is."""
        return [
            f"{' '.join((await each.locator('.line-time').inner_text()).split())} "
            + await each.locator("xpath=ancestor::section").locator("h2").inner_text()
            for each in await self.line(who).all()
        ]

    async def grab(self, who: str = "Jane Doe", *, edge: bool = False) -> tuple[float, float]:
        """Press the mouse on an appointment, at its lower edge or near its upper one. Returns where."""
        await self.line(who).scroll_into_view_if_needed()
        box = await self.line(who).bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + (box["height"] - 3 if edge else 8)
        await self.visitor.page.mouse.move(x, y)
        await self.visitor.page.mouse.down()
        return x, y

    async def drag(
        self, who: str = "Jane Doe", *, quarters: int = 0, to: str | None = None, edge: bool = False
    ) -> None:
        """Drag an appointment with the mouse, and drop it."""
        x, y = await self.grab(who, edge=edge)
        if to is not None:
            box = await self.column(to).bounding_box()
            assert box is not None
            x = box["x"] + box["width"] / 2
        mouse = self.visitor.page.mouse
        await mouse.move(x, y + quarters * QUARTER / 2, steps=2)
        await mouse.move(x, y + quarters * QUARTER, steps=2)
        await mouse.up()

    async def place(self, calendar: str, quarter: float) -> tuple[float, float]:
        """Return where on the screen a column has a quarter of an hour, counted from its top."""
        lanes = self.column(calendar).locator(".lanes")
        await lanes.scroll_into_view_if_needed()
        box = await lanes.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + quarter * QUARTER

    async def look(self) -> None:
        """Have the page ask at once what others have changed."""
        await self.visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    async def said(self) -> str:
        """What was said aloud last."""
        return await self.visitor.page.locator("main > [aria-live=assertive]").inner_text()

    async def settled(self) -> None:
        """Wait until nothing is being moved or sent."""
        await self.visitor.page.wait_for_selector(".lifted, .ghost", state="detached")

    async def comes(self, condition: str) -> None:
        """Wait until something is so. (The policy of the page lets Playwright make no code of it there.)"""
        async with asyncio.timeout(10):
            while not await self.visitor.page.evaluate(condition):
                await asyncio.sleep(0.05)


async def day_of(visitor: Visitor, desk: Desk, path: str = DAY, *, name: str = ME) -> Day:
    """Open a day in a window of somebody who may do everything."""
    await signed_in(visitor, desk, name=name)
    await visitor.go(path)
    return Day(visitor)
