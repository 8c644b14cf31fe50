"""When a schedule is open: spans worked out by hand, at clock changes and at the ends of the calendar."""

import inspect
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest

from kalends.core import hours as hours_module
from kalends.core.hours import (
    Override,
    Schedule,
    count_by_local_day,
    day_number,
    hours,
    local_day,
    local_days,
    local_stamp,
    moment,
    seconds,
)
from kalends.core.intervals import Intervals
from tests.core.slow import DAY, EPOCH, FIRST, HOUR, LAST, MINUTE, at, daily, grid_at, windows


def of_the_grid(schedule: Schedule, within: str) -> list[str]:
    """The spans of the grid that begin between two instants, as people write them."""
    start, end = (at(f"{each}Z") for each in within.split())
    return [
        f"{EPOCH + timedelta(seconds=begin):%m-%dT%H:%M} {EPOCH + timedelta(seconds=finish):%m-%dT%H:%M}"
        for begin, finish in hours(schedule, start, end).grid
        if start <= begin < end
    ]


# Every span below was worked out by hand from the offsets of the zone.
@pytest.mark.parametrize(
    ("zone", "opens", "within", "grid"),
    [
        # An ordinary day.
        ("UTC", "09:00-17:00", "2024-06-03T00:00 2024-06-04T00:00", ["06-03T09:00 06-03T17:00"]),
        (
            "America/New_York",
            "09:00-12:00 13:00-17:30",
            "2024-06-03T00:00 2024-06-04T00:00",
            ["06-03T13:00 06-03T16:00", "06-03T17:00 06-03T21:30"],
        ),
        # Offsets of 45 minutes.
        ("Asia/Kathmandu", "09:00-17:00", "2024-06-03T00:00 2024-06-04T00:00", ["06-03T03:15 06-03T11:15"]),
        # Days of 23 and of 25 hours, open around the clock.
        (
            "Europe/Berlin",
            "00:00-24:00",
            "2024-03-30T23:00 2024-04-01T22:00",
            ["03-30T23:00 03-31T22:00", "03-31T22:00 04-01T22:00"],
        ),
        (
            "Europe/Berlin",
            "00:00-24:00",
            "2024-10-26T22:00 2024-10-28T23:00",
            ["10-26T22:00 10-27T23:00", "10-27T23:00 10-28T23:00"],
        ),
        (
            "America/New_York",
            "00:00-24:00",
            "2024-03-10T05:00 2024-03-12T04:00",
            ["03-10T05:00 03-11T04:00", "03-11T04:00 03-12T04:00"],
        ),
        (
            "America/New_York",
            "00:00-24:00",
            "2024-11-03T04:00 2024-11-05T05:00",
            ["11-03T04:00 11-04T05:00", "11-04T05:00 11-05T05:00"],
        ),
        # Berlin skips 02:00 to 03:00: hours across it go on, those that reach into it are cut, and
        # those within vanish.
        ("Europe/Berlin", "01:00-04:00", "2024-03-30T23:00 2024-03-31T22:00", ["03-31T00:00 03-31T02:00"]),
        ("Europe/Berlin", "01:30-02:30", "2024-03-30T23:00 2024-03-31T22:00", ["03-31T00:30 03-31T01:00"]),
        ("Europe/Berlin", "02:30-03:30", "2024-03-30T23:00 2024-03-31T22:00", ["03-31T01:00 03-31T01:30"]),
        ("Europe/Berlin", "02:15-02:45", "2024-03-30T23:00 2024-03-31T22:00", []),
        ("Europe/Berlin", "02:00-03:00", "2024-03-30T23:00 2024-03-31T22:00", []),
        # Hours that only the skipped time kept apart are still two.
        (
            "Europe/Berlin",
            "01:00-02:00 03:00-05:00",
            "2024-03-30T23:00 2024-03-31T22:00",
            ["03-31T00:00 03-31T01:00", "03-31T01:00 03-31T03:00"],
        ),
        # Berlin repeats 02:00 to 03:00.
        ("Europe/Berlin", "01:00-04:00", "2024-10-26T22:00 2024-10-27T23:00", ["10-26T23:00 10-27T03:00"]),
        ("Europe/Berlin", "02:00-03:00", "2024-10-26T22:00 2024-10-27T23:00", ["10-27T00:00 10-27T02:00"]),
        (
            "Europe/Berlin",
            "02:15-02:45",
            "2024-10-26T22:00 2024-10-27T23:00",
            ["10-27T00:15 10-27T00:45", "10-27T01:15 10-27T01:45"],
        ),
        (
            "Europe/Berlin",
            "01:30-02:30",
            "2024-10-26T22:00 2024-10-27T23:00",
            ["10-26T23:30 10-27T00:30", "10-27T01:00 10-27T01:30"],
        ),
        (
            "Europe/Berlin",
            "02:30-03:30",
            "2024-10-26T22:00 2024-10-27T23:00",
            ["10-27T00:30 10-27T01:00", "10-27T01:30 10-27T02:30"],
        ),
        # The clocks go back from the end of one run right to the start of another.
        (
            "Europe/Berlin",
            "02:00-02:30 02:45-04:00",
            "2024-10-26T22:00 2024-10-27T23:00",
            [
                "10-27T00:00 10-27T00:30",
                "10-27T00:45 10-27T01:00",
                "10-27T01:00 10-27T01:30",
                "10-27T01:45 10-27T03:00",
            ],
        ),
        # Lord Howe Island moves its clocks by half an hour: 02:00 to 02:30, and back to 01:30.
        (
            "Australia/Lord_Howe",
            "02:00-03:00",
            "2024-10-05T13:30 2024-10-06T13:00",
            ["10-05T15:30 10-05T16:00"],
        ),
        (
            "Australia/Lord_Howe",
            "01:00-03:00",
            "2024-04-06T13:00 2024-04-07T13:30",
            ["04-06T14:00 04-06T16:30"],
        ),
        (
            "Australia/Lord_Howe",
            "01:40-01:50",
            "2024-04-06T13:00 2024-04-07T13:30",
            ["04-06T14:40 04-06T14:50", "04-06T15:10 04-06T15:20"],
        ),
        # The Chatham Islands go from 02:45 to 03:45 and back.
        ("Pacific/Chatham", "02:00-04:00", "2024-09-28T11:15 2024-09-29T10:15", ["09-28T13:15 09-28T14:15"]),
        ("Pacific/Chatham", "02:00-04:00", "2024-04-06T10:15 2024-04-07T11:15", ["04-06T12:15 04-06T15:15"]),
        # Midnight is skipped: the day begins at 01:00, and hours over midnight are one run.
        (
            "America/Sao_Paulo",
            "00:00-24:00",
            "2018-11-03T03:00 2018-11-05T02:00",
            ["11-03T03:00 11-04T03:00", "11-04T03:00 11-05T02:00"],
        ),
        (
            "America/Sao_Paulo",
            "22:00-24:00 00:00-02:00",
            "2018-11-03T12:00 2018-11-04T12:00",
            ["11-04T01:00 11-04T04:00"],
        ),
        ("Asia/Beirut", "00:00-09:00", "2024-03-30T12:00 2024-03-31T12:00", ["03-30T22:00 03-31T06:00"]),
        ("Africa/Cairo", "00:30-01:30", "2024-04-25T12:00 2024-04-26T12:00", ["04-25T22:00 04-25T22:30"]),
        ("America/Asuncion", "00:00-01:00", "2023-09-30T12:00 2023-10-01T12:00", []),
        ("America/Asuncion", "23:00-24:00", "2023-09-30T12:00 2023-10-01T12:00", ["10-01T03:00 10-01T04:00"]),
        # Midnight is repeated. Havana goes from 01:00 back to 00:00, within one day ...
        (
            "America/Havana",
            "00:00-24:00",
            "2024-11-02T04:00 2024-11-04T05:00",
            ["11-02T04:00 11-03T04:00", "11-03T04:00 11-04T05:00"],
        ),
        (
            "America/Havana",
            "22:00-24:00 00:00-00:30",
            "2024-11-02T12:00 2024-11-03T12:00",
            ["11-03T02:00 11-03T04:30", "11-03T05:00 11-03T05:30"],
        ),
        # ... and São Paulo, Asunción and Cairo from 00:00 back to 23:00 of the day before.
        (
            "America/Sao_Paulo",
            "00:00-24:00",
            "2018-02-17T02:00 2018-02-19T03:00",
            ["02-17T02:00 02-18T03:00", "02-18T03:00 02-19T03:00"],
        ),
        (
            "America/Sao_Paulo",
            "23:15-23:45",
            "2018-02-17T12:00 2018-02-18T12:00",
            ["02-18T01:15 02-18T01:45", "02-18T02:15 02-18T02:45"],
        ),
        (
            "America/Asuncion",
            "22:00-24:00 00:00-01:00",
            "2024-03-23T12:00 2024-03-24T12:00",
            ["03-24T01:00 03-24T05:00"],
        ),
        ("Africa/Cairo", "00:00-01:00", "2024-10-31T12:00 2024-11-01T12:00", ["10-31T22:00 10-31T23:00"]),
        # Dhaka did so once, on the last day of 2009.
        (
            "Asia/Dhaka",
            "00:00-24:00",
            "2009-12-30T17:00 2010-01-01T18:00",
            ["12-30T17:00 12-31T18:00", "12-31T18:00 01-01T18:00"],
        ),
        # St. John's went from 00:01 back to 23:01: one minute of the new day before the old one came back.
        (
            "America/St_Johns",
            "00:00-24:00",
            "2006-10-28T02:30 2006-10-30T03:30",
            [
                "10-28T02:30 10-29T02:30",
                "10-29T02:30 10-29T02:31",
                "10-29T02:31 10-29T03:30",
                "10-29T03:30 10-30T03:30",
            ],
        ),
        (
            "America/St_Johns",
            "22:00-24:00 00:00-02:00",
            "2006-10-28T12:00 2006-10-29T12:00",
            ["10-29T00:30 10-29T05:30"],
        ),
        (
            "America/St_Johns",
            "00:00-24:00",
            "2006-04-02T03:30 2006-04-04T02:30",
            ["04-02T03:30 04-03T02:30", "04-03T02:30 04-04T02:30"],
        ),
        # Samoa left out 30 December 2011. The nights before and after it were cut short and met, still two.
        (
            "Pacific/Apia",
            "00:00-24:00",
            "2011-12-29T10:00 2012-01-01T10:00",
            ["12-29T10:00 12-30T10:00", "12-30T10:00 12-31T10:00", "12-31T10:00 01-01T10:00"],
        ),
        (
            "Pacific/Apia",
            "09:00-17:00",
            "2011-12-29T10:00 2011-12-31T10:00",
            ["12-29T19:00 12-30T03:00", "12-30T19:00 12-31T03:00"],
        ),
        (
            "Pacific/Apia",
            "22:00-24:00 00:00-02:00",
            "2011-12-30T00:00 2011-12-31T00:00",
            ["12-30T08:00 12-30T10:00", "12-30T10:00 12-30T12:00"],
        ),
    ],
)
def test_hours_of_every_day(zone: str, opens: str, within: str, grid: list[str]) -> None:
    assert of_the_grid(daily(zone, *opens.split()), within) == grid


