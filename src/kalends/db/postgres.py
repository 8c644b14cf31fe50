"""PostgreSQL, on asyncpg."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate

import asyncpg
from sqlalchemy import Engine, NullPool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from kalends.core.errors import OutcomeUnknown, SchemaOutdated, Unavailable
from kalends.db import migrating, troubles
from kalends.db.database import P, T, Tx
from kalends.telemetry import Outage

CONNECT_SECONDS = 5
WAIT_SECONDS = 5
"""How long a request waits for a connection before it is answered 503."""
STATEMENT_SECONDS = 10
"""The client's own limit on a statement: it also holds where the server has gone silent."""
SESSION = {
    "application_name": "kalends",
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "plan_cache_mode": "force_generic_plan",
}
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
TRIES = 3

_RETRYABLE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# Connection exceptions, insufficient resources, operator intervention, and one by one: read-only
# (after a failover), lock_not_available, insufficient_privilege; query_canceled is in 57 already.
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_CODES = frozenset({"25006", "42501", "55P03"}) | _RETRYABLE
_SCHEMA_CODES = frozenset({"42P01", "42703"})  # undefined_table, undefined_column


class PostgresDatabase:
    """A pool of connections behind a first-come semaphore of the pool's size: SQLAlchemy's own queue
    starves its oldest waiters under load (p99 at 64 clients: 1,720 ms without, 450 ms with)."""

    def __init__(self, url: str, *, pool_size: int, outage: Outage | None = None) -> None:
        """Raises ValueError where the URL can't be read."""
        self._url = url
        self._place = troubles.place_of(url)
        self._outage = outage
        self._async_engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # error texts reach the log, where clients' names have no place
        )
        self._engine = self._async_engine.sync_engine
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshot = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._turn = asyncio.Semaphore(pool_size)
        self._waiting = 0

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
        return await troubles.noting(self._outage, self._look(self._engine, lambda tx: unit(tx, *args, **kw)))

    async def migrate(self) -> None:
        # A migration, or the wait for another process's, may take longer than a request's statement may.
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=partial(self._connect, patient=True), poolclass=NullPool
        )
        await self._change(engine.sync_engine, migrating.upgrade_under_lock)

    async def close(self) -> None:
        await self._async_engine.dispose()

    async def _connect(self, *, patient: bool = False) -> Any:
        try:
            return await asyncpg.connect(
                self._url,
                timeout=CONNECT_SECONDS,
                command_timeout=None if patient else STATEMENT_SECONDS,
                server_settings=SESSION | (dict.fromkeys(_LIMITS, "0") if patient else {}),
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise _NotConnectedError from error

    async def _run(self, work: Callable[[], T]) -> T:
        """Run synchronous work over the engine, when its turn has come. All of it (the check-out, the
        unit, the commit) is one greenlet: awaiting each step by itself costs as much as a statement."""
        if self._turn.locked():
            self._waiting += 1
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._turn.acquire()
            except TimeoutError:
                busy = (
                    f"All connections to {self._place} are busy: it is slow, or there are too many requests."
                )
                raise Unavailable("The server is overloaded; nothing was changed.").telling(busy) from None
            finally:
                self._waiting -= 1
        else:
            await self._turn.acquire()
        try:
            return await greenlet_spawn(work)
        finally:
            self._turn.release()

    async def _look(self, engine: Engine, unit: Callable[[Tx], T]) -> T:
        """Run what changes nothing; once more where the connection proved to be dead."""

        def work() -> T:
            with engine.connect() as tx:
                return unit(tx)

        for last in (False, True):
            try:
                return await self._run(work)
            except _DATABASE_ERRORS as error:
                if last or not _lost(error):
                    raise self._refusal(error, Unavailable) from _cause(error)
        raise AssertionError("unreachable")

    async def _change(self, engine: Engine, unit: Callable[[Tx], T]) -> T:
        connected = False

        def work() -> T:
            nonlocal connected
            connected = False
            with engine.begin() as tx:
                connected = True
                return unit(tx)

        for attempt in range(1, TRIES + 1):
            try:
                return await self._run(work)
            except _DATABASE_ERRORS as error:
                if attempt == TRIES or _sqlstate(error) not in _RETRYABLE:
                    unknown = connected and _lost(error)
                    raise self._refusal(error, OutcomeUnknown if unknown else Unavailable) from _cause(error)
        raise AssertionError("unreachable")

    def _refusal(self, error: Exception, refusal: type[Unavailable]) -> Exception:
        """`refusal` where the database is to blame; a defect of ours comes through as it is."""
        if isinstance(error, _NotConnectedError) and error.__cause__ is not None:
            return Unavailable().telling(troubles.of_connecting(error.__cause__, self._place))
        state = _sqlstate(error) or ""
        if state in _SCHEMA_CODES:
            return SchemaOutdated().telling(f"{SchemaOutdated.__doc__} It is {self._place}.")
        extension = state == "0A000" and "extension" in str(error)  # it is not installed there
        if _lost(error) or extension or state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_CODES:
            return refusal().telling(troubles.of_postgres(_said(error), self._place))
        return error


class _NotConnectedError(OSError):
    """No connection could be made; its cause says why."""


_DATABASE_ERRORS = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a broken connection or a refusing server raises, wrapped by SQLAlchemy or not. A TimeoutError is
an OSError: it is what asyncpg's own limits raise."""


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error.__cause__


def _said(error: Exception) -> BaseException:
    """The driver's own error, without what SQLAlchemy says around it."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return error if cause is None else cause.__cause__ or cause


def _lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (
            error.orig is not None and isinstance(error.orig.__cause__, asyncpg.InterfaceError)
        )
    return isinstance(error, (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError))


def _sqlstate(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)
