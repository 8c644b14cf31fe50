"""How people of the staff sign in by an identity provider."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt

from kalends.app import create_app
from kalends.core.identities import Identity
from kalends.db.database import Database
from kalends.identity import Asked, NoIdentity, Provider
from kalends.settings import Settings
from kalends.web import tries
from tests.support.clients import client_of
from tests.support.organizations import Org, make_org
from tests.support.providers import provider, say
from tests.web.browsers import browser_of
from tests.web.test_sign_in import invited, send

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]  # of the provider's own libraries

ME, BEGIN, BACK = "/staff/me", "/staff/oidc", "/staff/oidc/callback"
EMAIL = "ana@example.com"


@pytest.fixture(scope="module")
def issuer(anyio_backend: str) -> Any:
    verified = {"email": "Ana@Example.com", "email_verified": True}
    unverified = {"email": "ben@example.com"}
    with provider(ana=verified, other_ana=verified, ben=unverified) as address:
        yield address


@pytest.fixture
async def app(url: str, issuer: str) -> AsyncIterator[FastAPI]:
    """By the real time, as the provider goes."""
    known = {"oidc_issuer": issuer, "oidc_client_id": "kalends", "oidc_client_secret": "a:b c"}
    app = create_app(Settings.model_validate({"database_url": url, "worker": False} | known))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def org(db: Database, app: FastAPI) -> Org:
    return await make_org(db, app.state.context.clock.now())


async def come(browser: httpx.AsyncClient, subject: str, **query: str) -> httpx.Response:
    """Say at the provider who one is, and come back."""
    led = await browser.get(BEGIN, params=query)
    assert led.status_code == 303, led.text
    back = urlsplit(await say(led.headers["location"], subject))
    return await browser.get(f"{back.path}?{back.query}")


async def test_who_is_known_by_a_verified_address_comes_in_and_by_the_subject_then(
    app: FastAPI, org: Org, issuer: str
) -> None:
    person, _ = await invited(app, org, email=EMAIL)
    browser = browser_of(app)
    page = await browser.get("/staff/sign-in", params={"next": "/staff/list"})
    assert "Sign in at localhost" in page.text
    assert 'href="/staff/oidc?next=%2Fstaff%2Flist"' in page.text
    led = urlsplit((await browser.get(BEGIN)).headers["location"])
    asked = parse_qs(led.query)
    assert f"{led.scheme}://{led.netloc}" == issuer
    assert asked["redirect_uri"] == ["http://kalends.test/staff/oidc/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    begun = await come(browser, "ana", next="/staff/list")
    assert (begun.status_code, begun.headers["location"]) == (303, "/staff/list")
    assert begun.headers["cache-control"] == "no-store"
    assert "Ana" in (await browser.get(ME)).text
    # From now on, the subject counts: the address may change, and somebody else may get it there.
    async with client_of(app, org.key) as client:
        await client.patch(f"/v1/people/{person}", json={"email": "pereira@example.com"})
        assert (await come(browser_of(app), "ana")).status_code == 303
        await client.patch(f"/v1/people/{person}", json={"email": EMAIL})
        refused = await come(browser_of(app), "other_ana")
        assert refused.status_code == 400
        assert "Nobody is known here by what was said there." in refused.text
        assert "kalends=" not in refused.headers["set-cookie"].replace("kalends-challenge=", "")
        await client.patch(f"/v1/people/{person}", json={"active": False})
        assert (await come(browser_of(app), "ana")).status_code == 400
        assert (await browser.get(ME)).status_code == 303


async def test_an_address_that_is_not_verified_says_nothing(app: FastAPI, org: Org) -> None:
    await invited(app, org, email="ben@example.com")
    assert (await come(browser_of(app), "ben")).status_code == 400
    assert (await come(browser_of(app), "stranger")).status_code == 400


async def test_who_works_in_several_organizations_is_asked_which(
    app: FastAPI, db: Database, org: Org
) -> None:
    other = await make_org(db, app.state.context.clock.now())
    await invited(app, org, email=EMAIL)
    await invited(app, other, email=EMAIL, name="Ana too")
    browser = browser_of(app)
    page = await come(browser, "ana", next="/staff/list")
    assert page.status_code == 200
    assert f"organization={other.id}" in page.text
    begun = await come(browser, "ana", next="/staff/list", organization=other.id)
    assert begun.headers["location"] == "/staff/list"
    assert "Ana too" in (await browser.get(ME)).text
    assert (await come(browser_of(app), "ana", organization="org_nothing\x00")).status_code == 400


async def test_a_way_back_is_gone_once_by_the_browser_that_was_led(app: FastAPI, org: Org) -> None:
    await invited(app, org, email=EMAIL)
    browser = browser_of(app)
    led = (await browser.get(BEGIN)).headers["location"]
    back = urlsplit(await say(led, "ana"))
    path = f"{back.path}?{back.query}"
    assert (await browser_of(app).get(path)).status_code == 400  # another browser: nobody signs in as others
    state = parse_qs(back.query)["state"][0]
    assert (await browser.get(path.replace(state, "x" + state[1:]))).status_code == 400
    assert (await browser.get(path)).status_code == 400  # used up by that
    begun = await browser.get(BEGIN)
    assert begun.headers["set-cookie"].startswith("kalends-challenge=")
    for query in (
        "",
        "?error=access_denied",
        "?code=%00&state=%00",
        f"?state={state}&iss=other",
        "?code=a&code=b",
    ):
        await browser.get(BEGIN)
        assert (await browser.get(BACK + query)).status_code == 400
    assert (await send(browser, "/staff/passkeys/sign-in", answer="{}")).status_code == 400
    assert (await browser.get(ME)).status_code == 303


async def test_a_provider_that_is_away_keeps_nobody_from_signing_in_otherwise(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Settings(
        database_url=own_url, worker=False, oidc_issuer="http://127.0.0.1:9", oidc_client_id="kalends"
    )
    app = create_app(away)
    async with app.router.lifespan_context(app):
        await app.state.context.database.migrate()
        monkeypatch.setattr(tries, "TRIES_FROM_ADDRESS", 2)
        browser = browser_of(app)
        answers = [await browser.get(BEGIN) for _ in range(3)]
        assert [each.status_code for each in answers] == [400, 400, 429]
        assert "Signing in there did not work." in answers[0].text
    app = create_app(Settings(database_url=own_url, worker=False))
    async with app.router.lifespan_context(app):
        assert (await browser_of(app).get(BEGIN)).status_code == 404
        assert (await browser_of(app).get(BACK)).status_code == 404
        assert BEGIN not in (await browser_of(app).get("/staff/sign-in")).text
    with pytest.raises(ValueError, match="KALENDS_OIDC_CLIENT_ID must be set"):
        Settings(oidc_issuer="https://login.example")


HOME = "https://login.example"
KEY, OTHER = (jwk.RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
NOW = int(time.time())
RIGHT: dict[str, Any] = {
    "iss": HOME,
    "aud": "kalends",
    "sub": "1",
    "nonce": "n",
    "iat": NOW,
    "exp": NOW + 60,
    "email": EMAIL,
    "email_verified": True,
}


def signed(claims: dict[str, Any], alg: str = "RS256", key: Any = KEY) -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


async def told(
    token: str, *, delay: float = 0, about: dict[str, Any] | None = None, userinfo: Any = None
) -> Identity:
    """Who somebody is by a token, as a provider gives it."""
    where = {"issuer": HOME, "token_endpoint": f"{HOME}/token", "jwks_uri": f"{HOME}/keys"}
    where |= {"userinfo_endpoint": f"{HOME}/me"} | (about or {})
    strange = {"kty": "AKP", "alg": "ML-DSA-44", "kid": "2"}
    said = {
        "/.well-known/openid-configuration": where,
        "/token": {"id_token": token, "access_token": "a"},
        "/keys": {"keys": [strange, KEY.as_dict(private=False)]},
        "/me": userinfo,
    }

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(delay)
        if request.url.path == "/token":
            assert request.headers["authorization"].startswith("Basic ")
            assert parse_qs(request.content.decode())["code_verifier"] == ["v"]
        return httpx.Response(200, json=said[request.url.path])

    asked = Provider(HOME, "kalends", "secret", timeout_seconds=0.5)
    await asked.close()
    asked._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    try:
        return await asked.identity(
            "https://kalends.test/staff/oidc/callback", "c", Asked("s", "n", "v"), NOW
        )
    finally:
        await asked.close()


async def test_a_right_token_is_believed() -> None:
    assert await told(signed(RIGHT)) == Identity(HOME, "1", EMAIL)
    assert await told(signed(RIGHT | {"aud": ["other", "kalends"], "azp": "kalends"}))
    for claims in ({"email_verified": False}, {"email_verified": "true"}, {"email": 1}):
        assert (await told(signed(RIGHT | claims))).email is None
    bare = {name: said for name, said in RIGHT.items() if not name.startswith("email")}
    mine = {"sub": "1", "email": EMAIL, "email_verified": True}
    assert (await told(signed(bare), userinfo=mine)).email == EMAIL
    with pytest.raises(NoIdentity, match="two people"):
        await told(signed(bare), userinfo=mine | {"sub": "2"})


async def test_a_wrong_token_is_not_believed() -> None:
    wrong: list[dict[str, Any]] = [
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"aud": ["other"]},
        {"azp": "other"},
        {"nonce": "other"},
        {"exp": NOW - 61},
        {"iat": NOW + 600},
        {"sub": ""},
        {"sub": 1},
        {"sub": "\x00"},
        {"sub": "x" * 256},
    ]
    tokens = {str(each): signed(RIGHT | each) for each in wrong}
    for name in ("iss", "aud", "nonce", "exp", "iat", "sub"):
        tokens[f"no {name}"] = signed({each: RIGHT[each] for each in RIGHT if each != name})
    right = signed(RIGHT)
    tokens |= {
        "another key": signed(RIGHT, key=OTHER),
        "the client's secret": signed(RIGHT, "HS256", jwk.OctKey.import_key("secret")),
        "no signature": right.rpartition(".")[0] + ".",
        "none": f"eyJhbGciOiJub25lIn0.{right.split('.')[1]}.",
        "nothing": "",
        "no token": "[" * 9_000,
    }
    believed = []
    for what, token in tokens.items():
        with contextlib.suppress(NoIdentity):
            believed.append((what, await told(token)))
    assert believed == []


async def test_a_provider_that_hangs_or_is_another_is_given_up() -> None:
    with pytest.raises(NoIdentity, match="took longer"):
        await told(signed(RIGHT), delay=0.3)
    for about in ({"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": None}):
        with pytest.raises(NoIdentity):
            await told(signed(RIGHT), about=about)
