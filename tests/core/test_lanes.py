"""Lanes against a second implementation, which is slow and obvious."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from kalends.core.intervals import Span
from kalends.core.lanes import Lane, lanes

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda each: (each[0], each[0] + each[1])),
    max_size=14,
)


def overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def groups(spans: list[Span]) -> list[set[int]]:
    """The spans that hang together by overlaps, found by merging until nothing changes."""
    found = [{each} for each in range(len(spans))]
    while True:
        pair = next(
            (
                (one, other)
                for one, other in combinations(found, 2)
                if any(overlap(spans[a], spans[b]) for a in one for b in other)
            ),
            None,
        )
        if pair is None:
            return found
        found = [each for each in found if each not in pair] + [pair[0] | pair[1]]


def most_at_once(spans: list[Span]) -> int:
    """How many spans have the same second, looked up second by second."""
    return max(
        (sum(start <= at < end for start, end in spans) for at in range(60)),
        default=0,
    )


@given(SPANS)
def test_what_overlaps_lies_side_by_side(spans: list[Span]) -> None:
    found = lanes(spans)
    assert len(found) == len(spans)
    for one, other in combinations(range(len(spans)), 2):
        if overlap(spans[one], spans[other]):
            assert found[one].number != found[other].number


@given(SPANS)
def test_a_group_has_as_few_lanes_as_can_be(spans: list[Span]) -> None:
    found = lanes(spans)
    for group in groups(spans):
        least = most_at_once([spans[each] for each in group])
        assert {found[each].of for each in group} == {least}
        assert {found[each].number for each in group} == set(range(least))


@given(SPANS, st.randoms(use_true_random=False))
def test_the_same_spans_lie_alike_in_any_order(spans: list[Span], random: object) -> None:
    order = list(range(len(spans)))
    random.shuffle(order)  # type: ignore[attr-defined]  # it is a random.Random
    before = sorted(zip(spans, lanes(spans), strict=True), key=str)
    mixed = [spans[each] for each in order]
    assert sorted(zip(mixed, lanes(mixed), strict=True), key=str) == before


def test_examples() -> None:
    assert lanes([]) == []
    assert lanes([(9, 10), (10, 11)]) == [Lane(0, 1), Lane(0, 1)]  # what touches does not overlap
    assert lanes([(9, 10), (9, 11)]) == [Lane(1, 2), Lane(0, 2)]
    # The third one fits beneath the first, though it hangs together with the second.
    assert lanes([(9, 10), (9, 12), (11, 13), (13, 14)]) == [Lane(1, 2), Lane(0, 2), Lane(1, 2), Lane(0, 1)]
