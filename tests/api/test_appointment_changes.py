"""PATCH: times, statuses, details; versions and history."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import events
from kalends.services.booking import appointment_changes
from kalends.services.booking.appointments import row_of
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

PATH = "/v1/calendar/appointments"
TYPES = "/v1/calendar/appointment-types"


@pytest.fixture
async def booked(client: httpx.AsyncClient, org: Org, clock: StoppedClock) -> dict[str, Any]:
    made = await book_jane(client, org)
    clock.forward(hours=1)
    return made


async def patch(client: httpx.AsyncClient, made: dict[str, Any], **fields: Any) -> httpx.Response:
    return await client.patch(f"{PATH}/{made['id']}", json=fields)


async def kinds(db: Database, org: Org) -> list[str]:
    def told(tx: Tx) -> list[str]:
        rows = select(events.c.type).where(events.c.org_id == org.id).order_by(events.c.id)
        return list(tx.execute(rows).scalars())

    return await db.read(told)


async def test_the_reference_sends_the_id_in_the_body(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    changed = answered(
        await client.patch(PATH, json={"id": booked["id"], "status": "completed", "internal_notes": "Paid"}),
        "appointment",
    )
    assert changed == booked | {
        "status": "completed",
        "completed_at": "2024-01-20T13:00:00Z",
        "internal_notes": "Paid",
        "version": 2,
        "updated_at": "2024-01-20T13:00:00Z",
    }
    assert refused(await client.patch(PATH, json={}), 400, "missing_fields")["error"] == "id is required"
    answer = refused(await client.patch(PATH, json={"id": " ", "status": "x"}), 400, "missing_fields")
    assert answer["error"] == "id is required"


async def test_only_what_is_sent_changes_and_null_clears(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    changed = answered(await patch(client, booked, client_email=None, client_notes="Late"), "appointment")
    assert changed == booked | {
        "client_email": None,
        "client_notes": "Late",
        "version": 2,
        "updated_at": "2024-01-20T13:00:00Z",
    }
    for field in ("client_name", "status", "start_time"):
        response = await patch(client, booked, **{field: None})
        assert response.status_code == 400
        assert response.json()["error"].startswith(field)


async def test_a_change_that_changes_nothing_makes_no_version(
    client: httpx.AsyncClient, db: Database, org: Org, booked: dict[str, Any]
) -> None:
    for same in (
        {},
        {"status": "confirmed"},
        {"client_name": "Jane Doe"},
        {"start_time": "2024-01-25T15:00:00+01:00"},
        {"unknown": 1},
    ):
        assert answered(await patch(client, booked, **same), "appointment") == booked
    assert await kinds(db, org) == ["appointment.created"]


async def test_rescheduling_keeps_the_id_and_takes_the_types_present_duration(
    client: httpx.AsyncClient, db: Database, org: Org, booked: dict[str, Any]
) -> None:
    from sqlalchemy import update

    from kalends.db.tables import appointment_types

    def lengthen(tx: Tx) -> None:
        mine = appointment_types.c.id == org.type_id
        tx.execute(update(appointment_types).where(mine).values(duration_minutes=90, buffer_after_minutes=15))

    await db.write(lengthen)
    changed = answered(await patch(client, booked, start_time="2024-01-25T14:30:00Z"), "appointment")
    assert (changed["id"], changed["start_time"], changed["end_time"]) == (
        booked["id"],
        "2024-01-25T14:30:00Z",
        "2024-01-25T16:00:00Z",
    )
    assert await kinds(db, org) == ["appointment.created", "appointment.rescheduled"]
    # Its old time is free, its new one is taken to the end of the buffer.
    await book_jane(client, org, start_time="2024-01-25T12:45:00Z")
    late = org.wish(start_time="2024-01-25T16:14:00Z")
    refused(await client.post(PATH, json=late), 409, "slot_taken")


async def test_rescheduling_over_another_is_refused_and_may_be_forced(
    app: FastAPI,
    client: httpx.AsyncClient,
    db: Database,
    clock: StoppedClock,
    org: Org,
    booked: dict[str, Any],
) -> None:
    other = await book_jane(client, org, start_time="2024-01-25T16:00:00Z")
    answer = refused(await patch(client, other, start_time="2024-01-25T14:30:00Z"), 409, "slot_taken")
    assert [reason["appointment_id"] for reason in answer["details"]["reasons"]] == [booked["id"]]
    assert answered(await client.get(f"{PATH}/{other['id']}"), "appointment") == other
    forced = answered(
        await patch(client, other, start_time="2024-01-25T14:30:00Z", check="none"), "appointment"
    )
    assert forced["overlap_allowed"] is True
    back = answered(await patch(client, other, start_time="2024-01-25T16:00:00Z"), "appointment")
    assert back["overlap_allowed"] is False

    staff = await make_org(db, clock.now(), scopes=("write",))
    async with client_of(app, staff.key) as theirs:
        made = answered(await theirs.post(PATH, json=staff.wish()), "appointment")
        refused(await patch(theirs, made, client_name="X", check="none"), 403, "scope_missing")


async def test_an_appointment_may_move_within_its_own_time(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    answered(await patch(client, booked, start_time="2024-01-25T14:15:00Z"), "appointment")


async def test_staff_do_not_move_back_what_a_client_moves_to_another_calendar_meanwhile(
    client: httpx.AsyncClient, org: Org, booked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which calendar is to be locked is asked before it is, and the answer may be outdated by then."""
    room = answered(await client.post("/v1/calendar/calendars", json={"name": "Room"}), "calendar")["id"]

    def outdated(tx: Tx, org_id: str, id_: str, *, locked: bool = False) -> Any:
        row = row_of(tx, org_id, id_, locked=locked)
        return row if locked else SimpleNamespace(**{**row._mapping, "calendar_id": room})

    monkeypatch.setattr(appointment_changes, "row_of", outdated)
    refused(await patch(client, booked, start_time="2024-01-25T16:00:00Z"), 409, "conflict")
    assert answered(await client.get(f"{PATH}/{booked['id']}"), "appointment") == booked
    # What takes no time is no matter of calendars.
    assert (await patch(client, booked, status="confirmed", client_notes="Late")).status_code == 200


