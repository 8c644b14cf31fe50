"""Types that need several calendars at once: what they need, and when all of it is free."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.answers import answered, refused
from tests.support.desk import BASE, THURSDAY, TYPES, Desk, at, codes, week
from tests.support.organizations import Org

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to twelve, every day."""
    desk = Desk(app, org)
    await desk.open(*week("09:00-12:00"))
    return desk


def needs(name: str, *calendar_ids: str, **more: Any) -> dict[str, Any]:
    """A requirement as it is shown."""
    plain = {"count": 1, "offsetMinutes": None, "durationMinutes": None}
    return {"name": name, "calendarIds": list(calendar_ids), **plain, **more}


async def rooms(desk: Desk, *names: str) -> list[str]:
    return [await desk.room(name) for name in names]


async def shown(desk: Desk) -> dict[str, Any]:
    """The type as staff see it."""
    return answered(await desk.staff.get(f"{TYPES}/{desk.org.type_id}"), "appointmentType")


async def take(desk: Desk, calendar_id: str, start: str) -> None:
    """Book an hour of one calendar, by a type that needs that one only."""
    kind = await desk.add_type(durationMinutes=60, calendarIds=[calendar_id], minNoticeHours=0)
    await desk.booked(start, appointment_type_id=kind["id"])


# What a type needs.


async def test_a_type_shows_what_it_needs_and_takes_it_back(desk: Desk) -> None:
    ana, ben, red = await rooms(desk, "Ana", "Ben", "Red")
    wish = [
        needs("doctor", ana, ben, count=2),
        needs("room", red, offsetMinutes=-15, durationMinutes=90),
    ]
    await desk.set_type(requirements=[{"name": "doctor", "calendarIds": [ana, ben], "count": 2}, wish[1]])
    type_ = await shown(desk)
    assert (type_["requirements"], type_["calendarIds"]) == (wish, [ana, ben])
    for same in (type_, {"calendarIds": [ana, ben]}, {"requirements": wish}, {"name": "Other"}):
        await desk.set_type(**same)
        assert (await shown(desk))["requirements"] == wish
    # Other calendars alone make it a type that needs one of them.
    await desk.set_type(calendarIds=[red])
    type_ = await shown(desk)
    assert (type_["requirements"], type_["calendarIds"]) == ([needs("calendar", red)], [red])
    await desk.set_type(**type_)
    assert await shown(desk) | {"updatedAt": ""} == type_ | {"updatedAt": ""}


async def test_a_new_type_may_need_several_calendars(desk: Desk) -> None:
    ana, red = await rooms(desk, "Ana", "Red")
    wish = [needs("doctor", ana), needs("room", red)]
    kind = await desk.add_type(requirements=wish, calendarIds=[ana])
    assert (kind["requirements"], kind["calendarIds"]) == (wish, [ana])
    kind = await desk.add_type()
    assert kind["requirements"] == [needs("calendar", desk.org.calendar_id)]
    assert [needs("calendar", desk.org.calendar_id)] == (await shown(desk))["requirements"]


