"""Readings: which sources are due, which worker reads them, and what follows from what was read.

A worker leases a source, so no other reads it meanwhile; a lease that is not given back ends by itself. What
was read takes its calendar's time in place of what was read before, some hundreds of times after the other. A
reading that fails changes no time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import func, or_, select, update

from kalends.core.hours import DAY, moment, seconds, shifted
from kalends.core.intervals import NEVER, Intervals, Span
from kalends.core.lifecycle import MAX_BUSY
from kalends.core.sources import MOST_DAYS_AHEAD, Reading, SourceAddress, Unchanged
from kalends.core.text import storable
from kalends.db.aside import aside
from kalends.db.busy_times import ALWAYS, busy_times, keep_busy
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_calendars
from kalends.db.tables import appointments, calendars, organizations, schedules, sources
from kalends.ids import digest, new_id
from kalends.services.booking import clashes
from kalends.services.outbox import parties
from kalends.services.setup import source_secrets
from kalends.services.setup import sources as sources_
from kalends.vault import CLEAR, Vault

MOST_SPANS = 500
"""How many spans of time are stored in one transaction."""
LENGTH = timedelta(minutes=6)
"""How long a lease lasts if the worker dies."""
TOLD_AFTER = timedelta(hours=1)
"""For how long a source must have failed until an event tells it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A source that one worker reads for a while: the lease's id, and the source's."""

    id: str
    org_id: str
    calendar_id: str
    source_id: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read: from which address, what has changed since `state`, within a window of time.
    Floating times and days are those of `zone`. `own` has the ids of our own appointments in that window."""

    address: SourceAddress
    state: str | None
    window: tuple[datetime, datetime]
    zone: str
    own: frozenset[str]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what was read, to be stored in one transaction: the spans that are `beginning` within a span,
    in seconds since 1970."""

    read: Reading | Unchanged
    spans: Sequence[Span]
    beginning: Span
    is_first: bool
    is_last: bool


def is_due(tx: Tx, now: datetime) -> bool:
    """Return whether any source waits for a worker."""
    return tx.execute(select(sources.c.id).where(*_waiting(now)).limit(1)).first() is not None


def lease(tx: Tx, now: datetime, most: int) -> list[Turn]:
    """Take some sources that are due and that no other worker reads."""
    rows = tx.execute(
        select(sources.c.org_id, sources.c.calendar_id, sources.c.id)
        .where(*_waiting(now))
        .order_by(sources.c.due_at)
        .limit(most)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    turns = [Turn(new_id("lease"), row.org_id, row.calendar_id, row.id) for row in rows]
    for turn in turns:
        leased = {"leased_by": turn.id, "leased_until": now + LENGTH, "begun_at": now}
        tx.execute(update(sources).where(*_source_of(turn)).values(leased))
    return turns


def release(tx: Tx, turn: Turn) -> None:
    """Give a source back that was not read. It is still due."""
    tx.execute(update(sources).where(*_still_held(turn)).values(_FREE))


def task(tx: Tx, turn: Turn, now: datetime, vault: Vault = CLEAR) -> Task | None:
    """Return what is to be read; None if the source was lost or deleted. Raises SealedError if its address
    can't be read."""
    row = tx.execute(
        select(sources, func.coalesce(schedules.c.timezone, organizations.c.timezone).label("zone"))
        .join_from(sources, organizations, organizations.c.id == sources.c.org_id)
        .join(calendars, (calendars.c.org_id == sources.c.org_id) & (calendars.c.id == sources.c.calendar_id))
        .outerjoin(
            schedules,
            (schedules.c.org_id == calendars.c.org_id) & (schedules.c.id == calendars.c.schedule_id),
        )
        .where(*_still_held(turn))
    ).first()
    if row is None:
        return None
    url, password = source_secrets.opened(row, vault)
    address = SourceAddress(row.kind, url, row.username, password, row.free_timed_events)
    window = _window(turn, now)
    return Task(address, row.state, window, row.zone, _own(tx, turn.org_id, window))


def parts(read: Reading | Unchanged) -> list[Part]:
    """Cut what was read into parts that are stored soon, since others wait for each: for a file's only
    writer, or to book in the calendar. The latest times come first, as in `keep_busy`."""
    if isinstance(read, Unchanged):
        return [Part(read, (), ALWAYS, is_first=True, is_last=True)]
    cuts = range(0, max(len(read.busy), 1), MOST_SPANS)
    edges = [ALWAYS[0], *(read.busy[cut][0] for cut in cuts[1:]), ALWAYS[1]]
    found = [
        Part(read, read.busy[cut : cut + MOST_SPANS], beginning, cut == cuts[-1], cut == 0)
        for cut, beginning in zip(cuts, pairwise(edges), strict=True)
    ]
    return found[::-1]