async def test_dry_run_shows_the_change_and_makes_none(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    response = await client.patch(
        f"{PATH}/{booked['id']}", json={"status": "cancelled"}, params={"dry_run": "true"}
    )
    assert answered(response, "appointment")["status"] == "cancelled"
    assert answered(await client.get(f"{PATH}/{booked['id']}"), "appointment") == booked


async def test_each_status_sets_its_timestamp_and_history_keeps_them(
    client: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock, booked: dict[str, Any]
) -> None:
    stamps = {}
    for status in ("completed", "no_show", "completed"):
        clock.forward(minutes=1)
        changed = answered(await patch(client, booked, status=status), "appointment")
        stamps[f"{status}_at"] = changed["updated_at"]
        assert changed["status"] == status
    assert {field: changed[field] for field in stamps} == stamps
    assert changed["confirmed_at"] == booked["confirmed_at"]
    assert changed["version"] == 4
    assert await kinds(db, org) == [
        "appointment.created",
        "appointment.completed",
        "appointment.no_show",
        "appointment.completed",
    ]


async def test_cancelling_frees_the_slot_and_un_cancelling_is_checked(
    client: httpx.AsyncClient, org: Org, booked: dict[str, Any], clock: StoppedClock
) -> None:
    cancelled = answered(
        await patch(client, booked, status="cancelled", cancellation_reason="Ill"), "appointment"
    )
    assert (cancelled["cancelled_at"], cancelled["cancellation_reason"]) == ("2024-01-20T13:00:00Z", "Ill")
    other = await book_jane(client, org)
    answer = refused(await patch(client, booked, status="confirmed"), 409, "slot_taken")
    assert answer["details"]["reasons"][0]["appointment_id"] == other["id"]
    moved = {"status": "confirmed", "start_time": "2024-01-25T15:00:00Z"}
    clock.forward(hours=1)
    again = answered(await patch(client, booked, **moved), "appointment")
    assert (again["cancelled_at"], again["cancellation_reason"]) == (None, None)
    assert (again["confirmed_at"], again["start_time"]) == ("2024-01-20T14:00:00Z", "2024-01-25T15:00:00Z")


async def test_what_stays_cancelled_is_not_moved(client: httpx.AsyncClient, booked: dict[str, Any]) -> None:
    gone = answered(await patch(client, booked, status="cancelled"), "appointment")
    later = "2024-01-25T16:00:00Z"
    for wish in ({}, {"status": "cancelled"}, {"check": "none"}):
        answer = refused(await patch(client, booked, start_time=later, **wish), 409, "illegal_transition")
        assert answer["details"] == {"status": "cancelled", "allowed": ["confirmed"]}
    # A whole answer may be sent back, and what stands again may be elsewhere.
    same = {"start_time": gone["start_time"], "end_time": gone["end_time"], "status": "cancelled"}
    assert answered(await patch(client, booked, **same), "appointment") == gone
    moved = answered(await patch(client, booked, start_time=later, status="confirmed"), "appointment")
    assert (moved["status"], moved["start_time"], moved["version"]) == ("confirmed", later, 3)


async def test_illegal_transitions_name_what_is_allowed(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    answer = refused(await patch(client, booked, status="pending"), 409, "illegal_transition")
    assert answer["details"] == {"status": "confirmed", "allowed": ["completed", "no_show", "cancelled"]}
    refused(await patch(client, booked, status="lost"), 400, "invalid_request")
    refused(await patch(client, booked, cancellation_reason="Ill"), 409, "conflict")


async def test_if_match_refuses_what_changed_meanwhile(
    client: httpx.AsyncClient, booked: dict[str, Any]
) -> None:
    path = f"{PATH}/{booked['id']}"
    tag = (await client.get(path)).headers["etag"]
    assert tag == '"1"'
    answered(await client.patch(path, json={"client_notes": "a"}, headers={"If-Match": tag}), "appointment")
    stale = await client.patch(path, json={"client_notes": "b"}, headers={"If-Match": tag})
    assert refused(stale, 412, "precondition_failed")["details"] == {"version": 2}
    for matching in ('"2"', 'W/"2"', '"1", "2"', "*"):
        response = await client.patch(path, json={"client_notes": "a"}, headers={"If-Match": matching})
        answered(response, "appointment")
    for other in ('"x"', "", '"99999999999"'):
        response = await client.patch(path, json={"client_notes": "c"}, headers={"If-Match": other})
        refused(response, 412, "precondition_failed")
    assert (await client.get(path)).headers["etag"] == '"2"'


async def test_history_tells_every_change(
    app: FastAPI, client: httpx.AsyncClient, org: Org, clock: StoppedClock, booked: dict[str, Any]
) -> None:
    await patch(client, booked, client_notes="Late", start_time="2024-01-26T14:00:00Z")
    clock.forward(days=1)
    await patch(client, booked, status="cancelled", cancellation_reason="Ill")
    entries = (await client.get(f"{PATH}/{booked['id']}/history")).json()["history"]
    actor = {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"}
    assert entries == [
        {"version": 1, "at": "2024-01-20T12:00:00Z", "actor": actor, "before": None, "after": booked},
        {
            "version": 2,
            "at": "2024-01-20T13:00:00Z",
            "actor": actor,
            "before": {
                "start_time": "2024-01-25T14:00:00Z",
                "end_time": "2024-01-25T15:00:00Z",
                "client_notes": None,
            },
            "after": {
                "start_time": "2024-01-26T14:00:00Z",
                "end_time": "2024-01-26T15:00:00Z",
                "client_notes": "Late",
            },
        },
        {
            "version": 3,
            "at": "2024-01-21T13:00:00Z",
            "actor": actor,
            "before": {"status": "confirmed", "cancelled_at": None, "cancellation_reason": None},
            "after": {
                "status": "cancelled",
                "cancelled_at": "2024-01-21T13:00:00Z",
                "cancellation_reason": "Ill",
            },
        },
    ]


async def test_other_organizations_appointments_do_not_exist(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, booked: dict[str, Any]
) -> None:
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as theirs:
        refused(await patch(theirs, booked, client_name="Mallory"), 404, "not_found")
        refused(
            await theirs.patch(PATH, json={"id": booked["id"], "client_name": "Mallory"}), 404, "not_found"
        )
        refused(await theirs.get(f"{PATH}/{booked['id']}/history"), 404, "not_found")
        assert (await theirs.get(PATH)).json() == {"appointments": [], "next_cursor": None}
    assert answered(await client.get(f"{PATH}/{booked['id']}"), "appointment") == booked


async def test_patch_once_per_idempotency_key(
    client: httpx.AsyncClient, db: Database, org: Org, booked: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "move"}
    path = f"{PATH}/{booked['id']}"
    first = await client.patch(path, json={"client_notes": "a"}, headers=key)
    await patch(client, booked, client_notes="b")
    again = await client.patch(path, json={"client_notes": "a"}, headers=key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert answered(await client.get(path), "appointment")["client_notes"] == "b"
