"""Statements compiled to SQL, once for all engines of a process that speak the same dialect."""

import functools
from typing import Any

from sqlalchemy import Compiled
from sqlalchemy.util import LRUCache

MOST_STATEMENTS = 1_000


class CompiledStatements:
    """What `compiled_cache`, an execution option of SQLAlchemy, asks for: statements by their keys.

    By itself, each engine keeps what it has compiled for its own instance of the dialect. A file has two
    engines, one to read and one to write, and to compile a statement takes longer than to run it.
    """

    def __init__(self) -> None:
        self._kept: LRUCache[tuple[Any, ...], Compiled] = LRUCache(MOST_STATEMENTS)

    def get(self, key: tuple[Any, ...]) -> Compiled | None:
        """Return a statement; of its key the first part is the instance of the dialect."""
        return self._kept.get(key[1:])

    def __setitem__(self, key: tuple[Any, ...], compiled: Compiled) -> None:
        self._kept[key[1:]] = compiled


@functools.cache
def compiled_for(dialect: str) -> CompiledStatements:
    """Return the statements of this process for `sqlite` or `postgresql`."""
    return CompiledStatements()
