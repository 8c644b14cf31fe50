"""Looking into the books: is everything there that was promised, whole, and once?"""

import itertools
import json
from collections.abc import Sequence

from sqlalchemy import select

from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointments, events
from tests.support.organizations import Org


async def check_books(url: str, org: Org, acknowledged: Sequence[str]) -> int:
    """Assert that every acknowledged appointment is stored, every stored one has exactly its event, and no
    two are at one time; how many there are."""
    database = open_database(url, pool_size=1)
    try:
        return await database.read(_check, org.id, acknowledged)
    finally:
        await database.close()


def check_times(tx: Tx, org_id: str) -> list[str]:
    """Assert that no two active appointments are at one time; the ids of all, cancelled ones included."""
    stored = tx.execute(
        select(appointments.c.id, appointments.c.status, appointments.c.busy_start, appointments.c.busy_end)
        .where(appointments.c.org_id == org_id)
        .order_by(appointments.c.busy_start)
    ).all()
    active = [row for row in stored if row.status != "cancelled"]
    for one, next_one in itertools.pairwise(active):
        assert one.busy_end <= next_one.busy_start, "two at one time"
    return [row.id for row in stored]


def _check(tx: Tx, org_id: str, acknowledged: Sequence[str]) -> int:
    ids = check_times(tx, org_id)
    told = [
        json.loads(payload)["appointment"]["id"]
        for payload in tx.execute(select(events.c.payload).where(events.c.org_id == org_id)).scalars()
    ]
    assert len(set(acknowledged)) == len(acknowledged), "two promises of one appointment"
    assert set(acknowledged) <= set(ids), "a promise was lost"
    assert sorted(told) == sorted(ids), "an appointment without its event, or the reverse"
    return len(ids)
