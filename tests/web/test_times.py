"""The pages on which clients look for a time."""

import html
import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from kalends.core.hours import day_start
from tests.support.clock import StoppedClock
from tests.support.databases import everyday_on_sqlite, on_sqlite
from tests.support.desk import at, week
from tests.support.organizations import Org
from tests.web.browsers import browser_of
from tests.web.clients import (
    NINE,
    Client,
    client_at,
    days_of,
    links_of,
    main_of,
    starts_of,
    times_of,
    words_of,
)

pytestmark = pytest.mark.anyio

THURSDAY = "2024-01-25"


def told(page: httpx.Response, name: str) -> str | None:
    """What the head of a page says under a name."""
    found = re.search(rf'<(?:meta (?:name|property)|link rel)="{name}" (?:content|href)="([^"]*)"', page.text)
    return None if found is None else found[1]


# What can be booked.


async def test_services_are_links(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(intro="Welcome\n& hello", address="Main St 4\nBerlin", phone="+49 30 1")
    await desk.set_type(slug="tax", location={"kind": "address"}, price={"amount": 80, "currency": "EUR"})
    await desk.add_type(name="Call", slug="call", location={"kind": "phone"}, minNoticeHours=24 * 5)
    await desk.add_type(name="Later", slug="later", maxDaysAhead=0)
    await desk.add_type(name="Secret", slug="secret", visibility="link")
    await desk.add_type(name="Internal", slug="internal", visibility="staff")
    await desk.add_type(name="Former", slug="former", isActive=False)
    page = await client.browser.get(client.home, params={"name": "Jane"})
    words = words_of(page)
    assert "Welcome & hello" in words
    assert "Tax Consultation 60 mins · €80 · Main St 4, Berlin Next free: Sun 21 Jan" in words
    assert "Call 30 mins · By phone Next free: Thu 25 Jan" in words
    assert "Later 30 mins Contact" in words  # nothing is free
    assert "Contact Main St 4 Berlin Phone: +49 30 1" in words
    assert not re.search("Secret|Internal|Former", words)
    assert links_of(page) == [f"{client.home}/{each}?name=Jane" for each in ("tax", "call", "later")] + [
        "tel:+49301"
    ]


async def test_one_service_is_shown_at_once(client: Client) -> None:
    await client.desk.add_type(name="Secret", visibility="link")
    answer = await client.browser.get(client.home, params={"name": "Jane", "lang": "de"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{client.path}?name=Jane&lang=de"


@on_sqlite
async def test_where_nothing_can_be_booked_there_is_how_to_get_in_touch(client: Client) -> None:
    await client.desk.set_type(visibility="link")
    await client.desk.set_organization(contact_email="desk@sun.example")
    page = await client.browser.get(client.home)
    assert page.status_code == 200
    assert "Nothing can be booked here online. Contact E-mail: desk@sun.example" in words_of(page)
    assert "mailto:desk@sun.example" in links_of(page)


@on_sqlite
async def test_whatever_is_not_for_clients_is_not_there(client: Client) -> None:
    internal = await client.desk.add_type(name="Internal", slug="internal", visibility="staff")
    former = await client.desk.add_type(name="Former", slug="former", isActive=False)
    for name in ("internal", "former", internal["id"], former["id"], "nothing", "x" * 255):
        for below in ("", "/zone"):
            assert (await client.browser.get(f"{client.home}/{name}{below}")).status_code == 404
        assert (await client.send(f"{client.home}/{name}/hold", {"start": NINE})).status_code == 404
    for name in ("%00", "x" * 256):
        assert (await client.browser.get(f"{client.home}/{name}")).status_code == 400
    assert (await client.browser.get("/nobody/tax")).status_code == 404


@on_sqlite
async def test_a_type_is_found_by_its_id_and_by_link_only(client: Client) -> None:
    await client.desk.set_type(visibility="link")
    await client.desk.set_organization(indexing=True)
    for name in (client.desk.org.type_id, client.type):
        page = await client.browser.get(f"{client.home}/{name}")
        assert page.status_code == 200
        assert told(page, "canonical") == f"http://kalends.test{client.path}"
        assert told(page, "robots") == "noindex"  # its address is for those who have it


@on_sqlite
async def test_former_slugs_lead_to_the_page_they_led_to(client: Client) -> None:
    hold = await client.held()
    await client.desk.set_organization(slug="new-slug")
    for path in (client.home, client.path, f"{client.path}/zone", hold):
        answer = await client.browser.get(f"{path}?lang=de")
        assert (answer.status_code, answer.headers["cache-control"]) == (308, "no-store")
        assert answer.headers["location"] == f"{path.replace(client.home, '/new-slug')}?lang=de"
        assert (await client.browser.get(answer.headers["location"])).status_code in (200, 303)


# Search engines, and those who show links.


@on_sqlite
async def test_search_engines_are_told_if_they_may_know(client: Client) -> None:
    await client.desk.set_organization(intro="Taxes </script><b>", phone="+49 30 1")
    await client.desk.set_type(price={"amount": 80, "currency": "EUR"}, description="All\nabout taxes")
    await client.desk.add_type(name="Call")
    for path, description in (
        (client.home, "Taxes &lt;/script&gt;&lt;b&gt;"),
        (client.path, "All about taxes"),
    ):
        page = await client.browser.get(path, params={"month": "2024-03", "lang": "de"})
        assert told(page, "robots") == "noindex"
        await client.desk.set_organization(indexing=True)
        page = await client.browser.get(path, params={"month": "2024-03", "lang": "de"})
        assert told(page, "robots") is None
        assert "x-robots-tag" not in page.headers
        assert told(page, "canonical") == f"http://kalends.test{path}"
        assert told(page, "description") == told(page, "og:description") == description
        await client.desk.set_organization(indexing=False)
    page = await client.browser.get(client.home)
    [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.text, re.DOTALL)
    known = json.loads(data)
    assert (known["name"], known["telephone"]) == ("Doe & Daughters", "+49 30 1")
    assert known["makesOffer"][0] == {
        "@type": "Offer",
        "url": f"http://kalends.test{client.path}",
        "itemOffered": {"@type": "Service", "name": "Tax Consultation", "description": "All\nabout taxes"},
        "price": 80,
        "priceCurrency": "EUR",
    }


# A month.


async def test_a_page_opens_on_the_first_free_day(client: Client) -> None:
    page = await client.open()
    assert '<h2 id="month">January 2024</h2>' in page.text
    assert days_of(page) == [f"2024-01-{day}" for day in range(21, 32)]
    assert '<td aria-selected="true"><a id="d2024-01-21"' in page.text
    assert 'aria-label="Sunday, 21 January 2024, 5 times free"' in page.text
    assert '<td><span aria-current="date">20</span></td>' in page.text
    assert '<h2 id="day">Sunday, 21 January 2024</h2>' in page.text
    assert times_of(page) == [(at(f"{hour}:00", "2024-01-21"), f"{hour}:00") for hour in range(12, 17)]
    assert 'id="earlier"' not in page.text
    later = f"{client.path}?month=2024-02"
    assert f'id="later" href="{later}"' in page.text
    page = await client.browser.get(later)
    assert '<h2 id="day">Thursday, 1 February 2024</h2>' in page.text
    assert len(days_of(page)) == 29
    assert f'id="earlier" href="{client.path}?month=2024-01"' in page.text


async def test_a_chosen_day_has_its_times_by_parts_of_the_day(client: Client) -> None:
    await client.desk.open(*week("08:00-20:00"))
    page = await client.open(date=THURSDAY)
    parts = re.findall(r"<h3>(\w+)</h3>", page.text)
    assert parts == ["Morning", "Afternoon", "Evening"]
    assert starts_of(page) == [at(f"{hour:02}:00") for hour in range(8, 20)]
    assert "<details" not in main_of(page)
    await client.desk.set_type(slotIntervalMinutes=5)
    page = await client.open(date=THURSDAY)
    assert main_of(page).count("<details") == 3
    assert main_of(page).count("<details open") == 1
    assert starts_of(page) == await client.desk.starts()


async def test_a_month_without_free_time_leads_to_the_next(client: Client) -> None:
    await client.desk.set_type(minNoticeHours=24 * 50, maxDaysAhead=100)
    page = await client.open()
    assert '<h2 id="month">March 2024</h2>' in page.text  # it opens there
    page = await client.open(month="2024-02")
    assert "Nothing is free in February 2024. Next: Sun 10 Mar, 12:00" in words_of(page)
    assert f"{client.path}?date=2024-03-10" in links_of(page)
    assert starts_of(page) == []
    page = await client.open(month="2024-04")
    assert 'id="later"' not in page.text
    assert "Booking opens 100 days ahead." in words_of(page)
    page = await client.open(month="2024-09")
    assert "Nothing is free in September 2024." in words_of(page)


@on_sqlite
@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "Only today can be booked online."), (1, "Booking opens one day ahead."), (None, "")],
)
async def test_how_far_ahead_booking_is_open(client: Client, days: int | None, words: str) -> None:
    await client.desk.set_type(minNoticeHours=0, maxDaysAhead=days)
    page = await client.open()
    assert (words in words_of(page)) if words else 'id="later"' in page.text
    assert "ahead" not in words_of(page) or words