def test_days_of_the_week_begin_on_sunday() -> None:
    weekly = [windows(f"{day:02}:00-{day:02}:30") for day in range(7)]
    from_a_sunday_on = "2024-06-02T00:00 2024-06-09T00:00"
    assert of_the_grid(Schedule("UTC", weekly), from_a_sunday_on) == [
        f"06-{2 + day:02}T{day:02}:00 06-{2 + day:02}T{day:02}:30" for day in range(7)
    ]


@pytest.mark.parametrize(
    ("friday", "saturday", "sunday", "grid"),
    [
        # Hours that meet at midnight are one run ...
        ("22:00-24:00", "00:00-03:00", "", ["06-07T22:00 06-08T03:00"]),
        ("22:00-24:00", "00:01-03:00", "", ["06-07T22:00 06-08T00:00", "06-08T00:01 06-08T03:00"]),
        ("22:00-23:59", "00:00-03:00", "", ["06-07T22:00 06-07T23:59", "06-08T00:00 06-08T03:00"]),
        # ... unless a whole day ends there.
        ("00:00-24:00", "00:00-03:00", "", ["06-07T00:00 06-08T00:00", "06-08T00:00 06-08T03:00"]),
        ("00:01-24:00", "00:00-24:00", "00:00-05:00", ["06-07T00:01 06-09T00:00", "06-09T00:00 06-09T05:00"]),
        ("00:01-24:00", "00:00-23:59", "00:00-05:00", ["06-07T00:01 06-08T23:59", "06-09T00:00 06-09T05:00"]),
        ("00:00-24:00", "00:01-02:00", "", ["06-07T00:00 06-08T00:00", "06-08T00:01 06-08T02:00"]),
        # A day is whole however it was put together.
        (
            "00:00-13:00 12:00-24:00",
            "00:00-03:00",
            "",
            ["06-07T00:00 06-08T00:00", "06-08T00:00 06-08T03:00"],
        ),
        # Within a day, too, windows that touch or overlap are one.
        ("09:00-12:00 12:00-15:00", "", "", ["06-07T09:00 06-07T15:00"]),
        ("09:00-12:00 10:00-11:00 11:30-12:30", "", "", ["06-07T09:00 06-07T12:30"]),
    ],
)
def test_windows_that_touch_are_one_run(friday: str, saturday: str, sunday: str, grid: list[str]) -> None:
    weekly = [windows(*each.split()) for each in (sunday, "", "", "", "", friday, saturday)]
    assert of_the_grid(Schedule("UTC", weekly), "2024-06-06T12:00 2024-06-10T00:00") == grid


