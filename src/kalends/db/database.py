"""Where a unit of work runs.

A unit of work is a plain synchronous function over a SQLAlchemy Core connection: `(tx, …) -> result`.
It neither commits nor knows which database it is on. The database runs it and answers after the commit.
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, Row

P = ParamSpec("P")
T = TypeVar("T")

Tx: TypeAlias = Connection
"""What a unit of work works on. Nobody but the database begins, commits or rolls back."""

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row of the columns that a statement asks for."""


class Overtaken(Exception):  # noqa: N818 - it is no error: the unit is run again
    """Raised by a unit if what it read before it got its locks is no longer true. The database runs the unit
    again, on what is true now."""


class Database(Protocol):
    """SQLite or PostgreSQL, with the same promises.

    Every method raises Unavailable if the database can't be reached, is full or stays busy, and
    OutcomeUnknown if the connection broke while a change was being committed. What the unit itself raises
    comes through, and undoes all that the unit did. The exception is a key that another transaction violated
    or took meanwhile: then the unit runs again, and if that does not help, NotFound, InUse or AlreadyExists
    is raised (`db.constraints`). How long a unit may wait is said in `db.patience`.
    """

    @property
    def waiting(self) -> int:
        """How many units of work wait for their turn: for the writer, or for a connection."""

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit that only reads, on one snapshot."""

    async def read_one(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit that reads by a single statement, which is its own snapshot: one round trip."""

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit in one transaction and return once it is committed. The unit may run more than once."""

    async def write_one(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit that changes data by a single statement, which is its own transaction.

        On PostgreSQL this saves the round trips of BEGIN and COMMIT. What the unit read before that statement
        may have changed meanwhile; the result is as if that change had come just after the statement.
        """

    async def rehearse(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit as `write` does, and then undo it."""

    async def migrate(self) -> None:
        """Bring the schema to the newest version. Safe to call from many processes at once."""

    async def close(self) -> None:
        """Finish what is under way and close every connection."""
