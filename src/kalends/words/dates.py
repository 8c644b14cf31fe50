"""Days, clock times and zones as people read them. Local times carry their zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import (
    format_date,
    format_skeleton,
    format_time,
    format_timedelta,
    get_day_names,
    get_timezone_gmt,
    get_timezone_location,
    get_timezone_name,
)
from babel.units import format_unit

from kalends.core.hours import zone_names, zone_of
from kalends.words.languages import region_of

Clock = Literal[12, 24]
PartOfDay = Literal["morning", "afternoon", "evening"]
_AFTERNOON, _EVENING = 12, 18
_NO_TERRITORY = "ZZ"
_NAMED = 2024
"""In this year, places had the offsets that Babel's names of their zones mean."""
_SUNDAYS = """
AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN IS JM JP KE KH KR LA MH MM MO MT MX MZ NI NP PA PE
PH PK PR PT PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW
"""
_SATURDAYS = "AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY"
_FIRST_WEEKDAYS: Mapping[str, int] = (
    dict.fromkeys(_SUNDAYS.split(), 0) | {"MV": 5} | dict.fromkeys(_SATURDAYS.split(), 6)
)
"""As CLDR has it; everywhere else it is Monday. Babel knows it only by reading a language of each region."""
_MONDAY = 1


def local(instant: datetime, zone: str) -> datetime:
    """Return an instant in a zone (IANA name); in UTC if the zone has no such time, as at the first and the
    last day of the calendar."""
    try:
        return instant.astimezone(zone_of(zone))
    except OverflowError:
        return instant.astimezone(ZoneInfo("UTC"))


@lru_cache(maxsize=1_000)
def long_day(day: date, locale: Locale) -> str:
    """Return `Thursday, 3 December 2026`."""
    return format_date(day, "full", locale=locale)


@lru_cache(maxsize=1_000)
def short_day(day: date, locale: Locale, *, with_year: bool = False) -> str:
    """Return `Thu 3 Dec`, or `Thu, 3 Dec 2026`."""
    return format_skeleton("yMMMEd" if with_year else "MMMEd", _midday(day), locale=locale)


def month(day: date, locale: Locale) -> str:
    """Return `December 2026`."""
    return format_skeleton("yMMMM", _midday(day), locale=locale)


def weekdays(first: int, locale: Locale) -> list[tuple[str, str]]:
    """Return the short and the full names of the days of a week that begins on the day `first`: 0 for Sunday
    … 6 for Saturday."""
    short = get_day_names("short", context="stand-alone", locale=locale)
    full = get_day_names("wide", context="stand-alone", locale=locale)
    return [(short[day].rstrip("."), full[day]) for day in ((first + 6 + offset) % 7 for offset in range(7))]


def clock_time(when: datetime, locale: Locale, clock: Clock | None = None) -> str:
    """Return a local time as a clock of 12 or of 24 hours shows it, by default as the country does. In an
    hour that the clocks repeat, it says which: `2:30 CEST`."""
    shown = _clock_face(when.hour, when.minute, locale, clock)
    return f"{shown} {abbreviation(when, locale)}" if is_repeated(when) else shown


@lru_cache(maxsize=10_000)
def _clock_face(hour: int, minute: int, locale: Locale, clock: Clock | None) -> str:
    """Return what a clock shows. A day may have a start every minute, and Babel takes its time for each."""
    when = datetime(2000, 1, 1, hour, minute, tzinfo=UTC)
    if clock is None:
        return format_time(when, "short", locale=locale)
    return format_skeleton("hm" if clock == 12 else "Hm", when, locale=locale)


def has_12_hours(locale: Locale) -> bool:
    """Return whether clocks of the country show 12 hours."""
    return "a" in locale.time_formats["short"].pattern


def part_of_day(when: datetime) -> PartOfDay:
    """Return the part of the day that a local time is in; what is before noon is the morning."""
    if when.hour < _AFTERNOON:
        return "morning"
    return "afternoon" if when.hour < _EVENING else "evening"


def is_repeated(when: datetime) -> bool:
    """Return whether the clocks show a local time twice."""
    other = when.replace(fold=1 - when.fold)
    # Where clocks skip an hour, the offsets differ, too, but the wrong way round.
    first, second = sorted((when, other), key=lambda each: each.fold)
    return (first.utcoffset() or timedelta()) > (second.utcoffset() or timedelta())


