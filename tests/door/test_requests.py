"""Requests that are too large, too slow or no HTTP, over real sockets."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kalends.app import create_app
from kalends.clock import SystemClock
from kalends.db.opening import open_database
from kalends.db.tables import appointments
from kalends.settings import Settings
from tests.support.databases import on_sqlite
from tests.support.door import Line, Stub, behind
from tests.support.organizations import make_org

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: x\r\n"
LONG = b"a" * 20_000


@pytest.fixture
def stub() -> Stub:
    return Stub()


class Stage:
    """The application of a server that tests share: of each test it is another."""

    stub: Stub

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.stub(scope, receive, send)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Stage, int]]:
    stage = Stage()
    with behind(stage) as port:
        yield stage, port


@pytest.fixture
def port(shared: tuple[Stage, int], stub: Stub) -> int:
    """Of a server with the usual limits, on which `stub` plays."""
    stage, port = shared
    stage.stub = stub
    return port


def refused(line: Line, status: int, code: str) -> None:
    answer = line.answer()
    assert answer.status == status
    assert b"connection: close" in answer.head
    assert b"x-request-id: " in answer.head
    told = json.loads(answer.body)
    assert told.keys() == {"error", "code", "details"}
    assert told["code"] == code
    assert line.is_closed()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ([b"GET /" + LONG + b" HTTP/1.1\r\n\r\n"], 414, "target_too_long"),
        ([b"GET /?" + LONG[:9_000], LONG[:9_000], b" HTTP/1.1\r\n\r\n"], 414, "target_too_long"),
        ([b"GET http://x/" + LONG + b" HTTP/1.1\r\n\r\n"], 414, "target_too_long"),
        ([GET + b"X: " + LONG + b"\r\n\r\n"], 431, "headers_too_large"),
        ([GET + b"X: ", LONG[:9_000], LONG[:9_000]], 431, "headers_too_large"),
        ([GET + LONG + b": x\r\n\r\n"], 431, "headers_too_large"),
        ([GET + b"X: a\r\n" * 5_000 + b"\r\n"], 431, "headers_too_large"),
        ([GET + b"X: a\r\n", *[b"X: a\r\n" * 500] * 8], 431, "headers_too_large"),
        ([b"GET /" + LONG[:9_000] + b" HTTP/1.1\r\nX: " + LONG[:9_000]], 431, "headers_too_large"),
        ([b"\r\n" * 20_000], 431, "headers_too_large"),
    ],
)
def test_a_head_may_have_16_kib(port: int, stub: Stub, sent: list[bytes], status: int, code: str) -> None:
    with Line(port) as line:
        refused(line.send(*sent), status, code)
    assert stub.asked == 0


def test_a_head_of_16_kib_is_read(port: int, stub: Stub) -> None:
    head = GET + b"X: " + LONG[: 16 * 1024 - len(GET) - len(b"X: \r\n\r\n")] + b"\r\n\r\n"
    assert len(head) == 16 * 1024
    with Line(port) as line:
        for pieces in ([head], [head[:5_000], head[5_000:]], [head[:-1], head[-1:]]):
            assert line.send(*pieces).answer().status == 200
        for _ in range(3):  # bodies do not count, in whatever pieces
            line.send(POST + b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000 + head[:9_000], head[9_000:])
            assert [line.answer().body for _ in range(2)] == [b"40000", b"{}"]


def test_every_head_of_a_connection_is_counted(port: int) -> None:
    with Line(port) as line:
        line.send(GET + b"\r\n" + GET + b"X: " + LONG + b"\r\n\r\n")
        assert line.answer().status == 200
        refused(line, 431, "headers_too_large")


def test_webhooks_have_their_own_envelope(port: int) -> None:
    with Line(port) as line:
        told = json.loads(line.send(b"GET /v1/webhooks/" + LONG).answer().body)
    assert (told["success"], told["error"]["code"]) == (False, "TARGET_TOO_LONG")


@pytest.mark.parametrize(
    "sent",
    [
        bytes.fromhex("16030100f1010000ed0303"),  # TLS
        b"\xff\xfe\x00\x01",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET relative HTTP/1.1\r\n\r\n",
        b"GET http://x HTTP/1.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"GET /\xc3\xbc HTTP/1.1\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\n\r\n",
        GET + b"X: a\0b\r\n\r\n",
        GET + b"X\0: a\r\n\r\n",
        GET + b"X: a\rb\r\n\r\n",
        GET + b"X: a\r\n b\r\n\r\n",
        GET + b"no colon\r\n\r\n",
        GET + b": no name\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2, 2\r\n\r\n{}",
        POST + b"Content-Length: +2\r\n\r\n{}",
        POST + b"Content-Length: -2\r\n\r\n{}",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        GET + b"Host: x\r\n\r\n",
        GET + b"host: y\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_closed(
    port: int, stub: Stub, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with Line(port) as line:
        refused(line.send(sent), 400, "invalid_request")
    assert stub.asked == 0
    log = [json.loads(each) for each in capfd.readouterr().err.splitlines()]
    assert {each["level"] for each in log} == {"info"}
    assert [each["code"] for each in log if each["event"] == "request"] == ["invalid_request"]


def test_what_was_asked_before_is_answered_first(port: int, stub: Stub) -> None:
    with Line(port) as line:
        line.send(GET.replace(b"/ ", b"/wait ") + b"\r\n" + GET + b"\r\n" + b"nonsense\r\n\r\n")
        time.sleep(0.2)
        stub.let_go()
        assert [line.answer().status for _ in range(2)] == [200, 200]
        refused(line, 400, "invalid_request")
    assert stub.asked == 2


def test_a_buffer_full_of_requests_is_answered_in_part(port: int, stub: Stub) -> None:
    with Line(port) as line:
        line.send((GET + b"\r\n") * 5_000)
        answers = [line.answer() for _ in range(5)]
        assert [each.status for each in answers] == [200] * 5
        assert [b"connection: close" in each.head for each in answers] == [False] * 4 + [True]
        assert line.is_closed()
    assert stub.asked == 5
    with Line(port) as line:
        line.send((GET + b"\r\n") * 4)
        assert [line.answer().status for _ in range(4)] == [200] * 4
        assert line.send(GET + b"\r\n").answer().status == 200


def test_whoever_has_sent_all_there_is_is_answered(port: int, stub: Stub) -> None:
    with Line(port) as line:
        line.send(POST + b"Content-Length: 2\r\n\r\n{}" + GET + b"\r\n").close_sending()
        assert [line.answer().status for _ in range(2)] == [200, 200]
        assert line.is_closed()
    with Line(port) as line:  # but not whoever has not
        assert line.send(POST + b"Content-Length: 3\r\n\r\n{}").close_sending().is_closed()
    assert stub.asked == 3


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_leaves_no_trace(
    port: int, stub: Stub, capfd: pytest.CaptureFixture[str], reset: bool
) -> None:
    """Nor do the requests that it has sent ahead."""
    for _ in range(5):
        with Line(port, receive_bytes=4_096) as line:
            line.send((GET.replace(b"/ ", b"/large ") + b"\r\n") * 4)
            time.sleep(0.05)
            if reset:
                line.reset()
    time.sleep(0.3)
    assert capfd.readouterr().err == ""
    with Line(port) as line:
        assert line.send(GET + b"\r\n").answer().status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        GET + b"Connection: close\r\n\r\n",
    ],
)
def test_the_connection_ends_with_the_answer(port: int, sent: bytes) -> None:
    with Line(port) as line:
        answer = line.send(sent).answer()
        assert (answer.status, answer.body) == (200, b"{}")
        assert b"connection: close" in answer.head
        assert line.is_closed()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"unknown"])
def test_another_protocol_is_not_changed_to(port: int, protocol: bytes) -> None:
    """Nor is a body lost, as `curl --http2` sends it."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    with Line(port) as line:
        assert line.send(GET + upgrade + b"\r\n").answer().body == b"{}"
        assert line.send(POST + upgrade + b"Content-Length: 2\r\n\r\n{}").answer().body == b"2"
        assert line.send(POST + upgrade + b"Content-Length: 2\r\n\r\n", b"{", b"}").answer().body == b"2"
        assert line.send(POST + upgrade + b"Content-Length: 0\r\n\r\n").answer().body == b"0"
        assert (
            line.send(POST + upgrade + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).answer().body == b"2"
        )
        line.send(GET + upgrade + b"\r\n" + POST + b"Content-Length: 3\r\n\r\nabc")
        assert [line.answer().body for _ in range(2)] == [b"{}", b"3"]


