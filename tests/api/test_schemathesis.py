"""The OpenAPI document against the answers: schemathesis with all its checks, on a real server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kalends import demo
from kalends.serving import prepare
from kalends.settings import Settings
from tests.support.organizations import JANE
from tests.support.server import serving

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SEED = "20240125"
EVERYDAY = ("--phases", "examples,coverage")


@pytest.mark.parametrize(
    ("empty_url", "extent"),
    [
        ("sqlite", EVERYDAY),
        pytest.param("sqlite", ("--max-examples", "100"), marks=pytest.mark.torture),
        pytest.param("postgresql", ("--max-examples", "100"), marks=pytest.mark.torture),
    ],
    indirect=["empty_url"],
)
def test_the_answers_are_as_the_document_says(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extent: tuple[str, str]
) -> None:
    """Asked of the demo, which has the ids of the document's examples."""
    monkeypatch.setenv("KALENDS_PUBLIC_REQUESTS_PER_HOUR", "1000000")
    monkeypatch.setenv("KALENDS_PUBLIC_HOLDS_PER_ADDRESS", "1000000")
    asyncio.run(prepare(Settings(database_url=empty_url), migrate=True, demo=True))
    with serving(empty_url) as server:
        base = f"http://127.0.0.1:{server.port}"
        done = subprocess.run(
            [
                *(
                    str(Path(sys.executable).with_name("schemathesis")),
                    f"--config-file={HERE / 'schemathesis.toml'}",
                ),
                *("run", f"{base}/openapi.json"),
                *("--header", f"Authorization: Bearer {demo.KEY}"),
                *("--checks", "all", *extent, "--seed", SEED),
                *("--generation-database", "none", "--no-color", "--warnings", "off"),
            ],
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(HERE.parents[1])}
            | what_the_hooks_know(base)
            | ({"KALENDS_TEST_COVERAGE_EVERY": "15"} if extent == EVERYDAY else {}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
        )
    assert done.returncode == 0, done.stdout[:3_000] + done.stderr[-1_000:]
    assert "No issues found" in done.stdout


def what_the_hooks_know(base: str) -> dict[str, str]:
    """A good link, and the id of the key; and from now on the demo can be booked however far ahead."""
    with httpx.Client(base_url=base) as client:
        key = {"Authorization": f"Bearer {demo.KEY}"}
        terms = {"minNoticeHours": 0, "maxDaysAhead": None}
        changed = client.put(f"/v1/calendar/appointment-types/{demo.TYPE_ID}", json=terms, headers=key)
        booking = {
            "appointment_type_id": demo.TYPE_ID,
            "start_time": "2030-01-01T09:00:00Z",
            "client_name": JANE["client_name"],
            "client_phone": JANE["client_phone"],
        }
        booked = client.post("/v1/public/demo/appointments", json=booking)
        current = client.get("/v1/keys/current", headers=key)
    assert [changed.status_code, booked.status_code, current.status_code] == [200] * 3
    return {
        "KALENDS_TEST_TOKEN": booked.json()["manage_token"],
        "KALENDS_TEST_KEY_ID": current.json()["key"]["id"],
    }
