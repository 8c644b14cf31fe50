"""The command `kalends`, and what it writes."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support.forked import Forked

TIMEOUT_SECONDS = 60


def run(
    *arguments: str | bytes, env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what a command wrote, and its status. `env` is its whole environment."""
    typed = [os.fsdecode(each) for each in arguments]
    with tempfile.TemporaryDirectory(prefix="kalends-command-") as folder:
        errors = Path(folder) / "err"
        command = Forked(typed, env=env, log=errors, cwd=cwd)
        late = threading.Timer(TIMEOUT_SECONDS, command.kill)
        late.start()
        try:
            with command.stdout as out:
                written = out.read()
            status = command.wait(TIMEOUT_SECONDS)
        finally:
            late.cancel()
            command.close()
        return subprocess.CompletedProcess(typed, status, written, errors.read_text())
