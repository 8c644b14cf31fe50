"""How much is free on each day, on the clocks of whoever asks."""

from collections import Counter as Count
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.hours import day_start, moment, seconds, stamp, zone_names
from tests.api.counter import Counter, asking, malformed
from tests.api.practices import Plan, application, carried_out, plans
from tests.core.slow import DAY
from tests.core.slow import at as second
from tests.support.answers import refused
from tests.support.clock import StoppedClock
from tests.support.databases import everyday_on_sqlite, on_sqlite
from tests.support.desk import THURSDAY, Desk, at, week, window
from tests.support.organizations import Org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

FRIDAY, SATURDAY = "2024-01-26", "2024-01-27"
ODD_ZONES = [
    ("Asia/Kathmandu", "2024-01-25", 24),
    ("Pacific/Kiritimati", "2024-01-25", 24),
    ("Pacific/Niue", "2024-01-25", 24),
    ("Australia/Eucla", "2024-01-25", 24),
    ("Pacific/Chatham", "2024-04-07", 25),
    ("Australia/Lord_Howe", "2024-04-07", 24.5),
    ("Europe/Berlin", "2024-03-31", 23),
    ("Europe/Berlin", "2024-10-27", 25),
    ("America/St_Johns", "2024-03-10", 23),
    ("Africa/Cairo", "2024-04-26", 23),  # begins at one
    ("Asia/Beirut", "2024-10-26", 25),  # its last hour comes twice
    ("America/Havana", "2024-11-03", 25),  # its first hour comes twice
    ("Africa/Casablanca", "2024-03-10", 25),
    ("Antarctica/Troll", "2024-03-31", 22),
]


@pytest.fixture
async def desk(app: FastAPI, org: Org) -> Desk:
    """Open from nine to twelve, every day."""
    desk = Desk(app, org)
    await desk.open(*week("09:00-12:00"))
    return desk


async def days(counter: Counter, **query: str) -> dict[str, Any]:
    """What is answered to staff, and to clients alike."""
    staff, client = await counter.count(**query)
    assert (staff.status_code, client.status_code) == (200, 200), staff.text + client.text
    assert staff.json() == client.json()
    answer: dict[str, Any] = staff.json()
    assert answer.keys() == {"days", "timezone", "next_available"}
    return answer


def free(answer: dict[str, Any]) -> dict[str, int]:
    return {day["date"]: day["free"] for day in answer["days"]}


async def test_every_day_of_the_range_is_counted(desk: Desk) -> None:
    await desk.booked(at("09:00"))
    await desk.make("overrides", "override", date=FRIDAY)
    assert await days(Counter(desk), **{"from": "2024-01-20", "to": SATURDAY}) == {
        "days": [
            {"date": "2024-01-20", "free": 0, "first": None},  # before the notice
            {"date": "2024-01-21", "free": 0, "first": None},
            *(
                {"date": day, "free": 3, "first": at("09:00", day)}
                for day in ("2024-01-22", "2024-01-23", "2024-01-24")
            ),
            {"date": THURSDAY, "free": 2, "first": at("10:00")},
            {"date": FRIDAY, "free": 0, "first": None},
            {"date": SATURDAY, "free": 3, "first": at("09:00", SATURDAY)},
        ],
        "timezone": "UTC",
        "next_available": at("09:00", "2024-01-22"),
    }


