"""Changing appointments: moving them, their status, their details."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from kalends.core.caller import Caller, Link
from kalends.core.contacts import digits, folded, is_replaced
from kalends.core.errors import Conflict, IllegalTransition, PreconditionFailed
from kalends.core.hours import instant, stamp
from kalends.core.lifecycle import Check, Occupancy, Status, confirm_by, transition
from kalends.db.claims import move
from kalends.db.database import AnyRow, Tx
from kalends.schemas.answers import corrected
from kalends.schemas.appointments import Appointment, AppointmentChange, QuestionAnswer
from kalends.services import history, lapses, mailing, manage_links, offers, parties, placing
from kalends.services.appointments import DEFAULT_LANGUAGE, fields_of, row_of, shown, with_fields
from kalends.services.parties import Party

_DETAILS = (
    "client_name",
    "client_email",
    "client_phone",
    "client_timezone",
    "client_notes",
    "internal_notes",
)
_TIMES = ("start_time", "busy_start", "busy_end")


def by_staff(
    tx: Tx,
    caller: Caller,
    appointment_id: str,
    wish: AppointmentChange,
    versions: Collection[int] | None,
    now: datetime,
) -> Appointment:
    """Change an appointment by hand; it stays in its calendar.

    Raises PreconditionFailed where its version is not among `versions`, ScopeMissing where the check is
    waived without `admin`, and what `change` raises.
    """
    if wish.check == "none":
        caller.need("admin", "Changing without a check (check: none)")
    return change(tx, parties.staff(caller), appointment_id, wish, now, versions=versions)


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
    """Change an appointment; only what `wish` sends. What changes nothing makes no new version. What a client
    moves may end up with another of the type's calendars, and may have to be confirmed again. Another e-mail
    address ends every link of the appointment: who had them may be a stranger.

    Raises NotFound, also if the `link` that it is changed by has ended; Malformed for another value of what
    can't be changed, and for wrong answers to the type's questions; IllegalTransition; Unbookable where it
    would be moved or un-cancelled to a time that can't be had; InvalidTime; Conflict for a cancellation
    reason without a cancellation, and if a client moves it to another calendar at the same moment as staff.
    """
    kind: AnyRow | None = None
    in_question: Sequence[AnyRow] = ()
    if _may_take_time(wish):
        # Locks are taken in one order by everybody, and the appointment's own comes last.
        row = row_of(tx, party.org_id, appointment_id)
        kind = offers.kind_of(tx, party.org_id, row.appointment_type_id)
        in_question = offers.calendars_for_moving(tx, kind, row.calendar_id, by_client=_is_client(party))
        placing.lock(tx, kind, [each.id for each in in_question], wish.check)
    row, present = _locked(tx, party.org_id, appointment_id, now, link)
    if versions is not None and row.version not in versions:
        raise PreconditionFailed(version=row.version)
    if _is_client(party) and _is_so_already(wish, row):
        return shown(row, now)
    before = fields_of(row)
    after = _wished(tx, party, kind, row, wish, now)
    wish.must_agree(present, with_fields(row, after), zone=party.timezone)
    if after == before:
        return shown(row, now)
    if kind is not None and _takes_time(before, after):
        _must_be_locked(party, row, in_question)
        after |= _placed(tx, party, kind, in_question, row, after, wish.check, now)
    after |= {"version": row.version + 1, "updated_at": now}
    if not move(tx, after):
        raise placing.refused_by_the_database(after, now, moving=row.id)
    _part_with(tx, row, after["client_email"])
    changed = with_fields(row, after)
    history.record(tx, party.actor, with_fields(row, before), changed, check=wish.check, now=now)
    return changed


def _new_start(row: AnyRow, wish: AppointmentChange, party: Party) -> datetime | None:
    """Return the start it is moved to; None if it stays where it is, with the duration it has."""
    if "start_time" not in wish.sent():
        return None
    start = instant(wish.start_time, party.timezone)
    return None if start == row.start_time else start


def _locked(
    tx: Tx, org_id: str, appointment_id: str, now: datetime, link: Link | None
) -> tuple[AnyRow, Appointment]:
    """The row of an appointment, locked, and settled if it has lapsed; and what was shown of it until now.
    Raises NotFound, also if the link that leads to it has ended."""
    row = row_of(tx, org_id, appointment_id, locked=True)
    if link is not None:
        manage_links.must_be_good(tx, link)
    present = shown(row, now)
    if row.expires_at is None or row.expires_at > now:
        return row, present
    lapses.settle_one(tx, row, now)
    return row_of(tx, org_id, appointment_id), present


def _part_with(tx: Tx, row: AnyRow, address: str | None) -> None:
    """End what whoever is at the address of before could do, if the client's is another now."""
    if is_replaced(row.client_email, address):
        manage_links.drop(tx, row.org_id, row.id)
        mailing.recheck_client(tx, row.org_id, row.id)


def _must_be_locked(party: Party, row: AnyRow, in_question: Sequence[AnyRow]) -> None:
    """Raise Conflict where the calendar that staff move it within is not the one it is in by now: that was
    decided before there was a lock."""
    if not _is_client(party) and row.calendar_id not in {each.id for each in in_question}:
        raise Conflict("A client moved the appointment to another calendar just now; please look again.")


def _is_so_already(wish: AppointmentChange, row: AnyRow) -> bool:
    """Whether a client cancels what is cancelled: of several cancellations at once, the first says why.

    Raises IllegalTransition where they would move what can't be moved.
    """
    if "start_time" in wish.sent():
        must_be_movable(row.status)
    return bool(row.status == wish.status == "cancelled")


