"""Blocks: time of calendars without a client.

What a block takes follows from its times and its rule, and is kept by calendar (`blocked_time`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, literal, select, tuple_, update

from kalends.core.blocks import day_of_week, fault
from kalends.core.errors import Malformed, NotFound
from kalends.core.hours import begin_of, end_of, instant, local_day, moment, seconds
from kalends.db.columns import UtcDateTime
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import blocks, occupations
from kalends.ids import new_id
from kalends.schemas.blocks import (
    Block,
    BlockAnswer,
    BlockChange,
    BlockCreate,
    BlockedTime,
    BlocksAnswer,
    WeeklyRule,
)
from kalends.schemas.queries import BlocksQuery, Cursor
from kalends.schemas.wire import Deleted
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party
from kalends.services.setup import blocked_time

_TIMES = ("start_time", "end_time", "rule")
_TAKEN = ("calendar_id", "timezone", *_TIMES)
"""The columns by which a block takes time."""


def create(tx: Tx, party: Party, wish: BlockCreate, now: datetime) -> Block:
    """Block time. Raises NotFound for an unknown calendar, Malformed, InvalidTime; AppointmentsInTheWay,
    unless it is forced."""
    lock_settings(tx, party.org_id)
    row = {
        "org_id": party.org_id,
        "id": new_id("blk"),
        "calendar_id": None,
        "timezone": party.timezone,
        "rule": None,
        "reason": None,
        "created_by": party.actor.model_dump_json(),
        "created_at": now,
        "updated_at": now,
    }
    row = _changed(party, row, wish)
    blocked_time.take(tx, row, now, force=wish.force)
    tx.execute(insert(blocks), row)
    made = _shown(row)
    events.tell(tx, party, "block.created", _told(made), made.id, now)
    return made


def page(tx: Tx, org_id: str, timezone: str, query: BlocksQuery) -> BlocksAnswer:
    """Return a page of the blocks that take time in a range, by start time, each with its instances there.
    `timezone` is the zone of bare dates. Raises Malformed for the cursor of another list, InvalidTime for
    bounds beyond the calendar."""
    low = None if query.from_ is None else begin_of(query.from_, timezone)
    high = None if query.to is None else end_of(query.to, timezone)
    key = (blocks.c.start_time, blocks.c.id)
    taken = [occupations.c.org_id == org_id, occupations.c.holder_id == blocks.c.id]
    if query.calendar_id is not None:
        taken.append(occupations.c.calendar_id == query.calendar_id)
    if low is not None:
        taken.append(occupations.c.busy_end > low)
    if high is not None:
        taken.append(occupations.c.busy_start < high)
    wanted = select(blocks).where(blocks.c.org_id == org_id, exists().where(*taken))
    if (last := query.cursor) is not None:
        if (last.by, last.order) != ("start_time", "asc"):
            raise Malformed("cursor belongs to another list.")
        wanted = wanted.where(
            tuple_(*key) > tuple_(literal(moment(last.at), UtcDateTime()), literal(last.id))
        )
    rows = tx.execute(wanted.order_by(*key).limit(query.limit + 1)).all()
    following = None
    if len(rows) > query.limit:
        end = rows[query.limit - 1]
        following = str(Cursor(by="start_time", order="asc", at=seconds(end.start_time), id=end.id))
    listed = [_shown(row._asdict(), low, high) for row in rows[: query.limit]]
    return BlocksAnswer(blocks=listed, next_cursor=following)


def get(tx: Tx, org_id: str, block_id: str) -> Block:
    """Return one block. Raises NotFound."""
    return _shown(_row(tx, org_id, block_id)._asdict())


def change(tx: Tx, party: Party, block_id: str, wish: BlockChange, now: datetime) -> Block:
    """Change what is sent. Raises NotFound for the block or its calendar, Malformed, InvalidTime;
    AppointmentsInTheWay in time that was not blocked before, unless it is forced."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    present = _row(tx, org_id, block_id)._asdict()
    row = _changed(party, present, wish) | {"updated_at": now}
    wish.must_agree(_shown(present), _shown(row), zone=party.timezone)
    if any(row[name] != present[name] for name in _TAKEN):
        blocked_time.take(tx, row, now, force=wish.force)
    tx.execute(update(blocks).where(blocks.c.org_id == org_id, blocks.c.id == block_id).values(**row))
    changed = _shown(row)
    events.tell(tx, party, "block.updated", _told(changed), block_id, now)
    return changed


