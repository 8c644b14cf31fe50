"""From a time that is kept to an appointment, and what comes after."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import at
from tests.support.organizations import links_of as links_stored
from tests.support.right_to_left import arabic
from tests.web.browsers import browser_of
from tests.web.clients import (
    JANE,
    NINE,
    QUESTIONS,
    TEN,
    Client,
    alert_of,
    client_at,
    links_of,
    main_of,
    starts_of,
    token_of,
    typed_in,
    words_of,
)

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def elsewhere(client: Client) -> AsyncIterator[Client]:
    """Another person, at another network address."""
    async with browser_of(client.desk.app, address="192.0.2.7") as browser:
        yield replace(client, browser=browser)


async def test_a_client_books(client: Client) -> None:
    address = await client.held()
    page = await client.browser.get(address)
    words = words_of(page)
    assert "Thursday, 25 January 2024, 09:00" in words
    assert "Kept for you until 12:10" in words
    assert 'data-left="{time} left"' in page.text
    assert "Time zone: Coordinated Universal Time (UTC)" in words
    assert page.headers["x-robots-tag"] == "noindex"
    booked = await client.fill(address, **JANE, notes="By bike\r\nor bus")
    seen = await client.desk.client.get(f"/v1/public/appointments/{token_of(booked)}")
    [stored] = await client.stored()
    assert seen.json()["appointment"]["id"] == stored["id"]
    assert (stored["start_time"], stored["client_name"]) == (NINE, "Jane Doe")
    assert (stored["client_email"], stored["client_phone"]) == ("jane@example.com", None)
    assert stored["client_notes"] == "By bike\nor bus"
    assert (stored["client_language"], stored["client_timezone"]) == ("en-GB", None)
    assert stored["source"] == "booking_page"


async def test_the_same_form_sent_twenty_times_books_once(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    answers = await asyncio.gather(*(client.send(address, sent) for _ in range(20)))
    assert len({token_of(each) for each in answers}) == 20  # each has a link that works
    again = await client.send(address, sent)
    assert token_of(again)
    assert len(await client.stored()) == 1


async def test_a_second_form_of_the_same_hold_does_not_book_again(client: Client) -> None:
    """Not even where another person would have time."""
    other = await client.desk.room()
    await client.desk.set_type(calendarIds=[client.desk.org.calendar_id, other])
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    token_of(await client.send(address, sent))
    answer = await client.send(address, sent | {"name": "Jane D."})
    assert answer.status_code == 409
    assert "was booked or given back" in alert_of(answer)
    assert typed_in(answer)["name"] == "Jane D."
    assert len(await client.stored()) == 1
    token_of(await client.send(address, typed_in(answer)))  # who presses once more, means it
    assert len(await client.stored()) == 2


async def test_a_form_books_once_also_after_its_hold_has_run_out(client: Client) -> None:
    """With the hold or without it, and whatever is typed: only a client who is told may book again."""
    other = await client.desk.room()
    await client.desk.set_type(calendarIds=[client.desk.org.calendar_id, other], maxOpenPerClient=9)
    for start, minutes in ((NINE, 0), (TEN, 11)):
        address = await client.held(start)
        sent = typed_in(await client.browser.get(address)) | JANE
        client.clock.forward(minutes=minutes)
        token_of(await client.send(address, sent))
        before = len(await client.stored())
        client.clock.forward(minutes=11)
        token_of(await client.send(address, sent))
        told = await client.send(address, sent | {"notes": "By bike"})
        assert (told.status_code, typed_in(told)["notes"]) == (409, "By bike")
        assert "If you have booked it already" in alert_of(told)
        assert len(await client.stored()) == before
        meant = typed_in(told)
        for _ in range(2):
            token_of(await client.send(address, meant))
        told = await client.send(address, meant | {"notes": "By bus"})
        assert (told.status_code, len(await client.stored())) == (409, before + 1)


async def test_who_goes_back_finds_the_time_free(client: Client) -> None:
    address = await client.held()
    [back] = [each for each in links_of(await client.browser.get(address)) if "replaces=" in each]
    page = await client.browser.get(back)
    assert NINE in starts_of(page)
    assert NINE not in starts_of(await client.open(date="2024-01-25"))  # for others
    hold = address.rpartition("/")[2]
    assert f'name="replaces" value="{hold}"' in page.text
    second = await client.held(NINE, replaces=hold)
    assert (await client.browser.get(address)).status_code == 404
    third = await client.held(TEN, replaces=second.rpartition("/")[2].partition("?")[0])
    assert NINE in starts_of(await client.open(date="2024-01-25"))
    token_of(await client.fill(third, **JANE))


async def test_who_goes_back_by_the_browser_finds_the_same_form_again(client: Client) -> None:
    """The page from before knows nothing of the hold. One of another person is in the way as ever."""
    address = await client.held()
    again = await client.choose(NINE)
    assert (again.status_code, again.headers["location"]) == (303, address)
    async with elsewhere(client) as other:
        answer = await other.choose(NINE)
        assert (answer.status_code, alert_of(answer)) == (409, "09:00 has just been taken.")
    token_of(await client.fill(address, **JANE))
    answer = await client.choose(NINE)
    assert (answer.status_code, alert_of(answer)) == (409, "09:00 has just been taken.")


async def test_two_people_behind_one_address_have_a_time_each_where_two_are_free(client: Client) -> None:
    room = await client.desk.room()
    await client.desk.set_type(calendarIds=[client.desk.org.calendar_id, room])
    first, second = await client.held(), await client.held()
    assert first != second
    assert (await client.choose(NINE)).headers["location"] == first
    for each in (first, second):
        token_of(await client.fill(each, **JANE))


async def test_who_looks_at_many_times_has_the_last_ones_kept(client: Client) -> None:
    """Going back by the browser's button, five holds are left behind; from other addresses none is taken."""
    async with elsewhere(client) as other:
        theirs = await other.held(at("16:00"))
    held = [await client.held(at(f"{hour:02}:00")) for hour in range(9, 15)]
    kept = [(await client.browser.get(each)).status_code for each in (theirs, *held)]
    assert kept == [200, 404, 200, 200, 200, 200, 200]
    token_of(await client.fill(held[-1], **JANE))


