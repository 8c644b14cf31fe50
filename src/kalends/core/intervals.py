"""Sets of time: sorted, disjoint, half-open spans `[start, end)` of whole seconds.

The seconds are counted from 1970-01-01T00:00:00Z if a set holds instants, and from 1970-01-01T00:00:00 on the
wall clock if it holds wall-clock times (see `core.hours`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

Span = tuple[int, int]

ENDLESS = 1 << 40
"""Later than the year 9999, and its negative earlier than the year 1."""


class Intervals:
    """An immutable set of seconds, kept as spans. Empty spans vanish; overlapping and touching ones merge."""

    __slots__ = ("_spans",)

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = _merged(sorted(spans))

    @classmethod
    def _of(cls, spans: list[Span]) -> Self:
        """Make a set of spans that are sorted and disjoint already."""
        intervals = cls.__new__(cls)
        intervals._spans = spans
        return intervals

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self._spans == other._spans

    def __hash__(self) -> int:
        return hash(tuple(self._spans))

    def __repr__(self) -> str:
        return f"Intervals({self._spans})"

    def __contains__(self, second: int) -> bool:
        return self.meets((second, second + 1))

    def __and__(self, other: "Intervals") -> "Intervals":
        """Return what is in both, by one sweep over the two."""
        found: list[Span] = []
        mine, theirs = self._spans, other._spans
        i = j = 0
        while i < len(mine) and j < len(theirs):
            (start, end), (start_2, end_2) = mine[i], theirs[j]
            low = max(start_2, start)
            if end < end_2:
                high = end
                i += 1
            else:
                high = end_2
                j += 1
            if low < high:
                found.append((low, high))
        return Intervals._of(found)

    def __or__(self, other: "Intervals") -> "Intervals":
        """Return what is in either."""
        return Intervals([*self._spans, *other._spans])

    def __sub__(self, other: "Intervals") -> "Intervals":
        """Return what is in this one only."""
        return self & ~other

    def __invert__(self) -> "Intervals":
        """Return everything else, between the two ends of time."""
        gaps: list[Span] = []
        at = -ENDLESS
        for start, end in self._spans:
            if at < start:
                gaps.append((at, start))
            at = end
        if at < ENDLESS:
            gaps.append((at, ENDLESS))
        return Intervals._of(gaps)

    def meets(self, span: Span) -> bool:
        """Return whether any second of a span is in this set."""
        start, end = span
        place = bisect_left(self._spans, (end, -ENDLESS))
        return place > 0 and start < self._spans[place - 1][1]

    def starts(self, length: int) -> "Intervals":
        """Return the seconds from which `length` more stay within one span of this set, its end included."""
        return Intervals._of(
            [(start, end - length + 1) for start, end in self._spans if end - start >= length]
        )

    def moved(self, by: int) -> "Intervals":
        """Return the set so many seconds later."""
        return Intervals._of([(start + by, end + by) for start, end in self._spans])

    def grown(self, *, before: int, after: int) -> "Intervals":
        """Return the set with every span made longer at its ends, by so many seconds."""
        return Intervals._of(_merged([(start - before, end + after) for start, end in self._spans]))


def in_so_many(count: int, sets: Sequence[Intervals]) -> Intervals:
    """Return what is in `count` of some sets or in more, by one sweep over all of them."""
    if count == 1:
        return sets[0] if len(sets) == 1 else Intervals(span for each in sets for span in each)
    # Where one span ends and another begins, the beginning comes first, so that what touches is one span.
    edges = sorted(
        (at, leaves) for each in sets for span in each for at, leaves in zip(span, (False, True), strict=True)
    )
    found: list[Span] = []
    within = since = 0
    for at, leaves in edges:
        if leaves and within == count:
            found.append((since, at))
        within += -1 if leaves else 1
        if not leaves and within == count:
            since = at
    return Intervals(found)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans, which are sorted by start, with overlapping and touching ones merged."""
    merged: list[Span] = []
    for start, end in spans:
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


EVER = Intervals([(-ENDLESS, ENDLESS)])
NEVER = Intervals()
