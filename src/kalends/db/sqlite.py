"""SQLite, the embedded default: one writer with group commit, and a few readers."""

import asyncio
import contextlib
import math
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, TypeVar

from sqlalchemy import URL, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from kalends.core.errors import OutcomeUnknown, Refusal, SchemaOutdated, Unavailable
from kalends.db import constraints, migrating, patience, troubles
from kalends.db.compiled import compiled_for
from kalends.db.database import P, T, Tx
from kalends.telemetry import Outage

R = TypeVar("R")

MOST_UNITS_PER_COMMIT = 128
GROUP_SECONDS = 0.25
"""These two limit how long the first unit of a group waits for the last; other units go into the next
group."""


class _Asked:
    """A unit that waits for its turn, and the request that waits for its answer."""

    __slots__ = ("_turn", "answer", "error", "keep", "loop", "result", "run", "wait_until")

    def __init__(self, run: Callable[[Tx], Any], *, keep: bool, wait_seconds: float) -> None:
        self.run = run
        self.keep = keep
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()
        self.wait_until = time.monotonic() + wait_seconds
        self.result: Any = None
        self.error: BaseException | None = None
        self._turn = threading.Lock()

    def begin(self) -> bool:
        """Return whether the caller may decide about the unit: run it, or refuse it. Only the first caller
        may, in any thread: so no unit is run after its request was told that nothing was changed."""
        return self._turn.acquire(blocking=False)

    @property
    def is_over(self) -> bool:
        """Whether it was begun or refused."""
        return self._turn.locked()

    def settle(self) -> None:
        """Give the answer, in the event loop's thread."""
        if self.answer.done():  # its request was cancelled, or could not wait
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


class SqliteDatabase:
    """One file. All of this process's writes go to one thread, which takes every waiting unit into one
    transaction, each in a savepoint of its own, and answers them after the commit: with N writers
    waiting, N bookings share one fsync. Other processes are kept apart by `BEGIN IMMEDIATE`.

    The event loop refuses requests that have waited too long, however long the threads wait for the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        readers: int,
        outage: Outage | None = None,
        wait_seconds: float = patience.WAIT_SECONDS,
        most_waiting: int = patience.MOST_WAITING,
    ) -> None:
        self.path = path
        self._outage = outage
        self._wait_seconds = wait_seconds
        self._most_waiting = most_waiting
        self._reader = _engine(path, begin="BEGIN", pool_size=readers, wait_seconds=wait_seconds)
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", pool_size=1, wait_seconds=wait_seconds)
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="kalends-reader")
        self._to_read = 0
        self._counting = threading.Lock()
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._writing: threading.Thread | None = None
        self._locked_out = False
        self._closed = False

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(self._outage, self._look(lambda tx: unit(tx, *args, **kw)))

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

    async def _look(self, run: Callable[[Tx], R]) -> R:
        if patience.is_over() or self._to_read >= self._most_waiting:
            raise self._too_many()
        asked = _Asked(run, keep=False, wait_seconds=self._wait_seconds)
        with self._counting:
            self._to_read += 1
        self._reading.submit(self._read, asked)
        return await self._answer_of(asked)  # type: ignore[no-any-return]

    def _read(self, asked: _Asked) -> None:
        with self._counting:
            self._to_read -= 1
        if not asked.begin():
            return
        try:
            with _refusing(self.path), self._reader.connect() as tx:
                _wait_for_file(tx, asked.wait_until)
                asked.result = asked.run(tx)
        except BaseException as error:  # noqa: BLE001 - it is handed to the request that asked
            asked.error = error
        _answer([asked])

    async def _enqueue(self, run: Callable[[Tx], R], *, keep: bool) -> R:
        if self._closed:
            raise Unavailable("The server is shutting down; nothing was changed.")
        if patience.is_over() or self._waiting.qsize() >= self._most_waiting:
            raise self._too_many()
        if self._writing is None:
            self._writing = threading.Thread(target=self._write_forever, name="kalends-writer", daemon=True)
            self._writing.start()
        asked = _Asked(run, keep=keep, wait_seconds=self._wait_seconds)
        self._waiting.put(asked)
        return await self._answer_of(asked)  # type: ignore[no-any-return]

    async def _answer_of(self, asked: _Asked) -> Any:
        until = patience.until()
        timers = [asked.loop.call_later(self._wait_seconds, self._refuse, asked)]
        if until is not None:
            timers.append(asked.loop.call_at(until, self._give_up, asked))
        try:
            return await asked.answer
        except asyncio.CancelledError:
            asked.begin()  # so that no thread does: its request no longer waits
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def _refuse(self, asked: _Asked) -> None:
        """Refuse a unit whose turn did not come in time. If it has begun, its answer is on its way."""
        if asked.begin() and not asked.answer.done():
            asked.answer.set_exception(self._busy() if self._locked_out else self._too_many())

    def _give_up(self, asked: _Asked) -> None:
        """Answer a request that can't wait any longer, whether or not its unit has begun."""
        if asked.answer.done():
            return
        unknown = not asked.begin() and asked.keep
        refusal: Unavailable = OutcomeUnknown() if unknown else Unavailable()
        asked.answer.set_exception(refusal.telling(troubles.of_slow_file(self.path)))

    def _too_many(self) -> Unavailable:
        refusal = Unavailable("The server is overloaded; nothing was changed.")
        return refusal.telling(troubles.of_slow_file(self.path))

    def _busy(self) -> Unavailable:
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        refusal = _unavailable(busy, self.path)
        assert refusal is not None
        return refusal

    def _write_forever(self) -> None:
        due: deque[_Asked] = deque()
        while self._fill(due):
            begun: list[_Asked] = []
            try:
                self._write_group(due, begun)
            except BaseException as error:  # noqa: BLE001 - requests wait for it, whatever it is
                if not begun:  # the file could not be used, which concerns all of them
                    begun += (asked for asked in due if asked.begin())
                    due.clear()
                for asked in begun:
                    asked.error = error
            _answer(begun)

    def _fill(self, due: deque[_Asked]) -> bool:
        """Collect the next units in `due`, without those that were refused meanwhile; wait until there is
        one. Returns False if there will be no more."""
        while True:
            for _ in range(len(due)):
                if not (asked := due.popleft()).is_over:
                    due.append(asked)
            while len(due) < MOST_UNITS_PER_COMMIT:
                try:
                    following = self._waiting.get_nowait() if due else self._waiting.get()
                except queue.Empty:
                    return True
                if following is None:
                    if due:
                        self._waiting.put(None)
                    return bool(due)
                if not following.is_over:
                    due.append(following)
            return True

    def _write_group(self, due: deque[_Asked], begun: list[_Asked]) -> None:
        """Run units in one transaction until they have taken long enough, and commit it."""
        with _refusing(self.path), self._writer.connect() as tx:
            self._locked_out = True
            _wait_for_file(tx, max(asked.wait_until for asked in due))
            with tx.begin():
                self._locked_out = False
                enough = time.monotonic() + GROUP_SECONDS
                while due and (not begun or time.monotonic() < enough):
                    if (asked := due.popleft()).begin():
                        begun.append(asked)
                        _run_in_savepoint(tx, asked, self.path)


