"""The import law holds in every room: an import against it, planted in a copy of the source, is reported."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KNOWN_IN = {
    "aiosmtplib": {"delivery"},
    "alembic": {"db"},
    "asyncpg": {"db"},
    "fastapi": {"api", "web", "app"},
    "httpx": {"delivery", "reading", "identity", "network"},
    "kalends.clock": {
        "cli",
        "serving",
        "app",
        "api",
        "web",
        "worker",
        "courier",
        "scout",
        "zone_watch",
        "clock",
    },
    "kalends.db.tables": {"db", "services"},
    "sqlalchemy": {"db", "services"},
    "sqlite3": {"db"},
    "starlette": {"api", "web", "app", "door"},
}
"""Which rooms may import what only some may."""
BESIDES = {
    "core": ["asyncio", "dateutil", "pydantic", "socket", "structlog", "typeid"],
    "delivery": ["kalends.db.database"],
    "reading": ["kalends.db.database"],
    "identity": ["kalends.db.database"],
}
"""What a room may not import besides."""

LAWS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
ORDERS = {law["containers"][0]: law["layers"] for law in LAWS if law["type"] == "layers"}
"""By package, what is in it, from above."""


def folder_of(module: str) -> Path:
    return (ROOT / "src").joinpath(*module.split("."))


def built_in(package: str) -> set[str]:
    """The packages and modules in a package."""
    found = {
        path.stem
        for path in folder_of(package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return {f"{package}.{name}" for name in found - {"__init__"}}


def floors_of(package: str) -> list[list[str]]:
    """What is built of a package, from above; what is beside each other is in one list."""
    named = [re.findall(r"\w+", layer) for layer in ORDERS[package]]
    floors = [[f"{package}.{name}" for name in names] for names in named]
    return [[each for each in floor if each in built_in(package)] for floor in floors]


def against_the_law(room: str) -> list[str]:
    """What a room may not import: what is above it or beside it, and what only others may know."""
    package, _, name = room.rpartition(".")
    floors = floors_of(package)
    [number] = [number for number, floor in enumerate(floors) if room in floor]
    above = next(filter(None, reversed(floors[:number])), [])
    wrong = [each for each in above + floors[number] if each != room]
    if package == "kalends":
        wrong += [each for each, knowing in KNOWN_IN.items() if name not in knowing]
    return wrong + BESIDES.get(name, [])


ROOMS = [room for package in ORDERS for floor in floors_of(package) for room in floor]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The imports that the law reports where every room imports all it may not, as `importer -> imported`."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", copy)
    shutil.copytree(ROOT / "src", copy / "src")
    for room in ROOMS:
        file = (copy / "src").joinpath(*importer(room).split(".")).with_suffix(".py")
        with file.open("a") as planted:
            planted.write("".join(f"\nimport {wrong}" for wrong in against_the_law(room)))
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy / "src"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return set(re.findall(r"\S+ -> \S+", done.stdout))


def importer(room: str) -> str:
    """The module of a room in which an import is planted."""
    return f"{room}.planted" if folder_of(room).is_dir() else room


@pytest.mark.parametrize("package", ORDERS)
def test_everything_in_a_package_has_its_place(package: str) -> None:
    """Only a place in brackets may be empty."""
    assert {each for floor in floors_of(package) for each in floor} == built_in(package)
    for layer in ORDERS[package]:
        for name in re.findall(r"(?<!\()\b\w+\b", layer):
            assert f"{package}.{name}" in built_in(package)


@pytest.mark.parametrize("room", ROOMS)
def test_an_import_against_the_law_is_reported(room: str, reported: set[str]) -> None:
    wrong = against_the_law(room)
    assert wrong or any(room in floors_of(package)[0] for package in ORDERS)
    assert {f"{importer(room)} -> {each}" for each in wrong} <= reported