ONE, TWO = needs("a", "cal_1"), needs("b", "cal_2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"requirements": []},
        {"requirements": None},
        {"requirements": [needs(f"{number}", f"cal_{number}") for number in range(11)]},
        {"requirements": [ONE, TWO | {"name": "a"}]},
        {"requirements": [ONE, TWO | {"name": " a\n"}]},
        {"requirements": [ONE, TWO | {"calendarIds": ["cal_1"]}]},
        {"requirements": [ONE | {"name": "x" * 61}]},
        {"requirements": [ONE | {"name": " "}]},
        {"requirements": [{"name": "a"}]},
        {"requirements": [{"calendarIds": ["cal_1"]}]},
        {"requirements": [ONE | {"count": 0}]},
        {"requirements": [ONE | {"count": 2}]},
        {"requirements": [needs("a", count=11)]},
        {"requirements": [ONE | {"count": None}]},
        {"requirements": [ONE | {"offsetMinutes": -1_441}]},
        {"requirements": [ONE | {"offsetMinutes": 10_081}]},
        {"requirements": [ONE | {"durationMinutes": 0}]},
        {"requirements": [ONE | {"durationMinutes": 10_081}]},
        {"requirements": [ONE | {"offset_minutes": 5}]},
        {"requirements": [ONE, TWO], "calendarIds": ["cal_2"]},
        {"requirements": [ONE, TWO], "calendarIds": []},
        {"calendarIds": []},
    ],
)
async def test_what_no_type_can_need_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    before = await shown(desk)
    path = f"{TYPES}/{desk.org.type_id}"
    assert refused(await desk.staff.put(path, json=wrong), 400, "invalid_request")["details"]["fields"]
    new = {"name": "New", "durationMinutes": 5, **wrong}
    assert refused(await desk.staff.post(TYPES, json=new), 400, "invalid_request")["details"]["fields"]
    assert await shown(desk) == before


async def test_only_the_organizations_calendars_can_be_needed(desk: Desk) -> None:
    wish = [needs("doctor", desk.org.calendar_id), needs("room", "cal_none")]
    answer = refused(
        await desk.staff.put(f"{TYPES}/{desk.org.type_id}", json={"requirements": wish}), 404, "not_found"
    )
    assert answer["details"] == {"field": "requirements"}


async def test_a_calendar_that_is_needed_is_not_deleted(desk: Desk) -> None:
    ana, ben, red, blue = await rooms(desk, "Ana", "Ben", "Red", "Blue")
    await desk.set_type(requirements=[needs("doctor", ana, ben, count=2), needs("room", red, blue)])
    answer = refused(await desk.staff.delete(f"{BASE}/calendars/{ben}"), 409, "in_use")
    assert "too few calendars for 'doctor'" in answer["error"]
    assert (await desk.staff.delete(f"{BASE}/calendars/{blue}")).status_code == 200
    refused(await desk.staff.delete(f"{BASE}/calendars/{red}"), 409, "in_use")
    assert (await shown(desk))["requirements"][1] == needs("room", red)


# When all of it is free.


async def test_a_start_is_listed_if_every_requirement_is_met(desk: Desk) -> None:
    ana, ben, red, blue = await rooms(desk, "Ana", "Ben", "Red", "Blue")
    await desk.set_type(requirements=[needs("doctor", ana, ben), needs("room", red, blue)])
    for calendar, start in ((ana, "09:00"), (red, "10:00"), (blue, "10:00"), (red, "11:00")):
        await take(desk, calendar, at(start))
    assert await desk.slots() == [
        {
            "start_time": at(start),
            "end_time": at(end),
            "calendar_ids": doctors,
            "choices": [
                {"requirement": "doctor", "calendar_ids": doctors},
                {"requirement": "room", "calendar_ids": free},
            ],
        }
        for start, end, doctors, free in (
            ("09:00", "10:00", [ben], [red, blue]),
            ("11:00", "12:00", [ana, ben], [blue]),
        )
    ]
    # Clients see the same starts, and no calendars.
    found = (await desk.ask("slots", **{"from": THURSDAY, "to": THURSDAY}))["slots"]
    assert found == [
        {"start_time": at("09:00"), "end_time": at("10:00")},
        {"start_time": at("11:00"), "end_time": at("12:00")},
    ]
    assert (await desk.count()).json()["days"][0]["free"] == 2
    answer = await desk.explain(at("10:00"))
    assert not answer["bookable"]
    assert [(each["code"], each["calendar_id"], each["requirement"]) for each in answer["reasons"]] == [
        ("conflict", red, "room"),
        ("conflict", blue, "room"),
    ]
    assert all(each["appointment_id"] for each in answer["reasons"])
    assert answer["next_available"][0] == at("11:00")


