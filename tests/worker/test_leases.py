"""Whatever happens while a worker has a lease: nothing is lost, told twice, or held up."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from kalends.core.errors import Unavailable
from kalends.core.messages import Outcome
from kalends.db.database import Database, Tx
from kalends.db.tables import receivers
from kalends.schemas.deliveries import Tried
from kalends.services.leaving import attempts, leases, webhooks
from kalends.services.outbox import event_order
from kalends.services.outbox.parties import operator
from tests.support.receiver import Answer, Got
from tests.worker.webhook_desk import WebhookDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]


class Forgetful:
    """A database that is lost as soon as something was delivered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, unit: Any, *args: Any, **kw: Any) -> Any:
        if unit in (attempts.record, leases.release):
            raise Unavailable
        return await self._database.write(unit, *args, **kw)


class Slow:
    """A database that takes its time to record: `begun` is set once it is about it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.begun = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, unit: Any, *args: Any, **kw: Any) -> Any:
        if unit is attempts.record:
            self.begun.set()
            await asyncio.sleep(0.2)
        return await self._database.write(unit, *args, **kw)


async def test_a_worker_that_is_stopped_records_what_it_has_delivered(desk: WebhookDesk) -> None:
    """When it has stopped, the database is closed: nothing may be written after that."""
    hook = await desk.hook()
    await desk.happen()
    slow: Any = Slow(desk.db)
    stopping = desk.another(slow)
    await stopping.take_events()
    await slow.begun.wait()
    await stopping.courier.stop()
    delivery = await desk.only(hook)
    assert (delivery.status, delivery.attempts) == ("delivered", 1)
    leased = select(receivers.c.leased_until).where(receivers.c.id == hook.id)
    assert await desk.db.read(lambda tx: tx.execute(leased).scalar_one()) is None


async def test_what_was_delivered_but_not_recorded_is_delivered_again_with_the_same_id(
    desk: WebhookDesk,
) -> None:
    hook = await desk.hook()
    [event] = await desk.happen()
    dying: Any = Forgetful(desk.db)
    assert await desk.turn(desk.another(dying, record_pauses=())) == 1
    assert (await desk.only(hook)).attempts == 0
    began = desk.clock.now()
    assert await desk.turn() == 0, "while the lease lives nobody else delivers"
    assert await desk.at(began + leases.LENGTHS["webhook"]) == 1
    first, second = desk.receiver.got
    assert first.id == second.id == event
    assert first.body == second.body
    delivery = await desk.only(hook)
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


async def test_a_lease_that_is_not_renewed_is_taken_over_and_the_late_one_undoes_nothing(
    desk: WebhookDesk,
) -> None:
    stuck, free = await desk.hook("/stuck"), await desk.hook("/free")
    go = asyncio.Event()

    async def answer(got: Got) -> Answer:
        if got.path == "/stuck" and len(desk.receiver.at("/stuck")) == 1:
            await go.wait()
            return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        return 200

    desk.receiver.answer = answer
    first, second = await desk.happen("apt_1", versions=(1, 2))
    await desk.worker.take_events()
    await desk.receiver.until(3)  # the one that is stuck delays nobody else
    async with asyncio.timeout(20):
        while desk.worker.courier.under_way > 1:  # what it was told is recorded
            await asyncio.sleep(0.005)
    assert [got.id for got in desk.receiver.at("/free")] == [first, second]
    other, began = desk.another(), desk.clock.now()
    desk.clock.forward(seconds=19)
    assert await desk.turn(other) == 0
    desk.clock.forward(seconds=1)
    assert await desk.turn(other) == 2
    assert [got.id for got in desk.receiver.at("/stuck")] == [first, first, second]
    before = await desk.deliveries(stuck)
    assert [each.status for each in before] == ["delivered", "delivered"]
    assert before[0].last_attempt_at == began + leases.LENGTHS["webhook"]
    go.set()
    await desk.worker.courier.finish()
    assert await desk.deliveries(stuck) == before
    webhook = await desk.shown(stuck)
    assert (webhook.active, webhook.failing_since) == (True, None)
    desk.clock.forward(days=1)
    assert await desk.turn() == 0
    assert {each.status for each in await desk.deliveries(free)} == {"delivered"}


async def test_a_webhook_that_is_changed_or_deleted_meanwhile_is_not_posted_to_any_more(
    desk: WebhookDesk,
) -> None:
    paused, deleted = await desk.hook("/paused"), await desk.hook("/deleted")
    go = asyncio.Event()

    async def answer(_: Got) -> Answer:
        await go.wait()
        return 410

    desk.receiver.answer = answer
    await desk.happen("apt_1", "apt_2", "apt_3")
    await desk.worker.take_events()
    await desk.receiver.until(2)
    await desk.change(paused, active=False)
    await desk.db.write(webhooks.remove, operator(desk.org.id), deleted.id, desk.clock.now())
    go.set()
    await desk.worker.courier.finish()
    assert await desk.turn() == 0
    assert len(desk.receiver.got) == 2
    webhook = await desk.shown(paused)
    assert (webhook.active, webhook.disabled_reason) == (False, None), "that was by request"
    assert await desk.told() == []


async def test_a_worker_works_until_it_is_stopped_and_gives_back_what_it_leased(desk: WebhookDesk) -> None:
    hook, stuck = await desk.hook("/"), await desk.hook("/stuck")
    desk.receiver.answer = lambda got: None if got.path == "/stuck" else 200
    running = asyncio.create_task(desk.worker.run())
    happened = await desk.happen("apt_1", "apt_2", "apt_3")
    await desk.receiver.until(4)
    async with asyncio.timeout(20):
        while {each.status for each in await desk.deliveries(hook)} != {"delivered"}:
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert [got.id for got in desk.receiver.at("/")] == happened

    def leases(tx: Tx) -> set[str | None]:
        return set(tx.execute(select(receivers.c.leased_by)).scalars())

    assert await desk.db.read(leases) == {None}
    assert {each.attempts for each in await desk.deliveries(stuck)} == {0}
    desk.receiver.answer = lambda _got: 200
    assert await desk.turn(desk.another()) == 3, "another goes on at once"


# Whatever happens meanwhile: nothing is lost, told twice, or held up.


async def test_what_is_told_while_a_receiver_is_given_back_is_delivered(desk: WebhookDesk) -> None:
    """The worker that has just emptied it does not see what is not committed yet."""
    await desk.hook()
    await desk.happen()
    assert await desk.turn() == 1
    await desk.happen("apt_2")
    slow = desk.another()
    await desk.db.write(event_order.number, desk.org.id, desk.clock.now(), mail=False)
    [lease] = await desk.db.write(leases.lease, desk.clock.now(), 1, mail=False)
    taken = await desk.db.write(attempts.take, lease, desk.clock.now())
    assert taken is not None
    tried = [Tried(each, Outcome(1, code=200), desk.clock.now(), 0) for each in taken.due]
    await desk.db.write(attempts.record, lease, tried)
    await desk.happen("apt_3")

    def number_slowly(tx: Tx) -> None:
        event_order.number(tx, desk.org.id, desk.clock.now(), mail=False)
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_sleep(0.5)"))

    async def give_back() -> None:
        await asyncio.sleep(0.2)
        await desk.db.write(leases.release, lease, desk.clock.now(), None)

    await asyncio.gather(desk.db.write(number_slowly), give_back())
    assert await desk.turn(slow) == 1


async def test_an_attempt_is_begun_only_while_the_lease_is_good(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    await desk.happen()
    late = desk.another(fresh={"webhook": timedelta(0)})
    await late.take_events()
    assert late.courier.under_way == 1
    await asyncio.sleep(0.3)
    await late.courier.stop()
    assert desk.receiver.got == []
    assert (await desk.only(hook)).attempts == 0
