"""What mails and files have from the type and the organization, as they are when it is sent."""

import pytest
from icalendar import Calendar

from tests.support.components import value
from tests.support.desk import LINKS
from tests.support.mailbox import Received
from tests.support.practice import DESK, Opening, Practice
from tests.worker.mails import JANE, travel

pytestmark = pytest.mark.anyio

STREET = "Main St 4\n10115 Berlin"
NUMBER = "+49 30 1234"
GERMAN = {
    "name": "Steuerberatung",
    "confirmationText": "Bitte Ausweis mitbringen.",
    "questions": {"q": {"label": "Anlass", "options": ["Neu", "Wieder"]}},
}
QUESTION = {"id": "q", "type": "select", "label": "Why", "options": ["New", "Again"]}


async def to(p: Practice, address: str) -> Received:
    [mail] = [mail for mail in await p.mails() if mail.recipients == [address]]
    return mail


async def test_people_who_meet_are_told_the_time_of_the_place(opening: Opening) -> None:
    async with opening(timezone="Europe/Berlin") as p:
        await p.desk.set_organization(address=STREET)
        for location, zone in (
            (None, "Asia/Tokyo"),
            ({"kind": "phone"}, "Asia/Tokyo"),
            ({"kind": "link", "value": "https://meet.example/x"}, "Asia/Tokyo"),
            ({"kind": "client_address"}, "Europe/Berlin"),
            ({"kind": "address"}, "Europe/Berlin"),
        ):
            await p.desk.set_type(location=location)
            await p.ask(client_timezone="Asia/Tokyo")
            mail = await to(p, JANE)
            assert f", {zone})" in mail.part("text/plain")
            assert mail.subject.endswith(f", {zone})")
            await p.cancel()
            assert (await to(p, JANE)).subject.endswith(f", {zone})")
        await p.ask(client_timezone="Asia/Tokyo")
        for mail in await p.mails():
            assert "\nWhere: Main St 4, 10115 Berlin\n" in mail.part("text/plain")
        file = await p.desk.client.get(f"{LINKS}/{p.token}.ics")
        assert Calendar.from_ical(file.content).events[0]["LOCATION"] == "Main St 4, 10115 Berlin"
        await p.desk.set_type(location={"kind": "address", "value": "Elsewhere"})
        await p.move("2024-01-26T14:00:00Z")
        assert "\nWhere: Elsewhere\n" in (await to(p, JANE)).part("text/plain")


async def test_types_speak_the_language_of_the_mail(opening: Opening) -> None:
    kind = {
        "bookingQuestions": [QUESTION],
        "confirmationText": "Bring your passport.",
        "requiresConfirmation": True,
    }
    async with opening(kind=kind) as p:
        await p.desk.set_type(texts={"de": GERMAN})
        await p.desk.set_organization(language="de", phone=NUMBER)
        await p.ask(client_language="de-AT", answers={"q": "Again"})
        mails = {mail.recipients[0]: mail for mail in await p.mails()}
        assert mails[DESK].subject.startswith("Zu bestätigen: Steuerberatung, ")
        assert "\nAnlass:\n> Wieder\n" in mails[DESK].part("text/plain")
        assert mails[JANE].subject.startswith("Wir haben Ihre Anfrage erhalten: Steuerberatung, ")
        assert "Ausweis" not in mails[JANE].part("text/plain")  # only what is confirmed takes place
        await p.change(status="confirmed")
        mail = await to(p, JANE)
        assert "\nHinweise:\n> Bitte Ausweis mitbringen.\n" in mail.part("text/plain")
        [event] = Calendar.from_ical(mail.calendar).events
        assert event["SUMMARY"] == "Steuerberatung, Test"
        assert value(event, "DESCRIPTION").startswith(
            f"Bitte Ausweis mitbringen.\n\nTelefon: {NUMBER}\n\nAnsehen:\n"
        )
        file = Calendar.from_ical((await p.desk.client.get(f"{LINKS}/{p.token}.ics")).content).events[0]
        assert (file["SUMMARY"], file["DESCRIPTION"]) == (
            "Steuerberatung, Test",
            f"Bitte Ausweis mitbringen.\n\nTelefon: {NUMBER}",
        )

        # In a language that the type has no texts for, and after questions were asked otherwise.
        await p.change(client_language="fr")
        await p.desk.set_organization(language="en")
        await p.desk.set_type(bookingQuestions=[QUESTION | {"label": "What for"}])
        await p.change(start_time="2024-01-26T14:00:00Z")
        mail = await to(p, JANE)
        assert "\nInformations :\n> Bring your passport.\n" in mail.part("text/plain")
        assert "Tax Consultation, " in mail.subject
        await p.desk.set_organization(language="de")
        await p.cancel()
        mails = {mail.recipients[0]: mail for mail in await p.mails()}
        assert "\nWhy:\n> Again\n" in mails[DESK].part("text/plain")
        assert "passport" not in mails[JANE].part("text/plain")
        assert f" : {NUMBER}\n" in mails[JANE].part("text/plain")


async def test_a_reminder_that_comes_too_late_offers_no_change(opening: Opening) -> None:
    async with opening() as p:
        await p.desk.set_organization(client_notice_hours=24, contact_email="hello@clinic.example")
        await p.book()
        assert "See, move or cancel it here:" in (await to(p, JANE)).part("text/plain")
        [reminder] = await travel(p, 1, days=4, hours=2)
        text = reminder.part("text/plain")
        assert "\nSee it here:\n" in text
        assert "\nTo move or cancel it, please get in touch with us: hello@clinic.example\n" in text


async def test_a_cancelled_appointment_is_not_to_be_moved(opening: Opening) -> None:
    """What was confirmed and cancelled before the mail about the first is written."""
    async with opening() as p:
        await p.book()
        await p.change(status="cancelled")
        first, second = await p.mails()
        assert "\nSee it here:\n" in first.part("text/plain")
        assert "it here:" not in second.part("text/plain")


async def test_feeds_of_staff_say_where(opening: Opening) -> None:
    async with opening() as p:
        feed = (await p.desk.staff.post("/v1/calendar/feeds", json={})).json()["url"]
        await p.book(client_phone="+1 555 0100")
        await p.desk.set_organization(address=STREET)
        seen, tags = [], set()
        for change in (
            {"location": None},
            {"location": {"kind": "address"}},
            {"location": {"kind": "phone"}},
            {"location": {"kind": "link", "value": "https://meet.example/x"}},
            {"location": {"kind": "client_address"}},
        ):
            await p.desk.set_type(**change)
            response = await p.desk.client.get(feed)
            [event] = Calendar.from_ical(response.content).events
            seen.append((event.get("LOCATION"), event.get("CONFERENCE")))
            tags.add(response.headers["etag"])
        assert seen == [
            (None, None),
            ("Main St 4, 10115 Berlin", None),
            ("By phone: we call +1 555 0100", None),
            ("https://meet.example/x", "https://meet.example/x"),
            ("At the client's address", None),
        ]
        for fields in ({"language": "de"}, {"address": "Elsewhere"}):
            await p.desk.set_organization(**fields)
            tags.add((await p.desk.client.get(feed)).headers["etag"])
        await p.desk.set_type(location={"kind": "address"})
        await p.desk.set_organization(address="Here")
        response = await p.desk.client.get(feed)
        assert Calendar.from_ical(response.content).events[0]["LOCATION"] == "Here"
        assert response.headers["etag"] not in tags
        await p.change(status="cancelled")
        assert b"LOCATION" not in (await p.desk.client.get(feed)).content
