"""Where webhooks may lead: to no private address, and one webhook to one URL."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select

from kalends.app import create_app
from kalends.db.database import Database, Tx
from kalends.db.tables import receivers
from kalends.settings import Settings
from tests.api.hooks import ELSEWHERE, HOOK, PATH, failed, make, succeeded, wrong
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("names")]


PRIVATE = (
    "127.0.0.1",
    "127.0.0.1:8080",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "[::]",
    "[::1]",
    "[::1]:8080",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fd00::1]",
    "[fe80::1]",
    "[ff02::1]",
    "localhost",
    "LocalHost",
    "localhost.",
    "localhost:5432",
    "inside.example",
    "inside6.example",
    "both.example",
    "mapped.example",
    "mapped.example.",
)


ODD = (
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.0x1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0xa.1",
    "3232235521",
    "2852039166",
    "[fe80::1%lo]",
    "16843009",
    "1.1.1.1.",
    "1.1.1.1:+80",
    "127.0.0.1%00",
    "%31%32%37.0.0.1",
    "loc%61lhost",
    "hook.example%2eother.example",
    "hook.example..",
    ".hook.example",
    "hook..example",
    "hook.0x10",
    "-hook.example",
    "hook!.example",
    f"{'x' * 64}.example",
    "[fe80::1%25eth0]",
    "[::1%25]",
    "[::1]x",
    "[1.1.1.1]",
    "[v1.x]",
    "[]",
)
"""Hosts that one program reads so, and another otherwise."""


async def test_hosts_are_named_plainly(client: httpx.AsyncClient) -> None:
    made = await make(client)
    for host in ODD:
        for response in (
            await client.post(PATH, json=HOOK | {"url": f"https://{host}/in"}),
            await client.patch(f"{PATH}/{made['id']}", json={"url": f"http://{host}"}),
        ):
            assert "must " in wrong(response, "url"), host
    said = wrong(await client.post(PATH, json=HOOK | {"url": "https://[fe80::1%25eth0]/"}), "url")
    assert said.startswith("must name its host by a name, or by an address")
    said = wrong(await client.post(PATH, json=HOOK | {"url": "https://127.0.0.1@hook.example/"}), "url")
    assert said == "must not have a user or a password"


async def test_urls_that_lead_to_private_addresses_are_refused(client: httpx.AsyncClient) -> None:
    made = await make(client)
    for host in PRIVATE:
        for response in (
            await client.post(PATH, json=HOOK | {"url": f"https://{host}/in"}),
            await client.patch(f"{PATH}/{made['id']}", json={"url": f"http://{host}"}),
        ):
            reason = wrong(response, "url")
            assert reason == "must not lead to a private, loopback or link-local address", host
    [kept] = succeeded(await client.get(PATH))
    assert kept["url"] == HOOK["url"]


@pytest.mark.parametrize(
    "host", ["1.1.1.1", "[2606:4700::1111]", "my_host", "other.example", "nowhere.example"]
)
async def test_public_addresses_and_names_that_lead_nowhere_yet_are_let_in(
    client: httpx.AsyncClient, host: str
) -> None:
    url = f"https://{host}:8443/in"
    assert (await make(client, url=url))["url"] == url


async def test_private_addresses_may_be_allowed_for_development(url: str, clock: StoppedClock) -> None:
    settings = Settings(database_url=url, worker=False, webhooks_allow_private=True)
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as client:
            made = await make(client, url="http://127.0.0.1:9/in")
            changed = await client.patch(f"{PATH}/{made['id']}", json={"url": "http://localhost:9/in"})
            assert succeeded(changed)["url"] == "http://localhost:9/in"


# One webhook to one URL.

SPELLINGS = [
    "https://hook.example/in",
    "HTTPS://HOOK.Example/in",
    "https://hook.example:443/in",
    "https://hook.example./in",
    "https://hook.example/x/../in",
    "https://hook.example/./in",
    "https://hook.example/%69n",
    "https://hook.example/in?",
]
OTHERS = [
    "http://hook.example/in",
    "https://hook.example:8443/in",
    "https://other.example/in",
    "https://hook.example/in/",
    "https://hook.example/IN",
    "https://hook.example/in?a=b",
    "https://hook.example/in?a=B",
    "https://hook.example//in",
    "https://hook.example/%2Fin",
]


async def test_the_same_url_twice_is_refused_however_it_is_spelled(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    made = await make(client)
    for url in SPELLINGS:
        for dry_run in ("true", "false"):
            wish = {"url": url, "events": ["calendar.created"], "secret": "sixteen-letters!"}
            error = failed(
                await client.post(PATH, json=wish, params={"dry_run": dry_run}), 409, "ALREADY_EXISTS"
            )
            assert error["details"] == {"webhook_id": made["id"]}
            assert made["id"] in error["message"]
            assert "PATCH its events" in error["message"]
    others = [await make(client, url=url) for url in OTHERS]
    assert [each["url"] for each in others] == OTHERS
    for path in ("https://bare.example", "https://query.example?a=b"):
        await make(client, url=path)
        slashed = path.replace(".example", ".example/")
        failed(await client.post(PATH, json=HOOK | {"url": slashed}), 409, "ALREADY_EXISTS")
    # Of another organization it may be.
    other = await make_org(db, clock.now())
    async with client_of(app, other.key) as theirs:
        await make(theirs)
    assert len(succeeded(await client.get(PATH))) == 1 + len(OTHERS) + 2


async def test_an_inactive_webhook_has_its_url_until_it_is_deleted(client: httpx.AsyncClient) -> None:
    made = await make(client)
    succeeded(await client.patch(f"{PATH}/{made['id']}", json={"active": False}))
    error = failed(await client.post(PATH, json=HOOK), 409, "ALREADY_EXISTS")
    assert "PATCH it active" in error["message"]
    succeeded(await client.delete(f"{PATH}/{made['id']}"))
    await make(client)


async def test_a_webhook_cant_be_given_the_url_of_another(client: httpx.AsyncClient) -> None:
    made, other = await make(client), await make(client, url=ELSEWHERE)
    path = f"{PATH}/{other['id']}"
    for url in SPELLINGS:
        error = failed(await client.patch(path, json={"url": url, "name": "x"}), 409, "ALREADY_EXISTS")
        assert error["details"] == {"webhook_id": made["id"]}
    assert succeeded(await client.get(path)) == {
        name: value for name, value in other.items() if name != "secret"
    }
    # Its own, in another spelling, and one that has become free.
    for url in (ELSEWHERE.replace("hook", "HOOK"), f"{ELSEWHERE}/too", ELSEWHERE):
        assert succeeded(await client.patch(path, json={"url": url}))["url"] == url
    failed(await client.patch(f"{PATH}/whk_none", json={"url": HOOK["url"]}), 404, "NOT_FOUND")


async def test_two_of_old_with_one_url_stay_and_can_be_changed(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    made = await make(client)

    def copy(tx: Tx) -> None:
        row = dict(tx.execute(select(receivers).where(receivers.c.org_id == org.id)).one()._mapping)
        tx.execute(insert(receivers), row | {"id": "whk_old"})

    await db.write(copy)
    for id_ in (made["id"], "whk_old"):
        wish = {"url": HOOK["url"], "events": ["*"], "active": True}
        assert succeeded(await client.patch(f"{PATH}/{id_}", json=wish))["events"] == ["*"]


async def test_of_those_who_want_one_url_at_once_one_gets_it(client: httpx.AsyncClient) -> None:
    for number in range(5):
        url = f"{ELSEWHERE}/{number}"
        first, second = await make(client, url=f"{url}/a"), await make(client, url=f"{url}/b")
        responses = await asyncio.gather(
            *(client.post(PATH, json=HOOK | {"url": url}) for _ in range(3)),
            *(client.patch(f"{PATH}/{each['id']}", json={"url": url}) for each in (first, second)),
        )
        refusals = [each for each in responses if each.status_code == 409]
        assert len(refusals) == 4
        for each in refusals:
            failed(each, 409, "ALREADY_EXISTS")
        assert [each["url"] for each in succeeded(await client.get(PATH))].count(url) == 1