def _wait_for_file(tx: Tx, until: float) -> None:
    """Let the next statement wait for other processes' locks, but not beyond that time."""
    # In tenths of a second, so that there are few different statements, which the driver keeps prepared.
    tenths = max(0, math.ceil((until - time.monotonic()) * 10))
    tx.connection.cursor().execute(f"PRAGMA busy_timeout = {tenths * 100}")


def _run_in_savepoint(tx: Tx, asked: _Asked, path: Path) -> None:
    # The savepoint goes to the driver directly: through Core it would cost as much as a query.
    driver = tx.connection.cursor()
    driver.execute("SAVEPOINT unit")
    try:
        asked.result = asked.run(tx)
    except Exception as error:  # noqa: BLE001 - it is handed to the request that asked
        asked.error = _unavailable(error, path) or constraints.refusal_of(error) or error
        try:
            driver.execute("ROLLBACK TO unit")
        except sqlite3.Error:
            # The error ended the whole transaction (the disk is full, say), so there is no savepoint to
            # return to, and it is the answer to the whole group.
            raise asked.error from error
    if not asked.keep:
        driver.execute("ROLLBACK TO unit")
    driver.execute("RELEASE unit")


def _answer(group: list[_Asked]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Asked]] = {}
    for asked in group:
        by_loop.setdefault(asked.loop, []).append(asked)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: no request waits any more
            loop.call_soon_threadsafe(_settle, answered)


def _settle(answered: list[_Asked]) -> None:
    for asked in answered:
        asked.settle()


def _engine(path: Path, *, begin: str, pool_size: int, wait_seconds: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # error texts reach the log, where clients' names have no place
        connect_args={"check_same_thread": False, "timeout": wait_seconds},
        execution_options={"compiled_cache": compiled_for("sqlite")},
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
    """Turn the driver's errors about a busy, full or broken disk into refusals."""
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
        return SchemaOutdated().telling(f"{SchemaOutdated.sentence()} It is the file {path.absolute()}.")
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