async def test_days_are_those_of_the_zone_asked_for(desk: Desk) -> None:
    await desk.set_organization(timezone="America/New_York")  # nine to twelve there
    counter = Counter(desk)
    plain = await days(counter, to=FRIDAY)
    assert plain["timezone"] == "America/New_York"
    assert plain["days"] == [
        {"date": THURSDAY, "free": 3, "first": at("14:00")},
        {"date": FRIDAY, "free": 3, "first": at("14:00", FRIDAY)},
    ]
    # That is four to seven of the next day there.
    there = await days(counter, to=FRIDAY, timezone="Pacific/Kiritimati")
    assert there["timezone"] == "Pacific/Kiritimati"
    assert there["days"] == [
        {"date": THURSDAY, "free": 3, "first": at("14:00", "2024-01-24")},
        {"date": FRIDAY, "free": 3, "first": at("14:00")},
    ]
    # And in Tokyo 23:00, 00:00 and 01:00, so a day has the end of one morning and the beginning of the next.
    assert (await days(counter, timezone="Asia/Tokyo"))["days"] == [
        {"date": THURSDAY, "free": 3, "first": at("15:00", "2024-01-24")}
    ]
    # A time without an offset is of that zone, too; and a day that is cut has what is left of it.
    half = await days(counter, **{"from": f"{THURSDAY}T23:00", "to": FRIDAY, "timezone": "Asia/Kolkata"})
    assert half["days"] == [
        {"date": THURSDAY, "free": 0, "first": None},
        {"date": FRIDAY, "free": 3, "first": at("14:00", FRIDAY)},
    ]
    half = await days(counter, **{"from": at("15:00"), "to": at("16:00")})
    assert half["days"] == [{"date": THURSDAY, "free": 1, "first": at("15:00")}]
    assert (await days(counter, **{"from": at("15:00"), "to": at("15:00")}))["days"] == []
    await desk.make("overrides", "override", date=THURSDAY)
    assert free(await days(counter, to=FRIDAY, timezone="Asia/Tokyo")) == {THURSDAY: 2, FRIDAY: 1}


@on_sqlite
async def test_days_of_odd_zones(counter: Counter) -> None:
    """A start every half an hour, for ever: a day has two for each of its hours."""
    await counter.desk.set_type(slotIntervalMinutes=30, durationMinutes=30)
    for zone, day, hours in ODD_ZONES:
        before, after = (str(date.fromisoformat(day) + timedelta(days=by)) for by in (-1, 1))
        answer = await days(counter, **{"from": before, "to": after, "timezone": zone})
        begins = [day_start(date.fromisoformat(each), zone) for each in (before, day, after)]
        assert list(free(answer)) == [before, day, after], zone
        assert free(answer)[day] == 2 * hours, zone
        # Offered times are counted on the organization's clock: at full and half hours in UTC.
        assert [each["first"] for each in answer["days"]] == [
            stamp(moment(seconds(begin) + -seconds(begin) % 1_800)) for begin in begins
        ], zone
        assert begins[2] - begins[1] == timedelta(hours=hours), zone


@on_sqlite
async def test_a_date_that_the_clocks_leave_out_is_no_day(counter: Counter, clock: StoppedClock) -> None:
    clock.at = clock.at.replace(year=2011)
    asked = {"from": "2011-12-29", "to": "2011-12-31", "timezone": "Pacific/Apia"}
    assert free(await days(counter, **asked)) == {"2011-12-29": 24, "2011-12-31": 24}
    nothing = await days(counter, **asked | {"from": "2011-12-30", "to": "2011-12-30"})
    assert (nothing["days"], nothing["next_available"]) == ([], "2011-12-30T10:00:00Z")


@on_sqlite
@asking
async def test_92_days_at_most_and_the_right_way_round(counter: Counter) -> None:
    for zone, first, last in (
        ("UTC", "2024-02-01", "2024-05-02"),
        ("Europe/Berlin", "2024-02-01", "2024-05-02"),  # an hour less
        ("Europe/Berlin", "2024-09-01", "2024-12-01"),  # an hour more
        ("Asia/Kathmandu", "2024-02-01T15:00", "2024-05-02T16:00"),
    ):
        answer = await days(counter, **{"from": first, "to": last, "timezone": zone})
        assert [day["free"] > 0 for day in answer["days"]] == [True] * 92
        beyond = str(date.fromisoformat(last[:10]) + timedelta(days=1)) + last[10:]
        for response in await counter.count(**{"from": first, "to": beyond, "timezone": zone}):
            malformed(response)
    for first, last in (
        ("2024-01-26", "2024-01-25"),
        ("2024-01-26", "2024-01-24"),
        (at("14:00"), at("13:59")),
        ("9999-12-30", "2024-01-25"),
    ):
        for response in await counter.count(**{"from": first, "to": last}):
            assert malformed(response)["error"] == "to must not be before from."
    for first, last in (("0001-01-01", "9999-12-30"), (THURSDAY, "2030-01-01")):
        for response in await counter.count(**{"from": first, "to": last}):
            malformed(response)


