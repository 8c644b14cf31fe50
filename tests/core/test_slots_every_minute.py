"""Free time agrees with what is slow and obvious."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.hours import odd_days
from kalends.core.intervals import Intervals
from kalends.core.requirements import Need, Requirement
from kalends.core.rules import Calendar, Period, Terms
from kalends.core.slots import Offer
from tests.core.offers import PERIODS
from tests.core.slow import (
    DAY,
    HOUR,
    MINUTE,
    a_change,
    a_clock,
    a_clock_of_whole_minutes,
    a_range,
    a_schedule,
    an_open_schedule,
)
from tests.core.slow_offers import SlowOffer

pytestmark = pytest.mark.slow

_some_minutes = st.one_of(st.sampled_from([5, 10, 15, 20, 30, 45, 60, 90]), st.integers(1, 150))
_buffers = st.one_of(st.just(0), st.sampled_from([0, 5, 10, 60, 1_440]), st.integers(0, 30))
_odd = st.sampled_from([0, 0, 0, 1, 59])
_busy = st.lists(
    st.tuples(st.integers(-48 * 60, 24 * 60), _odd, st.one_of(st.integers(1, 30), st.integers(1, 400)), _odd),
    max_size=4,
)
_places = st.sampled_from([None, None, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
_ids = st.sampled_from(["a", "za", "zab", "zabc"])
_what_fails = st.sampled_from([*[""] * 12, "type", "calendar", "serving", "all calendars"])
_caps: st.SearchStrategy[Mapping[Period, int]] = st.one_of(
    st.just({}), st.dictionaries(st.sampled_from(PERIODS), st.integers(1, 4), min_size=1)
)
_notice = st.sampled_from([0, 1, 12, 24, 36])
_ahead = st.sampled_from([None, 0, 1, 2, 3, 365])
_now = st.one_of(st.just(-30 * 1_440), st.integers(-2 * 1_440, 120))
_bookings = st.lists(
    st.one_of(st.integers(-2 * 1_440, 2 * 1_440), st.integers(-40 * 1_440, 40 * 1_440)), max_size=8
)
_week_start = st.integers(0, 6)
_some_days = st.sampled_from([1, 1, 1, 2, 3])
_long_steps = st.sampled_from([60, 90, 360, 720, 1_440, 1_440, 1_440, 2_880])
_mostly = st.sampled_from([True, True, True, False])


_some_requirements = st.sampled_from([1, 1, 2, 3])
_counts = st.sampled_from([1, 1, 1, 2, 3])
_offsets = st.sampled_from([0, 0, 0, -90, -15, 5, 20, 60])
_own_lengths = st.sampled_from([None, None, 1, 10, 30, 75, 26 * 60])


def _requirements(draw: st.DrawFn, calendars: Sequence[Calendar]) -> Sequence[Requirement]:
    """The calendars as one plain requirement, or dealt out to requirements of any kind: so many of them, at
    another time, perhaps with some that must be among them."""
    if draw(_mostly):
        return [Requirement(Need(), calendars)]
    dealt: list[list[Calendar]] = [[] for _ in range(draw(_some_requirements))]
    for number, each in enumerate(calendars):
        dealt[number % len(dealt)].append(each)
    return [
        Requirement(
            Need(
                name=name,
                count=draw(_counts),
                offset=draw(_offsets) * MINUTE,
                length=None if (minutes := draw(_own_lengths)) is None else minutes * MINUTE,
            ),
            some,
            pinned=[] if draw(_mostly) else [each.id for each in some[:1]],
        )
        for name, some in zip(("calendar", "room", "nurse"), dealt, strict=False)
    ]


def _a_calendar(draw: st.DrawFn, id_: str, near: int) -> Calendar:
    zone = draw(_places)
    return Calendar(
        id=id_,
        is_active=True,
        serves=True,
        schedule=a_schedule(draw, zone, near) if zone else None,
        busy=Intervals(
            (near + start * MINUTE + odd, near + (start + length) * MINUTE + more)
            for start, odd, length, more in draw(_busy)
        ),
    )


@st.composite
def _searches(draw: st.DrawFn, longest: int, *, of_days: bool = False) -> tuple[Offer, int, int]:
    """An offer, and the range to search; perhaps of appointments that last whole days, mostly where these are
    open."""
    zone, near = a_clock_of_whole_minutes(draw, a_change if of_days and draw(_mostly) else a_clock)
    what_fails = draw(_what_fails)
    calendars = [_a_calendar(draw, id_, near) for id_ in draw(_ids)]
    if what_fails == "calendar":
        calendars[0] = replace(calendars[0], is_active=False)
    if what_fails == "serving":
        calendars[0] = replace(calendars[0], serves=False)
    now = draw(_now)
    terms = Terms(
        is_active=what_fails != "type",
        duration=draw(_some_minutes) * MINUTE,
        buffer_before=draw(_buffers) * MINUTE,
        buffer_after=draw(_buffers) * MINUTE,
        interval=draw(_some_minutes) * MINUTE,
        min_notice_hours=draw(_notice),
        max_days_ahead=draw(_ahead) if now > -3 * 1_440 else None,
        caps=draw(_caps),
        week_start=draw(_week_start),
        requires_confirmation=draw(st.booleans()),
        schedule=a_schedule(draw, zone, near),
    )
    start, end = a_range(draw, near, longest=longest)
    if of_days:
        days, schedule = draw(_some_days), terms.schedule
        if draw(_mostly):
            schedule = an_open_schedule(draw, zone, near)
            calendars = [
                replace(each, schedule=each.schedule and an_open_schedule(draw, each.schedule.zone, near))
                for each in calendars
            ]
        if draw(_mostly):  # long appointments hardly ever fit between others
            calendars = [replace(each, busy=Intervals([*each.busy][:1])) for each in calendars]
            now, terms = -30 * 1_440, replace(terms, caps={}, max_days_ahead=None)
        terms = replace(
            terms,
            duration=days * DAY,
            interval=draw(_long_steps) * MINUTE,
            schedule=schedule,
            odd=odd_days(schedule, days, start, end),
        )
    offer = Offer(
        terms,
        requirements=_requirements(draw, [] if what_fails == "all calendars" else calendars),
        booked=[near + each * MINUTE for each in draw(_bookings)],
        now=near + now * MINUTE + draw(_odd),
    )
    return offer, start, end


@pytest.mark.parametrize("examples", [40, pytest.param(10_000, marks=pytest.mark.torture)])
def test_search_agrees_with_every_minute(examples: int) -> None:
    fruitful = 0

    @settings(max_examples=examples)
    @given(searched=_searches(24 * HOUR), cuts=st.lists(st.floats(0, 1), max_size=4))
    def agree(searched: tuple[Offer, int, int], cuts: list[float]) -> None:
        nonlocal fruitful
        offer, start, end = searched
        slow = SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        expected = {each: free for each in minutes if (free := slow.free(each))}
        assert list(offer.search(start, end).items()) == list(expected.items())
        assert list(offer.search(start, end, 3).items()) == list(expected.items())[:3]
        assert offer.starts(start, end, 3) == list(expected)[:3]
        edges = [start, *sorted(start + int((end - start) * cut) for cut in cuts), end]
        within = [[each for each in expected if low <= each < high] for low, high in pairwise(edges)]
        assert offer.tally(list(pairwise(edges))) == [
            (len(each), each[0] if each else None) for each in within
        ]
        fruitful += bool(expected)

    agree()
    assert fruitful > examples // 10


@pytest.mark.parametrize("examples", [120, pytest.param(6_000, marks=pytest.mark.torture)])
def test_a_start_is_listed_or_there_are_reasons(examples: int) -> None:
    told: Counter[str] = Counter()
    fruitful = 0

    @settings(max_examples=examples)
    @given(searched=_searches(8 * HOUR), odd=st.integers(1, 59))
    def agree(searched: tuple[Offer, int, int], odd: int) -> None:
        nonlocal fruitful
        offer, start, end = searched
        listed, slow = offer.search(start, end), SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        asked = {start, start + odd, *minutes[:30], *minutes[-3:]}
        asked |= {each + by for each in list(listed)[:6] for by in (-MINUTE, 0, odd, MINUTE)}
        for each in sorted(each for each in asked if start <= each < end):
            verdict = offer.verdict(each)
            assert verdict.free == listed.get(each, [])
            assert bool(verdict.reasons) != bool(verdict.free)

            of_the_type = [(code, None, None) for code in slow.against(each)]
            named = len(offer.requirements) > 1 or offer.requirements[0].need.name != "calendar"
            expected = of_the_type + [
                (code, id_, one.need.name if named else None)
                for one in offer.requirements
                if not slow.is_enough(one, slow.free_of(one, each))
                for code, id_ in _against(slow, one, each)
            ]
            assert [
                (one.code, one.details.get("calendar_id"), one.details.get("requirement"))
                for one in verdict.reasons
            ] == expected
            told.update(one.code for one in verdict.reasons)
        fruitful += bool(listed)

    agree()
    assert fruitful > examples // 10
    assert len(told) > 5


def _against(slow: SlowOffer, requirement: Requirement, start: int) -> Sequence[tuple[str, str | None]]:
    if not requirement.calendars:
        return [("calendar_not_serving", None)]
    return [
        (code, each.id)
        for each in requirement.calendars
        for code in slow.against_on(requirement, each, start)
    ]


@pytest.mark.parametrize("examples", [40, pytest.param(6_000, marks=pytest.mark.torture)])
def test_search_and_verdict_agree_with_every_minute_about_whole_days(examples: int) -> None:
    lengths: Counter[int] = Counter()

    @settings(max_examples=examples)
    @given(searched=_searches(50 * HOUR, of_days=True))
    def agree(searched: tuple[Offer, int, int]) -> None:
        offer, start, end = searched
        slow = SlowOffer(offer)
        minutes = range(start + -start % MINUTE, end, MINUTE)
        listed = offer.search(start, end)
        expected = {each: free for each in minutes if (free := slow.free(each))}
        assert list(listed.items()) == list(expected.items())
        for each in [*minutes[:: len(minutes) // 20 + 1], *list(listed)[:10]]:
            length = slow.length(each)
            assert offer.terms.length(each) == length
            # As bookings are judged: by what they take.
            taking = replace(offer, terms=replace(offer.terms, duration=length, odd=()))
            for verdict in (offer.verdict(each), taking.verdict(each)):
                assert verdict.free == listed.get(each, [])
                assert bool(verdict.reasons) != bool(verdict.free)
        lengths.update({slow.length(each) - offer.terms.duration for each in listed})

    agree()
    assert sum(lengths.values()) > examples // 4
    assert lengths.keys() - {0}, lengths


@settings(max_examples=60)
@given(
    searched=_searches(40 * HOUR) | _searches(40 * HOUR, of_days=True),
    cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_answers_do_not_depend_on_how_a_range_is_split(
    searched: tuple[Offer, int, int], cuts: list[float]
) -> None:
    offer, start, end = searched
    edges = sorted({start, end, *(start + int((end - start) * cut) for cut in cuts)})
    parts = [item for low, high in pairwise(edges) for item in offer.search(low, high).items()]
    assert parts == list(offer.search(start, end).items())
