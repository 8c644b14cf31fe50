"""What a search lists can be booked, and nothing else can: searches, explanations, bookings, refusals and the
times these suggest follow one law, for staff and for clients."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Protocol

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.core.hours import moment, seconds, stamp
from tests.api.practices import Plan, PlannedDesk, application, carried_out, followed, plans
from tests.core.slow import DAY, HOUR, MINUTE, SlowHours, at, lasting
from tests.support.answers import refused
from tests.support.clock import StoppedClock
from tests.support.databases import everyday_on_sqlite
from tests.support.desk import APPOINTMENTS, Desk, Link, window
from tests.support.organizations import Org

SUGGESTIONS = 5
LOOK_AHEAD = 92 * DAY
RULES = {"conflict", "outside_hours", "off_grid", "too_soon", "too_far_ahead", "limit_reached"}

Slots = Mapping[int, Set[str]]
"""Starts, in seconds since 1970, and the calendars that could take each, as far as that is told."""


class Asker(Protocol):
    """Somebody who searches, asks why, and books."""

    async def slots(self, start: str, end: str) -> list[dict[str, Any]]: ...

    async def explain(self, start: str) -> dict[str, Any]: ...

    async def book(self, start: str) -> httpx.Response: ...

    async def try_to_book(self, start: str) -> httpx.Response:
        """Book, and leave nothing behind."""

    async def cancel(self, response: httpx.Response) -> None: ...


@dataclass(frozen=True)
class Staff:
    """By a key; perhaps of one calendar only."""

    practice: PlannedDesk
    calendar_id: str | None = None

    @property
    def _named(self) -> dict[str, Any]:
        return {} if self.calendar_id is None else {"calendar_id": self.calendar_id}

    async def slots(self, start: str, end: str) -> list[dict[str, Any]]:
        return await self.practice.desk.slots(start, end, **self._named)

    async def explain(self, start: str) -> dict[str, Any]:
        return await self.practice.desk.explain(start, **self._named)

    async def book(self, start: str) -> httpx.Response:
        return await self.practice.desk.book(start, check="all", **self._named)

    async def try_to_book(self, start: str) -> httpx.Response:
        return await self.practice.desk.book(start, dry_run=True, check="all", **self._named)

    async def cancel(self, response: httpx.Response) -> None:
        await self.practice.desk.changed(response.json()["appointment"], status="cancelled")


@dataclass(frozen=True)
class Client:
    """For themselves, without a key."""

    practice: PlannedDesk

    async def slots(self, start: str, end: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.practice.desk.ask("slots", **{"from": start, "to": end}))[
            "slots"
        ]
        return found

    async def explain(self, start: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self.practice.desk.ask("slots/explain", start_time=start)
        return answer

    async def book(self, start: str) -> httpx.Response:
        return await self.practice.desk.post("appointments", start_time=start)

    async def try_to_book(self, start: str) -> httpx.Response:
        response = await self.book(start)
        if response.status_code == 200:
            await self.cancel(response)
        return response

    async def cancel(self, response: httpx.Response) -> None:
        await self.practice.desk.changed(response.json()["appointment"], status="cancelled")


@dataclass(frozen=True)
class StaffMoving:
    """By a key, who move an appointment within its calendar."""

    practice: PlannedDesk
    appointment: dict[str, Any]

    async def slots(self, start: str, end: str) -> list[dict[str, Any]]:
        return await self.practice.desk.slots(start, end, moving=self.appointment["id"])

    async def explain(self, start: str) -> dict[str, Any]:
        return await self.practice.desk.explain(start, moving=self.appointment["id"])

    async def book(self, start: str) -> httpx.Response:
        return await self.practice.desk.change(self.appointment, start_time=start, check="all")

    async def try_to_book(self, start: str) -> httpx.Response:
        path = f"{APPOINTMENTS}/{self.appointment['id']}?dry_run=true"
        return await self.practice.desk.staff.patch(path, json={"start_time": start, "check": "all"})

    async def cancel(self, response: httpx.Response) -> None:
        await self.practice.desk.changed(response.json()["appointment"], status="cancelled")


@dataclass(frozen=True)
class ClientMoving:
    """By the link of their appointment, which may end up in any of the type's calendars."""

    link: Link

    async def slots(self, start: str, end: str) -> list[dict[str, Any]]:
        response = await self.link.ask("slots", **{"from": start, "to": end})
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["slots"]
        return found

    async def explain(self, start: str) -> dict[str, Any]:
        response = await self.link.ask("slots/explain", start_time=start)
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told

    async def book(self, start: str) -> httpx.Response:
        return await self.link.reschedule(start)

    async def try_to_book(self, start: str) -> httpx.Response:
        path = f"{self.link.path}/reschedule?dry_run=true"
        return await self.link.desk.client.post(path, json={"start_time": start})

    async def cancel(self, response: httpx.Response) -> None:
        await self.link.cancel()


