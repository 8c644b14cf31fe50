"""The time that blocks take of calendars.

It is kept as occupations from the moment at which a block is made, so the database refuses bookings there.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, select

from kalends.core.blocks import WeeklyRule, instances
from kalends.core.errors import AppointmentsInTheWay, Conflict, NotFound
from kalends.core.hours import day_number, moment, seconds, stamp
from kalends.core.intervals import NEVER, Intervals, Span
from kalends.db.busy_times import keep_busy
from kalends.db.claims import booked_at, occupying
from kalends.db.database import AnyRow, Tx
from kalends.db.joins import IS_HOLDER
from kalends.db.locks import lock_calendars
from kalends.db.tables import appointments, blocks, calendars, occupations

MOST_LISTED = 50
"""So many appointments in the way are listed."""
MOST_TIMES = 10_000
"""A block takes no more times of calendars together: to store them takes up to a second, and nothing is
booked in these calendars meanwhile."""


def take(tx: Tx, row: Mapping[str, Any], now: datetime, *, force: bool) -> None:
    """Take the time of a block instead of what it took before. Raises NotFound for an unknown calendar,
    Conflict if it is too much; AppointmentsInTheWay, unless it is forced."""
    org_id, block_id = row["org_id"], row["id"]
    before = _taken(tx, org_id, block_id)
    spans = Intervals(instances_of(row))
    after = dict.fromkeys(_calendars(tx, org_id, row["calendar_id"]), spans)
    if (count := len(list(spans)) * len(after)) > MOST_TIMES:
        raise Conflict(
            f"This block would take {count} times of {len(after)} calendars, more than {MOST_TIMES}. "
            "Let its rule end earlier, or block one calendar only."
        )
    lock_calendars(tx, org_id, before.keys() | after.keys())
    new = {id_: found for id_ in after if (found := spans - before.get(id_, NEVER))}
    if not force and (booked := _booked(tx, org_id, new, now)):
        raise _refusal(booked)
    _keep(tx, org_id, block_id, before, after)


def give_back(tx: Tx, org_id: str, block_id: str) -> None:
    """Give back whatever time a block takes."""
    before = _taken(tx, org_id, block_id)
    lock_calendars(tx, org_id, before.keys())
    _keep(tx, org_id, block_id, before, {})


def give_back_all(tx: Tx, org_id: str, calendar_id: str) -> None:
    """Give back what blocks take of a locked calendar."""
    tx.execute(
        delete(occupations).where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id == calendar_id,
            occupations.c.kind == "block",
        )
    )


def extend(tx: Tx, org_id: str, calendar_id: str, now: datetime) -> None:
    """Take the time of a new calendar, too, for the blocks of all calendars that are not over yet."""
    ahead = exists().where(
        occupations.c.org_id == org_id, occupations.c.holder_id == blocks.c.id, occupations.c.busy_end > now
    )
    of_all = select(blocks).where(blocks.c.org_id == org_id, blocks.c.calendar_id.is_(None), ahead)
    for row in tx.execute(of_all.order_by(blocks.c.id)).all():
        _keep(tx, org_id, row.id, {}, {calendar_id: Intervals(instances_of(row._asdict()))})


def rule_of(row: Mapping[str, Any]) -> WeeklyRule | None:
    """Return the rule of a block by its columns."""
    if row["rule"] is None:
        return None
    rule = row["rule"]
    return WeeklyRule(
        frozenset(rule["days_of_week"]),
        rule["interval_weeks"],
        None if rule["until"] is None else _day(rule["until"]),
        rule["count"],
        frozenset(map(_day, rule["except_dates"])),
    )


def instances_of(row: Mapping[str, Any]) -> list[Span]:
    """Return the instances of a block by its columns."""
    return instances(seconds(row["start_time"]), seconds(row["end_time"]), rule_of(row), row["timezone"])


def _keep(
    tx: Tx, org_id: str, block_id: str, before: Mapping[str, Intervals], after: Mapping[str, Intervals]
) -> None:
    """Make what a block takes of locked calendars what it is to be `after`."""
    for calendar_id in before.keys() | after.keys():
        spans = after.get(calendar_id, NEVER)
        if spans != before.get(calendar_id, NEVER):
            keep_busy(tx, org_id, block_id, "block", calendar_id, list(spans))


def _calendars(tx: Tx, org_id: str, calendar_id: str | None) -> Sequence[str]:
    """Return the ids of the calendars that a block is about: of this one, or of all. Raises NotFound."""
    found = select(calendars.c.id).where(calendars.c.org_id == org_id, calendars.c.deleted_at.is_(None))
    if calendar_id is None:
        return tx.execute(found).scalars().all()
    if tx.execute(found.where(calendars.c.id == calendar_id)).first() is None:
        raise NotFound("There is no calendar with this id.", field="calendar_id")
    return [calendar_id]


def _taken(tx: Tx, org_id: str, block_id: str) -> Mapping[str, Intervals]:
    """Return what a block takes at present, by calendar."""
    rows = tx.execute(
        select(occupations.c.calendar_id, occupations.c.busy_start, occupations.c.busy_end).where(
            occupations.c.org_id == org_id, occupations.c.holder_id == block_id
        )
    )
    spans: dict[str, list[Span]] = {}
    for row in rows:
        spans.setdefault(row.calendar_id, []).append((seconds(row.busy_start), seconds(row.busy_end)))
    return {calendar_id: Intervals(found) for calendar_id, found in spans.items()}


def _booked(tx: Tx, org_id: str, times: Mapping[str, Intervals], now: datetime) -> Sequence[AnyRow]:
    """Return the appointments and holds that take some of these times of calendars, by start, each once."""
    if not times:
        return []
    spans = [span for found in times.values() for span in found]
    low, high = moment(min(start for start, _ in spans)), moment(max(end for _, end in spans))
    rows = tx.execute(
        select(
            occupations.c.calendar_id,
            occupations.c.busy_start,
            occupations.c.busy_end,
            *(appointments.c[name] for name in ("id", "start_time", "end_time", "is_hold", "expires_at")),
        )
        .join_from(
            occupations,
            appointments,
            IS_HOLDER,
        )
        .where(
            occupations.c.org_id == org_id,
            occupations.c.calendar_id.in_(list(times)),
            *booked_at(now),
            *occupying(low, high),
        )
        .order_by(appointments.c.start_time, appointments.c.id, occupations.c.calendar_id)
    )
    found: dict[str, AnyRow] = {}
    for row in rows:
        if times[row.calendar_id].meets((seconds(row.busy_start), seconds(row.busy_end))):
            found.setdefault(row.id, row)
    return list(found.values())


def _refusal(booked: Sequence[AnyRow]) -> AppointmentsInTheWay:
    return AppointmentsInTheWay(
        total=len(booked),
        appointments=[
            {
                # Anybody who knows a hold's id can use the hold, so the id stays secret.
                **({"held_until": stamp(row.expires_at)} if row.is_hold else {"id": row.id}),
                "calendar_id": row.calendar_id,
                "start_time": stamp(row.start_time),
                "end_time": stamp(row.end_time),
                "busy_start": stamp(row.busy_start),
                "busy_end": stamp(row.busy_end),
            }
            for row in booked[:MOST_LISTED]
        ],
    )


def _day(text: str) -> int:
    return day_number(date.fromisoformat(text))
