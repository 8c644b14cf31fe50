"""Which mails there are, to a real mail server: what happens, what the client is told, and what staff are."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from tests.support.desk import APPOINTMENTS
from tests.support.letters import SENDER
from tests.support.organizations import make_org
from tests.support.practice import DESK, Opening, Practice
from tests.worker.mails import JANE, TO_BE_CONFIRMED, told, travel

pytestmark = pytest.mark.anyio


Step = tuple[str, Callable[[Practice], Awaitable[Any]], str | None, str | None]

STAFF_CHANGE: list[Step] = [
    ("booked", lambda p: p.book(), "Your appointment is confirmed", None),
    ("moved", lambda p: p.change(start_time="2024-01-26T14:00:00Z"), "Your appointment was moved", None),
    ("the same", lambda p: p.change(start_time="2024-01-26T14:00:00Z"), None, None),
    ("details", lambda p: p.change(client_name="J. Doe", client_notes="x", internal_notes="y"), None, None),
    ("cancelled", lambda p: p.change(status="cancelled"), "Your appointment was cancelled", None),
    ("un-cancelled", lambda p: p.change(status="confirmed"), "Your appointment is confirmed", None),
    (
        "cancelled and moved at once",
        lambda p: p.change(status="cancelled", start_time="2024-01-28T14:00:00Z"),
        "Your appointment was cancelled",
        None,
    ),
    (
        "un-cancelled and moved at once",
        lambda p: p.change(status="confirmed", start_time="2024-01-29T14:00:00Z"),
        "Your appointment is confirmed",
        None,
    ),
    ("completed", lambda p: p.change(status="completed"), None, None),
    ("no show", lambda p: p.change(status="no_show"), None, None),
]
CLIENTS_CHANGE: list[Step] = [
    ("booked", lambda p: p.ask(), "Your appointment is confirmed", "Booked"),
    ("moved", lambda p: p.move("2024-01-26T14:00:00Z"), "Your appointment was moved", "Moved"),
    ("cancelled", lambda p: p.cancel(), "Your appointment was cancelled", "Cancelled"),
    ("cancelled again", lambda p: p.cancel(), None, None),
]
ASKED, TO_CONFIRM = "We have received your request", "To be confirmed"
CONFIRMED_BY_STAFF: list[Step] = [
    ("asked", lambda p: p.ask(), ASKED, TO_CONFIRM),
    ("moved, still asked", lambda p: p.move("2024-01-26T14:00:00Z"), ASKED, TO_CONFIRM),
    ("moved by staff", lambda p: p.change(start_time="2024-01-27T14:00:00Z"), ASKED, None),
    ("confirmed", lambda p: p.change(status="confirmed"), "Your appointment is confirmed", None),
    ("moved, so asked anew", lambda p: p.move("2024-01-26T14:00:00Z"), ASKED, TO_CONFIRM),
    (
        "moved and confirmed at once",
        lambda p: p.change(status="confirmed", start_time="2024-01-27T14:00:00Z"),
        "Your appointment is confirmed",
        None,
    ),
    ("moved, so asked once more", lambda p: p.move("2024-01-26T14:00:00Z"), ASKED, TO_CONFIRM),
    (
        "lapsed",
        lambda p: travel(p, 2, hours=12),
        None,  # they have arrived in that step already, and are looked at below
        None,
    ),
    ("confirmed after all", lambda p: p.change(status="confirmed"), "Your appointment is confirmed", None),
]


@pytest.mark.parametrize(
    ("kind", "steps"),
    [({}, STAFF_CHANGE), ({}, CLIENTS_CHANGE), (TO_BE_CONFIRMED, CONFIRMED_BY_STAFF)],
    ids=["staff", "clients", "confirmed by staff"],
)
async def test_every_change_is_one_mail_to_whom_it_concerns(
    opening: Opening, kind: dict[str, Any], steps: list[Step]
) -> None:
    async with opening(kind=kind) as p:
        for name, happens, to_client, to_staff in steps:
            await happens(p)
            mails = await p.mails()
            assert told(mails, JANE) == ([to_client] if to_client else []), name
            assert told(mails, DESK) == ([to_staff] if to_staff else []), name
            assert len(mails) == bool(to_client) + bool(to_staff), name
            assert {mail.sender for mail in mails} <= {SENDER}


async def test_what_lapses_is_told_to_both(opening: Opening) -> None:
    async with opening(kind=TO_BE_CONFIRMED) as p:
        await p.ask()
        await p.mails()
        await travel(p, 0, hours=11, minutes=59)
        mails = await travel(p, 2, minutes=1)
        assert told(mails, JANE) == ["Your request was not confirmed in time"]
        assert told(mails, DESK) == ["Not confirmed in time"]


WAITS_UNTIL_IT_BEGINS = {"requiresConfirmation": True, "minNoticeHours": 0}


@pytest.mark.parametrize("kind", [{}, {"confirmWithinHours": 500}], ids=["no deadline", "a later deadline"])
async def test_a_request_that_nobody_confirmed_is_told_to_both_when_its_time_begins(
    opening: Opening, kind: dict[str, Any]
) -> None:
    async with opening(kind=WAITS_UNTIL_IT_BEGINS | kind) as p:
        await p.ask()
        await p.mails()
        await travel(p, 0, days=5, hours=1, minutes=59)
        mails = await travel(p, 2, minutes=1)
        assert told(mails, JANE) == ["Your request was not confirmed in time"]
        assert told(mails, DESK) == ["Not confirmed in time"]
        [calendar] = [mail.calendar for mail in mails if mail.recipients == [JANE]]
        assert Calendar.from_ical(calendar)["METHOD"] == "CANCEL"


async def worker_was_away(p: Practice, **units: float) -> tuple[list[str], list[str]]:
    """What the client and staff are told after so long; nothing was worked off meanwhile."""
    p.clock.forward(**units)
    mails = await p.mails()
    return told(mails, JANE), told(mails, DESK)


async def test_a_lapse_is_told_though_it_would_be_over_but_not_for_ever(opening: Opening) -> None:
    async with opening(kind=WAITS_UNTIL_IT_BEGINS) as p:
        expired = (["Your request was not confirmed in time"], ["Not confirmed in time"])
        for start, later, heard in (
            ("2024-01-21T14:00:00Z", timedelta(days=1), expired),
            ("2024-01-23T14:00:00Z", timedelta(days=6, hours=23, minutes=59), expired),
            ("2024-02-10T14:00:00Z", timedelta(days=7), ([], [])),
            ("2024-03-10T14:00:00Z", timedelta(days=365), ([], [])),
        ):
            await p.ask(start_time=start)
            await p.mails()
            p.clock.at = datetime.fromisoformat(start)
            assert await worker_was_away(p, seconds=later.total_seconds()) == heard, start


async def test_a_cancellation_is_told_late_but_not_a_note_of_what_is_over(opening: Opening) -> None:
    async with opening() as p:
        await p.ask(start_time="2024-01-22T14:00:00Z")
        await p.mails()
        await p.cancel()
        assert await worker_was_away(p, days=5) == (["Your appointment was cancelled"], ["Cancelled"])
        await p.book(start_time="2024-01-26T14:00:00Z")
        await p.mails()
        await p.change(status="cancelled")
        assert await worker_was_away(p, days=8) == ([], [])  # nobody waits for that any more
        await p.book(start_time="2024-02-10T14:00:00Z")
        await p.mails()
        p.clock.at = datetime(2024, 2, 10, 15, tzinfo=UTC)
        await p.mails()
        await p.change(status="cancelled")
        assert await worker_was_away(p, minutes=1) == ([], [])
        await p.change(status="confirmed")
        assert await worker_was_away(p, minutes=1) == ([], [])


async def test_what_happens_before_the_worker_comes_is_told_in_its_order(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.change(start_time="2024-01-26T14:00:00Z")
        await p.change(status="cancelled")
        assert [mail.subject.split(":")[0] for mail in await p.mails()] == [
            "Your appointment is confirmed",
            "Your appointment was moved",
            "Your appointment was cancelled",
        ]


async def test_without_an_address_nobody_is_told(opening: Opening) -> None:
    async with opening() as p:
        await p.ask(client_email=None)
        mails = await p.mails()
        assert [mail.recipients for mail in mails] == [[DESK]]
        await p.desk.set_organization(notification_email=None)
        await p.change(client_email=JANE)
        await p.cancel()
        told = await p.mails()
        assert [mail.recipients for mail in told] == [[JANE], [JANE]]
        assert [mail.subject.partition(":")[0] for mail in told] == [
            "Your appointment is confirmed",
            "Your appointment was cancelled",
        ]


async def test_organizations_mail_their_own_clients_and_staff(opening: Opening) -> None:
    async with opening() as p:
        await p.desk.set_organization(name="Clinic")
        other = await make_org(p.db, p.clock.now())
        await p.ask()
        response = await p.desk.client.post(
            APPOINTMENTS,
            json=other.wish(client_email="joe@example.com"),
            headers={"Authorization": f"Bearer {other.key}"},
        )
        assert response.status_code == 200
        mails = {mail.recipients[0]: mail for mail in await p.mails()}
        assert {who: mail.message["From"].addresses[0].display_name for who, mail in mails.items()} == {
            JANE: "Clinic",
            DESK: "Clinic",
            "joe@example.com": "Test",
        }


# Mails that are not to be sent, and those that are all the same.


async def test_what_is_over_is_told_to_nobody(opening: Opening) -> None:
    """Staff write down afterwards who was there."""
    async with opening() as p:
        await p.book(start_time="2024-01-10T14:00:00Z")
        await p.change(client_notes="Paid", status="completed")
        assert await p.mails() == []
        await p.book(start_time="2024-01-20T11:30:00Z")  # it goes on for half an hour
        assert [mail.recipients for mail in await p.mails()] == [[JANE]]


async def test_only_the_server_says_that_something_lapsed(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        await p.mails()
        link = f"/v1/public/appointments/{p.token}"
        cancelled = await p.desk.client.post(f"{link}/cancel", json={"reason": "confirmation_expired"})
        assert cancelled.status_code == 200
        assert sorted(mail.subject.partition(":")[0] for mail in await p.mails()) == [
            "Cancelled",
            "Your appointment was cancelled",
        ]
