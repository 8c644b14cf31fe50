"""How long the database is waited for, and by how many units.

Everything has a time limit: waiting for a turn, a statement, and a request with all it asks the database. So
clients are answered in time, and a server whose database is silent does not fill up with requests.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

WAIT_SECONDS = 5.0
"""How long a unit of work waits for its turn, counted from when it was asked for. After that it is refused,
and never begun."""
MOST_WAITING = 2_000
"""How many units may wait for their turn in a process: about as many as SQLite runs in two seconds. Any more
are refused at once."""
REQUEST_SECONDS = 18.0
"""How long a request waits for the database in total: for all its look-ups and changes, retries included. The
time to end a connection and to answer comes on top."""

_until: ContextVar[float | None] = ContextVar("kalends_until", default=None)


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let everything within the block wait for the database for so many seconds in total."""
    token = _until.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def renew() -> None:
    """Let the present request wait as long again: it makes progress, by work that is stored piece by
    piece."""
    if _until.get() is not None:
        _until.set(asyncio.get_running_loop().time() + REQUEST_SECONDS)


def until() -> float | None:
    """Return when the present request must have been answered, by the event loop's clock; None if there is no
    request."""
    return _until.get()


def is_over() -> bool:
    """Return whether the present request can't wait any longer, so nothing is begun for it."""
    last = _until.get()
    return last is not None and asyncio.get_running_loop().time() >= last
