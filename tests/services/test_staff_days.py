"""The days of an organization as its staff see them, without HTTP."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from kalends.core.errors import InvalidTime
from kalends.core.hours import HOUR, seconds
from kalends.core.intervals import Intervals
from kalends.db.database import Database, Tx
from kalends.schemas.appointment_types import AppointmentTypeCreate
from kalends.schemas.appointments import AppointmentChange
from kalends.schemas.blocks import BlockCreate
from kalends.schemas.calendars import CalendarChange, CalendarCreate
from kalends.schemas.holds import HoldCreate
from kalends.schemas.hours import AvailabilityCreate
from kalends.services.booking import appointment_changes, bookings, holds, staff_days
from kalends.services.booking.staff_days import Entry, StaffDay, StaffDays
from kalends.services.outbox import parties
from kalends.services.setup import appointment_types, availability, blocks, calendars
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
DAY = date(2024, 1, 25)
OPEN = [
    AvailabilityCreate.model_validate({"day_of_week": day, "start_time": "09:00", "end_time": "17:00"})
    for day in range(7)
]


def at(hour: float, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def spans(entries: Sequence[Entry], day: date = DAY) -> list[tuple[str, float, float]]:
    """What entries are, and from when to when, in hours after the day began in UTC."""
    begin = seconds(at(0, day))
    return [(each.kind, (each.start - begin) / HOUR, (each.end - begin) / HOUR) for each in entries]


class House:
    """An organization that is open from nine to five, and what its staff do."""

    def __init__(self, db: Database, org: Org) -> None:
        self.db, self.org = db, org
        self.party = parties.staff(org.caller)

    async def open(self) -> "House":
        await self.db.write(availability.replace, self.party, OPEN, NOW)
        return self

    async def calendar(self, name: str, **fields: Any) -> str:
        wish = CalendarCreate.model_validate({"name": name} | fields)
        return (await self.db.write(calendars.create, self.party, wish, NOW)).id

    async def type(self, **fields: Any) -> str:
        wish = {"name": "Review", "durationMinutes": 60} | fields
        made = AppointmentTypeCreate.model_validate(wish)
        return (await self.db.write(appointment_types.create, self.party, made, NOW)).id

    async def book(self, start: datetime, **fields: Any) -> str:
        wish = self.org.create(start_time=start, **fields)
        return (await self.db.write(bookings.by_staff, self.party, wish, NOW)).id

    async def change(self, id_: str, now: datetime = NOW, **fields: Any) -> None:
        wish = AppointmentChange.model_validate(fields)
        await self.db.write(appointment_changes.change, self.party, id_, wish, now)

    async def block(self, start: datetime, end: datetime, **fields: Any) -> str:
        wish = BlockCreate.model_validate({"start_time": start, "end_time": end} | fields)
        return (await self.db.write(blocks.create, self.party, wish, NOW)).id

    async def days(self, first: date = DAY, now: datetime = NOW, **options: Any) -> StaffDays:
        caller = self.org.caller
        return await self.db.read(staff_days.of, caller.org_id, caller.timezone, first, now, **options)

    async def day(self, first: date = DAY, **options: Any) -> StaffDay:
        [day] = (await self.days(first, **options)).days
        return day


@pytest.fixture
async def house(db: Database) -> House:
    return await House(db, await make_org(db, NOW)).open()


async def test_a_day_has_its_hours_and_what_takes_time(house: House) -> None:
    first = await house.book(at(14))
    block = await house.block(at(10), at(11), calendar_id=house.org.calendar_id, reason="Lunch")
    wish = {"appointment_type_id": house.org.type_id, "start_time": at(15), "ttl_seconds": 600}
    await house.db.write(holds.hold, house.party, HoldCreate.model_validate(wish), NOW)
    day = await house.day()
    [column] = day.columns
    assert day.span == (seconds(at(0)), seconds(at(24)))
    assert column.open == Intervals([(seconds(at(9)), seconds(at(17)))])
    assert spans(column.entries) == [("block", 10, 11), ("appointment", 14, 15), ("hold", 15, 16)]
    blocked, booked, held = column.entries
    assert (blocked.id, blocked.reason, blocked.of_all, blocked.repeats) == (block, "Lunch", False, False)
    assert (booked.id, booked.client_name, booked.type_name) == (first, "Jane Doe", "Tax Consultation")
    assert (booked.status, booked.overlaps) == ("confirmed", False)
    assert held.id is None
    assert not (await house.day(DAY + timedelta(days=1))).columns[0].entries


async def test_buffers_lie_around_the_time_of_an_appointment(house: House) -> None:
    type_id = await house.type(bufferBeforeMinutes=30, bufferAfterMinutes=15)
    await house.book(at(14), appointment_type_id=type_id)
    [column] = (await house.day()).columns
    assert spans(column.entries) == [("appointment", 14, 15)]
    assert column.entries[0].busy == (seconds(at(13.5)), seconds(at(15.25)))
    await house.book(at(10))
    assert (await house.day()).columns[0].entries[0].busy is None


async def test_an_appointment_of_several_calendars_is_in_each_for_its_own_time(house: House) -> None:
    room, nurse = await house.calendar("Room"), await house.calendar("Nurse")
    type_id = await house.type(
        bufferBeforeMinutes=15,
        requirements=[
            {"name": "room", "calendarIds": [room]},
            {"name": "nurse", "calendarIds": [nurse], "offsetMinutes": 30, "durationMinutes": 30},
        ],
    )
    id_ = await house.book(at(14), appointment_type_id=type_id)
    day = await house.day()
    shown = {each.calendar.name: spans(each.entries) for each in day.columns}
    assert shown.pop("Room") == [("appointment", 14, 15)]
    assert shown.pop("Nurse") == [("appointment", 14.5, 15)]
    assert list(shown.values()) == [[]]
    assert {entry.id for column in day.columns for entry in column.entries} == {id_}


async def test_what_is_cancelled_or_has_lapsed_takes_no_time(house: House) -> None:
    await house.change(await house.book(at(10)), status="cancelled")
    wish = {"appointment_type_id": house.org.type_id, "start_time": at(15), "ttl_seconds": 600}
    await house.db.write(holds.hold, house.party, HoldCreate.model_validate(wish), NOW)
    later = NOW + timedelta(minutes=10)
    assert (await house.day(now=later)).columns[0].entries == []


async def test_calendars_out_of_service_are_there_as_long_as_they_have_appointments(house: House) -> None:
    away, gone = await house.calendar("Away"), await house.calendar("Gone")
    yesterday = DAY - timedelta(days=9)
    for calendar_id in (away, gone):
        await house.book(at(10, yesterday), calendar_id=calendar_id)
    await house.db.write(
        calendars.change, house.party, away, CalendarChange.model_validate({"is_active": False}), NOW
    )
    await house.db.write(calendars.remove, house.party, gone, NOW)
    past = await house.days(yesterday)
    [default] = past.calendars
    assert default.id == house.org.calendar_id
    assert [(each.calendar.name, each.calendar.is_deleted) for each in past.days[0].columns[1:]] == [
        ("Away", False),
        ("Gone", True),
    ]
    assert [each.calendar.id for each in (await house.day()).columns] == [house.org.calendar_id]


async def test_only_the_calendars_that_were_chosen(house: House) -> None:
    room = await house.calendar("Room")
    found = await house.days(only=[room, "cal_nothing"])
    assert [each.calendar.id for each in found.days[0].columns] == [room]
    assert [each.id for each in found.calendars] == [house.org.calendar_id, room]
    everything = await house.days(only=["cal_nothing"])  # as when there is none of these any longer
    assert len(everything.days[0].columns) == 2


async def test_a_week_has_what_reaches_over_midnight_on_both_days(house: House) -> None:
    type_id = await house.type(durationMinutes=120)
    await house.book(at(23), appointment_type_id=type_id)
    await house.block(at(-24), at(20 * 24), calendar_id=house.org.calendar_id, force=True)  # in pieces
    found = await house.days(DAY - timedelta(days=1), days=7)
    assert [day.date for day in found.days] == [DAY + timedelta(days=each - 1) for each in range(7)]
    shown = [spans(day.columns[0].entries) for day in found.days]
    booked, blocked = ("appointment", 23.0, 25.0), ("block", -24.0, 20 * 24.0)
    assert [[each for each in day if each[0] == "appointment"] for day in shown[:4]] == [
        [],
        [booked],
        [booked],
        [],
    ]
    assert all(blocked[:2] == day[0][:2] for day in shown)
    assert all(len([each for each in day if each[0] == "block"]) == 1 for day in shown)


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
async def test_days_on_which_clocks_change(db: Database, day: str, hours: int) -> None:
    house = await House(db, await make_org(db, NOW, timezone="Europe/Berlin")).open()
    found = await house.day(date.fromisoformat(day))
    [column] = found.columns
    assert found.span[1] - found.span[0] == hours * HOUR
    assert [(start - found.span[0], end - start) for start, end in column.open] == [
        ((hours - 15) * HOUR, 8 * HOUR)
    ]


async def test_a_date_that_the_clocks_leave_out_has_nothing(db: Database) -> None:
    house = await House(db, await make_org(db, NOW, timezone="Pacific/Apia")).open()
    found = await house.day(date(2011, 12, 30))
    assert found.span[0] == found.span[1]
    assert [(each.entries, bool(each.open)) for each in found.columns] == [([], False)]


async def test_the_end_of_the_calendar_is_refused(house: House) -> None:
    for first, count in ((date.max, 1), (date(9999, 12, 28), 7)):
        with pytest.raises(InvalidTime):
            await house.days(first, days=count)


async def test_another_organization_has_none_of_it(db: Database, house: House) -> None:
    other = await House(db, await make_org(db, NOW)).open()
    await house.book(at(14))
    day = await other.day(only=[house.org.calendar_id])
    assert [(each.calendar.id, each.entries) for each in day.columns] == [(other.org.calendar_id, [])]


async def test_a_full_day_is_cheap(house: House) -> None:
    """Eight calendars with thirty appointments each: few questions, and little to compute."""
    for number in range(7):
        await house.calendar(f"Room {number}")
    type_id = await house.type(durationMinutes=20)
    ids = [each.id for each in (await house.days()).calendars]
    for start in range(30):
        for calendar_id in ids:
            await house.book(at(9 + start / 3), appointment_type_id=type_id, calendar_id=calendar_id)
    asked: list[str] = []
    took: list[float] = []

    def read(tx: Tx) -> StaffDay:
        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(tx, "before_cursor_execute", note)
        before = time.thread_time()
        day = staff_days.of(tx, house.org.id, "UTC", DAY, NOW).days[0]
        took.append(time.thread_time() - before)
        event.remove(tx, "before_cursor_execute", note)
        return day

    for _ in range(5):
        asked.clear()
        day = await house.db.read(read)
    assert [len(each.entries) for each in day.columns] == [30] * 8
    # Calendars, hours, days that differ, the time that is taken, by what, of which types.
    assert sum(each.startswith("SELECT") for each in asked) == 6
    print(f"{min(took) * 1000:.1f} ms")
