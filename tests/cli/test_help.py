"""What the command says of itself."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from kalends import VERSION, cli
from tests.support import commands, documents
from tests.support.forked import KALENDS

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return commands.run(*arguments, env=os.environ | environment)


@pytest.mark.parametrize("group", [[], ["org"], ["key"], ["mail"]], ids=["kalends", "org", "key", "mail"])
def test_alone_it_shows_its_help_in_lines(group: list[str]) -> None:
    alone, asked = run(*group), run(*group, "--help")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert alone.stderr == asked.stdout
    lines = alone.stderr.splitlines()
    assert lines[0] == f"Usage: {' '.join(['kalends', *group])} [OPTIONS] COMMAND [ARGS]..."
    assert "Commands:" in lines


@pytest.mark.slow
def test_the_version_is_said_from_one_place() -> None:
    said = subprocess.run([str(KALENDS), "--version"], capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"kalends {VERSION}\n", "")
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert packaged == VERSION
    assert documents.said()["info"]["version"] == VERSION


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "kalends o", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "kalends o"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "kalends o", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(shell: str, asked: dict[str, str]) -> None:
    script = run(_KALENDS_COMPLETE=f"source_{shell}")
    assert (script.returncode, script.stderr) == (0, "")
    assert f"_KALENDS_COMPLETE=complete_{shell}" in script.stdout
    completed = run(_KALENDS_COMPLETE=f"complete_{shell}", **asked)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "org" in completed.stdout
    assert "serve" not in completed.stdout


def test_completion_can_be_installed(tmp_path: Path) -> None:
    assert "--install-completion" in run("--help").stdout
    # Which shell it is depends on who runs the tests, so it is said.
    said = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = run("--install-completion", "bash", HOME=str(tmp_path), SHELL="/bin/bash", **said)
    assert done.returncode == 0, done.stderr
    assert any("kalends" in path.name for path in tmp_path.rglob("*"))


def commands_of(command: Any, path: str = "kalends") -> list[tuple[str, Any]]:
    found = [(path, command)]
    for name, each in getattr(command, "commands", {}).items():
        found += commands_of(each, f"{path} {name}")
    return found


ALL = commands_of(typer.main.get_command(cli.app))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_every_command_and_option_has_its_sentence(path: str, command: Any) -> None:
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{path} {parameter.name}"


def test_the_documentation_lists_every_command() -> None:
    operating = (ROOT / "docs" / "operating.md").read_text()
    for path, command in ALL:
        if not hasattr(command, "commands"):
            assert path in operating
