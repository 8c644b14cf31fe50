"""How long the oldest thing that should have left has been waiting."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import deliveries, events, organizations, receivers
from kalends.services.leaving.leases import lag_seconds
from tests.services.test_appointment_lists import analyze
from tests.support.mailbox import Mailbox
from tests.support.organizations import make_org
from tests.support.plans import plan
from tests.support.practice import Practice, practice
from tests.support.receiver import Receiver
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
MINUTE = 60


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.open()
    yield mailbox
    await mailbox.close()


async def lag(p: Practice, *, mail: bool = True) -> float:
    return await p.db.read(lag_seconds, p.clock.now(), mail=mail)


async def test_mails_that_wait_for_another_attempt_count_since_they_were_due(
    own_url: str, mailbox: Mailbox
) -> None:
    async with practice(own_url, mailbox) as p:
        await mailbox.close()
        await p.book(start_time="2024-06-25T14:00:00Z")
        await p.work()
        for minute in (1, 2, 10, 60, 600):
            p.clock.at = NOW + timedelta(minutes=minute)
            await p.work()
            assert await lag(p) == minute * MINUTE
        assert await lag(p, mail=False) == 0  # where no mails are sent, none wait
        await mailbox.open()
        p.clock.forward(days=2)
        await p.work()
        assert len(mailbox.received) == 1
        assert await lag(p) == 0  # but for the reminder, which is to come much later


async def test_webhooks_count_while_they_are_active(own_url: str, mailbox: Mailbox) -> None:
    async with practice(own_url, mailbox, smtp_host="", webhooks_allow_private=True) as p:
        hook = {"url": f"http://127.0.0.1:{free_port()}/", "events": ["appointment.*"]}
        made = (await p.desk.staff.post("/v1/webhooks", json=hook)).json()["data"]
        await p.book()
        await p.work()
        p.clock.forward(minutes=20)
        await p.work()
        assert await lag(p, mail=False) == 20 * MINUTE
        inactive = await p.desk.staff.patch(f"/v1/webhooks/{made['id']}", json={"active": False})
        assert inactive.status_code == 200
        assert await lag(p) == 0
        async with Receiver() as receiver:
            again = {"active": True, "url": receiver.url()}
            assert (await p.desk.staff.patch(f"/v1/webhooks/{made['id']}", json=again)).status_code == 200
            assert await lag(p) == 20 * MINUTE
            p.clock.forward(hours=1)
            await p.work()
            assert len(receiver.got) == 1
        assert await lag(p) == 0


async def test_a_reminder_counts_from_its_time_on(own_url: str, mailbox: Mailbox) -> None:
    async with practice(own_url, mailbox, kind={"reminderHours": 24}) as p:
        await p.book()  # on the 25th at two
        await p.work()
        await mailbox.close()
        p.clock.at = datetime(2024, 1, 24, 14, tzinfo=UTC)
        assert await lag(p) == 0
        p.clock.forward(minutes=5)
        assert await lag(p) == 5 * MINUTE
        await p.work()
        p.clock.forward(minutes=5)
        assert await lag(p) == 10 * MINUTE


async def test_a_reminder_that_is_made_earlier_counts_since_it_was_tried(
    own_url: str, mailbox: Mailbox
) -> None:
    async with practice(own_url, mailbox, kind={"reminderHours": 24}) as p:
        await p.book()
        await p.work()
        await p.desk.set_type(reminderHours=96)
        await mailbox.close()
        p.clock.at = datetime(2024, 1, 21, 15, tzinfo=UTC)
        await p.work()
        p.clock.forward(minutes=5)
        assert await lag(p) == 5 * MINUTE


async def test_sandboxes_do_not_count(own_url: str, mailbox: Mailbox) -> None:
    async with practice(own_url, mailbox) as p:
        await mailbox.close()
        await p.book()
        await p.work()
        p.clock.forward(minutes=20)
        assert await lag(p) == 20 * MINUTE
        await p.db.write(lambda tx: tx.execute(update(organizations).values(sandbox=True)))
        assert await lag(p) == 0


async def test_the_oldest_of_many_is_found_along_an_index(own_url: str) -> None:
    many = 20_000
    db = open_database(own_url, pool_size=1)
    try:
        org = await make_org(db, NOW)

        def fill(tx: Tx) -> None:
            common = {"org_id": org.id, "url": "", "events": [], "secret": "", "created_at": NOW}
            common |= {"active": True, "updated_at": NOW, "due_at": NOW}
            tx.execute(insert(receivers), [common | {"id": "mail", "kind": "mail"}])
            event = {
                "org_id": org.id,
                "id": "evt_1",
                "type": "appointment.created",
                "payload": "{}",
                "seq": 1,
            }
            tx.execute(insert(events), event | {"occurred_at": NOW, "subject_id": "apt_1"})
            waiting: dict[str, Any] = {
                "org_id": org.id,
                "receiver_id": "mail",
                "event_id": "evt_1",
                "audience": "client",
            }
            waiting |= {"attempts": 3, "due_at": NOW + timedelta(hours=2), "created_at": NOW}
            rows = [
                waiting
                | {
                    "id": f"dlv_{n:07}",
                    "place": n,
                    "status": "pending" if n % 2 else "delivered",
                    "due_since": NOW + timedelta(seconds=n),
                }
                for n in range(many)
            ]
            tx.execute(insert(deliveries), rows)

        await db.write(fill)

        def steps(tx: Tx) -> str:
            return plan(tx, lambda: lag_seconds(tx, NOW, mail=True), lambda said: "FROM deliveries" in said)

        async def check() -> None:
            found = await db.read(steps)
            assert "ix_deliveries_pending_due_since" in found, found
            assert not re.search(r"SCAN deliveries\b|Seq Scan on deliveries\b|TEMP B-TREE|Sort", found), found

        if own_url.startswith("sqlite"):  # it has no statistics until somebody asks for them
            await check()
        await db.write(analyze)
        await check()
        later = NOW + timedelta(seconds=many)
        known: Any = await db.read(lag_seconds, later, mail=True)
        assert known == many - 1
    finally:
        await db.close()
