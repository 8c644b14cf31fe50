"""The real worker posts an organization's events to a real receiver; only its clock is moved by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from kalends.courier import Courier
from kalends.db.database import Database, Tx
from kalends.db.tables import events
from kalends.delivery.webhooks import Poster
from kalends.schemas.webhooks import Delivery, NewWebhook, Webhook, WebhookChange, WebhookCreate
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_pages
from kalends.services.outbox.events import row
from kalends.services.outbox.parties import operator
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.organizations import Org
from tests.support.receiver import Receiver

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class WebhookDesk:
    """An organization, who is told of its events, and the worker that tells."""

    db: Database
    org: Org
    clock: StoppedClock
    receiver: Receiver
    poster: Poster
    worker: Worker
    chance: float = 0
    """Nothing is left to chance, unless it is set."""

    async def hook(self, path: str = "/", **fields: Any) -> NewWebhook:
        # Not of what happens to webhooks, or each would be told of all that are made after it.
        wanted = {"events": ["appointment.*", "calendar.*", "webhook.disabled"]}
        wish = WebhookCreate.model_validate({"url": self.receiver.url(path)} | wanted | fields)
        return await self.db.write(webhooks.create, operator(self.org.id), wish, self.clock.now(), mail=False)

    async def change(self, hook: Webhook, **fields: Any) -> Webhook:
        wish = WebhookChange.model_validate(fields)
        return await self.db.write(webhooks.change, operator(self.org.id), hook.id, wish, self.clock.now())

    async def happen(self, *subjects: str, versions: Sequence[int] = (1,)) -> list[str]:
        """An event of each version of each appointment; their ids."""
        made = [
            row(
                self.org.id,
                "appointment.updated",
                f'{{"appointment":{{"id":"{subject}"}}}}',
                self.clock.now(),
                subject=subject,
                version=version,
            )
            for subject in subjects or ["apt_1"]
            for version in versions
        ]
        await self.db.write(lambda tx: tx.execute(insert(events), made) and None)
        return [str(each["id"]) for each in made]

    def another(self, database: Database | None = None, poster: Poster | None = None, **seams: Any) -> Worker:
        """Another worker, in another process."""
        db, poster = database or self.db, poster or self.poster
        courier = Courier(db, self.clock, poster, None, chance=lambda: self.chance, **seams)
        return Worker(db, self.clock, courier, events_kept=30 * DAY)

    async def turn(self, worker: Worker | None = None) -> int:
        """One round: everything that is due is tried; how many requests that were."""
        before, worker = len(self.receiver.got), worker or self.worker
        await worker.take_events()
        await worker.courier.finish()
        return len(self.receiver.got) - before

    async def at(self, moment: datetime) -> int:
        """A second before it nothing is tried; how many requests are made then."""
        self.clock.at = moment - SECOND
        assert await self.turn() == 0
        self.clock.at = moment
        return await self.turn()

    async def deliveries(self, hook: Webhook) -> list[Delivery]:
        """In the order in which they were made."""
        found = await self.db.read(webhooks.deliveries_of, self.org.id, hook.id, None, None, 1_000)
        return found[::-1]

    async def only(self, hook: Webhook) -> Delivery:
        [one] = await self.deliveries(hook)
        return one

    async def shown(self, hook: Webhook) -> Webhook:
        return await self.db.read(webhooks.get, self.org.id, hook.id)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the organization's events of webhooks tell."""

        def find(tx: Tx) -> list[tuple[str, dict[str, Any]]]:
            mine = events.c.org_id == self.org.id, events.c.type == "webhook.disabled"
            rows = tx.execute(select(events.c.subject_id, events.c.payload).where(*mine))
            return [(str(each.subject_id), event_pages.data_of(each.payload)) for each in rows]

        return await self.db.read(find)
