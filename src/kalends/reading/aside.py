"""Searching a calendar in a process of its own, which ends when it takes too much time or memory.

A rule that never comes true is expanded for hours, and can't be interrupted in a thread. Besides, what
strangers wrote is parsed without the server's settings at hand.
"""

import asyncio
import contextlib
import json
import os
import sys
import zoneinfo
from dataclasses import asdict
from typing import Any

from kalends.core.sources import SourceKind, SourceTrouble
from kalends.reading.events import Found, Question

CPU_SECONDS = 20
WAIT_SECONDS = 120
"""How long to wait for the process: it goes after everything else on the machine."""
_TOO_MUCH = "The calendar can't be worked out: it is too large, or an event in it recurs without end."


async def search(
    kind: SourceKind, body: bytes, question: Question, *, cpu_seconds: int = CPU_SECONDS
) -> Found:
    """Return the busy times in what a server answered.

    Raises SourceTrouble if that is no calendar, or if it takes too much time or memory.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kalends.reading"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        asked = json.dumps({"kind": kind, "question": asdict(question), "cpu_seconds": cpu_seconds}).encode()
        async with asyncio.timeout(WAIT_SECONDS):
            told, errors = await process.communicate(asked + b"\n" + body)
    except TimeoutError:
        raise SourceTrouble(_TOO_MUCH) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        raise SourceTrouble(_TOO_MUCH) from RuntimeError(errors.decode(errors="replace")[-2_000:])
    return await asyncio.to_thread(_found, told)


def _environment() -> dict[str, str]:
    """Return the environment without the server's settings, and with the time zone data that it uses."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KALENDS_")}
    return kept | {"PYTHONTZPATH": os.pathsep.join(zoneinfo.TZPATH)}


def _found(told: bytes) -> Found:
    answer: dict[str, Any] = json.loads(told)
    if "trouble" in answer:
        raise SourceTrouble(answer["trouble"])
    return Found(**answer)
