"""People of the staff come in by a link or a password, and are let out at once."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.clock import Clock
from kalends.db.database import Database
from kalends.ids import digest
from kalends.schemas.people import PersonChange, PersonCreate
from kalends.services.outbox.parties import operator
from kalends.services.setup import people, sessions
from kalends.settings import Settings
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org
from tests.web.browsers import FOREIGN, OURS, browser_of

pytestmark = pytest.mark.anyio

ME, SIGN_IN = "/staff/me", "/staff/sign-in"
PASSWORD = "correct horse battery"


@dataclass
class Door:
    """The way in for somebody of the staff."""

    app: FastAPI
    clock: StoppedClock
    org: Org
    person_id: str

    @property
    def db(self) -> Database:
        database: Database = self.app.state.context.database
        return database

    async def link(self) -> str:
        """Where a new link leads."""
        token = await self.db.write(sessions.invite, self.org.id, self.person_id, self.clock.now())
        return f"/staff/enter/{token}"

    async def come_in(self, browser: httpx.AsyncClient) -> httpx.Response:
        response = await browser.post(await self.link(), headers=OURS)
        assert response.status_code == 303
        return response

    async def change(self, **fields: object) -> None:
        wish = PersonChange.model_validate(fields)
        party = operator(self.org.id)
        await self.db.write(people.change, party, self.person_id, wish, self.clock.now())


async def person_of(db: Database, org: Org, clock: Clock, **fields: object) -> str:
    wish = PersonCreate.model_validate({"name": "Ana", "scopes": ["admin"]} | fields)
    return (await db.write(people.create, operator(org.id), wish, clock.now())).id


@pytest.fixture
async def door(app: FastAPI, db: Database, org: Org, clock: StoppedClock) -> Door:
    email = f"ana@{org.slug}.example"
    return Door(app, clock, org, await person_of(db, org, clock, email=email))


async def is_in(browser: httpx.AsyncClient) -> bool:
    response = await browser.get(ME)
    if response.status_code == 200:
        return True
    assert (response.status_code, response.headers["location"]) == (303, f"{SIGN_IN}?next={ME}")
    return False


async def test_a_link_asks_first_and_works_once(door: Door, browser: httpx.AsyncClient) -> None:
    link = await door.link()
    for _ in range(3):
        shown = await browser.get(link)
        assert shown.status_code == 200
        assert "Sign in as Ana" in shown.text
        assert "set-cookie" not in shown.headers
    assert not await is_in(browser)
    came = await browser.post(link, headers=OURS)
    assert (came.status_code, came.headers["location"]) == (303, "/staff")
    assert await is_in(browser)
    async with browser_of(door.app) as other:
        for response in (await other.get(link), await other.post(link, headers=OURS)):
            assert response.status_code == 404
            assert "no longer valid" in response.text
        assert not await is_in(other)


@pytest.mark.both
async def test_of_twenty_who_follow_one_link_at_once_one_comes_in(door: Door) -> None:
    link = await door.link()
    browsers = [browser_of(door.app) for _ in range(20)]
    came = await asyncio.gather(*(each.post(link, headers=OURS) for each in browsers))
    assert sorted(each.status_code for each in came) == [303, *[404] * 19]


async def test_a_newer_link_ends_the_former_and_a_week_ends_both(
    door: Door, browser: httpx.AsyncClient
) -> None:
    former, link = await door.link(), await door.link()
    assert (await browser.get(former)).status_code == 404
    assert (await browser.get(link)).status_code == 200
    door.clock.forward(days=7)
    assert (await browser.post(link, headers=OURS)).status_code == 404


async def test_every_way_in_makes_a_new_session_and_ends_the_browsers_former_one(
    door: Door, browser: httpx.AsyncClient
) -> None:
    """Nobody can lay a session of their own before somebody else."""
    browser.cookies.set("kalends", "laid-before-them", domain="kalends.test")
    await door.come_in(browser)
    first = browser.cookies["kalends"]
    assert first != "laid-before-them"
    await door.come_in(browser)
    assert browser.cookies["kalends"] != first
    async with browser_of(door.app) as other:
        other.cookies.set("kalends", first, domain="kalends.test")
        assert not await is_in(other)


async def test_whoever_is_signed_out_is_refused_at_the_very_next_request(
    door: Door, browser: httpx.AsyncClient
) -> None:
    await door.come_in(browser)
    token = browser.cookies["kalends"]
    assert (await browser.post("/staff/sign-out", headers=OURS)).headers["location"] == SIGN_IN
    browser.cookies.set("kalends", token, domain="kalends.test")
    assert not await is_in(browser)
    await door.come_in(browser)
    await door.change(active=False)
    assert not await is_in(browser)
    await door.change(active=True)
    assert not await is_in(browser)
    await door.come_in(browser)
    party = operator(door.org.id)
    await door.db.write(people.remove, party, door.person_id, door.clock.now())
    assert not await is_in(browser)


async def test_a_session_lasts_two_weeks_after_its_last_use_and_ninety_days_in_all(
    door: Door, browser: httpx.AsyncClient
) -> None:
    await door.come_in(browser)
    for _ in range(6):
        door.clock.forward(days=13)
        assert await is_in(browser)
    door.clock.forward(days=12)
    assert not await is_in(browser)
    await door.come_in(browser)
    door.clock.forward(days=14)
    assert not await is_in(browser)


async def test_a_person_sees_their_devices_and_no_others_and_ends_them(
    door: Door, browser: httpx.AsyncClient
) -> None:
    other_id = await person_of(door.db, door.org, door.clock)
    phone = browser_of(door.app, **{"User-Agent": "A <b>phone</b>"})
    bens = browser_of(door.app, **{"User-Agent": "Ben's"})
    async with phone, bens:
        await Door(door.app, door.clock, door.org, other_id).come_in(bens)
        await door.come_in(phone)
        await door.come_in(browser)
        shown = (await browser.get(ME)).text
        assert "A &lt;b&gt;phone&lt;/b&gt;" in shown
        assert "Ben&#39;s" not in shown
        [path] = re.findall(r'action="(/staff/me/devices/[0-9a-f]+)"', shown)
        await bens.post(path, headers=OURS)
        assert await is_in(phone)
        assert (await browser.post(path, headers=OURS)).status_code == 303
        assert [await is_in(each) for each in (phone, browser, bens)] == [False, True, True]


@pytest.fixture
async def with_password(door: Door, browser: httpx.AsyncClient) -> Door:
    await door.come_in(browser)
    short = await browser.post(f"{ME}/password", data={"password": "short"}, headers=OURS)
    assert (short.status_code, "10 to 200 characters" in short.text) == (400, True)
    set_ = await browser.post(f"{ME}/password", data={"password": PASSWORD}, headers=OURS)
    assert set_.status_code == 303
    browser.cookies.clear()
    return door


async def sign_in(browser: httpx.AsyncClient, email: str, password: str, **more: str) -> httpx.Response:
    form = {"email": email, "password": password} | more
    return await browser.post(SIGN_IN, data=form, headers=OURS)


async def test_an_address_and_a_password_let_in(with_password: Door, browser: httpx.AsyncClient) -> None:
    email = f"ana@{with_password.org.slug}.example"
    for wrong in ((email, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (email, "\x00")):
        response = await sign_in(browser, *wrong)
        assert (response.status_code, "not the right" in response.text) == (400, True)
        assert PASSWORD not in response.text
    came = await sign_in(browser, f" {email.upper()} ", PASSWORD, next="/staff/day/2024-01-25?calendar=x")
    assert (came.status_code, came.headers["location"]) == (303, "/staff/day/2024-01-25?calendar=x")
    assert await is_in(browser)
    assert (await browser.get(f"{SIGN_IN}?next=/staff/me")).headers["location"] == ME


@pytest.mark.parametrize(
    "hostile",
    [
        *("//evil.example", "https://evil.example/staff", "/\\evil.example", "/staff//evil.example/x"),
        *("/staff/../demo", "javascript:alert(1)", "/manage/x", "/staff\r\nSet-Cookie: a=b", "/staffx"),
    ],
)
async def test_nobody_is_led_elsewhere(with_password: Door, browser: httpx.AsyncClient, hostile: str) -> None:
    came = await sign_in(browser, f"ana@{with_password.org.slug}.example", PASSWORD, next=hostile)
    assert came.headers["location"] == "/staff"


@pytest.mark.slow
async def test_passwords_are_tried_ten_times_an_hour(with_password: Door, browser: httpx.AsyncClient) -> None:
    email = f"ana@{with_password.org.slug}.example"
    answers = []
    for number in range(11):
        async with browser_of(with_password.app, address=f"203.0.113.{number}") as stranger:
            answers.append(await sign_in(stranger, email, "guess"))
    assert [each.status_code for each in answers] == [*[400] * 10, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    # From one address, whoever is meant.
    async with browser_of(with_password.app, address="203.0.113.99") as stranger:
        codes = [(await sign_in(stranger, f"{n}@example.com", "guess")).status_code for n in range(11)]
    assert codes == [*[400] * 10, 429]
    # A link lets in all the while.
    assert (await browser.post(await with_password.link(), headers=OURS)).status_code == 303


async def test_another_password_needs_the_present_one_and_signs_out_everywhere_else(
    with_password: Door, browser: httpx.AsyncClient
) -> None:
    async with browser_of(with_password.app) as other:
        await with_password.come_in(other)
        await with_password.come_in(browser)
        new = {"password": "another long one", "present": "wrong"}
        refused = await browser.post(f"{ME}/password", data=new, headers=OURS)
        assert (refused.status_code, "not your present password" in refused.text) == (400, True)
        assert await is_in(other)
        new["present"] = PASSWORD
        assert (await browser.post(f"{ME}/password", data=new, headers=OURS)).status_code == 303
        assert [await is_in(browser), await is_in(other)] == [True, False]
    email = f"ana@{with_password.org.slug}.example"
    assert (await sign_in(browser, email, PASSWORD)).status_code == 400
    assert (await sign_in(browser, email, "another long one")).status_code == 303


async def test_whoever_works_in_two_places_chooses(
    with_password: Door, browser: httpx.AsyncClient, other_org: Org
) -> None:
    door, email = with_password, f"ana@{with_password.org.slug}.example"
    other = Door(
        door.app, door.clock, other_org, await person_of(door.db, other_org, door.clock, email=email)
    )
    async with browser_of(door.app) as there:
        await other.come_in(there)
        await there.post(f"{ME}/password", data={"password": PASSWORD}, headers=OURS)
    asked = await sign_in(browser, email, PASSWORD)
    assert asked.status_code == 200
    assert {door.org.id, other_org.id} <= set(re.findall(r'<option value="(org_[^"]+)"', asked.text))
    came = await sign_in(browser, email, PASSWORD, organization=other_org.id)
    assert came.status_code == 303
    [member] = await door.db.read(people.all_of, other_org.id)
    assert member.has_password
    assert await is_in(browser)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_forms_of_other_sites_are_refused(
    door: Door, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    link = await door.link()
    paths = [link, SIGN_IN, "/staff/sign-out", f"{ME}/password", f"{ME}/devices/x"]
    for path in paths:
        assert (await browser.post(path, headers=headers)).status_code == 403, path
    assert (await browser.post(link, headers=OURS)).status_code == 303


async def test_pages_for_staff_are_kept_by_no_browser(door: Door, browser: httpx.AsyncClient) -> None:
    link = await door.link()
    answers = [await browser.get(path) for path in (link, SIGN_IN, ME)]
    answers.append(await browser.post(link, headers=OURS))
    answers.append(await browser.get(ME))
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers.get("x-robots-tag", "noindex") == "noindex"


@pytest.fixture
async def behind_https(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    config = Settings(database_url=url, worker=False, public_url="https://book.example/kalends")
    app = create_app(config, clock=clock)
    async with app.router.lifespan_context(app):
        yield app


async def test_the_cookie_is_for_this_host_only_and_encrypted_where_it_can_be(
    door: Door, browser: httpx.AsyncClient, behind_https: FastAPI
) -> None:
    plain = (await door.come_in(browser)).headers["set-cookie"]
    assert plain.startswith("kalends=")
    assert plain.endswith("; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax")
    async with browser_of(behind_https) as secure:
        came = await Door(behind_https, door.clock, door.org, door.person_id).come_in(secure)
    assert came.headers["location"] == "/kalends/staff"
    assert came.headers["set-cookie"].startswith("__Host-kalends=")
    assert came.headers["set-cookie"].endswith("; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax; Secure")


async def test_where_others_may_listen_the_page_says_so(door: Door, browser: httpx.AsyncClient) -> None:
    warning = "not encrypted"
    assert warning in (await browser.get(SIGN_IN)).text
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]"):
        assert warning not in (await browser.get(SIGN_IN, headers={"Host": host})).text


async def test_people_see_the_pages_in_their_language(door: Door, browser: httpx.AsyncClient) -> None:
    await door.change(language="de")
    browser.headers.pop("accept-language")
    assert "Als Ana anmelden" in (await browser.get(await door.link())).text
    await door.come_in(browser)
    assert "Dieser Browser" in (await browser.get(ME)).text


async def test_the_use_of_a_session_is_written_once_an_hour(door: Door, browser: httpx.AsyncClient) -> None:
    await door.come_in(browser)

    async def seen() -> object:
        found = await door.db.read(sessions.find, [digest(browser.cookies["kalends"])])
        return next(iter(found.values())).seen_at

    begun = await seen()
    door.clock.forward(minutes=59)
    assert await is_in(browser)
    assert await seen() == begun
    door.clock.forward(minutes=1)
    assert await is_in(browser)
    assert await seen() == door.clock.now() == begun + timedelta(hours=1)  # type: ignore[operator]


@pytest.fixture
async def other_org(db: Database, clock: StoppedClock) -> Org:
    return await make_org(db, clock.now())
