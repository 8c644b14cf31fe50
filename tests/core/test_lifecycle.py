from datetime import UTC, datetime

import pytest

from kalends.core.errors import IllegalTransition, InvalidTime
from kalends.core.lifecycle import MAX_BUSY, Occupancy, Status, occupy, transition

TWO = datetime(2024, 1, 25, 14, tzinfo=UTC)


def test_occupy_adds_the_buffers_around_the_appointment() -> None:
    assert occupy(TWO, duration=60, buffer_before=5, buffer_after=15) == Occupancy(
        start=TWO,
        end=TWO.replace(hour=15),
        busy_start=TWO.replace(hour=13, minute=55),
        busy_end=TWO.replace(hour=15, minute=15),
    )


def test_occupy_never_exceeds_the_longest_busy_time() -> None:
    taken = occupy(TWO, duration=10_080, buffer_before=1_440, buffer_after=1_440)
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
        occupy(start, duration=60, buffer_before=before, buffer_after=after)


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
