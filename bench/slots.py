"""The search for free time: the engine alone, and over HTTP beside the list of appointments.

Fills databases of its own, on SQLite and on PostgreSQL: each once with what is searched alone, and once
crowded with a million appointments of other organizations and with a long past. Asks everything in turns, so
that what the machine does meanwhile falls on all alike. Read the ratios. Usage: `make bench-slots`.
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import http.client
import itertools
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import insert

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.occupations import take_time  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from bench.create import ORGS, running, seed  # noqa: E402
from bench.list import COLUMNS, TAKE_TIME, create_database, take_all_time  # noqa: E402
from kalends.clock import SystemClock  # noqa: E402
from kalends.core.hours import Schedule, instant, seconds, stamp  # noqa: E402
from kalends.core.intervals import Intervals  # noqa: E402
from kalends.core.requirements import Need, Requirement  # noqa: E402
from kalends.core.rules import Calendar, Terms  # noqa: E402
from kalends.core.slots import Offer  # noqa: E402
from kalends.db.database import Tx  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.db.tables import appointments  # noqa: E402
from kalends.schemas.appointment_types import AppointmentTypeCreate  # noqa: E402
from kalends.schemas.calendars import CalendarCreate  # noqa: E402
from kalends.schemas.hours import AvailabilityCreate  # noqa: E402
from kalends.services.outbox.parties import operator  # noqa: E402
from kalends.services.setup import appointment_types, availability, calendars, keys, organizations  # noqa: E402

ZONE = "Europe/Berlin"
FIRST = date(2030, 3, 4)
"""A Monday. The clocks are put forward within the days that follow."""
OPENS, CLOSES = 9, 17
INTERVAL, NOTICE_HOURS, DAYS_AHEAD = 15, 24, 10_000
LIMIT = 50
WARM_UP = 20
QUIET_MS = 1.0
"""What `calibrate` takes on a quiet machine of two cores, on Python 3.11. Where it takes twice as long, so
does everything else."""
ENGINE_AIM, LIST_AIM, TEN_AIM, TWO_AIM = 1.0, 4, 10, 1.5


@dataclass(frozen=True)
class Practice:
    """An organization whose time is searched: its calendars are open on weekdays from 9 to 17, and each has
    `booked` appointments of so many minutes, one beside the other at most, over so many days. Each of the
    `requirements` needs one of its share of the calendars."""

    calendars: int
    minutes: int
    booked: int
    days: int
    requirements: int = 1

    @property
    def name(self) -> str:
        many = "one calendar" if self.calendars == 1 else f"{self.calendars} calendars"
        dealt = "" if self.requirements == 1 else f" in {self.requirements} requirements"
        return f"{many}{dealt}, {self.minutes} minutes"

    @property
    def id(self) -> str:
        return f"org_{self.calendars}x{self.minutes}"

    @property
    def key(self) -> str:
        return f"vst_bench_{self.calendars}x{self.minutes}"

    @property
    def type_id(self) -> str:
        return f"type_{self.calendars}x{self.minutes}"

    @property
    def range(self) -> tuple[int, int]:
        return tuple(seconds(_berlin(day * 24 * 60)) for day in (0, self.days))  # type: ignore[return-value]

    @functools.cached_property
    def bookings(self) -> list[list[datetime]]:
        """By calendar, when its appointments start."""
        places = [
            _berlin(day * 24 * 60 + minute)
            for day in range(self.days)
            if day % 7 < 5
            for minute in range(OPENS * 60, CLOSES * 60 - self.minutes + 1, self.minutes)
        ]
        # Not a secret, but the same on every run.
        dice = random.Random(f"{self.calendars} {self.minutes}")
        return [sorted(dice.sample(places, self.booked)) for _ in range(self.calendars)]

    def offer(self) -> Offer:
        """What the service makes of the rows."""
        length = self.minutes * 60
        weekly = [Intervals([(OPENS * 3600, CLOSES * 3600)] if 1 <= day <= 5 else []) for day in range(7)]
        terms = Terms(
            is_active=True,
            duration=length,
            buffer_before=0,
            buffer_after=0,
            interval=INTERVAL * 60,
            min_notice_hours=NOTICE_HOURS,
            max_days_ahead=DAYS_AHEAD,
            caps={},
            week_start=1,
            schedule=Schedule(ZONE, weekly),
        )
        busy = [[(seconds(at), seconds(at) + length) for at in starts] for starts in self.bookings]
        own = [
            Calendar(id=f"cal_{n:02}", is_active=True, serves=True, schedule=None, busy=Intervals(spans))
            for n, spans in enumerate(busy)
        ]
        needs = [
            Requirement(Need(name=str(n)), own[n :: self.requirements]) for n in range(self.requirements)
        ]
        return Offer(terms, needs, (), seconds(SystemClock().now()))


def _berlin(minutes: int) -> datetime:
    """So many minutes after the first midnight, on the clocks of Berlin."""
    midnight = datetime(FIRST.year, FIRST.month, FIRST.day)  # noqa: DTZ001 - wall-clock time
    return instant(midnight + timedelta(minutes=minutes), ZONE)


def calibrate() -> int:
    """Always the same work, of the kind that the engine does."""
    spans: list[tuple[int, int]] = []
    at = 0
    for n in range(9_300):
        at += n % 7
        if spans and at < spans[-1][1]:
            spans[-1] = (spans[-1][0], at + 3)
        else:
            spans.append((at, at + 3))
    return len(spans)


@dataclass(frozen=True)
class Line:
    """A line of the table: what took how long, beside what of the same run, and where it is crowded."""

    what: str
    took: list[float]
    beside: tuple[str, list[float]] | None = None
    aim: str = ""
    crowded: list[float] | None = None

    def __str__(self) -> str:
        cells = [self.what, _ms(self.took), "", "", self.aim, "", ""]
        if self.beside is not None:
            other, took = self.beside
            cells[2:4] = f"{other}: {_ms(took)}", _ratio(self.took, took)
        if self.crowded is not None:
            cells[5:7] = _ms(self.crowded), _ratio(self.crowded, self.took)
        return f"| {' | '.join(cells)} |"


def _ms(took: list[float]) -> str:
    return f"{statistics.median(took) * 1000:.2f}"


def _ratio(took: list[float], beside: list[float]) -> str:
    return f"{statistics.median(took) / statistics.median(beside):.2f}"


def table(lines: list[Line]) -> str:
    head = ["| what | ms | beside | ratio | aim | crowded (ms) | ratio |", "| --- |" + " --- |" * 6]
    return "\n".join([*head, *map(str, lines)])


def timed(work: Callable[[], Any]) -> float:
    """The seconds that the processor worked: what others do meanwhile does not count."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def engine(practices: list[Practice], times: int) -> tuple[dict[Practice, int], list[Line]]:
    """How many starts the engine finds for each practice, and the lines about it."""
    searches = {each: functools.partial(each.offer().search, *each.range) for each in practices}
    found = {each: len(search()) for each, search in searches.items()}
    calibrations: list[float] = []
    results: dict[Practice, list[float]] = {each: [] for each in practices}
    gc.freeze()
    for _ in range(times):
        for each, search in searches.items():
            calibrations.append(timed(calibrate))
            results[each].append(timed(search))
    lines = []
    for each, took in results.items():
        what = f"engine, {each.name}: {found[each]:,} starts"
        lines.append(Line(what, took, ("calibration", calibrations), f"at most {ENGINE_AIM / QUIET_MS:g}"))
        if each.calendars > 1:
            one = practices[0]
            lines[-1] = Line(what, took, (one.name, results[one]), f"at most {TEN_AIM}")
        if each.requirements > 1:
            ten = next(other for other in practices if other.calendars == each.calendars)
            lines[-1] = Line(what, took, (ten.name, results[ten]), f"at most {TWO_AIM}")
    return found, lines


