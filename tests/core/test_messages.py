from datetime import UTC, datetime, timedelta, timezone

import pytest

from kalends.core.messages import Message, Outcome

AT = datetime(2024, 1, 20, 13, 0, 5, tzinfo=timezone(timedelta(hours=1)))


def test_a_message_is_the_documented_body() -> None:
    message = Message.of("evt_1", "appointment.created", AT, "org_1", {"appointment": {"id": "apt_1"}})
    assert message.event_id == "evt_1"
    assert message.body == (
        b'{"event":"appointment.created","timestamp":"2024-01-20T12:00:05Z","organization_id":"org_1",'
        b'"data":{"appointment":{"id":"apt_1"}}}'
    )


def test_names_are_sent_as_they_are_written_and_the_same_event_makes_the_same_bytes() -> None:
    data = {"b": 'Zoë 😀 \u2028 \x7f "', "a": None, "c": [1.5, True]}
    one, two = (
        Message.of("evt_1", "webhook.test", at, "org_1", dict(data)) for at in (AT, AT.astimezone(UTC))
    )
    assert one == two
    assert '"data":{"b":"Zoë 😀 \u2028 \x7f \\"","a":null,"c":[1.5,true]}}'.encode() in one.body


@pytest.mark.parametrize(
    ("code", "succeeded", "gone"),
    [
        (None, False, False),
        (101, False, False),
        (199, False, False),
        (200, True, False),
        (204, True, False),
        (299, True, False),
        (300, False, False),
        (307, False, False),
        (404, False, False),
        (410, False, True),
        (500, False, False),
    ],
)
def test_only_2xx_is_success_and_only_410_is_goodbye(code: int | None, succeeded: bool, gone: bool) -> None:
    outcome = Outcome(latency_ms=1, code=code)
    assert (outcome.succeeded, outcome.gone) == (succeeded, gone)
