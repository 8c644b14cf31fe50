"""From a database URL to a database."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kalends.db.database import Database
from kalends.db.postgres import PostgresDatabase
from kalends.db.sqlite import SqliteDatabase
from kalends.telemetry import Outage


def open_database(url: str, *, pool_size: int, told: bool = False) -> Database:
    """Return the database at `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`, or
    `postgresql://user@host/db` with anything that libpq allows in it. It connects only when it is first used.
    If `told`, the log says when it can't be used, and when it can again.

    Raises ValueError, with a sentence for the operator, if the URL is none of these.
    """
    outage = Outage("the database can't be used", "the database can be used again") if told else None
    scheme = url.partition("://")[0]
    if scheme in ("postgresql", "postgres"):
        return PostgresDatabase(url, pool_size=pool_size, outage=outage)
    if scheme == "sqlite":
        try:
            path = make_url(url).database
        except ArgumentError:
            path = None
        if path and path != ":memory:":
            return SqliteDatabase(Path(path), readers=pool_size, outage=outage)
    raise ValueError(
        "KALENDS_DATABASE_URL: the database URL must be sqlite:///path/to/file.db or "
        f"postgresql://user@host/database, not {_without_password(url)}"
    )


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that (it could not be read as a URL)"
