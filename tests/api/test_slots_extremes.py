"""Free time at the ends of the calendar, and of practices of degenerate sizes: an ordinary answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.tables import overrides
from kalends.services.setup.schedules import default_id
from tests.api.counter import FEBRUARY_TO_MAY, Counter, asking, listed, malformed
from tests.support.answers import answered, refused
from tests.support.databases import everyday_on_sqlite, on_sqlite, sqlite_first
from tests.support.desk import BASE, THURSDAY, at, codes, window
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio


@asking
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
async def test_what_is_listed_at_the_end_of_the_calendar_can_be_booked(counter: Counter, zone: str) -> None:
    await counter.local(zone)
    starts: list[str] = []
    for first, last in (
        ("9999-12-30", "9999-12-30"),
        ("9999-12-31", "9999-12-31"),
        ("9999-12-30", "9999-12-31T09:59:59"),
        ("9999-12-30T12:00:00Z", "9999-12-31T12:00:00Z"),
        ("9999-12-31T12:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01", "0001-01-01"),
        ("0001-01-01", "0001-03-31"),
        ("0001-01-02", "0001-01-03"),
        ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z"),
    ):
        for response in await counter.search(**{"from": first, "to": last, "timezone": zone}):
            if response.status_code == 400:
                malformed(response, "invalid_time")
            else:
                starts += listed(response)
                for slot in response.json()["slots"]:
                    length = datetime.fromisoformat(slot["end_time"]) - datetime.fromisoformat(
                        slot["start_time"]
                    )
                    assert length == timedelta(hours=1)
    assert "9999-12-31T22:00:00Z" in starts
    for start in sorted(set(starts))[-4:]:
        answered(await counter.desk.book(start, dry_run=True, check="all"), "appointment")
        told = await counter.desk.explain(start)
        assert told["bookable"] is True
        assert set(told["next_available"]) <= set(starts)


@asking
@pytest.mark.parametrize("buffers", [0, 1_440])
async def test_starts_at_the_ends_of_the_calendar(counter: Counter, buffers: int) -> None:
    await counter.desk.set_type(bufferBeforeMinutes=buffers, bufferAfterMinutes=buffers, maxPerMonth=3)
    for start, code in (
        ("0001-01-01T00:00:00Z", "too_soon"),
        ("0001-01-01T00:30:00Z", "too_soon"),
        ("0001-03-31T00:00:00Z", "too_soon"),
        ("9999-10-01T00:00:01Z", "off_grid"),
        ("9999-12-30T00:00:01Z", "off_grid"),
        ("9999-12-31T23:00:01Z", "off_grid"),
        ("9999-12-31T23:59:59Z", "off_grid"),
    ):
        explained = await counter.explain(start_time=start)
        for answers in (
            explained,
            await counter.hold(start_time=start),
            await counter.book(start_time=start),
        ):
            for response in answers:
                if explained[0].status_code == 400:
                    malformed(response, "invalid_time")
                elif answers is explained:
                    assert response.status_code == 200, response.text
                    assert codes(response.json())[0] == code
                else:
                    refused(response, 409, code)


@on_sqlite
@asking
async def test_windows_of_no_length_are_refused(counter: Counter) -> None:
    client = counter.desk.staff
    before = (await client.get(f"{BASE}/availability")).json()
    for hours in (
        "09:00-09:00",
        "00:00-00:00",
        "24:00-24:00",
        "24:00-00:00",
        "10:00-09:59:59",
        "09:00:00-09:00",
    ):
        on_monday = window(hours, day_of_week=1)
        for method, path, body in (
            ("POST", "availability", on_monday),
            ("PUT", "availability", {"schedules": [on_monday]}),
            ("POST", "schedules", {"name": "Hours", "windows": [on_monday]}),
            ("POST", "overrides", {"date": THURSDAY, "windows": [window(hours)]}),
        ):
            malformed(await client.request(method, f"{BASE}/{path}", json=body))
    assert (await client.get(f"{BASE}/availability")).json() == before
    assert len(await counter.desk.starts()) == 24


async def _store_overrides(db: Database, org: Org, days: list[dict[str, Any]]) -> None:
    """Of the organization's own hours, as they are and all at once."""

    def store(tx: Tx) -> None:
        now = datetime(2024, 1, 1, tzinfo=UTC)
        same: dict[str, Any] = {"org_id": org.id, "schedule_id": default_id(tx, org.id)}
        same |= {"reason": None, "holiday": None, "created_at": now, "updated_at": now}
        tx.execute(insert(overrides), [same | {"id": f"ovr_{n:05}"} | each for n, each in enumerate(days)])

    await db.write(store)


@asking
async def test_windows_of_no_length_that_are_stored_open_nothing(counter: Counter, db: Database) -> None:
    empty = [window("09:00:00-09:00:00"), window("24:00:00-24:00:00"), window("00:00:00-00:00:00")]
    closed = {"start_date": THURSDAY, "end_date": "2024-01-26", "windows": empty}
    await _store_overrides(db, counter.desk.org, [closed])
    for response in await counter.search(to="2024-01-26"):
        assert listed(response) == []
    for response in await counter.book():
        refused(response, 409, "outside_hours")
    for response in await counter.explain():
        assert codes(response.json()) == ["outside_hours"]
        assert response.json()["next_available"][0] == at("00:00", "2024-01-27")


