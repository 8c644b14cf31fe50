"""What is offered, and the grid it lies on."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.intervals import Intervals, Span
from kalends.core.slots import steps, tallied
from tests.core.offers import FREE, an_offer, between, codes, found
from tests.core.slow import DAY, HOUR, MINUTE, at, daily


def test_starts_leave_room_for_the_appointment() -> None:
    offer = an_offer(duration=90 * MINUTE, interval=45 * MINUTE)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == (
        "03 09:00 09:45 10:30 11:15 12:00 12:45 13:30 14:15 15:00"
    )  # the last could have begun at 15:30, but not on the grid
    assert found(offer, "2024-06-03T09:45Z", "2024-06-03T11:15Z") == "03 09:45 10:30"
    assert found(offer, "2024-06-03T09:45:01Z", "2024-06-03T11:15:01Z") == "03 10:30 11:15"
    assert found(offer, "2024-06-03T09:45Z", "2024-06-03T09:45Z") == ""


def test_an_appointment_may_take_all_there_is() -> None:
    assert found(an_offer(duration=8 * HOUR), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 09:00"
    assert found(an_offer(duration=8 * HOUR + MINUTE), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == ""


def test_buffers_may_lie_outside_the_hours() -> None:
    offer = an_offer(buffer_before=DAY, buffer_after=DAY, interval=7 * HOUR)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 09:00 16:00"


def test_times_are_counted_from_the_start_of_every_run() -> None:
    night = daily("Europe/Berlin", "22:00-24:00", "00:00-01:00", "09:30-12:00")
    offer = an_offer(duration=25 * MINUTE, interval=50 * MINUTE, schedule=night)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == (
        "03 07:30 08:20 09:10 20:00 20:50 21:40 22:30"
    )


def test_times_are_counted_anew_after_a_whole_day() -> None:
    offer = an_offer(duration=7 * HOUR, interval=7 * HOUR, schedule=daily("UTC", "00:00-24:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-05T00:00Z") == (
        "03 00:00 07:00 14:00 21:00, 04 00:00 07:00 14:00 21:00"
    )
    # What begins on one grid may end on another, or on several.
    offer = an_offer(duration=3 * DAY, interval=16 * HOUR, schedule=daily("UTC", "00:00-24:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-05T00:00Z") == "03 00:00 16:00, 04 00:00 16:00"


@pytest.mark.parametrize(
    ("start", "end", "starts"),
    [
        # 02:00 to 03:00 is skipped: 01:00, 01:40, 03:20, 04:00, 04:40 on the wall.
        ("2024-03-30T23:00Z", "2024-03-31T22:00Z", "31 00:00 00:40 01:20 02:00 02:40"),
        # And repeated: 01:00, 01:40, 02:20, then 02:00, 02:40, 03:20, 04:00, 04:40.
        ("2024-10-26T22:00Z", "2024-10-27T23:00Z", "26 23:00 23:40, 27 00:20 01:00 01:40 02:20 03:00 03:40"),
    ],
)
def test_times_are_counted_in_real_minutes(start: str, end: str, starts: str) -> None:
    offer = an_offer(
        now="2024-01-01T00:00Z",
        duration=20 * MINUTE,
        interval=40 * MINUTE,
        schedule=daily("Europe/Berlin", "01:00-05:00"),
    )
    assert found(offer, start, end) == starts


def test_what_the_clocks_repeat_is_offered_twice() -> None:
    offer = an_offer(
        now="2024-01-01T00:00Z",
        duration=15 * MINUTE,
        interval=20 * MINUTE,
        schedule=daily("Europe/Berlin", "02:10-02:50"),
    )
    assert found(offer, "2024-10-26T22:00Z", "2024-10-27T23:00Z") == "27 00:10 00:30 01:10 01:30"
    assert found(offer, "2024-03-30T23:00Z", "2024-03-31T22:00Z") == ""


def test_every_calendar_that_could_take_a_start_is_named_in_the_order_given() -> None:
    morning, evening = (
        between("2024-06-03T09:00Z 2024-06-03T12:00Z"),
        between("2024-06-03T14:00Z 2024-06-03T17:00Z"),
    )
    offer = an_offer(replace(FREE, id="z", busy=morning), replace(FREE, id="b", busy=evening))
    times = offer.search(at("2024-06-03T11:00Z"), at("2024-06-03T15:00Z"))
    assert list(times.items()) == [
        (at("2024-06-03T11:00Z"), [["b"]]),
        (at("2024-06-03T12:00Z"), [["z", "b"]]),
        (at("2024-06-03T13:00Z"), [["z", "b"]]),
        (at("2024-06-03T14:00Z"), [["z"]]),
    ]


def test_a_calendar_that_can_t_does_not_stand_in_the_way_of_one_that_can() -> None:
    offer = an_offer(
        replace(FREE, id="resting", is_active=False),
        replace(FREE, id="other", serves=False),
        replace(FREE, id="closed", schedule=daily("UTC")),
        replace(FREE, id="busy", busy=between("2024-06-03T00:00Z 2024-06-04T00:00Z")),
        replace(FREE, id="free"),
    )
    found = offer.search(at("2024-06-03T00:00Z"), at("2024-06-04T00:00Z"))
    assert {id_ for [ids] in found.values() for id_ in ids} == {"free"}
    assert offer.verdict(at("2024-06-03T09:00Z")).free == [["free"]]
    assert offer.verdict(at("2024-06-03T09:00Z")).reasons == []


def test_a_calendar_s_hours_narrow_and_do_not_move_the_grid() -> None:
    calendar = replace(FREE, schedule=daily("UTC", "08:00-09:30", "10:00-12:00", "16:00-20:00"))
    offer = an_offer(calendar, duration=45 * MINUTE, interval=45 * MINUTE)
    # Offered from 09:00 on: 09:00 would end within neither, and 16:30 after the type's own hours.
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 10:30 11:15"
    assert codes(offer, "2024-06-03T09:00Z") == ["outside_hours"]
    assert codes(offer, "2024-06-03T10:00Z") == ["off_grid"]
    assert codes(offer, "2024-06-03T16:30Z") == ["outside_hours"]


def test_a_calendar_s_hours_are_in_its_own_zone() -> None:
    calendar = replace(FREE, schedule=daily("America/New_York", "09:00-12:00"))
    assert found(an_offer(calendar), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 13:00 14:00 15:00"
    # Touching hours over a restart of its own grid are no border.
    around = replace(FREE, schedule=daily("America/New_York", "00:00-24:00"))
    offer = an_offer(around, duration=2 * HOUR, schedule=daily("UTC", "03:00-06:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 03:00 04:00"


# The grid.


@pytest.mark.parametrize(
    ("grid", "interval", "allowed", "points"),
    [
        ([], 5, [(0, 100)], []),
        ([(0, 20)], 5, [], []),
        ([(0, 20)], 5, [(0, 20)], [0, 5, 10, 15]),
        ([(0, 20)], 5, [(-100, 100)], [0, 5, 10, 15]),
        ([(0, 20)], 5, [(1, 11)], [5, 10]),
        ([(0, 20)], 5, [(0, 1), (4, 5), (5, 6), (11, 15)], [0, 5]),
        ([(0, 12), (12, 20)], 5, [(0, 100)], [0, 5, 10, 12, 17]),
        ([(0, 12), (12, 20)], 5, [(3, 15)], [5, 10, 12]),
        ([(0, 12), (13, 20)], 50, [(0, 12), (13, 14), (15, 30)], [0, 13]),
    ],
)
def test_steps(grid: list[Span], interval: int, allowed: list[Span], points: list[int]) -> None:
    assert list(steps([(*span, interval) for span in grid], Intervals(allowed))) == points


@pytest.mark.parametrize(
    ("points", "edges", "told"),
    [
        ([], [0, 10], [(0, None)]),
        ([range(0)], [0, 10, 20], [(0, None), (0, None)]),
        ([range(0, 10, 5)], [0, 10], [(2, 0)]),
        ([range(0, 30, 5)], [0, 6, 10, 10, 11, 40], [(2, 0), (0, None), (0, None), (1, 10), (3, 15)]),
        ([range(2, 4), range(5, 5), range(9, 30, 7)], [0, 3, 20, 50], [(1, 2), (3, 3), (1, 23)]),
    ],
)
def test_points_are_counted_by_span(
    points: list[range], edges: list[int], told: list[tuple[int, int | None]]
) -> None:
    assert tallied(points, pairwise(edges)) == told


_lengths = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 15)), max_size=6)


def _one_after_the_other(lengths: list[tuple[int, int]], start: int) -> list[Span]:
    spans = []
    for gap, length in lengths:
        spans.append((start + gap, start + gap + length))
        start += gap + length
    return spans


@given(grid=_lengths, allowed=_lengths, interval=st.integers(1, 9), start=st.integers(-20, 20))
def test_steps_agree_with_every_point(
    grid: list[tuple[int, int]], allowed: list[tuple[int, int]], interval: int, start: int
) -> None:
    spans = _one_after_the_other(grid, 0)
    wanted = Intervals(_one_after_the_other(allowed, start))
    assert list(steps([(*span, interval) for span in spans], wanted)) == [
        point for begin, end in spans for point in range(begin, end, interval) if point in wanted
    ]
