"""A real server behind a proxy, on sockets of either kind."""

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.organizations import new_org
from tests.support.server import Server, serving

pytestmark = pytest.mark.slow

HOURLY = 100


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


HOSTS = ["0.0.0.0", pytest.param("::", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))]


@dataclass
class Behind:
    """What clients of a proxy on this machine are answered."""

    server: Server
    key: str
    log: Path

    def ask(self, client: str, *, proxy: str = "127.0.0.1") -> int:
        """What is left of a client's allowance after a request."""
        response = httpx.get(
            f"http://{proxy}:{self.server.port}/v1/public/nobody", headers={"X-Forwarded-For": client}
        )
        assert response.status_code == 404
        assert response.headers["x-ratelimit-limit"] == str(HOURLY)
        return int(response.headers["x-ratelimit-remaining"])

    def feed(self) -> str:
        """The address of a new feed."""
        response = httpx.post(
            f"http://127.0.0.1:{self.server.port}/v1/calendar/feeds",
            json={},
            headers={
                "Authorization": f"Bearer {self.key}",
                "Host": "clinic.example",
                "X-Forwarded-Proto": "https",
            },
        )
        return str(response.json()["url"])

    def warnings(self) -> list[dict[str, str]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["level"] == "warning"]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def behind(tmp_path: Path, template: Path, host: str, *options: str, **env: str) -> Iterator[Behind]:
    shutil.copy(template, path := tmp_path / "kalends.db")
    org = asyncio.run(new_org(f"sqlite:///{path}"))
    log = tmp_path / "log"
    env |= {"KALENDS_PUBLIC_REQUESTS_PER_HOUR": str(HOURLY)}
    with serving(f"sqlite:///{path}", "--host", host, *options, log=log, env=env) as server:
        yield Behind(server, org.key, log)


def test_clients_of_a_proxy_on_this_machine_are_told_apart(
    tmp_path: Path, sqlite_template: Path, host: str
) -> None:
    with behind(tmp_path, sqlite_template, host) as there:
        assert [there.ask("203.0.113.1") for _ in range(2)] == [HOURLY - 1, HOURLY - 2]
        assert there.ask("203.0.113.2") == HOURLY - 1
        assert there.ask("::ffff:203.0.113.2") == HOURLY - 2
        assert there.ask("2001:db8:0:1::1") == HOURLY - 1
        assert there.ask("6.6.6.6, [2001:db8:0:1::2]:4711, ::ffff:127.0.0.1") == HOURLY - 2
        if host == "::":
            assert there.ask("203.0.113.1", proxy="[::1]") == HOURLY - 3
        assert there.feed().startswith("https://clinic.example/v1/public/feeds/")
        assert there.warnings() == []


def test_a_proxy_that_is_not_trusted_is_said_once_and_not_believed(
    tmp_path: Path, sqlite_template: Path, host: str
) -> None:
    with behind(tmp_path, sqlite_template, host, KALENDS_TRUSTED_PROXIES="10.0.0.0/8") as there:
        assert [there.ask(f"203.0.113.{n}") for n in (1, 2, 3)] == [HOURLY - 1, HOURLY - 2, HOURLY - 3]
        assert there.feed().startswith("http://clinic.example/v1/public/feeds/")
        [warning] = there.warnings()
        assert warning["peer"] == "127.0.0.1"
        assert "KALENDS_TRUSTED_PROXIES" in warning["event"]


def test_every_process_trusts_the_same_proxies(tmp_path: Path, sqlite_template: Path) -> None:
    trusted = {"KALENDS_TRUSTED_PROXIES": "127.0.0.0/8,192.0.2.1"}
    with behind(tmp_path, sqlite_template, "0.0.0.0", "--workers", "2", **trusted) as there:
        addresses = {there.feed().partition("/v1/")[0] for _ in range(10)}
        assert addresses == {"https://clinic.example"}
        assert there.warnings() == []


def test_head_leaves_a_connection_in_order(tmp_path: Path, sqlite_template: Path) -> None:
    """A body after a HEAD would be read as the beginning of the next answer."""
    paths = ("/healthz", "/docs", "/docs/assets/swagger-ui.css", "/nothing", "/v1/webhooks")
    with behind(tmp_path, sqlite_template, "127.0.0.1") as there, httpx.Client() as client:
        for path in paths:
            address = f"http://127.0.0.1:{there.server.port}{path}"
            for coding in ("gzip", "identity"):
                asked, got = (
                    client.request(method, address, headers={"Accept-Encoding": coding})
                    for method in ("HEAD", "GET")
                )
                assert asked.status_code == got.status_code
                assert asked.headers.get("content-length") == got.headers.get("content-length")
            assert asked.headers["content-length"] == str(len(got.content))
