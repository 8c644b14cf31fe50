"""The pages of the mails that were sent, and of the feeds that calendar programs read."""

import httpx
import pytest
from fastapi import FastAPI

from kalends.web import plain_sheets
from tests.support.letters import BASE
from tests.support.practice import Opening, Practice
from tests.web.browsers import OURS, browser_of
from tests.web.clients import alert_of, words_of
from tests.web.staff import Staff, buttons_in, entered, entry_to, fields_in, links_in, secret_of, staff_at

pytestmark = pytest.mark.anyio

MAILS = "/staff/settings/mails"
FEEDS = "/staff/settings/feeds"


async def staff_of(p: Practice, scope: str) -> Staff:
    """Somebody at a practice whose server is reached by https only."""
    browser = browser_of(p.desk.app)
    browser.base_url = httpx.URL(BASE)
    answer = await browser.post(await entry_to(p.desk, scope), headers=OURS)
    assert answer.status_code == 303
    return Staff(p.desk, browser)


async def is_to_client(staff: Staff, page: str) -> bool:
    return "The client" in words_of(await staff.see(page))


@pytest.mark.slow
async def test_mails_are_listed_with_what_became_of_them_and_sent_again(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as p:
        staff = await staff_of(p, "admin")
        await p.ask()
        assert len(await p.mails()) == 2
        listed = await staff.see(MAILS)
        assert "Booked The client jane@example.com Sat 20 Jan, 12:00 Delivered" in words_of(listed)
        assert "Reminder" in words_of(listed)
        sent = await staff.see(MAILS, status="delivered")
        assert "Booked Staff desk@clinic.example" in words_of(sent)
        [one] = [
            each for each in links_in(sent, f"{MAILS}/") if "The client" in words_of(await staff.see(each))
        ]
        shown = await staff.see(one)
        assert "Booked: The client Address jane@example.com Status Delivered" in words_of(shown)
        key = shown.text.partition('name="key" value="')[2].partition('"')[0]
        leads = {await staff.do(f"{one}/replay", key=key) for _ in range(2)}
        assert one not in leads
        assert len(leads) == 1
        assert len(await p.mails()) == 1
        about = await staff.see(MAILS, appointment=p.id)
        assert "Only about one appointment." in words_of(about)
        monkeypatch.setattr(plain_sheets, "PAGE", 1)
        first = await staff.see(MAILS, status="delivered")
        [more] = [each for each in links_in(first, MAILS) if "cursor" in each]
        [second] = links_in(await staff.see(more), f"{MAILS}/")
        assert [second] != links_in(first, f"{MAILS}/") == [*leads]
        [later] = links_in(await staff.see(MAILS, status="pending"), f"{MAILS}/")
        early = await staff.send(f"{later}/replay")
        assert (early.status_code, alert_of(early)) == (409, "This mail is sent when its time comes.")
        await p.cancel()
        over = await staff.send(f"{one}/replay")
        assert (over.status_code, alert_of(over)[:25]) == (409, "It can't be sent again: t")
        reader = await staff_of(p, "read")
        assert buttons_in(await reader.see(one)) == []
        assert (await reader.send(f"{one}/replay")).status_code == 403
        for path in (f"{MAILS}/dlv_of_others", f"{MAILS}/%00"):
            assert (await staff.open(path)).status_code in (400, 404)
        assert (
            await staff.open(MAILS, status="\x00", cursor="\x00", appointment="x" * 999)
        ).status_code == 200


async def test_a_mailed_link_is_seen_by_admins_and_not_sent_again(opening: Opening) -> None:
    async with opening() as p:
        staff = await staff_of(p, "admin")
        wish = {"name": "Ben", "email": "ben@clinic.example", "send": True}
        assert (await p.desk.staff.post("/v1/people", json=wish)).status_code == 200
        await p.mails()
        listed = await staff.see(MAILS)
        assert "Link to sign in Somebody of the staff ben@clinic.example" in words_of(listed)
        [one] = links_in(listed, f"{MAILS}/")
        shown = await staff.see(one)
        once = "A link to sign in is mailed once. Make another on the page of the person."
        assert (once in words_of(shown), buttons_in(shown)) == (True, [])
        again = await staff.send(f"{one}/replay", key="1")
        assert (again.status_code, alert_of(again)) == (409, once)
        writer = await staff_of(p, "write")
        assert "ben@clinic.example" not in (await writer.see(MAILS)).text
        assert (await writer.open(one)).status_code == 404
        assert (await writer.send(f"{one}/replay", key="1")).status_code == 404


async def test_a_feed_is_shown_once_can_be_read_and_is_deleted(app: FastAPI) -> None:
    staff = await staff_at(app)
    key = fields_in(await staff.see(FEEDS), "add")["key"]
    wish = {"kind": "busy", "calendar_id": staff.desk.org.calendar_id, "key": key}
    answer, again = [await staff.send(FEEDS, **wish) for _ in range(2)]
    url = secret_of(answer)
    assert url is not None
    assert (answer.status_code, again.status_code, secret_of(again)) == (200, 200, None)
    async with browser_of(app) as program:
        assert (await program.get(url)).status_code == 200
        listed = await staff.see(FEEDS)
        assert url not in listed.text
        assert words_of(listed).count("Only when time is taken") == 2  # there, and among the choices
        [remove] = links_in(listed, f"{FEEDS}/")
        assert "Its address stops working." in words_of(await staff.see(remove))
        writer = await entered(app, staff.desk, "write")
        assert (await writer.send(remove)).status_code == 403
        assert await staff.do(remove) == FEEDS
        assert (await program.get(url)).status_code == 404
    assert (await staff.open(remove)).status_code == 404
    assert (await staff.send(FEEDS, kind="secret")).status_code == 400
    assert (await staff.send(FEEDS, calendar_id="cal_of_others")).status_code == 404
    assert (await staff.send(FEEDS, calendar_id="\x00")).status_code == 400
    assert "There are none." in words_of(await staff.see(FEEDS))
