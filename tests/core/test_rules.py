from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.rules import Period, Terms, span_of_periods, week_of
from tests.core.offers import PERIODS, TERMS
from tests.core.slow import DAY, FIRST, LAST, at, clocks, daily, day_of


def _terms(zone: str, caps: Sequence[Period], week_start: int = 1) -> Terms:
    schedule = daily(zone, "09:00-17:00")
    return replace(TERMS, caps=dict.fromkeys(caps, 1), week_start=week_start, schedule=schedule)


def _are_in_one(period: Period, week_start: int, one: date, other: date) -> bool:
    if period == "day":
        return one == other
    if period == "month":
        return (one.year, one.month) == (other.year, other.month)
    first = one
    while first.isoweekday() != (week_start or 7):
        first -= timedelta(days=1)
    return first <= other < first + timedelta(days=7)


def test_nothing_is_looked_up_where_nothing_is_capped() -> None:
    assert span_of_periods([], "UTC", 1, at("2024-06-03T00:00Z"), at("2024-06-04T00:00Z")) is None


@settings(max_examples=200)
@given(
    clock=clocks(),
    caps=st.sampled_from(list(chain.from_iterable(combinations(PERIODS, n) for n in (1, 2, 3)))),
    week_start=st.integers(0, 6),
    first=st.integers(-40 * DAY, 40 * DAY),
    length=st.integers(1, 20 * DAY),
    asked=st.floats(0, 1, exclude_max=True),
    booked=st.lists(st.integers(-70 * DAY, 90 * DAY), max_size=40),
)
def test_every_booking_that_counts_is_within_the_span(
    clock: tuple[str, int],
    caps: Sequence[Period],
    week_start: int,
    first: int,
    length: int,
    asked: float,
    booked: list[int],
) -> None:
    zone, near = clock
    start = near + first
    span = span_of_periods(caps, zone, week_start, start, start + length)
    assert span is not None
    assert span[0] <= start < start + length <= span[1]
    day = day_of(zone, start + int(length * asked))
    # Nothing that counts is beyond, and little else is within.
    for each in [*(near + by for by in booked), span[0] - 1, span[1]]:
        if any(_are_in_one(period, week_start, day, day_of(zone, each)) for period in caps):
            assert span[0] <= each < span[1]
    assert (
        span[1] - span[0]
        <= length + 2 * (31 if "month" in caps else 7 if "week" in caps else 1) * DAY + 10 * DAY
    )


@pytest.mark.parametrize(
    ("zone", "week_start", "start", "first", "last"),
    [
        ("UTC", 1, "2024-06-05T12:00Z", "2024-06-03T00:00Z", "2024-06-10T00:00Z"),
        ("UTC", 0, "2024-06-05T12:00Z", "2024-06-02T00:00Z", "2024-06-09T00:00Z"),
        ("UTC", 2, "2024-06-05T12:00Z", "2024-06-04T00:00Z", "2024-06-11T00:00Z"),
        ("UTC", 3, "2024-06-05T12:00Z", "2024-06-05T00:00Z", "2024-06-12T00:00Z"),
        ("UTC", 4, "2024-06-05T12:00Z", "2024-05-30T00:00Z", "2024-06-06T00:00Z"),
        ("UTC", 5, "2024-06-05T12:00Z", "2024-05-31T00:00Z", "2024-06-07T00:00Z"),
        ("UTC", 6, "2024-06-05T12:00Z", "2024-06-01T00:00Z", "2024-06-08T00:00Z"),
        # Saturday begins at 20:30 in UTC on Friday in Tehran.
        ("Asia/Tehran", 6, "2024-06-07T20:29:59Z", "2024-05-31T20:30Z", "2024-06-07T20:30Z"),
        ("Asia/Tehran", 6, "2024-06-07T20:30Z", "2024-06-07T20:30Z", "2024-06-14T20:30Z"),
        ("UTC", 1, "2024-06-03T00:00Z", "2024-06-03T00:00Z", "2024-06-10T00:00Z"),
        ("UTC", 1, "2024-06-02T23:59:59Z", "2024-05-27T00:00Z", "2024-06-03T00:00Z"),
        ("UTC", 0, "2024-06-02T00:00Z", "2024-06-02T00:00Z", "2024-06-09T00:00Z"),
        ("UTC", 0, "2024-06-01T23:59:59Z", "2024-05-26T00:00Z", "2024-06-02T00:00Z"),
        # Sunday evening in UTC is Monday in Kathmandu.
        ("Asia/Kathmandu", 1, "2024-06-02T18:15Z", "2024-06-02T18:15Z", "2024-06-09T18:15Z"),
        # The clocks change on Sunday: weeks of 167 and of 169 hours.
        ("Europe/Berlin", 1, "2024-03-28T12:00Z", "2024-03-24T23:00Z", "2024-03-31T22:00Z"),
        ("Europe/Berlin", 0, "2024-10-28T12:00Z", "2024-10-26T22:00Z", "2024-11-02T23:00Z"),
        # At midnight, too: the week that ends has an hour more, the one that begins an hour less.
        ("America/Sao_Paulo", 0, "2018-02-16T12:00Z", "2018-02-11T02:00Z", "2018-02-18T03:00Z"),
        ("America/Sao_Paulo", 0, "2018-11-05T12:00Z", "2018-11-04T03:00Z", "2018-11-11T02:00Z"),
        # Samoa left out a Friday.
        ("Pacific/Apia", 1, "2011-12-28T12:00Z", "2011-12-26T10:00Z", "2012-01-01T10:00Z"),
        # Left after the first minute of Sunday, and come back to: both weeks have that hour within.
        ("America/St_Johns", 0, "2006-10-28T12:00Z", "2006-10-22T02:30Z", "2006-10-29T03:30Z"),
        ("America/St_Johns", 0, "2006-10-30T12:00Z", "2006-10-29T02:30Z", "2006-11-05T03:30Z"),
    ],
)
def test_week_of(zone: str, week_start: int, start: str, first: str, last: str) -> None:
    assert week_of(zone, week_start, at(start)) == (at(first), at(last))


@settings(max_examples=200)
@given(clock=clocks(), week_start=st.integers(0, 6), by=st.integers(-8 * DAY, 8 * DAY))
def test_a_week_has_all_its_days_and_no_other(clock: tuple[str, int], week_start: int, by: int) -> None:
    zone, near = clock
    start = near + by
    first, last = week_of(zone, week_start, start)
    assert first <= start < last
    day = day_of(zone, start)
    for each, inside in ((first - 1, False), (first, True), (last - 1, True), (last, False)):
        assert _are_in_one("week", week_start, day, day_of(zone, each)) is inside
    assert 5 * DAY < last - first < 9 * DAY


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Etc/GMT-14", "Europe/Berlin"])
@pytest.mark.parametrize("second", [FIRST, FIRST + DAY, LAST - DAY, LAST - 1])
def test_both_ends_of_time_have_weeks_and_periods(zone: str, second: int) -> None:
    first, last = week_of(zone, 1, second)
    assert first <= second < last
    span = span_of_periods(PERIODS, zone, 1, second, second + 1)
    assert span is not None
    assert span[0] <= second < span[1]
