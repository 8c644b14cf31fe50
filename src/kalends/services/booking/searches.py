"""What free time is looked for: of which type, on which calendars, and for which appointment, if one is to be
moved. Whatever moves an appointment finds what is listed here free, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kalends.core.errors import IllegalTransition, Malformed, NotFound, Wanted
from kalends.core.hours import DAY, HOUR, seconds
from kalends.core.offered import OfferedType, RequirementInQuestion
from kalends.core.slots import Offer
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment
from kalends.schemas.queries import DaysQuery, ExplainQuery, SlotsQuery
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import appointments, offers


@dataclass(frozen=True, slots=True)
class Search:
    """A type, what it needs with the calendars in question, the present, and the id of the appointment that
    is `moving`, if any: what that takes is free for it."""

    type_: OfferedType
    in_question: Sequence[RequirementInQuestion]
    now: datetime
    moving: str | None = None


def in_question(
    tx: Tx, type_: OfferedType, calendar_id: str | None = None
) -> Sequence[RequirementInQuestion]:
    """Return what a type needs, with the calendars in question. One that is named is to be among those of its
    requirement; the other requirements are not restricted. Raises NotFound if there is none by that name."""
    return offers.requirements_of(tx, type_, () if calendar_id is None else [calendar_id])


def by_staff(tx: Tx, org_id: str, query: SlotsQuery | DaysQuery | ExplainQuery, now: datetime) -> Search:
    """Return the search of staff for time to book, or if an appointment is `moving`, for time within its own
    calendar to which they could move it. With a `calendar_id`, only that calendar's time counts.
    With `duration_minutes`, it is to last so long.

    Raises NotFound for an unknown type, calendar or appointment; Malformed for an appointment of another type
    or in another calendar; IllegalTransition if it is cancelled.
    """
    type_ = offers.type_of(tx, org_id, query.appointment_type_id)
    lasting = type_.lasting(query.duration_minutes)
    asked = Search(lasting, in_question(tx, type_, query.calendar_id), now)
    if query.moving is None:
        return asked
    row = appointments.find(tx, org_id, query.moving)
    if row is None:
        raise NotFound("There is no appointment with this id.", field="moving")
    present = appointments.shown(row, now)
    if present.appointment_type_id != asked.type_.id:
        raise _misfit("moving", "is an appointment of another type")
    if query.calendar_id not in (None, *(each.calendar_id for each in present.calendars)):
        raise _misfit("calendar_id", "is not the calendar of the appointment, which is moved within its own")
    if present.status == "cancelled":
        sentence = "An appointment that is cancelled takes no time that it could be moved from."
        raise IllegalTransition(sentence, status=present.status, allowed=["confirmed"])
    wanted = to_move(tx, present, now, by_client=False)
    if query.duration_minutes is None:
        return wanted
    return replace(wanted, type_=lasting.for_moving(present.status))


def to_move(tx: Tx, present: Appointment, now: datetime, *, by_client: bool) -> Search:
    """Return the search for time to which an appointment that is not cancelled could be moved."""
    type_ = offers.type_of(tx, present.org_id, present.appointment_type_id)
    type_ = type_.lasting(appointments.own_minutes(tx, present.org_id, present.id))
    own = [each.calendar_id for each in present.calendars]
    required = offers.requirements_for_moving(tx, type_, own, by_client=by_client)
    return Search(type_.for_moving(present.status), required, now, present.id)


def again(tx: Tx, wanted: Wanted) -> Search:
    """Return the search for what can be had instead of what was refused. Raises NotFound if any of it was
    deleted a moment ago."""
    type_ = offers.type_of(tx, wanted.org_id, wanted.appointment_type_id).lasting(wanted.minutes)
    if wanted.moving is not None:  # an appointment, or a hold that was to be replaced
        row = appointments.find(tx, wanted.org_id, wanted.moving)
        type_ = type_ if row is None else type_.for_moving(row.status)
    required = offers.requirements_of(tx, type_, wanted.calendar_ids)
    return Search(type_, required, wanted.now, wanted.moving)


def offer(tx: Tx, search: Search, start: int, end: int) -> Offer:
    """Return what is offered, good for starts in `[start, end)`, in seconds since 1970."""
    return offers.offer(tx, search.type_, search.in_question, start, end, search.now, moving=search.moving)


def following(tx: Tx, search: Search, start: int, most: int, parts: Sequence[int]) -> Sequence[int]:
    """Return the first starts that can be booked from `start` on, in seconds since 1970, `most` of them at
    most. They are looked for so many days at a time, from `start` or from when the type can be booked, if
    that is later, and no further than it can be."""
    type_, now = search.type_, seconds(search.now)
    start = max(start, now + type_.min_notice_hours * HOUR)
    # Where "so many days ahead" ends exactly is a rule's business; no day was ever longer than two.
    last = None if type_.max_days_ahead is None else now + (type_.max_days_ahead + 3) * DAY
    found: list[int] = []
    for days in parts:
        end = start + days * DAY if last is None else min(start + days * DAY, last)
        if start >= end or len(found) == most:
            break
        found += aside(tx, offer(tx, search, start, end).starts, start, end, most - len(found))
        start = end
    return found


def _misfit(field: str, reason: str) -> Malformed:
    return malformed([wrong(field, reason, "invalid")])
