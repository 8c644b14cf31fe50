"""Folders of time zone data, such as systems have, in which a zone tells apart whose they are."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tzdata

PACKAGED = Path(tzdata.__file__).parent / "zoneinfo"
OLDER, NEWER = "1999a", "2999z"


def zone_folder(folder: Path, offset: int, told: str | None, *, by: str = "tzdata.zi") -> Path:
    """Make a folder whose America/Vancouver is always so many hours before UTC, and which has a zone of its
    own. `told` is what the first line of its file `by` says, if there is one."""
    (folder / "America").mkdir(parents=True)
    shutil.copy(PACKAGED / "Etc" / f"GMT+{offset}", folder / "America" / "Vancouver")
    shutil.copy(PACKAGED / "UTC", folder / "Atlantis")
    if told is not None:
        (folder / by).write_text(f"{told}\n# This file is in the public domain.\n")
    return folder


_ALONE = "from kalends.zone_data import choose; choose()"
_BY_THE_APPLICATION = """
from kalends.app import create_app
from kalends.settings import Settings
create_app(Settings(database_url="sqlite:///none.db"))
"""
_SCRIPT = """
import json, sys, zoneinfo
from datetime import datetime
if sys.argv[1:]:
    zoneinfo.reset_tzpath(to=sys.argv[1:])

def vancouver():
    winter = datetime(2027, 1, 15, tzinfo=zoneinfo.ZoneInfo("America/Vancouver"))
    return winter.utcoffset().total_seconds() / 3600

before = vancouver()
{choose}
from kalends import zone_data
from kalends.core.hours import local_stamp, zone_names
print(json.dumps({{
    "before": before,
    "version": zone_data.choose(),
    "vancouver": vancouver(),
    "local": local_stamp(1_800_000_000, "America/Vancouver")[-6:],
    "atlantis": "Atlantis" in zone_names(),
    "berlin": "Europe/Berlin" in zone_names(),
}}))
"""


def of_a_process(
    system: Sequence[Path] = (), *, env: Mapping[str, str] | None = None, application: bool = False
) -> dict[str, Any]:
    """What a new process uses, if the system's data lies in these folders (its own, if none is named);
    perhaps one that makes the application, as other servers than ours do."""
    script = _SCRIPT.format(choose=_BY_THE_APPLICATION if application else _ALONE)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, system)],
        env=os.environ | dict(env or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
