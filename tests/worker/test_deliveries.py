"""The real worker posts to a real receiver; only its clock is moved by hand."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpcore
import pytest
import standardwebhooks
from sqlalchemy import insert, select, text

from kalends.clock import SystemClock
from kalends.core.errors import SchemaOutdated, Unavailable
from kalends.core.hours import stamp
from kalends.core.messages import Outcome
from kalends.core.pacing import RETRIES
from kalends.courier import Courier
from kalends.db import migrating
from kalends.db.database import Database, Tx
from kalends.db.tables import events, receivers
from kalends.delivery.webhooks import Poster
from kalends.schemas.deliveries import Tried
from kalends.schemas.webhooks import Delivery, NewWebhook, Webhook, WebhookChange, WebhookCreate
from kalends.services.booking import appointments, bookings
from kalends.services.leaving import attempts, leases, webhooks
from kalends.services.outbox import event_order, event_pages
from kalends.services.outbox.events import row
from kalends.services.outbox.parties import operator, staff
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org
from tests.support.receiver import Answer, Got, Receiver

pytestmark = pytest.mark.anyio

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"


@pytest.fixture
def url(own_url: str) -> str:
    """Workers deliver for every organization of a database, so they have one of their own."""
    return own_url


@dataclass
class Desk:
    """An organization, who is told of its events, and the worker that tells."""

    db: Database
    org: Org
    clock: StoppedClock
    receiver: Receiver
    poster: Poster
    worker: Worker
    chance: float = 0
    """Nothing is left to chance, unless it is set."""

    async def hook(self, path: str = "/", **fields: Any) -> NewWebhook:
        # Not of what happens to webhooks, or each would be told of all that are made after it.
        wanted = {"events": ["appointment.*", "calendar.*", "webhook.disabled"]}
        wish = WebhookCreate.model_validate({"url": self.receiver.url(path)} | wanted | fields)
        return await self.db.write(webhooks.create, operator(self.org.id), wish, self.clock.now(), mail=False)

    async def change(self, hook: Webhook, **fields: Any) -> Webhook:
        wish = WebhookChange.model_validate(fields)
        return await self.db.write(webhooks.change, operator(self.org.id), hook.id, wish, self.clock.now())

    async def happen(self, *subjects: str, versions: Sequence[int] = (1,)) -> list[str]:
        """An event of each version of each appointment; their ids."""
        made = [
            row(
                self.org.id,
                "appointment.updated",
                f'{{"appointment":{{"id":"{subject}"}}}}',
                self.clock.now(),
                subject=subject,
                version=version,
            )
            for subject in subjects or ["apt_1"]
            for version in versions
        ]
        await self.db.write(lambda tx: tx.execute(insert(events), made) and None)
        return [str(each["id"]) for each in made]

    def another(self, database: Database | None = None, poster: Poster | None = None, **seams: Any) -> Worker:
        """Another worker, in another process."""
        db, poster = database or self.db, poster or self.poster
        courier = Courier(db, self.clock, poster, None, chance=lambda: self.chance, **seams)
        return Worker(db, self.clock, courier, events_kept=30 * DAY)

    async def turn(self, worker: Worker | None = None) -> int:
        """One round: everything that is due is tried; how many requests that were."""
        before, worker = len(self.receiver.got), worker or self.worker
        await worker.take_events()
        await worker.courier.finish()
        return len(self.receiver.got) - before

    async def at(self, moment: datetime) -> int:
        """A second before it nothing is tried; how many requests are made then."""
        self.clock.at = moment - SECOND
        assert await self.turn() == 0
        self.clock.at = moment
        return await self.turn()

    async def deliveries(self, hook: Webhook) -> list[Delivery]:
        """In the order in which they were made."""
        found = await self.db.read(webhooks.deliveries_of, self.org.id, hook.id, None, None, 1_000)
        return found[::-1]

    async def only(self, hook: Webhook) -> Delivery:
        [one] = await self.deliveries(hook)
        return one

    async def shown(self, hook: Webhook) -> Webhook:
        return await self.db.read(webhooks.get, self.org.id, hook.id)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the organization's events of webhooks tell."""

        def find(tx: Tx) -> list[tuple[str, dict[str, Any]]]:
            mine = events.c.org_id == self.org.id, events.c.type == "webhook.disabled"
            rows = tx.execute(select(events.c.subject_id, events.c.payload).where(*mine))
            return [(str(each.subject_id), event_pages.data_of(each.payload)) for each in rows]

        return await self.db.read(find)


