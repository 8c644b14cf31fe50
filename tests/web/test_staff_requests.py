"""Requests that a person of the staff confirms or declines by the link in a mail, without signing in."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from kalends.db import tables
from kalends.db.database import Tx
from kalends.services.booking import appointments, request_links
from kalends.services.leaving import expiry
from tests.support.answers import answered
from tests.support.browser import DESK as DESKTOP
from tests.support.browser import PHONE, Visit
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import open_desk
from tests.support.letters import BASE
from tests.support.mailbox import Received
from tests.support.practice import DESK, Opening, Practice
from tests.web.browsers import FOREIGN, OURS, browser_of
from tests.web.clients import words_of
from tests.web.staff import buttons_in
from tests.worker.mails import JANE, TO_BE_CONFIRMED, told

pytestmark = pytest.mark.anyio

ANA = {"name": "Ana Pereira", "email": "Desk@Clinic.example", "scopes": ["write"]}
"""The person whose address gets the organization's mails."""
ENDED = "This link is no longer valid"


@dataclass
class Asked:
    """A request that was mailed to Ana, and a browser in which nobody is signed in."""

    p: Practice
    browser: httpx.AsyncClient
    ana: str
    path: str
    mails: list[Received]

    async def send(self, deed: str, **fields: str) -> httpx.Response:
        """Press a button of its page as it is now."""
        form = {"version": "1"} | fields
        return await self.browser.post(f"{self.path}/{deed}", data=form, headers=OURS)

    async def see(self) -> httpx.Response:
        return await self.browser.get(self.path)

    async def ends(self) -> bool:
        """Tell whether the link has ended: its page and both its buttons say so."""
        answers = [await self.see(), await self.send("confirm"), await self.send("decline")]
        return all(each.status_code == 404 and ENDED in each.text for each in answers)

    async def status(self) -> str:
        return str((await self.p.desk.get(self.p.id))["status"])

    async def change_ana(self, **fields: Any) -> None:
        answered(await self.p.desk.staff.patch(f"/v1/people/{self.ana}", json=fields), "person")


def link_in(mail: Received) -> str:
    """Return the path of the link in a mail to staff, which is the same in both of its parts."""
    found = rf"{BASE}(/staff/requests/[\w-]+)"
    [text] = re.findall(found, mail.part("text/plain"))
    assert re.findall(found, mail.part("text/html")) == [text, text]
    return str(text)


async def hire(p: Practice, **fields: Any) -> str:
    """Return the id of somebody new."""
    answer = await p.desk.staff.post("/v1/people", json=ANA | fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["person"]["id"])


async def asked(p: Practice, **fields: Any) -> Asked:
    await p.desk.set_type(**TO_BE_CONFIRMED)
    ana = await hire(p, **fields)
    await p.ask()
    mails = await p.mails()
    [mail] = [each for each in mails if each.recipients == [DESK]]
    return Asked(p, browser_of(p.desk.app), ana, link_in(mail), mails)


