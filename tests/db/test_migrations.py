import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import metadata

pytestmark = pytest.mark.anyio


def tables(tx: Tx) -> set[str]:
    return set(inspect(tx).get_table_names())


def differences(tx: Tx) -> list[object]:
    """What `alembic check` would find."""

    def include(_thing: object, name: str | None, *_: object) -> bool:
        return name != "appointments_no_double_booking"

    context = MigrationContext.configure(tx, opts={"compare_type": True, "include_object": include})
    return list(compare_metadata(context, metadata))


async def test_migrations_go_up_and_down_and_match_the_tables(empty_url: str) -> None:
    database = open_database(empty_url, pool_size=2)
    try:
        assert await database.read(migrating.current) is None
        await database.migrate()
        assert await database.read(migrating.current) == migrating.newest()
        assert await database.read(differences) == []
        assert await database.read(tables) == {*metadata.tables, "alembic_version"}
        await database.write(migrating.downgrade)
        assert await database.read(tables) == {"alembic_version"}
        await database.migrate()
        await database.migrate()
        assert await database.read(differences) == []
    finally:
        await database.close()


async def test_many_may_migrate_at_once(empty_url: str) -> None:
    databases = [open_database(empty_url, pool_size=1) for _ in range(10)]
    try:
        await asyncio.gather(*(database.migrate() for database in databases))
        assert await databases[0].read(differences) == []
    finally:
        for database in databases:
            await database.close()
