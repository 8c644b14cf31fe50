"""Links to sign in that are mailed to people of the staff."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kalends.db.database import Tx
from kalends.db.tables import metadata
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.letters import BASE
from tests.support.mailbox import Received
from tests.support.practice import Opening, Practice
from tests.web.browsers import OURS, browser_of

pytestmark = pytest.mark.anyio

ANA = {"name": "Ana Pereira", "email": "ana@clinic.example"}


async def hire(
    p: Practice, headers: dict[str, str] | None = None, /, **fields: Any
) -> tuple[str, str | None]:
    """Return the id of somebody new, and the link that is answered."""
    answer = await p.desk.staff.post("/v1/people", json=ANA | fields, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["person"]["id"], answer.json()["enter_url"]


async def link(p: Practice, person: str, **body: Any) -> httpx.Response:
    return await p.desk.staff.post(f"/v1/people/{person}/link", json=body)


def path_in(mail: Received) -> str:
    """Return the path of the link in a mail, which is the same in both of its parts."""
    found = rf"{BASE}(/staff/enter/[\w-]+)"
    [text] = re.findall(found, mail.part("text/plain"))
    assert re.findall(found, mail.part("text/html")) == [text, text]
    return str(text)


async def lets_in(p: Practice, path: str) -> bool:
    async with browser_of(p.desk.app) as browser:
        return (await browser.post(path, headers=OURS | {"Origin": BASE})).status_code == 303


async def logged(p: Practice) -> list[dict[str, Any]]:
    """The log of mails, the newest first."""
    return list((await p.desk.staff.get("/v1/mails")).json()["mails"])


async def everything(p: Practice) -> str:
    """Every row of every table."""

    def rows(tx: Tx) -> str:
        return str([tx.execute(select(each)).all() for each in metadata.tables.values()])

    return await p.db.read(rows)


async def test_a_link_is_mailed_in_the_persons_language_and_kept_nowhere(opening: Opening) -> None:
    async with opening() as p:
        await p.desk.set_organization(name="Doe & Daughters")
        ana, shown = await hire(p, language="de", send=True)
        assert shown is None
        [mail] = await p.mails()
        assert mail.recipients == [ANA["email"]]
        assert mail.subject == "Ihr Link zum Anmelden: Doe & Daughters"
        for kind in ("text/plain", "text/html"):
            for words in ("Guten Tag Ana Pereira,", "Samstag, 27. Januar 2024", "Behalten Sie ihn für sich."):
                assert words in mail.part(kind), words
        path = path_in(mail)
        [sent] = await logged(p)
        assert (sent["audience"], sent["event"], sent["to"]) == ("person", "person.mailed", ANA["email"])
        assert (sent["status"], sent["appointment_id"]) == ("delivered", None)
        token = path.rpartition("/")[2]
        assert token not in await everything(p)
        again = refused(await p.desk.staff.post(f"/v1/mails/{sent['id']}/replay"), 409, "conflict")
        assert "make a new one" in again["error"]
        told = (await p.desk.staff.get("/v1/events")).json()["events"]
        assert [each["type"] for each in told if each["type"].startswith("person.")] == [
            "person.created",
            "person.invited",
        ]
        assert await lets_in(p, path)
        assert not await lets_in(p, path)
        assert answered(await p.desk.staff.get(f"/v1/people/{ana}"), "person")["active"]


@pytest.mark.parametrize("scope", ["read", "write"])
async def test_who_may_not_see_people_does_not_see_where_they_are_mailed(
    opening: Opening, scope: str
) -> None:
    async with opening() as p:
        await p.ask()
        await hire(p, send=True)
        await p.mails()
        [sent] = [each for each in await logged(p) if each["audience"] == "person"]
        made = (await p.desk.staff.post("/v1/keys", json={"scopes": [scope]})).json()
        async with client_of(p.desk.app, made["secret"]) as program:
            found = (await program.get("/v1/mails")).json()["mails"]
            assert {each["audience"] for each in found} == {"client", "staff", "reminder"}
            refused(await program.get(f"/v1/mails/{sent['id']}"), 404, "not_found")
            if scope == "write":
                refused(await program.post(f"/v1/mails/{sent['id']}/replay"), 404, "not_found")


async def test_without_asking_nothing_is_mailed(opening: Opening) -> None:
    async with opening() as p:
        ana, shown = await hire(p)
        assert shown is not None
        again = await link(p, ana)
        assert again.json()["enter_url"].startswith(f"{BASE}/staff/enter/")
        assert (await p.desk.staff.post(f"/v1/people/{ana}/link")).json()["enter_url"] is not None
        assert (await p.mails(), await logged(p)) == ([], [])


async def test_a_retry_has_a_link_of_its_own_and_a_repeated_call_one_mail(opening: Opening) -> None:
    async with opening(chance=lambda: 0) as p:
        p.mailbox.refusals.append("451 later")
        key = {"Idempotency-Key": "ana"}
        assert await hire(p, key, send=True) == await hire(p, key, send=True)
        assert await p.mails() == []
        p.clock.forward(minutes=10)
        [mail] = await p.mails()
        assert await lets_in(p, path_in(mail))
        assert [each["attempts"] for each in await logged(p)] == [2]


@pytest.mark.parametrize("what", ["newer", "deactivated", "deleted", "moved"])
async def test_a_link_that_has_ended_is_not_mailed(opening: Opening, what: str) -> None:
    """And a newer one stays good."""
    async with opening() as p:
        ana, _ = await hire(p, send=True)
        newer, path = "", f"/v1/people/{ana}"
        if what == "newer":
            newer = (await link(p, ana)).json()["enter_url"].removeprefix(BASE)
        elif what == "deleted":
            assert (await p.desk.staff.delete(path)).status_code == 200
        else:
            sent = {"active": False} if what == "deactivated" else {"email": "ana@elsewhere.example"}
            answered(await p.desk.staff.patch(path, json=sent), "person")
        assert await p.mails() == []
        assert [each["status"] for each in await logged(p)] == ["skipped"]
        assert not newer or await lets_in(p, newer)


async def test_a_mailed_link_ends_the_former_at_once(opening: Opening) -> None:
    async with opening() as p:
        ana, former = await hire(p)
        assert former is not None
        assert (await link(p, ana, send=True)).json()["enter_url"] is None
        assert not await lets_in(p, former.removeprefix(BASE))
        assert (await link(p, ana, send=True)).status_code == 200
        [mail] = await p.mails()
        assert await lets_in(p, path_in(mail))
        assert sorted(each["status"] for each in await logged(p)) == ["delivered", "skipped"]


async def test_who_has_no_address_is_not_mailed_to(opening: Opening) -> None:
    async with opening() as p:
        ana, _ = await hire(p, email=None)
        refused(await link(p, ana, send=True), 400, "invalid_request")
        nobody = await p.desk.staff.post("/v1/people", json={"name": "Ben", "send": True})
        refused(nobody, 400, "invalid_request")
        assert len((await p.desk.staff.get("/v1/people")).json()["people"]) == 1


@pytest.mark.parametrize("settings", [{"smtp_host": ""}, {"public_url": ""}])
async def test_without_a_mail_server_or_an_address_of_its_own_it_is_refused(
    opening: Opening, settings: dict[str, str]
) -> None:
    async with opening(**settings) as p:
        ana, shown = await hire(p)
        assert shown is not None
        sentence = refused(await link(p, ana, send=True), 409, "conflict")["error"]
        assert "KALENDS_SMTP_HOST" in sentence
        assert await lets_in(p, "/staff/enter/" + shown.rpartition("/")[2])  # which still stands