async def test_a_request_is_confirmed_by_its_link_and_looking_changes_nothing(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        for _ in range(5):
            page = await it.see()
            assert page.status_code == 200
            assert buttons_in(page) == ["Confirm", "Decline"]
        for text in ("Jane Doe", "Tax Consultation", "You act as Ana Pereira.", "To be confirmed"):
            assert text in words_of(page), text
        for below in ("confirm", "decline"):
            assert (await it.browser.get(f"{it.path}/{below}")).headers["location"] == it.path
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert '<meta name="robots" content="noindex">' in page.text
        assert (await it.status(), await p.mails()) == ("pending", [])
        for headers in FOREIGN[:3]:  # and test_guard.py has all that there are
            answer = await it.browser.post(f"{it.path}/confirm", data={"version": "1"}, headers=headers)
            assert answer.status_code == 403
        assert await it.status() == "pending"

        answer = await it.send("confirm")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{it.path}?confirmed=1")
        page = await it.browser.get(answer.headers["location"])
        assert "You have confirmed it." in page.text
        assert buttons_in(page) == []
        assert told(await p.mails(), JANE) == ["Your appointment is confirmed"]
        actor = (await p.desk.history(p.id))[-1]["actor"]
        assert actor == {"kind": "person", "id": it.ana, "name": "Ana Pereira"}
        # Sent again it is the same, and the other button comes too late.
        assert (await it.send("confirm")).status_code == 303
        late = await it.send("decline", version="2", reason="Late")
        assert (late.status_code, "Ana Pereira changed it meanwhile." in words_of(late)) == (409, True)
        assert "There is nothing left to decide" in (await it.see()).text
        assert (await it.status(), await p.mails()) == ("confirmed", [])
        assert len(await p.desk.history(p.id)) == 2


async def test_a_request_is_declined_with_a_reason(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        wrong = await it.send("decline", reason="x" * 10_001)
        assert (wrong.status_code, "This is too long." in wrong.text) == (400, True)
        assert (await it.send("decline", version="7", reason="Ill")).status_code == 409
        assert await it.status() == "pending"
        answer = await it.send("decline", reason="We are\nclosed.")
        assert answer.headers["location"] == f"{it.path}?cancelled=1"
        page = words_of(await it.browser.get(answer.headers["location"]))
        assert "You have declined it." in page
        assert "We are closed." in page
        assert await p.mails() == []
        p.clock.forward(seconds=12)
        [mail] = await p.mails()
        assert told([mail], JANE) == ["Your appointment was cancelled"]
        assert "> We are\n> closed.\n" in mail.part("text/plain")
        assert (await p.desk.get(p.id))["cancellation_reason"] == "We are\nclosed."


async def test_who_declines_can_undo_it_for_ten_seconds(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        assert (await it.send("undo")).status_code == 303  # there is nothing to undo
        await it.send("decline", reason="Oh")
        page = await it.see()
        assert buttons_in(page) == ["Undo"]
        for wrong in ("", "9"):
            assert (await it.send("undo", version=wrong)).status_code in (400, 409)
        assert (await it.browser.get(f"{it.path}/undo")).headers["location"] == it.path
        answer = await it.send("undo", version="2")
        assert answer.headers["location"] == it.path
        assert (await it.send("undo", version="2")).status_code == 303
        assert buttons_in(await it.see()) == ["Confirm", "Decline"]
        assert (await p.desk.history(p.id))[-1]["actor"]["id"] == it.ana
        p.clock.forward(minutes=1)
        assert (await it.status(), await p.mails()) == ("pending", [])
        # It serves again, and what comes too late or is not one's own is not undone.
        await it.send("decline", version="3")
        p.clock.forward(seconds=11)
        late = await it.send("undo", version="4")
        assert (late.status_code, buttons_in(late)) == (409, [])
        assert "It is too late to undo this." in words_of(late)
        await p.change(status="confirmed")
        await p.change(status="cancelled")
        assert buttons_in(await it.see()) == []
        assert (await it.send("undo", version="6")).status_code == 409
        assert await it.status() == "cancelled"


async def test_of_many_at_once_one_decides(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        answers = await asyncio.gather(*(it.send("confirm") for _ in range(20)))
        assert {each.status_code for each in answers} == {303}
        assert [each["version"] for each in await p.desk.history(p.id)] == [1, 2]
        assert told(await p.mails(), JANE) == ["Your appointment is confirmed"]


async def test_who_may_no_longer_is_refused_at_once(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        await it.change_ana(scopes=["read", "delete"])
        assert await it.ends()
        await it.change_ana(scopes=["admin"])
        assert (await it.see()).status_code == 200
        await it.change_ana(name="Ana P.", email="DESK@clinic.example")  # which is the same address
        assert "You act as Ana P." in (await it.see()).text
        await it.change_ana(email="ana@elsewhere.example")
        assert await it.ends()
        await it.change_ana(email=DESK)
        assert await it.ends()
        assert await it.status() == "pending"


@pytest.mark.parametrize("sent_away", ["deactivated", "deleted"])
async def test_who_is_sent_away_decides_nothing(opening: Opening, sent_away: str) -> None:
    async with opening() as p:
        it = await asked(p)
        if sent_away == "deleted":
            assert (await p.desk.staff.delete(f"/v1/people/{it.ana}")).status_code == 200
        else:
            await it.change_ana(active=False)
        assert await it.ends()
        if sent_away == "deactivated":
            await it.change_ana(active=True)
            assert await it.ends()
        assert await it.status() == "pending"


async def test_what_was_decided_moved_or_lapsed_meanwhile_is_shown_as_it_stands(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        await p.move("2024-01-26T14:00:00Z")
        page = await it.see()
        assert "It was moved since this mail was sent." in page.text
        assert buttons_in(page) == []
        assert (await it.send("confirm", version="2")).status_code == 409
        [newer] = [link_in(mail) for mail in await p.mails() if mail.recipients == [DESK]]
        it.path = newer
        assert buttons_in(await it.see()) == ["Confirm", "Decline"]
        # Notes of colleagues change nothing of the request, but the form is of an earlier version.
        await p.change(internal_notes="Ring first")
        assert (await it.send("confirm", version="2")).status_code == 409
        page = await it.see()
        assert "Ring first" not in page.text
        assert buttons_in(page) == ["Confirm", "Decline"]
        await p.change(status="cancelled", cancellation_reason="Closed")
        stale = await it.send("confirm", version="3")
        assert (stale.status_code, "Closed" in stale.text) == (409, True)
        assert (await it.status(), buttons_in(stale)) == ("cancelled", [])

        await p.ask(start_time="2024-01-25T16:00:00Z")
        [it.path] = [link_in(mail) for mail in await p.mails() if mail.subject.startswith("To be confirmed")]
        p.clock.forward(hours=12)
        assert (await it.send("confirm")).status_code == 409
        assert "Not confirmed in time" in words_of(await it.see())
        assert told(await p.mails(), JANE) == ["Your request was not confirmed in time"]
        p.clock.forward(days=5)
        assert await it.ends()

        def left(tx: Tx) -> int:
            expiry.forget_request_links(tx, p.clock.now())
            return tx.execute(select(func.count()).select_from(tables.request_links)).scalar_one()

        assert await p.db.write(left) == 1  # of what was moved to a day that lies ahead


async def test_no_other_token_leads_anywhere(opening: Opening) -> None:
    async with opening() as p:
        it = await asked(p)
        for token in ("x", "%00", "a" * 300, it.path.rpartition("/")[2][:-1], "..%2f"):
            for deed in ("", "/confirm"):
                assert (await it.browser.get(f"/staff/requests/{token}{deed}")).status_code == 404
            sent = await it.browser.post(f"/staff/requests/{token}/confirm", data={}, headers=OURS)
            assert sent.status_code == 404
        twice = await it.browser.post(
            f"{it.path}/decline", data={"reason": ["a", "b"], "version": "1"}, headers=OURS
        )
        assert twice.status_code == 400
        assert (await it.send("decline", reason="\x00")).status_code == 400
        assert await it.status() == "pending"


@pytest.mark.parametrize("language", ["de", "es", "fr", "pt"])
async def test_the_page_is_in_the_persons_language(opening: Opening, language: str) -> None:
    async with opening() as p:
        it = await asked(p, language=language)
        page = await it.see()
        assert f'<html lang="{language}' in page.text
        assert "Confirm or decline" not in page.text


@on_sqlite
@pytest.mark.slow
async def test_it_is_declined_without_javascript_on_a_phone(app: FastAPI, visit: Visit) -> None:
    desk = await open_desk(app)
    await desk.set_type(requiresConfirmation=True)
    asked = (await desk.booked_by_client(client_notes="Two\nlines"))["appointment"]
    answer = await desk.staff.post("/v1/people", json=ANA)
    ana = answer.json()["person"]["id"]

    def issue(tx: Tx) -> str:
        present = appointments.get(tx, desk.org.id, asked["id"], StoppedClock().now())
        return request_links.issue(tx, present, ana)

    path = f"/staff/requests/{await app.state.context.database.write(issue)}"
    for look in ({"viewport": DESKTOP, "color_scheme": "dark"}, {"viewport": PHONE}):
        visitor = await visit(**look)
        await visitor.go(path)
        assert await visitor.violations() == []
        assert not await visitor.is_too_wide()
    visitor = await visit(viewport=PHONE, java_script_enabled=False)
    page = visitor.page
    await visitor.go(path)
    await page.fill("#reason", "We are closed.")
    await page.click("button:text-is('Decline')")
    assert await page.inner_text("[role=status]") == "You have declined it."
    assert await page.inner_text(".status") == "Cancelled"
    assert visitor.troubles == []
