"""Which time zone data this process uses: the system's, or that of the package `tzdata`.

Python prefers the system's, however old it is. Laws change the clocks, so old data is an hour off from some
day on, and two servers with different data sell the same hour differently. So the newer of the two is used.
"""

import os
import re
import zoneinfo
from functools import cache
from pathlib import Path

import tzdata

from kalends.core.hours import forget_zones

UNKNOWN = "unknown"
_PACKAGED: str = tzdata.IANA_VERSION
_OPERATORS_CHOICE = "PYTHONTZPATH"
_VERSION = re.compile(r"(?<![0-9])[0-9]{4}[a-z]+")
_VERSION_FILES = ("tzdata.zi", "+VERSION", "version")


@cache
def choose() -> str:
    """Use the newest data there is in all of this process, and return its version, such as `2026f`.

    Call it before the first zone is read; what was read before is forgotten. Folders that the operator named
    in PYTHONTZPATH are used as they are. Their version is `unknown` if no file in them tells it.
    """
    folders = [folder for folder in map(Path, zoneinfo.TZPATH) if _has_zones(folder)]
    if _OPERATORS_CHOICE in os.environ:
        return (_version_in(folders[0]) or UNKNOWN) if folders else _PACKAGED
    # Of equal versions the package's counts: it is the same on every machine.
    newest, newest_folder = _PACKAGED, None
    for folder in folders:
        if (version := _version_in(folder)) is not None and version > newest:
            newest, newest_folder = version, folder
    zoneinfo.reset_tzpath(to=() if newest_folder is None else (str(newest_folder),))
    forget_zones()
    return newest


def _has_zones(folder: Path) -> bool:
    return any(path.is_file() and _starts_with(path, b"TZif") for path in folder.rglob("*"))


def _starts_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False


def _version_in(folder: Path) -> str | None:
    """Return the version that a folder's files tell, if any: a year and letters, which sort as strings."""
    for name in _VERSION_FILES:
        try:
            with (folder / name).open(encoding="ascii", errors="replace") as file:
                found = _VERSION.search(file.readline(200))
        except OSError:
            continue
        if found:
            return found[0]
    return None
