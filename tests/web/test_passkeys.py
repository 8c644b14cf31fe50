"""How people of the staff add passkeys, sign in with them, and lose them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import cbor2
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from kalends import passkeys
from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import challenges
from kalends.passkeys import Passkey, Place
from kalends.settings import Settings
from kalends.web import tries
from tests.support.authenticator import Authenticator
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org
from tests.web.browsers import HTML, OURS
from tests.web.test_sign_in import invited, token_in

pytestmark = pytest.mark.anyio

HOME = "https://kalends.test"
ME, MINE, MAKE = "/staff/me", "/staff/me/passkeys", "/staff/me/passkeys/options"
SHOW, ENTER = "/staff/passkeys/options", "/staff/passkeys/sign-in"
PASSWORD = "correct horse battery"


@pytest.fixture
async def app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    """Reached by an encrypted connection, for browsers have passkeys nowhere else."""
    app = create_app(Settings(database_url=url, worker=False, public_url=HOME), clock=clock)
    async with app.router.lifespan_context(app):
        yield app


@dataclass
class Window:
    """A browser in which somebody signs in, with a device that has passkeys."""

    http: httpx.AsyncClient
    device: Authenticator

    async def send(self, path: str, /, **fields: str) -> httpx.Response:
        return await self.http.post(path, data=fields, headers=OURS)

    async def options(self, path: str, **fields: str) -> dict[str, Any]:
        answer = await self.send(path, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        options: dict[str, Any] = answer.json()
        return options

    async def add(self, **fields: str) -> httpx.Response:
        made = self.device.make(await self.options(MAKE, **fields))
        return await self.send(MINE, answer=made, name="Phone of Ana")

    async def enter(self) -> httpx.Response:
        shown = self.device.show(await self.options(SHOW))
        return await self.send(ENTER, answer=shown, next="/staff/list")


def window(app: FastAPI, device: Authenticator | None = None) -> Window:
    """A new browser."""
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=HOME, headers={"Accept": HTML, "Accept-Language": "en"}
    )
    return Window(http, device or Authenticator(HOME))


async def with_passkey(app: FastAPI, org: Org, **fields: Any) -> tuple[str, Window]:
    """The id of a new person, and a browser where they have added a passkey."""
    person, link = await invited(app, org, **fields)
    mine = window(app)
    assert (await mine.send(link)).status_code == 303
    added = await mine.add()
    assert (added.status_code, added.headers["location"]) == (303, "/staff/me?saved=1")
    return person, mine


async def is_in(window: Window) -> bool:
    return (await window.http.get(ME)).status_code == 200


async def test_a_passkey_is_added_and_signs_in(app: FastAPI, org: Org, clock: StoppedClock) -> None:
    _, link = await invited(app, org)
    mine = window(app)
    entered = await mine.send(link)
    assert entered.headers["location"] == "/staff/me?first=1"
    page = (await mine.http.get(entered.headers["location"])).text
    assert "Your link is used up: add a passkey or set a password" in page
    options = await mine.options(MAKE)
    assert options["rp"]["id"] == "kalends.test"
    assert options["user"]["name"] == "ana@example.com (Test)"  # she may work elsewhere, too
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    await mine.add()
    page = (await mine.http.get(ME)).text
    assert "Phone of Ana" in page
    assert "not used yet" in page
    clock.forward(days=1)
    other = window(app, mine.device)
    begun = await other.enter()
    assert (begun.status_code, begun.headers["location"]) == (303, "/staff/list")
    cookie = begun.headers.get_list("set-cookie")[0].lower()
    assert cookie.startswith("__host-kalends=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(cookie.split("; "))
    assert begun.headers["cache-control"] == "no-store"
    page = (await other.http.get(ME)).text
    assert "last used" in page.split("Phone of Ana")[1].split("</p>")[0]
    # Who has one is offered no other on the same device, and no more than so many.
    assert len((await other.options(MAKE))["excludeCredentials"]) == 1
    assert (await other.add()).status_code == 400


async def test_a_session_is_new_at_each_signing_in(app: FastAPI, org: Org) -> None:
    _, mine = await with_passkey(app, org)
    before = mine.http.cookies["__Host-kalends"]
    again = await mine.enter()
    assert token_in(again) not in ("", before)
    stale = window(app)
    stale.http.cookies.set("__Host-kalends", before, domain="kalends.test")
    assert not await is_in(stale)
    # What somebody else has put there becomes no session.
    other = window(app, mine.device)
    other.http.cookies.set("__Host-kalends", "chosen", domain="kalends.test")
    assert token_in(await other.enter()) != "chosen"


async def test_a_challenge_is_answered_once_soon_and_where_it_was_asked(
    app: FastAPI, db: Database, org: Org, clock: StoppedClock
) -> None:
    _, mine = await with_passkey(app, org)
    other = window(app, mine.device)
    shown = other.device.show(await other.options(SHOW))
    cookie = other.http.cookies["__Host-kalends-challenge"]
    assert (await window(app).send(ENTER, answer=shown)).status_code == 400  # of another browser
    assert (await other.send(ENTER, answer=shown)).status_code == 303
    assert "__Host-kalends-challenge" not in other.http.cookies
    for counts in (0, 9):
        thief = window(app, replace(mine.device, count=mine.device.count + counts))
        thief.http.cookies.set("__Host-kalends-challenge", cookie, domain="kalends.test")
        assert (await thief.send(ENTER, answer=shown)).status_code == 400
        await thief.options(SHOW)
        assert (await thief.send(ENTER, answer=shown)).status_code == 400
        assert not await is_in(thief)
    late = window(app, mine.device)
    shown = late.device.show(await late.options(SHOW))
    clock.forward(minutes=5)
    assert (await late.send(ENTER, answer=shown)).status_code == 400
    # For another purpose it is no answer, and it is used up.
    shown = late.device.show(await late.options(SHOW) | {"rpId": "kalends.test"})
    made = Authenticator(HOME, b"another")
    options = await mine.options(MAKE)
    assert (
        await mine.send(ENTER, answer=mine.device.show(options | {"rpId": "kalends.test"}))
    ).status_code == 400
    assert (await mine.send(MINE, answer=made.make(options), name="")).status_code == 400

    def stale(tx: Tx) -> int:
        too_old = challenges.c.expires_at <= clock.now()
        return tx.execute(select(func.count()).select_from(challenges).where(too_old)).scalar_one()

    clock.forward(minutes=5)
    assert await db.read(stale) >= 1
    await mine.options(SHOW)
    assert await db.read(stale) == 0  # what nobody answered is forgotten


async def test_what_is_not_right_signs_nobody_in(app: FastAPI, org: Org) -> None:
    _, mine = await with_passkey(app, org)
    wrong = [
        replace(mine.device, origin="https://evil.example"),
        replace(mine.device, origin="http://kalends.test"),
        replace(mine.device, key=Authenticator(HOME).key),
        replace(mine.device, credential=b"unknown"),
        replace(mine.device, handle="c29tZWJvZHk"),
    ]
    for device in wrong:
        answer = await window(app, device).enter()
        assert answer.status_code == 400
        assert "This passkey does not work here" in answer.text
        assert "kalends=" not in answer.headers.get("set-cookie", "").replace("challenge=", "")
    mine.device.count = 5
    assert (await window(app, mine.device).enter()).status_code == 303
    assert (await window(app, replace(mine.device, count=3)).enter()).status_code == 400  # a copy of it
    elsewhere = window(app, mine.device)
    shown = elsewhere.device.show(await elsewhere.options(SHOW) | {"rpId": "evil.example"})
    assert (await elsewhere.send(ENTER, answer=shown)).status_code == 400


async def test_the_name_of_a_device_that_is_refused_is_kept(app: FastAPI, org: Org) -> None:
    _, mine = await with_passkey(app, org)
    answer = await mine.send(MINE, answer="{}", name="My “phone”")
    assert (answer.status_code, 'value="My “phone”"' in answer.text) == (400, True)


@pytest.mark.parametrize("path", [ENTER, MINE])
async def test_whatever_is_sent_is_answered(
    app: FastAPI, org: Org, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "TRIES_FROM_ADDRESS", 1_000)
    _, mine = await with_passkey(app, org)
    right = mine.device.show(await mine.options(SHOW))
    deep = "[" * 30_000
    for answer in (
        "",
        "{}",
        "null",
        "\x00",
        deep,
        '{"id":1}',
        right.replace('"id": "', '"id": "ä'),
        right[:-9],
    ):
        await mine.options(SHOW if path == ENTER else MAKE)
        sent = await mine.send(path, answer=answer, name="\x00" * 300, next="//evil.example")
        assert sent.status_code == 400, (answer[:50], sent.status_code)
    for broken in ("attestationObject", "authenticatorData", "signature", "clientDataJSON", "userHandle"):
        options = await mine.options(SHOW if path == ENTER else MAKE)
        made = mine.device.show(options) if path == ENTER else mine.device.make(options)
        for content in ("", "_w", "v_9gYWH_", "A" * 4_000):
            text = made.replace(f'"{broken}": "', f'"{broken}": "{content}')
            sent = await mine.send(path, answer=text if text != made else "")
            assert sent.status_code == 400, (broken, content[:9])


async def test_each_has_their_own(app: FastAPI, db: Database, org: Org, clock: StoppedClock) -> None:
    _, mine = await with_passkey(app, org)
    other_org = await make_org(db, clock.now())
    _, link = await invited(app, other_org, name="Ben")
    ben = window(app, Authenticator(HOME))
    await ben.send(link)
    mine_named = (await mine.http.get(ME)).text.split("/staff/me/passkeys/")[1].split("/remove")[0]
    asked = await mine.http.get(f"{MINE}/{mine_named}/remove")
    assert "Remove the passkey “Phone of Ana”?" in asked.text
    assert "Phone of Ana" in (await mine.http.get(ME)).text
    for name in (mine_named, "pky_nothing", "%00"):
        assert (await ben.http.get(f"{MINE}/{name}/remove")).status_code in (404, 422, 400)
        assert (await ben.send(f"{MINE}/{name}/remove")).status_code in (404, 422, 400)
    assert "Phone of Ana" not in (await ben.http.get(ME)).text
    # The passkey of another organization's is known, and can't be had by saying that one has made it.
    options = await ben.options(MAKE)
    taken = replace(mine.device, origin=HOME).make(options)
    assert (await ben.send(MINE, answer=taken, name="Stolen")).status_code == 400
    # Whoever signs in with it comes in where it belongs, whoever they were.
    mine.device.make(await mine.options(MAKE))
    ben.device = mine.device
    assert (await ben.enter()).status_code == 303
    assert '<h1 dir="auto">Ana</h1>' in (await ben.http.get(ME)).text
    assert (await mine.send(f"{MINE}/{mine_named}/remove")).status_code == 303
    assert (await ben.enter()).status_code == 400
    assert await is_in(mine)


@pytest.mark.parametrize("how", ["inactive", "deleted", "with the key"])
async def test_who_is_sent_away_has_no_passkey_any_more(app: FastAPI, org: Org, how: str) -> None:
    person, mine = await with_passkey(app, org)
    async with client_of(app, org.key) as client:
        if how == "inactive":
            for active in (False, True):  # and does not get it back
                await client.patch(f"/v1/people/{person}", json={"active": active})
        elif how == "deleted":
            await client.delete(f"/v1/people/{person}")
        else:
            await client.delete(f"/v1/keys/{org.caller.key_id}", params={"with": "made"})
    assert not await is_in(mine)
    assert (await mine.enter()).status_code == 400
    assert (await mine.send(MAKE)).status_code == 401


async def test_who_has_a_password_says_it_before_they_add_a_passkey(app: FastAPI, org: Org) -> None:
    _, link = await invited(app, org)
    mine = window(app)
    await mine.send(link)
    assert (await mine.send("/staff/me/password", password=PASSWORD)).status_code == 303
    refused = await mine.send(MAKE, present="wrong")
    assert refused.status_code == 400
    assert "__Host-kalends-challenge" not in mine.http.cookies
    assert (await mine.add(present=PASSWORD)).status_code == 303


async def test_wrong_tries_are_counted_and_right_ones_are_not(
    app: FastAPI, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "TRIES_FROM_ADDRESS", 2)
    _, mine = await with_passkey(app, org)
    assert [(await window(app, mine.device).enter()).status_code for _ in range(3)] == [303] * 3
    assert [(await window(app).send(ENTER)).status_code for _ in range(3)] == [400, 400, 429]
    # Whoever shares the address with a stranger is not shut out.
    assert (await window(app, mine.device).enter()).status_code == 303


def test_where_passkeys_are_good() -> None:
    assert Place.at("https://Book.Example:443/booking") == Place("book.example", "https://book.example")
    assert Place.at("https://bücher.example:8443") == Place(
        "xn--bcher-kva.example", "https://xn--bcher-kva.example:8443"
    )
    # As browsers write it, whose rules differ from those of Python's own codec.
    assert Place.at("https://straße.example") == Place(
        "xn--strae-oqa.example", "https://xn--strae-oqa.example"
    )
    assert Place.at("http://localhost:8000/") == Place("localhost", "http://localhost:8000")
    for address in (
        "http://book.example",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "http://127.0.0.1:80",
    ):
        assert Place.at(address) is None
    for nothing in ("", "https://", "https://[", "https://a:b", "https://" + "a" * 64):
        assert Place.at(nothing) is None
    with pytest.raises(passkeys.WrongAnswer):
        passkeys.made(None, b"", "{}")


async def test_what_is_too_long_is_not_read(app: FastAPI, org: Org) -> None:
    """Some of it would be read in time that grows with the square of its length."""
    _, link = await invited(app, org)
    mine = window(app)
    await mine.send(link)
    made = mine.device.make(await mine.options(MAKE))
    assert (await mine.send(MINE, answer=made + " " * 16_384)).status_code == 400
    mine.device.padding = 4_096
    assert (await mine.add()).status_code == 400  # whose key is too long
    mine.device.padding = 2_600  # as those of ML-DSA-87
    assert (await mine.add()).status_code == 303
    shown = mine.device.show(await mine.options(SHOW))
    assert (await mine.send(ENTER, answer=shown + " " * 16_384)).status_code == 400
    assert (await mine.enter()).status_code == 303
    place, passkey = Place.at(HOME), Passkey(b"", b"", 0, verified=True)
    with pytest.raises(passkeys.WrongAnswer):
        passkeys.shown(place, b"", shown + " " * 16_384, passkey, b"")


async def test_a_device_that_has_asked_who_they_are_goes_on_asking(app: FastAPI, org: Org) -> None:
    """So who finds a key and does not know its PIN is not let in; those without a PIN go on working."""
    _, mine = await with_passkey(app, org)
    assert (await window(app, replace(mine.device, asks=False)).enter()).status_code == 400
    mine.device.count += 1
    assert (await window(app, mine.device).enter()).status_code == 303
    plain = Window(mine.http, Authenticator(HOME, asks=False))
    assert (await plain.add()).status_code == 303
    assert (await window(app, plain.device).enter()).status_code == 303


async def test_a_browser_left_open_gives_no_way_to_come_back(
    app: FastAPI, org: Org, clock: StoppedClock
) -> None:
    """Whoever has passkeys and no password can't be asked for one, and signs in once more."""
    _, mine = await with_passkey(app, org)
    name = (await mine.http.get(ME)).text.split("/staff/me/passkeys/")[1].split("/remove")[0]
    clock.forward(minutes=16)
    assert (await mine.send(MAKE)).status_code == 400
    for path, fields in (("/staff/me/password", {"password": PASSWORD}), (f"{MINE}/{name}/remove", {})):
        refused = await mine.send(path, **fields)
        assert refused.status_code == 400
        assert "You signed in more than 15 minutes ago." in refused.text
    assert "Phone of Ana" in (await mine.http.get(ME)).text
    # In a session that has just begun, they may. Whoever came in by the passkey is out then.
    fresh = window(app, mine.device)
    await fresh.enter()
    assert (await fresh.send(f"{MINE}/{name}/remove")).status_code == 303
    assert not await is_in(mine)
    assert await is_in(fresh)
    clock.forward(minutes=16)
    assert (await fresh.send("/staff/me/password", password=PASSWORD)).status_code == 303  # the first way
    clock.forward(minutes=16)
    assert (await fresh.add(present=PASSWORD)).status_code == 303


