"""Staff's searches for an appointment that has a length of its own list what can be booked with it."""

import pytest
from fastapi import FastAPI

from tests.support.desk import BASE, START, THURSDAY, open_desk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


async def test_listed_with_a_length_is_bookable_with_it_and_nothing_else_is(app: FastAPI) -> None:
    desk = await open_desk(app)
    everyday = await desk.starts()
    taken = everyday[len(everyday) // 2]
    await desk.booked(taken)
    listed = await desk.starts(duration_minutes="95")
    assert listed
    assert set(listed) < set(everyday)
    for start in everyday:
        response = await desk.book(start, dry_run=True, check="all", duration_minutes=95)
        assert (response.status_code == 200) is (start in listed), start
        assert (await desk.explain(start, duration_minutes="95"))["bookable"] is (start in listed)


async def test_moving_with_a_length_lists_what_can_be_had(app: FastAPI) -> None:
    desk = await open_desk(app)
    appointment = await desk.booked(START)
    everyday = await desk.starts(moving=appointment["id"])
    listed = await desk.starts(moving=appointment["id"], duration_minutes="95")
    assert set(listed) < set(everyday)
    path = f"{BASE}/appointments/{appointment['id']}?dry_run=true"
    for start in everyday:
        wish = {"start_time": start, "duration_minutes": 95, "check": "all"}
        response = await desk.staff.patch(path, json=wish)
        assert (response.status_code == 200) is (start in listed), start


@pytest.mark.parametrize("minutes", ["0", "10081", "1.5", "long"])
async def test_what_is_no_length_is_refused(app: FastAPI, minutes: str) -> None:
    desk = await open_desk(app)
    response = await desk.search(THURSDAY, THURSDAY, duration_minutes=minutes)
    assert response.status_code == 400
