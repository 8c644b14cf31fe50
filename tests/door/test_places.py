"""Who gets in when all places are taken."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kalends.telemetry import configure
from tests.support.door import Line, Stub, behind

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = GET.replace(b"/ ", b"/wait ")
HEALTH = GET.replace(b"/ ", b"/healthz ")
READY = GET.replace(b"/ ", b"/booking/readyz ")
PLACES = 3
KEPT = 1


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Where connections are entered that are to be closed at the end."""
    with ExitStack() as stack:
        yield stack


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_new_connection_takes_the_place_of_the_oldest_that_asks_nothing(opened: ExitStack) -> None:
    with behind(Stub(), connections=PLACES, kept=KEPT) as port:
        started = (b"", b"GET /", b"", b"GET / HTTP/1.1\r\nX: y\r\n")
        halves = [opened.enter_context(Line(port)).send(half) for half in started]
        for place in range(3):
            line = opened.enter_context(Line(port))
            assert line.send(GET).answer().status == 200
            assert halves[place].is_closed()
            # What has asked before stays if what has not can go.
            assert line.send(GET).answer().status == 200
        assert halves[3].send(b"\r\n").answer().status == 200


def test_then_that_of_the_one_that_has_been_idle_longest(opened: ExitStack) -> None:
    with behind(Stub(), connections=PLACES, kept=KEPT) as port:
        idle = [opened.enter_context(Line(port)).send(GET) for _ in range(PLACES + KEPT)]
        assert [line.answer().status for line in idle] == [200] * 4
        assert idle[0].send(GET).answer().status == 200  # so the second is the one
        with Line(port) as line:
            assert line.send(GET).answer().status == 200
            assert idle[1].is_closed()
        for place in (0, 2, 3):
            assert idle[place].send(GET).answer().status == 200


def test_no_request_under_way_gives_way_and_its_health_can_be_asked(
    opened: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    stub = Stub()
    with behind(stub, connections=PLACES, kept=KEPT) as port:
        busy = [opened.enter_context(Line(port)).send(WAIT) for _ in range(PLACES)]
        until(lambda: stub.asked == PLACES)
        halves = [opened.enter_context(Line(port)) for _ in range(5)]
        for _ in range(3):
            with Line(port) as line:
                answer = line.send(GET).answer()
                assert answer.status == 503
                assert b"retry-after: 2" in answer.head
                assert b"connection: close" in answer.head
                assert json.loads(answer.body)["code"] == "server_busy"
                assert line.is_closed()
            for health in (HEALTH, READY):
                with Line(port) as line:
                    assert line.send(health).answer().status == 200
        with Line(port) as line:
            told = json.loads(line.send(GET.replace(b"/ ", b"/v1/webhooks ")).answer().body)
            assert told["error"]["code"] == "SERVER_BUSY"
        assert all(half.is_closed() for half in halves)
        stub.let_go()
        assert [line.answer().status for line in busy] == [200] * PLACES
        for line in busy:
            assert line.send(GET).answer().status == 200
    log = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    [warning] = [each for each in log if each["level"] == "warning"]
    assert warning["event"] == "all places for connections are taken"
    assert "KALENDS_CONNECTIONS" in warning["cause"]
    assert warning["places"] == PLACES


def test_bodies_that_do_not_come_give_way_last(opened: ExitStack) -> None:
    stub = Stub()
    post = b"POST /read HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    with behind(stub, connections=PLACES, kept=KEPT, slow_seconds=0.2) as port:
        slow = [opened.enter_context(Line(port)).send(post) for _ in range(PLACES)]
        until(lambda: stub.asked == PLACES)
        with Line(port) as line:  # so far, they are under way
            assert line.send(GET).answer().status == 503
        time.sleep(0.5)
        half = opened.enter_context(Line(port))
        line = opened.enter_context(Line(port))
        assert line.send(GET).answer().status == 200
        assert half.is_closed()
        # What goes on is under way again.
        assert slow[0].send(b"abc").answer().body == b"3"
        assert slow[0].send(WAIT)
        until(lambda: stub.asked == PLACES + 2)
        busy = [slow[0]]
        for gives_way in (line, slow[1]):
            busy.append(opened.enter_context(Line(port)).send(WAIT))
            assert gives_way.is_closed()
        with Line(port) as last:
            assert last.send(HEALTH).answer().status == 200
            assert slow[2].is_closed()
        stub.let_go()
        assert [each.answer().status for each in busy] == [200] * PLACES
        until(lambda: stub.disconnected == 2)


def test_who_finds_even_the_kept_places_taken_is_told_at_once(opened: ExitStack) -> None:
    stub = Stub()
    with behind(stub, connections=1, kept=1, always=(b"/wait",)) as port:
        busy = [opened.enter_context(Line(port)).send(WAIT) for _ in range(2)]
        until(lambda: stub.asked == 2)
        with Line(port) as line:
            assert line.answer().status == 503
            assert line.is_closed()
        stub.let_go()
        assert [line.answer().status for line in busy] == [200, 200]


def test_what_is_gone_leaves_its_place(opened: ExitStack) -> None:
    stub = Stub()
    with behind(stub, connections=PLACES, kept=KEPT) as port:
        for _ in range(50):
            with Line(port) as line:
                line.send(GET[:10])
            with Line(port) as line:
                assert line.send(GET).answer().status == 200
        stub.let_go()
        for _ in range(50):
            with Line(port) as line:
                line.send(WAIT)
        idle = [opened.enter_context(Line(port)) for _ in range(PLACES)]
        for _ in range(2):
            assert [line.send(GET).answer().status for line in idle] == [200] * PLACES
