"""Made from the OpenAPI document, so that a new route can't be forgotten: every call that changes something
can be rehearsed, which changes nothing, and is made once per Idempotency-Key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.db.database import Tx
from kalends.db.tables import metadata
from kalends.settings import Settings
from tests.api.operations import MAIL, MONDAY, OPERATIONS, OneOfEverything, example, sent
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_own_sqlite
from tests.support.desk import LINKS, book_jane
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEBHOOKS = "/v1/webhooks"
HOOK = {"url": "https://93.184.215.14/other", "events": ["*"]}
SECRETS = ("secret", "url", "manage_url", "manage_token", "enter_url")
AT = "2024-01-22T{}:00:00Z"
"""On the Monday on which there are hours."""
WISHES: dict[str, dict[str, Any]] = {
    "appointments.create": {"start_time": "2024-01-25T16:00:00Z"},
    "appointments.update": {"status": "confirmed", "internal_notes": "Called"},
    "appointments.change": {"status": "confirmed", "internal_notes": "Called again"},
    "appointment_types.create": {"name": "Review"},
    "availability.replace": {"schedules": [MONDAY]},
    "holds.create": {"start_time": "2024-01-25T18:00:00Z"},
    "organization.change": {"timezone": "UTC", "name": "Moved"},
    "people.create": {"email": "ben@example.com"},
    "people.invite": {"send": False},  # so that the link is in the answer
    "public.hold": {"start_time": AT.format(12)},
    "public.book": {"start_time": AT.format(15)},  # which a lapsed request had
    "manage.reschedule": {"start_time": AT.format(13)},
    "sources.create": {"url": "https://93.184.215.14/other.ics"},
    "webhooks.create": HOOK,
    "webhooks.change_one": {"active": True, "name": "Books"},
}
"""What is asked besides the document's examples."""
LAST = (
    *("manage.cancel", "appointments.manage_link"),
    *("calendars.delete", "schedules.delete", "availability.replace"),
)
"""After which something of the house is good for nothing, or gone."""
CHANGES = sorted(
    (each for each in OPERATIONS if each[0] != "GET"),
    key=lambda each: (
        each[2]["operationId"] in LAST[2:] or each[0] == "DELETE",
        LAST.index(each[2]["operationId"]) if each[2]["operationId"] in LAST else -1,
    ),
)


