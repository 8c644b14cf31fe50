"""When clients are reminded of their appointments."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.practice import Opening, Practice
from tests.worker.mails import JANE, TO_BE_CONFIRMED, travel

pytestmark = [pytest.mark.anyio, pytest.mark.both]


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
            lambda p: p.desk.set_type(reminderHours=None),
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


@pytest.mark.parametrize(("before", "after"), [(24, 72), (None, 72), (72, 24), (24, None)])
async def test_reminders_follow_their_type(opening: Opening, before: int | None, after: int | None) -> None:
    async with opening(kind={"reminderHours": before}) as p:
        await p.book(start_time="2024-01-30T14:00:00Z")
        await p.mails()
        await p.desk.set_type(reminderHours=after)
        assert await p.mails() == []
        if after is not None:
            p.clock.at = datetime(2024, 1, 30, 14, tzinfo=UTC) - timedelta(hours=after, seconds=1)
            assert await p.mails() == []
            p.clock.forward(seconds=1)
            [reminder] = await p.mails()
            assert reminder.subject.startswith("Reminder")
        p.clock.at = datetime(2024, 1, 30, 13, 59, tzinfo=UTC)
        assert await p.mails() == []