def _days(first: str, last: str, *texts: str) -> Override:
    return Override(
        day_number(date.fromisoformat(first)), day_number(date.fromisoformat(last)), windows(*texts)
    )


@pytest.mark.parametrize(
    ("overrides", "grid"),
    [
        ([], ["06-03T09:00 06-03T17:00", "06-04T09:00 06-04T17:00", "06-05T09:00 06-05T17:00"]),
        ([_days("2024-06-04", "2024-06-04")], ["06-03T09:00 06-03T17:00", "06-05T09:00 06-05T17:00"]),
        (
            [_days("2024-06-03", "2024-06-05", "10:00-11:00")],
            ["06-03T10:00 06-03T11:00", "06-04T10:00 06-04T11:00", "06-05T10:00 06-05T11:00"],
        ),
        # The one of fewer days counts, wherever it stands.
        (
            [_days("2024-06-04", "2024-06-04", "12:00-13:00"), _days("2024-06-03", "2024-06-05")],
            ["06-04T12:00 06-04T13:00"],
        ),
        (
            [_days("2024-06-03", "2024-06-05"), _days("2024-06-04", "2024-06-04", "12:00-13:00")],
            ["06-04T12:00 06-04T13:00"],
        ),
        # Of those of as many days, the last.
        (
            [
                _days("2024-06-03", "2024-06-04", "10:00-11:00"),
                _days("2024-06-04", "2024-06-05", "12:00-13:00"),
            ],
            ["06-03T10:00 06-03T11:00", "06-04T12:00 06-04T13:00", "06-05T12:00 06-05T13:00"],
        ),
        (
            [
                _days("2024-06-04", "2024-06-05", "12:00-13:00"),
                _days("2024-06-03", "2024-06-04", "10:00-11:00"),
            ],
            ["06-03T10:00 06-03T11:00", "06-04T10:00 06-04T11:00", "06-05T12:00 06-05T13:00"],
        ),
        # Its hours may touch those of the day beside it.
        (
            [
                _days("2024-06-03", "2024-06-03", "20:00-24:00"),
                _days("2024-06-04", "2024-06-05", "00:00-02:00"),
            ],
            ["06-03T20:00 06-04T02:00", "06-05T00:00 06-05T02:00"],
        ),
    ],
)
def test_overrides_replace_whole_days(overrides: list[Override], grid: list[str]) -> None:
    schedule = Schedule("UTC", [windows("09:00-17:00")] * 7, overrides)
    assert of_the_grid(schedule, "2024-06-03T00:00 2024-06-06T00:00") == grid


