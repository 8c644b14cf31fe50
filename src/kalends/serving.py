"""Starting a server: first the socket, then the database, then the processes."""

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
"""Open files for the log, the libraries, the reserved places, and connections that are being closed."""
_FILES_OF_A_CONNECTION = 4
"""The most files that SQLite opens for one connection to the database."""
GRACE_SECONDS = 30
"""How long requests in flight may take to finish when the server is told to stop."""
START_SECONDS = 30
"""How long a server process may take to start, or to answer the one that watches it. In five seconds, which
is usual, it does not start on a busy machine, and would be started again and again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says when it starts."""

    url: str
    demo: bool
    zone_data: str

    def as_dict(self) -> dict[str, str]:
        facts = {"url": self.url, "docs": f"{self.url}/docs", "zone_data": self.zone_data}
        if not self.demo:
            return facts
        pages = {"page": the_demo.page(self.url), "staff": the_demo.entrance(self.url)}
        return facts | {"key": the_demo.KEY} | pages

    def for_people(self) -> str:
        lines = [
            f"Kalends serves on {self.url} (documentation: {self.url}/docs; "
            f"time zone data: {self.zone_data}). Ctrl-C stops it."
        ]
        if self.demo:
            lines += [
                "",
                "This is the demo: its data is thrown away when it stops. Book an appointment as clients do:",
                "",
                the_demo.page(self.url),
                "",
                "or come in as its staff:",
                "",
                the_demo.entrance(self.url),
                "",
                "or book as programs do:",
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
    """Serve until stopped (SIGTERM, Ctrl-C), then finish the requests in flight.

    Raises Unavailable if the database can't be migrated, OSError if the address is in use, Malformed if the
    demo, whose key everybody knows, would be served beyond this machine, ValueError if traces are wanted but
    can't be sent.
    """
    begin(settings)
    tracing.check()
    RateLimits(settings.rate_limit_storage)  # raises if the setting is wrong, before anything is done
    if worker is not None:
        os.environ["KALENDS_WORKER"] = str(worker)  # for every server process
        settings = settings.model_copy(update={"worker": worker})
    if demo and not _is_loopback(host):
        raise Malformed("The demo's key is known to everybody, so it is served on a loopback address only.")
    # uvicorn raises the signal again when it has finished its requests: then exit in order, too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with (
        _listening(host, port) as listener,
        _throw_away(settings) if demo else nullcontext(settings) as used,
        _shared_metrics() if settings.metrics and workers > 1 else nullcontext(),
    ):
        asyncio.run(prepare(used, migrate=migrate or demo, demo=demo))
        shown = f"[{host}]" if ":" in host else host
        announce(Facts(f"http://{shown}:{listener.getsockname()[1]}", demo, zone_data.choose()))
        # Imported here, since it loads FastAPI, which no other command needs.
        from kalends.door.connection import Connection

        door = Door(Limits(connections=places(settings, allow_files())))
        config = uvicorn.Config(
            "kalends.app:from_environment",
            factory=True,
            proxy_headers=False,  # the application reads them
            workers=workers,
            log_config=None,  # `configure` sets up the log
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            http=partial(Connection, door),  # type: ignore[arg-type]  # uvicorn only calls it
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_worker_healthcheck=START_SECONDS,
        )
        with suppress(KeyboardInterrupt):  # Ctrl-C is the usual way to stop a server
            if workers > 1:
                Multiprocess(config, sockets=[listener]).run()
            else:
                uvicorn.Server(config).run(sockets=[listener])


def begin(settings: Settings) -> None:
    """Set up the log, and warn there of names in the environment that are not settings."""
    configure(settings.log_level)
    for sentence in unknown_names():
        log.warning("unknown setting", what=sentence)


def work(settings: Settings, *, announce: Callable[[], None]) -> None:
    """Run a worker until stopped (SIGTERM, Ctrl-C). Raises Unavailable if the database can't be reached or
    was not migrated."""
    begin(settings)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))

    async def run() -> None:
        if (this := asyncio.current_task()) is not None:
            # An exit raised in the middle of a step would be logged as a defect.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
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

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run())


@contextmanager
def _throw_away(settings: Settings) -> Iterator[Settings]:
    """Yield settings for a database that is deleted when the block ends. Pages of any origin may call it."""
    with tempfile.TemporaryDirectory(prefix="kalends-demo-") as folder:
        # Set in the environment, so that the worker processes find it too.
        os.environ["KALENDS_DATABASE_URL"] = f"sqlite:///{Path(folder) / 'demo.db'}"
        os.environ["KALENDS_CORS_ORIGINS"] = ",".join(settings.cors_origins) or "*"
        yield Settings()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """Make a folder in which several processes share their metrics, unless the operator has named one."""
    with tempfile.TemporaryDirectory(prefix="kalends-metrics-") as folder:
        os.environ.setdefault(SHARED, folder)
        yield


async def prepare(settings: Settings, *, migrate: bool, demo: bool = False) -> None:
    """Migrate the database, and fill it with the demo, if wanted."""
    async with opened(settings.database_url) as database:
        if migrate:
            await database.migrate()
        if demo:
            await database.write(the_demo.fill, SystemClock().now())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database for a block that does one thing at a time. Its troubles are not logged."""
    database = open_database(url, pool_size=1)
    try:
        yield database
    finally:
        await database.close()


async def ready(database: Database) -> None:
    """Migrate a database that never was migrated. Raises SchemaOutdated for one with another schema, which is
    not migrated by surprise."""
    if await database.read(migrating.check, fresh=True) is None:
        await database.migrate()


def _listening(host: str, port: int) -> socket.socket:
    """Return a bound socket. This comes first, so that a port in use is reported at once."""
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
        with suppress(OSError, ValueError):  # some systems have a second limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft


def places(settings: Settings, open_files: int) -> int:
    """Return how many client connections there is room for if a process may have `open_files`. It is never
    more than KALENDS_CONNECTIONS."""
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
