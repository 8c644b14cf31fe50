"""Staff and clients of one organization who want the same at once, each over a connection of their own."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.wire import Reply
from sqlalchemy import select, update

from kalends.clock import SystemClock
from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointments, occupations
from tests.support.books import check_histories, check_times
from tests.support.desk import week
from tests.support.load import PATH
from tests.support.organizations import Org, make_org
from tests.support.patient import PatientClient, crowd

HOLDS = "/v1/calendar/holds"
CLIENTS_OWN = "/v1/public/appointments"
OPEN = {"minNoticeHours": 0, "maxDaysAhead": None, "maxOpenPerClient": None}
"""A type that can be booked at any time to come, however often."""
PATIENCE = {"KALENDS_PUBLIC_REQUESTS_PER_HOUR": "1000000", "KALENDS_PUBLIC_HOLDS_PER_ADDRESS": "1000000"}
"""All clients here come from one address."""
OVERLOADED = ("The server is overloaded", "The database is busy with another process's writes")
"""What whoever waits longer than five seconds for the database is told, with a 503."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST = datetime(2030, 1, 7, 9, tzinfo=UTC)
"""A Monday."""


@dataclass(frozen=True)
class Served:
    """A server that runs, its database and its log."""

    url: str
    port: int
    log: Path

    def complaints(self) -> list[str]:
        """What it logged that is graver than what it was asked, but for having too much to do."""
        return [
            line
            for line in self.log.read_text().splitlines()
            if json.loads(line)["level"] not in ("debug", "info")
            and not any(each in line for each in OVERLOADED)
        ]


@dataclass(frozen=True)
class Ask:
    """A request; `key` is empty where a client asks."""

    what: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Rivals:
    """An organization that is open day and night: what its staff and its clients ask, and a crowd of them."""

    org: Org
    crowd: list[PatientClient]
    database: Database
    slowest: float = 0.0
    turned_away: int = 0

    async def send(self, ask: Ask, seat: int = 0) -> Reply:
        """The answer; who is turned away, since a machine is too slow for so many, asks again."""
        client = self.crowd[seat]
        reply = await client.once(ask.method, ask.path, ask.body, ask.key, dict(ask.headers))
        self.slowest = max(self.slowest, reply.seconds)
        if reply.status == 503 and reply.json()["error"].startswith(OVERLOADED):
            self.turned_away += 1
            await asyncio.sleep(int(reply.headers["retry-after"]))
            return await self.send(ask, seat)
        return reply

    async def at_once(self, asks: Sequence[Ask]) -> list[Reply]:
        """Everybody's answers, in the order of the questions."""
        for client in self.crowd[: len(asks)]:
            await client.ready()
        replies = await asyncio.gather(*(self.send(ask, seat) for seat, ask in enumerate(asks)))
        for ask, reply in zip(asks, replies, strict=True):
            assert reply.status < 500, (ask, reply)
        return replies

    async def done(self, ask: Ask, seat: int = 0) -> Any:
        """What is answered to a request that must succeed."""
        reply = await self.send(ask, seat)
        assert reply.status == 200, (ask, reply)
        return reply.json()

    async def all_done(self, asks: Sequence[Ask]) -> list[Any]:
        """The same of many at once, in as many turns as the crowd needs."""
        answers: list[Any] = []
        for begin in range(0, len(asks), len(self.crowd)):
            turn = asks[begin : begin + len(self.crowd)]
            answers += await asyncio.gather(*(self.done(ask, seat) for seat, ask in enumerate(turn)))
        return answers

    async def tell(self, what: str, *, large: bool) -> None:
        """Check the books, and print a line for the report. In a large test, which runs by itself, nobody may
        have been turned away; a small one may share its machine."""
        await self.database.read(check_times, self.org.id, SystemClock().now())
        told = await self.database.read(check_histories, self.org.id)
        print(f"{what}: slowest {self.slowest:.2f} s, {self.turned_away} turned away, {dict(told)}")
        assert not (large and self.turned_away)

    # What staff ask.

    def staff(self, what: str, path: str, body: Mapping[str, Any], method: str = "POST", **more: Any) -> Ask:
        return Ask(what, path, body, method, self.org.key, **more)

    def booking(self, start: datetime, **fields: Any) -> Ask:
        return self.staff("booking", PATH, self.org.wish(start_time=stamp(start), **fields))

    def holding(self, start: datetime, **fields: Any) -> Ask:
        wish = {"appointment_type_id": self.org.type_id, "start_time": stamp(start)} | fields
        return self.staff("holding", HOLDS, wish)

    def moving(self, id_: str, start: datetime, match: int | None = None, **fields: Any) -> Ask:
        headers = {} if match is None else {"If-Match": f'"{match}"'}
        return self.staff(
            "moving", f"{PATH}/{id_}", {"start_time": stamp(start)} | fields, "PATCH", headers=headers
        )

    def setting(self, id_: str, status: str, **fields: Any) -> Ask:
        return self.staff(f"setting {status}", f"{PATH}/{id_}", {"status": status} | fields, "PATCH")

    def releasing(self, hold_id: str) -> Ask:
        return self.staff("releasing", f"{HOLDS}/{hold_id}", {}, "DELETE")

    # What clients ask.

    def client_booking(self, start: datetime, **fields: Any) -> Ask:
        return Ask(
            "client booking", f"/v1/public/{self.org.slug}/appointments", self.booking(start, **fields).body
        )

    def client_holding(self, start: datetime, **fields: Any) -> Ask:
        return Ask("client holding", f"/v1/public/{self.org.slug}/holds", self.holding(start, **fields).body)

    def client_moving(self, token: str, start: datetime) -> Ask:
        return Ask("client moving", f"{CLIENTS_OWN}/{token}/reschedule", {"start_time": stamp(start)})

    def client_cancelling(self, token: str, reason: str) -> Ask:
        return Ask("client cancelling", f"{CLIENTS_OWN}/{token}/cancel", {"reason": reason})

    # What there is.

    async def new_calendar(self) -> str:
        made = await self.done(self.staff("", "/v1/calendar/calendars", {"name": "Another"}))
        id_: str = made["calendar"]["id"]
        return id_

    async def new_type(self, **fields: Any) -> str:
        wish = {"name": "Another", "durationMinutes": 60} | OPEN | fields
        made = await self.done(self.staff("", "/v1/calendar/appointment-types", wish))
        id_: str = made["appointmentType"]["id"]
        return id_

    async def active(self, start: datetime, end: datetime) -> list[Any]:
        """The appointments and holds that start within `[start, end)` and are active now."""
        return await self.database.read(_active, self.org.id, start, end, SystemClock().now())

    async def lapse(self, id_: str, at: datetime) -> int:
        """Let the time to confirm an appointment end at `at`; 0 where it is not pending."""
        return await self.database.write(_lapse, self.org.id, id_, at)


