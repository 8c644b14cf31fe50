"""Finding a calendar that can take a time, under the locks that keep it so."""

from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kalends.core.errors import ScopeMissing, SlotTaken, Unbookable, Wanted
from kalends.core.hours import seconds, stamp
from kalends.core.lifecycle import Check, Occupancy, Taking
from kalends.core.offered import Candidate, OfferedType, RequirementInQuestion, ids_of
from kalends.core.requirements import CALENDAR, Need, takes
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


Chosen = Sequence[tuple[Need, Sequence[str]]]
"""The calendars that were chosen for each need of a type."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a booking goes: the calendars that were chosen for each need of its type, and its time;
    `overlap_allowed` if it is forced over others."""

    chosen: Chosen
    taken: Occupancy
    overlap_allowed: bool = False

    @property
    def takes(self) -> Sequence[Taking]:
        """The time that it takes of each calendar."""
        return takes(self.taken, self.chosen)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of an appointment that say which calendars it takes."""
        return {**calendar_columns(self.chosen), "overlap_allowed": self.overlap_allowed}


def place(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[RequirementInQuestion],
    taken: Occupancy,
    check: Check,
    now: datetime,
    *,
    moving: AnyRow | None = None,
) -> Place:
    """Find calendars for a booking that takes this time, or for an appointment that is `moving` there. For
    each requirement these are the ones that are pinned, then the appointment's own if they are free, then
    those with the fewest appointments in that week; of equals the one that was booked longest ago; of those
    never booked the oldest.

    Raises Unbookable with every reason; Overtaken if one of the calendars was deleted before it was locked.
    """
    ids = ids_of(in_question)
    own = () if moving is None else own_calendars(moving)
    # What is in a calendar that is out of service may be moved within it.
    if lock(tx, type_, ids, check) - set(own):
        raise Overtaken
    lapses.settle(tx, type_.org_id, ids, _envelope(in_question, taken), now)
    start = seconds(taken.start)
    if check == "all" and (counted := offers.counted(type_, start, start + 1)):
        lapses.settle_counted(tx, type_.org_id, type_.id, counted, now)
    if moving is not None:
        type_ = type_.for_moving(moving.status)
    moved = None if moving is None else str(moving.id)
    if check == "all":
        verdict = judge(tx, type_, in_question, taken, now, moving=moved)
    else:
        verdict = _judge_by_bookings(tx, type_, in_question, taken, now, moving)
    if verdict.free:
        return Place(_chosen(tx, type_, in_question, verdict.free, taken, now, own), taken)
    open_ = [[each.id for each in _open(requirement, own)] for requirement in in_question]
    if check == "none" and all(reason.code in _TAKEN for reason in verdict.reasons):
        return Place(_chosen(tx, type_, in_question, open_, taken, now, own), taken, overlap_allowed=True)
    pins = tuple(id_ for requirement in in_question for id_ in requirement.pinned)
    wanted = Wanted(type_.org_id, type_.id, taken.start, now, pins, moved, type_.duration_minutes)
    raise refusal(verdict.reasons, wanted, taken)


def calendar_columns(chosen: Chosen) -> dict[str, Any]:
    """Return the columns of an appointment that say which calendars it has. Of one calendar that needs no
    name, one column says it."""
    named = [{"requirement": need.name, "calendar_id": id_} for need, ids in chosen for id_ in ids]
    is_short = len(named) == 1 and named[0]["requirement"] == CALENDAR
    return {"calendar_id": named[0]["calendar_id"], "calendars": None if is_short else named}


def place_of(row: AnyRow) -> Place:
    """Return where an appointment or a hold is."""
    named = row.calendars or [{"requirement": CALENDAR, "calendar_id": row.calendar_id}]
    chosen = [(Need(name=each["requirement"]), [each["calendar_id"]]) for each in named]
    return Place(chosen, occupied(row._asdict()), row.overlap_allowed)


def own_calendars(row: AnyRow) -> Sequence[str]:
    """Return the calendars of an appointment, the first one first."""
    return [each["calendar_id"] for each in row.calendars or ()] or [row.calendar_id]


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
    """Return which calendars are free for each requirement, by every rule, or else why it can't be booked.
    What the appointment or hold `moving` takes is free."""
    start = seconds(taken.start)
    offer = offers.offer(tx, type_, in_question, start, start + 1, now, moving=moving, taking=taken)
    found = aside(tx, offer.verdict, start)
    needs = {each.id: requirement.need for requirement in in_question for each in requirement.candidates}

    def what_is_there(reason: Reason) -> Sequence[Reason]:
        """Name what is in the way. It may be gone a moment later: then the reason stands as it is."""
        if reason.code != "conflict":
            return [reason]
        calendar_id = reason.details["calendar_id"]
        taking = needs[calendar_id].takes(taken, calendar_id)
        named = {name: value for name, value in reason.details.items() if name == "requirement"}
        conflicts = _conflicts(tx, type_, taking, now, moving)
        return [replace(each, details={**each.details, **named}) for each in conflicts] or [reason]

    return Verdict(found.free, [each for reason in found.reasons for each in what_is_there(reason)])


def _judge_by_bookings(
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[RequirementInQuestion],
    taken: Occupancy,
    now: datetime,
    moving: AnyRow | None,
) -> Verdict:
    """Return which calendars are free for each requirement by what takes their time, or else why it can't be
    booked."""
    if not type_.is_active and (moving is None or moving.appointment_type_id != type_.id):
        sentence = f"The appointment type '{type_.name}' is not active, so it can't be booked."
        return Verdict([], [Reason("type_inactive", sentence)])
    own = () if moving is None else own_calendars(moving)
    moved = None if moving is None else moving.id
    free, reasons = [], []
    for requirement in in_question:
        against = {
            each.id: _conflicts(tx, type_, requirement.need.takes(taken, each.id), now, moved)
            for each in _open(requirement, own)
        }
        ids = [id_ for id_, found in against.items() if not found]
        free.append(ids)
        if not requirement.need.is_met(ids, requirement.pinned):
            found = [reason for of_one in against.values() for reason in of_one]
            if not requirement.need.is_met(against, requirement.pinned):
                found += _closed(requirement, against)
            reasons += [requirement.need.naming(each, len(in_question)) for each in found]
    return Verdict([] if reasons else free, reasons)


def _open(requirement: RequirementInQuestion, own: Sequence[str]) -> Sequence[Candidate]:
    """Return the calendars that can be booked. An appointment may be moved within its own ones, though they
    are not active."""
    return [each for each in requirement.candidates if each.is_active or each.id in own]


def _closed(requirement: RequirementInQuestion, open_: Container[str]) -> Sequence[Reason]:
    """Return why the other calendars of a requirement can't be booked at any time."""
    return [
        Reason(
            "calendar_inactive",
            f"The calendar '{each.name}' is not active, so it can't be booked.",
            {"calendar_id": each.id},
        )
        for each in requirement.candidates
        if each.id not in open_
    ] or [Reason("calendar_not_serving", "No calendar serves this type.")]


