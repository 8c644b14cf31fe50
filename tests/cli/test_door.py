"""A real server under what strangers may do to it."""

import asyncio
import json
import resource
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from kalends.serving import places
from kalends.settings import Settings
from tests.support.door import Line
from tests.support.organizations import Org, new_org
from tests.support.server import Server, serving

pytestmark = pytest.mark.slow

HALF_OPEN = 1_001
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Connections need files here, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * HALF_OPEN:
        pytest.skip("too few open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path) -> tuple[str, Org]:
    shutil.copy(sqlite_template, path := tmp_path / "kalends.db")
    url = f"sqlite:///{path}"
    return url, asyncio.run(new_org(url))


def book(server: Server, org: Org, hour: int) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{server.port}/v1/calendar/appointments",
        json=org.wish(start_time=f"2024-01-25T{hour:02}:00:00Z"),
        headers={"Authorization": f"Bearer {org.key}"},
        timeout=5,
    )


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="one process", marks=pytest.mark.torture),
        pytest.param(["--workers", "2"], id="two workers"),
    ],
)
def test_half_open_connections_keep_nobody_out(
    tmp_path: Path, database: tuple[str, Org], options: list[str]
) -> None:
    url, org = database
    log = tmp_path / "log"
    with serving(url, *options, log=log, open_files=1024) as server, ExitStack() as opened:
        for half in (b"", b"GET / HTTP/1.1\r\nX: "):
            for _ in range(HALF_OPEN):
                opened.enter_context(Line(server.port)).send(half)
            assert book(server, org, 8 + 2 * bool(half)).status_code == 200
            assert httpx.get(f"http://127.0.0.1:{server.port}/readyz", timeout=5).status_code == 200
        for turn in range(50):  # while as many come as go
            for _ in range(20):
                opened.enter_context(Line(server.port))
            assert httpx.get(f"http://127.0.0.1:{server.port}/healthz", timeout=5).status_code == 200, turn
    lines = [json.loads(each) for each in log.read_text().splitlines()]
    told = [line for line in lines if line["event"] == "all places for connections are taken"]
    assert 1 <= len(told) <= 1 + len(options) // 2  # each process tells what it sees
    assert all("ulimit -n" in line["cause"] for line in told)
    assert {line["level"] for line in lines} == {"info", "warning"}


def test_a_head_without_end_costs_neither_memory_nor_others_time(database: tuple[str, Org]) -> None:
    url, org = database
    with serving(url) as server:
        assert server.process
        process = psutil.Process(server.process.pid)
        assert book(server, org, 9).status_code == 200
        before = process.memory_info().rss
        stop = threading.Event()

        def flood() -> None:
            while not stop.is_set():
                with Line(server.port) as line:
                    answer = line.send(GET + b"X: " + b"a" * 60_000_000).answer()
                    assert answer.status == 431

        flooder = threading.Thread(target=flood)
        flooder.start()
        try:
            for hour in range(10, 20):
                assert book(server, org, hour).status_code == 200
        finally:
            stop.set()
            flooder.join()
        assert process.memory_info().rss - before < 40_000_000


def test_a_head_that_does_not_end_is_refused_after_ten_seconds(
    tmp_path: Path, database: tuple[str, Org]
) -> None:
    url, _ = database
    with serving(url, log=tmp_path / "log") as server, Line(server.port) as line:
        began = time.monotonic()
        line.send(GET, *[b"X: y\r\n"] * 25, pause=0.5)
        answer = line.answer()
        assert (answer.status, json.loads(answer.body)["code"]) == (408, "request_timeout")
        assert time.monotonic() - began >= 10


def test_the_file_limit_leaves_room_for_everything_else() -> None:
    def left(open_files: int, **settings: object) -> int:
        return places(Settings(**settings), open_files)  # type: ignore[arg-type]

    assert left(100_000) == 1_000
    assert left(100_000, connections=5_000) == 5_000
    assert left(resource.RLIM_INFINITY) == 1_000
    assert left(1_024, worker=False) == 892
    assert left(1_024) == 392
    assert left(1_024, worker=False, database_pool_size=100) == 524
    assert left(256) == 64
    assert left(1_024, connections=10) == 10


def test_the_soft_limit_of_open_files_is_raised(database: tuple[str, Org]) -> None:
    url, _ = database
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with serving(url) as server:
            assert server.process
            assert psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_is_told_to_stop_does_not_wait_for_who_asks_nothing(database: tuple[str, Org]) -> None:
    url, _ = database
    with (
        serving(url) as server,
        Line(server.port),
        Line(server.port) as half,
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        half.send(GET)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8
