"""What is not offered, and why."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kalends.core.hours import Override, day_number
from kalends.core.requirements import Need, Requirement
from kalends.core.rules import Calendar
from kalends.core.slots import Offer
from tests.core.offers import (
    FREE,
    NINE_TO_FIVE,
    PERIODS,
    TERMS,
    an_offer,
    between,
    codes,
    found,
    the_only_reason,
)
from tests.core.slow import DAY, FIRST, HOUR, LAST, MINUTE, at, daily, windows


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
    offer = an_offer(requirements=[Requirement(Need(), [])])
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
    assert offer.verdict(at("2024-06-03T09:00Z")).free == [["b"]]


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
        requirements=[Requirement(Need(), [replace(FREE, schedule=around)])],
        booked=[midnight + DAY // 2],
        now=max(FIRST, midnight - DAY),
    )
    starts = [midnight + each * HOUR for each in range(24)]
    assert list(offer.search(midnight, midnight + DAY)) == starts[first : last + 1]
    assert [each for each in starts if offer.verdict(each).free] == starts[first : last + 1]
    assert all(offer.verdict(each).reasons for each in starts[:first] + starts[last + 1 :])
