"""Lists of appointments, without HTTP: how the databases find their rows."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert

from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointments
from kalends.schemas.queries import AppointmentsQuery, Cursor
from kalends.services.booking import appointment_lists
from tests.support.occupations import take_time
from tests.support.organizations import Org, make_org
from tests.support.plans import plan

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
ROWS = 3000
CLIENTS = 100
MINUTE = timedelta(minutes=1)


def fill(tx: Tx, org: Org, rows: int, longer: int = 0) -> None:
    """A minute each, one after the other, or so many minutes `longer`, as staff may force them.
    They were changed in another order, at no two equal times."""

    def row(n: int) -> dict[str, Any]:
        start, changed = NOW + n * MINUTE, NOW + n * 7919 % rows * MINUTE
        return {
            "org_id": org.id,
            "id": f"apt_{n:07}",
            "appointment_type_id": org.type_id,
            "calendar_id": org.calendar_id,
            "start_time": start,
            "end_time": start + (1 + longer) * MINUTE,
            "busy_start": start,
            "busy_end": start + (1 + longer) * MINUTE,
            "overlap_allowed": longer > 0,
            "client_name": "Jane Doe",
            "client_email": f"Client{n % CLIENTS}@example.com",
            "client_email_folded": f"client{n % CLIENTS}@example.com",
            "client_language": "en",
            "status": "confirmed",
            "source": "manual",
            "version": 1,
            "created_at": changed,
            "updated_at": changed,
        }

    tx.execute(insert(appointments), [row(n) for n in range(rows)])
    take_time(tx, org.id)


def analyze(tx: Tx) -> None:
    tx.exec_driver_sql("ANALYZE")


def minute(n: int) -> str:
    return (NOW + n * MINUTE).isoformat()


def cursor(n: int, by: Any = "start_time", order: Any = "asc") -> dict[str, str]:
    """The page after the row of this minute."""
    at = int((NOW + n * MINUTE).timestamp())
    return {"order": order, "cursor": str(Cursor(by=by, order=order, at=at, id=f"apt_{n:07}"))}


DESC = {"order": "desc"}
RANGE = {"from": minute(ROWS // 2), "to": minute(ROWS * 3 // 4)}
OVER = RANGE | {"overlapping": "true"}
SINCE = {"updated_since": minute(ROWS // 2)}
CLIENT = {"client_email": "CLIENT7@example.com"}
DEEP = ROWS * 2 // 3

# What the databases must say of a plan: the index, and by which bounds it is entered and left.
BY_START, BY_CHANGE = "ix_appointments_org_id_start_time_id ", "ix_appointments_org_id_updated_at_id "
FROM, TO, CHANGED = r"\bstart_time ?>", r"\bstart_time ?<", r"\bupdated_at ?>"
BY_ADDRESS, ADDRESS = "ix_appointments_org_id_client_email_folded ", r"\bclient_email_folded ?="
AFTER, BEFORE = r", ?id\) ?>", r", ?id\) ?<"
PLANS: dict[str, tuple[dict[str, str], list[str]]] = {
    "everything": ({}, [BY_START]),
    "range": (RANGE, [BY_START, FROM, TO]),
    "range, backwards": (RANGE | DESC, [BY_START, FROM, TO]),
    "overlapping": (OVER, [BY_START, FROM, TO]),
    "overlapping, backwards": (OVER | DESC, [BY_START, FROM, TO]),
    "overlapping from": ({"from": OVER["from"], "overlapping": "true"}, [BY_START, FROM]),
    "overlapping and cursor": (OVER | cursor(DEEP), [BY_START, AFTER, TO]),
    "overlapping and cursor, backwards": (OVER | cursor(DEEP, order="desc"), [BY_START, FROM, BEFORE]),
    "range and status": (RANGE | {"status": "pending,confirmed"}, [BY_START, FROM, TO]),
    "cursor": (cursor(DEEP), [BY_START, AFTER]),
    "cursor, backwards": (cursor(DEEP, order="desc"), [BY_START, BEFORE]),
    "range and cursor": (RANGE | cursor(DEEP), [BY_START, AFTER, TO]),
    "range and cursor, backwards": (RANGE | cursor(DEEP, order="desc"), [BY_START, FROM, BEFORE]),
    "changes": (SINCE, [BY_CHANGE, CHANGED]),
    "changes, backwards": (SINCE | DESC, [BY_CHANGE, CHANGED]),
    "changes and cursor": (SINCE | cursor(DEEP, "updated_at"), [BY_CHANGE, AFTER]),
    "changes and cursor, backwards": (
        SINCE | cursor(DEEP, "updated_at", "desc"),
        [BY_CHANGE, CHANGED, BEFORE],
    ),
    "address": (CLIENT, [BY_ADDRESS, ADDRESS]),
    "address, backwards": (CLIENT | DESC, [BY_ADDRESS, ADDRESS]),
    "address and range": (CLIENT | RANGE, [BY_ADDRESS, ADDRESS, FROM, TO]),
    "address, status and calendar": (
        CLIENT | {"status": "confirmed", "calendar_id": "cal_1"},
        [BY_ADDRESS, ADDRESS],
    ),
    "address and cursor": (CLIENT | cursor(DEEP), [BY_ADDRESS, ADDRESS, AFTER]),
    "address, range and cursor, backwards": (
        CLIENT | RANGE | cursor(DEEP, order="desc"),
        [BY_ADDRESS, ADDRESS, FROM, BEFORE],
    ),
}
# How a plan must not go: over the whole table, beginning elsewhere than at the cursor, or sorting.
ACCESS = re.compile(r".*(?:SEARCH appointments |\bon appointments |Index Cond: ).*")
BAD = re.compile(
    r"SCAN appointments\b|(?:Seq|Bitmap Heap) Scan on appointments\b|Filter: .*ROW|TEMP B-TREE|Sort"
)


def plan_of(tx: Tx, org_id: str, query: dict[str, str]) -> str:
    """How the database goes about the page."""
    wish = AppointmentsQuery.model_validate(query)
    ask = partial(appointment_lists.page, tx, org_id, "UTC", wish, NOW)
    return plan(tx, ask, lambda statement: statement.startswith("SELECT"))


async def test_every_page_is_read_along_an_index(empty_url: str) -> None:
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


async def _check(db: Database, org: Org) -> None:
    for name, (query, wanted) in PLANS.items():
        steps = await db.read(plan_of, org.id, query)
        access = " ".join(ACCESS.findall(steps))
        missing = [each for each in wanted if not re.search(each, access)]
        assert (missing, BAD.findall(steps)) == ([], []), f"{name}:\n{steps}"


async def listed(db: Database, org: Org, **query: Any) -> list[int]:
    """The numbers of the rows of all pages."""
    found: list[int] = []
    while True:
        asked = AppointmentsQuery.model_validate({"limit": 3} | query)
        answer = await db.read_one(appointment_lists.page, org.id, "UTC", asked, NOW)
        found += [int(each.id.removeprefix("apt_")) for each in answer.appointments]
        if answer.next_cursor is None:
            return found
        query["cursor"] = answer.next_cursor


async def test_bounds_hold_on_every_page_and_on_either_side_of_the_cursor(db: Database, org: Org) -> None:
    await db.write(fill, org, 20)
    bounds = {"from": minute(5), "to": minute(15)}
    assert await listed(db, org, **bounds) == list(range(5, 15))
    assert await listed(db, org, **bounds, order="desc") == list(range(14, 4, -1))
    for n in range(20):
        assert await listed(db, org, **bounds, **cursor(n)) == [*range(max(5, n + 1), 15)]
        backwards = await listed(db, org, **bounds, **cursor(n, order="desc"))
        assert backwards == [*range(min(14, n - 1), 4, -1)]


async def test_changes_are_listed_once_each_and_bounded_by_start_too(db: Database, org: Org) -> None:
    await db.write(fill, org, 20)
    by_change = sorted(range(20), key=lambda n: n * 7919 % 20)
    since = {"updated_since": minute(5)}
    assert await listed(db, org, **since) == by_change[5:]
    assert await listed(db, org, **since, order="desc") == by_change[:4:-1]
    bounds = {"from": minute(5), "to": minute(15)}
    assert await listed(db, org, **since, **bounds) == [n for n in by_change[5:] if 5 <= n < 15]


async def test_an_addresss_rows_are_listed_on_all_pages(db: Database, org: Org) -> None:
    await db.write(fill, org, CLIENTS * 5)
    mine = [n for n in range(CLIENTS * 5) if n % CLIENTS == 7]
    assert await listed(db, org, **CLIENT) == mine
    assert await listed(db, org, **CLIENT, **DESC) == mine[::-1]
    assert await listed(db, org, **CLIENT, **{"from": minute(200), "to": minute(400)}) == [207, 307]
    assert len(await listed(db, org, **CLIENT, updated_since=minute(0))) == len(mine)


async def test_what_overlaps_is_listed_on_every_page_and_on_either_side_of_the_cursor(
    db: Database, org: Org
) -> None:
    """Ten minutes each, one every minute: half-open on both sides."""
    await db.write(fill, org, 40, 9)
    over = {"from": minute(20), "to": minute(25), "overlapping": "true"}
    assert await listed(db, org, **over) == list(range(11, 25))
    assert await listed(db, org, **over, order="desc") == list(range(24, 10, -1))
    for n in range(40):
        assert await listed(db, org, **over, **cursor(n)) == [*range(max(11, n + 1), 25)]
        backwards = await listed(db, org, **over, **cursor(n, order="desc"))
        assert backwards == [*range(min(24, n - 1), 10, -1)]
    by_change = sorted(range(40), key=lambda n: n * 7919 % 40)
    since = {"updated_since": minute(10)}
    assert await listed(db, org, **over, **since) == [n for n in by_change[10:] if 11 <= n < 25]
    assert await listed(db, org, **over | {"overlapping": "false"}) == list(range(20, 25))
    # Either bound will do alone, and without any everything overlaps.
    assert await listed(db, org, **{"from": minute(45)}, overlapping="true") == list(range(36, 40))
    assert await listed(db, org, to=minute(5), overlapping="true") == list(range(5))
    assert await listed(db, org, overlapping="true") == list(range(40))
    # Nothing overlaps no time at all.
    for to in (20, 15):
        assert await listed(db, org, **over | {"to": minute(to)}) == []


@pytest.mark.parametrize("at", [10**12, -(10**12), 10**30])
async def test_a_cursor_beyond_the_calendar_is_refused(db: Database, org: Org, at: int) -> None:
    forged = Cursor.model_construct(by="start_time", order="asc", at=at, id="apt_1")
    with pytest.raises(ValidationError, match="must be the next_cursor of an earlier answer"):
        await listed(db, org, cursor=str(forged))