@on_sqlite
async def test_when_nothing_is_free_at_all(client: Client) -> None:
    await client.desk.open()
    await client.desk.set_organization(phone="+49 30 1")
    page = await client.open()
    assert "At the moment nothing is free online." in words_of(page)
    assert "+49 30 1" in words_of(page)


@on_sqlite
async def test_what_is_asked_for_in_an_address_but_makes_no_sense_was_not_asked(client: Client) -> None:
    for query in (
        {"date": "2024-01-19"},
        {"date": "2023-02-01"},
        {"date": "2024-02-30"},
        {"date": "9999-12-31"},
        {"date": "x"},
        {"month": "2023-12"},
        {"month": "2024-13"},
        {"month": "0000-01"},
        {"month": "9999-12"},
        {"month": "2024-1"},
        {"with": "cal_x"},
        {"zone": "Nowhere"},
        {"clock": "13"},
    ):
        page = await client.open(**query)
        assert page.status_code == 200, query
        assert '<h2 id="day">Sunday, 21 January 2024</h2>' in page.text, query
    page = await client.open(date="2024-02-30", month="2024-02")
    assert '<h2 id="day">Thursday, 1 February 2024</h2>' in page.text
    page = await client.open(date="2024-01-28", month="2024-02")  # the month that is looked at counts
    assert '<h2 id="day">Thursday, 1 February 2024</h2>' in page.text
    page = await client.open(month="9998-12")
    assert page.status_code == 200


