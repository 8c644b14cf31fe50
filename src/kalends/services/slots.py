"""What is free, why something is not, and what could be had instead."""

from collections.abc import Sequence
from datetime import datetime

from kalends.core.errors import Malformed, NotFound, Wanted
from kalends.core.hours import begin_of, end_of, instant, local_stamp, moment, seconds, stamp
from kalends.core.rules import HOUR
from kalends.db.database import Tx
from kalends.schemas.queries import ExplainQuery, SlotsQuery
from kalends.schemas.slots import Explanation, Slot, SlotsAnswer
from kalends.services import offers, placing

MOST_DAYS = 92
_DAY = 86_400
_SUGGESTIONS = 5
_LOOK_AHEAD = (7, 28, 57)
"""The days in which other starts are looked for, a part at a time: most often the first part has enough."""


def search(tx: Tx, org_id: str, timezone: str, query: SlotsQuery, now: datetime) -> SlotsAnswer:
    """Every start that can be booked, `from` ≤ start < `to`. `timezone` is the organization's: the zone of
    bare dates and naive times.

    Raises NotFound for an unknown type or calendar, Malformed for a range that is reversed or too long,
    InvalidTime.
    """
    start = seconds(begin_of(query.from_, timezone))
    end = seconds(end_of(query.to, timezone))
    if end < start:
        raise Malformed("to must not be before from.")
    if end - start > MOST_DAYS * _DAY + 3 * HOUR:  # clocks may be put back within
        raise Malformed(f"from and to must not be more than {MOST_DAYS} days apart.")
    kind = offers.kind_of(tx, org_id, query.appointment_type_id)
    in_question = offers.calendars_of(tx, kind, query.calendar_id)
    offer = offers.offer(tx, kind, in_question, start, end, now)
    found = offer.search(start, end)
    ends = [at + offer.terms.length(at) for at in found]
    slots: list[Slot] = [
        {"start_time": stamp(moment(at)), "end_time": stamp(moment(until)), "calendar_ids": list(free)}
        for (at, free), until in zip(found.items(), ends, strict=True)
    ]
    if query.timezone is not None:
        for at, until, slot in zip(found, ends, slots, strict=True):
            slot["local_start_time"] = local_stamp(at, query.timezone)
            slot["local_end_time"] = local_stamp(until, query.timezone)
    return SlotsAnswer.model_construct(slots=slots, timezone=query.timezone or timezone)


def explain(tx: Tx, org_id: str, timezone: str, query: ExplainQuery, now: datetime) -> Explanation:
    """Whether a start can be booked; if not, every reason why; and what else could be had.

    Raises NotFound for an unknown type or calendar, InvalidTime.
    """
    start = instant(query.start_time, timezone)
    kind = offers.kind_of(tx, org_id, query.appointment_type_id)
    in_question = offers.calendars_of(tx, kind, query.calendar_id)
    verdict = placing.judge(tx, kind, in_question, placing.occupation(tx, kind, start), "all", now)
    wanted = Wanted(org_id, kind.id, start, now, query.calendar_id)
    return Explanation(
        bookable=bool(verdict.free),
        reasons=[placing.told(reason) for reason in verdict.reasons],
        next_available=next_available(tx, wanted),
    )


def next_available(tx: Tx, wanted: Wanted) -> list[str]:
    """The first few starts after the wanted one, and not before now, that can be booked by every rule."""
    try:
        kind = offers.kind_of(tx, wanted.org_id, wanted.appointment_type_id)
        in_question = offers.calendars_of(tx, kind, wanted.calendar_id)
    except NotFound:  # it was deleted a moment ago
        return []
    earliest = seconds(wanted.now) + kind.min_notice_hours * HOUR
    start = max(seconds(wanted.start) + 1, earliest)
    found: list[int] = []
    for days in _LOOK_AHEAD:
        end = start + days * _DAY
        found += offers.offer(tx, kind, in_question, start, end, wanted.now, moving=wanted.moving).search(
            start, end
        )
        if len(found) >= _SUGGESTIONS:
            break
        start = end
    return [stamp(moment(at)) for at in found[:_SUGGESTIONS]]


def next_available_for_each(tx: Tx, wanted: Sequence[Wanted]) -> dict[Wanted, list[str]]:
    """`next_available` for everybody who was refused at the same moment."""
    return {each: next_available(tx, each) for each in wanted}