@pytest.mark.parametrize(
    ("zone", "opens", "second", "counted_from"),
    [
        ("Europe/Berlin", "21:00-24:00 00:00-20:00", "2024-06-03T12:00Z", "2024-06-02T19:00Z"),
        ("Europe/Berlin", "00:00-24:00", "2024-10-27T22:59Z", "2024-10-26T22:00Z"),
        ("Europe/Berlin", "09:00-17:00", "2024-06-03T06:59Z", None),
        # Most of 30 September 1969 happened twice in Kwajalein: from 00:00 to 24:00, and again from 01:00.
        ("Pacific/Kwajalein", "00:00-24:00", "1969-10-01T11:59Z", "1969-09-29T13:00Z"),
    ],
)
def test_a_range_within_a_run_knows_where_that_began(
    zone: str, opens: str, second: str, counted_from: str | None
) -> None:
    found = hours(daily(zone, *opens.split()), at(second), at(second) + MINUTE)
    assert grid_at(found, at(second)) == (at(counted_from) if counted_from else None)


@pytest.mark.parametrize(
    ("zone", "day", "counted_from", "second"),
    [
        # 23:59 hours on Saturday, and 25 on Sunday.
        ("Europe/Berlin", "2024-10-26", "2024-10-25T22:01Z", "2024-10-27T22:59Z"),
        # And 47 on 30 September 1969.
        ("Pacific/Kwajalein", "1969-09-29", "1969-09-28T13:01Z", "1969-10-01T11:59Z"),
    ],
)
def test_the_longest_run_knows_where_it_began(zone: str, day: str, counted_from: str, second: str) -> None:
    around = replace(daily(zone, "00:00-24:00"), overrides=[_days(day, day, "00:01-24:00")])
    found = hours(around, at(second), at(second) + MINUTE)
    assert grid_at(found, at(second)) == at(counted_from)


