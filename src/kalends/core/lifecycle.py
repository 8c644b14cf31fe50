"""The life of an appointment: its statuses, and the time it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from kalends.core.errors import IllegalTransition, InvalidTime

Status = Literal["pending", "confirmed", "completed", "cancelled", "no_show"]
Source = Literal["manual", "booking_page"]
Check = Literal["conflicts", "none"]

MAX_DURATION_MINUTES = 7 * 24 * 60
MAX_BUFFER_MINUTES = 24 * 60
MAX_BUSY = timedelta(minutes=MAX_DURATION_MINUTES + 2 * MAX_BUFFER_MINUTES)
"""No appointment occupies its calendar longer: a search for overlaps need look back no further."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The time an appointment takes, in UTC, half-open: `[start, end)` with the client, and
    `[busy_start, busy_end)` of its calendar, buffers included."""

    start: datetime
    end: datetime
    busy_start: datetime
    busy_end: datetime


def occupy(start: datetime, *, duration: int, buffer_before: int, buffer_after: int) -> Occupancy:
    """What an appointment at `start` (a UTC instant) takes; the others are minutes.

    Raises InvalidTime where any of it would fall outside the years 1 to 9999.
    """
    try:
        end = start + timedelta(minutes=duration)
        return Occupancy(
            start,
            end,
            busy_start=start - timedelta(minutes=buffer_before),
            busy_end=end + timedelta(minutes=buffer_after),
        )
    except OverflowError:
        raise InvalidTime(
            "start_time is so near the end of the calendar (years 1 to 9999) that the appointment "
            "would not fit."
        ) from None


TRANSITIONS: Mapping[Status, tuple[Status, ...]] = MappingProxyType(
    {
        "pending": ("confirmed", "cancelled"),
        "confirmed": ("completed", "no_show", "cancelled"),
        "completed": ("no_show",),
        "no_show": ("completed",),
        "cancelled": ("confirmed",),
    }
)
"""What may become of an appointment. The same status again changes nothing."""


def transition(current: Status, wanted: Status) -> bool:
    """Whether going from `current` to `wanted` changes anything. Raises IllegalTransition, naming what is
    allowed, where there is no such way."""
    if wanted == current:
        return False
    if wanted not in TRANSITIONS[current]:
        allowed = TRANSITIONS[current]
        raise IllegalTransition(
            f"An appointment that is {current} can't become {wanted}, only {' or '.join(allowed)}.",
            status=current,
            allowed=list(allowed),
        )
    return True