def fill(tx: Tx, practice: Practice) -> None:
    now = SystemClock().now()
    org = practice.id
    name = practice.name.capitalize()
    organizations.create(tx, name=name, timezone=ZONE, org_id=org, calendar_id=f"{org}_0", now=now)
    party = operator(org)
    keys.create(tx, party, name=None, scopes=["write"], lifetime=None, now=now, secret=practice.key)
    ids = [f"{org}_0"] + [
        calendars.create(tx, party, CalendarCreate(name=f"Room {n}"), now).id
        for n in range(1, practice.calendars)
    ]
    kind = AppointmentTypeCreate(
        name="Bench",
        durationMinutes=practice.minutes,
        slotIntervalMinutes=INTERVAL,
        minNoticeHours=NOTICE_HOURS,
        maxDaysAhead=DAYS_AHEAD,
        calendarIds=ids,
    )
    appointment_types.create(tx, party, kind, now, type_id=practice.type_id)
    times = {"start_time": f"{OPENS:02}:00:00", "end_time": f"{CLOSES:02}:00:00"}
    open_ = [AvailabilityCreate.model_validate({"day_of_week": day} | times) for day in range(1, 6)]
    availability.replace(tx, party, open_, now)
    rows = [
        {
            "org_id": org,
            "id": f"apt_{calendar_id}_{n:05}",
            "appointment_type_id": practice.type_id,
            "calendar_id": calendar_id,
            "start_time": start,
            "end_time": start + timedelta(minutes=practice.minutes),
            "busy_start": start,
            "busy_end": start + timedelta(minutes=practice.minutes),
            "overlap_allowed": False,
            "client_name": "Jane Doe",
            "client_email": "jane@example.com",
            "client_phone": "+1234567890",
            "client_language": "en",
            "status": "confirmed",
            "source": "manual",
            "version": 1,
            "confirmed_at": now,
            "created_at": now,
            "updated_at": now,
        }
        for calendar_id, starts in zip(ids, practice.bookings, strict=True)
        for n, start in enumerate(starts)
    ]
    tx.execute(insert(appointments), rows)
    take_time(tx, org)


