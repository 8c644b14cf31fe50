"""Alembic's database: handed over by Kalends, or (on Alembic's own command line) the settings'."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from kalends.db.opening import open_database
from kalends.db.tables import metadata
from kalends.settings import Settings


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        include_object=compared,
        user_module_prefix="",
    )
    with context.begin_transaction():
        context.run_migrations()


def compared(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """The exclusion constraint is laid down by the migrations alone; PostgreSQL lists the index behind it."""
    return not (kind == "index" and name == "occupations_no_double_booking")


async def from_settings() -> None:
    settings = Settings()
    database = open_database(settings.database_url, pool_size=1)
    try:
        await database.write(run)
    finally:
        await database.close()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    asyncio.run(from_settings())
