"""Wall-clock time and instants: the only place where the two meet.

Rules and people speak wall-clock times in an IANA zone; facts are UTC instants in whole seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from kalends.core.errors import AmbiguousTime, InvalidTime, NonexistentTime
from kalends.core.intervals import ENDLESS, Intervals, Span

_NOT_PLACES = frozenset({"localtime", "Factory"})
"""Names some systems list that depend on the machine, not on a place."""


@cache
def zone_names() -> frozenset[str]:
    """Return every IANA zone name that this system knows. A user's zone is checked against them before
    ZoneInfo, which reads files by name, ever sees it."""
    return frozenset(available_timezones()) - _NOT_PLACES


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its IANA name. ZoneInfo itself keeps a few; all of them are read from files otherwise
    whenever somebody chooses one from a list."""
    return ZoneInfo(name)


def forget_zones() -> None:
    """Forget what was read of time zones: from now on, the data of another version is used."""
    ZoneInfo.clear_cache()
    zone_of.cache_clear()
    zone_names.cache_clear()
    _pieces_of_year.cache_clear()


MINUTE, HOUR, DAY = 60, 3_600, 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 and 9999
_EDGE = 2 * DAY
"""This near to the first and the last moment that `datetime` can hold, zoneinfo can't compute an offset."""


def seconds(instant: datetime) -> int:
    """Return an instant as whole seconds since 1970-01-01T00:00:00Z; a fraction is cut."""
    return (instant - _EPOCH) // _SECOND


def moment(second: int) -> datetime:
    """Return the UTC instant so many seconds after 1970-01-01T00:00:00Z, kept within the years 1 to 9999."""
    if not FIRST_SECOND <= second <= LAST_SECOND:
        second = FIRST_SECOND if second < 0 else LAST_SECOND
    return _EPOCH + timedelta(seconds=second)


def shifted(instant: datetime, by: timedelta) -> datetime:
    """Return the UTC instant so much later, or earlier if `by` is negative, kept within the years 1 to
    9999."""
    try:
        return instant + by
    except OverflowError:
        return moment(FIRST_SECOND if by < timedelta() else LAST_SECOND)


def stamp(instant: datetime) -> str:
    """Return an instant as the API writes it: `YYYY-MM-DDTHH:MM:SSZ`. (`strftime` does not pad the year
    1.)"""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def instant(moment: datetime, zone: str) -> datetime:
    """Return the UTC instant of `moment`. A naive one is wall-clock time in `zone`, a known IANA name.

    Raises NonexistentTime if the clocks skip that wall time, AmbiguousTime if they repeat it (the answer
    names both readings), InvalidTime if the instant falls outside the years 1 to 9999.
    """
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(microsecond=0)
        return _unzoned(moment.replace(microsecond=0, fold=0), zone)
    except OverflowError:
        raise InvalidTime(f"{moment.isoformat()} is outside the years 1 to 9999 in UTC.") from None


def day_start(day: date, zone: str) -> datetime:
    """Return the UTC instant at which a calendar day begins in `zone`, a known IANA name. If the clocks skip
    midnight it is the moment of the change; if they repeat it, the first of the two.

    Raises InvalidTime if the instant falls outside the years 1 to 9999.
    """
    place = ZoneInfo(zone)
    try:
        begin = datetime.combine(day, time(), place).astimezone(UTC)
        if begin.astimezone(place).time() == time():
            return begin
    except OverflowError:
        raise InvalidTime(f"{day.isoformat()} is outside the years 1 to 9999 in UTC.") from None
    near = seconds(begin)
    return moment(_first_showing(_pieces(zone, near - 2 * DAY, near + 2 * DAY), day_number(day) * DAY))


def begin_of(bound: date | datetime, zone: str) -> datetime:
    """Return the UTC instant at which a range begins; a bare date begins when its day does in `zone`.

    Raises InvalidTime, NonexistentTime, AmbiguousTime.
    """
    return instant(bound, zone) if isinstance(bound, datetime) else day_start(bound, zone)


def end_of(bound: date | datetime, zone: str) -> datetime:
    """Return the UTC instant before which a range ends; a bare date includes its day. Raises as `begin_of`
    does."""
    if isinstance(bound, datetime):
        return instant(bound, zone)
    try:
        return day_start(bound + timedelta(days=1), zone)
    except OverflowError:
        raise InvalidTime(f"{bound.isoformat()} is the last day of the calendar; leave `to` out.") from None


