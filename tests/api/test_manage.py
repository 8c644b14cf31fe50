"""What a client does by the secret link of their appointment: see, cancel, move."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import events
from kalends.settings import Settings
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, Desk, Link, open_desk

pytestmark = pytest.mark.anyio

CLIENT = {"kind": "client", "id": None, "name": None}
START = datetime(2024, 1, 25, 14, tzinfo=UTC)


@pytest.fixture
async def link(page: Desk) -> Link:
    return page.link(await page.booked_by_client())


async def by_staff(page: Desk, link: Link, **fields: Any) -> None:
    answered(await page.staff.patch(f"{APPOINTMENTS}/{link.id}", json=fields), "appointment")


async def notice(page: Desk, hours: int) -> None:
    """Set the organization's notice; no grace."""
    body = {"client_notice_hours": hours, "client_grace_minutes": 0}
    assert (
        answered(await page.staff.patch("/v1/organization", json=body), "organization").items()
        >= body.items()
    )


async def kinds(db: Database, page: Desk) -> list[str]:
    def told(tx: Tx) -> list[str]:
        of_appointments = events.c.type.startswith("appointment.", autoescape=True)
        mine = select(events.c.type).where(events.c.org_id == page.org.id, of_appointments)
        return list(tx.execute(mine.order_by(events.c.id)).scalars())

    return await db.read(told)


async def test_the_link_shows_what_concerns_the_client(page: Desk) -> None:
    booked = await page.booked_by_client(client_notes="Parking?")
    link = page.link(booked)
    assert answered(await link.get(), "appointment") == booked["appointment"]
    await by_staff(
        page, link, internal_notes="VIP", client_name="Jane Roe", start_time="2024-02-01T03:00:00Z"
    )
    assert answered(await link.get(), "appointment") == booked["appointment"] | {
        "client_name": "Jane Roe",
        "start_time": "2024-02-01T03:00:00Z",
        "end_time": "2024-02-01T04:00:00Z",
        "changeable_until": "2024-01-31T03:00:00Z",
    }


async def test_a_client_cancels_once_and_may_say_why(
    page: Desk, db: Database, link: Link, clock: StoppedClock
) -> None:
    clock.forward(hours=1)
    before = answered(await link.get(), "appointment")
    cancelled = answered(await link.cancel(reason=" Ill "), "appointment")
    assert cancelled == before | {"status": "cancelled"}
    seen = await link.seen()
    assert (seen["cancelled_at"], seen["cancellation_reason"]) == ("2024-01-20T13:00:00Z", "Ill")
    clock.forward(hours=1)
    assert answered(await link.cancel(reason="Well"), "appointment") == cancelled
    assert await link.seen() == seen
    made, change = await page.history(link.id)
    assert (made["actor"], change["actor"], change["version"]) == (CLIENT, CLIENT, 2)
    assert change["after"] == {
        "status": "cancelled",
        "cancelled_at": "2024-01-20T13:00:00Z",
        "cancellation_reason": "Ill",
    }
    assert await kinds(db, page) == ["appointment.created", "appointment.cancelled"]
    assert answered(await link.get(), "appointment") == cancelled
    await page.booked_by_client()  # the time is free again


async def test_what_only_staff_can_change_is_refused_by_name(page: Desk) -> None:
    link = page.link(await page.booked_by_client())
    before = await link.seen()
    for name, value in (
        ("check", "none"),
        ("calendar_id", "cal_x"),
        ("end_time", None),
        ("client_name", "X"),
    ):
        answer = refused(
            await link.reschedule("2024-01-26T14:00:00Z", **{name: value}), 400, "invalid_request"
        )
        assert answer["error"].startswith(f"{name} can't be set here")
    for name in ("status", "cancellation_reason", "internal_notes"):
        answer = refused(await link.cancel(**{name: "completed"}), 400, "invalid_request")
        assert answer["error"].startswith(f"{name} can't be set here")
    assert (
        "send reason" in refused(await link.cancel(cancellation_reason="x"), 400, "invalid_request")["error"]
    )
    assert await link.seen() == before


async def test_a_reason_is_nobodys_duty(page: Desk) -> None:
    for body in ({}, {"reason": None}, {"reason": " "}, {"utm": "x"}):
        link = page.link(await page.booked_by_client())
        answered(await link.cancel(**body), "appointment")
        seen = await link.seen()
        assert (seen["status"], seen["cancellation_reason"]) == ("cancelled", None)


