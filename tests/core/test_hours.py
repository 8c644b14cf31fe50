from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.errors import AmbiguousTime, InvalidTime, NonexistentTime
from kalends.core.hours import (
    DAY,
    FIRST_SECOND,
    LAST_SECOND,
    day_start,
    forget_zones,
    instant,
    moment,
    offset_changes,
    seconds,
    shifted,
    stamp,
    zone_names,
    zone_of,
)


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        ("2024-01-25T14:00:00+00:00", "America/New_York", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00+05:45", "UTC", "2024-01-25T08:15:00Z"),
        ("2024-01-25T14:00:00", "UTC", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00", "America/New_York", "2024-01-25T19:00:00Z"),
        ("2024-07-25T14:00:00", "America/New_York", "2024-07-25T18:00:00Z"),
        ("2024-07-25T14:00:00", "Asia/Kathmandu", "2024-07-25T08:15:00Z"),
        ("2024-07-25T14:00:00.999999", "UTC", "2024-07-25T14:00:00Z"),
        ("0001-01-01T00:00:00+00:00", "UTC", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59+00:00", "UTC", "9999-12-31T23:59:59Z"),
    ],
)
def test_instant_reads_offsets_and_wall_times(moment: str, zone: str, expected: str) -> None:
    assert stamp(instant(datetime.fromisoformat(moment), zone)) == expected


@pytest.mark.parametrize(
    ("wall", "zone", "readings"),
    [
        ("2024-03-10T02:30:00", "America/New_York", ["2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z"]),
        ("2024-03-31T02:00:00", "Europe/Berlin", ["2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z"]),
        # Lord Howe Island moves its clocks by half an hour.
        ("2024-10-06T02:15:00", "Australia/Lord_Howe", ["2024-10-05T15:15:00Z", "2024-10-05T15:45:00Z"]),
        # Samoa left out the whole of 30 December 2011.
        ("2011-12-30T12:00:00", "Pacific/Apia", ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]),
    ],
)
def test_instant_refuses_wall_times_the_clocks_skip(wall: str, zone: str, readings: list[str]) -> None:
    with pytest.raises(NonexistentTime) as refused:
        instant(datetime.fromisoformat(wall), zone)
    assert refused.value.details == {"timezone": zone, "readings": readings}
    assert all(reading in refused.value.message for reading in readings)


@pytest.mark.parametrize(
    ("wall", "zone", "readings"),
    [
        ("2024-11-03T01:30:00", "America/New_York", ["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z"]),
        ("2024-10-27T02:00:00", "Europe/Berlin", ["2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z"]),
        # Midnight happens twice in Havana.
        ("2024-11-03T00:00:00", "America/Havana", ["2024-11-03T04:00:00Z", "2024-11-03T05:00:00Z"]),
    ],
)
def test_instant_refuses_wall_times_that_happen_twice(wall: str, zone: str, readings: list[str]) -> None:
    with pytest.raises(AmbiguousTime) as refused:
        instant(datetime.fromisoformat(wall), zone)
    assert refused.value.details == {"timezone": zone, "readings": readings}


@pytest.mark.parametrize(
    ("moment", "zone"),
    [
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "UTC"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), "UTC"),
        (datetime(1, 1, 1), "Asia/Tokyo"),  # noqa: DTZ001
        (datetime(9999, 12, 31, 23), "America/New_York"),  # noqa: DTZ001
    ],
)
def test_instant_refuses_what_falls_off_the_calendar(moment: datetime, zone: str) -> None:
    with pytest.raises(InvalidTime):
        instant(moment, zone)


def _instants_showing(wall: datetime, zone: str) -> list[datetime]:
    """Slow and obvious: every instant at which a clock in the zone shows this wall time."""
    place = ZoneInfo(zone)
    around = datetime(wall.year, wall.month, wall.day, tzinfo=UTC)
    offsets = {(around + timedelta(hours=h)).astimezone(place).utcoffset() for h in range(-48, 73)}
    candidates = {wall.replace(tzinfo=UTC) - offset for offset in offsets if offset is not None}
    return sorted(c for c in candidates if c.astimezone(place).replace(tzinfo=None) == wall)


