"""Open hours agree with what is slow and obvious, however they are asked."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.hours import Hours, Schedule, hours
from kalends.core.intervals import Intervals, Span
from tests.core.slow import (
    DAY,
    EARLY_YEARS,
    FIRST,
    HOUR,
    LAST,
    MINUTE,
    SlowHours,
    a_clock,
    a_clock_of_whole_minutes,
    a_range,
    a_schedule,
    grid_at,
    offset_of,
)

pytestmark = pytest.mark.slow


@st.composite
def _hours_to_ask(draw: st.DrawFn) -> tuple[Schedule, int, int]:
    zone, near = a_clock_of_whole_minutes(draw)
    return a_schedule(draw, zone, near), *a_range(draw, near, longest=36 * HOUR)


@pytest.mark.parametrize("examples", [80, pytest.param(10_000, marks=pytest.mark.torture)])
def test_hours_agree_with_every_minute(examples: int) -> None:
    opened = 0

    @settings(max_examples=examples)
    @given(asked=_hours_to_ask())
    def agree(asked: tuple[Schedule, int, int]) -> None:
        nonlocal opened
        schedule, start, end = asked
        found, slow = hours(schedule, start, end), SlowHours(schedule)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        assert [each for each in minutes if each in found.open] == [
            each for each in minutes if slow.is_open(each)
        ]
        assert all((each in found.open) == slow.is_open(each) for each in (start, end - 1))
        edges = [edge for span in found.open for edge in span if start < edge < end]
        assert all(edge % MINUTE == 0 for edge in edges)

        begins = [begin for begin, _ in found.grid if start <= begin < end]
        assert begins == [each for each in minutes if slow.begins_at(each)]
        for each in minutes[:1]:
            assert grid_at(found, each) == slow.counted_from(each)
        assert all(one[1] <= two[0] for one, two in pairwise(found.grid))
        assert Intervals(found.grid) == found.open
        opened += bool(found.open & Intervals([(start, end)]))

    agree()
    assert opened > examples // 2


@st.composite
def _odd_hours_to_ask(draw: st.DrawFn) -> tuple[Schedule, int, int]:
    zone, near = a_clock(draw, EARLY_YEARS)
    first = draw(st.integers(-4 * HOUR, HOUR))
    if draw(st.booleans()):
        near, first = draw(st.sampled_from([(FIRST, 0), (FIRST, 2 * DAY), (LAST, -DAY), (LAST, -5 * HOUR)]))
    start = near + first
    return a_schedule(draw, zone, near), start, min(start + draw(st.integers(1, 6 * HOUR)), LAST)


@pytest.mark.parametrize("examples", [40, pytest.param(5_000, marks=pytest.mark.torture)])
def test_hours_agree_with_the_seconds_around_every_minute_of_the_wall(examples: int) -> None:
    """Offsets were odd once, and minutes on the wall began at any second; and time has two ends."""

    @settings(max_examples=examples)
    @given(asked=_odd_hours_to_ask())
    def agree(asked: tuple[Schedule, int, int]) -> None:
        schedule, start, end = asked
        found, slow = hours(schedule, start, end), SlowHours(schedule)
        phases = {offset_of(schedule.zone, each) % MINUTE for each in (start, end)}
        near = {
            minute - phase + by
            for phase in phases
            for minute in range(start // MINUTE * MINUTE, end + 2 * MINUTE, MINUTE)
            for by in (-1, 0, 1)
        }
        asked_for = sorted({start, end - 1, *(each for each in near if start <= each < end)})
        assert [each for each in asked_for if each in found.open] == [
            each for each in asked_for if slow.is_open(each)
        ]
        # There is nothing before the year 1 from which to count.
        assert [begin for begin, _ in found.grid if max(start, FIRST + 1) <= begin < end] == [
            each for each in asked_for if slow.begins_at(each) and each > FIRST
        ]

    agree()


def _within(found: Hours, start: int, end: int) -> list[tuple[int, int, int]]:
    """The grid between two instants, with where each of its spans truly begins."""
    return [
        (begin, max(begin, start), min(finish, end))
        for begin, finish in found.grid
        if begin < end and finish > start
    ]


@settings(max_examples=150)
@given(asked=_hours_to_ask(), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_answers_do_not_depend_on_how_a_range_is_split(
    asked: tuple[Schedule, int, int], cuts: list[float]
) -> None:
    schedule, start, end = asked
    edges = sorted({start, end, *(start + int((end - start) * cut) for cut in cuts)})
    joined: list[tuple[int, int, int]] = []
    opened: list[Span] = []
    for low, high in pairwise(edges):
        part = hours(schedule, low, high)
        opened += part.open & Intervals([(low, high)])
        for begin, since, until in _within(part, low, high):
            if joined and joined[-1][0] == begin and joined[-1][2] == since:
                joined[-1] = (begin, joined[-1][1], until)
            else:
                joined.append((begin, since, until))
    whole = hours(schedule, start, end)
    assert joined == _within(whole, start, end)
    assert Intervals(opened) == whole.open & Intervals([(start, end)])
