"""What webhooks get from when on, and what is listed and replayed of it."""

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from kalends.db.database import Database, Tx
from kalends.db.tables import deliveries
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order
from tests.api.hooks import ELSEWHERE, PATH, book, failed, listed, make, number, succeeded, wrong
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("names")]


async def test_a_webhook_gets_the_events_it_names_from_then_on(client: httpx.AsyncClient, org: Org) -> None:
    await book(client, org, 1)
    wanting = {
        each: await make(client, url=f"{ELSEWHERE}/{each}", events=each.split(","))
        for each in ("webhook.disabled", "appointment.*", "calendar.created,appointment.cancelled", "*")
    }
    booked = await book(client, org, 2)
    await client.patch(f"/v1/calendar/appointments/{booked}", json={"status": "cancelled"})
    await client.post("/v1/calendar/calendars", json={"name": "Room"})
    happened = (await number(client))[1:]
    assert [event["type"] for event in happened] == [
        "appointment.created",
        "appointment.cancelled",
        "calendar.created",
    ]
    found = {each: await listed(client, made) for each, made in wanting.items()}
    assert {each: [delivery["event"] for delivery in reversed(got)] for each, got in found.items()} == {
        "*": ["appointment.created", "appointment.cancelled", "calendar.created"],
        "appointment.*": ["appointment.created", "appointment.cancelled"],
        "calendar.created,appointment.cancelled": ["appointment.cancelled", "calendar.created"],
        "webhook.disabled": [],
    }
    newest = found["*"][0]
    assert newest == {
        "id": newest["id"],
        "event_id": happened[-1]["id"],
        "event": "calendar.created",
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": "2024-01-20T12:00:00Z",
        "last_attempt_at": None,
        "answer_code": None,
        "answer": None,
        "error": None,
        "latency_ms": None,
        "created_at": "2024-01-20T12:00:00Z",
    }
    # What it wants may change, for what happens then.
    path = f"{PATH}/{wanting['*']['id']}"
    succeeded(await client.patch(path, json={"events": ["calendar.*"]}))
    await book(client, org, 3)
    await number(client)
    assert await listed(client, wanting["*"]) == found["*"]


