"""How people of the staff come in, stay in and are sent away."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from kalends import passwords
from kalends.api import gate
from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import entries, sessions
from kalends.ids import new_id
from kalends.settings import Settings
from kalends.web import tries
from kalends.web.staff_visits import way_back
from tests.support.answers import answered
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.organizations import Org, make_org
from tests.web.browsers import FOREIGN, OURS, browser_of

pytestmark = pytest.mark.anyio

ME, SIGN_IN, PASSWORD_PAGE = "/staff/me", "/staff/sign-in", "/staff/me/password"
PASSWORD = "correct horse battery"
EMAIL = "ana@example.com"


async def invited(app: FastAPI, org: Org, **fields: Any) -> tuple[str, str]:
    """The id of a new person, and the path of the link by which they sign in."""
    async with client_of(app, org.key) as client:
        answer = await client.post("/v1/people", json={"name": "Ana", "email": EMAIL} | fields)
        assert answer.status_code == 200, answer.text
    return answer.json()["person"]["id"], urlsplit(answer.json()["enter_url"]).path


async def send(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await browser.post(path, data=fields, headers=OURS)


async def signed_in(app: FastAPI, org: Org, **fields: Any) -> tuple[str, httpx.AsyncClient]:
    """The id of a new person, and the browser in which they are signed in."""
    person, link = await invited(app, org, **fields)
    browser = browser_of(app)
    async with browser_of(app) as first:
        assert (await send(first, link)).status_code == 303
        browser.cookies = first.cookies
    return person, browser


def token_in(answer: httpx.Response) -> str:
    """The token of the session that an answer begins."""
    return str(re.findall(r"kalends=([^;]*)", answer.headers["set-cookie"])[0])


async def rows(db: Database, org: Org) -> tuple[int, int]:
    """How many sessions and links of an organization there are."""

    def count(tx: Tx) -> tuple[int, int]:
        one, other = (
            tx.execute(select(func.count()).select_from(table).where(table.c.org_id == org.id)).scalar_one()
            for table in (sessions, entries)
        )
        return one, other

    return await db.read(count)


@asynccontextmanager
async def app_with(url: str, **settings: Any) -> AsyncIterator[tuple[FastAPI, Org]]:
    app = create_app(Settings(database_url=url, worker=False, **settings), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app, await make_org(app.state.context.database, StoppedClock().now())


async def test_a_link_is_asked_about_and_signs_in_once(
    app: FastAPI, db: Database, org: Org, browser: httpx.AsyncClient
) -> None:
    _, link = await invited(app, org)
    for method in ("GET", "HEAD", "GET"):
        answer = await browser.request(method, link)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert await rows(db, org) == (0, 1)
    assert "Sign in as Ana" in answer.text
    assert "<form method=" in answer.text
    begun = await send(browser, link)
    assert (begun.status_code, begun.headers["location"]) == (303, "/staff/me?first=1")
    assert await rows(db, org) == (1, 0)
    assert "Ana" in (await browser.get(ME)).text
    async with browser_of(app) as other:
        for again in (await send(other, link), await other.get(link)):
            assert again.status_code == 404
            assert "no longer valid" in again.text
            assert "Ask a colleague for another link" in again.text
            assert "set-cookie" not in again.headers
    assert await rows(db, org) == (1, 0)


async def test_of_twenty_at_once_one_is_signed_in(app: FastAPI, db: Database, org: Org) -> None:
    _, link = await invited(app, org)
    answers = await asyncio.gather(*(send(browser_of(app), link) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 19
    assert await rows(db, org) == (1, 0)


async def test_a_link_ends_after_a_week_and_by_a_newer_one(
    app: FastAPI, org: Org, clock: StoppedClock
) -> None:
    person, first = await invited(app, org)
    async with client_of(app, org.key) as client:
        newer = await client.post(f"/v1/people/{person}/link")
    second = urlsplit(newer.json()["enter_url"]).path
    async with browser_of(app) as browser:
        assert (await send(browser, first)).status_code == 404
        clock.forward(days=7)
        assert (await browser.get(second)).status_code == 404
        assert (await send(browser, second)).status_code == 404
        clock.forward(seconds=-1)
        assert (await send(browser, second)).status_code == 303


async def test_nobody_is_signed_in_with_a_token_they_brought_along(app: FastAPI, org: Org) -> None:
    _, link = await invited(app, org)
    planted = "x" * 43
    async with browser_of(app, Cookie=f"kalends={planted}") as victim:
        begun = await send(victim, link)
    assert begun.status_code == 303
    assert token_in(begun) != planted
    assert len(token_in(begun)) >= 43  # 32 bytes in base64
    async with browser_of(app, Cookie=f"kalends={planted}") as attacker:
        assert (await attacker.get(ME)).headers["location"].startswith(SIGN_IN)


async def test_signing_in_again_ends_the_former_session_of_the_browser(
    app: FastAPI, db: Database, org: Org
) -> None:
    _, first = await invited(app, org)
    _, second = await invited(app, org, name="Ben", email="ben@example.com")
    async with browser_of(app) as browser:
        one = token_in(await send(browser, first))
        other = token_in(await send(browser, second))
        assert one != other
        assert "Ben" in (await browser.get(ME)).text
    assert (await rows(db, org))[0] == 1
    async with browser_of(app, Cookie=f"kalends={one}") as former:
        assert (await former.get(ME)).status_code == 303


@on_sqlite
@pytest.mark.parametrize(
    ("public_url", "base", "name", "secure", "warns"),
    [
        ("https://clinic.example", "http://kalends.test", "__Host-kalends", True, False),
        ("", "https://kalends.test", "__Host-kalends", True, False),
        ("", "http://localhost:8000", "kalends", False, False),
        ("", "http://127.0.0.1:8000", "kalends", False, False),
        ("http://clinic.example", "http://clinic.example", "kalends", False, True),
        ("", "http://localhost.evil.example", "kalends", False, True),
    ],
)
async def test_the_cookie_is_as_safe_as_the_connection(
    url: str, public_url: str, base: str, name: str, secure: bool, warns: bool
) -> None:
    settings = {"public_url": public_url} if public_url else {}
    async with app_with(url, **settings) as (app, org):
        _, link = await invited(app, org)
        async with browser_of(app) as browser:
            browser.base_url = httpx.URL(base)
            assert ("not encrypted" in (await browser.get(link)).text) is warns
            begun = await browser.post(link, headers=OURS | {"Origin": public_url or base})
        kept, *attributes = begun.headers["set-cookie"].split("; ")
        assert kept.startswith(f"{name}=")
        assert {each.lower() for each in attributes} == {
            *("httponly", "samesite=lax", "path=/", "max-age=7776000"),
            *(["secure"] if secure else []),
        }
        # The other name is not listened to.
        other = "kalends" if secure else "__Host-kalends"
        for sent, status in ((kept, 200), (f"{other}={token_in(begun)}", 303)):
            async with browser_of(app, Cookie=sent) as browser:
                browser.base_url = httpx.URL(base)
                assert (await browser.get(ME)).status_code == status


async def test_no_page_for_staff_is_kept(app: FastAPI, org: Org) -> None:
    _, browser = await signed_in(app, org)
    _, link = await invited(app, org, name="Ben", email=None)
    async with browser, browser_of(app) as stranger:
        for one in (browser, stranger):
            for path in ("/staff", ME, SIGN_IN, link, "/staff/enter/none", "/staff/nothing"):
                answer = await one.get(path)
                assert answer.headers["cache-control"] == "no-store", path
        for answer in (await send(browser, "/staff/sign-out"), await send(stranger, PASSWORD_PAGE)):
            assert answer.headers["cache-control"] == "no-store"


async def test_who_is_not_signed_in_is_led_there_or_refused(app: FastAPI, browser: httpx.AsyncClient) -> None:
    led = await browser.get(f"{ME}?a=1&next=//evil.example")
    assert led.status_code == 303
    there = urlsplit(led.headers["location"])
    assert (there.netloc, there.path) == ("", SIGN_IN)
    assert parse_qs(there.query) == {"next": [f"{ME}?a=1&next=//evil.example"]}
    assert (await send(browser, PASSWORD_PAGE, password=PASSWORD)).status_code == 401
    assert (await send(browser, f"{ME}/devices/some")).status_code == 401


@pytest.mark.parametrize("how", ["deactivated", "deleted", "revoked elsewhere", "signed out"])
async def test_who_is_sent_away_is_refused_at_the_very_next_request(
    app: FastAPI, org: Org, db: Database, how: str
) -> None:
    person, browser = await signed_in(app, org)
    token = browser.cookies["kalends"]
    async with browser, client_of(app, org.key) as client:
        assert (await browser.get(ME)).status_code == 200
        path = f"/v1/people/{person}"
        if how == "deactivated":
            answered(await client.patch(path, json={"active": False}), "person")
        elif how == "deleted":
            assert (await client.delete(path)).status_code == 200
        elif how == "signed out":
            out = await send(browser, "/staff/sign-out")
            assert (out.status_code, out.headers["location"]) == (303, SIGN_IN)
            assert 'kalends=""' in out.headers["set-cookie"]
            assert "kalends" not in browser.cookies
        else:
            answer = await client.post(f"{path}/link")
            async with browser_of(app) as phone:
                assert (await send(phone, urlsplit(answer.json()["enter_url"]).path)).status_code == 303
                [device] = re.findall(r"/staff/me/devices/\w+", (await phone.get(ME)).text)
                asked = await phone.get(device)
                assert f'<form id="remove" method="post" action="{device}"' in asked.text
                assert (await phone.get(f"{device}0")).status_code == 404
                assert (await browser.get(ME)).status_code == 200
                assert (await send(phone, device)).status_code == 303
                assert (await phone.get(ME)).status_code == 200
    async with browser_of(app, Cookie=f"kalends={token}") as same:
        assert (await same.get(ME)).status_code == 303
        assert (await send(same, PASSWORD_PAGE, password=PASSWORD)).status_code == 401
    assert (await rows(db, org))[0] == (1 if how == "revoked elsewhere" else 0)


async def test_who_is_let_in_again_needs_a_new_link(app: FastAPI, org: Org) -> None:
    person, link = await invited(app, org)
    async with client_of(app, org.key) as client, browser_of(app) as browser:
        for active in (False, True):
            await client.patch(f"/v1/people/{person}", json={"active": active})
            assert (await send(browser, link)).status_code == 404


async def test_a_session_lasts_while_it_is_used_but_not_for_ever(
    app: FastAPI, org: Org, clock: StoppedClock
) -> None:
    _, idle = await signed_in(app, org)
    _, busy = await signed_in(app, org, email=None)
    async with idle, busy:
        clock.forward(days=13)
        assert (await busy.get(ME)).status_code == 200
        clock.forward(days=1)
        assert (await idle.get(ME)).status_code == 303
        assert (await busy.get(ME)).status_code == 200
        for _ in range(5):
            clock.forward(days=13)
            assert (await busy.get(ME)).status_code == 200
        clock.forward(days=10, hours=23)  # the 89th day, and nearly the 90th
        assert (await busy.get(ME)).status_code == 200
        clock.forward(hours=1)
        assert (await busy.get(ME)).status_code == 303


async def test_when_it_was_used_is_written_once_an_hour(
    app: FastAPI, db: Database, org: Org, clock: StoppedClock
) -> None:
    def seen(tx: Tx) -> datetime:
        return tx.execute(select(sessions.c.seen_at).where(sessions.c.org_id == org.id)).scalar_one()

    began = clock.now()
    _, browser = await signed_in(app, org)
    async with browser:
        clock.forward(minutes=59)
        await browser.get(ME)
        assert await db.read(seen) == began
        clock.forward(minutes=1)
        await browser.get(ME)
        assert await db.read(seen) == clock.now()


@pytest.mark.slow
async def test_a_password_is_set_and_signs_in_and_the_other_browsers_are_out(app: FastAPI, org: Org) -> None:
    person, browser = await signed_in(app, org)
    async with client_of(app, org.key) as client:
        answer = await client.post(f"/v1/people/{person}/link")
    async with browser, browser_of(app) as phone:
        await send(phone, urlsplit(answer.json()["enter_url"]).path)
        short = await send(browser, PASSWORD_PAGE, password="too short")
        assert short.status_code == 400
        assert "10 to 200 characters" in short.text
        assert (await phone.get(ME)).status_code == 200
        saved = await send(browser, PASSWORD_PAGE, password=PASSWORD)
        assert (saved.status_code, saved.headers["location"]) == (303, f"{ME}?saved=1")
        assert (await phone.get(ME)).status_code == 303
        assert (await browser.get(ME)).status_code == 200
        wrong = await send(browser, PASSWORD_PAGE, present="wrong", password="another password")
        assert wrong.status_code == 400
        assert "not your present password" in wrong.text
        form = {"email": " ANA@example.com ", "password": PASSWORD, "next": "/staff/day/2024-01-25"}
        refusals = [
            await send(phone, SIGN_IN, **(form | other))
            for other in ({"password": "wrong"}, {"email": "nobody@example.com"}, {"password": ""})
        ]
        assert {(each.status_code, "set-cookie" in each.headers) for each in refusals} == {(400, False)}
        assert all("not the right e-mail address and password" in each.text for each in refusals)
        assert "wrong" not in refusals[0].text  # a password is not shown again
        begun = await send(phone, SIGN_IN, **form)
        assert (begun.status_code, begun.headers["location"]) == (303, "/staff/day/2024-01-25")
        assert (await phone.get(ME)).status_code == 200
        on = await phone.get(SIGN_IN, params={"next": ME})
        assert (on.status_code, on.headers["location"]) == (303, ME)


@pytest.mark.slow
async def test_who_works_in_two_places_says_where(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    one, other, third = [
        await make_org(db, clock.now(), organization=name) for name in ("Sun Clinic", "Moon Clinic", "Mars")
    ]
    email = f"{one.slug}@example.com"
    for org, password in ((one, PASSWORD), (other, PASSWORD), (third, "quite another one")):
        _, browser = await signed_in(app, org, email=email)
        async with browser:
            assert (await send(browser, PASSWORD_PAGE, password=password)).status_code == 303
    form = {"email": email, "password": PASSWORD}
    async with browser_of(app) as browser:
        asked = await send(browser, SIGN_IN, **form)
        assert (asked.status_code, "set-cookie" in asked.headers) == (200, False)
        assert "Sun Clinic" in asked.text
        assert "Moon Clinic" in asked.text
        assert "Mars" not in asked.text  # with this password nobody is known there
        assert (await send(browser, SIGN_IN, **form, organization=third.id)).status_code == 400
        assert (await send(browser, SIGN_IN, **form, organization=other.id)).status_code == 303
        assert "Moon Clinic" not in (await browser.get(SIGN_IN)).text


@on_sqlite
@pytest.mark.slow
async def test_passwords_are_tried_so_often_an_hour(
    app: FastAPI, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = await signed_in(app, org)
    async with browser:
        await send(browser, PASSWORD_PAGE, password=PASSWORD)
    monkeypatch.setattr(tries, "TRIES", 3)
    monkeypatch.setattr(tries, "TRIES_FROM_ADDRESS", 5)
    monkeypatch.setattr(tries, "TRIES_OF_PERSON", 5)
    # Of one person, from one address.
    async with browser_of(app, address="192.0.2.1") as one:
        for _ in range(3):
            assert (await send(one, SIGN_IN, email=EMAIL.upper(), password="wrong")).status_code == 400
        full = await send(one, SIGN_IN, email=EMAIL, password=PASSWORD)
        assert (full.status_code, "set-cookie" in full.headers) == (429, False)
        assert int(full.headers["retry-after"]) > 0
        # Of anybody, from one address. Whoever is refused uses up nothing of others.
        answers = [await send(one, SIGN_IN, email="ben@example.com", password="wrong") for _ in range(3)]
        assert [each.status_code for each in answers] == [400, 400, 429]
    # Of one person, from anywhere: a stranger elsewhere keeps nobody out, many do for an hour.
    async with browser_of(app, address="192.0.2.2") as other:
        # A right one is none of them: at a shared counter people sign in all day.
        for _ in range(4):
            assert (await send(other, SIGN_IN, email=EMAIL, password=PASSWORD)).status_code == 303
    async with browser_of(app, address="192.0.2.3") as third:
        statuses = [(await send(third, SIGN_IN, email=EMAIL, password="wrong")).status_code for _ in range(3)]
        assert statuses == [400, 400, 429]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/staff", "/staff"),
        ("/staff/me", "/staff/me"),
        ("/staff/enterprise", "/staff/enterprise"),
        ("/staff?calendar=a", "/staff?calendar=a"),
        ("/staff/list?q=a%20b&status=pending", "/staff/list?q=a%20b&status=pending"),
        *(
            (hostile, "/staff")
            for hostile in (
                "",
                "//evil.example",
                "///evil.example",
                "https://evil.example/staff/me",
                "HTTPS:evil.example",
                "javascript:alert(1)",
                "\\\\evil.example",
                "/\\evil.example",
                "/staff\\..\\evil",
                "/staff/\\evil.example",
                "/staff//evil.example",
                "/staff/../../evil",
                "/staff/%2e%2E/evil",
                "/staff@evil.example",
                "/staffevil",
                "/staff/me\r\nSet-Cookie: a=b",
                "/staff/me\n",
                " /staff/me",
                "\t//evil.example",
                "staff/me",
                "/v1/people",
                "/staff/sign-out",
                "/staff/sign-in?next=/staff/me",
                "/staff/enter/abc",
                "/staff/passkeys/options",
            )
        ),
    ],
)
def test_the_way_back_leads_to_pages_for_staff(sent: str, path: str) -> None:
    assert way_back(sent) == path


@pytest.mark.parametrize("hostile", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_whoever_is_signed_in_is_led_nowhere_else(app: FastAPI, org: Org, hostile: str) -> None:
    _, browser = await signed_in(app, org)
    async with browser:
        led = await browser.get(SIGN_IN, params={"next": hostile})
        assert (led.status_code, led.headers["location"]) == (303, "/staff")


async def test_no_other_site_signs_anybody_in_or_out(app: FastAPI, db: Database, org: Org) -> None:
    _, browser = await signed_in(app, org)
    _, link = await invited(app, org, name="Ben", email=None)
    async with browser:
        for path in (link, SIGN_IN, "/staff/sign-out", PASSWORD_PAGE, f"{ME}/devices/some"):
            for headers in FOREIGN:
                answer = await browser.post(path, data={"password": PASSWORD}, headers=headers)
                assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert "Ana" in (await browser.get(ME)).text
    assert await rows(db, org) == (1, 1)


async def test_nobody_sees_or_ends_the_sessions_of_others(
    app: FastAPI, db: Database, clock: StoppedClock, org: Org
) -> None:
    theirs = await make_org(db, clock.now())
    _, mine = await signed_in(app, org)
    _, colleague = await signed_in(app, org, name="Ben", email=None)
    _, stranger = await signed_in(app, theirs, name="Cleo", email=None)

    def names(tx: Tx) -> list[str]:
        return [digest.hex()[:16] for digest in tx.execute(select(sessions.c.digest)).scalars()]

    async with mine, colleague, stranger:
        for name in await db.read(names):
            await send(mine, f"{ME}/devices/{name}")
        assert (await mine.get(ME)).status_code == 303  # only their own was ended
        for other, called in ((colleague, "Ben"), (stranger, "Cleo")):
            page = await other.get(ME)
            assert page.status_code == 200
            assert called in page.text
            assert page.text.count("last used") == 1


@on_sqlite
async def test_requests_of_staff_take_nothing_of_what_their_address_may_ask(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A practice and the phones in its waiting room have one address."""
    monkeypatch.setattr(gate, "REQUESTS_OF_A_SESSION", 50)
    async with app_with(url, public_requests_per_hour=30) as (app, org):
        _, browser = await signed_in(app, org)  # before that, a form counts ten
        async with browser:
            statuses = [(await browser.get(ME)).status_code for _ in range(51)]
            assert statuses == [200] * 50 + [429]
            assert (await browser.get(f"/{org.slug}")).status_code == 303  # to its only type
            browser.cookies.set("kalends", "a guess", domain="kalends.test")
            others = [(await browser.get(ME)).status_code for _ in range(20)]
            assert others == [303] * 19 + [429]


