"""Whoever follows the cursor sees every event once, in the order of commits, while others write."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.util import await_only
from typeid import TypeID
from uuid_utils import UUID

from kalends.core.errors import CursorExpired
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import deliveries, events
from kalends.ids import new_id
from kalends.schemas.queries import EventCursor, EventsQuery
from kalends.schemas.webhooks import WebhookChange, WebhookCreate
from kalends.services.booking import bookings
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order, event_pages
from kalends.services.outbox.events import row
from kalends.services.outbox.parties import operator, staff
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
async def databases(url: str) -> AsyncIterator[list[Database]]:
    """One database several times, as several processes have it: each with its own connections and writer."""
    opened = [open_database(url, pool_size=8) for _ in range(3)]
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
async def postgres_db(postgres_url: str) -> AsyncIterator[Database]:
    database = open_database(postgres_url, pool_size=8)
    yield database
    await database.close()


def write(tx: Tx, org: Org, *, subject: str | None = None, version: int | None = None, at: int = 0) -> str:
    """An event, of an id by a clock that is wrong by `at` milliseconds; its id."""
    made = row(org.id, "appointment.updated", '{"appointment":{}}', NOW, subject=subject, version=version)
    if at:
        right = TypeID.from_string(new_id("evt")).uuid.int
        made = {**made, "id": str(TypeID.from_uuid(UUID(int=right + (at << 80)), "evt"))}
    tx.execute(insert(events), made)
    return str(made["id"])


class Reader:
    """Follows the cursor, as the route does."""

    def __init__(self, db: Database, org: Org, limit: int = 100) -> None:
        self.db, self.org, self.limit = db, org, limit
        self.cursor: str | None = None
        self.seen: list[str] = []

    async def read(self) -> list[str]:
        """What is new on one page."""
        if await self.db.read_one(event_order.is_waiting, self.org.id):
            await self.db.write(event_order.number, self.org.id, NOW, mail=False)
        query = EventsQuery.model_validate({"after": self.cursor, "limit": self.limit})
        found = await self.db.read(event_pages.page, self.org.id, query)
        self.cursor = found.next_cursor
        new = [event.id for event in found.events]
        self.seen += new
        return new


def sequence(tx: Tx, org: Org) -> list[tuple[int | None, str, str | None, int | None]]:
    rows = select(events).where(events.c.org_id == org.id).order_by(events.c.seq)
    return [(each.seq, each.id, each.subject_id, each.subject_version) for each in tx.execute(rows)]


async def test_a_transaction_that_commits_late_is_not_skipped(postgres_db: Database) -> None:
    """The one that began first, and whose event has the least id, is held open while others commit and are
    read."""
    db = postgres_db
    org, go = await make_org(db, NOW), asyncio.Event()
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def slow(tx: Tx) -> str:
        booked = write(tx, org)
        begun.set_result(booked)
        await_only(go.wait())
        return booked

    reader = Reader(db, org)
    assert await reader.read() == []
    held = asyncio.create_task(db.write(slow))
    first = await begun
    quick = await db.write(bookings.by_staff, staff(org.caller), org.create(), NOW)
    [second] = await reader.read()
    assert first < second
    assert await reader.read() == []
    third = await db.write(write, org)
    assert await reader.read() == [third]
    go.set()
    assert await held == first
    assert await reader.read() == [first]
    fourth = await db.write(write, org)
    assert await reader.read() == [fourth]
    assert await reader.read() == []
    found = await db.read(sequence, org)
    assert [each[:2] for each in found] == list(enumerate([second, third, first, fourth], start=1))
    assert found[0][2:] == (quick.id, 1)
    whole = Reader(db, org, limit=3)
    assert await whole.read() + await whole.read() == reader.seen


async def test_a_webhook_is_told_of_what_was_committed_after_it_was_made(postgres_db: Database) -> None:
    db = postgres_db
    org, go, begun = await make_org(db, NOW), asyncio.Event(), asyncio.Event()

    def slow(tx: Tx) -> str:
        written = write(tx, org)
        begun.set()
        await_only(go.wait())
        return written

    await db.write(write, org)
    held = asyncio.create_task(db.write(slow))
    await begun.wait()
    wish = WebhookCreate(url="https://example.com", events=["*"])
    made = await db.write(webhooks.create, operator(org.id), wish, NOW, mail=False)
    go.set()
    told = [await held, await db.write(write, org)]
    await Reader(db, org).read()

    def delivered(tx: Tx) -> list[str]:
        mine = deliveries.c.org_id == org.id, deliveries.c.receiver_id == made.id
        return list(
            tx.execute(select(deliveries.c.event_id).where(*mine).order_by(deliveries.c.place)).scalars()
        )

    assert await db.read(delivered) == told


async def test_many_who_number_at_once_give_each_event_one_number(databases: list[Database]) -> None:
    org = await make_org(databases[0], NOW)
    for _ in range(3):
        await asyncio.gather(*(db.write(write, org) for db in databases for _ in range(5)))
        counts = await asyncio.gather(
            *(db.write(event_order.number, org.id, NOW, mail=False) for db in databases * 4)
        )
        assert max(counts) == sum(counts) == 15
    found = await databases[1].read(sequence, org)
    assert [each[0] for each in found] == list(range(1, 46))


@pytest.mark.parametrize("most", [5_000, 3], ids=["at once", "in several steps"])
async def test_events_of_one_appointment_come_in_the_order_of_its_versions(
    db: Database, org: Org, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Whatever the clocks of the machines say that made their ids."""
    monkeypatch.setattr(event_order, "_MOST_AT_ONCE", most)
    minutes = {"apt_1": (9, 4, 6, 1), "apt_2": (8, 2, 7), "apt_3": (3, 5)}
    written = {
        (subject, version): await db.write(write, org, subject=subject, version=version, at=at * 60_000)
        for subject, of_versions in minutes.items()
        for version, at in enumerate(of_versions, start=1)
    }
    # Two events of one version, as of an appointment that is moved and confirmed, and one of nothing.
    pair = [await db.write(write, org, subject="apt_1", version=5, at=at) for at in (100, 101)]
    lone = await db.write(write, org, at=-600_000)
    reader = Reader(db, org)
    while await reader.read():
        pass
    assert sorted(reader.seen) == sorted([*written.values(), *pair, lone])
    for subject, of_versions in minutes.items():
        mine = [written[subject, version] for version in range(1, len(of_versions) + 1)]
        mine += pair if subject == "apt_1" else []
        assert [event for event in reader.seen if event in mine] == mine
    if most > len(reader.seen):
        assert reader.seen[0] == lone  # what is not concerned keeps its place
    assert [each[0] for each in await db.read(sequence, org)] == list(range(1, 13))


