"""Booking pages on other sites: who may show them, and what both sides tell each other, in a real browser at
two origins that share nothing."""

import gzip
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, FrameLocator, Page
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from kalends.web import embed
from kalends.words.languages import LANGUAGES
from tests.support.browser import DESK, PHONE, Visitor, served, visiting
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import Desk, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SITE = "https://clinic.example"
TYPE = "tax-consultation"


def ancestors(answer: httpx.Response) -> str:
    """Who may show a page, by its policy."""
    return answer.headers["content-security-policy"].partition("frame-ancestors ")[2]


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


# Who may show it.


@on_sqlite
async def test_only_the_sites_of_an_organization_may_show_its_pages(
    browser: httpx.AsyncClient, desk: Desk
) -> None:
    page = f"/{desk.org.slug}/{TYPE}"
    assert ancestors(await browser.get(f"{page}?embed=1")) == "'none'"
    await desk.set_organization(embed_origins=[SITE, "http://localhost:8080"])
    shown = await browser.get(f"{page}?embed=1")
    assert ancestors(shown) == f"{SITE} http://localhost:8080"
    assert f'data-origins="{SITE} http://localhost:8080"' in shown.text
    for alone in (page, f"{page}?embed=0", f"{page}?embed="):
        answer = await browser.get(alone)
        assert ancestors(answer) == "'none'"
        assert "frame." not in answer.text
    await desk.set_organization(embed_origins=[])
    assert ancestors(await browser.get(f"{page}?embed=1")) == "'none'"


@on_sqlite
async def test_no_site_may_show_the_page_behind_a_link(browser: httpx.AsyncClient, desk: Desk) -> None:
    """A click there could be stolen, and cancel."""
    await desk.set_organization(embed_origins=[SITE])
    booked = await desk.booked_by_client()
    for below in ("", "/move", "/cancel"):
        page = await browser.get(f"/manage/{booked['manage_token']}{below}?embed=1")
        assert (page.status_code, ancestors(page)) == (200, "'none'")
        assert "frame." not in page.text


