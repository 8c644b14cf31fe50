"""Booking, without HTTP: the rules, and a model that is slow and obviously right."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from kalends.core.errors import (
    AmbiguousTime,
    NonexistentTime,
    NotFound,
    ScopeMissing,
    SlotTaken,
    TypeInactive,
)
from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.tables import appointment_types, events
from kalends.services.booking import appointments, bookings
from kalends.services.outbox.parties import staff
from tests.support.organizations import Org, make_org, stored

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


async def book(db: Database, org: Org, **fields: Any) -> Any:
    wish = org.create(**fields)
    at_once = await db.write_one(bookings.by_staff_at_once, staff(org.caller), wish, NOW)
    return at_once or await db.write(bookings.by_staff, staff(org.caller), wish, NOW)


async def test_book_computes_the_end_and_confirms(db: Database, org: Org) -> None:
    booked = await book(db, org)
    assert (stamp(booked.start_time), stamp(booked.end_time)) == (
        "2024-01-25T14:00:00Z",
        "2024-01-25T15:00:00Z",
    )
    assert (booked.status, booked.confirmed_at, booked.source, booked.version) == (
        "confirmed",
        NOW,
        "manual",
        1,
    )
    assert await db.read(appointments.get, org.id, booked.id, NOW) == booked


async def test_book_refuses_a_taken_slot_and_names_what_is_in_the_way(db: Database, org: Org) -> None:
    first = await book(db, org)
    with pytest.raises(SlotTaken) as refused:
        await book(db, org, start_time="2024-01-25T14:59:59Z")
    [reason] = refused.value.details["reasons"]
    assert (reason["code"], reason["appointment_id"]) == ("conflict", first.id)
    assert (reason["start_time"], reason["end_time"]) == ("2024-01-25T14:00:00Z", "2024-01-25T15:00:00Z")
    assert await stored(db, org) == 1


async def test_the_gap_is_at_least_one_after_buffer_plus_the_next_before_buffer(db: Database) -> None:
    org = await make_org(db, NOW, bufferBeforeMinutes=10, bufferAfterMinutes=5)
    await book(db, org)
    with pytest.raises(SlotTaken):
        await book(db, org, start_time="2024-01-25T15:14:59Z")
    with pytest.raises(SlotTaken):
        await book(db, org, start_time="2024-01-25T12:45:01Z")
    await book(db, org, start_time="2024-01-25T15:15:00Z")
    await book(db, org, start_time="2024-01-25T12:45:00Z")


async def test_forcing_needs_admin_and_is_recorded(db: Database) -> None:
    staff = await make_org(db, NOW, scopes=("read", "write", "delete"))
    with pytest.raises(ScopeMissing) as refused:
        await book(db, staff, check="none")
    assert refused.value.details == {"scope": "admin"}

    org = await make_org(db, NOW)
    first = await book(db, org, check="none")
    forced = await book(db, org, check="none")
    assert (first.overlap_allowed, forced.overlap_allowed) == (False, True)

    def payloads(tx: Tx) -> list[str]:
        told = select(events.c.payload).where(events.c.org_id == org.id).order_by(events.c.id)
        return list(tx.execute(told).scalars())

    assert ['"check":"none"' in each for each in await db.read(payloads)] == [True, True]
    with pytest.raises(SlotTaken) as taken:
        await book(db, org)
    assert {reason["appointment_id"] for reason in taken.value.details["reasons"]} == {first.id, forced.id}


async def test_an_inactive_type_is_refused(db: Database) -> None:
    org = await make_org(db, NOW, isActive=False)
    with pytest.raises(TypeInactive):
        await book(db, org)
    assert await stored(db, org) == 0


async def test_other_organizations_types_and_calendars_do_not_exist(
    db: Database, org: Org, other_org: Org
) -> None:
    with pytest.raises(NotFound) as refused:
        await book(db, org, appointment_type_id=other_org.type_id)
    assert refused.value.details == {"field": "appointment_type_id"}
    with pytest.raises(NotFound) as refused:
        await book(db, org, calendar_id=other_org.calendar_id)
    assert refused.value.details == {"field": "calendar_id"}
    booked = await book(db, other_org)
    with pytest.raises(NotFound):
        await db.read(appointments.get, org.id, booked.id, NOW)
    assert await stored(db, org) == 0


async def test_a_naive_start_is_wall_time_of_the_organization(db: Database) -> None:
    org = await make_org(db, NOW, timezone="America/New_York")
    booked = await book(db, org, start_time="2024-07-25T14:00:00")
    assert stamp(booked.start_time) == "2024-07-25T18:00:00Z"
    with pytest.raises(NonexistentTime):
        await book(db, org, start_time="2024-03-10T02:30:00")
    with pytest.raises(AmbiguousTime):
        await book(db, org, start_time="2024-11-03T01:30:00")
    assert await stored(db, org) == 1


async def test_an_hour_that_happens_twice_holds_two_appointments(db: Database) -> None:
    org = await make_org(db, NOW, timezone="America/New_York")
    await book(db, org, start_time="2024-11-03T01:30:00-04:00")
    await book(db, org, start_time="2024-11-03T01:30:00-05:00")
    assert await stored(db, org) == 2


async def test_a_change_of_the_type_does_not_move_what_is_booked(db: Database, org: Org) -> None:
    booked = await book(db, org)

    def lengthen(tx: Tx) -> None:
        tx.execute(
            appointment_types.update()
            .where(appointment_types.c.id == org.type_id)
            .values(duration_minutes=90)
        )

    await db.write(lengthen)
    assert (await db.read(appointments.get, org.id, booked.id, NOW)).end_time == booked.end_time
    later = await book(db, org, start_time="2024-01-25T15:00:00Z")
    assert later.end_time - later.start_time == timedelta(minutes=90)


async def test_book_changes_data_by_a_single_statement(postgres_url: str) -> None:
    """What lets it run without BEGIN and COMMIT (`Database.write_one`)."""
    from kalends.db.postgres import PostgresDatabase

    database = PostgresDatabase(postgres_url, pool_size=1)
    org = await make_org(database, NOW)
    said: list[str] = []
    event.listen(
        database._engine, "before_cursor_execute", lambda *args: said.append(args[2].split(maxsplit=1)[0])
    )
    try:
        await book(database, org)
        assert said == ["SELECT", "WITH"]
        with pytest.raises(SlotTaken):
            await book(database, org)
        assert said[2:4] == ["SELECT", "WITH"]
        assert set(said[4:]) == {"SELECT"}
    finally:
        await database.close()


_MINUTES = st.integers(0, 48).map(lambda quarter: quarter * 15)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    duration=st.sampled_from([15, 45, 60]),
    before=st.sampled_from([0, 5, 15]),
    after=st.sampled_from([0, 10, 30]),
    wishes=st.lists(st.tuples(_MINUTES, st.sampled_from(["conflicts", "conflicts", "none"])), max_size=25),
)
async def test_book_agrees_with_a_list_of_intervals(
    db: Database, duration: int, before: int, after: int, wishes: list[tuple[int, str]]
) -> None:
    org = await make_org(
        db, NOW, durationMinutes=duration, bufferBeforeMinutes=before, bufferAfterMinutes=after
    )
    taken: list[tuple[int, int]] = []
    for start, check in wishes:
        busy = (start - before, start + duration + after)
        free = all(busy[1] <= other[0] or other[1] <= busy[0] for other in taken)
        at = stamp(NOW + timedelta(minutes=start))
        if free or check == "none":
            booked = await book(db, org, start_time=at, check=check)
            assert booked.overlap_allowed == (not free)
            taken.append(busy)
        else:
            with pytest.raises(SlotTaken) as refused:
                await book(db, org, start_time=at, check=check)
            overlapping = [other for other in taken if busy[0] < other[1] and other[0] < busy[1]]
            assert len(refused.value.details["reasons"]) == min(len(overlapping), 10)
    assert await stored(db, org) == len(taken)