def _envelope(in_question: Sequence[RequirementInQuestion], taken: Occupancy) -> Occupancy:
    """Return a time that has all that is taken of any calendar."""
    spans = [requirement.need.takes(taken, "") for requirement in in_question]
    return replace(
        taken,
        busy_start=min(each.busy_start for each in spans),
        busy_end=max(each.busy_end for each in spans),
    )


def listed(reason: Reason) -> dict[str, Any]:
    """Return a reason as refusals and explanations list it."""
    return {"code": reason.code, "message": reason.message, **reason.details}


def refused_by_the_database(
    row: Mapping[str, Any], now: datetime, *, moving: str | None = None
) -> Unbookable:
    """Return the refusal for a row that the database's constraint rejected. Under the locks this happens only
    if something wrote without them, and that may be gone by now."""
    taken = occupied(row)
    pins = (row["calendar_id"],)
    wanted = Wanted(row["org_id"], row["appointment_type_id"], taken.start, now, pins, moving)
    return refusal([Reason("conflict", "The time was taken a moment ago.")], wanted, taken)


def begins_now(type_: OfferedType, taken: Occupancy, now: datetime) -> Unbookable:
    """Return the refusal of a time that begins this second, so that nobody could confirm it in time."""
    reason = Reason("too_soon", "It begins now, so it could not be confirmed any more.")
    return refusal([reason], Wanted(type_.org_id, type_.id, taken.start, now), taken)


