"""What one rude client costs the others: the slowest `/healthz` and the slowest ordinary booking meanwhile.

Starts a server on SQLite and one on PostgreSQL, each with a file limit of 1,024, and has a process of its own
do to them, one after the other, what a stranger or a careless program might. Two probes go on all the time,
each with a connection of its own for every request. Usage: `make bench-pressure`.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import insert

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.occupations import take_time  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from bench.create import seed  # noqa: E402
from bench.wire import Connection  # noqa: E402
from kalends.clock import SystemClock  # noqa: E402
from kalends.db.database import Tx  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.db.tables import appointments  # noqa: E402
from kalends.schemas.appointment_types import AppointmentTypeCreate  # noqa: E402
from kalends.schemas.calendars import CalendarCreate  # noqa: E402
from kalends.schemas.feeds import FeedCreate  # noqa: E402
from kalends.schemas.hours import AvailabilityCreate  # noqa: E402
from kalends.services.leaving import feeds  # noqa: E402
from kalends.services.outbox.parties import operator  # noqa: E402
from kalends.services.setup import appointment_types, availability, calendars, keys, organizations  # noqa: E402

ORG, KEY = "org_rude", "vst_rude"
DAYS, CALENDARS, BOOKED = 90, 100, 10_000
AT_ONCE = 20
PROBE_SECONDS, BOOK_SECONDS = 0.05, 0.1
HEALTH_AIM, BOOK_AIM = 100, 500
"""Milliseconds."""
Facts = dict[str, str]
Attack = Callable[[int, Facts, Counter[str]], Awaitable[None]]


def fill(tx: Tx) -> Facts:
    """An organization that is always open, with a start every minute, and 10,000 appointments in a feed."""
    now = SystemClock().now()
    organizations.create(tx, name="Rude", slug="rude", org_id=ORG, calendar_id=f"{ORG}_0", now=now)
    party = operator(ORG)
    keys.create(tx, party, name=None, scopes=["admin"], lifetime=None, now=now, secret=KEY)
    rooms = [f"{ORG}_0"] + [
        calendars.create(tx, party, CalendarCreate(name=f"Room {n}"), now).id for n in range(1, CALENDARS)
    ]
    times = {"start_time": "00:00:00", "end_time": "24:00:00"}
    always = [AvailabilityCreate.model_validate({"day_of_week": day} | times) for day in range(7)]
    availability.replace(tx, party, always, now)
    for name, ids in (("one", rooms[:1]), ("crowd", rooms)):
        kind = AppointmentTypeCreate(
            name=name,
            durationMinutes=1,
            slotIntervalMinutes=1,
            minNoticeHours=0,
            maxDaysAhead=1_000,
            calendarIds=ids,
        )
        appointment_types.create(tx, party, kind, now, type_id=f"type_{name}")
    tx.execute(insert(appointments), [_row(rooms[n % CALENDARS], n, now) for n in range(BOOKED)])
    take_time(tx, ORG)
    return {"feed": feeds.create(tx, party, FeedCreate(), now)[1]}


def _row(calendar_id: str, n: int, now: datetime) -> dict[str, Any]:
    start = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1, minutes=10 * n)
    return {
        "org_id": ORG,
        "id": f"apt_{n:05}",
        "appointment_type_id": "type_crowd",
        "calendar_id": calendar_id,
        "start_time": start,
        "end_time": start + timedelta(minutes=1),
        "busy_start": start,
        "busy_end": start + timedelta(minutes=1),
        "overlap_allowed": False,
        "client_name": f"Jane Doe {n}",
        "client_email": f"jane{n}@example.com",
        "client_phone": "+1234567890",
        "client_language": "en",
        "status": "confirmed",
        "source": "manual",
        "version": 1,
        "confirmed_at": now,
        "created_at": now,
        "updated_at": now,
    }


async def _seeded(url: str) -> Facts:
    database = open_database(url, pool_size=1)
    facts = await database.write(fill)
    await database.close()
    return facts


def asking(path: str, key: str | None = None, **query: str) -> Attack:
    """Twenty at once ask for the same, again and again."""

    async def attack(port: int, facts: Facts, told: Counter[str]) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60
        ) as client:

            async def one() -> None:
                while True:
                    try:
                        answer = await client.get(path.format(**facts), params=query)
                        told[str(answer.status_code)] += 1
                        if answer.status_code != 200:
                            await asyncio.sleep(0.1)
                    except httpx.TransportError as error:
                        told[type(error).__name__] += 1

            await asyncio.gather(*(one() for _ in range(AT_ONCE)))

    return attack


async def changing_feed(port: int, facts: Facts, told: Counter[str]) -> None:
    """Twenty read a feed that changes all the time."""

    async def change() -> None:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            n = 0
            while True:
                n += 1
                path = f"/v1/calendar/appointments/apt_{n % BOOKED:05}"
                await client.patch(path, json={"client_notes": f"{n}"})
                await asyncio.sleep(0.5)

    await asyncio.gather(change(), asking("/v1/public/feeds/{feed}.ics")(port, facts, told))


async def large_headers(port: int, _: Facts, told: Counter[str]) -> None:
    """Twenty at once send a header of 60 MB."""

    async def one() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Large: ")
                for _ in range(60):
                    writer.write(b"x" * 1_000_000)
                    await writer.drain()
                writer.write(b"\r\n\r\n")
                told[(await reader.readline()).decode("latin-1")[9:12] or "closed"] += 1
            except OSError as error:
                told[type(error).__name__] += 1
            finally:
                writer.close()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def half_open(port: int, _: Facts, told: Counter[str]) -> None:
    """1,001 connections say half of a request, and come again when they are closed."""

    async def one() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /v1/calendar/appointments HTTP/1.1\r\nHost: loc")
                told["opened"] += 1
                await reader.read()
                writer.close()
            except OSError as error:
                told[type(error).__name__] += 1
            await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(1_001)))


async def slow_bodies(port: int, _: Facts, told: Counter[str]) -> None:
    """200 connections send a body a byte a second."""

    async def one() -> None:
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /v1/public/rude/appointments HTTP/1.1\r\nHost: localhost\r\n")
                writer.write(b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
                told["opened"] += 1
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(1)
            except OSError as error:
                told[type(error).__name__] += 1

    await asyncio.gather(*(one() for _ in range(200)))


async def nothing(_port: int, _facts: Facts, _told: Counter[str]) -> None:
    """Nobody is rude."""


def _range() -> dict[str, str]:
    today = datetime.now(UTC).date()
    return {"from": f"{today}", "to": f"{today + timedelta(days=DAYS)}"}


SLOTS, PUBLIC = "/v1/calendar/slots", "/v1/public/rude/slots"
ATTACKS: dict[str, Attack] = {
    "nothing": nothing,
    "public search, one calendar": asking(PUBLIC, appointment_type_id="type_one", **_range()),
    "public search, 100 calendars": asking(PUBLIC, appointment_type_id="type_crowd", **_range()),
    "staff's search, 100 calendars": asking(SLOTS, KEY, appointment_type_id="type_crowd", **_range()),
    "explain, 100 calendars": asking(
        f"{PUBLIC}/explain", appointment_type_id="type_crowd", start_time=f"{_range()['to']}T00:00:30Z"
    ),
    "a feed of 10,000": asking("/v1/public/feeds/{feed}.ics"),
    "the same, changing": changing_feed,
    "a list of 1,000": asking("/v1/calendar/appointments", KEY, limit="1000"),
    "events, 1,000": asking("/v1/events", KEY, limit="1000"),
    "the OpenAPI document": asking("/openapi.json"),
    "60 MB headers": large_headers,
    "1,001 half-open connections": half_open,
    "bodies a byte a second": slow_bodies,
}


def attack(name: str, port: int, facts: Facts, seconds: float, pipe: Any) -> None:
    """What the rude process does."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    told: Counter[str] = Counter()

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ATTACKS[name](port, facts, told)

    asyncio.run(run())
    pipe.send(dict(told))


