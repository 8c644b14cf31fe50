"""Changing appointments: their time, their status, their details."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from kalends.core.caller import Link
from kalends.core.contacts import is_replaced
from kalends.core.errors import Conflict, IllegalTransition, PreconditionFailed
from kalends.core.hours import instant, stamp
from kalends.core.lifecycle import Check, Status, confirm_by, transition
from kalends.core.offered import Candidate, OfferedType
from kalends.db.claims import rewrite
from kalends.db.database import AnyRow, Tx
from kalends.schemas.answers import corrected
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import Appointment, AppointmentChange, QuestionAnswer
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
from kalends.services.booking.placing import Place
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

    Raises ScopeMissing if the check is waived without `admin`; NotFound, also if the `link` by which it is
    changed has ended; PreconditionFailed if its version is not among `versions`; Malformed for another value
    of what can't be changed, and for wrong answers to the type's questions; IllegalTransition; InvalidTime;
    Unbookable if it would be moved or un-cancelled to a time that can't be had; Conflict for a cancellation
    reason without a cancellation, and if a client moves it to another calendar at the same moment as staff.
    """
    placing.must_be_allowed(party, wish.check, "Changing")
    type_, in_question = _lock_time(tx, party, appointment_id, wish)
    row, present = _locked(tx, party.org_id, appointment_id, now, link)
    if versions is not None and row.version not in versions:
        raise PreconditionFailed(version=row.version)
    if party.is_client and _is_so_already(wish, row):
        return shown(row, now)
    before = fields_of(row)
    after = _after(before, wish, _questions(tx, row, type_, wish), now)
    if type_ is not None and (start := _new_start(row, wish, party)) is not None:
        after |= times(placing.occupation(tx, type_, start))
    _must_be_sound(before, after, now)
    wish.must_agree(present, with_fields(row, after), zone=party.timezone)
    if after == before:
        return shown(row, now)
    takes = None
    if type_ is not None and _takes_time(before, after):
        place = _placed(tx, party, type_, in_question, row, after, wish.check, now)
        after |= _in_its_place(tx, party, type_, row, after, place, now)
        takes = place.takes
    after |= {"version": row.version + 1, "updated_at": now}
    if not rewrite(tx, before, after, takes):
        raise placing.refused_by_the_database(after, now, moving=row.id)
    _part_with(tx, row, after["client_email"])
    changed = with_fields(row, after)
    history.record(tx, party, with_fields(row, before), changed, wish.check, now)
    return changed


def must_be_movable(status: Status) -> None:
    """Raise IllegalTransition if a client may not move an appointment of this status."""
    if status not in ("pending", "confirmed"):
        raise IllegalTransition(f"An appointment that is {status} can't be moved.", status=status, allowed=[])


def _lock_time(
    tx: Tx, party: Party, appointment_id: str, wish: AppointmentChange
) -> tuple[OfferedType | None, Sequence[Candidate]]:
    """Lock the calendars to which an appointment may be moved, if it is moved or perhaps un-cancelled.
    Returns its type and those calendars, or None and no calendars."""
    if "start_time" not in wish.sent() and wish.status != "confirmed":
        return None, ()
    # Everybody takes these locks in one order, and the appointment's own comes last.
    row = row_of(tx, party.org_id, appointment_id)
    type_ = offers.type_of(tx, party.org_id, row.appointment_type_id)
    in_question = offers.calendars_for_moving(tx, type_, row.calendar_id, by_client=party.is_client)
    placing.lock(tx, type_, [each.id for each in in_question], wish.check)
    return type_, in_question


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
    tx: Tx, row: AnyRow, type_: OfferedType | None, wish: AppointmentChange
) -> Sequence[BookingQuestion]:
    """Return the questions of the appointment's type, if answers are changed."""
    if "answers" not in wish.sent():
        return ()
    return offers.questions_of(type_ or offers.type_of(tx, row.org_id, row.appointment_type_id))


def _after(
    before: Mapping[str, Any], wish: AppointmentChange, questions: Sequence[BookingQuestion], now: datetime
) -> dict[str, Any]:
    """Return the fields as `wish` would have them, but for the time. Raises Malformed for wrong answers to
    the type's `questions`, IllegalTransition."""
    sent = wish.sent()
    after = {**before, **details(sent)}
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


def _new_start(row: AnyRow, wish: AppointmentChange, party: Party) -> datetime | None:
    """Return the start it is moved to; None if it stays where it is, with the duration it has. Raises
    InvalidTime."""
    if "start_time" not in wish.sent():
        return None
    start = instant(wish.start_time, party.timezone)
    return None if start == row.start_time else start


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


def _takes_time(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether the change takes time of a calendar that the appointment did not have before, or moves
    its start."""
    moved = any(before[field] != after[field] for field in ("start_time", "busy_start", "busy_end"))
    return after["status"] != "cancelled" and (moved or before["status"] == "cancelled")


def _placed(
    tx: Tx,
    party: Party,
    type_: OfferedType,
    in_question: Sequence[Candidate],
    row: AnyRow,
    after: Mapping[str, Any],
    check: Check,
    now: datetime,
) -> Place:
    """Return where the appointment goes with its new time.

    Raises Unbookable; Conflict if the calendar that staff move it within is no longer the one it is in: which
    one that is was read before there was a lock.
    """
    if not party.is_client and row.calendar_id not in {each.id for each in in_question}:
        raise Conflict("A client moved the appointment to another calendar just now; please look again.")
    # What is un-cancelled takes the time it had, whatever its type asks for by now.
    return placing.place(tx, type_, in_question, occupied(after), check, now, moving=row)


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
    placed = {"calendar_id": place.calendar_id, "overlap_allowed": place.overlap_allowed}
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


def _part_with(tx: Tx, row: AnyRow, address: str | None) -> None:
    """End what a reader of the former address could do, if the client has another address now."""
    if is_replaced(row.client_email, address):
        manage_links.drop(tx, row.org_id, row.id)
        mailing.recheck_client(tx, row.org_id, row.id)
