"""From an empty database to the first online booking, in a real browser, by pages alone once the command line
has made an organization and a link."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import Visitor, visiting
from tests.support.commands import run
from tests.support.server import serving
from tests.web.hands import Mouse

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MOST_CLICKS, MOST_FIELDS = 8, 4
"""What staff may need until clients can book, from the link that they were given."""
MOST_CLICKS_OF_CLIENTS, FIELDS_OF_CLIENTS = 2, 2


def said(url: str, *arguments: str) -> dict[str, Any]:
    """What the command line answers."""
    done = run(*arguments, "--json", env=os.environ | {"KALENDS_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def test_from_an_empty_database_to_the_first_booking(
    empty_url: str, chromium: Browser, tmp_path: Path
) -> None:
    begun = time.monotonic()
    said(empty_url, "migrate")
    org = said(empty_url, "org", "create", "Praxis Müller")
    ana = said(empty_url, "person", "create", "--org", org["slug"], "--name", "Ana", "--scope", "admin")
    link = urlsplit(ana["enter_url"]).path
    log = tmp_path / "log"
    with serving(empty_url, log=log) as server:
        async with visiting(chromium, f"http://127.0.0.1:{server.port}") as visit:
            ready = time.monotonic()
            staff = Mouse(await visit())
            address = await set_up(staff, link)
            open_to_clients = time.monotonic()
            client = Mouse(await visit())
            await client.visitor.page.goto(address)
            await book(client)
            booked = time.monotonic()
            await is_seen(staff.visitor)
    assert staff.presses <= MOST_CLICKS
    assert staff.fields <= MOST_FIELDS
    assert (client.presses <= MOST_CLICKS_OF_CLIENTS, client.fields) == (True, FIELDS_OF_CLIENTS)
    print(
        f"three commands and a server: {ready - begun:.1f} s; "
        f"staff: {staff.presses} clicks, {staff.fields} fields, "
        f"{open_to_clients - ready:.1f} s; client: {client.presses} clicks, {client.fields} fields, "
        f"{booked - open_to_clients:.1f} s"
    )


async def set_up(hand: Mouse, link: str) -> str:
    """Go through the first steps. Returns the address that staff are told in the end."""
    visitor, page = hand.visitor, hand.visitor.page
    await visitor.go(link)
    await hand.press_button("Sign in")
    await page.wait_for_url("**/staff/me?first=1")
    await hand.follow("Not now: go to the appointments of today")
    await page.wait_for_url("**/staff/start")
    await is_fine(visitor)
    await hand.fill("Name", "Praxis Dr. Müller")
    await hand.fill("Time zone", "Europe/Berlin")
    await hand.press_button("Next")
    await page.wait_for_url("**/staff/start/hours")
    await is_fine(visitor)
    await hand.press_button("Next")
    await page.wait_for_url("**/staff/start/type")
    await is_fine(visitor)
    await hand.fill("Name", "First visit")
    await hand.press_button("Next")
    await page.wait_for_url("**/staff/start/done")
    await is_fine(visitor)
    address = await page.get_by_role("link", name=re.compile("^http")).get_attribute("href")
    assert address
    return address


async def book(hand: Mouse) -> None:
    """Book what is free first."""
    page = hand.visitor.page
    await expect(page.locator("h1")).to_have_text("First visit")
    await hand.press(page.locator("button[name=start]").first)
    await hand.fill("Name", "Jane Doe")
    await hand.fill("E-mail", "jane@example.com")
    await page.wait_for_timeout(2500)  # programs are faster than people, and are asked to try again
    await hand.press_button("Book")
    await page.wait_for_url("**/manage/*booked=1")
    await expect(page.locator("h1")).to_have_text("Booked")
    await expect(page.locator("main")).to_contain_text("Europe/Berlin")
    await is_fine(hand.visitor)


async def is_seen(staff: Visitor) -> None:
    """Assert that staff find what was booked."""
    await staff.go("/staff/list?q=jane")
    await expect(staff.page.locator("main")).to_contain_text("First visit")
    await staff.page.get_by_role("row", name="Jane Doe").get_by_role("link").click()
    await expect(staff.page.locator("h1")).to_have_text("Jane Doe")
    await expect(staff.page.locator(".status")).to_have_text("Confirmed")


async def is_fine(visitor: Visitor) -> None:
    assert await visitor.violations() == []
