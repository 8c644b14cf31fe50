"""What speaks against a booking, and what becomes of the form."""

import re
from datetime import timedelta

import pytest

from kalends.core.errors import OutcomeUnknown, Unavailable
from kalends.services.booking import booking_page
from tests.support.databases import on_sqlite
from tests.support.desk import at
from tests.web.clients import (
    JANE,
    NINE,
    TEN,
    Client,
    alert_of,
    token_of,
    typed_in,
    words_of,
)

pytestmark = pytest.mark.anyio


@on_sqlite
async def test_robots_are_asked_to_try_again(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    assert sent["website"] == ""
    answer = await client.send(address, sent | {"website": "https://spam.example"})
    assert (answer.status_code, typed_in(answer)["website"]) == (400, "")
    assert "Please press Book once more" in alert_of(answer)
    assert typed_in(answer)["name"] == "Jane Doe"
    client.clock.at -= timedelta(seconds=59)
    answer = await client.send(address, sent)
    assert (answer.status_code, alert_of(answer)[:12]) == (400, "Please press")
    assert await client.stored() == []
    client.clock.forward(seconds=1)
    token_of(await client.send(address, typed_in(answer)))


@on_sqlite
async def test_when_an_organization_takes_no_more(client: Client) -> None:
    await client.desk.set_organization(public_bookings_per_hour=1)
    token_of(await client.fill(await client.held(), **JANE))
    answer = await client.fill(await client.held(TEN), **JANE)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    assert alert_of(answer) == "At the moment we accept no more bookings online."
    assert re.search(r"Please try again in (1 hour|\d+ (minutes|seconds))\.", words_of(answer))
    assert JANE.items() <= typed_in(answer).items()


@on_sqlite
@pytest.mark.parametrize(
    ("refusal", "words"), [(Unavailable, "could not be stored"), (OutcomeUnknown, "nothing is booked twice")]
)
async def test_when_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch, refusal: type[Unavailable], words: str
) -> None:
    address = await client.held()

    def away(*_: object) -> None:
        raise refusal

    with monkeypatch.context() as patch:
        patch.setattr(booking_page, "book", away)
        answer = await client.fill(address, **JANE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert words in alert_of(answer)
    assert "Please try again in 2 seconds." in words_of(answer)
    assert JANE.items() <= typed_in(answer).items()
    token_of(await client.send(address, typed_in(answer)))


@on_sqlite
async def test_when_a_client_has_as_much_as_one_may(client: Client) -> None:
    await client.desk.set_type(maxOpenPerClient=1)
    token_of(await client.fill(await client.held(), **JANE))
    answer = await client.fill(await client.held(TEN), **JANE)
    assert answer.status_code == 409
    assert "as many open bookings of this kind" in alert_of(answer)
    client.clock.forward(minutes=10)
    other = await client.desk.add_type(name="Other")
    for hour in range(11, 16):
        await client.desk.client.post(
            f"/v1/public/{client.desk.org.slug}/holds",
            json={"appointment_type_id": other["id"], "start_time": at(f"{hour}:00"), "ttl_seconds": 600},
        )
    answer = await client.choose(at("16:00"))
    assert answer.status_code == 409
    assert "too many times are kept" in alert_of(answer)
    assert "These times are free" not in words_of(answer)


@on_sqlite
async def test_what_is_no_form_of_ours_is_refused(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    gone = f"{client.home}/hold/hold_x"
    for where, fields, status in (
        (f"{client.path}/hold", {}, 400),
        (f"{client.path}/hold", {"start": "soon"}, 400),
        (f"{client.path}/hold", {"start": "2024-01-25"}, 400),
        (f"{client.home}/nothing/hold", {"start": NINE}, 404),
        (gone, {}, 404),
        (gone, sent | {"type": "x"}, 404),
        (gone, sent | {"type": "\x00"}, 404),
        (gone, sent | {"start": ""}, 400),
        (gone, sent | {"until": "x"}, 400),
        (address, sent | {"instead": "x"}, 400),
        (f"{client.home}/hold/%20", sent | {"instead": TEN}, 400),
        (f"{client.home}/hold/%00", sent, 400),
    ):
        answer = await client.send(where, fields)
        assert answer.status_code == status, (where, fields)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert await client.stored() == []
    other = sent | {
        "type": "x",
        "start": TEN,
        "until": "x",
    }  # what the hold says itself is not asked of the form
    token_of(await client.send(address, other))
    assert [each["start_time"] for each in await client.stored()] == [NINE]
