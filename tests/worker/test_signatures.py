"""What is delivered, and how it is signed."""

from datetime import UTC, datetime

import pytest

from kalends.core.hours import stamp
from kalends.services.booking import appointments, bookings
from kalends.services.leaving import webhooks
from kalends.services.outbox.parties import operator, staff
from tests.worker.signatures import documented, is_standard, library
from tests.worker.webhook_desk import WebhookDesk

pytestmark = pytest.mark.anyio


SECRETS = {"made": None, "given": "whsec_" + "+/8A" * 8, "any other": "correct-horse-battery-staple"}


@pytest.mark.parametrize("given", SECRETS)
async def test_a_delivery_is_what_is_documented_and_every_byte_of_it_is_signed(
    desk: WebhookDesk, given: str
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


async def test_for_a_day_after_a_rotation_both_secrets_sign(desk: WebhookDesk) -> None:
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


async def test_two_rotations_within_a_day_keep_every_secret(desk: WebhookDesk) -> None:
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