@on_sqlite
@asking
async def test_bad_questions(counter: Counter) -> None:
    for name, value in (("from", "soon"), ("to", "2024-02-30"), ("to", "9999-12-31")):
        for response in await counter.count(**{name: value}):
            malformed(response, "invalid_time")
    for response in await counter.count(timezone="Mars/Olympus"):
        malformed(response, field="timezone")
    skipped = {"from": "2024-03-31T02:30", "to": "2024-04-01", "timezone": "Europe/Berlin"}
    for response in await counter.count(**skipped):
        assert malformed(response, "nonexistent_time")["details"]["timezone"] == "Europe/Berlin"
    ends = {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}
    for response in await counter.count(**ends | {"timezone": "America/New_York"}):
        malformed(response, "invalid_time")
    assert free(await days(counter, **ends)) == {"0001-01-01": 0}
    last = {"from": "9999-12-30", "to": "9999-12-31T12:00:00Z"}
    assert list(free(await days(counter, **last))) == ["9999-12-30", "9999-12-31"]
    for response in await counter.count(appointment_type_id="type_none"):
        assert refused(response, 404, "not_found")["details"] == {"field": "appointment_type_id"}
    refused(await counter.desk.count(calendar_id="cal_none"), 404, "not_found")
    asked = {"appointment_type_id": counter.desk.org.type_id, "from": THURSDAY, "to": THURSDAY}
    for more in ({"calendar_id": counter.desk.org.calendar_id}, {"moving": "apt_none"}):
        malformed(await counter.desk.client.get(f"{counter.desk.path}/days", params=asked | more))


async def test_one_calendar_only(desk: Desk) -> None:
    room, stranger = await desk.room(), await desk.room("Elsewhere")
    await desk.set_type(calendarIds=[desk.org.calendar_id, room])
    for start in ("09:00", "10:00"):
        await desk.booked(at(start), calendar_id=room)
    for calendar, left in ((room, 1), (desk.org.calendar_id, 3), (stranger, 0)):
        assert free((await desk.count(calendar_id=calendar)).json()) == {THURSDAY: left}
    assert free((await desk.count()).json()) == {THURSDAY: 3}


@on_sqlite
async def test_buffers_limits_notice_and_whole_days_count(desk: Desk) -> None:
    counter = Counter(desk)
    await desk.set_type(bufferBeforeMinutes=30, slotIntervalMinutes=30)
    await desk.booked(at("10:00"))
    assert free(await days(counter)) == {THURSDAY: 0}  # 11:00 would need the time from 10:30 on
    await desk.set_type(bufferBeforeMinutes=0, maxPerDay=1)
    assert free(await days(counter, to=FRIDAY)) == {THURSDAY: 0, FRIDAY: 5}
    await desk.set_type(maxPerDay=None, maxDaysAhead=5, minNoticeHours=118)  # from 10:00 on
    assert free(await days(counter, to=FRIDAY)) == {THURSDAY: 1, FRIDAY: 0}
    await desk.set_type(minNoticeHours=0, maxDaysAhead=None, durationMinutes=1_440, slotIntervalMinutes=None)
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.open(*week("00:00-24:00"))
    march = await days(counter, **{"from": "2024-03-30", "to": "2024-04-01"})
    assert [day["first"] for day in march["days"]] == [
        "2024-03-29T23:00:00Z",
        "2024-03-30T23:00:00Z",
        "2024-03-31T22:00:00Z",
    ]
    assert set(free(march).values()) == {1}


