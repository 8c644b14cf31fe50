"""Changing appointments: their time, their status, their details."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kalends.core.caller import Link
from kalends.core.contacts import is_replaced
from kalends.core.errors import Conflict, IllegalTransition, PreconditionFailed
from kalends.core.finding import KEYED, found_by
from kalends.core.hours import MINUTE, instant, seconds, stamp
from kalends.core.lifecycle import MAX_DURATION_MINUTES, Check, Status, confirm_by, transition
from kalends.core.offered import OfferedType, RequirementInQuestion, ids_of
from kalends.db.claims import rewrite
from kalends.db.database import AnyRow, Tx
from kalends.schemas.answers import corrected
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import Appointment, AppointmentChange, QuestionAnswer, pinned
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import history, lapses, manage_links, offers, placing
from kalends.services.booking.appointments import (
    details,
    fields_of,
    occupied,
    pending,
    row_of,
    shown,
    times,
    with_fields,
)
from kalends.services.booking.placing import Place, calendar_columns
from kalends.services.outbox import mailing
from kalends.services.outbox.parties import Party


def change(
    tx: Tx,
    party: Party,
    appointment_id: str,
    wish: AppointmentChange,
    now: datetime,
    *,
    versions: Collection[int] | None = None,
    link: Link | None = None,
) -> Appointment:
    """Change an appointment: only the fields that `wish` sends. What changes nothing makes no new version.
    An appointment that a client moves may end up in another of the type's calendars, and may have to be
    confirmed again. Another e-mail address ends every link of the appointment: whoever reads the former
    address may be a stranger.

    Raises ScopeMissing if the check is waived without `admin`; NotFound, also for an unknown type or
    calendar, and if the `link` by which it is changed has ended; PreconditionFailed if its version is not
    among `versions`; Malformed for another value of what can't be changed, for two lengths, and for wrong
    answers to the type's questions; IllegalTransition, also for another start of what stays cancelled;
    InvalidTime; Unbookable if it would take time that can't be had; Conflict for a cancellation reason
    without a cancellation, and if somebody else gave it to another calendar at the same moment.
    """
    placing.must_be_allowed(party, wish.check, "Changing")
    going = _lock_time(tx, party, appointment_id, wish)
    row, present = _locked(tx, party.org_id, appointment_id, now, link)
    if versions is not None and row.version not in versions:
        raise PreconditionFailed(version=row.version)
    if party.is_client and _is_so_already(wish, row):
        return shown(row, now)
    before = fields_of(row)
    after = _after(before, wish, _questions(tx, row, going, wish), now)
    if going is not None:
        after |= _retimed(tx, party, going, row, wish)
        _must_not_move_what_is_cancelled(before, after)
    _must_be_sound(before, after, now)
    changed = _shown(row, after, going)
    wish.must_agree(present, changed, zone=party.timezone)
    takes, taking = None, going if going is not None and _takes_time(before, after, going) else None
    if after == before and taking is None:
        return shown(row, now)
    if taking is not None:
        place = _placed(tx, party, taking, row, after, wish.check, now)
        after |= _in_its_place(tx, party, taking.type_, row, after, place, now)
        takes = place.takes
    after |= {"version": row.version + 1, "updated_at": now}
    if not rewrite(tx, before, after, takes):
        raise placing.refused_by_the_database(after, now, moving=row.id)
    _part_with(tx, row, after["client_email"])
    changed = _shown(row, after, going)
    history.record(tx, party, with_fields(row, before), changed, wish.check, now)
    return changed


@dataclass(frozen=True, slots=True)
class _Going:
    """Where an appointment may go: its type, the new one if it gets another, the calendars in question, those
    that it has, as it was before there was a lock, and whether it is to have another one."""

    type_: OfferedType
    in_question: Sequence[RequirementInQuestion]
    from_calendars: Sequence[str]
    is_elsewhere: bool


_OF_TIME = {
    *("appointment_type_id", "calendar_id", "calendar_ids"),
    *("start_time", "end_time", "duration_minutes"),
}
"""The fields of a change that say what time the appointment takes."""


def must_be_movable(status: Status) -> None:
    """Raise IllegalTransition if a client may not move an appointment of this status."""
    if status not in ("pending", "confirmed"):
        raise IllegalTransition(f"An appointment that is {status} can't be moved.", status=status, allowed=[])


def _lock_time(tx: Tx, party: Party, appointment_id: str, wish: AppointmentChange) -> _Going | None:
    """Lock the calendars to which an appointment may go, if it is to take other time or is perhaps
    un-cancelled. Returns None if neither."""
    if wish.sent().keys().isdisjoint(_OF_TIME) and wish.status != "confirmed":
        return None
    # Everybody takes these locks in one order, and the appointment's own comes last.
    row = row_of(tx, party.org_id, appointment_id)
    type_ = offers.type_of(tx, party.org_id, wish.appointment_type_id or row.appointment_type_id)
    own, pins = placing.own_calendars(row), pinned(wish.calendar_id, wish.calendar_ids)
    if type_.id == row.appointment_type_id and set(pins) <= set(own):
        in_question = offers.requirements_for_moving(tx, type_, own, by_client=party.is_client)
    else:
        in_question = offers.requirements_around(tx, type_, pins, own)
    placing.lock(tx, type_, [*own, *ids_of(in_question)], wish.check)
    return _Going(type_, in_question, own, not set(pins) <= set(own))


def _locked(
    tx: Tx, org_id: str, appointment_id: str, now: datetime, link: Link | None
) -> tuple[AnyRow, Appointment]:
    """Lock an appointment, and settle it if it has lapsed. Returns its row, and what was shown of it until
    now. Raises NotFound, also if the link that leads to it has ended."""
    row = row_of(tx, org_id, appointment_id, locked=True)
    if link is not None:
        manage_links.must_be_good(tx, link)
    present = shown(row, now)
    if row.expires_at is None or row.expires_at > now:
        return row, present
    lapses.settle_one(tx, row, now)
    return row_of(tx, org_id, appointment_id), present


def _is_so_already(wish: AppointmentChange, row: AnyRow) -> bool:
    """Return whether a client cancels what is cancelled: of several cancellations at once, the first one's
    reason counts.

    Raises IllegalTransition if they would move what can't be moved.
    """
    if "start_time" in wish.sent():
        must_be_movable(row.status)
    return bool(row.status == wish.status == "cancelled")


def _questions(
    tx: Tx, row: AnyRow, going: _Going | None, wish: AppointmentChange
) -> Sequence[BookingQuestion]:
    """Return the questions of the appointment's type, if answers are changed."""
    if "answers" not in wish.sent():
        return ()
    type_ = offers.type_of(tx, row.org_id, row.appointment_type_id) if going is None else going.type_
    return offers.questions_of(type_)


