"""How many bookings without a key an organization takes in an hour, and how often a client moves one."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.desk import LINKS, Desk, open_desk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def page(app: FastAPI) -> Desk:
    return await open_desk(app, maxOpenPerClient=None)


def hour(number: int) -> str:
    """A start of its own for each number: there are eight a day."""
    return f"2024-01-{24 + number // 8:02}T{9 + number % 8:02}:00:00Z"


async def limit(page: Desk, most: int | None) -> None:
    wish = {"public_bookings_per_hour": most}
    assert (
        answered(await page.staff.patch("/v1/organization", json=wish), "organization")[
            "public_bookings_per_hour"
        ]
        == most
    )


def lines(captured: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in captured.splitlines() if line.startswith("{")]
    return [line for line in told if "bookings without a key" in line["event"]]


async def test_an_organization_takes_so_many_bookings_in_an_hour(
    app: FastAPI, page: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        answered(await page.staff.get("/v1/organization"), "organization")["public_bookings_per_hour"] == 200
    )
    await limit(page, 3)
    for number in range(3):
        # What is refused or rehearsed uses nothing up.
        refused(await page.post("appointments", start_time="2024-01-24T20:00:00Z"), 409, "outside_hours")
        dry = await page.client.post(
            f"{page.path}/appointments", json=page.wish(start_time=hour(number)), params={"dry_run": "true"}
        )
        assert dry.status_code == 200
        await page.booked_by_client(start_time=hour(number))
    capsys.readouterr()
    for address in ("jane@example.com", "john@example.com"):
        response = await page.post("appointments", start_time=hour(3), client_email=address)
        body = refused(response, 429, "rate_limited")
        assert body["error"] == (
            "No more bookings are taken here in this hour; please try again later, or get in touch with "
            "Doe & Daughters."
        )
        assert body["details"]["limit"] == 3
        assert 1 <= int(response.headers["retry-after"]) <= 3_600
    [told] = lines(capsys.readouterr().err)
    assert told["event"] == "an organization takes no more bookings without a key in this hour"
    assert (told["level"], told["org_id"], told["limit"]) == ("warning", page.org.id, 3)
    assert "PATCH /v1/organization" in told["cause"]
    # Staff and other organizations are free of it, and so is whatever else clients do.
    await page.booked(hour(3))
    answered(await page.post("holds", start_time=hour(4)), "hold")
    other = await open_desk(app)
    await other.booked_by_client()
    await limit(page, 4)  # counts what was booked already
    await page.booked_by_client(start_time=hour(5))
    refused(await page.post("appointments", start_time=hour(6)), 429, "rate_limited")
    await limit(page, None)
    await page.booked_by_client(start_time=hour(6))
    for wrong in (0, -1, "200", 1.5, True):
        wish = {"public_bookings_per_hour": wrong}
        refused(await page.staff.patch("/v1/organization", json=wish), 400, "invalid_request")


async def test_a_replay_uses_nothing_up_and_is_answered_when_all_is_used_up(page: Desk) -> None:
    await limit(page, 1)
    key = {"Idempotency-Key": "once"}
    first = (await page.post("appointments", key)).json()
    for _ in range(3):
        again = await page.post("appointments", key)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["appointment"] == first["appointment"]
    other = {"Idempotency-Key": "another"}
    refused(await page.post("appointments", other, start_time=hour(1)), 429, "rate_limited")
    await limit(page, 2)
    assert (await page.post("appointments", other, start_time=hour(1))).status_code == 200


async def test_of_many_at_once_none_is_one_too_many(page: Desk) -> None:
    await limit(page, 4)
    asked = [page.post("appointments", start_time=hour(number)) for number in range(20)]
    codes = [response.json().get("code", "") for response in await asyncio.gather(*asked)]
    assert sorted(codes) == [""] * 4 + ["rate_limited"] * 16


async def test_one_is_moved_so_often_in_an_hour(page: Desk) -> None:
    tokens = [(await page.booked_by_client(start_time=hour(number)))["manage_token"] for number in range(2)]

    async def move(token: str, number: int) -> httpx.Response:
        return await page.client.post(f"{LINKS}/{token}/reschedule", json={"start_time": hour(number)})

    for number in range(2, 12):
        refused(await move(tokens[0], 1), 409, "slot_taken")
        answered(await move(tokens[0], number), "appointment")
    response = await move(tokens[0], 12)
    body = refused(response, 429, "rate_limited")
    assert body["error"].startswith("This appointment was moved too often in this hour")
    assert 1 <= int(response.headers["retry-after"]) <= 3_600
    answered(await move(tokens[1], 12), "appointment")
    answered(await page.client.post(f"{LINKS}/{tokens[0]}/cancel", json={}), "appointment")


async def test_a_storage_that_is_away_turns_nobody_away(url: str, app: FastAPI, page: Desk) -> None:
    await limit(page, 1)
    settings = Settings(database_url=url, rate_limit_storage="redis://127.0.0.1:1", worker=False)
    other = create_app(settings, clock=app.state.context.clock)
    async with other.router.lifespan_context(other), client_of(other, None) as client:
        for number in range(2):
            wish = page.wish(start_time=hour(number))
            response = await client.post(f"{page.path}/appointments", json=wish)
            assert response.status_code == 200, response.text
