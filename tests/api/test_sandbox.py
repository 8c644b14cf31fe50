"""Sandboxes, where a request may say what time it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import appointments
from kalends.schemas.webhooks import WebhookCreate
from kalends.services.leaving import webhooks
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from kalends.worker import Worker
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, Desk, open_desk
from tests.support.receiver import Receiver

pytestmark = pytest.mark.anyio

EDGES = ("0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "9999-12-31T23:59:59Z")


@pytest.fixture
async def sandbox(app: FastAPI) -> Desk:
    return await open_desk(app, sandbox=True)


@pytest.fixture
async def live(app: FastAPI) -> Desk:
    return await open_desk(app)


def at(time: str) -> dict[str, str]:
    return {"Test-Clock": time}


async def test_a_sandbox_is_known_by_its_keys(app: FastAPI, sandbox: Desk, live: Desk) -> None:
    shown = answered(await sandbox.staff.get("/v1/organization"), "organization")
    assert shown["sandbox"] is True
    assert sandbox.staff.headers["authorization"].startswith("Bearer vst_test_")
    made = (await sandbox.staff.post("/v1/keys", json={})).json()
    assert made["secret"].startswith("vst_test_")
    assert made["key"]["prefix"] == made["secret"][:12]
    assert not live.staff.headers["authorization"].startswith("Bearer vst_test_")
    # It is what it was made.
    response = await live.staff.patch("/v1/organization", json={"sandbox": True})
    assert refused(response, 400, "invalid_request")["error"].startswith("sandbox can't be set here")
    assert answered(await live.staff.get("/v1/organization"), "organization")["sandbox"] is False


async def test_the_header_is_now_for_staff(sandbox: Desk) -> None:
    staff = sandbox.staff
    made = answered(
        await staff.post(APPOINTMENTS, json=sandbox.wish(), headers=at("2030-05-01T08:00:00+02:00")),
        "appointment",
    )
    assert (made["created_at"], made["confirmed_at"]) == ("2030-05-01T06:00:00Z",) * 2
    path = f"{APPOINTMENTS}/{made['id']}"
    done = answered(
        await staff.patch(path, json={"status": "completed"}, headers=at("2031-01-01T00:00:00Z")),
        "appointment",
    )
    assert (done["completed_at"], done["updated_at"]) == ("2031-01-01T00:00:00Z",) * 2
    _, change = await sandbox.history(made["id"])
    assert change["at"] == "2031-01-01T00:00:00Z"
    # Notice (24 hours) and horizon (60 days) are counted from it.
    asked = {"appointment_type_id": sandbox.org.type_id, "from": "2030-05-01", "to": "2030-07-05"}
    found = await staff.get("/v1/calendar/slots", params=asked, headers=at("2030-05-01T09:00:01Z"))
    starts = [slot["start_time"] for slot in found.json()["slots"]]
    assert (starts[0], starts[-1]) == ("2030-05-02T10:00:00Z", "2030-06-30T16:00:00Z")
    # Without it, it is what it is.
    plain = answered(
        await staff.post(APPOINTMENTS, json=sandbox.wish(start_time="2024-02-01T14:00:00Z")), "appointment"
    )
    assert plain["created_at"] == "2024-01-20T12:00:00Z"


async def test_the_header_is_now_for_clients(sandbox: Desk) -> None:
    client = sandbox.client
    start = "2030-05-03T14:00:00Z"

    async def explained(now: str) -> list[str]:
        asked = {"appointment_type_id": sandbox.org.type_id, "start_time": start}
        told = await client.get(f"{sandbox.path}/slots/explain", params=asked, headers=at(now))
        return [reason["code"] for reason in told.json()["reasons"]]

    assert await explained("2030-03-03T23:59:59Z") == ["too_far_ahead"]
    assert await explained("2030-03-04T00:00:00Z") == []
    assert await explained("2030-05-02T14:00:00Z") == []
    assert await explained("2030-05-02T14:00:01Z") == ["too_soon"]

    held = answered(await sandbox.post("holds", at("2030-05-01T12:00:00Z"), start_time=start), "hold")
    assert held["expires_at"] == "2030-05-01T12:05:00Z"
    refused(
        await sandbox.post("appointments", at("2030-05-01T12:04:59Z"), start_time=start), 409, "slot_taken"
    )
    gone = await sandbox.post(
        "appointments", at("2030-05-01T12:05:00Z"), start_time=start, hold_id=held["id"]
    )
    refused(gone, 409, "hold_gone")
    used = await sandbox.post(
        "appointments", at("2030-05-01T12:04:59Z"), start_time=start, hold_id=held["id"]
    )
    assert used.json()["appointment"]["created_at"] == "2030-05-01T12:04:59Z"


async def test_the_header_is_now_for_links(sandbox: Desk) -> None:
    await sandbox.set_type(requiresConfirmation=True, confirmWithinHours=1)
    client = sandbox.client
    booked = await sandbox.booked_by_client()
    link = f"{LINKS}/{booked['manage_token']}"
    path = f"{APPOINTMENTS}/{booked['appointment']['id']}"

    async def status(now: str) -> Any:
        return answered(await client.get(link, headers=at(now)), "appointment")["status"]

    assert await status("2024-01-20T12:59:59Z") == "pending"
    assert await status("2024-01-20T13:00:00Z") == "cancelled"
    assert await status("2024-01-20T12:30:00Z") == "pending"  # looking changes nothing
    confirmed = {"status": "confirmed"}
    answered(
        await sandbox.staff.patch(path, json=confirmed, headers=at("2024-01-20T12:59:59Z")), "appointment"
    )
    for name, body in (("cancel", {}), ("reschedule", {"start_time": "2024-01-26T14:00:00Z"})):
        late = await client.post(f"{link}/{name}", json=body, headers=at("2024-01-24T14:00:01Z"))
        refused(late, 409, "too_late")
    moved = await client.post(
        f"{link}/reschedule",
        json={"start_time": "2024-01-26T14:00:00Z"},
        headers=at("2024-01-24T14:00:00Z"),
    )
    assert answered(moved, "appointment")["expires_at"] == "2024-01-24T15:00:00Z"
    cancelled = await client.post(f"{link}/cancel", json={}, headers=at("2024-01-24T14:30:00Z"))
    answered(cancelled, "appointment")
    seen = await sandbox.get(booked["appointment"]["id"])
    assert seen["cancelled_at"] == "2024-01-24T14:30:00Z"
    answered(await client.get(link, headers=at("2024-02-25T14:59:59Z")), "appointment")
    refused(await client.get(link, headers=at("2024-02-25T15:00:00Z")), 404, "not_found")


async def test_a_clock_without_a_zone_is_the_organizations(app: FastAPI) -> None:
    page = await open_desk(app, sandbox=True, timezone="Europe/Berlin")
    for said, meant in (
        ("2024-07-01T08:00:00", "2024-07-01T06:00:00Z"),
        (" 20240701T08 ", "2024-07-01T06:00:00Z"),
        ("2024-03-31T01:59:59.999", "2024-03-31T00:59:59Z"),
    ):
        held = await page.staff.post("/v1/calendar/holds", json=page.wish(start_time=meant), headers=at(said))
        assert answered(held, "hold")["created_at"] == meant
        released = f"/v1/calendar/holds/{held.json()['hold']['id']}"
        assert (await page.staff.delete(released, headers=at(said))).status_code == 200
    link = f"{LINKS}/{(await page.booked_by_client(start_time='2024-01-25T13:00:00Z'))['manage_token']}"
    for said, code in (
        ("2024-03-31T02:30:00", "nonexistent_time"),
        ("2024-10-27T02:30:00", "ambiguous_time"),
        ("2024-07-01", "invalid_time"),
        ("noon", "invalid_time"),
        ("", "invalid_time"),
        ("0", "invalid_time"),
        ("0001-01-01T00:00:00+14:00", "invalid_time"),
    ):
        for response in (
            await page.staff.get(APPOINTMENTS, headers=at(said)),
            await page.staff.post(APPOINTMENTS, json=page.wish(), headers=at(said)),
            await page.client.get(page.path, headers=at(said)),
            await page.client.get(link, headers=at(said)),
            await page.post("appointments", at(said)),
        ):
            body = refused(response, 400, code)
            assert (
                code != "invalid_time" or said.startswith("0001") or body["error"].startswith("Test-Clock ")
            )
    assert len((await page.staff.get(APPOINTMENTS)).json()["appointments"]) == 1


async def test_elsewhere_the_header_is_refused(live: Desk, clock: StoppedClock) -> None:
    link = f"{LINKS}/{(await live.booked_by_client())['manage_token']}"
    later = live.wish(start_time="2024-01-26T14:00:00Z")
    for said in ("2024-01-20T12:00:00Z", "2030-01-01T00:00:00Z", "nonsense", ""):
        for client, method, path, body in (
            (live.staff, "GET", APPOINTMENTS, None),
            (live.staff, "POST", APPOINTMENTS, later),
            (live.staff, "GET", "/v1/organization", None),
            (live.client, "GET", live.path, None),
            (live.client, "POST", f"{live.path}/appointments", later),
            (live.client, "GET", link, None),
            (live.client, "POST", f"{link}/cancel", {}),
        ):
            response = await client.request(method, path, json=body, headers=at(said))
            refusal = refused(response, 400, "invalid_request")
            assert refusal["error"] == "Test-Clock is for sandbox organizations only."
    [seen] = (await live.staff.get(APPOINTMENTS)).json()["appointments"]
    assert (seen["status"], seen["version"]) == ("confirmed", 1)


async def test_a_clock_decides_neither_who_may_come_in_nor_how_often(
    app: FastAPI, db: Database, sandbox: Desk, clock: StoppedClock
) -> None:
    made = await db.write(
        keys.create, operator(sandbox.org.id), name=None, lifetime=timedelta(hours=1), now=clock.now()
    )
    clock.forward(hours=1)
    async with client_of(app, made["key"]) as late:
        refused(await late.get(APPOINTMENTS, headers=at("2024-01-20T12:00:00Z")), 401, "key_expired")
    left = [
        (await sandbox.client.get(sandbox.path, headers=at(now))).headers["x-ratelimit-remaining"]
        for now in ("2024-01-20T12:00:00Z", "2024-01-20T18:00:00Z")
    ]
    assert left == ["999", "998"]


async def test_the_first_and_the_last_moment_are_times_too(sandbox: Desk) -> None:
    """However far the clock is set, the answer is one of the documented ones."""
    await sandbox.set_type(requiresConfirmation=True, confirmWithinHours=1)
    booked = await sandbox.booked_by_client()
    link = f"{LINKS}/{booked['manage_token']}"
    days = {"appointment_type_id": sandbox.org.type_id, "from": "2024-01-25", "to": "2024-01-26"}
    start = {"appointment_type_id": sandbox.org.type_id, "start_time": "2024-01-25T09:00:00Z"}
    for now in EDGES:
        calls: list[tuple[httpx.AsyncClient, str, str, Any]] = [
            (client, "GET", f"{base}/{question}", query)
            for client, base in ((sandbox.client, sandbox.path), (sandbox.staff, "/v1/calendar"))
            for question, query in (("slots", days), ("slots/explain", start), ("days", days))
        ]
        of_link = days.items() - start.items()
        calls += [(sandbox.client, "GET", f"{link}/{each}", dict(of_link)) for each in ("slots", "days")]
        calls += [
            (sandbox.client, "GET", sandbox.path, None),
            (sandbox.staff, "GET", APPOINTMENTS, None),
            (sandbox.client, "POST", f"{sandbox.path}/holds", sandbox.wish()),
            (sandbox.client, "POST", f"{sandbox.path}/appointments", sandbox.wish()),
            (sandbox.staff, "POST", "/v1/calendar/holds", start),
            (sandbox.staff, "POST", APPOINTMENTS, sandbox.wish(start_time="2024-01-26T09:00:00Z")),
            (sandbox.client, "GET", link, None),
            (sandbox.client, "POST", f"{link}/reschedule", {"start_time": "2024-01-26T14:00:00Z"}),
            (sandbox.client, "POST", f"{link}/cancel", {}),
        ]
        for client, method, path, sent in calls:
            response = await client.request(
                method,
                path,
                params=sent if method == "GET" else None,
                json=sent if method == "POST" else None,
                headers=at(now) | {"Idempotency-Key": path},
            )
            assert response.status_code in (200, 400, 404, 409), (now, method, path, response.text)


async def test_the_worker_leaves_sandboxes_alone(
    db: Database, sandbox: Desk, live: Desk, clock: StoppedClock, worker: Worker
) -> None:
    """Their time is whatever a request says, so nothing there has lapsed for good."""
    for page in (sandbox, live):
        await page.set_type(requiresConfirmation=True, confirmWithinHours=1)
        await page.booked_by_client()
        answered(await page.post("holds", start_time="2024-01-25T15:00:00Z"), "hold")
    clock.forward(hours=1)
    assert await worker.settle_lapses() >= 2

    def stored(tx: Tx) -> dict[str, list[Any]]:
        mine = select(appointments.c.status, appointments.c.is_hold).order_by(appointments.c.start_time)
        return {
            page.org.id: [tuple(row) for row in tx.execute(mine.where(appointments.c.org_id == page.org.id))]
            for page in (sandbox, live)
        }

    assert await db.read(stored) == {
        sandbox.org.id: [("pending", False), ("pending", True)],
        live.org.id: [("cancelled", False)],
    }
    # An earlier clock finds it waiting, a later one lapsed.
    for now, status in (
        (datetime(2024, 1, 20, 12, 59, 59, tzinfo=UTC), "pending"),
        (clock.now(), "cancelled"),
    ):
        listed = await sandbox.staff.get(APPOINTMENTS, headers=at(now.isoformat()))
        assert [each["status"] for each in listed.json()["appointments"]] == [status]


async def test_deliveries_go_by_the_real_clock(
    db: Database, sandbox: Desk, clock: StoppedClock, worker: Worker
) -> None:
    """What happens in 2030 is told now."""
    year_2030 = at("2030-01-01T00:00:00Z")
    async with Receiver() as receiver:
        wish = WebhookCreate(url=receiver.url("/"), events=["*"])
        hook = await db.write(webhooks.create, operator(sandbox.org.id), wish, clock.now(), mail=False)
        path = f"/v1/webhooks/{hook.id}"
        await sandbox.staff.post(APPOINTMENTS, json=sandbox.wish(), headers=year_2030)
        listed = (await sandbox.staff.get("/v1/events", headers=year_2030)).json()["events"]
        [event] = [each for each in listed if each["type"] == "appointment.created"]
        assert event["occurred_at"] == "2030-01-01T00:00:00Z"
        tested = await sandbox.staff.post(f"{path}/test", headers=year_2030)
        assert tested.json()["data"]["next_attempt_at"] == "2024-01-20T12:00:00Z"
        await worker.take_events()
        await worker.courier.finish()
        told = [each.json()["event"] for each in receiver.got]
    assert told == ["appointment.created", "webhook.test"]
