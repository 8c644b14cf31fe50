"""When what failed is tried again, and when a receiver is left alone."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from kalends.core.pacing import RETRIES
from kalends.courier import Courier
from kalends.schemas.webhooks import Webhook
from kalends.worker import Worker
from tests.support.receiver import Answer, Got
from tests.worker.webhook_desk import DAY, HOUR, MINUTE, SECOND, WebhookDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.mark.parametrize("share", [0, 1])
async def test_what_fails_is_tried_again_at_the_documented_times_until_it_has_failed(
    desk: WebhookDesk, share: float
) -> None:
    desk.chance = share
    hook = await desk.hook()
    desk.receiver.answer = lambda _got: 500
    [event] = await desk.happen()
    began = desk.clock.now()
    assert await desk.turn() == 1
    for count, wait in enumerate(RETRIES, start=1):
        delivery = await desk.only(hook)
        last = delivery.last_attempt_at
        assert last == desk.clock.now()
        assert (delivery.status, delivery.attempts, delivery.answer_code) == ("pending", count, 500)
        following = delivery.next_attempt_at
        assert following is not None
        lengthened = (wait * (1 + share / 10)).total_seconds()
        assert lengthened <= (following - last).total_seconds() < lengthened + 1
        assert await desk.at(following) == 1
    delivery = await desk.only(hook)
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("failed", 10, None)
    assert (delivery.answer_code, delivery.answer) == (500, "ok")
    desk.clock.forward(days=2)
    assert await desk.turn() == 0
    assert [got.id for got in desk.receiver.got] == [event] * 10
    assert len({got.body for got in desk.receiver.got}) == 1
    webhook = await desk.shown(hook)
    assert (webhook.active, webhook.failing_since) == (True, began)


async def test_chance_spreads_what_failed_together(desk: WebhookDesk) -> None:
    by_chance = Courier(desk.db, desk.clock, desk.poster, None)
    desk.worker = Worker(desk.db, desk.clock, by_chance, events_kept=30 * DAY)
    hook = await desk.hook()
    desk.receiver.answer = lambda _got: 500
    await desk.happen(*(f"apt_{number}" for number in range(30)))
    assert await desk.turn() == 30
    desk.clock.forward(seconds=10)
    assert await desk.turn() == 30
    waits = {
        each.next_attempt_at - desk.clock.now()
        for each in await desk.deliveries(hook)
        if each.next_attempt_at
    }
    assert len(waits) > 5
    assert min(waits) >= 5 * MINUTE
    assert max(waits) <= 5.5 * MINUTE


async def test_a_receiver_says_when_to_come_again(desk: WebhookDesk) -> None:
    now = desk.clock.now()
    asked = {
        "120": 120,
        " 7 ": 7,
        "1": 5,
        "86400": 86_400,
        "86401": 86_400,
        "9" * 400: 86_400,
        format_datetime(now + HOUR, usegmt=True): 3_600,
        format_datetime(now - HOUR, usegmt=True): 5,
        format_datetime(now + 40 * DAY, usegmt=True): 86_400,
        (now + 2 * HOUR).strftime("%a, %d %b %Y %H:%M:%S -0000"): 7_200,
        (now + 2 * HOUR).strftime("%a, %d %b %Y %H:%M:%S +0100"): 3_600,
        "Mon, 01 Jan 99999999999999 00:00:00 GMT": 5,
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999": 5,
        "-5": 5,
        "1.5": 5,
        "soon": 5,
        "": 5,
        "٣٠": 5,
    }
    headers = list(asked)

    def answer(got: Got) -> Answer:
        head = f"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: {headers[int(got.path[1:])]}\r\n\r\n"
        return head.encode()

    desk.receiver.answer = answer
    hooks = [await desk.hook(f"/{number}") for number in range(len(headers))]
    await desk.happen()
    assert await desk.turn() == len(headers)
    found = [await desk.only(hook) for hook in hooks]
    assert {
        header: (each.next_attempt_at - now).total_seconds()
        for header, each in zip(headers, found, strict=True)
        if each.next_attempt_at
    } == asked
    assert {each.answer_code for each in found} == {503}
    assert await desk.at(now + 5 * SECOND) == sum(wait == 5 for wait in asked.values())


async def test_a_receiver_that_is_down_is_left_alone_and_what_waits_is_not_counted_as_tried(
    desk: WebhookDesk,
) -> None:
    hook = await desk.hook()
    await desk.happen(*(f"apt_{number}" for number in range(4)))
    await desk.receiver.close()

    async def attempts(after: float) -> list[int]:
        desk.clock.forward(seconds=after)
        await desk.turn()
        return [each.attempts for each in await desk.deliveries(hook)]

    assert await attempts(0) == [1, 0, 0, 0]
    assert await attempts(4) == [1, 0, 0, 0]
    assert await attempts(1) == [1, 1, 0, 0]  # after 5 seconds, those that were never tried first
    assert await attempts(9) == [1, 1, 0, 0]
    assert await attempts(1) == [1, 1, 1, 0]  # after 10 more
    assert await attempts(20) == [1, 1, 1, 1]
    await desk.receiver.open()
    desk.clock.forward(seconds=40)
    assert await desk.turn() == 4
    assert [each.status for each in await desk.deliveries(hook)] == ["delivered"] * 4
    assert await desk.happen()
    assert await desk.turn() == 1


async def test_failing_since_is_told_until_something_is_delivered(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    desk.receiver.answer = lambda _got: 500
    since = desk.clock.now()
    for subject in ("apt_1", "apt_2"):
        await desk.happen(subject)
        await desk.turn()
        assert (await desk.shown(hook)).failing_since == since
        desk.clock.forward(seconds=2)
    desk.receiver.answer = lambda _got: 200
    desk.clock.forward(minutes=1)
    assert await desk.turn() == 2
    assert (await desk.shown(hook)).failing_since is None


async def test_a_webhook_that_only_failed_for_5_days_is_disabled_and_an_event_says_so(
    desk: WebhookDesk,
) -> None:
    hook, watching = await desk.hook("/bad"), await desk.hook("/good", events=["webhook.disabled"])
    desk.receiver.answer = lambda got: 500 if got.path == "/bad" else 200
    began = desk.clock.now()

    async def fail(after: timedelta, subject: str) -> Webhook:
        desk.clock.at = began + after
        await desk.happen(subject)
        assert await desk.turn() >= 1
        return await desk.shown(hook)

    assert (await fail(timedelta(), "apt_1")).active
    desk.receiver.answer = lambda _got: 200
    assert (await fail(4 * DAY, "apt_2")).failing_since is None  # it begins anew
    desk.receiver.answer = lambda got: 500 if got.path == "/bad" else 200
    began += 4 * DAY + HOUR
    webhook = await fail(timedelta(), "apt_3")
    assert (webhook.active, webhook.failing_since) == (True, began)
    webhook = await fail(5 * DAY - SECOND, "apt_4")
    assert (webhook.active, webhook.failing_since) == (True, began)
    assert await desk.told() == []
    webhook = await fail(5 * DAY, "apt_5")
    reason = "It has answered nothing but failures for 5 days."
    assert (webhook.active, webhook.disabled_reason) == (False, reason)
    [(subject, told)] = await desk.told()
    assert (subject, told["webhook"]["reason"]) == (hook.id, reason)
    assert await desk.turn() == 1
    assert (await desk.only(watching)).event == "webhook.disabled"
    desk.clock.forward(days=1)
    assert await desk.turn() == 0
    # Active again, it has its five days anew.
    await desk.change(hook, active=True)
    assert await desk.turn() >= 1
    assert (await desk.shown(hook)).active


async def test_what_happens_meanwhile_does_not_wake_a_silent_receiver(desk: WebhookDesk) -> None:
    hook = await desk.hook()
    await desk.receiver.close()
    for second in range(5):
        await desk.happen(f"apt_{second}")
        await desk.turn()
        desk.clock.forward(seconds=1)
    assert [each.attempts for each in await desk.deliveries(hook)] == [1, 0, 0, 0, 0]
    # Who gives it another address wants it to be tried.
    await desk.receiver.open()
    await desk.change(hook, url=desk.receiver.url("/new"))
    assert await desk.turn() == 5


async def test_a_busy_receiver_is_left_alone_with_everything(desk: WebhookDesk) -> None:
    await desk.hook()
    desk.receiver.answer = lambda _got: b"HTTP/1.1 429 Later\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    await desk.happen("apt_1", "apt_2")
    assert await desk.turn() == 1
    await desk.happen("apt_3")
    desk.receiver.answer = lambda _got: 200
    assert await desk.at(desk.clock.now() + timedelta(seconds=60)) == 3
