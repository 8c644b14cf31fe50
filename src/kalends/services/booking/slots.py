"""Searching for free time: what is free, why a time is not, and the next times that are."""

from collections.abc import Sequence
from datetime import datetime

from kalends.core.errors import Malformed, NotFound, Wanted
from kalends.core.hours import DAY, HOUR, begin_of, end_of, instant, local_stamp, moment, seconds, stamp
from kalends.core.slots import Offer
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.schemas.queries import ClientExplainQuery, ClientSlotsQuery
from kalends.schemas.slots import ClientSlot, ClientSlotsAnswer, Explanation, Slot, SlotsAnswer
from kalends.schemas.wire import UNSENT
from kalends.services.booking import offers, placing

MOST_DAYS = 92
MOST_SLOTS = 5_000
"""Of one answer."""
MOST_NAMED = 100_000
"""Names of calendars in one answer: if many calendars could take each slot, it has fewer slots."""
_SUGGESTIONS = 5
_LOOK_AHEAD = (7, 28, 57)
"""The days in which other starts are looked for, a part at a time: most often the first part has enough."""


def search(
    tx: Tx,
    org_id: str,
    timezone: str,
    query: ClientSlotsQuery,
    now: datetime,
    *,
    calendar_id: str | None = None,
    naming: bool = True,
) -> str:
    """Return every start that can be booked, `from` ≤ start < `to`, as JSON: a SlotsAnswer, or if it is not
    `naming` calendars, a ClientSlotsAnswer. If there are too many, it has the first ones and the `next` one.
    With a `calendar_id`, only that calendar's time counts. `timezone` is the organization's: the zone of bare
    dates and naive times.

    Raises NotFound for an unknown type or calendar, Malformed for a range that is reversed or too long,
    InvalidTime.
    """
    start = seconds(begin_of(query.from_, timezone))
    end = seconds(end_of(query.to, timezone))
    if end < start:
        raise Malformed("to must not be before from.")
    if end - start > MOST_DAYS * DAY + 3 * HOUR:  # clocks may be put back within
        raise Malformed(f"from and to must not be more than {MOST_DAYS} days apart.")
    type_ = offers.type_of(tx, org_id, query.appointment_type_id)
    in_question = offers.calendars_of(tx, type_, calendar_id)
    offer = offers.offer(tx, type_, in_question, start, end, now)
    return aside(tx, _named if naming else _nameless, offer, start, end, timezone, query.timezone)


def _named(offer: Offer, start: int, end: int, timezone: str, asked: str | None) -> str:
    most = min(MOST_SLOTS, MOST_NAMED // max(1, len(offer.calendars)))
    found = offer.search(start, end, most + 1)
    slots, following = _page(offer, list(found), most, asked)
    named: list[Slot] = [{**slot, "calendar_ids": list(found[at])} for at, slot in slots]
    answer = SlotsAnswer.model_construct(slots=named, timezone=asked or timezone, next=following or UNSENT)
    return answer.model_dump_json(exclude_none=True)


def _nameless(offer: Offer, start: int, end: int, timezone: str, asked: str | None) -> str:
    slots, following = _page(offer, offer.starts(start, end, MOST_SLOTS + 1), MOST_SLOTS, asked)
    nameless = [slot for _, slot in slots]
    answer = ClientSlotsAnswer.model_construct(
        slots=nameless, timezone=asked or timezone, next=following or UNSENT
    )
    return answer.model_dump_json(exclude_none=True)


def _page(
    offer: Offer, starts: Sequence[int], most: int, asked: str | None
) -> tuple[list[tuple[int, ClientSlot]], str | None]:
    """Return the slots of an answer, `most` of them at most, each with its start, and the first start for
    which there is no room."""
    slots = [(at, _slot(at, at + offer.terms.length(at), asked)) for at in starts[:most]]
    return slots, stamp(moment(starts[most])) if len(starts) > most else None


def _slot(start: int, end: int, asked: str | None) -> ClientSlot:
    slot: ClientSlot = {"start_time": stamp(moment(start)), "end_time": stamp(moment(end))}
    if asked is not None:
        slot["local_start_time"] = local_stamp(start, asked)
        slot["local_end_time"] = local_stamp(end, asked)
    return slot


def explain(
    tx: Tx,
    org_id: str,
    timezone: str,
    query: ClientExplainQuery,
    now: datetime,
    *,
    calendar_id: str | None = None,
) -> Explanation:
    """Return whether a start can be booked, if not, every reason why, and the next starts that can. With a
    `calendar_id`, only that calendar's time counts.

    Raises NotFound for an unknown type or calendar, InvalidTime.
    """
    start = instant(query.start_time, timezone)
    type_ = offers.type_of(tx, org_id, query.appointment_type_id)
    in_question = offers.calendars_of(tx, type_, calendar_id)
    verdict = placing.judge(tx, type_, in_question, placing.occupation(tx, type_, start), "all", now)
    wanted = Wanted(org_id, type_.id, start, now, calendar_id)
    return Explanation(
        bookable=bool(verdict.free),
        reasons=[placing.listed(reason) for reason in verdict.reasons],
        next_available=next_available(tx, wanted),
    )


def next_available(tx: Tx, wanted: Wanted) -> list[str]:
    """Return the first few starts after the wanted one, and not before now, that can be booked by every
    rule."""
    try:
        type_ = offers.type_of(tx, wanted.org_id, wanted.appointment_type_id)
        in_question = offers.calendars_of(tx, type_, wanted.calendar_id)
    except NotFound:  # it was deleted a moment ago
        return []
    earliest = seconds(wanted.now) + type_.min_notice_hours * HOUR
    start = max(seconds(wanted.start) + 1, earliest)
    found: list[int] = []
    for days in _LOOK_AHEAD:
        end = start + days * DAY
        offer = offers.offer(tx, type_, in_question, start, end, wanted.now, moving=wanted.moving)
        found += aside(tx, offer.starts, start, end, _SUGGESTIONS - len(found))
        if len(found) == _SUGGESTIONS:
            break
        start = end
    return [stamp(moment(at)) for at in found]


def next_available_for_each(tx: Tx, wanted: Sequence[Wanted]) -> dict[Wanted, list[str]]:
    """Return the next starts for each of those who were refused at the same moment."""
    return {each: next_available(tx, each) for each in wanted}
