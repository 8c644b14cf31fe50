"""What is free does not depend on where the server stands, on how a range is asked for, or on whose clock the
times are told by."""

import json
import random
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core import hours as hours_module
from kalends.core.hours import moment, seconds, stamp, zone_names
from tests.api.practices import Plan, PlannedDesk, application, carried_out, plans
from tests.core.slow import DAY, at
from tests.support.databases import everyday_on_sqlite
from tests.support.desk import Desk

pytestmark = pytest.mark.slow

MACHINES = {"UTC": 0, "Pacific/Kiritimati": 50_400, "America/St_Johns": -12_600}
"""Zones of servers, and their offsets in January 2024, in seconds."""

Slot = dict[str, Any]

zones = st.sampled_from(sorted(zone_names()))
chances = st.randoms(use_true_random=True)


@contextmanager
def _machine_in(zone: str) -> Iterator[None]:
    """The process as on a machine in that zone, which remembers nothing that it worked out elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        assert time.localtime(at("2024-01-15T12:00Z")).tm_gmtoff == MACHINES[zone]
        hours_module._pieces_of_year.cache_clear()
        ZoneInfo.clear_cache()
        yield
    time.tzset()


def _dates(plan: Plan, *, days: int) -> list[str]:
    """So many days on the wall, in the middle of which the plan's range begins."""
    middle = plan.start.astimezone(ZoneInfo(plan.zone)).date()
    return [(middle + timedelta(days=by)).isoformat() for by in range(-(days // 2), days - days // 2)]


async def _everything(practice: PlannedDesk, reader: str) -> list[Any]:
    """All kinds of answers about a practice: with dates, with naive times, and in a reader's zone."""
    plan, desk = practice.plan, practice.desk
    first, *_, last = _dates(plan, days=8)
    asked = [stamp(plan.now), stamp(plan.start), *(each.start for each in plan.bookings)]
    searches = [
        await desk.search(stamp(plan.start), stamp(plan.end), timezone=reader),
        await desk.search(first, last),
        await desk.search(f"{first}T12:00:00", f"{last}T12:00:00"),
    ]
    return [*(each.json() for each in searches), *[await desk.explain(each) for each in asked]]


def _numbered(answers: list[Any]) -> list[Any]:
    """Ids by the order in which they appear, so that two practices of one plan can be compared."""
    text = json.dumps(answers)
    for number, id_ in enumerate(dict.fromkeys(re.findall(r"(?:apt|cal)_[0-9a-z]{26}", text))):
        text = text.replace(id_, f"id {number}")
    numbered: list[Any] = json.loads(text)
    return numbered


@everyday_on_sqlite("examples", everyday=6, torture=200)
def test_answers_do_not_depend_on_the_zone_of_the_server(url: str, examples: int) -> None:
    offered = 0
    with application(url) as (runner, app, clock):

        async def answers(plan: Plan, reader: str) -> list[Any]:
            practice = await carried_out(app, clock, plan)
            return _numbered(await _everything(practice, reader))

        @settings(max_examples=examples)
        @given(plan=plans(), reader=zones)
        def agree(plan: Plan, reader: str) -> None:
            nonlocal offered
            told = []
            for machine in MACHINES:
                with _machine_in(machine):
                    told.append(runner.run(answers(plan, reader)))
            assert told[0] == told[1] == told[2]
            offered += bool(told[0][0]["slots"])

        agree()
    assert offered > examples // 5


@everyday_on_sqlite("extent", everyday=(15, 30 * DAY), torture=(400, 90 * DAY))
def test_answers_do_not_depend_on_how_a_range_is_split(url: str, extent: tuple[int, int]) -> None:
    examples, longest = extent
    offered = 0
    with application(url) as (runner, app, clock):

        async def compare(plan: Plan, chance: random.Random) -> None:
            nonlocal offered
            practice = await carried_out(app, clock, plan)
            start, end = seconds(plan.start), seconds(plan.end)
            whole = await practice.desk.slots(stamp(plan.start), stamp(plan.end))
            listed = [at(slot["start_time"]) for slot in whole]
            near = [each + by for each in chance.sample(listed, min(2, len(listed))) for by in (0, 1)]
            cuts = sorted({start, *near, *(chance.randrange(start, end) for _ in range(3)), end})
            parts = await _in_parts(practice.desk, pairwise(stamp(moment(each)) for each in cuts))
            assert [slot for part in parts for slot in part] == whole
            offered += len([part for part in parts if part]) > 1

            days = _dates(plan, days=6)
            parts = await _in_parts(practice.desk, ((day, day) for day in days))
            assert [slot for part in parts for slot in part] == await practice.desk.slots(days[0], days[-1])

        @settings(max_examples=examples)
        @given(plan=plans(longest=longest), chance=chances)
        def agree(plan: Plan, chance: random.Random) -> None:
            runner.run(compare(plan, chance))

        agree()
    assert offered > examples // 5


async def _in_parts(desk: Desk, ranges: Iterable[tuple[str, str]]) -> list[list[Slot]]:
    return [await desk.slots(first, last) for first, last in ranges]


@everyday_on_sqlite("examples", everyday=15, torture=400)
def test_answers_do_not_depend_on_who_reads_them(url: str, examples: int) -> None:
    """A zone adds the same times on its clocks and changes nothing; clients see what staff see, but for the
    calendars."""
    offered = 0
    with application(url) as (runner, app, clock):

        async def compare(plan: Plan, reader: str) -> None:
            nonlocal offered
            practice = await carried_out(app, clock, plan)
            bounds = stamp(plan.start), stamp(plan.end)
            plain = (await practice.desk.search(*bounds)).json()
            localized = (await practice.desk.search(*bounds, timezone=reader)).json()
            assert (plain["timezone"], localized["timezone"]) == (plan.zone, reader)
            assert localized["slots"] == [slot | _local(slot, reader) for slot in plain["slots"]]
            offered += bool(plain["slots"])

            asked = {"appointment_type_id": practice.desk.org.type_id, "from": bounds[0], "to": bounds[1]}
            for zone, answer in (({}, plain), ({"timezone": reader}, localized)):
                told = await practice.desk.client.get(f"{practice.desk.path}/slots", params=asked | zone)
                assert told.json() == {
                    "slots": [_without_calendars(slot) for slot in answer["slots"]],
                    "timezone": answer["timezone"],
                }

        @settings(max_examples=examples)
        @given(plan=plans(), reader=zones)
        def agree(plan: Plan, reader: str) -> None:
            runner.run(compare(plan, reader))

        agree()
    assert offered > examples // 5


def _local(slot: Slot, zone: str) -> Slot:
    return {
        f"local_{name}": datetime.fromisoformat(slot[name]).astimezone(ZoneInfo(zone)).isoformat()
        for name in ("start_time", "end_time")
    }


def _without_calendars(slot: Slot) -> Slot:
    return {name: value for name, value in slot.items() if name not in ("calendar_ids", "choices")}
