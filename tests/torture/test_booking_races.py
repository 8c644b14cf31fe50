"""Staff and clients want the same time at once, each in a way of their own: one gets it, and the books tell
how."""

import asyncio
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bench.wire import Reply

from kalends.clock import SystemClock
from kalends.core.hours import stamp
from tests.support.books import check_times
from tests.support.load import PATH
from tests.support.server import serving
from tests.torture.rivals import DAY, FIRST, HOUR, PATIENCE, Ask, Rivals, Served, code_of, opened, won

WAYS = [
    (kind, name, options)
    for kind in ("sqlite", "postgresql")
    for name, options in (("one process", []), ("two workers", ["--workers", "2"]))
]
SMALL_AND_LARGE = pytest.mark.parametrize(
    ("served", "large"),
    [
        # Every day two processes will do: they are harder than one.
        *(
            pytest.param((kind, *options), False, id=f"{kind}, {name}")
            for kind, name, options in WAYS
            if options
        ),
        *(
            pytest.param((kind, *options), True, id=f"{kind}, {name}, large", marks=pytest.mark.torture)
            for kind, name, options in WAYS
        ),
    ],
    indirect=["served"],
    scope="module",  # so that tests share servers
)


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without a worker: what lapses is settled by whoever wants the time."""
    kind, *options = request.param
    folder = tmp_path_factory.mktemp("races")
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
    else:
        path = folder / "kalends.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    with serving(url, *options, log=folder / "log", env=PATIENCE) as server:
        served = Served(url, server.port, folder / "log")
        yield served
        assert not served.complaints()


# Two hundred want one slot, in every way there is.


@SMALL_AND_LARGE
def test_of_200_who_want_one_slot_in_different_ways_one_gets_it(served: Served, large: bool) -> None:
    asyncio.run(_mixed_race(served, large))


async def _mixed_race(served: Served, large: bool) -> None:
    rounds = 20 if large else 2
    async with opened(served, 200) as house:
        scene = await Contest.set(house)
        slowest = []
        for n, state in zip(
            range(rounds), itertools.cycle(("free", "let go", "held", "pending")), strict=False
        ):
            house.slowest = 0.0
            await scene.play(FIRST + n * DAY, state)
            slowest.append(house.slowest)
        print("slowest of each round:", " ".join(f"{seconds:.2f}" for seconds in slowest))
        await house.tell(f"{rounds} rounds", large=large)


@dataclass
class Contest:
    """Appointments that want to move to the slot, that were cancelled there, and everybody who would book."""

    house: Rivals
    chance: random.Random
    waiting_type: str
    """A type of 30 minutes, with buffers, that clients book subject to confirmation."""
    staffs: list[str]
    """Appointments that staff move."""
    tokens: list[str]
    """Links of appointments that clients move."""
    watched: list[str]
    """Appointments that staff move if nobody else did meanwhile, two at a time."""
    cancelled: list[str]

    @classmethod
    async def set(cls, house: Rivals) -> "Contest":
        waiting = await house.new_type(
            durationMinutes=30, bufferBeforeMinutes=15, bufferAfterMinutes=15, requiresConfirmation=True
        )
        elsewhere = (FIRST + 100 * DAY + n * 2 * HOUR for n in itertools.count())
        by_staff = await house.all_done([house.booking(next(elsewhere)) for _ in range(40)])
        ids = [each["appointment"]["id"] for each in by_staff]
        types = [house.org.type_id] * 15 + [waiting] * 10
        by_clients = await house.all_done(
            [house.client_booking(next(elsewhere), appointment_type_id=each) for each in types]
        )
        tokens = [each["manage_token"] for each in by_clients]
        return cls(house, random.Random(20300107), waiting, ids[:25], tokens, ids[25:30], ids[30:])

    async def play(self, slot: datetime, state: str) -> None:
        """A race for a slot that is free; or let go in the middle of it; or held, or booked and still to be
        confirmed, by some of those who race."""
        house = self.house
        # Whatever was cancelled now was so in this slot. What stays so is not moved, so it stands first.
        aside = [stamp(FIRST + 110 * DAY + n * 2 * HOUR) for n in range(len(self.cancelled))]
        await house.all_done(
            [
                house.setting(id_, "confirmed", start_time=start)
                for id_, start in zip(self.cancelled, aside, strict=True)
            ]
        )
        await house.all_done(
            [house.setting(id_, "cancelled", start_time=stamp(slot)) for id_ in self.cancelled]
        )
        asks, usual = await self._who_knows_more(slot, state), await self._usual(slot)
        self.chance.shuffle(usual)
        asks += usual[: len(house.crowd) - len(asks)]
        self.chance.shuffle(asks)
        replies = await house.at_once(asks)

        gone = ["releasing", "client cancelling"]
        winners = [(ask, body) for ask, body in won(asks, replies) if ask.what not in gone]
        codes = Counter(filter(None, map(code_of, replies)))
        assert set(codes) <= {"slot_taken", "precondition_failed", "hold_gone"}, codes
        print(f"{slot:%d} {state}: {Counter(ask.what for ask, _ in winners)}, {dict(codes)}")
        if state == "let go":
            assert len(winners) <= 1, winners
        elif state == "pending":
            # Whoever confirms what is confirmed is told so; nobody else gets anywhere.
            assert len(winners) == 10
            assert len({body["appointment"]["id"] for _, body in winners}) == 1
            assert {ask.what for ask, _ in winners} == {"setting confirmed"}
        else:
            assert len(winners) == 1, winners
            self._losers_were_told(asks, replies, winners[0][1])
        if state == "held":
            assert winners[0][0].body["hold_id"]
        await self._one_is_there(slot, winners)

    async def _one_is_there(self, slot: datetime, winners: Sequence[tuple[Ask, Any]]) -> None:
        house = self.house
        active = await house.active(slot - HOUR, slot + HOUR)
        if not winners:  # all had asked before it was let go
            assert not active
            await house.done(house.booking(slot))
        else:
            ask, body = winners[0]
            if "hold" in body:
                [held] = active
                assert held.is_hold
                book = house.booking if ask.what == "holding" else house.client_booking
                await house.done(book(slot, hold_id=body["hold"]["id"]))
            else:
                assert [row.id for row in active] == [body["appointment"]["id"]]
        [one] = await house.active(slot - HOUR, slot + HOUR)
        assert not one.is_hold
        await house.database.read(check_times, house.org.id, SystemClock().now())

    async def _who_knows_more(self, slot: datetime, state: str) -> list[Ask]:
        """What those ask who have a claim on the slot before the race."""
        house = self.house
        match state:
            case "let go" if slot.day % 8 < 4:
                held = await house.done(house.holding(slot, check="all"))
                return [house.releasing(held["hold"]["id"])]
            case "let go":
                booked = await house.done(house.client_booking(slot))
                return [house.client_cancelling(booked["manage_token"], f"{n}") for n in range(5)]
            case "held":
                hold_id = (await house.done(house.client_holding(slot)))["hold"]["id"]
                return [house.booking(slot, hold_id=hold_id) for _ in range(5)] + [
                    house.client_booking(slot, hold_id=hold_id) for _ in range(5)
                ]
            case "pending":
                booked = await house.done(house.client_booking(slot, appointment_type_id=self.waiting_type))
                return [house.setting(booked["appointment"]["id"], "confirmed") for _ in range(10)]
        return []

    async def _usual(self, slot: datetime) -> list[Ask]:
        house = self.house
        # A change that changes nothing tells the version.
        seen = await house.all_done([house.staff("", f"{PATH}/{id_}", {}, "PATCH") for id_ in self.watched])
        versions = [each["appointment"]["version"] for each in seen]
        asks = [house.client_booking(slot) for _ in range(20)]
        asks += [house.client_booking(slot, appointment_type_id=self.waiting_type) for _ in range(20)]
        asks += [house.booking(slot) for _ in range(25)]
        asks += [house.booking(slot, check="all") for _ in range(15)]
        asks += [house.booking(slot, calendar_id=house.org.calendar_id, check="all") for _ in range(10)]
        asks += [house.holding(slot) for _ in range(15)]
        asks += [house.holding(slot, check="all") for _ in range(5)]
        asks += [house.client_holding(slot) for _ in range(20)]
        asks += [
            house.moving(id_, slot, check=check) for id_, check in zip(self.staffs, _CHECKS, strict=False)
        ]
        asks += [house.client_moving(token, slot) for token in self.tokens]
        asks += [
            house.moving(id_, slot, match=version)
            for id_, version in zip(self.watched, versions, strict=True)
            for _ in range(2)
        ]
        asks += [
            house.setting(id_, "confirmed", check=check)
            for id_, check in zip(self.cancelled, _CHECKS, strict=False)
        ]
        assert len(asks) == len(house.crowd)
        return asks

    def _losers_were_told(self, asks: Sequence[Ask], replies: Sequence[Reply], winner: Any) -> None:
        """Staff are told what is in the way: that is whatever has won, or was in the slot before."""
        for ask, reply in zip(asks, replies, strict=True):
            if ask.key and code_of(reply) == "slot_taken":
                for reason in reply.json()["details"]["reasons"]:
                    if "held_until" not in reason:
                        assert reason["appointment_id"] == winner["appointment"]["id"], (ask, reason)


_CHECKS = ["conflicts", "all"] * 20


# The last place of a day, and of a week.

CAPS = {"maxPerDay": 3, "maxPerWeek": 5}


@SMALL_AND_LARGE
@pytest.mark.parametrize("cap", CAPS)
def test_of_60_who_want_the_last_place_of_a_day_or_a_week_one_gets_it(
    served: Served, cap: str, large: bool
) -> None:
    asyncio.run(_last_places(served, cap, large))


async def _last_places(served: Served, cap: str, large: bool) -> None:
    rounds = 15 if large else 1
    async with opened(served, 60) as house:
        calendars = [house.org.calendar_id, await house.new_calendar()]
        capped = await house.new_type(calendarIds=calendars, **{cap: CAPS[cap]})
        wish = {"appointment_type_id": capped}
        days = 7 if cap == "maxPerWeek" else 1
        # These would move there from weeks of their own.
        movable = await house.all_done(
            [house.client_booking(FIRST + (100 + n) * 7 * DAY, **wish) for n in range(12)]
        )
        tokens = [each["manage_token"] for each in movable]
        chance = random.Random(20300107)
        for n in range(rounds):
            begin = FIRST.replace(hour=0) + n * 7 * DAY
            # In the last hours, which nobody wants: all but one place is booked, on both calendars.
            for place in range(CAPS[cap] - 1):
                late = begin + days * DAY - (1 + place // 2) * HOUR
                await house.done(house.booking(late, calendar_id=calendars[place % 2], check="all", **wish))
            wanted = [begin + (step % (days * 20)) * HOUR for step in range(60)]
            chance.shuffle(wanted)
            times = iter(wanted)
            asks = [house.client_booking(next(times), **wish) for _ in range(15)]
            asks += [house.booking(next(times), check="all", **wish) for _ in range(9)]
            asks += [
                house.booking(next(times), check="all", calendar_id=each, **wish)
                for each in calendars
                for _ in range(6)
            ]
            asks += [house.client_holding(next(times), **wish) for _ in range(6)]
            asks += [house.holding(next(times), check="all", **wish) for _ in range(6)]
            asks += [house.client_moving(tokens[turn], next(times)) for turn in range(12)]
            chance.shuffle(asks)
            assert len(asks) == len(house.crowd)
            replies = await house.at_once(asks)
            statuses = Counter((reply.status, code_of(reply)) for reply in replies)
            assert statuses == {(200, None): 1, (409, "limit_reached"): 59}
            assert len(await house.active(begin, begin + days * DAY)) == CAPS[cap]
        await house.tell(f"{rounds} rounds, {cap}", large=large)


# A hold is used once.


@SMALL_AND_LARGE
def test_a_hold_is_redeemed_once(served: Served, large: bool) -> None:
    asyncio.run(_redeem(served, large))


async def _redeem(served: Served, large: bool) -> None:
    rounds = 20 if large else 2
    async with opened(served, 51) as house:
        second = await house.new_calendar()
        shared = await house.new_type(calendarIds=[house.org.calendar_id, second])
        for n in range(rounds):
            slot, wish = FIRST + n * DAY, {"appointment_type_id": shared}
            hold = house.holding if n % 2 else house.client_holding
            held = (await house.done(hold(slot, **wish)))["hold"]
            wish["hold_id"] = held["id"]
            asks = [house.client_booking(slot, **wish) for _ in range(25)]
            asks += [house.booking(slot, **wish) for _ in range(25)]
            if n % 4 > 1:  # and somebody gives it back meanwhile
                asks.insert(n % 50, house.releasing(held["id"]))
            replies = await house.at_once(asks)
            [(winner, _)] = won(asks, replies)
            lost = Counter(filter(None, map(code_of, replies)))
            assert set(lost) <= {"hold_gone", "not_found"}
            there = await house.active(slot, slot + HOUR)
            assert [row.is_hold for row in there] == ([] if winner.what == "releasing" else [False])
        await house.tell(f"{rounds} holds", large=large)


# A hold is given up once.


@SMALL_AND_LARGE
def test_a_hold_is_replaced_or_redeemed(served: Served, large: bool) -> None:
    asyncio.run(_replace(served, large))


async def _replace(served: Served, large: bool) -> None:
    """Fifty want the hold's own time, or the half hour after it, in its place; some book it, and somebody
    gives it back. Whatever comes first: the hour is taken once, and what is refused changes nothing."""
    rounds = 20 if large else 2
    async with opened(served, 51) as house:
        second = await house.new_calendar()
        shared = await house.new_type(
            calendarIds=[house.org.calendar_id, second], maxPerDay=3, slotIntervalMinutes=30
        )
        for n in range(rounds):
            slot, half_past = FIRST + n * DAY, FIRST + n * DAY + HOUR / 2
            wish: dict[str, Any] = {"appointment_type_id": shared}
            held = (await house.done(house.client_holding(slot, **wish)))["hold"]
            other = (await house.done(house.client_holding(slot, **wish)))["hold"]
            asks = [house.client_holding(half_past, replaces=held["id"], **wish) for _ in range(10)]
            asks += [house.client_holding(slot, replaces=other["id"], **wish) for _ in range(10)]
            asks += [house.holding(half_past, replaces=other["id"], **wish) for _ in range(10)]
            asks += [house.client_booking(slot, hold_id=held["id"], **wish) for _ in range(10)]
            asks += [house.booking(slot, hold_id=other["id"], **wish) for _ in range(10)]
            asks.append(house.releasing(held["id"]))
            random.Random(n).shuffle(asks)
            replies = await house.at_once(asks)
            refusals = set(filter(None, map(code_of, replies)))
            assert refusals <= {"slot_taken", "limit_reached", "hold_gone", "not_found"}
            got = {
                body["id"]
                for _, answer in won(asks, replies)
                if (body := answer.get("hold") or answer.get("appointment")) is not None
            }
            there = {row.id for row in await house.active(slot, slot + HOUR)}
            assert there <= got | {held["id"], other["id"]}
            assert len(there) <= 2
            assert len([row for row in await house.active(slot, slot + HOUR) if not row.is_hold]) == len(
                [ask for ask, _ in won(asks, replies) if "booking" in ask.what]
            )
        await house.tell(f"{rounds} holds replaced", large=large)


# What lapses while everybody waits for it.


@SMALL_AND_LARGE
def test_what_lapses_is_booked_once(served: Served, large: bool) -> None:
    asyncio.run(_lapses(served, large))


async def _lapses(served: Served, large: bool) -> None:
    rounds = 10 if large else 1
    async with opened(served, 220) as house:
        waiting = await house.new_type(requiresConfirmation=True, confirmWithinHours=1)
        once_a_day = await house.new_type(
            maxPerDay=1, calendarIds=[house.org.calendar_id, await house.new_calendar()]
        )
        for n in range(rounds):
            await asyncio.gather(
                _hold_lapses(house, FIRST + n * DAY, range(55)),
                _confirmation_lapses(house, waiting, FIRST + (n + 50) * DAY, range(55, 110)),
                _confirmation_has_lapsed(house, waiting, FIRST + (n + 100) * DAY, range(110, 165)),
                _last_place_lapses(house, once_a_day, FIRST + (n + 150) * DAY, range(165, 220)),
            )
        await house.tell(f"{rounds} rounds of lapses", large=large)


async def _hold_lapses(house: Rivals, slot: datetime, seats: range) -> None:
    """Fifty want the slot without the hold; and in the last moment, so do those who have it."""
    held = (await house.done(house.holding(slot, ttl_seconds=2), seats[0]))["hold"]
    asks = [house.client_booking(slot), house.booking(slot), house.booking(slot, check="all")] * 17
    asks = asks[:50] + [house.booking(slot, hold_id=held["id"])] * 5
    codes = await _around(house, slot, asks, seats, datetime.fromisoformat(held["expires_at"]))
    assert codes <= {None, "slot_taken", "hold_gone"}


async def _confirmation_lapses(house: Rivals, waiting: str, slot: datetime, seats: range) -> None:
    """Fifty want the slot of a pending appointment, which staff confirm in the last moment."""
    booked = await house.done(house.client_booking(slot, appointment_type_id=waiting), seats[0])
    id_, until = booked["appointment"]["id"], SystemClock().now() + timedelta(seconds=2)
    await house.lapse(id_, until)
    asks = [house.client_booking(slot), house.booking(slot), house.holding(slot)] * 17
    asks = asks[:50] + [house.setting(id_, "confirmed")] * 5
    assert await _around(house, slot, asks, seats, until) <= {None, "slot_taken"}


async def _last_place_lapses(house: Rivals, once_a_day: str, slot: datetime, seats: range) -> None:
    """Fifty want other times of a day whose only place is held; and in the last moment, so do those who have
    it."""
    wish = {"appointment_type_id": once_a_day}
    held = (await house.done(house.client_holding(slot, ttl_seconds=2, **wish), seats[0]))["hold"]
    asks = [house.client_booking(slot + (1 + n % 12) * HOUR, **wish) for n in range(25)]
    asks += [house.booking(slot + (1 + n % 12) * HOUR, check="all", **wish) for n in range(25)]
    asks += [house.client_booking(slot, hold_id=held["id"], **wish)] * 5
    codes = await _around(house, slot, asks, seats, datetime.fromisoformat(held["expires_at"]))
    assert codes <= {None, "limit_reached", "hold_gone"}


async def _around(
    house: Rivals, slot: datetime, asks: Sequence[Ask], seats: range, moment: datetime
) -> set[str | None]:
    """Assert that one thing is got of what is asked shortly before and after a moment; all codes. The first
    fifty insist, the others, who would just have it, try once."""

    async def insist(ask: Ask, seat: int, early: float, *, again: bool) -> list[Reply]:
        await asyncio.sleep(moment.timestamp() + early - datetime.now(UTC).timestamp())
        replies = [await house.send(ask, seat)]
        while again and replies[-1].status == 409 and SystemClock().now() <= moment:
            await asyncio.sleep(0.25)
            replies.append(await house.send(ask, seat))
        return replies

    chance = random.Random(slot.day)
    answers = await asyncio.gather(
        *(
            insist(
                ask, seat, chance.uniform(-0.3, 0.3) if n < 50 else chance.uniform(-0.05, 0.05), again=n < 50
            )
            for n, (ask, seat) in enumerate(zip(asks, seats, strict=True))
        )
    )
    return await _one_thing_is_there(house, slot, list(itertools.chain(*answers)))


async def _one_thing_is_there(house: Rivals, slot: datetime, replies: Sequence[Reply]) -> set[str | None]:
    """Assert that one thing was got, however many were told so, and that it is in the slot; all codes."""
    bodies = [reply.json() for reply in replies if reply.status == 200]
    [winner] = {(body.get("appointment") or body.get("hold"))["id"] for body in bodies}
    assert [row.id for row in await house.active(slot, slot + 13 * HOUR)] == [winner]
    return {code_of(reply) for reply in replies}


async def _confirmation_has_lapsed(house: Rivals, waiting: str, slot: datetime, seats: range) -> None:
    """Fifty want the slot of an appointment that nobody confirmed in time, and staff confirm it after all."""
    booked = await house.done(house.client_booking(slot, appointment_type_id=waiting), seats[0])
    id_ = booked["appointment"]["id"]
    await house.lapse(id_, SystemClock().now() - timedelta(seconds=1))
    wish = {"appointment_type_id": waiting}
    asks = [house.client_booking(slot, **wish), house.booking(slot), house.client_holding(slot)] * 17
    asks = asks[:50] + [house.setting(id_, "confirmed"), house.setting(id_, "confirmed", check="all")] * 3
    asks = asks[:55]
    random.Random(slot.day).shuffle(asks)
    replies = await asyncio.gather(*(house.send(ask, seat) for ask, seat in zip(asks, seats, strict=True)))
    assert await _one_thing_is_there(house, slot, replies) <= {None, "slot_taken"}
