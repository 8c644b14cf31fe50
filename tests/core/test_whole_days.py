"""Types whose appointments are whole days of the calendar."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kalends.core.hours import Override, Schedule, day_number, odd_days
from kalends.core.intervals import Intervals
from tests.core.offers import FREE, TERMS, an_offer, between, codes, found, replace_terms, the_only_reason
from tests.core.slow import DAY, HOUR, MINUTE, SlowHours, at, daily, lasting, windows


@pytest.mark.parametrize(
    ("zone", "days", "start", "end"),
    [
        ("Europe/Berlin", 1, "2024-03-29T23:00Z", "2024-03-30T23:00Z"),
        ("Europe/Berlin", 1, "2024-03-30T23:00Z", "2024-03-31T22:00Z"),
        ("Europe/Berlin", 1, "2024-03-31T22:00Z", "2024-04-01T22:00Z"),
        ("Europe/Berlin", 1, "2024-10-26T22:00Z", "2024-10-27T23:00Z"),
        ("Europe/Berlin", 7, "2024-03-24T23:00Z", "2024-03-31T22:00Z"),
        ("Europe/Berlin", 7, "2024-10-21T22:00Z", "2024-10-28T23:00Z"),
        ("Australia/Lord_Howe", 1, "2024-10-05T13:30Z", "2024-10-06T13:00Z"),
        ("Australia/Lord_Howe", 1, "2024-04-06T13:00Z", "2024-04-07T13:30Z"),
        # From nine in the morning to nine in the morning, and from the second 02:30 to the next 02:30.
        ("Europe/Berlin", 1, "2024-03-30T08:00Z", "2024-03-31T07:00Z"),
        ("Europe/Berlin", 1, "2024-10-26T07:00Z", "2024-10-27T08:00Z"),
        ("Europe/Berlin", 1, "2024-10-27T01:30Z", "2024-10-28T01:30Z"),
        ("Europe/Berlin", 1, "2024-10-26T00:30Z", "2024-10-27T00:30Z"),
        # 02:30 is skipped the next day.
        ("Europe/Berlin", 1, "2024-03-30T01:30Z", "2024-03-31T01:30Z"),
        # Midnight is skipped: the day begins at 01:00, and ends where the next one begins.
        ("America/Sao_Paulo", 1, "2018-11-03T03:00Z", "2018-11-04T03:00Z"),
        ("America/Sao_Paulo", 1, "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
        ("America/Sao_Paulo", 2, "2018-11-03T03:00Z", "2018-11-05T02:00Z"),
        ("Asia/Beirut", 1, "2024-03-30T22:00Z", "2024-03-31T21:00Z"),
        # Midnight is repeated: the day begins at the first ...
        ("America/Havana", 1, "2024-11-02T04:00Z", "2024-11-03T04:00Z"),
        ("America/Havana", 1, "2024-11-03T04:00Z", "2024-11-04T05:00Z"),
        ("America/Havana", 1, "2024-11-03T05:00Z", "2024-11-04T05:00Z"),
        # ... or the hour before midnight is.
        ("America/Sao_Paulo", 1, "2018-02-17T02:00Z", "2018-02-18T03:00Z"),
        ("America/St_Johns", 1, "2006-10-28T02:30Z", "2006-10-29T02:30Z"),
        ("America/St_Johns", 1, "2006-10-29T02:30Z", "2006-10-30T03:30Z"),
        # Samoa left out 30 December 2011, and Kwajalein had most of a day twice.
        ("Pacific/Apia", 1, "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        ("Pacific/Apia", 2, "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        ("Pacific/Apia", 1, "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
        ("Pacific/Kwajalein", 1, "1969-09-29T13:00Z", "1969-10-01T12:00Z"),
    ],
)
def test_whole_days_are_calendar_days(zone: str, days: int, start: str, end: str) -> None:
    schedule = daily(zone, "00:00-24:00")
    odd = odd_days(schedule, days, at(start), at(start) + 1)
    terms = replace(TERMS, duration=days * DAY, interval=30 * MINUTE, schedule=schedule, odd=odd)
    assert terms.length(at(start)) == at(end) - at(start)
    assert lasting(SlowHours(schedule), days * DAY, at(start)) == at(end) - at(start)


def test_whole_days_end_where_the_next_ones_begin() -> None:
    """All days of a year, in every zone: none overlaps the next, and none leaves a gap."""
    for zone in ("Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca"):
        start, end = at("2017-12-20T00:00Z"), at("2019-01-10T00:00Z")
        schedule = daily(zone, "00:00-12:00", "12:00-24:00")
        odd = odd_days(schedule, 1, start, end)
        offer = an_offer(now="2017-01-01T00:00Z", duration=DAY, interval=DAY, schedule=schedule, odd=odd)
        starts = list(offer.search(start, end))
        assert len(starts) in (386, 387)
        assert [each + offer.terms.length(each) for each in starts[:-1]] == starts[1:]


def test_days_that_are_not_open_from_midnight_to_midnight_are_24_hours() -> None:
    day = day_number(date(2024, 3, 31))
    around = daily("Europe/Berlin", "00:00-24:00")
    start, end = at("2024-03-30T00:00Z"), at("2024-04-02T00:00Z")

    def lengths(schedule: Schedule, days: int, *starts: str) -> list[int]:
        terms = replace(TERMS, duration=days * DAY, odd=odd_days(schedule, days, start, end))
        return [terms.length(at(each)) - days * DAY for each in starts]

    midnight, nine = "2024-03-30T23:00Z", "2024-03-30T08:00Z"
    assert lengths(around, 1, midnight, nine) == [-HOUR, -HOUR]
    assert lengths(daily("Europe/Berlin", "00:00-23:59"), 1, midnight, nine) == [0, 0]
    closed = replace(around, overrides=[Override(day, day, Intervals())])
    assert lengths(closed, 1, midnight, nine) == [0, 0]
    later = replace(around, overrides=[Override(day + 1, day + 1, windows("09:00-17:00"))])
    assert lengths(later, 1, midnight, nine) == [-HOUR, -HOUR]
    assert lengths(later, 2, midnight) == [0]
    opened = replace(daily("Europe/Berlin"), overrides=[Override(day, day, windows("00:00-24:00"))])
    assert lengths(opened, 1, midnight, nine) == [-HOUR, 0]


def test_steps_of_whole_days_are_calendar_days() -> None:
    """Not the 24th hour of a day of 25; but where the day is not whole, they are counted in real minutes."""
    terms: dict[str, Any] = {"now": "2024-01-01T00:00Z", "duration": HOUR, "interval": DAY}
    offer = an_offer(schedule=daily("Europe/Berlin", "00:00-24:00"), **terms)
    assert found(offer, "2024-10-26T00:00Z", "2024-10-28T00:00Z") == "26 22:00, 27 23:00"
    assert codes(offer, "2024-10-27T22:00Z") == ["off_grid"]
    assert found(replace_terms(offer, interval=2 * DAY), "2024-10-26T00:00Z", "2024-10-28T00:00Z") == (
        "26 22:00, 27 23:00"
    )
    almost = an_offer(schedule=daily("Europe/Berlin", "00:00-23:59"), **terms)
    assert found(almost, "2024-10-26T00:00Z", "2024-10-28T00:00Z") == "26 22:00, 27 23:00"
    first = day_number(date(2024, 10, 26))
    joined = replace(
        daily("Europe/Berlin", "00:00-24:00"), overrides=[Override(first, first, windows("09:00-24:00"))]
    )
    offer = an_offer(schedule=joined, **terms)
    assert found(offer, "2024-10-26T00:00Z", "2024-10-28T00:00Z") == "26 07:00, 27 07:00 23:00"


def test_an_odd_day_is_free_or_taken_as_long_as_it_is() -> None:
    """The 31st of March has 23 hours in Berlin: a booking of the next day does not touch it."""
    around = daily("Europe/Berlin", "00:00-24:00")
    start, end = at("2024-03-28T00:00Z"), at("2024-04-03T00:00Z")
    terms: dict[str, Any] = {
        "now": "2024-01-01T00:00Z",
        "duration": DAY,
        "interval": DAY,
        "schedule": around,
        "odd": odd_days(around, 1, start, end),
    }
    taken = replace(FREE, busy=between("2024-03-31T22:00Z 2024-04-01T22:00Z"))
    beside = "28 23:00, 29 23:00, 30 23:00, 01 22:00"
    assert found(an_offer(taken, **terms), "2024-03-28T00:00Z", "2024-04-02T00:00Z") == beside
    # A minute of buffer does.
    offer = an_offer(taken, buffer_after=MINUTE, **terms)
    assert found(offer, "2024-03-30T00:00Z", "2024-04-02T00:00Z") == "01 22:00"
    assert the_only_reason(offer, "2024-03-30T23:00Z").code == "conflict"
    # A calendar's own hours only take away.
    berlin = daily("Europe/Berlin", "00:00-24:00")
    own = replace(FREE, schedule=berlin)
    assert found(an_offer(own, **terms), "2024-03-30T00:00Z", "2024-04-01T00:00Z") == "30 23:00, 31 22:00"
    own = replace(FREE, schedule=replace(berlin, weekly=daily("x", "00:00-23:59").weekly))
    assert found(an_offer(own, **terms), "2024-03-30T00:00Z", "2024-04-01T00:00Z") == ""
    by_utc = replace(FREE, schedule=daily("UTC", "00:00-24:00"))
    assert found(an_offer(by_utc, **terms), "2024-03-30T00:00Z", "2024-04-01T00:00Z") == "30 23:00, 31 22:00"
