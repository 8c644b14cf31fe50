"""Webhooks while workers share the work, die, and start again.

Receivers get every event at least once, and of one appointment never a later event before an earlier one;
while nobody dies, each exactly once.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
from bench.wire import Connection
from sqlalchemy import func, insert, select, update

from kalends.clock import SystemClock
from kalends.core.hours import stamp
from kalends.db.database import AnyRow, Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import deliveries, events, receivers
from kalends.schemas.webhooks import WebhookCreate
from kalends.services.leaving import webhooks
from kalends.services.outbox.events import row
from kalends.services.outbox.parties import operator
from tests.support.load import PATH
from tests.support.organizations import Org, new_org
from tests.support.receiver import Answer, Got, Receiver
from tests.support.server import serving
from tests.support.workers import WorkerProcess, start_all

WORKERS = 3
CLIENTS = 8


@pytest.mark.parametrize(
    ("hooks", "happening"),
    [(6, 60), pytest.param(20, 1_500, marks=pytest.mark.torture)],
    ids=["some", "many"],
)
def test_three_workers_deliver_everything_once(
    own_url: str, tmp_path: Path, hooks: int, happening: int
) -> None:
    """Each receiver gets one request at a time, whoever makes it, and each event exactly once, in order."""
    asyncio.run(_share(own_url, tmp_path / "log", hooks, happening))


@pytest.mark.parametrize("bookings", [80, pytest.param(10_000, marks=pytest.mark.torture)])
def test_nothing_is_lost_where_receivers_fail_and_workers_are_killed(
    own_url: str, tmp_path: Path, bookings: int
) -> None:
    """Appointments are booked, some are changed and cancelled, while of five receivers two answer, one
    answers 500 to 30 % of the events (once, and to one of an appointment), one never answers, and one is
    down; and while workers are killed and started again: one every three seconds in the long version, and
    all of them once in the short one, where the leases of the dead are ended by hand.

    The first three take every event, and get nothing of an appointment before they have taken what happened
    to it earlier; to the others nothing is delivered, and nothing of theirs has failed for good. No receiver
    gets a second request before it has answered the first.
    """
    with serving(own_url) as server:
        asyncio.run(_bear(own_url, server.port, tmp_path / "log", bookings))


async def _share(url: str, log: Path, hooks: int, happening: int) -> None:
    org, workers = await new_org(url), [WorkerProcess(url, log) for _ in range(WORKERS)]
    happened: dict[str, float] = {}

    async def slowly(_: Got) -> Answer:
        await asyncio.sleep(0.003)
        return 200

    async with Receiver(slowly) as receiver, _database(url) as db:
        made = [await _hook(db, org, receiver.url(f"/{number}")) for number in range(hooks)]
        try:
            await start_all(workers)
            for first in range(0, happening, 20):
                rows = [_event(org, number) for number in range(first, first + 20)]
                await db.write(_write, rows)
                happened |= {each["id"]: asyncio.get_running_loop().time() for each in rows}
                await asyncio.sleep(0.2)
            await receiver.until(hooks * happening, seconds=60 + happening)
            await _until_done(db, org, made, seconds=30)
            assert [each.stop() for each in workers] == [0] * WORKERS
        finally:
            for each in workers:
                each.kill()
    assert receiver.overlaps == []
    for number in range(hooks):
        assert [got.id for got in receiver.at(f"/{number}")] == list(happened)
    late = _late([got.at - happened[got.id] for got in receiver.got])
    print(f"{hooks} webhooks, {happening} events, {WORKERS} workers: {late}")


def _event(org: Org, number: int) -> dict[str, Any]:
    told, now = '{"appointment":{}}', SystemClock().now()
    return dict(row(org.id, "appointment.updated", told, now, subject=f"apt_{number % 7}", version=number))


def _write(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    tx.execute(insert(events), list(rows))


async def _bear(url: str, port: int, log: Path, bookings: int) -> None:
    org, long = await new_org(url), bookings >= 1_000
    workers = [WorkerProcess(url, log) for _ in range(WORKERS if long else WORKERS - 1)]
    faults = Faults()
    async with Receiver(faults.answer) as receiver, _database(url) as db:
        down = await Receiver().open()
        await down.close()
        made = {
            path: await _hook(db, org, receiver.url(path)) for path in ("/one", "/two", "/some", "/never")
        }
        made["down"] = await _hook(db, org, down.url())
        load = Traffic(org, port, bookings, rate=50 if long else 10_000)
        killing = None
        try:
            await start_all(workers)
            running = asyncio.create_task(load.run())
            if long:
                killing = asyncio.create_task(_kill_now_and_then(workers))
            else:
                await load.until(bookings // 2)
                await _kill_all(db, workers)
            await running
            if killing is not None:
                killing.cancel()
                await asyncio.gather(killing, return_exceptions=True)
            taking = [made[path] for path in ("/one", "/two", "/some")]
            await _until_done(db, org, taking, seconds=60 + bookings / 10)
        finally:
            for each in workers:
                each.kill()
        happened = await db.read(_happened, org)
        standing = await db.read(_standing, org)

    assert {(each.subject_id, each.subject_version) for each in happened} == load.acknowledged.keys()
    assert receiver.overlaps == []
    for path in ("/one", "/two", "/some"):
        _check(happened, receiver.at(path), faults)
        assert standing[made[path]] == {"delivered": len(happened)}
    for path in ("/never", "down"):
        assert standing[made[path]] == {"pending": len(happened)}
    assert len(faults.refused) > 0.2 * bookings
    first: dict[str, float] = {}
    for got in receiver.at("/one"):
        first.setdefault(got.id, got.at)
    late = _late(
        [first[each.id] - load.acknowledged[each.subject_id, each.subject_version] for each in happened]
    )
    again = len(receiver.at("/one")) - len(first)
    print(f"{bookings} bookings, {len(happened)} events, {again} told again; a receiver that answers: {late}")


class Faults:
    """What receivers answer, by their paths."""

    def __init__(self) -> None:
        self.refused: dict[int, Got] = {}
        self._appointments: set[str] = set()
        self._chance = random.Random(20240120)

    def answer(self, got: Got) -> Answer:
        if got.path == "/never":
            return None
        appointment = got.json()["data"]["appointment"]["id"]
        if got.path == "/some" and appointment not in self._appointments and self._chance.random() < 0.3:
            self._appointments.add(appointment)
            self.refused[id(got)] = got
            return 500
        return 200

    def has_refused(self, got: Got) -> bool:
        return id(got) in self.refused


@dataclass
class Traffic:
    """Clients that book, and change and cancel some of what they booked."""

    org: Org
    port: int
    bookings: int
    rate: float
    """Bookings per second at the most: what is asked is how late events are, not what a machine can take."""
    acknowledged: dict[tuple[str, int], float] = field(default_factory=dict)
    """When each version of each appointment was answered."""

    async def run(self) -> None:
        slots = (datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(self.bookings))
        numbered = enumerate(slots)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._client(numbered, began) for _ in range(CLIENTS)))

    async def until(self, number: int) -> None:
        while len(self.acknowledged) < number:
            await asyncio.sleep(0.01)

    async def _client(self, slots: Iterator[tuple[int, datetime]], began: float) -> None:
        connection = await Connection.open(self.port)
        for number, slot in slots:
            await asyncio.sleep(began + number / self.rate - asyncio.get_running_loop().time())
            made = await self._call(connection, "POST", PATH, self.org.wish(start_time=stamp(slot)))
            changes: list[dict[str, Any]] = [{"client_notes": "Late"}] if number % 3 == 0 else []
            changes += [{"status": "cancelled"}] if number % 5 == 0 else []
            for change in changes:
                await self._call(connection, "PATCH", f"{PATH}/{made}", change)
        await connection.close()

    async def _call(self, connection: Connection, method: str, path: str, body: dict[str, Any]) -> str:
        reply = await connection.send(method, path, body, self.org.key)
        assert reply.status == 200, reply.body
        told = reply.json()["appointment"]
        self.acknowledged[told["id"], told["version"]] = asyncio.get_running_loop().time()
        return str(told["id"])


async def _kill_all(db: Database, workers: list[WorkerProcess]) -> None:
    for each in workers:
        each.kill()
    # Nobody waits for that here: they are all dead, so their leases may end at once.
    await db.write(lambda tx: tx.execute(update(receivers).values(leased_until=None)) and None)
    await start_all(workers)


async def _kill_now_and_then(workers: list[WorkerProcess]) -> None:
    chance = random.Random(20240120)
    while True:
        await asyncio.sleep(3)
        one = chance.choice(workers)
        one.kill()
        await start_all([one])


@contextlib.asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = open_database(url, pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def _hook(db: Database, org: Org, url: str) -> str:
    wish = WebhookCreate(url=url, events=["appointment.*"])
    return (await db.write(webhooks.create, operator(org.id), wish, SystemClock().now(), mail=False)).id


async def _until_done(db: Database, org: Org, hooks: Sequence[str], *, seconds: float) -> None:
    """Wait until every event has its number, and nothing is left to be delivered to these."""

    def left(tx: Tx) -> int:
        unnumbered = events.c.org_id == org.id, events.c.seq.is_(None)
        pending = deliveries.c.org_id == org.id, deliveries.c.status == "pending"
        mine = deliveries.c.receiver_id.in_(hooks)
        counts = (
            select(func.count()).select_from(events).where(*unnumbered),
            select(func.count()).select_from(deliveries).where(*pending, mine),
        )
        return sum(tx.execute(count).scalar_one() for count in counts)

    async with asyncio.timeout(seconds):
        while await db.read(left):
            await asyncio.sleep(0.1)


def _happened(tx: Tx, org: Org) -> Sequence[AnyRow]:
    mine = select(events).where(events.c.org_id == org.id, events.c.type.startswith("appointment."))
    return tx.execute(mine.order_by(events.c.seq)).all()


def _standing(tx: Tx, org: Org) -> dict[str, dict[str, int]]:
    """How many deliveries of each webhook stand how."""
    by = deliveries.c.receiver_id, deliveries.c.status
    counts: dict[str, dict[str, int]] = {}
    for hook, status, count in tx.execute(
        select(*by, func.count()).where(deliveries.c.org_id == org.id).group_by(*by)
    ):
        counts.setdefault(hook, {})[status] = count
    return counts


def _check(happened: Sequence[AnyRow], arrived: Sequence[Got], faults: Faults) -> None:
    """Assert that everything was taken, and nothing of an appointment came before what happened to it
    earlier was taken."""
    history: dict[str, list[str]] = {}
    for event in happened:
        history.setdefault(event.subject_id, []).append(event.id)
    places = {event: (subject, n) for subject, mine in history.items() for n, event in enumerate(mine)}
    taken: Counter[str] = Counter()
    for got in arrived:
        subject, place = places[got.id]
        assert place <= taken[subject], f"{got.path}: {got.id} came too early"
        if not faults.has_refused(got):
            taken[subject] = max(taken[subject], place + 1)
    assert taken == {subject: len(mine) for subject, mine in history.items()}


def _late(seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, at most {max(seconds):.2f} s after the commit"
