"""The process that searches one calendar: it reads a question and the calendar, and writes what it found."""

import contextlib
import json
import os
import resource
import sys
from dataclasses import asdict

from kalends.core.sources import SourceTrouble
from kalends.reading.events import MOST_UNREADABLE, Question, search
from kalends.reading.multistatus import calendar_files

MEMORY_BYTES = 1 << 30


def main() -> None:
    """Answer one question."""
    asked = json.loads(sys.stdin.buffer.readline())
    _limit(asked["cpu_seconds"])
    body = sys.stdin.buffer.read()
    try:
        # What is no UTF-8 is in a title: names and times of iCalendar are ASCII.
        files = calendar_files(body) if asked["kind"] == "caldav" else [body.decode(errors="replace")]
        found = search(files, Question(**asked["question"]))
    except SourceTrouble as trouble:
        json.dump({"trouble": str(trouble)}, sys.stdout)
    else:
        found.unreadable = found.unreadable[:MOST_UNREADABLE]
        json.dump(asdict(found), sys.stdout)


def _limit(cpu_seconds: int) -> None:
    """Go after everything else on the machine, and end where it takes too much."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    with contextlib.suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main()
