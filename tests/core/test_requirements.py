"""What a type needs at once: so many calendars of each requirement, each for its own time."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.errors import InvalidTime
from kalends.core.intervals import Intervals, in_so_many
from kalends.core.lifecycle import MAX_BUSY, MAX_DURATION_MINUTES, Taking, occupy
from kalends.core.requirements import Need, Requirement, takes
from kalends.core.rules import Calendar
from tests.core.offers import FREE, an_offer, between, codes, found, the_only_reason
from tests.core.slow import DAY, FIRST, HOUR, LAST, MINUTE, at, daily

ANA, BEN = replace(FREE, id="ana"), replace(FREE, id="ben")
RED, BLUE = replace(FREE, id="red"), replace(FREE, id="blue")
MORNING, AFTERNOON = "2024-06-03T09:00Z 2024-06-03T12:00Z", "2024-06-03T13:00Z 2024-06-03T17:00Z"
DAWN, DUSK = "2024-06-03T00:00Z", "2024-06-04T00:00Z"


def busy(calendar: Calendar, *spans: str) -> Calendar:
    return replace(calendar, busy=between(*spans))


def people(*calendars: Calendar, count: int = 1) -> Requirement:
    return Requirement(Need(name="person", count=count), calendars)


def rooms(*calendars: Calendar, offset: int = 0, length: int | None = None) -> Requirement:
    return Requirement(Need(name="room", offset=offset, length=length), calendars)


def test_a_start_needs_a_calendar_of_each_requirement() -> None:
    needs = [people(busy(ANA, MORNING), BEN), rooms(busy(RED, AFTERNOON))]
    offer = an_offer(requirements=needs)
    assert found(offer, DAWN, DUSK) == "03 09:00 10:00 11:00 12:00"
    assert offer.search(at("2024-06-03T11:00Z"), at("2024-06-03T13:00Z")) == {
        at("2024-06-03T11:00Z"): [["ben"], ["red"]],
        at("2024-06-03T12:00Z"): [["ana", "ben"], ["red"]],
    }


def test_a_requirement_may_need_several_of_its_calendars() -> None:
    offer = an_offer(requirements=[people(busy(ANA, MORNING), BEN, RED, count=2)])
    assert offer.verdict(at("2024-06-03T09:00Z")).free == [["ben", "red"]]
    offer = an_offer(requirements=[people(busy(ANA, MORNING), BEN, busy(RED, AFTERNOON), count=2)])
    assert found(offer, DAWN, DUSK) == "03 09:00 10:00 11:00 12:00 13:00 14:00 15:00 16:00"
    offer = an_offer(requirements=[people(busy(ANA, MORNING), BEN, busy(RED, AFTERNOON), count=3)])
    assert found(offer, DAWN, DUSK) == "03 12:00"


def test_a_requirement_without_calendars_is_never_met() -> None:
    reason = the_only_reason(an_offer(requirements=[people(ANA), rooms()]), "2024-06-03T09:00Z")
    assert (reason.code, reason.details) == ("calendar_not_serving", {"requirement": "room"})


def test_reasons_name_the_requirement_that_is_not_met() -> None:
    needs = [people(busy(ANA, MORNING), BEN), rooms(busy(RED, MORNING), busy(BLUE, MORNING))]
    verdict = an_offer(requirements=needs).verdict(at("2024-06-03T09:00Z"))
    assert [each.details for each in verdict.reasons] == [
        {"calendar_id": "red", "requirement": "room"},
        {"calendar_id": "blue", "requirement": "room"},
    ]
    # A name that was given to the only one is told, too.
    reason = the_only_reason(an_offer(requirements=[people(busy(ANA, MORNING))]), "2024-06-03T09:00Z")
    assert reason.details == {"calendar_id": "ana", "requirement": "person"}


def test_what_is_pinned_must_be_among_the_chosen() -> None:
    both = replace(people(busy(ANA, MORNING), BEN, RED, count=2), pinned=["ana"])
    assert found(an_offer(requirements=[both]), DAWN, DUSK) == "03 12:00 13:00 14:00 15:00 16:00"
    assert codes(an_offer(requirements=[both]), "2024-06-03T09:00Z") == ["conflict"]


def test_a_requirement_may_have_a_time_of_its_own() -> None:
    """The room is prepared for half an hour before, and is free again after ten minutes."""
    room = busy(RED, "2024-06-03T10:00Z 2024-06-03T11:00Z")
    offer = an_offer(requirements=[people(ANA), rooms(room, offset=-30 * MINUTE, length=40 * MINUTE)])
    assert found(offer, "2024-06-03T09:00Z", "2024-06-03T13:00Z") == "03 09:00 12:00"
    # Buffers lie around it.
    offer = replace(offer, terms=replace(offer.terms, buffer_before=31 * MINUTE))
    assert found(offer, "2024-06-03T09:00Z", "2024-06-03T13:00Z") == "03 09:00"
    # Only a calendar's own hours must cover its time; the type's hours cover the appointment.
    room = replace(RED, schedule=daily("UTC", "08:30-10:00"))
    offer = an_offer(requirements=[people(ANA), rooms(room, offset=-30 * MINUTE, length=40 * MINUTE)])
    assert found(offer, DAWN, DUSK) == "03 09:00"


def test_a_later_time_lasts_as_long_as_the_appointment_unless_it_says_otherwise() -> None:
    room = busy(RED, "2024-06-03T11:00Z 2024-06-03T12:00Z")
    offer = an_offer(requirements=[people(ANA), rooms(room, offset=30 * MINUTE)])
    assert found(offer, "2024-06-03T09:00Z", "2024-06-03T13:00Z") == "03 09:00 12:00"
    # A day of 25 hours is one, whenever it begins.
    around = daily("Europe/Berlin", "00:00-24:00")
    need = Need(offset=HOUR)
    terms = replace(offer.terms, duration=DAY, odd=[(Intervals([(7, 8)]), 25 * HOUR)], schedule=around)
    assert need.terms(terms).length(7 + HOUR) == 25 * HOUR
    assert need.terms(terms).length(7) == DAY


@pytest.mark.parametrize(
    ("midnight", "own", "first", "last"),
    [
        (FIRST, {"offset": -2 * HOUR}, 2, 23),
        (FIRST, {"offset": 2 * HOUR}, 0, 23),
        (LAST + 1 - DAY, {"offset": 2 * HOUR, "length": HOUR}, 0, 20),
        (LAST + 1 - DAY, {"length": 3 * HOUR}, 0, 20),
        (LAST + 1 - DAY, {"offset": 7 * DAY}, 1, 0),
    ],
)
def test_its_own_time_lies_within_the_years_1_to_9999(
    midnight: int, own: dict[str, int], first: int, last: int
) -> None:
    around = daily("UTC", "00:00-24:00")
    room = rooms(replace(RED, schedule=around), **own)
    offer = an_offer(requirements=[people(ANA), room], schedule=around, now="0001-01-01T00:00Z")
    starts = [midnight + each * HOUR for each in range(24)]
    assert list(offer.search(midnight, midnight + DAY)) == starts[first : last + 1]
    assert [each for each in starts if offer.verdict(each).free] == starts[first : last + 1]
    assert all(offer.verdict(each).reasons for each in starts[:first] + starts[last + 1 :])


@pytest.mark.parametrize(
    ("start", "need"),
    [
        (datetime(1, 1, 1, 1, tzinfo=UTC), Need(offset=-2 * HOUR)),
        (datetime(1, 1, 1, 1, tzinfo=UTC), Need(offset=-DAY, length=HOUR)),
        (datetime(9999, 12, 31, 20, tzinfo=UTC), Need(length=4 * HOUR)),
        (datetime(9999, 12, 31, 20, tzinfo=UTC), Need(offset=7 * DAY)),
    ],
)
def test_what_an_end_of_the_calendar_cuts_off_is_refused(start: datetime, need: Need) -> None:
    taken = occupy(start, length=HOUR, buffer_before=0, buffer_after=0)
    with pytest.raises(InvalidTime, match="would not fit"):
        need.takes(taken, "red")


def test_an_appointment_takes_time_of_every_chosen_calendar() -> None:
    start = datetime(2024, 6, 3, 9, tzinfo=UTC)
    taken = occupy(start, length=HOUR, buffer_before=5, buffer_after=10)
    chosen = [
        (Need(name="person", count=2), ["ana", "ben"]),
        (Need(name="room", offset=-HOUR, length=90 * MINUTE), ["red"]),
        (Need(name="machine", offset=15 * MINUTE), ["laser"]),
    ]

    def clock(hour: int, minute: int) -> datetime:
        return start.replace(hour=hour, minute=minute)

    assert takes(taken, chosen) == [
        Taking("ana", clock(8, 55), clock(10, 10)),
        Taking("ben", clock(8, 55), clock(10, 10)),
        Taking("red", clock(7, 55), clock(9, 40)),
        Taking("laser", clock(9, 10), clock(10, 25)),
    ]


def test_no_requirement_takes_longer_than_a_search_looks_back() -> None:
    start = datetime(2024, 6, 3, 9, tzinfo=UTC)
    taken = occupy(start, length=HOUR, buffer_before=1_440, buffer_after=1_440)
    [taking] = takes(taken, [(Need(offset=10_080 * MINUTE, length=MAX_DURATION_MINUTES * MINUTE), ["red"])])
    assert taking.busy_end - taking.busy_start <= MAX_BUSY


_sets = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), max_size=4).map(
        lambda spans: Intervals((start, start + length) for start, length in spans)
    ),
    max_size=5,
)


@given(sets=_sets, count=st.integers(1, 5))
def test_what_is_in_so_many_sets_agrees_with_every_second(sets: list[Intervals], count: int) -> None:
    found = in_so_many(count, sets)
    seconds = [each for each in range(30) if sum(each in one for one in sets) >= count]
    assert found == Intervals((each, each + 1) for each in seconds)


@given(set_=_sets.map(lambda sets: sets[0] if sets else Intervals()), by=st.integers(-50, 50))
def test_a_set_that_is_moved(set_: Intervals, by: int) -> None:
    assert [each for each in range(-80, 80) if each in set_.moved(by)] == [
        each for each in range(-80, 80) if each - by in set_
    ]
