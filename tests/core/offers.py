"""Offers to search, written as short as they can be, and what is found in them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from kalends.core.intervals import Intervals
from kalends.core.requirements import Need, Requirement
from kalends.core.rules import Calendar, Period, Reason, Terms
from kalends.core.slots import Offer
from tests.core.slow import HOUR, MINUTE, at, daily, wall_of

PERIODS: Sequence[Period] = get_args(Period)

NINE_TO_FIVE = daily("UTC", "09:00-17:00")
TERMS = Terms(
    is_active=True,
    duration=HOUR,
    buffer_before=0,
    buffer_after=0,
    interval=HOUR,
    min_notice_hours=0,
    max_days_ahead=None,
    caps={},
    week_start=1,
    schedule=NINE_TO_FIVE,
)
FREE = Calendar(id="a", is_active=True, serves=True, schedule=None, busy=Intervals())


def between(*texts: str) -> Intervals:
    """`2024-06-03T09:00Z 2024-06-03T10:00Z` as a span of instants."""
    return Intervals((at(start), at(end)) for start, end in (text.split() for text in texts))


def an_offer(
    *calendars: Calendar,
    requirements: Sequence[Requirement] = (),
    booked: Sequence[str] = (),
    now: str = "2024-06-01T00:00Z",
    **terms: Any,
) -> Offer:
    return Offer(
        terms=replace(TERMS, **terms),
        requirements=requirements or [Requirement(Need(), calendars or (FREE,))],
        booked=[at(each) for each in booked],
        now=at(now),
    )


def replace_terms(offer: Offer, **terms: Any) -> Offer:
    return replace(offer, terms=replace(offer.terms, **terms))


def found(offer: Offer, start: str, end: str) -> str:
    """The bookable starts between two instants, as `day hour:minute ...`, in UTC."""
    times = offer.search(at(start), at(end))
    for each, calendars in times.items():
        verdict = offer.verdict(each)
        assert (verdict.free, verdict.reasons) == (calendars, [])
    days: dict[str, list[str]] = {}
    for each in times:
        days.setdefault(f"{wall_of('UTC', each):%d}", []).append(f"{wall_of('UTC', each):%H:%M}")
    return ", ".join(" ".join([day, *starts]) for day, starts in days.items())


def codes(offer: Offer, start: str) -> list[str]:
    verdict = offer.verdict(at(start))
    assert not verdict.free or not verdict.reasons
    return [each.code for each in verdict.reasons]


def the_only_reason(offer: Offer, start: str) -> Reason:
    verdict = offer.verdict(at(start))
    assert verdict.free == []
    (reason,) = verdict.reasons
    assert reason.message[0].isupper()
    assert reason.message.endswith(".")
    assert at(start) not in offer.search(at(start), at(start) + MINUTE)
    return reason
