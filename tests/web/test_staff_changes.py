"""What a day asks for that is open in a browser, and what it is made of for a script."""

import html
import re
from typing import Any

import pytest
from fastapi import FastAPI

from kalends.web.assets import assets
from tests.support.desk import at
from tests.web.clients import alert_of, words_of
from tests.web.staff import DAY, Staff, entered, fields_in, staff_at

pytestmark = pytest.mark.anyio


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def data_of(staff: Staff, tag: str, path: str = DAY) -> dict[str, str]:
    """What a script is told by the first element that begins so."""
    found = re.search(rf"<{tag}[^>]*>", (await staff.see(path)).text)
    assert found is not None
    return {name: html.unescape(value) for name, value in re.findall(r'data-([\w-]+)="([^"]*)"', found[0])}


async def changes(staff: Staff, after: str) -> dict[str, Any] | None:
    answer = await staff.see("/staff/changes", after=after) if after else await staff.see("/staff/changes")
    return dict(answer.json())


async def test_what_changed_is_told_by_its_days(staff: Staff) -> None:
    desk = staff.desk
    first = await changes(staff, (await data_of(staff, 'div class="day"'))["after"])
    assert first is not None  # how the organization was made
    after = first["after"]
    assert (await staff.open("/staff/changes", after=after)).status_code == 204
    booked = await desk.booked()
    await desk.changed(booked, start_time=at("23:30", "2024-01-26"))
    told = await changes(staff, after)
    assert told is not None
    assert told["days"] == ["2024-01-25", "2024-01-26", "2024-01-27"]
    assert (await staff.open("/staff/changes", after=told["after"])).status_code == 204
    await desk.room("Room 1")
    anything = await changes(staff, told["after"])
    assert anything is not None
    assert anything["days"] is None
    # Who comes without a cursor, or with one that is no longer known, looks once, and goes on.
    assert await changes(staff, "") == anything
    assert await changes(staff, "ZTk5OTk") == anything
    assert (await staff.open("/staff/changes", after="nonsense")).status_code == 400
    # Keys and webhooks are seen in no day.
    await desk.staff.post("/v1/keys", json={"name": "Another"})
    assert (await staff.open("/staff/changes", after=anything["after"])).status_code == 204


async def test_what_a_script_is_told_of_a_day(app: FastAPI, staff: Staff) -> None:
    booked = await staff.desk.booked(at("14:05"))
    line = await data_of(staff, 'li class="line appointment')
    assert line == {
        "state": "confirmed",
        "id": booked["id"],
        "version": "1",
        "start": at("14:05"),
        "minutes": "60",
        "at": "305",
        "lasts": "60",
    }
    day = await data_of(staff, 'div class="day"')
    assert (day["first"], day["minutes"], day["date"]) == (at("09:00"), "480", "2024-01-25")
    assert (await data_of(staff, "ol class=.hours"))["quarters"].split("|")[-2:] == ["16:45", "17:00"]
    for edge in ("0001-01-01", "9999-12-30", "1847-12-01"):
        assert (await staff.open(f"/staff/day/{edge}")).status_code < 500, edge
    # Who may not write, and what is over, can't be moved.
    reader = await entered(app, staff.desk, "read")
    assert (await data_of(reader, 'li class="line appointment')).keys() == {"state"}
    await staff.desk.changed(booked, status="completed")
    assert (await data_of(staff, 'li class="line appointment')).keys() == {"state"}


@pytest.mark.parametrize(
    ("day", "minutes", "quarters"),
    [
        ("2024-03-31", 23 * 60, ["01:45 CET", "03:00 CEST"]),
        ("2024-10-27", 25 * 60, ["02:45 CEST", "02:00 CET"]),
    ],
    ids=["spring", "autumn"],
)
async def test_a_day_of_clock_changes_is_as_long_as_it_is(
    app: FastAPI, day: str, minutes: int, quarters: list[str]
) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    await staff.desk.open(
        *({"day_of_week": each, "start_time": "00:00", "end_time": "24:00:00"} for each in range(7))
    )
    path = f"/staff/day/{day}"
    assert (await data_of(staff, 'div class="day"', path))["minutes"] == str(minutes)
    shown = (await data_of(staff, "ol class=.hours", path))["quarters"].split("|")
    assert len(shown) == minutes / 15 + 1
    plain = [each.split(" ")[0] for each in shown]
    place = 8 if minutes < 24 * 60 else 12
    assert plain[place - 1 : place + 1] == [each.split(" ")[0] for each in quarters]