@pytest.mark.parametrize("machine", ["America/New_York", "Pacific/Kiritimati", "Europe/Berlin", "XXX-13:37"])
def test_answers_do_not_depend_on_the_zone_of_the_machine(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours_module, "_pieces_of_year", inspect.unwrap(hours_module._pieces_of_year))
    start, end = at("2024-03-30T12:00Z"), at("2024-04-01T12:00Z")
    day = day_number(date(2024, 3, 31))
    schedule = daily("Europe/Berlin", "01:30-02:30", "22:00-24:00")

    def answers() -> list[object]:
        return [
            hours(schedule, start, end),
            local_days("Europe/Berlin", day, day),
            local_day("Europe/Berlin", start),
            count_by_local_day("Europe/Berlin", range(start, end, HOUR)),
            local_stamp(start, "Europe/Berlin"),
            seconds(moment(start)),
        ]

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        expected = answers()
        monkeypatch.setenv("TZ", machine)
        time.tzset()
        assert time.tzname[0] != "UTC"
        assert answers() == expected
    finally:
        monkeypatch.undo()
        time.tzset()
    assert expected[1] == Intervals([(at("2024-03-30T23:00Z"), at("2024-03-31T22:00Z"))])


@pytest.mark.parametrize(
    ("zone", "opens", "open_from_to"),
    [
        ("UTC", "09:00-17:00", [(9, 17)]),
        ("UTC", "00:00-24:00", [(0, 24)]),
        # Elsewhere, the day before or after it has a part in it.
        ("Etc/GMT+12", "09:00-17:00", [(0, 5), (21, 24)]),
        ("Etc/GMT-14", "09:00-17:00", [(0, 3), (19, 24)]),
        ("Etc/GMT-14", "00:00-24:00", [(0, 24)]),
    ],
)
@pytest.mark.parametrize("midnight", [FIRST, LAST + 1 - DAY])
def test_the_first_day_and_the_last(
    zone: str, opens: str, open_from_to: list[tuple[int, int]], midnight: int
) -> None:
    found = hours(daily(zone, *opens.split()), midnight, midnight + DAY)
    expected = Intervals((midnight + first * HOUR, midnight + last * HOUR) for first, last in open_from_to)
    # Nothing can end after the last second, so nothing can begin with it.
    day = Intervals([(midnight, min(midnight + DAY, LAST))])
    assert found.open & day == expected & day


def test_the_first_day_was_a_monday_and_the_last_will_be_a_friday() -> None:
    weekly = [windows(f"{day:02}:00-{day:02}:30") for day in range(7)]
    for midnight, day in ((FIRST, 1), (LAST + 1 - DAY, 5)):
        found = hours(Schedule("UTC", weekly), midnight, midnight + DAY).open
        start = midnight + day * HOUR
        assert list(found & Intervals([(midnight, midnight + DAY)])) == [(start, start + HOUR // 2)]
