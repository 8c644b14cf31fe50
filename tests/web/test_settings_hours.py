"""The pages on which staff set weekly hours."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.desk import BASE
from tests.web.clients import alert_of, words_of
from tests.web.staff import Staff, entered, fields_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

HOURS = "/staff/settings/hours"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def stored(staff: Staff) -> list[tuple[Any, ...]]:
    found = (await staff.desk.staff.get(f"{BASE}/availability")).json()["schedules"]
    return [(each["day_of_week"], each["start_time"], each["end_time"]) for each in found]


async def test_hours_are_added_copied_and_removed_row_by_row(staff: Staff) -> None:
    before = await stored(staff)
    typed = fields_in(await staff.see(HOURS), "hours")
    assert (typed["from-1-0"], typed["to-1-0"]) == ("09:00", "17:00")
    page = await staff.send(HOURS, **typed | {"do": "add-1"})
    assert (page.status_code, await stored(staff)) == (200, before)
    typed = fields_in(page, "hours") | {"to-1-0": "12:00", "from-1-1": "14:00", "to-1-1": "00:00"}
    typed = fields_in(await staff.send(HOURS, **typed | {"do": "copy-1"}), "hours")
    typed = fields_in(await staff.send(HOURS, **typed | {"do": "remove-5-1"}), "hours")
    assert await staff.do(HOURS, **typed | {"do": "save"}) == f"{HOURS}?saved=1"
    assert "Saved" in words_of(await staff.see(f"{HOURS}?saved=1"))
    morning, evening = ("09:00:00", "12:00:00"), ("14:00:00", "24:00:00")
    week = [(day, *span) for day in range(1, 5) for span in (morning, evening)] + [(5, *morning)]
    assert [each for each in await stored(staff) if each[0] in range(1, 6)] == week
    again = fields_in(await staff.see(HOURS), "hours")
    assert (again["from-4-1"], again["to-4-1"]) == ("14:00", "00:00")


async def test_what_the_form_does_not_show_stays(staff: Staff) -> None:
    window = {"day_of_week": 1, "start_time": "09:00", "end_time": "10:00"}
    own = window | {"appointment_type_id": staff.desk.org.type_id, "is_active": False}
    await staff.desk.staff.put(f"{BASE}/availability", json={"schedules": [own]})
    typed = fields_in(await staff.see(HOURS), "hours")
    await staff.do(HOURS, **typed | {"to-1-0": "11:00"})
    [kept] = (await staff.desk.staff.get(f"{BASE}/availability")).json()["schedules"]
    assert (kept["id"], kept["end_time"]) == (typed["id-1-0"], "11:00:00")
    assert (kept["is_active"], kept["appointment_type_id"]) == (False, staff.desk.org.type_id)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"to-1-0": "08:00"}, "Monday, Until – It has to end after it begins."),
        ({"from-1-0": ""}, "Monday, From – Please fill this in."),
        ({"to-1-0": "soon"}, "Monday, Until – Please enter a time, such as 14:30."),
        ({"to-1-0": "\x00"}, "Monday, Until – Please enter a time, such as 14:30."),
    ],
)
async def test_what_is_wrong_is_said_and_kept(staff: Staff, wrong: dict[str, str], said: str) -> None:
    before = await stored(staff)
    typed = fields_in(await staff.see(HOURS), "hours") | wrong
    answer = await staff.send(HOURS, **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
    assert reasons_in(answer) == [said]
    assert fields_in(answer, "hours") == typed
    assert await stored(staff) == before


async def test_the_change_of_somebody_else_is_not_lost_unseen(staff: Staff) -> None:
    typed = fields_in(await staff.see(HOURS), "hours")
    await staff.desk.staff.put(f"{BASE}/availability", json={"schedules": []})
    answer = await staff.send(HOURS, **typed | {"to-1-0": "13:00"})
    assert (answer.status_code, await stored(staff)) == (409, [])
    assert alert_of(answer).startswith("Somebody has changed this since you opened the page.")
    await staff.do(HOURS, **fields_in(answer, "hours"))
    assert (1, "09:00:00", "13:00:00") in await stored(staff)
    # Nor is that of somebody who saves at the same moment.
    typed = fields_in(await staff.see(HOURS), "hours")
    ends = ("14:00", "15:00", "16:00")
    answers = await asyncio.gather(*(staff.send(HOURS, **typed | {"to-1-0": each}) for each in ends))
    assert sorted(each.status_code for each in answers) == [303, 409, 409]


async def test_hours_of_a_day_that_overlap_are_one(staff: Staff) -> None:
    typed = fields_in(await staff.see(HOURS), "hours") | {"from-1-1": "16:00", "to-1-1": "00:00"}
    more = {"from-1-2": "08:00", "to-1-2": "09:00", "from-1-3": "09:00", "to-1-3": "17:00"}
    await staff.do(HOURS, **typed | more)
    found = [each for each in await stored(staff) if each[0] == 1]
    assert found == [(1, "08:00:00", "09:00:00"), (1, "09:00:00", "24:00:00")]
    # Not those that can't be read, nor those of a single type.
    typed = fields_in(await staff.see(HOURS), "hours")
    answer = await staff.send(HOURS, **typed | {"from-1-2": "12:00", "to-1-2": "11:00"})
    assert (answer.status_code, fields_in(answer, "hours")["to-1-2"]) == (400, "11:00")


async def test_hours_that_leave_appointments_alone_are_asked_about(staff: Staff) -> None:
    await staff.desk.booked()
    await staff.desk.booked("2024-01-25T09:00:00Z", client_name="Ben")
    typed = fields_in(await staff.see(HOURS), "hours") | {"to-4-0": "12:00"}
    before = await stored(staff)
    answer = await staff.send(HOURS, **typed)
    assert (answer.status_code, reasons_in(answer)) == (409, ["Thu 25 Jan, 14:00, Jane Doe"])
    assert (await stored(staff), fields_in(answer, "hours")["to-4-0"]) == (before, "12:00")
    await staff.do(HOURS, **fields_in(answer, "hours") | {"do": "save-sure"})
    # What is outside already is asked about no more.
    await staff.do(HOURS, **fields_in(await staff.see(HOURS), "hours") | {"to-4-0": "11:00"})


async def test_other_hours_have_a_name_and_a_zone(app: FastAPI, staff: Staff) -> None:
    assert (await staff.send(HOURS, do="make", name=" ", key="k")).status_code == 400
    made = {await staff.do(HOURS, do="make", name="Evenings", key="k2") for _ in range(2)}
    [path] = made
    typed = fields_in(await staff.see(path), "hours")
    assert (typed["name"], typed["zone"], typed["from-1-0"]) == ("Evenings", "UTC", "09:00")
    typed = typed | {"from-1-0": "18:00", "to-1-0": "21:00"}
    answer = await staff.send(path, **typed | {"zone": "Atlantis"})
    assert (answer.status_code, fields_in(answer, "hours")["from-1-0"]) == (400, "18:00")
    typed = fields_in(await staff.send(path, **typed | {"do": "copy-1", "zone": "Berlin"}), "hours")
    await staff.do(path, **typed)
    schedule = (await staff.desk.staff.get(f"{BASE}/schedules/{path.split('/')[-1]}")).json()["schedule"]
    assert (schedule["timezone"], schedule["windows"][1]["start_time"]) == ("Europe/Berlin", "18:00:00")
    await staff.desk.set_type(scheduleId=schedule["id"])
    answer = await staff.send(f"{path}/remove")
    assert answer.status_code == 409
    assert f"/staff/settings/types/{staff.desk.org.type_id}" in links_in(answer, "/staff/settings/types/")
    await staff.desk.set_type(scheduleId=None)
    writer = await entered(app, staff.desk, "write")
    assert (await writer.send(f"{path}/remove")).status_code == 403
    assert f"{path}/remove" in links_in(await staff.see(path), path)
    assert "Delete Evenings?" in words_of(await staff.see(f"{path}/remove"))
    await staff.do(f"{path}/remove")
    assert (await staff.open(path)).status_code == 404
