"""Staff and clients want the same time at once, each in a way of their own: one gets it, and the books tell
how."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench.wire import Reply
from sqlalchemy import func, select, text, update

from kalends.clock import SystemClock
from kalends.core.errors import Unavailable
from kalends.core.hours import stamp
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import appointments, events, organizations
from kalends.schemas.appointments import Actor
from kalends.schemas.holds import HoldCreate
from kalends.services.booking import bookings, holds
from kalends.services.outbox.parties import Party
from tests.support.books import check_histories, check_times
from tests.support.desk import week
from tests.support.load import PATH
from tests.support.organizations import Org, make_org
from tests.support.patient import PatientClient, crowd
from tests.support.server import KALENDS, serving

HOLDS = "/v1/calendar/holds"
CLIENTS_OWN = "/v1/public/appointments"
OPEN = {"minNoticeHours": 0, "maxDaysAhead": None, "maxOpenPerClient": None}
"""A type that can be booked at any time to come, however often."""
PATIENCE = {"KALENDS_PUBLIC_REQUESTS_PER_HOUR": "1000000", "KALENDS_PUBLIC_HOLDS_PER_ADDRESS": "1000000"}
"""All clients here come from one address."""
OVERLOADED = ("The server is overloaded", "The database is busy with another process's writes")
"""What whoever waits longer than five seconds for the database is told, with a 503."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST = datetime(2030, 1, 7, 9, tzinfo=UTC)
"""A Monday."""
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


@dataclass(frozen=True)
class Served:
    """A server that runs, its database and its log."""

    url: str
    port: int
    log: Path

    def complaints(self) -> list[str]:
        """What it logged that is graver than what it was asked, but for having too much to do."""
        return [
            line
            for line in self.log.read_text().splitlines()
            if json.loads(line)["level"] not in ("debug", "info")
            and not any(each in line for each in OVERLOADED)
        ]


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


@dataclass(frozen=True)
class Ask:
    """A request; `key` is empty where a client asks."""

    what: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class House:
    """An organization that is open day and night: what its staff and its clients ask, and a crowd of them."""

    org: Org
    slug: str
    crowd: list[PatientClient]
    database: Database
    slowest: float = 0.0
    turned_away: int = 0

    async def send(self, ask: Ask, seat: int = 0) -> Reply:
        """The answer; who is turned away, since a machine is too slow for so many, asks again."""
        client = self.crowd[seat]
        reply = await client.once(ask.method, ask.path, ask.body, ask.key, dict(ask.headers))
        self.slowest = max(self.slowest, reply.seconds)
        if reply.status == 503 and reply.json()["error"].startswith(OVERLOADED):
            self.turned_away += 1
            await asyncio.sleep(int(reply.headers["retry-after"]))
            return await self.send(ask, seat)
        return reply

    async def at_once(self, asks: Sequence[Ask]) -> list[Reply]:
        """Everybody's answers, in the order of the questions."""
        for client in self.crowd[: len(asks)]:
            await client.ready()
        replies = await asyncio.gather(*(self.send(ask, seat) for seat, ask in enumerate(asks)))
        for ask, reply in zip(asks, replies, strict=True):
            assert reply.status < 500, (ask, reply)
        return replies

    async def done(self, ask: Ask, seat: int = 0) -> Any:
        """What is answered to a request that must succeed."""
        reply = await self.send(ask, seat)
        assert reply.status == 200, (ask, reply)
        return reply.json()

    async def all_done(self, asks: Sequence[Ask]) -> list[Any]:
        """The same of many at once, in as many turns as the crowd needs."""
        answers: list[Any] = []
        for begin in range(0, len(asks), len(self.crowd)):
            turn = asks[begin : begin + len(self.crowd)]
            answers += await asyncio.gather(*(self.done(ask, seat) for seat, ask in enumerate(turn)))
        return answers

    async def tell(self, what: str, *, large: bool) -> None:
        """Check the books, and print a line for the report. In a large test, which runs by itself, nobody may
        have been turned away; a small one may share its machine."""
        await self.database.read(check_times, self.org.id, SystemClock().now())
        told = await self.database.read(check_histories, self.org.id)
        print(f"{what}: slowest {self.slowest:.2f} s, {self.turned_away} turned away, {dict(told)}")
        assert not (large and self.turned_away)

    # What staff ask.

    def staff(self, what: str, path: str, body: Mapping[str, Any], method: str = "POST", **more: Any) -> Ask:
        return Ask(what, path, body, method, self.org.key, **more)

    def booking(self, start: datetime, **fields: Any) -> Ask:
        return self.staff("booking", PATH, self.org.wish(start_time=stamp(start), **fields))

    def holding(self, start: datetime, **fields: Any) -> Ask:
        wish = {"appointment_type_id": self.org.type_id, "start_time": stamp(start)} | fields
        return self.staff("holding", HOLDS, wish)

    def moving(self, id_: str, start: datetime, match: int | None = None, **fields: Any) -> Ask:
        headers = {} if match is None else {"If-Match": f'"{match}"'}
        return self.staff(
            "moving", f"{PATH}/{id_}", {"start_time": stamp(start)} | fields, "PATCH", headers=headers
        )

    def setting(self, id_: str, status: str, **fields: Any) -> Ask:
        return self.staff(f"setting {status}", f"{PATH}/{id_}", {"status": status} | fields, "PATCH")

    def releasing(self, hold_id: str) -> Ask:
        return self.staff("releasing", f"{HOLDS}/{hold_id}", {}, "DELETE")

    # What clients ask.

    def client_booking(self, start: datetime, **fields: Any) -> Ask:
        return Ask(
            "client booking", f"/v1/public/{self.slug}/appointments", self.booking(start, **fields).body
        )

    def client_holding(self, start: datetime, **fields: Any) -> Ask:
        return Ask("client holding", f"/v1/public/{self.slug}/holds", self.holding(start, **fields).body)

    def client_moving(self, token: str, start: datetime) -> Ask:
        return Ask("client moving", f"{CLIENTS_OWN}/{token}/reschedule", {"start_time": stamp(start)})

    def client_cancelling(self, token: str, reason: str) -> Ask:
        return Ask("client cancelling", f"{CLIENTS_OWN}/{token}/cancel", {"reason": reason})

    # What there is.

    async def new_calendar(self) -> str:
        made = await self.done(self.staff("", "/v1/calendar/calendars", {"name": "Another"}))
        id_: str = made["calendar"]["id"]
        return id_

    async def new_type(self, **fields: Any) -> str:
        wish = {"name": "Another", "durationMinutes": 60} | OPEN | fields
        made = await self.done(self.staff("", "/v1/calendar/appointment-types", wish))
        id_: str = made["appointmentType"]["id"]
        return id_

    async def active(self, start: datetime, end: datetime) -> list[Any]:
        """The appointments and holds that start within `[start, end)` and are active now."""
        return await self.database.read(_active, self.org.id, start, end, SystemClock().now())

    async def lapse(self, id_: str, at: datetime) -> int:
        """Let the time to confirm an appointment end at `at`; 0 where it is not pending."""
        return await self.database.write(_lapse, self.org.id, id_, at)


