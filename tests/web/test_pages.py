"""Pages as they are put together: what every page has, and the files that it shows."""

import re
from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import update

from kalends.app import create_app
from kalends.core.errors import AlreadyExists
from kalends.db.database import Database, Tx
from kalends.db.tables import organizations, slugs
from kalends.schemas.organizations import OrganizationChange
from kalends.services.outbox.parties import staff
from kalends.services.setup.organizations import RESERVED_SLUGS, change
from kalends.settings import Settings
from kalends.web.assets import assets
from kalends.web.pages import About, Site, environment, render
from kalends.web.readers import Reader
from kalends.web.themes import DEFAULT, theme
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.organizations import Org
from tests.web.browsers import browser_of

pytestmark = pytest.mark.anyio

SITE = Site(
    "Sun & Co",
    "/sun",
    logo="/sun/logo?v=1",
    theme="/sun/theme.css?v=123456",
    privacy_url="https://sun.example/privacy",
    terms_url="https://sun.example/terms",
)


def shown(about: About, site: Site | None = None, tag: str = "en-GB", **asked: str) -> str:
    """A page with a heading and a sentence."""
    reader = Reader(tag, asked, "/sun", asked)
    return bytes(render("refusal.html", reader, about, site, sentence="Hello", again=None).body).decode()


def headers_of(about: About, embed: str = "0", **what: object) -> Mapping[str, str]:
    reader = Reader("de", {"embed": embed} if embed == "1" else {})
    return render("refusal.html", reader, about, sentence="", again=None, **what).headers  # type: ignore[arg-type]


# What every page has.


def test_a_page_says_whose_it_is_and_what_it_is_about() -> None:
    page = shown(About("Tax & more", "Book <here>"), SITE)
    assert page.startswith('<!DOCTYPE html>\n<html lang="en-GB" dir="ltr">')
    assert "<title>Tax &amp; more – Sun &amp; Co</title>" in page
    assert '<meta name="description" content="Book &lt;here&gt;">' in page
    assert '<a class="brand" href="/sun"><img src="/sun/logo?v=1" alt="" height="40">' in page
    assert '<link rel="stylesheet" href="/sun/theme.css?v=123456">' in page
    assert '<a href="https://sun.example/privacy" target="_blank" rel="noopener">Privacy</a>' in page
    assert '<a href="https://sun.example/terms" target="_blank" rel="noopener">Terms</a>' in page
    assert '<a class="skip" href="#main">' in page
    assert page.count("<main ") == page.count("<h1>") == 1


def test_a_page_without_an_organization_has_nothing_of_one() -> None:
    page = shown(About("Sun"))
    assert "<title>Sun</title>" in page
    for each in ("brand", "theme.css", "<footer", "description"):
        assert each not in page
    assert "<title>Sun &amp; Co</title>" in shown(About("Sun & Co"), SITE)


def test_only_a_page_with_an_address_of_its_own_is_told_to_search_engines() -> None:
    about = About(
        "Tax", "Book", "https://book.example/sun/tax", "https://book.example/sun/logo", indexed=True
    )
    page = shown(about, SITE)
    assert '<link rel="canonical" href="https://book.example/sun/tax">' in page
    assert '<link rel="alternate" hreflang="de" href="https://book.example/sun/tax?lang=de">' in page
    assert '<meta property="og:image" content="https://book.example/sun/logo">' in page
    assert "noindex" not in page
    assert "x-robots-tag" not in headers_of(about)
    page = shown(About("Tax"))
    assert '<meta name="robots" content="noindex">' in page
    assert "canonical" not in page
    assert headers_of(About("Tax"))["x-robots-tag"] == "noindex"


def test_the_look_that_was_asked_for() -> None:
    assert '<html lang="en-GB" dir="ltr" data-theme="dark" data-embedded>' in shown(
        About("Tax"), theme="dark", embed="1"
    )


