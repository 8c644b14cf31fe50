"""The pages on which admins add, change and send away the staff."""

import asyncio

import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from kalends.ids import digest, new_token
from kalends.passkeys import Passkey
from kalends.services.setup import passkeys, sessions
from tests.support.clock import StoppedClock
from tests.web.browsers import OURS, browser_of
from tests.web.clients import alert_of, words_of
from tests.web.staff import ME, Staff, buttons_in, entered, fields_in, links_in, secret_of, staff_at

pytestmark = pytest.mark.anyio

PEOPLE = "/staff/settings/people"
BEN: dict[str, str | list[str]] = {"name": "Ben <b>", "scopes": ["read", "write"]}


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def people(staff: Staff) -> dict[str, dict[str, object]]:
    found = (await staff.desk.staff.get("/v1/people")).json()["people"]
    return {each["name"]: each for each in found}


async def test_somebody_is_added_and_comes_in_by_the_link_that_is_shown_once(
    app: FastAPI, staff: Staff
) -> None:
    page = await staff.see(PEOPLE)
    key = fields_in(page, "add")["key"]
    sent = BEN | {"email": "ben@example.com", "calendar_id": staff.desk.org.calendar_id, "key": key}
    answer = await staff.send(PEOPLE, **sent)
    link = secret_of(answer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert link is not None
    async with browser_of(app) as browser:
        assert (await browser.post(link, headers=OURS)).status_code == 303
    again = await staff.send(PEOPLE, **sent)
    assert (again.status_code, secret_of(again)) == (200, None)
    assert "This form was sent before" in words_of(again)
    found = (await people(staff))["Ben <b>"]
    assert found["scopes"] == ["read", "write"]
    assert found["calendar_id"] == staff.desk.org.calendar_id
    listed = words_of(await staff.see(PEOPLE))
    assert "Ben <b> ben@example.com See everything; Book, change and set up" in listed
    assert "Signed in, last seen Sat 20 Jan, 12:00" in listed
    # With other words, the same form makes nobody else.
    other = await staff.send(PEOPLE, **sent | {"name": "Eve", "email": ""})
    assert (other.status_code, fields_in(other, "add")["name"]) == (422, "Eve")
    assert fields_in(other, "add")["key"] != key
    assert "Eve" not in await people(staff)
    # Nor does a form that is sent twice at once.
    both = await asyncio.gather(*(staff.send(PEOPLE, name="Eve", scopes="read", key="2") for _ in range(2)))
    assert sorted(secret_of(each) is None for each in both) == [False, True]
    everybody = (await staff.desk.staff.get("/v1/people")).json()["people"]
    assert [each["name"] for each in everybody] == [ME, "Ben <b>", "Eve"]


WRONG: list[tuple[dict[str, str | list[str]], int, str]] = [
    ({"name": " "}, 400, "Name – Please fill this in."),
    ({"scopes": []}, 400, "Rights – Please choose at least one."),
    ({"scopes": ["root"]}, 400, "Rights – "),
    ({"email": "ben@"}, 400, "E-mail – This is no complete e-mail address."),
    ({"name": "a\x00b"}, 400, "Name – "),
    ({"name": "x" * 5000}, 400, "Name – This is too long."),
    ({"language": "xx\x00"}, 400, "Language – "),
    ({"calendar_id": "cal_of_others"}, 404, "It was deleted meanwhile."),
    ({"scopes": "delete"}, 400, "Rights – Please choose “See everything”, too"),
    ({"email": "ANA@example.com"}, 409, "Somebody else has this e-mail address."),
]


async def test_what_is_wrong_is_said_and_what_was_typed_stays(staff: Staff) -> None:
    ana = (await people(staff))[ME]["id"]
    await staff.desk.staff.patch(f"/v1/people/{ana}", json={"email": "ana@example.com"})
    before = await people(staff)
    for sent, status, problem in WRONG:
        answer = await staff.send(PEOPLE, **BEN | {"language": "de"} | sent)
        assert (answer.status_code, problem in words_of(answer)) == (status, True), problem
        assert (fields_in(answer, "add")["language"] == "de") is ("language" not in sent)
        if status != 409:  # of herself
            answer = await staff.send(f"{PEOPLE}/{ana}", **BEN | {"scopes": ["admin"]} | sent)
            assert (answer.status_code, problem in words_of(answer)) == (status, True), problem
    assert await people(staff) == before


async def test_a_person_is_changed_sent_away_let_in_again_and_deleted(app: FastAPI, staff: Staff) -> None:
    ben = await entered(app, staff.desk, "write")
    ana_id, ben_id = [each["id"] for each in (await staff.desk.staff.get("/v1/people")).json()["people"]]
    page = f"{PEOPLE}/{ben_id}"
    assert f"{PEOPLE}/{ana_id}" in links_in(await staff.see(PEOPLE), PEOPLE)
    kept = fields_in(await staff.see(page), "change")
    sent: dict[str, str | list[str]] = {**kept, "name": "Benjamin", "language": "fr", "scopes": ["read"]}
    lead = await staff.do(page, **sent)
    assert "Saved" in words_of(await staff.see(lead))
    changed = (await people(staff))["Benjamin"]
    assert (changed["language"], changed["scopes"]) == ("fr", ["read"])
    await staff.do(f"{page}/active", active="0")
    assert (await ben.open("/staff/me")).status_code == 303  # to where one signs in
    away = await staff.see(page)
    assert "Not active" in words_of(away)
    assert buttons_in(away) == ["Save", "Let them in again"]
    refused = await staff.send(f"{page}/link", key="1")
    assert (refused.status_code, alert_of(refused)) == (
        400,
        "This person is not active. Let them in again first.",
    )
    await staff.do(f"{page}/active", active="1")
    links = [secret_of(await staff.send(f"{page}/link", key=key)) for key in ("1", "1", "2")]
    assert [each is None for each in links] == [False, True, False]
    assert "a link waits until Sat 27 Jan, 12:00" in words_of(await staff.see(page))
    assert "Delete Benjamin?" in words_of(await staff.see(f"{page}/remove"))
    assert await staff.do(f"{page}/remove") == PEOPLE
    assert (await staff.open(page)).status_code == 404


async def test_nobody_takes_away_their_own_right(staff: Staff) -> None:
    [ana] = [each["id"] for each in (await people(staff)).values()]
    page = f"{PEOPLE}/{ana}"
    assert buttons_in(await staff.see(page)) == ["Save", "Make another link to sign in"]
    before = await people(staff)
    for path, form in (("", BEN), ("/active", {"active": "0"}), ("/remove", {})):
        answer = await staff.send(f"{page}{path}", **form)
        assert answer.status_code == 409
        assert alert_of(answer).startswith("You can't take away your own right")
    assert await people(staff) == before


LINK = "Make another link to sign in"


async def test_ones_own_link_asks_for_what_a_new_password_asks_for(
    app: FastAPI, staff: Staff, clock: StoppedClock
) -> None:
    """A browser that is left open gives nobody a way to come back."""
    [ana] = [each["id"] for each in (await people(staff)).values()]
    own = f"{PEOPLE}/{ana}/link"
    assert 'name="present"' not in (await staff.see(f"{PEOPLE}/{ana}")).text
    assert secret_of(await staff.send(own, key="1")) is not None
    clock.forward(minutes=16)
    await staff.do("/staff/me/password", email="ana@example.org", password="correct horse battery")
    page = await staff.see(f"{PEOPLE}/{ana}")
    assert ('name="present"' in page.text, LINK in buttons_in(page)) == (True, True)
    for sent in ({}, {"present": "wrong"}):
        refused = await staff.send(own, key="2", **sent)
        assert (refused.status_code, secret_of(refused)) == (400, None)
        assert "This is not your present password." in words_of(refused)
        assert "wrong" not in refused.text
    assert "a link waits" not in words_of(await staff.see(PEOPLE))
    link = secret_of(await staff.send(own, key="2", present="correct horse battery"))
    assert link is not None
    # It does not outlive the password either.
    await staff.do("/staff/me/password", present="correct horse battery", password="another one entirely")
    async with browser_of(app) as browser:
        assert (await browser.post(link, headers=OURS)).status_code == 404
    # One for somebody else needs none of it.
    ben = (await staff.desk.staff.post("/v1/people", json={"name": "Ben"})).json()["person"]["id"]
    assert 'name="present"' not in (await staff.see(f"{PEOPLE}/{ben}")).text
    assert secret_of(await staff.send(f"{PEOPLE}/{ben}/link", key="3")) is not None


async def test_who_has_passkeys_and_no_password_gets_a_link_only_if_they_have_just_signed_in(
    staff: Staff, clock: StoppedClock, db: Database
) -> None:
    [ana] = [each["id"] for each in (await people(staff)).values()]
    own = f"{PEOPLE}/{ana}/link"
    tokens = [digest(token) for token in staff.browser.cookies.values()]
    [one] = (await db.read(sessions.find, tokens)).values()
    await db.write(passkeys.add, one, Passkey(new_token().encode(), b"", 0, True), "Phone", clock.now())
    assert secret_of(await staff.send(own, key="1")) is not None
    clock.forward(minutes=16)
    refused = await staff.send(own, key="2")
    assert (refused.status_code, secret_of(refused)) == (400, None)
    assert "You signed in more than 15 minutes ago." in words_of(refused)


async def test_only_admins_see_it(app: FastAPI, staff: Staff) -> None:
    ben = await entered(app, staff.desk, "write", "delete")
    assert PEOPLE not in links_in(await ben.see("/staff/settings"), "/staff/settings")
    assert (await ben.open(PEOPLE)).status_code == 403
    assert (await ben.send(PEOPLE, **BEN)).status_code == 403


async def test_a_form_that_is_old_gives_no_rights_back(staff: Staff) -> None:
    ben = (await staff.desk.staff.post("/v1/people", json={"name": "Ben", "scopes": ["admin"]})).json()
    page, known = f"{PEOPLE}/{ben['person']['id']}", f"/v1/people/{ben['person']['id']}"
    old = fields_in(await staff.see(page), "change") | {"name": "Benjamin"}
    await staff.desk.staff.patch(known, json={"scopes": ["read"]})
    sent: dict[str, str | list[str]] = {**old, "scopes": ["admin"]}
    refused = await staff.send(page, **sent)
    assert refused.status_code == 409
    assert alert_of(refused).startswith("Somebody has changed this since you opened the page.")
    assert (await people(staff))["Ben"]["scopes"] == ["read"]
    # Who has read that may save once more.
    await staff.do(page, **sent | {"seen": fields_in(refused, "change")["seen"]})
    assert (await people(staff))["Benjamin"]["scopes"] == ["admin"]