@contextlib.asynccontextmanager
async def opened(served: Served, number: int, **kind: Any) -> AsyncIterator[House]:
    """A new organization with a type of 60 minutes, its default calendar, and a crowd of so many."""
    database = open_database(served.url, pool_size=1)
    try:
        org = await make_org(database, SystemClock().now(), **(OPEN | kind))
        slug = await database.read(_slug, org.id)
        async with crowd(served.port, number) as clients:
            house = House(org, slug, clients, database)
            hours = {"schedules": week("00:00-24:00")}
            await house.done(house.staff("", "/v1/calendar/availability", hours, "PUT"))
            await house.done(house.staff("", "/v1/organization", {"public_bookings_per_hour": None}, "PATCH"))
            yield house
    finally:
        await database.close()


def code_of(reply: Reply) -> str | None:
    return None if reply.status == 200 else str(reply.json()["code"])


def won(asks: Sequence[Ask], replies: Sequence[Reply]) -> list[tuple[Ask, Any]]:
    """Who got what they asked for."""
    return [(ask, reply.json()) for ask, reply in zip(asks, replies, strict=True) if reply.status == 200]


# Two hundred want one slot, in every way there is.


@SMALL_AND_LARGE
def test_of_200_who_want_one_slot_in_different_ways_one_gets_it(served: Served, large: bool) -> None:
    asyncio.run(_mixed_race(served, large))


async def _mixed_race(served: Served, large: bool) -> None:
    rounds = 20 if large else 2
    async with opened(served, 200) as house:
        scene = await Scene.set(house)
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
class Scene:
    """Appointments that want to move to the slot, that were cancelled there, and everybody who would book."""

    house: House
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
    async def set(cls, house: House) -> "Scene":
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
        # Whatever was cancelled now was so in this slot.
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


