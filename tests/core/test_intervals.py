from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.intervals import ENDLESS, EVER, NEVER, Intervals, Span

LOW, HIGH = -40, 60
"""All that is drawn lies well within, so what a set says of these seconds is all it says."""

_spans = st.lists(
    # Some are empty, and some run backwards.
    st.tuples(st.integers(-15, 35), st.integers(-1, 6)).map(lambda drawn: (drawn[0], sum(drawn))),
    max_size=10,
)


def _plain(spans: Iterable[Span]) -> set[int]:
    """The same set, second by second."""
    return {second for start, end in spans for second in range(max(start, LOW), min(end, HIGH))}


def _is(found: Intervals, expected: set[int]) -> bool:
    """Whether `found` has these seconds, in spans as few and as long as can be."""
    spans = list(found)
    apart = all(first[1] < second[0] for first, second in pairwise(spans))
    return apart and all(start < end for start, end in spans) and _plain(spans) == expected


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        ([], []),
        ([(1, 3)], [(1, 3)]),
        ([(3, 3)], []),
        ([(3, 1)], []),
        ([(5, 8), (1, 3)], [(1, 3), (5, 8)]),
        ([(1, 3), (3, 5)], [(1, 5)]),
        ([(1, 3), (4, 5)], [(1, 3), (4, 5)]),
        ([(1, 4), (2, 6)], [(1, 6)]),
        ([(1, 9), (2, 3), (4, 5)], [(1, 9)]),
        ([(1, 9), (2, 3), (8, 12)], [(1, 12)]),
        ([(1, 2), (1, 5), (1, 3)], [(1, 5)]),
        ([(1, 3), (2, 2), (4, 1), (3, 4)], [(1, 4)]),
    ],
)
def test_spans_are_sorted_and_merged(spans: list[Span], kept: list[Span]) -> None:
    assert list(Intervals(spans)) == kept
    assert list(Intervals(reversed(spans))) == kept


@pytest.mark.parametrize(
    ("second", "inside"),
    [(0, False), (1, True), (2, True), (3, False), (4, False), (5, True), (8, True), (9, False)],
)
def test_a_span_has_its_start_and_not_its_end(second: int, inside: bool) -> None:
    assert (second in Intervals([(1, 3), (5, 9)])) is inside


@pytest.mark.parametrize(
    ("one", "two", "both", "only_one"),
    [
        ([(1, 5)], [], [], [(1, 5)]),
        ([(1, 5)], [(5, 9)], [], [(1, 5)]),
        ([(1, 5)], [(4, 9)], [(4, 5)], [(1, 4)]),
        ([(1, 9)], [(3, 5)], [(3, 5)], [(1, 3), (5, 9)]),
        ([(1, 9)], [(1, 9)], [(1, 9)], []),
        ([(1, 9)], [(0, 2), (4, 5), (8, 12)], [(1, 2), (4, 5), (8, 9)], [(2, 4), (5, 8)]),
        ([(1, 3), (5, 7)], [(0, 9)], [(1, 3), (5, 7)], []),
        ([(1, 3), (5, 7)], [(2, 6)], [(2, 3), (5, 6)], [(1, 2), (6, 7)]),
    ],
)
def test_and_minus(one: list[Span], two: list[Span], both: list[Span], only_one: list[Span]) -> None:
    assert list(Intervals(one) & Intervals(two)) == both
    assert list(Intervals(two) & Intervals(one)) == both
    assert list(Intervals(one) - Intervals(two)) == only_one


@pytest.mark.parametrize(
    ("spans", "rest"),
    [
        ([], [(-ENDLESS, ENDLESS)]),
        ([(-ENDLESS, ENDLESS)], []),
        ([(1, 3)], [(-ENDLESS, 1), (3, ENDLESS)]),
        ([(1, 3), (5, 7)], [(-ENDLESS, 1), (3, 5), (7, ENDLESS)]),
        ([(-ENDLESS, 3)], [(3, ENDLESS)]),
        ([(3, ENDLESS)], [(-ENDLESS, 3)]),
    ],
)
def test_invert(spans: list[Span], rest: list[Span]) -> None:
    assert list(~Intervals(spans)) == rest


