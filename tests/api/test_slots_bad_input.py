"""Degenerate questions about free time: a clear refusal or an ordinary answer, and nothing is stored."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.core.hours import stamp
from kalends.db.database import Database
from tests.api.counter import FEBRUARY_TO_MAY, Counter, asking, listed, malformed
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import BASE, THURSDAY, Desk, at, codes
from tests.support.organizations import make_org

pytestmark = pytest.mark.anyio


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


@on_sqlite
@asking
async def test_zones_that_are_none(counter: Counter) -> None:
    for zone in ZONES_THAT_ARE_NONE:
        for response in await counter.search(timezone=zone):
            malformed(response, field="timezone")
    for response in await counter.search(timezone=" Europe/Berlin "):
        assert len(listed(response)) == 24


@on_sqlite
@asking
async def test_what_is_missing_or_blank(counter: Counter) -> None:
    whole = {"appointment_type_id": counter.desk.org.type_id, "start_time": at("14:00")}
    bounds = {"from": THURSDAY, "to": THURSDAY}
    for client, path in ((counter.desk.staff, BASE), (counter.desk.client, counter.desk.path)):
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


@on_sqlite
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


@on_sqlite
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


@on_sqlite
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


@on_sqlite
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


@on_sqlite
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


@on_sqlite
@asking
async def test_ranges_without_any_time_in_them(counter: Counter) -> None:
    for bound in (at("14:00"), "2024-01-25T14:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        for response in await counter.search(**{"from": bound, "to": bound}):
            assert listed(response) == []


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
        await desk.staff.get(f"{BASE}/slots/explain", params=asked),
        *[await desk.hold(at("14:00"), check=check, **fields) for check in ("all", "conflicts")],
        *[await desk.book(at("14:00"), check=check, **fields) for check in ("all", "conflicts", "none")],
    ]


@asking
async def test_holds_that_no_one_has(
    counter: Counter, app: FastAPI, db: Database, clock: StoppedClock
) -> None:
    other = await make_org(db, clock.now())
    async with client_of(app, other.key) as client:
        held = await Desk(app, other).held(at("14:00"))
    for id_ in (held["id"], "none", "%00", "../hold", "x" * 255, counter.desk.org.type_id):
        for response in await counter.book(hold_id=id_):
            refused(response, 409, "hold_gone")
    for client, path in ((counter.desk.staff, BASE), (counter.desk.client, counter.desk.path)):
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
        for client, path in ((counter.desk.staff, BASE), (counter.desk.client, counter.desk.path)):
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
            malformed(await counter.desk.client.post(f"{counter.desk.path}/{what}", json=body), field="check")
    for answers in (await counter.hold(start_time=off_grid), await counter.book(start_time=off_grid)):
        assert codes(refused(answers[1], 409, "off_grid")["details"]) == ["off_grid"]
    # Holds are always checked, and only an admin may book without.
    malformed(await counter.desk.hold(off_grid, check="none"), field="check")
    made = await counter.desk.staff.post("/v1/keys", json={"scopes": ["read", "write", "delete"]})
    writer = Desk(app, replace(counter.desk.org, key=made.json()["secret"]))
    refused(await writer.book(off_grid, check="none"), 403, "scope_missing")
    answered(await writer.book(off_grid, check="conflicts", dry_run=True), "appointment")
