"""Every kind of page in a real browser: nothing hinders people, and browsers complain of nothing, in both
schemes of colours, on small and on large screens, from left to right and from right to left."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from itertools import chain, cycle, product
from typing import NamedTuple

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from kalends.web import pages
from tests.support.browser import DESK, LARGE_PHONE, PHONE, Visit, Visitor
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import open_desk
from tests.support.right_to_left import arabic
from tests.support.sights import Sight, Walk
from tests.web.browsers import OURS
from tests.web.staff import enter

pytestmark = [pytest.mark.anyio, on_sqlite, pytest.mark.slow]

SLOWEST_MS = 60_000
"""How long a page may take, of many that are looked at at once."""
MOST_WINDOWS = 4
SMALLEST = 24
"""Pixels of what can be clicked, in both directions."""


class Look(NamedTuple):
    """How somebody sees a page."""

    scheme: str
    width: int
    language: str


SCREENS = {each["width"]: each for each in (PHONE, LARGE_PHONE, DESK)}
LANGUAGES = ("de", "ar")
LOOKS = [Look(*each) for each in product(("light", "dark"), SCREENS, LANGUAGES)]
TOO_SMALL = """(smallest) => {
  const inText = (each) => getComputedStyle(each).display === "inline" && each.closest("p, li, dd");
  const target = (each) => (each.type === "checkbox" && each.closest("label")) || each;
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  return [...document.querySelectorAll(all)]
    .filter((each) => each.checkVisibility() && !each.closest("[aria-hidden=true], .skip") && !inText(each))
    .filter((each) => {
      const { width, height } = target(each).getBoundingClientRect();
      return width < smallest || height < smallest;
    })
    .map((each) => `too small: ${each.outerHTML.slice(0, 200)}`);
}"""
"""What can be clicked and is smaller than that, but for links in sentences, which WCAG 2.5.8 leaves alone."""
SEND = """([action, fields]) => {
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { action, method: "post" });
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  form.submit();
}"""


SEEN_ELSEWHERE = {
    "staff/request.html",  # behind a link in a mail: test_staff_requests.py looks at it
    "staff/unencrypted.html",  # where a server that should be encrypted is visited without
}
"""The pages that are not among those of `Walk`."""


class Window(NamedTuple):
    """A window of the browser, which shows pages as somebody sees them."""

    visitor: Visitor
    look: Look

    async def see(self, sight: Sight) -> None:
        """Come to a page."""
        path = f"{sight.path}{'&' if '?' in sight.path else '?'}lang={self.look.language}"
        if sight.form is None:
            status = (await self.visitor.go(path)).status
        else:
            await self.visitor.go(f"/nothing?lang={self.look.language}")
            async with self.visitor.page.expect_navigation() as leading:
                await self.visitor.page.evaluate(SEND, [path, dict(sight.form)])
            answer = await leading.value
            assert answer is not None
            status = answer.status
        assert status == sight.status, sight.name
        direction = await self.visitor.page.evaluate("() => document.dir")
        assert direction == ("rtl" if self.look.language == "ar" else "ltr"), sight.name

    async def faults(self) -> list[str]:
        """Return what is wrong with the page as it is now."""
        found = await self.visitor.violations()
        found += await self.visitor.page.evaluate(TOO_SMALL, SMALLEST)
        if await self.visitor.is_too_wide():
            found.append("too wide")
        foreign = [each for each in self.visitor.requests if not each.startswith(self.visitor.base)]
        found += self.visitor.troubles + [f"foreign: {each}" for each in foreign]
        self.visitor.troubles.clear()
        return found


@pytest.fixture
async def app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    """An application that would send mails, if its worker worked."""
    settings = Settings(database_url=url, worker=False, smtp_host="127.0.0.1", smtp_from="desk@example.com")
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def walk(app: FastAPI, clock: StoppedClock) -> Walk:
    desk = await open_desk(app)
    return Walk(desk.staff, desk.client, desk.org.slug, clock.now())


@pytest.fixture
async def sights(walk: Walk) -> AsyncIterator[list[Sight]]:
    with arabic():
        yield await walk.sights()


async def seen(visit: Visit, walk: Walk, pages: Iterable[tuple[Sight, Look]]) -> list[str]:
    """Return what is wrong with pages, each of them in a look."""
    by_window: dict[tuple[str, int], list[tuple[Sight, Look]]] = defaultdict(list)
    for sight, look in pages:
        by_window[look.scheme, look.width].append((sight, look))
    at_once = asyncio.Semaphore(MOST_WINDOWS)

    async def look_around(scheme: str, width: int, own: list[tuple[Sight, Look]]) -> list[str]:
        async with at_once:
            return await _seen(walk, await visit(color_scheme=scheme, viewport=SCREENS[width]), own)

    found = await asyncio.gather(*(look_around(*kind, own) for kind, own in by_window.items()))
    return list(chain(*found))


async def _seen(walk: Walk, visitor: Visitor, pages: list[tuple[Sight, Look]]) -> list[str]:
    """Return what is wrong with those that are seen in one window. Whoever is signed in does not see what
    others see, such as the page to sign in, so that comes first."""
    visitor.page.set_default_timeout(SLOWEST_MS)
    has_entered = False
    found = []
    for sight, look in sorted(pages, key=lambda each: each[0].for_staff):
        if sight.for_staff and not has_entered:
            await enter(visitor, await walk.entry())
            has_entered = True
        window = Window(visitor, look)
        await window.see(sight)
        found += [f"{sight.name}, {look}: {each}" for each in await window.faults()]
    return found


async def test_every_kind_of_page_is_among_them(
    walk: Walk, sights: list[Sight], browser: httpx.AsyncClient
) -> None:
    pages.environment.cache_clear()
    for for_staff in (False, True):
        if for_staff:
            await browser.post(await walk.entry(), headers=OURS)
        for each in sights:
            if each.for_staff == for_staff:
                method = "GET" if each.form is None else "POST"
                answer = await browser.request(method, each.path, data=each.form, headers=OURS)
                assert answer.status_code == each.status, each.name
    environment = pages.environment("en")
    assert environment.cache is not None
    rendered = {name for _, name in environment.cache}
    extending = {
        name for name in environment.list_templates() if "{% extends" in (pages.FOLDER / name).read_text()
    }
    assert extending - rendered == SEEN_ELSEWHERE


async def test_nothing_hinders_people(visit: Visit, walk: Walk, sights: list[Sight]) -> None:
    """Each page once, in looks that take turns."""
    pages = list(zip(sights, cycle(LOOKS), strict=False))
    assert {look for _, look in pages} == set(LOOKS)
    wrong = await seen(visit, walk, pages)
    assert not wrong, "\n".join(wrong)


@pytest.mark.torture
@pytest.mark.parametrize("language", LANGUAGES)  # the same form in another language would be another form
async def test_nothing_hinders_anybody(visit: Visit, walk: Walk, sights: list[Sight], language: str) -> None:
    looks = [look for look in LOOKS if look.language == language]
    pages = list(product(sights, looks))
    wrong = await seen(visit, walk, pages)
    assert not wrong, "\n".join(wrong)
    of_staff = sum(each.for_staff for each in sights)
    print(
        f"{len(sights)} kinds of pages ({of_staff} of staff) in {len(looks)} looks, {len(pages)} in all: "
        "nothing is wrong"
    )


BREAK = """() => {
  const small = document.querySelector("main").appendChild(document.createElement("button"));
  const pale = document.querySelector("main").appendChild(document.createElement("p"));
  const wide = document.querySelector("main").appendChild(document.createElement("pre"));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("#small { all: unset; font-size: 8px } #pale { color: #999; background: #aaa }");
  document.adoptedStyleSheets.push(sheet);
  [small.id, pale.id] = ["small", "pale"];
  [pale.textContent, wide.textContent] = ["Pale", "wide ".repeat(400)];
  console.error("broken");
  new Image().src = "https://foreign.example/pixel";
}"""


async def test_what_is_broken_on_purpose_is_caught(visit: Visit, sights: list[Sight]) -> None:
    look = Look("light", PHONE["width"], "de")
    window = Window(await visit(viewport=PHONE), look)
    await window.see(sights[0])
    assert await window.faults() == []
    await window.visitor.page.evaluate(BREAK)
    found = [each.partition(":")[0] for each in await window.faults()]
    assert {"button-name", "color-contrast", "too small", "too wide", "error", "foreign"} <= set(found)
