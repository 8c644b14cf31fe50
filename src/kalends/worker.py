"""What happens without a request: the worker delivers events and writes down what has lapsed.

Any number of workers may run on one database, in servers or by themselves; each takes what no other has
taken.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Set
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar

from kalends.clock import Clock
from kalends.core.errors import Refusal, Unavailable
from kalends.core.hours import stamp
from kalends.core.messages import Message, Outcome
from kalends.core.pacing import granted, is_last, pause
from kalends.db import migrating
from kalends.db.database import Database, Tx
from kalends.delivery.mail import Postman
from kalends.delivery.webhooks import Poster
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.schemas.letters import Letter
from kalends.services import (
    deliveries,
    event_order,
    event_pages,
    expiry,
    lapses,
    webhook_secrets,
    zone_data,
)
from kalends.services.deliveries import Batch, Due, Lease, Tried
from kalends.settings import Settings
from kalends.telemetry import DEFECTS, Outage, Outages, defect, log
from kalends.vault import CLEAR, SealedError, Vault

P = ParamSpec("P")
T = TypeVar("T")

EVENTS_SECONDS = 0.5
LAPSES_SECONDS = 5
FORGETTING_SECONDS = 3_600
ZONE_DATA_SECONDS = zone_data.RECENT.total_seconds() / 2
MOST_RECEIVERS = 500
"""How many receivers one worker delivers to at once. Each waits for its own answers only, so a slow one takes
a place and nothing else."""
MOST_WHILE_BUSY = 30
"""The same within a server that is busy: there they wait for the processor, and each other."""
POST_SECONDS, MAIL_SECONDS, BATCH_SECONDS = 0.003, 0.012, 0.01
"""What a webhook, a mail, and taking and recording some of them cost in time of the processor, measured and
rounded up."""
UNIT_SECONDS, EVENT_SECONDS = 0.002, 0.0005
"""The same of numbering or forgetting events, and of each of them."""
SLICE_SECONDS = 0.1
"""The same of sealing some secrets anew."""
TURN_SECONDS = 20
"""For so long a receiver has its place to itself, however much there is for it, when places are short."""
RECORD_SECONDS = 2
"""How long what was delivered may stay unrecorded: if the worker dies meanwhile, it is delivered again."""
RECORD_PAUSES = (0.5, 1, 2, 4)
"""How long to wait before the database is asked again to record it."""
UNREADABLE = timedelta(seconds=60)
"""How long a webhook is left alone whose secret can't be read."""