@on_sqlite
@pytest.mark.parametrize("now", ["0001-01-01T00:00:00Z", "9998-12-31T23:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_calendar_ends_without_harm(app: FastAPI, clock: StoppedClock, now: str) -> None:
    async with browser_of(app) as browser:
        client = await client_at(app, browser, clock, sandbox=True)
        await client.desk.set_type(location={"kind": "phone"}, maxDaysAhead=None)
        await client.desk.add_type(slug="limited")
        browser.headers["Test-Clock"] = now
        for path in (client.home, client.path, f"{client.path}/zone"):
            for query in ("", "?zone=Pacific/Kiritimati", "?zone=Pacific/Niue&month=9998-12&date=9998-12-31"):
                assert (await browser.get(path + query)).status_code == 200, path + query
        for query in ("?date=0001-01-01", "?month=0001-01&zone=Pacific/Kiritimati", "?date=9999-12-31"):
            assert (await client.open(query)).status_code == 200, query
        assert (await client.choose(now)).status_code in (400, 409)


@on_sqlite
async def test_a_day_on_which_nothing_is_free(client: Client) -> None:
    await client.desk.open(*[each for each in week("09:00-17:00") if each["day_of_week"] != 4])
    page = await client.open(date=THURSDAY)
    assert "Thursday, 25 January 2024 Nothing is free on this day." in words_of(page)


# Whom.


async def test_clients_choose_the_person_where_the_type_lets_them(client: Client) -> None:
    desk = client.desk
    ben = await desk.room("Benjamin", public_name="Ben <b>", about="Knows\nit all", is_public=True)
    hidden = await desk.room("Hidden")
    await desk.set_calendar(desk.org.calendar_id, public_name="Ana", is_public=True)
    await desk.set_type(calendarIds=[desk.org.calendar_id, ben, hidden])
    assert 'name="with"' not in (await client.open()).text
    await desk.set_type(clientsChoose=True)
    await desk.booked(NINE, calendar_id=ben)
    page = await client.open(date=THURSDAY)
    assert "With Anyone Ana Ben <b> Show" in words_of(page)
    assert NINE in starts_of(page)
    page = await client.open(date=THURSDAY, **{"with": ben})
    assert f'<option value="{ben}" selected>' in page.text
    assert "Knows it all" in words_of(page)
    assert NINE not in starts_of(page)
    assert f'<input type="hidden" name="with" value="{ben}">' in page.text
    answer = await client.choose(NINE, **{"with": ben})
    assert answer.status_code == 409
    assert starts_of(answer)[0] == at("10:00")
    address = await client.held(at("10:00"), **{"with": ben})
    page = await client.browser.get(address)
    assert "With Ben <b>" in words_of(page)
    await client.fill(address, name="Jane", email="jane@example.com")
    [booked] = [each for each in await client.stored() if each["source"] == "booking_page"]
    assert booked["calendar_id"] == ben
    for unknown in (hidden, "cal_x", ""):
        page = await client.open(date=THURSDAY, **{"with": unknown})
        assert NINE in starts_of(page)


# Zones and clocks.


async def test_from_afar_times_are_told_in_the_readers_zone(client: Client) -> None:
    await client.desk.set_organization(timezone="Europe/Berlin")
    await client.desk.set_type(location={"kind": "link", "value": "https://meet.example/secret"})
    page = await client.open(date=THURSDAY)
    assert 'data-js="calendar zone" data-zone="Europe/Berlin"' in page.text
    assert "Time zone: Central European Time (Europe/Berlin) · Change" in words_of(page)
    assert times_of(page)[0] == (at("08:00"), "09:00")
    assert "meet.example" not in page.text  # that is for those who have booked
    page = await client.open(date=THURSDAY, zone="Asia/Kathmandu")
    assert 'data-js="calendar"' in page.text
    assert "We do not know" not in words_of(page)
    assert "Time zone: Nepal Time (Asia/Kathmandu) · Change" in words_of(page)
    assert "09:00 in Berlin is 13:45 for you" in words_of(page)
    assert times_of(page)[0] == (at("08:00"), "13:45")
    page = await client.open(date=THURSDAY, zone="America/Los_Angeles")
    assert times_of(page)[0] == (at("08:00"), "00:00")


@on_sqlite
@pytest.mark.parametrize("kind", [None, "address", "client_address"])
async def test_where_people_meet_only_the_clocks_there_count(client: Client, kind: str | None) -> None:
    await client.desk.set_type(location=None if kind is None else {"kind": kind})
    page = await client.open(date=THURSDAY, zone="Asia/Tokyo")
    assert times_of(page)[0] == (NINE, "09:00")
    assert "Change" not in words_of(page)
    assert "09:00 in UTC is 18:00 for you" in words_of(page)
    assert "calendar zone" not in page.text


@on_sqlite
async def test_without_javascript_a_form_asks_for_the_zone(client: Client) -> None:
    await client.desk.set_type(location={"kind": "phone"})
    page = await client.open(lang="de", date=THURSDAY)
    [change] = [each for each in links_of(page) if "/zone" in each]
    page = await client.browser.get(change)
    assert f'<form method="get" action="{client.path}/zone">' in page.text
    assert '<input type="hidden" name="lang" value="de">' in page.text
    assert '<option value="Europe/Berlin">GMT+01:00</option>' in page.text
    assert page.headers["x-robots-tag"] == "noindex"
    page = await client.open(date=THURSDAY, zone="Berlin <b>")
    assert "We do not know the time zone Berlin <b>. Time zone: Coordinated Universal" in words_of(page)


@on_sqlite
@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Australia/Sydney", "Australia/Sydney"),
        ("sydney", "Australia/Sydney"),
        (" new_york ", "America/New_York"),
        ("New  York", "America/New_York"),
        ("Sao Paulo", "America/Sao_Paulo"),
        ("Mexiko-Stadt", "America/Mexico_City"),
        ("UTC", "UTC"),
        ("GMT+2", None),
        ("Etc/GMT+2", None),
        ("Springfield", None),
        ("<b>", None),
    ],
)
async def test_a_zone_is_found_by_a_city(client: Client, typed: str, zone: str | None) -> None:
    await client.desk.set_type(location={"kind": "phone"})
    answer = await client.open("/zone", lang="de", zone="Asia/Tokyo", date=THURSDAY, city=typed)
    if zone is None:
        assert "kennen wir nicht" in words_of(answer)
        assert '<input type="hidden" name="zone" value="Asia/Tokyo">' in answer.text
        assert f'value="{html.escape(typed)}"' in answer.text
        return
    assert answer.status_code == 303
    asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert asked == {"lang": "de", "zone": zone}


