"""PostgreSQL, on asyncpg."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate
from weakref import WeakSet

import asyncpg
from sqlalchemy import Engine, ExceptionContext, NullPool, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from kalends.core.errors import OutcomeUnknown, Refusal, SchemaOutdated, Unavailable
from kalends.db import constraints, migrating, patience, troubles
from kalends.db.compiled import compiled_for
from kalends.db.database import Overtaken, P, T, Tx
from kalends.telemetry import Outage

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
"""The client's own limit on a statement: it also works if the server has gone silent."""
SESSION = {
    "application_name": "kalends",
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "plan_cache_mode": "force_generic_plan",
}
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
TRIES = 5
"""How often a unit is run at most if other transactions are in its way, by a deadlock or by overtaking it."""
TRIES_OF_KEYS = 2
"""How often a unit that violates a key is run: the second time its own checks see why, and say it best."""

_IN_THE_WAY = "Other changes were in the way, several times in a row; nothing was changed. Try again shortly."
_RETRYABLE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# Connection exceptions, insufficient resources, operator intervention, and one by one: read-only
# (after a failover), lock_not_available, insufficient_privilege; query_canceled is in 57 already.
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_CODES = frozenset({"25006", "42501", "55P03"}) | _RETRYABLE
_SCHEMA_CODES = frozenset({"42P01", "42703"})  # undefined_table, undefined_column


