"""Bookings that wait for their confirmation, and lapse where none comes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from kalends.db.database import Database, Tx
from kalends.db.tables import appointments, events, organizations
from kalends.worker import Worker
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import BASE, Desk, at, codes, week
from tests.support.organizations import JANE, Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

TEN = at("10:00")
DEADLINE = "2024-01-20T14:00:00Z"
LAPSED = {
    "status": "cancelled",
    "expires_at": None,
    "cancelled_at": DEADLINE,
    "cancellation_reason": "confirmation_expired",
}
LAPSE = {
    "version": 2,
    "actor": {"kind": "system", "id": None, "name": None},
    "before": {
        "status": "pending",
        "expires_at": DEADLINE,
        "cancelled_at": None,
        "cancellation_reason": None,
    },
    "after": LAPSED,
}


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    desk = Desk(app, org)
    await set_up(desk)
    return desk


@pytest.fixture
async def pending(desk: Desk) -> dict[str, Any]:
    return await asked(desk)


async def set_up(desk: Desk) -> None:
    """Open from nine to five; an hour each, to be confirmed within two."""
    await desk.open(*week("09:00-17:00"))
    await desk.set_type(requiresConfirmation=True, confirmWithinHours=2)


async def ask(desk: Desk, start: str = TEN) -> httpx.Response:
    """What a client of the organization books."""
    wish = JANE | {"appointment_type_id": desk.org.type_id, "start_time": start}
    return await desk.client.post(f"{desk.path}/appointments", json=wish)


async def asked(desk: Desk, start: str = TEN) -> dict[str, Any]:
    """The same, as staff see it."""
    return await desk.get((await ask(desk, start)).json()["appointment"])


async def written(db: Database, org: Org, appointment: dict[str, Any]) -> tuple[str, int]:
    """Status and version as they are stored."""

    def look(tx: Tx) -> tuple[str, int]:
        mine = (appointments.c.org_id == org.id, appointments.c.id == appointment["id"])
        row = tx.execute(select(appointments.c.status, appointments.c.version).where(*mine)).one()
        return row.status, row.version

    return await db.read(look)


async def told(db: Database, org: Org) -> list[dict[str, Any]]:
    """What events say of cancellations."""

    def look(tx: Tx) -> list[dict[str, Any]]:
        mine = (events.c.org_id == org.id, events.c.type == "appointment.cancelled")
        payloads = tx.execute(select(events.c.payload).where(*mine)).scalars()
        return [httpx.Response(200, text=payload).json() for payload in payloads]

    return await db.read(look)


async def test_a_pending_one_keeps_its_time_and_counts(desk: Desk, pending: dict[str, Any]) -> None:
    assert {
        name: pending[name] for name in ("status", "expires_at", "confirmed_at", "source", "version")
    } == {
        "status": "pending",
        "expires_at": DEADLINE,
        "confirmed_at": None,
        "source": "booking_page",
        "version": 1,
    }
    answer = refused(await desk.book(at("10:30")), 409, "slot_taken")
    assert answer["details"]["reasons"][0]["appointment_id"] == pending["id"]
    refused(await desk.hold(TEN), 409, "slot_taken")
    refused(await ask(desk), 409, "slot_taken")
    assert TEN not in await desk.starts()
    await desk.set_type(maxPerDay=1)
    assert codes(await desk.explain(at("12:00"))) == ["limit_reached"]
    assert await desk.listed(status="pending") == [pending["id"]]


async def test_staff_confirm_it(desk: Desk, pending: dict[str, Any], clock: StoppedClock) -> None:
    clock.forward(hours=2, seconds=-1)
    confirmed = await desk.changed(pending, status="confirmed")
    assert confirmed == pending | {
        "status": "confirmed",
        "confirmed_at": "2024-01-20T13:59:59Z",
        "expires_at": None,
        "version": 2,
        "updated_at": "2024-01-20T13:59:59Z",
    }
    clock.forward(hours=1)
    assert await desk.get(pending) == confirmed
    refused(await desk.book(TEN), 409, "slot_taken")


async def test_a_place_that_one_server_saw_lapse_is_not_confirmed_at_another(
    desk: Desk, pending: dict[str, Any], clock: StoppedClock
) -> None:
    """Of two servers, the one whose clock is behind is asked last."""
    await desk.set_type(maxPerDay=1)
    clock.forward(hours=2)
    booked = await desk.booked(at("12:00"), check="all")
    clock.forward(seconds=-1)
    refused(await desk.change(pending, status="confirmed", check="all"), 409, "limit_reached")
    assert await desk.listed(status="confirmed") == [booked["id"]]


async def test_staff_cancel_it(
    desk: Desk, db: Database, pending: dict[str, Any], clock: StoppedClock
) -> None:
    cancelled = await desk.changed(pending, status="cancelled", cancellation_reason="Full")
    assert (cancelled["expires_at"], cancelled["cancelled_at"]) == (None, "2024-01-20T12:00:00Z")
    await desk.booked(TEN)
    clock.forward(hours=3)
    assert await desk.get(pending) == cancelled
    [event] = await told(db, desk.org)
    assert (event["actor"]["kind"], event["appointment"]) == ("api_key", cancelled)


async def test_staff_move_it_and_it_goes_on_waiting(desk: Desk, pending: dict[str, Any]) -> None:
    moved = await desk.changed(pending, start_time=at("12:00"), check="all")
    assert (moved["status"], moved["expires_at"]) == ("pending", DEADLINE)
    refused(await desk.change(pending, status="completed"), 409, "illegal_transition")


async def test_what_staff_book_is_confirmed(desk: Desk) -> None:
    for check in ("conflicts", "all"):
        booked = await desk.booked(at("12:00" if check == "all" else "14:00"), check=check)
        assert (booked["status"], booked["expires_at"]) == ("confirmed", None)


async def test_what_lapsed_is_cancelled_before_anybody_wrote_it(
    desk: Desk, db: Database, pending: dict[str, Any], clock: StoppedClock
) -> None:
    path = f"{BASE}/appointments/{pending['id']}"
    other = await desk.booked(at("12:00"))
    clock.forward(hours=2, seconds=-1)
    response = await desk.staff.get(path)
    assert (answered(response, "appointment"), response.headers["etag"]) == (pending, '"1"')
    assert len(await desk.history(pending)) == 1

    clock.forward(seconds=1)
    response = await desk.staff.get(path)
    lapsed = answered(response, "appointment")
    assert lapsed == pending | LAPSED | {"version": 2, "updated_at": DEADLINE}
    assert response.headers["etag"] == '"2"'
    listed = (await desk.staff.get(f"{BASE}/appointments")).json()["appointments"]
    assert listed == [lapsed, other]
    for status, found in {
        "pending": [],
        "cancelled": [pending["id"]],
        "confirmed": [other["id"]],
        "pending,cancelled": [pending["id"]],
        "cancelled,confirmed": [pending["id"], other["id"]],
    }.items():
        assert await desk.listed(status=status) == found
    made, lapse = await desk.history(pending)
    assert made["after"] == pending
    assert lapse == LAPSE | {"at": DEADLINE}
    assert TEN in await desk.starts()
    await desk.set_type(maxPerDay=2)
    assert (await desk.explain(TEN))["bookable"] is True
    await desk.book(TEN, dry_run=True)
    assert await written(db, desk.org, pending) == ("pending", 1)
    assert await told(db, desk.org) == []


async def _reschedule(desk: Desk) -> httpx.Response:
    return await desk.change(await desk.booked(at("14:00")), start_time=at("10:30"))


TAKING: dict[str, Callable[[Desk], Awaitable[httpx.Response]]] = {
    "book": lambda desk: desk.book(at("10:30")),
    "book by every rule": lambda desk: desk.book(TEN, check="all"),
    "force": lambda desk: desk.book(TEN, check="none"),
    "hold": lambda desk: desk.hold(TEN),
    "reschedule": _reschedule,
    "a client books": ask,
}


@pytest.mark.parametrize("take", TAKING.values(), ids=TAKING)
async def test_whoever_takes_its_time_settles_it(
    desk: Desk,
    db: Database,
    pending: dict[str, Any],
    clock: StoppedClock,
    take: Callable[[Desk], Awaitable[httpx.Response]],
) -> None:
    clock.forward(hours=2)
    lapsed = await desk.get(pending)
    clock.forward(hours=1)
    response = await take(desk)
    assert response.status_code == 200, response.text
    assert response.json().get("appointment", {}).get("overlap_allowed", False) is False
    assert await written(db, desk.org, pending) == ("cancelled", 2)
    settled = await desk.get(pending)
    assert settled == lapsed | {"updated_at": "2024-01-20T15:00:00Z"}
    [event] = await told(db, desk.org)
    assert event == {
        "appointment": settled,
        "previous": LAPSE["before"],
        "actor": LAPSE["actor"],
        "check": "none",
    }
    _, lapse = await desk.history(pending)
    assert lapse | {"at": None} == LAPSE | {"at": None}
    assert pending["id"] in await desk.listed(updated_since="2024-01-20T15:00:00Z")


async def test_un_cancelling_what_lapsed_is_checked_again(
    desk: Desk, db: Database, pending: dict[str, Any], clock: StoppedClock
) -> None:
    clock.forward(hours=2)
    other = await desk.booked(at("10:30"))
    answer = refused(await desk.change(pending, status="confirmed"), 409, "slot_taken")
    assert answer["details"]["reasons"][0]["appointment_id"] == other["id"]
    await desk.changed(other, status="cancelled")
    await desk.open()
    refused(await desk.change(pending, status="confirmed", check="all"), 409, "outside_hours")
    assert (await desk.get(pending))["status"] == "cancelled"
    again = await desk.changed(pending, status="confirmed")
    assert again == pending | {
        "status": "confirmed",
        "expires_at": None,
        "confirmed_at": DEADLINE,
        "version": 3,
        "updated_at": DEADLINE,
    }
    entries = await desk.history(pending)
    assert [(entry["version"], entry["actor"]["kind"]) for entry in entries] == [
        (1, "client"),
        (2, "system"),
        (3, "api_key"),
    ]
    clock.forward(hours=1)
    assert await desk.get(pending) == again


async def test_a_change_of_what_lapsed_goes_on_from_what_reads_show(
    desk: Desk, db: Database, pending: dict[str, Any], clock: StoppedClock
) -> None:
    clock.forward(hours=2)
    path = f"{BASE}/appointments/{pending['id']}"
    answer = refused(await desk.change(pending, status="completed"), 409, "illegal_transition")
    assert answer["details"] == {"status": "cancelled", "allowed": ["confirmed"]}
    stale = await desk.staff.patch(path, json={"client_notes": "A"}, headers={"If-Match": '"1"'})
    assert refused(stale, 412, "precondition_failed")["details"] == {"version": 2}
    rehearsed = await desk.staff.patch(path, json={"client_notes": "A"}, params={"dry_run": "true"})
    assert answered(rehearsed, "appointment")["version"] == 3
    assert await written(db, desk.org, pending) == ("pending", 1)

    # What changes nothing makes no version of its own.
    assert await desk.changed(pending, status="cancelled") == pending | LAPSED | {
        "version": 2,
        "updated_at": DEADLINE,
    }
    assert await written(db, desk.org, pending) == ("cancelled", 2)
    fresh = await desk.staff.patch(path, json={"client_notes": "A"}, headers={"If-Match": '"2"'})
    assert answered(fresh, "appointment")["version"] == 3
    assert len(await told(db, desk.org)) == 1


async def test_if_match_holds_for_the_version_that_reads_show(
    desk: Desk, pending: dict[str, Any], clock: StoppedClock
) -> None:
    clock.forward(hours=2)
    path = f"{BASE}/appointments/{pending['id']}"
    tag = (await desk.staff.get(path)).headers["etag"]
    moved = {"status": "confirmed", "start_time": at("12:00")}
    changed = answered(await desk.staff.patch(path, json=moved, headers={"If-Match": tag}), "appointment")
    assert (changed["version"], changed["status"], changed["end_time"]) == (3, "confirmed", at("13:00"))


@pytest.fixture
async def sandbox(app: FastAPI, db: Database, clock: StoppedClock) -> Desk:
    org = await make_org(db, clock.now())

    def mark(tx: Tx) -> None:
        tx.execute(update(organizations).where(organizations.c.id == org.id).values(sandbox=True))

    await db.write(mark)
    desk = Desk(app, org)
    await set_up(desk)
    return desk


async def test_the_worker_settles_the_rest_once(
    desk: Desk, sandbox: Desk, db: Database, clock: StoppedClock, worker: Worker
) -> None:
    early, untouched = await asked(desk), await asked(sandbox)
    clock.forward(hours=1)
    late = await asked(desk, at("12:00"))
    clock.forward(hours=1, seconds=-1)
    await desk.held(at("15:00"), ttl_seconds=1)
    await sandbox.held(at("15:00"), ttl_seconds=1)
    await worker.settle_lapses()
    assert await written(db, desk.org, early) == ("pending", 1)
    clock.forward(seconds=1)

    lapsed = await desk.get(early)
    assert await worker.settle_lapses() >= 2  # perhaps of other organizations, too
    assert await desk.get(early) == lapsed
    assert await written(db, desk.org, early) == ("cancelled", 2)
    assert await written(db, desk.org, late) == ("pending", 1)
    assert await worker.settle_lapses() == 0
    assert [event["appointment"] for event in await told(db, desk.org)] == [lapsed]
    assert await desk.history(early) == [
        {"version": 1, "at": early["created_at"], "actor": {"kind": "client", "id": None, "name": None}}
        | {"before": None, "after": early},
        LAPSE | {"at": DEADLINE},
    ]

    def kept(tx: Tx, org: Org) -> list[bool]:
        rows = select(appointments.c.is_hold).where(appointments.c.org_id == org.id)
        return sorted(tx.execute(rows).scalars())

    assert await db.read(kept, desk.org) == [False, False]
    # A sandbox's time is whatever a request says.
    assert await db.read(kept, sandbox.org) == [False, True]
    assert await written(db, sandbox.org, untouched) == ("pending", 1)
    assert (await sandbox.get(untouched))["status"] == "cancelled"
    earlier = await sandbox.staff.get(
        f"{BASE}/appointments/{untouched['id']}", headers={"Test-Clock": "2024-01-20T13:59:59Z"}
    )
    assert answered(earlier, "appointment") == untouched
    await sandbox.booked(TEN)
    assert await written(db, sandbox.org, untouched) == ("cancelled", 2)


async def test_a_lapse_is_written_once_whoever_comes_first(
    desk: Desk, db: Database, clock: StoppedClock, worker: Worker
) -> None:
    await desk.set_type(maxOpenPerClient=None)
    waiting = [await asked(desk, at(f"{hour}:00")) for hour in ("09", "10", "11", "12")]
    clock.forward(hours=2)
    answers = await asyncio.gather(
        *(desk.book(each["start_time"]) for each in waiting),
        *(desk.change(each, client_notes="Late") for each in waiting),
        worker.settle_lapses(),
        worker.settle_lapses(),
    )
    assert [each.status_code for each in answers if isinstance(each, httpx.Response)] == [200] * 8
    ids = [event["appointment"]["id"] for event in await told(db, desk.org)]
    assert sorted(ids) == sorted(each["id"] for each in waiting)
    for each in waiting:
        assert [entry["version"] for entry in await desk.history(each)] == [1, 2, 3]


# It waits until its time begins, and no longer.

FEW_HOURS = at("20:00", "2024-01-20")
"""Eight hours from now."""


def lapsed_at(when: str) -> dict[str, Any]:
    return LAPSED | {"cancelled_at": when}


@pytest.mark.parametrize("within", [None, 8, 9, 10_000])
async def test_it_waits_until_its_time_begins_and_no_longer(
    desk: Desk, db: Database, clock: StoppedClock, worker: Worker, within: int | None
) -> None:
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(confirmWithinHours=within, minNoticeHours=0)
    response = await ask(desk, FEW_HOURS)
    pending = await desk.get(response.json()["appointment"])
    assert (pending["status"], pending["expires_at"]) == ("pending", FEW_HOURS)
    assert response.json()["appointment"]["expires_at"] == FEW_HOURS
    clock.forward(hours=8, seconds=-1)
    assert await desk.get(pending) == pending
    await worker.settle_lapses()
    assert await written(db, desk.org, pending) == ("pending", 1)
    clock.forward(seconds=1)
    lapsed = await desk.get(pending)
    assert lapsed == pending | lapsed_at(FEW_HOURS) | {"version": 2, "updated_at": FEW_HOURS}
    assert await desk.listed(status="pending") == []
    await desk.booked(FEW_HOURS)
    assert (await desk.get(pending))["cancellation_reason"] == "confirmation_expired"
    [event] = await told(db, desk.org)
    assert (event["actor"]["kind"], event["appointment"]["id"]) == ("system", pending["id"])


async def test_a_deadline_before_the_start_counts(desk: Desk) -> None:
    await desk.set_type(confirmWithinHours=117)
    assert (await asked(desk))["expires_at"] == at("09:00")
    await desk.set_type(confirmWithinHours=119)
    assert (await asked(desk, at("11:00")))["expires_at"] == at("11:00")


@pytest.mark.parametrize("within", [None, 5])
async def test_what_has_begun_cant_be_confirmed(desk: Desk, clock: StoppedClock, within: int | None) -> None:
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(confirmWithinHours=within, minNoticeHours=0)
    requests = [await asked(desk, at(clock, "2024-01-20")) for clock in ("18:00", "20:00")]
    await desk.changed(requests[1], status="cancelled")
    clock.at = clock.at.replace(hour=18)
    for check in ("conflicts", "all", "none"):
        answer = refused(
            await desk.change(requests[0], status="confirmed", check=check), 409, "illegal_transition"
        )
        assert answer["details"] == {"status": "cancelled", "allowed": []}
        assert "2024-01-20T18:00:00Z" in answer["error"]
    assert (await desk.get(requests[0]))["cancellation_reason"] == "confirmation_expired"
    # One that staff turned down, or that has lapsed, can be confirmed after all while its time lies ahead.
    clock.forward(hours=2, seconds=-1)
    assert (await desk.changed(requests[1], status="confirmed"))["status"] == "confirmed"
    # And for another time, at once.
    past = await desk.change(requests[0], status="confirmed", start_time=at("19:00", "2024-01-20"))
    refused(past, 409, "illegal_transition")
    moved = await desk.changed(requests[0], status="confirmed", start_time=TEN)
    assert (moved["status"], moved["start_time"], moved["expires_at"]) == ("confirmed", TEN, None)
    # What was confirmed may be un-cancelled whenever it was.
    clock.forward(hours=5)
    await desk.changed(requests[1], status="cancelled")
    assert (await desk.changed(requests[1], status="confirmed"))["status"] == "confirmed"


async def test_staff_move_it_and_the_deadline_stays_but_its_start_comes_first(
    desk: Desk, clock: StoppedClock
) -> None:
    """Two days to confirm: until noon of the 22nd."""
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(confirmWithinHours=48, minNoticeHours=0)
    pending = await asked(desk, at("09:00", "2024-01-22"))
    for hours, start, expires_at in (
        (0, at("10:00", "2024-01-21"), at("10:00", "2024-01-21")),
        (1, at("20:00", "2024-01-21"), at("20:00", "2024-01-21")),
        (1, TEN, at("12:00", "2024-01-22")),
        (1, at("14:00"), at("12:00", "2024-01-22")),
        (0, at("08:00", "2024-01-22"), at("08:00", "2024-01-22")),
        (0, at("12:00", "2024-01-22"), at("12:00", "2024-01-22")),
        (0, at("12:01", "2024-01-22"), at("12:00", "2024-01-22")),
    ):
        clock.forward(hours=hours)
        moved = await desk.changed(pending, start_time=start)
        assert (moved["status"], moved["expires_at"]) == ("pending", expires_at), start
    changed = await desk.changed(pending, client_notes="By train")
    assert changed["expires_at"] == at("12:00", "2024-01-22")


async def test_staff_move_it_without_a_deadline_and_it_waits_until_it_begins(desk: Desk) -> None:
    await desk.set_type(confirmWithinHours=None)
    pending = await asked(desk)
    for start in (at("15:00"), at("09:00", "2024-03-01"), at("09:00", "2024-01-23")):
        assert (await desk.changed(pending, start_time=start))["expires_at"] == start


async def test_a_client_who_moves_it_asks_anew_and_staff_keep_that_deadline(
    desk: Desk, clock: StoppedClock
) -> None:
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(confirmWithinHours=48, minNoticeHours=0)
    made = (await ask(desk)).json()
    pending, link = made["appointment"], f"/v1/public/appointments/{made['manage_token']}"
    clock.forward(hours=40)
    sooner = at("20:00", "2024-01-22")
    moved = await desk.staff.post(f"{link}/reschedule", json={"start_time": sooner})
    assert answered(moved, "appointment")["expires_at"] == sooner
    clock.forward(hours=10)
    # Later, but not beyond two days after the client asked last.
    assert (await desk.changed(pending, start_time=TEN))["expires_at"] == at("04:00", "2024-01-24")


async def test_it_cant_be_moved_to_what_has_begun(desk: Desk, pending: dict[str, Any]) -> None:
    for start in (at("11:00", "2024-01-20"), at("12:00", "2024-01-20")):
        answer = refused(await desk.change(pending, start_time=start), 409, "illegal_transition")
        assert answer["details"] == {"status": "pending", "allowed": []}
    answer = refused(
        await desk.change(pending, start_time=at("09:00", "2024-01-20"), check="all"), 409, "too_soon"
    )
    assert answer["details"]["next_available"]
    assert await desk.get(pending) == pending


async def test_what_begins_this_second_is_no_longer_asked_for(desk: Desk, clock: StoppedClock) -> None:
    """By no way: nobody could confirm it."""
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(minNoticeHours=0)
    now = at("12:00", "2024-01-20")
    assert now not in await desk.starts("2024-01-20", "2024-01-20")
    refused(await ask(desk, now), 409, "too_soon")
    clock.forward(minutes=55)
    wish = {"appointment_type_id": desk.org.type_id, "start_time": at("13:00", "2024-01-20")}
    hold = answered(await desk.client.post(f"{desk.path}/holds", json=wish | {"ttl_seconds": 900}), "hold")
    clock.forward(minutes=5)
    with_hold = wish | {"client_name": "Jane", "client_phone": "+123456", "hold_id": hold["id"]}
    answer = refused(await desk.client.post(f"{desk.path}/appointments", json=with_hold), 409, "hold_gone")
    assert "has begun" in answer["error"]
    assert await desk.listed() == []
    await desk.set_type(requiresConfirmation=False)
    assert at("13:00", "2024-01-20") not in await desk.starts("2024-01-20", "2024-01-20")  # it is held
    assert (await desk.client.post(f"{desk.path}/appointments", json=with_hold)).status_code == 200
