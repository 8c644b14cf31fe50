"""Which time zone data processes use, and who is told of it."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import tzdata
from prometheus_client.parser import text_string_to_metric_families

from kalends.core.errors import Unavailable
from kalends.db.database import Database
from kalends.db.opening import open_database
from kalends.services.setup import zone_data
from kalends.zone_watch import watch
from tests.support.clock import StoppedClock
from tests.support.forked import KALENDS
from tests.support.server import Server, free_port
from tests.support.zone_folders import NEWER, OLDER, of_a_process, zone_folder

pytestmark = pytest.mark.slow

PACKAGED = tzdata.IANA_VERSION
BY_LAW = -7.0
"""Vancouver's offset in January 2027, by the data of 2026 and later."""


@pytest.mark.parametrize(
    ("told", "by", "version", "vancouver"),
    [
        (f"# version {OLDER}", "tzdata.zi", PACKAGED, BY_LAW),
        (f"# version {PACKAGED}", "tzdata.zi", PACKAGED, BY_LAW),
        (f"# version {NEWER}", "tzdata.zi", NEWER, -3),
        (f"# version {NEWER}-dirty", "tzdata.zi", NEWER, -3),
        (NEWER, "+VERSION", NEWER, -3),
        (NEWER, "version", NEWER, -3),
        ("nobody knows", "+VERSION", PACKAGED, BY_LAW),
        (None, "", PACKAGED, BY_LAW),
    ],
)
def test_the_newer_data_is_used_even_where_zones_were_read_before(
    tmp_path: Path, told: str | None, by: str, version: str, vancouver: float
) -> None:
    system = zone_folder(tmp_path / "zoneinfo", 3, told, by=by)
    found = of_a_process([system])
    assert found == {
        "before": -3,
        "version": version,
        "vancouver": vancouver,
        "local": f"-{-int(vancouver):02}:00",
        "atlantis": vancouver == -3,  # the zones that are listed are those of the data
        "berlin": True,
    }


def test_whoever_makes_the_application_uses_the_newer_data(tmp_path: Path) -> None:
    system = zone_folder(tmp_path / "zoneinfo", 3, f"# version {OLDER}")
    found = of_a_process([system], application=True)
    assert (found["before"], found["version"], found["vancouver"]) == (-3, PACKAGED, BY_LAW)


def test_the_newest_of_several_folders_is_used_and_empty_ones_are_not(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "tzdata.zi").write_text("# version 3000a\n")
    system = [empty, tmp_path / "none", zone_folder(tmp_path / "a", 3, f"# version {OLDER}")]
    assert of_a_process(system)["version"] == PACKAGED
    system.append(zone_folder(tmp_path / "b", 4, f"# version {NEWER}"))
    found = of_a_process(system)
    assert (found["version"], found["vancouver"]) == (NEWER, -4)


@pytest.mark.parametrize(
    ("told", "version"), [(f"# version {OLDER}", OLDER), (None, "unknown"), (f"# version {NEWER}", NEWER)]
)
def test_folders_that_the_operator_names_are_used_as_they_are(
    tmp_path: Path, told: str | None, version: str
) -> None:
    folder = zone_folder(tmp_path / "zoneinfo", 3, told)
    found = of_a_process(env={"PYTHONTZPATH": str(folder)})
    assert (found["version"], found["vancouver"], found["atlantis"]) == (version, -3, True)


def test_the_operator_may_name_no_folder() -> None:
    found = of_a_process(env={"PYTHONTZPATH": ""})
    assert (found["version"], found["vancouver"], found["atlantis"]) == (PACKAGED, BY_LAW, False)


