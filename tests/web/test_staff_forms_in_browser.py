"""Staff who book and move in a real browser, and change their minds: nothing that they typed is lost."""

import pytest
from fastapi import FastAPI

from tests.support.browser import Visit
from tests.support.databases import on_sqlite
from tests.support.desk import at, open_desk
from tests.support.pictures import png
from tests.web.clients import QUESTIONS
from tests.web.staff import signed_in

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

SCRIPTS = pytest.mark.parametrize("java_script", [True, False], ids=["with scripts", "without"])


@SCRIPTS
async def test_whoever_books_may_choose_in_any_order(app: FastAPI, visit: Visit, java_script: bool) -> None:
    desk = await open_desk(app)
    await desk.set_type(bookingQuestions=QUESTIONS[:1])
    other = await desk.add_type(name="Other", bookingQuestions=[QUESTIONS[0] | {"id": "else"}])
    visitor = await visit(java_script_enabled=java_script)
    await signed_in(visitor, desk)
    page = visitor.page
    await visitor.go("/staff/new?date=2024-01-25")
    await page.fill("#name", "Jane Doe")
    await page.fill("#internal_notes", "VIP")
    await page.select_option("#type", desk.org.type_id)
    if java_script:
        await page.wait_for_selector("#q0")
        assert await page.evaluate("document.activeElement.id") == "type"
    else:
        await page.click("button:text-is('Show free times')")
    await page.fill("#q0", "12 345")
    await page.click(".slots button:text-is('10:00')")
    assert await page.inner_text("[aria-pressed=true]") == "10:00"
    assert await page.locator("#chosen:focus").count() == 1
    await page.select_option("#type", other["id"])
    if java_script:
        await page.wait_for_selector(f"[name=asked][value={other['id']}]", state="attached")
    # Enter shows the times of another day.
    await page.fill("#date", "2024-01-26")
    await page.press("#name", "Enter")
    await page.wait_for_selector("h2:text-is('Free: Friday, 26 January 2024')")
    assert not java_script or await visitor.violations() == []
    assert (await desk.staff.get("/v1/calendar/appointments")).json()["appointments"] == []
    assert "/staff/new#free" in page.url or not java_script
    assert "Jane" not in page.url
    await page.click("button:text-is('Book')")
    await page.wait_for_url("**/staff/appointments/*")
    [booked] = (await desk.staff.get("/v1/calendar/appointments")).json()["appointments"]
    assert booked["start_time"] == at("10:00", "2024-01-26")
    assert (booked["client_name"], booked["internal_notes"]) == ("Jane Doe", "VIP")
    assert booked["appointment_type"]["id"] == other["id"]
    assert [each["answer"] for each in booked["answers"]] == ["12 345"]


@SCRIPTS
async def test_whoever_moves_may_choose_in_any_order(app: FastAPI, visit: Visit, java_script: bool) -> None:
    desk = await open_desk(app)
    room = await desk.room("Room 1")
    await desk.set_type(calendarIds=[desk.org.calendar_id, room])
    booked = await desk.booked(calendar_id=desk.org.calendar_id)
    visitor = await visit(java_script_enabled=java_script)
    await signed_in(visitor, desk)
    page = visitor.page
    await visitor.go(f"/staff/appointments/{booked['id']}/move")
    await page.fill("#minutes", "45")
    await page.select_option("#calendar0", room)
    if java_script:
        await page.wait_for_selector("section bdi:text-is('Room 1')")
    await page.click(".slots button:text-is('10:00')")
    assert await page.inner_text("[aria-pressed=true]") == "10:00"
    await page.fill("#date", "2024-01-26")
    await page.press("#minutes", "Enter")
    await page.wait_for_selector("h2:text-is('Free: Friday, 26 January 2024')")
    assert not java_script or await visitor.violations() == []
    assert (await desk.get(booked))["version"] == 1
    # A day that is over is asked about; it is moved once that is confirmed.
    await page.fill("#date", "2024-01-19")
    await page.click("button:text-is('Move it')")
    await page.press("#time", "Enter")  # which confirms nothing
    await page.wait_for_selector("h2:text-is('Free: Friday, 19 January 2024')")
    assert (await desk.get(booked))["version"] == 1
    await page.click("button:text-is('Move it')")
    assert not java_script or await visitor.violations() == []
    await page.click("button:text-is('Move it all the same')")
    await page.wait_for_url(f"**/staff/appointments/{booked['id']}")
    seen = await desk.get(booked)
    assert (seen["start_time"], seen["end_time"]) == (at("10:00", "2024-01-19"), at("10:45", "2024-01-19"))
    assert seen["calendar_id"] == room


async def test_the_logo_is_shown_as_clients_see_it_on_light_and_on_dark(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.staff.put("/v1/organization/logo", content=png(800, 400))
    visitor = await visit()
    await signed_in(visitor, desk)
    await visitor.go("/staff/settings/organization/logo")
    shown = await visitor.page.evaluate(
        "[...document.querySelectorAll('.logos img')].map(it => [getComputedStyle(it).height, "
        "getComputedStyle(it).width, getComputedStyle(it).backgroundColor])"
    )
    assert [each[:2] for each in shown] == [["40px", "80px"]] * 2
    assert [each[2] for each in shown] == ["rgb(255, 255, 255)", "rgb(21, 23, 27)"]
    assert await visitor.violations() == []
