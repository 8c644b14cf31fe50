"""Counts per hour: of the requests of an organization, an address or a link, and of other things."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from limits.aio.storage import Storage
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from kalends.telemetry import Outage

T = TypeVar("T")

HOUR = 3_600
MOST_KNOWN = 100_000
"""How many of a kind are counted in memory at once, so that somebody with many addresses does not use it up.
Beyond it, those whose hour ends first are forgotten."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an hour. `reset` is Unix seconds."""

    limit: int
    remaining: int
    reset: int
    granted: bool

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The contract's three headers."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class Hours:
    """Counters in memory, each for the hour that begins with its first count."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        # All hours are of one length, so they end in the order in which they began: the dictionary's own.
        self._hours: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._hours)

    def add(self, who: str, amount: int, now: float, until: float | None = None) -> tuple[int, float]:
        """Count. Returns the count and when the hour ends (Unix seconds); one that begins now ends in an
        hour, or at `until`."""
        hour = self._hours.get(who)
        if hour is None or hour[1] <= now:
            self._hours.pop(who, None)  # the place in the order is that of the new hour
            self._forget(now)
            hour = self._hours[who] = [0, now + HOUR if until is None else until]
        hour[0] += amount
        return int(hour[0]), hour[1]

    def count(self, who: str, now: float) -> int:
        """Return the count of the present hour."""
        hour = self._hours.get(who)
        return 0 if hour is None or hour[1] <= now else int(hour[0])

    def reset(self, who: str, now: float) -> float:
        """Return when the present hour ends, or would end if it began now (Unix seconds)."""
        hour = self._hours.get(who)
        return now + HOUR if hour is None or hour[1] <= now else hour[1]

    def _forget(self, now: float) -> None:
        while self._hours:
            oldest = next(iter(self._hours))
            if self._hours[oldest][1] > now and len(self._hours) < self._most:
                return
            del self._hours[oldest]


class RateLimits:
    """Counts in memory (each process for itself) or, by the library `limits`, in Redis (together)."""

    def __init__(self, storage: str) -> None:
        """Raises ValueError if there is no such storage."""
        self._shared = None if storage.startswith("memory") else _shared(storage)
        self._memory: dict[str, Hours] = {}
        self._place = urlsplit(storage).netloc.rpartition("@")[2]
        self._outage = Outage("requests are not counted", "requests are counted again")

    async def count(self, kind: str, who: str, limit: int, *, cost: int = 1) -> Allowance | None:
        """Count a request, `cost` times, of an organization, say. Returns None if the storage is unreachable:
        then nobody is turned away, since a clinic that can't book is worse off than one whose limit is not
        watched for a while."""
        if self._shared is None:
            counted, reset = self._of(kind).add(who, cost, time.time())
        else:
            name = f"{kind}/{who}"
            found = await self._reached(_both(self._shared, name, cost))
            if found is None:
                return None
            counted, reset = found
        return Allowance(limit, max(0, limit - counted), ceil(reset), counted <= limit)

    async def note(self, kind: str, who: str, amount: int, until: int) -> None:
        """Count something that has no limit, until a time (Unix seconds)."""
        now = time.time()
        if self._shared is None:
            self._of(kind).add(who, amount, now, until)
        elif until > now:
            await self._reached(self._shared.incr(f"{kind}/{who}", ceil(until - now), amount))

    async def counted(self, kind: str, who: str) -> int | None:
        """Return the count of the present hour; None if the storage is unreachable."""
        if self._shared is None:
            return self._of(kind).count(who, time.time())
        return await self._reached(self._shared.get(f"{kind}/{who}"))

    async def close(self) -> None:
        """Close the connections to Redis. `limits` has no call for that, but its client has."""
        bridge = getattr(self._shared, "bridge", None)
        if bridge is not None:
            await bridge.storage.aclose()

    def _of(self, kind: str) -> Hours:
        if (hours := self._memory.get(kind)) is None:
            hours = self._memory[kind] = Hours()
        return hours

    async def _reached(self, asked: Awaitable[T]) -> T | None:
        try:
            found = await asked
        except StorageError as error:
            why = type(error.storage_error).__name__
            self._outage.fails(
                f"Can't use the Redis at {self._place} ({why}). "
                "Is it up, and is KALENDS_RATE_LIMIT_STORAGE right? Meanwhile nobody is turned away."
            )
            return None
        self._outage.works()
        return found

    async def used(self, kind: str, who: str) -> tuple[int, int] | None:
        """Return the count of the present hour, and when the hour ends (Unix seconds); None if the storage is
        unreachable."""
        now = time.time()
        if self._shared is None:
            return self._of(kind).count(who, now), ceil(self._of(kind).reset(who, now))
        name = f"{kind}/{who}"
        found = await self._reached(_used(self._shared, name))
        return None if found is None else (found[0], ceil(found[1] if found[0] else now + HOUR))


class _Counters(Protocol):
    """The part of a storage of `limits` that is used here."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int: ...
    async def get(self, key: str) -> int: ...
    async def get_expiry(self, key: str) -> float: ...


async def _both(storage: _Counters, name: str, cost: int) -> tuple[int, float]:
    return await storage.incr(name, HOUR, cost), await storage.get_expiry(name)


async def _used(storage: _Counters, name: str) -> tuple[int, float]:
    return await storage.get(name), await storage.get_expiry(name)


def _shared(storage: str) -> Storage:
    options: dict[str, Any] = {
        "implementation": "redispy",
        "socket_connect_timeout": 1,
        "socket_timeout": 1,
    }
    try:
        made = storage_from_string(f"async+{storage}", wrap_exceptions=True, **options)
    except ConfigurationError as error:
        needs = "redis" in storage and "prerequisite" in str(error)
        raise ValueError(
            "KALENDS_RATE_LIMIT_STORAGE: Redis needs more packages: pip install kalends[redis]"
            if needs
            else "KALENDS_RATE_LIMIT_STORAGE must be memory:// or redis://host:6379"
        ) from None
    return cast(Storage, made)