def abbreviation(when: datetime, locale: Locale) -> str:
    """Return `CEST`, or the offset where people have no abbreviation for the time of a zone."""
    name = when.tzname() or ""
    return name if name.isalpha() else offset(when, locale)


def offset(when: datetime, locale: Locale) -> str:
    """Return how far a local time is from UTC: `GMT+01:00`."""
    return _offset_in_words(when.utcoffset() or timedelta(), locale)


def zone_in_words(zone: str, now: datetime, locale: Locale) -> str:
    """Return `Central European Time (Europe/Berlin)`: the name of a zone all year round, or its offset if the
    place's clocks no longer are as the name means."""
    here = local(now, zone)
    return f"{_all_year(here, locale)} ({zone})"


def places(now: datetime, locale: Locale) -> list[tuple[str, str]]:
    """Return every zone of a country by its IANA name, with how far its clocks are from UTC at `now`, in the
    order of names: what a reader chooses from."""
    named = sorted(get_global("zone_territories").keys() & zone_names())
    return [(zone, offset(local(now, zone), locale)) for zone in named if not _is_nowhere(zone)]


def place(zone: str, locale: Locale) -> str:
    """Return what a zone is named after: `Berlin`."""
    return get_timezone_location(ZoneInfo(zone), locale=locale, return_city=True)


def moment_in_words(instant: datetime, zone: str, locale: Locale) -> str:
    """Return a day and time with its zone's name, since the reader may be elsewhere."""
    when = local(instant, zone)
    day = format_date(when, "full", locale=locale)
    clock = format_time(when, "short", tzinfo=when.tzinfo, locale=locale)
    return f"{day}, {clock} ({zone_name(when, locale)}, {_key(when.tzinfo, zone)})"


def zone_name(when: datetime, locale: Locale) -> str:
    """Return what people call the time of `when`, or its offset if the zone's names mean other offsets:
    Babel's names stay the same when a place changes its clocks for good."""
    if not _is_as_named(when):
        return offset(when, locale)
    # Daylight time is when clocks are ahead. (For Ireland, the tz database has it the other way round.)
    ahead = (when.utcoffset() or timedelta()) > _standard(when)
    return get_timezone_name(when, locale=locale, zone_variant="daylight" if ahead else "standard")


def length(minutes: int, locale: Locale) -> str:
    """Return `60 min`."""
    return format_unit(minutes, "duration-minute", length="short", locale=locale)


def wait(seconds: int, locale: Locale) -> str:
    """Return `in 5 minutes`, rounded."""
    return format_timedelta(timedelta(seconds=seconds), add_direction=True, locale=locale)


def first_weekday(tag: str, otherwise: int) -> int:
    """Return the day on which weeks begin in the region of a BCP 47 tag, 0 for Sunday … 6 for Saturday; or
    `otherwise` if it names no region. (Without one, CLDR always says Monday.)"""
    region = region_of(tag)
    if region is None or region not in get_global("territory_currencies"):
        return otherwise
    return _FIRST_WEEKDAYS.get(region, _MONDAY)


@lru_cache(maxsize=1024)
def _offset_in_words(ahead: timedelta, locale: Locale) -> str:
    return get_timezone_gmt(datetime(_NAMED, 1, 1, tzinfo=timezone(ahead)), locale=locale)


def _all_year(when: datetime, locale: Locale) -> str:
    if _is_nowhere(_key(when.tzinfo, "")) or not _is_as_named(when):
        return zone_name(when, locale)
    return get_timezone_name(when.tzinfo, locale=locale)


def _is_nowhere(zone: str) -> bool:
    """Return whether a zone belongs to no country: UTC, and what is like it."""
    canonical = get_global("zone_aliases").get(zone, zone)
    territory: str = get_global("zone_territories").get(canonical, _NO_TERRITORY)
    return territory == _NO_TERRITORY


def _key(zone: tzinfo | None, otherwise: str) -> str:
    return zone.key if isinstance(zone, ZoneInfo) else otherwise


def _is_as_named(when: datetime) -> bool:
    return _standard(when) == _standard(when.replace(year=_NAMED, month=1, day=1))


def _standard(when: datetime) -> timedelta:
    """Return the least offset of that year. (In Morocco, clocks are ahead except in Ramadan, which moves.)"""
    return min(when.replace(month=month, day=1).utcoffset() or timedelta() for month in range(1, 13))


def _midday(day: date) -> datetime:
    """Return a time of the day, for what only takes times: at noon, no zone turns it into another day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo("UTC"))
