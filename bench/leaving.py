"""Bookings per second with a webhook of every organization and a mail to every client, beside the same server
without; and how fast what has happened leaves, while bookings are made and afterwards.

The worker is within the server, as by default. Read the ratios. Usage: `make bench-leaving`.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from bench.create import ORGS, Slots, over_http, running, seed  # noqa: E402
from bench.list import create_database  # noqa: E402
from kalends.clock import SystemClock  # noqa: E402
from kalends.db.database import Tx  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.db.tables import deliveries, events  # noqa: E402
from kalends.schemas.webhooks import WebhookCreate  # noqa: E402
from kalends.services.leaving import webhooks  # noqa: E402
from kalends.services.outbox.parties import operator  # noqa: E402

CLIENTS = 16
PATIENCE_SECONDS = 600


Measure = Callable[[int, int], tuple[float, float]]
"""Returns bookings per second, and the seconds of the slowest hundredth, of so many clients in so many
organizations."""


@dataclass
class Pair:
    """A database without and one with deliveries, and what was measured of both."""

    name: str
    plain: list[float] = field(default_factory=list)
    leaving: list[float] = field(default_factory=list)
    meanwhile: list[float] = field(default_factory=list)
    """Of what was to be delivered, how much was delivered while bookings were made."""
    afterwards: list[float] = field(default_factory=list)
    """Deliveries per second once there were no more bookings."""


@contextlib.contextmanager
def sink() -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "bench.sink"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        hooks, mails = map(int, process.stdout.readline().split())
        yield hooks, mails
    finally:
        process.kill()


def hook(url: str, port: int) -> None:
    """A webhook of every organization."""

    def fill(tx: Tx) -> None:
        for n in range(ORGS):
            wish = WebhookCreate(url=f"http://127.0.0.1:{port}/{n}", events=["appointment.*"])
            webhooks.create(tx, operator(f"org_{n}"), wish, SystemClock().now(), mail=True)

    async def run() -> None:
        database = open_database(url, pool_size=1)
        await database.write(fill)
        await database.close()

    asyncio.run(run())


def left(url: str) -> tuple[int, int]:
    """How much has been delivered, and how much is still to be: of a booking a webhook and a mail, as the
    reminder is for another day."""

    def count(tx: Tx) -> tuple[int, int]:
        delivered = select(func.count()).select_from(deliveries).where(deliveries.c.status == "delivered")
        booked = select(func.count()).select_from(events).where(events.c.type == "appointment.created")
        done = tx.execute(delivered).scalar_one()
        return done, 2 * tx.execute(booked).scalar_one() - done

    async def run() -> tuple[int, int]:
        database = open_database(url, pool_size=1)
        try:
            return await database.read(count)
        finally:
            await database.close()

    return asyncio.run(run())


def drained(url: str) -> float:
    """Wait until everything has left; deliveries per second."""
    began, before = time.monotonic(), left(url)[0]
    while (now := left(url))[1] > 0:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit(f"{now[1]} deliveries did not leave within {PATIENCE_SECONDS} seconds")
        time.sleep(0.2)
    return (now[0] - before) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many is shown")
    options = parser.parse_args()
    slots = Slots()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-bench-")))
        postgres = stack.enter_context(Postgres.start())
        hooks, mails = stack.enter_context(sink())
        telling = {
            "KALENDS_WEBHOOKS_ALLOW_PRIVATE": "true",
            "KALENDS_SMTP_HOST": "127.0.0.1",
            "KALENDS_SMTP_PORT": str(mails),
            "KALENDS_SMTP_TLS": "none",
            "KALENDS_SMTP_FROM": "bookings@example.com",
        }
        for kind in ("plain", "leaving"):
            asyncio.run(create_database(postgres.url("postgres"), kind))
        measured: list[tuple[Pair, str, Measure, Measure]] = []
        for name, urls in {
            "SQLite": [f"sqlite:///{folder / f'{kind}.db'}" for kind in ("plain", "leaving")],
            "PostgreSQL": [postgres.url(kind) for kind in ("plain", "leaving")],
        }.items():
            runs = []
            for url, environment in zip(urls, ({}, telling), strict=True):
                seed(url)
                if environment:
                    hook(url, hooks)
                port = free_port()
                command = [str(KALENDS), "serve", "--port", str(port)]
                stack.enter_context(running(command, port, KALENDS_DATABASE_URL=url, **environment))
                runs.append(over_http(f"{name}, {environment and 'leaving'}", port, slots, options.seconds))
            plain, leaving = runs
            measured.append((Pair(name), urls[1], plain, leaving))
        for _, url, plain, leaving in measured:
            plain(4, ORGS)
            leaving(4, ORGS)
            drained(url)
        for round_ in range(options.rounds):
            for pair, url, plain, leaving in measured:
                pair.plain.append(plain(CLIENTS, ORGS)[0])
                before = left(url)[0]
                pair.leaving.append(leaving(CLIENTS, ORGS)[0])
                done, waiting = left(url)
                pair.meanwhile.append((done - before) / (done - before + waiting))
                pair.afterwards.append(drained(url))
                print(f"round {round_ + 1}: {pair}", file=sys.stderr)
        columns = (
            f"at {CLIENTS} clients, {ORGS} organizations",
            "bookings per second, nothing leaves",
            "with webhooks and mails",
            "ratio",
            "delivered meanwhile",
            "deliveries per second afterwards",
        )
        print("| " + " | ".join(columns) + " |")
        print("|" + " --- |" * len(columns))
        for pair, *_ in measured:
            plain_, leaving_ = statistics.median(pair.plain), statistics.median(pair.leaving)
            print(
                f"| {pair.name} | {plain_:,.0f} | {leaving_:,.0f} | {leaving_ / plain_:.2f} "
                f"| {statistics.median(pair.meanwhile):.0%} | {statistics.median(pair.afterwards):,.0f} |"
            )


if __name__ == "__main__":
    main()
