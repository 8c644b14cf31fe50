"""An organization's front desk over HTTP: what is open, free, held and booked."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.answers import all_answered, answered
from tests.support.organizations import Org

BASE = "/v1/calendar"
THURSDAY = "2024-01-25"
"""The day of the reference's example; the clock of the tests stands at noon of the Saturday before."""


def at(clock_time: str, day: str = THURSDAY) -> str:
    """An instant: `14:00` in UTC."""
    return f"{day}T{clock_time}:00Z"


def window(hours: str, **more: Any) -> dict[str, Any]:
    """`09:00-17:00` as bodies have it."""
    start, _, end = hours.partition("-")
    return {"start_time": start, "end_time": end, **more}


def week(hours: str, **more: Any) -> list[dict[str, Any]]:
    """The same hours on every day of the week."""
    return [window(hours, day_of_week=day, **more) for day in range(7)]


def codes(answer: dict[str, Any]) -> list[str]:
    """Of the reasons in an explanation, or in the details of a refusal."""
    return [reason["code"] for reason in answer["reasons"]]


@dataclass(frozen=True)
class Desk:
    client: httpx.AsyncClient
    org: Org

    async def make(self, path: str, thing: str, /, **body: Any) -> dict[str, Any]:
        return answered(await self.client.post(f"{BASE}/{path}", json=body), thing)

    async def open(self, *windows: dict[str, Any]) -> None:
        """Set the organization's own hours."""
        answered(await self.client.put(f"{BASE}/availability", json={"schedules": windows}), "schedules")

    async def set_type(self, **fields: Any) -> None:
        path = f"{BASE}/appointment-types/{self.org.type_id}"
        answered(await self.client.put(path, json=fields), "appointmentType")

    async def set_calendar(self, calendar_id: str, **fields: Any) -> None:
        answered(await self.client.patch(f"{BASE}/calendars/{calendar_id}", json=fields), "calendar")

    async def room(self, name: str = "Room", **fields: Any) -> str:
        """The id of a new calendar."""
        return str((await self.make("calendars", "calendar", name=name, **fields))["id"])

    async def search(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> httpx.Response:
        asked = {"appointment_type_id": self.org.type_id, "from": first, "to": last} | query
        return await self.client.get(f"{BASE}/slots", params=asked)

    async def slots(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> list[dict[str, Any]]:
        response = await self.search(first, last, **query)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["slots"]
        return found

    async def starts(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> list[str]:
        return [slot["start_time"] for slot in await self.slots(first, last, **query)]

    async def explain(self, start: str, **query: str) -> dict[str, Any]:
        asked = {"appointment_type_id": self.org.type_id, "start_time": start} | query
        response = await self.client.get(f"{BASE}/slots/explain", params=asked)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert answer.keys() == {"bookable", "reasons", "next_available"}
        return answer

    async def book(self, start: str, *, dry_run: bool = False, **fields: Any) -> httpx.Response:
        asked = {"dry_run": "true"} if dry_run else {}
        wish = self.org.wish(start_time=start, **fields)
        return await self.client.post(f"{BASE}/appointments", json=wish, params=asked)

    async def booked(self, start: str, **fields: Any) -> dict[str, Any]:
        return answered(await self.book(start, **fields), "appointment")

    async def change(self, appointment: dict[str, Any], **fields: Any) -> httpx.Response:
        return await self.client.patch(f"{BASE}/appointments/{appointment['id']}", json=fields)

    async def changed(self, appointment: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return answered(await self.change(appointment, **fields), "appointment")

    async def get(self, appointment: dict[str, Any]) -> dict[str, Any]:
        return answered(await self.client.get(f"{BASE}/appointments/{appointment['id']}"), "appointment")

    async def listed(self, **query: str) -> list[str]:
        """The ids of the appointments on a list."""
        found = await self.client.get(f"{BASE}/appointments", params=query)
        return [each["id"] for each in found.json()["appointments"]]

    async def history(self, appointment: dict[str, Any]) -> list[dict[str, Any]]:
        found = await self.client.get(f"{BASE}/appointments/{appointment['id']}/history")
        return all_answered(found, "history")

    async def hold(self, start: str, **fields: Any) -> httpx.Response:
        wish = {"appointment_type_id": self.org.type_id, "start_time": start} | fields
        return await self.client.post(f"{BASE}/holds", json=wish)

    async def held(self, start: str, **fields: Any) -> dict[str, Any]:
        return answered(await self.hold(start, **fields), "hold")