@pytest.fixture
async def desk(db: Database, org: Org) -> AsyncIterator[Desk]:
    clock, poster = StoppedClock(SystemClock().now()), Poster(allow_private=True)
    async with Receiver() as receiver:
        courier = Courier(db, clock, poster, None, chance=lambda: here.chance)
        worker = Worker(db, clock, courier, events_kept=30 * DAY)
        here = Desk(db, org, clock, receiver, poster, worker)
        yield here
        await poster.close()


def library(secret: str) -> standardwebhooks.Webhook:
    """The library of Standard Webhooks, with the key that a secret means."""
    return standardwebhooks.Webhook(secret if secret.startswith("whsec_") else secret.encode())


def is_standard(got: Got, secret: str, **changed: Any) -> bool:
    """Whether the library of Standard Webhooks takes it for genuine."""
    try:
        library(secret).verify(changed.get("body", got.body), got.headers | changed.get("headers", {}))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def documented() -> Callable[[bytes, str, str], bool]:
    """The recipe of the documentation, word for word."""
    [recipe] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(recipe, known)
    is_genuine: Callable[[bytes, str, str], bool] = known["is_genuine"]
    return is_genuine


SECRETS = {"made": None, "given": "whsec_" + "+/8A" * 8, "any other": "correct-horse-battery-staple"}


@pytest.mark.parametrize("given", SECRETS)
async def test_a_delivery_is_what_is_documented_and_every_byte_of_it_is_signed(
    desk: Desk, given: str
) -> None:
    hook = await desk.hook("/in?x=1", secret=SECRETS[given])
    assert hook.secret is not None
    wish = desk.org.create(client_name="Zoë 😀", start_time="2031-01-25T14:00:00Z")
    now = desk.clock.now()
    booked = await desk.db.write(bookings.by_staff, staff(desk.org.caller), wish, now)
    assert await desk.turn() == 1
    [got] = desk.receiver.got
    delivery = await desk.only(hook)
    shown = (await desk.db.read(appointments.get, desk.org.id, booked.id, now)).model_dump(mode="json")
    assert got.path == "/in?x=1"
    assert got.json() == {
        "event": "appointment.created",
        "timestamp": stamp(now),
        "organization_id": desk.org.id,
        "data": {"appointment": shown, "previous": {}},
    }
    assert "Zoë 😀".encode() in got.body
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == delivery.event_id
    assert got.headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert (delivery.status, delivery.attempts, delivery.answer_code) == ("delivered", 1, 200)
    assert (delivery.answer, delivery.error, delivery.next_attempt_at) == ("ok", None, None)
    assert delivery.last_attempt_at == now
    assert delivery.latency_ms is not None

    is_genuine, signature = documented(), got.headers["x-webhook-signature"]
    assert is_standard(got, hook.secret)
    assert is_genuine(got.body, signature, hook.secret)
    for place in range(0, len(got.body), 7):
        if got.body[place] < 0x80:
            body = got.body[:place] + bytes([got.body[place] ^ 1]) + got.body[place + 1 :]
            assert not is_standard(got, hook.secret, body=body)
            assert not is_genuine(body, signature, hook.secret)
    other = "whsec_" + "AAAA" * 8
    assert not is_standard(got, other)
    assert not is_genuine(got.body, signature, other)
    late = {"webhook-timestamp": str(int(now.timestamp()) + 1)}
    for headers in ({"webhook-id": "evt_1"}, late):
        assert not is_standard(got, hook.secret, headers=headers)


async def test_a_worker_beside_another_schema_delivers_nothing(desk: Desk) -> None:
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


async def test_for_a_day_after_a_rotation_both_secrets_sign(desk: Desk) -> None:
    hook = await desk.hook(secret="correct-horse-battery-staple")
    rotated = await desk.db.write(webhooks.rotate, operator(desk.org.id), hook.id, desk.clock.now())
    old, new, is_genuine = str(hook.secret), str(rotated.secret), documented()

    async def signed() -> tuple[int, list[bool], list[bool]]:
        await desk.happen()
        assert await desk.turn() == 1
        got = desk.receiver.got[-1]
        at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
        signatures = got.headers["webhook-signature"].split(" ")
        # The library wants a time near its own, which is not moved: only its signatures are asked for.
        standard = [library(each).sign(got.id, at, got.body.decode()) in signatures for each in (old, new)]
        signature = got.headers["x-webhook-signature"]
        return len(signatures), standard, [is_genuine(got.body, signature, each) for each in (old, new)]

    assert await signed() == (2, [True, True], [False, True])
    for secret in (old, new):
        assert is_standard(desk.receiver.got[-1], secret)
    desk.clock.forward(hours=24, seconds=-1)
    assert await signed() == (2, [True, True], [False, True])
    desk.clock.forward(seconds=1)
    assert await signed() == (1, [False, True], [False, True])


