"""What a search lists can be booked, and nothing else can, where types need several calendars, whose time is
taken by appointments, holds, blocks and what other calendars know: drawn at random, asked through HTTP."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.clock import Clock
from kalends.core.hours import moment, seconds, stamp
from kalends.core.sources import Reading, SourceAddress
from kalends.courier import Courier
from kalends.db.database import Database
from kalends.delivery.webhooks import Poster
from kalends.scout import Scout
from kalends.worker import Worker
from tests.api.practices import Body, application
from tests.core.slow import HOUR, MINUTE, a_clock
from tests.support.answers import answered, refused
from tests.support.books import check_times
from tests.support.clock import StoppedClock
from tests.support.databases import everyday_on_sqlite
from tests.support.desk import BASE, Desk, week
from tests.support.organizations import make_org

QUARTER = 15 * MINUTE
TAKEN = {"conflict", "blocked", "busy_elsewhere"}
"""Reasons that stand in a database, whatever is checked."""

Choices = Mapping[str, Sequence[str]]
"""The calendars that could take a start, by requirement."""


@dataclass(frozen=True)
class Need:
    """A requirement of the type; `calendars` are places among the practice's."""

    calendars: list[int]
    count: int
    offset: int | None
    length: int | None


@dataclass(frozen=True)
class Taken:
    """Time of a calendar, or of all where that is None, in minutes after the range's start."""

    calendar: int | None
    start: int
    minutes: int
    weekly: bool = False


@dataclass(frozen=True)
class Plan:
    """A practice, and two days to ask for, from the present on."""

    zone: str
    now: datetime
    hours: list[str | None]
    """Of each calendar: its own, or the organization's."""
    needs: list[Need]
    kind: Body
    bookings: list[int]
    holds: list[int]
    """When they start, in minutes after the range's start, on any calendars of the type."""
    singly: list[Taken]
    """Appointments of one calendar, by another type."""
    blocks: list[Taken]
    elsewhere: list[Taken]

    def at(self, minutes: int) -> datetime:
        return self.now + timedelta(minutes=minutes)


_zones_and_changes = st.composite(a_clock)()
_hours = st.sampled_from([None, None, None, "00:00-24:00", "08:00-13:00", "00:00-02:30", "12:00-24:00"])
_quarters = st.integers(-8, 180).map(lambda quarters: quarters * 15)
_minutes = st.one_of(_quarters, _quarters, st.integers(-120, 2_700))
_lengths = st.sampled_from([15, 30, 60, 90, 240, 1_440])
_kinds = st.fixed_dictionaries(
    {
        "durationMinutes": st.sampled_from([15, 30, 45, 60, 120, 1_440]),
        "slotIntervalMinutes": st.sampled_from([None, 15, 15, 30]),
        "bufferBeforeMinutes": st.sampled_from([0, 0, 5, 15]),
        "bufferAfterMinutes": st.sampled_from([0, 0, 10, 30]),
        "maxPerDay": st.sampled_from([None, None, None, 2]),
    }
)
_offsets = st.sampled_from([None, None, -60, -15, 15, 45, 120])
_own_lengths = st.sampled_from([None, None, 15, 30, 100, 240])
_groups = st.sampled_from([[1], [2], [3], [1, 1], [1, 2], [2, 2], [3, 1], [1, 1, 1], [2, 1, 2], [1, 2, 3]])
"""How many calendars serve each requirement."""


