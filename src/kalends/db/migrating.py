"""Bringing a database to the newest schema, by the migrations that travel with the package."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

import kalends
from kalends.core.errors import SchemaOutdated

_LOCK = 0x6B616C656E6473  # "kalends"
"""The advisory lock under which a process migrates, so that ten that start together are safe."""


def upgrade(tx: Connection, revision: str = "head") -> None:
    """Run every migration that `tx`'s database has not seen, inside `tx`. Raises SchemaOutdated if it has
    seen some that this version does not know."""
    config = _config()
    config.attributes["connection"] = tx
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise _unknown(current(tx)) from error


def downgrade(tx: Connection, revision: str = "base") -> None:
    """Undo the migrations after `revision`, inside `tx`."""
    config = _config()
    config.attributes["connection"] = tx
    command.downgrade(config, revision)


def upgrade_under_lock(tx: Connection) -> None:
    """Do on PostgreSQL what `upgrade` does: one process at a time. The lock ends with the transaction."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    upgrade(tx)


@cache
def newest() -> str | None:
    """Return the revision of a fully migrated database."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(tx: Connection) -> str | None:
    """Return the revision of the database; None if it was never migrated."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check(tx: Connection, *, fresh: bool = False) -> str | None:
    """Return the revision of the database: the newest one; None if it was never migrated, and a `fresh` one
    will do. Raises SchemaOutdated otherwise."""
    revision = current(tx)
    if revision == newest() or (revision is None and fresh):
        return revision
    if revision is not None and revision > (newest() or ""):
        raise _unknown(revision)
    raise SchemaOutdated(
        f"The database's schema is at {revision or 'nothing'}, not at {newest()}: run `kalends migrate`.",
        schema=revision,
        needed=newest(),
    )


def _unknown(revision: str | None) -> SchemaOutdated:
    return SchemaOutdated(
        f"The database's schema is at {revision}, which this version of Kalends ({kalends.VERSION}, schema "
        f"{newest()}) does not know: a newer one has migrated it. Install that one again.",
        schema=revision,
        needed=newest(),
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> Path:
    """Return the folder of the migrations: inside an installed package, or at the top of a checkout."""
    package = Path(kalends.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"