def keep(tx: Tx, turn: Turn, part: Part, now: datetime, rest: timedelta) -> None:
    """Make the busy times of the source what a part of a reading says. With the first, tell what clashes with
    appointments now; with the last, give the source back, which is read again after a `rest`. Until then
    nothing is known of its state, so that whatever happens in between, the next reading reads all of it. If
    another worker has taken over, or the source was deleted, nothing changes."""
    lock_calendars(tx, turn.org_id, [turn.calendar_id])
    row = _held(tx, turn)
    if row is None:
        return
    if part.is_first:
        _tell_clashes(tx, turn, part.read, row.last_success_at or now, now)
    changed: dict[str, Any] = {}
    if isinstance(part.read, Reading):
        spans, beginning = part.spans, part.beginning
        keep_busy(tx, turn.org_id, turn.source_id, "source", turn.calendar_id, spans, beginning)
        changed = {"state": part.read.state, "events": part.read.events}
        changed["unreadable"] = list(part.read.unreadable)
    if not part.is_last:
        tx.execute(update(sources).where(*_source_of(turn)).values(state=None))
        return
    well = {
        "last_success_at": now,
        "failing_since": None,
        "failing_told": False,
        "failures": 0,
        "error": None,
    }
    _record(tx, turn, row, now, rest, changed | well)
    if row.failing_told:
        _tell(tx, turn, "source.recovered", now)


def fail(tx: Tx, turn: Turn, why: str, now: datetime, rest: Callable[[int], timedelta]) -> None:
    """Record that a source could not be read, and why; its busy times stay. It is read again after the `rest`
    that so many failures in a row call for. That it fails for good is told once, by an event."""
    row = _held(tx, turn)
    if row is None:
        return
    since = row.failing_since or now
    tells = not row.failing_told and now - since >= TOLD_AFTER
    failures = row.failures + 1
    failing = {"failing_since": since, "failing_told": row.failing_told or tells, "failures": failures}
    _record(tx, turn, row, now, rest(failures), failing | {"error": storable(why)})
    if tells:
        _tell(tx, turn, "source.failing", now)


def failing(tx: Tx) -> int:
    """Return how many sources fail. Sandboxes don't count."""
    live = select(organizations.c.id).where(~organizations.c.sandbox)
    count = select(func.count()).select_from(sources)
    wanted = count.where(sources.c.failing_since.is_not(None), sources.c.org_id.in_(live))
    return tx.execute(wanted).scalar_one()


def _tell_clashes(tx: Tx, turn: Turn, read: Reading | Unchanged, since: datetime, now: datetime) -> None:
    """Tell of what clashes now, if some of it is new `since` the source was read."""
    stored = busy_times(tx, turn.org_id, turn.source_id, turn.calendar_id)
    busy, new = aside(tx, _difference, read, stored)
    clashes.tell(tx, turn.org_id, turn.calendar_id, turn.source_id, busy, new, since, now)


def _difference(read: Reading | Unchanged, stored: Sequence[Span]) -> tuple[Intervals, Intervals]:
    """Return when a source is busy, and what of that is new."""
    known = Intervals(stored)
    if isinstance(read, Unchanged):
        return known, NEVER
    busy = Intervals(read.busy)
    return busy, busy - known


def _tell(tx: Tx, turn: Turn, event_type: str, now: datetime) -> None:
    source = sources_.get(tx, turn.org_id, turn.calendar_id, turn.source_id)
    sources_.tell(tx, parties.system(turn.org_id), event_type, source, now)


def _record(tx: Tx, turn: Turn, row: AnyRow, now: datetime, rest: timedelta, values: dict[str, Any]) -> None:
    """Give a source back with what became of its reading, unless somebody has asked for another meanwhile."""
    due = {"due_at": shifted(now, rest)} if sources_.is_being_read(row) else {}
    tx.execute(update(sources).where(*_source_of(turn)).values(_FREE | due | values))


def _held(tx: Tx, turn: Turn) -> AnyRow | None:
    """Return a source's row, locked; None if another worker has taken over, or it was deleted."""
    return tx.execute(select(sources).where(*_still_held(turn)).with_for_update(key_share=True)).first()


def _own(tx: Tx, org_id: str, window: tuple[datetime, datetime]) -> frozenset[str]:
    """Return the ids of the appointments in a window, cancelled ones too: an old copy of one blocks
    nothing."""
    wanted = select(appointments.c.id).where(
        appointments.c.org_id == org_id,
        appointments.c.start_time >= shifted(window[0], -MAX_BUSY),
        ~appointments.c.is_hold,
    )
    return frozenset(tx.execute(wanted).scalars())


def _window(turn: Turn, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when busy times are kept. It moves on once a day, and each source's at another
    time: then the whole calendar is read again, for what is new at the end."""
    shift = int.from_bytes(digest(turn.source_id)[:4]) % DAY
    yesterday = ((seconds(now) + shift) // DAY - 1) * DAY - shift
    return moment(yesterday), moment(yesterday + MOST_DAYS_AHEAD * DAY)


def _waiting(now: datetime) -> tuple[Any, ...]:
    free = or_(sources.c.leased_until.is_(None), sources.c.leased_until <= now)
    return (sources.c.due_at <= now, free)


def _source_of(turn: Turn) -> tuple[Any, ...]:
    return (sources.c.org_id == turn.org_id, sources.c.id == turn.source_id)


def _still_held(turn: Turn) -> tuple[Any, ...]:
    return (*_source_of(turn), sources.c.leased_by == turn.id)


_FREE = {"leased_by": None, "leased_until": None}
