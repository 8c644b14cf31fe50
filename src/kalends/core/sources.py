"""Other calendars of a person, of which only the busy times are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kalends.core.intervals import Span

SourceKind = Literal["ics", "caldav"]

MOST_DAYS_AHEAD = 400
"""How far ahead busy times are read. A window may not be longer."""


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """Where another calendar is read: an iCalendar file (`ics`), or a calendar, an account or a server that
    speaks CalDAV. Its URL may be as secret as its password, so neither is shown in logs and traces.

    If `free_timed_events` is true, events with a time of day count as free, and only those of whole days
    block: for a calendar whose timed events are reminders, and whose whole days are holidays.
    """

    kind: SourceKind
    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    free_timed_events: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a source: the spans of time that are `busy`, sorted and disjoint, in seconds since
    1970, all within the window; how many `events` there are in it (each instance of a series counts); and
    the `state`, which the next read is given, so that it can tell that nothing has changed. `unreadable` has
    a sentence for staff about each event that can't be read, and so does not block: some of them, if many."""

    busy: Sequence[Span]
    events: int
    state: str | None
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What a source answers if its busy times are those of the last read."""


class SourceTrouble(Exception):  # noqa: N818 - it is what staff are told, not a defect
    """A source that can't be read now. Its sentence is for staff. `retry_after` is for how many seconds the
    other server asks not to be asked again, if it does."""

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
