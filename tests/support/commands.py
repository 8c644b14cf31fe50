"""The command `kalends` in a process of its own.

The process is forked from one that has imported the command already: nine tenths of a new interpreter's time
go there. `tests.support.server` starts the installed command itself.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.server import KALENDS

TIMEOUT_SECONDS = 60
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["kalends.cli"])


def run(
    *arguments: str | bytes, env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what a command wrote, and its status. `env` is its whole environment."""
    typed = [os.fsdecode(each) for each in arguments]
    with tempfile.TemporaryDirectory(prefix="kalends-command-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _forks.Process(target=_be_the_command, args=(typed, dict(env), cwd, out, err))
        process.start()
        try:
            process.join(TIMEOUT_SECONDS)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(typed, TIMEOUT_SECONDS)
            return subprocess.CompletedProcess(typed, process.exitcode, out.read_text(), err.read_text())
        finally:
            process.kill()
            process.join()
            process.close()


def _be_the_command(
    arguments: list[str], env: dict[str, str], cwd: Path | None, out: Path, err: Path
) -> None:
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(env)
    if cwd is not None:
        os.chdir(cwd)
    sys.argv = [str(KALENDS), *arguments]
    from kalends import cli

    cli.main()
