"""A new organization is set up by pages alone, to its first booking."""

import html
import re

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database, Tx
from kalends.schemas.people import PersonCreate
from kalends.services.outbox.parties import operator
from kalends.services.setup import links, organizations, people
from tests.support.clock import StoppedClock
from tests.web.browsers import OURS, browser_of
from tests.web.clients import JANE, days_of, links_of, starts_of, typed_in, words_of
from tests.web.staff import entered, fields_in, links_in, staff_at

pytestmark = pytest.mark.anyio

START = "/staff/start"


async def with_only_a_person(db: Database, app: FastAPI, clock: StoppedClock) -> httpx.AsyncClient:
    """The browser of somebody who has just come in to an organization that has nothing but them."""

    def make(tx: Tx) -> str:
        row = organizations.create(tx, name="Praxis", slug="praxis-first-run", now=clock.now())
        wish = PersonCreate.model_validate({"name": "Ana", "scopes": ["admin"]})
        party = operator(row["id"])
        return links.invite(tx, party, people.create(tx, party, wish, clock.now()).id, clock.now())

    token = await db.write(make)
    browser = browser_of(app)
    assert (await browser.post(f"/staff/enter/{token}", headers=OURS)).status_code == 303
    return browser


async def led(browser: httpx.AsyncClient, path: str, **typed: str) -> str:
    answer = await browser.post(path, data=typed, headers=OURS)
    assert answer.status_code == 303, words_of(answer)
    return str(answer.headers["location"])


async def test_from_nothing_to_the_first_booking(db: Database, app: FastAPI, clock: StoppedClock) -> None:
    browser = await with_only_a_person(db, app, clock)
    assert (await browser.get("/staff")).headers["location"] == START
    typed = fields_in(await browser.get(START), "start")
    assert (typed["name"], typed["zone"]) == ("Praxis", "UTC")
    wrong = await browser.post(START, data=typed | {"zone": "Atlantis"}, headers=OURS)
    assert wrong.status_code == 400
    path = await led(browser, START, **typed | {"name": "Praxis Müller", "zone": "Berlin"})
    typed = fields_in(await browser.get(path), "hours")
    assert [name for name in typed if name.startswith("from-")] == [f"from-{day}-0" for day in range(1, 6)]
    answer = await browser.post(path, data=typed | {"do": "remove-5-0"}, headers=OURS)
    path = await led(browser, path, **fields_in(answer, "hours"))
    typed = fields_in(await browser.get(path), "type")
    path = await led(browser, path, **typed | {"name": "First visit", "duration": "45"})
    done = await browser.get(path)
    [home] = [each for each in links_of(done) if each.startswith("http")]
    assert 'data-kalends="praxis-first-run"' in html.unescape(done.text)
    assert (await browser.get("/staff")).headers["location"].startswith("/staff/day/")
    # A client follows the address that staff were told, and books.
    async with browser_of(app) as client:
        home = home.removeprefix("http://kalends.test")
        page = await client.get(home)
        if page.status_code == 303:
            page = await client.get(page.headers["location"])
        if not days_of(page):
            [path] = [each for each in links_of(page) if each.endswith("/first-visit")]
            page = await client.get(path)
        day = days_of(page)[0]
        page = await client.get(f"{home}/first-visit?date={day}")
        start = starts_of(page)[0]
        hold = await led(client, f"{home}/first-visit/hold", start=start)
        clock.forward(seconds=10)
        form = typed_in(await client.get(hold))
        link = await led(client, hold, **form | JANE)
        assert "First visit" in words_of(await client.get(link))
    listed = await browser.get(f"/staff/list?from={day}")
    assert "Jane Doe" in words_of(listed)


async def test_what_was_left_out_is_said_to_be_missing(
    db: Database, app: FastAPI, clock: StoppedClock
) -> None:
    browser = await with_only_a_person(db, app, clock)
    page = await browser.get(f"{START}/done")
    assert "Your page is ready" not in words_of(page)
    assert "There are no opening hours, so there is no time to book." in words_of(page)
    assert {f"{START}/hours", f"{START}/type"} <= set(links_in(page, START))
    typed = fields_in(await browser.get(f"{START}/type"), "type") | {"name": "Visit", "duration": "600"}
    await led(browser, f"{START}/type", **typed)
    page = await browser.get(f"{START}/done")
    assert (f"{START}/type" in links_in(page, START), "Nearly ready" in words_of(page)) == (False, True)
    await led(browser, f"{START}/hours", **fields_in(await browser.get(f"{START}/hours"), "hours"))
    assert "Visit: It lasts" in words_of(await browser.get(f"{START}/done"))


async def test_only_a_new_organization_is_led_there(app: FastAPI) -> None:
    staff = await staff_at(app)
    assert (await staff.open("/staff")).headers["location"].startswith("/staff/day/")
    writer = await entered(app, staff.desk, "write")
    assert (await writer.open(START)).headers["location"] == f"{START}/hours"
    assert (await writer.send(START, name="Mine", zone="UTC")).status_code == 403
    # What is there is told as ready, with what holds unless it is changed.
    await staff.desk.set_type(name="Consultation", minNoticeHours=24)
    page = await staff.see(f"{START}/done")
    said = words_of(page)
    assert "Your page is ready" in said
    assert "“Consultation” has to be booked this many hours ahead: 24." in said
    assert "Clients can cancel or move it online until this many hours before: 24." in said
    organization = "/staff/settings/organization"
    anchors = [f"{organization}#{each}" for each in ("client_notice_hours", "embed_origins")]
    assert links_in(page, f"{organization}#") == anchors
    assert f"/staff/settings/types/{staff.desk.org.type_id}" in links_in(page, "/staff/settings/types/")
    await staff.desk.set_organization(embed_origins=["https://clinic.example"], page=False)
    page = await staff.see(f"{START}/done")
    assert "Nearly ready" in words_of(page)
    assert "There are no pages for clients." in words_of(page)
    assert "data-kalends" not in page.text
    # Steps can be left out.
    assert f"{START}/type" in links_in(await staff.see(f"{START}/hours"), START)
    assert re.search("/staff/day/", (await staff.see(f"{START}/done")).text)