def _taken(draw: st.DrawFn, calendars: int, most: int, *, all_too: bool = False) -> list[Taken]:
    where = st.integers(0, calendars - 1)
    found = st.builds(
        Taken,
        st.none() | where if all_too else where,
        _minutes,
        _lengths,
        st.booleans() if all_too else st.just(False),
    )
    return draw(st.lists(found, max_size=most))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    zone, near = draw(_zones_and_changes)
    groups, needs, first = draw(_groups), [], 0
    for size in groups:
        count = draw(st.integers(1, size))
        needs.append(Need(list(range(first, first + size)), count, draw(_offsets), draw(_own_lengths)))
        first += size
    everybody = first + 1  # one serves no requirement of the type
    return Plan(
        zone=zone,
        now=moment(near // QUARTER * QUARTER - draw(st.integers(0, 24)) * HOUR),
        hours=[draw(_hours) for _ in range(everybody)],
        needs=needs,
        kind=draw(_kinds),
        bookings=draw(st.lists(_minutes, max_size=3)),
        holds=draw(st.lists(_minutes, max_size=2)),
        singly=_taken(draw, everybody, 4),
        blocks=_taken(draw, everybody, 3, all_too=True),
        elsewhere=_taken(draw, everybody, 3),
    )


@dataclass(frozen=True)
class Practice:
    """A plan that was carried out. `calendars` are ids, in the plan's order."""

    plan: Plan
    desk: Desk
    calendars: list[str]
    type_id: str

    @property
    def named(self) -> Body:
        return {"appointment_type_id": self.type_id}

    async def listed(self, **query: str) -> dict[int, Choices]:
        start, end = stamp(self.plan.at(0)), stamp(self.plan.at(2 * 24 * 60))
        slots = await self.desk.slots(start, end, **self.named, **query)
        return {
            seconds(datetime.fromisoformat(slot["start_time"])): {
                each["requirement"]: each["calendar_ids"] for each in slot["choices"]
            }
            for slot in slots
        }

    async def try_to_book(self, start: int, check: str = "all", **fields: Any) -> Any:
        """What is answered; nothing is left behind."""
        return await self.desk.book(stamp(moment(start)), dry_run=True, check=check, **self.named, **fields)


async def carried_out(app: FastAPI, clock: StoppedClock, plan: Plan) -> Practice:
    """Carry a plan out, in a new organization. What it reads elsewhere is read once and stays known."""
    clock.at = plan.now
    org = await make_org(app.state.context.database, clock.now(), timezone=plan.zone)
    desk = Desk(app, org)
    await desk.open(*week("00:00-24:00"))
    calendars = []
    for hours in plan.hours:
        schedule = None
        if hours is not None:
            schedule = (await desk.make("schedules", "schedule", name="Hours", windows=week(hours)))["id"]
        calendars.append(await desk.room(schedule_id=schedule))
    free = {"minNoticeHours": 0, "maxDaysAhead": None}
    requirements = [
        {
            "name": f"need {number}",
            "calendarIds": [calendars[each] for each in need.calendars],
            "count": need.count,
            "offsetMinutes": need.offset,
            "durationMinutes": need.length,
        }
        for number, need in enumerate(plan.needs)
    ]
    kind = await desk.add_type(**plan.kind | free, requirements=requirements)
    practice = Practice(plan, desk, calendars, kind["id"])
    for taken in plan.singly:
        lasting = {"durationMinutes": taken.minutes, "calendarIds": [practice.calendars[taken.calendar or 0]]}
        other = await desk.add_type(**free | lasting)
        await desk.book(stamp(plan.at(taken.start)), appointment_type_id=other["id"])
    for minutes in plan.bookings:
        await desk.book(stamp(plan.at(minutes)), **practice.named)
    for minutes in plan.holds:
        await desk.hold(stamp(plan.at(minutes)), **practice.named)
    for taken in plan.blocks:
        await _block(practice, taken)
    return practice


async def _block(practice: Practice, taken: Taken) -> None:
    start, plan = plan_start(practice.plan, taken), practice.plan
    whose = {"all": True} if taken.calendar is None else {"calendar_id": practice.calendars[taken.calendar]}
    rule = {"until": (plan.now + timedelta(days=9)).date().isoformat()} if taken.weekly else None
    end = start + timedelta(minutes=taken.minutes)
    times = {"start_time": stamp(start), "end_time": stamp(end), "rule": rule, "force": True}
    await practice.desk.make("blocks", "block", **whose | times)


def plan_start(plan: Plan, taken: Taken) -> datetime:
    """A weekly block begins a week before, so that its second instance counts."""
    return plan.at(taken.start) - timedelta(days=7 if taken.weekly else 0)


async def read_elsewhere(practice: Practice, database: Database, clock: Clock) -> list[str]:
    """Let a worker read the calendars elsewhere, once; the paths of these sources."""
    said: dict[str, Reading] = {}
    paths = []
    for number, taken in enumerate(practice.plan.elsewhere):
        url = f"https://93.184.215.14/{practice.desk.org.slug}/{number}.ics"
        path = f"calendars/{practice.calendars[taken.calendar or 0]}/sources"
        source = await practice.desk.make(path, "source", kind="ics", url=url)
        paths.append(f"{BASE}/{path}/{source['id']}")
        start = seconds(practice.plan.at(taken.start))
        said[url] = Reading(busy=[(start, start + taken.minutes * MINUTE)], events=1, state=None)

    async def read(
        address: SourceAddress, state: str | None, window: object, zone: str, is_own: Callable[[str], bool]
    ) -> Reading:
        return said[address.url]

    poster = Poster(allow_private=False)
    scout = Scout(database, clock, read, every=timedelta(minutes=5))
    worker = Worker(
        database, clock, Courier(database, clock, poster, None), events_kept=timedelta(days=30), scout=scout
    )
    await worker.read_sources()
    await scout.finish()
    await poster.close()
    for path in paths:
        source = answered(await practice.desk.staff.get(path), "source")
        assert (source["events"], source["error"]) == (1, None)
    return paths


@dataclass(frozen=True)
class Law:
    """`most` is how many starts of each sort are tried; `seen` counts what came up."""

    practice: Practice
    chance: random.Random
    most: int
    seen: Counter[str]

    async def check(self) -> None:
        before = await self.practice.listed()
        plan = self.practice.plan
        quarters = range(seconds(plan.at(0)), seconds(plan.at(2 * 24 * 60)), QUARTER)
        unlisted = [each for each in quarters if each not in before]
        edges = [each for each in unlisted if {each - QUARTER, each + QUARTER} & before.keys()]
        for start in {*self.some(before), *self.some(unlisted), *self.some(edges)}:
            await self.is_told_alike(start, before)
        for start in self.some(before, 2):
            await self.pins_choose(start, before[start])
        await self.lists_of_one_calendar(before)
        for start in self.some(before, 2):
            after = await self.practice.listed()
            if start in after:
                await self.is_booked(start, after)

    def some(self, starts: Sequence[int] | Mapping[int, Any], most: int | None = None) -> list[int]:
        ordered = sorted(starts)
        most = self.most if most is None else most
        return ordered if len(ordered) <= most else self.chance.sample(ordered, most)

    async def is_told_alike(self, start: int, listed: Mapping[int, Choices]) -> None:
        """A list, an explanation, a booking and the database alone say the same of a start."""
        told = await self.practice.desk.explain(stamp(moment(start)), **self.practice.named)
        response = await self.practice.try_to_book(start)
        by_database = await self.practice.try_to_book(start, check="conflicts")
        assert told["bookable"] == (start in listed) == (response.status_code == 200), (told, response.text)
        if start in listed:
            assert by_database.status_code == 200, by_database.text
            self.seen["free"] += 1
            return
        answer = refused(response, 409, response.json()["code"])
        assert answer["details"]["reasons"] == told["reasons"]
        assert answer["details"]["next_available"] == told["next_available"]
        found = {reason["code"] for reason in told["reasons"]}
        self.seen.update(found)
        if found <= TAKEN:
            refused(by_database, 409, by_database.json()["code"])

    async def pins_choose(self, start: int, choices: Choices) -> None:
        """Whoever could take a start can be asked for, alone and together, and nobody else."""
        for number, need in enumerate(self.practice.plan.needs):
            for place in need.calendars:
                id_ = self.practice.calendars[place]
                response = await self.practice.try_to_book(start, calendar_ids=[id_])
                free = id_ in choices[f"need {number}"]
                assert (response.status_code == 200) == free, (id_, choices, response.text)
                self.seen["pinned" if free else "pinned in vain"] += 1
        wanted = self.wanted(choices)
        response = await self.practice.try_to_book(start, calendar_ids=wanted)
        assert response.status_code == 200, response.text
        assert {each["calendar_id"] for each in response.json()["appointment"]["calendars"]} == set(wanted)

    def wanted(self, choices: Choices) -> list[str]:
        """Enough of each requirement, by chance, in any order."""
        needs = enumerate(self.practice.plan.needs)
        found = [
            id_ for number, need in needs for id_ in self.chance.sample(choices[f"need {number}"], need.count)
        ]
        return self.chance.sample(found, len(found))

    async def lists_of_one_calendar(self, listed: Mapping[int, Choices]) -> None:
        for need in self.practice.plan.needs:
            id_ = self.practice.calendars[self.chance.choice(need.calendars)]
            mine = {
                start for start, choices in listed.items() if any(id_ in each for each in choices.values())
            }
            assert (await self.practice.listed(calendar_id=id_)).keys() == mine

    async def is_booked(self, start: int, before: Mapping[int, Choices]) -> None:
        """A booking takes as many of each requirement as that needs, of those that were free; what is listed
        then was listed before."""
        desk, plan = self.practice.desk, self.practice.plan
        appointment = await desk.booked(stamp(moment(start)), check="all", **self.practice.named)
        taken = Counter(each["requirement"] for each in appointment["calendars"])
        assert taken == {f"need {number}": need.count for number, need in enumerate(plan.needs)}
        for each in appointment["calendars"]:
            assert each["calendar_id"] in before[start][each["requirement"]]
        database: Database = desk.app.state.context.database
        await database.read(check_times, desk.org.id, plan.now)
        after = await self.practice.listed()
        assert after.keys() <= before.keys()
        for each, choices in after.items():
            assert all(set(ids) <= set(before[each][name]) for name, ids in choices.items())
        self.seen["booked"] += 1
        if self.chance.random() < 0.5:
            await desk.changed(appointment, status="cancelled")
            assert await self.practice.listed() == before


@pytest.mark.slow
@everyday_on_sqlite("extent", everyday=(6, 4), torture=(300, 25), fixture="own_url")
def test_what_is_listed_of_several_calendars_can_be_booked_and_nothing_else(
    own_url: str, extent: tuple[int, int]
) -> None:
    (examples, most), seen = extent, Counter[str]()
    with application(own_url) as (runner, app, clock):

        async def obey(plan: Plan, chance: random.Random) -> None:
            practice = await carried_out(app, clock, plan)
            sources = await read_elsewhere(practice, app.state.context.database, clock)
            await Law(practice, chance, most, seen).check()
            for path in sources:  # else the next example's worker would read them, too
                assert (await practice.desk.staff.delete(path)).status_code == 200

        @settings(max_examples=examples)
        @given(plan=plans(), chance=st.randoms(use_true_random=True))
        def agree(plan: Plan, chance: random.Random) -> None:
            runner.run(obey(plan, chance))

        agree()
    print(f"{examples} practices: {dict(seen)}")
    assert seen["booked"] > examples // 3
    assert seen.keys() >= TAKEN | {"pinned", "pinned in vain", "outside_hours"}