class Worker:
    """The rounds of the worker, each at its own pace."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        poster: Poster,
        postman: Postman | None,
        *,
        events_kept: timedelta,
        vault: Vault = CLEAR,
        metrics: Metrics | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._poster = poster
        self._postman = postman
        self._metrics = metrics
        self._pace = pace
        self._events_kept = events_kept
        self._vault = vault
        self._delivering: set[asyncio.Task[None]] = set()
        self._silences: dict[str, int] = {}
        self._webhooks = Outages("a webhook fails", "a webhook works again")
        self._sealed = Outages("a webhook's secret can't be read", "a webhook's secret can be read again")
        self._defects = Outages(*DEFECTS)

    async def run(self) -> None:
        """Work until cancelled; then give back what was leased."""
        try:
            async with asyncio.TaskGroup() as rounds:
                rounds.create_task(_again_and_again(self.take_events, EVENTS_SECONDS))
                rounds.create_task(_again_and_again(self.settle_lapses, LAPSES_SECONDS))
                rounds.create_task(_again_and_again(self.forget, FORGETTING_SECONDS))
        finally:
            for task in self._delivering:
                task.cancel()
            await asyncio.gather(*self._delivering, return_exceptions=True)

    async def take_events(self) -> None:
        """Number what has happened, and begin to deliver to everybody who is due.

        Raises SchemaOutdated if the schema is not this version's: what was delivered could not be recorded,
        and would be delivered again and again.
        """
        mail = self._postman is not None
        for org_id in await self._database.read(event_order.waiting):
            await self._of_one(org_id, event_order.number, org_id, self._clock.now(), mail=mail, wait=False)
        busy = self._pace is not None and self._pace.is_busy
        most = (MOST_WHILE_BUSY if busy else MOST_RECEIVERS) - len(self._delivering)
        if most > 0 and await self._database.read(deliveries.is_due, self._clock.now(), mail=mail):
            await self._database.read(migrating.check)
            for lease in await self._database.write(deliveries.lease, self._clock.now(), most, mail=mail):
                task = asyncio.create_task(self._deliver(lease))
                self._delivering.add(task)
                task.add_done_callback(self._delivering.discard)

    async def settle_lapses(self) -> int:
        """Write down what has lapsed until nothing is left; how much there was."""
        total = 0
        while settled := await self._database.write(lapses.sweep, self._clock.now()):
            total += settled
        return total

    async def forget(self) -> None:
        """Seal secrets anew that are in clear or under a key of before, and remove what has been kept long
        enough: events, answers, links, holds of sandboxes, old secrets, versions of the zone data."""
        now = self._clock.now()
        for name in sorted(self._vault.outdated):
            after: str | None = ""
            while after is not None:
                after = await self._some(None, webhook_secrets.seal_anew, self._vault, name, after, now)
        for unit in (expiry.forget_answers, expiry.forget_holds, webhook_secrets.forget_old):
            while await self._some(0, unit, now):
                pass
        await self._some(0, expiry.forget_zone_data, now)
        before = now - self._events_kept
        for org_id in await self._database.read(event_pages.organizations_of):
            while await self._of_one(org_id, event_pages.forget, org_id, before, self._clock.now()):
                pass
        await self._forget_links(now)

    async def _forget_links(self, now: datetime) -> None:
        """Remove clients' links that have ended long ago. They are looked for without holding up others."""
        place: expiry.Place | None = None
        while True:
            ended, place = await self._database.read(expiry.old_links, now, place)
            if ended:
                await self._some(0, expiry.forget_links, ended, now)
            else:
                await self._rest(UNIT_SECONDS)
            if place is None:
                return

    async def _some(self, none: T, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """What concerns some rows of many organizations: whatever happens, other kinds of rows have their
        turn. `none` where it failed."""
        done = none
        try:
            done = await self._database.write(unit, *args, **kw)
        except Unavailable:
            pass  # the database tells so itself
        except Exception as error:  # noqa: BLE001 - as said
            self._defects.fails(unit.__name__, type(error).__name__, unit=unit.__name__, exc_info=True)
        else:
            self._defects.works(unit.__name__, unit=unit.__name__)
        await self._rest(UNIT_SECONDS + (EVENT_SECONDS * done if isinstance(done, int) else SLICE_SECONDS))
        return done

    async def _of_one(
        self, org_id: str, unit: Callable[Concatenate[Tx, P], int], *args: P.args, **kw: P.kwargs
    ) -> int:
        """What concerns one organization: whatever happens, the others have their turn. 0 where it failed."""
        done = 0
        try:
            done = await self._database.write(unit, *args, **kw)
        except Unavailable:
            pass  # the database tells so itself
        except Exception as error:  # noqa: BLE001 - as said
            self._defects.fails(org_id, type(error).__name__, org_id=org_id, exc_info=True)
        else:
            self._defects.works(org_id, org_id=org_id)
        await self._rest(UNIT_SECONDS + EVENT_SECONDS * done)
        return done

    async def _rest(self, seconds: float) -> None:
        """Rest as requests ask for, for work of so many seconds."""
        if self._pace is not None:
            await self._pace.rest(seconds)

    async def _deliver(self, lease: Lease) -> None:
        """Deliver to one receiver what is due, as long as it answers and nobody else waits for the place."""
        wait: timedelta | None = None
        began = _seconds()
        try:
            while wait is None and (self._has_places() or _seconds() - began < TURN_SECONDS):
                await self._rest(BATCH_SECONDS)
                fresh_until = _seconds() + deliveries.FRESH[lease.kind].total_seconds()
                batch = await self._database.write(deliveries.take, lease, self._clock.now(), self._vault)
                if batch is None:
                    break
                self._sealed.works(lease.receiver_id, **_webhook(lease))
                wait = await self._deliver_batch(lease, batch, fresh_until)
        except Unavailable:
            pass  # as above
        except SealedError as error:
            # Nothing was tried, so nothing is lost: it goes on when the right key is set.
            self._sealed.fails(lease.receiver_id, str(error), **_webhook(lease))
            wait = UNREADABLE
        except Exception as error:  # noqa: BLE001 - the other receivers go on
            which = {"org_id": lease.org_id, "receiver_id": lease.receiver_id}
            self._defects.fails(f"{which}", type(error).__name__, **which, exc_info=True)
        finally:
            await self._give_back(lease, wait)

    def _has_places(self) -> bool:
        return len(self._delivering) < MOST_RECEIVERS

    async def _deliver_batch(self, lease: Lease, batch: Batch, fresh_until: float) -> timedelta | None:
        """Make some deliveries, and record them; how long to leave the receiver alone, where it asks for that
        or did not answer. What comes after a failure waits, where it is of the same appointment."""
        tried: list[Tried] = []
        begun: set[str] = set()
        failed: set[str | None] = set()
        record_by = _seconds() + RECORD_SECONDS
        try:
            for each in batch.due:
                if each.subject in failed:
                    continue
                await self._rest(POST_SECONDS if lease.kind == "webhook" else MAIL_SECONDS)
                if (patience := fresh_until - _seconds()) <= 0:
                    break
                begun.add(each.id)
                outcome = await self._send(batch, each.content, patience)
                if outcome is None:
                    begun.remove(each.id)
                    break
                tried.append(Tried(each, outcome, self._clock.now(), _chance()))
                if not outcome.succeeded and each.subject is not None:
                    failed.add(each.subject)
                self._tell(lease, each, outcome)
                if self._metrics is not None:
                    final = outcome.final or is_last(each.attempts + 1)
                    self._metrics.delivery(lease.kind, succeeded=outcome.succeeded, final=final)
                if (wait := self._wait(lease, outcome)) is not None:
                    return wait
                if outcome.gone or _seconds() > record_by:
                    break
        finally:
            untried = [each for each in batch.due if each.id not in begun]
            await asyncio.shield(self._record(lease, tried, untried))
        return None

    async def _record(self, lease: Lease, tried: list[Tried], untried: list[Due]) -> None:
        """Write down what was delivered, or it would be delivered again: a database that is busy, or away for
        a moment, is asked again."""
        for seconds in RECORD_PAUSES:
            try:
                await self._database.write(deliveries.record, lease, tried, untried)
            except Unavailable:
                await asyncio.sleep(seconds)
            else:
                return
        await self._database.write(deliveries.record, lease, tried, untried)

    def _tell(self, lease: Lease, due: Due, outcome: Outcome) -> None:
        """Let the log tell of webhooks that fail (of the mail server it is the postman who knows), and of
        what nobody will try again."""
        which = _webhook(lease)
        if outcome.succeeded:
            self._webhooks.works(lease.receiver_id, **which)
            return
        if lease.kind == "webhook":
            error = (outcome.error or "no answer").partition(":")[0]
            why = error if outcome.code is None else f"it answers {outcome.code}"
            self._webhooks.fails(lease.receiver_id, f"{why}: see GET /v1/webhooks/{{id}}/deliveries", **which)
        if outcome.final or is_last(due.attempts + 1):
            log.info(
                "a delivery has failed for good",
                kind=lease.kind,
                org_id=lease.org_id,
                receiver_id=lease.receiver_id,
                delivery_id=due.id,
                answer_code=outcome.code,
            )

    def _wait(self, lease: Lease, outcome: Outcome) -> timedelta | None:
        """How long to leave a receiver alone after this."""
        if outcome.code is None and not outcome.final:
            self._silences[lease.receiver_id] = self._silences.get(lease.receiver_id, 0) + 1
            return pause(self._silences[lease.receiver_id])
        self._silences.pop(lease.receiver_id, None)
        return None if outcome.succeeded or outcome.retry_after is None else granted(outcome.retry_after)

    async def _send(self, batch: Batch, content: Message | Letter, patience: float) -> Outcome | None:
        """Make one attempt; None where its turn did not come within `patience` seconds."""
        now = self._clock.now()
        if isinstance(content, Message):
            return await self._poster.post(batch.url, batch.secrets, content, now)
        assert self._postman is not None
        return await self._postman.send(content, now, patience)

    async def _give_back(self, lease: Lease, wait: timedelta | None) -> None:
        try:
            await asyncio.shield(self._database.write(deliveries.release, lease, self._clock.now(), wait))
        except Unavailable:
            pass  # the lease ends by itself
        except Exception as error:  # noqa: BLE001 - as above
            self._defects.fails("leases", type(error).__name__, exc_info=True)


def _webhook(lease: Lease) -> dict[str, str]:
    return {"org_id": lease.org_id, "webhook_id": lease.receiver_id}


def _seconds() -> float:
    return asyncio.get_running_loop().time()


def _chance() -> float:
    return random.random()  # noqa: S311 - it spreads retries, and keeps no secret


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
    try:
        kept = timedelta(days=settings.events_kept_days)
        worker = Worker(
            database,
            clock,
            poster,
            postman,
            events_kept=kept,
            vault=settings.vault,
            metrics=metrics,
            pace=pace,
        )
        await worker.run()
    finally:
        await poster.close()
        if postman is not None:
            await postman.close()


async def tell_zone_data(database: Database, clock: Clock, version: str) -> None:
    """Note in the database that this process uses this version of the time zone data, until cancelled, and
    write a warning to the log if other processes use another. A database that can't be written to now is
    asked again the next time."""
    known: Set[str] = frozenset()
    while True:
        try:
            others = await database.write(zone_data.note, version, clock.now())
            if others.keys() - known:
                log.warning(
                    "servers or workers of this database use different time zone data, so they may tell "
                    "times that are an hour apart: bring all of them to the newest and restart those you "
                    "changed (nothing is to be done if the others were stopped or upgraded just now)",
                    zone_data=version,
                    others={other: stamp(seen_at) for other, seen_at in others.items()},
                )
            known = others.keys()
        except Refusal as refusal:
            log.warning("the version of the time zone data could not be noted", why=refusal.message)
        except Exception:  # noqa: BLE001 - the server goes on
            defect()
        await asyncio.sleep(ZONE_DATA_SECONDS)


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
