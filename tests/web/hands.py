"""Ways in which somebody works with pages: with a mouse, with a finger, or with keys alone. Each counts what
it takes."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from playwright.async_api import CDPSession, Locator, expect

from tests.support.browser import Visitor
from tests.support.desk import at
from tests.web.days import QUARTER, Day

MOST_STOPS = 200
"""So often somebody presses Tab until they give up."""
TYPED = "(it) => [it.type, it.tagName]"


@dataclass
class Hand(ABC):
    """Somebody's way to work in a window of the browser."""

    visitor: Visitor
    presses: int = 0
    """Clicks, taps, or key strokes, but for those that write text."""
    fields: int = 0
    """How many fields were filled in."""
    day: Day = field(init=False)

    def __post_init__(self) -> None:
        self.day = Day(self.visitor)

    @abstractmethod
    async def press(self, what: Locator) -> None:
        """Press a button, or follow a link."""

    @abstractmethod
    async def write(self, what: Locator, text: str) -> None:
        """Fill in a field, or choose in a list. Times are as `at` has them, such as `15:00`."""

    @abstractmethod
    async def book(self, calendar: str, time: str) -> None:
        """Begin to book free time of a day."""

    @abstractmethod
    async def move(self, who: str, quarters: int, to: str) -> None:
        """Move what a client has booked by so many quarters of an hour, to a calendar."""

    @abstractmethod
    async def resize(self, who: str, quarters: int) -> None:
        """Make longer what a client has booked."""

    async def undo(self) -> None:
        """Take back what was done last."""
        await self.press_button("Undo")

    async def press_button(self, name: str) -> None:
        """Press the button with a name."""
        await self.press(self.visitor.page.get_by_role("button", name=name, exact=True))

    async def follow(self, name: str) -> None:
        """Follow the link with a name."""
        await self.press(self.visitor.page.get_by_role("link", name=name, exact=True))

    async def fill(self, label: str, text: str) -> None:
        """Fill in the field with a label."""
        self.fields += 1
        marked = re.compile(rf"^{re.escape(label)}\s*\*?$")  # with the star of what is required
        await self.write(self.visitor.page.get_by_label(marked), text)

    async def _free(self, calendar: str, time: str) -> tuple[float, float]:
        """Return where free time is on the screen."""
        lanes = self.day.column(calendar).locator(".lanes")
        await lanes.scroll_into_view_if_needed()
        box = await lanes.bounding_box()
        first = await self.visitor.page.locator(".day").get_attribute("data-first")
        assert box
        assert first
        passed = datetime.fromisoformat(at(time)) - datetime.fromisoformat(first)
        return box["x"] + box["width"] / 2, box["y"] + (passed.seconds / 900 + 0.3) * QUARTER

    async def _middle(self, calendar: str) -> float:
        """Return where the middle of a column is on the screen, from the left."""
        box = await self.day.column(calendar).bounding_box()
        assert box
        return box["x"] + box["width"] / 2


class Mouse(Hand):
    """Somebody with a mouse, who types only text."""

    async def press(self, what: Locator) -> None:
        self.presses += 1
        await what.click()

    async def write(self, what: Locator, text: str) -> None:
        if (await what.evaluate(TYPED))[1] == "SELECT":
            await what.select_option(text)
        else:
            await what.fill(text)

    async def book(self, calendar: str, time: str) -> None:
        self.presses += 1
        await self.visitor.page.mouse.click(*await self._free(calendar, time))

    async def move(self, who: str, quarters: int, to: str) -> None:
        self.presses += 1
        await self.day.drag(who, quarters=quarters, to=to)

    async def resize(self, who: str, quarters: int) -> None:
        self.presses += 1
        await self.day.drag(who, quarters=quarters, edge=True)


class Finger(Mouse):
    """Somebody with one finger, on a screen that can be touched."""

    async def press(self, what: Locator) -> None:
        self.presses += 1
        await what.tap()

    async def book(self, calendar: str, time: str) -> None:
        self.presses += 1
        await self.visitor.page.touchscreen.tap(*await self._free(calendar, time))

    async def move(self, who: str, quarters: int, to: str) -> None:
        await self._drag(who, 0.3, quarters, await self._middle(to))

    async def resize(self, who: str, quarters: int) -> None:
        await self._drag(who, 0.9, quarters, None)

    async def _drag(self, who: str, depth: float, quarters: int, right: float | None) -> None:
        """Stay on what a client has booked, so deep in it, until it follows; then drag it, and let go."""
        self.presses += 1
        line = self.day.line(who)
        await line.evaluate("(it) => it.scrollIntoView({ block: 'center' })")
        box = await line.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * depth
        end = x if right is None else right, y + quarters * QUARTER
        session = await self.visitor.page.context.new_cdp_session(self.visitor.page)
        await _touch(session, "Start", (x, y))
        await self.visitor.page.wait_for_selector(".ghost")
        for step in (0.25, 0.5, 0.75, 1):
            await _touch(session, "Move", (x + (end[0] - x) * step, y + (end[1] - y) * step))
        await _touch(session, "End")
        await session.detach()


async def _touch(
    session: CDPSession, kind: Literal["Start", "Move", "End"], *points: tuple[float, float]
) -> None:
    sent = [{"x": x, "y": y} for x, y in points]
    await session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": sent})


class Keys(Hand):
    """Somebody with a keyboard and nothing else: they come to everything by Tab."""

    async def press(self, what: Locator) -> None:
        await self._come_to(what)
        await self._stroke("Enter")

    async def write(self, what: Locator, text: str) -> None:
        await self._come_to(what)
        kind, tag = await what.evaluate(TYPED)
        if kind == "time":
            text = text.replace(":", "")
        elif tag != "SELECT":
            await self._stroke("Control+a")
        await self.visitor.page.keyboard.type(text)

    async def book(self, calendar: str, time: str) -> None:
        await self._come_to(self.visitor.page.locator(".cursor"))
        await self._stroke("Home")
        await self._until("ArrowRight", calendar)
        await self._until("ArrowDown", f"Book: {time}, ")
        await self._stroke("Enter")

    async def move(self, who: str, quarters: int, to: str) -> None:
        await self._come_to(self.day.line(who).locator("a"))
        await self._stroke("m", *["ArrowDown" if quarters > 0 else "ArrowUp"] * abs(quarters))
        current = await self.day.said()
        if not current.endswith(to):
            columns = await self.visitor.page.locator(".column h2").all_inner_texts()
            [own] = [place for place, name in enumerate(columns) if current.endswith(name)]
            key = "ArrowRight" if columns.index(to) > own else "ArrowLeft"
            await self._until(key, to)
        await self._stroke("Enter")

    async def resize(self, who: str, quarters: int) -> None:
        await self._come_to(self.day.line(who).locator("a"))
        await self._stroke("m", *["Shift+ArrowDown"] * quarters, "Enter")

    async def undo(self) -> None:
        await self._stroke("Control+z")

    async def _come_to(self, what: Locator) -> None:
        """Press Tab until something has the focus."""
        await expect(what).to_be_visible()
        for _ in range(MOST_STOPS):
            if await what.evaluate("(it) => it === document.activeElement"):
                return
            await self._stroke("Tab")
        raise AssertionError(f"Tab never comes to {what}")

    async def _until(self, key: str, words: str) -> None:
        """Press a key until these words are said."""
        for _ in range(MOST_STOPS):
            if words in await self.day.said():
                return
            await self._stroke(key)
        raise AssertionError(f"{key} never leads to {words}")

    async def _stroke(self, *keys: str) -> None:
        self.presses += len(keys)
        await self.visitor.press(*keys)
