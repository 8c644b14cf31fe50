"""Looking into the books: is everything there that was promised, whole, and once?"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from kalends.core.lifecycle import TRANSITIONS
from kalends.db.database import AnyRow, Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointment_changes, appointments, blocks, calendars, events, occupations
from tests.support.organizations import Org


async def check_books(url: str, org: Org, acknowledged: Sequence[str]) -> int:
    """Assert that every acknowledged appointment is stored, every stored one has exactly its event, and no
    two are at one time; how many there are."""
    database = open_database(url, pool_size=1)
    try:
        return await database.read(_check, org.id, acknowledged)
    finally:
        await database.close()


def check_times(tx: Tx, org_id: str, now: datetime | None = None) -> list[str]:
    """Assert that no two active appointments or holds take one calendar at one time, that none was booked
    over busy time that was known, and that each takes all its calendars and nothing else takes any; the ids
    of all appointments, cancelled ones included. What has lapsed at `now` is not active, written down or not;
    without `now`, nothing has lapsed."""
    stored = tx.execute(select(appointments).where(appointments.c.org_id == org_id)).all()
    taken = tx.execute(
        select(occupations).where(occupations.c.org_id == org_id).order_by(occupations.c.busy_start)
    ).all()
    _check_wholeness(stored, taken)
    under_way: Mapping[str, list[AnyRow]] = defaultdict(list)
    for row in taken:
        if not row.active or (now is not None and row.expires_at and row.expires_at <= now):
            continue
        beside = [each for each in under_way[row.calendar_id] if each.busy_end > row.busy_start]
        for other in beside:
            _check_pair(other, row)
        under_way[row.calendar_id][:] = [*beside, row]
    return [row.id for row in stored if not row.is_hold]


def _check_pair(one: AnyRow, other: AnyRow) -> None:
    """Assert that these two may take one calendar at one time."""
    booked = [each for each in (one, other) if each.kind == "appointment"]
    assert len(booked) < 2, f"two at one time: {one}, {other}"
    for row in booked:
        busy = other if row is one else one
        assert row.overlap_allowed or busy.from_change > row.to_change, f"over busy time: {row}, {busy}"


def _check_wholeness(stored: Sequence[AnyRow], taken: Sequence[AnyRow]) -> None:
    """Assert that the time that is taken is that of the appointments, whole."""
    of_holder: Mapping[str, list[AnyRow]] = defaultdict(list)
    for row in taken:
        if row.kind == "appointment":
            of_holder[row.holder_id].append(row)
    assert of_holder.keys() <= {row.id for row in stored}, "time is taken for nobody"
    for row in stored:
        mine = of_holder[row.id]
        wanted = [each["calendar_id"] for each in row.calendars or ()] or [row.calendar_id]
        active = row.status != "cancelled"
        if active or row.is_hold:
            assert sorted(each.calendar_id for each in mine) == sorted(wanted), f"half an appointment: {row}"
        assert {each.active for each in mine} <= {active}, f"it is taken, or not: {row}, {mine}"
        assert {each.expires_at for each in mine if active} <= {row.expires_at}, (
            f"for how long: {row}, {mine}"
        )


def check_blocks(tx: Tx, org_id: str) -> None:
    """Assert that blocks take time, and nothing else does as a block, and that one of all calendars takes the
    same of each."""
    taken: dict[str, dict[str, set[datetime]]] = defaultdict(lambda: defaultdict(set))
    rows = select(occupations).where(occupations.c.org_id == org_id, occupations.c.kind == "block")
    for row in tx.execute(rows):
        taken[row.holder_id][row.calendar_id].add(row.busy_start)
    stored = tx.execute(select(blocks.c.id, blocks.c.calendar_id).where(blocks.c.org_id == org_id)).all()
    assert taken.keys() == {row.id for row in stored}
    there = select(calendars.c.id).where(calendars.c.org_id == org_id, calendars.c.deleted_at.is_(None))
    standing = tx.execute(there).scalars().all()
    for row in stored:
        if row.calendar_id is None:
            assert len({frozenset(taken[row.id][calendar]) for calendar in standing}) == 1, (
                f"{row}: not of all"
            )


def check_histories(tx: Tx, org_id: str) -> Counter[str]:
    """Assert that of every appointment each version was written down once, that each tells what the one
    before it left, was allowed, and was told in the outbox; how many events there are of each type."""
    of_org = select(appointments).where(appointments.c.org_id == org_id, ~appointments.c.is_hold)
    changes: Mapping[str, list[AnyRow]] = defaultdict(list)
    for change in tx.execute(
        select(appointment_changes)
        .where(appointment_changes.c.org_id == org_id)
        .order_by(appointment_changes.c.version)
    ):
        changes[change.appointment_id].append(change)
    told: Counter[tuple[str, str, int]] = Counter()
    made: dict[str, dict[str, Any]] = {}
    for type_, payload in tx.execute(_TOLD, {"org": org_id}):
        shown = json.loads(payload)["appointment"]
        told[type_, shown["id"], shown["version"]] += 1
        if type_ == "appointment.created":
            made[shown["id"]] = shown
    expected: Counter[tuple[str, str, int]] = Counter()
    for row in tx.execute(of_org):
        expected["appointment.created", row.id, 1] += 1
        assert row.id in made, f"nobody was told of {row.id}"
        present = made[row.id]
        for version, change in enumerate(changes[row.id], start=2):
            assert change.version == version, f"{row.id}: version {version} was not written down"
            before, after = json.loads(change.before), json.loads(change.after)
            left = {field: present[field] for field in before}
            if before.get("expires_at"):  # tests move it, to let time pass
                left["expires_at"] = before["expires_at"]
            assert left == before, f"{row.id}: a change was lost"
            _check_change(present, after, json.loads(change.actor)["kind"])
            present |= after
            for type_ in _types(after):
                expected[type_, row.id, version] += 1
        assert row.version == len(changes[row.id]) + 1, f"{row.id}: a version without its history"
        assert (row.status, row.calendar_id) == (present["status"], present["calendar_id"])
        assert row.start_time == datetime.fromisoformat(present["start_time"])
    assert told == expected, f"told but not done: {told - expected}; done but not told: {expected - told}"
    return Counter(type_ for type_, _, _ in told.elements())


def _types(after: Mapping[str, Any]) -> list[str]:
    """The events that tell of a change."""
    types = [f"appointment.{after['status']}"] if after.get("status", "pending") != "pending" else []
    types += ["appointment.rescheduled"] if {"start_time", "end_time"} & after.keys() else []
    types += ["appointment.reassigned"] if "calendars" in after else []
    return types or ["appointment.updated"]


def _check_change(before: Mapping[str, Any], after: Mapping[str, Any], by: str) -> None:
    """Assert that whoever made a change was allowed to."""
    where = f"{before['id']}, {before['status']}: {after} by {by}"
    moved_by_client = by == "client" and "start_time" in after
    if by == "client":
        assert before["status"] in ("pending", "confirmed"), f"it was over: {where}"
    if "status" in after and not moved_by_client:
        assert after["status"] in TRANSITIONS[before["status"]], f"no such way: {where}"
    if "calendar_id" in after:
        assert moved_by_client or by == "api_key", f"it changed its calendar by itself: {where}"


def _check(tx: Tx, org_id: str, acknowledged: Sequence[str]) -> int:
    ids = check_times(tx, org_id)
    told = [json.loads(payload)["appointment"]["id"] for _, payload in tx.execute(_TOLD, {"org": org_id})]
    assert len(set(acknowledged)) == len(acknowledged), "two promises of one appointment"
    assert set(acknowledged) <= set(ids), "a promise was lost"
    assert sorted(told) == sorted(ids), "an appointment without its event, or the reverse"
    return len(ids)


_TOLD = select(events.c.type, events.c.payload).where(
    events.c.org_id == bindparam("org"),
    events.c.type.startswith("appointment.", autoescape=True),
)
"""What was told of an organization's appointments."""
