"""What the databases spell differently."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Table,
    Text,
    any_,
    cast,
    extract,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import insert as insert_into_postgres
from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

from kalends.core.intervals import Span
from kalends.db.columns import UtcDateTime
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


def among(tx: Tx, column: Column[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values: by one parameter, however many there
    are."""
    if tx.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(Text)))
    listed = func.json_each(literal(list(values), JSON)).table_valued("value")
    return column.in_(select(listed.c.value))


def instants(tx: Tx, seconds: Sequence[int]) -> Select[Any]:
    """Select instants, given in seconds since 1970: by one parameter, however many there are."""
    if tx.dialect.name == "postgresql":
        each = func.unnest(literal(seconds, ARRAY(BigInteger))).column_valued("each")
        return select(type_coerce(func.to_timestamp(each), UtcDateTime()))
    listed = func.json_each(literal(seconds, JSON)).table_valued("value")
    return select(type_coerce(listed.c.value, UtcDateTime()))


def spans_of_time(tx: Tx, spans: Sequence[Span]) -> Select[Any]:
    """Select spans from one instant to another, given in seconds since 1970, in this order: by one or two
    parameters, however many there are."""
    if tx.dialect.name == "postgresql":
        starts, ends = (literal([span[end] for span in spans], ARRAY(BigInteger)) for end in (0, 1))
        each = func.unnest(starts, ends).table_valued("starts", "ends").render_derived()
        return select(func.to_timestamp(each.c.starts), func.to_timestamp(each.c.ends))
    listed = func.json_each(literal(spans, JSON)).table_valued("value")
    return select(*(func.json_extract(listed.c.value, f"$[{end}]") for end in (0, 1)))
