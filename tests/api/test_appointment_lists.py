"""GET appointments: filters, bounds, pages."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both("every day")]

PATH = "/v1/calendar/appointments"


async def starts(client: httpx.AsyncClient, **query: Any) -> list[str]:
    response = await client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"appointments", "next_cursor"}
    return [each["start_time"][5:16] for each in response.json()["appointments"]]


async def test_list_is_by_start_and_shows_whole_appointments(client: httpx.AsyncClient, org: Org) -> None:
    late = await book_jane(client, org, "2024-01-26T14:00:00Z")
    early = await book_jane(client, org, "2024-01-25T14:00:00Z", client_notes="First")
    listed = (await client.get(PATH)).json()
    assert listed == {"appointments": [early, late], "next_cursor": None}
    assert await starts(client, order="desc") == ["01-26T14:00", "01-25T14:00"]


async def test_bounds_are_half_open_and_dates_are_local_days(
    app: FastAPI, db: Database, clock: StoppedClock
) -> None:
    org = await make_org(db, clock.now(), timezone="America/New_York")
    async with client_of(app, org.key) as client:
        for start in (
            "2024-01-25T04:00:00Z",
            "2024-01-25T05:00:00Z",
            "2024-01-26T04:00:00Z",
            "2024-01-26T05:00:00Z",
        ):
            await book_jane(client, org, start)
        # The 25th in New York is from 05:00Z to 05:00Z.
        assert await starts(client, **{"from": "2024-01-25", "to": "2024-01-25"}) == [
            "01-25T05:00",
            "01-26T04:00",
        ]
        assert await starts(client, **{"from": "2024-01-25"}) == ["01-25T05:00", "01-26T04:00", "01-26T05:00"]
        assert await starts(client, to="2024-01-24") == ["01-25T04:00"]
        exact = {"from": "2024-01-25T05:00:00Z", "to": "2024-01-26T04:00:00Z"}
        assert await starts(client, **exact) == ["01-25T05:00"]
        naive = {"from": "2024-01-25T00:00:00", "to": "2024-01-25T23:00:01"}
        assert await starts(client, **naive) == ["01-25T05:00", "01-26T04:00"]
        assert await starts(client, **{"from": "2024-02-01", "to": "2024-01-01"}) == []


async def test_filters(client: httpx.AsyncClient, org: Org) -> None:
    first = await book_jane(client, org, "2024-01-25T10:00:00Z", client_email="A@example.com")
    second = await book_jane(client, org, "2024-01-25T12:00:00Z", client_email="b@example.com")
    third = await book_jane(client, org, "2024-01-25T14:00:00Z", client_email=None)
    await client.patch(f"{PATH}/{first['id']}", json={"status": "cancelled"})
    await client.patch(f"{PATH}/{second['id']}", json={"status": "completed"})
    assert await starts(client, status="cancelled") == ["01-25T10:00"]
    assert await starts(client, status="cancelled, completed") == ["01-25T10:00", "01-25T12:00"]
    assert await starts(client, status="pending") == []
    assert await starts(client, client_email="a@EXAMPLE.com") == ["01-25T10:00"]
    assert await starts(client, appointment_type_id=org.type_id, calendar_id=org.calendar_id, limit=2) == [
        "01-25T10:00",
        "01-25T12:00",
    ]
    assert await starts(client, appointment_type_id="type_other") == []
    assert await starts(client, calendar_id="cal_other") == []
    assert third["status"] == "confirmed"


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("\xc9va@example.com", "\xe9va@example.com"),
        ("\xe9va@example.com", "\xc9VA@EXAMPLE.COM"),
        ("E\u0301va@example.com", "\xe9va@example.com"),
        ("\u0391\u03a3@example.com", "\u03b1\u03c2@example.com"),
        ("STRASSE@example.com", "stra\xdfe@example.com"),
        ("anna@M\xdcLLER.example", "Anna@xn--mller-kva.example"),
        ("anna@m\xfcller.example", " mailto:ANNA@m\xfcller.example "),
        ("anna@clinic.local", "\u200banna@clinic.local\xa0"),
        ("o'neil+x@example.com", "O'Neil+X@example.com"),
    ],
)
async def test_an_address_is_found_however_it_is_spelt(
    client: httpx.AsyncClient, org: Org, stored: str, asked: str
) -> None:
    await book_jane(client, org, "2024-01-25T10:00:00Z", client_email=stored)
    await book_jane(client, org, "2024-01-25T12:00:00Z", client_email="other@example.com")
    await book_jane(client, org, "2024-01-25T14:00:00Z", client_email=None)
    assert await starts(client, client_email=asked) == ["01-25T10:00"]
    assert await starts(client, client_email=stored) == ["01-25T10:00"]


async def test_an_address_that_changes_is_found_by_the_new_one(client: httpx.AsyncClient, org: Org) -> None:
    made = await book_jane(client, org, "2024-01-25T10:00:00Z", client_email="old@example.com")
    await client.patch(f"{PATH}/{made['id']}", json={"client_email": "N\xc9W@example.com"})
    assert await starts(client, client_email="n\xe9w@example.com") == ["01-25T10:00"]
    assert await starts(client, client_email="old@example.com") == []
    await client.patch(f"{PATH}/{made['id']}", json={"client_email": None})
    assert await starts(client, client_email="n\xe9w@example.com") == []


async def test_a_plus_that_is_not_encoded_is_one(client: httpx.AsyncClient, org: Org) -> None:
    """It arrives as a space."""
    await book_jane(client, org, "2024-01-25T10:00:00Z", client_email="jane+x@example.com")
    await book_jane(client, org, "2024-01-25T12:00:00Z", client_email="janex@example.com")

    async def asked(query: str) -> list[str]:
        response = await client.get(f"{PATH}?{query}")
        assert response.status_code == 200, response.text
        return [each["start_time"][5:16] for each in response.json()["appointments"]]

    assert await asked("client_email=jane+x@example.com") == ["01-25T10:00"]
    assert await asked("client_email=jane%2Bx%40example.com") == ["01-25T10:00"]
    for bound in ("2024-01-25T12:30:00+01:00", "2024-01-25+12:30:00+01:00", "20240125T1230+01"):
        assert await asked(f"from={bound}") == ["01-25T12:00"], bound
        assert await asked(f"to={bound}") == ["01-25T10:00"], bound
    assert await asked("updated_since=2024-01-20T13:00:00+01:00") == ["01-25T10:00", "01-25T12:00"]
    assert await asked("updated_since=2024-01-20T13:00:01+01:00") == []
    for bound in ("2024-01-25+11:00Z", "2024-01-25%2011:00", "2024-01-25+11:00:00", "2024-01-25T12:00-00:00"):
        assert await asked(f"from={bound}") == ["01-25T12:00"], bound


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_are_stable_while_rows_are_inserted(
    client: httpx.AsyncClient, org: Org, order: str
) -> None:
    for day in range(10, 20):
        await book_jane(client, org, f"2024-01-{day}T12:00:00Z")
        await book_jane(client, org, f"2024-01-{day}T12:00:00Z", check="none")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "3", "order": order} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get(PATH, params=query)).json()
        seen += [each["id"] for each in answer["appointments"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        # A row before the page that was shown: it must neither appear nor push another off.
        before = "2024-01-01" if order == "asc" else "2024-02-01"
        await book_jane(client, org, f"{before}T{len(seen):02}:00:00Z", check="none")
    assert len(seen) == len(set(seen)) == 20


async def test_what_overlaps_a_day_is_listed_where_it_is_asked_for(
    client: httpx.AsyncClient, org: Org
) -> None:
    """A night, a week, and what touches the day only; buffers are no part of an appointment."""
    await client.patch("/v1/organization", json={"timezone": "America/New_York"})
    kind = {"name": "Stay", "durationMinutes": 7 * 24 * 60}
    week = (await client.post("/v1/calendar/appointment-types", json=kind)).json()["appointmentType"]["id"]
    path = f"/v1/calendar/appointment-types/{org.type_id}"
    await client.put(path, json={"bufferBeforeMinutes": 60, "bufferAfterMinutes": 60})
    for start, more in (
        ("2024-01-25T04:30:00Z", {}),  # from half past eleven in the evening of the day before
        ("2024-01-25T04:00:00Z", {}),  # ends as the day begins
        ("2024-01-26T04:30:00Z", {}),  # past midnight
        ("2024-01-26T05:00:00Z", {}),  # begins as the day ends
        ("2024-01-18T05:00:01Z", {"appointment_type_id": week}),  # its last second is the day's first
        ("2024-01-18T05:00:00Z", {"appointment_type_id": week}),
    ):
        await book_jane(client, org, start, check="none", **more)
    day = {"from": "2024-01-25", "to": "2024-01-25"}
    assert await starts(client, **day) == ["01-26T04:30"]
    overlapping = ["01-18T05:00", "01-25T04:30", "01-26T04:30"]
    assert await starts(client, **day, overlapping="true") == overlapping
    assert await starts(client, **day, overlapping="true", order="desc") == overlapping[::-1]
    assert await starts(client, **day, overlapping="true", appointment_type_id=week) == overlapping[:1]
    refused(await client.get(PATH, params={"overlapping": "perhaps"}), 400, "invalid_request")


async def test_updated_since_lists_by_last_change(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock
) -> None:
    first = await book_jane(client, org, "2024-01-25T10:00:00Z")
    clock.forward(minutes=10)
    await book_jane(client, org, "2024-01-24T10:00:00Z")
    since = clock.now().isoformat()
    clock.forward(minutes=10)
    await client.patch(f"{PATH}/{first['id']}", json={"client_notes": "changed"})
    assert await starts(client, updated_since=since) == ["01-24T10:00", "01-25T10:00"]
    assert await starts(client, updated_since=since, order="desc") == ["01-25T10:00", "01-24T10:00"]
    page = (await client.get(PATH, params={"updated_since": since, "limit": 1})).json()
    rest = await starts(client, updated_since=since, cursor=page["next_cursor"])
    assert rest == ["01-25T10:00"]
    other_order = await client.get(PATH, params={"cursor": page["next_cursor"]})
    refused(other_order, 400, "invalid_request")


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        {"status": "lost"},
        {"status": "confirmed,lost"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "x"},
        {"limit": "1.5"},
        {"order": "sideways"},
        {"cursor": "x"},
        {"cursor": "eyJ4IjogMX0"},
        {"cursor": "WzEsMiwzLDRd"},
        {"cursor": "\u00fc"},
        *({"client_email": wrong} for wrong in ("a\x00b", "", "  ", "nobody", "a b", "@", "\u200b", "x@y")),
        {"calendar_id": "a\x00b"},
    ],
)
async def test_bad_parameters_are_400(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    refused(await client.get(PATH, params=query), 400, "invalid_request")


@pytest.mark.parametrize(
    "bound", ["yesterday", "2024-13-01", "2024-01-25T25:00Z", "0001-01-01T00:00:00+05:00", "x" * 100]
)
@pytest.mark.parametrize("parameter", ["from", "to", "updated_since"])
async def test_bad_bounds_are_400(client: httpx.AsyncClient, parameter: str, bound: str) -> None:
    refused(await client.get(PATH, params={parameter: bound}), 400, "invalid_time")


async def test_the_ends_of_the_calendar_are_bounds_too(client: httpx.AsyncClient, org: Org) -> None:
    await book_jane(client, org, "2024-01-25T10:00:00Z")
    assert await starts(client, **{"from": "0001-01-01", "to": "9999-12-30"}) == ["01-25T10:00"]
    for begin in ("0001-01-01", "0001-01-05", "9999-12-31"):
        found = await starts(client, overlapping="true", **{"from": begin})
        assert found == (["01-25T10:00"] if begin < "2024" else [])
    refused(await client.get(PATH, params={"to": "9999-12-31"}), 400, "invalid_time")
