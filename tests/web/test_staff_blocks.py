"""Staff block time that comes again every week, change it, and give some or all of it back."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from tests.support.desk import THURSDAY, at
from tests.web.clients import alert_of, words_of
from tests.web.staff import (
    DAY,
    Staff,
    buttons_in,
    entered,
    fields_in,
    lines_of,
    links_in,
    reasons_in,
    staff_at,
)
from tests.web.test_staff_days import block

pytestmark = pytest.mark.anyio

NEXT = "2024-02-01"
"""The Thursday after."""
FOUR = {"repeat": "weekly", "until": "2024-02-15"}
"""Four Thursdays."""


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def blocks_of(staff: Staff) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await staff.desk.staff.get("/v1/calendar/blocks")).json()["blocks"]
    return found


async def made(staff: Staff, **fields: Any) -> str:
    """Block time. Returns the path of its page."""
    await staff.do("/staff/blocks", **{**block(), **fields})
    return f"/staff/blocks/{(await blocks_of(staff))[-1]['id']}"


def chosen_in(answer: httpx.Response) -> dict[str, Any]:
    """What the form of a block would send as it is."""
    days = re.findall(r'name="days" value="(\d)" checked', answer.text)
    return {
        **{name: text for name, text in fields_in(answer, "block").items() if name != "days"},
        "days": days,
    }


async def starts_of(staff: Staff) -> list[str]:
    [found] = await blocks_of(staff)
    return [each["start_time"][:16] for each in found["instances"]]


async def test_time_is_blocked_every_week_until_a_day(staff: Staff) -> None:
    path = await made(staff, **FOUR, days=["4", "1"], weeks="2", reason="Lunch")
    [found] = await blocks_of(staff)
    rule = {"days_of_week": [1, 4], "interval_weeks": 2, "until": "2024-02-15", "count": None}
    assert found["rule"] == {**rule, "except_dates": []}
    page = words_of(await staff.see(path))
    assert "It comes every 2 weeks on Monday and Thursday." in page
    assert "It comes 4 times, the last time on Monday, 12 February 2024." in page
    german = words_of(await staff.see(path, lang="de"))
    assert "alle 2 Wochen: Montag und Donnerstag" in german


async def test_without_a_last_day_or_days_it_goes_on_for_two_years_on_its_own_day(staff: Staff) -> None:
    await made(staff, repeat="weekly")
    [found] = await blocks_of(staff)
    assert (found["rule"]["days_of_week"], found["rule"]["until"]) == ([4], "2026-01-25")
    assert len(found["instances"]) == 105


async def test_a_block_is_made_once_whatever_stands_in_the_fields_of_a_week(staff: Staff) -> None:
    await made(staff, until="x", weeks="x", days=["1"])
    [found] = await blocks_of(staff)
    assert found["rule"] is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": ["1"]}, "On which days – The day on which it begins has to be one of them."),
        ({"days": ["9"]}, "On which days – "),
        ({"weeks": "0"}, "Every how many weeks – "),
        ({"weeks": "x"}, "Every how many weeks – Please enter a whole number"),
        ({"until": "x"}, "Last day (optional) – Please enter a date."),
        ({"until": "2024-01-24"}, "Last day (optional) – The last day can't be before the first one"),
        ({"until": "2026-01-26"}, "Last day (optional) – The last day can't be before the first one"),
        ({"to_date": "2024-02-02"}, "Until (time) – It has to end after it begins, and within seven days"),
    ],
)
async def test_what_is_wrong_with_a_rule_is_said_and_kept(
    staff: Staff, wrong: dict[str, Any], said: str
) -> None:
    typed = {**block(key="k"), **FOUR, "days": ["4"], **wrong}
    answer = await staff.send("/staff/blocks", **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
    [reason] = reasons_in(answer)
    assert reason.startswith(said)
    kept = chosen_in(answer)
    assert kept == {**typed, "days": [each for each in typed["days"] if each != "9"]}
    assert await blocks_of(staff) == []


async def test_appointments_in_a_later_week_are_named_and_can_stay(staff: Staff) -> None:
    booked = await staff.desk.booked(at("14:00", NEXT))
    typed = {**block(start="14:00", end="15:00", key="k"), **FOUR}
    answer = await staff.send("/staff/blocks", **typed)
    assert (answer.status_code, reasons_in(answer)) == (409, ["Thu 1 Feb, 14:00"])
    assert f"/staff/appointments/{booked['id']}" in links_in(answer, "/staff/appointments/")
    await staff.do("/staff/blocks", **chosen_in(answer), force="1")
    assert len(await starts_of(staff)) == 4


async def test_too_many_times_at_once_are_refused_in_words(staff: Staff) -> None:
    for number in range(14):
        await staff.desk.room(f"Room {number}")
    typed = block() | {"repeat": "weekly", "until": ""}
    answer = await staff.send("/staff/blocks", **typed, days=list("0123456"))
    assert answer.status_code == 409
    assert alert_of(answer).startswith("This is too much at once.")


async def test_every_week_means_the_same_time_of_the_clock(app: FastAPI) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    typed = block("2024-03-24", "10:00", "11:00")
    await staff.do("/staff/blocks", **typed | {"repeat": "weekly", "until": "2024-03-31"})
    assert await starts_of(staff) == ["2024-03-24T09:00", "2024-03-31T08:00"]
    twice = {**block("2024-10-27", "02:10", "04:00"), "repeat": "weekly", "until": "2024-11-03"}
    answer = await staff.send("/staff/blocks", **twice)
    assert alert_of(answer) == "From (time) – On that day, clocks show this time twice."
    assert chosen_in(answer)["repeat"] == "weekly"


async def test_a_past_first_time_is_asked_about_once(staff: Staff) -> None:
    typed = {**block("2024-01-18"), **FOUR, "key": "k"}
    answer = await staff.send("/staff/blocks", **typed)
    assert (answer.status_code, 'name="sure" value="2024-01-18"' in answer.text) == (409, True)
    await staff.do("/staff/blocks", **typed, sure="2024-01-18")


async def test_a_day_leads_to_that_one_of_the_times(staff: Staff) -> None:
    await made(staff, **FOUR)
    [href] = set(links_in(await staff.see(DAY.replace(THURSDAY, NEXT)), "/staff/blocks/"))
    page = await staff.see(href)
    assert "Thursday, 1 February 2024, 10:00 – 11:00" in words_of(page)
    assert fields_in(page, "free")["day"] == NEXT
    assert f'href="/staff/day/{NEXT}"' in page.text
    for nothing in ("x", "2099-01-01T00:00:00Z"):
        assert (await staff.open(urlsplit(href).path, at=nothing)).status_code == 200


async def test_one_day_is_given_back_and_blocked_again(staff: Staff) -> None:
    path = await made(staff, **FOUR)
    page = await staff.see(path, at=f"{NEXT}T10:00:00Z")
    free = {**fields_in(page, "free"), "do": "free"}
    for _ in range(2):  # sent again, it leads there, too
        assert await staff.do(f"{path}/days", **free) == f"/staff/day/{NEXT}"
    assert await starts_of(staff) == ["2024-01-25T10:00", "2024-02-08T10:00", "2024-02-15T10:00"]
    page = await staff.see(path)
    assert "Days that were given back Thursday, 1 February 2024" in words_of(page)
    assert "Block it again" in buttons_in(page)
    booked = await staff.desk.booked(at("10:00", NEXT))
    again = {**free, "do": "block", "seen": fields_in(page, "free")["seen"]}
    answer = await staff.send(f"{path}/days", **again)
    assert (answer.status_code, alert_of(answer)) == (409, "There are appointments in this time:")
    assert f"/staff/appointments/{booked['id']}" in links_in(answer, "/staff/appointments/")
    assert len(await starts_of(staff)) == 3
    assert fields_in(answer, "block") == again
    assert await staff.do(f"{path}/days", **fields_in(answer, "block"), force="1") == path
    assert len(await starts_of(staff)) == 4


async def test_the_last_time_is_not_given_back_as_one_day(staff: Staff) -> None:
    path = await made(staff, repeat="weekly", until=THURSDAY)
    page = await staff.see(path)
    assert "Give only this day back" not in buttons_in(page)
    [seen] = re.findall(r'name="seen" value="(\w+)"', (await staff.see(f"{path}/change")).text)
    answer = await staff.send(f"{path}/days", seen=seen, day=THURSDAY, do="free")
    assert answer.status_code == 400
    assert "No time would be left." in words_of(answer)


async def test_a_day_is_not_given_back_of_what_somebody_has_changed_since(staff: Staff) -> None:
    path = await made(staff, **FOUR)
    free = {**fields_in(await staff.see(path, at=f"{NEXT}T10:00:00Z"), "free"), "do": "free"}
    await staff.desk.staff.patch(f"/v1/calendar{path.removeprefix('/staff')}", json={"reason": "Other"})
    answer = await staff.send(f"{path}/days", **free)
    assert answer.status_code == 409
    assert alert_of(answer).startswith("Somebody has changed this")
    assert fields_in(answer, "free")["day"] == free["day"] == NEXT
    assert len(await starts_of(staff)) == 4
    for name in ("seen", "day", "do"):
        less = {field: text for field, text in free.items() if field != name}
        assert (await staff.send(f"{path}/days", **less)).status_code == 400
    single = await made(staff, start="16:00")
    assert (await staff.send(f"{single}/days", **free)).status_code == 404


async def test_a_block_is_changed_in_what_was_touched(staff: Staff) -> None:
    path = await made(staff, **FOUR, reason="Lunch")
    await staff.desk.staff.patch(
        f"/v1/calendar{path.removeprefix('/staff')}",
        json={"rule": {"count": 4, "except_dates": [NEXT]}},
    )
    typed = chosen_in(await staff.see(f"{path}/change"))
    assert typed.pop("seen")
    assert typed == {**block(reason="Lunch"), "repeat": "weekly", "until": "2024-02-15", "days": ["4"]}
    room = await staff.desk.room("Room 1")

    async def change(**fields: Any) -> dict[str, Any]:
        typed = chosen_in(await staff.see(f"{path}/change"))
        assert await staff.do(f"{path}/change", **typed | fields) == path
        return (await blocks_of(staff))[0]

    found = await change(reason="Tea")
    assert (found["reason"], found["rule"]["count"], len(found["instances"])) == ("Tea", 4, 3)
    found = await change(calendar=room)
    assert (found["calendar_id"], found["all"]) == (room, False)
    found = await change(calendar="", **{"from": "10:30"})
    assert (found["all"], found["start_time"]) == (True, "2024-01-25T10:30:00Z")
    found = await change(date="2024-01-26", to_date="2024-01-26")  # its day of the week follows
    assert (found["rule"]["days_of_week"], found["rule"]["count"]) == ([5], 4)
    found = await change(until="2024-02-09")
    assert (found["rule"]["until"], found["rule"]["except_dates"]) == ("2024-02-09", [NEXT])
    found = await change(repeat="once")
    assert (found["rule"], len(found["instances"])) == (None, 1)
    found = await change(repeat="weekly", until="2024-02-02", days=["5"])
    assert len(found["instances"]) == 2


async def test_a_change_that_is_refused_keeps_what_was_typed(staff: Staff) -> None:
    path = await made(staff, **FOUR)
    await staff.desk.booked(at("14:00", NEXT))
    typed = chosen_in(await staff.see(f"{path}/change")) | {"from": "14:00", "to": "15:00"}
    answer = await staff.send(f"{path}/change", **typed)
    assert (answer.status_code, reasons_in(answer)) == (409, ["Thu 1 Feb, 14:00"])
    assert chosen_in(answer) == typed
    wrong = await staff.send(f"{path}/change", **typed | {"to": "13:00"})
    assert reasons_in(wrong)[0].startswith("Until (time) – It has to end after it begins")
    doubtful = await staff.send(f"{path}/change", **typed | {"date": "2024-01-18", "to_date": "2024-01-18"})
    assert (doubtful.status_code, 'name="sure" value="2024-01-18"' in doubtful.text) == (409, True)
    for name in ("seen", "calendar", "repeat", "until", "reason"):
        less = {field: text for field, text in typed.items() if field != name}
        assert (await staff.send(f"{path}/change", **less)).status_code == 400, name
    assert (await starts_of(staff))[0] == "2024-01-25T10:00"
    assert await staff.do(f"{path}/change", **typed, force="1") == path
    assert (await starts_of(staff))[0] == "2024-01-25T14:00"


async def test_a_block_that_somebody_has_changed_is_changed_when_asked_once_more(staff: Staff) -> None:
    path = await made(staff)
    typed = chosen_in(await staff.see(f"{path}/change")) | {"reason": "Mine"}
    await staff.desk.staff.patch(f"/v1/calendar{path.removeprefix('/staff')}", json={"reason": "Theirs"})
    answer = await staff.send(f"{path}/change", **typed)
    assert answer.status_code == 409
    assert alert_of(answer).startswith("Somebody has changed this")
    assert chosen_in(answer) | {"seen": ""} == typed | {"seen": ""}
    assert (await blocks_of(staff))[0]["reason"] == "Theirs"
    await staff.do(f"{path}/change", **chosen_in(answer))
    assert (await blocks_of(staff))[0]["reason"] == "Mine"


async def test_a_whole_series_is_given_back_when_asked_once_more(app: FastAPI, staff: Staff) -> None:
    path = await made(staff, **FOUR)
    [ask] = links_in(await staff.see(path), f"{path}/remove")
    page = await staff.see(ask)
    assert '<h1 dir="auto">Give all these times back?</h1>' in page.text
    assert (
        "All calendars: 4 times, from Thursday, 25 January 2024 to Thursday, 15 February 2024."
        in words_of(page)
    )
    assert len(await blocks_of(staff)) == 1
    writer = await entered(app, staff.desk, "read", "write")
    assert links_in(await writer.see(path), f"{path}/remove") == []
    assert (await writer.open(ask)).headers["location"] == path
    assert await staff.do(f"{path}/remove", **fields_in(page, "remove")) == DAY
    assert await blocks_of(staff) == []
    assert list(lines_of(await staff.see()).values()) == [[]]