@dataclass(frozen=True)
class Crowd:
    """Further appointments in SQL, numbered by `n`: of whom, and how many minutes after the first day."""

    org: str
    kind: str
    calendar: str
    minutes: str
    rows: int

    def source(self, start: str, minute: str) -> str:
        return (
            f"SELECT {self.org}, 'apt_' || n, {self.kind}, {self.calendar}, {start}, {start} + {minute}, "
            f"{start}, {start} + {minute}, false, 'Jane Doe', 'jane@example.com', '+1234567890', 'en', "
            f"'confirmed', 'manual', 1, {start}, {start}, {start}"
        )


def crowds(practices: list[Practice], others: int, past: int) -> list[Crowd]:
    """Other organizations with one every four minutes, and an appointment in each hour before."""
    org, kind, calendar = (f"'{name}_' || (n % {ORGS})" for name in ("org", "type", "cal"))
    return [Crowd(org, kind, calendar, f"n / {ORGS} * 4", others)] + [
        Crowd(f"'{each.id}'", f"'{each.type_id}'", f"'{each.id}_0'", "-60 * (n + 1)", past)
        for each in practices
    ]


def crowd_sqlite(path: Path, more: list[Crowd]) -> None:
    at = seconds(_berlin(0))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -512000")
        for each in more:
            connection.execute(
                "WITH RECURSIVE numbers (n) AS "
                f"(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {each.rows - 1}) "
                f"INSERT INTO appointments ({COLUMNS}) "
                f"{each.source(f'{at} + ({each.minutes}) * 60', '60')} FROM numbers"
            )
        connection.execute(TAKE_TIME)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def crowd_postgres(url: str, more: list[Crowd]) -> None:
    at, minute = f"'{_berlin(0).isoformat()}'::timestamptz", "interval '1 minute'"
    connection = await asyncpg.connect(url)
    try:
        for each in more:
            await connection.execute(
                f"INSERT INTO appointments ({COLUMNS}) "
                f"{each.source(f'{at} + ({each.minutes}) * {minute}', minute)} "
                f"FROM generate_series(0::bigint, {each.rows - 1}) AS numbers (n)"
            )
        await take_all_time(connection)
    finally:
        await connection.close()


async def vacuum(url: str) -> None:
    """What autovacuum does in time. (SQLite has no statistics until somebody asks for them.)"""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@dataclass(frozen=True)
class Question:
    """A request, what its answer must be, and beside which other one it is shown."""

    what: str
    practice: Practice
    path: str
    fits: Callable[[Any], bool]
    beside: str = ""
    aim: str = ""
    body: Any = None
    status: int = 200

    def ask(self, connection: http.client.HTTPConnection) -> float:
        headers = {"Authorization": f"Bearer {self.practice.key}", "Content-Type": "application/json"}
        sent = None if self.body is None else json.dumps(self.body)
        method = "GET" if sent is None else "POST"
        began = time.perf_counter()
        connection.request(method, f"/v1/calendar/{self.path}", sent, headers)
        response = connection.getresponse()
        content = response.read()
        took = time.perf_counter() - began
        assert response.status == self.status, content
        assert self.fits(json.loads(content)), content
        return took


