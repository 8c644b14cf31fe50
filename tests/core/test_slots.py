from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.hours import Override, Schedule, day_number, odd_days
from kalends.core.intervals import Intervals, Span
from kalends.core.rules import Calendar, Period, Reason, Terms
from kalends.core.slots import Offer, steps
from tests.core.slow import (
    DAY,
    FIRST,
    HOUR,
    LAST,
    MINUTE,
    SlowHours,
    a_change,
    a_clock,
    a_clock_of_whole_minutes,
    a_range,
    a_schedule,
    an_open_schedule,
    at,
    daily,
    day_of,
    is_whole_day,
    lasting,
    wall_of,
    windows,
)

PERIODS: Sequence[Period] = get_args(Period)

NINE_TO_FIVE = daily("UTC", "09:00-17:00")
TERMS = Terms(
    is_active=True,
    duration=HOUR,
    buffer_before=0,
    buffer_after=0,
    interval=HOUR,
    min_notice_hours=0,
    max_days_ahead=None,
    caps={},
    week_start=1,
    schedule=NINE_TO_FIVE,
)
FREE = Calendar(id="a", is_active=True, serves=True, schedule=None, busy=Intervals())


def between(*texts: str) -> Intervals:
    """`2024-06-03T09:00Z 2024-06-03T10:00Z` as a span of instants."""
    return Intervals((at(start), at(end)) for start, end in (text.split() for text in texts))


def an_offer(
    *calendars: Calendar, booked: Sequence[str] = (), now: str = "2024-06-01T00:00Z", **terms: Any
) -> Offer:
    return Offer(
        terms=replace(TERMS, **terms),
        calendars=calendars or (FREE,),
        booked=[at(each) for each in booked],
        now=at(now),
    )


def replace_terms(offer: Offer, **terms: Any) -> Offer:
    return replace(offer, terms=replace(offer.terms, **terms))


def found(offer: Offer, start: str, end: str) -> str:
    """The bookable starts between two instants, as `day hour:minute ...`, in UTC."""
    times = offer.search(at(start), at(end))
    for each, calendars in times.items():
        verdict = offer.verdict(each)
        assert (verdict.free, verdict.reasons) == (calendars, [])
    days: dict[str, list[str]] = {}
    for each in times:
        days.setdefault(f"{wall_of('UTC', each):%d}", []).append(f"{wall_of('UTC', each):%H:%M}")
    return ", ".join(" ".join([day, *starts]) for day, starts in days.items())


def codes(offer: Offer, start: str) -> list[str]:
    verdict = offer.verdict(at(start))
    assert not verdict.free or not verdict.reasons
    return [each.code for each in verdict.reasons]


def the_only_reason(offer: Offer, start: str) -> Reason:
    verdict = offer.verdict(at(start))
    assert verdict.free == []
    (reason,) = verdict.reasons
    assert reason.message[0].isupper()
    assert reason.message.endswith(".")
    assert at(start) not in offer.search(at(start), at(start) + MINUTE)
    return reason


# What is offered.


def test_starts_leave_room_for_the_appointment() -> None:
    offer = an_offer(duration=90 * MINUTE, interval=45 * MINUTE)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == (
        "03 09:00 09:45 10:30 11:15 12:00 12:45 13:30 14:15 15:00"
    )  # the last could have begun at 15:30, but not on the grid
    assert found(offer, "2024-06-03T09:45Z", "2024-06-03T11:15Z") == "03 09:45 10:30"
    assert found(offer, "2024-06-03T09:45:01Z", "2024-06-03T11:15:01Z") == "03 10:30 11:15"
    assert found(offer, "2024-06-03T09:45Z", "2024-06-03T09:45Z") == ""


