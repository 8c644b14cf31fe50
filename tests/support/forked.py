"""The command `kalends` in a process of its own, forked from one that has imported it.

Nine tenths of a new interpreter's time go into imports, and a server with two workers is three of them.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from uvicorn import _subprocess

KALENDS = Path(sys.executable).with_name("kalends")
"""The installed command."""
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["kalends.cli", "kalends.app"])


class Forked:
    """A command that runs, with what tests need of `subprocess.Popen`. `env` is its whole environment."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it, in a session of its own; what it logs is added to `log`."""
        reader, writer = _forks.Pipe(duplex=False)
        self._process = _forks.Process(
            target=_be_the_command, args=(list(arguments), dict(env), log, cwd, writer), daemon=True
        )
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()))
        reader.close()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("kalends", timeout)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Kill it if it still runs, and forget it."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self.stdout.close()

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _be_the_command(
    arguments: list[str], env: dict[str, str], log: Path | None, cwd: Path | None, out: Connection
) -> None:
    os.setsid()
    os.dup2(out.fileno(), sys.stdout.fileno())
    out.close()
    with (log or Path(os.devnull)).open("a") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(env)
    if cwd is not None:
        os.chdir(cwd)
    # Its own processes are forked, too, which what multiprocessing starts for us may not by itself.
    _subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]
    multiprocessing.process.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    sys.argv = [str(KALENDS), *arguments]
    from kalends import cli

    cli.main()
