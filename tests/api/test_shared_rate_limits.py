"""Two servers that count in one real Redis, where the machine has one."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalends.app import create_app
from kalends.clock import SystemClock
from kalends.db.opening import open_database
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.organizations import make_org
from tests.support.server import free_port

REDIS = shutil.which("redis-server")
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")]

TYPES = "/v1/calendar/appointment-types"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    assert REDIS
    port = free_port()
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}"
    server.terminate()
    server.wait()


async def test_servers_with_one_redis_share_their_counters(url: str, redis: str) -> None:
    database = open_database(url, pool_size=1)
    org = await make_org(database, SystemClock().now(), requests_per_hour=5)
    await database.close()
    apps = [create_app(Settings(database_url=url, rate_limit_storage=redis, worker=False)) for _ in range(2)]
    async with (
        apps[0].router.lifespan_context(apps[0]),
        apps[1].router.lifespan_context(apps[1]),
        client_of(apps[0], org.key) as one,
        client_of(apps[1], org.key) as other,
    ):
        turns = (one, other, one, other, one)
        left = [(await client.get(TYPES)).headers["x-ratelimit-remaining"] for client in turns]
        assert left == ["4", "3", "2", "1", "0"]
        refused(await other.get(TYPES), 429, "rate_limited")


async def test_servers_with_one_redis_share_what_they_know_of_keys_and_guesses(url: str, redis: str) -> None:
    database = open_database(url, pool_size=1)
    org = await make_org(database, SystemClock().now())
    await database.close()
    settings = Settings(database_url=url, rate_limit_storage=redis, worker=False, public_requests_per_hour=10)
    apps = [create_app(settings) for _ in range(2)]
    async with (
        apps[0].router.lifespan_context(apps[0]),
        apps[1].router.lifespan_context(apps[1]),
        client_of(apps[0], org.key) as one,
        client_of(apps[1], org.key) as other,
        client_of(apps[0], "vst_wrong") as wrong,
        client_of(apps[1], "vst_wrong") as wrong_there,
    ):
        for client in (one, other, one):
            await client.get(TYPES)
        for each in apps:
            await each.state.context.key_use.flush()
        told = [(await client.get("/v1/keys/current")).json()["key"] for client in (one, other)]
        assert [key["requests_this_hour"] for key in told] == [4, 5]
        for client in (wrong, wrong_there) * 5:
            refused(await client.get(TYPES), 401, "unauthorized")
        for client in (wrong, wrong_there):
            answer = await client.get(TYPES)
            refused(answer, 429, "rate_limited")
            assert answer.headers["x-ratelimit-limit"] == "10"
        assert (await one.get(TYPES)).status_code == 200
