import time

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import organizations
from kalends.settings import Settings
from tests.api.conftest import client_of
from tests.support.answers import refused
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

TYPES = "/v1/calendar/appointment-types"


async def on_plan(db: Database, org: Org, plan: str, own: int | None = None) -> None:
    def change(tx: Tx) -> None:
        tx.execute(
            update(organizations).where(organizations.c.id == org.id).values(plan=plan, requests_per_hour=own)
        )

    await db.write(change)


@pytest.mark.parametrize(
    ("plan", "limit"), [("starter", 1_000), ("professional", 10_000), ("enterprise", 1_000_000)]
)
async def test_every_answer_to_a_key_tells_its_allowance(
    client: httpx.AsyncClient, db: Database, org: Org, plan: str, limit: int
) -> None:
    await on_plan(db, org, plan)
    requests = [
        client.get(TYPES),
        client.get("/v1/nothing"),
        client.post("/v1/calendar/appointments", content=b"{"),
        client.delete(TYPES),
        client.post("/v1/calendar/appointments", json=org.wish()),
    ]
    for used, request in enumerate(requests, start=1):
        headers = (await request).headers
        assert headers["x-ratelimit-limit"] == str(limit)
        assert headers["x-ratelimit-remaining"] == str(limit - used)
        assert 3_590 <= int(headers["x-ratelimit-reset"]) - time.time() <= 3_602


async def test_over_the_limit_is_429_for_that_key_only(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    from kalends.services import keys

    await on_plan(db, org, "enterprise", own=3)
    statuses = [(await client.get(TYPES)).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    response = await client.get(TYPES)
    body = refused(response, 429, "rate_limited")
    assert body["details"]["limit"] == 3
    assert response.headers["x-ratelimit-remaining"] == "0"
    refused(await client.post("/v1/calendar/appointments", json=org.wish()), 429, "rate_limited")

    other = await db.write(keys.create, org.id, name=None, lifetime=None, now=app.state.context.clock.now())
    async with client_of(app, other["key"]) as theirs:
        assert (await theirs.get(TYPES)).status_code == 200


async def test_a_storage_that_is_away_turns_nobody_away(
    url: str, app: FastAPI, db: Database, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=url, rate_limit_storage="redis://127.0.0.1:1")
    other = create_app(settings, clock=app.state.context.clock)
    async with other.router.lifespan_context(other), client_of(other, org.key) as client:
        response = await client.get(TYPES)
    assert response.status_code == 200
    assert "x-ratelimit-limit" not in response.headers
