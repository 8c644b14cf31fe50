"""Days and stamps of the wall clock, and instants as seconds."""

import re
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.errors import InvalidTime
from kalends.core.hours import (
    count_by_local_day,
    day_named,
    day_number,
    day_start,
    days_within,
    end_of,
    local_day,
    local_days,
    local_stamp,
    moment,
    seconds,
)
from tests.core.slow import DAY, FIRST, LAST, MINUTE, at, clocks, day_of, wall_of


@pytest.mark.parametrize(
    ("zone", "first", "last", "spans"),
    [
        ("UTC", "2024-06-03", "2024-06-03", ["2024-06-03T00:00Z 2024-06-04T00:00Z"]),
        ("Asia/Kathmandu", "2024-06-03", "2024-06-04", ["2024-06-02T18:15Z 2024-06-04T18:15Z"]),
        ("Europe/Berlin", "2024-03-31", "2024-03-31", ["2024-03-30T23:00Z 2024-03-31T22:00Z"]),
        ("Europe/Berlin", "2024-10-27", "2024-10-27", ["2024-10-26T22:00Z 2024-10-27T23:00Z"]),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04", ["2018-11-04T03:00Z 2018-11-05T02:00Z"]),
        # Left after its first minute, and come back to.
        (
            "America/St_Johns",
            "2006-10-28",
            "2006-10-28",
            ["2006-10-28T02:30Z 2006-10-29T02:30Z", "2006-10-29T02:31Z 2006-10-29T03:30Z"],
        ),
        (
            "America/St_Johns",
            "2006-10-29",
            "2006-10-29",
            ["2006-10-29T02:30Z 2006-10-29T02:31Z", "2006-10-29T03:30Z 2006-10-30T03:30Z"],
        ),
        ("America/St_Johns", "2006-10-28", "2006-10-29", ["2006-10-28T02:30Z 2006-10-30T03:30Z"]),
        ("Pacific/Apia", "2011-12-30", "2011-12-30", []),
        ("UTC", "2024-06-03", "2024-06-02", []),
    ],
)
def test_local_days(zone: str, first: str, last: str, spans: list[str]) -> None:
    days = (day_number(date.fromisoformat(each)) for each in (first, last))
    expected = [(at(start), at(end)) for start, end in (span.split() for span in spans)]
    assert list(local_days(zone, *days)) == expected


@pytest.mark.slow
@settings(max_examples=100)
@given(
    clock=clocks(),
    days_before=st.integers(0, 2),
    days_after=st.integers(0, 2),
    by=st.lists(st.integers(-2 * DAY, 2 * DAY), max_size=30),
)
def test_local_days_are_what_every_clock_shows(
    clock: tuple[str, int], days_before: int, days_after: int, by: list[int]
) -> None:
    zone, near = clock
    today = day_number(day_of(zone, near))
    first, last = today - days_before, today + days_after
    allowed = local_days(zone, first, last)
    asked = [near + each for each in (*range(-2, 3), *range(-3 * DAY, 3 * DAY, 30 * MINUTE), *by)]
    days = [day_number(day_of(zone, each)) for each in asked]
    assert [local_day(zone, each) for each in asked] == days
    assert [each in allowed for each in asked] == [first <= day <= last for day in days]
    assert count_by_local_day(zone, asked) == Counter(days)
    assert [local_stamp(each, zone) for each in asked] == [wall_of(zone, each).isoformat() for each in asked]


@pytest.mark.parametrize(
    ("zone", "start", "end", "days"),
    [
        ("UTC", "2024-06-03T00:00Z", "2024-06-05T00:00Z", ["03 00:00-00:00", "04 00:00-00:00"]),
        ("UTC", "2024-06-03T23:59Z", "2024-06-04T00:01Z", ["03 23:59-00:00", "04 00:00-00:01"]),
        ("UTC", "2024-06-03T00:00Z", "2024-06-03T00:00Z", []),
        ("Asia/Kathmandu", "2024-06-03T00:00Z", "2024-06-03T23:00Z", ["03 00:00-18:15", "04 18:15-23:00"]),
        (
            "Pacific/Kiritimati",
            "2024-06-03T09:00Z",
            "2024-06-03T11:00Z",
            ["03 09:00-10:00", "04 10:00-11:00"],
        ),
        ("Pacific/Niue", "2024-06-03T10:00Z", "2024-06-03T12:00Z", ["02 10:00-11:00", "03 11:00-12:00"]),
        # Of 23 hours, and of 25.
        ("Europe/Berlin", "2024-03-30T23:00Z", "2024-03-31T22:00Z", ["31 23:00-22:00"]),
        ("Europe/Berlin", "2024-10-26T22:00Z", "2024-10-27T23:00Z", ["27 22:00-23:00"]),
        # Midnight is left out; it comes twice; it is counted once more an hour before.
        (
            "Africa/Cairo",
            "2024-04-25T21:00Z",
            "2024-04-26T23:00Z",
            ["25 21:00-22:00", "26 22:00-21:00", "27 21:00-23:00"],
        ),
        ("America/Havana", "2024-11-03T03:00Z", "2024-11-03T06:00Z", ["02 03:00-04:00", "03 04:00-06:00"]),
        ("Asia/Beirut", "2024-10-26T20:00Z", "2024-10-26T23:00Z", ["26 20:00-22:00", "27 22:00-23:00"]),
        # Left after its first minute and come back to: the day has begun, and goes on.
        ("America/St_Johns", "2006-10-29T02:00Z", "2006-10-29T04:00Z", ["28 02:00-02:30", "29 02:30-04:00"]),
        # Midnight is left out in the middle of a gap.
        ("America/Toronto", "1919-03-31T03:00Z", "1919-03-31T06:00Z", ["30 03:00-04:30", "31 04:30-06:00"]),
        # A date that never was.
        (
            "Pacific/Apia",
            "2011-12-30T00:00Z",
            "2011-12-31T12:00Z",
            ["29 00:00-10:00", "31 10:00-10:00", "01 10:00-12:00"],
        ),
    ],
)
def test_days_within(zone: str, start: str, end: str, days: list[str]) -> None:
    found = days_within(zone, at(start), at(end))
    told = [f"{day_named(day):%d} {moment(low):%H:%M}-{moment(high):%H:%M}" for day, (low, high) in found]
    assert told == days


