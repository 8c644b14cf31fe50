"""A client with the link of their appointment, without JavaScript."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.desk import APPOINTMENTS, LINKS, START, Desk
from tests.web.browsers import OURS
from tests.web.clients import Client


@dataclass
class Owner:
    """Somebody in front of a browser who follows the link to their appointment."""

    desk: Desk
    browser: httpx.AsyncClient
    id: str
    """Of the appointment."""
    token: str

    @property
    def path(self) -> str:
        """Of the page behind the link."""
        return f"/manage/{self.token}"

    async def open(self, path: str = "", /, **query: str) -> httpx.Response:
        """Open the page, or one below it."""
        return await self.browser.get(f"{self.path}{path}", params=query)

    async def send(
        self, path: str, /, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Send a form."""
        return await self.browser.post(f"{self.path}{path}", data=fields, headers=OURS | (headers or {}))

    async def seen(self) -> dict[str, Any]:
        """The appointment as staff see it."""
        return await self.desk.get(self.id)

    async def ask(self, question: str = "", /, **query: str) -> Any:
        """What the API answers about the same link."""
        answer = await self.desk.client.get(f"{LINKS}/{self.token}{question}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def version_on(page: httpx.Response) -> str:
    """The version of the appointment of which the forms of a page say that its client has seen it."""
    [version] = set(re.findall(r'<input type="hidden" name="version" value="([^"]*)">', page.text))
    return str(version)


async def owner_of(client: Client, start: str = START, **fields: Any) -> Owner:
    """A client who has booked."""
    booked = await client.desk.booked_by_client(**{"start_time": start} | fields)
    return Owner(client.desk, client.browser, booked["appointment"]["id"], booked["manage_token"])


async def owner_by_staff(client: Client, start: str = START, **fields: Any) -> Owner:
    """A client for whom staff have booked, and who was given a link."""
    booked = await client.desk.booked(start, **fields)
    made = await client.desk.staff.post(f"{APPOINTMENTS}/{booked['id']}/manage-link")
    return Owner(client.desk, client.browser, booked["id"], made.json()["manage_token"])
