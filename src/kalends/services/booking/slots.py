"""Searching for free time: what is free, why a time is not, and the next times that are."""

from collections.abc import Sequence
from datetime import datetime

from kalends.core.errors import Malformed, NotFound, Wanted
from kalends.core.hours import DAY, HOUR, begin_of, end_of, instant, local_stamp, moment, seconds, stamp
from kalends.core.slots import Offer
from kalends.db.aside import aside
from kalends.db.database import Tx
from kalends.schemas.queries import ExplainByLinkQuery, ExplainQuery, SlotsByLinkQuery, SlotsQuery
from kalends.schemas.slots import Choice, ClientSlot, ClientSlotsAnswer, Explanation, Slot, SlotsAnswer
from kalends.schemas.wire import UNSENT
from kalends.services.booking import placing, searches
from kalends.services.booking.searches import Search

MOST_DAYS = 92
MOST_SLOTS = 5_000
"""Of one answer."""
MOST_NAMED = 100_000
"""Calendars of the slots of one answer: if many could take each, it has fewer slots."""
_SUGGESTIONS = 5
_LOOK_AHEAD = (7, 28, 57)
"""The days in which other starts are looked for, a part at a time: most often the first part has enough."""


def search(
    tx: Tx,
    org_id: str,
    timezone: str,
    query: SlotsQuery,
    now: datetime,
) -> str:
    """Return every start that can be booked, or to which an appointment that is moving could be moved by
    staff, as `found` does.

    Raises what `searches.by_staff` and `found` raise.
    """
    wanted = searches.by_staff(tx, org_id, query, now)
    return found(tx, wanted, timezone, query, naming=True)


def found(tx: Tx, wanted: Search, timezone: str, query: SlotsByLinkQuery, *, naming: bool) -> str:
    """Return every start that a search finds, `from` ≤ start < `to`, as JSON: a SlotsAnswer, or if it is not
    `naming` calendars, a ClientSlotsAnswer. If there are too many, it has the first ones and the `next` one.
    `timezone` is the organization's: the zone of bare dates and naive times.

    Raises Malformed for a range that is reversed or too long, InvalidTime.
    """
    start = seconds(begin_of(query.from_, timezone))
    end = seconds(end_of(query.to, timezone))
    if end < start:
        raise Malformed("to must not be before from.")
    if end - start > MOST_DAYS * DAY + 3 * HOUR:  # clocks may be put back within
        raise Malformed(f"from and to must not be more than {MOST_DAYS} days apart.")
    offer = searches.offer(tx, wanted, start, end)
    return aside(tx, _named if naming else _nameless, offer, start, end, timezone, query.timezone)


def _named(offer: Offer, start: int, end: int, timezone: str, asked: str | None) -> str:
    most = min(MOST_SLOTS, MOST_NAMED // max(1, sum(len(each.calendars) for each in offer.requirements)))
    found = offer.search(start, end, most + 1)
    slots, following = _page(offer, list(found), most, asked)
    names = [each.need.name for each in offer.requirements]
    named = [_naming(slot, names, found[at]) for at, slot in slots]
    answer = SlotsAnswer.model_construct(slots=named, timezone=asked or timezone, next=following or UNSENT)
    return answer.model_dump_json(exclude_none=True)


def _naming(slot: ClientSlot, names: Sequence[str], free: Sequence[Sequence[str]]) -> Slot:
    """Return a slot with the calendars that could take it, by requirement."""
    choices: list[Choice] = [
        {"requirement": name, "calendar_ids": list(ids)} for name, ids in zip(names, free, strict=True)
    ]
    return {**slot, "calendar_ids": list(free[0]), "choices": choices}


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
    query: ExplainQuery,
    now: datetime,
) -> Explanation:
    """Return whether a start can be booked, or an appointment that is moving be moved there by staff, as
    `explained` does.

    Raises what `searches.by_staff` raises, InvalidTime.
    """
    wanted = searches.by_staff(tx, org_id, query, now)
    return explained(tx, wanted, timezone, query)


def explained(tx: Tx, wanted: Search, timezone: str, query: ExplainByLinkQuery) -> Explanation:
    """Return whether a search finds a start, if not, every reason why, and the next starts that it finds.
    Raises InvalidTime."""
    start, type_ = instant(query.start_time, timezone), wanted.type_
    taken = placing.occupation(tx, type_, start)
    verdict = placing.judge(tx, type_, wanted.in_question, taken, wanted.now, moving=wanted.moving)
    return Explanation(
        bookable=bool(verdict.free),
        reasons=[placing.listed(reason) for reason in verdict.reasons],
        next_available=_next(tx, wanted, start),
    )


def next_available(tx: Tx, wanted: Wanted) -> list[str]:
    """Return the first few starts after the wanted one, and not before now, that can be booked by every
    rule."""
    try:
        search = searches.again(tx, wanted)
    except NotFound:  # it was deleted a moment ago
        return []
    return _next(tx, search, wanted.start)


def next_available_for_each(tx: Tx, wanted: Sequence[Wanted]) -> dict[Wanted, list[str]]:
    """Return the next starts for each of those who were refused at the same moment."""
    return {each: next_available(tx, each) for each in wanted}


def _next(tx: Tx, search: Search, start: datetime) -> list[str]:
    following = searches.following(tx, search, seconds(start) + 1, _SUGGESTIONS, _LOOK_AHEAD)
    return [stamp(moment(at)) for at in following]
