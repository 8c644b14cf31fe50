"""An organization that is open around the clock: what staff and clients do there, and what is mailed."""

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from kalends.app import create_app
from kalends.courier import Courier
from kalends.db.database import AnyRow, Database, Tx
from kalends.db.tables import deliveries, organizations
from kalends.delivery.mail import ATTEMPT_SECONDS, Postman
from kalends.delivery.webhooks import Poster
from kalends.metrics import Metrics
from kalends.settings import Settings
from kalends.worker import Worker
from tests.support.answers import answered
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.letters import BASE, SENDER
from tests.support.mailbox import Mailbox, Received
from tests.support.organizations import JANE, Org, make_org

APPOINTMENTS = "/v1/calendar/appointments"
DESK = "desk@clinic.example"
Opening = Callable[..., AbstractAsyncContextManager["Practice"]]
"""Opens a practice in a database of its own, whose mails go to a mailbox."""


@dataclass
class Practice:
    app: FastAPI
    db: Database
    org: Org
    slug: str
    clock: StoppedClock
    mailbox: Mailbox
    worker: Worker
    postman: Postman | None
    staff: httpx.AsyncClient
    client: httpx.AsyncClient
    id: str = ""
    """Of the appointment that was made last."""
    token: str = ""
    """Of its client's link, where a client made it."""
    _read: int = field(default=0)

    async def book(self, **fields: Any) -> dict[str, Any]:
        """Staff book."""
        made = answered(await self.staff.post(APPOINTMENTS, json=self.org.wish(**fields)), "appointment")
        self.id = made["id"]
        return made

    async def change(self, **fields: Any) -> dict[str, Any]:
        """Staff change the last appointment."""
        return answered(await self.staff.patch(f"{APPOINTMENTS}/{self.id}", json=fields), "appointment")

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """A client books."""
        wish = JANE | {"appointment_type_id": self.org.type_id} | fields
        response = await self.client.post(f"/v1/public/{self.slug}/appointments", json=wish)
        assert response.status_code == 200, response.text
        made: dict[str, Any] = response.json()["appointment"]
        self.id, self.token = made["id"], response.json()["manage_token"]
        return made

    async def move(self, start: str) -> None:
        """The client moves the last appointment."""
        link = f"/v1/public/appointments/{self.token}"
        answered(await self.client.post(f"{link}/reschedule", json={"start_time": start}), "appointment")

    async def cancel(self) -> None:
        """The client cancels the last appointment."""
        link = f"/v1/public/appointments/{self.token}"
        answered(await self.client.post(f"{link}/cancel", json={}), "appointment")

    async def settings(self, **fields: Any) -> None:
        """Staff change the organization."""
        answered(await self.staff.patch("/v1/organization", json=fields), "organization")

    async def change_type(self, **fields: Any) -> None:
        """Staff change the type of its appointments."""
        wish = {"id": self.org.type_id} | fields
        answered(await self.staff.put("/v1/calendar/appointment-types", json=wish), "appointmentType")

    async def work(self) -> None:
        """Let the worker do everything that is due now."""
        await self.worker.settle_lapses()
        for _ in range(100):
            await self.worker.take_events()
            if not self.worker.courier.under_way:
                return
            await self.worker.courier.finish()
        raise AssertionError("the worker comes to no end")

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
                .where(deliveries.c.org_id == self.org.id, deliveries.c.receiver_id == "mail")
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
    async with app.router.lifespan_context(app), contextlib.AsyncExitStack() as opened:
        db: Database = app.state.context.database
        org = await make_org(db, clock.now(), timezone=timezone, **(kind or {}))
        slug: str = await db.read(_slug_of, org.id)
        staff = await opened.enter_async_context(client_of(app, org.key))
        client = await opened.enter_async_context(client_of(app, None))
        metrics: Metrics | None = app.state.context.metrics
        courier = Courier(db, clock, poster, postman, metrics=metrics, chance=chance)
        worker = Worker(db, clock, courier, events_kept=timedelta(days=30))
        made = Practice(app, db, org, slug, clock, mailbox, worker, postman, staff, client)
        hours = [{"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)]
        response = await staff.put("/v1/calendar/availability", json={"schedules": hours})
        assert response.status_code == 200, response.text
        await made.settings(notification_email=DESK, client_notice_hours=0)
        yield made
        await poster.close()
        if postman is not None:
            await postman.close()


def _slug_of(tx: Tx, org_id: str) -> str:
    return str(tx.execute(select(organizations.c.slug).where(organizations.c.id == org_id)).scalar_one())
