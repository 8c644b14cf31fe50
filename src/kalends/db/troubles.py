"""Why a database can't be used, in sentences for its operator: which database it is, the cause, and what to
do. Passwords are never in them."""

import os
import socket
import sqlite3
import ssl
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from kalends.core.errors import Unavailable
from kalends.telemetry import Outage

R = TypeVar("R")

_URL = "KALENDS_DATABASE_URL"


async def noting(outage: Outage | None, work: Awaitable[R]) -> R:
    """Wait for work that asks the database, and note whether the database could be used."""
    try:
        result = await work
    except Unavailable as refusal:
        if outage is not None:
            outage.fails(refusal.operator or refusal.message, code=refusal.code)
        raise
    if outage is not None:
        outage.works()
    return result


def place_of(url: str) -> str:
    """Return the database that a PostgreSQL URL names, with its host and port, as asyncpg reads it: what the
    URL leaves out comes from the environment. Raises ValueError if it can't be read."""
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        hosts, ports = _hosts(parts.netloc.rpartition("@")[2])
        hosts = hosts or _split(query.get("host") or os.environ.get("PGHOST"))
        ports = ports or [int(port) for port in _split(query.get("port") or os.environ.get("PGPORT"))]
    except ValueError:
        raise ValueError(f"{_URL} can't be read: {_FORM}") from None
    if not all(0 < port < 65_536 for port in ports):
        raise ValueError(f"{_URL} has a port that is not one of 1 to 65535: {_FORM}")
    named = unquote(parts.path[1:]) or query.get("dbname") or query.get("database")
    database = named or os.environ.get("PGDATABASE")
    where = ", ".join(hosts) or "this machine (no host is given)"
    shown = ", ".join(map(str, sorted(set(ports)))) or "5432"
    return f"the database {database or 'of the user'} at {where} port {shown}"


_FORM = (
    "it must be postgresql://user:password@host:5432/database, with signs such as @ : / in a password "
    "written as %40 %3A %2F"
)


def _hosts(netloc: str) -> tuple[list[str], list[int]]:
    hosts, ports = [], []
    for each in _split(netloc):
        host, colon, port = each.rpartition(":") if not each.endswith("]") else (each, "", "")
        hosts += [unquote(host)] if colon and host else [unquote(port or host)] if not colon else []
        ports += [int(port)] if colon and port else []
    return hosts, ports


def _split(text: str | None) -> list[str]:
    return [each for each in (text or "").split(",") if each]


def of_connecting(error: BaseException, place: str) -> str:
    """Return why no connection to PostgreSQL could be made."""
    text = first_line(error)
    if hasattr(error, "sqlstate"):
        return f"PostgreSQL refuses {place}: {text}. {_advice(error)}".strip()
    cause, advice = _of_network(error, text)
    return f"{place[0].upper()}{place[1:]} can't be reached: {cause}. {advice}"


def _of_network(error: BaseException, text: str) -> tuple[str, str]:
    if isinstance(error, ConnectionError) and "SSL" in text:
        return "it offers no TLS", f"Turn TLS on there, or set sslmode=disable in {_URL}."
    if "Connect call failed" in text:  # of several addresses each
        return _REFUSED
    known = (found for error_type, found in _NETWORK if isinstance(error, error_type))
    return next(known, (text or type(error).__name__, f"See {_URL}."))


_REFUSED = "connection refused", f"Is PostgreSQL up, and are host and port in {_URL} right?"
_NETWORK: tuple[tuple[type[BaseException], tuple[str, str]], ...] = (
    (socket.gaierror, ("the host's name is unknown", f"Is the host in {_URL} right, and does DNS work?")),
    (ssl.SSLError, ("TLS fails", f"Do the server's certificate and sslmode in {_URL} fit together?")),
    (
        TimeoutError,
        ("no answer in time", f"Is the host in {_URL} right, and does a firewall let it through?"),
    ),
    (FileNotFoundError, ("no such socket", f"Is PostgreSQL up, and are host and port in {_URL} right?")),
    (PermissionError, ("permission denied", "Give this user the right to use its socket.")),
    (ConnectionRefusedError, _REFUSED),
    (ConnectionError, ("the connection broke off", f"Is it PostgreSQL that listens there (see {_URL})?")),
)


