"""A client who books on the pages of an organization, without JavaScript."""

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from tests.support.clock import StoppedClock
from tests.support.desk import Desk, at, open_desk
from tests.web.browsers import OURS

NINE = at("09:00")
TEN = at("10:00")
JANE = {"name": "Jane Doe", "email": "jane@example.com"}

QUESTIONS: list[dict[str, Any]] = [
    {"id": "t", "type": "text", "label": "Tax number", "required": True},
    {"id": "a", "type": "textarea", "label": "Story"},
    {"id": "s", "type": "select", "label": "Meal", "options": ["Fish", "Cheese"]},
    {"id": "c", "type": "checkbox", "label": "Agreed", "required": True},
    {"id": "e", "type": "email", "label": "Adviser"},
    {"id": "p", "type": "phone", "label": "Fax"},
    {"id": "n", "type": "number", "label": "Guests"},
]


def main_of(answer: httpx.Response) -> str:
    """The part of a page that is its own."""
    return answer.text.partition('<main id="main" tabindex="-1">')[2].partition("</main>")[0]


def words_of(answer: httpx.Response) -> str:
    """What is read on a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main_of(answer))).split())


def alert_of(answer: httpx.Response) -> str:
    """The heading of the box that says what went wrong."""
    [heading] = re.findall(r'<div class="alert"[^>]*>\s*<h2>(.*?)</h2>', answer.text, re.DOTALL)
    return html.unescape(heading)


def starts_of(answer: httpx.Response) -> list[str]:
    """The times that a page offers, as its forms send them."""
    return [sent for sent, _ in times_of(answer)]


def times_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """The times that a page offers: what is sent, and what is read."""
    found = re.findall(
        r'<button[^>]*name="(?:start|(?:[a-z]+_)?instead)" value="([^"]*)"[^>]*>([^<]*)</button>', answer.text
    )
    return [(sent, html.unescape(shown)) for sent, shown in found]


def days_of(answer: httpx.Response) -> list[str]:
    """The days of a page on which something is free."""
    return re.findall(r'<a id="d([0-9-]{10})"', answer.text)


def links_of(answer: httpx.Response) -> list[str]:
    """Where a page leads."""
    return [html.unescape(each) for each in re.findall(r'<a [^>]*href="([^"]*)"', main_of(answer))]


def typed_in(answer: httpx.Response) -> dict[str, str]:
    """What the fields of the form for details have in them: what a browser would send."""
    page = answer.text.partition('<form id="details"')[2].partition("</form>")[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        fields = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if fields.get("type") != "checkbox" or tag.endswith(" checked>"):
            found[fields["name"]] = fields.get("value", "")
    found |= dict(re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL))
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        found[name] = "".join(re.findall(r'value="([^"]*)" selected', options))
    return {html.unescape(name): html.unescape(value) for name, value in found.items()}


def token_of(answer: httpx.Response) -> str:
    """The secret of the link to which a browser is led after booking."""
    assert answer.status_code == 303, words_of(answer)
    [token] = re.findall(r"^/manage/([\w-]+)\?booked=1$", answer.headers["location"])
    return str(token)


@dataclass
class Client:
    """Somebody in front of a browser, and the desk of the organization whose pages it shows."""

    desk: Desk
    browser: httpx.AsyncClient
    clock: StoppedClock
    type: str = "tax-consultation"

    @property
    def home(self) -> str:
        return f"/{self.desk.org.slug}"

    @property
    def path(self) -> str:
        """Of the page of the type."""
        return f"{self.home}/{self.type}"

    async def open(self, path: str = "", **query: str) -> httpx.Response:
        """Open a page below that of the type."""
        return await self.browser.get(f"{self.path}{path}", params=query)

    async def send(self, address: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form."""
        return await self.browser.post(address, data=fields, headers=OURS | headers)

    async def choose(self, start: str = NINE, query: str = "", **fields: str) -> httpx.Response:
        """Press the button of a time."""
        return await self.send(f"{self.path}/hold{query}", {"start": start, **fields})

    async def held(self, start: str = NINE, query: str = "", **fields: str) -> str:
        """Press the button of a time, and think for a minute. Returns the address of the form."""
        answer = await self.choose(start, query, **fields)
        assert answer.status_code == 303, words_of(answer)
        self.clock.forward(minutes=1)
        return answer.headers["location"]

    async def fill(self, address: str, **typed: str) -> httpx.Response:
        """Fill in the form at an address, and press the button."""
        page = await self.browser.get(address)
        return await self.send(address, typed_in(page) | typed)

    async def stored(self) -> list[dict[str, Any]]:
        """What staff see booked."""
        found = await self.desk.staff.get("/v1/calendar/appointments")
        appointments: list[dict[str, Any]] = found.json()["appointments"]
        return appointments


async def client_at(app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock, **fields: Any) -> Client:
    """A client of a new organization, which is open from nine to five in UTC."""
    return Client(await open_desk(app, **fields), browser, clock)