def _started(*arguments: str, url: str, env: Mapping[str, str]) -> str:
    """The first line that a command writes."""
    process = subprocess.Popen(
        [str(KALENDS), *arguments],
        env=os.environ | {"KALENDS_DATABASE_URL": url} | dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        return process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_servers_and_workers_say_what_they_use_when_they_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    operators = {"PYTHONTZPATH": str(zone_folder(tmp_path / "zoneinfo", 3, f"# version {OLDER}"))}
    serve = ("serve", "--port", str(free_port()))
    assert f"time zone data: {OLDER}" in _started(*serve, url=url, env=operators)
    packaged = {"PYTHONTZPATH": ""}
    told = json.loads(_started("worker", "--json", url=url, env=packaged))
    assert told == {"worker": True, "zone_data": PACKAGED}


def test_every_process_of_a_server_uses_it_and_tells_it(tmp_path: Path) -> None:
    folder = zone_folder(tmp_path / "zoneinfo", 3, f"# version {NEWER}")
    env = {"PYTHONTZPATH": str(folder), "KALENDS_METRICS": "true", "TMPDIR": str(tmp_path)}
    server = Server(f"sqlite:///{tmp_path / 'k.db'}", "--workers", "2", env=env).start()
    try:
        server.wait()
        address, deadline = f"http://127.0.0.1:{server.port}", time.monotonic() + 30
        while len(list(tmp_path.glob("kalends-metrics-*/gauge_livemax_*.db"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for _ in range(10):
            assert httpx.get(f"{address}/readyz").json() == {"status": "ok", "zone_data": NEWER}
            assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        families = text_string_to_metric_families(httpx.get(f"{address}/metrics").text)
        [family] = [each for each in families if each.name == "kalends_zone_data"]
        assert [(sample.labels, sample.value) for sample in family.samples] == [({"version": NEWER}, 1)]
    finally:
        server.kill()


def _warnings(text: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if "time zone data" in line["event"]]


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_a_server_warns_that_another_of_its_database_uses_other_data(empty_url: str, tmp_path: Path) -> None:
    folder = zone_folder(tmp_path / "zoneinfo", 3, f"# version {OLDER}")
    logs = [tmp_path / name for name in ("first", "second", "third")]
    servers = [
        Server(empty_url, log=logs[0], env={"PYTHONTZPATH": str(folder)}),
        Server(empty_url, log=logs[1], env={"PYTHONTZPATH": str(folder)}),
        Server(empty_url, log=logs[2], env={"PYTHONTZPATH": ""}),
    ]
    try:
        for server in servers:
            server.start().wait()
        deadline = time.monotonic() + 20
        while not _warnings(logs[2].read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [warning] = _warnings(logs[2].read_text())
        assert (warning["level"], warning["zone_data"]) == ("warning", PACKAGED)
        assert warning["others"].keys() == {OLDER}
        assert _warnings(logs[0].read_text()) == _warnings(logs[1].read_text()) == []
    finally:
        for server in servers:
            if server.process:
                server.kill()


@pytest.mark.anyio
async def test_others_are_told_of_once_and_when_there_are_new_ones(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database, clock = open_database(empty_url, pool_size=2), StoppedClock()
    await database.migrate()
    written: list[dict[str, Any]] = []

    async def after_some_rounds() -> list[list[str]]:
        """The versions that are warned of."""
        await asyncio.sleep(0.3)
        written.extend(_warnings(capsys.readouterr().err))
        told = [sorted(line["others"]) for line in written]
        written.clear()
        return told

    capsys.readouterr()
    telling = asyncio.create_task(watch(database, clock, "2026f", seconds=0.01))
    try:
        assert await after_some_rounds() == []
        await database.write(zone_data.note, "2025b", clock.now())
        assert await after_some_rounds() == [["2025b"]]
        await database.write(zone_data.note, "2026a", clock.now())
        assert await after_some_rounds() == [["2025b", "2026a"]]
        clock.forward(minutes=21)  # and no other said so again
        assert await after_some_rounds() == []
        await database.write(zone_data.note, "2025b", clock.now())
        assert await after_some_rounds() == [["2025b"]]
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await database.close()


@pytest.mark.anyio
async def test_each_sees_what_the_other_noted_a_while_ago(empty_url: str) -> None:
    database, clock = open_database(empty_url, pool_size=2), StoppedClock()
    await database.migrate()
    try:
        assert await database.write(zone_data.note, "2025b", clock.now()) == {}
        since = clock.now()
        clock.forward(minutes=20)
        assert await database.write(zone_data.note, "2026f", clock.now()) == {"2025b": since}
        assert await database.write(zone_data.note, "2025b", clock.now()) == {"2026f": clock.now()}
        clock.forward(minutes=20, seconds=1)
        assert await database.write(zone_data.note, "2026f", clock.now()) == {}
    finally:
        await database.close()


class _Broken:
    """A database that can't be written to, and then one with a defect."""

    def __init__(self) -> None:
        self.asked = 0

    async def write(self, *_: object) -> object:
        self.asked += 1
        raise Unavailable("The database is read-only.") if self.asked == 1 else RuntimeError("broken")


@pytest.mark.anyio
async def test_a_database_that_takes_no_note_stops_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = _Broken()
    telling = asyncio.create_task(watch(cast(Database, database), StoppedClock(), "2026f", seconds=0.01))
    await asyncio.sleep(0.3)
    assert not telling.done()
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert database.asked > 2
    [warning] = _warnings(capsys.readouterr().err)
    assert warning["why"] == "The database is read-only."