def _unzoned(wall: datetime, zone: str) -> datetime:
    place = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    # In a gap, fold 0 reads the wall time with the offset before the change and fold 1 with the one
    # after it, so the first reading is the later instant (PEP 495).
    readings = [stamp(reading) for reading in sorted((first, second))]
    if first > second:
        raise NonexistentTime(
            f"{wall.isoformat()} does not exist in {zone}: the clocks skip it. "
            f"Did you mean {readings[0]} or {readings[1]}? Send an offset or Z to say which.",
            timezone=zone,
            readings=readings,
        )
    raise AmbiguousTime(
        f"{wall.isoformat()} happens twice in {zone}: {readings[0]} and {readings[1]}. "
        "Send an offset or Z to say which.",
        timezone=zone,
        readings=readings,
    )


@dataclass(frozen=True, slots=True)
class Override:
    """Calendar days, both included and counted from 1970-01-01, that have hours of their own, or none."""

    first: int
    last: int
    windows: Intervals


@dataclass(frozen=True, slots=True)
class Schedule:
    """When there is work, as people say it: wall-clock hours in an IANA zone.

    `weekly` has the hours of each day of the week, Sunday first, in seconds after midnight, up to 24:00:00.
    Of several overrides of one day the one that spans the fewest days counts, and of those the last.
    """

    zone: str
    weekly: Sequence[Intervals]
    overrides: Sequence[Override] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """A schedule's hours as instants: when it is `open`, and the spans, in order and together the same time,
    from whose starts offered times are counted. `days` has the starts of those spans that are whole days."""

    open: Intervals
    grid: Sequence[Span]
    days: Set[int] = frozenset()


