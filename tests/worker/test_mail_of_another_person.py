"""Clients who see with whom they book are told if it is somebody else in the end."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.letters import appointment, letter, part
from tests.support.practice import DESK, Opening, Practice
from tests.worker.mails import JANE, ON_THURSDAY, TO_BE_CONFIRMED, told

pytestmark = pytest.mark.anyio

SUBJECT = "Your appointment is with somebody else"


async def people(p: Practice, *, clients_choose: bool = True, **ben: Any) -> tuple[str, str]:
    """The ids of Ana's calendar, which is public, and of Ben's; clients choose between the two."""
    ana = p.desk.org.calendar_id
    await p.desk.set_calendar(ana, name="A. P.", public_name="Ana Pereira", is_public=True)
    other = await p.desk.room("Ben Weber", **({"is_public": True} | ben))
    await p.desk.set_type(calendarIds=[ana, other], clientsChoose=clients_choose)
    return ana, other


async def test_a_client_is_told_with_whom_it_is_now(opening: Opening) -> None:
    async with opening() as p:
        ana, ben = await people(p, public_name="Dr. <Ben>")
        await p.ask(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben)
        [mail] = await p.mails()
        assert (mail.recipients, mail.subject) == ([JANE], f"{SUBJECT}: {ON_THURSDAY}")
        text = mail.part("text/plain")
        assert text.startswith("Hello Jane Doe,\n\nYour appointment is now with: Dr. <Ben>\n\nWhat: Tax")
        assert "Before:" not in text
        assert "Your appointment is now with: Dr. &lt;Ben&gt;" in mail.part("text/html")
        assert b"METHOD:REQUEST" in mail.calendar
        await p.change(calendar_id=ana)
        [mail] = await p.mails()
        assert "Your appointment is now with: Ana Pereira\n" in mail.part("text/plain")
        await p.change(calendar_id=ana)
        await p.change(internal_notes="x")
        assert await p.mails() == []


async def test_one_that_is_moved_too_is_one_mail(opening: Opening) -> None:
    async with opening() as p:
        ana, ben = await people(p)
        await p.ask(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben, start_time="2024-01-26T14:00:00Z")
        [mail] = await p.mails()
        assert told([mail], JANE) == ["Your appointment was moved"]
        assert "was moved.\n\nYour appointment is now with: Ben Weber\n" in mail.part("text/plain")
        await p.change(start_time="2024-01-27T14:00:00Z")
        [mail] = await p.mails()
        assert "is now with" not in mail.part("text/plain")


async def test_a_request_that_waits_for_staff_is_told_of_too(opening: Opening) -> None:
    async with opening(kind=TO_BE_CONFIRMED) as p:
        ana, ben = await people(p)
        await p.ask(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben)
        assert told(await p.mails(), JANE) == [SUBJECT]


@pytest.mark.parametrize(
    "setup",
    [{"is_public": False}, {"is_public": False, "public_name": "Ben"}, {"clients_choose": False}],
    ids=["staff only", "staff only, with a public name", "nobody chooses"],
)
async def test_calendars_that_clients_do_not_see_stay_unmentioned(
    opening: Opening, setup: dict[str, Any]
) -> None:
    async with opening() as p:
        ana, ben = await people(p, **setup)
        await p.ask()
        if (await p.desk.get(p.id))["calendar_id"] != ana:
            await p.change(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben)
        assert await p.mails() == []
        await p.change(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben, start_time="2024-01-26T14:00:00Z")
        [mail] = await p.mails()
        assert told([mail], JANE) == ["Your appointment was moved"]
        assert "Ben" not in mail.part("text/plain") + mail.part("text/html")


async def test_another_room_is_no_other_person(opening: Opening) -> None:
    async with opening() as p:
        ana, ben = await people(p)
        blue, red = await p.desk.room("Blue", is_public=True), await p.desk.room("Red", is_public=True)
        doctor = {"name": "doctor", "calendarIds": [ana, ben]}
        await p.desk.set_type(requirements=[doctor, {"name": "room", "calendarIds": [blue, red]}])
        await p.ask(calendar_id=ana)
        await p.mails()
        taken = {each["calendar_id"] for each in (await p.desk.get(p.id))["calendars"]}
        [other] = {blue, red} - taken
        await p.change(calendar_ids=[ana, other])
        assert await p.mails() == []
        await p.change(calendar_ids=[ben, other])
        [mail] = await p.mails()
        assert "is now with: Ben Weber\n" in mail.part("text/plain")


async def test_nobody_is_told_of_what_is_over_gone_or_taken_over_again(opening: Opening) -> None:
    async with opening() as p:
        ana, ben = await people(p)
        await p.ask(calendar_id=ana)
        await p.mails()
        await p.change(calendar_id=ben)
        await p.change(calendar_id=ana)
        [mail] = await p.mails()
        assert "is now with: Ana Pereira\n" in mail.part("text/plain"), "only the last is true"
        await p.change(calendar_id=ben, status="cancelled")
        assert told(await p.mails(), JANE) == ["Your appointment was cancelled"]
        await p.ask(calendar_id=ana, start_time="2024-01-26T14:00:00Z")
        await p.mails()
        p.clock.forward(days=10)
        await p.change(calendar_id=ben, check="none")
        assert told(await p.mails(), DESK) == []


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("de", "Ihr Termin ist jetzt bei: Ana"),
        ("es", "Su cita es ahora con: Ana"),
        ("fr", "Votre rendez-vous est maintenant avec"),
        ("pt", "A sua marcação é agora com: Ana"),
    ],
)
def test_it_is_said_in_every_language(language: str, sentence: str) -> None:
    about = appointment(client_language=language)
    mail = replace(letter("reassigned", about=about), person="Ana")
    assert sentence in part(mail, "text/plain")
    assert sentence in part(mail, "text/html")
