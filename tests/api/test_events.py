"""GET /v1/events: every change is exactly its event, and a cursor misses nothing."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from kalends.clock import SystemClock
from kalends.db.database import Database, Tx
from kalends.db.tables import deliveries, organizations
from kalends.services.booking import lapses
from kalends.services.outbox import event_order, event_pages
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

PATH = "/v1/events"
BASE = "/v1/calendar"
APPOINTMENTS = f"{BASE}/appointments"
MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
CLIENT = {"kind": "client", "id": None, "name": None}
SYSTEM = {"kind": "system", "id": None, "name": None}


def staff(org: Org) -> dict[str, Any]:
    return {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"}


async def page(client: httpx.AsyncClient, **query: Any) -> tuple[list[dict[str, Any]], str]:
    response = await client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer.keys() == {"events", "next_cursor"}
    return answer["events"], answer["next_cursor"]


async def told(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    return (await page(client, **query))[0]


async def kinds(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [event["type"] for event in await told(client, **query)]


async def book(client: httpx.AsyncClient, org: Org, day: int = 25, **fields: Any) -> dict[str, Any]:
    return await book_jane(client, org, f"2024-01-{day}T14:00:00Z", **fields)


async def patch(client: httpx.AsyncClient, made: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return answered(await client.patch(f"{APPOINTMENTS}/{made['id']}", json=fields), "appointment")


async def test_every_change_of_an_appointment_is_its_event(
    client: httpx.AsyncClient, clock: StoppedClock, org: Org
) -> None:
    expected: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []

    def note(kind: str, now: dict[str, Any], **previous: Any) -> None:
        at = clock.now().isoformat().replace("+00:00", "Z")
        expected.append((f"appointment.{kind}", at, now, previous))

    made = await book(client, org)
    note("created", made)
    clock.forward(hours=1)
    note(
        "updated",
        await patch(client, made, client_notes="Late", client_timezone="Asia/Tokyo"),
        client_notes=None,
        client_timezone=None,
    )
    note(
        "rescheduled",
        await patch(client, made, start_time="2024-01-26T08:30:00+01:00"),
        start_time="2024-01-25T14:00:00Z",
        end_time="2024-01-25T15:00:00Z",
    )
    clock.forward(seconds=1)
    note("completed", await patch(client, made, status="completed"), status="confirmed", completed_at=None)
    note("no_show", await patch(client, made, status="no_show"), status="completed", no_show_at=None)
    other = await book(client, org, 28)
    note("created", other)
    note(
        "cancelled",
        await patch(client, other, status="cancelled", cancellation_reason="Ill"),
        status="confirmed",
        cancelled_at=None,
        cancellation_reason=None,
    )
    clock.forward(seconds=1)
    # Two things at once are two events of one version.
    back = await patch(client, other, status="confirmed", start_time="2024-01-29T09:00:00Z")
    before = {
        "status": "cancelled",
        "start_time": "2024-01-28T14:00:00Z",
        "end_time": "2024-01-28T15:00:00Z",
        "confirmed_at": other["confirmed_at"],
        "cancelled_at": other["confirmed_at"],
        "cancellation_reason": "Ill",
    }
    note("confirmed", back, **before)
    note("rescheduled", back, **before)

    found = await told(client)
    assert [
        (event["type"], event["occurred_at"], event["data"]["appointment"], event["data"]["previous"])
        for event in found
    ] == expected
    for event in found:
        assert event.keys() == {"id", "type", "occurred_at", "actor", "data"}
        assert event["id"].startswith("evt_")
        assert event["data"].keys() == {"appointment", "previous"}
        assert event["actor"] == staff(org)
    assert len({event["id"] for event in found}) == len(found)


async def test_clients_and_time_itself_cause_events(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    def slug(tx: Tx) -> str:
        return tx.execute(select(organizations.c.slug).where(organizations.c.id == org.id)).scalar_one()

    week = {"schedules": [{**MONDAY, "day_of_week": day} for day in range(7)]}
    answered(await client.put(f"{BASE}/availability", json=week), "schedules")
    kind = {"requiresConfirmation": True, "confirmWithinHours": 2}
    answered(await client.put(f"{BASE}/appointment-types/{org.type_id}", json=kind), "appointmentType")
    _, start = await page(client)
    path = f"/v1/public/{await db.read(slug)}/appointments"
    booked = []
    for hour in (9, 10, 11):
        wish = {"appointment_type_id": org.type_id, "client_name": "Jane", "client_email": "jane@example.com"}
        response = await client.post(path, json=wish | {"start_time": f"2024-01-25T{hour:02}:00:00Z"})
        assert response.status_code == 200, response.text
        booked.append(response.json())
    for made in booked[:2]:
        await patch(client, made["appointment"], status="confirmed")
    link = f"/v1/public/appointments/{booked[0]['manage_token']}"
    response = await client.post(f"{link}/reschedule", json={"start_time": "2024-01-25T13:00:00Z"})
    assert response.status_code == 200, response.text
    link = f"/v1/public/appointments/{booked[1]['manage_token']}"
    response = await client.post(f"{link}/cancel", json={"reason": "Rain"})
    assert response.status_code == 200, response.text
    clock.forward(hours=2)
    while await db.write(lapses.sweep, clock.now()):
        pass

    first, second, third = (each["appointment"]["id"] for each in booked)
    found = await told(client, after=start)
    # The two that lapse have the same deadline, so either may be the first.
    assert sorted(
        (event["type"].partition(".")[2], event["data"]["appointment"]["id"], event["actor"]["kind"])
        for event in found
    ) == sorted(
        [
            *(("created", each, "client") for each in (first, second, third)),
            *(("confirmed", each, "api_key") for each in (first, second)),
            ("rescheduled", first, "client"),
            ("cancelled", second, "client"),
            ("cancelled", first, "system"),
            ("cancelled", third, "system"),
        ]
    )
    for event in found:
        expected = {"client": CLIENT, "system": SYSTEM, "api_key": staff(org)}
        assert event["actor"] == expected[event["actor"]["kind"]]
        if event["actor"] == SYSTEM:
            assert event["data"]["appointment"]["cancellation_reason"] == "confirmation_expired"
            assert event["data"]["previous"]["status"] == "pending"
        if event["type"] == "appointment.created":
            assert event["data"]["appointment"]["status"] == "pending"


async def test_every_other_change_is_the_event_of_what_was_answered(
    client: httpx.AsyncClient, org: Org
) -> None:
    expected: list[tuple[str, Any]] = []

    async def call(kind: str, method: str, path: str, body: Any = None) -> Any:
        response = await client.request(method, f"{BASE}{path}", json=body)
        assert response.status_code == 200, response.text
        expected.append((kind, response.json()))
        return response.json()

    types = "/appointment-types"
    kind = await call("appointment_type.created", "POST", types, {"name": "Short", "durationMinutes": 15})
    named = kind["appointmentType"]["id"]
    await call("appointment_type.updated", "PUT", types, {"id": named, "color": "#000000"})
    await call("appointment_type.updated", "PUT", f"{types}/{named}", {"isActive": False})
    await call("appointment_type.deleted", "DELETE", f"{types}/{named}")

    window = await call("availability.created", "POST", "/availability", MONDAY)
    await call("availability.deleted", "DELETE", f"/availability/{window['schedule']['id']}")
    await call("availability.replaced", "PUT", "/availability", {"schedules": [MONDAY]})

    schedule = await call("schedule.created", "POST", "/schedules", {"name": "Evenings"})
    own = f"/schedules/{schedule['schedule']['id']}"
    await call("schedule.updated", "PATCH", own, {"windows": [MONDAY]})
    for path in ("/overrides", f"{own}/overrides"):
        override = await call("override.created", "POST", path, {"date": "2024-12-24", "reason": "Zoë's day"})
        one = f"{path}/{override['override']['id']}"
        await call("override.updated", "PATCH", one, {"reason": None})
        await call("override.deleted", "DELETE", one)
        await call("override.holidays_added", "POST", f"{path}/holidays", {"country": "DE", "year": 2024})
    await call("schedule.deleted", "DELETE", own)

    calendar = await call("calendar.created", "POST", "/calendars", {"name": "Room"})
    room = f"/calendars/{calendar['calendar']['id']}"
    await call("calendar.updated", "PATCH", room, {"name": "Chair"})
    await call("calendar.deleted", "DELETE", room)

    found = await told(client)
    assert [(event["type"], event["data"]) for event in found] == expected
    assert all(event["actor"] == staff(org) for event in found)


async def test_what_changes_nothing_is_no_event(client: httpx.AsyncClient, org: Org) -> None:
    made = await book(client, org)
    same = await patch(client, made, client_name=made["client_name"], status="confirmed")
    assert same == made
    await client.patch(f"{APPOINTMENTS}/{made['id']}?dry_run=true", json={"client_notes": "x"})
    refused(await client.post(APPOINTMENTS, json=org.wish()), 409, "slot_taken")
    refused(await client.post(f"{BASE}/calendars", json={}), 400, "missing_fields")
    for query in ("", "?dry_run=true"):
        once = await client.post(
            f"{BASE}/calendars{query}", json={"name": "X"}, headers={"Idempotency-Key": "1"}
        )
        assert once.status_code == 200
    again = await client.post(f"{BASE}/calendars", json={"name": "X"}, headers={"Idempotency-Key": "1"})
    assert again.headers["idempotent-replayed"] == "true"
    refused(await client.delete(f"{BASE}/calendars/{org.calendar_id}"), 409, "conflict")
    hold = {"appointment_type_id": org.type_id, "start_time": "2024-01-26T14:00:00Z"}
    held = answered(await client.post(f"{BASE}/holds", json=hold), "hold")
    assert (await client.delete(f"{BASE}/holds/{held['id']}")).status_code == 200
    assert await kinds(client) == ["appointment.created", "calendar.created"]


async def test_types_name_events_kinds_or_all(client: httpx.AsyncClient, org: Org) -> None:
    made = await book(client, org)
    await patch(client, made, client_notes="Late")
    await patch(client, made, status="cancelled")
    for body in ({"name": "Room"}, {"name": "Chair"}):
        answered(await client.post(f"{BASE}/calendars", json=body), "calendar")
    answered(
        await client.post(f"{BASE}/appointment-types", json={"name": "X", "durationMinutes": 5}),
        "appointmentType",
    )
    everything = await kinds(client)
    assert len(everything) == 6

    async def named(*types: str) -> list[str]:
        return await kinds(client, types=list(types))

    assert await named("*") == everything
    assert await named("appointment.*") == everything[:3]
    assert await named("appointment_type.*") == everything[5:]
    assert await named("appointment.cancelled,appointment.created") == [everything[0], everything[2]]
    assert await named("appointment.cancelled", " calendar.* , ") == everything[2:5]
    assert await named("webhook.*") == []
    for unknown in ("appointment", "appointment.made", "*.created", "appointment.*,x"):
        answer = refused(await client.get(PATH, params={"types": unknown}), 400, "invalid_request")
        assert answer["details"]["fields"][0]["field"] == "types"


async def test_pages_join_without_gap_or_overlap(client: httpx.AsyncClient, org: Org) -> None:
    for day in range(10, 17):
        await book(client, org, day)
    whole, end = await page(client)
    assert len(whole) == 7
    for limit in (1, 2, 3, 7, 8):
        cursor, seen = None, []
        while True:
            found, following = await page(
                client, limit=limit, **({} if cursor is None else {"after": cursor})
            )
            assert len(found) <= limit
            seen += found
            if following == cursor:
                break
            cursor = following
        assert seen == whole
        assert cursor == end
    for bad in ("0", "1001", "x"):
        refused(await client.get(PATH, params={"limit": bad}), 400, "invalid_request")


async def test_a_cursor_goes_on_where_nothing_is_new_or_wanted(client: httpx.AsyncClient, org: Org) -> None:
    found, start = await page(client)
    assert found == []
    first = await book(client, org, 10)
    assert [event["data"]["appointment"]["id"] for event in await told(client, after=start)] == [first["id"]]
    _, now = await page(client, after=start)
    assert await page(client, after=now) == ([], now)
    # Nothing of this kind is there, so the reader need not look at these again, and misses none that comes.
    found, later = await page(client, types="calendar.*", limit=1)
    assert (found, later) == ([], now)
    await book(client, org, 11)
    answered(await client.post(f"{BASE}/calendars", json={"name": "Room"}), "calendar")
    await book(client, org, 12)
    found, end = await page(client, after=later, types="calendar.*", limit=2)
    assert [event["type"] for event in found] == ["calendar.created"]
    found, full = await page(client, after=later, types="calendar.*", limit=1)
    assert [event["type"] for event in found] == ["calendar.created"]
    assert await kinds(client, after=full) == ["appointment.created"]
    assert await told(client, after=end) == []


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_what_is_no_cursor_is_400(client: httpx.AsyncClient) -> None:
    assert await told(client, after=encoded("e0")) == []
    spelled = ("e-1", "e", "e1 ", "e1\n", "1", "f1", "e\u0661", "e" + "9" * 19, "e" + "1" * 20)
    others = ("", "e1", "1", "x" * 2_000, "\u0661", encoded('["start_time","asc",1,"apt_1"]'), "Zf8")
    for cursor in (*map(encoded, spelled), *others):
        answer = refused(await client.get(PATH, params={"after": cursor}), 400, "invalid_request")
        [field] = answer["details"]["fields"]
        reason = "must be the next_cursor of an earlier answer"
        assert field == {"field": "after", "reason": reason, "code": "cursor"}


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def test_a_cursor_from_before_what_is_kept_is_410(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    _, start = await page(client)
    await book(client, org, 10)
    _, after_one = await page(client)
    await book(client, org, 11)
    _, after_two = await page(client)
    await asyncio.sleep(0.002)
    between = datetime.now(UTC)
    kept = await book(client, org, 12)
    assert len(await told(client)) == 3
    assert await db.write(event_pages.forget, org.id, between, SystemClock().now()) == 2
    assert await db.write(event_pages.forget, org.id, between, SystemClock().now()) == 0
    for gone in (start, after_one):
        answer = refused(await client.get(PATH, params={"after": gone}), 410, "cursor_expired")
        assert answer["details"] == {}
    for good in ({}, {"after": after_two}):
        assert [event["data"]["appointment"] for event in await told(client, **good)] == [kept]
    # Everything is forgotten; what comes then is found by the old cursor and without one.
    _, end = await page(client)
    assert await db.write(event_pages.forget, org.id, in_an_hour(), SystemClock().now()) == 1
    assert await page(client) == ([], end)
    await book(client, org, 13)
    assert len(await told(client, after=end)) == len(await told(client)) == 1
    refused(await client.get(PATH, params={"after": after_two}), 410, "cursor_expired")


async def test_only_what_has_a_number_is_forgotten(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    made = await book(client, org)
    assert await db.write(event_pages.forget, org.id, in_an_hour(), SystemClock().now()) == 0
    assert [event["data"]["appointment"] for event in await told(client)] == [made]


async def test_an_event_is_kept_for_as_long_as_a_reminder_needs_it(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    for day in (10, 11, 12):
        await patch(client, await book(client, org, day), client_notes="Late")
    assert await db.write(event_order.number, org.id, clock.now(), mail=True) == 6
    hence = datetime.now(UTC) + timedelta(days=15)

    def pending(tx: Tx) -> list[tuple[str | None, str]]:
        mine = deliveries.c.org_id == org.id, deliveries.c.status == "pending"
        rows = tx.execute(select(deliveries.c.audience, deliveries.c.event_id).where(*mine))
        return [(row.audience, row.event_id) for row in rows]

    reminders = sorted(event for audience, event in await db.read(pending) if audience == "reminder")
    assert len(reminders) == 3
    assert await db.write(event_pages.forget, org.id, hence, SystemClock().now()) == 3
    assert sorted({event for _, event in await db.read(pending)}) == reminders
    # Readers begin with the oldest event after which nothing is missing, and never stumble over a gap.
    found, cursor = await page(client, limit=1)
    assert found == []
    made = await book(client, org, 13)
    for query in ({"limit": 1}, {"after": cursor}):
        assert [event["data"]["appointment"] for event in await told(client, **query)] == [made]

    def remind(tx: Tx) -> None:
        mine = deliveries.c.org_id == org.id, deliveries.c.audience == "reminder"
        tx.execute(update(deliveries).where(*mine).values(status="delivered", due_at=None))

    await db.write(remind)
    assert await db.write(event_pages.forget, org.id, hence, SystemClock().now()) == 4
    assert await db.read(pending) == []


async def test_organizations_see_their_own_events_only(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    other = await make_org(db, clock.now())
    await book(client, org, 10)
    _, cursor = await page(client)
    async with client_of(app, other.key) as theirs:
        assert await told(theirs) == []
        made = await book(theirs, other, 11)
        [event] = await told(theirs)
        assert event["data"]["appointment"] == made
        assert await told(theirs, after=cursor) == []  # as many of their own
    assert other.id not in str(await told(client))
    assert len(await told(client)) == 1


async def test_reading_wants_the_scope_read(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    deleting = await make_org(db, clock.now(), scopes=("delete",))
    async with client_of(app, deleting.key) as client:
        refused(await client.get(PATH), 403, "scope_missing")
    async with client_of(app, None) as nobody:
        refused(await nobody.get(PATH), 401, "unauthorized")
