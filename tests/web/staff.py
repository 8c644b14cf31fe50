"""Staff in front of a browser, signed in, without JavaScript."""

import html
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from tests.support.browser import Visitor
from tests.support.desk import Desk, open_desk
from tests.web.browsers import OURS, browser_of
from tests.web.clients import main_of, words_of

ME = "Ana Pereira"
"""How somebody is called who works there."""
DAY = "/staff/day/2024-01-25"
"""The page of the day on which tests book (`desk.THURSDAY`)."""


@dataclass
class Staff:
    """Somebody who works at an organization, and its desk."""

    desk: Desk
    browser: httpx.AsyncClient

    async def open(self, path: str = DAY, /, **query: str) -> httpx.Response:
        """Open a page."""
        return await self.browser.get(path, params=query or None)

    async def see(self, path: str = DAY, /, **query: str) -> httpx.Response:
        """Open a page that is there."""
        answer = await self.open(path, **query)
        assert answer.status_code == 200, words_of(answer)
        return answer

    async def send(self, path: str, /, **fields: str | list[str]) -> httpx.Response:
        """Send a form."""
        return await self.browser.post(path, data=fields, headers=OURS)

    async def do(self, path: str, /, **fields: str | list[str]) -> str:
        """Send a form that is accepted. Returns where it leads."""
        answer = await self.send(path, **fields)
        assert answer.status_code == 303, words_of(answer)
        return answer.headers["location"]


def lines_of(answer: httpx.Response) -> dict[str, list[str]]:
    """What stands in each column of a day, or on each day of a week, in the order of the page."""
    found = {}
    for section in re.findall(r"<section.*?</section>", main_of(answer), re.DOTALL):
        heading = re.findall(r"<h2[^>]*>(.*?)</h2>", section, re.DOTALL)[0]
        lines = re.findall(r'<li class="line[^>]*>(.*?)</li>', section, re.DOTALL)
        found[_plain(heading)] = [_plain(each) for each in lines]
    return found


def reasons_in(answer: httpx.Response) -> list[str]:
    """What the box lists that says why something was refused."""
    box = re.findall(r'<div class="alert".*?</div>', main_of(answer), re.DOTALL)[0]
    return [_plain(each) for each in re.findall(r"<li>(.*?)</li>", box, re.DOTALL)]


def fields_in(answer: httpx.Response, form: str) -> dict[str, str]:
    """What the form with this id would send as it is: fields that are typed into, hidden ones, choices."""
    page = re.findall(rf'<form id="{form}".*?</form>', main_of(answer), re.DOTALL)[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        fields = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if fields.get("type") not in ("checkbox", "radio") or tag.endswith(" checked>"):
            found[fields["name"]] = fields.get("value", "")
    found |= dict(re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL))
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        found[name] = next(iter(re.findall(r'value="([^"]*)"[^>]* selected', options)), "")
    return {html.unescape(name): html.unescape(value) for name, value in found.items()}


def buttons_in(answer: httpx.Response) -> list[str]:
    """What can be pressed on a page, but for links."""
    found = re.findall(r"<button[^>]*>(.*?)</button>", main_of(answer), re.DOTALL)
    return [_plain(each) for each in found]


def free_in(answer: httpx.Response) -> list[str]:
    """The free times of a day from which one can be chosen, as their buttons send them."""
    return re.findall(r'<button[^>]*name="chosen" value="([^"]*)"', answer.text)


def links_in(answer: httpx.Response, below: str) -> list[str]:
    """Where links of a page lead that begin with a path."""
    found = re.findall(r'<a [^>]*href="([^"]*)"', answer.text)
    return [html.unescape(each) for each in found if html.unescape(each).startswith(below)]


def secret_of(answer: httpx.Response) -> str | None:
    """What a page shows once."""
    found = re.search(r'<input type="text" id="secret" value="([^"]*)"', answer.text)
    return found and html.unescape(found[1])


async def staff_at(app: FastAPI, *, scopes: tuple[str, ...] = ("admin",), **fields: Any) -> Staff:
    """Somebody at a new organization, which is open from nine to five."""
    desk = await open_desk(app, **fields)
    return await entered(app, desk, *scopes)


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


async def entry_to(desk: Desk, *scopes: str, name: str = ME) -> str:
    """Return the path of a link by which somebody signs in at an organization."""
    wish = {"name": name, "scopes": list(scopes)}
    answer = await desk.staff.post("/v1/people", json=wish)
    assert answer.status_code == 200, answer.text
    return urlsplit(str(answer.json()["enter_url"])).path


async def entered(app: FastAPI, desk: Desk, *scopes: str) -> Staff:
    """Somebody at an organization, with these scopes."""
    browser = browser_of(app)
    answer = await browser.post(await entry_to(desk, *scopes), headers=OURS)
    assert answer.status_code == 303, answer.text
    return Staff(desk, browser)


async def enter(visitor: Visitor, path: str) -> None:
    """Sign in by a link in a window of the real browser."""
    await visitor.go(path)
    await visitor.page.locator("main form button[type=submit]").first.click()
    await visitor.page.wait_for_url(re.compile(r"/staff(/(?!enter)|$)"))


async def signed_in(visitor: Visitor, desk: Desk, *, name: str = ME) -> None:
    """Make a window of the real browser that of somebody who may do everything at an organization."""
    await enter(visitor, await entry_to(desk, "admin", name=name))
