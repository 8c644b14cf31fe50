"""The list of appointments before their organization's staff."""

import re

import httpx
import pytest
from fastapi import FastAPI

from kalends.web import staff_lists
from tests.support.desk import THURSDAY, at
from tests.web.clients import alert_of, words_of
from tests.web.staff import Staff, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

LIST = "/staff/list"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def rows_of(page: httpx.Response) -> list[list[str]]:
    """The cells of each row."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.text.partition("<tbody>")[2], re.DOTALL)
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in rows
    ]


async def test_everything_of_some_days_whatever_became_of_it(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    gone = await staff.desk.booked(at("10:00"))
    await staff.desk.changed(gone, status="cancelled")
    later = await staff.desk.booked(calendar_id=room, client_name="<b>Bob</b>")
    await staff.desk.booked(at("14:00", "2024-01-26"))
    page = await staff.see(LIST, **{"from": THURSDAY, "to": THURSDAY})
    assert rows_of(page) == [
        [
            "Thursday, 25 January 2024, 10:00 – 11:00",
            "Jane Doe",
            "Tax Consultation",
            "Doe &amp; Daughters",
            "Cancelled",
        ],
        [
            "Thursday, 25 January 2024, 14:00 – 15:00",
            "&lt;b&gt;Bob&lt;/b&gt;",
            "Tax Consultation",
            "Room 1",
            "Confirmed",
        ],
    ]
    assert f"/staff/appointments/{later['id']}" in links_in(page, "/staff/appointments/")
    only = await staff.see(LIST, **{"from": THURSDAY, "to": THURSDAY}, calendar=room)
    assert [row[1] for row in rows_of(only)] == ["&lt;b&gt;Bob&lt;/b&gt;"]
    cancelled = await staff.see(LIST, **{"from": THURSDAY, "to": "2024-01-31"}, status="cancelled")
    assert [row[4] for row in rows_of(cancelled)] == ["Cancelled"]


async def test_a_week_from_today_unless_days_are_named(staff: Staff) -> None:
    await staff.desk.booked()
    await staff.desk.booked(at("10:00", "2024-01-27"))
    page = await staff.see(LIST)
    assert len(rows_of(page)) == 1
    assert "Saturday, 20 January 2024 – Friday, 26 January 2024" in words_of(page)


async def test_page_by_page(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_lists, "PAGE", 2)
    for hour in ("09", "10", "11", "12", "13"):
        await staff.desk.booked(at(f"{hour}:00"))
    page = await staff.see(LIST, **{"from": THURSDAY})
    seen = []
    while True:
        seen += [row[0][-13:-8] for row in rows_of(page)]
        following = [each for each in links_in(page, LIST) if "cursor=" in each and "lang=" not in each]
        if not following:
            break
        page = await staff.see(following[-1])
    assert seen == ["09:00", "10:00", "11:00", "12:00", "13:00"]
    assert "From the beginning" in words_of(page)


@pytest.mark.parametrize(
    "query", [{"status": "nothing"}, {"cursor": "x"}, {"from": "9999-12-31", "to": "9999-12-31"}]
)
async def test_what_can_not_be_asked_for_is_said(staff: Staff, query: dict[str, str]) -> None:
    answer = await staff.open(LIST, **query)
    assert (answer.status_code, alert_of(answer)) == (400, "This does not work")
    assert "There are no such appointments." not in words_of(answer)


async def test_a_calendar_that_is_not_there_has_nothing(staff: Staff) -> None:
    page = await staff.see(LIST, calendar="cal_nothing")
    assert "There are no such appointments." in words_of(page)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from": "x"}, "From – Please enter a date."),
        ({"to": "2024-02-30", "q": "Jane"}, "Until – Please enter a date."),
        ({"from": "2024-01-26", "to": "2024-01-25"}, "Until – The last day comes before the first one."),
    ],
)
async def test_days_that_can_not_be_asked_for_are_said_and_nothing_else(
    staff: Staff, asked: dict[str, str], said: str
) -> None:
    await staff.desk.booked()
    for path in ("/staff/list", "/staff/list.csv"):
        answer = await staff.open(path, **asked)
        assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
        assert reasons_in(answer) == [said]
        assert "There are no such appointments." not in words_of(answer)
        assert "<table" not in answer.text
    assert "There are no such appointments." in words_of(await staff.see("/staff/list", to="2024-01-01"))
