from datetime import UTC, datetime, timedelta

import pytest

from kalends.core.errors import IllegalTransition, InvalidTime
from kalends.core.lifecycle import (
    MAX_BUSY,
    Occupancy,
    Status,
    confirm_by,
    latest_change,
    occupy,
    transition,
)

TWO = datetime(2024, 1, 25, 14, tzinfo=UTC)


def test_occupy_adds_the_buffers_around_the_appointment() -> None:
    assert occupy(TWO, length=3_600, buffer_before=5, buffer_after=15) == Occupancy(
        start=TWO,
        end=TWO.replace(hour=15),
        busy_start=TWO.replace(hour=13, minute=55),
        busy_end=TWO.replace(hour=15, minute=15),
    )


def test_occupy_never_exceeds_the_longest_busy_time() -> None:
    a_day_twice = 8 * 24 * 3_600
    taken = occupy(TWO, length=a_day_twice, buffer_before=1_440, buffer_after=1_440)
    assert taken.busy_end - taken.busy_start == MAX_BUSY


@pytest.mark.parametrize(
    ("start", "before", "after"),
    [
        (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), 0, 0),
        (datetime(9999, 12, 31, 22, 30, tzinfo=UTC), 0, 60),
        (datetime(1, 1, 1, tzinfo=UTC), 1, 0),
    ],
)
def test_occupy_refuses_what_falls_off_the_calendar(start: datetime, before: int, after: int) -> None:
    with pytest.raises(InvalidTime):
        occupy(start, length=3_600, buffer_before=before, buffer_after=after)


ALLOWED = {
    ("pending", "confirmed"),
    ("pending", "cancelled"),
    ("confirmed", "completed"),
    ("confirmed", "no_show"),
    ("confirmed", "cancelled"),
    ("completed", "no_show"),
    ("no_show", "completed"),
    ("cancelled", "confirmed"),
}
STATUSES: tuple[Status, ...] = ("pending", "confirmed", "completed", "cancelled", "no_show")


@pytest.mark.parametrize("current", STATUSES)
@pytest.mark.parametrize("wanted", STATUSES)
def test_transition(current: Status, wanted: Status) -> None:
    if current == wanted:
        assert transition(current, wanted) is False
    elif (current, wanted) in ALLOWED:
        assert transition(current, wanted) is True
    else:
        with pytest.raises(IllegalTransition) as refused:
            transition(current, wanted)
        allowed = [to for to in STATUSES if (current, to) in ALLOWED]
        assert sorted(refused.value.details["allowed"]) == sorted(allowed)
        assert refused.value.details["status"] == current


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("within", "start", "until"),
    [
        (None, TWO + HOUR, TWO + HOUR),
        (2, TWO + HOUR, TWO + HOUR),
        (1, TWO + HOUR, TWO + HOUR),
        (1, TWO + 2 * HOUR, TWO + HOUR),
        (10**9, TWO + HOUR, TWO + HOUR),
    ],
)
def test_a_request_is_confirmed_by_its_deadline_or_its_start(
    within: int | None, start: datetime, until: datetime
) -> None:
    assert confirm_by(TWO, within, start) == until


@pytest.mark.parametrize(
    ("status", "booked", "notice", "grace", "until"),
    [
        ("confirmed", TWO - 48 * HOUR, 24, 15, TWO - 24 * HOUR),
        ("confirmed", TWO - 24 * HOUR, 24, 15, TWO - 24 * HOUR + HOUR / 4),
        ("confirmed", TWO - 2 * HOUR, 24, 60, TWO - HOUR),
        ("confirmed", TWO - 2 * HOUR, 24, 0, TWO - 24 * HOUR),
        ("confirmed", TWO - HOUR / 6, 24, 15, TWO),
        ("confirmed", TWO - HOUR, 0, 15, TWO),
        ("confirmed", TWO + HOUR, 24, 15, TWO),
        ("pending", TWO - 48 * HOUR, 24, 0, TWO),
        ("cancelled", TWO - 48 * HOUR, 24, 15, TWO - 24 * HOUR),
        ("confirmed", TWO - 48 * HOUR, 10**9, 0, datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_a_client_may_change_it_before_the_notice_or_within_the_grace(
    status: Status, booked: datetime, notice: int, grace: int, until: datetime
) -> None:
    assert latest_change(status, TWO, booked, notice_hours=notice, grace_minutes=grace) == until