@dataclass(frozen=True)
class Law:
    """`most` is how many starts of each sort are tried; `seen` counts what came up."""

    plan: Plan
    asker: Asker
    chance: random.Random
    most: int
    seen: Counter[str]

    @property
    def step(self) -> int:
        """From one offered start to the next, in seconds."""
        return int(self.plan.kind["slotIntervalMinutes"] or self.plan.kind["durationMinutes"]) * MINUTE

    async def listed(self, start: int | None = None, end: int | None = None) -> Slots:
        """The slots of the plan's range, or of another."""
        low = seconds(self.plan.start) if start is None else start
        high = seconds(self.plan.end) if end is None else end
        slots = await self.asker.slots(stamp(moment(low)), stamp(moment(high)))
        found = {at(slot["start_time"]): frozenset(slot.get("calendar_ids", ())) for slot in slots}
        assert [at(slot["end_time"]) - self.length(at(slot["start_time"])) for slot in slots] == sorted(found)
        assert all(low <= each < high for each in found)
        return found

    def length(self, start: int) -> int:
        """How long an appointment is, in seconds."""
        usual = int(self.plan.kind["durationMinutes"]) * MINUTE
        length = lasting(SlowHours(followed(self.plan)), usual, start)
        self.seen["odd"] += length != usual
        return length

    async def check(self) -> None:
        before = await self.listed()
        await self.what_is_listed_can_be_booked(before)
        for number, start in enumerate(self.unlisted(before)):
            await self.is_refused(start, suggestions=number < 2)
        for _ in range(2):
            if not before:
                break
            before = await self.a_booking_takes_what_it_takes(before)

    async def what_is_listed_can_be_booked(self, listed: Slots) -> None:
        gaps = (pair for pair in pairwise(listed) if pair[1] - pair[0] > self.step)
        starts = {*self.some(listed), *self.some(each for pair in gaps for each in pair)}
        for number, start in enumerate(starts):
            told = await self.asker.explain(stamp(moment(start)))
            assert (told["bookable"], told["reasons"]) == (True, [])
            self.is_booked(await self.asker.try_to_book(stamp(moment(start))), start, listed)
            if number == 0:
                assert told["next_available"] == await self.next_after(start)
        assert await self.listed() == listed

    def is_booked(self, response: httpx.Response, start: int, listed: Slots) -> str:
        """On which calendar, where that is told."""
        booked = response.json().get("appointment")
        assert booked, response.text
        assert (at(booked["start_time"]), at(booked["end_time"])) == (start, start + self.length(start))
        calendar = str(booked.get("calendar_id", ""))
        assert calendar in (listed[start] or {""})
        self.seen["booked"] += 1
        return calendar

    async def is_refused(self, start: int, *, suggestions: bool) -> None:
        text = stamp(moment(start))
        book = self.asker.book if self.chance.random() < 0.5 else self.asker.try_to_book
        response = await book(text)
        answer = refused(response, 409, response.json()["code"])
        reasons, told = answer["details"]["reasons"], await self.asker.explain(text)
        assert reasons
        codes = [reason["code"] for reason in reasons]
        assert answer["code"] == ("slot_taken" if codes[0] == "conflict" else codes[0])
        assert told == {
            "bookable": False,
            "reasons": reasons,
            "next_available": answer["details"]["next_available"],
        }
        self.seen.update(set(codes))
        if suggestions:
            assert told["next_available"] == await self.next_after(start)

    async def next_after(self, start: int) -> list[str]:
        """The first starts that are listed after another, as far as refusals look ahead."""
        earliest = seconds(self.plan.now) + self.plan.kind["minNoticeHours"] * HOUR
        begin = max(start + 1, earliest)
        found = await self.listed(begin, begin + LOOK_AHEAD)
        return [stamp(moment(each)) for each in list(found)[:SUGGESTIONS]]

    async def a_booking_takes_what_it_takes(self, before: Slots) -> Slots:
        """Book for good, or book and cancel; what is listed then."""
        start = self.chance.choice(list(before))
        response = await self.asker.book(stamp(moment(start)))
        calendar = self.is_booked(response, start, before)
        after = await self.listed()
        assert after.keys() <= before.keys()
        for each, ids in after.items():
            assert before[each] - {calendar} <= ids <= before[each]
        if calendar:
            assert calendar not in after.get(start, ())

        refusals = []
        for each in self.around_the_gaps(before, after):
            told = await self.asker.explain(stamp(moment(each)))
            assert told["bookable"] == (each in after)
            refusals += [] if each in after else [each]
        for each in refusals[: self.most]:
            await self.is_refused(each, suggestions=each == refusals[0])
            self.seen["taken"] += 1

        if self.chance.random() < 0.5:
            return after
        await self.asker.cancel(response)
        assert await self.listed() == before
        return before

    def around_the_gaps(self, before: Slots, after: Slots) -> list[int]:
        """What was listed before: where what is still listed meets what is not, and some more of both."""
        edges = {
            each for pair in pairwise(before) if (pair[0] in after) != (pair[1] in after) for each in pair
        }
        gone, left = [each for each in before if each not in after], list(after)
        return sorted({*self.some(edges), *self.some(gone), *self.some(left)})

    def unlisted(self, listed: Slots) -> list[int]:
        """Starts within the plan's range that are not listed: beside and between those that are, around what
        is booked, held, too soon or too far ahead, and anywhere."""
        plan, low, high, step = self.plan, seconds(self.plan.start), seconds(self.plan.end), self.step
        ahead = DAY * (plan.kind["maxDaysAhead"] or 0)
        taken = [at(one.start) for one in plan.bookings] + [at(one.start) for one in plan.holds]
        edges = [seconds(plan.now), seconds(plan.now) + plan.kind["minNoticeHours"] * HOUR]
        sorts: list[Iterable[int]] = [
            (each + by for each in listed for by in (-MINUTE, -1, 1, MINUTE)),
            (each for one, two in pairwise(listed) for each in range(one + step, two, step)),
            (each + by for each in listed for by in (-step, step)),
            (each + by for each in taken for by in (-step, 0, MINUTE)),
            (each + by for each in edges for by in (-HOUR, -MINUTE, -1, 0)),
            (each // HOUR * HOUR + ahead + by for each in edges[:1] for by in range(0, 2 * DAY, HOUR)),
            (self.chance.randrange(low, high) // MINUTE * MINUTE for _ in range(50)),
            (self.chance.randrange(low, high) for _ in range(50)),
        ]
        found: set[int] = set()
        for sort in sorts:
            fitting = [each for each in sort if low <= each < high and each not in listed]
            found.update(self.some(fitting, self.most // 3 + 1))
        return self.chance.sample(sorted(found), len(found))

    def some(self, starts: Iterable[int], most: int | None = None) -> list[int]:
        """All, or where there are more, the first, the last and others by chance."""
        most = self.most if most is None else most
        ordered = sorted(set(starts))
        if len(ordered) <= most:
            return ordered
        return sorted({*(ordered[0], ordered[-1])[:most], *self.chance.sample(ordered, max(0, most - 2))})


class LawOfMoving(Law):
    """The same of an appointment that exists already: wherever it is, it is never in its own way."""

    async def check_from(self, own: int) -> None:
        """`own` is where it is; to move it there changes nothing, so that is never refused."""
        before = await self.listed()
        await self.what_is_listed_can_be_booked(before)
        for number, start in enumerate(each for each in self.unlisted(before) if each != own):
            await self.is_refused(start, suggestions=number < 2)
        if not before:
            return
        start = self.chance.choice(list(before))
        self.is_booked(await self.asker.book(stamp(moment(start))), start, before)
        assert await self.listed() == before
        self.seen["moved"] += start != own


chances = st.randoms(use_true_random=True)


@everyday_on_sqlite("extent", everyday=(5, 4), torture=(400, 30))
def test_staff_can_book_what_is_listed_and_nothing_else(url: str, extent: tuple[int, int]) -> None:
    (examples, most), seen = extent, Counter[str]()
    with application(url) as (runner, app, clock):

        async def obey(plan: Plan, calendar: int | None, chance: random.Random) -> None:
            practice = await carried_out(app, clock, plan)
            ids = practice.calendars
            named = None if calendar is None else ids[calendar % len(ids)]
            law = Law(plan, Staff(practice, named), chance, most, seen)
            await _calendars_add_up(practice, law)
            await law.check()

        @settings(max_examples=examples)
        @given(plan=plans(), calendar=st.sampled_from([None, None, 0, 1, 2]), chance=chances)
        def agree(plan: Plan, calendar: int | None, chance: random.Random) -> None:
            runner.run(obey(plan, calendar, chance))

        agree()
    assert seen["booked"] > examples
    assert seen["taken"] > examples // 4
    assert len(seen.keys() & RULES) >= 5


async def _calendars_add_up(practice: PlannedDesk, law: Law) -> None:
    """A search of one calendar lists what that one could take by a search of all. What it could take can be
    booked there, and nothing else."""
    desk, bounds = practice.desk, (stamp(practice.plan.start), stamp(practice.plan.end))
    slots = await desk.slots(*bounds)
    for id_ in practice.calendars:
        alone = {"calendar_ids": [id_], "choices": [{"requirement": "calendar", "calendar_ids": [id_]}]}
        mine = [slot | alone for slot in slots if id_ in slot["calendar_ids"]]
        assert await desk.slots(*bounds, calendar_id=id_) == mine
    could = {at(slot["start_time"]): slot["calendar_ids"] for slot in slots}
    most = max(map(len, could.values()), default=0)
    partly = [start for start, ids in could.items() if len(ids) < most]
    for start in {*law.some(partly), *law.some(could, 1)}:
        for id_ in practice.calendars:
            response = await desk.book(stamp(moment(start)), dry_run=True, check="all", calendar_id=id_)
            if id_ in could[start]:
                assert law.is_booked(response, start, {start: {id_}}) == id_
            else:
                refused(response, 409, response.json()["code"])


@pytest.mark.parametrize(
    ("url", "extent"),
    [
        ("postgresql", (5, 3)),
        *(pytest.param(each, (200, 20), marks=pytest.mark.torture) for each in ("sqlite", "postgresql")),
    ],
    indirect=["url"],
)
def test_clients_can_book_what_is_listed_and_nothing_else(url: str, extent: tuple[int, int]) -> None:
    (examples, most), seen = extent, Counter[str]()
    with application(url) as (runner, app, clock):

        async def obey(plan: Plan, chance: random.Random) -> None:
            practice = await carried_out(app, clock, plan)
            law = Law(plan, Client(practice), chance, most, seen)
            await law.check()
            await _unconfirmed_bookings_lapse(law, clock)

        @settings(max_examples=examples)
        @given(plan=plans(), chance=chances)
        def agree(plan: Plan, chance: random.Random) -> None:
            runner.run(obey(plan, chance))

        agree()
    assert seen["booked"] > examples
    assert seen["taken"] > examples // 4
    assert len(seen.keys() & RULES) >= 5


async def _unconfirmed_bookings_lapse(law: Law, clock: StoppedClock) -> None:
    """What nobody confirmed in time is listed and booked again, unless it is too soon by then."""
    before = await law.listed()
    if not before or not law.plan.kind["requiresConfirmation"] or law.plan.kind["confirmWithinHours"] is None:
        return
    start = max(before)
    assert (await law.asker.book(stamp(moment(start)))).json()["appointment"]["status"] == "pending"
    clock.at += timedelta(hours=law.plan.kind["confirmWithinHours"])
    earliest = seconds(clock.at) + max(
        law.plan.kind["minNoticeHours"] * HOUR, 1
    )  # what begins now is too late
    expected = {each for each in before if each >= earliest}
    assert expected <= (await law.listed()).keys()
    if start in expected:
        law.is_booked(await law.asker.book(stamp(moment(start))), start, before)
        law.seen["lapsed"] += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("examples", "most"), [(4, 2), pytest.param(300, 20, marks=pytest.mark.torture, id="torture")]
)
def test_an_appointment_moves_to_what_is_listed_and_nowhere_else(url: str, examples: int, most: int) -> None:
    seen: Counter[str] = Counter()
    with application(url) as (runner, app, clock):

        async def obey(plan: Plan, chance: random.Random) -> None:
            practice = await carried_out(app, clock, plan)
            if (appointment := await _to_move(practice, chance)) is not None:
                seen[appointment["status"]] += 1
                law = LawOfMoving(plan, StaffMoving(practice, appointment), chance, most, seen)
                await law.check_from(at(appointment["start_time"]))
            offered = await Client(practice).slots(stamp(plan.start), stamp(plan.end))
            if offered:
                start = chance.choice(offered)["start_time"]
                link = practice.desk.link(await practice.desk.booked_by_client(start_time=start))
                await LawOfMoving(plan, ClientMoving(link), chance, most, seen).check_from(at(start))
                by_staff = StaffMoving(practice, await link.seen())
                await LawOfMoving(plan, by_staff, chance, 1, seen).check_from(
                    at(by_staff.appointment["start_time"])
                )

        @settings(max_examples=examples)
        @given(plan=plans(), chance=chances)
        def agree(plan: Plan, chance: random.Random) -> None:
            runner.run(obey(plan, chance))

        agree()
    assert seen["booked"] > examples
    assert seen["moved"] > examples // 4
    assert len(seen.keys() & RULES) >= 4


async def _to_move(practice: PlannedDesk, chance: random.Random) -> dict[str, Any] | None:
    """An appointment of the plan's type, if there is one that is not cancelled."""
    query = {"appointment_type_id": practice.desk.org.type_id}
    ids = await practice.desk.listed(status="pending,confirmed,completed,no_show", **query)
    return await practice.desk.get(chance.choice(ids)) if ids else None


@pytest.mark.anyio
async def test_suggestions_are_looked_for_in_the_92_days_after(app: FastAPI, org: Org) -> None:
    """After the refused start, and not before the notice, wherever they lie within."""
    desk, first = Desk(app, org), at("2024-01-25T09:00Z")
    await desk.set_type(minNoticeHours=0, maxDaysAhead=None)
    opens = {days: stamp(moment(first + days * DAY)) for days in (0, 6, 7, 34, 35, 91, 92)}
    for start in opens.values():
        await desk.make("overrides", "override", date=start[:10], windows=[window("09:00-10:00")])

    async def suggested(start: str) -> list[int]:
        """By explanation and by refusal alike."""
        found = (await desk.explain(start))["next_available"]
        response = await desk.book(start, check="all", dry_run=True)
        if response.status_code != 200:
            answer = refused(response, 409, response.json()["code"])
            assert answer["details"]["next_available"] == found
        return [days for days, each in opens.items() if each in found]

    assert await suggested(stamp(moment(first - 1))) == [0, 6, 7, 34, 35]
    assert await suggested(opens[0]) == [6, 7, 34, 35, 91]
    assert await suggested(stamp(moment(first + 7 * DAY - 1))) == [7, 34, 35, 91, 92]
    for days in (6, 7):
        await desk.booked(opens[days])
    assert await suggested(stamp(moment(first - 1))) == [0, 34, 35, 91]
    assert await suggested(opens[0]) == [34, 35, 91, 92]
    # The clock stands at noon on the 20th: what is long past is answered as the present is.
    assert await suggested("2020-01-25T09:00:00Z") == [0, 34, 35]
    await desk.set_type(minNoticeHours=120)
    assert await suggested("2020-01-25T09:00:00Z") == await suggested(opens[0]) == [34, 35, 91, 92]
