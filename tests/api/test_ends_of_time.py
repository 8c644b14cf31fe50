"""Made from the OpenAPI document, so that a new route can't be forgotten: whatever a Test-Clock says, down to
the first and the last second of the calendar, no call is a 5xx."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from kalends.app import create_app
from kalends.db.database import Tx
from kalends.db.tables import organizations
from kalends.settings import Settings
from tests.api.operations import MAIL, OPERATIONS, OneOfEverything, example, sent
from tests.api.test_every_change import CHANGES, WISHES
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import sqlite_first
from tests.support.organizations import make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both, pytest.mark.slow]

EAST, WEST = "Pacific/Kiritimati", "Etc/GMT+12"
"""The zones that are furthest from UTC."""
ENDS = [("0001-01-01T00:00:00Z", EAST), ("9999-12-31T23:59:59Z", WEST)]
NEAR_THEM = [
    ("0001-01-01T00:00:00Z", WEST),
    ("0001-01-02T00:00:00Z", EAST),
    ("0001-02-15T12:00:00Z", WEST),
    ("9999-11-15T12:00:00Z", EAST),
    ("9999-12-30T23:59:59Z", WEST),
    ("9999-12-31T23:59:59Z", EAST),
]
MOVES = [each for each in OPERATIONS if each[2]["operationId"] == "appointments.change"]
READS = [each for each in OPERATIONS if each[0] == "GET"]


@pytest.fixture
async def app(own_url: str) -> AsyncIterator[FastAPI]:
    settings = Settings(database_url=own_url, worker=False, public_requests_per_hour=1_000_000, **MAIL)
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


@pytest.mark.parametrize(
    ("moment", "zone"), [*ENDS, *(pytest.param(*each, marks=pytest.mark.torture) for each in NEAR_THEM)]
)
@sqlite_first("own_url")
async def test_no_time_is_too_early_or_too_late(
    app: FastAPI, moment: str, zone: str, subtests: pytest.Subtests
) -> None:
    house = await a_sandbox(app, zone)
    for method, path, operation in (*MOVES, *READS, *CHANGES, *READS):
        with subtests.test(operation["operationId"]):
            await ask(app, house, moment, method, path, operation)


async def a_sandbox(app: FastAPI, zone: str) -> OneOfEverything:
    database = app.state.context.database
    org = await make_org(database, StoppedClock().now())

    def move(tx: Tx) -> None:
        mine = organizations.c.id == org.id
        tx.execute(update(organizations).where(mine).values(sandbox=True, timezone=zone))

    async with client_of(app, org.key) as staff:
        house = OneOfEverything(org, staff)
        await house.furnish()
    await database.write(move)
    return house


async def ask(
    app: FastAPI, house: OneOfEverything, moment: str, method: str, path: str, operation: dict[str, Any]
) -> None:
    """Make a call at that moment: as the document's examples do, and for that moment."""
    body, properties = example(operation)
    own = {"appointment_type_id": house.org.type_id, "id": house.ids.get(operation["tags"][0])}
    wish = {name: value for name, value in own.items() if name in properties}
    wish |= (
        {} if operation["operationId"] == "organization.change" else WISHES.get(operation["operationId"], {})
    )
    bodies = [body | wish if isinstance(body, dict) else body]
    if "start_time" in properties:
        bodies += [
            {**(bodies[0] or {}), "start_time": each, **check}
            for each in ("2024-01-25T09:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", moment)
            for check in ([{"check": "all"}, {"check": "none"}] if "check" in properties else [{}])
        ]
    queries = [house.query(operation)]
    days = {"from": moment[:10], "to": moment[:10], "start_time": moment}
    queries += [queries[0] | {name: each for name, each in days.items() if name in queries[0]}]
    async with client_of(app, house.org.key if operation["security"] else None) as client:
        for each in bodies:
            for query in queries:
                response = await client.request(
                    method,
                    house.path(path, operation),
                    **sent(each),
                    params=query,
                    headers={"Test-Clock": moment},
                )
                assert response.status_code < 500, (each, query, response.text)
                assert str(response.status_code) in operation["responses"], response.text
