"""Clashes: appointments over which another calendar is busy, though they were booked before that was known.

Nobody can book over what is known. What comes afterwards changes no appointment, but staff are told.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select

from kalends.core.event_types import CLASH
from kalends.core.hours import moment, stamp
from kalends.core.intervals import Intervals, Span
from kalends.db.claims import booked_at, occupying
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments, occupations
from kalends.db.verbs import in_seconds
from kalends.services.booking.appointments import SHOWN, shown
from kalends.services.outbox import events, parties
from kalends.services.setup import calendars


def tell(
    tx: Tx,
    org_id: str,
    calendar_id: str,
    source_id: str,
    busy: Intervals,
    new: Intervals,
    since: datetime,
    now: datetime,
) -> None:
    """Tell of each appointment ahead and of each time of a source that is `busy` and lies over it, if some of
    that is `new`, or if the appointment was made of a hold `since` the last time."""
    spans, fresh = list(busy), list(new)
    made = and_(appointments.c.created_at >= since, ~appointments.c.overlap_allowed)
    hull = and_(*occupying(moment(fresh[0][0]), moment(fresh[-1][1]))) if fresh else None
    rows = tx.execute(
        SHOWN.add_columns(
            in_seconds(tx, occupations.c.busy_start).label("taken_from"),
            in_seconds(tx, occupations.c.busy_end).label("taken_to"),
        )
        .join(
            occupations,
            (occupations.c.org_id == appointments.c.org_id) & (occupations.c.holder_id == appointments.c.id),
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id == calendar_id,
            occupations.c.busy_end > now,
            *booked_at(now),
            made if hull is None else or_(hull, made),
            appointments.c.status.in_(("pending", "confirmed")),
        )
        .order_by(occupations.c.busy_start)
    ).all()
    found = [
        (row, span)
        for row in rows
        for span in _over(spans, row.taken_from, row.taken_to)
        if (row.created_at >= since and not row.overlap_allowed) or _some(fresh, span, row)
    ]
    if not found:
        return
    calendar = calendars.get(tx, org_id, calendar_id).model_dump(mode="json")
    for row, (start, end) in found:
        content = {
            "calendar": calendar,
            "source_id": source_id,
            "appointment": shown(row, now).model_dump(mode="json"),
            "busy": {"start_time": stamp(moment(start)), "end_time": stamp(moment(end))},
        }
        events.tell(tx, parties.system(org_id), CLASH, content, row.id, now)


def stands(tx: Tx, org_id: str, appointment_id: str, calendar_id: str, source_id: str) -> bool:
    """Return whether an appointment still takes time of a calendar at which a source is busy."""
    taken, busy = occupations.alias(), occupations.alias()
    clash = (
        select(busy.c.busy_start)
        .where(
            taken.c.org_id == org_id,
            taken.c.holder_id == appointment_id,
            taken.c.calendar_id == calendar_id,
            taken.c.active,
            busy.c.org_id == org_id,
            busy.c.holder_id == source_id,
            busy.c.calendar_id == calendar_id,
            busy.c.busy_start < taken.c.busy_end,
            busy.c.busy_end > taken.c.busy_start,
        )
        .limit(1)
    )
    return tx.execute(clash).first() is not None


def _some(fresh: Sequence[Span], span: Span, row: AnyRow) -> bool:
    """Return whether some of a span over an appointment is fresh."""
    return any(_over(fresh, max(span[0], row.taken_from), min(span[1], row.taken_to)))


def _over(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Return those of sorted, disjoint spans that lie over some of the time from `start` to `end`."""
    for index in range(bisect_right(spans, start, key=lambda span: span[1]), len(spans)):
        if spans[index][0] >= end:
            return
        yield spans[index]
