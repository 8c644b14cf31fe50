"""The pages on which admins send somebody away, and end what they have made."""

import pytest
from fastapi import FastAPI

from tests.web.browsers import OURS, browser_of
from tests.web.clients import words_of
from tests.web.staff import Staff, buttons_in, entered, links_in, secret_of, staff_at

pytestmark = pytest.mark.anyio

PEOPLE, KEYS = "/staff/settings/people", "/staff/settings/keys"
BOX = 'name="with" value="made"'


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


@pytest.fixture
async def rogue(app: FastAPI, staff: Staff) -> str:
    """The page of somebody who has made a key and a person."""
    other = await entered(app, staff.desk, "admin")
    await other.send(KEYS, name="Theirs", scopes=["admin"], key="1")
    assert secret_of(await other.send(PEOPLE, name="Back door", scopes=["admin"], key="2")) is not None
    listed = (await staff.desk.staff.get("/v1/people")).json()["people"]
    return f"{PEOPLE}/{listed[1]['id']}"


async def standing(staff: Staff) -> tuple[list[str], list[str]]:
    """The keys that are good, and the people who are active."""
    keys = (await staff.desk.staff.get("/v1/keys")).json()["keys"]
    people = (await staff.desk.staff.get("/v1/people")).json()["people"]
    return (
        [each["name"] for each in keys if each["revoked_at"] is None],
        [each["name"] for each in people if each["active"]],
    )


ALL = (["Reception", "Theirs"], ["Ana Pereira", "Ana Pereira", "Back door"])


async def test_before_somebody_goes_it_is_told_what_they_have_made(staff: Staff, rogue: str) -> None:
    page = await staff.see(rogue)
    assert "This goes on working without them" in words_of(page)
    assert links_in(page, f"{rogue}/made") == []
    for path in (rogue, f"{rogue}/active", f"{rogue}/remove"):
        page = await staff.see(path)
        assert "Key: Theirs Person: Back door" in words_of(page)
        assert (BOX in page.text) == (path != rogue)
    # A box that is not checked ends nothing.
    await staff.do(f"{rogue}/active", active="0")
    assert await standing(staff) == (ALL[0], ["Ana Pereira", "Back door"])
    away = await staff.see(rogue)
    assert buttons_in(away) == ["Save", "Let them in again"]
    [asked] = links_in(away, f"{rogue}/made")
    assert "Key: Theirs Person: Back door" in words_of(await staff.see(asked))
    await staff.do(f"{rogue}/made")
    assert await standing(staff) == (["Reception"], ["Ana Pereira"])
    assert links_in(await staff.see(rogue), f"{rogue}/made") == []


async def test_who_invited_them_is_told_too(app: FastAPI, staff: Staff) -> None:
    link = secret_of(await staff.send(PEOPLE, name="Bea", scopes=["admin"], key="1"))
    assert link is not None
    async with browser_of(app) as bea:
        assert (await bea.post(link, headers=OURS)).status_code == 303
        wish = {"name": "beakey", "scopes": "write", "key": "2"}
        assert (await bea.post(KEYS, data=wish, headers=OURS)).status_code == 200
    listed = (await staff.desk.staff.get("/v1/people")).json()["people"]
    [page] = [f"{PEOPLE}/{each['id']}" for each in listed if each["name"] == "Bea"]
    for path in (page, f"{page}/active", f"{page}/remove"):
        assert "Key: beakey" in words_of(await staff.see(path))
    await staff.do(f"{page}/active", active="0", **{"with": "made"})
    assert (await standing(staff))[0] == ["Reception"]


@pytest.mark.parametrize("deed", ["active", "remove"])
async def test_it_goes_in_the_same_step_if_the_box_is_checked(staff: Staff, rogue: str, deed: str) -> None:
    await staff.do(f"{rogue}/{deed}", active="0", **{"with": "made"})
    assert await standing(staff) == (["Reception"], ["Ana Pereira"])


async def test_who_is_let_in_again_loses_nothing(staff: Staff, rogue: str) -> None:
    await staff.do(f"{rogue}/active", active="0")
    await staff.do(f"{rogue}/active", active="1", **{"with": "made"})
    assert await standing(staff) == ALL


async def test_who_is_no_longer_an_admin_stays_without_what_they_have_made(staff: Staff, rogue: str) -> None:
    await staff.desk.staff.patch(rogue.replace("/staff/settings", "/v1"), json={"scopes": ["read"]})
    assert len(links_in(await staff.see(rogue), f"{rogue}/made")) == 1
    await staff.do(f"{rogue}/made")
    assert await standing(staff) == (["Reception"], ["Ana Pereira", "Ana Pereira"])


async def test_nobody_is_told_of_what_they_would_leave_themselves(staff: Staff) -> None:
    await staff.send(KEYS, name="Mine", scopes=["admin"], key="1")
    mine = links_in(await staff.see(PEOPLE), f"{PEOPLE}/")[0]
    page = await staff.see(mine)
    assert BOX not in page.text
    assert "Key: Mine" not in words_of(page)
