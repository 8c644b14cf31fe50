"""Busy times: what takes time of a calendar without being an appointment of ours."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, insert, literal, select, update

from kalends.core.hours import FIRST_SECOND, moment
from kalends.core.intervals import ENDLESS, Span
from kalends.core.lifecycle import MAX_BUSY
from kalends.db.database import Tx
from kalends.db.tables import calendars, occupations
from kalends.db.verbs import all_in_seconds, instants, spans_of_time

BusyKind = Literal["block", "source"]

_LONGEST = MAX_BUSY // timedelta(seconds=1)


ALWAYS: Span = (-ENDLESS, ENDLESS)


def busy_times(
    tx: Tx, org_id: str, holder_id: str, calendar_id: str, beginning: Span = ALWAYS
) -> Sequence[Span]:
    """Return the times that a holder takes of a calendar, in seconds since 1970: those `beginning` within a
    span."""
    gathered = select(
        all_in_seconds(tx, occupations.c.busy_start), all_in_seconds(tx, occupations.c.busy_end)
    )
    mine = _of(org_id, holder_id, calendar_id, beginning)
    starts, ends = tx.execute(gathered.where(*mine)).one()
    return list(zip(starts or (), ends or (), strict=True))


def keep_busy(
    tx: Tx,
    org_id: str,
    holder_id: str,
    kind: BusyKind,
    calendar_id: str,
    spans: Iterable[Span],
    beginning: Span = ALWAYS,
) -> None:
    """Make these a holder's busy times on a locked calendar, or those of them that are `beginning` within a
    span: what is new comes with the calendar's next change, what is gone is removed, and what stays is left
    as it is. The spans are disjoint, in seconds since 1970."""
    present = set(busy_times(tx, org_id, holder_id, calendar_id, beginning))
    wanted = {piece for span in spans for piece in _pieces(*span)}
    if gone := [start for start, _ in present - wanted]:
        mine = _of(org_id, holder_id, calendar_id)
        tx.execute(delete(occupations).where(*mine, occupations.c.busy_start.in_(instants(tx, gone))))
    # The last come first: SQLite's triggers look at what begins in the ten days before each.
    come = sorted(wanted - present, reverse=True)
    if come:
        change = _next_change(tx, org_id, calendar_id)
        common = {
            "org_id": org_id,
            "holder_id": holder_id,
            "calendar_id": calendar_id,
            "kind": kind,
            "from_change": change,
            "to_change": change,
            "active": True,
            "overlap_allowed": False,
        }
        fixed = (literal(value, occupations.c[name].type) for name, value in common.items())
        rows = spans_of_time(tx, come).add_columns(*fixed)
        tx.execute(insert(occupations).from_select(["busy_start", "busy_end", *common], rows))


def _of(org_id: str, holder_id: str, calendar_id: str, beginning: Span = ALWAYS) -> tuple[Any, ...]:
    mine = (
        occupations.c.org_id == org_id,
        occupations.c.holder_id == holder_id,
        occupations.c.calendar_id == calendar_id,
    )
    if beginning == ALWAYS:
        return mine
    low, high = map(moment, beginning)
    return (*mine, occupations.c.busy_start >= low, occupations.c.busy_start < high)


def _next_change(tx: Tx, org_id: str, calendar_id: str) -> int:
    """Count a change of a calendar's busy times. Returns its number."""
    counted = (
        update(calendars)
        .where(calendars.c.org_id == org_id, calendars.c.id == calendar_id)
        .values(busy_changes=calendars.c.busy_changes + 1)
        .returning(calendars.c.busy_changes)
    )
    return tx.execute(counted).scalar_one()


def _pieces(start: int, end: int) -> Iterator[Span]:
    """Cut a span, since nothing in the table is longer than MAX_BUSY: so searches are bounded."""
    start = max(start, FIRST_SECOND + 1)  # what PostgreSQL keeps of the first second of the year 1
    while end - start > _LONGEST:
        yield start, start + _LONGEST
        start += _LONGEST
    if start < end:
        yield start, end
