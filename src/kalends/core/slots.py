"""What can be booked, and the reasons against the rest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice
from operator import and_

from kalends.core.hours import hours
from kalends.core.intervals import Intervals, Span
from kalends.core.requirements import Requirement
from kalends.core.rules import Reason, Rule, Step, Terms, grid, of_type, on_grid, representable


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which calendars of each requirement could take a start, or if it can't be booked, every reason why
    not."""

    free: Sequence[Sequence[str]]
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class Offer:
    """A type's time for sale: its terms, what it needs at once, the starts of the type's active appointments
    (as far as caps need them), and the present, in seconds since 1970."""

    terms: Terms
    requirements: Sequence[Requirement]
    booked: Sequence[int]
    now: int

    def starts(self, start: int, end: int, most: int) -> Sequence[int]:
        """Return the first bookable starts in `[start, end)`, in order, `most` of them at most."""
        offered, free = self._free(start, end)
        return list(islice(steps(offered, self._met(free)), most))

    def search(self, start: int, end: int, most: int | None = None) -> Mapping[int, Sequence[Sequence[str]]]:
        """Return the bookable starts in `[start, end)`, in order, with the calendars of each requirement that
        could take each. If there are more than `most`, it returns the first ones."""
        offered, free = self._free(start, end)
        starts = list(islice(steps(offered, self._met(free)), most))
        asked = Intervals([(start, starts[-1] + 1)] if starts else ())
        named = []
        for requirement, of_each in zip(self.requirements, free, strict=True):
            found: dict[int, list[str]] = {each: [] for each in starts}
            for calendar, allowed in zip(requirement.calendars, of_each, strict=True):
                for each in steps(offered, allowed & asked):
                    if each in found:  # otherwise something else is lacking then
                        found[each].append(calendar.id)
            named.append(found.values())
        return dict(zip(starts, map(list, zip(*named, strict=True)), strict=True))

    def tally(self, spans: Sequence[Span]) -> Sequence[tuple[int, int | None]]:
        """Return how many starts can be booked in each of some spans, of which each begins where the one
        before ends, and the first of them. They are not gone through one by one."""
        offered, free = self._free(spans[0][0], spans[-1][1])
        return tallied(runs(offered, self._met(free)), spans)

    def verdict(self, start: int) -> Verdict:
        """Return whether a start can be booked, judged by every rule."""
        open_ = hours(self.terms.schedule, start, start + self.terms.length(start))
        of_the_type = of_type(self.terms, open_, self._within(), self.booked, self.now, start, start + 1)
        reasons = [rule.against(start) for rule in of_the_type if start not in rule.allows]
        if (odd := on_grid(self.terms, open_, start)) is not None:
            reasons.append(odd)
        free = []
        for requirement in self.requirements:
            ids, against = self._verdict_of(requirement, start)
            free.append(ids)
            reasons += against
        return Verdict([] if reasons else free, reasons)

    def _verdict_of(self, requirement: Requirement, start: int) -> tuple[Sequence[str], Sequence[Reason]]:
        """Return the calendars of a requirement that could take a start, and if they are not enough, what
        stands against the others."""
        against = {
            calendar.id: [
                rule.against(start)
                for rule in requirement.rules(self.terms, calendar, start, start + 1)
                if start not in rule.allows
            ]
            for calendar in requirement.calendars
        }
        free = [id_ for id_, found in against.items() if not found]
        if requirement.need.is_met(free, requirement.pinned):
            return free, ()
        reasons = [reason for found in against.values() for reason in found]
        if not against:
            reasons.append(Reason("calendar_not_serving", "No calendar serves this type."))
        return free, [requirement.need.naming(reason, len(self.requirements)) for reason in reasons]

    def _free(self, start: int, end: int) -> tuple[Sequence[Step], Sequence[Sequence[Intervals]]]:
        """Return the grid of offered starts, and when each calendar of each requirement could take one in
        `[start, end)`."""
        open_ = hours(self.terms.schedule, start, end + self.terms.longest)
        rules = of_type(self.terms, open_, self._within(), self.booked, self.now, start, end)
        allowed = _all_of(Intervals([(start, end)]), rules)
        free = [
            [_all_of(allowed, each.rules(self.terms, calendar, start, end)) for calendar in each.calendars]
            for each in self.requirements
        ]
        return list(grid(self.terms, open_)), free

    def _met(self, free: Sequence[Sequence[Intervals]]) -> Intervals:
        """Return the starts at which every requirement is met."""
        first, *others = map(Requirement.met, self.requirements, free)
        return reduce(and_, others, first)

    def _within(self) -> Intervals:
        """Return the starts from which all that an appointment takes lies within the years 1 to 9999."""
        needs = [each.need for each in self.requirements]
        own = (need.representable(self.terms) for need in needs if not need.is_whole)
        return reduce(and_, own, representable(self.terms))


def steps(grid: Iterable[Step], allowed: Intervals) -> Iterator[int]:
    """Return the allowed points of a grid, in one sweep."""
    return chain.from_iterable(runs(grid, allowed))


def runs(grid: Iterable[Step], allowed: Intervals) -> Iterator[range]:
    """Return the allowed points of a grid, in order, as runs of points that are the same step apart; some may
    be empty. The grid is made of spans, each with its step, and its points are counted from the start of each
    span."""
    spans = iter(allowed)
    low, high = next(spans, (0, 0))
    for begin, end, interval in grid:
        while low < high and low < end:
            if high > begin:
                first = begin if low <= begin else low + (begin - low) % interval
                yield range(first, min(high, end), interval)
            if high > end:
                break
            low, high = next(spans, (0, 0))


def tallied(runs: Iterable[range], spans: Iterable[Span]) -> Sequence[tuple[int, int | None]]:
    """Return how many points of some runs lie in each of some spans, and the first of them. The spans follow
    one another without a gap, and no point lies before them."""
    found: list[tuple[int, int | None]] = []
    rest = filter(None, runs)
    run = next(rest, range(0))
    for _, end in spans:
        count, first = 0, None
        while run and run.start < end:
            within = len(range(run.start, min(run.stop, end), run.step))
            first = run.start if first is None else first
            count += within
            run = run[within:] or next(rest, range(0))
        found.append((count, first))
    return found


def _all_of(allowed: Intervals, rules: Sequence[Rule]) -> Intervals:
    for rule in rules:
        allowed &= rule.allows
    return allowed
