"""Lanes: what overlaps in one column lies side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from kalends.core.intervals import Span


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a span lies: in the lane `number`, counted from 0, `of` so many that its group has. A group is
    what hangs together by overlaps."""

    number: int
    of: int


def lanes(spans: Sequence[Span]) -> list[Lane]:
    """Return the lane of each span, in the order of the spans. No two spans that overlap share a lane, and a
    group has no more lanes than spans that overlap at once. Of spans that begin together, the longer one
    comes first, and of equals the one that was named first, so the same spans always lie alike.

    Spans are half-open and not empty.
    """
    found: list[Lane] = [Lane(0, 1)] * len(spans)
    group: list[tuple[int, int]] = []
    ends: list[int] = []
    order = sorted(range(len(spans)), key=lambda each: (spans[each][0], -spans[each][1], each))
    for each in order:
        start, end = spans[each]
        if ends and start >= max(ends):
            _close(found, group, len(ends))
            group, ends = [], []
        number = next((lane for lane, until in enumerate(ends) if until <= start), len(ends))
        if number == len(ends):
            ends.append(end)
        else:
            ends[number] = end
        group.append((each, number))
    _close(found, group, len(ends))
    return found


def _close(found: list[Lane], group: Sequence[tuple[int, int]], of: int) -> None:
    for each, number in group:
        found[each] = Lane(number, of)
