"""Where staff and clients of one organization ask the same questions about free time."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.answers import refused
from tests.support.desk import BASE, THURSDAY, Desk, at

FEBRUARY_TO_MAY = {"from": "2024-02-01", "to": "2024-05-02"}
"""Ninety-two days."""


@dataclass(frozen=True)
class Counter:
    """Where staff and clients of one organization ask the same; the answer to staff comes first."""

    desk: Desk

    async def search(self, **query: str) -> list[httpx.Response]:
        asked = {"appointment_type_id": self.desk.org.type_id, "from": THURSDAY, "to": THURSDAY} | query
        return [
            await self.desk.staff.get(f"{BASE}/slots", params=asked),
            await self.desk.client.get(f"{self.desk.path}/slots", params=asked),
        ]

    async def count(self, **query: str) -> list[httpx.Response]:
        asked = {"appointment_type_id": self.desk.org.type_id, "from": THURSDAY, "to": THURSDAY} | query
        return [
            await self.desk.staff.get(f"{BASE}/days", params=asked),
            await self.desk.client.get(f"{self.desk.path}/days", params=asked),
        ]

    async def explain(self, **query: str) -> list[httpx.Response]:
        asked = {"appointment_type_id": self.desk.org.type_id, "start_time": at("14:00")} | query
        return [
            await self.desk.staff.get(f"{BASE}/slots/explain", params=asked),
            await self.desk.client.get(f"{self.desk.path}/slots/explain", params=asked),
        ]

    async def hold(self, **fields: Any) -> list[httpx.Response]:
        body = {"appointment_type_id": self.desk.org.type_id, "start_time": at("14:00")} | fields
        return [
            await self.desk.staff.post(f"{BASE}/holds", json={"check": "all"} | body),
            await self.desk.client.post(f"{self.desk.path}/holds", json=body),
        ]

    async def book(self, **fields: Any) -> list[httpx.Response]:
        wish = self.desk.org.wish(start_time=at("14:00")) | fields
        return [
            await self.desk.staff.post(f"{BASE}/appointments", json={"check": "all"} | wish),
            await self.desk.client.post(f"{self.desk.path}/appointments", json=wish),
        ]

    async def ask_all(self, **fields: Any) -> list[httpx.Response]:
        """All four. The bounds of the search are the start of the others."""
        start = fields.get("start_time")
        bounds = {} if start is None else {"from": start, "to": start}
        others = {name: value for name, value in fields.items() if name != "start_time"}
        return [
            *await self.search(**bounds, **others),
            *await self.explain(**fields),
            *await self.hold(**fields),
            *await self.book(**fields),
        ]

    async def local(self, zone: str) -> None:
        """Move the organization to another zone."""
        await self.desk.set_organization(timezone=zone)


asking = pytest.mark.usefixtures("nothing_stored")


def malformed(response: httpx.Response, code: str = "invalid_request", field: str = "") -> dict[str, Any]:
    """Assert that a response is a 400, which names this field and no other where one is given."""
    request = response.request
    assert response.status_code == 400, f"{request.method} {request.url} {request.content!r} {response.text}"
    answer = refused(response, 400, code)
    assert len(answer["error"]) < 300
    if field:
        assert [each["field"] for each in answer["details"]["fields"]] == [field]
        assert answer["error"].startswith(field)
    return answer


def listed(response: httpx.Response) -> list[str]:
    """The starts in an ordinary answer to a search."""
    assert response.status_code == 200, f"{response.request.url} {response.text}"
    starts = [slot["start_time"] for slot in response.json()["slots"]]
    assert starts == sorted(set(starts))
    return starts
