"""Busy times: what takes time of a calendar without being an appointment of ours."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, insert, select, update

from kalends.core.lifecycle import MAX_BUSY
from kalends.db.database import Tx
from kalends.db.tables import calendars, occupations

BusyKind = Literal["block", "source"]
Span = tuple[datetime, datetime]


def keep_busy(
    tx: Tx, org_id: str, holder_id: str, kind: BusyKind, calendar_id: str, spans: Sequence[Span]
) -> None:
    """Make a holder's busy times on a locked calendar these: what is new comes with the calendar's next
    change, what is gone is removed, and what stays is left as it is. The spans (UTC, half-open) are disjoint
    and in order."""
    mine = (
        occupations.c.org_id == org_id,
        occupations.c.holder_id == holder_id,
        occupations.c.calendar_id == calendar_id,
    )
    stored = select(occupations.c.busy_start, occupations.c.busy_end).where(*mine)
    present = {(row.busy_start, row.busy_end) for row in tx.execute(stored)}
    wanted = dict.fromkeys(piece for span in spans for piece in _pieces(*span))
    gone = [start for start, end in present if (start, end) not in wanted]
    if gone:
        tx.execute(delete(occupations).where(*mine, occupations.c.busy_start.in_(gone)))
    new = [piece for piece in wanted if piece not in present]
    if new:
        change = _next_change(tx, org_id, calendar_id)
        common = {
            "org_id": org_id,
            "holder_id": holder_id,
            "calendar_id": calendar_id,
            "kind": kind,
            "from_change": change,
            "to_change": change,
            "active": True,
            "expires_at": None,
            "overlap_allowed": False,
        }
        tx.execute(
            insert(occupations), [common | {"busy_start": start, "busy_end": end} for start, end in new]
        )


def _next_change(tx: Tx, org_id: str, calendar_id: str) -> int:
    """Count a change of a calendar's busy times. Returns its number."""
    counted = (
        update(calendars)
        .where(calendars.c.org_id == org_id, calendars.c.id == calendar_id)
        .values(busy_changes=calendars.c.busy_changes + 1)
        .returning(calendars.c.busy_changes)
    )
    return tx.execute(counted).scalar_one()


def _pieces(start: datetime, end: datetime) -> Iterator[Span]:
    """Cut a span, since nothing in the table is longer than MAX_BUSY: so searches are bounded."""
    while end - start > MAX_BUSY:
        yield start, start + MAX_BUSY
        start += MAX_BUSY
    yield start, end
