"""Staff in a real browser: without JavaScript on a phone, by keyboard, with many calendars, on paper."""

import re
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from tests.support.browser import DESK, LARGE_PHONE, PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import at, open_desk
from tests.web.staff import DAY, signed_in

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

WIDE = "x" * 200
"""A word that is wider than a phone."""


async def is_fine(visitor: Visitor) -> None:
    """Assert that a page can be used by everybody."""
    assert await visitor.violations() == []
    assert not await visitor.is_too_wide()


async def test_a_request_is_confirmed_moved_and_cancelled_without_javascript(
    app: FastAPI, visit: Visit
) -> None:
    desk = await open_desk(app)
    await desk.set_type(requiresConfirmation=True)
    asked = (await desk.booked_by_client())["appointment"]
    visitor = await visit(java_script_enabled=False, viewport=LARGE_PHONE)
    await signed_in(visitor, desk)
    page = visitor.page
    await visitor.go(DAY)
    line = page.locator(".line.appointment a")
    assert (
        " ".join((await line.inner_text()).split())
        == "14:00 – 15:00 Jane Doe Tax Consultation To be confirmed"
    )
    await line.click()
    await page.click("button:text-is('Confirm')")
    assert await page.inner_text(".status") == "Confirmed"
    assert (await desk.get(asked))["status"] == "confirmed"

    await page.click("a:text-is('Move it')")
    await page.fill("#date", "2024-01-26")
    await page.fill("#time", "10:15")
    await page.click("button:text-is('Move it')")
    assert "Friday, 26 January 2024, 10:15 – 11:15" in await page.inner_text(".when")
    assert (await desk.get(asked))["start_time"] == at("10:15", "2024-01-26")

    await page.click("a:text-is('Cancel it')")
    await page.fill("#reason", "Ana is ill.")
    await page.click("button:text-is('Cancel this appointment')")
    assert await page.inner_text(".status") == "Cancelled"
    seen = await desk.get(asked)
    assert (seen["status"], seen["cancellation_reason"]) == ("cancelled", "Ana is ill.")
    await page.click("button:text-is('Undo')")
    assert await page.inner_text(".status") == "Confirmed"
    assert (await desk.get(asked))["cancelled_at"] is None
    assert all(each.startswith(visitor.base) for each in visitor.requests)


async def test_undoing_is_offered_as_long_as_it_can_be_done(
    app: FastAPI, visit: Visit, clock: StoppedClock
) -> None:
    desk = await open_desk(app)
    booked = await desk.booked()
    visitor = await visit()
    await signed_in(visitor, desk)
    page, undo = visitor.page, visitor.page.locator("button:text-is('Undo')")
    await visitor.go(f"/staff/appointments/{booked['id']}/cancel")
    await page.click("button:text-is('Cancel this appointment')")
    await undo.wait_for()
    await is_fine(visitor)
    clock.forward(seconds=8)
    await page.reload()
    await undo.focus()
    await undo.wait_for(state="detached")
    assert await page.evaluate("document.activeElement.id") == "main"
    assert await page.locator("button:text-is('Take the cancellation back')").is_visible()


async def test_booked_by_phone_without_javascript(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    visitor = await visit(java_script_enabled=False, viewport=LARGE_PHONE)
    await signed_in(visitor, desk)
    page = visitor.page
    await visitor.go(DAY)
    await page.click(".add")
    await page.click(".slots button:text-is('10:00')")
    await page.fill("#name", "Jane Doe")
    await desk.booked(at("10:00"))  # somebody was faster
    await page.click("button:text-is('Book')")
    await page.click(".alert button:text-is('Thu 25 Jan, 11:00')")
    assert "11:00 – 12:00" in await page.inner_text(".when")


async def test_many_calendars_side_by_side(app: FastAPI, visit: Visit, clock: StoppedClock) -> None:
    """Things lie where their times say, nothing lies over another, and the page itself is never too wide."""
    desk = await open_desk(app)
    rooms = [desk.org.calendar_id, *[await desk.room(f"Room {number}") for number in range(7)]]
    await desk.set_type(durationMinutes=15)
    for room in rooms:
        for clock_time in ("09:00", "09:15", "09:30", "13:00"):
            await desk.booked(at(clock_time), calendar_id=room, client_name="Maximilian von der Grünau")
    await desk.booked(at("13:10"), calendar_id=rooms[0], check="none")
    clock.at = datetime(2024, 1, 25, 12, 30, tzinfo=UTC)
    visitor = await visit(viewport=DESK)
    await signed_in(visitor, desk)
    await visitor.go(DAY)
    await is_fine(visitor)
    boxes = await visitor.page.evaluate(
        "() => [...document.querySelectorAll('.column')].map((column) =>"
        " [...column.querySelectorAll('.line.appointment')].map((each) => each.getBoundingClientRect())"
        ".map((box) => [box.left, box.right, box.top, box.bottom]))"
    )
    assert [len(each) for each in boxes] == [5] + [4] * 7
    for column in boxes:
        for place, (left, right, top, bottom) in enumerate(column):
            assert bottom - top >= 24
            for left_2, right_2, top_2, bottom_2 in column[:place]:
                apart = left >= right_2 - 1 or left_2 >= right - 1
                assert apart or top >= bottom_2 - 1 or top_2 >= bottom - 1
    # A quarter of an hour is a quarter of the way from one hour to the next.
    first, second = boxes[1][0], boxes[1][1]
    hour = await visitor.page.evaluate(
        "() => { const [a, b] = document.querySelectorAll('.hours li');"
        " return b.getBoundingClientRect().top - a.getBoundingClientRect().top }"
    )
    assert abs((second[2] - first[2]) - hour / 4) < 1
    assert await visitor.page.locator(".now-line").count() == 8
    await visitor.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await is_fine(visitor)


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_long_words_make_no_page_too_wide(app: FastAPI, visit: Visit, viewport: dict[str, int]) -> None:
    desk = await open_desk(app)
    room = await desk.room(WIDE)
    await desk.set_type(name=WIDE, bookingQuestions=[{"id": "q", "type": "text", "label": WIDE}])
    booked = await desk.booked(client_name=WIDE, calendar_id=room, client_notes=WIDE, answers={"q": WIDE})
    await desk.changed(booked, status="cancelled", cancellation_reason=WIDE)
    booked = await desk.booked(client_name=WIDE, calendar_id=room, internal_notes=WIDE)
    visitor = await visit(viewport=viewport)
    await signed_in(visitor, desk)
    path = f"/staff/appointments/{booked['id']}"
    for each in (
        *(DAY, "/staff/week/2024-01-25", "/staff/list?from=2024-01-25", "/staff/new"),
        *(path, f"{path}/move", f"{path}/cancel"),
    ):
        await visitor.go(each)
        await is_fine(visitor)


async def test_paper_has_the_list(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.booked()
    visitor = await visit()
    await signed_in(visitor, desk)
    await visitor.go(f"/staff/list?from={at('14:00')[:10]}")
    await visitor.page.emulate_media(media="print")
    text = await visitor.page.inner_text("body")
    assert re.search(r"Thursday, 25 January 2024, 14:00 – 15:00\s+Jane Doe\s+Tax Consultation", text)
    assert "Show" not in text
    assert "New appointment" not in text
