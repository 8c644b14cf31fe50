"""Bookings per second through `POST /v1/calendar/appointments`, beside other ways to build the same.

Starts every server itself and measures all of them in one run, in turns, so that what the machine does
meanwhile falls on all alike. Read the ratios: the machine is whatever it is. Usage: `make bench`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.forked import KALENDS  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402
from tests.support.server import free_port  # noqa: E402

from kalends.clock import SystemClock  # noqa: E402
from kalends.db.database import Tx  # noqa: E402
from kalends.db.opening import open_database  # noqa: E402
from kalends.schemas.appointment_types import AppointmentTypeCreate  # noqa: E402
from kalends.schemas.calendars import CalendarCreate  # noqa: E402
from kalends.schemas.requirements import Requirement  # noqa: E402
from kalends.services.outbox.parties import operator  # noqa: E402
from kalends.services.setup import appointment_types, calendars, keys, organizations  # noqa: E402

ORGS = 50
CLIENTS = (1, 16, 64)
SPREADS = {"50 organizations": ORGS, "one calendar": 1}
RIVALS = Path(__file__).with_name("rivals")


@dataclass
class Contender:
    """One way to book, and what was measured of it: (clients, spread) → [(rate, p99)]."""

    name: str
    measure: Callable[[int, int], tuple[float, float]]
    results: dict[tuple[int, str], list[tuple[float, float]]] = field(default_factory=dict)

    def rate(self, clients: int, spread: str) -> float:
        return statistics.median(rate for rate, _ in self.results[clients, spread])

    def p99(self, clients: int, spread: str) -> float:
        return statistics.median(p99 for _, p99 in self.results[clients, spread])


class Slots:
    """Every booking of a run gets a minute of its own."""

    def __init__(self) -> None:
        self.next = 0


def over_http(
    name: str, port: int, slots: Slots, seconds: float, kind: str = "type"
) -> Callable[[int, int], tuple[float, float]]:
    """A server: bookings of the types whose ids begin like this."""

    def measure(clients: int, orgs: int) -> tuple[float, float]:
        arguments = [str(each) for each in (port, clients, seconds, orgs, slots.next, kind)]
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        result = json.loads(done.stdout)
        slots.next = result["next"]
        failed = {status: n for status, n in result["statuses"].items() if status != "200"}
        if failed:  # only bookings are counted, but a server that sheds its load should be known for it
            print(f"  {name}, {clients} clients: {failed} besides the bookings", file=sys.stderr)
        return result["rate"], result["p99"]

    return measure


def by_pgbench(postgres: Postgres, script: str, seconds: float) -> Callable[[int, int], tuple[float, float]]:
    """The database alone: pgbench with prepared statements, on slots that practically never clash."""

    def measure(clients: int, orgs: int) -> tuple[float, float]:
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            chosen = {"org": orgs - 1, "slot": 4_000_000_000, "id": 2**62}
            file.writelines(f"\\set {name} random(0, {most})\n" for name, most in chosen.items())
            file.write(script)
            file.flush()
            Path(file.name).chmod(0o644)
            done = subprocess.run(
                [
                    *(str(postgres._bin / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2"),
                    *("-T", str(max(1, round(seconds))), "-f", file.name, "-h", str(postgres.folder)),
                    *("-U", "postgres", "postgres"),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
        rate = next(line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps"))
        return float(rate), float("nan")

    return measure


_APPOINTMENT = (
    "org_id, id, appointment_type_id, calendar_id, start_time, end_time, busy_start, busy_end, "
    "overlap_allowed, client_name, client_email, client_phone, client_language, client_notes, "
    "internal_notes, status, source, version, confirmed_at, completed_at, "
    "cancelled_at, no_show_at, created_at, updated_at"
)
_OCCUPATION = (
    "org_id, holder_id, calendar_id, kind, busy_start, busy_end, from_change, to_change, active, "
    "overlap_allowed"
)
_EVENT = "org_id, id, type, payload, occurred_at"

_ORG, _CALENDAR, _TYPE = (f"'{name}_' || :org::int" for name in ("org", "cal", "type"))
_START = "'2100-01-01'::timestamptz + :slot::bigint * interval '1 second'"
_END = f"{_START} + interval '1 second'"
_LOCKED = f"FROM calendars WHERE org_id = {_ORG} AND id = {_CALENDAR} FOR NO KEY UPDATE"


def _taken(changes: str) -> str:
    """Return the row of the time that is taken, if there have been so many changes of busy time."""
    which = f"{_ORG}, 'apt_' || :id::bigint, {_CALENDAR}, 'appointment'"
    return f"{which}, {_START}, {_END}, 0, {changes}, true, false"


_BOOKED = (
    f"{_ORG}, 'apt_' || :id::bigint, {_TYPE}, {_CALENDAR}, {_START}, {_END}, {_START}, {_END}, false, "
    "'Jane Doe', 'jane@example.com', '+1234567890', 'en', NULL, NULL, 'confirmed', 'manual', 1, "
    "now(), NULL, NULL, NULL, now(), now()"
)
_TOLD = f"{_ORG}, 'evt_' || :id::bigint, 'appointment.created', repeat('x', 900), now()"
SEVEN_STATEMENTS = f"""BEGIN;
SELECT * FROM appointment_types WHERE org_id = {_ORG} AND id = {_TYPE};
SELECT busy_changes AS changes {_LOCKED} \\gset
INSERT INTO occupations ({_OCCUPATION}) SELECT {_taken(":changes::bigint")};
INSERT INTO appointments ({_APPOINTMENT}) SELECT {_BOOKED};
INSERT INTO events ({_EVENT}) SELECT {_TOLD};
COMMIT;
"""
ONE_STATEMENT = (
    f"WITH locked AS (SELECT busy_changes {_LOCKED}), "
    f"taken AS (INSERT INTO occupations ({_OCCUPATION}) SELECT {_taken('busy_changes')} FROM locked "
    "ON CONFLICT DO NOTHING RETURNING holder_id), "
    f"stored AS (INSERT INTO appointments ({_APPOINTMENT}) SELECT {_BOOKED} FROM taken RETURNING id) "
    f"INSERT INTO events ({_EVENT}) SELECT {_TOLD} FROM stored;\n"
)


def by_sqlite(path: Path, seconds: float) -> Callable[[int, int], tuple[float, float]]:
    """The database alone: a tight loop, one commit per booking. Its writer is one, whatever the clients."""

    def measure(_clients: int, orgs: int) -> tuple[float, float]:
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        slot = connection.execute("SELECT coalesce(max(busy_end), 0) FROM appointments").fetchone()[0]
        done, latencies, stop = 0, [], time.perf_counter() + seconds
        while (began := time.perf_counter()) < stop:
            slot += 60
            org = done % orgs
            times = (slot, slot + 60)
            mine = (f"org_{org}", f"x{slot}")
            rows = {
                f"occupations ({_OCCUPATION})": (*mine, f"cal_{org}", "appointment", *times, 0, 0, 1, 0),
                f"appointments ({_APPOINTMENT})": (
                    *(*mine, f"type_{org}", f"cal_{org}", *times, *times, 0, "Jane Doe", "jane@example.com"),
                    *("+1234567890", "en", None, None, "confirmed", "manual", 1),
                    *(slot, None, None, None, slot, slot),
                ),
                f"events ({_EVENT})": (*mine, "appointment.created", "x" * 900, slot),
            }
            connection.execute("BEGIN IMMEDIATE")
            for into, row in rows.items():
                connection.execute(f"INSERT INTO {into} VALUES ({','.join('?' * len(row))})", row)
            connection.execute("COMMIT")
            latencies.append(time.perf_counter() - began)
            done += 1
        connection.close()
        return done / seconds, sorted(latencies)[int(done * 0.99)]

    return measure


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[int]:
    """A server process, once it listens. Yields its id."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PORT": str(port), "PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        import socket

        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"did not start: {' '.join(command)}")
            time.sleep(0.05)
        time.sleep(1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _calendar(tx: Tx, org_id: str, name: str, now: datetime) -> str:
    return calendars.create(tx, operator(org_id), CalendarCreate(name=name), now).id


def seed(url: str) -> None:
    """Fifty organizations, each with a key, a type of one minute and its calendar, and a type that needs two
    calendars more, by predictable names."""

    def fill(tx: Tx) -> None:
        now = SystemClock().now()
        for n in range(ORGS):
            organizations.create(
                tx, name=f"Bench {n}", slug=f"bench-{n}", org_id=f"org_{n}", calendar_id=f"cal_{n}", now=now
            )
            party = operator(f"org_{n}")
            keys.create(tx, party, now, name=None, scopes=["write"], lifetime=None, secret=f"vst_bench_{n}")
            wish = AppointmentTypeCreate(name="Bench", durationMinutes=1)
            appointment_types.create(tx, party, wish, now, type_id=f"type_{n}")
            needs = [
                Requirement(name=name, calendarIds=[_calendar(tx, f"org_{n}", name, now)])
                for name in ("Doctor", "Room")
            ]
            two = AppointmentTypeCreate(name="Two", durationMinutes=1, requirements=needs)
            appointment_types.create(tx, party, two, now, type_id=f"two_{n}")

    async def run() -> None:
        database = open_database(url, pool_size=1)
        await database.migrate()
        await database.write(fill)
        await database.close()

    asyncio.run(run())


def install_node() -> bool:
    if not shutil.which("npm"):
        return False
    folder = RIVALS / "node"
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=False)
    return done.returncode == 0


