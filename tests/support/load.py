"""Clients that book one slot after another, and remember what they were promised."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.wire import Connection, Reply

from kalends.core.hours import stamp
from tests.support.organizations import Org

PATH = "/v1/calendar/appointments"


@dataclass
class Load:
    """So many clients of one organization, each booking whenever its last request is answered."""

    org: Org
    port: int
    clients: int = 16
    first: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    """The first slot. They are an hour long."""
    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    odd: list[Reply] = field(default_factory=list)
    """Answers that were neither 200 nor 409 nor a 503 with Retry-After."""
    first_success_after: dict[float, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = (self.first + timedelta(hours=n) for n in itertools.count())
        self._running = True
        self._waiting_since: float | None = None

    def stop(self) -> None:
        self._running = False

    def watch(self) -> asyncio.Future[float]:
        """The seconds from now until the next success."""
        loop = asyncio.get_running_loop()
        self._watched: asyncio.Future[float] = loop.create_future()
        self._waiting_since = loop.time()
        return self._watched

    async def run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self.clients)))

    async def _client(self) -> None:
        while self._running:
            try:
                connection = await Connection.open(self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                while self._running:
                    wish = self.org.wish(start_time=stamp(next(self._slots)))
                    self._note(await connection.post(PATH, wish, self.org.key))
            except (OSError, asyncio.IncompleteReadError):
                pass  # the server went away: nothing was promised
            finally:
                await connection.close()

    def _note(self, reply: Reply) -> None:
        self.statuses[reply.status] += 1
        if reply.status == 200:
            self.acknowledged.append(reply.json()["appointment"]["id"])
            if self._waiting_since is not None:
                self._watched.set_result(asyncio.get_running_loop().time() - self._waiting_since)
                self._waiting_since = None
        elif reply.status == 503 and int(reply.headers.get("retry-after", 0)) > 0:
            pass
        elif reply.status != 409:
            self.odd.append(reply)