@pytest.mark.parametrize(
    ("length", "starts"),
    [
        (1, [(0, 10), (20, 25), (30, 31)]),
        (2, [(0, 9), (20, 24)]),
        (5, [(0, 6), (20, 21)]),
        (6, [(0, 5)]),
        (10, [(0, 1)]),
        (11, []),
    ],
)
def test_starts_leave_room_for_the_whole_length(length: int, starts: list[Span]) -> None:
    assert list(Intervals([(0, 10), (20, 25), (30, 31)]).starts(length)) == starts


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        (0, 0, [(0, 10), (20, 25)]),
        (3, 0, [(-3, 10), (17, 25)]),
        (0, 3, [(0, 13), (20, 28)]),
        (4, 5, [(-4, 15), (16, 30)]),
        (5, 5, [(-5, 30)]),
        (10, 0, [(-10, 25)]),
        (7, 6, [(-7, 31)]),
    ],
)
def test_grown_spans_may_meet(before: int, after: int, grown: list[Span]) -> None:
    assert list(Intervals([(0, 10), (20, 25)]).grown(before=before, after=after)) == grown


def test_all_time_and_none() -> None:
    assert EVER
    assert not NEVER
    assert ~EVER == NEVER
    assert ~NEVER == EVER
    assert all(second in EVER and second not in NEVER for second in (-ENDLESS, -1, 0, ENDLESS - 1))
    assert ENDLESS not in EVER
    assert -ENDLESS - 1 not in EVER


def test_equal_sets_are_one_key_and_print_as_they_are_made() -> None:
    one, same, other = Intervals([(1, 3), (3, 5)]), Intervals([(1, 5)]), Intervals([(1, 4)])
    assert one == same != other
    assert len({one, same, other}) == 2
    assert one != [(1, 5)]
    assert repr(one) == "Intervals([(1, 5)])"


def test_the_spans_it_was_made_of_are_not_kept() -> None:
    spans = [(5, 8), (1, 3)]
    made = Intervals(spans)
    spans.clear()
    assert list(made) == list(made) == [(1, 3), (5, 8)]


@given(spans=_spans)
def test_it_is_the_set_of_its_seconds(spans: list[Span]) -> None:
    made, plain = Intervals(spans), _plain(spans)
    assert _is(made, plain)
    assert {second for second in range(LOW, HIGH) if second in made} == plain
    assert bool(made) == bool(plain)
    assert -ENDLESS not in made
    assert ENDLESS - 1 not in made


@pytest.mark.slow
@settings(max_examples=300)
@given(one=_spans, two=_spans)
def test_operations_are_those_of_sets(one: list[Span], two: list[Span]) -> None:
    first, second = Intervals(one), Intervals(two)
    plain_1, plain_2 = _plain(one), _plain(two)
    assert _is(first & second, plain_1 & plain_2)
    assert _is(first - second, plain_1 - plain_2)
    assert _is(~first, set(range(LOW, HIGH)) - plain_1)
    assert (first == second) == (plain_1 == plain_2)
    assert ~~first == first
    # The two are as they were.
    assert _is(first, plain_1)
    assert _is(second, plain_2)


@settings(max_examples=300)
@given(spans=_spans, length=st.one_of(st.integers(1, 4), st.integers(1, 30)))
def test_starts_are_where_every_second_that_follows_is_inside(spans: list[Span], length: int) -> None:
    plain = _plain(spans)
    expected = {at for at in plain if all(at + more in plain for more in range(length))}
    assert _is(Intervals(spans).starts(length), expected)


@settings(max_examples=300)
@given(spans=_spans, before=st.integers(0, 12), after=st.integers(0, 12))
def test_grown_reaches_as_far_as_its_seconds_do(spans: list[Span], before: int, after: int) -> None:
    expected = {at + by for at in _plain(spans) for by in range(-before, after + 1)}
    assert _is(Intervals(spans).grown(before=before, after=after), expected)