def table(contenders: list[Contender]) -> str:
    cells = [(clients, spread) for spread in SPREADS for clients in CLIENTS]
    lines = [
        "| bookings per second (p99 in ms) | "
        + " | ".join(f"{spread}, {clients} clients" for clients, spread in cells)
        + " |",
        "| --- |" + " --- |" * len(cells),
    ]
    for contender in contenders:
        shown = []
        for cell in cells:
            p99 = contender.p99(*cell)
            shown.append(f"{contender.rate(*cell):,.0f}" + ("" if p99 != p99 else f" ({p99 * 1000:.0f})"))
        lines.append(f"| {contender.name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def ratios(contenders: list[Contender]) -> str:
    by_name = {contender.name: contender for contender in contenders}
    pairs = [
        ("Kalends on SQLite, two calendars", "Kalends on SQLite"),
        ("Kalends on PostgreSQL, two calendars", "Kalends on PostgreSQL"),
        ("Kalends on PostgreSQL", "(c) Node, Fastify + pg"),
        ("Kalends on PostgreSQL, 2 workers", "(c) Node, Fastify + pg"),
        ("Kalends on PostgreSQL", "(b) FastAPI + async ORM on PostgreSQL"),
        ("Kalends on SQLite", "(b) FastAPI + threadpool ORM on SQLite"),
    ]
    lines = ["| at 16 clients, 50 organizations | ratio |", "| --- | --- |"]
    for one, other in pairs:
        if one in by_name and other in by_name:
            cell = (16, "50 organizations")
            ratio = by_name[one].rate(*cell) / by_name[other].rate(*cell)
            lines.append(f"| {one} / {other} | {ratio:.2f} |")
    return "\n".join(lines)


def measure_in_turns(contenders: list[Contender], rounds: int) -> None:
    for contender in contenders:  # connections are made, statements prepared, caches warm
        contender.measure(4, ORGS)
    for round_ in range(rounds):
        for spread, orgs in SPREADS.items():
            for clients in CLIENTS:
                for contender in contenders:
                    result = contender.measure(clients, orgs)
                    contender.results.setdefault((clients, spread), []).append(result)
                print(f"round {round_ + 1}: {clients} clients, {spread}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    options = parser.parse_args()
    slots = Slots()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalends-bench-")))
        postgres = stack.enter_context(Postgres.start())
        host = str(postgres.folder)
        postgres_url = postgres.url("postgres")
        files = {name: folder / f"{name}.db" for name in ("kalends", "orm", "alone")}
        for url in (postgres_url, *(f"sqlite:///{path}" for path in files.values())):
            seed(url)

        contenders: list[Contender] = []

        def serve(name: str, command: list[str], **environment: str) -> int:
            port = free_port()
            command = [part.replace("PORT", str(port)) for part in command]
            stack.enter_context(running(command, port, **environment))
            contend(name, port, "type")
            return port

        def contend(name: str, port: int, kind: str) -> None:
            contenders.append(Contender(name, over_http(name, port, slots, options.seconds, kind)))

        kalends = [str(KALENDS), "serve", "--port", "PORT"]
        orm = [sys.executable, str(RIVALS / "orm.py")]
        on = {"SQLite": f"sqlite:///{files['kalends']}", "PostgreSQL": postgres_url}
        for database, url in on.items():
            port = serve(f"Kalends on {database}", kalends, KALENDS_DATABASE_URL=url)
            contend(f"Kalends on {database}, two calendars", port, "two")
        serve(
            "Kalends on PostgreSQL, 2 workers",
            [*kalends, "--workers", "2"],
            KALENDS_DATABASE_URL=postgres_url,
        )
        serve("(a) FastAPI hello, no database", [sys.executable, str(RIVALS / "hello.py")])
        serve(
            "(b) FastAPI + async ORM on PostgreSQL",
            orm,
            MODE="async",
            DATABASE_URL=f"postgresql+asyncpg://postgres@/postgres?host={host}",
        )
        serve(
            "(b) FastAPI + threadpool ORM on SQLite",
            orm,
            MODE="threads",
            DATABASE_URL=f"sqlite:///{files['orm']}",
        )
        if install_node():
            serve(
                "(c) Node, Fastify + pg",
                ["node", str(RIVALS / "node" / "server.js")],
                PGHOST=host,
                PGDATABASE="postgres",
            )
        for name, script in (("seven statements", SEVEN_STATEMENTS), ("one statement", ONE_STATEMENT)):
            measure = by_pgbench(postgres, script, options.seconds)
            contenders.append(Contender(f"(d) PostgreSQL alone, {name}", measure))
        contenders.append(
            Contender("(d) SQLite alone, one writer", by_sqlite(files["alone"], options.seconds))
        )

        measure_in_turns(contenders, options.rounds)
        print(table(contenders))
        print()
        print(ratios(contenders))


if __name__ == "__main__":
    main()
