"""constraints.txt names a version of everything that is installed, and one that pyproject.toml allows."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
STALE = "constraints.txt is stale: run `make lock`"


def locked() -> dict[str, str]:
    """Return the version of each package, for this Python and this system."""
    lines = re.sub(r"#.*", "", (ROOT / "constraints.txt").read_text()).splitlines()
    pins = [Requirement(line) for line in lines if line.strip()]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def declared() -> list[Requirement]:
    """Return what pyproject.toml asks for, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(each) for each in sum(extras, start=project["dependencies"])]


def needed(wanted: list[Requirement]) -> Iterator[Requirement]:
    """Yield what is wanted, and what that needs in turn, as the installed packages say."""
    seen = set()
    while wanted:
        requirement = wanted.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        yield requirement
        for each in map(Requirement, requires(requirement.name) or ()):
            extras = requirement.extras or {""}
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append(each)


def test_the_lock_has_everything_in_a_version_that_will_do() -> None:
    pins = locked()
    assert len(pins) > len(declared())
    for requirement in needed(declared()):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{STALE} ({requirement} is missing)"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{STALE} ({requirement})"


def test_what_is_checked_before_a_commit_is_what_the_lock_names() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"rev: v(\S+)", hooks) == [locked()["ruff"]]