def test_languages_are_links_that_keep_the_rest() -> None:
    page = shown(About("Tax"), zone="Asia/Tokyo", lang="de")
    links = re.findall(r'<a href="([^"]*)" lang="(\w+)" hreflang="\2"( aria-current="true")?>(\w+)</a>', page)
    assert [(lang, name) for _, lang, _, name in links] == [
        ("en", "English"),
        ("es", "Español"),
        ("fr", "Français"),
        ("de", "Deutsch"),
        ("pt", "Português"),
    ]
    assert {href for href, lang, _, _ in links if lang == "fr"} == {"/sun?zone=Asia%2FTokyo&amp;lang=fr"}
    assert [lang for _, lang, current, _ in links if current] == ["en"]


def test_a_page_tells_its_language_and_who_may_embed_it() -> None:
    headers = headers_of(About("Tax"), embed="1", embedders=["https://sun.example"], status=409)
    assert headers["content-language"] == "de"
    assert headers["vary"] == "Accept-Language"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].endswith("frame-ancestors https://sun.example")
    assert "content-security-policy" not in headers_of(About("Tax"), embed="1")
    assert "content-security-policy" not in headers_of(About("Tax"), embedders=["https://sun.example"])


# Parts.


def part(source: str, language: str = "en") -> str:
    return environment(language).from_string(source).render()


def test_a_field_says_what_it_is_and_what_is_wrong() -> None:
    page = part(
        '{% from "parts/field.html" import field %}'
        '{{ field("name", "Your <name>", "Ja\\"ne", problem="is required", hint="In full", required=True,'
        ' autocomplete="name", maxlength=255) }}'
    )
    assert (
        '<label for="name">Your &lt;name&gt; <span class="star" aria-hidden="true">*</span></label>' in page
    )
    [field] = re.findall(r"<input[^>]*>", page)
    for each in (
        'type="text"',
        'id="name"',
        'name="name"',
        'value="Ja&#34;ne"',
        " required",
        'aria-invalid="true"',
        'aria-describedby="name-hint name-problem"',
        'autocomplete="name"',
        'maxlength="255"',
    ):
        assert each in field
    assert '<p class="problem" id="name-problem">is required</p>' in page
    assert '<p class="hint" id="name-hint">In full</p>' in page


@pytest.mark.parametrize(
    ("arguments", "markup"),
    [
        ('"a", "A", "x\ny", type="textarea"', '<textarea rows="4" id="a" name="a">\nx\ny</textarea>'),
        ('"a", "A", "B", type="select", options=["A", "B"]', '<option value="B" selected>B</option>'),
        ('"a", "A", "", type="select", options=["A"]', '<option value="">Bitte wählen</option>'),
        ('"a", "A", True, type="checkbox"', '<input type="checkbox" value="1" id="a" name="a" checked>'),
        ('"a", "A", False, type="checkbox"', '<input type="checkbox" value="1" id="a" name="a">'),
        ('"a", "A", "3", type="number"', '<input type="number" value="3" id="a" name="a">'),
    ],
)
def test_fields_of_every_kind(arguments: str, markup: str) -> None:
    page = part('{% from "parts/field.html" import field %}{{ field(' + arguments + ") }}", "de")
    assert markup in page


def test_the_alert_leads_to_what_is_wrong() -> None:
    page = part(
        '{% from "parts/alert.html" import alert %}'
        '{{ alert("Oh <no>", [("name", "Name is required"), (None, "It is late")]) }}'
        '{% call alert("Taken") %}<p>Others:</p>{% endcall %}'
    )
    assert 'role="alert" tabindex="-1" autofocus' in page
    assert "<h2>Oh &lt;no&gt;</h2>" in page
    assert '<li><a href="#name">Name is required</a></li>' in page
    assert "<li>It is late</li>" in page
    assert "<p>Others:</p>" in page


# Files.


