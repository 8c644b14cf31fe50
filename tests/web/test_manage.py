"""The page behind a client's link: what it shows, and what can be done there."""

import html
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from icalendar import Calendar
from sqlalchemy import func, select

from kalends.app import create_app
from kalends.core.errors import Unavailable
from kalends.db.database import Database, Tx
from kalends.db.tables import appointments, events, manage_links
from kalends.services.booking import booking_page
from kalends.services.booking.manage_links import issue
from kalends.settings import Settings
from kalends.telemetry import configure
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import APPOINTMENTS, at
from tests.support.right_to_left import LANGUAGE, arabic, said
from tests.web.browsers import browser_of
from tests.web.clients import Client, alert_of, client_at, links_of, main_of, typed_in, words_of
from tests.web.owners import Owner, owner_by_staff, owner_of, version_on

pytestmark = pytest.mark.anyio

PLACE = {"kind": "address", "value": "Main Street 4\n10115 Berlin"}
CALL = {"kind": "link", "value": "https://meet.example/sun?x=1&y=2"}
KEEP = "Please keep the address of this page"
QUESTIONS = [
    {"id": "who", "type": "text", "label": "Who sent you?"},
    {"id": "first", "type": "checkbox", "label": "First visit"},
    {"id": "how", "type": "select", "label": "How long?", "options": ["Short", "Long"]},
]