async def test_bad_bodies_change_nothing(page: Desk, link: Link) -> None:
    for action in ("cancel", "reschedule"):
        path = f"{link.path}/{action}"
        refused(
            await page.client.post(path), 400, "missing_fields" if action == "reschedule" else "invalid_json"
        )
        refused(await page.client.post(path, json=[]), 400, "invalid_json")
        refused(
            await page.client.post(path, content=b"x", headers={"Content-Type": "a/b"}),
            415,
            "unsupported_media_type",
        )
    refused(await link.cancel(reason="x" * 10_001), 400, "invalid_request")
    refused(await link.cancel(reason=7), 400, "invalid_request")
    refused(await link.reschedule("tomorrow"), 400, "invalid_time")
    assert refused(await link.reschedule(" "), 400, "missing_fields")["error"] == "start_time is required"
    assert (await link.seen())["version"] == 1


@pytest.mark.parametrize("hours", [0, 48])
async def test_the_organizations_notice_counts_to_the_second(
    page: Desk, link: Link, clock: StoppedClock, hours: int
) -> None:
    await page.set_type(minNoticeHours=0)
    await notice(page, hours)
    until = START - timedelta(hours=hours)
    told = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert answered(await link.get(), "appointment")["changeable_until"] == told
    clock.at = until + timedelta(seconds=1)
    for response in (await link.reschedule("2024-01-29T14:00:00Z"), await link.cancel()):
        body = refused(response, 409, "too_late")
        assert body["details"] == {"until": told}
        assert body["error"].endswith("please get in touch with Doe & Daughters.")
    assert (await link.seen())["version"] == 1
    clock.at = until
    moved = answered(await link.reschedule("2024-01-25T15:00:00Z"), "appointment")
    assert moved["start_time"] == "2024-01-25T15:00:00Z"
    clock.at = until + timedelta(hours=1)  # the notice of the new time
    answered(await link.cancel(), "appointment")
    clock.forward(seconds=1)
    assert answered(await link.cancel(), "appointment")["status"] == "cancelled"  # again changes nothing


# Whatever the notice says: a slip of a moment ago, and what nobody has confirmed yet.

SOON = datetime(2024, 1, 20, 15, tzinfo=UTC)
"""Three hours from now."""


async def soon(page: Desk, **kind: Any) -> Link:
    await page.set_type(minNoticeHours=0, **kind)
    return page.link(await page.booked_by_client(start_time=f"{SOON:%Y-%m-%dT%H:%M:%SZ}"))


def until(response: httpx.Response) -> str:
    return str(answered(response, "appointment")["changeable_until"])


async def test_a_slip_of_a_moment_ago_is_cancelled_or_moved_within_the_grace(
    page: Desk, clock: StoppedClock
) -> None:
    link = await soon(page)
    assert until(await link.get()) == "2024-01-20T12:15:00Z"
    clock.forward(minutes=10)
    # A move does not begin the grace anew.
    assert until(await link.reschedule("2024-01-20T16:00:00Z")) == "2024-01-20T12:15:00Z"
    clock.forward(minutes=5, seconds=1)
    for response in (await link.reschedule("2024-01-29T14:00:00Z"), await link.cancel()):
        assert refused(response, 409, "too_late")["details"] == {"until": "2024-01-20T12:15:00Z"}
    clock.forward(seconds=-1)
    assert answered(await link.cancel(), "appointment")["status"] == "cancelled"


async def test_the_grace_ends_when_the_appointment_begins(page: Desk, clock: StoppedClock) -> None:
    clock.at = SOON - timedelta(minutes=5)
    link = await soon(page)
    assert until(await link.get()) == "2024-01-20T15:00:00Z"
    clock.at = SOON + timedelta(seconds=1)
    refused(await link.cancel(), 409, "too_late")
    clock.at = SOON
    answered(await link.cancel(), "appointment")


async def test_the_organization_says_how_long_the_grace_is(page: Desk, clock: StoppedClock) -> None:
    shown = answered(await page.staff.get("/v1/organization"), "organization")
    assert shown["client_grace_minutes"] == 15
    link = await soon(page)
    for minutes, told in (
        (60, "2024-01-20T13:00:00Z"),
        (0, "2024-01-19T15:00:00Z"),
        (1440, "2024-01-20T15:00:00Z"),
    ):
        body = {"client_grace_minutes": minutes}
        changed = answered(await page.staff.patch("/v1/organization", json=body), "organization")
        assert changed["client_grace_minutes"] == minutes
        assert until(await link.get()) == told
    for wrong in (-1, 1441, "15", None, 1.5, True):
        refused(
            await page.staff.patch("/v1/organization", json={"client_grace_minutes": wrong}),
            400,
            "invalid_request",
        )
    await page.staff.patch("/v1/organization", json={"client_grace_minutes": 0})
    refused(await link.cancel(), 409, "too_late")


