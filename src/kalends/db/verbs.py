"""What the databases spell differently."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Table,
    cast,
    extract,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import insert as insert_into_postgres
from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

from kalends.db.database import Tx

_FIRST: ColumnElement[Any] = literal_column("'0001-01-01T00:00:01Z'::timestamptz")


def insert_new(tx: Tx, table: Table[Any], values: Mapping[str, Any]) -> bool:
    """Insert a row, unless there is one with the same unique key. Returns whether it was inserted.

    On PostgreSQL it waits for a transaction that is just inserting the same, and decides when that ends.
    """
    insert = insert_into_postgres if tx.dialect.name == "postgresql" else insert_into_sqlite
    statement = insert(table).values(values).on_conflict_do_nothing().returning(*table.primary_key)
    return tx.execute(statement).first() is not None


def in_seconds(tx: Tx, column: Column[Any]) -> ColumnElement[int]:
    """Return a column of instants as whole seconds since 1970. The first second of the year 1 becomes the
    second one, since PostgreSQL stores the first as -infinity."""
    if tx.dialect.name == "postgresql":
        return cast(extract("epoch", func.greatest(column, _FIRST)), BigInteger)
    return type_coerce(column, BigInteger)


def all_in_seconds(tx: Tx, column: Column[Any]) -> ColumnElement[list[int]]:
    """Return the instants of a column in all rows of a group, as one list of whole seconds since 1970 that
    the database makes: by the thousand, that is quicker to read than rows of datetimes."""
    if tx.dialect.name == "postgresql":
        gathered: ColumnElement[Any] = func.array_agg(in_seconds(tx, column))
        return gathered
    return type_coerce(func.json_group_array(in_seconds(tx, column)), JSON)