async def test_deliveries_are_listed_page_by_page_newest_first(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    for day in range(1, 6):
        await book(client, org, day)
        await number(client)
    everything = await listed(client, made)
    assert [each["event_id"] for each in reversed(everything)] == [
        each["id"] for each in await number(client)
    ]
    path = f"{PATH}/{made['id']}/deliveries"
    for limit in (1, 2, 4, 5):
        seen: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": limit}
        while True:
            response = await client.get(path, params=query)
            found = succeeded(response)
            assert 0 < len(found) <= limit
            seen += found
            cursor = response.json()["next_cursor"]
            if cursor is None:
                break
            query["cursor"] = cursor
        assert seen == everything

    def settle(tx: Tx) -> None:
        for status, each in zip(("delivered", "failed"), everything, strict=False):
            mine = deliveries.c.org_id == org.id, deliveries.c.id == each["id"]
            tried = {"attempts": 1, "last_attempt_at": clock.now(), "latency_ms": 12, "due_at": None}
            answer = {"answer_code": 200, "answer": "ok"} if status == "delivered" else {"error": "no answer"}
            tx.execute(update(deliveries).where(*mine).values({"status": status, **tried, **answer}))

    await db.write(settle)
    [delivered], [lost] = [await listed(client, made, status=status) for status in ("delivered", "failed")]
    tried = {
        "attempts": 1,
        "last_attempt_at": "2024-01-20T12:00:00Z",
        "latency_ms": 12,
        "next_attempt_at": None,
    }
    assert delivered == everything[0] | tried | {"status": "delivered", "answer_code": 200, "answer": "ok"}
    assert lost == everything[1] | tried | {"status": "failed", "error": "no answer"}
    assert await listed(client, made, status="pending") == everything[2:]
    [only] = await listed(client, made, status="pending", limit=1, cursor=everything[3]["id"])
    assert only == everything[4]
    assert len(await listed(client, other, status="pending")) == 5

    # A deleted webhook takes its deliveries with it; the events stay.
    succeeded(await client.delete(f"{PATH}/{made['id']}"))
    failed(await client.get(path), 404, "NOT_FOUND")
    assert len(await number(client)) == len(await listed(client, other)) == 5


async def test_one_delivery_is_replayed(client: httpx.AsyncClient, clock: StoppedClock, org: Org) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    await book(client, org, 1)
    await number(client)
    [first] = await listed(client, made)
    clock.forward(minutes=5)
    again = succeeded(await client.post(f"{PATH}/{made['id']}/deliveries/{first['id']}/replay"))
    assert again["id"] != first["id"]
    later = {"created_at": "2024-01-20T12:05:00Z", "next_attempt_at": "2024-01-20T12:05:00Z"}
    assert again == first | later | {"id": again["id"]}
    assert await listed(client, made) == [again, first]
    for path in (f"{other['id']}/deliveries/{first['id']}", f"{made['id']}/deliveries/dlv_none"):
        failed(await client.post(f"{PATH}/{path}/replay"), 404, "NOT_FOUND")
    assert len(await listed(client, other)) == 1


async def test_a_time_is_replayed_from_its_first_second_to_before_its_last(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = await make_org(db, clock.now(), timezone="Europe/Berlin")
    client.headers["Authorization"] = f"Bearer {org.key}"
    for day in range(1, 4):
        await book(client, org, day)
        await client.post("/v1/calendar/calendars", json={"name": f"Room {day}"})
        clock.forward(seconds=1)
    made = await make(client)  # it was told of none of these
    path = f"{PATH}/{made['id']}/replay"

    async def replayed(start: str, end: str) -> list[str]:
        before = await listed(client, made)
        count = succeeded(await client.post(path, json={"from": start, "to": end}))
        new = (await listed(client, made))[: -len(before) or None]
        assert count == {"deliveries": len(new)}
        assert all(each["event"] == "appointment.created" for each in new)
        return [each["event_id"] for each in reversed(new)]

    wanted = [each["id"] for each in await number(client) if each["type"] == "appointment.created"]
    assert len(wanted) == 3
    assert await replayed("2024-01-20T12:00:00Z", "2024-01-20T12:00:02Z") == wanted[:2]
    assert await replayed("2024-01-20T12:00:01Z", "2024-01-20T12:00:02Z") == wanted[1:2]
    assert await replayed("2024-01-20T13:00:01", "2024-01-20T13:00:03") == wanted[1:]  # its own zone's time
    assert await replayed("2024-01-20T12:00:01Z", "2024-01-20T12:00:01Z") == []
    assert await replayed("2024-01-20T12:00:02Z", "2024-01-20T12:00:00Z") == []
    for bad, field in (("yesterday", "from"), ("2024-01-20", "from")):
        wrong(await client.post(path, json={"from": bad, "to": "2024-01-21T00:00:00Z"}), field)
    skipped = {"from": "2024-03-31T02:30:00", "to": "2024-04-01T00:00:00Z"}
    error = failed(await client.post(path, json=skipped), 400, "VALIDATION_ERROR")
    assert error["details"]["code"] == "nonexistent_time"
    monkeypatch.setattr(webhooks, "_MOST_REPLAYED", 3)
    whole = {"from": "2024-01-20T12:00:00Z", "to": "2024-01-20T12:00:03Z"}
    error = failed(await client.post(path, json=whole), 400, "VALIDATION_ERROR")
    assert "More than 3 events" in error["message"]
    assert len(await listed(client, made)) == 5


async def test_a_test_is_told_to_one_webhook_only(client: httpx.AsyncClient) -> None:
    made, other = await make(client, name="CRM"), await make(client, url=ELSEWHERE, events=["*"])
    for _ in range(2):
        delivery = succeeded(await client.post(f"{PATH}/{made['id']}/test"))
        assert (delivery["event"], delivery["status"], delivery["attempts"]) == ("webhook.test", "pending", 0)
    assert (await listed(client, made))[0] == delivery
    assert len(await listed(client, made)) == 2
    assert await listed(client, other) == []
    event = (await number(client))[-1]
    assert (event["id"], event["type"]) == (delivery["event_id"], "webhook.test")
    assert event["data"] == {"webhook": {"id": made["id"], "name": "CRM"}}
    assert event["actor"]["kind"] == "api_key"
    succeeded(await client.patch(f"{PATH}/{made['id']}", json={"active": False}))
    failed(await client.post(f"{PATH}/{made['id']}/test"), 409, "CONFLICT")
    assert len(await number(client)) == 2


async def test_what_happened_before_a_webhook_was_made_is_not_told_however_much_it_was(
    client: httpx.AsyncClient, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_order, "_MOST_AT_ONCE", 2)
    for day in range(1, 6):
        await book(client, org, day)
    made = await make(client, events=["*"])
    for day in range(6, 11):
        await book(client, org, day)
    tested = succeeded(await client.post(f"{PATH}/{made['id']}/test"))
    told = [each["event_id"] for each in reversed(await listed(client, made))]
    assert told == [each["id"] for each in await number(client)][5:]
    assert told[-1] == tested["event_id"]


async def test_an_inactive_webhook_gets_what_it_missed_once_it_is_active_again(
    client: httpx.AsyncClient, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    path = f"{PATH}/{made['id']}"
    succeeded(await client.patch(path, json={"active": False}))
    missed = [await book(client, org, day) for day in (1, 2)]
    await number(client)
    clock.forward(hours=1)
    succeeded(await client.patch(path, json={"active": True}))
    later = await book(client, org, 3)
    told = [event["data"]["appointment"]["id"] for event in await number(client)]
    assert told == [*missed, later]
    events = [event["id"] for event in await number(client)]
    assert [each["event_id"] for each in reversed(await listed(client, made))] == events
