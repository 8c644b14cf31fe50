"""Every operation of the OpenAPI document, and an organization with one of everything to try them on."""

from typing import Any

import httpx

from kalends.api.picture_body import BINARY
from tests.support.answers import answered
from tests.support.documents import complete
from tests.support.organizations import Org
from tests.support.pictures import png

DOCUMENT = complete()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith("/v1/")
    for method, operation in methods.items()
]


MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
# How to make one of everything that has an id, and where that id is named in bodies and queries.
MADE_BY = {
    "appointments": ("/v1/calendar/appointments", "appointment"),
    "holds": ("/v1/calendar/holds", "hold"),
    "public": ("/v1/public/{slug}/holds", "hold"),
    "appointment_types": ("/v1/calendar/appointment-types", "appointmentType"),
    "availability": ("/v1/calendar/availability", "schedule"),
    "schedules": ("/v1/calendar/schedules", "schedule"),
    "overrides": ("/v1/calendar/overrides", "override"),
    "schedule_overrides": ("/v1/calendar/schedules/{schedules}/overrides", "override"),
    "calendars": ("/v1/calendar/calendars", "calendar"),
    "sources": ("/v1/calendar/calendars/{calendars}/sources", "source"),
    "blocks": ("/v1/calendar/blocks", "block"),
    "keys": ("/v1/keys", "key"),
    "people": ("/v1/people", "person"),
    "feeds": ("/v1/calendar/feeds", "feed"),
    "mails": ("", ""),  # they come of appointments
    "webhooks": ("/v1/webhooks", "data"),
    "deliveries": ("/v1/webhooks/{webhooks}/test", "data"),
}
MAIL: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_from": "booking@clinic.example"}
"""Settings with which there are mails; nothing is sent, for there is no worker."""


def example(operation: dict[str, Any]) -> Any:
    """A body that the document itself gives as an example, and the fields there are. It gives none of a
    picture, which has no fields."""
    if "requestBody" not in operation:
        return None, {}
    content = operation["requestBody"]["content"]
    if BINARY in content:
        return png(), {}
    reference = content["application/json"]["schema"]["$ref"]
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return schema.get("examples", [{}])[0], schema["properties"]


def sent(body: Any) -> dict[str, Any]:
    """What httpx is told of a body: bytes go as they are, anything else as JSON."""
    return {"content": body} if isinstance(body, bytes) else {"json": body}


def queries(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of an operation's query."""
    return [{"required": False} | each for each in operation.get("parameters", ()) if each["in"] == "query"]


class OneOfEverything:
    """An organization with one of everything."""

    def __init__(self, org: Org, client: httpx.AsyncClient) -> None:
        self.org = org
        self.client = client
        self.ids: dict[str, str] = {}
        self.tokens = {"appointments": "", "feeds": ""}

    async def furnish(self) -> None:
        org = self.org
        bodies: dict[str, dict[str, Any]] = {
            "calendars": {"name": "Room"},
            "schedules": {"name": "Hours"},
            "appointment_types": {"name": "Kind", "durationMinutes": 30, "clientsChoose": True},
            "availability": MONDAY,
            "overrides": {"date": "2024-12-24"},
            "schedule_overrides": {"date": "2024-12-24"},
            "sources": {"kind": "ics", "url": "https://93.184.215.14/in.ics"},
            "blocks": {
                "all": True,
                "start_time": "2024-01-23T12:00:00Z",
                "end_time": "2024-01-23T13:00:00Z",
                "rule": {"count": 2},
            },
            "keys": {"name": "Another"},
            "people": {"name": "Ana", "email": "ana@example.com"},
            "appointments": org.wish(),
            "holds": org.wish(start_time="2024-01-26T14:00:00Z"),
            "public": org.wish(start_time="2024-01-22T09:00:00Z"),
            "feeds": {},
            "webhooks": {"url": "https://93.184.215.14/in", "events": ["*"]},
            "deliveries": {},
        }
        self.ids["slug"] = self.org.slug
        for tag, body in bodies.items():
            path, name = MADE_BY[tag]
            response = await self.client.post(path.format(**self.ids), json=body)
            assert response.is_success, response.text
            self.ids[tag] = response.json()[name]["id"]
            if tag == "feeds":
                self.tokens["feeds"] = response.json()["url"].rpartition("/")[2].removesuffix(".ics")
        answered(await self.client.put("/v1/organization/logo", content=png()), "organization")
        wish = org.wish(start_time="2024-01-27T14:00:00Z")
        booked = await self.client.post("/v1/calendar/appointments", json=wish)
        self.ids["cancelled"] = booked.json()["appointment"]["id"]
        cancelled = f"/v1/calendar/appointments/{self.ids['cancelled']}"
        answered(await self.client.patch(cancelled, json={"status": "cancelled"}), "appointment")
        link = await self.client.post(f"/v1/calendar/appointments/{self.ids['appointments']}/manage-link")
        self.tokens["appointments"] = link.json()["manage_token"]
        await self.client.get("/v1/events")  # from here on all have their numbers, and their mails
        mails = (await self.client.get("/v1/mails")).json()["mails"]
        clients = [each for each in mails if each["audience"] == "client"]
        self.ids["mails"] = next(
            each["id"] for each in clients if each["appointment_id"] != self.ids["cancelled"]
        )

    def query(self, operation: dict[str, Any]) -> dict[str, str]:
        """A query with what the operation can't do without."""
        values = {
            "appointment_type_id": self.ids["appointment_types"],
            "from": "2024-01-22",
            "to": "2024-01-22",
            "start_time": "2024-01-22T10:00:00Z",
        }
        return {each["name"]: values[each["name"]] for each in queries(operation) if each["required"]}

    def path(
        self,
        path: str,
        operation: dict[str, Any],
        *,
        schedule: str | None = None,
        calendar: str | None = None,
        delivery: str | None = None,
    ) -> str:
        """The path with its ids; `schedule`, `calendar` or `delivery` where that is to be another's."""
        path = path.replace("{schedule_id}", schedule or self.ids["schedules"])
        path = path.replace("{calendar_id}", calendar or self.ids["calendars"])
        path = path.replace("{delivery_id}", delivery or self.ids["deliveries"])
        token = self.tokens["feeds" if "/feeds/" in path else "appointments"]
        path = path.replace("{slug}", self.ids["slug"]).replace("{token}", token)
        tag = "cancelled" if path.endswith("/undo-cancellation") else operation["tags"][0]
        return path.replace("{id}", self.ids.get(tag, "none"))
