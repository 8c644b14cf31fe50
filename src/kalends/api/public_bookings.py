"""Bookings without a key, within the number that an organization takes in an hour."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from starlette.responses import Response

from kalends.api.rate_limits import RateLimits
from kalends.core.caller import Host
from kalends.core.errors import RateLimited, Unavailable
from kalends.telemetry import Outage, Outages

MOVES_PER_HOUR = 10
"""How often a client may move one appointment: each time, staff are mailed."""
_HOUR = 3_600


class Counted(Protocol):
    """A change, which counts if it `was_made` (see `Change`)."""

    async def is_replay(self) -> bool: ...

    @property
    def was_made(self) -> bool: ...

    @property
    def real_now(self) -> datetime: ...


class PublicBookings:
    """Lets clients' changes through, and counts those that are made: not those that are refused, rehearsed or
    replayed. Changes under way count, too, so that many at once do not exceed the limit."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._full = Outages(
            "an organization takes no more bookings without a key in this hour",
            "an organization takes bookings without a key again",
        )
        self._silent = Outage(
            "clients can't book: they have to confirm by mail, and this server mails no links",
            "clients can book: this server mails links again",
        )

    async def book(
        self, change: Counted, host: Host, no_links: str | None, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Have a booking made, within the organization's limit. `no_links` is why no links are mailed, if
        none are.

        Raises RateLimited; Unavailable if the booking would have to be confirmed by mail.
        """
        if host.clients_confirm_by_mail and no_links is not None:
            self._silent.fails(f"KALENDS_SMTP_HOST and KALENDS_PUBLIC_URL must be set: {no_links}")
            raise Unavailable(
                "Bookings have to be confirmed by mail here, and no mails are sent at the moment; "
                f"please get in touch with {host.name}."
            )
        limit = host.public_bookings_per_hour
        if limit is None:
            return await make()
        try:
            response = await self._within(change, "bookings", host.org_id, limit, _full(host), make)
        except RateLimited:
            self._full.fails(
                host.org_id,
                "public_bookings_per_hour is used up: look whether somebody books in bulk (then have clients "
                "confirm: clients_confirm_by_mail), or raise it by PATCH /v1/organization",
                org_id=host.org_id,
                limit=limit,
            )
            raise
        if change.was_made:
            self._full.works(host.org_id, org_id=host.org_id)
        return response

    async def move(
        self, change: Counted, host: Host, appointment_id: str, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Have an appointment moved by its client. Raises RateLimited if that was done too often in this
        hour."""
        sentence = (
            "This appointment was moved too often in this hour; please try again later, or get in touch with "
            f"{host.name}."
        )
        which = f"{host.org_id}/{appointment_id}"
        return await self._within(change, "moves", which, MOVES_PER_HOUR, sentence, make)

    async def _within(
        self,
        change: Counted,
        kind: str,
        who: str,
        limit: int,
        sentence: str,
        make: Callable[[], Awaitable[Response]],
    ) -> Response:
        what = kind, who
        self._under_way[what] += 1
        try:
            used = await self._limits.used(kind, who)
            if used is not None and used[0] + self._under_way[what] > limit and not await change.is_replay():
                left = used[1] - int(change.real_now.timestamp())
                raise RateLimited(sentence, limit=limit, reset=used[1]).after(min(max(1, left), _HOUR))
            response = await make()
            if change.was_made:
                await self._limits.count(kind, who, limit)
            return response
        finally:
            self._under_way[what] -= 1
            if not self._under_way[what]:
                del self._under_way[what]


def _full(host: Host) -> str:
    return (
        "No more bookings are taken here in this hour; please try again later, or get in touch with "
        f"{host.name}."
    )
