"""What is offered: an appointment type, and the calendars in question for a booking of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from kalends.core.hours import DAY, MINUTE, Schedule, odd_days, seconds
from kalends.core.intervals import Intervals
from kalends.core.lifecycle import Occupancy, Status, occupy
from kalends.core.requirements import Need
from kalends.core.rules import Period, Terms


@dataclass(frozen=True, slots=True)
class BookedType:
    """An appointment type, as far as an appointment needs it: what is shown of the type, the time that an
    appointment takes, and whether it has to be confirmed."""

    org_id: str
    id: str
    name: str
    color: str
    is_active: bool
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    requires_confirmation: bool
    confirm_within_hours: int | None
    requirements: Sequence[Mapping[str, Any]]

    @property
    def needs(self) -> Sequence[Need]:
        """What it needs at once: its requirements, or if it has none of its own, one calendar."""
        return [_need(each) for each in self.requirements] or [Need()]

    @property
    def duration(self) -> int:
        """The seconds that an appointment lasts, except from odd starts (`OfferedType.odd`)."""
        return self.duration_minutes * MINUTE

    @property
    def is_of_days(self) -> bool:
        """Whether it lasts whole days, which may be calendar days of 23 or 25 hours: its hours decide."""
        return self.duration % DAY == 0

    def occupation(self, start: datetime, length: int) -> Occupancy:
        """Return what an appointment takes that begins at `start` and lasts `length` seconds. Raises
        InvalidTime."""
        return occupy(
            start,
            length=length,
            buffer_before=self.buffer_before_minutes,
            buffer_after=self.buffer_after_minutes,
        )


@dataclass(frozen=True, slots=True)
class OfferedType(BookedType):
    """An appointment type with all that says when it can be booked, and by whom. `followed_id` and
    `followed_timezone` are of the schedule that it follows: its own, or else the organization's. `week_start`
    is the organization's: 0 for Sunday … 6 for Saturday."""

    slot_interval_minutes: int | None
    min_notice_hours: int
    max_days_ahead: int | None
    max_per_day: int | None
    max_per_week: int | None
    max_per_month: int | None
    max_open_per_client: int | None
    visibility: str
    contact: str
    clients_choose: bool
    booking_questions: Sequence[Mapping[str, Any]]
    week_start: int
    followed_id: str
    followed_timezone: str

    @property
    def caps(self) -> Mapping[Period, int]:
        """The most that can be booked of it in a day, a week and a month, as far as that is limited."""
        limits: Mapping[Period, int | None] = {
            "day": self.max_per_day,
            "week": self.max_per_week,
            "month": self.max_per_month,
        }
        return {period: limit for period, limit in limits.items() if limit is not None}

    def for_moving(self, status: Status) -> Self:
        """Return the type as it is for an appointment of this status that is moved: whatever the type asks
        for by now, one that waits to be confirmed can't begin this very second."""
        return replace(self, requires_confirmation=True) if status == "pending" else self

    def lasting(self, minutes: int | None) -> Self:
        """Return the type as it is for an appointment that staff gave a length of its own, if they did. It
        begins when others of the type do."""
        if minutes in (None, self.duration_minutes):
            return self
        interval = self.slot_interval_minutes or self.duration_minutes
        return replace(self, duration_minutes=minutes, slot_interval_minutes=interval)

    def odd(self, schedule: Schedule, start: int, end: int) -> Sequence[tuple[Intervals, int]]:
        """Return the starts in `[start, end)` from which its days are calendar days of 23 or 25 hours, by how
        long it lasts there, in seconds (`core.hours.odd_days`)."""
        return odd_days(schedule, self.duration // DAY, start, end) if self.is_of_days else ()

    def terms(self, schedule: Schedule, start: int, end: int, taking: Occupancy | None = None) -> Terms:
        """Return its terms for starts in `[start, end)`, by the schedule that it follows. `taking` is what an
        appointment takes, if that is not what the type asks for now."""
        duration, before, after = self._lengths() if taking is None else _lengths_of(taking)
        return Terms(
            is_active=self.is_active,
            duration=duration,
            buffer_before=before,
            buffer_after=after,
            interval=(self.slot_interval_minutes or self.duration_minutes) * MINUTE,
            min_notice_hours=self.min_notice_hours,
            max_days_ahead=self.max_days_ahead,
            caps=self.caps,
            week_start=self.week_start,
            schedule=schedule,
            requires_confirmation=self.requires_confirmation,
            odd=self.odd(schedule, start, end) if taking is None else (),
        )

    def _lengths(self) -> tuple[int, int, int]:
        return self.duration, self.buffer_before_minutes * MINUTE, self.buffer_after_minutes * MINUTE


@dataclass(frozen=True, slots=True)
class Candidate:
    """A calendar in question for a booking. `schedule_id` and `schedule_timezone` are of its own hours, if it
    has any; `serves` tells whether it serves the type, `requirement` which one of its requirements, by number
    (the first if it serves none), and `is_public` whether clients may choose it."""

    id: str
    name: str
    is_active: bool
    is_public: bool
    schedule_id: str | None
    schedule_timezone: str | None
    serves: bool
    requirement: int


@dataclass(frozen=True, slots=True)
class RequirementInQuestion:
    """A need of a type, and the calendars in question for it, the oldest first. Those that are `pinned` are
    to be among the chosen."""

    need: Need
    candidates: Sequence[Candidate]
    pinned: Collection[str] = ()


def ids_of(in_question: Sequence[RequirementInQuestion]) -> Sequence[str]:
    """Return the ids of all calendars in question."""
    return [each.id for requirement in in_question for each in requirement.candidates]


def required(
    needs: Sequence[Need], pinned: Sequence[Candidate], serving: Sequence[Candidate] = ()
) -> Sequence[RequirementInQuestion]:
    """Return what is in question for each need: of those serving it any, but if enough are pinned, these
    alone."""
    found = []
    for number, need in enumerate(needs):
        named = [each for each in pinned if each.requirement == number]
        ids = {each.id for each in named}
        others = [each for each in serving if each.requirement == number and each.id not in ids]
        found.append(RequirementInQuestion(need, named if len(named) >= need.count else named + others, ids))
    return found


def _need(stored: Mapping[str, Any]) -> Need:
    offset, duration = stored["offset_minutes"], stored["duration_minutes"]
    return Need(
        name=stored["name"],
        count=stored["count"],
        offset=(offset or 0) * MINUTE,
        length=None if duration is None else duration * MINUTE,
    )


def _lengths_of(taking: Occupancy) -> tuple[int, int, int]:
    """Return duration, buffer before and buffer after, in seconds."""
    busy_start, start, end, busy_end = map(
        seconds, (taking.busy_start, taking.start, taking.end, taking.busy_end)
    )
    return end - start, start - busy_start, busy_end - end