def questions(practices: list[Practice], found: dict[Practice, int]) -> Iterator[Question]:
    one = practices[0]
    shown = min(LIMIT, one.booked)
    yield Question(
        "list", one, f"appointments?limit={LIMIT}", lambda told: len(told["appointments"]) == shown
    )
    for each in practices:
        alone = each.calendars == 1
        last = FIRST + timedelta(days=each.days - 1)
        asked = {"appointment_type_id": each.type_id, "from": FIRST.isoformat(), "to": last.isoformat()}
        yield Question(
            each.name,
            each,
            f"slots?{urllib.parse.urlencode(asked)}",
            lambda told, starts=found[each]: len(told["slots"]) == starts,  # type: ignore[misc]
            beside="list" if alone else one.name,
            aim=f"at most {LIST_AIM if alone else TEN_AIM}",
        )
    middle = one.bookings[0][one.booked // 2]
    taken = {"appointment_type_id": one.type_id, "start_time": stamp(middle)}
    yield Question(
        "explain",
        one,
        f"slots/explain?{urllib.parse.urlencode(taken)}",
        lambda told: not told["bookable"] and bool(told["next_available"]),
        beside="list",
    )
    client = {"client_name": "Jane Doe", "client_email": "jane@example.com", "client_phone": "+1234567890"}
    yield Question(
        "a refused booking",
        one,
        "appointments",
        lambda told: bool(told["details"]["next_available"]),
        beside="list",
        body=taken | client,
        status=409,
    )


Results = dict[tuple[str, str, bool], list[float]]
"""The seconds by database, question, and whether it was asked where it is crowded."""


def measure(
    servers: dict[tuple[str, bool], http.client.HTTPConnection], every: list[Question], times: int
) -> Results:
    results: Results = {(name, each.what, crowded): [] for name, crowded in servers for each in every}
    turns = list(itertools.product(every, servers.items()))
    for time_ in range(-WARM_UP, times):  # the first ones warm the caches up and don't count
        for question, ((name, crowded), connection) in turns[:: 1 if time_ % 2 else -1]:
            took = question.ask(connection)
            if time_ >= 0:
                results[name, question.what, crowded].append(took)
    return results


def lines_of(results: Results, every: list[Question]) -> Iterator[Line]:
    for name, question in itertools.product(("SQLite", "PostgreSQL"), every):
        took, crowded = (results[name, question.what, each] for each in (False, True))
        other = (question.beside, results[name, question.beside, False]) if question.beside else None
        yield Line(f"{name}, {question.what}", took, other, question.aim, crowded)


def over_http(urls: dict[tuple[str, bool], str], every: list[Question], times: int) -> Results:
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, url in urls.items():
            port = free_port()
            command = [str(KALENDS), "serve", "--port", str(port)]
            stack.enter_context(running(command, port, KALENDS_DATABASE_URL=url))
            servers[name] = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            stack.callback(servers[name].close)
        gc.freeze()
        return measure(servers, every, times)


async def fill_all(url: str, practices: list[Practice]) -> None:
    database = open_database(url, pool_size=1)
    for practice in practices:
        await database.write(fill, practice)
    await database.close()


def filled(
    folder: Path, postgres: Postgres, practices: list[Practice], more: list[Crowd]
) -> dict[tuple[str, bool], str]:
    """Databases by kind, and by whether they are crowded."""
    urls = {}
    for crowded in (False, True):
        name = "crowded" if crowded else "alone"
        path = folder / f"{name}.db"
        asyncio.run(create_database(postgres.url("postgres"), name))
        urls["SQLite", crowded] = f"sqlite:///{path}"
        urls["PostgreSQL", crowded] = postgres.url(name)
        for kind in ("SQLite", "PostgreSQL"):
            url = urls[kind, crowded]
            began = time.perf_counter()
            seed(url)
            asyncio.run(fill_all(url, practices))
            if crowded and kind == "SQLite":
                crowd_sqlite(path, more)
            elif crowded:
                asyncio.run(crowd_postgres(url, more))
            if kind == "PostgreSQL":
                asyncio.run(vacuum(url))
            print(f"{kind}, {name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return urls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="every request is sent so often")
    parser.add_argument("--runs", type=int, default=1000, help="and the engine run so often")
    parser.add_argument("--days", type=int, default=60, help="are searched")
    parser.add_argument("--booked", type=int, default=500, help="appointments in each calendar")
    parser.add_argument("--others", type=int, default=1_000_000, help="appointments of other organizations")
    parser.add_argument("--past", type=int, default=100_000, help="appointments before, of each organization")
    options = parser.parse_args()
    practices = [Practice(*each, options.booked, options.days) for each in ((1, 30), (1, 15), (10, 30))]
    load = os.getloadavg()[0]
    dealt = replace(practices[-1], requirements=2)
    found, lines = engine([*practices, dealt], options.runs)
    every = list(questions(practices, found))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-bench-")))
        postgres = stack.enter_context(Postgres.start())
        more = crowds(practices, options.others, options.past)
        results = over_http(filled(folder, postgres, practices, more), every, options.times)
    print(table([*lines, *lines_of(results, every)]))
    past = f"each organization with {options.past:,} of its own past"
    print(f"\nCrowded: {options.others:,} appointments of other organizations, and {past}.")
    print(
        f"On a quiet machine the calibration takes {QUIET_MS} ms. At the beginning the load was {load:.1f}."
    )


if __name__ == "__main__":
    main()