async def test_the_grace_counts_from_when_it_was_booked_whoever_booked_or_moved_it(
    page: Desk, clock: StoppedClock
) -> None:
    made = await page.booked("2024-01-25T14:00:00Z")
    fresh = (await page.staff.post(f"{APPOINTMENTS}/{made['id']}/manage-link")).json()
    link = page.link({"appointment": made, **fresh})
    await by_staff(page, link, start_time="2024-01-20T16:00:00Z")
    assert until(await link.get()) == "2024-01-20T12:15:00Z"
    clock.forward(minutes=16)
    await by_staff(page, link, start_time="2024-01-20T15:00:00Z")
    refused(await link.cancel(), 409, "too_late")


async def test_what_nobody_has_confirmed_is_withdrawn_or_moved_whenever(
    page: Desk, clock: StoppedClock
) -> None:
    await notice(page, 8760)
    links = [await soon(page, requiresConfirmation=True)]
    booked = await page.booked_by_client(start_time="2024-01-20T16:00:00Z")
    assert booked["appointment"]["changeable_until"] == "2024-01-20T16:00:00Z"
    links.append(page.link(booked))
    clock.at = SOON - timedelta(seconds=1)
    assert until(await links[0].get()) == "2024-01-20T15:00:00Z"
    moved = answered(await links[1].reschedule("2024-01-21T09:00:00Z"), "appointment")
    assert (moved["status"], moved["changeable_until"]) == ("pending", "2024-01-21T09:00:00Z")
    withdrawn = answered(await links[0].cancel(reason="Well again"), "appointment")
    assert withdrawn["status"] == "cancelled"
    assert (await links[0].seen())["cancellation_reason"] == "Well again"
    # Once it is confirmed, the notice counts.
    await by_staff(page, links[1], status="confirmed")
    assert until(await links[1].get()) == "2023-01-21T09:00:00Z"
    refused(await links[1].cancel(), 409, "too_late")
    refused(await links[1].reschedule("2024-01-29T14:00:00Z"), 409, "too_late")


async def test_a_withdrawal_and_a_confirmation_at_once_leave_one_of_them(page: Desk) -> None:
    await notice(page, 8760)
    await page.set_type(minNoticeHours=0, requiresConfirmation=True, maxOpenPerClient=None)
    for hour in range(9, 15):
        link = page.link(await page.booked_by_client(start_time=f"2024-01-25T{hour:02}:00:00Z"))
        confirmed, withdrawn = await asyncio.gather(
            page.staff.patch(f"{APPOINTMENTS}/{link.id}", json={"status": "confirmed"}), link.cancel()
        )
        seen = await link.seen()
        if withdrawn.status_code == 200:  # staff may have confirmed what was withdrawn, which is theirs to do
            assert seen["status"] == ("confirmed" if confirmed.status_code == 200 else "cancelled")
            assert [change["actor"]["kind"] for change in await page.history(link.id)][1] == "client"
        else:
            refused(withdrawn, 409, "too_late")
            assert (seen["status"], seen["version"]) == ("confirmed", 2)


