"""What receivers answer, or don't, and what becomes of it."""

import asyncio
from typing import Any

import pytest

from kalends.core.messages import Outcome
from kalends.delivery.webhooks import Poster
from kalends.schemas.deliveries import Tried
from kalends.services.leaving import attempts, leases
from kalends.services.outbox import event_order
from tests.support.receiver import Answer, Got, Receiver
from tests.worker.webhook_desk import WebhookDesk

pytestmark = pytest.mark.anyio


async def test_410_ends_a_webhook_and_an_event_says_so(desk: WebhookDesk) -> None:
    gone, watching = await desk.hook("/gone"), await desk.hook("/watching", events=["webhook.disabled"])
    desk.receiver.answer = lambda got: 410 if got.path == "/gone" else 200
    one, two = await desk.happen("apt_1", "apt_2")
    assert await desk.turn() == 1
    webhook = await desk.shown(gone)
    assert (webhook.active, webhook.disabled_reason) == (False, "It answered 410 Gone.")
    assert webhook.updated_at == desk.clock.now()
    told = {"id": gone.id, "name": None, "url": gone.url, "reason": "It answered 410 Gone."}
    assert await desk.told() == [(gone.id, {"webhook": told})]
    assert await desk.turn() == 1
    [got] = desk.receiver.at("/watching")
    assert (got.json()["event"], got.json()["data"]) == ("webhook.disabled", {"webhook": told})
    desk.clock.forward(days=1)
    assert await desk.turn() == 0
    assert (await desk.only(watching)).status == "delivered"
    # Whoever makes it active again has what it has not taken.
    desk.receiver.answer = lambda _got: 200
    await desk.change(gone, active=True)
    webhook = await desk.shown(gone)
    assert (webhook.active, webhook.disabled_reason, webhook.failing_since) == (True, None, None)
    assert await desk.turn() == 3
    assert sorted(got.id for got in desk.receiver.at("/gone")[1:]) == sorted(
        [one, two, (await desk.only(watching)).event_id]
    )


async def test_redirects_are_failures_and_nobody_follows_them(desk: WebhookDesk) -> None:
    codes = (301, 302, 303, 307, 308)
    hooks = {code: await desk.hook(f"/{code}") for code in codes}
    there = desk.receiver.url("/there")

    def answer(got: Got) -> Answer:
        return f"HTTP/1.1 {got.path[1:]} Moved\r\nContent-Length: 0\r\nLocation: {there}\r\n\r\n".encode()

    desk.receiver.answer = answer
    await desk.happen()
    assert await desk.turn() == len(codes)
    assert desk.receiver.at("/there") == []
    for code, hook in hooks.items():
        delivery = await desk.only(hook)
        assert (delivery.status, delivery.answer_code, delivery.attempts) == ("pending", code, 1)


ANSWERS = {
    "short": (b"Content-Length: 4\r\n\r\nfine", "fine"),
    "1 KiB": (b"Content-Length: 1024\r\n\r\n" + b"x" * 1_024, "x" * 1_024),
    "5 KiB": (b"Content-Length: 5120\r\n\r\n" + b"x" * 1_000 + b"y" * 4_120, "x" * 1_000 + "y" * 24),
    "NUL": (b"Content-Length: 5\r\n\r\na\x00b\x00c", "a\ufffdb\ufffdc"),
    "no UTF-8": (b"Content-Length: 4\r\n\r\na\xff\xfeb", "a\ufffd\ufffdb"),
    "cut in a letter": (b"Content-Length: 2001\r\n\r\nx" + "é".encode() * 1_000, "x" + "é" * 511 + "\ufffd"),
    "nothing": (b"Content-Length: 0\r\n\r\n", ""),
    "compressed": (b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b??", "\x1f\ufffd??"),
    "an endless one": (
        b"Transfer-Encoding: chunked\r\n\r\n" + b"200\r\n" + b"z" * 512 + b"\r\n",
        "z" * 1_024,
    ),
}


async def test_the_first_of_an_answer_is_kept(desk: WebhookDesk) -> None:
    names = list(ANSWERS)

    def answer(got: Got) -> Answer:
        name = names[int(got.path[1:])]
        repeated = ANSWERS[name][0]
        if name == "an endless one":
            repeated += (b"200\r\n" + b"z" * 512 + b"\r\n") * 200
        return b"HTTP/1.1 200 OK\r\n" + repeated

    desk.receiver.answer = answer
    hooks = {name: await desk.hook(f"/{number}") for number, name in enumerate(names)}
    await desk.happen()
    assert await desk.turn() == len(names)
    found = {name: await desk.only(hook) for name, hook in hooks.items()}
    assert {name: each.answer for name, each in found.items()} == {
        name: kept for name, (_, kept) in ANSWERS.items()
    }
    assert {(each.status, each.answer_code) for each in found.values()} == {("delivered", 200)}


async def test_no_answer_is_a_failure_with_its_reason(desk: WebhookDesk) -> None:
    hasty = Poster(allow_private=True, timeout_seconds=1)
    desk.worker = desk.another(poster=hasty)

    async def dribble(_: Got) -> Answer:
        await asyncio.sleep(0.8)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"

    async def late(_: Got) -> Answer:
        await asyncio.sleep(2)
        return 200

    answers: dict[str, Any] = {
        "/silence": lambda _: None,
        "/late": late,
        "/half": dribble,
        "/nonsense": lambda _: b"\x00\xff nonsense\r\n\r\n",
        "/head": lambda _: b"HTTP/1.1 200 OK\r\nContent-Le",
        "/nothing": lambda _: b"",
        "/200": lambda _: 200,
    }
    desk.receiver.answer = lambda got: answers[got.path](got)
    hooks = {path: await desk.hook(path) for path in answers}
    closed = await Receiver().open()
    await closed.close()
    hooks["/closed"] = await desk.hook(url=closed.url())
    hooks["/name"] = await desk.hook(url="http://nowhere.invalid/")
    hooks["/tls"] = await desk.hook(url=desk.receiver.url().replace("http:", "https:"))
    await desk.happen()
    began = asyncio.get_running_loop().time()
    await desk.turn()
    assert asyncio.get_running_loop().time() - began < 15, "an attempt may take no longer than it may take"
    found = {path: await desk.only(hook) for path, hook in hooks.items()}
    assert found.pop("/200").status == "delivered"
    for path, delivery in found.items():
        assert (delivery.status, delivery.attempts, delivery.answer_code) == ("pending", 1, None), path
        assert delivery.error, path
        assert delivery.answer is None
        assert (await desk.shown(hooks[path])).failing_since == desk.clock.now()
    assert "Timeout" in str(found["/silence"].error) or "no answer within" in str(found["/silence"].error)
    assert "Connect" in str(found["/closed"].error)
    await hasty.close()
    async with asyncio.timeout(20):  # nothing is left behind
        while desk.receiver.connected:
            await asyncio.sleep(0.01)


async def test_whatever_is_answered_is_recorded(desk: WebhookDesk) -> None:
    """Or it would be delivered for ever."""
    hook = await desk.hook()
    await desk.happen()
    await desk.db.write(event_order.number, desk.org.id, desk.clock.now(), mail=False)
    [lease] = await desk.db.write(leases.lease, desk.clock.now(), 1, mail=False)
    taken = await desk.db.write(attempts.take, lease, desk.clock.now())
    assert taken is not None
    said = Outcome(1, code=250, answer="accept\udce9\x00", error="\udce9")
    await desk.db.write(attempts.record, lease, [Tried(taken.due[0], said, desk.clock.now(), 0)])
    assert (await desk.only(hook)).answer == "accept?\ufffd"
