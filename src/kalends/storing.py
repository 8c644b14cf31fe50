"""Storing something though the process is being stopped."""

import asyncio
from collections.abc import Coroutine
from typing import Any

STOP_SECONDS = 5
"""How long a stop waits for what is just being stored."""


async def stored(work: Coroutine[Any, Any, None]) -> None:
    """Wait until something is stored. If this is cancelled meanwhile, wait a little longer: the database is
    closed next, and a write that goes on by itself would lose its connection."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
