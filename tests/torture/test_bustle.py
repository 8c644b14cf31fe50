"""Everybody moves everything, at random, in a few slots."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from kalends.clock import SystemClock
from kalends.core.errors import Unavailable
from kalends.db.opening import open_database
from tests.support.processes import everyday_two_workers
from tests.support.server import serving
from tests.torture.rivals import DAY, FIRST, HOUR, PATIENCE, Bustle, Served, opened

HOT = [FIRST + day * DAY + hour * HOUR for day in range(3) for hour in range(4)]
ALLOWED = {
    409: {"slot_taken", "limit_reached", "illegal_transition", "hold_gone", "conflict"},
    404: {"not_found"},  # a hold that lapsed or was used
}


@everyday_two_workers("seconds", everyday=3, torture=20)
def test_whatever_is_moved_at_once_nobody_waits_in_a_ring(
    empty_url: str, tmp_path: Path, options: list[str], seconds: int
) -> None:
    log = tmp_path / "log"
    with serving(empty_url, "--worker", *options, log=log, env=PATIENCE) as server:
        served = Served(empty_url, server.port, log)
        asyncio.run(_bustle(served, seconds))
        assert not served.complaints()
    assert asyncio.run(deadlocks(empty_url)) == 0


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
        until = asyncio.get_running_loop().time() + seconds
        bustle = Movers(house, calendars, ALLOWED, waiting_type=waiting, until=until)
        await bustle.run()
        print(f"{seconds} s: {dict(bustle.statuses)}, {bustle.lapsed} made to lapse")
        print(dict(bustle.got))
        await house.tell(f"{seconds} s of bustle", large=seconds >= 20)


@dataclass(kw_only=True)
class Movers(Bustle):
    """Staff and clients who book, move, cancel and confirm in a few slots."""

    waiting_type: str
    until: float
    lapsed: int = 0

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

    def _type(self, chance: random.Random) -> str:
        return chance.choice([self.house.org.type_id, self.waiting_type])

    async def _client(self, chance: random.Random, seat: int) -> None:
        """Book, then move it about, and most often cancel it, while staff do the same."""
        house = self.house
        wish = {"appointment_type_id": self._type(chance)}
        booked = await self.book(house.client_booking(chance.choice(HOT), **wish), seat)
        if booked is None:
            return
        token = booked["manage_token"]
        for _ in range(chance.randrange(4)):
            await self.ask(house.client_moving(token, chance.choice(HOT)), seat)
        if chance.random() < 0.8:
            await self.ask(house.client_cancelling(token, "no more"), seat)

    def _some(self, chance: random.Random) -> str | None:
        """An appointment of late: others are busy with it, too."""
        return chance.choice(self.ids[-20:]) if self.ids else None

    async def _mover(self, chance: random.Random, seat: int) -> None:
        if (id_ := self._some(chance)) is None:
            await asyncio.sleep(0.05)
            return
        check = chance.choice(["conflicts", "all"])
        await self.ask(self.house.moving(id_, chance.choice(HOT), check=check), seat)

    async def _officer(self, chance: random.Random, seat: int) -> None:
        if (id_ := self._some(chance)) is None:
            await asyncio.sleep(0.05)
            return
        status = chance.choice(["cancelled", "confirmed", "confirmed", "completed", "no_show"])
        await self.ask(self.house.setting(id_, status, check=chance.choice(["conflicts", "all"])), seat)

    async def _desk(self, chance: random.Random, seat: int) -> None:
        named = {"calendar_id": chance.choice(self.calendars)} if chance.random() < 0.5 else {}
        wish = named | {
            "appointment_type_id": self._type(chance),
            "check": chance.choice(["conflicts", "all"]),
        }
        booked = await self.book(self.house.booking(chance.choice(HOT), **wish), seat)
        if booked is not None and chance.random() < 0.7:
            await self.ask(self.house.setting(booked["appointment"]["id"], "cancelled"), seat)

    async def _holder(self, chance: random.Random, seat: int) -> None:
        """Hold, then book with it, give it back, or let it lapse."""
        house, slot = self.house, chance.choice(HOT)
        wish = {"appointment_type_id": self._type(chance)}
        hold = chance.choice([house.holding, house.client_holding])
        held = await self.ask(hold(slot, ttl_seconds=1, **wish), seat)
        if held is None:
            return
        wish["hold_id"] = held["hold"]["id"]
        match chance.randrange(4):
            case 0:
                await self.ask(house.releasing(wish["hold_id"]), seat)
            case 1:
                await asyncio.sleep(chance.uniform(0.8, 1.2))
                await self.book(house.booking(slot, **wish), seat)
            case 2:
                await self.book(house.client_booking(slot, **wish), seat)

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


async def deadlocks(url: str) -> int:
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
