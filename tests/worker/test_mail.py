"""Mails, to a real mail server: which there are, to whom, where they lead, and what becomes of them when the
server refuses them or is away."""

import asyncio
import ssl
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import pytest
import trustme
from icalendar import Calendar
from sqlalchemy import func, select, update

from kalends import cli
from kalends.app import create_app
from kalends.core.messages import Outcome
from kalends.db.database import Tx
from kalends.db.tables import deliveries, events, manage_links, receivers
from kalends.delivery import mail as sending
from kalends.delivery.letters import written
from kalends.delivery.mail import Postman
from kalends.settings import Settings
from tests.api.conftest import client_of
from tests.support.answers import refused
from tests.support.clock import StoppedClock
from tests.support.letters import NOON, letter
from tests.support.mailbox import Mailbox, Received
from tests.support.organizations import make_org
from tests.support.practice import APPOINTMENTS, BASE, DESK, SENDER, Opening, Practice, practice

pytestmark = pytest.mark.anyio

JANE = "jane@example.com"
ON_THURSDAY = "Tax Consultation, Thursday, January 25, 2024, 2:00 PM (Coordinated Universal Time, UTC)"
TO_BE_CONFIRMED = {"requiresConfirmation": True, "confirmWithinHours": 12}


def told(mails: list[Received], address: str) -> list[str]:
    """What mails to an address say in the first words of their subjects; each goes to nobody else."""
    assert all(len(mail.recipients) == 1 for mail in mails)
    return [mail.subject.partition(":")[0] for mail in mails if mail.recipients == [address]]


async def travel(practice: Practice, mails: int = 0, **units: float) -> list[Received]:
    """What arrives after some time."""
    practice.clock.forward(**units)
    arrived = await practice.mails()
    assert len(arrived) == mails
    return arrived


# Which mails there are: what happens, what the client is told, and what staff are.

Step = tuple[str, Callable[[Practice], Awaitable[Any]], str | None, str | None]

