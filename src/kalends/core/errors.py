"""Everything Kalends can refuse, as exceptions.

    Refusal
    ├── Malformed ── InvalidTime ── NonexistentTime, AmbiguousTime
    ├── Unauthorized ── KeyExpired, KeyRevoked
    ├── ScopeMissing
    ├── Moved
    ├── NotFound
    ├── Conflict ── InUse, IllegalTransition, AlreadyExists, HoldGone, HoldMismatch, TooLate, TooManyOpen,
    │   │           TooManyHolds, AppointmentsInTheWay
    │   └── Unbookable ── SlotTaken, OutsideHours, OffGrid, TooSoon, TooFarAhead, LimitReached, TypeInactive,
    │                     CalendarInactive, CalendarNotServing, Blocked, BusyElsewhere
    ├── PreconditionFailed
    ├── CursorExpired
    ├── IdempotencyKeyReused
    ├── RateLimited
    └── Unavailable ── SchemaOutdated, OutcomeUnknown

A refusal knows its stable `code`, a sentence a person can act on, and details for a program.
What it becomes in HTTP is decided in `api/errors.py`, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The request was refused."""

    code: ClassVar[str] = "refused"

    @classmethod
    def sentence(cls) -> str:
        """Return what it says unless it is raised with a message: its docstring, in one line."""
        return " ".join((cls.__doc__ or "").split())

    def __init__(self, message: str | None = None, /, **details: Any) -> None:
        self.message = message or self.sentence()
        self.details: Mapping[str, Any] = details
        super().__init__(self.message)


class Malformed(Refusal):
    """The request is malformed."""

    code = "invalid_request"


class InvalidTime(Malformed):
    """The time can't be represented."""

    code = "invalid_time"


class NonexistentTime(InvalidTime):
    """The wall time does not exist: the clocks skip it."""

    code = "nonexistent_time"


class AmbiguousTime(InvalidTime):
    """The wall time happens twice: the clocks repeat it."""

    code = "ambiguous_time"


class Unauthorized(Refusal):
    """A valid API key is required: send `Authorization: Bearer vst_…`."""

    code = "unauthorized"


class KeyExpired(Unauthorized):
    """This API key has expired."""

    code = "key_expired"


class KeyRevoked(Unauthorized):
    """This API key has been revoked."""

    code = "key_revoked"


class ScopeMissing(Refusal):
    """The API key lacks a scope; `details.scope` names it."""

    code = "scope_missing"

    def __init__(self, scope: str, purpose: str = "This call") -> None:
        super().__init__(f"{purpose} needs an API key with the scope '{scope}'.", scope=scope)


class Moved(Refusal):
    """The organization has another slug now, `details.slug`: `Location` leads to the same call there."""

    code = "moved"

    def __init__(self, slug: str, location: str) -> None:
        super().__init__(f"The organization's slug is '{slug}' now.", slug=slug)
        self.location = location


class NotFound(Refusal):
    """There is nothing here by that name."""

    code = "not_found"


class Conflict(Refusal):
    """The request is valid, but the present state refuses it."""

    code = "conflict"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wanted to book: a type, a start (UTC), perhaps some of the calendars, and a length in
    minutes if it is not the type's; `moving` is the appointment that would be moved there, so its own time
    does not count."""

    org_id: str
    appointment_type_id: str
    start: datetime
    now: datetime
    calendar_ids: Sequence[str] = ()
    moving: str | None = None
    minutes: int | None = None


class Unbookable(Conflict):
    """This time can't be booked; `details.reasons` says why, `details.next_available` which others can."""

    code = "unbookable"

    def __init__(
        self, message: str | None = None, /, *, wanted: Wanted | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.wanted = wanted


class SlotTaken(Unbookable):
    """The calendar is already taken at that time, buffers included."""

    code = "slot_taken"


class Blocked(Unbookable):
    """The calendar is blocked at that time."""

    code = "blocked"


class BusyElsewhere(Unbookable):
    """Another calendar of the same person says that they are busy at that time."""

    code = "busy_elsewhere"


class OutsideHours(Unbookable):
    """The time is outside the opening hours."""

    code = "outside_hours"


class OffGrid(Unbookable):
    """The time is within the opening hours, but none of those that are offered."""

    code = "off_grid"


class TooSoon(Unbookable):
    """The time is sooner than the type's minimum notice allows."""

    code = "too_soon"


class TooFarAhead(Unbookable):
    """The time is further ahead than the type can be booked."""

    code = "too_far_ahead"


class LimitReached(Unbookable):
    """The type's limit for that day, week or month is reached."""

    code = "limit_reached"


class TypeInactive(Unbookable):
    """This appointment type is not active, so it can't be booked."""

    code = "type_inactive"


class CalendarInactive(Unbookable):
    """This calendar is not active, so it can't be booked."""

    code = "calendar_inactive"


class CalendarNotServing(Unbookable):
    """This calendar does not serve this appointment type."""

    code = "calendar_not_serving"


class HoldGone(Conflict):
    """The hold has expired, was used or released, or never existed."""

    code = "hold_gone"


class HoldMismatch(Conflict):
    """The hold is for another appointment type, time, length or calendar."""

    code = "hold_mismatch"


class TooLate(Conflict):
    """It is too late for this change of the appointment; it was possible until `details.until`."""

    code = "too_late"


class TooManyOpen(Conflict):
    """This client has as many open bookings of this type as one client may have; `details.limit` says how
    many."""

    code = "too_many_open"


class TooManyHolds(Conflict):
    """This network address already holds as much time as it may at once; `details.limit` says how many
    holds."""

    code = "too_many_holds"


class AppointmentsInTheWay(Conflict):
    """There are appointments or holds in this time: `details.total` of them, of which `details.appointments`
    lists the first 50. Send `force: true` to leave them as they are, or move them first."""

    code = "appointments_in_the_way"


class InUse(Conflict):
    """Something else still refers to it, so it can't be deleted."""

    code = "in_use"


class IllegalTransition(Conflict):
    """An appointment of this status can't get that one; `details.allowed` lists those it can get."""

    code = "illegal_transition"


class PreconditionFailed(Refusal):
    """The appointment was changed meanwhile: `If-Match` names another version than `details.version`."""

    code = "precondition_failed"


class CursorExpired(Refusal):
    """Events after this cursor are no longer kept, or it is another database's; start again without it."""

    code = "cursor_expired"


class AlreadyExists(Conflict):
    """Something by that name exists already."""

    code = "already_exists"


class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was used for a different request in the last 24 hours."""

    code = "idempotency_key_reused"


class RateLimited(Refusal):
    """Too many requests in this hour."""

    code = "rate_limited"
    retry_after: int | None = None
    """After how many seconds to try again, if that is known here."""

    def after(self, seconds: int) -> Self:
        """Add after how many seconds to try again. Returns the refusal itself."""
        self.retry_after = seconds
        return self


class Unavailable(Refusal):
    """The database can't be reached at the moment; nothing was changed. Try again shortly."""

    code = "unavailable"
    operator: str | None = None
    """What the log tells the operator instead: which database it is, the cause, and what to do. Clients never
    see it."""

    def telling(self, operator: str | None) -> Self:
        """Add a sentence for the operator. Returns the refusal itself."""
        self.operator = operator
        return self


class SchemaOutdated(Unavailable):
    """The database's schema is not the one this version needs: run `kalends migrate`."""

    code = "schema_outdated"


class OutcomeUnknown(Unavailable):
    """The database connection was lost before the change was confirmed, so it may or may not be stored.
    Read before repeating, or repeat with the same Idempotency-Key."""

    code = "outcome_unknown"
