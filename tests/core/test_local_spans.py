"""Where something lies in a day of 23, 24 or 25 hours."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.errors import InvalidTime
from kalends.core.hours import HOUR, local_day
from kalends.core.local_spans import Piece, cut, span_of_day, whole_hours
from tests.core.slow import at


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2024-06-01", "Europe/Berlin", 24),
        ("2024-03-31", "Europe/Berlin", 23),
        ("2024-10-27", "Europe/Berlin", 25),
        ("2024-10-06", "Australia/Lord_Howe", 23.5),
        ("2024-04-07", "Australia/Lord_Howe", 24.5),
        ("2018-11-04", "America/Sao_Paulo", 23),  # its midnight is skipped
        ("2011-12-30", "Pacific/Apia", 0),  # the date is left out
    ],
)
def test_a_day_lasts_as_long_as_its_clocks_say(day: str, zone: str, hours: float) -> None:
    start, end = span_of_day(date.fromisoformat(day), zone)
    assert end - start == hours * HOUR


def test_the_last_day_of_the_calendar_has_no_end() -> None:
    with pytest.raises(InvalidTime):
        span_of_day(date.max, "UTC")


@given(
    st.dates(date(2023, 1, 1), date(2026, 12, 31)),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]),
    st.integers(0, 26 * HOUR - 1),
)
def test_every_second_of_a_day_is_in_it_and_no_other(day: date, zone: str, offset: int) -> None:
    start, end = span_of_day(day, zone)
    second = start - HOUR + offset
    number = (day - date(1970, 1, 1)).days
    assert (start <= second < end) == (local_day(zone, second) == number)


DAY = (at("2024-01-25T00:00Z"), at("2024-01-26T00:00Z"))


def test_what_reaches_beyond_the_day_is_cut_and_marked() -> None:
    nine, ten = at("2024-01-25T09:00Z"), at("2024-01-25T10:00Z")
    assert cut((nine, ten), DAY) == Piece(9 * HOUR, 10 * HOUR, False, False)
    assert cut((DAY[0] - HOUR, nine), DAY) == Piece(0, 9 * HOUR, True, False)
    assert cut((nine, DAY[1] + 1), DAY) == Piece(9 * HOUR, 24 * HOUR, False, True)
    assert cut((DAY[0] - 1, DAY[1] + 1), DAY) == Piece(0, 24 * HOUR, True, True)
    assert cut(DAY, DAY) == Piece(0, 24 * HOUR, False, False)
    assert cut((DAY[0] - HOUR, DAY[0]), DAY) is None
    assert cut((DAY[1], DAY[1] + HOUR), DAY) is None


@given(st.integers(0, 25 * HOUR - 1), st.integers(1, 25 * HOUR), st.sampled_from([23, 23.5, 24, 24.5, 25]))
def test_whole_hours_have_all_of_it(start: int, lasting: int, hours: float) -> None:
    length = int(hours * HOUR)
    end = min(start + lasting, length)
    if start >= end:
        return
    first, last = whole_hours(start, end, length)
    assert first * HOUR <= start < (first + 1) * HOUR
    assert (last - 1) * HOUR < end <= last * HOUR
