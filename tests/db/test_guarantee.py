"""The database itself refuses double bookings, whatever the code above it does."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from kalends.core.hours import seconds
from kalends.core.lifecycle import MAX_BUSY, Taking
from kalends.db.busy_times import keep_busy
from kalends.db.claims import claim, in_the_way
from kalends.db.database import Database, Tx
from kalends.db.locks import lock_calendars
from kalends.db.tables import appointments, calendars, occupations
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
        "client_words": "jane doe",
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


def occupation(values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The row of the time that an appointment takes."""
    copied = ("org_id", "calendar_id", "busy_start", "busy_end", "overlap_allowed")
    return {
        "holder_id": values["id"],
        "kind": "appointment",
        "from_change": 0,
        "to_change": 0,
        "active": values["status"] != "cancelled",
        "expires_at": None,
        **{name: values[name] for name in copied},
    } | fields


def put(tx: Tx, values: dict[str, Any]) -> None:
    tx.execute(insert(appointments), values)
    tx.execute(insert(occupations), occupation(values))


def taking(values: dict[str, Any]) -> Taking:
    return Taking(values["calendar_id"], values["busy_start"], values["busy_end"])


def take(tx: Tx, values: dict[str, Any], *more: Taking) -> bool:
    whole = {column.name: values.get(column.name) for column in appointments.c}
    return claim(tx, whole, event(values), [taking(values), *more])


def span(start: int, end: int) -> tuple[datetime, datetime]:
    return NINE + timedelta(minutes=start), NINE + timedelta(minutes=end)


def block(tx: Tx, org: Org, *spans: tuple[int, int], holder: str = "blk_1") -> None:
    lock_calendars(tx, org.id, [org.calendar_id])
    times = [(seconds(start), seconds(end)) for start, end in (span(*each) for each in spans)]
    keep_busy(tx, org.id, holder, "block", org.calendar_id, times)


def add_calendar(tx: Tx, org: Org, id_: str) -> None:
    row = tx.execute(select(calendars).where(calendars.c.id == org.calendar_id)).one()._asdict()
    tx.execute(insert(calendars), row | {"id": id_, "is_default": False})


OVERLAPS = [(0, 60), (30, 90), (-30, 30), (-30, 90), (15, 45), (59, 60), (0, 1)]
NEIGHBOURS = [(60, 120), (-60, 0), (200, 300)]


@pytest.mark.parametrize(("start", "end"), OVERLAPS)
async def test_insert_over_an_active_appointment_is_refused(
    db: Database, org: Org, start: int, end: int
) -> None:
    await db.write(put, row(org, 0, 60))
    with pytest.raises(IntegrityError, match="occupations_no_double_booking"):
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
        {"busy_start": NINE + timedelta(minutes=59)},
        {"active": True},
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
        "active": row(org, 30, 90, status="cancelled"),
        "overlap_allowed": row(org, 30, 90, overlap_allowed=True),
    }[next(iter(change))]
    await db.write(put, moved)

    def alter(tx: Tx) -> None:
        tx.execute(update(occupations).where(occupations.c.holder_id == moved["id"]).values(**change))

    with pytest.raises(IntegrityError, match="occupations_no_double_booking"):
        await db.write(alter)


async def test_update_that_keeps_clear_is_stored(db: Database, org: Org) -> None:
    mine = row(org, 0, 60)
    await db.write(put, mine)
    await db.write(put, row(org, 60, 120))

    def shorten(tx: Tx) -> None:
        ends = NINE + timedelta(minutes=45)
        tx.execute(update(occupations).where(occupations.c.holder_id == mine["id"]).values(busy_end=ends))

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
    found = await db.read(in_the_way, org.id, taking(row(org, 45, 90)), NINE)
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


async def test_several_calendars_are_taken_all_or_none(db: Database, org: Org) -> None:
    other = Taking("cal_other", *span(0, 60))
    await db.write(add_calendar, org, "cal_other")
    assert await db.write_one(take, row(org, 0, 60), other)
    before = await db.read(counts, org.id)
    # One of the two is free, in either order; then one that there is not.
    assert not await db.write_one(take, row(org, 60, 120), other)
    assert not await db.write_one(take, row(org, 0, 60), Taking("cal_other", *span(60, 120)))
    assert not await db.write_one(take, row(org, 60, 120), Taking("cal_gone", *span(60, 120)))
    assert await db.read(counts, org.id) == before
    assert await db.write_one(take, row(org, 60, 120), Taking("cal_other", *span(60, 120)))