STAFF_CHANGE: list[Step] = [
    ("booked", lambda p: p.book(), "Your appointment is confirmed", None),
    ("moved", lambda p: p.change(start_time="2024-01-26T14:00:00Z"), "Your appointment was moved", None),
    ("the same", lambda p: p.change(start_time="2024-01-26T14:00:00Z"), None, None),
    ("details", lambda p: p.change(client_name="J. Doe", client_notes="x", internal_notes="y"), None, None),
    ("cancelled", lambda p: p.change(status="cancelled"), "Your appointment was cancelled", None),
    ("moved, as cancelled", lambda p: p.change(start_time="2024-01-27T14:00:00Z"), None, None),
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
        await p.settings(notification_email=None)
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
        await p.settings(name="Clinic")
        other = await make_org(p.db, p.clock.now())
        await p.ask()
        response = await p.client.post(
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


# What they say.


async def test_mails_word_by_word(opening: Opening) -> None:
    questions = [{"id": "q", "type": "text", "label": "Referred by", "required": True}]
    async with opening(kind=TO_BE_CONFIRMED | {"bookingQuestions": questions}) as p:
        await p.ask(client_notes="First visit", answers={"q": "A friend"})
        to_client, to_staff = sorted(await p.mails(), key=lambda mail: mail.recipients == [DESK])
        link = to_client.part("text/plain").splitlines()[-1]
        assert link.startswith(f"{BASE}/v1/public/appointments/")
        assert to_client.subject == f"We have received your request: {ON_THURSDAY}"
        when = ON_THURSDAY.removeprefix("Tax Consultation, ").replace("2:00 PM", "2:00\u202fPM")
        assert to_client.part("text/plain") == (
            "Hello Jane Doe,\n\n"
            "We have received your request. You will hear from us when it is confirmed.\n\n"
            f"What: Tax Consultation\nWhen: {when}\nWith: Test\n\n"
            f"See, move or cancel it here:\n{link}\n"
        )
        assert to_staff.subject == f"To be confirmed: {ON_THURSDAY}"
        by = "Sunday, January 21, 2024, 12:00\u202fAM (Coordinated Universal Time, UTC)"
        assert to_staff.part("text/plain") == (
            f"What: Tax Consultation\nWhen: {when}\nTo be confirmed by: {by}\nClient: Jane Doe\n"
            f"E-mail: {JANE}\nPhone: +1234567890\nAppointment: {p.id}\n\n"
            "Notes:\n> First visit\n\nReferred by:\n> A friend\n"
        )
        assert [part.get_content_type() for part in to_staff.message.walk()] == [
            "multipart/alternative",
            "text/plain",
            "text/html",
        ]
        await p.move("2024-01-26T14:00:00Z")
        for mail in await p.mails():
            assert f"Before: {when}\n" in mail.part("text/plain")


async def test_the_reason_of_a_cancellation_is_told_to_both(opening: Opening) -> None:
    async with opening(kind=TO_BE_CONFIRMED) as p:
        await p.ask()
        await p.change(status="cancelled", cancellation_reason="Dr. Weber is ill.\nPlease call us.")
        mail = (await p.mails())[-1]
        assert mail.recipients == [JANE]
        assert "\nReason:\n> Dr. Weber is ill.\n> Please call us.\n" in mail.part("text/plain")
        [event] = Calendar.from_ical(mail.calendar).events
        assert event["COMMENT"] == "Dr. Weber is ill.\nPlease call us."

        await p.ask()
        await p.mails()
        link = f"/v1/public/appointments/{p.token}"
        assert (await p.client.post(f"{link}/cancel", json={"reason": "I am ill.\nSorry"})).status_code == 200
        mails = await p.mails()
        assert sorted(mail.recipients for mail in mails) == [[DESK], [JANE]]
        for mail in mails:
            assert "\nReason:\n> I am ill.\n> Sorry\n" in mail.part("text/plain")
            assert "I am ill.<br>Sorry" in mail.part("text/html")
            assert "/v1/public/" not in mail.content.decode()

        await p.ask()
        await p.mails()
        for mail in await travel(p, 2, hours=12):
            assert b"confirmation_expired" not in mail.content
            assert "Reason" not in mail.part("text/plain")


async def test_staffs_mails_are_in_the_organizations_language(opening: Opening) -> None:
    async with opening(timezone="Europe/Berlin") as p:
        await p.settings(language="de-AT")
        await p.ask(client_language="en-GB")
        mails = {mail.recipients[0]: mail for mail in await p.mails()}
        assert mails[DESK].subject.startswith(
            "Gebucht: Tax Consultation, Donnerstag, 25. Jänner 2024, 15:00 ("
        )
        assert "\nWann: Donnerstag, 25. Jänner 2024, 15:00 (" in mails[DESK].part("text/plain")
        assert mails[JANE].subject.startswith(f"Your appointment is confirmed: {ON_THURSDAY[:18]}")
        assert "\nWhen: Thursday, 25 January 2024, 15:00 (" in mails[JANE].part("text/plain")
        assert {who: mail.message["Content-Language"] for who, mail in mails.items()} == {
            DESK: "de",
            JANE: "en",
        }
        await p.settings(language=None)
        await p.cancel()
        assert "Cancelled" in told(await p.mails(), DESK)


async def test_an_answer_reaches_the_other_one(opening: Opening) -> None:
    async def answers_go_to() -> dict[str, str | None]:
        return {mail.recipients[0]: mail.message["Reply-To"] for mail in await p.mails()}

    async with opening() as p:
        await p.settings(name="Clinic", notification_email="desk@bücher.example")
        desk = "desk@xn--bcher-kva.example"
        await p.ask(client_email="jane@bücher.example")
        assert await answers_go_to() == {
            desk: "Jane Doe <jane@xn--bcher-kva.example>",
            "jane@xn--bcher-kva.example": f"Clinic <{desk}>",
        }
        await p.cancel()
        assert {str(header) for header in (await answers_go_to()).values()} == {
            "Jane Doe <jane@xn--bcher-kva.example>",
            f"Clinic <{desk}>",
        }
        await p.ask(client_email=None)
        assert await answers_go_to() == {desk: None}
        await p.settings(notification_email=None)
        await p.ask(start_time="2024-01-26T14:00:00Z")
        assert await answers_go_to() == {JANE: None}


async def test_a_sender_in_another_script_has_a_domain_in_ascii(opening: Opening) -> None:
    async with opening(smtp_from="booking@bücher.example") as p:
        await p.book()
        [mail] = await p.mails()
        assert mail.sender == "booking@xn--bcher-kva.example"
        assert mail.message["From"].addresses[0].addr_spec == mail.sender
        [event] = Calendar.from_ical(mail.calendar).events
        assert event["ORGANIZER"] == f"MAILTO:{mail.sender}"


async def test_internal_notes_are_in_no_mail(opening: Opening) -> None:
    async with opening() as p:
        await p.book(internal_notes="difficult patient")
        await p.change(start_time="2024-01-26T14:00:00Z", internal_notes="difficult patient indeed")
        await p.mails()
        await travel(p, 1, days=5, hours=2)
        await p.ask(start_time="2024-01-30T14:00:00Z")
        await p.change(internal_notes="difficult patient")
        await p.move("2024-02-01T14:00:00Z")
        await p.cancel()
        await p.mails()
        assert len(p.mailbox.received) == 9
        for mail in p.mailbox.received:
            for part in mail.message.walk():
                assert b"difficult" not in (part.get_payload(decode=True) or b"")


async def test_names_with_lines_change_no_header_and_stop_no_mail(opening: Opening) -> None:
    hostile = (
        "Jane\r\nBcc: eve@example.com\r\n\r\n<b>Hello</b>\x85\u2028=?utf-8?q?=0D=0ABcc:_eve=40example.com?="
    )
    async with opening(kind={"name": hostile}) as p:
        await p.settings(name=hostile)
        await p.ask(client_name=hostile, client_notes=hostile)
        await p.move("2024-01-26T14:00:00Z")
        mails = await p.mails()
        assert sorted(mail.recipients for mail in mails) == [[DESK], [DESK], [JANE], [JANE]]
        for mail in mails:
            assert getaddresses(mail.message.get_all("To", []))[0][1] == mail.recipients[0]
            assert len(mail.message.get_all("To", [])) == 1
            assert "Bcc" not in mail.message
            assert "<b>" not in mail.part("text/html")
            forged = ("bcc", "<b>", "eve", "hello<")
            assert not [
                line for line in mail.part("text/plain").splitlines() if line.lower().startswith(forged)
            ]


async def test_the_calendar_part_follows_the_appointment(opening: Opening) -> None:
    async with opening(timezone="Europe/Berlin", kind=TO_BE_CONFIRMED) as p:
        await p.ask()
        for changes in (
            {"status": "confirmed"},
            {"client_notes": "x"},
            {"start_time": "2024-07-26T14:00:00Z"},
            {"status": "cancelled"},
            {"status": "confirmed"},
        ):
            await p.work()
            await p.change(**changes)
        mails = [mail for mail in await p.mails() if mail.recipients == [JANE]]
        seen = []
        for mail in mails:
            calendar = Calendar.from_ical(mail.calendar)
            [event] = calendar.events
            [part] = [part for part in mail.message.walk() if part.get_content_type() == "text/calendar"]
            assert part.get_content_charset() == "utf-8"
            assert part.get_param("method") == calendar["METHOD"]
            assert event["UID"] == f"{p.id}@kalends"
            assert event["ORGANIZER"] == f"MAILTO:{SENDER}"
            assert event["ATTENDEE"] == f"MAILTO:{JANE}"
            assert [zone["TZID"] for zone in calendar.walk("VTIMEZONE")] == ["Europe/Berlin"]
            start = event.decoded("DTSTART")
            assert str(start.tzinfo) == "Europe/Berlin"
            assert event.decoded("DTEND") - start == timedelta(hours=1)
            seen.append((calendar["METHOD"], event["STATUS"], event["SEQUENCE"], f"{start:%m-%d %H:%M%z}"))
        assert seen == [
            ("REQUEST", "TENTATIVE", 0, "01-25 15:00+0100"),
            ("REQUEST", "CONFIRMED", 1, "01-25 15:00+0100"),
            ("REQUEST", "CONFIRMED", 3, "07-26 16:00+0200"),
            ("CANCEL", "CANCELLED", 4, "07-26 16:00+0200"),
            ("REQUEST", "CONFIRMED", 5, "07-26 16:00+0200"),
        ]


# Where their links lead.


def link_in(mail: Received) -> str:
    """The path of the link in a mail; the HTML has the same, to click on."""
    [line] = [line for line in mail.part("text/plain").splitlines() if line.startswith(BASE)]
    assert f'<a href="{line}">{line}</a>' in mail.part("text/html")
    [event] = Calendar.from_ical(mail.calendar).events
    assert event["DESCRIPTION"] == line
    return line.removeprefix(BASE)


async def test_every_mail_has_a_link_and_earlier_ones_stay_good(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        await p.move("2024-01-26T14:00:00Z")
        await p.change(start_time="2024-01-27T14:00:00Z")
        links = [link_in(mail) for mail in await p.mails() if mail.recipients == [JANE]]
        assert len(set(links)) == 3
        links.append(f"/v1/public/appointments/{p.token}")  # what the booking itself was answered
        for link in links:
            assert (await p.client.get(link)).json()["appointment"]["id"] == p.id
        moved = await p.client.post(f"{links[0]}/reschedule", json={"start_time": "2024-01-28T14:00:00Z"})
        assert moved.status_code == 200

        fresh = await p.staff.post(f"{APPOINTMENTS}/{p.id}/manage-link")
        for link in links:
            refused(await p.client.get(link), 404, "not_found")
        [after] = [mail for mail in await p.mails() if mail.recipients == [JANE]]
        for link in (link_in(after), fresh.json()["manage_url"].removeprefix(BASE)):
            assert (await p.client.get(link)).json()["appointment"]["start_time"] == "2024-01-28T14:00:00Z"
        await p.change(status="cancelled")
        [gone] = await p.mails()
        assert BASE not in gone.part("text/plain") + gone.part("text/html")


async def test_without_a_public_address_there_is_no_link(opening: Opening) -> None:
    async with opening(public_url="") as p:
        await p.book()
        [mail] = await p.mails()
        assert "appointments/" not in mail.part("text/plain") + mail.part("text/html")
        assert "DESCRIPTION" not in mail.calendar.decode()


# Reminders.


async def test_a_reminder_comes_once_the_hours_before_the_start(opening: Opening) -> None:
    async with opening(kind={"reminderHours": 48}) as p:
        await p.book(client_timezone="America/New_York")
        await p.mails()
        await travel(p, 0, days=3, hours=1, minutes=59, seconds=59)
        [reminder] = await travel(p, 1, seconds=1)
        assert reminder.recipients == [JANE]
        when = "Thursday, January 25, 2024, 9:00 AM (Eastern Standard Time, America/New_York)"
        assert reminder.subject == f"Reminder: Tax Consultation, {when}"
        assert "This is a reminder of your appointment." in reminder.part("text/plain")
        kinds = [part.get_content_type() for part in reminder.message.walk()]
        assert kinds == ["multipart/alternative", "text/plain", "text/html"]
        await travel(p, 0, days=10)


REMINDED: dict[str, tuple[dict[str, Any], list[Callable[[Practice], Awaitable[Any]]]]] = {
    "moved": ({}, [lambda p: p.book(), lambda p: p.change(start_time="2024-01-26T14:00:00Z")]),
    "moved to and fro": (
        {},
        [
            lambda p: p.book(start_time="2024-01-26T14:00:00Z"),
            lambda p: p.change(start_time="2024-01-27T14:00:00Z"),
            lambda p: p.change(start_time="2024-01-26T14:00:00Z"),
        ],
    ),
    "un-cancelled": (
        {},
        [
            lambda p: p.book(start_time="2024-01-26T14:00:00Z"),
            lambda p: p.change(status="cancelled"),
            lambda p: p.change(status="confirmed"),
        ],
    ),
    "asked and confirmed": (
        TO_BE_CONFIRMED,
        [lambda p: p.ask(start_time="2024-01-26T14:00:00Z"), lambda p: p.change(status="confirmed")],
    ),
    "confirmed and moved at once": (
        TO_BE_CONFIRMED,
        [lambda p: p.ask(), lambda p: p.change(status="confirmed", start_time="2024-01-26T14:00:00Z")],
    ),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("story", REMINDED)
async def test_whatever_was_before_one_reminder_comes_of_what_stands(
    opening: Opening, story: str, at_once: bool
) -> None:
    kind, steps = REMINDED[story]
    async with opening(kind=kind) as p:
        for step in steps:
            await step(p)
            if not at_once:
                await p.work()
        await p.mails()
        await travel(p, 0, days=5, hours=1, minutes=59)
        [reminder] = await travel(p, 1, minutes=1)
        assert reminder.subject.startswith("Reminder: Tax Consultation, Friday, January 26, 2024, 2:00 PM")
        await travel(p, 0, days=2)


NOT_REMINDED: dict[str, tuple[dict[str, Any], list[Callable[[Practice], Awaitable[Any]]]]] = {
    "cancelled": ({}, [lambda p: p.book(), lambda p: p.change(status="cancelled")]),
    "completed": ({}, [lambda p: p.book(), lambda p: p.change(status="completed")]),
    "no address any more": ({}, [lambda p: p.book(), lambda p: p.change(client_email=None)]),
    "booked within the hours": ({"reminderHours": 123}, [lambda p: p.book()]),
    "booked in the past": ({}, [lambda p: p.book(start_time="2024-01-10T14:00:00Z")]),
    "moved within the hours": (
        {},
        [lambda p: p.book(), lambda p: p.change(start_time="2024-01-21T11:00:00Z")],
    ),
    "a type without": ({"reminderHours": None}, [lambda p: p.book()]),
    "a type without any more": (
        {},
        [
            lambda p: p.book(),
            lambda p: p.change_type(reminderHours=None),
        ],
    ),
    "never confirmed": ({"requiresConfirmation": True}, [lambda p: p.ask()]),
}


@pytest.mark.parametrize("story", NOT_REMINDED)
async def test_nobody_is_reminded_of_what_needs_no_reminder(opening: Opening, story: str) -> None:
    kind, steps = NOT_REMINDED[story]
    async with opening(kind=kind) as p:
        for step in steps:
            await step(p)
            await p.work()
        await p.mails()
        for _ in range(8):
            p.clock.forward(days=1)
            assert all(not mail.subject.startswith("Reminder") for mail in await p.mails())
        assert {row.status for row in await p.deliveries() if row.audience == "reminder"} == {"skipped"}


async def test_reminders_that_are_to_come_keep_no_other_mail_waiting(opening: Opening) -> None:
    async with opening() as p:
        await p.book(start_time="2024-12-01T10:00:00Z")
        assert len(await p.mails()) == 1
        p.clock.forward(days=60)  # longer than events are kept
        await p.worker.forget()
        await p.book(start_time="2024-12-02T10:00:00Z")
        assert len(await p.mails()) == 1
        p.clock.at = p.clock.at.replace(month=11, day=30, hour=10, minute=0)
        assert [mail.subject.split(":")[0] for mail in await p.mails()] == ["Reminder"]


# When the server refuses them, or is away.

SCHEDULE = (6, 330, 1_980, 7_920, 19_800, 39_600, 55_440, 79_200, 95_040)
"""The documented waits in seconds, each a tenth longer, which is the most that chance adds."""


async def test_what_is_refused_for_good_has_failed_and_holds_nothing_up(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        p.mailbox.refusals.append("550 no such mailbox")
        p.mailbox.refusals_of_data.append("554 this is spam")
        await p.book(client_email="nobody@example.com")
        await p.book(start_time="2024-01-26T14:00:00Z")
        await p.book(start_time="2024-01-27T14:00:00Z", client_email="third@example.com")
        assert [mail.recipients for mail in await p.mails()] == [["third@example.com"]]
        made = [row for row in await p.deliveries() if row.audience == "client"]
        assert [(row.status, row.attempts, row.answer_code, row.answer) for row in made] == [
            ("failed", 1, 550, "no such mailbox"),
            ("failed", 1, 554, "this is spam"),
            ("delivered", 1, 250, "kept"),
        ]
        tried = p.mailbox.tried
        await travel(p, 0, days=5)
        assert p.mailbox.tried == tried


async def test_what_is_refused_for_now_is_tried_again_by_the_schedule(
    opening: Opening,
) -> None:
    async with opening(kind={"reminderHours": None}, chance=lambda: 1.0) as p:
        await p.book()
        await p.change(status="cancelled")
        p.mailbox.refusals.extend(["451 greylisted"] * 5)
        p.mailbox.refusals_of_data.extend(["452 full"] * 4)
        for attempt, wait in enumerate((0, *SCHEDULE), start=1):
            if wait:
                await travel(p, 0, seconds=wait - 1)
                p.clock.forward(seconds=1)
            mails = await p.mails()
            row, _ = [row for row in await p.deliveries() if row.audience == "client"]
            assert (row.attempts, p.mailbox.tried - len(mails) // 2) == (attempt, attempt)
        assert row.status == "delivered"
        # What came after it of the same appointment has waited for it.
        assert [mail.subject.partition(":")[0] for mail in mails] == [
            "Your appointment is confirmed",
            "Your appointment was cancelled",
        ]


async def test_what_is_refused_for_now_keeps_only_its_own_appointment_waiting(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        p.mailbox.refusals.append("451 greylisted")
        await p.book()
        await p.change(status="cancelled")
        await p.book(client_email="joe@example.com")
        assert [mail.recipients for mail in await p.mails()] == [["joe@example.com"]]
        await travel(p, 2, seconds=6)


async def test_after_the_last_attempt_it_has_failed(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}, chance=lambda: 1.0) as p:
        p.mailbox.refusals.extend(["450 busy"] * 10)
        await p.book()
        for wait in (0, *SCHEDULE):
            await travel(p, 0, seconds=wait)
        [row] = [row for row in await p.deliveries() if row.audience == "client"]
        assert (row.status, row.attempts, row.answer_code, row.due_at) == ("failed", 10, 450, None)
        assert p.mailbox.tried == 10
        await travel(p, 0, days=3)
        assert p.mailbox.tried == 10


async def test_mails_wait_for_a_server_that_is_away(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        await p.mailbox.close()
        await p.book()
        for n in range(6):
            await p.book(start_time=f"2024-02-{n + 1:02}T14:00:00Z")
        for _ in range(3):
            await travel(p, 0, minutes=1)
        tried = [row for row in await p.deliveries() if row.attempts]
        assert 1 <= len(tried) <= 4  # what waits behind is not counted as tried
        assert all(row.error and row.status == "pending" for row in tried)
        links = await p.db.read(links_of, p.org.id)
        assert links <= sum(row.attempts for row in tried)  # none for mails that nobody tried to send

        await p.mailbox.open()
        arrived: list[Received] = []
        for _ in range(12):
            p.clock.forward(minutes=1)
            arrived += await p.mails()
        assert len(arrived) == len({mail.message["Message-ID"] for mail in arrived}) == 7
        assert {row.status for row in await p.deliveries() if row.audience == "client"} == {"delivered"}


def links_of(tx: Tx, org_id: str) -> int:
    found = select(func.count()).select_from(manage_links).where(manage_links.c.org_id == org_id)
    return int(tx.execute(found).scalar_one())


async def test_a_connection_that_breaks_is_made_anew(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        await p.book()
        assert len(await p.mails()) == 1
        await p.mailbox.close()  # the connection that was kept is gone
        await p.mailbox.open()
        await p.change(start_time="2024-01-26T14:00:00Z")
        await p.mails()
        p.clock.forward(seconds=6)
        await p.mails()
        assert [mail.subject.split(":")[0] for mail in p.mailbox.received] == [
            "Your appointment is confirmed",
            "Your appointment was moved",
        ]


async def test_a_server_that_does_not_answer_in_time_is_tried_again(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}, attempt_seconds=1) as p:
        p.mailbox.hesitation = 30
        await p.book()
        assert await p.mails() == []
        [row] = [row for row in await p.deliveries() if row.audience == "client"]
        assert (row.status, row.attempts, row.answer_code) == ("pending", 1, None)
        assert row.error.startswith("TimeoutError")
        p.mailbox.hesitation = 0
        await travel(p, 1, seconds=6)


async def test_a_mail_that_can_not_be_written_stops_no_other(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def or_not(letter: Any, *rest: Any) -> Any:
        if letter.address == "odd@example.com":
            raise AssertionError("odd")
        return written(letter, *rest)

    monkeypatch.setattr(sending, "written", or_not)
    async with opening(kind={"reminderHours": None}) as p:
        await p.book(client_email="odd@example.com")
        await p.book(start_time="2024-01-26T14:00:00Z")
        assert [mail.recipients for mail in await p.mails()] == [[JANE]]
        [odd, _] = [row for row in await p.deliveries() if row.audience == "client"]
        assert (odd.status, odd.attempts) == ("failed", 1)


@pytest.mark.parametrize("able", [False, True], ids=["old server", "new server"])
async def test_addresses_in_other_scripts(own_url: str, able: bool) -> None:
    """A domain has a form in ASCII, which every server takes; what stands before it has none."""
    mailbox = Mailbox(enable_SMTPUTF8=able)
    await mailbox.open()
    async with practice(own_url, mailbox, kind={"reminderHours": None}) as p:
        await p.book(client_email="jane@bücher.example")
        await p.book(start_time="2024-01-26T14:00:00Z", client_email="jürgen@bücher.example")
        await p.book(start_time="2024-01-27T14:00:00Z")
        jane, *others = await p.mails()
        assert jane.recipients == ["jane@xn--bcher-kva.example"]
        assert jane.message["To"].addresses[0].addr_spec == "jane@xn--bcher-kva.example"
        [event] = Calendar.from_ical(jane.calendar).events
        assert event["ATTENDEE"] == "MAILTO:jane@xn--bcher-kva.example"
        reached = [["jürgen@xn--bcher-kva.example"]] if able else []
        assert [mail.recipients for mail in others] == [*reached, [JANE]]
        [_, other, _] = [row for row in await p.deliveries() if row.audience == "client"]
        assert (other.status, other.attempts) == ("delivered" if able else "failed", 1)
    await mailbox.close()


# How the connection is made.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever trusts whom the system trusts, trusts this authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


def certified(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def sent(mailbox: Mailbox, **settings: Any) -> Outcome:
    """What becomes of a mail by a postman with these settings."""
    await mailbox.open()
    postman = Postman(Settings(smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_from=SENDER, **settings))
    try:
        outcome = await postman.send(letter(), NOON)
    finally:
        await postman.close()
        await mailbox.close()
    assert outcome is not None
    return outcome


async def test_starttls_is_the_default(authority: trustme.CA, trusted: None) -> None:
    mailbox = Mailbox(tls_context=certified(authority), require_starttls=True)
    assert (await sent(mailbox)).succeeded
    assert [mail.secure for mail in mailbox.received] == [True]


async def test_tls_from_the_start(authority: trustme.CA, trusted: None) -> None:
    mailbox = Mailbox(tls=certified(authority))
    assert (await sent(mailbox, smtp_tls="tls")).succeeded
    assert [mail.secure for mail in mailbox.received] == [True]


async def test_none_means_none_though_the_server_offers_it(authority: trustme.CA) -> None:
    mailbox = Mailbox(tls_context=certified(authority))
    assert (await sent(mailbox, smtp_tls="none")).succeeded
    assert [mail.secure for mail in mailbox.received] == [False]


@pytest.mark.parametrize("problem", ["not offered", "not trusted", "another name"])
async def test_nothing_is_sent_where_the_connection_can_not_be_secured(
    authority: trustme.CA, trusted: None, problem: str
) -> None:
    mailbox = {
        "not offered": lambda: Mailbox(),
        "not trusted": lambda: Mailbox(tls_context=certified(trustme.CA())),
        "another name": lambda: Mailbox(tls_context=certified(authority, "mail.example")),
    }[problem]()
    outcome = await sent(mailbox)
    assert (outcome.succeeded, outcome.final) == (False, False)  # whoever runs it can put it right
    assert outcome.error
    assert mailbox.received == []


async def test_user_and_password(authority: trustme.CA, trusted: None) -> None:
    demanding = {"tls_context": certified(authority), "require_starttls": True, "auth_required": True}
    mailbox = Mailbox(**demanding)
    assert (await sent(mailbox, smtp_user="kalends", smtp_password="secret")).succeeded
    assert mailbox.logins == [("kalends", "secret")]
    mailbox = Mailbox(**demanding)
    outcome = await sent(mailbox, smtp_user="kalends", smtp_password="wrong")
    assert (outcome.code, outcome.final) == (535, False)
    assert mailbox.received == []


# With settings, and without.


async def test_a_server_sends_mails_by_itself(own_url: str, mailbox: Mailbox) -> None:
    settings = Settings(
        database_url=own_url,
        smtp_host="127.0.0.1",
        smtp_port=mailbox.port,
        smtp_tls="none",
        smtp_from=SENDER,
    )
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, StoppedClock().now())
        async with client_of(app, org.key) as staff:
            assert (await staff.post(APPOINTMENTS, json=org.wish())).status_code == 200
        async with asyncio.timeout(20):
            while not mailbox.received:
                await asyncio.sleep(0.02)
    [mail] = mailbox.received
    assert (mail.sender, mail.recipients) == (SENDER, [JANE])


async def test_without_a_mail_server_nothing_is_sent_and_nothing_kept(
    opening: Opening, own_url: str, mailbox: Mailbox
) -> None:
    async with opening(smtp_host="") as p:
        await p.ask()
        await p.move("2024-01-26T14:00:00Z")
        assert await p.mails() == []
        assert await p.db.read(stored_for_mail) == (0, 0)
        assert await p.db.read(links_of, p.org.id) == 1  # which the booking was answered
        told = (await p.staff.get("/v1/events", params={"types": "appointment.*"})).json()["events"]
        assert [event["type"] for event in told] == ["appointment.created", "appointment.rescheduled"]
    # A mail server that is named later gets no mails of what is long past.
    async with opening() as p:
        assert await p.mails() == []
    assert mailbox.tried == 0


def stored_for_mail(tx: Tx) -> tuple[int, int]:
    mailboxes = select(func.count()).select_from(receivers).where(receivers.c.kind == "mail")
    return (
        tx.execute(mailboxes).scalar_one(),
        tx.execute(select(func.count()).select_from(deliveries)).scalar_one(),
    )


@pytest.mark.parametrize("sender", ["", "Clinic <booking@clinic.example>", "booking"])
def test_a_mail_server_without_a_sender_is_one_line(
    sender: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KALENDS_SMTP_HOST", "mail.example")
    monkeypatch.setenv("KALENDS_SMTP_FROM", sender)
    monkeypatch.setattr(sys, "argv", ["kalends", "worker"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == (
        "",
        "kalends: KALENDS_SMTP_FROM must be an e-mail address if KALENDS_SMTP_HOST is set\n",
    )


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
        cancelled = await p.client.post(f"{link}/cancel", json={"reason": "confirmation_expired"})
        assert cancelled.status_code == 200
        assert sorted(mail.subject.partition(":")[0] for mail in await p.mails()) == [
            "Cancelled",
            "Your appointment was cancelled",
        ]


@pytest.mark.parametrize(("before", "after"), [(24, 72), (None, 72), (72, 24), (24, None)])
async def test_reminders_follow_their_type(opening: Opening, before: int | None, after: int | None) -> None:
    async with opening(kind={"reminderHours": before}) as p:
        await p.book(start_time="2024-01-30T14:00:00Z")
        await p.mails()
        await p.change_type(reminderHours=after)
        assert await p.mails() == []
        if after is not None:
            p.clock.at = datetime(2024, 1, 30, 14, tzinfo=UTC) - timedelta(hours=after, seconds=1)
            assert await p.mails() == []
            p.clock.forward(seconds=1)
            [reminder] = await p.mails()
            assert reminder.subject.startswith("Reminder")
        p.clock.at = datetime(2024, 1, 30, 13, 59, tzinfo=UTC)
        assert await p.mails() == []


async def test_what_can_not_be_read_stops_no_other(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        await p.book()

        def spoil(tx: Tx) -> None:
            mine = (events.c.org_id == p.org.id, events.c.type == "appointment.created")
            tx.execute(update(events).where(*mine).values(payload='{"appointment":{}}'))

        await p.db.write(spoil)
        await p.book(start_time="2024-01-26T14:00:00Z", client_email="joe@example.com")
        assert [mail.recipients for mail in await p.mails()] == [["joe@example.com"]]
        assert {row.status for row in await p.deliveries() if row.error} == {"failed"}


async def test_a_server_that_refuses_us_is_tried_again(opening: Opening) -> None:
    """It is not the mail's fault: somebody will mend it."""
    async with opening(kind={"reminderHours": None}) as p:

        async def refuse(*_: object) -> str:
            return "530 Authentication required"

        p.mailbox.handle_MAIL = refuse  # type: ignore[attr-defined]
        await p.book()
        assert await p.mails() == []
        del p.mailbox.handle_MAIL  # type: ignore[attr-defined]
        p.clock.forward(seconds=6)
        assert [mail.recipients for mail in await p.mails()] == [[JANE]]


async def test_waiting_for_the_mail_server_is_no_attempt(opening: Opening) -> None:
    async with opening() as p:
        assert p.postman is not None
        async with p.postman._turn:
            assert await p.postman.send(letter(), p.clock.now(), patience=0.01) is None
        outcome = await p.postman.send(letter(), p.clock.now(), patience=0.01)
        assert outcome is not None
        assert outcome.succeeded