# Wall times near the changes of the clocks, where all the trouble is, and anywhere else.
_walls = st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 1)).map(  # noqa: DTZ001
    lambda t: t.replace(minute=t.minute // 15 * 15, second=0, microsecond=0)
)
_changes = st.builds(
    lambda year, day, minutes: (
        datetime(year, *day) + timedelta(minutes=minutes)  # noqa: DTZ001
    ),
    st.integers(1990, 2030),
    st.sampled_from(
        [(3, 8), (3, 10), (3, 14), (3, 25), (3, 31), (10, 6), (10, 27), (11, 3), (11, 7), (4, 7)]
    ),
    st.integers(0, 16).map(lambda quarter: quarter * 15),
)


@given(wall=st.one_of(_walls, _changes), zone=st.sampled_from(sorted(zone_names())))
def test_instant_agrees_with_every_clock_in_the_world(wall: datetime, zone: str) -> None:
    showing = _instants_showing(wall, zone)
    if len(showing) == 1:
        assert instant(wall, zone) == showing[0]
    elif showing:
        with pytest.raises(AmbiguousTime) as refused:
            instant(wall, zone)
        assert refused.value.details["readings"] == [stamp(each) for each in showing]
    else:
        with pytest.raises(NonexistentTime):
            instant(wall, zone)


def test_zone_names_are_places() -> None:
    assert {"Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC"} <= zone_names()
    assert not {"localtime", "Factory", "", "../../etc/passwd", "America"} & zone_names()


@pytest.mark.parametrize(
    ("day", "zone", "begins"),
    [
        ("2024-01-25", "UTC", "2024-01-25T00:00:00Z"),
        ("2024-01-25", "America/New_York", "2024-01-25T05:00:00Z"),
        ("2024-07-25", "America/New_York", "2024-07-25T04:00:00Z"),
        # Havana repeats midnight in autumn and skips it in spring.
        ("2024-11-03", "America/Havana", "2024-11-03T04:00:00Z"),
        ("2024-03-10", "America/Havana", "2024-03-10T05:00:00Z"),
        # Samoa has no 30 December 2011: it begins where the 31st does.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z"),
    ],
)
def test_day_start(day: str, zone: str, begins: str) -> None:
    assert stamp(day_start(date.fromisoformat(day), zone)) == begins


def test_day_start_refuses_what_falls_off_the_calendar() -> None:
    with pytest.raises(InvalidTime):
        day_start(date(1, 1, 1), "Asia/Tokyo")


def test_offsets_change_where_the_clocks_do() -> None:
    spring, autumn = (datetime(2024, month, day, 1, tzinfo=UTC) for month, day in ((3, 31), (10, 27)))
    first, last = seconds(datetime(2024, 1, 1, tzinfo=UTC)), seconds(autumn)
    found = list(offset_changes("Europe/Berlin", first, last))
    assert found == [(seconds(spring), 3600, 7200), (seconds(autumn), 7200, 3600)]
    # A change at the last second is one of them, but not one at the first.
    assert list(offset_changes("Europe/Berlin", seconds(spring), last - 1)) == []
    assert list(offset_changes("Europe/Berlin", seconds(spring) - 1, last - 1)) == found[:1]
    # A new year changes nothing by itself, nor do the ends of the calendar.
    assert list(offset_changes("UTC", FIRST_SECOND, FIRST_SECOND + 800 * DAY)) == []
    assert list(offset_changes("Asia/Tokyo", first, last + 400 * DAY)) == []


def test_what_is_shifted_is_kept_within_the_calendar() -> None:
    first, last = moment(FIRST_SECOND), moment(LAST_SECOND)
    day = timedelta(days=1)
    assert shifted(first, day) == first + day
    assert shifted(last, -day) == last - day
    assert shifted(first, -day) == first
    assert shifted(first + day / 2, -day) == first
    assert shifted(last, day) == last
    assert shifted(last, timedelta.max) == last
    assert shifted(last, timedelta.min) == first


def test_zones_that_were_read_can_be_forgotten() -> None:
    berlin = zone_of("Europe/Berlin")
    assert zone_of("Europe/Berlin") is berlin
    forget_zones()
    assert zone_of("Europe/Berlin") is not berlin
