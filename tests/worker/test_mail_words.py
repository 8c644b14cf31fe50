"""What mails say, and where their links lead."""

import re
from datetime import timedelta
from email.utils import getaddresses

import pytest
from icalendar import Calendar

from tests.support.answers import answered, refused
from tests.support.desk import APPOINTMENTS, LINKS, by_api
from tests.support.letters import BASE, SENDER
from tests.support.mailbox import Received
from tests.support.practice import DESK, Opening
from tests.worker.mails import JANE, ON_THURSDAY, TO_BE_CONFIRMED, told, travel

pytestmark = pytest.mark.anyio


async def test_mails_word_by_word(opening: Opening) -> None:
    questions = [{"id": "q", "type": "text", "label": "Referred by", "required": True}]
    async with opening(kind=TO_BE_CONFIRMED | {"bookingQuestions": questions}) as p:
        await p.ask(client_notes="First visit", answers={"q": "A friend"})
        to_client, to_staff = sorted(await p.mails(), key=lambda mail: mail.recipients == [DESK])
        link = to_client.part("text/plain").splitlines()[-1]
        assert link.startswith(f"{BASE}/manage/")
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
            "Notes:\n> First visit\n\nReferred by:\n> A friend\n\n"
            f"Confirm or decline it on the pages for staff:\n{BASE}/staff/appointments/{p.id}\n"
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
        assert (
            await p.desk.client.post(f"{link}/cancel", json={"reason": "I am ill.\nSorry"})
        ).status_code == 200
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
        await p.desk.set_organization(language="de-AT")
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
        await p.desk.set_organization(language=None)
        await p.cancel()
        assert "Cancelled" in told(await p.mails(), DESK)


async def test_an_answer_reaches_the_other_one(opening: Opening) -> None:
    async def answers_go_to() -> dict[str, str | None]:
        return {mail.recipients[0]: mail.message["Reply-To"] for mail in await p.mails()}

    async with opening() as p:
        await p.desk.set_organization(name="Clinic", notification_email="desk@bücher.example")
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
        await p.desk.set_organization(notification_email=None)
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
        await p.desk.set_organization(name=hostile)
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
    return by_api(line).removeprefix(BASE)


async def test_every_mail_has_a_link_and_earlier_ones_stay_good(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        await p.move("2024-01-26T14:00:00Z")
        await p.change(start_time="2024-01-27T14:00:00Z")
        links = [link_in(mail) for mail in await p.mails() if mail.recipients == [JANE]]
        assert len(set(links)) == 3
        links.append(f"/v1/public/appointments/{p.token}")  # what the booking itself was answered
        for link in links:
            assert (await p.desk.client.get(link)).json()["appointment"]["id"] == p.id
        moved = await p.desk.client.post(
            f"{links[0]}/reschedule", json={"start_time": "2024-01-28T14:00:00Z"}
        )
        assert moved.status_code == 200

        fresh = await p.desk.staff.post(f"{APPOINTMENTS}/{p.id}/manage-link")
        for link in links:
            refused(await p.desk.client.get(link), 404, "not_found")
        [after] = [mail for mail in await p.mails() if mail.recipients == [JANE]]
        for link in (link_in(after), by_api(fresh.json()["manage_url"]).removeprefix(BASE)):
            assert (await p.desk.client.get(link)).json()["appointment"][
                "start_time"
            ] == "2024-01-28T14:00:00Z"
        await p.change(status="cancelled")
        [gone] = await p.mails()
        assert BASE not in gone.part("text/plain") + gone.part("text/html")


async def test_without_a_public_address_there_is_no_link(opening: Opening) -> None:
    async with opening(public_url="") as p:
        await p.book()
        [mail] = await p.mails()
        assert "manage/" not in mail.part("text/plain") + mail.part("text/html")
        assert "DESCRIPTION" not in mail.calendar.decode()


@pytest.mark.parametrize("public_url", ["", BASE])
async def test_links_lead_to_the_organizations_own_pages_if_it_has_some(
    opening: Opening, public_url: str
) -> None:
    async with opening(public_url=public_url) as p:
        await p.desk.set_organization(manage_url_template="https://clinic.example/mine?t={token}&x=1")
        await p.book()
        [mail] = await p.mails()
        [token] = re.findall(r"https://clinic\.example/mine\?t=(\S+)&x=1\n", mail.part("text/plain"))
        assert f'href="https://clinic.example/mine?t={token}&amp;x=1"' in mail.part("text/html")
        [event] = Calendar.from_ical(mail.calendar).events
        assert event["DESCRIPTION"] == f"https://clinic.example/mine?t={token}&x=1"
        assert answered(await p.desk.client.get(f"{LINKS}/{token}"), "appointment")["id"] == p.id
