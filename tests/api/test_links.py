"""Clients' links that staff ask for: with a booking, or for one that is made already."""

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from kalends.db.database import Database, Tx
from kalends.db.tables import manage_links
from tests.support.answers import answered, refused
from tests.support.desk import APPOINTMENTS, Desk, by_api

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "once"}
LINK = {"manage_url", "manage_token"}


async def works(page: Desk, made: dict[str, Any]) -> bool:
    """Whether the link in an answer leads to its appointment."""
    assert made["manage_url"] == f"http://kalends.test/manage/{made['manage_token']}"
    response = await page.client.get(by_api(made["manage_url"]))
    if response.status_code == 200:
        return True
    refused(response, 404, "not_found")
    return False


async def count(db: Database, page: Desk) -> int:
    def of(tx: Tx) -> int:
        mine = manage_links.c.org_id == page.org.id
        return tx.execute(select(func.count()).select_from(manage_links).where(mine)).scalar_one()

    return await db.read(of)


async def book(page: Desk, headers: dict[str, str] | None = None, /, **fields: Any) -> httpx.Response:
    params = {"dry_run": "true"} if fields.pop("dry_run", False) else None
    return await page.staff.post(APPOINTMENTS, json=page.wish(**fields), headers=headers, params=params)


async def fresh(
    page: Desk, id_: str, headers: dict[str, str] | None = None, /, **body: Any
) -> dict[str, Any]:
    response = await page.staff.post(f"{APPOINTMENTS}/{id_}/manage-link", json=body or None, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json().keys() == LINK
    made: dict[str, Any] = response.json()
    return made


@pytest.mark.parametrize("check", ["conflicts", "all", "none"])
async def test_a_booking_by_staff_is_answered_with_a_link_where_it_is_asked_for(
    page: Desk, check: str
) -> None:
    made = (await book(page, manage_link=True, check=check)).json()
    assert made.keys() == {"appointment"} | LINK
    assert await works(page, made)
    assert made["appointment"] == await page.get(made["appointment"]["id"])
    moved = await page.client.post(
        f"{by_api(made['manage_url'])}/reschedule", json={"start_time": "2024-01-26T14:00:00Z"}
    )
    assert answered(moved, "appointment")["id"] == made["appointment"]["id"]


async def test_a_booking_by_staff_is_answered_as_documented_otherwise(page: Desk, db: Database) -> None:
    for hour, more in ((9, {}), (10, {"manage_link": False}), (11, {"check": "all"})):
        made = (await book(page, start_time=f"2024-01-25T{hour:02}:00:00Z", **more)).json()
        assert made.keys() == {"appointment"}
    for wrong in ("yes", 1, None):
        refused(await book(page, manage_link=wrong), 400, "invalid_request")
    assert await count(db, page) == 0


async def test_a_refused_or_rehearsed_booking_leaves_no_link(page: Desk, db: Database) -> None:
    rehearsed = (await book(page, manage_link=True, dry_run=True)).json()
    assert rehearsed.keys() == {"appointment"} | LINK
    assert {rehearsed[name] for name in LINK} == {None}
    await page.booked()
    refused(await book(page, manage_link=True), 409, "slot_taken")
    assert await count(db, page) == 0


async def test_a_hold_is_booked_with_a_link_too(page: Desk) -> None:
    held = answered(await page.post("holds"), "hold")
    assert await works(page, (await book(page, manage_link=True, hold_id=held["id"])).json())


async def test_repeated_under_a_key_a_booking_has_one_more_link_and_ends_none(
    page: Desk, db: Database
) -> None:
    first = (await book(page, KEY, manage_link=True)).json()
    again = await book(page, KEY, manage_link=True)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["appointment"] == first["appointment"]
    assert again.json()["manage_token"] != first["manage_token"]
    assert await works(page, first)
    assert await works(page, again.json())
    refused(await book(page, KEY), 422, "idempotency_key_reused")
    assert await count(db, page) == 2
    assert len((await page.staff.get(APPOINTMENTS)).json()["appointments"]) == 1


async def test_repeated_under_a_key_a_clients_booking_ends_no_link_of_a_mail(page: Desk) -> None:
    first = (await page.post("appointments", KEY)).json()
    mailed = await fresh(page, first["appointment"]["id"], keep_others=True)
    again = (await page.post("appointments", KEY)).json()
    assert again["appointment"] == first["appointment"]
    for made in (first, mailed, again):
        assert await works(page, made)


async def test_a_fresh_link_ends_the_others_unless_they_are_to_be_kept(page: Desk) -> None:
    booked = await page.booked_by_client()
    id_ = booked["appointment"]["id"]
    kept = await fresh(page, id_, keep_others=True)
    assert [await works(page, made) for made in (booked, kept)] == [True, True]
    ending = await fresh(page, id_, keep_others=False)
    assert [await works(page, made) for made in (booked, kept, ending)] == [False, False, True]
    last = await fresh(page, id_)
    assert [await works(page, made) for made in (ending, last)] == [False, True]


async def test_a_fresh_link_repeated_under_a_key_ends_none(page: Desk) -> None:
    id_ = (await page.booked())["id"]
    first = await fresh(page, id_, KEY)
    mailed = await fresh(page, id_, keep_others=True)
    again = await fresh(page, id_, KEY)
    assert again != first
    for made in (first, mailed, again):
        assert await works(page, made)
    path = f"{APPOINTMENTS}/{id_}/manage-link"
    other = await page.staff.post(path, json={"keep_others": True}, headers=KEY)
    refused(other, 422, "idempotency_key_reused")


async def test_the_body_of_a_fresh_link_may_be_absent_but_not_bad(page: Desk) -> None:
    booked = await page.booked_by_client()
    path = f"{APPOINTMENTS}/{booked['appointment']['id']}/manage-link"
    bad: list[tuple[dict[str, Any], int, str]] = [
        ({"json": {"keep_others": "yes"}}, 400, "invalid_request"),
        ({"json": {"keep_others": None}}, 400, "invalid_request"),
        ({"json": []}, 400, "invalid_json"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "invalid_json"),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
    ]
    for sent, status, code in bad:
        refused(await page.staff.post(path, **sent), status, code)
        assert await works(page, booked)
    unknown = f"{APPOINTMENTS}/apt_none/manage-link"
    refused(await page.staff.post(unknown, json={"keep_others": True}), 404, "not_found")
    last = booked
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}, KEY):
        made = await page.staff.post(path, headers=headers)
        assert made.status_code == 200, made.text
        assert await works(page, made.json())
        assert not await works(page, last)
        last = made.json()