async def test_a_named_calendar_is_asked_for_in_its_own_requirement(desk: Desk) -> None:
    ana, ben, red, blue = await rooms(desk, "Ana", "Ben", "Red", "Blue")
    await desk.set_type(requirements=[needs("doctor", ana, ben), needs("room", red, blue)])
    await take(desk, red, at("09:00"))
    await take(desk, ana, at("10:00"))
    found = {slot["start_time"]: slot["choices"] for slot in await desk.slots(calendar_id=red)}
    assert [[each["calendar_ids"] for each in choices] for choices in found.values()] == [
        [[ben], [red]],
        [[ana, ben], [red]],
    ]
    # Of two that are needed, the named one is one.
    await desk.set_type(requirements=[needs("doctor", ana, ben, blue, count=2)])
    starts = {slot["start_time"]: slot["calendar_ids"] for slot in await desk.slots(calendar_id=ana)}
    assert starts == {at("09:00"): [ana, ben, blue], at("11:00"): [ana, ben, blue]}
    answer = await desk.explain(at("09:00"), calendar_id=desk.org.calendar_id)
    assert codes(answer) == ["calendar_not_serving"]


async def test_a_requirement_without_calendars_is_never_met(desk: Desk) -> None:
    await desk.set_type(requirements=[needs("doctor", desk.org.calendar_id), needs("room")])
    assert await desk.slots() == []
    answer = await desk.explain(at("10:00"))
    assert [(each["code"], each["requirement"]) for each in answer["reasons"]] == [
        ("calendar_not_serving", "room")
    ]
    await desk.set_type(requirements=[needs("room"), needs("doctor", desk.org.calendar_id)])
    type_ = await shown(desk)
    assert type_["calendarIds"] == []
    await desk.set_type(calendarIds=[])  # as it is
    assert (await shown(desk))["requirements"] == type_["requirements"]


async def test_a_requirement_has_its_own_time(desk: Desk) -> None:
    """The room is made ready for half an hour before, and its own hours need not cover the rest."""
    [red] = await rooms(desk, "Red")
    before = needs("room", red, offsetMinutes=-30, durationMinutes=30)
    await desk.set_type(requirements=[needs("doctor", desk.org.calendar_id), before])
    await take(desk, red, at("10:00"))
    assert await desk.starts() == [at("09:00"), at("10:00")]
    answer = await desk.explain(at("11:00"))
    assert [(each["code"], each["busy_start"]) for each in answer["reasons"]] == [("conflict", at("10:00"))]
    schedule = await desk.make("schedules", "schedule", name="Early", windows=week("09:30-10:30"))
    await desk.set_calendar(red, schedule_id=schedule["id"])
    assert await desk.starts() == [at("10:00")]


async def test_a_room_may_be_needed_days_after_the_start(desk: Desk) -> None:
    [red] = await rooms(desk, "Red")
    later = needs("room", red, offsetMinutes=7 * 24 * 60, durationMinutes=7 * 24 * 60)
    await desk.set_type(requirements=[needs("doctor", desk.org.calendar_id), later], bufferAfterMinutes=60)
    await take(desk, red, "2024-02-08T10:00:00Z")
    assert await desk.starts() == [at("09:00")]


async def test_clients_choose_of_the_first_requirement(desk: Desk) -> None:
    ana, red = await rooms(desk, "Ana", "Red")
    for each in (ana, red):
        await desk.set_calendar(each, is_public=True)
    await desk.set_type(requirements=[needs("doctor", ana), needs("room", red)], clientsChoose=True)
    [kind] = (await desk.client.get(desk.path)).json()["appointment_types"]
    assert [each["id"] for each in kind["calendars"]] == [ana]
    assert "requirements" not in kind
    asked = {"appointment_type_id": desk.org.type_id, "from": THURSDAY, "to": THURSDAY}
    assert len((await desk.ask("slots", calendar_id=ana, **asked))["slots"]) == 3
    chosen = await desk.client.get(f"{desk.path}/slots", params=asked | {"calendar_id": red})
    refused(chosen, 404, "not_found")
