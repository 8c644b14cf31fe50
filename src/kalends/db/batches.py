"""Asking one question for many."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from kalends.core.errors import Unavailable
from kalends.db import patience
from kalends.db.database import Database, Tx

K = TypeVar("K")
V = TypeVar("V")

MOST_PER_STATEMENT = 64


class Batches(Generic[K, V]):
    """Looks things up by key, together: those who ask while a look-up is under way share the next one.

    No answer is older than its question, since a look-up never starts before everyone in it has asked.
    So nothing is cached, and the price of asking the database every time falls as the load rises.
    """

    def __init__(self, database: Database, find: Callable[[Tx, Sequence[K]], Mapping[K, V]]) -> None:
        self._database = database
        self._find = find
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return the value under `key`, or None. Raises what the look-up raised, and Unavailable if the
        present request can't wait for it any longer."""
        if (answer := self._asked.get(key)) is None:
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._running is None:
            # Outside the context of the request that begins it: other requests may wait longer than that one.
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())
        try:
            async with asyncio.timeout_at(patience.until()):
                # Others wait for the same answer, so a request that gives up must not cancel it.
                return await asyncio.shield(answer)
        except TimeoutError:
            raise Unavailable from None

    async def _run(self) -> None:
        try:
            while self._asked:
                keys = list(self._asked)[:MOST_PER_STATEMENT]
                batch = {key: self._asked.pop(key) for key in keys}
                try:
                    found = await self._database.read_one(self._find, keys)
                except Exception as error:  # noqa: BLE001 - everyone who asked gets it
                    for answer in batch.values():
                        answer.set_exception(error)
                        answer.exception()  # mark it as seen: the request may have stopped waiting
                else:
                    for key, answer in batch.items():
                        answer.set_result(found.get(key))
        finally:
            self._running = None