def must_be_movable(status: Status) -> None:
    """Raise IllegalTransition where a client may not move an appointment of this status."""
    if status not in ("pending", "confirmed"):
        raise IllegalTransition(f"An appointment that is {status} can't be moved.", status=status, allowed=[])


def _is_client(party: Party) -> bool:
    return party.source == "booking_page"


def _details(tx: Tx, row: AnyRow, wish: AppointmentChange) -> dict[str, Any]:
    sent = wish.sent()
    details = {field: sent[field] for field in (*_DETAILS, "cancellation_reason") if field in sent}
    if "client_email" in sent:
        address = sent["client_email"]
        details["client_email_folded"] = None if address is None else folded(address)
    if "client_phone" in sent:
        number = sent["client_phone"]
        details["client_phone_digits"] = None if number is None else digits(number)
    if "client_language" in sent:
        details["client_language"] = sent["client_language"] or DEFAULT_LANGUAGE
    if "answers" in sent:
        kind = offers.kind_of(tx, row.org_id, row.appointment_type_id)
        stored = [QuestionAnswer.model_construct(**each) for each in row.answers]
        answers = corrected(offers.questions_of(kind), stored, sent["answers"])
        details["answers"] = [answer.model_dump() for answer in answers]
    return details


def _status(before: dict[str, Any], wish: AppointmentChange, now: datetime) -> dict[str, Any]:
    if "status" not in wish.sent() or not transition(before["status"], wish.status):
        return {}
    changed: dict[str, Any] = {"status": wish.status, f"{wish.status}_at": now, "expires_at": None}
    if before["status"] == "cancelled":
        changed |= {"cancelled_at": None, "cancellation_reason": None}
    return changed


def _wished(
    tx: Tx, party: Party, kind: AnyRow | None, row: AnyRow, wish: AppointmentChange, now: datetime
) -> dict[str, Any]:
    """Return the fields as `wish` would have them, whether or not there is time for that. Raises Malformed,
    IllegalTransition, Conflict for a cancellation reason without a cancellation, InvalidTime."""
    before = fields_of(row)
    after = before | _details(tx, row, wish) | _status(before, wish, now)
    if kind is not None and (start := _new_start(row, wish, party)) is not None:
        taken = placing.occupation(tx, kind, start)
        after |= {
            "start_time": taken.start,
            "end_time": taken.end,
            "busy_start": taken.busy_start,
            "busy_end": taken.busy_end,
        }
    if after["cancellation_reason"] is not None and after["status"] != "cancelled":
        raise Conflict("A cancellation_reason goes with the status cancelled.")
    if after["status"] == "confirmed" != before["status"] and before["confirmed_at"] is None:
        instead = "confirm it for a later start_time, or book by hand what took place"
        _must_lie_ahead(before, after["start_time"], now, instead)
    return after


def _placed(
    tx: Tx,
    party: Party,
    kind: AnyRow,
    in_question: Sequence[AnyRow],
    row: AnyRow,
    after: dict[str, Any],
    check: Check,
    now: datetime,
) -> dict[str, Any]:
    """What changes where the appointment goes to its new time: the calendar, and what a request waits for.
    Raises Unbookable, IllegalTransition."""
    # What is un-cancelled takes the time it had, whatever its type asks for by now.
    wanted = Occupancy(after["start_time"], after["end_time"], after["busy_start"], after["busy_end"])
    place = placing.place(tx, kind, in_question, wanted, check, now, moving=row)
    placed = {"calendar_id": place.calendar_id, "overlap_allowed": place.overlap_allowed}
    if _is_client(party) and kind.requires_confirmation:
        until = confirm_by(now, kind.confirm_within_hours, wanted.start)
        return placed | {"status": "pending", "confirmed_at": None, "expires_at": until}
    if after["status"] == "pending":
        _must_lie_ahead(after, wanted.start, now, "move it to a time that lies ahead")
        return placed | {"expires_at": _still_until(tx, kind, row, wanted.start)}
    return placed


def _must_lie_ahead(request: dict[str, Any], start: datetime, now: datetime, instead: str) -> None:
    """Raise IllegalTransition for a request whose time has begun by `now`: nobody can confirm it any more.
    What was confirmed once may be un-cancelled whenever it was."""
    if start <= now:
        raise IllegalTransition(
            f"A request can't be confirmed once its time has begun, at {stamp(start)}; {instead}.",
            status=request["status"],
            allowed=[],
        )


def _still_until(tx: Tx, kind: AnyRow, row: AnyRow, start: datetime) -> datetime:
    """Until when a request must be confirmed that is moved to `start`, but not asked for anew: its deadline
    stays, which may be later than its old start."""
    until: datetime = row.expires_at or row.start_time
    if until < row.start_time:
        return min(until, start)
    asked = history.asked_at(tx, row)
    return max(confirm_by(asked, kind.confirm_within_hours, start), min(until, start))


def _may_take_time(wish: AppointmentChange) -> bool:
    """Whether it moves the appointment, or perhaps un-cancels it."""
    return "start_time" in wish.sent() or wish.status == "confirmed"


def _takes_time(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the change takes time of a calendar that the appointment did not have before, or has it begin
    at another time."""
    moved = any(before[field] != after[field] for field in _TIMES)
    return after["status"] != "cancelled" and (moved or before["status"] == "cancelled")
