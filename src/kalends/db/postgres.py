"""PostgreSQL, on asyncpg."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Concatenate

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kalends.core.errors import OutcomeUnknown, Unavailable
from kalends.db import migrating
from kalends.db.database import P, T

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
}
TRIES = 3

_RETRYABLE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# Connection exceptions, insufficient resources, operator intervention, and one by one: read-only
# (after a failover), lock_not_available, query_canceled is in 57 already, object_in_use.
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_CODES = frozenset({"25006", "55P03"}) | _RETRYABLE


class PostgresDatabase:
    """A pool of connections behind a first-come semaphore of the pool's size: SQLAlchemy's own queue
    starves its oldest waiters under load (p99 at 64 clients: 1,720 ms without, 450 ms with)."""

    def __init__(self, url: str, *, pool_size: int) -> None:
        self._url = url
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # error texts reach the log, where clients' names have no place
        )
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshot = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._turn = asyncio.Semaphore(pool_size)

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await self._look(self._snapshot, lambda tx: unit(tx, *args, **kw))

    async def read_one(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        return await self._look(self._single, lambda tx: unit(tx, *args, **kw))

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs) -> T:
        return await self._change(self._engine, lambda tx: unit(tx, *args, **kw))

    async def write_one(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        return await self._change(self._single, lambda tx: unit(tx, *args, **kw))

    async def rehearse(
        self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        return await self._look(self._engine, lambda tx: unit(tx, *args, **kw))

    async def migrate(self) -> None:
        await self._change(self._engine, migrating.upgrade_under_lock)

    async def close(self) -> None:
        await self._engine.dispose()

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            self._url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS, server_settings=SESSION
        )

    @contextlib.asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("The server is overloaded; nothing was changed.") from None
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            self._turn.release()

    async def _look(self, engine: AsyncEngine, unit: Callable[[Connection], T]) -> T:
        """Run what changes nothing; once more where the connection proved to be dead."""
        for last in (False, True):
            try:
                async with self._connection(engine) as connection:
                    return await connection.run_sync(unit)
            except _DATABASE_ERRORS as error:
                if last or not _lost(error):
                    _refuse(error, Unavailable)
        raise AssertionError("unreachable")

    async def _change(self, engine: AsyncEngine, unit: Callable[[Connection], T]) -> T:
        for attempt in range(1, TRIES + 1):
            sent = False
            try:
                async with self._connection(engine) as connection:
                    sent = True
                    result = await connection.run_sync(unit)
                    await connection.commit()
                    return result
            except _DATABASE_ERRORS as error:
                if attempt < TRIES and _sqlstate(error) in _RETRYABLE:
                    continue
                _refuse(error, OutcomeUnknown if sent and _lost(error) else Unavailable)
        raise AssertionError("unreachable")


_DATABASE_ERRORS = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a broken connection or a refusing server raises, wrapped by SQLAlchemy or not. A TimeoutError is
an OSError: it is what asyncpg's own limits raise."""


def _refuse(error: BaseException, refusal: type[Unavailable]) -> None:
    """Raise `refusal` where the database is to blame; let a defect of ours come through as it is."""
    state = _sqlstate(error) or ""
    if _lost(error) or state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_CODES:
        raise refusal() from (error.orig if isinstance(error, DBAPIError) else error)
    raise error


def _lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (
            error.orig is not None and isinstance(error.orig.__cause__, asyncpg.InterfaceError)
        )
    return isinstance(error, (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError))


def _sqlstate(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)