async def test_no_hold_but_ones_own_looks_free(client: Client) -> None:
    booked = await client.desk.booked(NINE)
    for other in (booked["id"], "hold_x", "\x00", "x" * 300):
        assert NINE not in starts_of(await client.open(date="2024-01-25", replaces=other))


async def test_a_time_that_somebody_else_was_faster_to_choose(client: Client) -> None:
    await client.desk.booked(NINE)
    answer = await client.choose(NINE, "?date=2024-01-25&name=Jane")
    assert answer.status_code == 409
    assert alert_of(answer) == "09:00 has just been taken."
    assert starts_of(answer)[:5] == [at(f"{hour}:00") for hour in (10, 11, 12, 13, 14)]
    assert starts_of(answer)[5:] == [at(f"{hour}:00") for hour in range(10, 17)]
    assert "Thu 25 Jan, 10:00" in words_of(answer)
    assert 'aria-selected="true"><a id="d2024-01-25"' in answer.text
    assert 'id="alert" role="alert" tabindex="-1" autofocus' in answer.text
    assert f'action="{client.path}/hold?date=2024-01-25&amp;name=Jane"' in answer.text


async def test_a_hold_that_has_run_out_is_made_up_for(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    client.clock.forward(minutes=20)
    assert (await client.browser.get(address)).status_code == 404
    token_of(await client.send(address, sent))
    assert [each["start_time"] for each in await client.stored()] == [NINE]


async def test_a_time_that_was_taken_meanwhile_has_alternatives_and_nothing_typed_is_lost(
    client: Client,
) -> None:
    await client.desk.set_type(bookingQuestions=QUESTIONS)
    typed = JANE | {
        "phone": "+49 30 1",
        "notes": "a\nb",
        "q.t": "1",
        "q.s": "Cheese",
        "q.c": "1",
        "q.n": "2,5",
    }
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | typed
    client.clock.forward(minutes=20)
    await client.desk.booked(NINE)
    answer = await client.send(address, sent)
    assert answer.status_code == 409
    assert alert_of(answer) == "09:00 has just been taken."
    assert typed.items() <= typed_in(answer).items()
    assert starts_of(answer) == [at(f"{hour}:00") for hour in (10, 11, 12, 13, 14)]

    await client.desk.booked(TEN)
    answer = await client.send(address, typed_in(answer) | {"instead": TEN})
    assert (answer.status_code, alert_of(answer)) == (409, "10:00 has just been taken.")
    assert typed.items() <= typed_in(answer).items()

    answer = await client.send(address, typed_in(answer) | {"instead": at("11:00")})
    assert answer.status_code == 200
    assert "Thursday, 25 January 2024, 11:00" in words_of(answer)
    assert typed.items() <= typed_in(answer).items()
    [action] = re.findall(r'<form id="details" method="post" action="([^"]*)"', answer.text)
    assert action != address
    client.clock.forward(minutes=1)
    token_of(await client.send(action, typed_in(answer)))
    stored = [each for each in await client.stored() if each["source"] == "booking_page"]
    assert [each["start_time"] for each in stored] == [at("11:00")]
    assert {each["id"]: each["answer"] for each in stored[0]["answers"]} == {
        "t": "1",
        "s": "Cheese",
        "c": True,
        "n": 2.5,
    }


@on_sqlite
async def test_who_gives_a_time_back_is_led_to_the_others(client: Client) -> None:
    address = await client.held(NINE, "?zone=Asia/Kathmandu")
    page = await client.browser.get(address)
    sent = typed_in(page)
    [release] = re.findall(r'formaction="([^"]*/release[^"]*)"', page.text)
    for _ in range(2):
        answer = await client.send(html.unescape(release), sent)
        assert answer.status_code == 303
        led = urlsplit(answer.headers["location"])
        assert led.path == f"{client.home}/tax-consultation"
        assert dict(parse_qsl(led.query)) == {"zone": "Asia/Kathmandu", "date": "2024-01-25"}
    for wrong in ("", "x", "\x00"):
        answer = await client.send(html.unescape(release), sent | {"type": wrong})
        assert urlsplit(answer.headers["location"]).path == client.home
    assert NINE in starts_of(await client.open(date="2024-01-25"))
    page = await client.browser.get(address)
    assert page.status_code == 404
    assert "This time is no longer kept" in words_of(page)
    assert "If you have booked it, all is well." in words_of(page)
    assert "mail" not in words_of(page)  # this server sends none
    assert f"{client.home}?zone=Asia%2FKathmandu" in links_of(page)
    assert page.headers["x-robots-tag"] == "noindex"


@on_sqlite
async def test_who_has_to_confirm_by_mail_is_told_so(url: str, clock: StoppedClock) -> None:
    settings = Settings(
        database_url=url,
        worker=False,
        smtp_host="127.0.0.1",
        smtp_from="desk@sun.example",
        public_url="http://kalends.test",
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        client = await client_at(app, browser, clock)
        await client.desk.set_organization(clients_confirm_by_mail=True)
        address = await client.held()
        answer = await client.fill(address, name="Jane", phone="+49 30 1")
        assert re.findall(r'<li><a href="#(\w+)">', main_of(answer)) == ["email"]
        answer = await client.fill(address, **JANE)
        assert answer.status_code == 200
        assert "Please confirm" in words_of(answer)
        assert "the link in the mail to jane@example.com" in words_of(answer)
        assert "Until 12:31 the time is kept for you." in words_of(answer)
        assert NINE not in starts_of(await client.open(date="2024-01-25"))
        assert await client.stored() == []


@on_sqlite
async def test_inside_another_site_the_page_stays_and_the_link_leads_out(client: Client) -> None:
    await client.desk.set_organization(embed_origins=["https://sun.example"])
    address = await client.held(NINE, "?embed=1")
    page = await client.browser.get(address)
    assert page.headers["content-security-policy"].endswith("frame-ancestors https://sun.example")
    answer = await client.fill(address, **JANE)
    assert answer.status_code == 200
    [link] = [each for each in links_of(answer) if each.startswith("/manage/")]
    assert "embed" not in link
    assert f'href="{link}" target="_top"' in answer.text.replace("&amp;", "&")
    [stored] = await client.stored()
    assert f'data-id="{stored["id"]}"' in answer.text


@on_sqlite
async def test_the_script_is_told_where_to_go(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    answer = await client.send(address, sent, **{"Kalends-Script": "1"})
    assert answer.status_code == 204
    assert answer.headers["location"].startswith("/manage/")


@on_sqlite
async def test_a_page_that_is_off_has_no_form(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    await client.desk.set_organization(page=False)
    for path in (client.home, client.path, f"{client.path}/zone", address):
        assert (await client.browser.get(path)).status_code == 404
    for path in (f"{client.path}/hold", address, f"{address}/release"):
        assert (await client.send(path, sent)).status_code == 404
    assert await client.stored() == []


@on_sqlite
async def test_from_right_to_left(client: Client) -> None:
    with arabic():
        page = await client.browser.get(await client.held(NINE, "?lang=ar"))
    assert '<html lang="ar" dir="rtl">' in page.text
    assert not re.search(r"[A-Za-z]{4,}", words_of(page).replace("Tax Consultation", "").replace("UTC", ""))


@pytest.mark.slow
async def test_looking_changes_nothing(app: FastAPI, client: Client) -> None:
    """Not for a crawler that follows every link, nor for mail programs."""
    held = await client.held()
    seen: set[str] = set()
    todo = [client.home, held]
    while todo and len(seen) < 60:
        address = todo.pop()
        if address in seen or not address.startswith("/"):
            continue
        seen.add(address)
        answer = await client.browser.get(address)
        if answer.status_code in (303, 308):
            todo.append(answer.headers["location"])
        todo += links_of(answer)
    assert len(seen) > 20
    assert await client.stored() == []
    assert (await client.browser.get(held)).status_code == 200
    assert await app.state.context.database.read(links_stored, client.desk.org.id) == 0


def in_german(answer: httpx.Response) -> str:
    """Where the page is in German."""
    [link] = re.findall(r'<a href="([^"]*)" lang="de"', answer.text)
    return html.unescape(link)


@on_sqlite
async def test_a_form_sent_again_after_its_link_has_ended_says_booked(client: Client) -> None:
    """And not that somebody without an address has to confirm by mail."""
    await client.desk.set_type(contact="phone")
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | {"name": "Jo", "phone": "+49 30 1"}
    token_of(await client.send(address, sent))
    [booked] = await client.stored()
    await client.desk.staff.post(f"/v1/calendar/appointments/{booked['id']}/manage-link")
    answer = await client.send(address, sent)
    assert answer.status_code == 200
    assert words_of(answer).startswith("Booked Tax Consultation Thursday, 25 January 2024, 09:00")
    assert "/manage/" not in answer.text
    assert (await client.browser.get(in_german(answer))).status_code == 200


@on_sqlite
async def test_other_languages_of_a_form_that_was_sent_keep_its_hold(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    answer = await client.send(address, sent | {"instead": TEN})
    page = await client.browser.get(in_german(answer))
    assert page.status_code == 200
    assert "Donnerstag, 25. Januar 2024, 10:00" in words_of(page)


@on_sqlite
async def test_a_browser_with_an_odd_language_books(client: Client) -> None:
    address = await client.held()
    sent = typed_in(await client.browser.get(address)) | JANE
    odd = {"Accept-Language": "de-abcdefgh-abcdefgh-abcdefgh-abcdefgh, fr;q=0.5"}
    token_of(await client.send(address, sent, **odd))
    [booked] = await client.stored()
    assert booked["client_language"] == "fr"
