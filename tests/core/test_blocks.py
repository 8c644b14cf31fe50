from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import WEEKLY, rrule, weekdays
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.blocks import MOST_DAYS, WeeklyRule, fault, instances
from kalends.core.hours import DAY, FIRST_SECOND, LAST_SECOND, day_number, instant, moment, seconds, stamp
from kalends.schemas.wrong_fields import CODES

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> int:
    return seconds(instant(datetime.fromisoformat(text), zone))


def days(*dates: str) -> frozenset[int]:
    return frozenset(day_number(date.fromisoformat(each)) for each in dates)


def shown(start: str, end: str, rule: WeeklyRule | None, zone: str = BERLIN) -> list[str]:
    """The instances as people in the zone read them."""
    begin, finish = at(start, zone), at(end, zone)
    assert fault(begin, finish, rule, zone) is None
    return [
        "/".join(
            moment(each).astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(timespec="minutes")
            for each in span
        )
        for span in instances(begin, finish, rule, zone)
    ]


NO_DAY = WeeklyRule({1}, count=1, except_days=days("2024-03-18"))


def test_a_block_without_a_rule_is_what_was_sent() -> None:
    assert shown("2024-03-30T12:00", "2024-04-02T09:00", None) == ["2024-03-30T12:00/2024-04-02T09:00"]


def test_an_instance_keeps_its_time_of_day_when_the_clocks_change() -> None:
    rule = WeeklyRule({1, 3}, until=day_number(date(2024, 4, 3)))
    start, end = at("2024-03-25T14:00"), at("2024-03-25T16:00")
    assert [stamp(moment(begin)) for begin, _ in instances(start, end, rule, BERLIN)] == [
        "2024-03-25T13:00:00Z",
        "2024-03-27T13:00:00Z",
        "2024-04-01T12:00:00Z",
        "2024-04-03T12:00:00Z",
    ]


def test_weeks_are_counted_from_the_day_of_the_start() -> None:
    # From a Saturday: that day and the Sunday after it are of one week, wherever weeks begin.
    rule = WeeklyRule({6, 0}, interval_weeks=2, count=4)
    assert [each[:10] for each in shown("2024-03-02T10:00", "2024-03-02T11:00", rule)] == [
        "2024-03-02",
        "2024-03-03",
        "2024-03-16",
        "2024-03-17",
    ]


def test_days_that_are_left_out_are_counted_all_the_same() -> None:
    rule = WeeklyRule({1}, count=3, except_days=days("2024-03-18", "2024-03-25", "2024-03-26"))
    assert shown("2024-03-18T10:00", "2024-03-18T11:00", rule) == ["2024-04-01T10:00/2024-04-01T11:00"]


def test_what_the_clocks_skip_is_left_out_and_what_they_repeat_is_there_twice() -> None:
    every_day = WeeklyRule(frozenset(range(7)), count=2)
    # 31 March 2024 has no time from 02:00 to 03:00.
    assert shown("2024-03-30T02:00", "2024-03-30T03:00", every_day) == ["2024-03-30T02:00/2024-03-30T03:00"]
    assert shown("2024-03-30T01:30", "2024-03-30T02:30", every_day)[1] == "2024-03-31T01:30/2024-03-31T03:00"
    begin, finish = at("2024-03-30T22:00"), at("2024-03-31T06:00")
    assert [finish - begin for begin, finish in instances(begin, finish, every_day, BERLIN)] == [
        7 * 3600,
        8 * 3600,
    ]
    # 27 October 2024 has the time from 02:00 to 03:00 twice.
    begin, finish = at("2024-10-26T01:00"), at("2024-10-26T04:00")
    assert [finish - begin for begin, finish in instances(begin, finish, every_day, BERLIN)] == [
        3 * 3600,
        4 * 3600,
    ]
    begin, finish = at("2024-10-26T02:15"), at("2024-10-26T02:30")
    assert [stamp(moment(begin)) for begin, _ in instances(begin, finish, every_day, BERLIN)] == [
        "2024-10-26T00:15:00Z",
        "2024-10-27T00:15:00Z",
        "2024-10-27T01:15:00Z",
    ]


