"""Clashes: appointments over which another calendar is busy, though they were booked before that was known.

Nobody can book over what is known. What comes afterwards changes no appointment, but staff are told.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, or_, select

from kalends.core.event_types import CLASH, CLASHES
from kalends.core.hours import moment, stamp
from kalends.core.intervals import Intervals, Span
from kalends.db.aside import aside
from kalends.db.claims import booked_at, occupying
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments, occupations, sources
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
    )

    def clashes() -> list[dict[str, Any]]:
        return [
            {
                "appointment": shown(row, now).model_dump(mode="json"),
                "busy": {"start_time": stamp(moment(start)), "end_time": stamp(moment(end))},
            }
            for row in rows
            for start, end in _over(spans, row.taken_from, row.taken_to)
            if (row.created_at >= since and not row.overlap_allowed) or _some(fresh, (start, end), row)
        ]

    if found := aside(tx, clashes):
        calendar = calendars.get(tx, org_id, calendar_id).model_dump(mode="json")
        _tell(tx, org_id, {"calendar": calendar, "source_id": source_id}, found, now)


def _tell(
    tx: Tx, org_id: str, where: Mapping[str, Any], found: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Tell programs of each clash by itself, and staff of all of them by one mail."""
    system = parties.system(org_id)
    each = [({**where, **clash}, clash["appointment"]["id"]) for clash in found]
    events.tell_each(tx, system, CLASH, each, now)
    content, subject = each[0]
    told = {
        clash["appointment"]["id"]: {
            "start_time": clash["appointment"]["start_time"],
            "busy": clash["busy"],
        }
        for clash in reversed(found)  # of several of one appointment, the first
    }
    events.tell(tx, system, CLASHES, {**content, "told": told}, subject, now)


def standing(
    tx: Tx, org_id: str, starts: Mapping[str, str], calendar_id: str, source_id: str, now: datetime
) -> list[str]:
    """Return the ids of the appointments, by start, that still begin when they did (`starts`, by id) and take
    time of a calendar at which a source is busy. What it says may just be being stored: then they do."""
    taken, busy = occupations, occupations.alias()
    is_busy = exists().where(
        busy.c.org_id == org_id,
        busy.c.holder_id == source_id,
        busy.c.calendar_id == calendar_id,
        busy.c.busy_start < taken.c.busy_end,
        busy.c.busy_end > taken.c.busy_start,
    )
    is_stored_in_part = exists().where(
        sources.c.org_id == org_id,
        sources.c.id == source_id,
        sources.c.leased_by.is_not(None),
        sources.c.state.is_(None),
    )
    rows = tx.execute(
        select(appointments.c.id, appointments.c.start_time)
        .join_from(
            appointments,
            taken,
            (taken.c.org_id == appointments.c.org_id) & (taken.c.holder_id == appointments.c.id),
        )
        .where(
            appointments.c.org_id == org_id,
            appointments.c.id.in_(list(starts)),
            appointments.c.end_time > now,
            taken.c.calendar_id == calendar_id,
            *booked_at(now),
            or_(is_busy, is_stored_in_part),
        )
        .order_by(appointments.c.start_time, appointments.c.id)
    )
    return [row.id for row in rows if stamp(row.start_time) == starts[row.id]]


def _some(fresh: Sequence[Span], span: Span, row: AnyRow) -> bool:
    """Return whether some of a span over an appointment is fresh."""
    return any(_over(fresh, max(span[0], row.taken_from), min(span[1], row.taken_to)))


def _over(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Return those of sorted, disjoint spans that lie over some of the time from `start` to `end`."""
    for index in range(bisect_right(spans, start, key=lambda span: span[1]), len(spans)):
        if spans[index][0] >= end:
            return
        yield spans[index]
