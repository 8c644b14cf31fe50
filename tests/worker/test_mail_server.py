"""When the mail server refuses mails, or is away, or a mail can't be written."""

from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import update

from kalends.db.database import Tx
from kalends.db.tables import events
from kalends.delivery import letters
from kalends.delivery.letters import written
from tests.support.letters import letter
from tests.support.mailbox import Mailbox, Received
from tests.support.organizations import links_of
from tests.support.practice import Opening, practice
from tests.worker.mails import JANE, travel

pytestmark = pytest.mark.anyio


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
        links = await p.db.read(links_of, p.desk.org.id)
        assert links <= sum(row.attempts for row in tried)  # none for mails that nobody tried to send

        await p.mailbox.open()
        arrived: list[Received] = []
        for _ in range(12):
            p.clock.forward(minutes=1)
            arrived += await p.mails()
        assert len(arrived) == len({mail.message["Message-ID"] for mail in arrived}) == 7
        assert {row.status for row in await p.deliveries() if row.audience == "client"} == {"delivered"}


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

    monkeypatch.setattr(letters, "written", or_not)
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


async def test_what_can_not_be_read_stops_no_other(opening: Opening) -> None:
    async with opening(kind={"reminderHours": None}) as p:
        await p.book()

        def spoil(tx: Tx) -> None:
            mine = (events.c.org_id == p.desk.org.id, events.c.type == "appointment.created")
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