def _after(
    before: Mapping[str, Any], wish: AppointmentChange, questions: Sequence[BookingQuestion], now: datetime
) -> dict[str, Any]:
    """Return the fields as `wish` would have them, but for the time. Raises Malformed for wrong answers to
    the type's `questions`, IllegalTransition."""
    sent = wish.sent()
    after = {**before, **details(sent)}
    if any(after[name] != before[name] for name in KEYED):
        after |= found_by(after)
    if "cancellation_reason" in sent:
        after["cancellation_reason"] = sent["cancellation_reason"]
    if "answers" in sent:
        stored = [QuestionAnswer.model_construct(**each) for each in before["answers"]]
        after["answers"] = [each.model_dump() for each in corrected(questions, stored, sent["answers"])]
    if "status" in sent and transition(before["status"], wish.status):
        after |= {"status": wish.status, f"{wish.status}_at": now, "expires_at": None}
        if before["status"] == "cancelled":
            after |= {"cancelled_at": None, "cancellation_reason": None}
    return after


def _retimed(tx: Tx, party: Party, going: _Going, row: AnyRow, wish: AppointmentChange) -> dict[str, Any]:
    """Return what changes of the appointment with its type, its start, its length, and, if it is cancelled
    and takes no time, its calendar. Raises InvalidTime, Malformed for two lengths."""
    type_ = going.type_
    start = row.start_time if wish.start_time is None else instant(wish.start_time, party.timezone)
    minutes = _wished_minutes(party, row, type_, wish, start)
    stays = start == row.start_time and type_.id == row.appointment_type_id
    if minutes is None and type_.id == row.appointment_type_id:
        minutes = row.own_minutes
    elif timedelta(minutes=minutes or 0) != row.end_time - row.start_time:
        stays = False
    retimed: dict[str, Any] = {}
    if going.is_elsewhere and wish.sent().get("status", row.status) == "cancelled":
        retimed |= _first_in(going.in_question)
    if not stays:
        own = None if minutes == type_.duration_minutes else minutes
        retimed |= {"appointment_type_id": type_.id, "own_minutes": own}
        retimed |= times(placing.occupation(tx, type_.lasting(minutes), start))
    return retimed


def _first_in(in_question: Sequence[RequirementInQuestion]) -> dict[str, Any]:
    """Return the calendars of what is cancelled and is to have others: it takes none of their time."""
    chosen = [
        (each.need, [calendar.id for calendar in each.candidates][: each.need.count]) for each in in_question
    ]
    return calendar_columns(chosen)


def _wished_minutes(
    party: Party, row: AnyRow, type_: OfferedType, wish: AppointmentChange, start: datetime
) -> int | None:
    """Return the length that is asked for, in minutes; None if none is. The present end is no wish, and null
    asks for the type's own length."""
    found = {type_.duration_minutes if wish.duration_minutes is None else wish.duration_minutes}
    if "duration_minutes" not in wish.sent():
        found = set()
    if wish.end_time is not None and (end := instant(wish.end_time, party.timezone)) != row.end_time:
        minutes, odd = divmod(seconds(end) - seconds(start), MINUTE)
        if odd or not 1 <= minutes <= MAX_DURATION_MINUTES:
            raise malformed(
                [wrong("end_time", "must be 1 minute to 7 days after the start, in whole minutes", "invalid")]
            )
        found.add(minutes)
    if len(found) > 1:
        raise malformed([wrong("duration_minutes", "is not the length that end_time gives", "invalid")])
    return next(iter(found), None)