async def test_dragged_from_one_calendar_to_another(staff: Staff) -> None:
    desk = staff.desk
    red, blue = await desk.room("Red"), await desk.room("Blue")
    own = desk.org.calendar_id
    booked = await desk.booked()
    path = f"/staff/appointments/{booked['id']}"
    sent = {"version": "1", "instead": at("10:15"), "from_calendar": own, "to_calendar": red, "minutes": "60"}
    answer = await staff.browser.post(
        f"{path}/move", data=sent, headers={"Sec-Fetch-Site": "same-origin", "Kalends-Script": "1"}
    )
    assert (answer.status_code, answer.headers["location"]) == (204, path)
    seen = await desk.get(booked)
    assert (seen["calendar_id"], seen["start_time"], seen["version"]) == (red, at("10:15"), 2)
    await staff.do(f"{path}/move", **sent)  # it is there already
    # Somebody else was faster, and dragged it elsewhere: nothing changes, though the time is the same.
    answer = await staff.send(f"{path}/move", **sent | {"to_calendar": blue})
    assert (answer.status_code, alert_of(answer)[:11]) == (409, "Ana Pereira")
    assert fields_in(answer, "move")["calendar0"] == red
    assert (await desk.get(booked))["version"] == 2
    gone = sent | {"version": "2", "from_calendar": red, "to_calendar": "cal_nothing"}
    assert (await staff.send(f"{path}/move", **gone)).status_code == 404
    assert (await desk.get(booked))["version"] == 2


async def test_what_a_requirement_does_not_allow_is_refused(staff: Staff) -> None:
    desk = staff.desk
    red, blue = await desk.room("Red"), await desk.room("Blue")
    await desk.set_type(
        requirements=[
            {"name": "adviser", "calendarIds": [desk.org.calendar_id]},
            {"name": "room", "calendarIds": [red]},
        ]
    )
    booked = await desk.booked()
    path = f"/staff/appointments/{booked['id']}/move"
    sent = {"version": "1", "instead": at("10:00"), "from_calendar": red, "to_calendar": blue}
    answer = await staff.send(path, **sent)
    assert answer.status_code == 400
    assert "room – This calendar can't be chosen for what is needed here." in words_of(answer)
    assert (await desk.get(booked))["version"] == 1


async def test_the_length_is_changed(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = f"/staff/appointments/{booked['id']}/move"
    typed = fields_in(await staff.see(path), "move") | {"minutes": "90"}
    await staff.do(path, **typed)
    seen = await staff.desk.get(booked)
    assert (seen["start_time"], seen["end_time"]) == (at("14:00"), at("15:30"))
    await staff.do(path, **typed)  # it is so already
    typed = fields_in(await staff.see(path), "move")
    assert typed["minutes"] == "90"
    await staff.do(path, **typed | {"minutes": "", "time": "09:00"})
    assert (await staff.desk.get(booked))["end_time"] == at("10:30")
    for wrong in ("0", "-5", "10081", "1e3", "9" * 400, "half an hour", "\x00"):
        answer = await staff.send(path, **typed | {"version": "3", "minutes": wrong})
        assert answer.status_code == 400, wrong
        assert 'id="minutes-problem"' in answer.text or "can’t read" in answer.text, wrong
    assert (await staff.desk.get(booked))["version"] == 3


async def test_a_free_time_that_was_chosen_is_kept_until_it_is_known_what_to_book(staff: Staff) -> None:
    await staff.desk.add_type()
    query = {"calendar": staff.desk.org.calendar_id, "date": "2024-01-25", "start": at("10:15")}
    page = await staff.see("/staff/new", **query)
    assert f'name="start" value="{at("10:15")}"' in page.text
    page = await staff.see("/staff/new", **query | {"type": staff.desk.org.type_id})
    assert fields_in(page, "booking")["time"] == "10:15"
    # Whoever goes to another day chooses anew.
    page = await staff.see("/staff/new", **query | {"type": staff.desk.org.type_id, "date": "2024-01-26"})
    assert fields_in(page, "booking")["time"] == ""


def test_scripts_know_each_other_by_their_addresses() -> None:
    text = assets()["day.js"].content.decode()
    named = re.findall(r'from "\./([^"]+)"', text)
    parts = ("day-grid.js", "day-free.js", "day-live.js", "day-moves.js")
    assert named == [assets()[name].address for name in parts]
