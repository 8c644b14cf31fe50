"""Query parameters: one that a call does not have is refused, since nobody would see that it did nothing."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.api.json_body import JsonRoute
from kalends.app import create_app
from kalends.db.database import Database
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.desk import open_desk
from tests.support.organizations import Org, stored

pytestmark = pytest.mark.anyio

BASE = "/v1/calendar"


async def test_an_unknown_parameter_is_refused_with_those_there_are(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{BASE}/appointments", params={"client_phone": "+1234567890"})
    answer = refused(response, 400, "invalid_request")
    assert answer["error"].startswith("client_phone is no query parameter of this call; did you mean client_")
    known = [
        *(
            "status",
            "from",
            "to",
            "overlapping",
            "limit",
            "cursor",
            "appointment_type_id",
            "calendar_id",
            "client_email",
        ),
        *("updated_since", "q", "same_client_as", "order"),
    ]
    assert answer["details"]["parameters"] == known
    assert ", ".join(known) in answer["error"]
    assert answer["details"]["fields"][0]["field"] == "client_phone"


@pytest.mark.parametrize(
    ("path", "query", "near"),
    [
        ("appointments", {"Limit": 5}, "limit"),
        ("appointments", {"clientEmail": "x"}, "client_email"),
        ("appointments", {"from": "2024-01-01", "until": "2024-02-01"}, None),
        ("appointment-types", {"is_active": "true"}, "isActive"),
        (
            "slots",
            {"appointment_type_id": "x", "from": "2024-01-25", "to": "2024-01-26", "zone": "UTC"},
            "timezone",
        ),
        ("slots/explain", {"appointment_type_id": "x", "starttime": "2024-01-25T14:00Z"}, "start_time"),
        ("overrides", {"From": "2024-01-01"}, "from"),
        ("calendars", {"limit": 5}, None),
        ("availability", {"": ""}, None),
        ("/v1/events", {"type": "appointment.*"}, "types"),
        ("/v1/organization", {"x": 1}, None),
        ("/v1/keys/current", {"x": 1}, None),
    ],
)
async def test_unknown_parameters_are_refused_in_every_call(
    client: httpx.AsyncClient, path: str, query: dict[str, Any], near: str | None
) -> None:
    path = path if path.startswith("/") else f"{BASE}/{path}"
    answer = refused(await client.get(path, params=query), 400, "invalid_request")
    assert ("did you mean" in answer["error"]) == (near is not None)
    assert f"did you mean {near}?" in answer["error"] or near is None


async def test_webhooks_refuse_them_in_their_own_shape(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/webhooks", params={"active": "true"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["details"]["field"]) == ("VALIDATION_ERROR", "active")
    assert error["message"].startswith("active is no query parameter of this call")


async def test_changes_know_dry_run_and_nothing_else(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    for query in ({"dryRun": "true"}, {"dry-run": "true"}, {"dry_run": "true", "x": ""}):
        answer = refused(
            await client.post(f"{BASE}/appointments", json=org.wish(), params=query), 400, "invalid_request"
        )
        assert answer["details"]["parameters"] == ["dry_run"]
        assert await stored(db, org) == 0
    answered(await client.post(f"{BASE}/appointments?dry_run=true", json=org.wish()), "appointment")
    gone = await client.delete(f"{BASE}/appointment-types/{org.type_id}", params={"dry_run": "true"})
    assert gone.status_code == 200
    assert (await client.get(f"{BASE}/appointment-types/{org.type_id}")).status_code == 200


async def test_the_booking_page_refuses_them_too(app: FastAPI) -> None:
    page = await open_desk(app)
    day = {"appointment_type_id": page.org.type_id, "from": "2024-01-25", "to": "2024-01-25"}
    asked = await page.client.get(f"{page.path}/slots", params=day | {"moving": "apt_x"})
    answer = refused(asked, 400, "invalid_request")
    known = ["appointment_type_id", "calendar_id", "from", "timezone", "to"]
    assert sorted(answer["details"]["parameters"]) == known
    refused(await page.client.get(page.path, params={"lang": "de"}), 400, "invalid_request")
    token = (await page.booked_by_client())["manage_token"]
    link = f"/v1/public/appointments/{token}"
    refused(await page.client.get(link, params={"x": ""}), 400, "invalid_request")
    # Calendar programs and people add to the addresses of files what they like.
    assert (await page.client.get(f"{link}.ics", params={"nocache": "1"})).status_code == 200
    feed = (await page.staff.post(f"{BASE}/feeds", json={})).json()["url"]
    assert (await page.client.get(feed, params={"nocache": "1"})).status_code == 200


async def test_what_is_not_the_api_takes_any(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert (await client.get(path, params={"x": "1"})).status_code == 200


async def test_a_key_is_asked_for_first(app: FastAPI) -> None:
    from tests.support.clients import client_of

    async with client_of(app, None) as nobody:
        refused(await nobody.get(f"{BASE}/appointments?x=1"), 401, "unauthorized")


async def test_every_call_under_v1_but_files_refuses_them() -> None:
    def routes(router: Any) -> list[Any]:
        found = []
        for each in router.routes:
            inner = getattr(each, "original_router", None)
            found += [each] if inner is None else routes(inner)
        return found

    calls = [
        each
        for each in routes(create_app(Settings()))
        if each.path.startswith("/v1/") and not each.path.endswith(".ics")
    ]
    assert len(calls) > 50
    assert [each.path for each in calls if not isinstance(each, JsonRoute)] == []
