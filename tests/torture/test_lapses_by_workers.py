"""Two workers at once write down what lapsed."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from kalends.clock import SystemClock
from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointments, events
from kalends.schemas.appointments import Actor
from kalends.schemas.holds import HoldCreate
from kalends.services.booking import bookings, holds
from kalends.services.outbox.parties import Party
from tests.support.books import check_histories
from tests.support.forked import KALENDS
from tests.support.organizations import Org, make_org
from tests.torture.rivals import FIRST, HOUR


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.torture)])
def test_two_workers_at_once_write_a_lapse_down_once(empty_url: str, tmp_path: Path, count: int) -> None:
    asyncio.run(_work(empty_url, tmp_path, count))


async def _work(url: str, folder: Path, count: int) -> None:
    database = open_database(url, pool_size=1)
    try:
        await database.migrate()
        now = SystemClock().now()
        org = await make_org(database, now, requiresConfirmation=True, confirmWithinHours=1)
        lapsed = await database.write(_unconfirmed, org, count, now)
        with working(url, folder / "one"), working(url, folder / "other"):
            await _settled(database, org, lapsed)
            if count >= 1_000:  # that they look again takes seconds
                [late] = await database.write(_unconfirmed, org, 1, now)
                await _settled(database, org, [*lapsed, late])
        print(f"{count} appointments: {await database.read(check_histories, org.id)}")
    finally:
        await database.close()


async def _settled(database: Database, org: Org, ids: Sequence[str]) -> None:
    """Wait until it is written down that all these have lapsed; and assert that each was told once, as it
    should be."""
    async with asyncio.timeout(30):
        while await database.read(_unsettled, org.id):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # for whoever would write it a second time
    stored, told = await database.read(_everything, org.id)
    assert {row.id for row in stored} == set(ids)  # and the holds are gone
    for row in stored:
        assert (row.status, row.version, row.expires_at) == ("cancelled", 2, None)
        assert row.cancellation_reason == "confirmation_expired"
    cancelled = [json.loads(payload) for type_, payload in told if type_ == "appointment.cancelled"]
    assert sorted(each["appointment"]["id"] for each in cancelled) == sorted(ids)
    for each in cancelled:
        assert each["actor"]["kind"] == "system"
        assert each["appointment"]["cancellation_reason"] == "confirmation_expired"
        assert each["previous"]["status"] == "pending"
    await database.read(check_histories, org.id)


@contextlib.contextmanager
def working(url: str, log: Path) -> Iterator[None]:
    """`kalends worker` for the length of a block. It must not complain, and stop when it is told to."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(KALENDS), "worker", "--json"],
            env=os.environ | {"KALENDS_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield
        assert process.stdout
        assert json.loads(process.stdout.readline())["worker"] is True
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()
        assert not log.read_text()
    finally:
        process.kill()
        process.communicate()


def _unsettled(tx: Tx, org_id: str) -> int:
    """How much there is that can lapse."""
    mine = (appointments.c.org_id == org_id, appointments.c.expires_at.is_not(None))
    return tx.execute(select(func.count()).select_from(appointments).where(*mine)).scalar_one()


def _everything(tx: Tx, org_id: str) -> tuple[Any, Any]:
    """An organization's appointments and holds, and its events."""
    return (
        tx.execute(select(appointments).where(appointments.c.org_id == org_id)).all(),
        tx.execute(select(events.c.type, events.c.payload).where(events.c.org_id == org_id)).all(),
    )


def _unconfirmed(tx: Tx, org: Org, count: int, now: datetime) -> list[str]:
    """Book as a client, so often, and hold once; and let the time for all that be over. What was booked."""
    client = Party(org.id, Actor(kind="client", id=None, name=None), source="booking_page")
    [first] = tx.execute(
        select(func.count()).select_from(appointments).where(appointments.c.org_id == org.id)
    ).one()
    slots = [FIRST + (first + n) * HOUR for n in range(count + 1)]
    wishes = [org.create(start_time=stamp(slot)) for slot in slots[1:]]
    ids = [bookings.book(tx, client, each, (), now, check="conflicts").id for each in wishes]
    wish = HoldCreate.model_validate({"appointment_type_id": org.type_id, "start_time": stamp(slots[0])})
    holds.hold(tx, client, wish, now, check="conflicts")
    waiting = (appointments.c.org_id == org.id, appointments.c.status == "pending")
    tx.execute(update(appointments).where(*waiting).values(expires_at=now))
    return ids