@pytest.mark.parametrize(
    ("start", "end", "rule", "field", "said"),
    [
        ("2024-03-18T10:00", "2024-03-18T10:00", None, "end_time", "later than start_time"),
        ("2024-03-18T10:00", "2024-03-18T09:00", WeeklyRule({1}, count=2), "end_time", "later"),
        ("2024-03-18T10:00", "2026-03-20T10:00", None, "end_time", "at most two years after start_time"),
        ("2024-03-18T10:00", "2024-03-25T10:01", WeeklyRule({1}, count=2), "end_time", "seven days at most"),
        ("2024-10-27T02:45+02:00", "2024-10-27T02:15+01:00", WeeklyRule({0}, count=2), "end_time", "clock"),
        ("2024-03-18T10:00", "2024-03-18T11:00", WeeklyRule({2}, count=2), "rule.days_of_week", "1 (0 = S"),
        ("2024-03-18T10:00", "2024-03-18T11:00", WeeklyRule({1}, until=19_799), "rule.until", "before"),
        ("2024-03-18T10:00", "2024-03-18T11:00", WeeklyRule({1}, until=20_532), "rule.until", "2026-03-19"),
        ("2024-03-18T10:00", "2024-03-18T11:00", WeeklyRule({1}, count=106), "rule.count", "2026-03-19"),
        ("2024-03-18T10:00", "2024-03-18T11:00", NO_DAY, "rule.except_dates", "all of the rule's days"),
    ],
)
def test_what_can_be_no_block(start: str, end: str, rule: WeeklyRule | None, field: str, said: str) -> None:
    found = fault(at(start), at(end), rule, BERLIN)
    assert found is not None
    assert found[0] == field
    assert said in found[1]
    assert found[2] in CODES


def test_two_years_are_allowed() -> None:
    begin = at("2024-03-18T10:00")
    every_day = WeeklyRule(frozenset(range(7)), until=19_800 + MOST_DAYS)
    for rule in (every_day, WeeklyRule({1}, count=105)):
        assert fault(begin, begin + 3600, rule, BERLIN) is None
    assert len(instances(begin, begin + 3600, every_day, BERLIN)) == MOST_DAYS + 1
    assert fault(begin, begin + MOST_DAYS * DAY, None, BERLIN) is None


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_ends_of_the_calendar_are_no_trouble(zone: str) -> None:
    every_day = frozenset(range(7))
    for begin in (FIRST_SECOND, LAST_SECOND - 3600):
        rule = WeeklyRule(every_day, count=10)
        assert fault(begin, begin + 3600, rule, zone) is None
        for low, high in instances(begin, begin + 3600, rule, zone):
            assert FIRST_SECOND <= low < high <= LAST_SECOND


@given(
    first=st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    days_of_week=st.sets(st.integers(0, 6), max_size=4),
    interval=st.integers(1, 5),
    count=st.integers(1, 20),
    until=st.none() | st.integers(0, 200),
)
def test_instances_are_those_of_an_rrule(
    first: date, days_of_week: set[int], interval: int, count: int, until: int | None
) -> None:
    days_of_week |= {first.isoweekday() % 7}
    number = day_number(first)
    rule = WeeklyRule(
        days_of_week,
        interval,
        until=None if until is None else number + until,
        count=count if until is None else None,
    )
    start = datetime.combine(first, time(10), UTC)
    ends = {"count": count} if until is None else {"until": start + timedelta(days=until)}
    expected = rrule(
        WEEKLY,
        dtstart=start,
        interval=interval,
        byweekday=[weekdays[(day - 1) % 7] for day in sorted(days_of_week)],
        wkst=weekdays[first.weekday()],
        **ends,
    )
    found = instances(seconds(start), seconds(start) + 3600, rule, "UTC")
    assert [moment(begin) for begin, _ in found] == list(expected)