async def _hold_lapses(house: House, slot: datetime, seats: range) -> None:
    """Fifty want the slot without the hold; and in the last moment, so do those who have it."""
    held = (await house.done(house.holding(slot, ttl_seconds=2), seats[0]))["hold"]
    asks = [house.client_booking(slot), house.booking(slot), house.booking(slot, check="all")] * 17
    asks = asks[:50] + [house.booking(slot, hold_id=held["id"])] * 5
    codes = await _around(house, slot, asks, seats, datetime.fromisoformat(held["expires_at"]))
    assert codes <= {None, "slot_taken", "hold_gone"}


async def _confirmation_lapses(house: House, waiting: str, slot: datetime, seats: range) -> None:
    """Fifty want the slot of a pending appointment, which staff confirm in the last moment."""
    booked = await house.done(house.client_booking(slot, appointment_type_id=waiting), seats[0])
    id_, until = booked["appointment"]["id"], SystemClock().now() + timedelta(seconds=2)
    await house.lapse(id_, until)
    asks = [house.client_booking(slot), house.booking(slot), house.holding(slot)] * 17
    asks = asks[:50] + [house.setting(id_, "confirmed")] * 5
    assert await _around(house, slot, asks, seats, until) <= {None, "slot_taken"}


async def _last_place_lapses(house: House, once_a_day: str, slot: datetime, seats: range) -> None:
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
    house: House, slot: datetime, asks: Sequence[Ask], seats: range, moment: datetime
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


async def _one_thing_is_there(house: House, slot: datetime, replies: Sequence[Reply]) -> set[str | None]:
    """Assert that one thing was got, however many were told so, and that it is in the slot; all codes."""
    bodies = [reply.json() for reply in replies if reply.status == 200]
    [winner] = {(body.get("appointment") or body.get("hold"))["id"] for body in bodies}
    assert [row.id for row in await house.active(slot, slot + 13 * HOUR)] == [winner]
    return {code_of(reply) for reply in replies}


async def _confirmation_has_lapsed(house: House, waiting: str, slot: datetime, seats: range) -> None:
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


# Everybody moves everything.

HOT = [FIRST + day * DAY + hour * HOUR for day in range(3) for hour in range(4)]
ALLOWED = {
    409: {"slot_taken", "limit_reached", "illegal_transition", "hold_gone", "conflict"},
    404: {"not_found"},  # a hold that lapsed or was used
}


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        pytest.param(["--workers", "2"], 3, id="two workers"),
        pytest.param([], 20, id="one process, large", marks=pytest.mark.torture),
        pytest.param(["--workers", "2"], 20, id="two workers, large", marks=pytest.mark.torture),
    ],
)
def test_whatever_is_moved_at_once_nobody_waits_in_a_ring(
    empty_url: str, tmp_path: Path, options: list[str], seconds: int
) -> None:
    log = tmp_path / "log"
    with serving(empty_url, "--worker", *options, log=log, env=PATIENCE) as server:
        served = Served(empty_url, server.port, log)
        asyncio.run(_bustle(served, seconds))
        assert not served.complaints()
    assert asyncio.run(_deadlocks(empty_url)) == 0


async def _bustle(served: Served, seconds: float) -> None:
    async with opened(served, 32, maxPerDay=10) as house:
        calendars = [house.org.calendar_id, await house.new_calendar(), await house.new_calendar()]
        await house.done(
            house.staff(
                "",
                f"/v1/calendar/appointment-types/{house.org.type_id}",
                {"calendarIds": calendars, "maxPerDay": 10},
                "PUT",
            )
        )
        waiting = await house.new_type(requiresConfirmation=True, calendarIds=calendars)
        bustle = Bustle(house, calendars, waiting, asyncio.get_running_loop().time() + seconds)
        await bustle.run()
        print(f"{seconds} s: {dict(bustle.statuses)}, {bustle.lapsed} made to lapse")
        print(dict(bustle.got))
        await house.tell(f"{seconds} s of bustle", large=seconds >= 20)


