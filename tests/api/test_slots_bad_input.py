"""Degenerate questions about free time, and practices of degenerate sizes: a clear refusal or an ordinary
answer, and nothing is stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.tables import overrides
from kalends.services.setup.schedules import default_id
from tests.api.conftest import client_of
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import BASE, THURSDAY, Desk, at, codes, week, window
from tests.support.organizations import Org, counts, make_org

pytestmark = pytest.mark.anyio

FEBRUARY_TO_MAY = {"from": "2024-02-01", "to": "2024-05-02"}
"""Ninety-two days."""


@dataclass(frozen=True)
class Counter:
    """Where staff and clients of one organization ask the same; the answer to staff comes first."""

    desk: Desk
    visitor: httpx.AsyncClient
    page: str

    async def search(self, **query: str) -> list[httpx.Response]:
        asked = {"appointment_type_id": self.desk.org.type_id, "from": THURSDAY, "to": THURSDAY} | query
        return [
            await self.desk.client.get(f"{BASE}/slots", params=asked),
            await self.visitor.get(f"{self.page}/slots", params=asked),
        ]

    async def explain(self, **query: str) -> list[httpx.Response]:
        asked = {"appointment_type_id": self.desk.org.type_id, "start_time": at("14:00")} | query
        return [
            await self.desk.client.get(f"{BASE}/slots/explain", params=asked),
            await self.visitor.get(f"{self.page}/slots/explain", params=asked),
        ]

    async def hold(self, **fields: Any) -> list[httpx.Response]:
        body = {"appointment_type_id": self.desk.org.type_id, "start_time": at("14:00")} | fields
        return [
            await self.desk.client.post(f"{BASE}/holds", json={"check": "all"} | body),
            await self.visitor.post(f"{self.page}/holds", json=body),
        ]

    async def book(self, **fields: Any) -> list[httpx.Response]:
        wish = self.desk.org.wish(start_time=at("14:00")) | fields
        return [
            await self.desk.client.post(f"{BASE}/appointments", json={"check": "all"} | wish),
            await self.visitor.post(f"{self.page}/appointments", json=wish),
        ]

    async def ask_all(self, **fields: Any) -> list[httpx.Response]:
        """All four. The bounds of the search are the start of the others."""
        start = fields.get("start_time")
        bounds = {} if start is None else {"from": start, "to": start}
        others = {name: value for name, value in fields.items() if name != "start_time"}
        return [
            *await self.search(**bounds, **others),
            *await self.explain(**fields),
            *await self.hold(**fields),
            *await self.book(**fields),
        ]

    async def local(self, zone: str) -> None:
        """Move the organization to another zone."""
        changed = await self.desk.client.patch("/v1/organization", json={"timezone": zone})
        answered(changed, "organization")


@pytest.fixture
async def counter(app: FastAPI, client: httpx.AsyncClient, org: Org) -> AsyncIterator[Counter]:
    """Open round the clock, from now on and for ever; an hour each, every hour."""
    desk = Desk(client, org)
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(minNoticeHours=0, maxDaysAhead=None)
    slug = answered(await client.get("/v1/organization"), "organization")["slug"]
    async with client_of(app, None) as visitor:
        yield Counter(desk, visitor, f"/v1/public/{slug}")


@pytest.fixture
async def nothing_stored(db: Database, org: Org) -> AsyncIterator[None]:
    """What is asked and what is refused leaves nothing behind."""
    before = await db.read(counts, org.id)
    yield
    assert await db.read(counts, org.id) == before


asking = pytest.mark.usefixtures("nothing_stored")


def malformed(response: httpx.Response, code: str = "invalid_request", field: str = "") -> dict[str, Any]:
    """Assert that a response is a 400, which names this field and no other where one is given."""
    request = response.request
    assert response.status_code == 400, f"{request.method} {request.url} {request.content!r} {response.text}"
    answer = refused(response, 400, code)
    assert len(answer["error"]) < 300
    if field:
        assert [each["field"] for each in answer["details"]["fields"]] == [field]
        assert answer["error"].startswith(field)
    return answer


def listed(response: httpx.Response) -> list[str]:
    """The starts in an ordinary answer to a search."""
    assert response.status_code == 200, f"{response.request.url} {response.text}"
    starts = [slot["start_time"] for slot in response.json()["slots"]]
    assert starts == sorted(set(starts))
    return starts


ZONES_THAT_ARE_NONE = [
    "../../etc/passwd",
    "../Europe/Berlin",
    "Europe/../Europe/Berlin",
    "/etc/localtime",
    "/usr/share/zoneinfo/UTC",
    "./UTC",
    "America",
    "America/",
    "UTC/",
    "Europe//Berlin",
    "UTC\x00",
    "\x00",
    "",
    "   ",
    "utc",
    "europe/berlin",
    "EUROPE/BERLIN",
    "localtime",
    "Factory",
    "posixrules",
    "tzdata.zi",
    "zone.tab",
    "leapseconds",
    "__init__.py",
    "+02:00",
    "UTC+2",
    "CET-1CEST",
    "%s%n",
    "Europe/Bérlin",
    "🦊",
    "x" * 64,
    "x" * 65,
    "A/" * 5_000,
]


@asking
async def test_zones_that_are_none(counter: Counter) -> None:
    for zone in ZONES_THAT_ARE_NONE:
        for response in await counter.search(timezone=zone):
            malformed(response, field="timezone")
    for response in await counter.search(timezone=" Europe/Berlin "):
        assert len(listed(response)) == 24


@asking
async def test_what_is_missing_or_blank(counter: Counter) -> None:
    whole = {"appointment_type_id": counter.desk.org.type_id, "start_time": at("14:00")}
    bounds = {"from": THURSDAY, "to": THURSDAY}
    for client, path in ((counter.desk.client, BASE), (counter.visitor, counter.page)):
        kind = {"appointment_type_id": whole["appointment_type_id"]}
        for what, asked in (("slots", kind | bounds), ("slots/explain", whole)):
            for field in asked:
                without = {name: value for name, value in asked.items() if name != field}
                malformed(await client.get(f"{path}/{what}", params=without), field=field)
                for blank in ("", " \t"):
                    code = "invalid_request" if field == "appointment_type_id" else "invalid_time"
                    response = await client.get(f"{path}/{what}", params=without | {field: blank})
                    malformed(response, code, field=field)
        for field in whole:
            without = counter.desk.org.wish(**whole)
            del without[field]
            for what in ("holds", "appointments"):
                blanks: list[dict[str, Any]] = [{field: None}, {field: ""}, {field: " \t"}]
                for body in (without, *(without | blank for blank in blanks)):
                    malformed(await client.post(f"{path}/{what}", json=body), "missing_fields")


TIMES_THAT_ARE_NONE = [
    "now",
    "1706191200",
    "2024-02-30",
    "2024-02-30T10:00:00Z",
    "2024-13-01T10:00:00Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "-2024-01-25T14:00:00Z",
    "+2024-01-25T14:00:00Z",
    "2024-01-25T25:00Z",
    "2024-01-25T23:59:60Z",
    "2024-01-25T14:00:00+24:00",
    "2024-01-25T14:00:00+99:99",
    "2024-01-25T14:00:00 Europe/Berlin",
    "2024-01-25T14:00:00Z\x00",
    "\x00",
    "２０２４-01-25T14:00:00Z",
    "2024-01-25T14:00:00Z" + "0" * 100,
    "2" * 10_000,
    # Before the year 1 and after 9999 in UTC.
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
]


@asking
async def test_times_that_are_none(counter: Counter) -> None:
    for text in TIMES_THAT_ARE_NONE:
        for response in [
            *await counter.search(**{"from": text}),
            *await counter.search(to=text),
            *await counter.explain(start_time=text),
            *await counter.hold(start_time=text),
            *await counter.book(start_time=text),
        ]:
            malformed(response, "invalid_time")
    for value in (1706191200, 2.5, True, ["2024-01-25T14:00:00Z"], {"at": "14:00"}):
        for response in [*await counter.hold(start_time=value), *await counter.book(start_time=value)]:
            malformed(response, "invalid_time", field="start_time")


@asking
async def test_a_date_bounds_a_search_and_is_no_start(counter: Counter) -> None:
    for text in ("2024-01-25", "20240125", "2024-W04-4", "2024-025", "2024-01", "2024"):
        for response in await counter.search(**{"from": text, "to": "2024-01-31"}):
            assert listed(response)
        for response in [
            *await counter.explain(start_time=text),
            *await counter.hold(start_time=text),
            *await counter.book(start_time=text),
        ]:
            answer = malformed(response, "invalid_time", field="start_time")
            assert "a date without a time of day" in answer["error"]


@asking
async def test_times_that_the_clocks_skip_or_repeat(counter: Counter) -> None:
    await counter.local("America/New_York")
    for text, code, readings in (
        ("2024-03-10T02:30:00", "nonexistent_time", ["2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z"]),
        ("2024-11-03T01:30:00", "ambiguous_time", ["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z"]),
    ):
        for response in [
            *await counter.ask_all(start_time=text),
            *await counter.search(**{"from": "2024-03-01", "to": text}),
        ]:
            assert malformed(response, code)["details"]["readings"] == readings


@asking
async def test_ranges_the_wrong_way_round(counter: Counter) -> None:
    for first, last in (
        (at("14:00"), at("13:59")),
        (at("14:00"), "2024-01-25T14:00:00+00:01"),
        ("2024-01-25", "2024-01-23"),
        ("2024-01-25T00:00:01", "2024-01-24"),
        ("9999-12-31", "2024-01-25"),
        ("2024-01-25", "0001-01-01"),
    ):
        for response in await counter.search(**{"from": first, "to": last}):
            assert malformed(response)["error"] == "to must not be before from."


@asking
async def test_ranges_of_92_days_and_not_more(counter: Counter) -> None:
    for first, last in (
        ("2024-02-01", "2024-05-03"),
        ("2024-02-01T00:00:00Z", "2024-05-04T00:00:00Z"),
        ("2024-01-01", "2024-12-31"),
        ("0001-01-01", "2024-01-25"),
        ("2024-01-25", "9999-12-30"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ):
        for response in await counter.search(**{"from": first, "to": last}):
            assert malformed(response)["error"] == "from and to must not be more than 92 days apart."
    for response in await counter.search(**FEBRUARY_TO_MAY):
        assert len(listed(response)) == 92 * 24
    # That is an hour more where clocks are put back within, and one less where they are put forward.
    await counter.local("America/New_York")
    for first, last, hours in (("2024-09-01", "2024-12-01", 1), ("2024-02-01", "2024-05-02", -1)):
        for response in await counter.search(**{"from": first, "to": last}):
            assert len(listed(response)) == 92 * 24 + hours


@asking
async def test_ranges_without_any_time_in_them(counter: Counter) -> None:
    for bound in (at("14:00"), "2024-01-25T14:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        for response in await counter.search(**{"from": bound, "to": bound}):
            assert listed(response) == []


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


@asking
async def test_ids_that_no_one_has(counter: Counter, db: Database, clock: StoppedClock) -> None:
    org, other = counter.desk.org, await make_org(db, clock.now())
    hostile = ["none", "../../etc/passwd", "type'; DROP TABLE appointments; --", "%00", "ünï🦊", "x" * 255]
    for id_ in (*hostile, other.type_id, org.calendar_id):
        for response in await counter.ask_all(appointment_type_id=id_):
            assert refused(response, 404, "not_found")["details"] == {"field": "appointment_type_id"}
    for id_ in (*hostile, other.calendar_id, org.type_id):
        for response in await _by_staff(counter.desk, calendar_id=id_):
            assert refused(response, 404, "not_found")["details"] == {"field": "calendar_id"}


@asking
async def test_ids_that_no_one_can_have(counter: Counter) -> None:
    for id_ in ("a\x00b", "\x00", "x" * 256, "x" * 10_000):
        for response in await counter.ask_all(appointment_type_id=id_):
            malformed(response, field="appointment_type_id")
        for response in await _by_staff(counter.desk, calendar_id=id_):
            malformed(response, field="calendar_id")
        for response in await counter.book(hold_id=id_):
            malformed(response, field="hold_id")
    others: list[Any] = [5, True, ["type"], {"id": "type"}]
    for other in others:
        for field in ("appointment_type_id", "hold_id"):
            for response in await counter.book(**{field: other}):
                malformed(response, field=field)


async def _by_staff(desk: Desk, **fields: Any) -> list[httpx.Response]:
    asked = {"appointment_type_id": desk.org.type_id, "start_time": at("14:00")} | fields
    return [
        await desk.search(**fields),
        await desk.client.get(f"{BASE}/slots/explain", params=asked),
        *[await desk.hold(at("14:00"), check=check, **fields) for check in ("all", "conflicts")],
        *[await desk.book(at("14:00"), check=check, **fields) for check in ("all", "conflicts", "none")],
    ]


@asking
async def test_holds_that_no_one_has(
    counter: Counter, app: FastAPI, db: Database, clock: StoppedClock
) -> None:
    other = await make_org(db, clock.now())
    async with client_of(app, other.key) as client:
        held = await Desk(client, other).held(at("14:00"))
    for id_ in (held["id"], "none", "%00", "../hold", "x" * 255, counter.desk.org.type_id):
        for response in await counter.book(hold_id=id_):
            refused(response, 409, "hold_gone")
    for client, path in ((counter.desk.client, BASE), (counter.visitor, counter.page)):
        for id_ in (held["id"], "none", "x" * 255):
            refused(await client.delete(f"{path}/holds/{id_}"), 404, "not_found")
        malformed(await client.delete(f"{path}/holds/a%00b"))


@asking
async def test_times_to_live(counter: Counter, clock: StoppedClock) -> None:
    wrong: list[Any] = [0, 901, -1, 1.5, 899.999, "60", "", True, None, [], {}, [60], 2**63, 10**30, 1e300]
    for ttl in wrong:
        for response in await counter.hold(ttl_seconds=ttl):
            malformed(response, field="ttl_seconds")
    for ttl in (1, 900, 60.0, 9e2):
        fields = {"appointment_type_id": counter.desk.org.type_id, "ttl_seconds": ttl}
        for client, path in ((counter.desk.client, BASE), (counter.visitor, counter.page)):
            response = await client.post(f"{path}/holds", json=fields | {"start_time": at("14:00")})
            held = answered(response, "hold")
            assert held["expires_at"] == stamp(clock.now() + timedelta(seconds=ttl))
            assert (await client.delete(f"{path}/holds/{held['id']}")).status_code == 200


@asking
async def test_checks_that_are_none(counter: Counter, app: FastAPI) -> None:
    off_grid = at("14:30")
    wrong: list[Any] = ["ALL", "", "all\x00", "conflict", "some", None, True, 1, ["all"], {"all": 1}]
    for check in wrong:
        for call in (counter.hold, counter.book):
            for response in await call(check=check, start_time=off_grid):
                malformed(response, field="check")
    # Clients are checked by every rule, and it is not theirs to say.
    for check in ("none", "conflicts"):
        body = counter.desk.org.wish(check=check, start_time=off_grid)
        for what in ("holds", "appointments"):
            malformed(await counter.visitor.post(f"{counter.page}/{what}", json=body), field="check")
    for answers in (await counter.hold(start_time=off_grid), await counter.book(start_time=off_grid)):
        assert codes(refused(answers[1], 409, "off_grid")["details"]) == ["off_grid"]
    # Holds are always checked, and only an admin may book without.
    malformed(await counter.desk.hold(off_grid, check="none"), field="check")
    made = await counter.desk.client.post("/v1/keys", json={"scopes": ["read", "write", "delete"]})
    async with client_of(app, made.json()["secret"]) as writer:
        desk = Desk(writer, counter.desk.org)
        refused(await desk.book(off_grid, check="none"), 403, "scope_missing")
        answered(await desk.book(off_grid, check="conflicts", dry_run=True), "appointment")


@asking
async def test_windows_of_no_length_are_refused(counter: Counter) -> None:
    client = counter.desk.client
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
    malformed(await desk.client.put(f"{BASE}/availability", json={"schedules": more}), field="schedules")
    assert len(await desk.starts("2024-02-04", "2024-02-10")) == 500


@asking
@on_sqlite
async def test_every_minute_of_92_days(counter: Counter) -> None:
    await counter.desk.set_type(slotIntervalMinutes=1)
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
        92 * 1_440,
        "2024-02-01T00:00:00Z",
        "2024-05-02T23:59:00Z",
    )
    assert b'"local_start_time":"2024-01-31T20:30:00-03:30"' in told
    assert b'"local_end_time":"2024-05-02T22:29:00-02:30"' in told


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
