"""Computing in the middle of a unit of work, without holding up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from sqlalchemy.util import await_only

from kalends.db.database import Tx

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="kalends-aside")
"""Few, since only one thread of Python computes at a time, and each more makes the event loop wait longer."""


def aside(tx: Tx, work: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
    """Do in a thread what may take more than some 20 ms of CPU time. On SQLite a unit runs in a thread of its
    own anyway; on PostgreSQL it runs in the event loop, which can serve other requests meanwhile."""
    if not tx.dialect.is_async:
        return work(*args, **kw)
    return await_only(asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *args, **kw)))