@pytest.mark.parametrize("share", [0, 1])
async def test_what_fails_is_tried_again_at_the_documented_times_until_it_has_failed(
    desk: Desk, share: float
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


async def test_chance_spreads_what_failed_together(desk: Desk) -> None:
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


async def test_a_receiver_says_when_to_come_again(desk: Desk) -> None:
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


async def test_410_ends_a_webhook_and_an_event_says_so(desk: Desk) -> None:
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


async def test_redirects_are_failures_and_nobody_follows_them(desk: Desk) -> None:
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


async def test_the_first_of_an_answer_is_kept(desk: Desk) -> None:
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


async def test_no_answer_is_a_failure_with_its_reason(desk: Desk) -> None:
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


async def test_a_receiver_that_is_down_is_left_alone_and_what_waits_is_not_counted_as_tried(
    desk: Desk,
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


async def test_failing_since_is_told_until_something_is_delivered(desk: Desk) -> None:
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


async def test_a_webhook_that_only_failed_for_5_days_is_disabled_and_an_event_says_so(desk: Desk) -> None:
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


async def test_what_concerns_one_appointment_waits_and_everything_else_goes_on(desk: Desk) -> None:
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


async def test_a_later_event_goes_on_where_the_earlier_has_failed_for_good(desk: Desk) -> None:
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


async def test_a_receiver_that_answers_gets_everything_in_order_one_after_the_other(desk: Desk) -> None:
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


async def test_what_was_delivered_but_not_recorded_is_delivered_again_with_the_same_id(desk: Desk) -> None:
    hook = await desk.hook()
    [event] = await desk.happen()
    dying: Any = Forgetful(desk.db)
    assert await desk.turn(desk.another(dying)) == 1
    assert (await desk.only(hook)).attempts == 0
    began = desk.clock.now()
    assert await desk.turn() == 0, "while the lease lives nobody else delivers"
    assert await desk.at(began + leases.LENGTHS["webhook"]) == 1
    first, second = desk.receiver.got
    assert first.id == second.id == event
    assert first.body == second.body
    delivery = await desk.only(hook)
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


async def test_a_lease_that_is_not_renewed_is_taken_over_and_the_late_one_undoes_nothing(desk: Desk) -> None:
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


async def test_a_webhook_that_is_changed_or_deleted_meanwhile_is_not_posted_to_any_more(desk: Desk) -> None:
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


async def test_active_again_it_gets_what_it_missed_in_order(desk: Desk) -> None:
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


async def test_a_worker_works_until_it_is_stopped_and_gives_back_what_it_leased(desk: Desk) -> None:
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


async def test_one_receivers_cookies_are_told_to_nobody(desk: Desk) -> None:
    for path in ("/one", "/two"):
        await desk.hook(path)
    desk.receiver.answer = lambda _got: (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    for _ in range(2):
        await desk.happen()
        assert await desk.turn() == 2
    assert [got.headers.get("cookie") for got in desk.receiver.got] == [None] * 4


class Names:
    """What a name resolves to: each time the next of its answers, and the last one from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        system = socket.getaddrinfo

        def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            self.asked.append(name)
            answers = self.known.get(name, [[name]])
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            named["flags"] = socket.AI_NUMERICHOST
            return [each for address in found for each in system(address, port, *rest[:3], **named)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that connections are made to. Those beyond this machine are not there."""
    made: list[str] = []
    connect = httpcore.AnyIOBackend.connect_tcp

    async def note(self: Any, host: str, *args: Any, **kw: Any) -> Any:
        made.append(host)
        if not host.startswith("127.") and host != "::1":
            raise httpcore.ConnectError("nobody is there")
        return await connect(self, host, *args, **kw)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", note)
    return made


@pytest.fixture
async def careful(desk: Desk) -> AsyncIterator[Desk]:
    """A desk whose poster lets nothing through to private addresses."""
    poster = Poster(allow_private=False)
    desk.worker = desk.another(poster=poster)
    yield desk
    await poster.close()


async def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(
    careful: Desk, names: Names, connected: list[str]
) -> None:
    names.known = {"hook.example": [["93.184.216.34"], ["127.0.0.1"]]}
    hook = await careful.hook(url=f"http://hook.example:{careful.receiver.port}/")
    [event] = await careful.happen()
    await careful.turn()
    # It connects to the very address that was checked, and does not ask again.
    assert connected == ["93.184.216.34"]
    assert names.asked == ["hook.example"]
    assert "nobody is there" in str((await careful.only(hook)).error)
    careful.clock.forward(seconds=5)
    await careful.turn()
    delivery = await careful.only(hook)
    assert (delivery.attempts, delivery.event_id) == (2, event)
    assert delivery.error == "hook.example leads to a private address"
    assert connected == ["93.184.216.34"]
    assert careful.receiver.connections == 0


async def test_of_several_addresses_only_public_ones_are_tried(
    careful: Desk, names: Names, connected: list[str]
) -> None:
    names.known = {"hook.example": [["127.0.0.1", "93.184.216.34", "10.0.0.1", "2606:2800:220:1::1", "::1"]]}
    await careful.hook(url=f"http://hook.example:{careful.receiver.port}/")
    await careful.happen()
    await careful.turn()
    assert connected == ["93.184.216.34", "2606:2800:220:1::1"]
    assert careful.receiver.connections == 0


async def test_every_connection_is_guarded_however_the_address_is_spelled(
    careful: Desk, names: Names, connected: list[str]
) -> None:
    names.known = {"localhost": [["127.0.0.1"]], "mapped.example": [["::ffff:127.0.0.1"]]}
    hosts = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1.", "127.0.0.%31"]
    hosts += ["localhost", "LOCALHOST.", "mapped.example", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]
    hosts += ["[64:ff9b::7f00:1]", "[fe80::1%25lo]", "[fe80::1%lo]", "10.0.0.1", "169.254.169.254"]
    hooks = {
        f"{scheme}://{host}": await careful.hook(url=f"{scheme}://{host}:{careful.receiver.port}/{number}")
        for number, host in enumerate(hosts)
        for scheme in ("http", "https")
    }
    await careful.happen()
    await careful.turn()
    for url, hook in hooks.items():
        delivery = await careful.only(hook)
        assert (delivery.status, delivery.attempts, delivery.answer_code) == ("pending", 1, None), url
        assert delivery.error, url
        if "%" not in url and "0177" not in url:  # those are no URLs to the client
            assert delivery.error.endswith("leads to a private address"), url
    assert connected == []
    assert careful.receiver.connections == 0


async def test_a_proxy_of_the_environment_is_not_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        poster = Poster(allow_private=True)
        desk.worker = desk.another(poster=poster)
        await desk.hook()
        await desk.happen()
        assert await desk.turn() == 1
        assert proxy.connections == 0
        await poster.close()


# Whatever happens meanwhile: nothing is lost, told twice, or held up.


async def test_what_is_told_while_a_receiver_is_given_back_is_delivered(desk: Desk) -> None:
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


async def test_what_happens_meanwhile_does_not_wake_a_silent_receiver(desk: Desk) -> None:
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


async def test_a_busy_receiver_is_left_alone_with_everything(desk: Desk) -> None:
    await desk.hook()
    desk.receiver.answer = lambda _got: b"HTTP/1.1 429 Later\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    await desk.happen("apt_1", "apt_2")
    assert await desk.turn() == 1
    await desk.happen("apt_3")
    desk.receiver.answer = lambda _got: 200
    assert await desk.at(desk.clock.now() + timedelta(seconds=60)) == 3


async def test_a_change_counts_from_the_next_deliveries_on(desk: Desk) -> None:
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


async def test_two_rotations_within_a_day_keep_every_secret(desk: Desk) -> None:
    hook = await desk.hook()
    secrets = [str(hook.secret)]
    for _ in range(2):
        rotated = await desk.db.write(webhooks.rotate, operator(desk.org.id), hook.id, desk.clock.now())
        secrets.append(str(rotated.secret))
    await desk.happen()
    await desk.turn()
    [got] = desk.receiver.got
    assert len(got.headers["webhook-signature"].split(" ")) == 3
    assert all(is_standard(got, secret) for secret in secrets)


async def test_whatever_is_answered_is_recorded(desk: Desk) -> None:
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


async def test_one_organization_that_fails_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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


async def test_an_attempt_is_begun_only_while_the_lease_is_good(desk: Desk) -> None:
    hook = await desk.hook()
    await desk.happen()
    late = desk.another(fresh={"webhook": timedelta(0)})
    await late.take_events()
    assert late.courier.under_way == 1
    await asyncio.sleep(0.3)
    await late.courier.stop()
    assert desk.receiver.got == []
    assert (await desk.only(hook)).attempts == 0
