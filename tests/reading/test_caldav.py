"""Reading calendars from real CalDAV servers, and from those that behave badly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from kalends.core.sources import SourceAddress, SourceTrouble, Unchanged
from kalends.reading.fetching import Reader
from tests.reading.asking import answer, ask, ask_anew
from tests.reading.calendars import calendar, event, local
from tests.support.caldav import radicale, xandikos
from tests.support.receiver import Answer, Got, Receiver

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOUR = ("DTSTART;TZID=Europe/Berlin:20260310T090000", "DURATION:PT1H")
TAKEN = "03-10 09:00 to 03-10 10:00"
MULTISTATUS = '<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">{}</multistatus>'
IS_CALENDAR = MULTISTATUS.format(
    "<response><href>/</href><propstat><prop><resourcetype><C:calendar/></resourcetype></prop>"
    "<status>HTTP/1.1 200 OK</status></propstat></response>"
)


class Home:
    """Where a server keeps the calendars of somebody, and how they are changed there."""

    def __init__(self, root: str, home: str, password: str) -> None:
        self.root = root
        self.home = root + home
        self.password = password
        self.client = httpx.AsyncClient(base_url=self.home, auth=("jane", password))

    async def make(self, name: str, parts: str = "VEVENT") -> None:
        body = f"""<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>
        <D:displayname>{name}</D:displayname><C:supported-calendar-component-set><C:comp name="{parts}"/>
        </C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>"""
        headers = {"Content-Type": "application/xml"}
        made = await self.client.request("MKCALENDAR", f"{name}/", content=body, headers=headers)
        assert made.status_code == 201

    async def put(self, path: str, *parts: str) -> None:
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        put = await self.client.put(path, content=calendar(*parts), headers=headers)
        assert put.status_code in (201, 204)

    async def remove(self, path: str) -> None:
        assert (await self.client.delete(path)).status_code in (200, 204)

    def address(self, path: str, password: str | None = None) -> SourceAddress:
        return SourceAddress("caldav", self.root + path, "jane", password or self.password)


@pytest.fixture(params=["radicale", "xandikos"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Home]:
    if request.param == "radicale":
        server, below, password = radicale(tmp_path, password="secret"), "/jane/", "secret"
    else:
        server, below, password = xandikos(tmp_path), "/user/calendars/", "any"
    async with server as url:
        found = Home(url, below, password)
        made = await found.client.request("PROPFIND", "", headers={"Depth": "0"})  # Radicale makes it by that
        assert made.status_code == 207
        yield found
        await found.client.aclose()


async def test_changes_come_with_the_next_read(home: Home, reader: Reader) -> None:
    await home.make("work")
    address = home.address(home.home.removeprefix(home.root) + "work/")
    empty = await ask_anew(reader, address)
    assert (empty.busy, empty.events) == ([], 0)
    assert await ask(reader, address, empty.state) == Unchanged()

    await home.put("work/one.ics", event(*HOUR))
    await home.put("work/free.ics", event(*HOUR, "TRANSP:TRANSPARENT", uid="free"))
    await home.put("work/own.ics", event("DTSTART:20260311T090000Z", "DURATION:PT1H", uid="apt_1@kalends"))
    await home.put("work/past.ics", event("DTSTART:20200311T090000Z", "DURATION:PT1H", uid="past"))
    await home.put(
        "work/day.ics", event("DTSTART;VALUE=DATE:20260312", "DTEND;VALUE=DATE:20260314", uid="day")
    )
    weekly = event(
        "DTSTART;TZID=Europe/Berlin:20200106T180000", "DURATION:PT2H", "RRULE:FREQ=WEEKLY", uid="weekly"
    )
    weeks = [f"03-{day:02} 18:00 to 03-{day:02} 20:00" for day in (2, 9, 16, 23, 30)]
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20250106T180000",
        "DTSTART;TZID=Europe/Berlin:20260402T100000",
        "DURATION:PT1H",
        uid="weekly",
    )
    await home.put("work/weekly.ics", weekly, moved)
    found = await ask_anew(reader, address, empty.state)
    busy = local(found.busy)
    assert {TAKEN, "03-12 00:00 to 03-14 00:00", "04-02 10:00 to 04-02 11:00", *weeks} <= set(busy)
    assert len(busy) == 3 + 9  # nine Mondays
    assert await ask(reader, address, found.state) == Unchanged()

    await home.put("work/one.ics", event("DTSTART:20260310T110000Z", "DURATION:PT1H", "SEQUENCE:1"))
    await home.remove("work/weekly.ics")
    changed = await ask_anew(reader, address, found.state)
    assert local(changed.busy) == ["03-10 12:00 to 03-10 13:00", "03-12 00:00 to 03-14 00:00"]


async def test_the_only_calendar_of_an_account_is_found(home: Home, reader: Reader) -> None:
    below = home.home.removeprefix(home.root)
    await home.make("work")
    await home.make("tasks", "VTODO")
    await home.put("work/one.ics", event(*HOUR))
    for path in ("/", below):
        found = await ask_anew(reader, home.address(path))
        assert local(found.busy) == [TAKEN]
        assert await ask(reader, home.address(path), found.state) == Unchanged()
    await home.make("private")
    with pytest.raises(SourceTrouble, match="There are several calendars") as raised:
        await ask(reader, home.address("/"))
    for name in ("work", "private"):
        assert f"{name} ({home.home}{name}/)" in str(raised.value)
    assert "tasks" not in str(raised.value)


async def test_a_calendar_that_is_not_there(home: Home, reader: Reader) -> None:
    with pytest.raises(SourceTrouble, match="There is no calendar at this address"):
        await ask(reader, home.address(home.home.removeprefix(home.root) + "nothing/"))


async def test_a_wrong_password(tmp_path: Path, reader: Reader) -> None:
    async with radicale(tmp_path, password="secret") as url:
        for address in (
            SourceAddress("caldav", f"{url}/jane/", "jane", "wrong"),
            SourceAddress("caldav", f"{url}/jane/"),
        ):
            with pytest.raises(SourceTrouble, match="name"):
                await ask(reader, address)


async def test_a_server_that_is_killed(tmp_path: Path, reader: Reader) -> None:
    async with radicale(tmp_path) as url:
        async with httpx.AsyncClient(auth=("jane", "any")) as client:
            assert (await client.request("MKCALENDAR", f"{url}/jane/work/")).status_code == 201
        address = SourceAddress("caldav", f"{url}/jane/work/", "jane", "any")
        await ask_anew(reader, address)
    with pytest.raises(SourceTrouble, match="can't be read"):
        await ask(reader, address)


def reporting(server: Receiver, report: Answer) -> SourceAddress:
    """A server that has a calendar, and answers to the question what is in it as it is told."""

    def respond(got: Got) -> Answer:
        return report if got.method == "REPORT" else answer(IS_CALENDAR, "207 Multi-Status")

    server.answer = respond
    return SourceAddress("caldav", server.url("/"))


def event_of(properties: str, more: str = "") -> bytes:
    told = f"<response><href>/1.ics</href><propstat><prop>{properties}</prop></propstat>{more}</response>"
    return answer(MULTISTATUS.format(told), "207 Multi-Status")


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (answer("<html></html>"), "does not answer with a calendar"),
        (answer("<html></html>", "207 Multi-Status"), "does not answer as a CalDAV server does"),
        (answer(MULTISTATUS[:20], "207 Multi-Status"), "does not answer as a CalDAV server does"),
        (answer("", "207 Multi-Status"), "does not answer as a CalDAV server does"),
        (
            answer('<!DOCTYPE a [<!ENTITY b "c">]>' + MULTISTATUS.format("&b;"), "207 Multi-Status"),
            "does not answer as a CalDAV server does",
        ),
        (event_of("<getetag>1</getetag>"), "does not tell when it is"),
        (event_of("<C:calendar-data>BEGIN:VCALENDAR</C:calendar-data>"), "cut off"),
        (
            event_of("", "<status>HTTP/1.1 507 Insufficient Storage</status>"),
            "more events than its server tells",
        ),
        (answer(status="403 Forbidden"), "does not let this calendar be read"),
        (answer(status="415 Unsupported Media Type"), "may be no CalDAV server"),
        (answer(status="507 Insufficient Storage"), "trouble of its own"),
        (b"garbage", "can't be read"),
    ],
)
async def test_answers_that_are_trouble(
    server: Receiver, reader: Reader, report: bytes, sentence: str
) -> None:
    with pytest.raises(SourceTrouble, match=sentence):
        await ask(reader, reporting(server, report))


async def test_a_server_that_hangs(server: Receiver) -> None:
    hurried = Reader(allow_private=True, timeout_seconds=0.5)
    with pytest.raises(SourceTrouble, match=r"within 0\.5 seconds"):
        await ask(hurried, reporting(server, None))
    await hurried.close()


async def test_a_server_without_tokens_is_compared_by_what_it_tells(server: Receiver, reader: Reader) -> None:
    address = reporting(server, event_of(f"<C:calendar-data>{calendar(event(*HOUR))}</C:calendar-data>"))
    found = await ask_anew(reader, address)
    assert local(found.busy) == [TAKEN]
    assert await ask(reader, address, found.state) == Unchanged()
    assert [got.method for got in server.got] == ["PROPFIND", "REPORT"] * 2


@pytest.mark.parametrize("status", ["200 OK", "405 Method Not Allowed", "404 Not Found"])
async def test_no_caldav_server(server: Receiver, reader: Reader, status: str) -> None:
    server.answer = lambda _got: answer("<html></html>", status)
    with pytest.raises(SourceTrouble):
        await ask(reader, SourceAddress("caldav", server.url("/")))
    assert [got.path for got in server.got] == ["/", "/.well-known/caldav"]
    with pytest.raises(SourceTrouble):
        await ask(reader, SourceAddress("caldav", server.url("/somewhere/")))
    assert [got.path for got in server.got[2:]] == ["/somewhere/"]


@pytest.mark.parametrize(
    "href", ["http://[", "file:///etc/passwd", "mailto:jane@example.com", "//", "x" * 100]
)
async def test_an_account_that_leads_nowhere(server: Receiver, reader: Reader, href: str) -> None:
    """A server may name any address as the home of its calendars."""
    told = (
        "<response><href>/</href><propstat><prop><resourcetype><collection/></resourcetype>"
        f"<C:calendar-home-set><href>{href}</href></C:calendar-home-set></prop></propstat></response>"
    )
    server.answer = lambda _got: answer(MULTISTATUS.format(told), "207 Multi-Status")
    with pytest.raises(SourceTrouble):
        await ask(reader, SourceAddress("caldav", server.url("/")))


async def test_two_reads_at_a_time(server: Receiver, reader: Reader) -> None:
    address = reporting(server, event_of(f"<C:calendar-data>{calendar(event(*HOUR))}</C:calendar-data>"))
    found = await asyncio.gather(*(ask_anew(reader, address) for _ in range(4)))
    assert [local(each.busy) for each in found] == [[TAKEN]] * 4