@on_sqlite
async def test_clocks_and_weeks_are_the_readers(client: Client) -> None:
    async def shown(accepted: str, **query: str) -> tuple[str, str]:
        page = await client.browser.get(
            client.path, params={"date": THURSDAY} | query, headers={"Accept-Language": accepted}
        )
        [first] = re.findall(r'<th scope="col" abbr="(\w+)">', page.text)[:1]
        return first, times_of(page)[-1][1].replace("\u202f", " ")

    assert await shown("en-US") == ("Sunday", "4:00 PM")
    assert await shown("en-US", clock="24") == ("Sunday", "16:00")
    assert await shown("en-GB") == ("Monday", "16:00")
    assert await shown("en-GB", clock="12") == ("Monday", "4:00 pm")
    assert await shown("fr") == ("lundi", "16:00")
    await client.desk.set_organization(week_start=6, language="de-AT")
    assert await shown("en") == ("Saturday", "4:00 PM")
    assert await shown("xx") == ("Montag", "16:00")


_ZONES = [
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
]
_READERS = ("Asia/Kathmandu", "America/Los_Angeles", "Pacific/Kiritimati")


@everyday_on_sqlite("zones", everyday=["Europe/Berlin", "Australia/Lord_Howe"], torture=_ZONES)
async def test_a_page_shows_what_the_api_says_on_days_on_which_clocks_change(
    client: Client, zones: list[str]
) -> None:
    desk = client.desk
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(
        location={"kind": "phone"}, slotIntervalMinutes=30, durationMinutes=30, maxDaysAhead=None
    )
    for zone in zones:
        await desk.set_organization(timezone=zone)
        assert len(_days_of_change(zone)) >= 2, zone
        for day in _days_of_change(zone):
            for reader in (zone, *(_READERS if len(zones) > 2 else _READERS[:1])):
                await _is_equal(client, day, reader)


