"""Two people who drag the same appointment at once, in two windows of a real browser."""

import asyncio
import random

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from tests.support.browser import Visit
from tests.support.databases import everyday_on_sqlite
from tests.support.desk import Desk, open_desk
from tests.web.days import Day, day_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NAMES = ("Ana Pereira", "Ben Okafor")
FIRST = 20
"""The quarter of an hour of the day in which the appointment begins, of those that are shown."""


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


@everyday_on_sqlite("rounds", everyday=1, torture=100)
async def test_one_wins_and_both_see_how_it_stands(visit: Visit, desk: Desk, rounds: int) -> None:
    booked = await desk.booked()
    days = [await day_of(await visit(), desk, name=name) for name in NAMES]
    chance = random.Random(30)
    at_quarter, losers = FIRST, 0
    for _ in range(rounds):
        wanted = chance.sample([each for each in range(0, 22, 3) if each != at_quarter], 2)
        losers += await race(desk, booked["id"], days, (wanted[0] - at_quarter, wanted[1] - at_quarter))
        at_quarter = int(await days[0].line().get_attribute("data-at") or 0) // 15
    print(f"{rounds} rounds: in {losers} of them one lost, and saw who had won")
    assert losers >= rounds * 0.9  # some may be so slow that they see the other's move before


async def race(desk: Desk, booked: str, days: list[Day], quarters: tuple[int, int]) -> int:
    """Have two drag the same at once: one wins, the other sees who it was, and both see how it stands.
    Returns how many lost."""
    version = (await desk.get(booked))["version"]
    await asyncio.gather(*(day.drag(quarters=by) for day, by in zip(days, quarters, strict=True)))
    for day in days:
        await day.visitor.page.wait_for_selector(".toast, dialog")
        await day.settled()
    lost = [day for day in days if await day.visitor.page.locator("dialog").count()]
    for day in lost:
        other = NAMES[1 - days.index(day)]
        heading = await day.visitor.page.inner_text("dialog h2")
        assert heading.startswith(f"{other} changed it meanwhile.")
        await day.visitor.page.click("dialog button")
    seen = await desk.get(booked)
    assert seen["version"] == version + len(days) - len(lost)
    for day in days:
        await day.look()
        await expect(day.line()).to_have_attribute("data-start", seen["start_time"])
        await expect(day.line()).to_have_attribute("data-version", str(seen["version"]))
    return len(lost)