@dataclass
class Bustle:
    """Rivals who ask at random: whatever they are answered must be granted, or refused with a code that is
    allowed for its status."""

    house: Rivals
    calendars: list[str]
    allowed: Mapping[int, AbstractSet[str]]
    ids: list[str] = field(default_factory=list)
    """Every appointment there is."""
    statuses: Counter[int] = field(default_factory=Counter)
    got: Counter[str] = field(default_factory=Counter)

    async def ask(self, ask: Ask, seat: int) -> Any:
        """What is answered, if it is granted."""
        reply = await self.house.send(ask, seat)
        self.statuses[reply.status] += 1
        if reply.status == 200:
            self.got[ask.what] += 1
            return reply.json()
        assert code_of(reply) in self.allowed.get(reply.status, ()), (ask, reply)
        return None

    async def book(self, ask: Ask, seat: int) -> Any:
        """The same of a booking, whose appointment is then one of those that there are."""
        booked = await self.ask(ask, seat)
        if booked is not None:
            self.ids.append(booked["appointment"]["id"])
        return booked


@contextlib.asynccontextmanager
async def opened(served: Served, number: int, **kind: Any) -> AsyncIterator[Rivals]:
    """A new organization with a type of 60 minutes, its default calendar, and a crowd of so many."""
    database = open_database(served.url, pool_size=1)
    try:
        org = await make_org(database, SystemClock().now(), **(OPEN | kind))
        async with crowd(served.port, number) as clients:
            house = Rivals(org, clients, database)
            hours = {"schedules": week("00:00-24:00")}
            await house.done(house.staff("", "/v1/calendar/availability", hours, "PUT"))
            await house.done(house.staff("", "/v1/organization", {"public_bookings_per_hour": None}, "PATCH"))
            yield house
    finally:
        await database.close()


def code_of(reply: Reply) -> str | None:
    return None if reply.status == 200 else str(reply.json()["code"])


def won(asks: Sequence[Ask], replies: Sequence[Reply]) -> list[tuple[Ask, Any]]:
    """Who got what they asked for."""
    return [(ask, reply.json()) for ask, reply in zip(asks, replies, strict=True) if reply.status == 200]


# What the tests look up and change behind the server's back.


def _active(tx: Tx, org_id: str, start: datetime, end: datetime, now: datetime) -> list[Any]:
    rows = tx.execute(
        select(appointments)
        .where(
            appointments.c.org_id == org_id,
            appointments.c.status != "cancelled",
            appointments.c.start_time >= start,
            appointments.c.start_time < end,
        )
        .order_by(appointments.c.start_time)
    ).all()
    return [row for row in rows if row.expires_at is None or row.expires_at > now]


def _lapse(tx: Tx, org_id: str, id_: str, at: datetime) -> int:
    """How many were still pending."""
    pending = tx.execute(
        update(appointments)
        .where(appointments.c.org_id == org_id, appointments.c.id == id_, appointments.c.status == "pending")
        .values(expires_at=at)
    ).rowcount
    if pending:
        mine = (occupations.c.org_id == org_id, occupations.c.holder_id == id_)
        tx.execute(update(occupations).where(*mine).values(expires_at=at))
    return pending