async def test_the_page_speaks_the_persons_language(app: FastAPI, org: Org) -> None:
    _, browser = await signed_in(app, org, language="de")
    async with browser:
        assert "Wo Sie angemeldet sind" in (await browser.get(ME)).text


async def test_what_a_browser_calls_itself_is_shown_and_not_obeyed(app: FastAPI, org: Org) -> None:
    _, link = await invited(app, org)
    async with browser_of(app, **{"User-Agent": "<script>alert(1)</script>" + "x" * 1000}) as browser:
        await send(browser, link)
        text = (await browser.get(ME)).text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "x" * 200 not in text


async def test_no_text_is_an_error_of_the_database(app: FastAPI, browser: httpx.AsyncClient) -> None:
    for email in ("a\x00b@example.com", "x" * 5_000, "\u200b", "'"):
        assert (await send(browser, SIGN_IN, email=email, password="\x00")).status_code == 400


async def test_a_password_is_the_same_however_its_letters_are_typed(
    app: FastAPI, org: Org, browser: httpx.AsyncClient
) -> None:
    email = f"{org.slug}@example.com"
    _, first = await signed_in(app, org, email=email)
    async with first:
        assert (await send(first, PASSWORD_PAGE, password="m\u00fcde und lang")).status_code == 303
    assert (await send(browser, SIGN_IN, email=email, password="mu\u0308de und lang")).status_code == 303


