"""When to try again."""

from datetime import timedelta
from math import ceil

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

RETRIES = (
    timedelta(seconds=5),
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""How long after its first, second, … failure a delivery is tried again; after the last one it has failed."""
JITTER = 0.1
"""Waits are made longer by up to this share, so that what failed together is not repeated together."""
LONGEST_WAIT = 24 * _HOUR
LONGEST_REST = _HOUR
"""A source that fails is read again at least this often."""
FAILING_DAYS = timedelta(days=5)
"""A webhook that has answered nothing but failures for so long is disabled."""


def is_last(attempts: int) -> bool:
    """Return whether no attempt follows after so many."""
    return attempts > len(RETRIES)


def next_try(failures: int, chance: float, asked: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after so many failures; None if it was the last attempt. `chance` is between 0
    and 1. `asked` is the wait that the receiver asked for (Retry-After), which is granted up to a day."""
    if is_last(failures):
        return None
    wait = RETRIES[failures - 1] * (1 + JITTER * chance)
    if asked is not None:
        wait = max(wait, granted(asked))
    return timedelta(seconds=ceil(wait.total_seconds()))


def granted(asked: timedelta) -> timedelta:
    """Return how long to wait if a receiver asks for this wait (Retry-After)."""
    return min(asked, LONGEST_WAIT)


def pause(silences: int) -> timedelta:
    """Return how long to leave a receiver alone that gave no answer at all, so many times in a row."""
    return min(RETRIES[0] * int(2 ** min(silences - 1, 10)), _MINUTE)


def next_reading(every: timedelta, failures: int, chance: float, asked: timedelta | None = None) -> timedelta:
    """Return how long until a source is read again that has failed so many times in a row (0: it did not), if
    it is to be read `every` so often. The waits double up to an hour. `chance` is between 0 and 1. `asked` is
    the wait that the other server asked for (Retry-After), which is granted up to a day."""
    wait = min(every * int(2 ** min(max(failures - 1, 0), 10)), max(every, LONGEST_REST))
    wait *= 1 + JITTER * chance
    if asked is not None:
        wait = max(wait, granted(asked))
    return timedelta(seconds=ceil(wait.total_seconds()))
