"""The pages behind a client's link in a real browser: by keyboard alone, without JavaScript, from right to
left, on a phone."""

import pytest
from fastapi import FastAPI

from tests.support.browser import DESK, PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import START, Desk, at, open_desk
from tests.support.right_to_left import LANGUAGE, arabic, said

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

CALL = {"kind": "link", "value": "https://meet.example/" + "sun" * 30}
WIDE = "x" * 200
"""A word that is wider than a phone."""


async def linked(desk: Desk, start: str = START) -> tuple[str, str]:
    """The id of what a client has booked, and the path of its page."""
    booked = await desk.booked_by_client(start_time=start)
    return booked["appointment"]["id"], f"/manage/{booked['manage_token']}"


async def is_fine(visitor: Visitor) -> None:
    """Assert that a page can be used by everybody."""
    assert await visitor.violations() == []
    assert not await visitor.is_too_wide()


async def tab_to(visitor: Visitor, label: str) -> None:
    """Press Tab until something with this label has the focus."""
    for _ in range(40):
        await visitor.press("Tab")
        if (await visitor.focused()).startswith(label):
            return
    raise AssertionError(f"nothing is called {label}")


async def test_moved_and_cancelled_by_keyboard_alone(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    id_, path = await linked(desk)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"{path}?booked=1")
    assert visitor.asked <= 4
    await tab_to(visitor, "Move it")
    await visitor.press("Enter")
    await page.wait_for_url("**/move")
    await tab_to(visitor, "Thursday, 25 January 2024")
    await visitor.press("ArrowRight", "Enter")
    await page.wait_for_function("() => document.querySelector('#day').innerText.startsWith('Friday, 26')")
    await is_fine(visitor)
    await tab_to(visitor, "10:00")
    await visitor.press("Enter")
    await page.wait_for_url("**moved=1")
    assert await page.inner_text("h1") == "Moved"
    assert (await desk.get(id_))["start_time"] == at("10:00", "2024-01-26")
    await tab_to(visitor, "Cancel it")
    await visitor.press("Enter")
    await page.wait_for_url("**/cancel")
    await tab_to(visitor, "Reason (optional)")
    await page.keyboard.type("I am ill.")
    await visitor.press("Tab")
    assert await visitor.focused() == "Cancel this appointment"
    await visitor.press("Enter")
    await page.wait_for_url("**cancelled=1")
    assert await page.inner_text("h1") == "Cancelled"
    assert (await desk.get(id_))["cancellation_reason"] == "I am ill."
    assert all(each.startswith(visitor.base) for each in visitor.requests)


async def test_without_javascript_on_a_phone(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.set_type(
        bookingQuestions=[{"id": "q", "type": "select", "label": "Meal", "options": ["A", "B"]}]
    )
    id_, path = await linked(desk)
    visitor = await visit(java_script_enabled=False, viewport=PHONE, color_scheme="dark")
    page = visitor.page
    await visitor.go(path)
    assert await page.locator("text=Print").is_hidden()
    await page.click("text=Move it")
    await page.click("#later")
    await page.click("#d2024-02-05")
    await page.click("text=09:00")
    assert await page.inner_text("h1") == "Moved"
    await page.click("text=Correct your details")
    await page.fill("#phone", "1")
    await page.select_option("#q0", "B")
    await page.click("button:text-is('Save')")
    assert await page.inner_text("#alert h2") == "Please check what you entered."
    await page.fill("#phone", "+49 30 1")
    await page.click("button:text-is('Save')")
    assert await page.inner_text("h1") == "Saved"
    seen = await desk.get(id_)
    assert (seen["start_time"], seen["client_phone"]) == (at("09:00", "2024-02-05"), "+49 30 1")
    assert [each["answer"] for each in seen["answers"]] == ["B"]
    await page.click("text=Cancel it")
    await page.click("button:text-is('Cancel this appointment')")
    assert await page.inner_text("h1") == "Cancelled"
    assert (await desk.get(id_))["status"] == "cancelled"


async def test_taken_meanwhile_the_focus_is_on_what_went_wrong(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    id_, path = await linked(desk)
    visitor = await visit()
    page = visitor.page
    await visitor.go(f"{path}/move")
    await desk.booked(at("10:00"))
    await page.click(".slots button:text-is('10:00')")
    await page.wait_for_selector("#alert")
    assert (await visitor.focused()).startswith("10:00 has just been taken.")
    await is_fine(visitor)
    await visitor.press("Tab", "Enter")
    await page.wait_for_url("**moved=1")
    assert (await desk.get(id_))["start_time"] == at("11:00")


async def test_from_right_to_left_on_a_phone(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.set_type(location=CALL, price={"amount": 80, "currency": "EUR"}, confirmationText=WIDE)
    _, path = await linked(desk)
    with arabic():
        visitor = await visit(locale=LANGUAGE, viewport=PHONE, timezone_id="Asia/Tokyo")
        page = visitor.page
        await visitor.go(path)
        await page.wait_for_url("**zone=Asia%2FTokyo**")
        assert await page.inner_text("h1") == said("Your appointment")
        await is_fine(visitor)
        for below in ("/move", "/cancel", "/details", "/zone"):
            await visitor.go(f"{path}{below}?zone=Asia/Tokyo")
            await is_fine(visitor)
        await visitor.go(f"{path}/move?zone=Asia/Tokyo")
        await page.click("#d2024-01-26")
        await page.click(".slots button >> nth=0")
        await page.wait_for_url("**moved=1**")
        await is_fine(visitor)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_page_is_for_everybody(
    app: FastAPI, clock: StoppedClock, visit: Visit, scheme: str, viewport: dict[str, int]
) -> None:
    desk = await open_desk(app)
    await desk.set_organization(
        name=WIDE, address=WIDE, contact_email=f"{'x' * 60}@sun.example", phone="+49 1"
    )
    await desk.set_type(
        name=WIDE,
        location={"kind": "address"},
        price={"amount": 80, "currency": "EUR"},
        redirectUrl="https://a.example",
    )
    _, path = await linked(desk)
    _, late = await linked(desk, "2024-01-21T13:00:00Z")
    id_, gone = await linked(desk, at("09:00"))
    await desk.changed(id_, status="cancelled", cancellation_reason=WIDE)
    await desk.set_type(requiresConfirmation=True)
    _, asked = await linked(desk, at("10:00"))
    clock.forward(minutes=90)
    visitor = await visit(viewport=viewport, color_scheme=scheme, locale="de-DE")
    for address in (
        f"{path}?booked=1",
        f"{path}/move",
        f"{path}/cancel",
        f"{path}/details",
        late,
        f"{late}/move",
        gone,
        asked,
        "/manage/unknown",
    ):
        await visitor.go(address)
        await is_fine(visitor)


async def test_paper_has_what_counts(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    _, path = await linked(desk)
    visitor = await visit()
    await visitor.go(path)
    assert await visitor.page.locator("text=Print").is_visible()
    await visitor.page.emulate_media(media="print")
    text = await visitor.page.inner_text("body")
    assert "Thursday, 25 January 2024, 14:00 – 15:00" in text
    assert "Move it" not in text
    assert "Outlook" not in text
