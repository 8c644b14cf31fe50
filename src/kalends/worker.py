"""What happens without a request: the worker numbers events and has them delivered, has other calendars read,
records what has lapsed, and removes what has been kept long enough.

Any number of workers may run on one database, in servers or in processes of their own. Each takes what no
other has taken.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from kalends.clock import Clock
from kalends.core.errors import Unavailable
from kalends.courier import Courier
from kalends.db import migrating
from kalends.db.database import Database, Tx
from kalends.delivery.mail import Postman
from kalends.delivery.webhooks import Poster
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.reading.fetching import Reader
from kalends.reading.sources import read
from kalends.scout import Scout
from kalends.services.booking import lapses, readings
from kalends.services.leaving import expiry, leases, webhook_secrets
from kalends.services.outbox import event_order, event_pages
from kalends.services.setup import source_secrets
from kalends.settings import Settings
from kalends.telemetry import DEFECTS, Outage, Outages
from kalends.vault import CLEAR, Vault

P = ParamSpec("P")
T = TypeVar("T")

EVENTS_SECONDS = 0.5
SOURCES_SECONDS = 1
LAPSES_SECONDS = 5
FORGETTING_SECONDS = 3_600
UNIT_SECONDS, EVENT_SECONDS = 0.002, 0.0005
"""CPU time per unit of numbering or forgetting events, and per event; measured, rounded up."""
SLICE_SECONDS = 0.1
"""CPU time of sealing some secrets again."""


class Worker:
    """The rounds of the worker, each at its own pace."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        courier: Courier,
        *,
        events_kept: timedelta,
        scout: Scout | None = None,
        vault: Vault = CLEAR,
        pace: Pace | None = None,
    ) -> None:
        self.courier = courier
        self.scout = scout
        self._database = database
        self._clock = clock
        self._pace = pace or Pace()
        self._events_kept = events_kept
        self._vault = vault
        self._defects = Outages(*DEFECTS)

    async def run(self) -> None:
        """Work until cancelled; then give back what was leased."""
        try:
            async with asyncio.TaskGroup() as rounds:
                rounds.create_task(_again_and_again(self.take_events, EVENTS_SECONDS))
                rounds.create_task(_again_and_again(self.read_sources, SOURCES_SECONDS))
                rounds.create_task(_again_and_again(self.settle_lapses, LAPSES_SECONDS))
                rounds.create_task(_again_and_again(self.forget, FORGETTING_SECONDS))
        finally:
            await self.courier.stop()
            if self.scout is not None:
                await self.scout.stop()

    async def take_events(self) -> None:
        """Number what has happened, and begin to deliver to the receivers that are due.

        Raises SchemaOutdated if the schema is not this version's: what was delivered could not be recorded,
        and would be delivered again and again.
        """
        mail = self.courier.sends_mail
        for org_id in await self._database.read(event_order.waiting):
            await self._of_one(org_id, event_order.number, org_id, self._clock.now(), mail=mail, wait=False)
        most = self.courier.places
        if most > 0 and await self._database.read(leases.is_due, self._clock.now(), mail=mail):
            await self._database.read(migrating.check)
            for lease in await self._database.write(leases.lease, self._clock.now(), most, mail=mail):
                self.courier.deliver(lease)

    async def read_sources(self) -> None:
        """Begin to read the sources that are due. Raises SchemaOutdated as `take_events` does."""
        scout = self.scout
        if scout is None or (most := scout.places) <= 0:
            return
        if await self._database.read(readings.is_due, self._clock.now()):
            await self._database.read(migrating.check)
            for turn in await self._database.write(readings.lease, self._clock.now(), most):
                scout.begin(turn)

    async def settle_lapses(self) -> int:
        """Record what has lapsed, until nothing is left. Returns how much there was."""
        total = 0
        while settled := await self._database.write(lapses.sweep, self._clock.now()):
            total += settled
        return total

    async def forget(self) -> None:
        """Seal secrets that are in clear or under an earlier key with the present one, and remove what has
        been kept long enough: events, answers, links, holds of sandboxes, old secrets, versions of the zone
        data."""
        now = self._clock.now()
        for name in sorted(self._vault.outdated):
            after: str | None = ""
            while after is not None:
                after = await self._some(None, webhook_secrets.seal_anew, self._vault, name, after, now)
            after = ""
            while after is not None:
                after = await self._some(None, source_secrets.reseal, self._vault, name, after)
        for unit in (
            expiry.forget_answers,
            expiry.forget_request_links,
            expiry.forget_holds,
            webhook_secrets.forget_old,
        ):
            while await self._some(0, unit, now):
                pass
        await self._some(0, expiry.forget_zone_data, now)
        before = now - self._events_kept
        for org_id in await self._database.read(event_pages.organizations_of):
            while await self._of_one(org_id, event_pages.forget, org_id, before, self._clock.now()):
                pass
        await self._forget_links(now)

    async def _forget_links(self, now: datetime) -> None:
        """Remove clients' links that ended long ago. Looking for them holds up no other unit of work."""
        place: expiry.Place | None = None
        while True:
            ended, place = await self._database.read(expiry.old_links, now, place)
            if ended:
                await self._some(0, expiry.forget_links, ended, now)
            else:
                await self._pace.rest(UNIT_SECONDS)
            if place is None:
                return

    async def _some(self, none: T, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit of work on some rows of many organizations. Returns `none` if it fails, so that other
        kinds of rows have their turn."""
        done = none
        try:
            done = await self._database.write(unit, *args, **kw)
        except Unavailable:
            pass  # the database tells so itself
        except Exception as error:  # noqa: BLE001 - the others have their turn
            self._defects.fails(unit.__name__, type(error).__name__, unit=unit.__name__, exc_info=True)
        else:
            self._defects.works(unit.__name__, unit=unit.__name__)
        cost = EVENT_SECONDS * done if isinstance(done, int) else SLICE_SECONDS
        await self._pace.rest(UNIT_SECONDS + cost)
        return done

    async def _of_one(
        self, org_id: str, unit: Callable[Concatenate[Tx, P], int], *args: P.args, **kw: P.kwargs
    ) -> int:
        """Run a unit of work on one organization. Returns 0 if it fails, so that the others have their
        turn."""
        done = 0
        try:
            done = await self._database.write(unit, *args, **kw)
        except Unavailable:
            pass  # the database tells so itself
        except Exception as error:  # noqa: BLE001 - the others have their turn
            self._defects.fails(org_id, type(error).__name__, org_id=org_id, exc_info=True)
        else:
            self._defects.works(org_id, org_id=org_id)
        await self._pace.rest(UNIT_SECONDS + EVENT_SECONDS * done)
        return done


async def work(
    settings: Settings,
    database: Database,
    clock: Clock,
    metrics: Metrics | None = None,
    pace: Pace | None = None,
) -> None:
    """Work on a database until cancelled."""
    poster = Poster(allow_private=settings.webhooks_allow_private)
    postman = Postman(settings) if settings.mail else None
    pace, vault, kept = pace or Pace(), settings.vault, timedelta(days=settings.events_kept_days)
    courier = Courier(database, clock, poster, postman, vault=vault, metrics=metrics, pace=pace)
    reader = Reader(allow_private=settings.sources_allow_private)
    ask, every = partial(read, reader), timedelta(minutes=settings.sources_minutes)
    scout = Scout(database, clock, ask, every=every, vault=vault, metrics=metrics, pace=pace)
    try:
        await Worker(database, clock, courier, scout=scout, events_kept=kept, vault=vault, pace=pace).run()
    finally:
        await poster.close()
        await reader.close()
        if postman is not None:
            await postman.close()


async def _again_and_again(round_: Callable[[], Awaitable[object]], seconds: float) -> None:
    outage = Outage(*DEFECTS)
    while True:
        try:
            await round_()
        except Unavailable:
            pass  # the database tells so itself
        except Exception as error:  # noqa: BLE001 - the next round must come
            outage.fails(type(error).__name__, exc_info=True)
        else:
            outage.works()
        await asyncio.sleep(seconds)