@on_sqlite
async def test_next_available_looks_beyond_the_range(app: FastAPI, org: Org) -> None:
    """From `from` on, not before the notice, as far as the type can be booked, and for a year."""
    desk, counter = Desk(app, org), Counter(Desk(app, org))
    await desk.set_type(minNoticeHours=0, maxDaysAhead=None)
    opens = [date(2024, 1, 25) + timedelta(days=by) for by in (0, 28, 29, 121, 488)]
    for day in opens:
        await desk.make("overrides", "override", date=f"{day}", windows=[window("09:00-10:00")])

    async def following(first: date, last: date | None = None) -> str | None:
        found = await days(counter, **{"from": f"{first}", "to": f"{last or first}"})
        then: str | None = found["next_available"]
        return None if then is None else then.removesuffix("T09:00:00Z")

    a_day = timedelta(days=1)
    for day, then in pairwise(opens[:-1]):
        assert await following(day) == f"{day}"
        assert await following(day + a_day) == await following(day + a_day, then) == f"{then}"
    assert await following(date(2020, 1, 1), date(2020, 3, 1)) == f"{opens[0]}"
    assert await following(opens[3] + a_day) == f"{opens[4]}"  # 366 days after the range
    assert await following(opens[4] + a_day) is None
    await desk.make("overrides", "override", date=f"{opens[3]}")
    assert await following(opens[3]) is None
    await desk.set_type(minNoticeHours=33 * 24)  # from noon of 22 February on
    assert await following(opens[0]) == f"{opens[2]}"
    await desk.set_type(minNoticeHours=0, maxDaysAhead=32)  # until 21 February
    assert await following(opens[0] + a_day) is None
    await desk.set_type(maxDaysAhead=33)
    assert await following(opens[0] + a_day) == f"{opens[1]}"
    await desk.set_type(isActive=False)
    assert await following(opens[0]) is None


zones = st.sampled_from(sorted(zone_names()))


@pytest.mark.slow
@everyday_on_sqlite("examples", everyday=6, torture=300)
def test_days_count_what_is_listed(url: str, examples: int) -> None:
    """In any zone: each day has as many starts as a search from its beginning to that of the next lists."""
    counted: Count[bool] = Count()
    with application(url) as (runner, app, clock):

        async def compare(plan: Plan, reader: str | None) -> None:
            desk = (await carried_out(app, clock, plan)).desk
            zone = reader or plan.zone
            asked = {} if reader is None else {"timezone": reader}
            first = plan.start.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
            named = [first + timedelta(days=by) for by in range(5)]
            edges = [stamp(day_start(each, zone)) for each in (*named, first + timedelta(days=5))]
            starts = [second(each) for each in await desk.starts(edges[0], edges[-1])]
            expected = []
            for day, (low, high) in zip(named, pairwise(map(second, edges)), strict=True):
                mine = [each for each in starts if low <= each < high]
                expected += [(str(day), len(mine), stamp(moment(mine[0])) if mine else None)] * (low < high)
            answer = await days(Counter(desk), **asked, **{"from": f"{named[0]}", "to": f"{named[-1]}"})
            assert [tuple(each.values()) for each in answer["days"]] == expected
            ahead = starts or [second(each) for each in await desk.starts(edges[-1], _later(edges[-1], 92))]
            assert answer["next_available"] == (stamp(moment(ahead[0])) if ahead else None) or not ahead
            counted[bool(starts)] += 1

        @settings(max_examples=examples)
        @given(plan=plans(), reader=st.none() | zones)
        def agree(plan: Plan, reader: str | None) -> None:
            runner.run(compare(plan, reader))

        agree()
    assert counted[True] > examples // 5


def _later(text: str, days: int) -> str:
    return stamp(moment(second(text) + days * DAY))
