"""A real server, in processes of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

from tests.support.forked import KALENDS, Forked

START_SECONDS = 30


class Running:
    """A `kalends` command in processes of its own, and how it ends."""

    process: subprocess.Popen[str] | Forked | None = None

    def kill(self) -> None:
        """SIGKILL to all its processes at once: nothing can be finished."""
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._reap()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit status."""
        assert self.process
        self.process.send_signal(number)
        return self._reap()

    def _reap(self) -> int:
        assert self.process
        status = self.process.wait(timeout=60)
        if self.process.stdout:
            self.process.stdout.close()
        return status


class Server(Running):
    """`kalends serve` on a free port, of 127.0.0.1 unless the options name a host.

    It is the installed command if it has an environment for Python itself, or for what is read when modules
    are imported; else it is forked, which is quicker.
    """

    def __init__(
        self,
        url: str,
        *options: str,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> None:
        self.database_url = url
        self.open_files = open_files
        self.options = options
        self.log = log
        self.env = env or {}
        self.port = 0

    def start(self) -> Self:
        # The port is kept over restarts, as a server's is.
        self.port = self.port or free_port()
        arguments = ["serve", "--port", str(self.port), "--json", *self.options]
        # Some databases are shared by tests whose clocks stand: what has lapsed there is not for a worker
        # with the real time, unless a test wants one (--worker).
        env = {"KALENDS_DATABASE_URL": self.database_url, "KALENDS_WORKER": "false"} | dict(self.env)
        of_imports = any(name.startswith("PYTHON") for name in env)
        env = os.environ | env
        if self.open_files is None and not of_imports and "KALENDS_METRICS" not in env:
            self.process = Forked(arguments, env=env, log=self.log)
            return self
        with self.log.open("a") if self.log else contextlib.nullcontext(subprocess.DEVNULL) as log:
            command = [str(KALENDS), *arguments]
            if self.open_files is not None:
                command = ["sh", "-c", f'ulimit -n {self.open_files} && exec "$@"', "sh", *command]
            self.process = subprocess.Popen(
                command,
                env=env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self

    def wait(self) -> Self:
        """Wait until it is ready."""
        assert self.process
        assert self.process.stdout
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended"
            if self._is_ready():
                facts = json.loads(self.process.stdout.readline())
                assert facts["url"] == f"http://{self._shown()}:{self.port}"
                return self
            time.sleep(0.02)
        raise AssertionError("the server did not get ready")

    def _is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _shown(self) -> str:
        """The host it names as its own."""
        if "--host" not in self.options:
            return "127.0.0.1"
        host = self.options[self.options.index("--host") + 1]
        return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def serving(
    url: str,
    *options: str,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    open_files: int | None = None,
) -> Iterator[Server]:
    """A server for the length of a block; `env` are settings besides the database, `open_files` is what
    `ulimit -n` says."""
    server = Server(url, *options, log=log, env=env, open_files=open_files)
    try:
        yield server.start().wait()
    finally:
        server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
