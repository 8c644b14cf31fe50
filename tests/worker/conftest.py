"""A database for the workers of each test, and a desk with webhooks in it."""

from collections.abc import AsyncIterator

import pytest

from kalends.clock import SystemClock
from kalends.courier import Courier
from kalends.db.database import Database
from kalends.delivery.webhooks import Poster
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.organizations import Org
from tests.support.receiver import Receiver
from tests.worker.webhook_desk import DAY, WebhookDesk


@pytest.fixture
def url(own_url: str) -> str:
    """Workers deliver for every organization of a database, so they have one of their own."""
    return own_url


@pytest.fixture
async def desk(db: Database, org: Org) -> AsyncIterator[WebhookDesk]:
    clock, poster = StoppedClock(SystemClock().now()), Poster(allow_private=True)
    async with Receiver() as receiver:
        courier = Courier(db, clock, poster, None, chance=lambda: here.chance)
        worker = Worker(db, clock, courier, events_kept=30 * DAY)
        here = WebhookDesk(db, org, clock, receiver, poster, worker)
        yield here
        await poster.close()
