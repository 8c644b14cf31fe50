"""Real CalDAV servers of others, in processes of their own."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.server import free_port


@asynccontextmanager
async def radicale(folder: Path, *, password: str | None = None) -> AsyncIterator[str]:
    """Radicale. Jane's calendars are under /jane/; any password is right if none is given."""
    port = free_port()
    (folder / "users").write_text(f"jane:{password}\n")
    options = {
        "--config": "",
        "--hosts": f"127.0.0.1:{port}",
        "--storage-filesystem-folder": str(folder / "caldav"),
        "--auth-type": "none" if password is None else "htpasswd",
        "--auth-htpasswd-filename": str(folder / "users"),
        "--auth-htpasswd-encryption": "plain",
        "--auth-delay": "0",
        "--web-type": "none",
    }
    async with _serving(port, "radicale", *(word for option in options.items() for word in option)) as url:
        yield url


@asynccontextmanager
async def xandikos(folder: Path) -> AsyncIterator[str]:
    """Xandikos. Its user's calendars are under /user/calendars/."""
    port = free_port()
    options = ["--listen-address", "127.0.0.1", "--port", str(port), "--directory", str(folder / "caldav")]
    more = ["--state-dir", str(folder / "state"), "--autocreate", "--no-detect-systemd"]
    async with _serving(port, "xandikos", "serve", *options, *more) as url:
        yield url


@asynccontextmanager
async def _serving(port: int, module: str, *options: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await client.get(url)
                    break
                assert process.returncode is None
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
