"""Reading iCalendar files from a server that answers as servers do."""

import asyncio
import gzip
import time
import zlib
from base64 import b64encode
from datetime import timedelta

import pytest

from kalends.core.sources import SourceAddress, SourceTrouble, Unchanged
from kalends.reading.fetching import Reader
from tests.reading.asking import answer, ask, ask_anew
from tests.reading.calendars import WINDOW, calendar, event, local
from tests.support.receiver import Answer, Got, Receiver

pytestmark = pytest.mark.anyio

HOUR = ("DTSTART;TZID=Europe/Berlin:20260310T090000", "DURATION:PT1H")
TAKEN = "03-10 09:00 to 03-10 10:00"
FILE = calendar(event(*HOUR))


def address_of(
    server: Receiver, path: str = "/calendar.ics", username: str | None = None, password: str | None = None
) -> SourceAddress:
    return SourceAddress("ics", server.url(path), username, password)


async def trouble_of(reader: Reader, address: SourceAddress) -> SourceTrouble:
    with pytest.raises(SourceTrouble) as raised:
        await ask(reader, address)
    return raised.value


async def test_busy_times_come_from_the_file(server: Receiver, reader: Reader) -> None:
    own = event("DTSTART:20260311T090000Z", "DURATION:PT1H", uid="apt_1@kalends")
    server.answer = lambda _got: answer(calendar(event(*HOUR), event(*HOUR, uid="same time"), own))
    found = await ask_anew(reader, address_of(server))
    assert local(found.busy) == [TAKEN]
    assert (found.events, found.unreadable) == (3, [])
    [got] = server.got
    assert (got.method, got.path) == ("GET", "/calendar.ics")
    assert "authorization" not in got.headers


async def test_the_server_is_asked_whether_anything_has_changed(server: Receiver, reader: Reader) -> None:
    def respond(got: Got) -> Answer:
        if got.headers.get("if-none-match") == '"1"':
            assert got.headers["if-modified-since"] == "Mon, 02 Mar 2026 09:00:00 GMT"
            return answer(status="304 Not Modified")
        return answer(FILE, ETag='"1"', Last_Modified="Mon, 02 Mar 2026 09:00:00 GMT")

    server.answer = respond
    first = await ask_anew(reader, address_of(server))
    assert await ask(reader, address_of(server), first.state) == Unchanged()
    # The window has moved on by a day: what has come into view is to be read.
    later = (WINDOW[0] + timedelta(days=1), WINDOW[1] + timedelta(days=1))
    assert not isinstance(await ask(reader, address_of(server), first.state, later), Unchanged)
    assert not isinstance(await ask(reader, address_of(server, "/other.ics"), first.state), Unchanged)
    assert not isinstance(await ask(reader, address_of(server), "garbage"), Unchanged)


async def test_marks_that_cant_be_sent_back_are_not(server: Receiver, reader: Reader) -> None:
    for mark in ('"é"', '"%s"' % ("x" * 2_000)):
        server.answer = lambda _got, mark=mark: answer(FILE, ETag=mark)  # type: ignore[misc]
        first = await ask_anew(reader, address_of(server))
        assert await ask(reader, address_of(server), first.state) == Unchanged()
        assert "if-none-match" not in server.got[-1].headers


