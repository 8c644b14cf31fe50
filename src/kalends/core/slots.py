"""What can be booked, and the reasons against the rest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from kalends.core.hours import hours
from kalends.core.intervals import Intervals, Span
from kalends.core.rules import Calendar, Reason, Rule, Step, Terms, grid, of_calendar, of_type, on_grid


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which calendars could take a start, and if there are none, every reason why not."""

    free: Sequence[str]
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class Offer:
    """A type's time for sale: its terms, the calendars in question, the starts of the type's active
    appointments (as far as caps need them), and the present, in seconds since 1970."""

    terms: Terms
    calendars: Sequence[Calendar]
    booked: Sequence[int]
    now: int

    def starts(self, start: int, end: int, most: int) -> Sequence[int]:
        """Return the first bookable starts in `[start, end)`, in order, `most` of them at most."""
        offered, free = self._free(start, end)
        return list(islice(steps(offered, _any_of(free)), most))

    def search(self, start: int, end: int, most: int | None = None) -> Mapping[int, Sequence[str]]:
        """Return the bookable starts in `[start, end)`, in order, with the calendars that could take each. If
        there are more than `most`, it returns the first ones."""
        offered, free = self._free(start, end)
        found: dict[int, list[str]] = {each: [] for each in islice(steps(offered, _any_of(free)), most)}
        asked = Intervals([(start, next(reversed(found), start) + 1)])
        for calendar, allowed in zip(self.calendars, free, strict=True):
            for each in steps(offered, allowed & asked):
                found[each].append(calendar.id)
        return found

    def tally(self, spans: Sequence[Span]) -> Sequence[tuple[int, int | None]]:
        """Return how many starts can be booked in each of some spans, of which each begins where the one
        before ends, and the first of them. They are not gone through one by one."""
        offered, free = self._free(spans[0][0], spans[-1][1])
        return tallied(runs(offered, _any_of(free)), spans)

    def _free(self, start: int, end: int) -> tuple[Sequence[Step], Sequence[Intervals]]:
        """Return the grid of offered starts, and when each calendar could take one in `[start, end)`."""
        open_ = hours(self.terms.schedule, start, end + self.terms.longest)
        rules = of_type(self.terms, open_, self.booked, self.now, start, end)
        allowed = _all_of(Intervals([(start, end)]), rules)
        free = [_all_of(allowed, of_calendar(self.terms, each, start, end)) for each in self.calendars]
        return list(grid(self.terms, open_)), free

    def verdict(self, start: int) -> Verdict:
        """Return whether a start can be booked, judged by every rule."""
        open_ = hours(self.terms.schedule, start, start + self.terms.length(start))
        of_the_type = of_type(self.terms, open_, self.booked, self.now, start, start + 1)
        reasons = [rule.against(start) for rule in of_the_type if start not in rule.allows]
        if (odd := on_grid(self.terms, open_, start)) is not None:
            reasons.append(odd)
        against = {
            calendar.id: [
                rule.against(start)
                for rule in of_calendar(self.terms, calendar, start, start + 1)
                if start not in rule.allows
            ]
            for calendar in self.calendars
        }
        free = [id_ for id_, found in against.items() if not found]
        if not free:
            reasons += [reason for found in against.values() for reason in found]
        if not self.calendars:
            reasons.append(Reason("calendar_not_serving", "No calendar serves this type."))
        return Verdict([] if reasons else free, reasons)


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


def _any_of(free: Sequence[Intervals]) -> Intervals:
    return free[0] if len(free) == 1 else Intervals(span for each in free for span in each)


def _all_of(allowed: Intervals, rules: Sequence[Rule]) -> Intervals:
    for rule in rules:
        allowed &= rule.allows
    return allowed