@settings(max_examples=100)
@given(clock=clocks(), before=st.integers(0, 3 * DAY), after=st.integers(0, 3 * DAY))
def test_days_within_are_those_of_bare_dates(clock: tuple[str, int], before: int, after: int) -> None:
    zone, near = clock
    start, end = near - before, near + after
    found = days_within(zone, start, end)
    edges = [edge for _, span in found for edge in span]
    assert edges[:1] + edges[-1:] == ([start, end] if start < end else [])
    assert edges[1:-1:2] == edges[2:-1:2]  # without a gap
    assert [day for day, _ in found] == sorted({day for day, _ in found})
    for day, (low, high) in found:
        named = day_named(day)
        first, last = (seconds(each) for each in (day_start(named, zone), end_of(named, zone)))
        assert (low, high) == (max(start, first), min(end, last))
        assert day_of(zone, low) == named or start == low


@pytest.mark.parametrize(
    ("zone", "start"), [("Etc/GMT+12", FIRST), ("Pacific/Kiritimati", LAST - 60), ("Etc/GMT-14", LAST - 60)]
)
def test_days_off_the_calendar_are_refused(zone: str, start: int) -> None:
    with pytest.raises(InvalidTime, match=re.escape(zone)):
        days_within(zone, start, start + 60)
    assert len(days_within("UTC", start, start + 60)) == 1


def test_nothing_to_count() -> None:
    assert count_by_local_day("Europe/Berlin", []) == Counter()


@pytest.mark.parametrize(
    ("second", "zone", "shown"),
    [
        (0, "UTC", "1970-01-01T00:00:00+00:00"),
        (-1, "America/New_York", "1969-12-31T18:59:59-05:00"),
        (at("2024-10-27T00:30Z"), "Europe/Berlin", "2024-10-27T02:30:00+02:00"),
        (at("2024-10-27T01:30Z"), "Europe/Berlin", "2024-10-27T02:30:00+01:00"),
        (at("2024-06-03T00:00Z"), "America/St_Johns", "2024-06-02T21:30:00-02:30"),
        (at("1900-01-01T00:00Z"), "Africa/Monrovia", "1899-12-31T23:16:52-00:43:08"),
        (FIRST, "UTC", "0001-01-01T00:00:00+00:00"),
        (FIRST, "Etc/GMT-14", "0001-01-01T14:00:00+14:00"),
        (LAST, "Etc/GMT+12", "9999-12-31T11:59:59-12:00"),
        # Not a year that a date can have: in UTC, then.
        (FIRST, "Etc/GMT+12", "0001-01-01T00:00:00Z"),
        (LAST, "Etc/GMT-14", "9999-12-31T23:59:59Z"),
    ],
)
def test_local_stamp(second: int, zone: str, shown: str) -> None:
    assert local_stamp(second, zone) == shown


@pytest.mark.parametrize(
    ("instant", "second"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:01+01:00", 1),
        ("1970-01-01T00:00:01.999999Z", 1),
        ("1969-12-31T23:59:59.5Z", -1),
        ("0001-01-01T00:00:00Z", FIRST),
        ("9999-12-31T23:59:59Z", LAST),
    ],
)
def test_seconds_and_back(instant: str, second: int) -> None:
    asked = datetime.fromisoformat(instant)
    assert seconds(asked) == second
    assert moment(second) == asked.replace(microsecond=0)
    assert moment(second).tzinfo is UTC


def test_moments_off_the_calendar_are_its_first_and_its_last() -> None:
    assert moment(FIRST - 1) == moment(-(10**12)) == moment(FIRST)
    assert moment(LAST + 1) == moment(10**12) == moment(LAST)


@pytest.mark.parametrize(
    ("day", "number"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2024-02-29", 19_782),
        ("0001-01-01", -719_162),
        ("9999-12-31", 2_932_896),
    ],
)
def test_days_are_counted_from_1970(day: str, number: int) -> None:
    assert day_number(date.fromisoformat(day)) == number
    assert day_named(number) == date.fromisoformat(day)


def test_days_off_the_calendar_are_its_first_and_its_last() -> None:
    assert day_named(-719_163) == date(1, 1, 1)
    assert day_named(2_932_897) == date(9999, 12, 31)
    assert day_named(5_000_000) == date(9999, 12, 31)