async def test_a_move_asks_every_rule_but_the_own_time_is_no_obstacle(page: Desk, db: Database) -> None:
    await page.set_type(slotIntervalMinutes=30, maxPerDay=1, minNoticeHours=48, maxDaysAhead=10)
    link = page.link(await page.booked_by_client())
    await page.booked_by_client(start_time="2024-01-26T09:00:00Z")
    await page.booked("2024-01-24T09:00:00Z")
    for code, start in (
        ("too_soon", "2024-01-22T11:30:00Z"),
        ("too_far_ahead", "2024-01-31T09:00:00Z"),
        ("outside_hours", "2024-01-25T16:30:00Z"),
        ("off_grid", "2024-01-25T14:15:00Z"),
        ("limit_reached", "2024-01-26T14:00:00Z"),
        ("limit_reached", "2024-01-24T09:30:00Z"),
    ):
        body = refused(await link.reschedule(start), 409, code)
        assert body["details"]["reasons"][0].keys() == {"code", "message"}
        # Its own time and its own place in the count are there to be had.
        assert body["details"]["next_available"] or code == "too_far_ahead"
    assert (await link.seen())["version"] == 1
    moved = answered(await link.reschedule("2024-01-25T14:30:00Z"), "appointment")
    assert (moved["id"], moved["start_time"], moved["end_time"]) == (
        link.id,
        "2024-01-25T14:30:00Z",
        "2024-01-25T15:30:00Z",
    )
    assert moved == answered(await link.get(), "appointment")
    *_, change = await page.history(link.id)
    assert (change["actor"], change["before"], change["after"]) == (
        CLIENT,
        {"start_time": "2024-01-25T14:00:00Z", "end_time": "2024-01-25T15:00:00Z"},
        {"start_time": "2024-01-25T14:30:00Z", "end_time": "2024-01-25T15:30:00Z"},
    )
    assert (await kinds(db, page))[-1] == "appointment.rescheduled"
    refused(await link.reschedule("2024-01-24T09:00:00Z"), 409, "limit_reached")
    await page.set_type(maxPerDay=None)
    body = refused(await link.reschedule("2024-01-24T09:30:00Z"), 409, "slot_taken")
    assert body["details"]["reasons"] == [{"code": "conflict", "message": "The time is taken."}]
    # The same time again is no change, whatever the rules have become.
    await page.set_type(minNoticeHours=200)
    assert answered(await link.reschedule("2024-01-25T14:30:00Z"), "appointment") == moved
    assert (await link.seen())["version"] == 2
    await page.set_type(isActive=False)
    refused(await link.reschedule("2024-01-30T09:00:00Z"), 409, "type_inactive")


async def test_a_move_stays_in_its_calendar_where_it_can(page: Desk, link: Link) -> None:
    first, second = (await link.seen())["calendar_id"], await page.room()
    await page.set_type(calendarIds=[first, second])
    # The other calendar has less to do, but the own is free.
    answered(await link.reschedule("2024-01-26T09:00:00Z"), "appointment")
    assert (await link.seen())["calendar_id"] == first
    await page.booked("2024-01-26T10:00:00Z", calendar_id=first)
    answered(await link.reschedule("2024-01-26T10:00:00Z"), "appointment")
    assert (await link.seen())["calendar_id"] == second
    await page.booked("2024-01-26T11:00:00Z", calendar_id=first)
    await page.booked("2024-01-26T11:00:00Z", calendar_id=second)
    refused(await link.reschedule("2024-01-26T11:00:00Z"), 409, "slot_taken")
    # Where its own calendar no longer serves the type, it goes to one that does.
    await page.set_type(calendarIds=[first])
    answered(await link.reschedule("2024-01-26T12:00:00Z"), "appointment")
    assert (await link.seen())["calendar_id"] == first


async def test_what_is_over_cant_be_moved(page: Desk) -> None:
    for day, status in ((24, "completed"), (25, "no_show"), (26, "cancelled")):
        link = page.link(await page.booked_by_client(start_time=f"2024-01-{day}T14:00:00Z"))
        await by_staff(page, link, status=status)
        body = refused(await link.reschedule("2024-01-29T14:00:00Z"), 409, "illegal_transition")
        assert body["details"] == {"status": status, "allowed": []}
        if status != "cancelled":
            body = refused(await link.cancel(), 409, "illegal_transition")
            assert body["details"]["status"] == status
        assert (await link.seen())["version"] == 2


async def test_a_move_and_a_cancellation_at_once_end_cancelled(page: Desk) -> None:
    """Whichever comes first: what is cancelled is not moved any more."""
    for hour in range(9, 14):
        link = page.link(await page.booked_by_client(start_time=f"2024-01-25T{hour:02}:00:00Z"))
        moved, _ = await asyncio.gather(
            link.reschedule(f"2024-01-26T{hour:02}:00:00Z"), by_staff(page, link, status="cancelled")
        )
        if moved.status_code == 200:
            assert moved.json()["appointment"]["status"] == "confirmed"
        else:
            refused(moved, 409, "illegal_transition")
        seen = await link.seen()
        assert (seen["status"], seen["version"]) == ("cancelled", 3 if moved.status_code == 200 else 2)


