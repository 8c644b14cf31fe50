"""SQLite, the embedded default: one writer with group commit, and a few readers."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, TypeVar

from sqlalchemy import URL, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from kalends.core.errors import Refusal, SchemaOutdated, Unavailable
from kalends.db import migrating, troubles
from kalends.db.database import P, T, Tx
from kalends.telemetry import Outage

R = TypeVar("R")

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for another process's write before it is answered 503."""
MOST_UNITS_PER_COMMIT = 128
"""Bounds how long the first unit of a group waits for the last."""


class SqliteDatabase:
    """One file. All of this process's writes go to one thread, which takes every waiting unit into one
    transaction, each in a savepoint of its own, and answers them after the commit: with N writers
    waiting, N bookings share one fsync. Other processes are kept apart by `BEGIN IMMEDIATE`.
    """

    def __init__(self, path: Path, *, readers: int, outage: Outage | None = None) -> None:
        self.path = path
        self._outage = outage
        self._reader = _engine(path, begin="BEGIN", pool_size=readers)
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", pool_size=1)
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="kalends-reader")
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writing: threading.Thread | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        def look() -> T:
            with _refusing(self.path), self._reader.connect() as tx:
                return unit(tx, *args, **kw)

        looking = asyncio.get_running_loop().run_in_executor(self._reading, look)
        return await troubles.noting(self._outage, looking)

    read_one = read

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(self._outage, self._enqueue(lambda tx: unit(tx, *args, **kw), keep=True))

    write_one = write

    async def rehearse(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(
            self._outage, self._enqueue(lambda tx: unit(tx, *args, **kw), keep=False)
        )

    async def migrate(self) -> None:
        await asyncio.to_thread(self._migrate)

    async def close(self) -> None:
        self._closed = True
        if self._writing is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._writing.join)
        self._reading.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def _migrate(self) -> None:
        with _refusing(self.path), self._writer.begin() as tx:
            migrating.upgrade(tx)

    async def _enqueue(self, run: Callable[[Tx], R], *, keep: bool) -> R:
        if self._closed:
            raise Unavailable("The server is shutting down; nothing was changed.")
        if self._writing is None:
            self._writing = threading.Thread(target=self._write_forever, name="kalends-writer", daemon=True)
            self._writing.start()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(run, keep, loop, loop.create_future())
        self._waiting.put(waiting)
        return await waiting.answer  # type: ignore[no-any-return]

    def _write_forever(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            with contextlib.suppress(queue.Empty):
                while len(group) < MOST_UNITS_PER_COMMIT:
                    following = self._waiting.get_nowait()
                    if following is None:
                        self._waiting.put(None)
                        break
                    group.append(following)
            try:
                with _refusing(self.path), self._writer.begin() as tx:
                    for waiting in group:
                        _run_in_savepoint(tx, waiting, self.path)
            except BaseException as error:  # noqa: BLE001 - whatever it is, somebody is waiting for it
                for waiting in group:
                    waiting.error = error
            _answer(group)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A unit in the queue, and whoever waits for its answer."""

    run: Callable[[Tx], Any]
    keep: bool
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = field(default=None)

    def settle(self) -> None:
        if self.answer.done():  # its request was cancelled
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


def _run_in_savepoint(tx: Tx, waiting: _Waiting, path: Path) -> None:
    # The savepoint is spoken to the driver itself: through Core it would cost as much as a query.
    driver = tx.connection.cursor()
    driver.execute("SAVEPOINT unit")
    try:
        waiting.result = waiting.run(tx)
    except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
        # Where the error ended the whole transaction (the disk is full, say), there is no savepoint to
        # return to: that raises, and the whole group is answered with an error.
        driver.execute("ROLLBACK TO unit")
        waiting.error = _unavailable(error, path) or error
    if not waiting.keep:
        driver.execute("ROLLBACK TO unit")
    driver.execute("RELEASE unit")


def _answer(group: list[_Waiting]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
    for waiting in group:
        by_loop.setdefault(waiting.loop, []).append(waiting)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answered)


def _settle(answered: list[_Waiting]) -> None:
    for waiting in answered:
        waiting.settle()


def _engine(path: Path, *, begin: str, pool_size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # error texts reach the log, where clients' names have no place
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by us, not by the driver's guess
        for pragma in (
            "journal_mode = WAL",  # readers and the writer do not wait for each other
            "synchronous = FULL",  # an acknowledged booking survives a power cut
            "foreign_keys = ON",  # off by default, for old files' sake
            "cache_size = -16000",  # 16 MB a connection
            "mmap_size = 268435456",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(tx: Tx) -> None:
        tx.exec_driver_sql(begin)

    return engine


@contextlib.contextmanager
def _refusing(path: Path) -> Any:
    """Turn what the driver says of a busy, full or broken disk into an answer."""
    try:
        yield
    except Refusal:
        raise
    except (DBAPIError, sqlite3.Error) as error:
        if (refusal := _unavailable(error, path)) is None:
            raise
        raise refusal from (error.orig if isinstance(error, DBAPIError) else error)


def _unavailable(error: BaseException, path: Path) -> Unavailable | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error):
        return None
    if str(cause).startswith(("no such table", "no such column")):
        return SchemaOutdated().telling(f"{SchemaOutdated.__doc__} It is the file {path.absolute()}.")
    match getattr(cause, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            refusal = Unavailable("The database is busy with another process's writes; nothing was changed.")
        case sqlite3.SQLITE_FULL:
            refusal = Unavailable("The server's disk is full; nothing was changed.")
        case (
            sqlite3.SQLITE_IOERR
            | sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_CORRUPT
            | sqlite3.SQLITE_NOTADB
            | sqlite3.SQLITE_AUTH
        ):
            refusal = Unavailable(f"The server can't use its database file ({cause}); nothing was changed.")
        case _:
            return None
    return refusal.telling(troubles.of_sqlite(cause, path))