async def test_several_calendars_see_what_was_forced_on_one(db: Database, org: Org) -> None:
    await db.write(add_calendar, org, "cal_other")
    forced = row(org, 0, 60, overlap_allowed=True, calendar_id="cal_other")
    assert await db.write_one(take, forced)
    assert not await db.write_one(take, row(org, 0, 60), Taking("cal_other", *span(0, 60)))


@pytest.mark.parametrize(("start", "end"), OVERLAPS)
async def test_nothing_is_booked_over_busy_time(db: Database, org: Org, start: int, end: int) -> None:
    await db.write(block, org, (0, 60))
    assert not await db.write_one(take, row(org, start, end))

    def insert_over(tx: Tx) -> None:
        tx.execute(insert(occupations), occupation(row(org, start, end), to_change=1))

    with pytest.raises(IntegrityError, match="occupations_no_double_booking"):
        await db.write(insert_over)


async def test_busy_time_comes_over_what_was_booked_before(db: Database, org: Org) -> None:
    old = row(org, 0, 60)
    assert await db.write_one(take, old)
    await db.write(block, org, (30, 90))
    await db.write(block, org, (0, 90), holder="blk_2")
    found = await db.read(in_the_way, org.id, taking(row(org, 0, 90)), NINE)
    assert [each.id for each in found] == [old["id"], "blk_2", "blk_1"]

    def shorten(tx: Tx, seen: int) -> None:
        """Move it, as one who has seen so many changes."""
        changed = {"busy_start": span(10, 60)[0], "to_change": seen}
        tx.execute(update(occupations).where(occupations.c.holder_id == old["id"]).values(changed))

    with pytest.raises(IntegrityError, match="occupations_no_double_booking"):
        await db.write(shorten, 2)


async def test_busy_time_that_stays_is_left_and_what_is_new_comes_with_a_change(
    db: Database, org: Org
) -> None:
    def stored(tx: Tx) -> list[tuple[Any, ...]]:
        columns = (occupations.c.busy_start, occupations.c.busy_end, occupations.c.from_change)
        mine = select(*columns).where(occupations.c.org_id == org.id)
        return [tuple(each) for each in tx.execute(mine.order_by(occupations.c.busy_start))]

    await db.write(block, org, (0, 60), (100, 160))
    await db.write(block, org, (0, 60), (200, 260))
    assert await db.read(stored) == [(*span(0, 60), 1), (*span(200, 260), 2)]
    assert await db.write_one(take, row(org, 100, 160))
    assert not await db.write_one(take, row(org, 250, 270))
    await db.write(block, org)
    assert await db.write_one(take, row(org, 200, 260))


async def test_long_busy_time_is_seen_to_its_last_minute(db: Database, org: Org) -> None:
    longest = int(MAX_BUSY / timedelta(minutes=1))
    await db.write(block, org, (0, 3 * longest + 5))
    for start in (0, longest - 1, longest, 2 * longest + 10, 3 * longest + 4):
        assert not await db.write_one(take, row(org, start, start + 30))
    assert await db.write_one(take, row(org, 3 * longest + 5, 3 * longest + 6))


async def test_of_a_block_and_bookings_at_once_none_is_booked_over_it(db: Database, org: Org) -> None:
    for turn in range(10):
        start = 100 * turn
        wishes = [row(org, start + 10 * n, start + 10 * n + 10) for n in range(8)]

        async def close(start: int = start, turn: int = turn) -> None:
            await db.write(block, org, (start, start + 80), holder=f"blk_{turn}")

        await asyncio.gather(
            *(db.write_one(take, wish) for wish in wishes[:4]),
            close(),
            *(db.write_one(take, wish) for wish in wishes[4:]),
        )

        def over(tx: Tx, turn: int = turn) -> list[int]:
            """Which changes the bookings under the block have seen, after that which brought it."""
            mine = occupations.alias()
            of_it = (mine.c.org_id == org.id, mine.c.holder_id == f"blk_{turn}")
            seen = select(occupations.c.to_change).where(
                occupations.c.kind == "appointment",
                occupations.c.calendar_id == mine.c.calendar_id,
                occupations.c.busy_start < mine.c.busy_end,
                occupations.c.busy_end > mine.c.busy_start,
                occupations.c.to_change >= mine.c.from_change,
                *of_it,
            )
            return list(tx.execute(seen).scalars())

        assert await db.read(over) == []