class PostgresDatabase:
    """A pool of connections behind a first-come semaphore of the pool's size: SQLAlchemy's own queue
    starves its oldest waiters under load (p99 at 64 clients: 1,720 ms without, 450 ms with)."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        outage: Outage | None = None,
        wait_seconds: float = patience.WAIT_SECONDS,
        most_waiting: int = patience.MOST_WAITING,
    ) -> None:
        """Prepare the pool; connections are made when they are needed. Raises ValueError if the URL can't be
        read."""
        self._url = url
        self._place = troubles.place_of(url)
        self._outage = outage
        self._async_engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # error texts reach the log, where clients' names have no place
            execution_options={"compiled_cache": compiled_for("postgresql")},
        )
        self._engine = self._async_engine.sync_engine
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshot = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._live: WeakSet[Any] = WeakSet()
        self._turn = asyncio.Semaphore(pool_size)
        self._waiting = 0
        self._wait_seconds = wait_seconds
        self._most_waiting = most_waiting
        event.listen(self._engine, "handle_error", _leave_a_silent_server)

    @property
    def waiting(self) -> int:
        return self._waiting

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(
            self._outage, self._look(self._snapshot, lambda tx: unit(tx, *args, **kw))
        )

    async def read_one(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(self._outage, self._look(self._single, lambda tx: unit(tx, *args, **kw)))

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(
            self._outage, self._change(self._engine, lambda tx: unit(tx, *args, **kw))
        )

    async def write_one(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(
            self._outage, self._change(self._single, lambda tx: unit(tx, *args, **kw))
        )

    async def rehearse(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await troubles.noting(
            self._outage, self._change(self._engine, lambda tx: unit(tx, *args, **kw), keep=False)
        )

    async def migrate(self) -> None:
        # A migration, or the wait for another process's, may take longer than a request's statement may.
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=partial(self._connect, patient=True), poolclass=NullPool
        )
        await self._change(engine.sync_engine, migrating.upgrade_under_lock)

    async def close(self) -> None:
        # Without a good-bye: if the server is silent, each connection would wait after the other.
        for each in list(self._live):
            each.terminate()
        await self._async_engine.dispose()

    async def _connect(self, *, patient: bool = False) -> Any:
        try:
            async with asyncio.timeout_at(patience.until()):
                connection = await asyncpg.connect(
                    self._url,
                    timeout=CONNECT_SECONDS,
                    command_timeout=None if patient else STATEMENT_SECONDS,
                    server_settings=SESSION | (dict.fromkeys(_LIMITS, "0") if patient else {}),
                )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise _NotConnectedError from error
        self._live.add(connection)
        return connection

    async def _run(self, work: Callable[["_Use"], T], *, again: bool = False) -> T:
        """Run synchronous work over the engine, when its turn has come. All of it (the check-out, the unit,
        the commit) is one greenlet: awaiting each step by itself costs as much as a statement. When its
        request has no time left, the connection is ended, even in the middle of a statement."""
        if patience.is_over():
            raise self._too_many()
        loop, until = asyncio.get_running_loop(), patience.until()
        if self._turn.locked():
            await self._wait_for_turn(loop.time() + self._wait_seconds, until, again=again)
        else:
            await self._turn.acquire()
        use = _Use()
        timer = None if until is None else loop.call_at(until, use.end)
        try:
            return await greenlet_spawn(work, use)
        except _DATABASE_ERRORS as error:
            if use.ended:
                raise TimeoutError from error
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._turn.release()

    async def _wait_for_turn(self, by: float, until: float | None, *, again: bool) -> None:
        if self._waiting >= self._most_waiting and not again:  # a unit that runs again has waited
            raise self._too_many()
        self._waiting += 1
        try:
            async with asyncio.timeout_at(by if until is None else min(by, until)):
                await self._turn.acquire()
        except TimeoutError:
            raise self._too_many() from None
        finally:
            self._waiting -= 1

    def _too_many(self) -> Unavailable:
        busy = f"All connections to {self._place} are busy: it is slow, or there are too many requests."
        return Unavailable("The server is overloaded; nothing was changed.").telling(busy)

    async def _look(self, engine: Engine, unit: Callable[[Tx], T]) -> T:
        """Run what changes nothing; once more if the connection proves to be dead."""

        def work(use: _Use) -> T:
            with engine.connect() as tx:
                use.of(tx)
                return unit(tx)

        for last in (False, True):
            try:
                return await self._run(work, again=last)
            except _DATABASE_ERRORS as error:
                if last or not _lost(error) or _is_silence(error):
                    raise self._refusal(error, Unavailable) from _cause(error)
        raise AssertionError("unreachable")

    async def _change(self, engine: Engine, unit: Callable[[Tx], T], *, keep: bool = True) -> T:
        """Run a unit in a transaction, and commit it if it is to be kept; again if other transactions were in
        its way."""
        connected = False

        def work(use: _Use) -> T:
            nonlocal connected
            connected = False
            with engine.begin() if keep else engine.connect() as tx:
                connected = True
                use.of(tx)
                return unit(tx)

        for attempt in range(1, TRIES + 1):
            try:
                return await self._run(work, again=attempt > 1)
            except Overtaken:
                if attempt == TRIES:
                    raise Unavailable(_IN_THE_WAY).telling(troubles.CHANGES_IN_THE_WAY) from None
            except _DATABASE_ERRORS as error:
                refusal = constraints.refusal_of(error)
                if attempt < _tries(error, refusal, keep=keep):
                    continue
                if refusal is not None:
                    raise refusal from None
                unknown = keep and connected and _lost(error)
                raise self._refusal(error, OutcomeUnknown if unknown else Unavailable) from _cause(error)
        raise AssertionError("unreachable")

    def _refusal(self, error: Exception, refusal: type[Unavailable]) -> Exception:
        """Return `refusal` if the database is to blame; a defect of ours comes through as it is."""
        if isinstance(error, _NotConnectedError) and error.__cause__ is not None:
            return Unavailable().telling(troubles.of_connecting(error.__cause__, self._place))
        state = _sqlstate(error) or ""
        if state in _SCHEMA_CODES:
            return SchemaOutdated().telling(f"{SchemaOutdated.sentence()} It is {self._place}.")
        extension = state == "0A000" and "extension" in str(error)  # it is not installed there
        if _lost(error) or extension or state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_CODES:
            return refusal().telling(troubles.of_postgres(_driver_error(error), self._place))
        return error


class _Use:
    """The use of a connection by a unit, and how it is ended."""

    def __init__(self) -> None:
        self._driver: Any = None
        self.ended = False

    def of(self, tx: Tx) -> None:
        """Note which connection it is."""
        self._driver = tx.connection.driver_connection
        if self.ended:
            self.end()

    def end(self) -> None:
        """End the connection at once: the statement that waits for the server fails, and so does the
        rollback, instead of waiting as long again."""
        self.ended = True
        if self._driver is not None:
            self._driver.terminate()


def _leave_a_silent_server(failure: ExceptionContext) -> None:
    """End a connection whose server did not answer a statement in time: a rollback would wait as long."""
    if _is_silence(failure.original_exception) and failure.connection is not None:
        driver = failure.connection.connection.driver_connection
        if driver is not None:
            driver.terminate()


def _tries(error: BaseException, refusal: Refusal | None, *, keep: bool) -> int:
    """Return how often a unit is run at most if a run ends with this error."""
    if refusal is not None:
        return TRIES_OF_KEYS
    if _sqlstate(error) in _RETRYABLE:
        return TRIES
    # If the connection was lost, what is to be kept may be stored. What is not to be kept is run once more.
    return 2 if not keep and _lost(error) and not _is_silence(error) else 1


class _NotConnectedError(OSError):
    """No connection could be made; its cause says why."""


_DATABASE_ERRORS = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a broken connection or a refusing server raises, wrapped by SQLAlchemy or not. A TimeoutError is
an OSError: it is what asyncpg's own limits raise."""


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error.__cause__


def _driver_error(error: Exception) -> BaseException:
    """Return the driver's own error, without SQLAlchemy's wrapping."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return error if cause is None else cause.__cause__ or cause


def _is_silence(error: BaseException) -> bool:
    """Return whether a server did not answer in time, so that asking again would only take as long again."""
    return isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError)


def _lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (
            error.orig is not None and isinstance(error.orig.__cause__, asyncpg.InterfaceError)
        )
    return isinstance(error, (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError))


def _sqlstate(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)
