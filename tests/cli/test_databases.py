"""Databases that can't be used: one line, with which it is, why, and what to do."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from kalends.core.errors import Unavailable
from kalends.db import migrating
from kalends.db.opening import open_database
from tests.support.commands import run
from tests.support.postgres import Postgres
from tests.support.server import free_port

COMMANDS = [["migrate"], ["org", "list"], ["serve", "--port", "0"], ["worker"]]
SECRET = "hunter2"


def line_of(url: str, *command: str, cwd: Path | None = None) -> str:
    done = run(*(command or ("org", "list")), env=os.environ | {"KALENDS_DATABASE_URL": url}, cwd=cwd)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("kalends: ")
    assert SECRET not in line
    return line


async def refused(url: str) -> Unavailable:
    """What a unit of work is refused with."""
    database = open_database(url, pool_size=1)
    try:
        with pytest.raises(Unavailable) as refusal:
            await database.read(migrating.check)
        with pytest.raises(Unavailable):
            await database.migrate()
        return refusal.value
    finally:
        await database.close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_that_is_none(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("This is no database. " * 1_000)
    for name, words in (
        ("none/k.db", f"there is no folder {tmp_path / 'none'}"),
        ("text/k.db", f"there is no folder {tmp_path / 'text'}"),
        ("folder", "it is a folder"),
        ("text", "it is not a SQLite database"),
    ):
        line = line_of(f"sqlite:///{tmp_path / name}", *command)
        assert str(tmp_path / name) in line
        assert words in line
        assert "KALENDS_DATABASE_URL" in line
    line = line_of("sqlite:///none/k.db", *command, cwd=tmp_path)
    assert str(tmp_path / "none" / "k.db") in line  # a relative one is named in full


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom nothing is forbidden."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_a_file_that_may_not_be_written(sqlite_template: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        folder.chmod(0o755)
        path = folder / "k.db"
        shutil.copy(sqlite_template, path)
        path.chmod(0o444)
        if os.geteuid() != 0:
            folder.chmod(0o555)
        with as_nobody():
            refusal = asyncio.run(refused(f"sqlite:///{path}"))
            assert f"{path}: this user may not write it" in (refusal.operator or "")
            assert str(folder) not in refusal.message
            refusal = asyncio.run(refused(f"sqlite:///{folder / 'new.db'}"))
            assert "may not write into its folder" in (refusal.operator or "")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_schema_of_a_newer_version(empty_url: str, command: list[str]) -> None:
    async def age() -> None:
        database = open_database(empty_url, pool_size=1)
        await database.migrate()
        await database.write(lambda tx: tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
        await database.close()

    asyncio.run(age())
    line = line_of(empty_url, *command)
    assert "9999" in line
    assert "a newer one has migrated it" in line
    assert "run `kalends migrate`" not in line


@pytest.fixture(scope="module")
def guarded() -> Iterator[Postgres]:
    """A PostgreSQL that wants passwords, and has a database that is closed."""
    with Postgres.start() as server:
        hba = "local all clinic scram-sha-256\nlocal all stranger reject\nlocal all all trust\n"
        (server._data / "pg_hba.conf").write_text(hba)
        server.down()
        server.up()

        async def furnish() -> None:
            connection = await asyncpg.connect(server.url("postgres"))
            for statement in (
                "CREATE ROLE clinic LOGIN PASSWORD 'right'",
                "CREATE ROLE reader LOGIN",
                "CREATE DATABASE closed",
                "REVOKE CONNECT ON DATABASE closed FROM public",
                "CREATE DATABASE foreign_one",
            ):
                await connection.execute(statement)
            await connection.close()

        asyncio.run(furnish())
        yield server


@pytest.mark.slow
def test_a_server_that_refuses(guarded: Postgres) -> None:
    at = f"?host={guarded.folder}"
    for user, database, words, advice in (
        (f"clinic:{SECRET}", "postgres", "password authentication failed", "user and password"),
        (f"stranger:{SECRET}", "postgres", "pg_hba.conf", "pg_hba.conf"),
        ("nobody", "postgres", 'role "nobody" does not exist', "the user in KALENDS_DATABASE_URL"),
        ("postgres", "none", 'database "none" does not exist', "createdb"),
        ("reader", "closed", "permission denied", "GRANT"),
    ):
        line = line_of(f"postgresql://{user}@/{database}{at}")
        assert f"the database {database} at {guarded.folder} port 5432" in line
        assert words in line
        assert advice in line
    for command in COMMANDS:
        assert "password" in line_of(f"postgresql://clinic:{SECRET}@/postgres{at}", *command)
    line = line_of(f"postgresql://reader@/foreign_one{at}", "migrate")
    assert "permission denied for schema public" in line
    assert f"the database foreign_one at {guarded.folder}" in line


def test_a_server_that_is_not_there(guarded: Postgres) -> None:
    port = free_port()
    for url, place, cause in (
        (f"postgresql://u:{SECRET}@127.0.0.1:{port}/x", f"x at 127.0.0.1 port {port}", "connection refused"),
        (f"postgresql://u:{SECRET}@db.invalid/x", "x at db.invalid port 5432", "the host's name is unknown"),
        (f"postgresql://u:{SECRET}@[::1]:{port}/x", f"x at [::1] port {port}", "can't be reached"),
        (f"postgresql://u:{SECRET}@/x?host=/none", "x at /none port 5432", "no such socket"),
        (
            f"postgresql://u:{SECRET}@/x?host={guarded.folder}&port={port}",
            f"x at {guarded.folder} port {port}",
            "no such socket",
        ),
        (
            f"postgresql://u:{SECRET}@127.0.0.1:{port},127.0.0.1:{port}/x",
            "127.0.0.1, 127.0.0.1",
            "connection refused",
        ),
        (f"postgresql://u:{SECRET}@127.0.0.1:{port}/x?sslmode=odd", f"port {port}", "sslmode"),
    ):
        line = line_of(url)
        assert f"he database {place}" in line or place in line
        assert cause in line
        assert "KALENDS_DATABASE_URL" in line


@pytest.mark.anyio
async def test_a_server_that_is_no_postgresql() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def refuse_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"N")
        await writer.drain()
        writer.close()

    for behaviour, query, words in (
        (hang_up, "", "the connection broke off"),
        (refuse_tls, "?sslmode=require", "it offers no TLS"),
    ):
        server = await asyncio.start_server(behaviour, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        refusal = await refused(f"postgresql://u:{SECRET}@127.0.0.1:{port}/x{query}")
        server.close()
        told = refusal.operator or ""
        assert f"The database x at 127.0.0.1 port {port} can't be reached: {words}" in told
        assert SECRET not in told
        assert str(port) not in refusal.message


def test_sqlite_says_what_is_damaged(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "k.db"
    shutil.copy(sqlite_template, path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    content = bytearray(path.read_bytes())
    content[4096 * 1 : 4096 * 20] = b"\xff" * (4096 * 19)
    path.write_bytes(content)
    line = line_of(f"sqlite:///{path}")
    assert "backup" in line
