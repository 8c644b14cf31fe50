"""A month before its organization's staff."""

import html
import re

import httpx
import pytest
from fastapi import FastAPI

from tests.support.desk import at, window
from tests.web.clients import words_of
from tests.web.staff import Staff, links_in, staff_at

pytestmark = pytest.mark.anyio

MONTH = "/staff/month/2024-01"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def labels_in(page: httpx.Response) -> list[str]:
    """What is said of each day."""
    table = page.text.partition('<table class="days"')[2]
    return [
        html.unescape(each) for each in re.findall(r'aria-label="([^"]*)"', table.partition("</table>")[0])
    ]


async def test_how_much_is_on_each_day(staff: Staff) -> None:
    desk = staff.desk
    await desk.set_organization(timezone="America/New_York")
    room = await desk.room("Room 1")
    await desk.set_type(requiresConfirmation=True, calendarIds=[desk.org.calendar_id, room])
    await desk.booked(at("14:00"))
    await desk.booked(at("14:00"), calendar_id=room)
    # In New York the day is still the 24th.
    await desk.booked(at("04:30"))
    await desk.changed(await desk.booked(at("16:00")), status="cancelled")
    asked = desk.org.wish(start_time=at("17:00", "2024-01-26"))
    answer = await desk.client.post(f"/v1/public/{desk.org.slug}/appointments", json=asked)
    assert answer.status_code == 200, answer.text
    await desk.make("overrides", "override", date="2024-01-31", windows=[])
    page = await staff.see(MONTH)
    labels = labels_in(page)
    assert len(labels) == 31
    assert labels[22:27] == [
        "Tuesday, 23 January 2024",
        "Wednesday, 24 January 2024, 1 appointment",
        "Thursday, 25 January 2024, 2 appointments",
        "Friday, 26 January 2024, 1 appointment, 1 to be confirmed",
        "Saturday, 27 January 2024",
    ]
    assert labels[30] == "Wednesday, 31 January 2024, Closed"
    assert page.text.count('aria-current="date"') == 1
    only = await staff.see(MONTH, calendar=room)
    assert labels_in(only)[24] == "Thursday, 25 January 2024, 1 appointment"
    assert f"/staff/day/2024-01-25?calendar={room}" in links_in(only, "/staff/day/2024-01-25")


async def test_the_ways_from_a_month(staff: Staff) -> None:
    page = await staff.see(MONTH)
    assert {"/staff/month/2023-12", "/staff/month/2024-02"} <= set(links_in(page, "/staff/month"))
    assert "/staff/list?from=2024-01-01&to=2024-01-31" in links_in(page, "/staff/list")
    assert links_in(page, "/staff/week") == ["/staff/week/2024-01-20"]
    for path in ("/staff/day/2024-03-09", "/staff/week/2024-03-09"):
        assert "/staff/month/2024-03" in links_in(await staff.see(path), "/staff/month")
    german = await staff.see(MONTH, lang="de")
    assert "Januar 2024" in words_of(german)
    assert "<h1" in german.text


async def test_a_month_begins_on_the_day_on_which_weeks_do(staff: Staff) -> None:
    american = await staff.see(MONTH, lang="en-US")
    rows = re.findall(r"<tr>(.*?)</tr>", american.text, re.DOTALL)
    assert rows[1].count("<td></td>") == 1  # the first of January 2024 was a Monday
    assert len(rows) == 6


@pytest.mark.parametrize("month", ["0001-01", "9999-12", "2024-13", "2024-1", "x", "2024-01-01", "%00"])
async def test_what_is_no_month(staff: Staff, month: str) -> None:
    assert (await staff.open(f"/staff/month/{month}")).status_code == 404


@pytest.mark.parametrize("month", ["0001-02", "9999-11", "2024-02", "2024-10"])
async def test_odd_months(staff: Staff, month: str) -> None:
    await staff.desk.set_organization(timezone="Pacific/Apia")
    assert len(labels_in(await staff.see(f"/staff/month/{month}"))) in (28, 29, 30, 31)


async def test_hours_of_one_calendar_are_enough_for_a_day_to_be_open(staff: Staff) -> None:
    desk = staff.desk
    hours = {"name": "Sundays", "windows": [window("10:00-12:00", day_of_week=0)]}
    made = await desk.make("schedules", "schedule", **hours)
    await desk.open()
    await desk.room("Room 1", schedule_id=made["id"])
    closed = [each.endswith("Closed") for each in labels_in(await staff.see(MONTH))]
    assert [day for day, is_closed in enumerate(closed, 1) if not is_closed] == [7, 14, 21, 28]