def hours(schedule: Schedule, start: int, end: int) -> Hours:
    """Return the hours between two instants in seconds: right to the second within, but wrong beyond them.

    Windows that touch or overlap are one, over midnight too. Offered times are counted from the start of such
    a run of hours; if a whole day is open, they are counted again from the midnight that ends it, so that
    hours which never end have a grid, too. What the clocks skip is not open, and what they repeat is open
    twice. (The table under Time in the design; docs/time.md.)
    """
    # No span of the grid is longer than two wall-clock days, even in a zone that once repeated a whole day.
    low, high = start - 4 * DAY, end + 2 * DAY
    runs = _runs(schedule, low // DAY - 2, high // DAY + 2)
    pieces = _pieces(schedule.zone, low, high)
    found = [
        (begin - offset, finish - offset, number)
        for (since, until), offset in pieces
        for begin, finish, number in _clipped(runs, since + offset, until + offset)
    ]
    whole = {number for begin, finish, number in runs if begin % DAY == 0 and finish - begin == DAY}
    grid: list[Span] = []
    days: set[int] = set()
    latest = None
    for begin, finish, number in found:
        if grid and number == latest and grid[-1][1] == begin:
            grid[-1] = (grid[-1][0], finish)
        else:
            grid.append((begin, finish))
            if number in whole:
                days.add(begin)
        latest = number
    return Hours(Intervals(grid), grid, days)


def odd_days(schedule: Schedule, days: int, start: int, end: int) -> Sequence[tuple[Intervals, int]]:
    """Return the starts from which `days` calendar days are not so many times 24 hours, by how long they are
    in seconds; right for starts within the instants `[start, end)`.

    The days last until the wall clock shows the same time again, so many days later; from the moment at which
    a day begins, until a day begins. This holds for whole days only: all that are touched are open from 00:00
    to 24:00.
    """
    span = days * DAY
    pieces = _pieces(schedule.zone, start - 4 * DAY, end + span + 4 * DAY)
    if len(pieces) < 2:
        return []
    first, last = start // DAY - 2, end // DAY + 2
    whole = ((0, DAY),)
    walls = Intervals(
        (day * DAY, (day + 1) * DAY)
        for day, windows in _days(schedule, first, last + days)
        if tuple(windows) == whole
    ).starts(span)

    beginnings: dict[int, int] = {}
    for day in range(first, last + 1):
        begin = _first_showing(pieces, day * DAY)
        if day * DAY in walls and begin < _first_showing(pieces, (day + 1) * DAY):  # else it was left out
            beginnings[begin] = _first_showing(pieces, (day + days) * DAY) - begin

    found: dict[int, list[Span]] = defaultdict(list)
    others = ~Intervals((begin, begin + 1) for begin in beginnings)
    for (since, until), offset in pieces:
        for (low, high), then in _readings(pieces):
            if then == offset:
                continue
            fitting = walls & Intervals([(max(since + offset, low - span), min(until + offset, high - span))])
            starts = Intervals((begin - offset, finish - offset) for begin, finish in fitting)
            found[span + offset - then] += starts & others
    for begin, length in beginnings.items():
        if length != span:
            found[length].append((begin, begin + 1))
    return [(Intervals(spans), length) for length, spans in found.items() if spans]


def offset_changes(zone: str, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Return when a zone's offset changes after `first`, `last` included, both instants in seconds: each
    change with the offsets before and after it, in seconds."""
    for ((_, until), before), (_, after) in pairwise(_pieces(zone, first, last + 1)):
        yield until, before, after


def local_days(zone: str, first: int, last: int) -> Intervals:
    """Return the instants, in seconds, whose calendar day in `zone` is one of those from `first` to `last`,
    both included and counted from 1970-01-01."""
    return Intervals(when_showing(zone, [(first * DAY, (last + 1) * DAY)]))


def when_showing(zone: str, walls: Sequence[Span]) -> list[Span]:
    """Return the instants, in seconds, at which the wall clock in `zone` shows these spans of time, one after
    the other. What the clocks skip is left out, and what they repeat is there twice."""
    if not walls:
        return []
    low, high = min(begin for begin, _ in walls), max(finish for _, finish in walls)
    pieces = _pieces(zone, low - 2 * DAY, high + 2 * DAY)
    return [
        span
        for begin, finish in walls
        for span in Intervals(
            (max(begin, since + offset) - offset, min(finish, until + offset) - offset)
            for (since, until), offset in pieces
        )
    ]


def days_within(zone: str, start: int, end: int) -> Sequence[tuple[int, Span]]:
    """Return the calendar days in `zone`, counted from 1970-01-01, that have instants within `[start, end)`,
    in seconds, each with those instants. A day lasts from its first instant until the first of the next, as
    a bare date does; a date that the clocks leave out is none.

    Raises InvalidTime if one of the days is outside the years 1 to 9999.
    """
    pieces = _pieces(zone, start - 2 * DAY, end + 2 * DAY)
    found = []
    for day in range(start // DAY - 1, end // DAY + 2):
        begin, finish = (_first_showing(pieces, each * DAY) for each in (day, day + 1))
        if max(start, begin) < min(end, finish):
            if day_number(day_named(day)) != day:
                raise InvalidTime(f"In {zone}, days of this range are outside the years 1 to 9999.")
            found.append((day, (max(start, begin), min(end, finish))))
    return found


def local_day(zone: str, second: int) -> int:
    """Return the calendar day in `zone`, counted from 1970-01-01, of an instant in seconds."""
    return wall_clock(zone, second) // DAY


def wall_clock(zone: str, second: int) -> int:
    """Return what the wall clock in `zone` shows at an instant in seconds: so many seconds after
    1970-01-01T00:00:00 there."""
    return second + _offset(zone, second)


def count_by_local_day(zone: str, instants: Collection[int]) -> Counter[int]:
    """Return how many of some instants, in seconds, lie on each calendar day in `zone`. Days are counted from
    1970-01-01."""
    counted: Counter[int] = Counter()
    if instants:
        for (since, until), offset in _pieces(zone, min(instants), max(instants) + 1):
            counted.update((each + offset) // DAY for each in instants if since <= each < until)
    return counted


def local_stamp(second: int, zone: str) -> str:
    """Return an instant in seconds as people in `zone` read it: ISO 8601 with the offset."""
    offset = _offset(zone, second)
    if not FIRST_SECOND <= second + offset <= LAST_SECOND:
        return stamp(moment(second))
    wall = moment(second + offset).replace(tzinfo=None).isoformat()
    sign, minutes = "-" if offset < 0 else "+", abs(offset) // 60
    odd = f":{abs(offset) % 60:02}" if offset % 60 else ""  # local mean time, long ago
    return f"{wall}{sign}{minutes // 60:02}:{minutes % 60:02}{odd}"


def day_number(day: date) -> int:
    """Return a calendar date as days since 1970-01-01."""
    return day.toordinal() - _EPOCH_DAY


def day_named(number: int) -> date:
    """Return the calendar date so many days after 1970-01-01, kept within the years 1 to 9999."""
    return date.fromordinal(min(max(number + _EPOCH_DAY, 1), date.max.toordinal()))


def _runs(schedule: Schedule, first: int, last: int) -> list[tuple[int, int, int]]:
    """Return the runs of hours of some days in wall-clock seconds: each with its begin, end and number."""
    runs: list[tuple[int, int, int]] = []
    whole_day_before = False
    for day, windows in _days(schedule, first, last):
        midnight = day * DAY
        spans = list(windows)
        for start, end in spans:
            begin, finish = midnight + start, midnight + end
            if runs and runs[-1][1] == begin and not whole_day_before:
                runs[-1] = (runs[-1][0], finish, runs[-1][2])
            else:
                runs.append((begin, finish, len(runs)))
        whole_day_before = spans == [(0, DAY)]
    return runs


def _days(schedule: Schedule, first: int, last: int) -> Iterator[tuple[int, Intervals]]:
    """Return the days from `first` to `last`, both included, each with its hours in seconds after
    midnight."""
    changed = _changed(schedule.overrides, first, last)
    for day in range(first, last + 1):
        windows = changed.get(day)
        yield day, schedule.weekly[(day + 4) % 7] if windows is None else windows  # 1970 began on a Thursday


def _changed(overrides: Iterable[Override], first: int, last: int) -> Mapping[int, Intervals]:
    changed: dict[int, Intervals] = {}
    for override in sorted(overrides, key=lambda each: each.first - each.last):
        for day in range(max(first, override.first), min(last, override.last) + 1):
            changed[day] = override.windows
    return changed


def _clipped(runs: Sequence[tuple[int, int, int]], low: int, high: int) -> Iterator[tuple[int, int, int]]:
    for begin, finish, number in runs:
        if begin < high and finish > low:
            yield max(begin, low), min(finish, high), number


def _pieces(zone: str, low: int, high: int) -> list[tuple[Span, int]]:
    """Return the spans of instants between two in which a zone's offset does not change, each with the offset
    in seconds."""
    pieces: list[tuple[Span, int]] = []
    year, last_year = _year(low), _year(high)
    while year <= last_year:
        for (since, until), offset in _pieces_of_year(zone, year):
            begin, finish = max(since, low), min(until, high)
            if begin >= finish:
                continue
            if pieces and pieces[-1][1] == offset:
                pieces[-1] = ((pieces[-1][0][0], finish), offset)
            else:
                pieces.append(((begin, finish), offset))
        year += 1
    return pieces


def _first_showing(pieces: Sequence[tuple[Span, int]], wall: int) -> int:
    """Return the first instant at which the wall clock shows `wall`, or a later time because it skips
    that."""
    for (since, until), offset in pieces:
        if wall < until + offset:
            return max(since, wall - offset)
    return pieces[-1][0][1]


def _readings(pieces: Sequence[tuple[Span, int]]) -> Iterator[tuple[Span, int]]:
    """Return spans of wall-clock time, each with the offset that it is read with: skipped time with the
    offset before the change, and repeated time as its first pass (RFC 5545, section 3.3.5)."""
    low = -ENDLESS
    for ((_, until), offset), (_, following) in pairwise(pieces):
        high = until + max(offset, following)
        yield (low, high), offset
        low = high
    yield (low, ENDLESS), pieces[-1][1]


@lru_cache(maxsize=4096)
def _pieces_of_year(zone: str, year: int) -> list[tuple[Span, int]]:
    """Return the `_pieces` of a year in UTC. zoneinfo does not tell when offsets change, so they are compared
    once a day, and a change is found by halving the day; no zone ever changed its offset twice within four
    days."""
    start, end = _new_year(year), _new_year(year + 1)
    pieces: list[tuple[Span, int]] = []
    since, offset = start, _offset(zone, start)
    for at in (*range(start + DAY, end, DAY), end):
        if (new := _offset(zone, at)) != offset:
            low, high = at - DAY, at
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _offset(zone, middle) != offset else (middle, high)
            pieces.append(((since, high), offset))
            since, offset = high, new
    if since < end:
        pieces.append(((since, end), offset))
    return pieces


def _offset(zone: str, second: int) -> int:
    kept = min(max(second, FIRST_SECOND + _EDGE), LAST_SECOND - _EDGE)
    offset = moment(kept).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return offset // _SECOND


def _year(second: int) -> int:
    return day_named(second // DAY).year


def _new_year(year: int) -> int:
    return day_number(date(year, 1, 1)) * DAY if year <= date.max.year else LAST_SECOND
