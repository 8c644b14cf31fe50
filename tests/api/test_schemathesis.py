"""The OpenAPI document against the answers: schemathesis with all its checks, on a real server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.organizations import new_org
from tests.support.server import serving

HERE = Path(__file__).parent
SEED = "20240125"


@pytest.mark.parametrize("examples", [12, pytest.param(100, marks=pytest.mark.torture)])
def test_the_answers_are_as_the_document_says(url: str, tmp_path: Path, examples: int) -> None:
    org = asyncio.run(new_org(url))
    with serving(url) as server:
        done = subprocess.run(
            [
                *(
                    str(Path(sys.executable).with_name("schemathesis")),
                    f"--config-file={HERE / 'schemathesis.toml'}",
                ),
                *("run", f"http://127.0.0.1:{server.port}/openapi.json"),
                *("--header", f"Authorization: Bearer {org.key}"),
                *("--checks", "all", "--max-examples", str(examples), "--seed", SEED),
                *("--generation-database", "none", "--no-color", "--warnings", "off"),
            ],
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(HERE.parents[1])},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
        )
    assert done.returncode == 0, done.stdout[:3_000] + done.stderr[-1_000:]
    assert "No issues found" in done.stdout
