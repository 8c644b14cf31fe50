"""Another e-mail address: who had the old one may be a stranger, so nothing of the appointment is left to
them, and whoever has the new one is told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import func, select

from kalends.db.database import Tx
from kalends.db.tables import manage_links
from kalends.schemas.deliveries import Tried
from kalends.schemas.letters import Letter
from kalends.services.leaving import attempts, leases
from kalends.services.outbox import event_order, event_pages
from tests.support.answers import refused
from tests.support.components import value
from tests.support.desk import APPOINTMENTS, by_api
from tests.support.letters import BASE
from tests.support.mailbox import Mailbox, Received
from tests.support.practice import Opening, Practice, practice

pytestmark = pytest.mark.anyio

OLD, NEW = "jane@example.com", "jane.doe@example.com"
FRIDAY = "2024-01-26T14:00:00Z"
CONFIRMED, CANCELLED = "Your appointment is confirmed", "Your appointment was cancelled"
FORMER = "No longer under this e-mail address"


@pytest.fixture
def opening(own_url: str, mailbox: Mailbox) -> Opening:
    return partial(practice, own_url, mailbox, kind={"reminderHours": None})


def told(mails: list[Received]) -> list[tuple[str, str]]:
    """To whom mails go, and the first words of their subjects."""
    return sorted((mail.recipients[0], mail.subject.partition(":")[0]) for mail in mails)


def to(address: str, mails: list[Received]) -> Received:
    [mail] = [mail for mail in mails if mail.recipients == [address]]
    return mail


def everything(mail: Received) -> str:
    """What a reader could find in a mail."""
    parts = [part.get_content() for part in mail.message.walk() if not part.is_multipart()]
    return "\n".join([*(str(value) for value in mail.message.values()), *map(str, parts)])


def links_in(mail: Received) -> list[str]:
    lines = mail.part("text/plain").splitlines()
    return [by_api(line).removeprefix(BASE) for line in lines if line.startswith(BASE)]


async def links(p: Practice) -> int:
    def stored(tx: Tx) -> int:
        mine = manage_links.c.org_id == p.desk.org.id
        return int(tx.execute(select(func.count()).select_from(manage_links).where(mine)).scalar_one())

    return await p.db.read(stored)


async def test_a_stranger_is_told_only_that_it_is_over(opening: Opening) -> None:
    async with opening(timezone="Europe/Berlin") as p:
        await p.desk.set_organization(notification_email=None)
        await p.ask(client_name="Jane Do", client_notes="old notes")
        [first] = await p.mails()
        await p.change(
            client_name="Jane Doe",
            client_email=NEW,
            client_phone="+4930555",
            client_notes="new notes",
            start_time=FRIDAY,
        )
        mails = await p.mails()
        assert told(mails) == [(NEW, CONFIRMED), (OLD, FORMER)]

        before, after = Calendar.from_ical(first.calendar), Calendar.from_ical(to(OLD, mails).calendar)
        [entry], [gone] = before.events, after.events
        assert (after["METHOD"], gone["STATUS"], gone["UID"]) == ("CANCEL", "CANCELLED", entry["UID"])
        assert value(gone, "SEQUENCE") > value(entry, "SEQUENCE")
        assert gone["ATTENDEE"] == f"MAILTO:{OLD}"
        assert gone["ATTENDEE"].params["CN"] == "Jane Do"
        for field in ("DTSTART", "DTEND", "SUMMARY"):
            assert gone[field] == entry[field]
        said = everything(to(OLD, mails))
        for new in ("Jane Doe", NEW, "4930555", "notes", "January 26", "20240126", "/v1/public"):
            assert new not in said
        assert "January 25" in said
        assert "DESCRIPTION" not in gone

        mail = to(NEW, mails)
        [entry] = Calendar.from_ical(mail.calendar).events
        assert entry["SEQUENCE"] == gone["SEQUENCE"]
        assert "January 25" not in everything(mail)  # which the client was never told


async def test_links_of_before_work_no_longer_and_the_new_one_does(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        old = [f"/v1/public/appointments/{p.token}"]
        old += links_in(to(OLD, await p.mails()))
        fresh = await p.desk.staff.post(f"{APPOINTMENTS}/{p.id}/manage-link")
        old.append(by_api(fresh.json()["manage_url"]).removeprefix(BASE))
        await p.change(client_email=NEW)
        assert await links(p) == 0  # at once, whether or not there is a worker
        for link in old:
            refused(await p.desk.client.get(link), 404, "not_found")
            refused(await p.desk.client.get(f"{link}.ics"), 404, "not_found")
            refused(await p.desk.client.post(f"{link}/cancel", json={}), 404, "not_found")
            refused(
                await p.desk.client.post(f"{link}/reschedule", json={"start_time": FRIDAY}), 404, "not_found"
            )
        [link] = links_in(to(NEW, await p.mails()))
        assert (await p.desk.client.get(link)).json()["appointment"]["client_email"] == NEW
        assert await links(p) == 1


Step = Callable[[Practice], Awaitable[Any]]
STORIES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "no address": ({"client_email": None}, [(OLD, FORMER)]),
    "moved": ({"client_email": NEW, "start_time": FRIDAY}, [(NEW, CONFIRMED), (OLD, FORMER)]),
    "cancelled": (
        {"client_email": NEW, "status": "cancelled", "cancellation_reason": "Dr. Weber is ill"},
        [(NEW, CANCELLED), (OLD, FORMER)],
    ),
    "cancelled and moved": (
        {"client_email": NEW, "status": "cancelled", "start_time": FRIDAY},
        [(NEW, CANCELLED), (OLD, FORMER)],
    ),
    "completed": ({"client_email": NEW, "status": "completed"}, [(OLD, FORMER)]),
    "only capitals": ({"client_email": "Jane@Example.com"}, []),
    "the same": ({"client_email": OLD, "client_name": "J. Doe"}, []),
}


@pytest.mark.parametrize("story", STORIES)
async def test_who_is_told_of_what_changed_with_the_address(opening: Opening, story: str) -> None:
    change, expected = STORIES[story]
    async with opening() as p:
        await p.book()
        assert told(await p.mails()) == [(OLD, CONFIRMED)]
        await p.change(**change)
        mails = await p.mails()
        assert told(mails) == expected
        for mail in mails:
            assert ("Dr. Weber is ill" in everything(mail)) == (
                "cancellation_reason" in change and mail.recipients == [NEW]
            )
        assert (await links(p) == 0) == (expected != [] and (NEW, CONFIRMED) not in expected)
        p.clock.forward(days=1)
        assert await p.mails() == []


async def test_capitals_change_no_link(opening: Opening) -> None:
    async with opening() as p:
        await p.ask(client_email="jürgen@example.com")
        await p.change(client_email="JÜRGEN@example.com")
        link = await p.desk.client.get(f"/v1/public/appointments/{p.token}")
        assert link.json()["appointment"]["client_email"] == "JÜRGEN@example.com"


async def test_a_first_address_ends_nothing(opening: Opening) -> None:
    """Who booked by phone has a link, and nobody else was told anything."""
    async with opening() as p:
        await p.ask(client_email=None)
        await p.mails()
        await p.change(client_email=NEW)
        assert told(await p.mails()) == [(NEW, CONFIRMED)]
        assert (await p.desk.client.get(f"/v1/public/appointments/{p.token}")).status_code == 200


async def test_an_address_that_was_never_reached_is_told_nothing(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.change(client_email=NEW)  # before the worker came
        assert told(await p.mails()) == [(NEW, CONFIRMED)]
        assert [row.status for row in await p.deliveries() if row.audience == "client"] == [
            "skipped",
            "delivered",
        ]
        p.mailbox.refusals.append("550 no such mailbox")
        await p.change(client_email=OLD)
        assert told(await p.mails()) == [(NEW, FORMER)]  # the new address refused
        await p.change(client_email="third@example.com")
        assert told(await p.mails()) == [("third@example.com", CONFIRMED)]


async def test_what_waits_for_another_attempt_is_not_sent_and_keeps_nobody_waiting(opening: Opening) -> None:
    async with opening() as p:
        p.mailbox.refusals.extend(["451 no such domain for now"] * 3)
        await p.book()
        assert await p.mails() == []
        p.clock.forward(seconds=10)
        assert await p.mails() == []  # now it waits for minutes
        p.mailbox.refusals.clear()
        await p.change(client_email=NEW)
        assert told(await p.mails()) == [(NEW, CONFIRMED)]
        p.clock.forward(days=1)
        assert await p.mails() == []
        assert await links(p) == 1  # that of the new address


async def test_the_farewell_keeps_no_mail_waiting(opening: Opening) -> None:
    """A mistyped domain may never answer."""
    async with opening() as p:
        await p.book()
        await p.mails()
        await p.change(client_email=NEW)
        p.mailbox.unreachable.add(OLD)
        assert told(await p.mails()) == [(NEW, CONFIRMED)]
        await p.change(start_time=FRIDAY)
        assert told(await p.mails()) == [(NEW, "Your appointment was moved")]
        p.mailbox.unreachable.clear()
        p.clock.forward(minutes=10)
        assert told(await p.mails()) == [(OLD, FORMER)]


@pytest.mark.parametrize("meanwhile", [False, True], ids=["at once", "one by one"])
async def test_to_and_fro_leaves_the_first_address_its_entry(opening: Opening, meanwhile: bool) -> None:
    async with opening() as p:
        await p.book()
        entries = [Calendar.from_ical(mail.calendar).events[0] for mail in await p.mails()]
        arrived = []
        await p.change(client_email=NEW)
        if meanwhile:
            arrived += await p.mails()
        await p.change(client_email=OLD)
        arrived += await p.mails()
        expected = [(OLD, CONFIRMED)]
        if meanwhile:
            expected += [(NEW, CONFIRMED), (OLD, FORMER), (NEW, FORMER)]
        assert told(arrived) == sorted(expected)
        mine = [mail for mail in arrived if mail.recipients == [OLD]]
        entries += [Calendar.from_ical(mail.calendar).events[0] for mail in mine]
        numbers = [int(value(entry, "SEQUENCE")) for entry in entries]
        assert numbers == sorted(set(numbers))  # each is taken for newer than the one before
        assert entries[-1]["STATUS"] == "CONFIRMED"
        [link] = links_in(mine[-1])
        assert (await p.desk.client.get(link)).status_code == 200
        p.clock.forward(days=1)
        assert await p.mails() == []


async def test_staff_answer_to_the_present_address(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        await p.change(client_email=NEW)
        mails = await p.mails()
        assert told(mails) == [("desk@clinic.example", "Booked"), (NEW, CONFIRMED)]
        [answers_go_to] = to("desk@clinic.example", mails).message["Reply-To"].addresses
        assert answers_go_to.addr_spec == NEW


async def test_a_letter_that_was_taken_before_the_change_leaves_no_link(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        assert p.postman is not None
        now = p.clock.now()
        await p.db.write(event_order.number, p.desk.org.id, now, mail=True)
        [lease] = await p.db.write(leases.lease, now, 10, mail=True)
        batch = await p.db.write(attempts.take, lease, now)
        assert batch is not None
        assert await links(p) == 1
        await p.change(client_email=NEW)
        assert await links(p) == 0
        # Nobody can call it back: it goes out, and its link leads nowhere.
        [due] = batch.due
        assert isinstance(due.content, Letter)
        outcome = await p.postman.send(due.content, now)
        assert outcome is not None
        await p.db.write(attempts.record, lease, [Tried(due, outcome, now, 0.5)])
        await p.db.write(leases.release, lease, now, None)
        first, *others = await p.mails()
        assert first.recipients == [OLD]
        [link] = links_in(first)
        refused(await p.desk.client.get(link), 404, "not_found")
        assert told(others) == [(NEW, CONFIRMED), (OLD, FORMER)]


async def test_a_letter_that_was_taken_and_not_sent_is_sent_to_nobody(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        now = p.clock.now()
        await p.db.write(event_order.number, p.desk.org.id, now, mail=True)
        [lease] = await p.db.write(leases.lease, now, 10, mail=True)
        batch = await p.db.write(attempts.take, lease, now)
        assert batch is not None
        await p.change(client_email=NEW)
        await p.db.write(attempts.record, lease, [], batch.due)
        await p.db.write(leases.release, lease, now, None)
        assert told(await p.mails()) == [(NEW, CONFIRMED)]
        assert await links(p) == 1


async def test_a_cancellation_that_waits_is_made_up_for(opening: Opening) -> None:
    """The stranger was told of the visit, but not yet of its cancellation; and who is meant, of nothing."""
    async with opening() as p:
        await p.book()
        await p.mails()
        p.mailbox.refusals.append("451 not now")
        await p.change(status="cancelled", cancellation_reason="We are ill.")
        assert await p.mails() == []
        await p.change(client_email=NEW)
        mails = sorted(await p.mails(), key=lambda mail: told([mail]))
        assert told(mails) == sorted([(NEW, CANCELLED), (OLD, FORMER)])
        assert all(Calendar.from_ical(mail.calendar)["METHOD"] == "CANCEL" for mail in mails)
        said = {told([mail])[0][0]: "We are ill." in mail.part("text/plain") for mail in mails}
        assert said == {NEW: True, OLD: False}
        await p.change(status="confirmed")
        assert told(await p.mails()) == [(NEW, CONFIRMED)]


async def test_who_was_told_of_a_cancellation_is_told_no_more(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.change(status="cancelled")
        await p.mails()
        await p.change(client_email=NEW, status="confirmed")
        assert told(await p.mails()) == [(NEW, CONFIRMED)]


async def test_the_stranger_is_told_of_the_time_they_know(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.mails()
        p.mailbox.refusals.append("451 not now")
        await p.change(start_time=FRIDAY, client_name="Mary")
        await p.mails()
        await p.change(client_email=NEW)
        mail = to(OLD, await p.mails())
        assert mail.subject.startswith(f"{FORMER}: Tax Consultation, Thursday, January 25")
        assert "Mary" not in everything(mail)


async def test_what_is_over_is_taken_back_from_nobody(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.mails()
        p.clock.forward(days=6)
        await p.change(client_email=NEW)
        assert await p.mails() == []
        assert await links(p) == 0


async def test_reminders_go_to_the_present_address(own_url: str, mailbox: Mailbox) -> None:
    async with practice(own_url, mailbox) as p:
        await p.book()
        await p.mails()
        await p.change(client_email=NEW)
        await p.mails()
        p.clock.forward(days=4, hours=2)
        mails = await p.mails()
        assert told(mails) == [(NEW, "Reminder")]
        [link] = links_in(mails[0])
        assert (await p.desk.client.get(link)).status_code == 200


async def test_what_was_mailed_is_known_as_long_as_the_appointment_lies_ahead(opening: Opening) -> None:
    """Longer than events are kept."""
    async with opening() as p:
        await p.ask(client_email=None)
        await p.change(client_email=OLD)
        await p.change(client_notes="none of the address's business")
        await p.desk.set_type(reminderHours=None)
        await p.mails()
        later = datetime(2200, 1, 1, tzinfo=UTC)  # of everything that happened by then

        async def forget() -> set[str]:
            await p.db.write(event_pages.forget, p.desk.org.id, later, p.clock.now())
            return {f"{row.audience} {row.status}" for row in await p.deliveries()}

        kept = await forget()
        assert "client delivered" in kept
        await p.change(client_email=NEW)
        assert told(await p.mails()) == [(NEW, CONFIRMED), (OLD, FORMER)]
        p.clock.forward(days=6)
        await p.mails()
        assert await forget() == set()


async def test_mails_and_changes_at_the_same_moment_leave_strangers_nothing(opening: Opening) -> None:
    async with opening() as p:
        days = [f"2024-02-{day:02}T14:00:00Z" for day in range(1, 13)]
        booked = [(await p.book(start_time=day, client_email=OLD))["id"] for day in days]

        async def correct(id_: str, n: int) -> None:
            await asyncio.sleep(0.01 * n)
            response = await p.desk.staff.patch(f"{APPOINTMENTS}/{id_}", json={"client_email": NEW})
            assert response.status_code == 200, response.text

        await asyncio.gather(p.work(), *(correct(id_, n) for n, id_ in enumerate(booked)))
        mails = await p.mails()
        for mail in mails:
            for link in links_in(mail):
                status = (await p.desk.client.get(link)).status_code
                assert status == (404 if mail.recipients == [OLD] else 200)
        last = {}
        for mail in mails:
            [event] = Calendar.from_ical(mail.calendar).events
            last[str(event["UID"]), mail.recipients[0]] = str(event["STATUS"])
        assert {last[f"{id_}@kalends", NEW] for id_ in booked} == {"CONFIRMED"}
        assert {last.get((f"{id_}@kalends", OLD), "CANCELLED") for id_ in booked} == {"CANCELLED"}


async def test_a_link_changes_nothing_after_the_address(opening: Opening) -> None:
    async with opening() as p:
        for day in range(1, 9):
            await p.ask(start_time=f"2024-02-{day:02}T14:00:00Z")
            path = f"{APPOINTMENTS}/{p.id}"
            link = f"/v1/public/appointments/{p.token}"
            by_client, by_staff = await asyncio.gather(
                p.desk.client.post(f"{link}/cancel", json={}),
                p.desk.staff.patch(path, json={"client_email": NEW}),
            )
            assert by_staff.status_code == 200
            assert by_client.status_code in (200, 404)
            history = (await p.desk.staff.get(f"{path}/history")).json()["history"]
            kinds = [entry["actor"]["kind"] for entry in history]
            cancelled = ["client", "client", "api_key"]
            assert kinds == (cancelled if by_client.status_code == 200 else ["client", "api_key"])
