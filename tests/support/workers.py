"""Real workers, in processes of their own."""

import asyncio
import os
import time
from pathlib import Path
from typing import Self

from tests.support.forked import Forked
from tests.support.server import START_SECONDS, Running


class WorkerProcess(Running):
    """`kalends worker`, which may post to this machine."""

    def __init__(self, url: str, log: Path) -> None:
        self.database_url = url
        self.log = log

    def start(self) -> Self:
        environment = {"KALENDS_DATABASE_URL": self.database_url, "KALENDS_WEBHOOKS_ALLOW_PRIVATE": "true"}
        self.process = Forked(["worker", "--json"], env=os.environ | environment, log=self.log)
        return self

    def wait(self) -> Self:
        """Wait until it works."""
        assert self.process
        assert self.process.stdout
        deadline = time.monotonic() + START_SECONDS
        assert self.process.stdout.readline().startswith('{"worker": true,'), self.log.read_text()
        assert time.monotonic() < deadline
        return self


async def start_all(workers: list[WorkerProcess]) -> None:
    """Start some at the same time, and wait until all of them work."""
    for each in workers:
        each.start()
    await asyncio.gather(*(asyncio.to_thread(each.wait) for each in workers))