def remove(tx: Tx, party: Party, block_id: str, now: datetime) -> str:
    """Delete a block and give its time back. Returns its id. Raises NotFound."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    _row(tx, org_id, block_id)
    blocked_time.give_back(tx, org_id, block_id)
    _delete(tx, party, block_id, now)
    return block_id


def remove_all(tx: Tx, party: Party, calendar_id: str, now: datetime) -> None:
    """Delete the blocks of a locked calendar that is taken out of service. Those of all calendars stay, and
    take no time of this one any more."""
    mine = (blocks.c.org_id == party.org_id, blocks.c.calendar_id == calendar_id)
    for block_id in tx.execute(select(blocks.c.id).where(*mine).order_by(blocks.c.id)).scalars().all():
        _delete(tx, party, block_id, now)
    blocked_time.give_back_all(tx, party.org_id, calendar_id)


def _delete(tx: Tx, party: Party, block_id: str, now: datetime) -> None:
    tx.execute(delete(blocks).where(blocks.c.org_id == party.org_id, blocks.c.id == block_id))
    events.tell(tx, party, "block.deleted", Deleted.of(block_id), block_id, now)


def _changed(party: Party, present: Mapping[str, Any], wish: BlockChange) -> dict[str, Any]:
    """Return the row of a block as a wish makes it of the present one. Raises Malformed, InvalidTime."""
    sent = wish.sent()
    row = {**present, "calendar_id": _calendar_of(present, wish)}
    row |= {name: sent[name] for name in ("reason",) if name in sent}
    row |= {name: instant(sent[name], party.timezone) for name in ("start_time", "end_time") if name in sent}
    if "rule" in sent:
        row["rule"] = None if wish.rule is None else _stored(wish.rule, row["start_time"], party.timezone)
    if any(row[name] != present.get(name) for name in _TIMES):
        row["timezone"] = party.timezone
        start, end = seconds(row["start_time"]), seconds(row["end_time"])
        if (found := fault(start, end, blocked_time.rule_of(row), party.timezone)) is not None:
            raise malformed([wrong(*found)])
    return row


def _calendar_of(present: Mapping[str, Any], wish: BlockChange) -> str | None:
    """Return whose time a block takes as a wish says; None for all. Raises Malformed if it takes away what is
    said of it now, and says nothing instead."""
    if wish.all or wish.calendar_id is not None:
        return wish.calendar_id
    calendar_id: str | None = present["calendar_id"]
    taken_away = wish.all is False if calendar_id is None else "calendar_id" in wish.model_fields_set
    if taken_away:
        raise malformed([wrong("calendar_id", "is required, or all: true", "required")])
    return calendar_id


def _stored(rule: WeeklyRule, start: datetime, zone: str) -> dict[str, Any]:
    days = rule.days_of_week or [day_of_week(local_day(zone, seconds(start)))]
    return {
        "days_of_week": sorted(set(days)),
        "interval_weeks": rule.interval_weeks,
        "until": rule.until,
        "count": rule.count,
        "except_dates": sorted(set(rule.except_dates)),
    }


def _shown(row: Mapping[str, Any], low: datetime | None = None, high: datetime | None = None) -> Block:
    """Return a block as the API shows it, with the instances that take time between `low` and `high`."""
    times = [
        BlockedTime(start_time=moment(begin), end_time=moment(end))
        for begin, end in blocked_time.instances_of(row)
    ]
    within = [
        each
        for each in times
        if (low is None or each.end_time > low) and (high is None or each.start_time < high)
    ]
    return Block.model_validate({**row, "all": row["calendar_id"] is None, "instances": within})


def _told(block: Block) -> Mapping[str, Any]:
    """Return what an event tells of a block; its instances follow from the rest."""
    return BlockAnswer.of(block).model_dump(mode="json", exclude={"block": {"instances"}})


def _row(tx: Tx, org_id: str, block_id: str) -> AnyRow:
    row = tx.execute(select(blocks).where(blocks.c.org_id == org_id, blocks.c.id == block_id)).first()
    if row is None:
        raise NotFound("There is no block with this id.")
    return row
