"""The page on which admins make keys and revoke them."""

import pytest
from fastapi import FastAPI

from kalends.web import plain_sheets
from tests.support.clients import client_of
from tests.web.clients import alert_of, words_of
from tests.web.staff import Staff, entered, fields_in, links_in, secret_of, staff_at

pytestmark = pytest.mark.anyio

KEYS = "/staff/settings/keys"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def test_a_key_is_shown_once_works_and_is_revoked_with_what_it_made(app: FastAPI, staff: Staff) -> None:
    key = fields_in(await staff.see(KEYS), "add")["key"]
    sent: dict[str, str | list[str]] = {"key": key, "name": "Web <site>", "scopes": ["admin"]}
    answer = await staff.send(KEYS, expires_in_days="30", **sent)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    secret = secret_of(answer)
    assert secret is not None
    assert secret_of(await staff.send(KEYS, expires_in_days="30", **sent)) is None
    listed = await staff.see(KEYS)
    assert secret not in listed.text
    assert words_of(listed).count("Web <site>") == 1
    assert "Everything, also people and keys Never used Expires Mon 19 Feb, 12:00" in words_of(listed)
    async with client_of(app, secret) as program:
        feed = await program.post("/v1/calendar/feeds", json={})
        person = await program.post("/v1/people", json={"name": "Eve", "scopes": ["admin"]})
        assert (feed.status_code, person.status_code) == (200, 200)
    page = links_in(listed, f"{KEYS}/")[-1]
    shown = words_of(await staff.see(page))
    assert "This goes on working after the key is revoked, unless you take it along:" in shown
    assert "Person: Eve Feed: All calendars" in shown
    asked_about = await staff.see(f"{page}/revoke")
    assert "Revoke Web <site>?" in words_of(asked_about)
    assert 'type="checkbox" name="with" value="made"' in asked_about.text
    await staff.do(f"{page}/revoke")
    async with client_of(app, secret) as program:
        assert (await program.get("/v1/people")).status_code == 401
    after = await staff.see(page)
    assert "Revoked Sat 20 Jan, 12:00" in words_of(after)
    [asked] = links_in(after, f"{page}/revoke")
    assert "End what Web <site> has made?" in words_of(await staff.see(asked))
    assert fields_in(await staff.see(asked), "remove") == {"with": "made"}
    assert "Web <site>" not in words_of(await staff.see(KEYS))
    assert "Web <site>" in words_of(await staff.see(KEYS, status="over"))
    await staff.do(f"{page}/revoke", **{"with": "made"})
    assert "Nothing that would go on working" in words_of(await staff.see(page))
    assert (await staff.desk.staff.get("/v1/calendar/feeds")).json()["feeds"] == []


async def test_who_was_made_by_a_key_stays_with_what_they_have_made(staff: Staff) -> None:
    mine = f"{KEYS}/{staff.desk.org.caller.key_id}"
    async with client_of(staff.desk.app, staff.desk.org.key) as program:
        assert (await program.post("/v1/calendar/feeds", json={})).status_code == 200
    secret = secret_of(await staff.send(KEYS, key="1", name="Mine", scopes=["admin"]))
    assert secret is not None
    shown = words_of(await staff.see(mine))
    assert "Feed: All calendars" in shown
    assert "Key: Mine" not in shown
    await staff.do(f"{mine}/revoke", **{"with": "made"})
    assert "Nothing that would go on working" in words_of(await staff.see(mine))
    async with client_of(staff.desk.app, secret) as program:
        assert (await program.get("/v1/calendar/feeds")).json()["feeds"] == []
        [left] = [each for each in (await program.get("/v1/keys")).json()["keys"] if not each["revoked_at"]]
        assert left["name"] == "Mine"


async def test_what_is_wrong_makes_no_key(app: FastAPI, staff: Staff) -> None:
    before = (await staff.desk.staff.get("/v1/keys")).json()["keys"]
    wrong: list[dict[str, str | list[str]]] = [
        {"scopes": []},
        {"scopes": ["root\x00"]},
        {"scopes": ["read"], "name": "\x00"},
        {"scopes": ["read"], "expires_in_days": "0"},
        {"scopes": ["read"], "expires_in_days": "999999999"},
        {"scopes": ["read"], "expires_in_days": "soon"},
    ]
    for sent in wrong:
        answer = await staff.send(KEYS, **sent)
        assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered."), sent
    assert (await staff.open(f"{KEYS}/key_of_others")).status_code == 404
    assert (await staff.send(f"{KEYS}/key_of_others/revoke")).status_code == 404
    ben = await entered(app, staff.desk, "write", "delete")
    assert (await ben.open(KEYS)).status_code == 403
    assert (await ben.send(KEYS, scopes=["read"])).status_code == 403
    after = (await staff.desk.staff.get("/v1/keys")).json()["keys"]
    assert [each["id"] for each in after] == [each["id"] for each in before]


async def test_many_keys_come_page_by_page(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_sheets, "PAGE", 2)
    for number in range(3):
        await staff.desk.staff.post("/v1/keys", json={"name": f"Key {number}"})
    first = await staff.see(KEYS)
    [more] = [each for each in links_in(first, KEYS) if "cursor" in each]
    second = await staff.see(more)
    assert [f"Key {number}" in words_of(first) for number in range(3)] == [True, False, False]
    assert [f"Key {number}" in words_of(second) for number in range(3)] == [False, True, True]
