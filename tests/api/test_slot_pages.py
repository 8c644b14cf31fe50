"""Searches that find more than one answer holds."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.desk import BASE, Desk, week
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

FIRST, LAST = "2024-01-25", "2024-01-28"
IN_ALL = 4 * 24 * 60


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Always open, with a start every minute."""
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(slotIntervalMinutes=1, minNoticeHours=0, maxDaysAhead=None)
    return desk


async def pages(client: httpx.AsyncClient, path: str, **query: str) -> list[list[dict[str, Any]]]:
    """Every page of a search, each asked for from where the one before says."""
    found = []
    asked: dict[str, str] | None = {"from": FIRST, "to": LAST} | query
    while asked is not None:
        response = await client.get(path, params=asked)
        assert response.status_code == 200, response.text
        answer = response.json()
        found.append(answer["slots"])
        following = answer.get("next")
        if following is not None:
            assert answer["slots"][-1]["start_time"] < following
        asked = None if following is None else {**asked, "from": following}
    return found


@pytest.mark.parametrize("query", [{}, {"timezone": "Asia/Kathmandu"}])
async def test_an_answer_has_5000_slots_and_says_where_to_go_on(desk: Desk, query: dict[str, str]) -> None:
    query["appointment_type_id"] = desk.org.type_id
    staffs = await pages(desk.staff, f"{BASE}/slots", **query)
    clients = await pages(desk.client, f"{desk.path}/slots", **query)
    starts = [slot["start_time"] for page in staffs for slot in page]
    assert [len(page) for page in staffs] == [5_000, IN_ALL - 5_000]
    assert (starts[0], starts[-1]) == (f"{FIRST}T00:00:00Z", f"{LAST}T23:59:00Z")
    assert starts == sorted(set(starts))
    assert all(slot.pop("calendar_ids") == [desk.org.calendar_id] for page in staffs for slot in page)
    assert all(
        [len(each["calendar_ids"]) for each in slot.pop("choices")] == [1] for page in staffs for slot in page
    )
    assert clients == staffs


async def test_an_answer_that_is_just_full_is_the_last(desk: Desk) -> None:
    end = "2024-01-28T11:20:00Z"  # 5,000 minutes later
    for to, following in ((end, None), ("2024-01-28T11:21:00Z", end)):
        answer = (await desk.search(FIRST, to)).json()
        assert (len(answer["slots"]), answer.get("next")) == (5_000, following)


async def test_an_answer_names_100000_calendars_at_most(desk: Desk) -> None:
    rooms = [desk.org.calendar_id] + [await desk.room() for _ in range(99)]
    await desk.set_type(calendarIds=rooms, slotIntervalMinutes=4)
    found = await pages(desk.staff, f"{BASE}/slots", appointment_type_id=desk.org.type_id)
    assert [len(page) for page in found] == [1_000, IN_ALL // 4 - 1_000]
    assert all(slot["calendar_ids"] == rooms for page in found for slot in page)
    assert [
        len(page)
        for page in await pages(
            desk.staff, f"{BASE}/slots", appointment_type_id=desk.org.type_id, calendar_id=rooms[7]
        )
    ] == [IN_ALL // 4]
