"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, TypeDecorator
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

from kalends.core.hours import moment, seconds


class UtcDateTime(TypeDecorator[datetime]):
    """A UTC instant in whole seconds: `timestamptz` on PostgreSQL, seconds since 1970 on SQLite.

    Naive values and fractions of a second are refused, so that both databases hold the same, and a forgotten
    zone is an error in the first test, not a shift by an hour in March.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None or value.microsecond:
            raise ValueError(f"not a zoned instant in whole seconds: {value!r}")
        return value if dialect.name == "postgresql" else seconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            # asyncpg takes the first second of the year 1 for minus infinity, and gives it back naive.
            return value if value.tzinfo else value.replace(tzinfo=UTC)  # type: ignore[no-any-return]
        return moment(value)
