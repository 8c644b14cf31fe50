"""Undoing a cancellation by staff, as long as its client has not been told of it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import exists, select

from kalends.core.errors import Conflict, IllegalTransition, PreconditionFailed, TooLate, Wanted
from kalends.core.hours import stamp
from kalends.core.lifecycle import Taking, Undone, undo_until
from kalends.core.offered import OfferedType
from kalends.core.rules import Reason
from kalends.db.claims import in_the_way, rewrite
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_calendars
from kalends.db.tables import appointments, calendars, occupations
from kalends.schemas.appointments import Appointment, HistoryEntry
from kalends.services.booking import history, lapses, offers, placing
from kalends.services.booking.appointments import fields_of, occupied, row_of, shown, with_fields
from kalends.services.outbox.parties import Party

_OF_CANCELLING = frozenset({"status", "cancelled_at", "cancellation_reason", "expires_at"})
"""What a cancellation changes that is nothing else besides."""


def cancellation(
    tx: Tx,
    party: Party,
    appointment_id: str,
    now: datetime,
    *,
    versions: Collection[int] | None = None,
) -> Appointment:
    """Make a cancelled appointment what it was before, in the very time that it had.

    Raises NotFound; PreconditionFailed if its version is not among `versions`; IllegalTransition if the last
    change was no cancellation by staff, or if a request could no longer be confirmed; TooLate; Unbookable if
    some of its time was taken meanwhile; Conflict if somebody else gave it to another calendar at the same
    moment.
    """
    found = row_of(tx, party.org_id, appointment_id)
    type_ = offers.type_of(tx, party.org_id, found.appointment_type_id)
    own = placing.own_calendars(found)
    lock_calendars(tx, party.org_id, own)
    row = row_of(tx, party.org_id, appointment_id, locked=True)
    present, before = shown(row, now), fields_of(row)
    if versions is not None and present.version not in versions:
        raise PreconditionFailed(version=present.version)
    undone = _undone(history.latest(tx, row), present, now)
    if placing.own_calendars(row) != own or row.appointment_type_id != type_.id:
        raise Conflict("Somebody moved the appointment to another calendar just now; please look again.")
    after = before | {
        "status": undone.status,
        "expires_at": undone.expires_at,
        "cancelled_at": None,
        "cancellation_reason": None,
        "version": row.version + 1,
        "updated_at": now,
    }
    takes = _taken(tx, row)
    if {each.calendar_id for each in takes} != {*own}:
        raise Conflict("One of its calendars was deleted meanwhile.")
    _must_be_free(tx, type_, row, takes, now)
    if not rewrite(tx, before, after, takes):
        raise placing.refused_by_the_database(after, now, moving=row.id)
    restored = with_fields(row, after)
    history.record(tx, party, with_fields(row, before), restored, "conflicts", now)
    return restored


def seconds_left(about: Appointment, latest: HistoryEntry, now: datetime) -> int:
    """Return for how many seconds more an appointment, of which this was the latest change, can be made what
    it was before it was cancelled; 0 if it can't be."""
    try:
        _undone(latest, about, now)
    except (IllegalTransition, TooLate):
        return 0
    assert about.cancelled_at is not None
    return max(1, int((undo_until(about.cancelled_at) - now).total_seconds()))


def _undone(latest: HistoryEntry | None, about: Appointment, now: datetime) -> Undone:
    """Return what an appointment becomes if its latest change is undone. Raises IllegalTransition,
    TooLate."""
    if (
        about.status != "cancelled"
        or about.cancelled_at is None
        or latest is None
        or latest.version != about.version
        or latest.before is None
        or not latest.after.keys() <= _OF_CANCELLING
        or latest.actor is None
        or latest.actor.kind not in ("api_key", "person")
    ):
        raise IllegalTransition(
            "Only a cancellation by staff can be undone, as long as nothing else was changed with it or "
            "after it.",
            status=about.status,
            allowed=["confirmed"] if about.status == "cancelled" else [],
        )
    if now > (until := undo_until(about.cancelled_at)):
        raise TooLate(
            f"This cancellation could be undone until {stamp(until)}, and its client is told of it by now. "
            "Send the status confirmed to take it back.",
            until=stamp(until),
        )
    undone = Undone.of(latest.before)
    if undone.expires_at is not None and undone.expires_at <= now:
        raise IllegalTransition(
            f"It had to be confirmed until {stamp(undone.expires_at)}.", status="cancelled", allowed=[]
        )
    return undone


def _taken(tx: Tx, row: AnyRow) -> list[Taking]:
    """Return the time that a cancelled appointment took of each of its calendars that still exists."""
    its = occupations.c
    wanted = select(its.calendar_id, its.busy_start, its.busy_end).join_from(
        occupations,
        calendars,
        (calendars.c.org_id == its.org_id) & (calendars.c.id == its.calendar_id),
    )
    mine = (its.org_id == row.org_id, its.holder_id == row.id, calendars.c.deleted_at.is_(None))
    return [Taking(*each) for each in tx.execute(wanted.where(*mine).order_by(its.calendar_id))]


def _must_be_free(tx: Tx, type_: OfferedType, row: AnyRow, takes: Sequence[Taking], now: datetime) -> None:
    """Raise Unbookable if somebody else takes some of this time by now. What staff had forced over something
    else may lie over that again."""
    ids, taken = placing.own_calendars(row), occupied(row._asdict())
    first, last = min(each.busy_start for each in takes), max(each.busy_end for each in takes)
    lapses.settle(tx, row.org_id, ids, replace(taken, busy_start=first, busy_end=last), now)
    reasons: list[Reason] = []
    for taking in takes:
        others = in_the_way(tx, row.org_id, taking, now, besides=row.id)
        reasons += [
            placing.conflict(taking.calendar_id, other)
            for other in others
            if not (row.overlap_allowed and _was_there(tx, row, other))
        ]
    if reasons:
        wanted = Wanted(row.org_id, type_.id, taken.start, now, tuple(ids), row.id, row.own_minutes)
        raise placing.refusal(reasons, wanted, taken)


def _was_there(tx: Tx, row: AnyRow, other: AnyRow) -> bool:
    """Return whether another appointment has been where it is since before the cancellation."""
    standing = exists().where(
        appointments.c.org_id == row.org_id,
        appointments.c.id == other.id,
        ~appointments.c.is_hold,
        appointments.c.updated_at < row.cancelled_at,
    )
    return bool(tx.execute(select(standing)).scalar())
