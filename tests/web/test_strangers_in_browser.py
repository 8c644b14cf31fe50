"""What a real browser does with a session that has ended, and with forms on pages of others."""

from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, Route, expect

from tests.support.browser import Visit
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, open_desk
from tests.web.staff import enter, signed_in

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

CROSS_SITE, SAME_SITE = "http://localhost:8765", "http://127.0.0.1:8765"
"""Pages of others: of another site, with which no cookie goes, and of another port, with which it does."""
FORM = """<!doctype html><title>Win</title><form method="post" action="{action}">
<input type="hidden" name="version" value="1"><input type="hidden" name="status" value="confirmed">
<button>Win</button></form>"""


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    """With a request that waits to be confirmed."""
    desk = await open_desk(app)
    await desk.set_type(requiresConfirmation=True)
    return desk


async def asked(desk: Desk) -> str:
    """Return the path of the page of what a client asks for."""
    return f"/staff/appointments/{(await desk.booked_by_client())['appointment']['id']}"


async def test_who_is_signed_out_elsewhere_is_refused_at_the_next_request(visit: Visit, desk: Desk) -> None:
    made = (await desk.staff.post("/v1/people", json={"name": "Ben", "scopes": ["admin"]})).json()
    office, phone = await visit(), await visit()
    await enter(office, urlsplit(made["enter_url"]).path)
    page = await asked(desk)
    await office.go(page)
    again = (await desk.staff.post(f"/v1/people/{made['person']['id']}/link")).json()
    await enter(phone, urlsplit(again["enter_url"]).path)
    await phone.go("/staff/me")
    await phone.page.get_by_role("link", name="Sign out there").click()
    await phone.page.get_by_role("button", name="Sign out there").click()
    await expect(phone.page.get_by_role("link", name="Sign out there")).to_have_count(0)
    # What the other one has open changes nothing any more, and leads nowhere.
    await office.page.get_by_role("button", name="Confirm", exact=True).click()
    await expect(office.page.locator("h1")).to_have_text("You are signed out")
    assert (await desk.get(page.rpartition("/")[2]))["status"] == "pending"
    await office.go("/staff")
    await expect(office.page.locator("h1")).to_have_text("Sign in")
    await phone.go(page)
    await phone.page.get_by_role("button", name="Confirm", exact=True).click()
    await expect(phone.page.locator(".status")).to_have_text("Confirmed")


@pytest.mark.parametrize("origin", [CROSS_SITE, SAME_SITE])
async def test_a_form_on_a_page_of_others_changes_nothing(visit: Visit, desk: Desk, origin: str) -> None:
    window = await visit()
    await signed_in(window, desk)
    page = await asked(desk)
    form = FORM.format(action=f"{window.base}{page}/status")

    async def others(route: Route) -> None:
        await route.fulfill(body=form, content_type="text/html")

    await window.page.route(f"{origin}/", others)
    assert await sent_from(window.page, origin) == 403
    assert (await desk.get(page.rpartition("/")[2]))["status"] == "pending"
    # The same form on our own page works.
    await window.page.route(f"{window.base}/ours", others)
    assert await sent_from(window.page, window.base, "/ours") == 200
    assert (await desk.get(page.rpartition("/")[2]))["status"] == "confirmed"


async def sent_from(page: Page, origin: str, path: str = "/") -> int:
    """Send the form of a page at an origin. Returns with which status that ends."""
    await page.goto(f"{origin}{path}")
    async with page.expect_navigation() as leading:
        await page.get_by_role("button", name="Win").click()
    answer = await leading.value
    assert answer is not None
    return answer.status
