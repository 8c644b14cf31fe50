"""Who reads pages gets refusals as pages, in their language; programs get JSON."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.core.errors import Unavailable
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.databases import on_sqlite
from tests.web.browsers import HTML, OURS, browser_of
from tests.web.staff import links_in, staff_at

pytestmark = [pytest.mark.anyio, on_sqlite]


def shown(answer: httpx.Response, status: int, words: str) -> None:
    """Assert that an answer is a page with these words."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words in answer.text
    assert answer.text.startswith("<!DOCTYPE html>")
    if "content-encoding" not in answer.headers:
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-robots-tag"] == "noindex"


async def test_an_unknown_path_is_a_page(browser: httpx.AsyncClient) -> None:
    shown(await browser.get("/nothing"), 404, "<h1>There is nothing here</h1>")
    shown(await browser.get("/static/book.0000000000000000.css"), 404, "nothing here")
    shown(await browser.get("/nobody/theme.css"), 404, "nothing here")


@pytest.mark.parametrize(
    ("accepted", "html"),
    [
        (HTML, True),
        ("text/html", True),
        ("application/json, text/html;q=0.5", True),
        ("application/xhtml+xml", True),
        ("text/html;q=0", False),
        ("text/html;q=0.0, */*", False),
        ("*/*", False),
        ("application/json", False),
        ("text/htmlx", False),
        ("", False),
    ],
)
async def test_only_who_names_html_reads_pages(browser: httpx.AsyncClient, accepted: str, html: bool) -> None:
    answer = await browser.get("/nothing", headers={"Accept": accepted})
    if html:
        shown(answer, 404, "nothing here")
    else:
        refused(answer, 404, "not_found")


async def test_paths_of_programs_stay_json(browser: httpx.AsyncClient) -> None:
    refused(await browser.get("/v1/public/nobody"), 404, "not_found")
    refused(await browser.get("/docs/nothing"), 404, "not_found")
    refused(await browser.post("/healthz"), 405, "method_not_allowed")
    refused(await browser.get("/metrics"), 404, "not_found")


async def test_a_method_that_a_page_does_not_know(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/robots.txt", headers=OURS)
    shown(answer, 405, "can&#39;t be used like that")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_a_form_that_is_too_large(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/nothing", headers=OURS, content=b"x" * 300_000)
    shown(answer, 413, "larger than we accept")


@pytest.mark.parametrize(
    ("language", "words", "tag"),
    [
        ("de-AT", "Hier ist nichts", "de-AT"),
        ("es-MX,es;q=0.9", "Aquí no hay nada", "es-MX"),
        ("fr", "Il n’y a rien ici", "fr"),
        ("pt-BR", "Aqui não há nada", "pt-BR"),
        ("zh", "There is nothing here", "en"),
        ("en-XX", "There is nothing here", "en"),
    ],
)
async def test_refusals_are_in_the_readers_language(
    browser: httpx.AsyncClient, language: str, words: str, tag: str
) -> None:
    answer = await browser.get("/nothing", headers={"Accept-Language": language})
    shown(answer, 404, words)
    assert answer.headers["content-language"] == tag
    assert f'<html lang="{tag}" dir="ltr">' in answer.text
    assert "Accept-Language" in answer.headers["vary"]


async def test_what_is_asked_for_is_kept_in_links_and_never_echoed_raw(browser: httpx.AsyncClient) -> None:
    answer = await browser.get('/"><script>', params={"lang": "de", "theme": "dark", "name": '"><script>'})
    shown(answer, 404, "Hier ist nichts")
    assert 'data-theme="dark"' in answer.text
    assert "<script>" not in answer.text
    assert 'href="/%22%3E%3Cscript%3E?lang=fr&amp;theme=dark&amp;name=%22%3E%3Cscript%3E"' in answer.text


async def test_an_address_with_two_slashes_leads_to_no_other_host(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("http://kalends.test//evil.example/x")
    shown(answer, 404, 'href="/evil.example/x?lang=fr"')
    assert '"//' not in answer.text


@pytest.fixture
async def narrow(url: str) -> AsyncIterator[FastAPI]:
    """A server that answers five requests an hour."""
    app = create_app(Settings(database_url=url, worker=False, public_requests_per_hour=5))
    async with app.router.lifespan_context(app):
        yield app


async def test_too_many_requests_are_a_page_that_says_when_to_come_back(narrow: FastAPI) -> None:
    async with browser_of(narrow) as browser:
        for _ in range(5):
            assert (await browser.get("/nothing")).status_code == 404
        answer = await browser.get("/nothing")
        shown(answer, 429, "Please try again in ")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["x-ratelimit-remaining"] == "0"
        refused(await browser.get("/nothing", headers={"Accept": "*/*"}), 429, "rate_limited")
        assert (await browser.get("/robots.txt")).status_code == 200


async def test_a_defect_and_an_outage_are_pages_too(app: FastAPI, browser: httpx.AsyncClient) -> None:
    from kalends.core.errors import OutcomeUnknown, Unavailable

    async def defect() -> None:
        raise RuntimeError

    async def outage() -> None:
        raise Unavailable

    async def unclear() -> None:
        raise OutcomeUnknown

    app.add_api_route("/admin/defect", defect)
    app.add_api_route("/admin/outage", outage)
    app.add_api_route("/admin/unclear", unclear)
    shown(await browser.get("/admin/defect"), 500, "This is our mistake")
    answer = await browser.get("/admin/outage")
    shown(answer, 503, "Please try again in 2 seconds.")
    assert answer.headers["retry-after"] == "2"
    shown(await browser.get("/admin/unclear"), 503, "Please look whether it was done")


async def test_a_refusal_shows_where_the_page_is_embedded(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/nothing", params={"embed": "1"})
    assert answer.headers["content-security-policy"].endswith("frame-ancestors *")


@pytest.mark.parametrize("scopes", [("admin",), ("read",)])
async def test_staff_who_are_signed_in_keep_their_menu(app: FastAPI, scopes: tuple[str, ...]) -> None:
    staff = await staff_at(app, scopes=scopes)
    for path, status in (("/staff/nothing", 404), ("/staff/appointments/apt_nothing", 404)):
        answer = await staff.open(path)
        shown(answer, status, "<h1>There is nothing here</h1>")
        assert links_in(answer, "/staff/settings") == ["/staff/settings"]
        assert links_in(answer, "/staff")[-1] == "/staff"
    shown(await staff.open("/staff/settings/people"), 403 if scopes == ("read",) else 200, "Pages for staff")
    shown(await staff.browser.put("/staff/list", headers=OURS), 405, "Pages for staff")
    # Not on pages for clients, nor for those who are not signed in.
    assert "Pages for staff" not in (await staff.open("/nothing")).text
    async with browser_of(app) as stranger:
        stranger.cookies.set("kalends", "x")
        assert "Pages for staff" not in (await stranger.get("/staff/nothing")).text


async def test_the_menu_needs_no_database(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    staff = await staff_at(app)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(app.state.context.database, "read", away)
        page = await staff.open("/staff/settings/types")
        shown(page, 503, "Just a moment, please")
        assert "Pages for staff" in page.text
    monkeypatch.setattr(app.state.context.members, "get", away)
    page = await staff.open("/staff/settings/types")
    shown(page, 503, "Just a moment, please")
    assert "Pages for staff" not in page.text
