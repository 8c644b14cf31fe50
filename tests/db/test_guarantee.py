"""The database itself refuses double bookings, whatever the code above it does."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from kalends.core.lifecycle import MAX_BUSY
from kalends.db.claims import claim, in_the_way
from kalends.db.database import Database, Tx
from kalends.db.tables import appointments
from kalends.ids import new_id
from tests.support.organizations import Org, counts

pytestmark = pytest.mark.anyio

NINE = datetime(2024, 1, 25, 9, tzinfo=UTC)


def row(org: Org, start: int, end: int, **fields: Any) -> dict[str, Any]:
    """A row that keeps its calendar busy from `start` to `end`, in minutes after nine."""
    begins, ends = NINE + timedelta(minutes=start), NINE + timedelta(minutes=end)
    return {
        "org_id": org.id,
        "id": new_id("apt"),
        "appointment_type_id": org.type_id,
        "calendar_id": org.calendar_id,
        "start_time": begins,
        "end_time": ends,
        "busy_start": begins,
        "busy_end": ends,
        "overlap_allowed": False,
        "is_hold": False,
        "answers": [],
        "client_name": "Jane Doe",
        "client_language": "en",
        "status": "confirmed",
        "source": "manual",
        "version": 1,
        "created_at": NINE,
        "updated_at": NINE,
    } | fields


def event(appointment: dict[str, Any]) -> dict[str, Any]:
    return {
        "org_id": appointment["org_id"],
        "id": new_id("evt"),
        "type": "appointment.created",
        "payload": "{}",
        "occurred_at": NINE,
        "subject_id": appointment["id"],
        "subject_version": 1,
        "seq": None,
    }


def put(tx: Tx, values: dict[str, Any]) -> None:
    tx.execute(insert(appointments), values)


def take(tx: Tx, values: dict[str, Any]) -> bool:
    whole = {column.name: values.get(column.name) for column in appointments.c}
    return claim(tx, whole, event(values))


OVERLAPS = [(0, 60), (30, 90), (-30, 30), (-30, 90), (15, 45), (59, 60), (0, 1)]
NEIGHBOURS = [(60, 120), (-60, 0), (200, 300)]


@pytest.mark.parametrize(("start", "end"), OVERLAPS)
async def test_insert_over_an_active_appointment_is_refused(
    db: Database, org: Org, start: int, end: int
) -> None:
    await db.write(put, row(org, 0, 60))
    with pytest.raises(IntegrityError, match="appointments_no_double_booking"):
        await db.write(put, row(org, start, end))
    assert not await db.write_one(take, row(org, start, end))
    assert (await db.read(counts, org.id))["appointments"] == 1


@pytest.mark.parametrize(("start", "end"), NEIGHBOURS)
async def test_insert_beside_an_active_appointment_is_stored(
    db: Database, org: Org, start: int, end: int
) -> None:
    await db.write(put, row(org, 0, 60))
    assert await db.write_one(take, row(org, start, end))


@pytest.mark.parametrize("status", ["pending", "confirmed", "completed", "no_show"])
async def test_every_status_but_cancelled_blocks(db: Database, org: Org, status: str) -> None:
    await db.write(put, row(org, 0, 60, status=status))
    with pytest.raises(IntegrityError):
        await db.write(put, row(org, 30, 90))


async def test_cancelled_appointments_neither_block_nor_are_blocked(db: Database, org: Org) -> None:
    await db.write(put, row(org, 0, 60, status="cancelled"))
    await db.write(put, row(org, 0, 60))
    await db.write(put, row(org, 0, 60, status="cancelled"))


async def test_other_calendars_and_organizations_do_not_block(db: Database, org: Org, other_org: Org) -> None:
    await db.write(put, row(org, 0, 60))
    await db.write(put, row(other_org, 0, 60))


@pytest.mark.parametrize(
    "change",
    [
        {"busy_start": NINE + timedelta(minutes=59), "start_time": NINE + timedelta(minutes=100)},
        {"status": "confirmed"},
        {"overlap_allowed": False},
    ],
    ids=["reschedule", "un-cancel", "no longer forced"],
)
async def test_update_into_an_active_appointment_is_refused(
    db: Database, org: Org, change: dict[str, Any]
) -> None:
    await db.write(put, row(org, 0, 60))
    moved = {
        "busy_start": row(org, 100, 160),
        "status": row(org, 30, 90, status="cancelled"),
        "overlap_allowed": row(org, 30, 90, overlap_allowed=True),
    }[next(iter(change))]
    await db.write(put, moved)

    def alter(tx: Tx) -> None:
        tx.execute(update(appointments).where(appointments.c.id == moved["id"]).values(**change))

    with pytest.raises(IntegrityError, match="appointments_no_double_booking"):
        await db.write(alter)


async def test_update_that_keeps_clear_is_stored(db: Database, org: Org) -> None:
    mine = row(org, 0, 60)
    await db.write(put, mine)
    await db.write(put, row(org, 60, 120))

    def shorten(tx: Tx) -> None:
        ends = NINE + timedelta(minutes=45)
        tx.execute(
            update(appointments).where(appointments.c.id == mine["id"]).values(end_time=ends, busy_end=ends)
        )

    await db.write(shorten)
    assert await db.write_one(take, row(org, 45, 60))


async def test_forced_appointments_stand_outside_the_belt_but_the_claim_sees_them(
    db: Database, org: Org
) -> None:
    await db.write(put, row(org, 0, 60))
    assert await db.write_one(take, row(org, 30, 90, overlap_allowed=True))
    # Where only the forced one is in the way, the claim still refuses.
    assert not await db.write_one(take, row(org, 75, 120))
    assert await db.write_one(take, row(org, 90, 120))


async def test_the_longest_forced_appointment_is_seen_to_its_last_minute(db: Database, org: Org) -> None:
    longest = int(MAX_BUSY / timedelta(minutes=1))
    assert await db.write_one(take, row(org, 0, longest, overlap_allowed=True))
    assert not await db.write_one(take, row(org, longest - 1, longest + 10))
    assert await db.write_one(take, row(org, longest, longest + 10))


async def test_in_the_way_names_everything_that_overlaps(db: Database, org: Org) -> None:
    first, forced, after = row(org, 0, 60), row(org, 30, 90, overlap_allowed=True), row(org, 90, 120)
    for each in (first, forced, after, row(org, 0, 60, status="cancelled")):
        await db.write(put, each)
    found = await db.read(in_the_way, row(org, 45, 90), NINE)
    assert [each.id for each in found] == [first["id"], forced["id"]]


async def test_a_refused_claim_leaves_no_event(db: Database, org: Org) -> None:
    await db.write(put, row(org, 0, 60))
    before = await db.read(counts, org.id)
    assert not await db.write_one(take, row(org, 0, 60))
    assert await db.read(counts, org.id) == before


async def test_claims_that_race_for_one_slot_give_one(db: Database, org: Org) -> None:
    for start in range(0, 600, 60):
        won = await asyncio.gather(
            *(db.write_one(take, row(org, start + shift, start + 60)) for shift in range(20))
        )
        assert won.count(True) == 1


async def test_appointments_can_be_stored_at_both_ends_of_the_calendar(db: Database, org: Org) -> None:
    for first in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 22, 59, 59, tzinfo=UTC)):
        last = first + timedelta(hours=1)
        times = {"start_time": first, "end_time": last, "busy_start": first, "busy_end": last}
        mine = row(org, 0, 1, **times)
        assert await db.write_one(take, mine)
        assert not await db.write_one(take, row(org, 0, 1, **times))

        def read(tx: Tx, id_: str = mine["id"]) -> datetime:
            return tx.execute(select(appointments.c.start_time).where(appointments.c.id == id_)).scalar_one()

        assert await db.read(read) == first