def _must_be_sound(before: Mapping[str, Any], after: Mapping[str, Any], now: datetime) -> None:
    """Raise Conflict for a cancellation reason without a cancellation, IllegalTransition for a request that
    is confirmed too late."""
    if after["cancellation_reason"] is not None and after["status"] != "cancelled":
        raise Conflict("A cancellation_reason goes with the status cancelled.")
    if after["status"] == "confirmed" != before["status"] and before["confirmed_at"] is None:
        instead = "confirm it for a later start_time, or book by hand what took place"
        _must_lie_ahead(before["status"], after["start_time"], now, instead)


def _must_lie_ahead(status: Status, start: datetime, now: datetime, instead: str) -> None:
    """Raise IllegalTransition for a request whose time has begun by `now`: nobody can confirm it any more.
    What was confirmed once may be un-cancelled whenever it was."""
    if start <= now:
        raise IllegalTransition(
            f"A request can't be confirmed once its time has begun, at {stamp(start)}; {instead}.",
            status=status,
            allowed=[],
        )


def _must_not_move_what_is_cancelled(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise IllegalTransition for another start of what was cancelled before and stays so: it would look as
    if it was booked again."""
    if before["status"] == after["status"] == "cancelled" and before["start_time"] != after["start_time"]:
        raise IllegalTransition(
            "What is cancelled can't be moved, unless it becomes confirmed in the same request.",
            status="cancelled",
            allowed=["confirmed"],
        )


def _takes_time(before: Mapping[str, Any], after: Mapping[str, Any], going: _Going) -> bool:
    """Return whether the change takes time that the appointment did not have before, or makes it one of
    another type."""
    fields = ("start_time", "busy_start", "busy_end", "appointment_type_id")
    moved = any(before[field] != after[field] for field in fields)
    moved = moved or going.is_elsewhere
    return after["status"] != "cancelled" and (moved or before["status"] == "cancelled")


def _placed(
    tx: Tx,
    party: Party,
    going: _Going,
    row: AnyRow,
    after: Mapping[str, Any],
    check: Check,
    now: datetime,
) -> Place:
    """Return where the appointment goes with its new time.

    Raises Unbookable; Conflict if the calendar that staff move it within is no longer the one it is in: which
    one that is was read before there was a lock.
    """
    if not party.is_client and placing.own_calendars(row) != going.from_calendars:
        raise Conflict("Somebody moved the appointment to another calendar just now; please look again.")
    # What is un-cancelled takes the time it had, whatever its type asks for by now.
    lasting = going.type_.lasting(after["own_minutes"])
    return placing.place(tx, lasting, going.in_question, occupied(after), check, now, moving=row)


def _in_its_place(
    tx: Tx,
    party: Party,
    type_: OfferedType,
    row: AnyRow,
    after: Mapping[str, Any],
    place: Place,
    now: datetime,
) -> dict[str, Any]:
    """Return what changes with the place of the appointment: the calendar, and until when a request has to be
    confirmed. Raises IllegalTransition."""
    placed = place.columns
    start = place.taken.start
    if party.is_client and type_.requires_confirmation:
        return placed | pending(confirm_by(now, type_.confirm_within_hours, start))
    if after["status"] == "pending":
        _must_lie_ahead("pending", start, now, "move it to a time that lies ahead")
        return placed | {"expires_at": _still_until(tx, type_, row, start)}
    return placed


def _still_until(tx: Tx, type_: OfferedType, row: AnyRow, start: datetime) -> datetime:
    """Return until when a request must be confirmed that staff move to `start`: nobody asks for it again, so
    its deadline stays, which may be later than its old start."""
    until: datetime = row.expires_at or row.start_time
    if until < row.start_time:
        return min(until, start)
    asked = history.asked_at(tx, row)
    return max(confirm_by(asked, type_.confirm_within_hours, start), min(until, start))


def _shown(row: AnyRow, after: Mapping[str, Any], going: _Going | None) -> Appointment:
    """Return the wire form of the appointment as it is after the change, which may be one of another type."""
    if going is None or going.type_.id == row.appointment_type_id:
        return with_fields(row, after)
    type_ = going.type_
    return Appointment.shown(after, type_.name, type_.duration_minutes, type_.color)


def _part_with(tx: Tx, row: AnyRow, address: str | None) -> None:
    """End what a reader of the former address could do, if the client has another address now."""
    if is_replaced(row.client_email, address):
        manage_links.drop(tx, row.org_id, row.id)
        mailing.recheck_client(tx, row.org_id, row.id)
