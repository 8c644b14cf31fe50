"""What happens without a request: the worker delivers events and writes down what has lapsed.

Any number of workers may run on one database, in servers or by themselves; each takes what no other has
taken.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kalends.clock import Clock
from kalends.core.errors import Refusal
from kalends.core.messages import Message, Outcome
from kalends.core.pacing import is_last, pause
from kalends.db.database import Database
from kalends.delivery.mail import Postman
from kalends.delivery.webhooks import Poster
from kalends.ids import new_id
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.schemas.letters import Letter
from kalends.services import deliveries, event_order, event_pages, lapses
from kalends.services.deliveries import Lease, Tried
from kalends.settings import Settings
from kalends.telemetry import log

EVENTS_SECONDS = 0.5
LAPSES_SECONDS = 5
FORGETTING_SECONDS = 3_600
MOST_RECEIVERS = 500
"""How many receivers one worker delivers to at once. Each waits for its own answers only, so a slow one takes
a place and nothing else."""
POST_SECONDS, MAIL_SECONDS = 0.003, 0.012
"""What a webhook and a mail cost in time of the processor, measured and rounded up."""
RECORD_SECONDS = 2
"""How long what was delivered may stay unrecorded: if the worker dies meanwhile, it is delivered again."""


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
        self._name = new_id("worker")
        self._delivering: set[asyncio.Task[None]] = set()
        self._silences: dict[str, int] = {}

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
        """Number what has happened, and begin to deliver to every webhook that is due."""
        for org_id in await self._database.read(event_order.waiting):
            now, mail = self._clock.now(), self._postman is not None
            await self._database.write(event_order.number, org_id, now, mail=mail)
        most = MOST_RECEIVERS - len(self._delivering)
        if most > 0 and await self._database.read(
            deliveries.is_due, self._clock.now(), mail=self._postman is not None
        ):
            for lease in await self._database.write(
                deliveries.lease, self._name, self._clock.now(), most, mail=self._postman is not None
            ):
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
        """Remove events that have been kept long enough."""
        before = self._clock.now() - self._events_kept
        for org_id in await self._database.read(event_pages.organizations_of):
            while await self._database.write(event_pages.forget, org_id, before):
                pass

    async def _deliver(self, lease: Lease) -> None:
        """Deliver to one webhook what is due, as long as it answers."""
        wait: timedelta | None = None
        try:
            while wait is None and (
                due := await self._database.write(deliveries.take, lease, self._clock.now())
            ):
                wait = await self._deliver_batch(lease, due)
        except Refusal as refusal:
            log.warning(
                "deliveries wait for the database", receiver_id=lease.receiver_id, why=refusal.message
            )
        except Exception:  # noqa: BLE001 - the other webhooks go on
            log.exception("a defect: please report it with this trace")
        finally:
            await self._give_back(lease, wait)

    async def _deliver_batch(self, lease: Lease, due: list[deliveries.Due]) -> timedelta | None:
        """Make some deliveries, and record them; how long to leave the webhook alone, where it did not
        answer. What comes after something that failed waits, where it is of the same appointment."""
        tried: list[Tried] = []
        begun: set[str] = set()
        failed: set[str | None] = set()
        began = asyncio.get_running_loop().time()
        try:
            for each in due:
                if each.subject in failed:
                    continue
                begun.add(each.id)
                now = self._clock.now()
                outcome = await self._send(lease, each.content, now)
                tried.append(Tried(each, outcome, self._clock.now(), _chance()))
                if not outcome.succeeded and each.subject is not None:
                    failed.add(each.subject)
                if self._metrics is not None:
                    final = outcome.final or is_last(each.attempts + 1)
                    self._metrics.delivery(lease.kind, succeeded=outcome.succeeded, final=final)
                if outcome.code is None and not outcome.final:
                    silences = self._silences[lease.receiver_id] = (
                        self._silences.get(lease.receiver_id, 0) + 1
                    )
                    return pause(silences)
                self._silences.pop(lease.receiver_id, None)
                if outcome.gone or asyncio.get_running_loop().time() - began > RECORD_SECONDS:
                    break
        finally:
            untried = [each for each in due if each.id not in begun]
            await asyncio.shield(self._database.write(deliveries.record, lease, tried, untried))
        return None

    async def _send(self, lease: Lease, content: Message | Letter, now: datetime) -> Outcome:
        if self._pace is not None:
            await self._pace.rest(POST_SECONDS if isinstance(content, Message) else MAIL_SECONDS)
        if isinstance(content, Message):
            return await self._poster.post(lease.url, lease.secrets, content, now)
        assert self._postman is not None
        return await self._postman.send(content, now)

    async def _give_back(self, lease: Lease, wait: timedelta | None) -> None:
        try:
            await asyncio.shield(self._database.write(deliveries.release, lease, self._clock.now(), wait))
        except Refusal:
            pass  # the lease ends by itself
        except Exception:  # noqa: BLE001 - as above
            log.exception("a defect: please report it with this trace")


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
        await Worker(database, clock, poster, postman, events_kept=kept, metrics=metrics, pace=pace).run()
    finally:
        await poster.close()
        if postman is not None:
            await postman.close()


async def _again_and_again(round_: Callable[[], Awaitable[object]], seconds: float) -> None:
    while True:
        try:
            await round_()
        except Refusal as refusal:
            log.warning("the worker waits for the database", why=refusal.message)
        except Exception:  # noqa: BLE001 - the next round must come
            log.exception("a defect: please report it with this trace")
        await asyncio.sleep(seconds)
