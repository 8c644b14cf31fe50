"""Finding a calendar that can take a time, under the locks that keep it so."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kalends.core.errors import ScopeMissing, SlotTaken, Unbookable, Wanted
from kalends.core.hours import seconds, stamp
from kalends.core.lifecycle import Check, Occupancy, Taking
from kalends.core.offered import Candidate, OfferedType, RequirementInQuestion
from kalends.core.requirements import Need
from kalends.core.rules import Reason, week_of
from kalends.core.slots import Verdict
from kalends.db.aside import aside
from kalends.db.claims import in_the_way
from kalends.db.database import AnyRow, Overtaken, Tx
from kalends.db.locks import lock_calendars, lock_type
from kalends.services.booking import lapses, offers
from kalends.services.booking.appointments import occupied
from kalends.services.outbox.parties import Party

_REFUSALS: Mapping[str, type[Unbookable]] = {
    "conflict": SlotTaken,
    **{refusal.code: refusal for refusal in Unbookable.__subclasses__()},
}
"""By the codes of reasons."""
_TAKEN = {"conflict", "blocked", "busy_elsewhere"}
"""The codes of reasons that the time is taken. Staff may force a booking over them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a booking goes; `overlap_allowed` if it is forced over others."""

    calendar_id: str
    taken: Occupancy
    overlap_allowed: bool = False

    @property
    def takes(self) -> Sequence[Taking]:
        """The time that it takes of each calendar."""
        return [Taking(self.calendar_id, self.taken.busy_start, self.taken.busy_end)]


def place(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[Candidate],
    taken: Occupancy,
    check: Check,
    now: datetime,
    *,
    moving: AnyRow | None = None,
) -> Place:
    """Find a calendar for a booking that takes this time, or for an appointment that is `moving` there. An
    appointment stays in its own calendar if that is free. Otherwise it is the free one with the fewest
    appointments in that week; of equals the one that was booked longest ago; of those never booked the
    oldest.

    Raises Unbookable with every reason; Overtaken if one of the calendars was deleted before it was locked.
    """
    ids = [each.id for each in in_question]
    # What is in a calendar that is out of service may be moved within it.
    if lock(tx, type_, ids, check) - {None if moving is None else moving.calendar_id}:
        raise Overtaken
    lapses.settle(tx, type_.org_id, ids, taken, now)
    start = seconds(taken.start)
    if check == "all" and (counted := offers.counted(type_, start, start + 1)):
        lapses.settle_counted(tx, type_.org_id, type_.id, counted, now)
    moved = None if moving is None else str(moving.id)
    if moving is not None:
        type_ = type_.for_moving(moving.status)
    if check == "all":
        first = RequirementInQuestion(type_.needs[0], in_question)
        verdict = judge(tx, type_, [first], taken, now, moving=moved)
    else:
        verdict = _judge_by_bookings(tx, type_, in_question, taken, now, moving)
    if verdict.free:
        return Place(_chosen(tx, type_, verdict.free[0], taken, now, moving), taken)
    if check == "none" and all(reason.code in _TAKEN for reason in verdict.reasons):
        open_ = [each.id for each in _open(in_question, moving)]
        return Place(_chosen(tx, type_, open_, taken, now, moving), taken, overlap_allowed=True)
    named = in_question[0].id if len(in_question) == 1 else None
    wanted = Wanted(type_.org_id, type_.id, taken.start, now, named, moved, type_.duration_minutes)
    raise refusal(verdict.reasons, wanted, taken)


def must_be_allowed(party: Party, check: Check, purpose: str) -> None:
    """Raise ScopeMissing if `party` may not waive every check, but does. `purpose` begins the sentence."""
    if check == "none" and not party.may_force:
        raise ScopeMissing("admin", f"{purpose} without a check (check: none)")


def lock(tx: Tx, type_: OfferedType, calendar_ids: Sequence[str], check: Check) -> Set[str]:
    """Keep other transactions from taking time of these calendars, and from being counted if counts decide.
    Returns those of the calendars that were deleted meanwhile."""
    if check == "all" and type_.caps:
        lock_type(tx, type_.org_id, type_.id)
    return lock_calendars(tx, type_.org_id, calendar_ids)


def occupation(tx: Tx, type_: OfferedType, start: datetime) -> Occupancy:
    """Return what an appointment of this type takes that begins at `start`. Raises InvalidTime."""
    return type_.occupation(start, offers.length(tx, type_, seconds(start)))


def judge(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[RequirementInQuestion],
    taken: Occupancy,
    now: datetime,
    *,
    moving: str | None = None,
) -> Verdict:
    """Return which calendars of each requirement are free, by every rule, or else why the time can't be
    booked. What the appointment or hold `moving` takes is free."""
    start = seconds(taken.start)
    offer = offers.offer(tx, type_, in_question, start, start + 1, now, moving=moving, taking=taken)
    found = aside(tx, offer.verdict, start)
    needs = {each.id: requirement.need for requirement in in_question for each in requirement.candidates}
    return Verdict(
        found.free,
        [
            each
            for reason in found.reasons
            for each in _in_detail(tx, type_, reason, needs, taken, now, moving)
        ],
    )


def _in_detail(
    tx: Tx,
    type_: OfferedType,
    reason: Reason,
    needs: Mapping[str, Need],
    taken: Occupancy,
    now: datetime,
    moving: str | None,
) -> Sequence[Reason]:
    """Return a reason as it is told: if a calendar is busy, what keeps it so. `needs` are those that the
    calendars would fill."""
    if reason.code != "conflict":
        return [reason]
    id_ = reason.details["calendar_id"]
    found = _conflicts(tx, type_, needs[id_].takes(taken, id_), now, moving)
    # What was in the way may be gone a moment later: then the reason stands as it is.
    return [replace(each, details={**each.details, **reason.details}) for each in found] or [reason]


def _judge_by_bookings(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[Candidate],
    taken: Occupancy,
    now: datetime,
    moving: AnyRow | None,
) -> Verdict:
    """Return which of the calendars are free by what takes their time, or else why none is."""
    open_ = _open(in_question, moving)
    if reasons := _inactive(type_, in_question, open_, moving):
        return Verdict([], reasons)
    moved, need = None if moving is None else moving.id, type_.needs[0]
    against = {each.id: _conflicts(tx, type_, need.takes(taken, each.id), now, moved) for each in open_}
    free = [id_ for id_, found in against.items() if not found]
    return Verdict([free] if free else [], [reason for found in against.values() for reason in found])


def _open(in_question: Sequence[Candidate], moving: AnyRow | None) -> Sequence[Candidate]:
    """Return the calendars that can be booked. An appointment may be moved within one that is not active."""
    own = None if moving is None else moving.calendar_id
    return [each for each in in_question if each.is_active or each.id == own]


def listed(reason: Reason) -> dict[str, Any]:
    """Return a reason as refusals and explanations list it."""
    return {"code": reason.code, "message": reason.message, **reason.details}


def refused_by_the_database(
    row: Mapping[str, Any], now: datetime, *, moving: str | None = None
) -> Unbookable:
    """Return the refusal for a row that the database's constraint rejected. Under the locks this happens only
    if something wrote without them, and that may be gone by now."""
    taken = occupied(row)
    wanted = Wanted(row["org_id"], row["appointment_type_id"], taken.start, now, row["calendar_id"], moving)
    return refusal([Reason("conflict", "The time was taken a moment ago.")], wanted, taken)


def begins_now(type_: OfferedType, taken: Occupancy, now: datetime) -> Unbookable:
    """Return the refusal of a time that begins this second, so that nobody could confirm it in time."""
    reason = Reason("too_soon", "It begins now, so it could not be confirmed any more.")
    return refusal([reason], Wanted(type_.org_id, type_.id, taken.start, now), taken)


def refusal(reasons: Sequence[Reason], wanted: Wanted, taken: Occupancy) -> Unbookable:
    """Return the refusal for these reasons, named after the gravest, which is the first."""
    first = reasons[0]
    sentence = first.message
    if first.code == "conflict":
        sentence = (
            f"The calendar is already taken between {stamp(taken.busy_start)} and {stamp(taken.busy_end)}, "
            "buffers included."
        )
    return _REFUSALS[first.code](sentence, wanted=wanted, reasons=[listed(reason) for reason in reasons])


def _inactive(
    type_: OfferedType,
    in_question: Sequence[Candidate],
    open_: Sequence[Candidate],
    moving: AnyRow | None,
) -> list[Reason]:
    """Return why nothing can be booked at any time. What is of a type already may be moved though that is not
    active by now."""
    if not type_.is_active and (moving is None or moving.appointment_type_id != type_.id):
        sentence = f"The appointment type '{type_.name}' is not active, so it can't be booked."
        return [Reason("type_inactive", sentence)]
    if open_:
        return []
    return [
        Reason(
            "calendar_inactive",
            f"The calendar '{each.name}' is not active, so it can't be booked.",
            {"calendar_id": each.id},
        )
        for each in in_question
    ] or [Reason("calendar_not_serving", "No calendar serves this type.")]


def _conflicts(tx: Tx, type_: OfferedType, wanted: Taking, now: datetime, moving: str | None) -> list[Reason]:
    """Return what takes some of this time of a calendar."""
    found = in_the_way(tx, type_.org_id, wanted, now, besides=moving or "")
    return [_conflict(wanted.calendar_id, other) for other in found]


def _conflict(calendar_id: str, other: AnyRow) -> Reason:
    """Return the reason against time that something else takes."""
    busy = f"from {stamp(other.busy_start)} to {stamp(other.busy_end)}"
    details = {"busy_start": stamp(other.busy_start), "busy_end": stamp(other.busy_end)}
    if other.kind == "block":
        sentence = f"The calendar is blocked {busy}."
        return Reason("blocked", sentence, {"calendar_id": calendar_id, "block_id": other.id, **details})
    if other.kind == "source":
        sentence = f"Another calendar that is kept in step says that it is busy {busy}."
        return Reason(
            "busy_elsewhere", sentence, {"calendar_id": calendar_id, "source_id": other.id, **details}
        )
    return Reason(
        "conflict",
        f"{'A hold' if other.is_hold else f'Appointment {other.id}'} keeps the calendar busy "
        f"{busy}, buffers included.",
        {
            "calendar_id": calendar_id,
            # Anybody who knows a hold's id can use the hold, so the id stays secret.
            **({"held_until": stamp(other.expires_at)} if other.is_hold else {"appointment_id": other.id}),
            "start_time": stamp(other.start_time),
            "end_time": stamp(other.end_time),
            **details,
        },
    )


def _chosen(
    tx: Tx, type_: OfferedType, free: Sequence[str], taken: Occupancy, now: datetime, moving: AnyRow | None
) -> str:
    if moving is not None and moving.calendar_id in free:
        return str(moving.calendar_id)
    if len(free) == 1:
        return free[0]
    week = week_of(type_.followed_timezone, type_.week_start, seconds(taken.start))
    counts = offers.in_week(tx, type_.org_id, free, week, now)
    fewest = min(counts.values())
    equals = [id_ for id_ in free if counts[id_] == fewest]
    if len(equals) == 1:
        return equals[0]
    last = offers.last_booked(tx, type_.org_id, equals, now)
    return min(equals, key=lambda id_: last[id_])  # the oldest of those never booked: they come in that order
