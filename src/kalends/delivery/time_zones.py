"""Time zones as iCalendar spells them out (VTIMEZONE, RFC 5545, section 3.6.5).

Some calendar programs know a zone by its name. Others go by what is spelled out, and some of these, such as
Outlook (MS-STANOICAL), understand only one pair of yearly rules. So there is such a pair, or none: a zone
whose clocks change otherwise in the years in question is not spelled out, and times are UTC.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from kalends.core.hours import moment, offset_changes, seconds

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the clocks at `onset`, in the local time before it."""

    onset: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def nth(self) -> int:
        """Which of its weekday in the month it is: the first, the second…"""
        return (self.onset.day + 6) // 7

    @property
    def is_last(self) -> bool:
        return self.onset.day + 7 > monthrange(self.onset.year, self.onset.month)[1]


@lru_cache(256)
def spelled_out(zone: str, first: int, last: int) -> Timezone | None:
    """Return the zone, correct from the year `first` to `last`; None if no pair of rules describes it."""
    place = ZoneInfo(zone)
    years = range(first - 1, last + 2)
    changes = list(_changes(place, years))
    timezone = Timezone()
    timezone.add("tzid", zone)
    if not changes:
        local = datetime(first, 1, 1, tzinfo=place)
        offset = local.utcoffset() or timedelta()
        since = datetime(1970, 1, 1)  # noqa: DTZ001 - onsets are local
        always = _Change(since, offset, offset, local.tzname() or zone)
        timezone.add_component(_observance(always, None, daylight=False))
        return timezone
    halves = [[change for change in changes if change.after > change.before]]
    halves.append([change for change in changes if change.after < change.before])
    for half in halves:
        rule = _rule(half, years)
        if rule is None:
            return None
        timezone.add_component(_observance(half[0], rule, daylight=half is halves[0]))
    return timezone


def _changes(place: ZoneInfo, years: range) -> Iterator[_Change]:
    first, last = (seconds(datetime(year, 1, 1, tzinfo=UTC)) for year in (years[0], years[-1] + 1))
    for at, before, after in offset_changes(place.key, first, last):
        name = moment(at).astimezone(place).tzname() or place.key
        onset = moment(at + before).replace(tzinfo=None)
        yield _Change(onset, timedelta(seconds=before), timedelta(seconds=after), name)


def _rule(half: list[_Change], years: range) -> vRecur | None:
    """Return the rule that all these changes follow, one in each year; None if there is none."""
    alike = {
        (each.onset.month, each.onset.weekday(), each.onset.time(), each.before, each.after, each.name)
        for each in half
    }
    if len(alike) != 1 or [each.onset.year for each in half] != list(years):
        return None
    if all(each.is_last for each in half):
        which = -1
    elif len({each.nth for each in half}) == 1:
        which = half[0].nth
    else:
        return None
    onset = half[0].onset
    return vRecur(freq="YEARLY", bymonth=onset.month, byday=f"{which}{_WEEKDAYS[onset.weekday()]}")


def _observance(
    change: _Change, rule: vRecur | None, *, daylight: bool
) -> TimezoneStandard | TimezoneDaylight:
    observance = TimezoneDaylight() if daylight else TimezoneStandard()
    observance.add("dtstart", change.onset)
    observance.add("tzoffsetfrom", change.before)
    observance.add("tzoffsetto", change.after)
    observance.add("tzname", change.name)
    if rule is not None:
        observance.add("rrule", rule)
    return observance
