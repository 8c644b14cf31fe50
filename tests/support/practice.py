"""A desk that is open around the clock, and what is mailed of what happens there."""

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from kalends.app import create_app
from kalends.courier import Courier
from kalends.db.database import AnyRow, Database, Tx
from kalends.db.tables import deliveries
from kalends.delivery.mail import ATTEMPT_SECONDS, Postman
from kalends.delivery.webhooks import Poster
from kalends.metrics import Metrics
from kalends.settings import Settings
from kalends.worker import Worker
from tests.support.answers import answered
from tests.support.clock import StoppedClock
from tests.support.desk import LINKS, Desk, Link, week
from tests.support.letters import BASE, SENDER
from tests.support.mailbox import Mailbox, Received
from tests.support.organizations import JANE, Org, copied, make_org

DESK = "desk@clinic.example"
Opening = Callable[..., AbstractAsyncContextManager["Practice"]]
"""Opens a practice in a database of its own, whose mails go to a mailbox."""


@dataclass
class Practice:
    """A desk, and the worker that mails what happens there. It knows the appointment that was made last."""

    desk: Desk
    db: Database
    clock: StoppedClock
    mailbox: Mailbox
    worker: Worker
    postman: Postman | None
    id: str = ""
    """Of the appointment that was made last."""
    token: str = ""
    """Of its client's link, where a client made it."""
    _read: int = field(default=0)

    async def book(self, **fields: Any) -> dict[str, Any]:
        """Staff book."""
        made = await self.desk.booked(**fields)
        self.id = made["id"]
        return made

    async def change(self, **fields: Any) -> dict[str, Any]:
        """Staff change the last appointment."""
        return await self.desk.changed(self.id, **fields)

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """A client books."""
        booked = await self.desk.booked_by_client(**JANE | fields)
        made: dict[str, Any] = booked["appointment"]
        self.id, self.token = made["id"], booked["manage_token"]
        return made

    async def move(self, start: str) -> None:
        """The client moves the last appointment."""
        answered(await self._link.reschedule(start), "appointment")

    async def cancel(self) -> None:
        """The client cancels the last appointment."""
        answered(await self._link.cancel(), "appointment")

    @property
    def _link(self) -> Link:
        return Link(self.desk, self.id, f"{LINKS}/{self.token}")

    async def work(self) -> None:
        """Let the worker do everything that is due now."""
        await self.worker.settle_lapses()
        for _ in range(100):
            await self.worker.take_events()
            if not self.worker.courier.under_way:
                return
            await self.worker.courier.finish()
        raise AssertionError("the worker comes to no end")

    async def read_sources(self) -> None:
        """Let the worker read what is due elsewhere, if it has a scout."""
        await self.worker.read_sources()
        if self.worker.scout is not None:
            await self.worker.scout.finish()

    async def mails(self) -> list[Received]:
        """What arrives once everything that is due is done, in its order."""
        await self.work()
        new = self.mailbox.received[self._read :]
        self._read += len(new)
        return new

    async def deliveries(self) -> list[AnyRow]:
        """What is stored of mails, in the order of their events."""

        def stored(tx: Tx) -> list[AnyRow]:
            rows = tx.execute(
                select(deliveries)
                .where(deliveries.c.org_id == self.desk.org.id, deliveries.c.receiver_id == "mail")
                .order_by(deliveries.c.place, deliveries.c.audience)
            )
            return list(rows)

        return await self.db.read(stored)


@contextlib.asynccontextmanager
async def practice(
    url: str,
    mailbox: Mailbox,
    *,
    timezone: str = "UTC",
    kind: dict[str, Any] | None = None,
    chance: Callable[[], float] = random.random,
    attempt_seconds: float = ATTEMPT_SECONDS,
    **settings: Any,
) -> AsyncIterator[Practice]:
    """A practice whose mail server is `mailbox`, at noon on 20 January 2024. Its `worker` works when told."""
    mail: dict[str, Any] = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_tls": "none",
        "smtp_from": SENDER,
        "public_url": BASE,
    }
    used = Settings(database_url=url, worker=False, **(mail | settings))
    clock = StoppedClock()
    app = create_app(used, clock=clock)
    poster = Poster(allow_private=True)
    postman = Postman(used, attempt_seconds=attempt_seconds) if used.mail else None
    async with app.router.lifespan_context(app):
        db: Database = app.state.context.database

        async def make() -> Org:
            org = await make_org(db, clock.now(), timezone=timezone, **(kind or {}))
            desk = Desk(app, org)
            await desk.open(*week("00:00-24:00"))
            await desk.set_organization(notification_email=DESK, client_notice_hours=0)
            return org

        wish = repr(("practice", timezone, kind, sorted(settings)))
        desk = Desk(app, await copied(db, clock.now(), wish, make))
        metrics: Metrics | None = app.state.context.metrics
        courier = Courier(db, clock, poster, postman, metrics=metrics, chance=chance)
        worker = Worker(db, clock, courier, events_kept=timedelta(days=30))
        yield Practice(desk, db, clock, mailbox, worker, postman)
        await poster.close()
        if postman is not None:
            await postman.close()
