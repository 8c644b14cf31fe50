"""A server that is killed under load loses no promise, and leaves no half of a booking or of what it read of
other calendars."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update

from kalends.clock import SystemClock
from kalends.core.errors import Unavailable
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import occupations, sources
from kalends.schemas.sources import SourceCreate
from kalends.services.outbox.parties import operator
from kalends.services.setup import sources as sources_
from tests.support.books import check_books
from tests.support.load import Load
from tests.support.organizations import Org, new_org
from tests.support.processes import everyday_two_workers
from tests.support.receiver import Got, Receiver
from tests.support.server import Server

DAYS = 300


@everyday_two_workers("kills", everyday=2, torture=20)
def test_a_killed_server_keeps_its_promises(url: str, options: list[str], kills: int) -> None:
    async def kill() -> None:
        org = await new_org(url)
        await _kill_under_load(Server(url, *options), Load(org, port=0), kills)

    asyncio.run(kill())


@everyday_two_workers("kills", everyday=2, torture=20)
def test_a_server_that_is_killed_while_it_reads_calendars_keeps_them_whole(
    empty_url: str, options: list[str], kills: int
) -> None:
    asyncio.run(_kill_while_reading(empty_url, options, kills))


async def _kill_under_load(server: Server, load: Load, kills: int, beside: "Elsewhere | None" = None) -> None:
    chance = random.Random(20240125)
    url, org = server.database_url, load.org
    running = None
    try:
        for _ in range(kills):
            await asyncio.to_thread(server.start().wait)
            if running is None:
                load.port = server.port
                running = asyncio.create_task(load.run())
            before = len(load.acknowledged)
            while len(load.acknowledged) < before + 50:
                await asyncio.sleep(0.01)
            if beside is not None:
                await beside.is_read()
            await asyncio.sleep(chance.uniform(0, 0.3))
            await asyncio.to_thread(server.kill)
            await check_books(url, org, list(load.acknowledged))
            if beside is not None:
                await beside.look()
        await asyncio.to_thread(server.start().wait)
        load.stop()
        assert running
        await running
        total = await check_books(url, org, load.acknowledged)
    finally:
        load.stop()
        server.kill()
    assert not load.odd, load.odd[:3]
    # A client that was cut off may have its booking without knowing: at most one per client and kill.
    assert len(load.acknowledged) <= total <= len(load.acknowledged) + kills * load.clients
    print(f"{kills} kills, {len(load.acknowledged)} acknowledged, {total} stored")


async def _kill_while_reading(url: str, options: list[str], kills: int) -> None:
    database = open_database(url, pool_size=1)
    await database.migrate()
    try:
        org = await new_org(url)
        async with Receiver() as receiver:
            elsewhere = Elsewhere(database, org, receiver)
            await elsewhere.connect()
            server = Server(url, "--worker", *options, env={"KALENDS_SOURCES_ALLOW_PRIVATE": "true"})
            load = Load(org, port=0, first=elsewhere.first)
            reading = asyncio.create_task(elsewhere.go_on())
            await _kill_under_load(server, load, kills, elsewhere)
            reading.cancel()
        print(f"{elsewhere.said} times read, {elsewhere.seen} whole contents seen after kills")
        assert elsewhere.said > kills
        assert elsewhere.seen
    finally:
        await database.close()


@dataclass
class Elsewhere:
    """A calendar elsewhere that says something else whenever it is read: an hour of every day is busy, and
    each time another hour."""

    database: Database
    org: Org
    receiver: Receiver
    first: datetime = field(
        default_factory=lambda: (
            SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
        )
    )
    """Its first day, at midnight."""
    said: int = 0
    seen: int = 0

    async def connect(self) -> None:
        """Make it a source of the organization's calendar."""
        self.receiver.answer = self._say
        wish = SourceCreate(kind="ics", url=self.receiver.url("/calendar.ics"))
        party = operator(self.org.id)
        await self.database.write(sources_.create, party, self.org.calendar_id, wish, SystemClock().now())

    def _say(self, _got: Got) -> bytes:
        self.said += 1
        start = self.first + timedelta(hours=self.said % 24)
        lines = [
            *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Elsewhere//EN", "BEGIN:VEVENT", "UID:daily"),
            *(f"DTSTAMP:{start:%Y%m%dT%H%M%SZ}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}", "DURATION:PT1H"),
            *(f"RRULE:FREQ=DAILY;COUNT={DAYS}", "END:VEVENT", "END:VCALENDAR", ""),
        ]
        body = "\r\n".join(lines).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/calendar\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def go_on(self) -> None:
        """Have it read again and again."""
        while True:
            # A file's only writer may be too busy to let others write.
            with contextlib.suppress(Unavailable):
                await self.database.write(_let_be_due, self.org.id)
            await asyncio.sleep(0.1)

    async def is_read(self) -> None:
        """Wait until somebody has asked what it says. What follows from that is not done yet, but for the
        first time."""
        while not self.seen and not await self._starts():
            await asyncio.sleep(0.05)
        before = self.said
        while self.said == before:
            await asyncio.sleep(0.005)

    async def look(self) -> None:
        """Assert that the busy times are those of one reading, all of them, after who read was killed. The
        lease that they held is over: nobody waits for it here."""
        await self.database.write(_let_be_due, self.org.id, killed=True)
        if starts := await self._starts():
            assert starts == [starts[0] + timedelta(days=day) for day in range(DAYS)]
            self.seen += 1

    async def _starts(self) -> list[datetime]:
        return await self.database.read(_busy_starts, self.org.id)


def _midnight() -> datetime:
    return SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0)


def _let_be_due(tx: Tx, org_id: str, *, killed: bool = False) -> None:
    """Let the source be due, and the lease run out of a worker that was killed."""
    over = {"leased_by": None, "leased_until": None} if killed else {}
    due = {"due_at": SystemClock().now(), **over}
    tx.execute(update(sources).where(sources.c.org_id == org_id).values(due))


def _busy_starts(tx: Tx, org_id: str) -> list[datetime]:
    mine = occupations.c.org_id == org_id, occupations.c.kind == "source"
    rows = tx.execute(select(occupations.c.busy_start).where(*mine).order_by(occupations.c.busy_start))
    return list(rows.scalars())
