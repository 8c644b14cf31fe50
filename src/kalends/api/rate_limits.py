"""Counting per hour, by the library `limits`: requests of a key or of an address, and other things."""

from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from limits import RateLimitItemPerHour
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from kalends.telemetry import Outage


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


@dataclass(frozen=True, slots=True)
class Used:
    """How much of something happened in this hour, which ends at `reset`, in Unix seconds."""

    count: int
    reset: int


_UNLIMITED = RateLimitItemPerHour(2**31)
"""Counts that are compared with limits which may be changed within the hour."""


class RateLimits:
    """Counts in memory (each process for itself) or in Redis (together)."""

    def __init__(self, storage: str) -> None:
        """Raises ValueError where there is no such storage."""
        options: dict[str, Any] = {}
        if not storage.startswith("memory"):
            options = {"implementation": "redispy", "socket_connect_timeout": 1, "socket_timeout": 1}
        try:
            made = storage_from_string(f"async+{storage}", wrap_exceptions=True, **options)
        except ConfigurationError as error:
            needs = "redis" in storage and "prerequisite" in str(error)
            raise ValueError(
                "KALENDS_RATE_LIMIT_STORAGE: Redis needs more packages: pip install kalends[redis]"
                if needs
                else "KALENDS_RATE_LIMIT_STORAGE must be memory:// or redis://host:6379"
            ) from None
        self._counter = FixedWindowRateLimiter(made)
        self._place = urlsplit(storage).netloc.rpartition("@")[2]
        self._outage = Outage("requests are not counted", "requests are counted again")
        self._items: dict[int, RateLimitItemPerHour] = {}

    async def count(self, who: str, limit: int, *, cost: int = 1) -> Allowance | None:
        """Count a request, or a dear one as several, of a key or an address. None where the storage is away:
        then nobody is turned away, since a clinic that can't book is worse off than one whose limit is not
        watched for a while."""
        item = self._items.get(limit)
        if item is None:
            item = self._items[limit] = RateLimitItemPerHour(limit)
        try:
            granted = await self._counter.hit(item, who, cost=cost)
            window = await self._counter.get_window_stats(item, who)
        except StorageError as error:
            self._is_away(error)
            return None
        self._outage.works()
        return Allowance(limit, window.remaining, ceil(window.reset_time), granted)

    async def used(self, what: str, more: int) -> Used | None:
        """How often something was used in this hour, and so many times `more`, which are not counted by that.
        None where the storage is away."""
        try:
            window = await self._counter.get_window_stats(_UNLIMITED, what)
        except StorageError as error:
            self._is_away(error)
            return None
        return Used(_UNLIMITED.amount - window.remaining + more, ceil(window.reset_time))

    async def use(self, what: str) -> None:
        """Count one use of something in this hour, if the storage is there."""
        try:
            await self._counter.hit(_UNLIMITED, what)
        except StorageError as error:
            self._is_away(error)

    def _is_away(self, error: StorageError) -> None:
        why = type(error.storage_error).__name__
        self._outage.fails(
            f"Can't use the Redis at {self._place} ({why}). "
            "Is it up, and is KALENDS_RATE_LIMIT_STORAGE right? Meanwhile nobody is turned away."
        )
