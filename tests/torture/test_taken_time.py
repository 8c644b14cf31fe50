"""Everybody wants time of several calendars at once, while others block it, and other calendars fill it."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kalends.clock import SystemClock
from kalends.core.errors import Unavailable
from kalends.core.hours import seconds, stamp
from kalends.db.busy_times import keep_busy
from kalends.db.database import Tx
from kalends.db.locks import lock_calendars
from tests.support.books import check_times
from tests.support.processes import everyday_two_workers
from tests.support.server import serving
from tests.torture.rivals import DAY, FIRST, HOUR, PATIENCE, Bustle, Served, opened
from tests.torture.test_bustle import deadlocks

SLOTS = [FIRST + day * DAY + half * HOUR / 2 for day in range(2) for half in range(6)]
ALLOWED = {
    409: {
        *("slot_taken", "blocked", "busy_elsewhere", "illegal_transition", "hold_gone", "hold_mismatch"),
        *("conflict", "appointments_in_the_way", "calendar_not_serving"),
    },
    404: {"not_found"},  # a hold that lapsed or was used, a block that is gone
}
BLOCKS = "/v1/calendar/blocks"


@everyday_two_workers("rounds", everyday=2, torture=20)
def test_whatever_takes_time_takes_all_of_it_or_none(
    empty_url: str, tmp_path: Path, options: list[str], rounds: int
) -> None:
    large = rounds >= 20
    log = tmp_path / "log"
    with serving(empty_url, "--worker", *options, log=log, env=PATIENCE) as server:
        served = Served(empty_url, server.port, log)
        asyncio.run(_crowd(served, rounds, 200 if large else 40, large=large))
        assert not served.complaints()
    assert asyncio.run(deadlocks(empty_url)) == 0


async def _crowd(served: Served, rounds: int, number: int, *, large: bool) -> None:
    async with opened(served, number) as house:
        calendars = [house.org.calendar_id, *[await house.new_calendar() for _ in range(4)]]
        one, two, three, four, five = calendars
        new_type = partial(house.new_type, slotIntervalMinutes=30)
        types = [
            await new_type(calendarIds=[one, two, three]),
            await new_type(
                requirements=[
                    {"name": "doctor", "calendarIds": [one, two], "count": 1},
                    {"name": "room", "calendarIds": [four, five], "count": 1},
                ]
            ),
            await new_type(
                requirements=[
                    {"name": "doctor", "calendarIds": [two, three], "count": 1},
                    {"name": "room", "calendarIds": [four], "count": 1},
                    {"name": "device", "calendarIds": [five, one], "count": 1, "durationMinutes": 30},
                ]
            ),
            await new_type(requirements=[{"name": "team", "calendarIds": calendars[:4], "count": 3}]),
        ]
        crowd = Crowd(house, calendars, ALLOWED, types=types)
        for number_ in range(rounds):
            await crowd.round(number_)
            await house.database.read(check_times, house.org.id, SystemClock().now())
        print(f"{rounds} rounds of {number}: {dict(crowd.statuses)}, {dict(crowd.got)}")
        wanted = {"booking", "holding", "block", "import"}
        wanted |= {"client booking", "moving", "reassigning"} if large else set()
        assert wanted <= crowd.got.keys()
        await house.tell(f"{rounds} rounds of {number}", large=large)


@dataclass(kw_only=True)
class Crowd(Bustle):
    """Staff and clients who want time of calendars that their types share."""

    types: list[str]
    blocks: list[str] = field(default_factory=list)

    async def round(self, number: int) -> None:
        """Everybody once, at once."""
        slots = [slot + number * 7 * DAY for slot in SLOTS]
        parts = [self._book, self._book, self._client, self._hold, self._move, self._reassign, self._block]
        seats = range(len(self.house.crowd))
        chances = [random.Random(f"{number} {seat}") for seat in seats]
        await asyncio.gather(
            *(parts[seat % len(parts)](chances[seat], seat, slots) for seat in seats),
            self._import(random.Random(number), slots),
        )

    async def _book(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        wish: dict[str, Any] = {"appointment_type_id": chance.choice(self.types)}
        if wish["appointment_type_id"] == self.types[0] and chance.random() < 0.3:
            wish["calendar_id"] = chance.choice(self.calendars)
        ask = self.house.booking(chance.choice(slots), check=chance.choice(["all", "conflicts"]), **wish)
        booked = await self.book(ask, seat)
        if booked is not None and chance.random() < 0.3:
            id_ = booked["appointment"]["id"]
            await self.ask(self.house.setting(id_, "cancelled"), seat)
            await self.ask(self.house.setting(id_, "confirmed"), seat)

    async def _client(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        wish = {"appointment_type_id": chance.choice(self.types)}
        booked = await self.book(self.house.client_booking(chance.choice(slots), **wish), seat)
        if booked is not None:
            await self.ask(self.house.client_moving(booked["manage_token"], chance.choice(slots)), seat)

    async def _hold(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        slot, wish = chance.choice(slots), {"appointment_type_id": chance.choice(self.types)}
        held = await self.ask(self.house.holding(slot, ttl_seconds=60, **wish), seat)
        if held is None:
            return
        if chance.random() < 0.3:
            await self.ask(self.house.releasing(held["hold"]["id"]), seat)
        else:
            await self.book(self.house.booking(slot, hold_id=held["hold"]["id"], **wish), seat)

    async def _move(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        if self.ids:
            await self.ask(self.house.moving(chance.choice(self.ids[-30:]), chance.choice(slots)), seat)

    async def _reassign(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        """Give an appointment another calendar, another length, or another type."""
        if not self.ids:
            return
        wishes: list[dict[str, Any]] = [
            {"calendar_id": chance.choice(self.calendars)},
            {"duration_minutes": chance.choice([30, 60, 90])},
            {"appointment_type_id": chance.choice(self.types)},
        ]
        wish = chance.choice(wishes)
        path = f"/v1/calendar/appointments/{chance.choice(self.ids[-30:])}"
        await self.ask(self.house.staff("reassigning", path, wish, "PATCH"), seat)

    async def _block(self, chance: random.Random, seat: int, slots: Sequence[datetime]) -> None:
        if self.blocks and chance.random() < 0.4:
            gone = self.blocks.pop(chance.randrange(len(self.blocks)))
            await self.ask(self.house.staff("unblock", f"{BLOCKS}/{gone}", {}, "DELETE"), seat)
            return
        begin = chance.choice(slots)
        whose = {"all": True} if chance.random() < 0.2 else {"calendar_id": chance.choice(self.calendars)}
        wish = {"start_time": stamp(begin), "end_time": stamp(begin + HOUR), "force": chance.random() < 0.5}
        made = await self.ask(self.house.staff("block", BLOCKS, wish | whose), seat)
        if made is not None:
            self.blocks.append(made["block"]["id"])

    async def _import(self, chance: random.Random, slots: Sequence[datetime]) -> None:
        """Fill calendars as a worker does that has read another calendar."""
        for calendar_id in self.calendars[:3]:
            begins = sorted(chance.sample(slots[::2], 2))
            spans = [(begin, begin + timedelta(minutes=20)) for begin in begins]
            # A file's only writer may be too busy to let others write.
            with contextlib.suppress(Unavailable):
                await self.house.database.write(_fill, self.house.org.id, calendar_id, spans)
                self.got["import"] += 1


def _fill(tx: Tx, org_id: str, calendar_id: str, spans: Sequence[tuple[datetime, datetime]]) -> None:
    lock_calendars(tx, org_id, [calendar_id])
    times = [(seconds(start), seconds(end)) for start, end in spans]
    keep_busy(tx, org_id, f"src_{calendar_id}", "source", calendar_id, times)