async def test_everybody_has_an_account_whatever_they_may_do(app: FastAPI, org: Org) -> None:
    _, browser = await signed_in(app, org, scopes=["read"], email=None)
    async with browser:
        assert (await browser.get(ME)).status_code == 200
        assert (await send(browser, PASSWORD_PAGE, password=PASSWORD)).status_code == 303


async def test_where_a_browser_would_keep_no_cookie_nothing_is_used_up(own_url: str) -> None:
    """A server whose people reach it by an encrypted connection, opened without."""
    async with app_with(own_url, public_url="https://kalends.test") as (app, org):
        await app.state.context.database.migrate()
        _, link = await invited(app, org)
        async with browser_of(app) as browser:
            without = ({"Origin": "http://kalends.test"}, OURS, OURS | {"X-Forwarded-Proto": "http"})
            for path, sent in itertools.product((link, SIGN_IN, "/staff/passkeys/sign-in"), without):
                answer = await browser.post(path, headers=sent)
                assert answer.status_code == 400
                assert "This page was opened without encryption" in answer.text
                assert f'href="https://kalends.test{path}"' in answer.text
                assert "set-cookie" not in answer.headers
            # Behind a proxy that takes the encryption off, and on the server's own machine, it is kept.
            answer = await browser.post(link, headers={"Origin": "https://kalends.test"})
            assert answer.status_code == 303
            at_home = {"Origin": "http://localhost", "Host": "localhost"}
            answer = await browser.post(link, headers=at_home)
            assert (answer.status_code, "no longer valid" in answer.text) == (404, True)
    async with app_with(own_url) as (app, org):
        _, link = await invited(app, org)
        async with browser_of(app) as browser:
            browser.base_url = httpx.URL("https://kalends.test")
            answer = await browser.post(link, headers={"Origin": "http://kalends.test"})
            assert (answer.status_code, f'href="https://kalends.test{link}"' in answer.text) == (400, True)
            # By an encrypted connection, a browser of old that names no origin keeps it, too.
            assert (await browser.post(link, headers=OURS)).status_code == 303