@dataclass
class Bustle:
    """Staff and clients who book, move, cancel and confirm in a few slots, all at random."""

    house: House
    calendars: list[str]
    waiting_type: str
    until: float
    ids: list[str] = field(default_factory=list)
    """Every appointment there is."""
    lapsed: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    got: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        parts: list[Callable[[random.Random, int], Awaitable[None]]] = []
        parts += [self._client] * 14
        parts += [self._mover] * 7
        parts += [self._officer] * 5
        parts += [self._desk] * 3
        parts += [self._holder] * 3
        actors = [self._act(part, seat) for seat, part in enumerate(parts)]
        await asyncio.gather(*actors, self._let_time_pass())

    def _goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.until

    async def _act(self, part: Callable[[random.Random, int], Awaitable[None]], seat: int) -> None:
        chance = random.Random(seat)
        while self._goes_on():
            await part(chance, seat)

    async def _ask(self, ask: Ask, seat: int) -> Any:
        """What is answered, if it is granted."""
        reply = await self.house.send(ask, seat)
        self.statuses[reply.status] += 1
        if reply.status == 200:
            self.got[ask.what] += 1
            return reply.json()
        assert code_of(reply) in ALLOWED.get(reply.status, ()), (ask, reply)
        return None

    def _book(self, body: Any) -> None:
        if body is not None:
            self.ids.append(body["appointment"]["id"])

    def _type(self, chance: random.Random) -> str:
        return chance.choice([self.house.org.type_id, self.waiting_type])

    async def _client(self, chance: random.Random, seat: int) -> None:
        """Book, then move it about, and most often cancel it, while staff do the same."""
        house = self.house
        wish = {"appointment_type_id": self._type(chance)}
        booked = await self._ask(house.client_booking(chance.choice(HOT), **wish), seat)
        self._book(booked)
        if booked is None:
            return
        token = booked["manage_token"]
        for _ in range(chance.randrange(4)):
            await self._ask(house.client_moving(token, chance.choice(HOT)), seat)
        if chance.random() < 0.8:
            await self._ask(house.client_cancelling(token, "no more"), seat)

    def _some(self, chance: random.Random) -> str | None:
        """An appointment of late: others are busy with it, too."""
        return chance.choice(self.ids[-20:]) if self.ids else None

    async def _mover(self, chance: random.Random, seat: int) -> None:
        if (id_ := self._some(chance)) is None:
            await asyncio.sleep(0.05)
            return
        check = chance.choice(["conflicts", "all"])
        await self._ask(self.house.moving(id_, chance.choice(HOT), check=check), seat)

    async def _officer(self, chance: random.Random, seat: int) -> None:
        if (id_ := self._some(chance)) is None:
            await asyncio.sleep(0.05)
            return
        status = chance.choice(["cancelled", "confirmed", "confirmed", "completed", "no_show"])
        await self._ask(self.house.setting(id_, status, check=chance.choice(["conflicts", "all"])), seat)

    async def _desk(self, chance: random.Random, seat: int) -> None:
        named = {"calendar_id": chance.choice(self.calendars)} if chance.random() < 0.5 else {}
        wish = named | {
            "appointment_type_id": self._type(chance),
            "check": chance.choice(["conflicts", "all"]),
        }
        booked = await self._ask(self.house.booking(chance.choice(HOT), **wish), seat)
        self._book(booked)
        if booked is not None and chance.random() < 0.7:
            await self._ask(self.house.setting(booked["appointment"]["id"], "cancelled"), seat)

    async def _holder(self, chance: random.Random, seat: int) -> None:
        """Hold, then book with it, give it back, or let it lapse."""
        house, slot = self.house, chance.choice(HOT)
        wish = {"appointment_type_id": self._type(chance)}
        hold = chance.choice([house.holding, house.client_holding])
        held = await self._ask(hold(slot, ttl_seconds=1, **wish), seat)
        if held is None:
            return
        wish["hold_id"] = held["hold"]["id"]
        match chance.randrange(4):
            case 0:
                await self._ask(house.releasing(wish["hold_id"]), seat)
            case 1:
                await asyncio.sleep(chance.uniform(0.8, 1.2))
                self._book(await self._ask(house.booking(slot, **wish), seat))
            case 2:
                self._book(await self._ask(house.client_booking(slot, **wish), seat))

    async def _let_time_pass(self) -> None:
        """Nobody confirms some of what waits for it."""
        while self._goes_on():
            await asyncio.sleep(0.1)
            there = await self.house.active(HOT[0], HOT[-1] + HOUR)
            waiting = [row.id for row in there if row.status == "pending"]
            if waiting:
                # A file's only writer may be too busy to let others write.
                with contextlib.suppress(Unavailable):
                    self.lapsed += await self.house.lapse(waiting[0], SystemClock().now())


async def _deadlocks(url: str) -> int:
    """How often PostgreSQL had to break a ring, whatever became of the request."""
    if url.startswith("sqlite"):
        return 0
    database = open_database(url, pool_size=1)
    counted = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    try:
        await asyncio.sleep(0.5)  # what was counted is told when the server's connections are gone
        return int(await database.read(lambda tx: tx.execute(counted).scalar_one()))
    finally:
        await database.close()


# The worker by itself.


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.torture)])
def test_two_workers_at_once_write_a_lapse_down_once(empty_url: str, tmp_path: Path, count: int) -> None:
    asyncio.run(_work(empty_url, tmp_path, count))


