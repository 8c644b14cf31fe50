"""An organization's front desk over HTTP: what its staff do there with a key, and its clients without one."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
from fastapi import FastAPI

from tests.support.answers import all_answered, answered
from tests.support.clients import client_of
from tests.support.organizations import JANE, Org, copied, make_org

BASE = "/v1/calendar"
APPOINTMENTS = f"{BASE}/appointments"
TYPES = f"{BASE}/appointment-types"
LINKS = "/v1/public/appointments"
PAGES = "/manage"
"""Where the links lead that clients get; what the page does, the API does at the same end of LINKS."""
THURSDAY = "2024-01-25"
"""The day of the reference's example; the clock of the tests stands at noon of the Saturday before."""
START = JANE["start_time"]


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
    app: FastAPI
    org: Org

    @cached_property
    def staff(self) -> httpx.AsyncClient:
        """Asks with the organization's key."""
        return client_of(self.app, self.org.key)

    @cached_property
    def client(self) -> httpx.AsyncClient:
        """Asks without a key."""
        return client_of(self.app, None)

    # What staff do.

    async def make(self, path: str, thing: str, /, **body: Any) -> dict[str, Any]:
        return answered(await self.staff.post(f"{BASE}/{path}", json=body), thing)

    async def open(self, *windows: dict[str, Any]) -> None:
        """Set the organization's own hours."""
        answered(await self.staff.put(f"{BASE}/availability", json={"schedules": windows}), "schedules")

    async def set_type(self, **fields: Any) -> None:
        path = f"{TYPES}/{self.org.type_id}"
        answered(await self.staff.put(path, json=fields), "appointmentType")

    async def set_calendar(self, calendar_id: str, **fields: Any) -> None:
        answered(await self.staff.patch(f"{BASE}/calendars/{calendar_id}", json=fields), "calendar")

    async def set_organization(self, **fields: Any) -> dict[str, Any]:
        return answered(await self.staff.patch("/v1/organization", json=fields), "organization")

    async def add_type(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "Review", "durationMinutes": 30} | fields
        return await self.make("appointment-types", "appointmentType", **body)

    async def room(self, name: str = "Room", **fields: Any) -> str:
        """The id of a new calendar."""
        return str((await self.make("calendars", "calendar", name=name, **fields))["id"])

    async def search(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> httpx.Response:
        asked = {"appointment_type_id": self.org.type_id, "from": first, "to": last} | query
        return await self.staff.get(f"{BASE}/slots", params=asked)

    async def slots(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> list[dict[str, Any]]:
        response = await self.search(first, last, **query)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["slots"]
        return found

    async def starts(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> list[str]:
        return [slot["start_time"] for slot in await self.slots(first, last, **query)]

    async def count(self, first: str = THURSDAY, last: str = THURSDAY, **query: str) -> httpx.Response:
        asked = {"appointment_type_id": self.org.type_id, "from": first, "to": last} | query
        return await self.staff.get(f"{BASE}/days", params=asked)

    async def explain(self, start: str, **query: str) -> dict[str, Any]:
        asked = {"appointment_type_id": self.org.type_id, "start_time": start} | query
        response = await self.staff.get(f"{BASE}/slots/explain", params=asked)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert answer.keys() == {"bookable", "reasons", "next_available"}
        return answer

    async def book(self, start: str = START, *, dry_run: bool = False, **fields: Any) -> httpx.Response:
        asked = {"dry_run": "true"} if dry_run else {}
        wish = self.org.wish(**{"start_time": start} | fields)
        return await self.staff.post(APPOINTMENTS, json=wish, params=asked)

    async def booked(self, start: str = START, **fields: Any) -> dict[str, Any]:
        return answered(await self.book(start, **fields), "appointment")

    async def change(self, appointment: dict[str, Any] | str, **fields: Any) -> httpx.Response:
        return await self.staff.patch(f"{APPOINTMENTS}/{_id_of(appointment)}", json=fields)

    async def changed(self, appointment: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
        return answered(await self.change(appointment, **fields), "appointment")

    async def get(self, appointment: dict[str, Any] | str) -> dict[str, Any]:
        """An appointment, or that with this id, as staff see it."""
        return answered(await self.staff.get(f"{APPOINTMENTS}/{_id_of(appointment)}"), "appointment")

    async def listed(self, **query: str) -> list[str]:
        """The ids of the appointments on a list."""
        found = await self.staff.get(APPOINTMENTS, params=query)
        return [each["id"] for each in found.json()["appointments"]]

    async def history(self, appointment: dict[str, Any] | str) -> list[dict[str, Any]]:
        found = await self.staff.get(f"{APPOINTMENTS}/{_id_of(appointment)}/history")
        return all_answered(found, "history")

    async def hold(self, start: str, **fields: Any) -> httpx.Response:
        wish = {"appointment_type_id": self.org.type_id, "start_time": start} | fields
        return await self.staff.post(f"{BASE}/holds", json=wish)

    async def held(self, start: str, **fields: Any) -> dict[str, Any]:
        return answered(await self.hold(start, **fields), "hold")

    # What clients do.

    @property
    def path(self) -> str:
        """Of the booking page."""
        return f"/v1/public/{self.org.slug}"

    def wish(self, **fields: Any) -> dict[str, Any]:
        """A client's booking, with these fields. It says no telephone number."""
        known = {name: value for name, value in self.org.wish().items() if name != "client_phone"}
        return known | fields

    async def post(
        self, what: str, headers: dict[str, str] | None = None, /, **fields: Any
    ) -> httpx.Response:
        """Ask for `holds` or `appointments` of the page."""
        return await self.client.post(f"{self.path}/{what}", json=self.wish(**fields), headers=headers)

    async def ask(self, question: str, **query: str) -> Any:
        """What `slots` or `slots/explain` answer a client about the organization's type."""
        asked = {"appointment_type_id": self.org.type_id} | query
        response = await self.client.get(f"{self.path}/{question}", params=asked)
        assert response.status_code == 200, response.text
        return response.json()

    async def booked_by_client(self, **fields: Any) -> dict[str, Any]:
        """What a client is answered who books: the appointment, and the secret of its link."""
        response = await self.post("appointments", **fields)
        assert response.status_code == 200, response.text
        booked: dict[str, Any] = response.json()
        return booked

    def link(self, booked: dict[str, Any]) -> "Link":
        """The link of what a client booked."""
        return Link(self, booked["appointment"]["id"], f"{LINKS}/{booked['manage_token']}")


def by_api(link: str) -> str:
    """Where the API answers what a client's link shows."""
    assert f"{PAGES}/" in link
    return link.replace(f"{PAGES}/", f"{LINKS}/")


def _id_of(appointment: dict[str, Any] | str) -> str:
    return appointment if isinstance(appointment, str) else appointment["id"]


@dataclass
class Link:
    """What a client does by the secret link of their appointment."""

    desk: Desk
    id: str
    """Of the appointment."""
    path: str

    async def get(self) -> httpx.Response:
        return await self.desk.client.get(self.path)

    async def cancel(self, **body: Any) -> httpx.Response:
        return await self.desk.client.post(f"{self.path}/cancel", json=body)

    async def reschedule(self, start: str, **more: Any) -> httpx.Response:
        return await self.desk.client.post(f"{self.path}/reschedule", json={"start_time": start} | more)

    async def ask(self, question: str, **query: str) -> httpx.Response:
        """Ask for `slots`, `slots/explain` or `days`: where the appointment can be moved."""
        return await self.desk.client.get(f"{self.path}/{question}", params=query)

    async def seen(self) -> dict[str, Any]:
        """The appointment as staff see it."""
        return await self.desk.get(self.id)


async def book_jane(staff: httpx.AsyncClient, org: Org, start: str = START, **fields: Any) -> dict[str, Any]:
    """The appointment that staff book."""
    wish = org.wish(**{"start_time": start} | fields)
    return answered(await staff.post(APPOINTMENTS, json=wish), "appointment")


async def open_desk(app: FastAPI, **fields: Any) -> Desk:
    """The desk of a new organization, which is open from nine to five every day."""
    context = app.state.context
    now = context.clock.now()
    named = {"organization": "Doe & Daughters", "key_name": "Reception"} | fields

    async def make() -> Org:
        org = await make_org(context.database, now, **named)
        await Desk(app, org).open(*week("09:00-17:00"))
        return org

    return Desk(app, await copied(context.database, now, repr(("open", now, named)), make))