async def test_a_passkey_that_is_refused_is_in_the_log(
    app: FastAPI, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    person, mine = await with_passkey(app, org)
    mine.device.count = 5
    await window(app, replace(mine.device)).enter()
    for wrong in (
        replace(mine.device, key=Authenticator(HOME).key),
        replace(mine.device, count=2),
        replace(mine.device, count=9, asks=False),
        replace(mine.device, credential=b"unknown"),
    ):
        assert (await window(app, wrong).enter()).status_code == 400
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [line for line in lines if line["event"] == "passkey refused"]
    assert {(line["level"], line["org_id"], line["person_id"]) for line in found} == {
        ("warning", org.id, person)
    }
    assert [line["why"] for line in found] == [
        "InvalidAuthenticationResponse",
        "its sign count fell: there may be a copy of it",
        "its device did not ask who they are",
    ]


async def test_an_answer_has_extensions_but_no_tags(app: FastAPI, org: Org) -> None:
    """Such as those of numbers and patterns, which take long to read."""
    _, link = await invited(app, org)
    mine = window(app)
    await mine.send(link)
    plain = {"credProtect": 2, "long": "x" * 300, "list": [b"y" * 30, {"deep": -1.5}]}
    tagged = plain | {"last": cbor2.CBORTag(35, "a?")}
    mine.device.extensions = tagged
    assert (await mine.add()).status_code == 400
    mine.device.extensions = plain
    assert (await mine.add()).status_code == 303
    assert (await mine.enter()).status_code == 303
    mine.device.extensions = tagged
    assert (await mine.enter()).status_code == 400