@pytest.mark.slow
@sqlite_first()
@asking
async def test_ten_thousand_overrides(counter: Counter, db: Database) -> None:
    """All of the same days: the last one counts."""
    days = {"start_date": "1970-01-01", "end_date": "2100-12-31"}
    last = days | {"windows": [window("09:00:00-10:00:00")]}
    await _store_overrides(db, counter.desk.org, [days | {"windows": []}] * 9_999 + [last])
    for response in await counter.search(**FEBRUARY_TO_MAY):
        starts = listed(response)
        assert (len(starts), {start[10:] for start in starts}) == (92, {"T09:00:00Z"})
    mornings = [at("09:00", f"2024-01-{day}") for day in range(25, 30)]
    for response in await counter.explain(start_time=at("08:00")):
        assert response.json()["next_available"] == mornings
    for response in await counter.book(start_time=at("08:00")):
        assert refused(response, 409, "outside_hours")["details"]["next_available"] == mornings


@sqlite_first()
@asking
async def test_five_hundred_windows(counter: Counter) -> None:
    """As many as a schedule may have: five minutes of every quarter of an hour, until late in the day."""
    desk, quarters = (
        counter.desk,
        [f"{n // 4:02}:{n % 4 * 15:02}-{n // 4:02}:{n % 4 * 15 + 5:02}" for n in range(72)],
    )
    windows = [window(quarters[n // 7], day_of_week=n % 7) for n in range(500)]
    await desk.open(*windows)
    await desk.set_type(durationMinutes=5, slotIntervalMinutes=1)
    for response in await counter.search(**{"from": "2024-02-04", "to": "2024-02-10"}):
        assert len(listed(response)) == 500
    # Thirteen weeks and a Thursday: a window of every quarter hour until 17:45.
    for response in await counter.search(**FEBRUARY_TO_MAY):
        assert len(listed(response)) == 5_000
        following = response.json()["next"]
    for response in await counter.search(**FEBRUARY_TO_MAY | {"from": following}):
        assert len(listed(response)) == 13 * 500 + 71 - 5_000
        assert "next" not in response.json()
    more = [*windows, window("23:00-23:05", day_of_week=0)]
    malformed(await desk.staff.put(f"{BASE}/availability", json={"schedules": more}), field="schedules")
    assert len(await desk.starts("2024-02-04", "2024-02-10")) == 500


@pytest.mark.slow
@asking
@everyday_on_sqlite("minutes", everyday=8, torture=1)
async def test_every_minute_of_92_days(counter: Counter, minutes: int) -> None:
    """Every eighth in the everyday version."""
    await counter.desk.set_type(slotIntervalMinutes=minutes)
    zone = {"timezone": "America/St_Johns"}
    told, starts, asked = b"", [], FEBRUARY_TO_MAY
    while "from" in asked:
        staff, clients = await counter.search(**asked, **zone)
        assert listed(staff) == listed(clients)
        starts += listed(staff)
        told += staff.content
        following = staff.json().get("next")
        asked = {**asked, "from": following} if following else {}
    assert (len(starts), starts[0], starts[-1]) == (
        92 * 1_440 // minutes,
        "2024-02-01T00:00:00Z",
        f"2024-05-02T23:{60 - minutes}:00Z",
    )
    assert b'"local_start_time":"2024-01-31T20:30:00-03:30"' in told
    assert f'"local_end_time":"2024-05-02T22:{30 - minutes}:00-02:30"'.encode() in told


async def test_a_week_with_a_day_before_and_a_day_after(counter: Counter) -> None:
    """The longest appointments there are."""
    desk = counter.desk
    await desk.set_type(durationMinutes=10_080, bufferBeforeMinutes=1_440, bufferAfterMinutes=1_440)
    days = [stamp(datetime(2024, 2, 1, tzinfo=UTC) + timedelta(days=n)) for n in range(92)]
    for response in await counter.search(**FEBRUARY_TO_MAY):
        assert listed(response) == days
    await desk.booked(days[40], check="all")
    for response in await counter.search(**FEBRUARY_TO_MAY):
        assert listed(response) == [*days[:32], *days[49:]]
    for response in await counter.explain(start_time=days[32]):
        assert codes(response.json()) == ["conflict"]
        assert response.json()["next_available"] == days[49:54]


async def test_months_of_caps(counter: Counter) -> None:
    desk = counter.desk
    await desk.set_type(maxPerDay=1, maxPerWeek=1, maxPerMonth=1)
    for month in range(1, 6):
        await desk.booked(at("10:00", f"2024-{month:02}-14"), check="conflicts")
    for response in await counter.search(**FEBRUARY_TO_MAY):
        assert listed(response) == []
    june = [at(f"{hour:02}:00", "2024-06-01") for hour in range(5)]
    for day, periods in (
        ("2024-03-14", ["day", "week", "month"]),
        ("2024-03-16", ["week", "month"]),
        ("2024-03-18", ["month"]),
    ):
        told = await desk.explain(at("12:00", day))
        assert [reason["period"] for reason in told["reasons"]] == periods
        for response in await counter.book(start_time=at("12:00", day)):
            assert refused(response, 409, "limit_reached")["details"]["next_available"] == june
    assert june[0] in (await desk.explain(at("12:00", "2024-03-18")))["next_available"]