def refusal(reasons: Sequence[Reason], wanted: Wanted, taken: Occupancy) -> Unbookable:
    """Return the refusal for these reasons, named after the gravest, which is the first."""
    first = reasons[0]
    sentence = first.message
    if name := first.details.get("requirement"):
        sentence = f"For '{name}': {sentence}"
    elif first.code == "conflict":
        sentence = (
            f"The calendar is already taken between {stamp(taken.busy_start)} and {stamp(taken.busy_end)}, "
            "buffers included."
        )
    return _REFUSALS[first.code](sentence, wanted=wanted, reasons=[listed(reason) for reason in reasons])


def _conflicts(
    tx: Tx, type_: OfferedType, taking: Taking, now: datetime, moving: str | None
) -> Sequence[Reason]:
    """Return what takes some of this time of a calendar."""
    found = in_the_way(tx, type_.org_id, taking, now, besides=moving or "")
    return [conflict(taking.calendar_id, other) for other in found]


def conflict(calendar_id: str, other: AnyRow) -> Reason:
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
    tx: Tx,
    type_: OfferedType,
    in_question: Sequence[RequirementInQuestion],
    free: Sequence[Sequence[str]],
    taken: Occupancy,
    now: datetime,
    own: Sequence[str],
) -> Chosen:
    """Return so many of the free calendars for each requirement as it needs."""
    chosen = []
    for requirement, ids in zip(in_question, free, strict=True):
        first = [id_ for id_ in ids if id_ in requirement.pinned]
        first += [id_ for id_ in ids if id_ in own and id_ not in first]
        others = [id_ for id_ in ids if id_ not in first]
        missing = requirement.need.count - len(first)
        if 0 < missing < len(others):
            others = _whose_turn(tx, type_, others, missing, taken, now)
        chosen.append((requirement.need, _in_order((first + others)[: requirement.need.count], own)))
    return chosen


def _in_order(ids: Sequence[str], own: Sequence[str]) -> Sequence[str]:
    """Return calendars in the order in which the appointment has its `own`, but new ones that were asked for
    before them: what stays where it is is not reassigned."""
    asked_for = [id_ for id_ in ids if id_ not in own]
    return [*asked_for, *(id_ for id_ in own if id_ in ids)]


def _whose_turn(
    tx: Tx, type_: OfferedType, ids: Sequence[str], most: int, taken: Occupancy, now: datetime
) -> list[str]:
    """Return so many of these calendars whose turn it is. If a count decides, nothing else is looked up."""
    week = week_of(type_.followed_timezone, type_.week_start, seconds(taken.start))
    counts = offers.in_week(tx, type_.org_id, ids, week, now)
    ordered = sorted(ids, key=lambda id_: counts[id_])
    last_in, first_out = counts[ordered[most - 1]], counts[ordered[most]]
    if last_in < first_out:
        return ordered[:most]
    equals = [id_ for id_ in ordered if counts[id_] == last_in]
    last = offers.last_booked(tx, type_.org_id, equals, now)
    # Of those never booked, the oldest: they come in that order.
    return sorted(ordered, key=lambda id_: (counts[id_], last.get(id_, "")))[:most]