async def test_the_same_content_is_unchanged_whenever_it_was_written(
    server: Receiver, reader: Reader
) -> None:
    server.answer = lambda _got: answer(FILE)
    first = await ask_anew(reader, address_of(server))
    server.answer = lambda _got: answer(FILE.replace("DTSTAMP:2026", "DTSTAMP:2027"))
    assert await ask(reader, address_of(server), first.state) == Unchanged()
    server.answer = lambda _got: answer(FILE.replace("T090000", "T100000"))
    changed = await ask_anew(reader, address_of(server), first.state)
    assert local(changed.busy) == ["03-10 10:00 to 03-10 11:00"]
    server.answer = lambda _got: answer(calendar())
    emptied = await ask_anew(reader, address_of(server), changed.state)
    assert (emptied.busy, emptied.events) == ([], 0)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("401 Unauthorized", "The server asks for a name and a password. (401)"),
        ("403 Forbidden", "The server does not let this calendar be read. (403)"),
        ("404 Not Found", "There is no calendar at this address. (404)"),
        ("410 Gone", "The calendar is gone. (410)"),
        ("415 Unsupported Media Type", "may be no CalDAV server. (415)"),
        ("429 Too Many Requests", "The server was asked too often. (429)"),
        ("500 Internal Server Error", "The server has trouble of its own. (500)"),
        ("503 Service Unavailable", "The server has trouble of its own. (503)"),
        ("204 No Content", "The server does not answer with a calendar. (204)"),
        ("304 Not Modified", "The server does not answer with a calendar. (304)"),
    ],
)
async def test_what_a_status_means(server: Receiver, reader: Reader, status: str, sentence: str) -> None:
    server.answer = lambda _got: answer(status=status)
    assert str(await trouble_of(reader, address_of(server))).endswith(sentence)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "Mon, 02 Mar 2026 09:05:00 GMT", "Date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 300),
        ({"Retry_After": "Mon, 02 Mar 2026 09:05:00 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
async def test_how_long_a_server_asks_to_wait(
    server: Receiver, reader: Reader, headers: dict[str, str], seconds: float | None
) -> None:
    server.answer = lambda _got: answer(status="429 Too Many Requests", **headers)
    assert (await trouble_of(reader, address_of(server))).retry_after == seconds


async def test_a_password_is_sent_and_one_that_is_refused_is_told(server: Receiver, reader: Reader) -> None:
    right = "Basic " + b64encode(b"jane:secret").decode()
    server.answer = lambda got: (
        answer(FILE) if got.headers.get("authorization") == right else answer(status="401 Unauthorized")
    )
    assert local((await ask_anew(reader, address_of(server, username="jane", password="secret"))).busy) == [
        TAKEN
    ]
    wrong = address_of(server, username="jane", password="wrong")
    assert str(await trouble_of(reader, wrong)) == "The server refuses the name or the password. (401)"
    assert "wrong" not in repr(wrong)
    assert "calendar.ics" not in repr(wrong)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (answer("<!DOCTYPE html><title>Log in</title>", Content_Type="text/html"), "web page"),
        (answer(""), "is empty"),
        (answer(FILE[:-20]), "cut off"),
        (answer(FILE)[:-20], "without sending complete message body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nBEGIN\r\n", "127.0.0.1 can't be read"),
        (answer(b"\xff\xfe" + FILE.encode("utf-16-le")), "not a calendar"),
        (answer(gzip.compress(FILE.encode())[:-9], Content_Encoding="gzip"), "The answer is cut off"),
        (answer(FILE, Content_Encoding="gzip"), "can't be unpacked"),
        (answer(FILE, Content_Encoding="br"), "in a way it was not asked for"),
        (answer(FILE, Content_Encoding="gzip, gzip"), "in a way it was not asked for"),
        (answer(zlib.compress(FILE.encode()), Content_Encoding="deflate"), "in a way it was not asked for"),
        (b"garbage\r\n\r\n", "127.0.0.1 can't be read"),
        (b"", "127.0.0.1 can't be read"),
    ],
)
async def test_what_is_no_calendar_is_trouble(
    server: Receiver, reader: Reader, sent: bytes, sentence: str
) -> None:
    server.answer = lambda _got: sent
    assert sentence in str(await trouble_of(reader, address_of(server)))


async def test_what_is_not_utf_8_can_be_read(server: Receiver, reader: Reader) -> None:
    told = calendar(event(*HOUR, "LOCATION:Café"), event(*HOUR, uid="Büro")).encode("latin-1")
    server.answer = lambda _got: answer(told, Content_Type="text/calendar; charset=utf-8")
    assert local((await ask_anew(reader, address_of(server))).busy) == [TAKEN]


@pytest.mark.slow
async def test_a_packed_answer_is_unpacked_but_no_bomb(server: Receiver, reader: Reader) -> None:
    server.answer = lambda _got: answer(gzip.compress(FILE.encode()), Content_Encoding="gzip")
    assert local((await ask_anew(reader, address_of(server))).busy) == [TAKEN]
    assert server.got[0].headers["accept-encoding"] == "gzip"
    bomb = gzip.compress(b"X" * 200_000_000, 6)
    assert len(bomb) < 1_000_000
    server.answer = lambda _got: answer(bomb, Content_Encoding="gzip")
    assert str(await trouble_of(reader, address_of(server))) == "The answer is larger than 10 MB."
    server.answer = lambda _got: answer(b"X" * 10_000_001)
    assert str(await trouble_of(reader, address_of(server))) == "The answer is larger than 10 MB."


async def test_a_server_that_hangs_is_left(server: Receiver) -> None:
    hurried = Reader(allow_private=True, timeout_seconds=0.5)
    server.answer = lambda _got: None
    sentence = "The server did not finish its answer within 0.5 seconds."
    assert str(await trouble_of(hurried, address_of(server))) == sentence

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(FILE)[:-20])
        await reader.read()
        writer.close()

    stalling = await asyncio.start_server(stall, "127.0.0.1")
    port = stalling.sockets[0].getsockname()[1]
    began = time.monotonic()
    assert str(await trouble_of(hurried, SourceAddress("ics", f"http://127.0.0.1:{port}/"))) == sentence
    assert time.monotonic() - began < 10
    stalling.close()
    await hurried.close()


async def test_a_server_that_is_not_there(server: Receiver, reader: Reader) -> None:
    await server.close()
    assert "127.0.0.1 can't be read" in str(await trouble_of(reader, address_of(server)))


@pytest.mark.slow
async def test_the_event_loop_is_not_held_up(server: Receiver, reader: Reader) -> None:
    many = calendar(*(event(*HOUR, "RRULE:FREQ=DAILY;COUNT=5", uid=str(number)) for number in range(1_000)))
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    server.answer = lambda _got: answer(FILE)
    await ask_anew(reader, address_of(server))  # what is loaded once is loaded
    server.answer = lambda _got: answer(many)
    ticking = asyncio.create_task(tick())
    found = await ask_anew(reader, address_of(server))
    ticking.cancel()
    assert found.events == 5_000
    assert longest < 0.03