async def probe(port: int, seconds: float, made: list[int]) -> tuple[list[float], list[float], Counter[str]]:
    """Milliseconds of every `/healthz` and of every booking, and what else became of them."""
    health: list[float] = []
    booked: list[float] = []
    odd: Counter[str] = Counter()

    async def timed(took: list[float], pause: float, ask: Callable[[Connection], Awaitable[int]]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(30):
                    connection = await Connection.open(port)
                    status = await ask(connection)
                    await connection.close()
                if status != 200:
                    odd[str(status)] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                odd[type(error).__name__] += 1
            took.append((time.perf_counter() - began) * 1_000)
            await asyncio.sleep(pause)

    async def ask_health(connection: Connection) -> int:
        return (await connection.send("GET", "/healthz", {}, "none")).status

    async def book(connection: Connection) -> int:
        made[0] += 1
        start = datetime(2100, 1, 1, tzinfo=UTC) + timedelta(minutes=made[0])
        wish = {"appointment_type_id": "type_0", "start_time": start.isoformat(), "client_name": "Jane"}
        return (await connection.post("/v1/calendar/appointments", wish, "vst_bench_0")).status

    await asyncio.gather(timed(health, PROBE_SECONDS, ask_health), timed(booked, BOOK_SECONDS, book))
    return health, booked, odd


@contextlib.contextmanager
def server(url: str, limit: int) -> Iterator[tuple[int, psutil.Process]]:
    """`kalends serve` with so many open files."""
    port = free_port()
    process = subprocess.Popen(
        [str(KALENDS), "serve", "--port", str(port)],
        env=os.environ | {"KALENDS_DATABASE_URL": url, "KALENDS_PUBLIC_REQUESTS_PER_HOUR": "1000000000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(name: str, url: str, facts: Facts, names: list[str], seconds: float) -> Iterator[str]:
    """A line of the table for each attack, on a server of its own each."""
    made = [0]
    for each in names:
        with server(url, 1_024) as (port, process):
            before = process.memory_info().rss / 2**20
            mine, theirs = multiprocessing.Pipe()
            rude = multiprocessing.Process(target=attack, args=(each, port, facts, seconds + 1, theirs))
            rude.start()
            time.sleep(1)
            health, booked, odd = asyncio.run(probe(port, seconds, made))
            after = process.memory_info().rss / 2**20
            answers = mine.recv() if mine.poll(30) else {"no word": 1}
            rude.join(10)
            rude.kill()
        yield (
            f"| {name} | {each} | {max(health):.0f} ({statistics.median(health):.0f}) "
            f"| {max(booked):.0f} ({statistics.median(booked):.0f}) | {before:.0f} → {after:.0f} "
            f"| {json.dumps(answers)} | {dict(odd) or ''} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", default="", help="attacks whose name has this in it")
    parser.add_argument("--databases", default="SQLite,PostgreSQL")
    asked = parser.parse_args()
    names = [name for name in ATTACKS if asked.only in name]
    print(f"Slowest (median) in ms; aims: /healthz {HEALTH_AIM}, a booking {BOOK_AIM}.\n")
    print("| | what is done to it | `/healthz` | a booking | MB | answers to the rude | else of the probes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-pressure-"))
        urls = {"SQLite": f"sqlite:///{folder}/pressure.db"}
        if "PostgreSQL" in asked.databases:
            urls["PostgreSQL"] = stack.enter_context(Postgres.start()).url("postgres")
        for name, url in urls.items():
            if name in asked.databases:
                seed(url)
                facts = asyncio.run(_seeded(url))
                for line in measure(name, url, facts, names, asked.seconds):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