async def test_a_wrong_password_takes_as_long_for_who_works_in_several_places(
    app: FastAPI,
    db: Database,
    clock: StoppedClock,
    browser: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(password: str, stored: str | None) -> bool:
        time.sleep(0.1)
        return password == PASSWORD

    monkeypatch.setattr(passwords, "is_right", slow)
    email = f"{new_id('psn')}@example.com"
    for _ in range(4):
        await invited(app, await make_org(db, clock.now()), email=email)
    took = []
    for address in ("nobody@example.com", email):
        begun = time.monotonic()
        assert (await send(browser, SIGN_IN, email=address, password="wrong")).status_code == 400
        took.append(time.monotonic() - begun)
    assert min(took) >= 0.4
    assert abs(took[0] - took[1]) < 0.1
    assert "Where?" in (await send(browser, SIGN_IN, email=email, password=PASSWORD)).text


async def test_no_page_of_a_refusal_has_a_password(
    app: FastAPI, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "TRIES_FROM_ADDRESS", 0)
    refused = await send(browser, SIGN_IN, email="ana@example.com", password=PASSWORD)
    assert (refused.status_code, PASSWORD in refused.text) == (429, False)


async def test_who_comes_in_is_in_the_log(app: FastAPI, org: Org, capsys: pytest.CaptureFixture[str]) -> None:
    """By their id, and by which way: nobody's name or address is there."""
    email = f"{org.slug}@example.com"
    person, browser = await signed_in(app, org, email=email)
    await send(browser, PASSWORD_PAGE, password=PASSWORD)
    async with browser_of(app) as other:
        await send(other, SIGN_IN, email=email, password=PASSWORD)
        await send(other, "/staff/sign-out")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [(line["event"], line.get("way")) for line in lines if line.get("person_id") == person]
    assert found == [
        ("signed in", "link"),
        ("password set", None),
        ("signed in", "password"),
        ("signed out", None),
    ]
    assert all(line["org_id"] == org.id for line in lines if "person_id" in line)
    assert email not in str(lines)


async def test_an_admin_without_an_address_says_it_with_the_password(app: FastAPI, org: Org) -> None:
    """Nobody else may be there who could add it, and at an address such as http://192.0.2.1 there are no
    passkeys."""
    own = f"{org.slug}@example.com"
    _, browser = await signed_in(app, org, email=None, scopes=["admin"])
    assert 'name="email"' in (await browser.get(ME)).text
    for email in ("", "ana@"):
        answer = await send(browser, PASSWORD_PAGE, password=PASSWORD, email=email)
        assert (answer.status_code, "no complete e-mail address" in answer.text) == (400, True)
        assert f'value="{email}"' in answer.text
    answer = await send(browser, PASSWORD_PAGE, password="short", email=own)
    assert (answer.status_code, f'value="{own}"' in answer.text) == (400, True)
    await invited(app, org, name="Ben", email="ben@example.com")
    answer = await send(browser, PASSWORD_PAGE, password=PASSWORD, email="Ben@example.com")
    assert (answer.status_code, "Somebody else has this" in answer.text) == (400, True)
    assert (await send(browser, PASSWORD_PAGE, password=PASSWORD, email=own)).status_code == 303
    async with browser_of(app) as other:
        assert (await send(other, SIGN_IN, email=own, password=PASSWORD)).status_code == 303
    # Others ask a colleague, as their address is not theirs to choose.
    _, reader = await signed_in(app, org, name="Eve", email=None, scopes=["read"])
    assert 'name="email"' not in (await reader.get(ME)).text
    await send(reader, PASSWORD_PAGE, password=PASSWORD, email="eve@example.com")
    async with browser_of(app) as other:
        answer = await send(other, SIGN_IN, email="eve@example.com", password=PASSWORD)
        assert answer.status_code == 400
