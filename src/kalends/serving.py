"""Starting a server: the database first, then the socket, then as many processes as are wanted."""

import asyncio
import ipaddress
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from kalends import demo as the_demo
from kalends import tracing, zone_data
from kalends.api.rate_limits import RateLimits
from kalends.clock import SystemClock
from kalends.core.errors import Malformed
from kalends.courier import MOST_RECEIVERS
from kalends.db import migrating
from kalends.db.database import Database
from kalends.db.opening import open_database
from kalends.door.places import Door, Limits
from kalends.metrics import SHARED, Metrics
from kalends.settings import Settings, unknown_names
from kalends.telemetry import configure, log
from kalends.worker import work as keep_working
from kalends.zone_watch import watch

_OTHER_FILES = 100
"""Of the log, the libraries, the kept places, and what is about to be closed."""
_FILES_OF_A_CONNECTION = 4
"""SQLite opens so many for each, at the most."""
GRACE_SECONDS = 30
"""How long requests in flight may take to finish when the server is told to stop."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say of a server that starts."""

    url: str
    demo: bool
    zone_data: str

    def as_dict(self) -> dict[str, str]:
        facts = {"url": self.url, "docs": f"{self.url}/docs", "zone_data": self.zone_data}
        return facts | ({"key": the_demo.KEY} if self.demo else {})

    def for_people(self) -> str:
        lines = [
            f"Kalends serves on {self.url} (documentation: {self.url}/docs; "
            f"time zone data: {self.zone_data}). Ctrl-C stops it."
        ]
        if self.demo:
            lines += [
                "",
                "This is the demo: its data is thrown away when it stops. Book an appointment:",
                "",
                the_demo.curl(self.url),
                "",
            ]
        return "\n".join(lines)


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    demo: bool,
    worker: bool | None,
    migrate: bool,
    announce: Callable[[Facts], None],
) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C), then finish the requests in flight.

    Raises Unavailable where the database can't be migrated, OSError where the address is in use,
    Malformed where the demo, whose key everybody knows, would be served beyond this machine, ValueError where
    traces are wanted and can't be made.
    """
    begin(settings)
    tracing.check()
    RateLimits(settings.rate_limit_storage)  # what is wrong with it is said before anything is done
    if worker is not None:
        os.environ["KALENDS_WORKER"] = str(worker)  # so that every process finds it
        settings = settings.model_copy(update={"worker": worker})
    if demo and not _is_loopback(host):
        raise Malformed("The demo's key is known to everybody, so it is served on a loopback address only.")
    # When it has finished its requests, uvicorn raises the signal again: then leave in order, too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with (
        _listening(host, port) as listener,
        _throw_away(settings) if demo else nullcontext(settings) as used,
        _shared_metrics() if settings.metrics and workers > 1 else nullcontext(),
    ):
        asyncio.run(prepare(used, migrate=migrate or demo, demo=demo))
        shown = f"[{host}]" if ":" in host else host
        announce(Facts(f"http://{shown}:{listener.getsockname()[1]}", demo, zone_data.choose()))
        # FastAPI comes with it, which no other command needs, nor this one if it ends before.
        from kalends.door.connection import Connection

        door = Door(Limits(connections=places(settings, allow_files())))
        config = uvicorn.Config(
            "kalends.app:from_environment",
            factory=True,
            proxy_headers=False,  # the application sees to them
            workers=workers,
            log_config=None,  # ours is set up by `configure`
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            http=partial(Connection, door),  # type: ignore[arg-type]  # it is called as a class is
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with suppress(KeyboardInterrupt):  # Ctrl-C is the usual way to stop a server
            if workers > 1:
                Multiprocess(config, sockets=[listener]).run()
            else:
                uvicorn.Server(config).run(sockets=[listener])


def begin(settings: Settings) -> None:
    """Set up the log, and tell there of names in the environment that are no setting's."""
    configure(settings.log_level)
    for sentence in unknown_names():
        log.warning("unknown setting", what=sentence)


def work(settings: Settings, *, announce: Callable[[], None]) -> None:
    """Run a worker until told to stop (SIGTERM, Ctrl-C). Raises Unavailable where the database can't be
    reached or was not migrated."""
    begin(settings)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))

    async def run() -> None:
        async with opened(settings.database_url) as first:
            await ready(first)
        database = open_database(settings.database_url, pool_size=5, told=True)
        try:
            announce()
            clock, metrics, version = SystemClock(), None, zone_data.choose()
            if settings.metrics:
                metrics = Metrics()
                metrics.zone_data(version)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(watch(database, clock, version))
                tasks.create_task(keep_working(settings, database, clock, metrics))
        finally:
            await database.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


@contextmanager
def _throw_away(settings: Settings) -> Iterator[Settings]:
    """Settings for a database that is gone when the block ends, whose API pages of any origin may call."""
    with tempfile.TemporaryDirectory(prefix="kalends-demo-") as folder:
        # Set in the environment, so that the worker processes find it too.
        os.environ["KALENDS_DATABASE_URL"] = f"sqlite:///{Path(folder) / 'demo.db'}"
        os.environ["KALENDS_CORS_ORIGINS"] = ",".join(settings.cors_origins) or "*"
        yield Settings()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which several processes keep their numbers together, unless the operator has named one."""
    with tempfile.TemporaryDirectory(prefix="kalends-metrics-") as folder:
        os.environ.setdefault(SHARED, folder)
        yield


async def prepare(settings: Settings, *, migrate: bool, demo: bool = False) -> None:
    """Migrate the database and fill it with the demo, as far as either is wanted."""
    async with opened(settings.database_url) as database:
        if migrate:
            await database.migrate()
        if demo:
            await database.write(the_demo.fill, SystemClock().now())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database for the length of a block, for one thing after the other; the log hears nothing of it."""
    database = open_database(url, pool_size=1)
    try:
        yield database
    finally:
        await database.close()


async def ready(database: Database) -> None:
    """A fresh database is set up on its first use; an old one is not migrated by surprise. Raises
    SchemaOutdated."""
    if await database.read(migrating.check, fresh=True) is None:
        await database.migrate()


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound before anything else is done, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:
        listener.close()
        raise OSError(f"can't listen on {host} port {port}: {getattr(error, 'strerror', error)}") from None
    listener.set_inheritable(True)
    return listener


def allow_files() -> int:
    """Raise the limit of open files as far as this user may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems have another limit besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft


def places(settings: Settings, open_files: int) -> int:
    """Return for how many connections of clients there is room, at most KALENDS_CONNECTIONS, if a process may
    have so many open files."""
    if open_files == resource.RLIM_INFINITY:
        return settings.connections
    receivers = MOST_RECEIVERS if settings.worker else 0
    room = max(
        open_files - _OTHER_FILES - _FILES_OF_A_CONNECTION * settings.database_pool_size - receivers,
        open_files // 4,
    )
    if room < settings.connections:
        log.info(
            "fewer connections than KALENDS_CONNECTIONS, since the limit of open files (ulimit -n) is low",
            places=room,
            open_files=open_files,
        )
    return min(settings.connections, room)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