@dataclass
class Scene:
    """A house in whose outbox events wait for their numbers, where a client's request has lapsed."""

    app: FastAPI
    house: OneOfEverything

    def __post_init__(self) -> None:
        self.db = self.app.state.context.database

    async def ask(
        self,
        call: tuple[str, str, dict[str, Any]],
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Make a call: with a key where it needs one, with the document's example as its body."""
        method, path, operation = call
        body, properties = example(operation)
        own = {
            "appointment_type_id": self.house.org.type_id,
            "id": self.house.ids.get(operation["tags"][0]),
        }
        wish = {name: value for name, value in own.items() if name in properties}
        if isinstance(body, dict):
            body = body | wish | WISHES.get(operation["operationId"], {})
        async with client_of(self.app, self.house.org.key if operation["security"] else None) as client:
            return await client.request(
                method, self.house.path(path, operation), params=query, headers=headers, **sent(body)
            )

    async def stored(self) -> dict[str, list[Any]]:
        """Every row there is, but for when keys were last used: that is written when it suits."""

        def rows(tx: Tx) -> dict[str, list[Any]]:
            return {
                table.name: sorted(
                    tuple(map(str, row))
                    for row in tx.execute(select(*(each for each in table.c if each.name != "last_used_at")))
                )
                for table in metadata.tables.values()
            }

        found: dict[str, list[Any]] = await self.db.read(rows)
        return found


@pytest.fixture
async def scene(own_url: str) -> AsyncIterator[Scene]:
    clock = StoppedClock()
    app = create_app(Settings(database_url=own_url, worker=False, **MAIL), clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as staff:
            await _let_a_request_lapse(staff, org, clock)
            house = OneOfEverything(org, staff)
            await house.furnish()
            answered(
                await staff.post(
                    "/v1/calendar/appointments", json=org.wish(start_time="2024-01-25T20:00:00Z")
                ),
                "appointment",
            )
            yield Scene(app, house)


async def _let_a_request_lapse(staff: httpx.AsyncClient, org: Org, clock: StoppedClock) -> None:
    slug = (await staff.get("/v1/organization")).json()["organization"]["slug"]
    answered(await staff.post("/v1/calendar/availability", json=MONDAY), "schedule")
    kind = f"/v1/calendar/appointment-types/{org.type_id}"
    waits = {"requiresConfirmation": True, "confirmWithinHours": 1}
    answered(await staff.put(kind, json=waits), "appointmentType")
    asked = await staff.post(f"/v1/public/{slug}/appointments", json=org.wish(start_time=AT.format(15)))
    assert asked.json()["appointment"]["status"] == "pending"
    answered(await staff.put(kind, json={"requiresConfirmation": False}), "appointmentType")
    clock.forward(hours=2)


def without_secrets(response: httpx.Response) -> dict[str, Any]:
    """What was answered, with null in place of secrets."""
    return {
        name: {k: None if k == "secret" else v for k, v in value.items()}
        if isinstance(value, dict)
        else None
        if name in SECRETS
        else value
        for name, value in response.json().items()
    }


def secrets_in(response: httpx.Response) -> list[Any]:
    """What was answered in the place of secrets."""
    inside = [each for each in response.json().values() if isinstance(each, dict)]
    found = [response.json().get(name, "none") for name in SECRETS]
    return [each for each in (*found, *(each.get("secret", "none") for each in inside)) if each != "none"]


async def test_a_rehearsal_changes_nothing_and_shows_no_secret(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    before = await scene.stored()
    for call in CHANGES:
        with subtests.test(call[2]["operationId"]):
            rehearsed = await scene.ask(call, {"dry_run": "true"})
            assert rehearsed.is_success, rehearsed.text
            assert all(secret is None for secret in secrets_in(rehearsed))
            assert await scene.stored() == before
            named = await scene.ask(call, {"dry_run": "true"}, {"Idempotency-Key": "rehearsal"})
            assert named.is_success
            assert await scene.stored() == before


async def test_a_change_is_rehearsed_made_once_and_answered_again(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    for call in CHANGES:
        name = call[2]["operationId"]
        key = {"Idempotency-Key": name}
        with subtests.test(name):
            rehearsed = await scene.ask(call, {"dry_run": "true"})
            before = await scene.stored()
            made = await scene.ask(call, headers=key)
            assert made.is_success, made.text
            assert made.status_code == rehearsed.status_code, rehearsed.text
            assert made.json().keys() == rehearsed.json().keys()
            assert all(secrets_in(made))
            after = await scene.stored()
            assert after != before
            again = await scene.ask(call, headers=key)
            assert again.status_code == made.status_code, again.text
            assert again.headers["idempotent-replayed"] == "true"
            assert without_secrets(again) == without_secrets(made)
            fresh_link = "manage_url" in made.json()
            assert (await scene.stored() == after) is not fresh_link


@on_own_sqlite
async def test_bad_parameters_are_400_and_change_nothing(scene: Scene, subtests: pytest.Subtests) -> None:
    before = await scene.stored()
    for call in CHANGES:
        with subtests.test(call[2]["operationId"]):
            for query, headers in (
                ({"dry_run": "yes"}, None),
                ({"dry_run": ""}, None),
                (None, {"Idempotency-Key": " "}),
            ):
                assert (await scene.ask(call, query, headers)).status_code == 400
            assert await scene.stored() == before


async def test_a_webhook_stays_as_it_is_if_its_deletion_is_refused(scene: Scene) -> None:
    [delete] = [each for each in CHANGES if each[2]["operationId"] == "webhooks.delete"]
    key = {"Idempotency-Key": "used"}
    answered(
        await scene.house.client.post("/v1/calendar/calendars", json={"name": "Room"}, headers=key),
        "calendar",
    )
    before = await scene.stored()
    assert before["deliveries"]
    refusal = await scene.ask(delete, headers=key)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await scene.stored() == before


async def test_a_client_names_requests_by_link(scene: Scene) -> None:
    """Of two clients with the same name for their requests, neither is answered what the other was; and one
    who asks for something else by the same name is told so."""
    staff, org = scene.house.client, scene.house.org
    links = []
    for start in ("2024-01-24T10:00:00Z", "2024-01-24T12:00:00Z"):
        booked = await book_jane(staff, org, start_time=start)
        link = await staff.post(f"/v1/calendar/appointments/{booked['id']}/manage-link")
        links.append(f"{LINKS}/{link.json()['manage_token']}")
    key = {"Idempotency-Key": "1"}
    async with client_of(scene.app, None) as client:
        first, second = [await client.post(f"{link}/cancel", json={}, headers=key) for link in links]
        assert answered(first, "appointment")["id"] != answered(second, "appointment")["id"]
        again = await client.post(f"{links[0]}/cancel", json={}, headers=key)
        assert (again.headers["idempotent-replayed"], again.json()) == ("true", first.json())
        for what, body in (("cancel", {"reason": "ill"}), ("reschedule", {"start_time": AT.format(16)})):
            other = await client.post(f"{links[0]}/{what}", json=body, headers=key)
            refused(other, 422, "idempotency_key_reused")


def test_every_wish_is_for_a_call_there_is() -> None:
    assert {*WISHES, *LAST} <= {operation["operationId"] for _, _, operation in CHANGES}


def test_every_call_that_changes_something_takes_both_parameters_and_no_other_does() -> None:
    for method, _, operation in OPERATIONS:
        taken = [each["name"] for each in operation.get("parameters", ())]
        for name in ("Idempotency-Key", "dry_run"):
            assert taken.count(name) == (method != "GET"), operation["operationId"]
        replayed = [
            status
            for status, response in operation["responses"].items()
            if "Idempotent-Replayed" in response["headers"]
        ]
        assert replayed == ([] if method == "GET" else [min(operation["responses"])])
        assert ("422" in operation["responses"]) is (method != "GET")