async def _work(url: str, folder: Path, count: int) -> None:
    database = open_database(url, pool_size=1)
    try:
        await database.migrate()
        now = SystemClock().now()
        org = await make_org(database, now, requiresConfirmation=True, confirmWithinHours=1)
        lapsed = await database.write(_unconfirmed, org, count, now)
        with working(url, folder / "one"), working(url, folder / "other"):
            await _settled(database, org, lapsed)
            if count >= 1_000:  # that they look again takes seconds
                [late] = await database.write(_unconfirmed, org, 1, now)
                await _settled(database, org, [*lapsed, late])
        print(f"{count} appointments: {await database.read(check_histories, org.id)}")
    finally:
        await database.close()


async def _settled(database: Database, org: Org, ids: Sequence[str]) -> None:
    """Wait until it is written down that all these have lapsed; and assert that each was told once, as it
    should be."""
    async with asyncio.timeout(30):
        while await database.read(_unsettled, org.id):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # for whoever would write it a second time
    stored, told = await database.read(_everything, org.id)
    assert {row.id for row in stored} == set(ids)  # and the holds are gone
    for row in stored:
        assert (row.status, row.version, row.expires_at) == ("cancelled", 2, None)
        assert row.cancellation_reason == "confirmation_expired"
    cancelled = [json.loads(payload) for type_, payload in told if type_ == "appointment.cancelled"]
    assert sorted(each["appointment"]["id"] for each in cancelled) == sorted(ids)
    for each in cancelled:
        assert each["actor"]["kind"] == "system"
        assert each["appointment"]["cancellation_reason"] == "confirmation_expired"
        assert each["previous"]["status"] == "pending"
    await database.read(check_histories, org.id)


@contextlib.contextmanager
def working(url: str, log: Path) -> Iterator[None]:
    """`kalends worker` for the length of a block. It must not complain, and stop when it is told to."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(KALENDS), "worker", "--json"],
            env=os.environ | {"KALENDS_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield
        assert process.stdout
        assert json.loads(process.stdout.readline())["worker"] is True
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()
        assert not log.read_text()
    finally:
        process.kill()
        process.communicate()


# What the tests look up and change behind the server's back.


def _slug(tx: Tx, org_id: str) -> str:
    return tx.execute(select(organizations.c.slug).where(organizations.c.id == org_id)).scalar_one()


def _active(tx: Tx, org_id: str, start: datetime, end: datetime, now: datetime) -> list[Any]:
    rows = tx.execute(
        select(appointments)
        .where(
            appointments.c.org_id == org_id,
            appointments.c.status != "cancelled",
            appointments.c.start_time >= start,
            appointments.c.start_time < end,
        )
        .order_by(appointments.c.start_time)
    ).all()
    return [row for row in rows if row.expires_at is None or row.expires_at > now]


def _lapse(tx: Tx, org_id: str, id_: str, at: datetime) -> int:
    """How many were still pending."""
    return tx.execute(
        update(appointments)
        .where(appointments.c.org_id == org_id, appointments.c.id == id_, appointments.c.status == "pending")
        .values(expires_at=at)
    ).rowcount


def _unsettled(tx: Tx, org_id: str) -> int:
    """How much there is that can lapse."""
    mine = (appointments.c.org_id == org_id, appointments.c.expires_at.is_not(None))
    return tx.execute(select(func.count()).select_from(appointments).where(*mine)).scalar_one()


def _everything(tx: Tx, org_id: str) -> tuple[Any, Any]:
    """An organization's appointments and holds, and its events."""
    return (
        tx.execute(select(appointments).where(appointments.c.org_id == org_id)).all(),
        tx.execute(select(events.c.type, events.c.payload).where(events.c.org_id == org_id)).all(),
    )


def _unconfirmed(tx: Tx, org: Org, count: int, now: datetime) -> list[str]:
    """Book as a client, so often, and hold once; and let the time for all that be over. What was booked."""
    client = Party(org.id, Actor(kind="client", id=None, name=None), source="booking_page")
    [first] = tx.execute(
        select(func.count()).select_from(appointments).where(appointments.c.org_id == org.id)
    ).one()
    slots = [FIRST + (first + n) * HOUR for n in range(count + 1)]
    wishes = [org.create(start_time=stamp(slot)) for slot in slots[1:]]
    ids = [bookings.book(tx, client, each, (), now, check="conflicts").id for each in wishes]
    wish = HoldCreate.model_validate({"appointment_type_id": org.type_id, "start_time": stamp(slots[0])})
    holds.hold(tx, client, wish, now, check="conflicts")
    waiting = (appointments.c.org_id == org.id, appointments.c.status == "pending")
    tx.execute(update(appointments).where(*waiting).values(expires_at=now))
    return ids
