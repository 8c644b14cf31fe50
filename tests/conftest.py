"""Databases, organizations and servers for the tests: SQLite and a real PostgreSQL, side by side."""

import asyncio
import gc
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from kalends import passwords, zone_data
from kalends.clock import SystemClock
from kalends.db.database import Database
from kalends.db.opening import open_database
from kalends.telemetry import configure
from tests.support.mailbox import Mailbox
from tests.support.organizations import Org, make_org

# Tests start dozens of processes, each of which would compile all sources anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Each commit of SQLite waits for the disk, unless the file is in memory. There must be room, which containers
# often give little of.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2**31:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

passwords.COST = 2**4  # one test asks for the real cost

settings.register_profile(
    "thorough",
    deadline=None,  # the machines that run this are shared and noisy
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("every day", settings.get_profile("thorough"), max_examples=25)
settings.load_profile("every day")  # `make test-ci` chooses the other
configure("info")
zone_data.choose()  # before zones are read, as every process of Kalends does


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` starts: one more than there are cores, since many tests wait."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search no memory for what nobody needs while tests are collected, nor afterwards in what was made by
    then, which stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is asked of a second database, which `_SECOND` names. It is asked `again` if it can hardly
    matter there: if the file does not say that it asks the databases themselves (`both`). If it does, it is
    `slow`, unless the database itself decides who gets what, or what is like what (`both("every day")`).
    Races are `slow`, but for the one for a single slot."""
    for item in items:
        room, *_, file = item.path.relative_to(item.config.rootpath / "tests").parts
        if room == "torture" and file != "test_races.py":
            item.add_marker(pytest.mark.slow)
        chosen = getattr(item, "callspec", None)
        if chosen is None or room not in _SECOND or _SECOND[room] not in chosen.params.values():
            continue
        both = item.get_closest_marker("both")
        if both is None:
            item.add_marker(pytest.mark.again)
        elif "every day" not in both.args:
            item.add_marker(pytest.mark.slow)


_SECOND = {
    **dict.fromkeys(("api", "contract", "house", "web", "worker"), "postgresql"),
    "torture": "sqlite",
}
"""Above the services, PostgreSQL is asked after SQLite; of races between processes, SQLite, which has one
writer in any case."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server's maintenance database."""
    if url := os.environ.get("KALENDS_TEST_DATABASE_URL"):
        yield url
        return
    from tests.support.postgres import Postgres

    with Postgres.start() as server:
        yield server.url("postgres")


@pytest.fixture(scope="session")
def postgres_url(postgres: str) -> Iterator[str]:
    """One migrated database for all tests: each has organizations of its own, and that is enough."""
    with fresh_postgres_database(postgres) as url:
        asyncio.run(_migrate(url))
        yield url


@pytest.fixture(scope="session")
def sqlite_template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kalends-test-") as folder:
        path = Path(folder) / "template.db"
        asyncio.run(_migrate(f"sqlite:///{path}"))
        yield path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of either kind."""
    if request.param == "postgresql":
        shared: str = request.getfixturevalue("postgres_url")
        return shared
    path = tmp_path / "kalends.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of either kind that nobody else uses and nothing is in, not even a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with fresh_postgres_database(request.getfixturevalue("postgres")) as own:
        yield own


@pytest.fixture(scope="session")
def postgres_alone(postgres: str) -> Iterator[str]:
    """A migrated database beside that of all tests."""
    with fresh_postgres_database(postgres) as url:
        asyncio.run(_migrate(url))
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of either kind in which nothing is of anybody else: for workers, which work for
    every organization they find."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_alone")
        asyncio.run(_execute(url, "TRUNCATE organizations CASCADE"))
        return url
    path = tmp_path / "own.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.open()
    yield mailbox
    await mailbox.close()


@pytest.fixture
def opening(own_url: str, mailbox: Mailbox) -> object:
    """A practice that is to be opened, with mails: `tests.support.practice.Opening`."""
    from tests.support.practice import practice  # which needs what is here

    return partial(practice, own_url, mailbox)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    database = open_database(url, pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def org(db: Database) -> Org:
    """An organization with a type of 60 minutes, a key for everything, and its default calendar."""
    return await make_org(db, SystemClock().now())


@pytest.fixture
async def other_org(db: Database) -> Org:
    """Another organization, whose data must never be seen."""
    return await make_org(db, SystemClock().now())


class fresh_postgres_database:  # noqa: N801 - used as a function
    """A context manager: a new empty database on the server, dropped at the end."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.name = f"kalends_{uuid.uuid4().hex}"

    def __enter__(self) -> str:
        asyncio.run(_execute(self.server, f"CREATE DATABASE {self.name}"))
        head, _, query = self.server.partition("?")
        return f"{head.rpartition('/')[0]}/{self.name}" + (f"?{query}" if query else "")

    def __exit__(self, *_: object) -> None:
        asyncio.run(_execute(self.server, f"DROP DATABASE {self.name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    database = open_database(url, pool_size=1)
    try:
        await database.migrate()
    finally:
        await database.close()
