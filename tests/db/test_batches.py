import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from kalends.db.batches import MOST_PER_STATEMENT, Batches
from kalends.db.database import Database

pytestmark = pytest.mark.anyio


class SlowDatabase:
    """Answers when it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def read_one(self, find: Callable[..., Any], keys: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(keys))
        await self.go.wait()
        if self.error:
            raise self.error
        return {key: key.upper() for key in keys if key != "unknown"}


def batches(database: SlowDatabase) -> Batches[str, str]:
    return Batches(cast(Database, database), lambda _tx, _keys: {})


async def test_who_asks_during_a_look_up_shares_the_next_one() -> None:
    database = SlowDatabase()
    shared = batches(database)
    first = asyncio.create_task(shared.get("a"))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(shared.get(key)) for key in ("b", "a", "b", "unknown")]
    await asyncio.sleep(0.01)
    database.go.set()
    assert await first == "A"
    assert await asyncio.gather(*rest) == ["B", "A", "B", None]
    # The second "a" was asked anew: an answer never is older than its question.
    assert database.asked == [["a"], ["b", "a", "unknown"]]


async def test_an_error_reaches_everyone_and_the_next_look_up_runs() -> None:
    database = SlowDatabase()
    database.error = ConnectionError("away")
    database.go.set()
    shared = batches(database)
    results = await asyncio.gather(shared.get("a"), shared.get("b"), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    database.error = None
    assert await shared.get("a") == "A"


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    database = SlowDatabase()
    shared = batches(database)
    impatient, patient = (asyncio.create_task(shared.get("a")) for _ in range(2))
    await asyncio.sleep(0.01)
    impatient.cancel()
    database.go.set()
    assert await patient == "A"


async def test_large_crowds_are_looked_up_in_several_statements() -> None:
    database = SlowDatabase()
    database.go.set()
    shared = batches(database)
    keys = [f"k{i}" for i in range(MOST_PER_STATEMENT * 2 + 1)]
    assert await asyncio.gather(*(shared.get(key) for key in keys)) == [key.upper() for key in keys]
    assert [len(asked) for asked in database.asked] == [MOST_PER_STATEMENT, MOST_PER_STATEMENT, 1]