@on_sqlite
async def test_search_engines_keep_no_page_that_is_part_of_another(
    browser: httpx.AsyncClient, desk: Desk
) -> None:
    page = f"/{desk.org.slug}/{TYPE}"
    await desk.set_organization(indexing=True, embed_origins=[SITE])
    assert "x-robots-tag" not in (await browser.get(page)).headers
    embedded = await browser.get(f"{page}?embed=1")
    assert embedded.headers["x-robots-tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in embedded.text
    await desk.set_organization(indexing=False)
    assert (await browser.get(page)).headers["x-robots-tag"] == "noindex"


# The script.


@on_sqlite
async def test_the_script_is_small_and_any_site_may_load_it(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/embed.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "x-ratelimit-limit" not in answer.headers
    assert len(gzip.compress(answer.content)) <= 2048


def test_the_script_has_its_words_in_every_language_and_stores_nothing() -> None:
    text = embed.script()
    assert "WORDS" not in text
    for language in LANGUAGES:
        assert f'"{language}":["' in text
    assert not re.findall(r"localStorage|sessionStorage|cookie|\beval\b|innerHTML|\.style\b|fetch\(", text)


# Both sides, in a browser.


@dataclass
class Elsewhere:
    """Another site, on an origin of its own, with a page that shows ours."""

    visitor: Visitor
    clock: StoppedClock

    @property
    def page(self) -> Page:
        return self.visitor.page

    @property
    def frame(self) -> FrameLocator:
        """Our page in theirs."""
        return self.page.frame_locator("iframe")

    async def height(self) -> int:
        """How high our page is there."""
        return int(await self.page.locator("iframe").get_attribute("height") or 0)

    async def book(self) -> None:
        """Book what is first offered, as a visitor does."""
        await self.frame.locator("button[name=start]").first.click()
        await self.frame.get_by_label("Name").fill("Jane Doe")
        await self.frame.get_by_label("E-mail").fill("jane@example.com")
        self.clock.forward(seconds=30)
        await self.frame.get_by_role("button", name="Book", exact=True).click()
        await self.frame.get_by_role("link", name="See, move or cancel it").wait_for()


HOST = """<!doctype html><html lang="de"><title>Clinic</title><meta name="color-scheme" content="{scheme}">
<script>
  window.heard = [];
  addEventListener("kalends:booked", (event) => heard.push(["event", event.detail.id]));
  addEventListener("message", ({{ data }}) => data.kalends === "booked" && heard.push(["message", data.id]));
</script>
<h1>Clinic</h1>
<script src="{base}/embed.js" data-kalends="{slug}/tax-consultation" data-mode="{mode}" data-lang="{lang}"
  data-zone="UTC" data-name="Jo"></script>
<p>After it</p>"""


BLOCKED = {
    "enableThirdPartyCookieRestriction": True,
    "disableThirdPartyCookieMetadata": True,
    "disableThirdPartyCookieHeuristics": True,
}
"""Cookies of sites in frames, in the words of Chromium."""


def site_of(base: str, desk: Desk, mode: str, lang: str) -> ASGIApp:
    """Another site with a page that shows a type of the organization. In its query is what the page's looks
    are."""

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        scheme = scope["query_string"].decode().replace("+", " ")
        page = HOST.format(base=base, slug=desk.org.slug, mode=mode, lang=lang, scheme=scheme)
        await HTMLResponse(page)(scope, receive, send)

    return site


@pytest.fixture(params=["inline"])
async def elsewhere(
    request: pytest.FixtureRequest, chromium: Browser, app: FastAPI, desk: Desk, clock: StoppedClock
) -> AsyncIterator[Elsewhere]:
    """A window at that site, which the organization has named. There, frames have no cookies."""
    async with served(app) as base, served(site_of(base, desk, request.param, "en")) as other:
        origin = other.replace("127.0.0.1", "localhost")
        await desk.set_organization(embed_origins=[origin])
        async with visiting(chromium, origin) as visit:
            visitor = await visit()
            browsers = await visitor.page.context.new_cdp_session(visitor.page)
            await browsers.send("Network.setCookieControls", BLOCKED)
            await visitor.go("/")
            yield Elsewhere(visitor, clock)


@on_sqlite
async def test_a_visitor_books_on_the_other_site(elsewhere: Elsewhere) -> None:
    page, frame = elsewhere.page, elsewhere.frame
    await frame.locator("h1").wait_for()
    assert await page.locator("iframe").get_attribute("title") == "Book an appointment"
    await elsewhere.book()
    await page.wait_for_function("heard.length >= 2")
    heard = await page.evaluate("heard")
    assert {kind for kind, _ in heard} == {"event", "message"}
    assert len({id_ for _, id_ in heard}) == 1
    assert heard[0][1].startswith("apt_")
    manage = frame.get_by_role("link", name="See, move or cancel it")
    assert await manage.get_attribute("target") == "_top"
    assert await page.context.cookies() == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


@on_sqlite
@pytest.mark.parametrize(
    ("scheme", "theme"), [("", "light"), ("light", "light"), ("dark", "dark"), ("light+dark", None)]
)
async def test_it_is_dark_only_on_a_site_that_may_be(
    elsewhere: Elsewhere, scheme: str, theme: str | None
) -> None:
    await elsewhere.visitor.go(f"/?{scheme}")
    await elsewhere.frame.locator("h1").wait_for()
    assert await elsewhere.frame.locator("html").get_attribute("data-theme") == theme


@on_sqlite
async def test_from_there_it_leads_to_the_appointment_to_move_and_cancel_it(elsewhere: Elsewhere) -> None:
    page = elsewhere.page
    await elsewhere.book()
    await elsewhere.frame.get_by_role("link", name="See, move or cancel it").click()
    await page.wait_for_url("**/manage/*booked=1")
    await page.get_by_role("link", name="Move it").click()
    await page.locator("button[name=start]").first.click()
    await page.wait_for_url("**/manage/*moved=1")
    await page.get_by_role("link", name="Cancel it").click()
    await page.get_by_role("button", name="Cancel this appointment").click()
    await page.locator("[data-state=cancelled]").wait_for()
    assert await page.context.cookies() == []


@on_sqlite
async def test_the_page_is_as_high_as_what_is_in_it(elsewhere: Elsewhere) -> None:
    page, frame = elsewhere.page, elsewhere.frame
    await frame.locator("h1").wait_for()
    await page.wait_for_function("document.querySelector('.kalends p').hidden")
    for size in (DESK, PHONE):
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        body = frame.locator("body")
        await page.wait_for_timeout(300)
        content = await body.evaluate("() => Math.ceil(document.body.getBoundingClientRect().height)")
        assert await elsewhere.height() == content
        assert await body.evaluate(
            "() => document.documentElement.scrollHeight <= innerHeight"
            " && document.documentElement.scrollWidth <= innerWidth"
        )
        assert not await elsewhere.visitor.is_too_wide()


@on_sqlite
@pytest.mark.parametrize("elsewhere", ["button"], indirect=True)
async def test_a_button_opens_it_in_a_dialog_that_escape_closes(elsewhere: Elsewhere) -> None:
    page, frame = elsewhere.page, elsewhere.frame
    dialog = page.get_by_role("dialog", name="Book an appointment")
    button = page.get_by_role("button", name="Book an appointment")
    assert await page.locator("iframe").get_attribute("src") is None  # nothing is loaded before it is wanted
    await button.focus()
    await elsewhere.visitor.press("Enter")
    await dialog.wait_for()
    await frame.locator("h1").wait_for()
    await frame.locator("select, a, button").first.focus()
    await elsewhere.visitor.press("Escape")
    await dialog.wait_for(state="hidden")
    assert await elsewhere.visitor.focused() == "Book an appointment"
    await elsewhere.visitor.press("Enter")
    await elsewhere.book()
    await page.get_by_role("button", name="Close").click()
    await dialog.wait_for(state="hidden")
    assert await page.evaluate("heard.length") == 2


@on_sqlite
async def test_a_site_that_is_not_named_shows_a_link(chromium: Browser, app: FastAPI, desk: Desk) -> None:
    async with served(app) as base, served(site_of(base, desk, "inline", "de")) as other:
        page = await chromium.new_page()
        async with page.expect_console_message() as told:
            await page.goto(other.replace("127.0.0.1", "localhost"))
        assert "frame-ancestors" in (await told.value).text
        link = page.get_by_role("link", name="Termin buchen")
        assert await link.is_visible()
        address = await link.get_attribute("href")
        assert address == f"{base}/{desk.org.slug}/{TYPE}?lang=de&zone=UTC&name=Jo&theme=light"
        await page.close()
