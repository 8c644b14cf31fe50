"""The search for free time, without HTTP: how the databases find what keeps calendars busy."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kalends.core.hours import HOUR, seconds
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.services.booking import offers, staff_days
from tests.services.test_appointment_lists import MINUTE, ROWS, analyze, fill
from tests.support.organizations import Org, make_org
from tests.support.plans import plan

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
START, END = (seconds(NOW + n * MINUTE) for n in (ROWS // 2, ROWS * 3 // 4))
NINE_MORE = [f"cal_{n}" for n in range(9)]

Ask = Callable[[Tx, Org], Any]


def busy(tx: Tx, org: Org) -> Any:
    return offers._busy(tx, org.id, [org.calendar_id], START, END, NOW, None)


def busy_but_for_one(tx: Tx, org: Org) -> Any:
    return offers._busy(tx, org.id, [org.calendar_id], START, END, NOW, "apt_0000001")


def busy_of_ten(tx: Tx, org: Org) -> Any:
    return offers._busy(tx, org.id, [org.calendar_id, *NINE_MORE], START, END, NOW, None)


def booked(tx: Tx, org: Org) -> Any:
    return offers._booked(tx, offers.type_of(tx, org.id, org.type_id), (START, END), NOW, None)


def booked_but_for_one(tx: Tx, org: Org) -> Any:
    return offers._booked(tx, offers.type_of(tx, org.id, org.type_id), (START, END), NOW, "apt_0000001")


def in_week(tx: Tx, org: Org) -> Any:
    return offers.in_week(tx, org.id, [org.calendar_id], (START, END), NOW)


def in_week_of_ten(tx: Tx, org: Org) -> Any:
    return offers.in_week(tx, org.id, [org.calendar_id, *NINE_MORE], (START, END), NOW)


def last_booked(tx: Tx, org: Org) -> Any:
    return offers.last_booked(tx, org.id, [org.calendar_id, *NINE_MORE], NOW)


def day_of_staff(tx: Tx, org: Org) -> Any:
    return staff_days._taken(tx, org.id, [org.calendar_id, *NINE_MORE], START, START + HOUR, NOW)


def booked_on_a_day(tx: Tx, org: Org) -> Any:
    return staff_days._booked(tx, org.id, [f"apt_{n:07}" for n in range(240)])


# What the databases must say of a plan: the index, and by which bounds it is entered and left.
BY_BUSY = ["ix_occupations_org_id_calendar_id_busy_start ", r"\bcalendar_id ?=", r"\boverlap_allowed ?="]
BY_BUSY += [r"\bbusy_start ?>", r"\bbusy_start ?<"]
BY_START = ["ix_appointments_org_id_start_time_id ", r"\bstart_time ?>", r"\bstart_time ?<"]
BY_ID = ["ix_occupations_org_id_calendar_id_holder_id ", r"\borg_id ?=", r"\bcalendar_id ?="]
BY_KEY = [r"(?:pk_appointments|sqlite_autoindex_appointments_1) ", r"\borg_id ?=", r"\bid ?="]
UNCOUNTED: dict[Ask, list[str]] = {
    day_of_staff: [r"\bcalendar_id ?=", r"\bbusy_start ?>", r"\bbusy_start ?<"],
    booked_on_a_day: [r"\borg_id ?=", r"\bid ?="],
}
"""By what a database without statistics enters an index, whichever it chooses."""
PLANS: dict[Ask, list[str]] = {
    busy: BY_BUSY,
    busy_but_for_one: BY_BUSY,
    busy_of_ten: BY_BUSY,
    booked: BY_START,
    booked_but_for_one: BY_START,
    in_week: BY_BUSY,
    in_week_of_ten: BY_BUSY,
    last_booked: BY_ID,
    day_of_staff: BY_BUSY,
    booked_on_a_day: BY_KEY,
}
ACCESS = re.compile(
    r".*(?:SEARCH (?:appointments|occupations) |Scan (?:Backward )?using |Bitmap Index Scan on "
    r"|Index Cond: ).*"
)
ASKED = re.compile(r"FROM (?:appointments|occupations) ")
BAD = re.compile(r"(?:SCAN|Seq Scan on) (?:appointments|occupations)\b")
SORTED = re.compile(r"TEMP B-TREE|Sort")


def plan_of(tx: Tx, org: Org, ask: Ask) -> str:
    """How the database goes about the question."""
    return plan(
        tx,
        lambda: ask(tx, org),
        lambda statement: re.search("FROM (appointments|occupations) ", statement) is not None,
    )


async def test_what_keeps_calendars_busy_is_read_along_an_index(empty_url: str) -> None:
    db = open_database(empty_url, pool_size=1)
    try:
        await db.migrate()
        await db.write(fill, await make_org(db, NOW), ROWS // 10)
        org = await make_org(db, NOW)
        await db.write(fill, org, ROWS)
        if empty_url.startswith("sqlite"):  # it has no statistics until somebody asks for them
            await _check(db, org)
        await db.write(analyze)
        await _check(db, org)
    finally:
        await db.close()


async def test_a_day_of_staff_needs_no_statistics(empty_url: str) -> None:
    db = open_database(empty_url, pool_size=1)
    try:
        await db.migrate()
        org = await make_org(db, NOW)
        await _check(db, org, UNCOUNTED)
        await db.write(fill, org, ROWS // 10)
        await _check(db, org, UNCOUNTED)
    finally:
        await db.close()


async def _check(db: Database, org: Org, plans: dict[Ask, list[str]] = PLANS) -> None:
    for ask, wanted in plans.items():
        steps = await db.read(plan_of, org, ask)
        access = " ".join(ACCESS.findall(steps))
        missing = [each for each in wanted if not re.search(each, access)]
        bad = BAD.findall(steps) + (SORTED.findall(steps) if wanted is BY_ID else [])
        assert (missing, bad) == ([], []), f"{ask.__name__}:\n{steps}"
