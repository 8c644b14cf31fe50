"""Finding appointments and clients by words."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.answers import refused
from tests.support.desk import APPOINTMENTS, Desk, at, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]

CLIENTS = "/v1/calendar/clients"
JOSE: dict[str, Any] = {
    "client_name": "José Müller",
    "client_email": "Jose@Example.com",
    "client_phone": "+49 (30) 123-45",
    "client_notes": "100% sure_of it",
}


@pytest.fixture
async def desk(app: FastAPI) -> Desk:
    return await open_desk(app)


async def clients(desk: Desk, **query: Any) -> list[dict[str, Any]]:
    answer = await desk.staff.get(CLIENTS, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["clients"]
    return found


async def test_every_word_is_found_however_it_is_written(desk: Desk) -> None:
    jose = await desk.booked(**JOSE, internal_notes="Owes us a coffee")
    await desk.booked(at("10:00"), client_name="Jane Doe", client_email=None, client_phone=None)
    for text in (
        *(
            "jose",
            "JOSÉ muller",
            "mull os",
            "jose@example",
            "12345",
            "030-123-45",
            "030 12345",
            "(30) 123",
            "+49 (30)",
        ),
        *("100%", "sure_of", "coffee jose", "jose\u0301", " ", ""),
    ):
        found = await desk.listed(q=text, status="confirmed")
        assert jose["id"] in found, text
        assert (len(found) == 1) == bool(text.strip()), text
    for text in ("jose jane", "0%0", "sure%of", "sureXof", "josé\\", "'; --", "/", "%"):
        found = await desk.listed(q=text)
        assert (found == []) == (text != "%"), text
    # What is changed is found by its new words, also by the client.
    await desk.changed(jose, client_name="Zoë", client_notes=None)
    assert await desk.listed(q="muller") == []
    assert await desk.listed(q="zoe coffee") == [jose["id"]]
    assert (await desk.get(jose))["version"] == 2


async def test_what_can_not_be_searched_for_is_refused(desk: Desk) -> None:
    for path in (APPOINTMENTS, CLIENTS):
        for bad in ({"q": "a" * 201}, {"q": "a\x00"}, {"cursor": "x"}, {"limit": "0"}):
            refused(await desk.staff.get(path, params=bad), 400, "invalid_request")
        assert (await desk.staff.get(path, params={"q": "% _ ' \" \\ \U0001f600 " * 10})).status_code == 200
    of_changes = (
        await desk.staff.get(CLIENTS, params={"cursor": "WyJ1cGRhdGVkX2F0IiwiYXNjIiwxLCJhIl0"})
    ).json()
    assert of_changes["code"] == "invalid_request"


async def test_pages_of_a_search_go_on(desk: Desk) -> None:
    for hour in (9, 11, 13, 15):
        await desk.booked(at(f"{hour:02}:00"), client_name=f"Jo {hour}")
        await desk.booked(at(f"{hour:02}:00", "2024-01-26"), client_name="Nobody")
    seen: list[str] = []
    query: dict[str, Any] = {"q": "jo", "limit": 3, "order": "desc"}
    while True:
        answer = (await desk.staff.get(APPOINTMENTS, params=query)).json()
        seen += [each["client_name"] for each in answer["appointments"]]
        if answer["next_cursor"] is None:
            break
        query["cursor"] = answer["next_cursor"]
    assert seen == ["Jo 15", "Jo 13", "Jo 11", "Jo 9"]


async def test_clients_as_their_appointments_tell_of_them(desk: Desk, app: FastAPI) -> None:
    past = "2024-01-18"
    first = await desk.booked(at("09:00", past), **JOSE)
    await desk.changed(first, status="no_show")
    gone = await desk.booked(at("10:00", past), client_name="J. Müller", client_email="jose@example.com")
    await desk.changed(gone, status="cancelled")
    coming = await desk.booked(**JOSE | {"client_email": "JOSE@example.com", "client_phone": "+49 30 1"})
    other = {"client_email": None, "client_phone": "+49 30 999"}
    await desk.booked(at("11:00", past), client_name="Ann", **other)
    late = await desk.booked(at("12:00", past), client_name="Anne", client_email=None, client_phone="4930999")
    await desk.booked(at("13:00", past), client_name="zoe", client_email=None, client_phone=None)
    await desk.booked(at("14:00", past), client_name="Zoë", client_email=None, client_phone=None)
    await (await open_desk(app)).booked(**JOSE)  # of another organization
    found = await clients(desk)
    assert [each["name"] for each in found] == ["José Müller", "Zoë", "Anne"]
    assert found[0] == {
        "id": coming["id"],
        "name": "José Müller",
        "email": "JOSE@example.com",
        "phone": "+49 30 1",
        "first_start": at("09:00", past),
        "last_start": at("09:00", past),
        "next_start": coming["start_time"],
        "total": 3,
        "no_show": 1,
        "cancelled": 1,
    }
    assert (found[2]["id"], found[2]["total"], found[2]["next_start"]) == (late["id"], 2, None)
    assert await desk.listed(same_client_as=gone["id"]) == [first["id"], gone["id"], coming["id"]]
    assert await desk.listed(same_client_as="apt_nothing") == []
    assert [each["name"] for each in await clients(desk, q="muller")] == ["José Müller"]
    assert (await clients(desk, q="muller"))[0]["total"] == 3
    # Page by page, everybody once.
    answer = (await desk.staff.get(CLIENTS, params={"limit": 2})).json()
    rest = (await desk.staff.get(CLIENTS, params={"limit": 2, "cursor": answer["next_cursor"]})).json()
    assert answer["clients"] + rest["clients"] == found
    assert rest["next_cursor"] is None


async def test_a_hold_is_no_client_and_whose_booking_waits_is_none_yet(desk: Desk) -> None:
    wish = {"appointment_type_id": desk.org.type_id, "start_time": at("09:00")}
    held: httpx.Response = await desk.staff.post("/v1/calendar/holds", json=wish)
    assert held.status_code == 200, held.text
    assert await clients(desk) == []
    hold = held.json()["hold"]["id"]
    booked = await desk.booked(at("09:00"), hold_id=hold, **JOSE)
    assert [each["id"] for each in await clients(desk, q="jose")] == [booked["id"]]