async def _is_equal(client: Client, day: str, zone: str) -> None:
    nearby = date.fromisoformat(day)
    asked = {"from": str(nearby - timedelta(days=2)), "to": str(nearby + timedelta(days=2)), "timezone": zone}
    slots = [
        each
        for each in (await client.desk.ask("slots", **asked))["slots"]
        if each["local_start_time"][:10] == day
    ]
    days = (await client.desk.ask("days", **{"from": day, "to": day, "timezone": zone}))["days"]
    page = await client.open(date=day, zone=zone, clock="24")
    times = times_of(page)
    assert [sent for sent, _ in times] == [each["start_time"] for each in slots], (day, zone)
    assert [shown[:5] for _, shown in times] == [each["local_start_time"][11:16] for each in slots]
    assert [each["free"] for each in days] == ([len(times)] if times else [0])
    assert f", {len(times)} times free" in page.text
    assert len({shown for _, shown in times}) == len(times)  # a repeated hour is told apart


def _days_of_change(zone: str) -> list[str]:
    """The days of 2024 with other than 24 hours."""
    days = [date(2024, 1, 22) + timedelta(days=each) for each in range(340)]
    odd = [
        day
        for day in days
        if day_start(day + timedelta(days=1), zone) - day_start(day, zone) != timedelta(days=1)
    ]
    return [day.isoformat() for day in odd]


# Texts.


