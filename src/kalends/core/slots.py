"""What can be booked, and what stands against the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kalends.core.hours import hours
from kalends.core.intervals import Intervals
from kalends.core.rules import Calendar, Reason, Rule, Terms, grid, of_calendar, of_type, on_grid


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which calendars could take a start, and where there are none, every reason why not."""

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

    def search(self, start: int, end: int) -> Mapping[int, Sequence[str]]:
        """Every bookable start in `[start, end)`, in order, with the calendars that could take it."""
        open_ = hours(self.terms.schedule, start, end + self.terms.longest)
        rules = of_type(self.terms, open_, self.booked, self.now, start, end)
        allowed = _all_of(Intervals([(start, end)]), rules)
        offered = list(grid(self.terms, open_))
        found: dict[int, list[str]] = {}
        for calendar in self.calendars if allowed else ():
            free = _all_of(allowed, of_calendar(self.terms, calendar, start, end))
            for each in steps(offered, free):
                if each in found:
                    found[each].append(calendar.id)
                else:
                    found[each] = [calendar.id]
        return found if len(self.calendars) < 2 else dict(sorted(found.items()))

    def verdict(self, start: int) -> Verdict:
        """Whether a start can be booked, judged by every rule."""
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


def steps(grid: Iterable[tuple[int, int, int]], allowed: Intervals) -> list[int]:
    """The allowed points of a grid of spans, each with its step, that starts anew with every span; in one
    sweep."""
    found: list[int] = []
    spans = iter(allowed)
    low, high = next(spans, (0, 0))
    for begin, end, interval in grid:
        while low < high and low < end:
            if high > begin:
                first = begin if low <= begin else low + (begin - low) % interval
                found.extend(range(first, min(high, end), interval))
            if high > end:
                break
            low, high = next(spans, (0, 0))
    return found


def _all_of(allowed: Intervals, rules: Sequence[Rule]) -> Intervals:
    for rule in rules:
        allowed &= rule.allows
    return allowed
