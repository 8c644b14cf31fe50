"""Programs of others that take over what Kalends tells: a CalDAV server, and a synchronizer."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from icalendar import Calendar, Event

from kalends.clock import SystemClock
from kalends.core.hours import stamp
from tests.support.caldav import radicale
from tests.support.databases import on_sqlite
from tests.support.mailbox import Mailbox
from tests.support.organizations import new_org
from tests.support.practice import practice
from tests.support.server import serving

pytestmark = pytest.mark.slow

ALL_EVENTS = """<?xml version="1.0"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><C:calendar-data/></D:prop>
  <C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
    <C:time-range start="20240101T000000Z" end="20250101T000000Z"/>
  </C:comp-filter></C:comp-filter></C:filter>
</C:calendar-query>"""


@pytest.fixture
async def caldav(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Jane's calendar on a CalDAV server."""
    async with (
        radicale(tmp_path) as url,
        httpx.AsyncClient(
            base_url=f"{url}/jane/calendar/",
            auth=("jane", "any"),
            headers={"Content-Type": "text/calendar"},
        ) as client,
    ):
        made = await client.request("MKCALENDAR", "", headers={"Content-Type": "text/xml"})
        assert made.status_code == 201
        yield client


async def entries(caldav: httpx.AsyncClient) -> list[Event]:
    """What the calendar shows."""
    headers = {"Content-Type": "text/xml", "Depth": "1"}
    answer = await caldav.request("REPORT", "", content=ALL_EVENTS, headers=headers)
    assert answer.status_code == 207
    files = ET.fromstring(answer.content).iter("{urn:ietf:params:xml:ns:caldav}calendar-data")
    return [event for file in files for event in Calendar.from_ical(file.text or "").events]


@pytest.mark.anyio
async def test_a_caldav_server_takes_a_change_for_the_same_entry(
    own_url: str, caldav: httpx.AsyncClient
) -> None:
    mailbox = Mailbox()
    await mailbox.open()
    async with practice(own_url, mailbox, timezone="Europe/Berlin") as p:
        await p.desk.set_organization(name="Ärzte; Söhne, \\ & Co.\r\n2nd line\x07")
        await p.book(client_name="Jane \x0b <Doe>; \"J\", '^n'\n2nd line")
        [confirmation] = await p.mails()
        assert (await caldav.put("one.ics", content=confirmation.calendar)).status_code == 201
        [entry] = await entries(caldav)
        assert entry.decoded("DTSTART").isoformat() == "2024-01-25T15:00:00+01:00"
        assert entry["SUMMARY"] == "Tax Consultation, Ärzte; Söhne, \\ & Co. 2nd line"

        await p.change(start_time="2024-07-26T14:00:00Z")
        [update] = await p.mails()
        # The server knows it for the same: it does not take it for another entry, but in place of the first.
        twice = await caldav.put("two.ics", content=update.calendar)
        assert twice.status_code == 409
        assert "no-uid-conflict" in twice.text
        assert (await caldav.put("one.ics", content=update.calendar)).status_code == 204
        [entry] = await entries(caldav)
        assert (entry["UID"], entry["SEQUENCE"]) == (f"{p.id}@kalends", 1)
        assert entry.decoded("DTSTART").isoformat() == "2024-07-26T16:00:00+02:00"

        await p.change(status="cancelled")
        [cancellation] = await p.mails()
        assert (await caldav.put("one.ics", content=cancellation.calendar)).status_code == 204
        [entry] = await entries(caldav)
        assert (entry["STATUS"], entry["SEQUENCE"]) == ("CANCELLED", 2)
    await mailbox.close()


@on_sqlite
def test_a_synchronizer_finds_nothing_new_where_nothing_has_changed(url: str, tmp_path: Path) -> None:
    org = asyncio.run(new_org(url))
    disk = tmp_path / "disk"
    disk.mkdir()
    now = SystemClock().now()
    days = [stamp(now + timedelta(days=n)) for n in range(1, 5)]
    with (
        serving(url) as server,
        httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}/v1/calendar",
            headers={"Authorization": f"Bearer {org.key}"},
        ) as staff,
    ):
        ids = []
        for day in days:
            wish = org.wish(start_time=day, client_notes=f"{day}; a,b\nc")
            ids.append(staff.post("/appointments", json=wish).json()["appointment"]["id"])
        address = staff.post("/feeds", json={}).json()["url"]
        (tmp_path / "config").write_text(
            f'[general]\nstatus_path = "{tmp_path / "status"}"\n'
            '[pair feed]\na = "web"\nb = "disk"\ncollections = null\n'
            f'[storage web]\ntype = "http"\nurl = "{address}"\n'
            f'[storage disk]\ntype = "filesystem"\npath = "{disk}"\nfileext = ".ics"\n'
        )
        synchronize(tmp_path, "discover")
        synchronize(tmp_path, "sync")
        first = files(disk)
        assert sorted(start for start, _, _ in first.values()) == days
        synchronize(tmp_path, "sync")
        assert files(disk) == first

        moved = stamp(now + timedelta(days=9))
        staff.patch(f"/appointments/{ids[0]}", json={"start_time": moved})
        staff.patch(f"/appointments/{ids[1]}", json={"status": "cancelled"})
        synchronize(tmp_path, "sync")
    after = files(disk)
    shown = sorted((start, status) for start, status, _ in after.values())
    assert shown == [
        (days[1], "CANCELLED"),
        (days[2], "CONFIRMED"),
        (days[3], "CONFIRMED"),
        (moved, "CONFIRMED"),
    ]
    untouched = {start for name, (start, _, _) in first.items() if after.get(name) == first[name]}
    assert untouched == set(days[2:])


def synchronize(folder: Path, command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("vdirsyncer")), "--config", str(folder / "config"), command],
        capture_output=True,
        text=True,
        input="",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def files(folder: Path) -> dict[str, tuple[str, str, int]]:
    """The start and the status of each file's event, and when the file was written."""
    found = {}
    for path in folder.iterdir():
        [event] = Calendar.from_ical(path.read_bytes()).events
        start = stamp(event.decoded("DTSTART").astimezone(UTC))
        found[path.name] = (start, str(event["STATUS"]), path.stat().st_mtime_ns)
    return found