@on_sqlite
async def test_texts_are_in_the_readers_language(client: Client) -> None:
    texts: dict[str, Any] = {
        "de": {"name": "Steuerberatung", "description": "Alles über Steuern"},
        "pt-BR": {"name": "Consultoria"},
    }
    await client.desk.set_type(texts=texts, description="All about taxes")

    async def read(accepted: str, **query: str) -> tuple[str, bool]:
        page = await client.browser.get(client.path, params=query, headers={"Accept-Language": accepted})
        [name] = re.findall(r"<h1><bdi>(.*?)</bdi></h1>", page.text)
        return name, "All about taxes" in words_of(page)

    assert await read("de-AT") == ("Steuerberatung", False)
    assert await read("en", lang="de") == ("Steuerberatung", False)
    assert await read("pt") == ("Consultoria", True)
    assert await read("pt-BR") == ("Consultoria", True)
    assert await read("fr") == ("Tax Consultation", True)
    await client.desk.set_organization(language="pt")
    assert await read("pt") == ("Tax Consultation", True)  # the texts are Portuguese already


class _Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


_HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2066",
    "👩‍👩‍👧 é ﷽",
    "x" * 10_000,
]


@on_sqlite
@pytest.mark.parametrize("text", _HOSTILE, ids=range(len(_HOSTILE)))
async def test_hostile_texts_are_only_texts(client: Client, text: str) -> None:
    desk, short = client.desk, text[:200]
    question = {"id": short, "type": "select", "label": short, "options": [short]}
    await desk.set_calendar(desk.org.calendar_id, public_name=short, about=text, is_public=True)
    await desk.set_organization(name=short, intro=text, address=text)
    await desk.set_type(
        name=short,
        description=text,
        location={"kind": "address", "value": text},
        bookingQuestions=[question],
        clientsChoose=True,
        calendarIds=[desk.org.calendar_id],
    )
    await desk.add_type(name="Other", slug="other")
    held = await client.held(NINE, "?name=x")
    typed = {"name": text, "email": text, "notes": text, f"q.{short}": text, "website": text}
    for page in (
        await client.browser.get(client.home),
        await client.open(**{"name": short, "with": short, "replaces": short, "q.x": short}),
        await client.browser.get(held),
        await client.fill(held, **typed),
        await client.send(f"{client.home}/hold/x", typed | {"type": client.desk.org.type_id, "start": short}),
    ):
        assert page.status_code in (200, 400)
        tags = _Tags(page.text).found
        assert "img" not in {name for name, _ in tags}
        assert [each for each in tags if any(name.startswith("on") for name in each[1])] == []
        assert all(
            "src" in fields or fields.get("type") == "application/ld+json"
            for name, fields in tags
            if name == "script"
        )
        assert "49{% raw" not in page.text
    for path in (client.home, client.path, held):
        assert not re.search("[\u202e\u2066]", words_of(await client.browser.get(path)))
    assert await client.stored() == []


@on_sqlite
async def test_another_organizations_hold_is_not_found(client: Client, org: Org) -> None:
    held = await client.held()
    hold = held.rpartition("/")[2]
    assert (await client.browser.get(f"/{org.slug}/hold/{hold}")).status_code == 404


@on_sqlite
async def test_a_blank_id_is_none(client: Client) -> None:
    for query, fields in (("", {"replaces": " "}), ("?replaces=%20", {}), ("", {"with": " "})):
        assert (await client.choose(NINE, query, **fields)).status_code == 303
        client.clock.forward(minutes=11)


async def test_at_both_ends_of_the_calendar(client: Client) -> None:
    client = await client_at(client.desk.app, client.browser, client.clock, sandbox=True)
    for now in (
        "0001-01-01T00:00:00Z",
        "9998-12-31T23:00:00Z",
        "9999-12-01T00:00:00Z",
        "9999-12-31T12:00:00Z",
    ):
        for path, query in (
            ("", {}),
            ("", {"month": "9998-12"}),
            ("", {"date": "9998-12-31", "zone": "Pacific/Kiritimati"}),
            ("", {"month": "0001-01", "zone": "America/Los_Angeles"}),
            ("/zone", {}),
        ):
            page = await client.browser.get(f"{client.path}{path}", params=query, headers={"Test-Clock": now})
            assert page.status_code == 200, (now, path, query)
        refused = await client.send(f"{client.path}/hold", {"start": now}, **{"Test-Clock": now})
        assert refused.status_code == 409