CHANGES_IN_THE_WAY = "Other changes were in the way, several times in a row."

_STATES = {
    "28P01": f"Are user and password in {_URL} right?",
    "28000": f"Is the user in {_URL} right, and does pg_hba.conf there let it in?",
    "3D000": f"Make it (createdb), or set its name in {_URL}.",
    "42501": "Give this user the right to it (GRANT), or make it the owner of the database.",
    "53300": "Lower KALENDS_DATABASE_POOL_SIZE, or raise max_connections there.",
    "57P03": "It is starting or stopping; servers recover by themselves.",
    "25006": f"It is read-only, as a standby is: name the primary in {_URL}.",
    "55P03": "Something there holds a lock for long: look into pg_stat_activity.",
    "57014": "It took too long: look into pg_stat_activity for what holds it.",
}
_CLASSES = {
    "28": f"Is the user in {_URL} right, and does pg_hba.conf there let it in?",
    "40": CHANGES_IN_THE_WAY,
    "53": "Make room there: disk, memory or connections.",
    "57": "Somebody is stopping it; servers recover by themselves.",
    "58": "Something is missing or broken on its machine: see PostgreSQL's own log.",
}


def of_postgres(error: BaseException, place: str) -> str:
    """Return what went wrong at PostgreSQL after the connection was made."""
    if (getattr(error, "sqlstate", None) or "08")[:2] != "08":
        return f"PostgreSQL fails for {place}: {first_line(error)}. {_advice(error)}".strip()
    cause = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
    return f"Lost {place}: {cause}. Is PostgreSQL up, and is the network? Servers recover by themselves."


def _advice(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None) or ""
    return _STATES.get(state, _CLASSES.get(state[:2], ""))


def of_sqlite(error: sqlite3.Error, path: Path) -> str:
    """Return why a SQLite file can't be used."""
    cause, advice = _of_file(error, path.absolute())
    return f"The server can't use its database file {path.absolute()}: {cause}. {advice}"


def of_slow_file(path: Path) -> str:
    """Return why units of work wait too long for a SQLite file that no other process has locked."""
    return (
        f"Too many requests wait for the database file {path.absolute()}: there are too many, or its disk is "
        "slow. More cores or a faster disk help; PostgreSQL has room for more."
    )


def _of_file(error: sqlite3.Error, path: Path) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return (
                "another process writes for long",
                "Which one holds it (lsof)? PostgreSQL has room for more.",
            )
        case sqlite3.SQLITE_FULL:
            return "the disk is full", "Make room."
        case sqlite3.SQLITE_NOTADB:
            return "it is not a SQLite database", f"Name another file in {_URL}, or restore it from a backup."
        case sqlite3.SQLITE_CORRUPT:
            return "it is damaged", "Stop all servers and restore it from a backup."
    if path.is_dir():
        return "it is a folder", f"Name a file in it: {_URL}=sqlite:///{path / 'kalends.db'}"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}", f"Make it, or set {_URL}."
    if path.exists() and not _may(path, os.R_OK | os.W_OK):
        return "this user may not write it", "Give it to the user that runs Kalends (chown)."
    if not _may(path.parent, os.W_OK | os.X_OK):
        return (
            "this user may not write into its folder",
            "SQLite keeps files beside it: chown the folder, too.",
        )
    if code == sqlite3.SQLITE_READONLY:
        return "it is read-only", "Is the disk mounted read-only?"
    return f"{error}", f"Is the disk in order, and is {_URL} right?"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without the rows that PostgreSQL quotes below it."""
    return " ".join(str(error).partition("\n")[0].split())[:300].rstrip(".")
