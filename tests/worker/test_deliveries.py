"""What is delivered, to whom and in which order."""

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import insert

from kalends.core.errors import SchemaOutdated
from kalends.core.pacing import RETRIES
from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.tables import events
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order
from kalends.services.outbox.events import row
from kalends.services.outbox.parties import operator
from tests.support.organizations import make_org
from tests.support.receiver import Answer, Got
from tests.worker.signatures import documented
from tests.worker.webhook_desk import MINUTE, SECOND, WebhookDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


async def test_a_worker_beside_another_schema_delivers_nothing(desk: WebhookDesk) -> None:
    """It could not record what it delivered, and would deliver it again and again."""

    def be_at(tx: Tx, revision: str | None) -> None:
        tx.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")

    await desk.hook("/in")
    await desk.happen("apt_1")
    await desk.db.write(be_at, "0003")
    try:
        with pytest.raises(SchemaOutdated):
            await desk.turn()
    finally:
        await desk.db.write(be_at, migrating.newest())
    assert desk.receiver.got == []
    assert await desk.turn() == 1


async def test_what_concerns_one_appointment_waits_and_everything_else_goes_on(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    bad: set[str] = set()
    desk.receiver.answer = lambda got: 500 if got.id in bad else 200
    first, second, other, later = await desk.happen("apt_1", "apt_2", versions=(1, 2))
    bad.add(first)
    await desk.turn()
    assert [got.id for got in desk.receiver.got] == [first, other, later]
    # Another worker, another day: it still waits.
    [third] = await desk.happen("apt_1", versions=[3])
    assert await desk.turn(desk.another()) == 0
    assert await desk.at(desk.clock.now() + 5 * SECOND) == 1
    bad.clear()
    assert await desk.at(desk.clock.now() + 5 * MINUTE) == 3
    assert [got.id for got in desk.receiver.got[4:]] == [first, second, third]
    assert {each.status for each in await desk.deliveries(hook)} == {"delivered"}


async def test_a_later_event_goes_on_where_the_earlier_has_failed_for_good(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    first, second = await desk.happen("apt_1", versions=(1, 2))
    desk.receiver.answer = lambda got: 500 if got.id == first else 200
    await desk.turn()
    for wait in RETRIES:
        assert {got.id for got in desk.receiver.got} == {first}
        desk.clock.at += wait
        await desk.turn()
    assert [got.id for got in desk.receiver.got] == [first] * 10 + [second]
    assert [each.status for each in await desk.deliveries(hook)] == ["failed", "delivered"]
    # Replayed, the earlier is delivered once more, and what comes after it waits again.
    [failed, _] = await desk.deliveries(hook)
    [third] = await desk.happen("apt_1", versions=[3])
    await desk.db.write(webhooks.replay_one, operator(desk.org.id), hook.id, failed.id, desk.clock.now())
    assert await desk.turn() == 1
    desk.receiver.answer = lambda _got: 200
    desk.clock.forward(seconds=5)
    assert await desk.turn() == 2
    assert [got.id for got in desk.receiver.got[-2:]] == [first, third]


async def test_a_receiver_that_answers_gets_everything_in_order_one_after_the_other(
    desk: WebhookDesk,
) -> None:
    await desk.hook()

    async def slowly(_: Got) -> Answer:
        await asyncio.sleep(0.001)
        return 200

    desk.receiver.answer = slowly
    happened = await desk.happen(*(f"apt_{number}" for number in range(40)), versions=(1, 2, 3))
    others = [desk.another() for _ in range(2)]
    await asyncio.gather(*(desk.turn(worker) for worker in (desk.worker, *others)))
    assert [got.id for got in desk.receiver.got] == happened
    assert desk.receiver.overlaps == []
    assert desk.receiver.connections == 1, "connections are kept"


async def test_active_again_it_gets_what_it_missed_in_order(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    before = await desk.happen("apt_1")
    await desk.change(hook, active=False)
    missed = await desk.happen("apt_1", versions=(2, 3))
    assert await desk.turn() == 0
    desk.clock.forward(days=3)
    assert await desk.turn() == 0
    await desk.change(hook, active=True)
    assert await desk.turn() == 3
    assert [got.id for got in desk.receiver.got] == [*before, *missed]


async def test_one_receivers_cookies_are_told_to_nobody(desk: WebhookDesk) -> None:
    for path in ("/one", "/two"):
        await desk.hook(path)
    desk.receiver.answer = lambda _got: (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    for _ in range(2):
        await desk.happen()
        assert await desk.turn() == 2
    assert [got.headers.get("cookie") for got in desk.receiver.got] == [None] * 4


async def test_a_change_counts_from_the_next_deliveries_on(desk: WebhookDesk) -> None:
    """However much waits behind."""
    hook = await desk.hook("/old")
    rotated: list[str] = []

    async def answer(got: Got) -> Answer:
        if len(desk.receiver.got) == 1:
            await desk.change(hook, url=desk.receiver.url("/new"))
            changed = await desk.db.write(webhooks.rotate, operator(desk.org.id), hook.id, desk.clock.now())
            rotated.append(str(changed.secret))
        return 200

    desk.receiver.answer = answer
    await desk.happen(*(f"apt_{number}" for number in range(120)))
    assert await desk.turn() == 120
    assert len(desk.receiver.at("/old")) == 50
    last = desk.receiver.got[-1]
    assert documented()(last.body, last.headers["x-webhook-signature"], rotated[0])


async def test_one_organization_that_fails_holds_up_no_other(
    desk: WebhookDesk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = await make_org(desk.db, desk.clock.now())
    number = event_order.number

    def failing(tx: Tx, org_id: str, now: datetime, **how: bool) -> int:
        if org_id == other.id:
            raise ZeroDivisionError
        return number(tx, org_id, now, mail=how["mail"], wait=how.get("wait", True))

    monkeypatch.setattr(event_order, "number", failing)
    await desk.hook()
    told = row(other.id, "appointment.updated", "{}", desk.clock.now())
    await desk.db.write(lambda tx: tx.execute(insert(events), told) and None)
    await desk.happen()
    assert await desk.turn() == 1
    assert other.id in capsys.readouterr().err