@pytest.fixture
async def mailing(url: str, clock: StoppedClock) -> AsyncIterator[Client]:
    """A client of an organization whose server sends mails."""
    settings = Settings(
        database_url=url,
        worker=False,
        smtp_host="mail.example",
        smtp_from="booking@clinic.example",
        public_url="http://kalends.test",
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        yield await client_at(app, browser, clock)


async def unconfirmed(client: Client) -> Owner:
    """A client who has to confirm by mail, and opens the link in it."""
    await client.desk.set_organization(clients_confirm_by_mail=True)
    booked = await client.desk.booked_by_client()
    assert booked["manage_token"] is None
    org, id_, now = client.desk.org.id, booked["appointment"]["id"], client.clock.now()
    token = await client.desk.app.state.context.database.write(issue, org, id_, now)
    return Owner(client.desk, client.browser, id_, token)


async def counted(db: Database) -> list[int]:
    """How many appointments, events and links there are, and how often the appointments were changed."""

    def count(tx: Tx) -> list[int]:
        found = [
            tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (appointments, events, manage_links)
        ]
        return [*found, tx.execute(select(func.sum(appointments.c.version))).scalar_one()]

    return await db.read(count)


def heading_of(page: httpx.Response) -> str:
    [heading] = re.findall(r"<h1>(.*?)</h1>", page.text)
    return html.unescape(heading)


# What it shows.


async def test_what_was_booked_is_all_there(mailing: Client) -> None:
    desk = mailing.desk
    await desk.set_organization(address="Elsewhere 1", phone="+49 30 123", contact_email="hello@sun.example")
    await desk.set_type(
        location=PLACE,
        price={"amount": 80, "currency": "EUR"},
        confirmationText="Please bring your papers.",
        bookingQuestions=QUESTIONS,
        redirectUrl="https://sun.example/thanks?a=1",
    )
    owner = await owner_of(
        mailing, client_notes="See you!\nJane", answers={"who": "A friend", "first": True, "how": "Long"}
    )
    page = await owner.open(booked="1")
    assert page.status_code == 200
    assert heading_of(page) == "Booked"
    words = words_of(page)
    for each in (
        "A mail is on its way to jane@example.com.",
        "Continue to sun.example",
        "Tax Consultation Confirmed Thursday, 25 January 2024, 14:00 – 15:00",
        "Time zone: Coordinated Universal Time (UTC)",
        "Where Main Street 4 10115 Berlin Show on a map",
        "Price €80",
        "Please note Please bring your papers.",
        "You can do this online until Wed 24 Jan, 14:00. Move it Cancel it",
        "Add to calendar Calendar file Google Outlook Print",
        "Name Jane Doe E-mail jane@example.com Who sent you? A friend First visit Yes How long? Long",
        "Notes See you! Jane",
        "Correct your details",
        "Contact Elsewhere 1 Phone: +49 30 123 E-mail: hello@sun.example",
    ):
        assert each in words, each
    links = links_of(page)
    assert "https://sun.example/thanks?a=1" in links
    assert "https://www.openstreetmap.org/search?query=Main+Street+4%2C+10115+Berlin" in links
    below = {each.removeprefix(owner.path) for each in links if each.startswith(owner.path)}
    assert below == {"/appointment.ics", "/move", "/cancel", "/details"}
    plain = words_of(await owner.open())
    assert plain.startswith("Your appointment Tax Consultation Confirmed")
    assert "on its way" not in plain
    assert "Continue" not in plain


@on_sqlite
async def test_nothing_is_promised_that_will_not_be(client: Client) -> None:
    """Without a mail server no mail is on its way; what is not known is not mentioned."""
    owner = await owner_of(client, client_email=None, client_phone="+49 123")
    words = words_of(await owner.open(booked="1"))
    for each in ("mail", "Where", "Price", "Please note", "With", "Contact", "Continue", "Reason"):
        assert each not in words, each
    assert "Phone +49 123" in words
    assert KEEP in words
    for other in (await owner.open(), await owner.open(moved="1")):
        assert KEEP not in words_of(other)
    assert "mail" not in words_of(await owner.open("/cancel"))
    assert "We read it." in words_of(await owner.open("/cancel"))
    # Nor is it to somebody who gave an address that no mail is sent to.
    second = await owner_of(client, at("10:00"))
    assert KEEP in words_of(await second.open(booked="1"))
    assert "mails" not in words_of(await second.open("/cancel"))
    await second.send("/cancel")
    assert KEEP not in words_of(await second.open(booked="1"))


@on_sqlite
async def test_labels_have_the_colon_of_their_language(client: Client) -> None:
    await client.desk.set_organization(phone="+49 30 123", contact_email="hello@sun.example")
    page = html.unescape((await (await owner_of(client)).open(lang="fr")).text)
    assert "<p>Téléphone\u00a0: <a" in page
    assert "<p>E-mail\u00a0: <a" in page


@on_sqlite
async def test_a_time_in_another_year_has_its_year(client: Client) -> None:
    await client.desk.set_type(maxDaysAhead=800)
    owner = await owner_of(client, "2025-01-23T14:00:00Z")
    words = words_of(await owner.open())
    assert re.search(r"You can do this online until Wed,? 22 Jan 2025, 14:00", words), words


@on_sqlite
async def test_what_is_in_mails_is_said_to_those_who_get_them(mailing: Client) -> None:
    owner = await owner_of(mailing)
    assert "it is in the mails about the cancellation" in words_of(await owner.open("/cancel"))
    assert KEEP not in words_of(await owner.open(booked="1"))
    other = await owner_of(mailing, at("10:00"), client_email=None, client_phone="+49 123")
    assert "mail" not in words_of(await other.open("/cancel"))
    assert KEEP in words_of(await other.open(booked="1"))
    gone = await mailing.browser.get(f"{mailing.home}/hold/hold_x")
    assert "If you gave an e-mail address, you find what comes next in your mail." in words_of(gone)


@on_sqlite
@pytest.mark.parametrize(
    ("location", "shown", "link"),
    [
        (
            {"kind": "address"},
            "Where Our house Show on a map",
            "https://www.openstreetmap.org/search?query=Our+house",
        ),
        (CALL, f"Online {CALL['value']}", CALL["value"]),
        ({"kind": "phone"}, "By phone We will call you at +49 1.", None),
        (
            {"kind": "phone", "value": "+49 (30) 7"},
            "By phone Please call this number: +49 (30) 7",
            "tel:+49(30)7",
        ),
        ({"kind": "client_address"}, "Where At your place", None),
    ],
    ids=lambda each: each["kind"] if isinstance(each, dict) else None,
)
async def test_where_it_takes_place(
    client: Client, location: dict[str, Any], shown: str, link: str | None
) -> None:
    await client.desk.set_organization(address="Our house")
    await client.desk.set_type(location=location)
    owner = await owner_of(client, client_phone="+49 1")
    page = await owner.open()
    assert shown in words_of(page)
    assert link is None or link in links_of(page)
    await owner.send("/cancel")
    assert shown not in words_of(await owner.open())


@on_sqlite
async def test_with_whom_is_told_only_where_clients_may_choose(client: Client) -> None:
    desk = client.desk
    await desk.set_calendar(desk.org.calendar_id, public_name="Dr. Ana", is_public=True)
    owner = await owner_of(client)
    assert "Dr. Ana" not in words_of(await owner.open())
    await desk.set_type(clientsChoose=True)
    assert "With Dr. Ana" in words_of(await owner.open())
    assert "With Dr. Ana" in words_of(await owner.open("/move"))
    await desk.set_calendar(desk.org.calendar_id, is_public=False)
    assert "Dr. Ana" not in words_of(await owner.open())


async def test_each_status_is_told(mailing: Client) -> None:
    client = mailing
    desk = client.desk
    await desk.set_type(requiresConfirmation=True, confirmWithinHours=12)
    owner = await owner_of(client)
    for told, is_news in ((await owner.open(), False), (await owner.open(booked="1"), True)):
        assert heading_of(told) == "Requested"
        assert "We confirm by Sun 21 Jan, 00:00." in words_of(told)
        assert ("A mail is on its way" in words_of(told)) == is_news
    await desk.changed(owner.id, status="confirmed")
    assert heading_of(await owner.open()) == "Your appointment"
    assert "Tax Consultation Confirmed" in words_of(await owner.open())
    client.clock.forward(days=6)
    over = words_of(await owner.open())
    assert "Tax Consultation Over" in over
    assert "This appointment is over." in over
    assert "Add to calendar" not in over
    assert "Move it" not in over
    for status, shown in (("completed", "Over"), ("no_show", "Not attended")):
        await desk.changed(owner.id, status=status)
        assert f"Tax Consultation {shown}" in words_of(await owner.open())


async def test_what_was_not_confirmed_in_time_is_told(client: Client) -> None:
    await client.desk.set_type(requiresConfirmation=True, confirmWithinHours=12)
    owner = await owner_of(client)
    client.clock.forward(hours=13)
    page = await owner.open()
    assert heading_of(page) == "Not confirmed in time"
    assert "we did not confirm your request in time" in words_of(page)
    assert f"{client.path}" in links_of(page)
    assert "Cancel it" not in words_of(page)


@on_sqlite
async def test_a_cancelled_one_says_why_and_leads_to_another(client: Client) -> None:
    desk = client.desk
    owner = await owner_of(client)
    await desk.changed(owner.id, status="cancelled", cancellation_reason="We are ill.\nSorry")
    page = await owner.open()
    assert heading_of(page) == "Cancelled"
    assert "Reason We are ill. Sorry" in words_of(page)
    assert client.path in links_of(page)
    await desk.set_type(visibility="staff")
    assert client.home in links_of(await owner.open())
    await desk.set_type(isActive=False, visibility="public")
    assert client.home in links_of(await owner.open())
    await desk.set_organization(page=False)
    page = await owner.open()
    assert page.status_code == 200
    assert "Book again" not in words_of(page)
    assert '<a class="brand"><span' in page.text


@on_sqlite
async def test_it_is_in_the_readers_language_and_clock(client: Client) -> None:
    texts = {
        "de": {
            "name": "Steuerberatung",
            "confirmationText": "Bitte Unterlagen mitbringen.",
            "questions": {"how": {"label": "Wie lange?", "options": ["Kurz", "Lang"]}},
        }
    }
    await client.desk.set_type(bookingQuestions=QUESTIONS, texts=texts, confirmationText="Bring papers.")
    owner = await owner_of(client, answers={"how": "Long", "first": False})
    words = words_of(await owner.open(lang="de"))
    assert "Steuerberatung Bestätigt Donnerstag, 25. Januar 2024, 14:00 – 15:00" in words
    assert "Bitte Unterlagen mitbringen." in words
    assert "Wie lange? Lang" in words
    assert "First visit Nein" in words
    assert "2:00 pm – 3:00 pm" in words_of(await owner.open(lang="en", clock="12"))
    assert all(
        "lang=de" in each for each in links_of(await owner.open(lang="de")) if each.startswith("/manage")
    )
    with arabic():
        page = await owner.open(lang=LANGUAGE)
    assert 'dir="rtl"' in page.text
    assert said("Your appointment") in page.text


# Zones.


@on_sqlite
async def test_people_who_meet_have_the_clocks_of_the_place(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.set_type(location=PLACE)
    owner = await owner_of(client, client_timezone="Asia/Kathmandu")
    for page in (await owner.open(), await owner.open(zone="America/New_York")):
        words = words_of(page)
        assert "25 January 2024, 15:00 – 16:00 Time zone: Central European Time (Europe/Berlin)" in words
        assert "Kathmandu" not in words
        assert "Change ·" not in words
        assert 'data-js="zone"' not in page.text


@on_sqlite
async def test_people_who_call_have_their_own_clocks(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.set_type(location=CALL)
    owner = await owner_of(client, client_timezone="Asia/Kathmandu")
    page = await owner.open()
    words = words_of(page)
    assert "Thursday, 25 January 2024, 19:45 – 20:45 Time zone: Nepal Time (Asia/Kathmandu) · Change" in words
    there = "In Berlin: Thursday, 25 January 2024, 15:00 – 16:00 · Central European Time (Europe/Berlin)"
    assert there in words
    assert "until Wed 24 Jan, 19:45." in words
    assert 'data-js="zone"' not in page.text  # it is known already
    words = words_of(await owner.open(zone="Pacific/Auckland"))
    assert "Friday, 26 January 2024, 03:00 – 04:00 Time zone: New Zealand Time (Pacific/Auckland)" in words
    assert there in words
    words = words_of(await owner.open(zone="Europe/Paris"))
    assert "15:00 – 16:00 Time zone: Central European Time (Europe/Paris)" in words
    assert "In Berlin" not in words
    assert "Kathmandu" in words_of(await owner.open(zone="Nowhere/Land"))
    asked = await owner.open("/zone", to="move")
    assert f'action="{owner.path}/zone"' in asked.text
    assert 'value="Asia/Kathmandu"' in asked.text
    answer = await owner.open("/zone", to="move", city="paris")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{owner.path}/move?zone=Europe%2FParis")
    assert "know this city" in words_of(await owner.open("/zone", to="move", city="Springfield"))


@on_sqlite
async def test_a_caller_whose_zone_is_not_known_is_asked_by_the_script(client: Client) -> None:
    await client.desk.set_type(location=CALL)
    owner = await owner_of(client)
    assert 'data-js="zone" data-zone="UTC"' in (await owner.open()).text
    assert 'data-js="zone"' not in (await owner.open(zone="Asia/Tokyo")).text


@on_sqlite
async def test_a_type_without_a_place_is_told_as_in_mails(client: Client) -> None:
    owner = await owner_of(client, client_timezone="Asia/Tokyo")
    words = words_of(await owner.open(zone="America/Lima"))
    assert "23:00 – Friday, 26 January 2024, 00:00 Time zone: Japan Time (Asia/Tokyo)" in words
    assert "In UTC: Thursday, 25 January 2024, 14:00 – 15:00 ·" in words or "14:00 – 15:00" in words


@on_sqlite
@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("2024-10-27T00:00:00Z", "Sunday, 27 October 2024, 02:00 CEST – 02:00 CET"),
        ("2024-10-27T01:30:00Z", "Sunday, 27 October 2024, 02:30 CET – 03:30"),
        ("2024-03-31T00:30:00Z", "Sunday, 31 March 2024, 01:30 – 03:30"),
    ],
)
async def test_an_hour_that_happens_twice_says_which(client: Client, start: str, shown: str) -> None:
    await client.desk.set_organization(timezone="Europe/Berlin")
    await client.desk.set_type(location=PLACE)
    owner = await owner_by_staff(client, start)
    assert shown in words_of(await owner.open())


# Calendars.


@on_sqlite
async def test_it_goes_into_calendars_without_its_secret(client: Client) -> None:
    await client.desk.set_type(location=CALL)
    owner = await owner_of(client)
    page = await owner.open()
    [google, outlook] = [
        httpx.URL(each)
        for each in links_of(page)
        if each.startswith(("https://calendar.google.com/", "https://outlook.live.com/"))
    ]
    assert dict(google.params) == {
        "action": "TEMPLATE",
        "text": "Tax Consultation, Doe & Daughters",
        "dates": "20240125T140000Z/20240125T150000Z",
        "location": CALL["value"],
    }
    assert dict(outlook.params) == {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": "Tax Consultation, Doe & Daughters",
        "startdt": "2024-01-25T14:00:00Z",
        "enddt": "2024-01-25T15:00:00Z",
        "location": CALL["value"],
    }
    assert owner.token not in str(google) + str(outlook)
    assert "+" not in outlook.query.decode()
    foreign = re.findall(r'<a [^>]*href="https?://[^"]*"[^>]*>', main_of(page))
    assert foreign
    assert all('rel="noopener noreferrer"' in each for each in foreign)


@on_sqlite
async def test_the_calendar_file_is_that_of_the_api(client: Client) -> None:
    owner = await owner_of(client)
    file = await owner.open("/appointment.ics")
    assert file.headers["content-type"].startswith("text/calendar")
    assert file.headers["content-disposition"] == 'attachment; filename="appointment.ics"'
    assert file.headers["cache-control"] == "no-store"
    assert (
        file.content == (await client.desk.client.get(f"/v1/public/appointments/{owner.token}.ics")).content
    )
    [event] = Calendar.from_ical(file.content).events
    assert event["UID"] == f"{owner.id}@kalends"


# Confirming and cancelling.


async def test_a_client_confirms_with_a_button(mailing: Client) -> None:
    owner = await unconfirmed(mailing)
    page = await owner.open()
    assert heading_of(page) == "Please confirm"
    words = words_of(page)
    assert "Please confirm your booking by Sat 20 Jan, 12:30." in words
    assert "Move it" not in words
    assert "Cancel it" in words
    assert "Correct your details" not in words
    assert "Please confirm your booking first." in words_of(await owner.open("/move"))
    answer = await owner.send("/confirm")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{owner.path}?confirmed=1")
    page = await mailing.browser.get(answer.headers["location"])
    assert heading_of(page) == "Confirmed"
    assert (await owner.seen())["status"] == "confirmed"
    assert (await owner.send("/confirm")).status_code == 303
    assert (await owner.seen())["version"] == 1


async def test_what_was_confirmed_too_late_or_cancelled_is_not_confirmed(mailing: Client) -> None:
    owner = await unconfirmed(mailing)
    await owner.send("/cancel")
    answer = await owner.send("/confirm")
    assert (answer.status_code, heading_of(answer)) == (409, "Cancelled")
    owner = await unconfirmed(mailing)
    mailing.clock.forward(minutes=31)
    for answer in (await owner.send("/confirm"), await owner.open(), await owner.send("/cancel")):
        assert (answer.status_code, heading_of(answer)) == (404, "This link is no longer valid")


@on_sqlite
async def test_a_refusal_can_be_read_in_another_language(client: Client) -> None:
    owner = await owner_of(client)
    await owner.send("/cancel")
    wrong = {"reason": "x" * 10_001, "phone": "1", "start": at("09:00")}
    for path, status in (("/confirm", 409), ("/cancel", 400), ("/details", 400), ("/move", 409)):
        answer = await owner.send(path, None, **wrong)
        assert answer.status_code == status, path
        languages = re.findall(r'<li><a href="([^"]*)" lang="', answer.text)
        assert len(languages) == 5
        for each in languages:
            page = await client.browser.get(html.unescape(each), follow_redirects=True)
            assert page.status_code == 200, each
            assert f'<html lang="{each[-2:]}' in page.text


async def test_a_client_cancels_in_two_steps(client: Client) -> None:
    owner = await owner_of(client)
    page = await owner.open("/cancel")
    assert heading_of(page) == "Cancel this appointment?"
    assert "Tax Consultation Thursday, 25 January 2024, 14:00 – 15:00 Time zone:" in words_of(page)
    assert (await owner.seen())["status"] == "confirmed"
    answer = await owner.send("/cancel", reason="I am ill.\r\nSorry")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{owner.path}?cancelled=1")
    page = await client.browser.get(answer.headers["location"])
    assert heading_of(page) == "Cancelled"
    assert "Reason I am ill. Sorry" in words_of(page)
    seen = await owner.seen()
    assert (seen["status"], seen["cancellation_reason"]) == ("cancelled", "I am ill.\nSorry")
    assert "This appointment is cancelled already." in words_of(await owner.open("/cancel"))
    assert (await owner.send("/cancel", reason="Again")).status_code == 303
    assert await owner.seen() == seen


async def test_what_was_changed_meanwhile_is_not_cancelled_unseen(client: Client) -> None:
    owner = await owner_of(client)
    seen = version_on(await owner.open("/cancel"))
    await client.desk.changed(owner.id, start_time=at("11:00"))
    answer = await owner.send("/cancel", version=seen, reason="I am ill.")
    assert answer.status_code == 409
    assert alert_of(answer).startswith("Your appointment was changed meanwhile.")
    assert "Thursday, 25 January 2024, 11:00 – 12:00" in words_of(answer)
    assert version_on(answer) == "2"
    assert ">\nI am ill.</textarea>" in answer.text
    stored = await owner.seen()
    assert (stored["status"], stored["version"]) == ("confirmed", 2)
    for _ in range(2):
        assert (await owner.send("/cancel", version="2")).status_code == 303
    assert (await owner.seen())["status"] == "cancelled"


@on_sqlite
async def test_a_reason_that_is_too_long_stays_in_the_form(client: Client) -> None:
    owner = await owner_of(client)
    typed = "x" * 10_001
    answer = await owner.send("/cancel", reason=typed)
    assert answer.status_code == 400
    assert alert_of(answer) == "Please check what you entered."
    assert '<a href="#reason">This is too long. Please shorten it.</a>' in answer.text
    assert f">\n{typed}</textarea>" in answer.text
    assert (await owner.seen())["status"] == "confirmed"
    assert (await owner.send("/cancel", reason="\x00")).status_code == 400
    assert (await owner.send("/cancel", reason=" ")).status_code == 303


async def test_what_is_too_late_or_over_is_not_changed(client: Client) -> None:
    await client.desk.set_organization(phone="+49 30 123")
    owner = await owner_of(client)
    client.clock.forward(days=4, hours=3)
    page = words_of(await owner.open())
    assert (
        "It is too late to change this online. Please get in touch with us. Contact Phone: +49 30 123" in page
    )
    assert page.count("Contact") == 1
    assert "Move it" not in page
    for path in ("/cancel", "/move"):
        for answer, status in (
            (await owner.open(path), 200),
            (await owner.send(path, start=at("16:00")), 409),
        ):
            assert answer.status_code == status
            assert "It is too late to change this online." in words_of(answer)
            assert "Phone: +49 30 123" in words_of(answer)
            assert "<button" not in main_of(answer)
    client.clock.forward(days=2)
    await client.desk.changed(owner.id, status="completed")
    for path in ("/cancel", "/move", "/details"):
        for answer, status in (
            (await owner.open(path), 200),
            (await owner.send(path, start=at("16:00")), 409),
        ):
            assert answer.status_code == status
            assert "This appointment is over." in words_of(answer)
    assert (await owner.seen())["status"] == "completed"


# What must never be.


@pytest.mark.slow
async def test_a_crawler_that_follows_every_link_changes_nothing(client: Client, db: Database) -> None:
    await client.desk.set_type(location=CALL)
    owner = await owner_of(client)
    before = await counted(db)
    waiting, seen = [owner.path, f"{owner.path}/confirm"], set[str]()
    while waiting and len(seen) < 150:
        address = waiting.pop()
        if address in seen or "lang=" in address:
            continue
        seen.add(address)
        page = await client.browser.get(address)
        assert page.status_code in (200, 303), address
        if page.headers.get("content-type", "").startswith("text/html"):
            found = [html.unescape(each) for each in re.findall(r'(?:href|action)="(/[^"]*)"', page.text)]
            waiting += [each for each in found if each.startswith(owner.path)]
    assert {
        f"{owner.path}{each}" for each in ("", "/move", "/cancel", "/details", "/appointment.ics")
    } <= seen
    assert len(seen) > 10
    assert await counted(db) == before


@on_sqlite
async def test_nobody_keeps_embeds_or_lists_these_pages(client: Client) -> None:
    await client.desk.set_organization(embed_origins=["https://sun.example"], indexing=True)
    owner = await owner_of(client)
    paths = ["", "/move", "/cancel", "/details", "/appointment.ics", "/nothing", "/zone"]
    for path in paths:
        for query in ({}, {"embed": "1"}):
            answer = await owner.open(path, **query)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-robots-tag"] == "noindex"
            assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "set-cookie" not in answer.headers
            assert "canonical" not in answer.text


@on_sqlite
async def test_a_link_that_has_ended_says_so(client: Client) -> None:
    owner = await owner_of(client)
    await client.desk.staff.post(f"{APPOINTMENTS}/{owner.id}/manage-link")
    for answer in (
        await owner.open(),
        await owner.open("/move"),
        await owner.open("/appointment.ics"),
        await owner.send("/cancel"),
        await client.browser.get("/manage/unknown"),
        await client.browser.get("/manage/unknown?embed=1"),
    ):
        assert (answer.status_code, heading_of(answer)) == (404, "This link is no longer valid")
        assert "latest mail" in words_of(answer)
    late = await owner_of(client, at("09:00"))
    client.clock.forward(days=40)
    assert heading_of(await late.open()) == "This link is no longer valid"


@on_sqlite
async def test_the_secret_is_not_in_the_log(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    owner = await owner_of(client)
    for path in ("", "/move", "/cancel", "/details", "/appointment.ics", "/nothing", "/zone"):
        await owner.open(path)
    for path in ("/confirm", "/move", "/details", "/cancel", "/nothing"):
        await owner.send(path, start=at("15:00"))
    logged = capsys.readouterr().err
    assert "/manage/{token}/cancel" in logged
    assert owner.token not in logged


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "{{ 7*7 }} {% raw %} {name} %s",
    "\u202egnp.exe \u2066x",
    "x" * 3_000,
    "👩‍👩‍👧 a\nb\tc",
]


@on_sqlite
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_only_texts(client: Client, text: str) -> None:
    desk, short = client.desk, text[:200]
    await desk.set_calendar(desk.org.calendar_id, public_name=short, is_public=True)
    await desk.set_organization(name=short, address=text, intro=text)
    await desk.set_type(
        name=short,
        location={"kind": "address", "value": text},
        confirmationText=text,
        clientsChoose=True,
        calendarIds=[desk.org.calendar_id],
        bookingQuestions=[{"id": short, "type": "textarea", "label": short}],
    )
    owner = await owner_of(client, client_name=short, client_notes=text, answers={short: text})
    pages = [await owner.open(path, zone=short) for path in ("", "/move", "/cancel", "/details")]
    wrong = {"phone": text, "notes": text, f"q.{short}": text * 9}
    typed = [
        await owner.send("/details", None, **wrong),
        await owner.send("/cancel", reason=text + "x" * 10_001),
    ]
    assert [each.status_code for each in typed] == [400, 400]
    await owner.send("/cancel", reason=text)
    pages.append(await owner.open())
    for page in (*pages, *typed):
        assert "<img" not in page.text
        assert not re.findall(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', "", page.text))
        assert all("src=" in each for each in re.findall(r"<script\b[^>]*>", page.text))
        assert "49 {%" not in page.text
    for page in pages:
        assert page.status_code == 200
        assert not re.search("[\u202e\u2066]", words_of(page))
    assert " ".join(re.sub("[\u202e\u2066]", "", text).split()) in words_of(pages[-1])


# What comes too early, or while the database is away.


@on_sqlite
async def test_what_was_typed_outlives_too_many_requests(url: str, clock: StoppedClock) -> None:
    settings = Settings(database_url=url, worker=False, public_requests_per_hour=25)
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        client = await client_at(app, browser, clock)
        owner = await owner_of(client)
        for _ in range(3):
            await owner.send("/nothing")
        for _ in range(3):
            answer = await owner.send("/cancel", reason='I am "ill" & <sorry>\r\nJane')
            if answer.status_code == 429:
                break
            await owner.send("/nothing")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert "Please try again in " in words_of(answer)
        assert "What you entered is kept." in words_of(answer)
        [kept] = re.findall(r'<input type="hidden" name="reason" value="([^"]*)">', answer.text)
        assert html.unescape(kept) == 'I am "ill" & <sorry>\nJane'
        assert f'action="{owner.path}/cancel"' in answer.text
        foreign = await browser.post(f"{owner.path}/cancel", data={"reason": "x"})
        assert foreign.status_code == 429
        assert "<form" not in foreign.text


@on_sqlite
async def test_what_was_typed_outlives_an_outage(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await owner_of(client)

    def away(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(booking_page, "cancel", away)
        answer = await owner.send("/cancel?lang=en&theme=dark", reason="I am ill.")
        assert answer.status_code == 503
        assert f'action="{owner.path}/cancel?lang=en&amp;theme=dark"' in answer.text
        assert "What you entered is kept." in words_of(answer)
        large = await owner.send("/cancel", reason="x" * 60_000)
        assert large.status_code in (400, 503)
    [kept] = re.findall(r'<input type="hidden" name="reason" value="([^"]*)">', answer.text)
    assert (await owner.send("/cancel", reason=kept)).status_code == 303
    assert (await owner.seen())["cancellation_reason"] == "I am ill."


@on_sqlite
async def test_the_script_is_told_where_to_go(client: Client) -> None:
    owner = await owner_of(client)
    answer = await owner.send("/cancel", {"Kalends-Script": "1"})
    assert (answer.status_code, answer.headers["location"]) == (204, f"{owner.path}?cancelled=1")


# Correcting.


async def test_a_client_corrects_what_they_have_said(client: Client) -> None:
    questions = [*QUESTIONS, {"id": "age", "type": "number", "label": "Age", "required": True}]
    await client.desk.set_type(bookingQuestions=questions)
    owner = await owner_of(client, client_notes="a\nb", answers={"who": "x", "first": True, "age": 30})
    page = await owner.open("/details")
    typed = typed_in(page)
    assert typed == {
        "shown": typed["shown"],
        "phone": "",
        "q.who": "x",
        "q.first": "1",
        "q.how": "",
        "q.age": "30",
        "notes": "a\nb",
    }
    wish = typed | {"phone": "+49 123", "q.who": "", "q.how": "Long", "q.age": "31,5", "notes": ""}
    del wish["q.first"]
    answer = await owner.send("/details", None, **wish)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{owner.path}?saved=1")
    assert heading_of(await client.browser.get(answer.headers["location"])) == "Saved"
    seen = await owner.seen()
    assert (seen["client_phone"], seen["client_notes"]) == ("+49 123", None)
    assert {each["id"]: each["answer"] for each in seen["answers"]} == {
        "first": False,
        "how": "Long",
        "age": 31.5,
    }
    again = typed_in(await owner.open("/details"))
    assert again == {
        "shown": again["shown"],
        "phone": "+49 123",
        "q.who": "",
        "q.how": "Long",
        "q.age": "31.5",
        "notes": "",
    }
    assert (await owner.send("/details", None, **again)).status_code == 303
    assert (await owner.seen())["version"] == seen["version"]


async def test_what_staff_change_meanwhile_stays_unless_the_client_changes_it_too(client: Client) -> None:
    await client.desk.set_type(bookingQuestions=QUESTIONS)
    owner = await owner_of(client, client_phone="+49 1111", client_notes="mine", answers={"who": "x"})
    typed = typed_in(await owner.open("/details"))
    answers = {"who": "staff", "first": True, "how": "Long"}
    theirs = {"client_phone": "+49 2222", "client_notes": "staff"}
    await client.desk.changed(owner.id, **theirs, answers=answers)
    refused = await owner.send("/details", None, **typed | {"phone": "1", "q.how": "Short"})
    assert refused.status_code == 400
    answer = await owner.send("/details", None, **typed_in(refused) | {"phone": "+49 1111"})
    assert answer.status_code == 303
    seen = await owner.seen()
    assert {name: seen[name] for name in theirs} == theirs
    assert {each["id"]: each["answer"] for each in seen["answers"]} == answers | {"how": "Short"}


@on_sqlite
async def test_answers_to_questions_that_changed_stay_unless_they_are_touched(client: Client) -> None:
    asked = [{"id": name, "type": "textarea", "label": name} for name in "abc"]
    await client.desk.set_type(bookingQuestions=asked)
    given = {"a": "one\rtwo", "b": "other", "c": "yes"}
    owner = await owner_of(client, client_notes="one\r\ntwo", answers=given)
    before = await owner.seen()
    await client.desk.set_type(
        bookingQuestions=[
            {"id": "a", "type": "text", "label": "a"},
            {"id": "b", "type": "select", "label": "b", "options": ["this"]},
            {"id": "c", "type": "checkbox", "label": "c"},
        ]
    )
    typed = typed_in(await owner.open("/details"))
    assert [typed[f"q.{name}"] for name in "abc"] == ["onetwo", "", "1"]
    answer = await owner.send("/details", None, **typed)
    assert answer.status_code == 303, words_of(answer)
    assert await owner.seen() == before


@on_sqlite
async def test_everything_that_is_wrong_is_told_at_once_and_stays(client: Client) -> None:
    questions = [
        {"id": "age", "type": "number", "label": "Age", "required": True},
        {"id": "mail", "type": "email", "label": "Other mail"},
    ]
    await client.desk.set_type(bookingQuestions=questions)
    owner = await owner_of(client, answers={"age": 30})
    page = await owner.open("/details")
    sent = {"phone": "12", "q.age": "", "q.mail": "no address", "notes": "x" * 10_001}
    answer = await owner.send("/details", None, **typed_in(page) | sent)
    assert answer.status_code == 400
    assert typed_in(answer) == sent | {"shown": typed_in(page)["shown"]}
    problems = re.findall(r'<li><a href="#(\w+)">([^<]*)</a></li>', answer.text)
    assert [(id_, html.unescape(told).split(" – ")[0]) for id_, told in problems] == [
        ("phone", "Phone"),
        ("q0", "Age"),
        ("q1", "Other mail"),
        ("notes", "Notes"),
    ]
    assert (await owner.seen())["version"] == 1


@on_sqlite
async def test_answers_that_staff_left_out_are_not_asked_for(client: Client) -> None:
    owner = await owner_by_staff(client)
    await client.desk.set_type(bookingQuestions=[{"id": "q", "type": "text", "label": "Q", "required": True}])
    answer = await owner.send("/details", None, **{"phone": "+49 123", "notes": "", "q.q": ""})
    assert answer.status_code == 303
    assert (await owner.seen())["client_phone"] == "+49 123"


@on_sqlite
async def test_the_only_way_to_reach_a_client_is_not_removed(client: Client) -> None:
    owner = await owner_of(client, client_email=None, client_phone="+49 123")
    answer = await owner.send("/details", phone="", notes="")
    assert answer.status_code == 400
    assert '<a href="#phone">' in answer.text
    assert json.dumps((await owner.seen())["client_phone"]) == '"+49 123"'
