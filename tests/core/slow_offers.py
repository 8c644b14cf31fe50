"""What stands against a start once more, slow and obvious."""

from collections import Counter
from collections.abc import Hashable
from datetime import timedelta

from kalends.core.requirements import Requirement
from kalends.core.rules import Calendar, Period
from kalends.core.slots import Offer
from tests.core.offers import PERIODS
from tests.core.slow import DAY, HOUR, MINUTE, SlowHours, day_of, is_whole_day, lasting


class SlowOffer:
    """What stands against one start, asked of every minute and every booking there is."""

    def __init__(self, offer: Offer) -> None:
        self.offer, self.terms = offer, offer.terms
        self.zone = self.terms.schedule.zone
        self.hours = SlowHours(self.terms.schedule)
        self.own = {
            each.id: SlowHours(each.schedule)
            for requirement in offer.requirements
            for each in requirement.calendars
            if each.schedule
        }
        self._lengths: dict[int, int] = {}
        self.booked = {
            period: Counter(self.period_of(period, each) for each in offer.booked) for period in PERIODS
        }

    def period_of(self, period: Period, second: int) -> Hashable:
        day = day_of(self.zone, second)
        if period == "day":
            return day
        if period == "month":
            return day.year, day.month
        first = self.terms.week_start or 7  # as ISO counts: Sunday is the seventh day
        while day.isoweekday() != first:
            day -= timedelta(days=1)
        return day

    def against(self, start: int) -> list[str]:
        """The codes of what the type has against a start."""
        terms, codes = self.terms, []
        if not terms.is_active:
            codes.append("type_inactive")
        if start < self.offer.now + terms.min_notice_hours * HOUR or (
            terms.requires_confirmation and start == self.offer.now
        ):
            codes.append("too_soon")
        if terms.max_days_ahead is not None:
            today = day_of(self.zone, self.offer.now)
            if (day_of(self.zone, start) - today).days > terms.max_days_ahead:
                codes.append("too_far_ahead")
        if not self.is_open(self.hours, start, self.length(start)):
            codes.append("outside_hours")
        codes += [
            "limit_reached"
            for period, most in terms.caps.items()
            if self.booked[period][self.period_of(period, start)] >= most
        ]
        if self.is_off_grid(start):
            codes.append("off_grid")
        return codes

    def against_on(self, requirement: Requirement, calendar: Calendar, start: int) -> list[str]:
        """And what a calendar of a requirement has against it."""
        codes = []
        begin = start + requirement.need.offset
        length = requirement.need.length or self.length(start)
        if not calendar.is_active:
            codes.append("calendar_inactive")
        if not calendar.serves:
            codes.append("calendar_not_serving")
        if calendar.schedule and not self.is_open(self.own[calendar.id], begin, length):
            codes.append("outside_hours")
        busy_begin = begin - self.terms.buffer_before
        busy_end = begin + length + self.terms.buffer_after
        if any(busy_begin < until and since < busy_end for since, until in calendar.busy):
            codes.append("conflict")
        return codes

    def is_off_grid(self, start: int) -> bool | None:
        """None where there is no grid."""
        counted_from = self.hours.counted_from(start - start % MINUTE)
        if counted_from is None:
            return None
        run = self.hours.run_at(start)
        assert run is not None
        begins_a_day = run * MINUTE % DAY == 0
        if self.terms.interval % DAY == 0 and begins_a_day and is_whole_day(self.hours, run * MINUTE // DAY):
            return start != counted_from
        return (start - counted_from) % self.terms.interval != 0

    def is_open(self, hours: SlowHours, start: int, length: int) -> bool:
        minutes = range(start - start % MINUTE, start + length, MINUTE)
        return all(hours.is_open(each) for each in minutes)

    def length(self, start: int) -> int:
        if start not in self._lengths:
            self._lengths[start] = lasting(self.hours, self.terms.duration, start)
        return self._lengths[start]

    def free(self, start: int) -> list[list[str]]:
        """The calendars of each requirement that could take a start; none if it can't be booked."""
        if self.is_off_grid(start) is not False or self.against(start):
            return []
        free = [self.free_of(each, start) for each in self.offer.requirements]
        enough = map(self.is_enough, self.offer.requirements, free)
        return free if all(enough) else []

    def free_of(self, requirement: Requirement, start: int) -> list[str]:
        return [each.id for each in requirement.calendars if not self.against_on(requirement, each, start)]

    def is_enough(self, requirement: Requirement, free: list[str]) -> bool:
        return len(free) >= requirement.need.count and set(requirement.pinned) <= set(free)