def test_a_target_may_be_absolute(port: int) -> None:
    with Line(port) as line:
        line.send(b"POST http://example/read?x=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert line.answer().body == b"2"


def test_a_body_that_is_waited_for_is_asked_for(port: int) -> None:
    with Line(port) as line:
        line.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert line.answer().status == 100
        assert line.send(b"{}").answer().body == b"2"


def test_trailers_are_no_headers(port: int) -> None:
    """Or proxies' rules for headers would not hold for them."""
    chunked = b"POST /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Line(port) as line:
        line.send(chunked + b"0\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: Bearer x\r\n\r\n")
        assert line.answer().body == b"host transfer-encoding"


def test_a_body_that_is_not_read_does_not_spoil_the_next_request(port: int) -> None:
    body = b"GET /read HTTP/1.1\r\n\r\n" * 10
    with Line(port) as line:
        line.send(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert line.answer().body == b"{}"
        assert line.send(POST + b"Content-Length: 1\r\n\r\nx").answer().body == b"1"


@pytest.mark.parametrize("started", [b"GET /", b"GET / HTTP/1.1\r\nHost: x", GET, b"\r\n"])
def test_a_head_has_so_many_seconds_however_it_trickles(stub: Stub, started: bytes) -> None:
    with behind(stub, head_seconds=0.3) as port:
        for before in (b"", GET + b"\r\n"):
            with Line(port) as line:
                if before:
                    assert line.send(before).answer().status == 200
                line.send(started, *[b"\r\n" if started == b"\r\n" else b"a"] * 12, pause=0.04)
                refused(line, 408, "request_timeout")


def test_who_asks_nothing_is_answered_nothing(stub: Stub) -> None:
    with behind(stub, head_seconds=0.3) as port, Line(port) as line:
        assert line.is_closed()


def test_a_long_request_is_no_slow_one(stub: Stub) -> None:
    with behind(stub, head_seconds=0.2, body_seconds=0.2, answer_seconds=0.2) as port, Line(port) as line:
        line.send(GET.replace(b"/ ", b"/wait ") + b"\r\n")
        time.sleep(1)
        stub.let_go()
        assert line.answer().status == 200
        assert line.send(GET + b"\r\n").answer().status == 200


@pytest.mark.slow
def test_an_answer_that_nobody_takes_is_given_up(stub: Stub) -> None:
    with behind(stub, answer_seconds=1.5) as port:
        with Line(port, receive_bytes=4_096) as line:
            line.send(GET.replace(b"/ ", b"/large ") + b"\r\n")
            taken = 0
            with contextlib.suppress(ConnectionResetError):
                for _ in range(30):  # a few bytes are not taking it
                    taken += line.take(10)
                    time.sleep(0.1)
                while some := line.take(1_000_000):
                    taken += some
            assert taken < 30_000_000
        with Line(port) as line:
            assert len(line.send(GET.replace(b"/ ", b"/large ") + b"\r\n").answer().body) == 30_000_000


SLOW = [
    ([b"Content-Length: 400\r\n\r\n", *[b" "] * 12], 408, "request_timeout"),
    ([b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 12], 408, "request_timeout"),
    ([b"Transfer-Encoding: chunked\r\n\r\n1;", *[b"a"] * 12], 408, "request_timeout"),
    ([b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nX:", *[b"a"] * 12], 408, "request_timeout"),
    ([b"Expect: 100-continue\r\nContent-Length: 400\r\n\r\n"], 408, "request_timeout"),
    ([b"Transfer-Encoding: chunked\r\n\r\n1;", *[b"a" * 500_000] * 4], 413, "body_too_large"),
    ([b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nX:", *[b"a" * 500_000] * 4], 413, "body_too_large"),
    ([b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"], 400, "invalid_request"),
    ([b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}"], 400, "invalid_request"),
    ([b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n"], 400, "invalid_request"),
]


@on_sqlite
@pytest.mark.anyio
@pytest.mark.parametrize(("pieces", "status", "code"), SLOW)
async def test_a_body_that_does_not_come_ends_its_request_in_order(
    url: str, pieces: list[bytes], status: int, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    database = open_database(url, pool_size=1)
    org = await make_org(database, SystemClock().now())
    app = create_app(Settings(database_url=url, worker=False))
    head = (
        b"POST /v1/calendar/appointments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + org.key.encode() + b"\r\n"
    )
    with behind(app, lifespan="on", body_seconds=0.3) as port:
        with Line(port) as line:
            line.send(head + pieces[0], *pieces[1:], pause=0.05)
            if b"Expect" in pieces[0]:
                assert line.answer().status == 100
            refused(line, status, code)
        with Line(port) as line:  # who hangs up in the middle is no defect of ours, either
            line.send(head + b"Content-Length: 400\r\n\r\n{")
        booked = await asyncio.to_thread(
            httpx.post,
            f"http://127.0.0.1:{port}/v1/calendar/appointments",
            json=org.wish(),
            headers={"Authorization": f"Bearer {org.key}"},
        )
        assert booked.status_code == 200
    mine = select(appointments.c.id).where(appointments.c.org_id == org.id)
    assert len(await database.read(lambda tx: tx.execute(mine).all())) == 1
    await database.close()
    log = [json.loads(each) for each in capfd.readouterr().err.splitlines()]
    assert {each["level"] for each in log} == {"info"}
    [line_of_it, *_] = [each for each in log if each["event"] == "request"]
    assert (line_of_it["status"], line_of_it["code"], line_of_it["org_id"]) == (status, code, org.id)
