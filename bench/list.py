"""The list of appointments with ten thousand and with a million of them, side by side.

Fills databases of its own, on SQLite and on PostgreSQL, and asks both sizes in turns, so that what the
machine does meanwhile falls on both alike. Read the ratios: an index makes the size matter little.
Usage: `make bench-list`.
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import http.client
import json
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from bench.create import running, seed  # noqa: E402
from kalends.db.database import Database  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.schemas.queries import AppointmentsQuery, Cursor  # noqa: E402
from kalends.services.booking import appointment_lists  # noqa: E402

ORG, KEY = "org_0", "vst_bench_0"
LIMIT = 50
PLACES = 20
"""Over how many pages in a row the questions of one kind are spread, whatever the size."""
FIRST = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRIME = 7919
"""Row n was changed in minute n × PRIME of as many minutes as rows: each in one, in an order unlike that of
the starts, so that a page of changes is scattered over the whole table."""
TARGET = 1.3
GUARANTEE = "occupations_no_double_booking"

COLUMNS = (
    "org_id, id, appointment_type_id, calendar_id, start_time, end_time, busy_start, busy_end, "
    "overlap_allowed, client_name, client_email, client_phone, client_language, status, source, version, "
    "confirmed_at, created_at, updated_at"
)
TAKE_TIME = (
    "INSERT INTO occupations (org_id, holder_id, calendar_id, kind, busy_start, busy_end, from_change, "
    "to_change, active, overlap_allowed) "
    "SELECT org_id, id, calendar_id, 'appointment', busy_start, busy_end, 0, 0, true, overlap_allowed "
    "FROM appointments WHERE true ON CONFLICT DO NOTHING"
)
"""Gives every appointment that has none its time; they are all confirmed."""


def _rows(start: str, end: str, changed: str, number: str) -> str:
    return (
        f"SELECT '{ORG}', 'apt_' || {number}, 'type_0', 'cal_0', {start}, {end}, {start}, {end}, false, "
        "'Jane Doe', 'jane@example.com', '+1234567890', 'en', 'confirmed', 'manual', 1, "
        f"{changed}, {changed}, {changed}"
    )


def fill_sqlite(path: Path, rows: int) -> None:
    at = int(FIRST.timestamp())
    source = _rows(
        f"{at} + n * 60",
        f"{at} + n * 60 + 60",
        f"{at} + n * {PRIME} % {rows} * 60",
        "printf('%08d', n)",
    )
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -512000")
        connection.execute(
            "WITH RECURSIVE numbers (n) AS "
            f"(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1}) "
            f"INSERT INTO appointments ({COLUMNS}) {source} FROM numbers"
        )
        connection.execute(TAKE_TIME)
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_postgres(url: str, rows: int) -> None:
    asyncio.run(_fill_postgres(url, rows))


async def _fill_postgres(url: str, rows: int) -> None:
    at = f"'{FIRST.isoformat()}'::timestamptz"
    source = _rows(
        f"{at} + n * interval '1 minute'",
        f"{at} + (n + 1) * interval '1 minute'",
        f"{at} + n * {PRIME} % {rows} * interval '1 minute'",
        "lpad(n::text, 8, '0')",
    )
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            f"INSERT INTO appointments ({COLUMNS}) "
            f"{source} FROM generate_series(0::bigint, {rows - 1}) AS numbers (n)"
        )
        await take_all_time(connection)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def take_all_time(connection: asyncpg.Connection) -> None:
    """Give every appointment its time on PostgreSQL."""
    # Built at once, the constraint's index costs less than row by row. It refuses overlaps all the same.
    constraint = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", GUARANTEE
    )
    await connection.execute(f"ALTER TABLE occupations DROP CONSTRAINT {GUARANTEE}")
    await connection.execute(TAKE_TIME)
    await connection.execute(f"ALTER TABLE occupations ADD CONSTRAINT {GUARANTEE} {constraint}")


def _minute(n: int) -> str:
    return (FIRST + n * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")


def _after(n: int) -> str:
    at = int((FIRST + n * MINUTE).timestamp())
    return str(Cursor(by="start_time", order="asc", at=at, id=f"apt_{n:08}"))


def by_range(rows: int, place: int) -> dict[str, str]:
    first = rows // 2 + place * LIMIT
    return {"from": _minute(first), "to": _minute(first + 24 * 60)}


def by_cursor(rows: int, place: int) -> dict[str, str]:
    return {"cursor": _after(rows * 9 // 10 - PLACES * LIMIT + place * LIMIT)}


def by_range_and_cursor(rows: int, place: int) -> dict[str, str]:
    return {"from": _minute(rows // 100)} | by_cursor(rows, place)


def by_change(rows: int, place: int) -> dict[str, str]:
    return {"updated_since": _minute(rows // 2 + place * LIMIT)}


QUESTIONS: dict[str, Callable[[int, int], dict[str, str]]] = {
    "a range in the middle": by_range,
    "a cursor at 90 %": by_cursor,
    "a long range, with a cursor at 90 %": by_range_and_cursor,
    "changes since the middle": by_change,
}


@dataclass
class Book:
    """A database with so many appointments, and a server on it."""

    rows: int
    database: Database
    http: http.client.HTTPConnection

    async def by_function(self, query: dict[str, str]) -> float:
        began = time.perf_counter()
        asked = AppointmentsQuery.model_validate(query)
        answer = await self.database.read_one(appointment_lists.page, ORG, "UTC", asked, datetime.now(UTC))
        took = time.perf_counter() - began
        assert len(answer.appointments) == LIMIT
        return took

    async def by_http(self, query: dict[str, str]) -> float:
        path = "/v1/calendar/appointments?" + urllib.parse.urlencode(query)
        began = time.perf_counter()
        self.http.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        response = self.http.getresponse()
        content = response.read()
        took = time.perf_counter() - began
        assert response.status == 200, content
        assert len(json.loads(content)["appointments"]) == LIMIT
        return took


Ask = Callable[[Book, dict[str, str]], Awaitable[float]]
WAYS: dict[str, Ask] = {"function": Book.by_function, "HTTP": Book.by_http}


async def measure(books: dict[str, tuple[Book, Book]], times: int) -> dict[tuple[str, str, str], Any]:
    """(database, question, way) → the seconds of the small book and of the large one."""
    results: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
    for time_ in range(-PLACES, times):  # the first ones warm the caches up and don't count
        for name, pair in books.items():
            for question, query in QUESTIONS.items():
                for way, ask in WAYS.items():
                    both = results.setdefault((name, question, way), ([], []))
                    # Now the one first, now the other.
                    for which in (0, 1) if time_ % 2 else (1, 0):
                        took = await ask(pair[which], query(pair[which].rows, time_ % PLACES))
                        if time_ >= 0:
                            both[which].append(took)
    return results


def table(results: dict[tuple[str, str, str], Any], sizes: tuple[int, int]) -> str:
    small, large = (f"{size:,} (ms)" for size in sizes)
    lines = [
        f"| {LIMIT} appointments | by | {small} | {large} | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (name, question, way), both in results.items():
        few, many = (statistics.median(each) * 1000 for each in both)
        lines.append(f"| {name}, {question} | {way} | {few:.2f} | {many:.2f} | {many / few:.2f} |")
    return "\n".join(lines)


async def run(urls: dict[str, tuple[str, str]], sizes: tuple[int, int], times: int) -> str:
    async with contextlib.AsyncExitStack() as stack:
        books: dict[str, tuple[Book, Book]] = {}
        for name, both in urls.items():
            pair = []
            for url, rows in zip(both, sizes, strict=True):
                port = free_port()
                command = [str(KALENDS), "serve", "--port", str(port)]
                stack.enter_context(running(command, port, KALENDS_DATABASE_URL=url))
                database = open_database(url, pool_size=1)
                stack.push_async_callback(database.close)
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                stack.callback(connection.close)
                pair.append(Book(rows, database, connection))
            books[name] = (pair[0], pair[1])
        gc.freeze()
        return table(await measure(books, times), sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="each question is asked so often")
    parser.add_argument("--small", type=int, default=10_000, help="appointments in the small databases")
    parser.add_argument("--large", type=int, default=1_000_000, help="and in the large ones")
    options = parser.parse_args()
    sizes = (options.small, options.large)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-bench-")))
        postgres = stack.enter_context(Postgres.start())
        filled: list[tuple[str, str]] = []
        for rows in sizes:
            path = folder / f"{rows}.db"
            asyncio.run(create_database(postgres.url("postgres"), f"book_{rows}"))
            pair = (f"sqlite:///{path}", postgres.url(f"book_{rows}"))
            fills: tuple[Callable[[], None], ...] = (
                functools.partial(fill_sqlite, path, rows),
                functools.partial(fill_postgres, pair[1], rows),
            )
            for url, fill in zip(pair, fills, strict=True):
                began = time.perf_counter()
                seed(url)
                fill()
                took = time.perf_counter() - began
                print(f"{rows:,} in {url.partition(':')[0]}: {took:.0f} s", file=sys.stderr)
            filled.append(pair)
        (small_sqlite, small_postgres), (large_sqlite, large_postgres) = filled
        urls = {"SQLite": (small_sqlite, large_sqlite), "PostgreSQL": (small_postgres, large_postgres)}
        print(asyncio.run(run(urls, sizes, options.times)))
        print(f"\nThe ratio should be at most {TARGET}.")


async def create_database(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
