"""What one client without a key may have at once: open bookings of a type, and holds from one address."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import appointments
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, TYPES, Desk, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


def hour(number: int) -> str:
    """A start of its own for each number: there are eight a day."""
    return f"2024-01-{24 + number // 8:02}T{9 + number % 8:02}:00:00Z"


def codes(responses: list[httpx.Response]) -> list[str | None]:
    return [response.json().get("code") for response in responses]


# Open bookings.


async def test_a_client_has_so_many_open_bookings_of_a_type(page: Desk, clock: StoppedClock) -> None:
    assert (await page.add_type())["maxOpenPerClient"] == 3
    await page.set_type(maxOpenPerClient=2)
    booked = [await page.booked_by_client(start_time=hour(number)) for number in range(2)]
    body = refused(await page.post("appointments", start_time=hour(2)), 409, "too_many_open")
    assert body["details"] == {"limit": 2}
    assert body["error"] == (
        "Under this e-mail address no more of this type can be booked for now: cancel a booking, wait until "
        "one is over, or get in touch with Doe & Daughters."
    )
    # Neither another number nor another spelling is another client; another address is, and so is a type.
    for fields in (
        {"client_phone": "+49 170 1234567"},
        {"client_email": "JANE@Example.com"},
        {"client_name": "Mallory"},
    ):
        refused(await page.post("appointments", start_time=hour(2), **fields), 409, "too_many_open")
    await page.booked_by_client(start_time=hour(2), client_email="john@example.com")
    await page.booked_by_client(start_time=hour(3), appointment_type_id=(await page.add_type())["id"])
    # A place that is given back can be had again.
    await page.client.post(f"{LINKS}/{booked[0]['manage_token']}/cancel", json={})
    await page.booked_by_client(start_time=hour(4))
    refused(await page.post("appointments", start_time=hour(5)), 409, "too_many_open")
    clock.forward(days=4, hours=-1)  # 11 o'clock on the 24th: the second of those is over
    await page.set_type(minNoticeHours=0)
    await page.booked_by_client(start_time=hour(6))
    refused(await page.post("appointments", start_time=hour(7)), 409, "too_many_open")


async def test_capitals_and_forms_of_unicode_are_one_client(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    await page.booked_by_client(client_email="ärztin@example.com")
    for spelt in ("ÄRZTIN@example.com", "a\u0308rztin@example.com"):
        refused(await page.post("appointments", start_time=hour(9), client_email=spelt), 409, "too_many_open")


async def test_without_an_address_the_client_is_the_phone_number(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    number = {"client_email": None, "client_phone": "+49 170 123-45.67"}
    await page.booked_by_client(**number)
    again = await page.post(
        "appointments", start_time=hour(9), client_email=None, client_phone="+491701234567"
    )
    body = refused(again, 409, "too_many_open")
    assert body["error"].startswith("With this phone number no more of this type can be booked")
    await page.booked_by_client(start_time=hour(10), client_email=None, client_phone="+49 170 123-45.68")
    await page.booked_by_client(
        start_time=hour(11), client_phone=number["client_phone"]
    )  # whoever has that address


async def test_a_corrected_number_counts_as_it_is_now(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    id_ = (await page.booked_by_client(client_email=None, client_phone="+1 234 567"))["appointment"]["id"]
    change = {"client_phone": "+1 234 999"}
    answered(await page.staff.patch(f"{APPOINTMENTS}/{id_}", json=change), "appointment")
    await page.booked_by_client(start_time=hour(9), client_email=None, client_phone="+1 234 567")
    refused(
        await page.post("appointments", start_time=hour(10), client_email=None, client_phone="+1234999"),
        409,
        "too_many_open",
    )


async def test_what_staff_book_is_neither_bound_nor_counted(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    await page.booked(hour(0))
    await page.booked(hour(1))
    await page.booked_by_client(start_time=hour(2))
    await page.booked(hour(3))
    refused(await page.post("appointments", start_time=hour(4)), 409, "too_many_open")


async def test_requests_count_until_they_lapse_and_moving_is_never_refused(
    page: Desk, clock: StoppedClock
) -> None:
    await page.set_type(maxOpenPerClient=1, requiresConfirmation=True, confirmWithinHours=2)
    token = (await page.booked_by_client())["manage_token"]
    refused(await page.post("appointments", start_time=hour(9)), 409, "too_many_open")
    moved = await page.client.post(f"{LINKS}/{token}/reschedule", json={"start_time": hour(10)})
    assert answered(moved, "appointment")["start_time"] == hour(10)
    clock.forward(hours=2)
    await page.booked_by_client(start_time=hour(9))


async def test_a_hold_does_not_get_around_it_and_null_is_no_limit(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    await page.booked_by_client(start_time=hour(0))
    held = answered(await page.post("holds", start_time=hour(1)), "hold")["id"]
    refused(await page.post("appointments", start_time=hour(1), hold_id=held), 409, "too_many_open")
    dry = await page.client.post(
        f"{page.path}/appointments", json=page.wish(start_time=hour(2)), params={"dry_run": "true"}
    )
    refused(dry, 409, "too_many_open")
    await page.set_type(maxOpenPerClient=None)
    await page.booked_by_client(start_time=hour(1), hold_id=held)
    for number in range(2, 10):
        await page.booked_by_client(start_time=hour(number))


@pytest.mark.parametrize("most", [1, 3])
async def test_of_many_at_once_exactly_as_many_are_booked(page: Desk, db: Database, most: int) -> None:
    await page.set_type(maxOpenPerClient=most)
    asked = [page.post("appointments", start_time=hour(number)) for number in range(20)]
    told = codes(await asyncio.gather(*asked))
    assert sorted(code or "" for code in told) == [""] * most + ["too_many_open"] * (20 - most)
    assert await count(db, page) == most


async def test_many_at_once_of_different_clients_do_not_hinder_each_other(page: Desk) -> None:
    await page.set_type(maxOpenPerClient=1)
    asked = [
        page.post("appointments", start_time=hour(number), client_email=f"client{number}@example.com")
        for number in range(16)
    ]
    assert set(codes(await asyncio.gather(*asked))) == {None}


async def test_the_limit_of_a_type_is_sent_and_shown_like_its_others(page: Desk) -> None:
    path = f"{TYPES}/{page.org.type_id}"
    shown = answered(await page.staff.get(path), "appointmentType")
    assert shown["maxOpenPerClient"] == 3
    for value in (None, 1, 7):
        assert (
            answered(await page.staff.put(path, json={"maxOpenPerClient": value}), "appointmentType")[
                "maxOpenPerClient"
            ]
            == value
        )
        # Who does not know it changes nothing by it.
        await page.set_type(durationMinutes=60)
        assert answered(await page.staff.get(path), "appointmentType")["maxOpenPerClient"] == value
    for wrong in (0, -1, "3", 1.5, True):
        refused(await page.staff.put(path, json={"maxOpenPerClient": wrong}), 400, "invalid_request")
    made = {"name": "Any", "durationMinutes": 30, "maxOpenPerClient": None}
    assert answered(await page.staff.post(TYPES, json=made), "appointmentType")["maxOpenPerClient"] is None


# Holds.


def from_(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://kalends.test")


async def count(db: Database, page: Desk, **fields: Any) -> int:
    def found(tx: Tx) -> int:
        mine = [
            appointments.c.org_id == page.org.id,
            *(appointments.c[name] == fields[name] for name in fields),
        ]
        return len(tx.execute(select(appointments.c.id).where(*mine)).all())

    return await db.read(found)


async def test_an_address_has_so_many_holds_at_once(page: Desk, db: Database, clock: StoppedClock) -> None:
    held = [answered(await page.post("holds", start_time=hour(number)), "hold")["id"] for number in range(5)]
    body = refused(await page.post("holds", start_time=hour(5)), 409, "too_many_holds")
    assert body["details"] == {"limit": 5}
    assert body["error"] == (
        "Too much is held from this network address already: book, confirm or release some of it, or try "
        "again in a few minutes."
    )
    # Of whatever type, and for however short. What is released, used or lapsed gives its place back.
    other = (await page.add_type())["id"]
    refused(
        await page.post("holds", start_time=hour(6), appointment_type_id=other, ttl_seconds=1),
        409,
        "too_many_holds",
    )
    assert (await page.client.delete(f"{page.path}/holds/{held[0]}")).status_code == 200
    answered(await page.post("holds", start_time=hour(5), ttl_seconds=600), "hold")
    refused(await page.post("holds", start_time=hour(6)), 409, "too_many_holds")
    await page.booked_by_client(start_time=hour(1), hold_id=held[1])
    answered(await page.post("holds", start_time=hour(6), ttl_seconds=600), "hold")
    refused(await page.post("holds", start_time=hour(7)), 409, "too_many_holds")
    clock.forward(seconds=300)
    for number in (7, 8, 9):
        answered(await page.post("holds", start_time=hour(number)), "hold")
    refused(await page.post("holds", start_time=hour(10)), 409, "too_many_holds")

    def booked(tx: Tx) -> list[Any]:
        rows = tx.execute(select(appointments.c.is_hold, appointments.c.held_from)).all()
        return [row for row in rows if not row.is_hold and row.held_from is not None]

    assert await db.read(booked) == []


async def test_other_addresses_organizations_and_staff_have_their_own(app: FastAPI, page: Desk) -> None:
    for number in range(5):
        answered(await page.post("holds", start_time=hour(number)), "hold")
    async with from_(app, "192.0.2.7") as other, from_(app, "2001:db8::1") as six:
        wish = page.wish(start_time=hour(5))
        answered(await other.post(f"{page.path}/holds", json=wish), "hold")
        for number in range(6, 11):
            wish = page.wish(start_time=hour(number))
            answered(await six.post(f"{page.path}/holds", json=wish), "hold")
        async with from_(app, "2001:db8::ffff:1") as neighbour:  # of one network
            wish = page.wish(start_time=hour(11))
            refused(await neighbour.post(f"{page.path}/holds", json=wish), 409, "too_many_holds")
    another = await open_desk(app)
    answered(await another.post("holds"), "hold")
    for number in range(11, 17):
        wish = {"appointment_type_id": page.org.type_id, "start_time": hour(number)}
        answered(await page.staff.post("/v1/calendar/holds", json=wish), "hold")


async def test_of_many_holds_at_once_exactly_as_many_stand(page: Desk, db: Database) -> None:
    asked = [page.post("holds", start_time=hour(number)) for number in range(20)]
    told = codes(await asyncio.gather(*asked))
    assert sorted(code or "" for code in told) == [""] * 5 + ["too_many_holds"] * 15
    assert await count(db, page, is_hold=True) == 5


async def test_the_clock_of_a_sandbox_counts(app: FastAPI) -> None:
    page = await open_desk(app, sandbox=True)
    early, late = ({"Test-Clock": f"2024-01-22T10:{minute}:00Z"} for minute in ("00", "05"))
    for number in range(5):
        answered(await page.post("holds", early, start_time=hour(number)), "hold")
    refused(await page.post("holds", early, start_time=hour(5)), 409, "too_many_holds")
    answered(await page.post("holds", late, start_time=hour(5)), "hold")


async def test_what_is_stored_of_an_address_is_not_the_address(
    app: FastAPI, page: Desk, db: Database
) -> None:
    async with client_of(app, None):
        answered(await page.post("holds"), "hold")

    def stored(tx: Tx) -> list[Any]:
        return list(tx.execute(select(appointments).where(appointments.c.org_id == page.org.id)).mappings())

    [row] = await db.read(stored)
    assert len(row["held_from"]) == 32
    assert "127.0.0.1" not in repr(dict(row))
