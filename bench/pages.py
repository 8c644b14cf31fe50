"""The page of a month at the server, beside the call that counts the free days of that month for programs,
and a full day of the staff.

Fills databases of its own, on SQLite and on PostgreSQL, with an organization of five calendars and 500
bookings, and one that has 30 bookings on each of eight calendars within a day. Asks for all in turns, so that
what the machine does meanwhile falls on all alike; the CPU time is that of the server's process, from /proc.
Usage: `make bench-pages`.
"""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import os
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from bench.create import running  # noqa: E402
from bench.list import create_database  # noqa: E402
from bench.slots import FIRST, Practice, fill, vacuum  # noqa: E402
from kalends.clock import SystemClock  # noqa: E402
from kalends.db.database import Tx  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.schemas.people import PersonCreate  # noqa: E402
from kalends.services.outbox.parties import operator  # noqa: E402
from kalends.services.setup import links, people  # noqa: E402

PRACTICE = Practice(calendars=5, minutes=30, booked=100, days=28)
"""On its calendars lie 500 appointments within a month."""
PAGE = "/5-calendars-30-minutes/bench?month=2030-03"
FULL = Practice(calendars=8, minutes=15, booked=30, days=1)
DAY = f"/staff/day/{FIRST}"
MOST_MS = 50.0
"""What the 95th percentile of a page may be on a quiet machine."""
WARM_UP = 20


@dataclass
class Question:
    """A request, and the seconds until it was answered and for which the server worked, each time."""

    what: str
    path: str
    marks: bytes
    """What is in a right answer, and how often."""
    count: int
    cookie: str = ""
    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    size: int = 0

    def ask(self, server: "Server") -> None:
        """Ask once."""
        headers = {"Accept": "text/html", "Accept-Encoding": "gzip", "Accept-Language": "de-DE"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        before = server.worked()
        began = time.perf_counter()
        server.connection.request("GET", self.path, headers=headers)
        answer = server.connection.getresponse()
        content = answer.read()
        self.took.append(time.perf_counter() - began)
        self.worked.append(server.worked() - before)
        self.size = len(content)
        if answer.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        assert answer.status == 200, content
        assert content.count(self.marks) == self.count, content

    def forget(self) -> None:
        """Begin again: what came before was to warm up."""
        self.took.clear()
        self.worked.clear()

    def cells(self) -> list[str]:
        """Return the figures of a line of the table."""
        centiles = statistics.quantiles(self.took, n=20)
        figures = (statistics.median(self.took), centiles[-1], statistics.median(self.worked))
        return [*(f"{each * 1000:.1f}" for each in figures), f"{self.size / 1000:.1f}"]

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.took, n=20)[-1] * 1000


@dataclass(frozen=True)
class Server:
    """A running server, and a connection to it."""

    pid: int
    connection: http.client.HTTPConnection

    def worked(self) -> float:
        """Return for how many seconds the processor has worked for it."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks.iterdir()) / 1e9


@contextlib.contextmanager
def served(url: str) -> Iterator[Server]:
    """A server of a database, for the length of a block."""
    port = free_port()
    settings = {
        "KALENDS_DATABASE_URL": url,
        "KALENDS_WORKER": "false",
        "KALENDS_PUBLIC_REQUESTS_PER_HOUR": "1000000",
    }
    with running([str(KALENDS), "serve", "--port", str(port)], port, **settings) as pid:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            yield Server(pid, connection)


def questions(session: str) -> list[Question]:
    """Return what is asked: all days of the month have an entry, and the weekdays have free time. `session`
    is the token of somebody of the staff."""
    asked = {"appointment_type_id": PRACTICE.type_id, "from": "2030-03-01", "to": "2030-03-31"}
    days = f"/v1/public/5-calendars-30-minutes/days?{urllib.parse.urlencode(asked)}"
    weekdays = sum(date(2030, 3, day).weekday() < 5 for day in range(1, 32))
    return [
        Question("the page of a month", PAGE, b'<a id="d2030-03-', weekdays),
        Question("its days as JSON", days, b'"date"', 31),
        Question("a full day of the staff", DAY, b'"/staff/appointments/apt_', 240, f"kalends={session}"),
    ]


def measured(url: str, session: str, times: int) -> list[Question]:
    """Return the questions with what each took."""
    every = questions(session)
    with served(url) as server:
        for turn in range(-WARM_UP, times):
            for question in every:
                if turn == 0:
                    question.forget()
                question.ask(server)
    return every


async def prepared(url: str) -> str:
    """Fill a database. Returns the token of a session of somebody who works where the day is full."""
    database = open_database(url, pool_size=1)
    await database.migrate()
    await database.write(fill, PRACTICE)
    await database.write(fill, FULL)
    session = await database.write(_signed_in, SystemClock().now())
    await database.close()
    if url.startswith("postgresql"):
        await vacuum(url)
    return session


def _signed_in(tx: Tx, now: datetime) -> str:
    party = operator(FULL.id)
    person = people.create(tx, party, PersonCreate(name="Ana"), now)
    session = links.enter(tx, links.invite(tx, party, person.id, now), "bench", now)
    assert session is not None
    return session


def main() -> None:
    """Measure on both databases, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300, help="everything is asked so often")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print("| what | median (ms) | p95 (ms) | CPU (ms) | gzip (KB) |\n| --- | --- | --- | --- | --- |")
    slow = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-bench-"))
        postgres = stack.enter_context(Postgres.start())
        asyncio.run(create_database(postgres.url("postgres"), "pages"))
        urls = {"SQLite": f"sqlite:///{folder}/pages.db", "PostgreSQL": postgres.url("pages")}
        for name, url in urls.items():
            session = asyncio.run(prepared(url))
            for question in measured(url, session, options.times):
                print(f"| {' | '.join([f'{name}, {question.what}', *question.cells()])} |")
                if question.path in (PAGE, DAY) and question.p95_ms > MOST_MS:
                    slow.append(f"{name}, {question.what}: {question.p95_ms:.1f} ms")
    print(f"\nAt the beginning the load was {load:.1f} on {os.cpu_count()} processors.")
    if slow:
        told = f"p95 is more than {MOST_MS:.0f} ms: {'; '.join(slow)}"
        if load <= (os.cpu_count() or 1):
            sys.exit(told)
        print(f"{told}. The machine is busy: that says nothing.")


if __name__ == "__main__":
    main()
