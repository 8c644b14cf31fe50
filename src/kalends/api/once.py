"""What takes long to make, and is the same for as long as the process lives."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Made once, in a thread, when somebody asks; whoever asks meanwhile gets the same."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return it. Raises what making it raised."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make))
        return await asyncio.shield(self._made)