@on_sqlite
async def test_files_have_addresses_that_never_change_their_contents(browser: httpx.AsyncClient) -> None:
    for name, asset in assets().items():
        answer = await browser.get(f"/static/{asset.address}")
        assert answer.content == asset.content
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == asset.media_type
        for other in (name, asset.address.replace(".", ".0", 1), f"..%2F{name}", f"../templates/{name}"):
            assert (await browser.get(f"/static/{other}")).status_code == 404
    page = (await browser.get("/nothing")).text
    for name in ("book.css", "book.js", "icon.svg"):
        assert f"/static/{assets()[name].address}" in page


@on_sqlite
async def test_the_colours_of_an_organization(browser: httpx.AsyncClient, org: Org) -> None:
    path = f"/{org.slug}/theme.css"
    answer = await browser.get(path, params={"v": DEFAULT[1:]})
    assert answer.text == theme(DEFAULT)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get(path, params={"v": "other"})).headers["cache-control"] == "no-cache"


@on_sqlite
async def test_browsers_and_crawlers_find_what_they_ask_for_unasked(browser: httpx.AsyncClient) -> None:
    icon = await browser.get("/favicon.ico")
    assert icon.headers["content-type"] == "image/svg+xml"
    robots = await browser.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert "Disallow: /manage/\nDisallow: /staff/\n" in robots.text
    assert "Disallow: /\n" not in robots.text  # or no crawler would read that a page is not to be kept


# Slugs in paths.


@on_sqlite
async def test_a_former_slug_leads_to_the_present_one(
    browser: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    new = f"{org.slug[:40]}-new"
    wish = OrganizationChange(slug=new)
    await db.write(change, staff(org.caller), wish, clock.now())
    answer = await browser.get(f"/{org.slug}/theme.css?v=1")
    assert (answer.status_code, answer.headers["location"]) == (308, f"/{new}/theme.css?v=1")


@on_sqlite
async def test_a_reserved_slug_is_no_organizations(browser: httpx.AsyncClient) -> None:
    for slug in sorted(RESERVED_SLUGS - {"v1", "docs", "manage"}):
        answer = await browser.get(f"/{slug}/theme.css", headers={"Accept": "*/*"})
        assert answer.json()["error"] in ("There is no such path.", "There is no such file."), slug
    for slug in ("UPPER", "-a", "a" * 64, "a b", "a.b", "%00"):
        answer = await browser.get(f"/{slug}/theme.css", headers={"Accept": "*/*"})
        assert answer.json()["error"] == "There is no such path.", slug


@on_sqlite
async def test_an_organization_that_had_a_reserved_slug_keeps_it_and_may_take_another(
    browser: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    def had(tx: Tx) -> None:
        for table in (slugs, organizations):
            own = (table.c.org_id if table is slugs else table.c.id) == org.id
            tx.execute(update(table).where(own).values(slug="staff"))

    await db.write(had)
    assert (await browser.get("/v1/public/staff")).status_code == 200
    assert (await browser.get("/staff/theme.css")).status_code == 404
    party = staff(org.caller)
    await db.write(change, party, OrganizationChange(name="Sun", slug="staff"), clock.now())
    for reserved in sorted(RESERVED_SLUGS - {"staff"}):
        with pytest.raises(AlreadyExists):
            await db.write(change, party, OrganizationChange(slug=reserved), clock.now())
    await db.write(change, party, OrganizationChange(slug="sun-clinic"), clock.now())
    assert (await browser.get("/sun-clinic/theme.css")).status_code == 200
    moved = await browser.get("/v1/public/staff")
    assert (moved.status_code, moved.headers["location"]) == (308, "/v1/public/sun-clinic")


@on_sqlite
async def test_pages_work_below_a_path(url: str) -> None:
    settings = Settings(database_url=url, worker=False, public_url="https://clinic.example/our%20clinic")
    app = create_app(settings)
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        for prefix in ("", "/our clinic"):  # whether or not the proxy takes it off
            page = (await browser.get(f"{prefix}/nothing")).text
            addresses = re.findall(r'(?:href|src)="(/[^"]*)"', page)
            assert len(addresses) == 8
            assert all(each.startswith("/our%20clinic/") for each in addresses)
            for each in addresses:
                assert (await browser.get(each)).status_code == (404 if "nothing" in each else 200)
