"""The pages of webhooks, and of what was delivered to them."""

from typing import Any

import pytest
from fastapi import FastAPI

from kalends.core.event_types import EVENTS
from kalends.web import plain_sheets
from kalends.web.readers import Reader
from kalends.web.webhook_sheets import groups_of
from tests.web.clients import alert_of, main_of, words_of
from tests.web.staff import Staff, buttons_in, entered, fields_in, links_in, secret_of, staff_at

pytestmark = pytest.mark.anyio

HOOKS = "/staff/settings/webhooks"
URL = "https://93.184.215.14/hook"
"""A public address that needs no look-up."""
HOOK: dict[str, str | list[str]] = {"url": URL, "name": "Desk <i>", "events": ["block.created"]}


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def hooks(staff: Staff) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await staff.desk.staff.get("/v1/webhooks")).json()["data"]
    return found


async def page_of(staff: Staff) -> str:
    """Make a webhook. Returns its page."""
    assert (await staff.send(HOOKS, **HOOK)).status_code == 200
    return f"{HOOKS}/{(await hooks(staff))[-1]['id']}"


async def test_a_webhook_is_made_once_changed_paused_and_deleted(staff: Staff) -> None:
    key = fields_in(await staff.see(HOOKS), "add")["key"]
    answer, again = [await staff.send(HOOKS, key=key, **HOOK) for _ in range(2)]
    secret = secret_of(answer)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert (again.status_code, secret_of(again)) == (200, None)
    [made] = await hooks(staff)
    assert (made["name"], made["url"], made["events"]) == ("Desk <i>", URL, ["block.created"])
    page = f"{HOOKS}/{made['id']}"
    assert page in links_in(await staff.see(HOOKS), HOOKS)
    shown = await staff.see(page)
    assert 'value="block.created" checked' in main_of(shown)
    assert secret not in shown.text
    kept = fields_in(shown, "change") | {"name": ""}
    sent: dict[str, str | list[str]] = {**kept, "events": ["block.*", "block.created", "key.created"]}
    await staff.do(page, **sent)
    [changed] = await hooks(staff)
    assert (changed["name"], changed["events"]) == (None, ["block.*", "key.created"])
    await staff.do(f"{page}/active", active="0")
    assert "Paused" in words_of(await staff.see(page))
    refused = await staff.send(f"{page}/test")
    assert (refused.status_code, alert_of(refused)) == (
        409,
        "This webhook is paused. Let it go on first.",
    )
    await staff.do(f"{page}/active", active="1")
    secrets = [secret_of(await staff.send(f"{page}/secret", key=each)) for each in ("1", "1", "2")]
    assert [each is None for each in secrets] == [False, True, False]
    assert len({secret, *secrets}) == 4
    assert f"Delete {URL}?" in words_of(await staff.see(f"{page}/remove"))
    assert await staff.do(f"{page}/remove") == HOOKS
    assert await hooks(staff) == []


async def test_what_is_wrong_makes_no_webhook(app: FastAPI, staff: Staff) -> None:
    page = await page_of(staff)
    before = await hooks(staff)
    wrong: list[tuple[dict[str, str | list[str]], int, str]] = [
        ({"url": "nowhere"}, 400, "Address – Please enter an address on the public internet"),
        ({"url": ""}, 400, "Address – Please fill this in."),
        ({"url": "https://10.0.0.1/x"}, 400, "Address – Please enter an address on the public internet"),
        ({"url": "https://e.example/" + "x" * 3000}, 400, "Address – This is too long."),
        ({"name": "a\x00"}, 400, "Name – "),
        ({"events": []}, 400, "Events – Please choose at least one."),
        ({"events": ["made.up"]}, 400, "Events – "),
    ]
    for sent, status, problem in wrong:
        for path in (HOOKS, page):
            answer = await staff.send(path, **HOOK | {"url": "https://93.184.215.14/other"} | sent)
            assert (answer.status_code, problem in words_of(answer)) == (status, True), (problem, path)
    twice = await staff.send(HOOKS, **HOOK)
    assert (twice.status_code, alert_of(twice)) == (409, "Another webhook goes to this address already.")
    for path in ("", "/active", "/secret", "/test", "/remove", "/deliveries"):
        assert (await staff.send(f"{HOOKS}/whk_of_others{path}", **HOOK)).status_code == 404, path
    ben = await entered(app, staff.desk, "write")
    assert (await ben.send(f"{page}/remove")).status_code == 403
    reader = await entered(app, staff.desk, "read")
    assert buttons_in(await reader.see(page)) == []
    assert (await reader.send(HOOKS, **HOOK)).status_code == 403
    assert await hooks(staff) == before


async def test_deliveries_are_shown_and_made_once_more(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await page_of(staff)
    lead = await staff.do(f"{page}/test")
    assert lead == f"{page}/deliveries"
    listed = await staff.see(lead)
    assert "webhook.test Sat 20 Jan, 12:00 Waiting 0" in words_of(listed)
    [one] = links_in(listed, f"{lead}/")
    shown = await staff.see(one)
    assert '"event": "webhook.test"' in words_of(shown)
    key = fields_in_key(shown.text)
    for _ in range(2):  # the same form
        await staff.do(f"{one}/replay", key=key)
    monkeypatch.setattr(plain_sheets, "PAGE", 1)
    first = await staff.see(lead)
    assert words_of(first).count("webhook.test") == 1
    [more] = [each for each in links_in(first, lead) if "cursor" in each]
    assert links_in(await staff.see(more), f"{lead}/") == [one]
    assert "There are none." in words_of(await staff.see(lead, status="failed"))
    monkeypatch.undo()
    when = {"start_time": "2024-01-25T09:00:00Z", "end_time": "2024-01-25T10:00:00Z", "all": True}
    await staff.desk.staff.post("/v1/calendar/blocks", json=when)
    again = fields_in(await staff.see(lead), "again") | {"date": "2024-01-20"}
    for _ in range(2):
        await staff.do(lead, **again)
    assert words_of(await staff.see(lead)).count("block.created") == 2  # by itself, and once more
    for date in ("", "0001-01-01", "9999-12-31", "2024-02-30", "x\x00"):
        answer = await staff.send(lead, date=date, time="00:00")
        assert answer.status_code in (303, 400), date
    assert (await staff.open(f"{lead}/dlv_of_others")).status_code == 404


def fields_in_key(page: str) -> str:
    """The key of the form of a page."""
    return page.partition('name="key" value="')[2].partition('"')[0]


def test_every_event_can_be_chosen() -> None:
    reader = Reader("en", {})
    groups = groups_of(plain_sheets.PlainSheet({}, {"events": []}), reader)
    assert sorted(sent for each in groups for sent, _ in each.options[1:]) == sorted(EVENTS)
