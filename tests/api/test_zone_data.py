"""Places whose clocks were changed by law a short while ago."""

from datetime import UTC, datetime

import pytest
import tzdata
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import Desk, week
from tests.support.organizations import make_org

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("zone", "day", "nine"),
    [
        # British Columbia and Alberta keep their summer time from 2026 on; Oregon does not.
        ("America/Vancouver", "2027-01-12", "2027-01-12T16:00:00Z"),
        ("America/Edmonton", "2027-01-12", "2027-01-12T15:00:00Z"),
        ("America/Los_Angeles", "2027-01-12", "2027-01-12T17:00:00Z"),
    ],
)
async def test_nine_in_the_morning_is_nine_by_the_law_in_force(
    app: FastAPI, db: Database, clock: StoppedClock, zone: str, day: str, nine: str
) -> None:
    clock.at = datetime(2026, 12, 20, 12, tzinfo=UTC)
    org = await make_org(db, clock.now(), timezone=zone)
    desk = Desk(app, org)
    await desk.open(*week("09:00-10:00"))
    assert await desk.starts(day, day) == [nine]
    [slot] = await desk.slots(day, day, timezone=zone)
    assert slot["local_start_time"].startswith(f"{day}T09:00:00")
    booked = await desk.booked(f"{day}T09:00:00", check="all")
    assert booked["start_time"] == nine


async def test_readiness_tells_the_data(app: FastAPI) -> None:
    async with client_of(app, None) as anybody:
        told = (await anybody.get("/readyz")).json()
    assert told.keys() == {"status", "zone_data"}
    assert told["status"] == "ok"
    assert told["zone_data"] >= tzdata.IANA_VERSION