async def test_two_who_cancel_at_once_cancel_once(page: Desk) -> None:
    """What staff have cancelled, for their reason, is not cancelled again for the client's."""
    for hour in range(9, 14):
        link = page.link(await page.booked_by_client(start_time=f"2024-01-25T{hour:02}:00:00Z"))
        cancelled, _ = await asyncio.gather(
            link.cancel(reason="Ill"),
            by_staff(page, link, status="cancelled", cancellation_reason="Closed"),
        )
        answered(cancelled, "appointment")
        _, *changes = await page.history(link.id)
        assert "status" in changes[0]["after"]
        assert all(change["actor"] != CLIENT for change in changes[1:])
        assert (await link.seen())["cancellation_reason"] == "Closed"


async def test_a_moved_appointment_has_to_be_confirmed_again(page: Desk, clock: StoppedClock) -> None:
    await page.set_type(requiresConfirmation=True, confirmWithinHours=2)
    link = page.link(await page.booked_by_client())
    clock.forward(hours=1)
    # While it waits it can be moved, and then waits anew.
    moved = answered(await link.reschedule("2024-01-26T14:00:00Z"), "appointment")
    assert (moved["status"], moved["expires_at"]) == ("pending", "2024-01-20T15:00:00Z")
    await by_staff(page, link, status="confirmed")
    assert answered(await link.reschedule("2024-01-26T14:00:00Z"), "appointment")["status"] == "confirmed"
    clock.forward(hours=1)
    moved = answered(await link.reschedule("2024-01-29T14:00:00Z"), "appointment")
    assert (moved["status"], moved["expires_at"]) == ("pending", "2024-01-20T16:00:00Z")
    seen = await link.seen()
    assert (seen["confirmed_at"], seen["version"]) == (None, 4)
    clock.forward(hours=2)
    assert answered(await link.get(), "appointment")["status"] == "cancelled"
    body = refused(await link.reschedule("2024-01-30T14:00:00Z"), 409, "illegal_transition")
    assert body["details"] == {"status": "cancelled", "allowed": []}
    assert answered(await link.cancel(reason="Late"), "appointment")["expires_at"] is None
    seen = await link.seen()
    assert (seen["cancellation_reason"], seen["cancelled_at"]) == (
        "confirmation_expired",
        "2024-01-20T16:00:00Z",
    )


async def test_a_client_may_move_what_staff_booked(page: Desk) -> None:
    made = await page.booked("2024-01-25T03:00:00Z", internal_notes="VIP")
    response = await page.staff.post(f"{APPOINTMENTS}/{made['id']}/manage-link")
    assert response.json().keys() == {"manage_url", "manage_token"}
    link = page.link({"appointment": made, "manage_token": response.json()["manage_token"]})
    assert response.json()["manage_url"] == f"http://kalends.test/manage/{response.json()['manage_token']}"
    answered(await link.reschedule("2024-01-25T09:00:00Z"), "appointment")
    actors = [each["actor"]["kind"] for each in await page.history(made["id"])]
    assert actors == ["api_key", "client"]
    assert (await link.seen())["source"] == "manual"


async def test_a_fresh_link_ends_the_old_one(app: FastAPI, page: Desk, link: Link) -> None:
    path = f"{APPOINTMENTS}/{link.id}/manage-link"
    fresh = (await page.staff.post(path)).json()["manage_token"]
    for response in (await link.get(), await link.cancel(), await link.reschedule("2024-01-26T14:00:00Z")):
        body = refused(response, 404, "not_found")
        assert body["error"] == "This link is not good, or no longer."
    answered(await page.client.get(f"{LINKS}/{fresh}"), "appointment")
    # Rehearsed, refused or by others, the link stays good.
    rehearsed = await page.staff.post(path, params={"dry_run": "true"})
    refused(await page.client.get(f"{LINKS}/{rehearsed.json()['manage_token']}"), 404, "not_found")
    other = await open_desk(app)
    refused(await other.staff.post(path), 404, "not_found")
    held = answered(await page.post("holds", start_time="2024-01-26T14:00:00Z"), "hold")
    refused(await page.staff.post(f"{APPOINTMENTS}/{held['id']}/manage-link"), 404, "not_found")
    refused(await page.client.post(path), 401, "unauthorized")
    answered(await page.client.get(f"{LINKS}/{fresh}"), "appointment")


