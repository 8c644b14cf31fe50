import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from kalends.core.errors import Unavailable
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


async def test_a_migration_waits_for_another_longer_than_a_request_would(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text

    from kalends.db import postgres as module
    from tests.conftest import fresh_postgres_database

    monkeypatch.setattr(module, "STATEMENT_SECONDS", 0.2)
    monkeypatch.setitem(module.SESSION, "statement_timeout", "200ms")
    monkeypatch.setitem(module.SESSION, "lock_timeout", "200ms")
    fresh = fresh_postgres_database(postgres)
    url = await asyncio.to_thread(fresh.__enter__)
    holder = module.PostgresDatabase(url, pool_size=1)
    waiting = module.PostgresDatabase(url, pool_size=1)
    connection = await holder._connect(patient=True)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({migrating._LOCK})")
        migration = asyncio.create_task(waiting.migrate())
        await asyncio.sleep(1)
        assert not migration.done()
        await connection.execute(f"SELECT pg_advisory_unlock({migrating._LOCK})")
        await migration
        assert await waiting.read(migrating.current) == migrating.newest()
        with pytest.raises(Unavailable):
            await waiting.read(lambda tx: tx.execute(text("SELECT pg_sleep(5)")))
    finally:
        await connection.close()
        await holder.close()
        await waiting.close()
        await asyncio.to_thread(fresh.__exit__)
