"""What is installed is what is here: hatch leaves out what .gitignore names, whatever it is."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if name.startswith("kalends/")}
    expected = {
        prefix + path.relative_to(folder).as_posix()
        for prefix, folder in (
            ("kalends/", ROOT / "src" / "kalends"),
            ("kalends/migrations/", ROOT / "migrations"),
        )
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert installed == expected
    for needed in (
        "py.typed",
        "delivery/templates/client.html",
        "words/locale/de.po",
        "web/templates/base.html",
        "web/static/book.css",
        "migrations/env.py",
    ):
        assert f"kalends/{needed}" in installed