async def test_a_link_is_good_until_30_days_after_the_end(
    page: Desk, link: Link, clock: StoppedClock
) -> None:
    clock.at = START + timedelta(days=30, hours=1, seconds=-1)
    answered(await link.get(), "appointment")
    clock.forward(seconds=1)
    fresh = (await page.staff.post(f"{APPOINTMENTS}/{link.id}/manage-link")).json()["manage_token"]
    link.path = f"{LINKS}/{fresh}"
    for response in (await link.get(), await link.cancel(), await link.reschedule("2024-03-26T14:00:00Z")):
        refused(response, 404, "not_found")
    # It is the end that counts, wherever that has gone.
    await by_staff(page, link, start_time="2024-01-25T14:01:00Z")
    answered(await link.get(), "appointment")
    clock.forward(minutes=1)
    refused(await link.get(), 404, "not_found")


async def test_unknown_links_are_404(page: Desk) -> None:
    for token in ("x", "slots", "a%00b", "%2e%2e", "ünï", "x" * 100, "a'b", "vst_demo", page.org.slug):
        for method, suffix in (("GET", ""), ("POST", "/cancel"), ("POST", "/reschedule")):
            body = None if method == "GET" else {"start_time": "2024-01-26T14:00:00Z"}
            response = await page.client.request(method, f"{LINKS}/{token}{suffix}", json=body)
            refused(response, 404, "not_found")


async def test_a_link_belongs_to_its_own_organization(app: FastAPI, page: Desk, link: Link) -> None:
    """Another organization's notice, name, keys and changes are nothing to it."""
    other = await open_desk(app, timezone="Asia/Kathmandu")
    theirs = other.link(await other.booked_by_client(start_time="2024-01-25T14:00:00"))
    await notice(other, 8760)
    refused(await theirs.cancel(), 409, "too_late")
    shown = answered(await link.get(), "appointment")
    assert (shown["id"], shown["organization"]["slug"]) == (link.id, page.org.slug)
    # A wall-clock time is one of the link's own organization.
    moved = answered(await link.reschedule("2024-01-26T14:00:00"), "appointment")
    assert moved["start_time"] == "2024-01-26T14:00:00Z"
    refused(await other.staff.get(f"{APPOINTMENTS}/{link.id}"), 404, "not_found")
    key = {"Authorization": other.staff.headers["authorization"]}
    same = await page.client.get(link.path, headers=key)
    assert answered(same, "appointment") == moved
    assert same.headers["x-ratelimit-limit"] == "1000"
    assert (await theirs.seen())["version"] == 1


async def test_repeated_under_a_key_a_move_is_made_once(page: Desk, link: Link) -> None:
    key = {"Idempotency-Key": "move"}
    to = {"start_time": "2024-01-26T14:00:00Z"}
    first = await page.client.post(f"{link.path}/reschedule", json=to, headers=key)
    answered(await link.reschedule("2024-01-29T14:00:00Z"), "appointment")
    again = await page.client.post(f"{link.path}/reschedule", json=to, headers=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (await link.seen())["start_time"] == "2024-01-29T14:00:00Z"


async def test_links_begin_with_the_public_url(url: str, clock: StoppedClock) -> None:
    settings = Settings(database_url=url, worker=False, public_url="https://book.example/kalends/")
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        page = await open_desk(app)
        booked = await page.booked_by_client()
        fresh = await page.staff.post(f"{APPOINTMENTS}/{booked['appointment']['id']}/manage-link")
        for made in (booked, fresh.json()):
            assert made["manage_url"] == f"https://book.example/kalends/manage/{made['manage_token']}"


async def test_links_lead_to_the_organizations_own_pages_if_it_has_some(page: Desk) -> None:
    await page.set_organization(manage_url_template="https://clinic.example/mine?t={token}&x=1")
    key = {"Idempotency-Key": "once"}
    booked = (await page.post("appointments", key)).json()
    made = [booked, (await page.post("appointments", key)).json()]
    made.append((await page.staff.post(f"{APPOINTMENTS}/{booked['appointment']['id']}/manage-link")).json())
    by_staff = page.wish(start_time="2024-01-25T09:00:00Z", manage_link=True)
    made.append((await page.staff.post(APPOINTMENTS, json=by_staff)).json())
    for each in made:
        assert each["manage_url"] == f"https://clinic.example/mine?t={each['manage_token']}&x=1"
    await page.set_organization(manage_url_template=None)
    fresh = (await page.staff.post(f"{APPOINTMENTS}/{booked['appointment']['id']}/manage-link")).json()
    assert fresh["manage_url"] == f"http://kalends.test/manage/{fresh['manage_token']}"
