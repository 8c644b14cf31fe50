"""The life of an appointment: its statuses, and the time it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, Self

from kalends.core.errors import IllegalTransition, InvalidTime
from kalends.core.hours import shifted

Status = Literal["pending", "confirmed", "completed", "cancelled", "no_show"]
Source = Literal["manual", "booking_page"]
Check = Literal["all", "conflicts", "none"]
"""How a booking is checked: by every rule of its type, only against what is booked already, or not at all."""

CONFIRMATION_EXPIRED = "confirmation_expired"

MAX_DURATION_MINUTES = 7 * 24 * 60
MAX_BUFFER_MINUTES = 24 * 60
_PUT_BACK = timedelta(days=1)
"""Clocks were never put back by more: by so much calendar days may be longer than 24 hours each."""
MAX_BUSY = timedelta(minutes=MAX_DURATION_MINUTES + 2 * MAX_BUFFER_MINUTES) + _PUT_BACK
"""No appointment occupies its calendar longer: a search for overlaps need look back no further."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The time an appointment takes, in UTC, half-open: `[start, end)` with the client, and
    `[busy_start, busy_end)` of its calendar, buffers included."""

    start: datetime
    end: datetime
    busy_start: datetime
    busy_end: datetime


@dataclass(frozen=True, slots=True)
class Taking:
    """The time that an appointment takes of one of its calendars, in UTC, half-open, buffers included."""

    calendar_id: str
    busy_start: datetime
    busy_end: datetime


def occupy(start: datetime, *, length: int, buffer_before: int, buffer_after: int) -> Occupancy:
    """Return what an appointment takes that begins at `start` (a UTC instant) and lasts `length` seconds.
    Buffers are minutes.

    Raises InvalidTime if any of it would fall outside the years 1 to 9999.
    """
    lasting = timedelta(seconds=length)
    before, after = timedelta(minutes=buffer_before), timedelta(minutes=buffer_after)
    end = shifted(start, lasting)
    taken = Occupancy(start, end, busy_start=shifted(start, -before), busy_end=shifted(end, after))
    if taken.busy_end - taken.busy_start < before + lasting + after:  # an end of the calendar cut it off
        raise cut_off()
    return taken


def cut_off() -> InvalidTime:
    """Return the refusal of a time of which an end of the calendar cuts something off."""
    return InvalidTime(
        "start_time is so near the end of the calendar (years 1 to 9999) that the appointment would not fit."
    )


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
    """Return whether going from `current` to `wanted` changes anything. Raises IllegalTransition, naming what
    is allowed, if there is no such way."""
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


UNDO = timedelta(seconds=10)
"""For how long a cancellation by staff can be undone, as if it had not been."""


def undo_until(cancelled: datetime) -> datetime:
    """Return until when a cancellation can be undone, this second included."""
    return shifted(cancelled, UNDO)


@dataclass(frozen=True, slots=True)
class Undone:
    """What an appointment is again once its cancellation is undone: its status, and of a request, until when
    it must be confirmed."""

    status: Status
    expires_at: datetime | None

    @classmethod
    def of(cls, before: Mapping[str, Any]) -> Self:
        """Return it by what the cancellation changed, as history has it."""
        until = before.get("expires_at")
        return cls(before["status"], None if until is None else datetime.fromisoformat(until))


def as_of(appointment: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return an appointment's fields as they are at `now`. One that waited for its confirmation longer than
    it may (`expires_at`) is cancelled since that moment, whether or not that has been stored."""
    lapsed_at = appointment["expires_at"]
    if lapsed_at is None or lapsed_at > now:
        return appointment
    return {
        **appointment,
        "status": "cancelled",
        "cancelled_at": lapsed_at,
        "cancellation_reason": CONFIRMATION_EXPIRED,
        "expires_at": None,
        "version": appointment["version"] + 1,
        "updated_at": lapsed_at,
    }


def latest_change(
    status: Status, start: datetime, booked: datetime, *, notice_hours: int, grace_minutes: int
) -> datetime:
    """Return until when a client may cancel or move an appointment: `notice_hours` before its start, or
    `grace_minutes` after it was `booked`, whichever is later, but never after its start. A request that
    nobody has confirmed yet binds nobody, so it may be changed until its start."""
    if status == "pending":
        return start
    in_time = shifted(start, -timedelta(hours=notice_hours))
    in_grace = shifted(booked, timedelta(minutes=grace_minutes))
    return min(max(in_time, in_grace), start) if grace_minutes else in_time


def confirm_by(asked: datetime, within_hours: int | None, start: datetime) -> datetime:
    """Return until when a request that was made at `asked` must be confirmed: `within_hours` later, if the
    type sets that, and always before its time begins at `start`."""
    if within_hours is None:
        return start
    return min(shifted(asked, timedelta(hours=within_hours)), start)
