"""The demo is made as everything is: what it makes, it tells."""

import json

import pytest
from sqlalchemy import select

from kalends import demo
from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import events
from tests.support.clock import StoppedClock

pytestmark = pytest.mark.anyio


async def test_everything_in_the_demo_is_an_event(own_url: str) -> None:
    def found(tx: Tx) -> list[tuple[str, str]]:
        mine = select(events).where(events.c.org_id == demo.ORG_ID).order_by(events.c.id)
        return [(row.type, json.loads(row.payload)["actor"]["kind"]) for row in tx.execute(mine)]

    database = open_database(own_url, pool_size=1)
    try:
        await database.write(demo.fill, StoppedClock().now())
        assert await database.read(found) == [
            ("key.created", "operator"),
            *[("organization.updated", "operator")] * 2,
            ("calendar.updated", "operator"),
            ("calendar.created", "operator"),
            *[("appointment_type.created", "operator")] * 2,
            ("person.created", "operator"),
            ("person.invited", "operator"),
            ("availability.replaced", "operator"),
            *[("appointment.created", "api_key")] * 3,
        ]
    finally:
        await database.close()
