from datetime import timedelta

import pytest

from kalends.core.pacing import RETRIES, next_reading, next_try, pause

DOCUMENTED = ("5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
WAITS = [timedelta(**{UNITS[wait[-1]]: int(wait[:-1])}) for wait in DOCUMENTED]


def test_the_waits_are_the_documented_ones_and_then_it_has_failed() -> None:
    assert [next_try(failures, 0) for failures in range(1, 10)] == WAITS
    assert next_try(10, 0) is None
    assert next_try(10, 0, timedelta(hours=1)) is None
    assert next_try(11, 1) is None


@pytest.mark.parametrize("failures", range(1, len(RETRIES) + 1))
def test_chance_makes_waits_longer_by_up_to_a_tenth_in_whole_seconds(failures: int) -> None:
    waits = [next_try(failures, chance / 20) for chance in range(21)]
    assert waits == sorted(waits, key=lambda wait: wait or timedelta())
    for wait in waits:
        assert wait is not None
        assert WAITS[failures - 1] <= wait <= WAITS[failures - 1] * 1.1 + timedelta(seconds=1)
        assert wait.microseconds == 0
    assert len(set(waits)) > 1


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (timedelta(0), "0:00:05"),
        (timedelta(seconds=4), "0:00:05"),
        (timedelta(seconds=6), "0:00:06"),
        (timedelta(hours=3), "3:00:00"),
        (timedelta(seconds=7.2), "0:00:08"),
        (timedelta(hours=24), "1 day, 0:00:00"),
        (timedelta(days=400), "1 day, 0:00:00"),
    ],
)
def test_what_the_receiver_asks_for_is_granted_up_to_a_day(asked: timedelta, granted: str) -> None:
    assert str(next_try(1, 0, asked)) == granted


def test_the_pause_doubles_to_a_minute() -> None:
    seconds = [pause(silences).total_seconds() for silences in (1, 2, 3, 4, 5, 6, 1_000_000)]
    assert seconds == [5, 10, 20, 40, 60, 60, 60]


@pytest.mark.parametrize(
    ("every", "minutes"), [(5, [5, 5, 10, 20, 40, 60, 60]), (1, [1, 1, 2, 4, 8, 16, 32]), (90, [90] * 7)]
)
def test_a_source_that_fails_is_read_less_often_but_every_hour(every: int, minutes: list[int]) -> None:
    waits = [next_reading(timedelta(minutes=every), failures, 0) for failures in range(7)]
    assert waits == [timedelta(minutes=each) for each in minutes]
    assert next_reading(timedelta(minutes=every), 1_000_000, 0) == timedelta(minutes=max(every, 60))


def test_readings_are_spread_and_put_off_as_their_server_asks() -> None:
    five = timedelta(minutes=5)
    assert next_reading(five, 0, 1) == five * 1.1
    assert next_reading(five, 1, 0, timedelta(seconds=1)) == five
    assert next_reading(five, 1, 0, timedelta(hours=2, microseconds=1)) == timedelta(hours=2, seconds=1)
    assert next_reading(five, 1, 0, timedelta(days=400)) == timedelta(days=1)
