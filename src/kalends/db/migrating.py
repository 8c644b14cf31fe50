"""Bringing a database to the newest schema, by the migrations that travel with the package."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

import kalends

_LOCK = 0x6B616C656E6473  # "kalends"
"""The advisory lock under which a process migrates, so that ten starting together are safe."""


def upgrade(tx: Connection, revision: str = "head") -> None:
    """Run every migration that `tx`'s database has not seen, inside `tx`."""
    config = _config()
    config.attributes["connection"] = tx
    command.upgrade(config, revision)


def downgrade(tx: Connection, revision: str = "base") -> None:
    """Undo the migrations after `revision`, inside `tx`."""
    config = _config()
    config.attributes["connection"] = tx
    command.downgrade(config, revision)


def upgrade_under_lock(tx: Connection) -> None:
    """`upgrade` on PostgreSQL: one process at a time; the lock ends with the transaction."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    upgrade(tx)


@cache
def newest() -> str | None:
    """The revision a fully migrated database is at."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(tx: Connection) -> str | None:
    """The revision the database is at; None where it was never migrated."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> Path:
    """In an installed package the migrations lie inside it; in a checkout, at its top."""
    package = Path(kalends.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"
