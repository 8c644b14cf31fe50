"""The migration that moves the time of appointments, with a million of them: as an operator runs it, killed
in the middle, run again, and undone. `tests/db/test_migrations.py` has the small one."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalends.db import migrating
from kalends.db import postgres as postgres_module
from kalends.db.opening import open_database
from tests.support import former_books
from tests.support.forked import KALENDS

MILLION = 1_000_000
MOST_MB = 500
"""Half of it is the file, which SQLite maps."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """To fill a database takes longer than a request's statement may."""
    monkeypatch.setattr(postgres_module, "STATEMENT_SECONDS", None)
    monkeypatch.setitem(postgres_module.SESSION, "statement_timeout", "0")


@pytest.mark.torture
def test_a_million_appointments_keep_their_time(empty_url: str, tmp_path: Path) -> None:
    asyncio.run(_migrate_and_return(empty_url, tmp_path, MILLION))


async def _migrate_and_return(url: str, folder: Path, rows: int) -> None:
    database = open_database(url, pool_size=1)
    try:
        await database.write(former_books.fill, rows)
        before = await database.read(former_books.kept)

        killed = Migration(url, folder / "killed")
        moved = killed.told()
        next(each for each in moved if each >= rows / 2)
        killed.process.send_signal(signal.SIGKILL)
        assert killed.ended() == -signal.SIGKILL
        assert await database.read(migrating.current) == "0007"
        assert await database.read(former_books.kept) == before

        whole = Migration(url, folder / "whole")
        assert list(whole.told())[-1] == rows
        assert whole.ended() == 0
        assert whole.megabytes < MOST_MB
        assert await database.read(migrating.current) == migrating.newest()
        assert await database.read(former_books.kept) == before
        assert await database.read(former_books.without_their_time) == 0

        began = time.monotonic()
        await database.write(migrating.downgrade, "0007")
        back = time.monotonic() - began
        assert await database.read(former_books.kept) == before
        print(f"{rows}: {whole.seconds:.0f} s there with {whole.megabytes:.0f} MB, {back:.0f} s back")
    finally:
        await database.close()


class Migration:
    """`kalends migrate`, and what it tells in its log."""

    def __init__(self, url: str, log: Path) -> None:
        self._log = log
        self._began = time.monotonic()
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [str(KALENDS), "migrate"],
                env=os.environ | {"KALENDS_DATABASE_URL": url},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self._status: int | None = None
        self.seconds = self.megabytes = 0.0

    def told(self) -> Iterator[int]:
        """Tell how many appointments were moved, as often as the log says it, until the command ends."""
        with self._log.open() as lines:
            while True:
                over = self._is_over()
                for line in lines:
                    told = json.loads(line)
                    if "moved" in told:
                        yield told["moved"]
                if over:
                    return
                time.sleep(0.01)

    def ended(self) -> int:
        """Wait until it has ended. Returns its status."""
        while not self._is_over():
            time.sleep(0.01)
        assert self._status is not None
        return self._status

    def _is_over(self) -> bool:
        if self._status is None:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self._status = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.seconds = time.monotonic() - self._began
                self.megabytes = used.ru_maxrss / 1024
        return self._status is not None
