"""Starting and stopping servers."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kalends import demo
from kalends.serving import Facts
from tests.support.commands import run
from tests.support.forked import KALENDS
from tests.support.organizations import JANE
from tests.support.server import Server, free_port, serving

WORKERS = ["--workers", "2"]
REFERENCE = JANE | {"appointment_type_id": "type_def456"}


def is_documented_answer(appointment: dict[str, object]) -> None:
    """Field by field, what the reference shows for its own example."""
    assert str(appointment["id"]).startswith("apt_")
    assert str(appointment["confirmed_at"]).endswith("Z")
    documented = REFERENCE | {
        "org_id": "org_xyz789",
        "end_time": "2024-01-25T15:00:00Z",
        "status": "confirmed",
        "source": "manual",
        "appointment_type": {
            "id": "type_def456",
            "name": "Tax Consultation",
            "duration_minutes": 60,
            "color": "#3b82f6",
        },
    }
    assert {field: appointment[field] for field in documented} == documented


@pytest.fixture(scope="module")
def demonstration() -> Iterator[str]:
    """The base URL of a demo."""
    with serving("sqlite:///unused.db", "--demo") as server:
        yield f"http://127.0.0.1:{server.port}"
    assert not Path("unused.db").exists()


@pytest.fixture
def base(demonstration: str) -> Iterator[str]:
    """The demo, in which the time of the reference's example is free."""
    yield demonstration
    with httpx.Client(headers={"Authorization": f"Bearer {demo.KEY}"}) as staff:
        path = f"{demonstration}/v1/calendar/appointments"
        day = REFERENCE["start_time"][:10]
        for each in staff.get(path, params={"from": day, "to": day}).json()["appointments"]:
            if each["start_time"] == REFERENCE["start_time"]:
                staff.patch(f"{path}/{each['id']}", json={"status": "cancelled"}).raise_for_status()


def test_the_demos_own_curl_gets_the_documented_answer(base: str) -> None:
    command = demo.curl(base).replace("curl ", "curl --silent --show-error ", 1)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    body = json.loads(done.stdout)
    assert body.keys() == {"appointment"}
    is_documented_answer(body["appointment"])
    again = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, text=True).stdout)
    assert again["code"] == "slot_taken"


def test_the_demo_has_a_page_to_which_its_bare_address_leads(demonstration: str) -> None:
    facts = Facts(demonstration, True, "2026a")
    assert facts.as_dict()["page"] == demo.page(demonstration)
    assert f"\n{demo.page(demonstration)}\n" in facts.for_people()
    with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True) as browser:
        page = browser.get(demonstration)
        assert (page.status_code, str(page.url)) == (200, demo.page(demonstration))
        for each in ("Demo Tax Advisers", "Tax Consultation", "First Meeting", "/demo/logo?v="):
            assert each in page.text
        german = browser.get(f"{demo.page(demonstration)}?lang=de").text
        assert "Steuerberatung" in german
        assert "Erstgespräch" in german


def test_the_references_requests_example_gets_the_documented_answer(base: str) -> None:
    import requests

    response = requests.post(
        f"{base}/v1/calendar/appointments",
        headers={"Authorization": f"Bearer {demo.KEY}", "Content-Type": "application/json"},
        json=REFERENCE,
        timeout=10,
    )
    assert response.status_code == 200
    is_documented_answer(response.json()["appointment"])


FETCH = """
const response = await fetch('%s/v1/calendar/appointments', {
  method: 'POST',
  headers: { 'Authorization': 'Bearer vst_demo', 'Content-Type': 'application/json' },
  body: JSON.stringify(%s)
});
const data = await response.json();
console.log(JSON.stringify({ status: response.status, data }));
"""


@pytest.mark.skipif(
    subprocess.run(["which", "node"], capture_output=True).returncode != 0, reason="Node is not installed"
)
def test_the_references_fetch_example_gets_the_documented_answer(base: str) -> None:
    script = FETCH % (base, json.dumps(REFERENCE))
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["status"] == 200
    is_documented_answer(answer["data"]["appointment"])


def test_the_demo_lets_pages_of_any_origin_call(base: str) -> None:
    asked = httpx.options(
        f"{base}/v1/calendar/appointments",
        headers={
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in ("*", "http://localhost:3000")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "options"),
    [
        pytest.param(signal.SIGTERM, [], id="SIGTERM, one process"),
        pytest.param(signal.SIGINT, WORKERS, id="SIGINT, two workers"),
        pytest.param(signal.SIGINT, [], id="SIGINT, one process", marks=pytest.mark.torture),
        pytest.param(signal.SIGTERM, WORKERS, id="SIGTERM, two workers", marks=pytest.mark.torture),
    ],
)
def test_a_server_that_is_told_to_stop_finishes_its_requests(
    tmp_path: Path, options: list[str], number: signal.Signals
) -> None:
    server = Server(f"sqlite:///{tmp_path / 'k.db'}", *options)

    async def stop_in_the_middle() -> int:
        await asyncio.to_thread(server.start().wait)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /v1/calendar/appointments HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
            b"Content-Type: application/json\r\nConnection: close\r\nAuthorization: Bearer vst_none\r\n\r\n{"
        )
        await asyncio.sleep(0.3)
        assert server.process
        server.process.send_signal(number)
        await asyncio.sleep(0.3)
        writer.write(b"}")
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    try:
        assert asyncio.run(stop_in_the_middle()) == 401
        assert server.process
        assert server.process.wait(30) == 0
    finally:
        server.kill()


@pytest.mark.slow
def test_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [str(KALENDS), "serve", "--demo", "--port", str(free_port())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        assert "serves on http://127.0.0.1:" in process.stdout.readline()
        assert list(tmp_path.glob("kalends-demo-*"))
        time.sleep(1)
        process.terminate()
        assert process.wait(30) == 0
        assert not list(tmp_path.glob("kalends-demo-*"))
    finally:
        process.kill()
        process.communicate()


def test_a_port_in_use_is_one_line(tmp_path: Path, sqlite_template: Path) -> None:
    with serving(f"sqlite:///{sqlite_template}") as server:
        env = os.environ | {"KALENDS_DATABASE_URL": f"sqlite:///{tmp_path / 'k.db'}"}
        done = run("serve", "--port", str(server.port), env=env)
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert f"can't listen on 127.0.0.1 port {server.port}" in line


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, pytest.param(10, marks=pytest.mark.torture)])
def test_several_servers_may_start_on_one_unmigrated_database(empty_url: str, number: int) -> None:
    servers = [Server(empty_url).start() for _ in range(number)]
    try:
        for server in servers:
            server.wait()
    finally:
        for server in servers:
            server.kill()


def test_serving_without_migrating_is_alive_but_not_ready(empty_url: str) -> None:
    server = Server(empty_url, "--no-migrate").start()
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        ready = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
        assert ready.status_code == 503
        assert "run `kalends migrate`" in ready.json()["error"]
        asked = httpx.get(
            f"http://127.0.0.1:{server.port}/v1/calendar/appointment-types",
            headers={"Authorization": "Bearer vst_x"},
        )
        assert (asked.status_code, asked.json()["code"]) == (503, "schema_outdated")
    finally:
        server.kill()
