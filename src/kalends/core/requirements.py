"""What a type needs at once: so many of these calendars, for so much of an appointment's time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from kalends.core.hours import shifted
from kalends.core.intervals import Intervals, in_so_many
from kalends.core.lifecycle import Occupancy, Taking, cut_off
from kalends.core.rules import Calendar, Reason, Rule, Terms, of_calendar, representable

CALENDAR = "calendar"
"""The name of the requirement of a type that has but one and does not name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many calendars a requirement takes, and when: from `offset` seconds after the appointment's start
    on (before it if negative), for `length` seconds, or if that is None, for as long as the appointment."""

    name: str = CALENDAR
    count: int = 1
    offset: int = 0
    length: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it takes the appointment's whole time."""
        return self.offset == 0 and self.length is None

    def terms(self, terms: Terms) -> Terms:
        """Return the terms of a type for the requirement's own time, of which starts are counted."""
        if self.is_whole:
            return terms
        if self.length is not None:
            return replace(terms, duration=self.length, odd=())
        return replace(terms, odd=[(starts.moved(self.offset), length) for starts, length in terms.odd])

    def representable(self, terms: Terms) -> Intervals:
        """Return the starts of appointments for which the requirement's own time lies within the years 1 to
        9999, buffers included."""
        return representable(self.terms(terms)).moved(-self.offset)

    def reach(self, terms: Terms) -> tuple[int, int]:
        """Return from when to when, in seconds after the start of an appointment, its own time may be busy,
        buffers included."""
        own = self.terms(terms)
        return self.offset - own.buffer_before, self.offset + own.longest + own.buffer_after

    def is_met(self, free: Collection[str], pinned: Collection[str] = ()) -> bool:
        """Return whether these calendars are enough, and all that are pinned among them."""
        return len(free) >= self.count and all(id_ in free for id_ in pinned)

    def naming(self, reason: Reason, among: int) -> Reason:
        """Return a reason that says which requirement is not met, if that says anything `among` so many."""
        if among == 1 and self.name == CALENDAR:
            return reason
        return replace(reason, details={**reason.details, "requirement": self.name})

    def takes(self, taken: Occupancy, calendar_id: str) -> Taking:
        """Return the time that an appointment takes of a calendar that fills the requirement. The type's
        buffers lie around the requirement's own time. Raises InvalidTime."""
        if self.is_whole:
            return Taking(calendar_id, taken.busy_start, taken.busy_end)
        offset = timedelta(seconds=self.offset)
        lasting = taken.end - taken.start if self.length is None else timedelta(seconds=self.length)
        begin = offset + (taken.busy_start - taken.start)
        end = offset + lasting + (taken.busy_end - taken.end)
        own = Taking(calendar_id, shifted(taken.start, begin), shifted(taken.start, end))
        if own.busy_end - own.busy_start < end - begin:
            raise cut_off()
        return own


@dataclass(frozen=True, slots=True)
class Requirement:
    """A need, and the calendars in question for it. Those that are `pinned` are to be among the chosen."""

    need: Need
    calendars: Sequence[Calendar]
    pinned: Collection[str] = ()

    def rules(self, terms: Terms, calendar: Calendar, start: int, end: int) -> Sequence[Rule]:
        """Return the rules of one of its calendars for starts of appointments in `[start, end)`, the graver
        first."""
        offset = self.need.offset
        rules = of_calendar(self.need.terms(terms), calendar, start + offset, end + offset)
        return [replace(rule, allows=rule.allows.moved(-offset)) for rule in rules] if offset else rules

    def met(self, free: Sequence[Intervals]) -> Intervals:
        """Return the starts at which enough of its calendars are free, and all that are pinned. `free` says
        when each is."""
        enough = in_so_many(self.need.count, free)
        for calendar, starts in zip(self.calendars, free, strict=True):
            if calendar.id in self.pinned:
                enough &= starts
        return enough


def takes(taken: Occupancy, chosen: Sequence[tuple[Need, Sequence[str]]]) -> Sequence[Taking]:
    """Return the time that an appointment takes of each calendar that was chosen for its needs, in their
    order. Raises InvalidTime."""
    return [need.takes(taken, id_) for need, calendar_ids in chosen for id_ in calendar_ids]