@dataclass
class Schedule:
    """Writers that commit when they will, and what they know of the order of things."""

    org: Org
    chance: random.Random
    skew: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    written: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Of which appointment and version each event is."""
    spans: list[tuple[float, float, list[str]]] = field(default_factory=list)
    """When each transaction was begun, when it was known to be committed, and its events."""

    async def transaction(self, db: Database) -> None:
        """A change of one to three appointments, each of them locked until the commit."""
        chance = self.chance
        subjects = sorted(f"apt_{number}" for number in chance.sample(range(20), chance.randint(1, 3)))
        pauses = [chance.uniform(0, 0.012) for _ in subjects]
        skew = chance.randint(-self.skew, self.skew)
        for subject in subjects:
            await self.locks.setdefault(subject, asyncio.Lock()).acquire()
        try:
            mine = {subject: self.versions[subject] + 1 for subject in subjects}

            def unit(tx: Tx) -> list[str]:
                made = []
                for (subject, version), pause in zip(mine.items(), pauses, strict=True):
                    made.append(write(tx, self.org, subject=subject, version=version, at=skew))
                    wait(tx, pause)
                return made

            began = time.monotonic()
            made = await db.write(unit)
            self.spans.append((began, time.monotonic(), made))
            self.versions.update(subjects)
            self.written |= dict(zip(made, mine.items(), strict=True))
        finally:
            for subject in subjects:
                self.locks[subject].release()

    async def writer(self, db: Database, transactions: int) -> None:
        for _ in range(transactions):
            await self.transaction(db)
            await asyncio.sleep(self.chance.uniform(0, 0.01))


async def test_what_is_numbered_later_is_due_later(databases: list[Database]) -> None:
    """Though the clock of whoever numbers it is behind."""
    db = databases[0]
    org = await make_org(db, NOW)
    wish = WebhookCreate(url="https://93.184.215.14/", events=["*"])
    await db.write(webhooks.create, operator(org.id), wish, NOW, mail=False)
    for seconds in (2, 0, 1):
        await db.write(write, org)
        await db.write(event_order.number, org.id, NOW + timedelta(seconds=seconds), mail=False)

    def due(tx: Tx) -> list[datetime | None]:
        mine = deliveries.c.org_id == org.id
        return list(
            tx.execute(select(deliveries.c.due_at).where(mine).order_by(deliveries.c.place)).scalars()
        )

    assert await db.read(due) == [NOW + timedelta(seconds=2)] * 3


async def test_what_is_to_be_told_is_kept_for_longer(databases: list[Database]) -> None:
    db = databases[0]
    org = await make_org(db, NOW)
    wish = WebhookCreate(url="https://93.184.215.14/", events=["*"])
    hook = await db.write(webhooks.create, operator(org.id), wish, NOW, mail=False)
    await db.write(write, org)
    await db.write(event_order.number, org.id, NOW, mail=False)
    soon, late = datetime.now(UTC) + timedelta(days=13), datetime.now(UTC) + timedelta(days=15)
    made = 1  # of whose making the webhook is not told itself
    assert await db.write(event_pages.forget, org.id, soon, NOW) == made
    # A webhook that was switched off is not waited for.
    await db.write(webhooks.change, operator(org.id), hook.id, WebhookChange(active=False), NOW)
    assert await db.write(event_pages.forget, org.id, soon, NOW) == 1
    await db.write(webhooks.change, operator(org.id), hook.id, WebhookChange(active=True), NOW)
    await db.write(write, org)
    await db.write(event_order.number, org.id, NOW, mail=False)
    changes = 2  # of which the webhook is not told itself
    assert await db.write(event_pages.forget, org.id, late, NOW) == 1 + changes


async def test_a_cursor_of_what_is_not_there_yet_is_refused(databases: list[Database]) -> None:
    """The database was restored from a backup: what comes next would be skipped."""
    db = databases[0]
    org = await make_org(db, NOW)
    await db.write(write, org)
    await db.write(event_order.number, org.id, NOW, mail=False)
    page = await db.read(
        event_pages.page, org.id, EventsQuery.model_validate({"after": str(EventCursor(seq=1))})
    )
    assert page.events == []
    beyond = EventsQuery.model_validate({"after": str(EventCursor(seq=2))})
    with pytest.raises(CursorExpired):
        await db.read(event_pages.page, org.id, beyond)


def wait(tx: Tx, seconds: float) -> None:
    """Keep the transaction open."""
    if tx.dialect.name == "postgresql":
        await_only(asyncio.sleep(seconds))  # others go on meanwhile
    else:
        time.sleep(seconds / 20)  # the writer is alone: nobody goes on


@pytest.mark.parametrize("skew", [0, 2_000], ids=["clocks agree", "clocks differ"])
async def test_readers_see_every_event_once_and_in_order_whatever_commits_meanwhile(
    databases: list[Database], skew: int
) -> None:
    org = await make_org(databases[0], NOW)
    schedule = Schedule(org, random.Random(20240120 + skew), skew)
    readers = [Reader(databases[0], org, limit=100), Reader(databases[1], org, limit=3)]
    done = False

    async def follow(reader: Reader) -> None:
        while True:
            last = done
            if not await reader.read() and last:
                return
            await asyncio.sleep(0)

    following = [asyncio.create_task(follow(reader)) for reader in readers]
    await asyncio.gather(*(schedule.writer(db, 12) for db in databases for _ in range(6)))
    done = True
    await asyncio.gather(*following)

    assert readers[0].seen == readers[1].seen
    seen = readers[0].seen
    assert len(schedule.written) > 216
    assert sorted(seen) == sorted(schedule.written), "an event was missed, or seen twice"
    of_each: dict[str, list[int]] = {}
    for event in seen:
        subject, version = schedule.written[event]
        of_each.setdefault(subject, []).append(version)
    for subject, versions in of_each.items():
        assert versions == list(range(1, schedule.versions[subject] + 1)), subject
    place = {event: number for number, event in enumerate(seen)}
    if not skew:
        for (_, committed, earlier), (began, _, later) in itertools.permutations(schedule.spans, 2):
            if committed < began:
                assert max(place[event] for event in earlier) < min(place[event] for event in later)
    overlapping = sum(
        one[0] < other[1] and other[0] < one[1] for one, other in itertools.combinations(schedule.spans, 2)
    )
    assert overlapping > 100, "the transactions came one after the other: that proves nothing"
    assert EventCursor(seq=len(seen)) == EventsQuery.model_validate({"after": readers[0].cursor}).after
