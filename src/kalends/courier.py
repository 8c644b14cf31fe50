"""Delivering: webhooks are posted and mails sent, to many receivers at once and to each in order."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from kalends.clock import Clock
from kalends.core.errors import Unavailable
from kalends.core.messages import Message, Outcome
from kalends.core.pacing import granted, is_last, pause
from kalends.db.database import Database
from kalends.delivery.mail import Postman
from kalends.delivery.webhooks import Poster
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.schemas.deliveries import Batch, Due, Lease, Tried
from kalends.schemas.letters import Invitation, Letter
from kalends.services.leaving import attempts, leases
from kalends.storing import stored
from kalends.telemetry import DEFECTS, Outages, log
from kalends.vault import CLEAR, SealedError, Vault

MOST_RECEIVERS = 500
"""How many receivers one worker delivers to at once. Each waits for its own answers only, so a slow one takes
a place and nothing else."""
MOST_WHILE_BUSY = 30
"""The same within a server that is busy: there they wait for CPU time, and each other."""
POST_SECONDS, MAIL_SECONDS, BATCH_SECONDS = 0.003, 0.012, 0.01
"""CPU time per webhook, per mail, and per batch that is taken and recorded; measured, rounded up."""
TURN_SECONDS = 20
"""How long a receiver keeps its place if places are short, however much there is for it."""
RECORD_SECONDS = 2
"""How long what was delivered may stay unrecorded: if the worker dies meanwhile, it is delivered again."""
RECORD_PAUSES = (0.5, 1, 2, 4)
"""How long to wait before the database is asked again to record it."""
UNREADABLE = timedelta(seconds=60)
"""How long a webhook is left alone whose secret can't be read."""


class Courier:
    """Delivers to receivers that were leased, each in a task of its own."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        poster: Poster,
        postman: Postman | None,
        *,
        vault: Vault = CLEAR,
        metrics: Metrics | None = None,
        pace: Pace | None = None,
        fresh: Mapping[str, timedelta] = leases.FRESH,
        record_pauses: Sequence[float] = RECORD_PAUSES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` spreads retries: it returns a number between 0 and 1. `fresh` says, for each kind of
        receiver, how long after a batch was taken an attempt may begin. `record_pauses` are seconds."""
        self._database = database
        self._clock = clock
        self._poster = poster
        self._postman = postman
        self._vault = vault
        self._metrics = metrics
        self._pace = pace or Pace()
        self._fresh = fresh
        self._record_pauses = record_pauses
        self._chance = chance
        self._delivering: set[asyncio.Task[None]] = set()
        self._silences: dict[str, int] = {}
        self._webhooks = Outages("a webhook fails", "a webhook works again")
        self._sealed = Outages("a webhook's secret can't be read", "a webhook's secret can be read again")
        self._defects = Outages(*DEFECTS)

    @property
    def sends_mail(self) -> bool:
        """Whether it can deliver mails, too."""
        return self._postman is not None

    @property
    def under_way(self) -> int:
        """To how many receivers it delivers now."""
        return len(self._delivering)

    @property
    def places(self) -> int:
        """To how many more receivers it may deliver now; 0 or less if to none."""
        return (MOST_WHILE_BUSY if self._pace.is_busy else MOST_RECEIVERS) - self.under_way

    def deliver(self, lease: Lease) -> None:
        """Begin to deliver to a receiver."""
        task = asyncio.create_task(self._deliver(lease))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def finish(self) -> None:
        """Wait until everything it began is done."""
        await asyncio.gather(*self._delivering)

    async def stop(self) -> None:
        """Break off everything it began, and give the receivers back."""
        for task in self._delivering:
            task.cancel()
        await asyncio.gather(*self._delivering, return_exceptions=True)

    async def _deliver(self, lease: Lease) -> None:
        """Deliver to one receiver what is due, as long as it answers and no other waits for the place."""
        wait: timedelta | None = None
        began = _seconds()
        try:
            while wait is None and (self._has_places() or _seconds() - began < TURN_SECONDS):
                await self._pace.rest(BATCH_SECONDS)
                fresh_until = _seconds() + self._fresh[lease.kind].total_seconds()
                batch = await self._database.write(attempts.take, lease, self._clock.now(), self._vault)
                if batch is None:
                    break
                self._sealed.works(lease.receiver_id, **_webhook(lease))
                wait = await self._deliver_batch(lease, batch, fresh_until)
        except Unavailable:
            pass  # the database tells so itself
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
        return self.under_way < MOST_RECEIVERS

    async def _deliver_batch(self, lease: Lease, batch: Batch, fresh_until: float) -> timedelta | None:
        """Make some deliveries, and record them. After a failure, later ones of the same appointment wait.
        Returns how long to leave the receiver alone, if it asks for that or did not answer."""
        tried: list[Tried] = []
        begun: set[str] = set()
        failed: set[str | None] = set()
        record_by = _seconds() + RECORD_SECONDS
        try:
            for each in batch.due:
                if each.subject in failed:
                    continue
                await self._pace.rest(POST_SECONDS if lease.kind == "webhook" else MAIL_SECONDS)
                if (patience := fresh_until - _seconds()) <= 0:
                    break
                begun.add(each.id)
                outcome = await self._send(batch, each.content, patience)
                if outcome is None:
                    begun.remove(each.id)
                    break
                tried.append(Tried(each, outcome, self._clock.now(), self._chance()))
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
            await stored(self._record(lease, tried, untried))
        return None

    async def _send(
        self, batch: Batch, content: Message | Letter | Invitation, patience: float
    ) -> Outcome | None:
        """Make one attempt. Returns None if its turn did not come within `patience` seconds."""
        now = self._clock.now()
        if isinstance(content, Message):
            return await self._poster.post(batch.url, batch.secrets, content, now)
        assert self._postman is not None
        return await self._postman.send(content, now, patience)

    async def _record(self, lease: Lease, tried: list[Tried], untried: list[Due]) -> None:
        """Record what was delivered, or it would be delivered again: a database that is busy, or unreachable
        for a moment, is asked again."""
        for seconds in self._record_pauses:
            try:
                await self._database.write(attempts.record, lease, tried, untried)
            except Unavailable:
                await asyncio.sleep(seconds)
            else:
                return
        await self._database.write(attempts.record, lease, tried, untried)

    def _tell(self, lease: Lease, due: Due, outcome: Outcome) -> None:
        """Log webhooks that fail (a mail server that fails is logged by the postman), and deliveries that are
        not tried again."""
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
        """Return how long to leave a receiver alone after this; None if it can be delivered to at once."""
        if outcome.code is None and not outcome.final:
            self._silences[lease.receiver_id] = self._silences.get(lease.receiver_id, 0) + 1
            return pause(self._silences[lease.receiver_id])
        self._silences.pop(lease.receiver_id, None)
        return None if outcome.succeeded or outcome.retry_after is None else granted(outcome.retry_after)

    async def _give_back(self, lease: Lease, wait: timedelta | None) -> None:
        try:
            await stored(self._database.write(leases.release, lease, self._clock.now(), wait))
        except Unavailable:
            pass  # the lease ends by itself
        except Exception as error:  # noqa: BLE001 - as above
            self._defects.fails("leases", type(error).__name__, exc_info=True)


def _webhook(lease: Lease) -> dict[str, str]:
    return {"org_id": lease.org_id, "webhook_id": lease.receiver_id}


def _seconds() -> float:
    return asyncio.get_running_loop().time()