def test_an_appointment_may_take_all_there_is() -> None:
    assert found(an_offer(duration=8 * HOUR), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 09:00"
    assert found(an_offer(duration=8 * HOUR + MINUTE), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == ""


def test_buffers_may_lie_outside_the_hours() -> None:
    offer = an_offer(buffer_before=DAY, buffer_after=DAY, interval=7 * HOUR)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 09:00 16:00"


def test_times_are_counted_from_the_start_of_every_run() -> None:
    night = daily("Europe/Berlin", "22:00-24:00", "00:00-01:00", "09:30-12:00")
    offer = an_offer(duration=25 * MINUTE, interval=50 * MINUTE, schedule=night)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == (
        "03 07:30 08:20 09:10 20:00 20:50 21:40 22:30"
    )


def test_times_are_counted_anew_after_a_whole_day() -> None:
    offer = an_offer(duration=7 * HOUR, interval=7 * HOUR, schedule=daily("UTC", "00:00-24:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-05T00:00Z") == (
        "03 00:00 07:00 14:00 21:00, 04 00:00 07:00 14:00 21:00"
    )
    # What begins on one grid may end on another, or on several.
    offer = an_offer(duration=3 * DAY, interval=16 * HOUR, schedule=daily("UTC", "00:00-24:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-05T00:00Z") == "03 00:00 16:00, 04 00:00 16:00"


@pytest.mark.parametrize(
    ("start", "end", "starts"),
    [
        # 02:00 to 03:00 is skipped: 01:00, 01:40, 03:20, 04:00, 04:40 on the wall.
        ("2024-03-30T23:00Z", "2024-03-31T22:00Z", "31 00:00 00:40 01:20 02:00 02:40"),
        # And repeated: 01:00, 01:40, 02:20, then 02:00, 02:40, 03:20, 04:00, 04:40.
        ("2024-10-26T22:00Z", "2024-10-27T23:00Z", "26 23:00 23:40, 27 00:20 01:00 01:40 02:20 03:00 03:40"),
    ],
)
def test_times_are_counted_in_real_minutes(start: str, end: str, starts: str) -> None:
    offer = an_offer(
        now="2024-01-01T00:00Z",
        duration=20 * MINUTE,
        interval=40 * MINUTE,
        schedule=daily("Europe/Berlin", "01:00-05:00"),
    )
    assert found(offer, start, end) == starts


def test_what_the_clocks_repeat_is_offered_twice() -> None:
    offer = an_offer(
        now="2024-01-01T00:00Z",
        duration=15 * MINUTE,
        interval=20 * MINUTE,
        schedule=daily("Europe/Berlin", "02:10-02:50"),
    )
    assert found(offer, "2024-10-26T22:00Z", "2024-10-27T23:00Z") == "27 00:10 00:30 01:10 01:30"
    assert found(offer, "2024-03-30T23:00Z", "2024-03-31T22:00Z") == ""


def test_every_calendar_that_could_take_a_start_is_named_in_the_order_given() -> None:
    morning, evening = (
        between("2024-06-03T09:00Z 2024-06-03T12:00Z"),
        between("2024-06-03T14:00Z 2024-06-03T17:00Z"),
    )
    offer = an_offer(replace(FREE, id="z", busy=morning), replace(FREE, id="b", busy=evening))
    times = offer.search(at("2024-06-03T11:00Z"), at("2024-06-03T15:00Z"))
    assert list(times.items()) == [
        (at("2024-06-03T11:00Z"), ["b"]),
        (at("2024-06-03T12:00Z"), ["z", "b"]),
        (at("2024-06-03T13:00Z"), ["z", "b"]),
        (at("2024-06-03T14:00Z"), ["z"]),
    ]


def test_a_calendar_that_can_t_does_not_stand_in_the_way_of_one_that_can() -> None:
    offer = an_offer(
        replace(FREE, id="resting", is_active=False),
        replace(FREE, id="other", serves=False),
        replace(FREE, id="closed", schedule=daily("UTC")),
        replace(FREE, id="busy", busy=between("2024-06-03T00:00Z 2024-06-04T00:00Z")),
        replace(FREE, id="free"),
    )
    assert set(map(tuple, offer.search(at("2024-06-03T00:00Z"), at("2024-06-04T00:00Z")).values())) == {
        ("free",)
    }
    assert offer.verdict(at("2024-06-03T09:00Z")).free == ["free"]
    assert offer.verdict(at("2024-06-03T09:00Z")).reasons == []


def test_a_calendar_s_hours_narrow_and_do_not_move_the_grid() -> None:
    calendar = replace(FREE, schedule=daily("UTC", "08:00-09:30", "10:00-12:00", "16:00-20:00"))
    offer = an_offer(calendar, duration=45 * MINUTE, interval=45 * MINUTE)
    # Offered from 09:00 on: 09:00 would end within neither, and 16:30 after the type's own hours.
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 10:30 11:15"
    assert codes(offer, "2024-06-03T09:00Z") == ["outside_hours"]
    assert codes(offer, "2024-06-03T10:00Z") == ["off_grid"]
    assert codes(offer, "2024-06-03T16:30Z") == ["outside_hours"]


def test_a_calendar_s_hours_are_in_its_own_zone() -> None:
    calendar = replace(FREE, schedule=daily("America/New_York", "09:00-12:00"))
    assert found(an_offer(calendar), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 13:00 14:00 15:00"
    # Touching hours over a restart of its own grid are no border.
    around = replace(FREE, schedule=daily("America/New_York", "00:00-24:00"))
    offer = an_offer(around, duration=2 * HOUR, schedule=daily("UTC", "03:00-06:00"))
    assert found(offer, "2024-06-03T00:00Z", "2024-06-04T00:00Z") == "03 03:00 04:00"


# Whole days.


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


# What is not, and why.


def test_inactive_type() -> None:
    reason = the_only_reason(an_offer(is_active=False), "2024-06-03T09:00Z")
    assert (reason.code, reason.details) == ("type_inactive", {})
    assert found(an_offer(is_active=False), "2024-06-03T00:00Z", "2024-06-04T00:00Z") == ""


def test_the_past() -> None:
    offer = an_offer(now="2024-06-03T10:00:01Z")
    assert found(offer, "2024-06-03T00:00Z", "2024-06-03T13:00Z") == "03 11:00 12:00"
    reason = the_only_reason(offer, "2024-06-03T10:00Z")
    assert reason.code == "too_soon"
    assert reason.details == {"min_notice_hours": 0, "earliest": "2024-06-03T10:00:01Z"}
    assert (
        found(an_offer(now="2024-06-03T10:00Z"), "2024-06-03T00:00Z", "2024-06-03T12:00Z") == "03 10:00 11:00"
    )


def test_notice_is_met_to_the_second_and_in_real_hours() -> None:
    offer = an_offer(now="2024-06-02T10:00Z", min_notice_hours=24)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-03T12:00Z") == "03 10:00 11:00"
    offer = an_offer(now="2024-06-02T10:00:01Z", min_notice_hours=24)
    assert found(offer, "2024-06-03T00:00Z", "2024-06-03T12:00Z") == "03 11:00"
    reason = the_only_reason(offer, "2024-06-03T10:00Z")
    assert reason.code == "too_soon"
    assert "24 hours" in reason.message
    assert reason.details == {"min_notice_hours": 24, "earliest": "2024-06-03T10:00:01Z"}
    # On the day the clocks go forward, 24 hours after 10:00 in Berlin is 11:00.
    berlin = daily("Europe/Berlin", "09:00-17:00")
    offer = an_offer(now="2024-03-30T09:00Z", min_notice_hours=24, schedule=berlin)
    assert found(offer, "2024-03-31T00:00Z", "2024-03-31T11:00Z") == "31 09:00 10:00"


def test_notice_of_more_than_all_time() -> None:
    reason = the_only_reason(an_offer(min_notice_hours=10**9), "2024-06-03T09:00Z")
    assert reason.details == {"min_notice_hours": 10**9, "earliest": "9999-12-31T23:59:59Z"}


def test_the_horizon_is_a_day_where_the_hours_are() -> None:
    around = daily("Europe/Berlin", "00:00-24:00")
    # 2 June, 23:59:59 in Berlin, and a second later.
    offer = an_offer(now="2024-06-02T21:59:59Z", max_days_ahead=1, schedule=around, interval=12 * HOUR)
    assert found(offer, "2024-06-02T22:00Z", "2024-06-06T00:00Z") == "02 22:00, 03 10:00"
    offer = an_offer(now="2024-06-02T22:00Z", max_days_ahead=1, schedule=around, interval=12 * HOUR)
    assert found(offer, "2024-06-02T22:00Z", "2024-06-06T00:00Z") == "02 22:00, 03 10:00 22:00, 04 10:00"
    reason = the_only_reason(offer, "2024-06-04T22:00Z")
    assert reason.code == "too_far_ahead"
    assert "2024-06-04" in reason.message
    assert reason.details == {"max_days_ahead": 1, "last_date": "2024-06-04", "timezone": "Europe/Berlin"}


def test_a_horizon_of_no_days_is_today() -> None:
    offer = an_offer(now="2024-06-03T12:00Z", max_days_ahead=0)
    assert found(offer, "2024-06-01T00:00Z", "2024-06-10T00:00Z") == "03 12:00 13:00 14:00 15:00 16:00"
    # The last start of the day counts, though the appointment ends on the next.
    around = an_offer(
        now="2024-06-03T22:30Z", max_days_ahead=0, schedule=daily("UTC", "00:00-24:00"), duration=DAY
    )
    assert found(around, "2024-06-03T00:00Z", "2024-06-05T00:00Z") == "03 23:00"


def test_a_horizon_beyond_all_time() -> None:
    offer = an_offer(max_days_ahead=10**9)
    assert found(offer, "9999-12-31T00:00Z", "9999-12-31T12:00Z") == "31 09:00 10:00 11:00"


def test_the_last_day_of_the_horizon_may_be_left_and_come_back() -> None:
    """In St. John's, the first minute of 29 October 2006 lay between the 28th and its last hour once more."""
    offer = an_offer(
        now="2006-10-28T12:00Z",
        max_days_ahead=0,
        duration=MINUTE,
        interval=MINUTE,
        schedule=daily("America/St_Johns", "00:00-24:00"),
    )
    assert found(offer, "2006-10-29T02:28Z", "2006-10-29T02:33Z") == "29 02:28 02:29 02:31 02:32"
    assert found(offer, "2006-10-29T03:28Z", "2006-10-29T04:00Z") == "29 03:28 03:29"


def test_outside_the_hours() -> None:
    reason = the_only_reason(an_offer(schedule=daily("Europe/Berlin", "09:00-17:00")), "2024-06-03T03:00Z")
    assert (reason.code, reason.details) == ("outside_hours", {"timezone": "Europe/Berlin"})
    # It begins within, and ends without.
    assert codes(an_offer(), "2024-06-03T16:00Z") == []
    assert codes(an_offer(), "2024-06-03T17:00Z") == ["outside_hours"]
    assert codes(an_offer(duration=61 * MINUTE), "2024-06-03T16:00Z") == ["outside_hours"]
    assert codes(an_offer(), "2024-06-03T16:00:01Z") == ["outside_hours", "off_grid"]


def test_an_override_is_what_the_hours_are_that_day() -> None:
    day = day_number(date(2024, 6, 3))
    schedule = replace(NINE_TO_FIVE, overrides=[Override(day, day, windows("10:15-12:00"))])
    assert (
        found(an_offer(schedule=schedule), "2024-06-03T00:00Z", "2024-06-04T10:00Z") == "03 10:15, 04 09:00"
    )


def test_off_the_grid() -> None:
    offer = an_offer(interval=45 * MINUTE, schedule=daily("Europe/Berlin", "09:00-12:00", "13:10-17:00"))
    reason = the_only_reason(offer, "2024-06-03T12:00Z")
    assert reason.code == "off_grid"
    assert reason.details == {"interval_minutes": 45, "counted_from": "2024-06-03T11:10:00Z"}
    assert "45 minutes" in reason.message
    assert "2024-06-03T11:10:00Z" in reason.message
    assert codes(offer, "2024-06-03T11:55Z") == []
    assert codes(offer, "2024-06-03T11:55:01Z") == ["off_grid"]


def test_a_limit_per_day_with_25_hours() -> None:
    """3 November 2024 in New York, from 04:00 to 05:00 of the next day in UTC."""
    terms: dict[str, Any] = {
        "now": "2024-06-01T00:00Z",
        "caps": {"day": 2},
        "interval": 12 * HOUR,
        "schedule": daily("America/New_York", "00:00-24:00"),
    }
    full = an_offer(booked=["2024-11-03T04:00Z", "2024-11-04T04:59:59Z"], **terms)
    assert found(full, "2024-11-02T04:00Z", "2024-11-05T05:00Z") == "02 04:00 16:00, 04 05:00 17:00"
    reason = the_only_reason(full, "2024-11-04T04:00Z")
    assert reason.code == "limit_reached"
    assert reason.message == "No more of this type can be booked in that day."
    assert reason.details == {
        "period": "day",
        "limit": 2,
        "booked": 2,
        "from_date": "2024-11-03",
        "to_date": "2024-11-03",
        "timezone": "America/New_York",
    }
    for beside in (
        ["2024-11-03T03:59:59Z", "2024-11-04T04:59:59Z"],
        ["2024-11-03T04:00Z", "2024-11-04T05:00Z"],
    ):
        rest = an_offer(booked=beside, **terms)
        assert found(rest, "2024-11-03T04:00Z", "2024-11-04T05:00Z") == "03 04:00 16:00, 04 04:00"


@pytest.mark.parametrize(
    ("week_start", "starts", "first", "last"),
    [
        # 2 and 9 June 2024 were Sundays.
        (0, "01 09:00, 09 09:00, 10 09:00", "2024-06-02", "2024-06-08"),
        (1, "01 09:00, 02 09:00, 10 09:00", "2024-06-03", "2024-06-09"),
    ],
)
def test_a_limit_per_week(week_start: int, starts: str, first: str, last: str) -> None:
    booked = ["2024-06-02T09:00Z", "2024-06-08T16:00Z", "2024-06-09T09:00Z"]
    offer = an_offer(
        now="2024-01-01T00:00Z", booked=booked, caps={"week": 2}, week_start=week_start, interval=8 * HOUR
    )
    assert found(offer, "2024-06-01T00:00Z", "2024-06-11T00:00Z") == starts
    reason = the_only_reason(offer, "2024-06-05T09:00Z")
    assert reason.code == "limit_reached"
    assert reason.message == "No more of this type can be booked in that week."
    assert reason.details == {
        "period": "week",
        "limit": 2,
        "booked": 2,
        "from_date": first,
        "to_date": last,
        "timezone": "UTC",
    }


def test_a_limit_per_month() -> None:
    """In Tokyo, months begin at 15:00 in UTC on the last day of the month before."""
    tokyo = daily("Asia/Tokyo", "00:00-24:00")
    offer = an_offer(
        now="2023-01-01T00:00Z",
        booked=["2024-01-31T15:00Z", "2024-02-10T00:00Z", "2024-02-29T14:59:59Z", "2024-02-29T15:00Z"],
        caps={"month": 2},
        interval=12 * HOUR,
        schedule=tokyo,
    )
    assert found(offer, "2024-01-31T00:00Z", "2024-03-01T00:00Z") == "31 03:00, 29 15:00"
    reason = the_only_reason(offer, "2024-02-14T15:00Z")
    assert reason.code == "limit_reached"
    assert reason.message == "No more of this type can be booked in that month."
    assert reason.details == {
        "period": "month",
        "limit": 2,
        "booked": 3,
        "from_date": "2024-02-01",
        "to_date": "2024-02-29",
        "timezone": "Asia/Tokyo",
    }


@pytest.mark.parametrize(
    ("busy", "starts"),
    [
        # It may end with its buffer where that begins, and begin with its buffer where that ends.
        (["11:00 12:00"], "09:45 09:50 12:15 12:20"),
        # A second is enough to be in the way.
        (["10:59:59 12:00"], "09:45 12:15 12:20"),
        (["11:00 12:00:01"], "09:45 09:50 12:20"),
        (
            ["11:00 11:00:01"],
            "09:45 09:50 11:20 11:25 11:30 11:35 11:40 11:45 11:50 11:55 12:00 12:05 12:10 12:15 12:20",
        ),
        # Between two that leave just enough, and a second less.
        (["00:00 10:00", "11:25 20:00"], "10:15"),
        (["00:00 10:00:01", "11:25 20:00"], ""),
        (["00:00 10:00", "11:24:59 20:00"], ""),
        (["00:00 20:00"], ""),
    ],
)
def test_touching_bookings_and_buffers(busy: list[str], starts: str) -> None:
    spans = (each.split() for each in busy)
    calendar = replace(
        FREE, busy=between(*(f"2024-06-03T{since}Z 2024-06-03T{until}Z" for since, until in spans))
    )
    offer = an_offer(calendar, buffer_before=15 * MINUTE, buffer_after=10 * MINUTE, interval=5 * MINUTE)
    free = found(offer, "2024-06-03T09:45Z", "2024-06-03T12:25Z")
    assert free.removeprefix("03 ") == starts
    reason = the_only_reason(offer, "2024-06-03T11:00Z")
    assert (reason.code, reason.details) == ("conflict", {"calendar_id": "a"})


@pytest.mark.parametrize(
    ("calendar", "code", "details"),
    [
        (replace(FREE, is_active=False), "calendar_inactive", {"calendar_id": "a"}),
        (replace(FREE, serves=False), "calendar_not_serving", {"calendar_id": "a"}),
        (
            replace(FREE, schedule=daily("Asia/Tokyo", "00:00-18:30")),
            "outside_hours",
            {"calendar_id": "a", "timezone": "Asia/Tokyo"},
        ),
        (
            replace(FREE, busy=between("2024-06-03T09:59Z 2024-06-03T10:00Z")),
            "conflict",
            {"calendar_id": "a"},
        ),
    ],
)
def test_what_a_calendar_has_against_a_start(
    calendar: Calendar, code: str, details: Mapping[str, Any]
) -> None:
    reason = the_only_reason(an_offer(calendar), "2024-06-03T09:00Z")
    assert (reason.code, reason.details) == (code, details)


def test_no_calendar_at_all() -> None:
    offer = replace(an_offer(), calendars=[])
    reason = the_only_reason(offer, "2024-06-03T09:00Z")
    assert (reason.code, reason.details) == ("calendar_not_serving", {})
    assert codes(offer, "2024-06-03T03:00Z") == ["outside_hours", "calendar_not_serving"]


def test_every_reason_is_told_and_the_gravest_first() -> None:
    """One day's notice and no day ahead can't be had together."""
    closed = daily("Europe/Berlin")
    offer = an_offer(
        replace(
            FREE,
            is_active=False,
            serves=False,
            schedule=closed,
            busy=between("2024-06-03T16:00Z 2024-06-03T17:00Z"),
        ),
        replace(FREE, id="b", busy=between("2024-06-03T16:30Z 2024-06-03T16:31Z")),
        now="2024-06-02T17:00Z",
        booked=["2024-06-03T09:00Z", "2024-06-03T10:00Z"],
        is_active=False,
        min_notice_hours=24,
        max_days_ahead=0,
        caps={"day": 1, "week": 2, "month": 2},
    )
    verdict = offer.verdict(at("2024-06-03T16:30Z"))
    assert verdict.free == []
    assert [(each.code, each.details.get("calendar_id")) for each in verdict.reasons] == [
        ("type_inactive", None),
        ("too_soon", None),
        ("too_far_ahead", None),
        ("outside_hours", None),
        ("limit_reached", None),
        ("limit_reached", None),
        ("limit_reached", None),
        ("off_grid", None),
        ("calendar_inactive", "a"),
        ("calendar_not_serving", "a"),
        ("outside_hours", "a"),
        ("conflict", "a"),
        ("conflict", "b"),
    ]
    limits = [each.details for each in verdict.reasons if each.code == "limit_reached"]
    assert [(each["period"], each["limit"], each["booked"]) for each in limits] == [
        ("day", 1, 2),
        ("week", 2, 2),
        ("month", 2, 2),
    ]
    assert verdict.reasons[1].details["earliest"] == "2024-06-03T17:00:00Z"
    assert verdict.reasons[2].details["last_date"] == "2024-06-02"
    assert verdict.reasons[7].details["counted_from"] == "2024-06-03T09:00:00Z"


def test_calendars_are_not_blamed_where_one_of_them_is_free() -> None:
    offer = an_offer(replace(FREE, serves=False), replace(FREE, id="b"))
    assert codes(offer, "2024-06-03T09:30Z") == ["off_grid"]
    assert codes(offer, "2024-06-03T09:00Z") == []
    assert offer.verdict(at("2024-06-03T09:00Z")).free == ["b"]


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Etc/GMT-14"])
@pytest.mark.parametrize(
    ("midnight", "terms", "first", "last"),
    [
        (FIRST, {}, 0, 23),
        (FIRST, {"min_notice_hours": 2}, 2, 23),
        (FIRST, {"buffer_before": 3 * HOUR, "buffer_after": 3 * HOUR}, 3, 23),
        (LAST + 1 - DAY, {}, 0, 22),  # an hour from 23:00 on would end a second too late
        (LAST + 1 - DAY, {"duration": 59 * MINUTE}, 0, 23),
        (LAST + 1 - DAY, {"duration": 59 * MINUTE, "buffer_after": MINUTE}, 0, 22),
        (LAST + 1 - DAY, {"buffer_before": 3 * HOUR, "buffer_after": 3 * HOUR}, 0, 19),
    ],
)
def test_all_of_an_appointment_lies_within_the_years_1_to_9999(
    midnight: int, terms: dict[str, Any], first: int, last: int, zone: str
) -> None:
    around = daily(zone, "00:00-24:00")
    offer = Offer(
        terms=replace(
            TERMS, schedule=around, max_days_ahead=1_000_000, caps=dict.fromkeys(PERIODS, 2), **terms
        ),
        calendars=[replace(FREE, schedule=around)],
        booked=[midnight + DAY // 2],
        now=max(FIRST, midnight - DAY),
    )
    starts = [midnight + each * HOUR for each in range(24)]
    assert list(offer.search(midnight, midnight + DAY)) == starts[first : last + 1]
    assert [each for each in starts if offer.verdict(each).free] == starts[first : last + 1]
    assert all(offer.verdict(each).reasons for each in starts[:first] + starts[last + 1 :])


# The grid.


@pytest.mark.parametrize(
    ("grid", "interval", "allowed", "points"),
    [
        ([], 5, [(0, 100)], []),
        ([(0, 20)], 5, [], []),
        ([(0, 20)], 5, [(0, 20)], [0, 5, 10, 15]),
        ([(0, 20)], 5, [(-100, 100)], [0, 5, 10, 15]),
        ([(0, 20)], 5, [(1, 11)], [5, 10]),
        ([(0, 20)], 5, [(0, 1), (4, 5), (5, 6), (11, 15)], [0, 5]),
        ([(0, 12), (12, 20)], 5, [(0, 100)], [0, 5, 10, 12, 17]),
        ([(0, 12), (12, 20)], 5, [(3, 15)], [5, 10, 12]),
        ([(0, 12), (13, 20)], 50, [(0, 12), (13, 14), (15, 30)], [0, 13]),
    ],
)
def test_steps(grid: list[Span], interval: int, allowed: list[Span], points: list[int]) -> None:
    assert list(steps([(*span, interval) for span in grid], Intervals(allowed))) == points


_lengths = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 15)), max_size=6)


def _one_after_the_other(lengths: list[tuple[int, int]], start: int) -> list[Span]:
    spans = []
    for gap, length in lengths:
        spans.append((start + gap, start + gap + length))
        start += gap + length
    return spans


@given(grid=_lengths, allowed=_lengths, interval=st.integers(1, 9), start=st.integers(-20, 20))
def test_steps_agree_with_every_point(
    grid: list[tuple[int, int]], allowed: list[tuple[int, int]], interval: int, start: int
) -> None:
    spans = _one_after_the_other(grid, 0)
    wanted = Intervals(_one_after_the_other(allowed, start))
    assert list(steps([(*span, interval) for span in spans], wanted)) == [
        point for begin, end in spans for point in range(begin, end, interval) if point in wanted
    ]


# Everything, slow and obvious.


class SlowOffer:
    """What stands against one start, asked of every minute and every booking there is."""

    def __init__(self, offer: Offer) -> None:
        self.offer, self.terms = offer, offer.terms
        self.zone = self.terms.schedule.zone
        self.hours = SlowHours(self.terms.schedule)
        self.own = {each.id: SlowHours(each.schedule) for each in offer.calendars if each.schedule}
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
        if not self.is_open(self.hours, start):
            codes.append("outside_hours")
        codes += [
            "limit_reached"
            for period, most in terms.caps.items()
            if self.booked[period][self.period_of(period, start)] >= most
        ]
        if self.is_off_grid(start):
            codes.append("off_grid")
        return codes

    def against_on(self, calendar: Calendar, start: int) -> list[str]:
        """And what a calendar has against it."""
        codes = []
        if not calendar.is_active:
            codes.append("calendar_inactive")
        if not calendar.serves:
            codes.append("calendar_not_serving")
        if calendar.schedule and not self.is_open(self.own[calendar.id], start):
            codes.append("outside_hours")
        begin = start - self.terms.buffer_before
        end = start + self.length(start) + self.terms.buffer_after
        if any(begin < until and since < end for since, until in calendar.busy):
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

    def is_open(self, hours: SlowHours, start: int) -> bool:
        minutes = range(start - start % MINUTE, start + self.length(start), MINUTE)
        return all(hours.is_open(each) for each in minutes)

    def length(self, start: int) -> int:
        if start not in self._lengths:
            self._lengths[start] = lasting(self.hours, self.terms.duration, start)
        return self._lengths[start]

    def free(self, start: int) -> list[str]:
        if self.is_off_grid(start) is not False or self.against(start):
            return []
        return [each.id for each in self.offer.calendars if not self.against_on(each, start)]


_some_minutes = st.one_of(st.sampled_from([5, 10, 15, 20, 30, 45, 60, 90]), st.integers(1, 150))
_buffers = st.one_of(st.just(0), st.sampled_from([0, 5, 10, 60, 1_440]), st.integers(0, 30))
_odd = st.sampled_from([0, 0, 0, 1, 59])
_busy = st.lists(
    st.tuples(st.integers(-48 * 60, 24 * 60), _odd, st.one_of(st.integers(1, 30), st.integers(1, 400)), _odd),
    max_size=4,
)
_places = st.sampled_from([None, None, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
_ids = st.sampled_from(["a", "za", "zab"])
_what_fails = st.sampled_from([*[""] * 12, "type", "calendar", "serving", "all calendars"])
_caps: st.SearchStrategy[Mapping[Period, int]] = st.one_of(
    st.just({}), st.dictionaries(st.sampled_from(PERIODS), st.integers(1, 4), min_size=1)
)
_notice = st.sampled_from([0, 1, 12, 24, 36])
_ahead = st.sampled_from([None, 0, 1, 2, 3, 365])
_now = st.one_of(st.just(-30 * 1_440), st.integers(-2 * 1_440, 120))
_bookings = st.lists(
    st.one_of(st.integers(-2 * 1_440, 2 * 1_440), st.integers(-40 * 1_440, 40 * 1_440)), max_size=8
)
_week_start = st.integers(0, 6)
_some_days = st.sampled_from([1, 1, 1, 2, 3])
_long_steps = st.sampled_from([60, 90, 360, 720, 1_440, 1_440, 1_440, 2_880])
_mostly = st.sampled_from([True, True, True, False])


def _a_calendar(draw: st.DrawFn, id_: str, near: int) -> Calendar:
    zone = draw(_places)
    return Calendar(
        id=id_,
        is_active=True,
        serves=True,
        schedule=a_schedule(draw, zone, near) if zone else None,
        busy=Intervals(
            (near + start * MINUTE + odd, near + (start + length) * MINUTE + more)
            for start, odd, length, more in draw(_busy)
        ),
    )


@st.composite
def _searches(draw: st.DrawFn, longest: int, *, of_days: bool = False) -> tuple[Offer, int, int]:
    """An offer, and the range to search; perhaps of appointments that last whole days, mostly where these are
    open."""
    zone, near = a_clock_of_whole_minutes(draw, a_change if of_days and draw(_mostly) else a_clock)
    what_fails = draw(_what_fails)
    calendars = [_a_calendar(draw, id_, near) for id_ in draw(_ids)]
    if what_fails == "calendar":
        calendars[0] = replace(calendars[0], is_active=False)
    if what_fails == "serving":
        calendars[0] = replace(calendars[0], serves=False)
    now = draw(_now)
    terms = Terms(
        is_active=what_fails != "type",
        duration=draw(_some_minutes) * MINUTE,
        buffer_before=draw(_buffers) * MINUTE,
        buffer_after=draw(_buffers) * MINUTE,
        interval=draw(_some_minutes) * MINUTE,
        min_notice_hours=draw(_notice),
        max_days_ahead=draw(_ahead) if now > -3 * 1_440 else None,
        caps=draw(_caps),
        week_start=draw(_week_start),
        requires_confirmation=draw(st.booleans()),
        schedule=a_schedule(draw, zone, near),
    )
    start, end = a_range(draw, near, longest=longest)
    if of_days:
        days, schedule = draw(_some_days), terms.schedule
        if draw(_mostly):
            schedule = an_open_schedule(draw, zone, near)
            calendars = [
                replace(each, schedule=each.schedule and an_open_schedule(draw, each.schedule.zone, near))
                for each in calendars
            ]
        if draw(_mostly):  # long appointments hardly ever fit between others
            calendars = [replace(each, busy=Intervals([*each.busy][:1])) for each in calendars]
            now, terms = -30 * 1_440, replace(terms, caps={}, max_days_ahead=None)
        terms = replace(
            terms,
            duration=days * DAY,
            interval=draw(_long_steps) * MINUTE,
            schedule=schedule,
            odd=odd_days(schedule, days, start, end),
        )
    offer = Offer(
        terms,
        calendars=[] if what_fails == "all calendars" else calendars,
        booked=[near + each * MINUTE for each in draw(_bookings)],
        now=near + now * MINUTE + draw(_odd),
    )
    return offer, start, end


@pytest.mark.parametrize("examples", [200, pytest.param(10_000, marks=pytest.mark.torture)])
def test_search_agrees_with_every_minute(examples: int) -> None:
    fruitful = 0

    @settings(max_examples=examples)
    @given(searched=_searches(24 * HOUR))
    def agree(searched: tuple[Offer, int, int]) -> None:
        nonlocal fruitful
        offer, start, end = searched
        slow = SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        expected = {each: free for each in minutes if (free := slow.free(each))}
        assert list(offer.search(start, end).items()) == list(expected.items())
        assert list(offer.search(start, end, 3).items()) == list(expected.items())[:3]
        assert offer.starts(start, end, 3) == list(expected)[:3]
        fruitful += bool(expected)

    agree()
    assert fruitful > examples // 10


@pytest.mark.parametrize("examples", [200, pytest.param(6_000, marks=pytest.mark.torture)])
def test_a_start_is_listed_or_there_are_reasons(examples: int) -> None:
    told: Counter[str] = Counter()
    fruitful = 0

    @settings(max_examples=examples)
    @given(searched=_searches(8 * HOUR), odd=st.integers(1, 59))
    def agree(searched: tuple[Offer, int, int], odd: int) -> None:
        nonlocal fruitful
        offer, start, end = searched
        listed, slow = offer.search(start, end), SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        asked = {start, start + odd, *minutes[:30], *minutes[-3:]}
        asked |= {each + by for each in list(listed)[:6] for by in (-MINUTE, 0, odd, MINUTE)}
        for each in sorted(each for each in asked if start <= each < end):
            verdict = offer.verdict(each)
            assert verdict.free == listed.get(each, [])
            assert bool(verdict.reasons) != bool(verdict.free)

            of_the_type = [(code, None) for code in slow.against(each)]
            of_each = {one.id: slow.against_on(one, each) for one in offer.calendars}
            of_calendars = [(code, id_) for id_, codes in of_each.items() for code in codes]
            expected = of_the_type + (of_calendars if all(of_each.values()) else [])
            if not offer.calendars:
                expected.append(("calendar_not_serving", None))
            assert [(one.code, one.details.get("calendar_id")) for one in verdict.reasons] == expected
            told.update(one.code for one in verdict.reasons)
        fruitful += bool(listed)

    agree()
    assert fruitful > examples // 10
    assert len(told) > 5


@pytest.mark.parametrize("examples", [80, pytest.param(6_000, marks=pytest.mark.torture)])
def test_search_and_verdict_agree_with_every_minute_about_whole_days(examples: int) -> None:
    lengths: Counter[int] = Counter()

    @settings(max_examples=examples)
    @given(searched=_searches(50 * HOUR, of_days=True))
    def agree(searched: tuple[Offer, int, int]) -> None:
        offer, start, end = searched
        slow = SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        listed = offer.search(start, end)
        expected = {each: free for each in minutes if (free := slow.free(each))}
        assert list(listed.items()) == list(expected.items())
        for each in [*minutes[:: len(minutes) // 20 + 1], *list(listed)[:10]]:
            length = slow.length(each)
            assert offer.terms.length(each) == length
            # As bookings are judged: by what they take.
            taking = replace(offer, terms=replace(offer.terms, duration=length, odd=()))
            for verdict in (offer.verdict(each), taking.verdict(each)):
                assert verdict.free == listed.get(each, [])
                assert bool(verdict.reasons) != bool(verdict.free)
        lengths.update({slow.length(each) - offer.terms.duration for each in listed})

    agree()
    assert sum(lengths.values()) > examples // 4
    assert lengths.keys() - {0}, lengths


@settings(max_examples=100)
@given(
    searched=_searches(40 * HOUR) | _searches(40 * HOUR, of_days=True),
    cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_answers_do_not_depend_on_how_a_range_is_split(
    searched: tuple[Offer, int, int], cuts: list[float]
) -> None:
    offer, start, end = searched
    edges = sorted({start, end, *(start + int((end - start) * cut) for cut in cuts)})
    parts = [item for low, high in pairwise(edges) for item in offer.search(low, high).items()]
    assert parts == list(offer.search(start, end).items())
