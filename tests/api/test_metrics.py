"""What Prometheus and OpenTelemetry are told."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from kalends.app import create_app
from kalends.db.database import Tx
from kalends.services.leaving import feeds
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_own_sqlite, on_sqlite
from tests.support.desk import by_api
from tests.support.forked import KALENDS
from tests.support.mailbox import Mailbox
from tests.support.organizations import Org, make_org
from tests.support.practice import practice
from tests.support.server import Server, free_port

APPOINTMENTS, FEEDS = "/v1/calendar/appointments", "/v1/calendar/feeds"


def told(exposition: str, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name, by the values of their labels in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == name
    }


@asynccontextmanager
async def measured(url: str, **settings: Any) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient, Org]]:
    """An application that is measured, and a client of an organization there."""
    clock = StoppedClock()
    app = create_app(Settings(database_url=url, worker=False, metrics=True, **settings), clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as client:
            yield app, client, org


async def scraped(client: httpx.AsyncClient) -> str:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return response.text


@on_sqlite
@pytest.mark.anyio
async def test_nothing_is_told_unless_that_is_wanted(app: FastAPI) -> None:
    async with client_of(app, None) as anybody:
        refused(await anybody.get("/metrics"), 404, "not_found")
    assert app.state.context.metrics is None
    assert app.state.context.tracing is None


@on_sqlite
@pytest.mark.anyio
async def test_requests_are_told_by_route_and_never_by_path(url: str) -> None:
    async with measured(url) as (app, client, org):
        booked = (await client.post(APPOINTMENTS, json=org.wish())).json()["appointment"]
        await client.get(f"{APPOINTMENTS}/{booked['id']}")
        await client.get(f"{APPOINTMENTS}/apt_none")
        feed = httpx.URL((await client.post(FEEDS, json={})).json()["url"]).path
        await client.get(feed)
        await client.get(f"/v1/nothing/{org.key}?name=Jane")
        await client.delete("/healthz")
        async with client_of(app, "vst_wrong") as nobody:
            await nobody.get(APPOINTMENTS)
        exposition = await scraped(client)
        assert told(exposition, "kalends_request_seconds_count") == {
            ("POST", APPOINTMENTS, "200"): 1,
            ("GET", APPOINTMENTS + "/{id}", "200"): 1,
            ("GET", APPOINTMENTS + "/{id}", "404"): 1,
            ("POST", FEEDS, "200"): 1,
            ("GET", "/v1/public/feeds/{token}.ics", "200"): 1,
            ("GET", "unmatched", "404"): 1,
            ("DELETE", "/healthz", "405"): 1,
            ("GET", "unmatched", "401"): 1,
        }
        for private in (booked["id"], "apt_none", org.key, org.id, "Jane", feed.rpartition("/")[2][:20]):
            assert private not in exposition
        seconds = told(exposition, "kalends_request_seconds_sum")
        assert all(0 < value < 30 for value in seconds.values())
        # The scrape itself is a request, too, and told the next time.
        assert told(await scraped(client), "kalends_request_seconds_count")["GET", "/metrics", "200"] == 1


@on_own_sqlite
@pytest.mark.anyio
async def test_bookings_are_told_by_their_outcome(own_url: str) -> None:
    mailbox = Mailbox()
    await mailbox.open()
    async with practice(own_url, mailbox, metrics=True) as p:
        await p.book()
        await p.ask(start_time="2024-01-26T14:00:00Z")
        for wish in (
            p.desk.org.wish(),
            p.desk.org.wish(),
            p.desk.org.wish(start_time="never"),
            p.desk.org.wish(client_name=""),
        ):
            assert (await p.desk.staff.post(APPOINTMENTS, json=wish)).status_code >= 400
        soon = p.desk.org.wish(start_time="2024-01-20T13:00:00Z")
        refused(
            await p.desk.client.post(f"/v1/public/{p.desk.org.slug}/appointments", json=soon), 409, "too_soon"
        )
        unknown = p.desk.org.wish(appointment_type_id="type_none")
        refused(await p.desk.staff.post(APPOINTMENTS, json=unknown), 404, "not_found")
        async with client_of(p.desk.app, "vst_wrong") as nobody:
            refused(await nobody.post(APPOINTMENTS, json=p.desk.org.wish()), 401, "unauthorized")
        again = p.desk.org.wish(start_time="2024-01-29T14:00:00Z")
        for _ in range(2):
            await p.desk.staff.post(APPOINTMENTS, json=again, headers={"Idempotency-Key": "again"})
        rehearsed = await p.desk.staff.post(
            APPOINTMENTS, json=p.desk.org.wish(start_time="2024-01-30T14:00:00Z"), params={"dry_run": "true"}
        )
        assert rehearsed.status_code == 200
        await p.change(status="cancelled")
        assert told(await scraped(p.desk.client), "kalends_bookings_total") == {
            ("booked",): 3,
            ("replayed",): 1,
            ("rehearsed",): 1,
            ("slot_taken",): 2,
            ("invalid_time",): 1,
            ("missing_fields",): 1,
            ("too_soon",): 1,
            ("not_found",): 1,
        }
    await mailbox.close()


@on_own_sqlite
@pytest.mark.anyio
async def test_deliveries_are_told_by_kind_and_result(own_url: str) -> None:
    mailbox = Mailbox()
    await mailbox.open()
    kind = {"reminderHours": None}
    async with practice(own_url, mailbox, kind=kind, metrics=True, webhooks_allow_private=True) as p:
        mailbox.refusals.extend(["550 no", "450 later", "450 later"])
        for day in (25, 26, 27):
            await p.book(start_time=f"2024-06-{day}T14:00:00Z")
        await p.work()
        mails = {("mail", "failed"): 1.0, ("mail", "to_retry"): 2.0}
        assert told(await scraped(p.desk.client), "kalends_deliveries_total") == mails
        p.clock.forward(seconds=6)
        await p.work()
        mails["mail", "delivered"] = 2
        assert told(await scraped(p.desk.client), "kalends_deliveries_total") == mails

        # What was tried for the last time is not to be tried again.
        mailbox.refusals.extend(["450 later"] * 10)
        await p.change(status="cancelled")
        for _ in range(10):
            await p.work()
            p.clock.forward(days=2)
        assert told(await scraped(p.desk.client), "kalends_deliveries_total") == {
            ("mail", "failed"): 2,
            ("mail", "to_retry"): 11,
            ("mail", "delivered"): 2,
        }

        hook = {"url": f"http://127.0.0.1:{free_port()}/", "events": ["appointment.*"]}
        assert (await p.desk.staff.post("/v1/webhooks", json=hook)).status_code == 201
        await p.change(status="confirmed")
        await p.work()
        assert told(await scraped(p.desk.client), "kalends_deliveries_total")["webhook", "to_retry"] == 1
    await mailbox.close()


@pytest.mark.anyio
async def test_how_long_the_oldest_thing_that_is_due_has_waited(own_url: str) -> None:
    mailbox = Mailbox()
    await mailbox.open()
    async with practice(own_url, mailbox, metrics=True) as p:

        async def lag() -> float:
            return told(await scraped(p.desk.client), "kalends_outbox_lag_seconds")[()]

        await p.work()
        assert await lag() == 0
        await p.book()
        p.clock.forward(seconds=30)
        await p.book(start_time="2024-01-26T14:00:00Z")
        assert await lag() == 30
        mailbox.refusals.append("450 later")
        await p.work()
        assert await lag() == 0  # it counts from when the worker found it: just now
        p.clock.forward(seconds=3)
        assert await lag() == 3  # what waits for another attempt waits; a reminder before its time does not
        p.clock.forward(seconds=13)
        assert await lag() == 16
        await p.work()
        assert await lag() == 0
    await mailbox.close()


@pytest.mark.anyio
async def test_how_many_wait_for_the_database(url: str) -> None:
    async with measured(url, database_pool_size=1) as (app, client, _):
        database = app.state.context.database
        release = threading.Event()

        def hold(tx: Tx) -> None:
            if tx.dialect.name == "sqlite":
                release.wait(20)
            else:
                tx.execute(text("SELECT pg_sleep(0.5)"))

        holding = asyncio.create_task(database.write(hold))
        await asyncio.sleep(0.2)
        waiting = [asyncio.create_task(database.write(lambda _tx: None)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await client.get("/healthz")
        release.set()
        assert told(await scraped(client), "kalends_database_waiting") == {(): 3}
        await asyncio.gather(holding, *waiting)
        await client.get("/healthz")
        assert told(await scraped(client), "kalends_database_waiting") == {(): 0}


@pytest.mark.slow
def test_several_processes_tell_the_numbers_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALENDS_METRICS", "true")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = Server(f"sqlite:///{tmp_path / 'k.db'}", "--workers", "2").start()
    try:
        server.wait()
        address = f"http://127.0.0.1:{server.port}"
        made = 0
        deadline = time.monotonic() + 30
        # Until both have answered some.
        while len(list(tmp_path.glob("kalends-metrics-*/histogram_*.db"))) < 2 or made < 10:
            assert httpx.get(f"{address}/healthz").status_code == 200
            made += 1
            assert time.monotonic() < deadline
        for _ in range(5):
            exposition = httpx.get(f"{address}/metrics").text
            assert told(exposition, "kalends_request_seconds_count")["GET", "/healthz", "200"] == made
            assert told(exposition, "kalends_outbox_lag_seconds").keys() == {()}
            assert told(exposition, "kalends_database_waiting") == {(): 0}
        assert server.stop() == 0
        assert list(tmp_path.glob("kalends-metrics-*")) == []
    finally:
        server.kill()


# Traces.


class Collector(ThreadingHTTPServer):
    """An OpenTelemetry collector (OTLP over HTTP) that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collecting)
        self.bodies: list[bytes] = []

    @property
    def exported(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.exported
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Collecting(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """The collector that the environment names."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@asynccontextmanager
async def traced(url: str) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient, Org]]:
    clock = StoppedClock()
    app = create_app(Settings(database_url=url, worker=False), clock=clock)
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, clock.now())
        async with client_of(app, org.key) as client:
            yield app, client, org


@on_sqlite
@pytest.mark.anyio
async def test_every_request_is_a_span_named_by_its_route(
    url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(url) as (_, client, org):
        booked = (await client.post(APPOINTMENTS, json=org.wish())).json()["appointment"]
        link = httpx.URL(
            by_api((await client.post(f"{APPOINTMENTS}/{booked['id']}/manage-link")).json()["manage_url"])
        )
        await client.get(link.path)
        await client.get(f"{link.path}x?name=Jane")
        await client.get(f"/v1/none/{org.id}")

        def fail(*_: object) -> None:
            raise RuntimeError(f"of {org.id}")

        monkeypatch.setattr(feeds, "all_of", fail)
        refused(await client.get(FEEDS), 500, "internal_error")
    own = "/v1/public/appointments/{token}"
    assert Counter(span.name for span in collector.spans) == {
        f"POST {APPOINTMENTS}": 1,
        f"POST {APPOINTMENTS}/{{id}}/manage-link": 1,
        f"GET {own}": 2,
        "GET unmatched": 1,
        f"GET {FEEDS}": 1,
    }
    for span in collector.spans:
        attributes = {each.key: each.value for each in span.attributes}
        status = attributes.pop("http.response.status_code").int_value
        method, route = (attributes.pop(f"http.{name}").string_value for name in ("request.method", "route"))
        assert not attributes
        assert span.name == f"{method} {route}"
        assert span.kind == Span.SPAN_KIND_SERVER
        assert not span.parent_span_id
        assert not span.events
        assert status == (500 if route == FEEDS else 404 if route == "unmatched" else status)
        assert span.status.code == (Status.STATUS_CODE_ERROR if status >= 500 else Status.STATUS_CODE_UNSET)
        assert span.end_time_unix_nano > span.start_time_unix_nano
    assert len({span.trace_id for span in collector.spans}) == 6
    for body in collector.bodies:
        for private in (booked["id"], org.id, org.key, link.path.rpartition("/")[2], "Jane"):
            assert private.encode() not in body


@on_sqlite
@pytest.mark.anyio
async def test_a_span_is_part_of_the_callers_trace(url: str, collector: Collector) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with traced(url) as (_, client, _):
        for flags in ("01", "00"):
            await client.get("/healthz", headers={"traceparent": f"00-{trace}-{parent}-{flags}"})
        await client.get("/healthz", headers={"traceparent": "00-nonsense"})
    # The caller that does not want to be traced (00) is not.
    ours = [span for span in collector.spans if span.trace_id.hex() == trace]
    assert [span.parent_span_id.hex() for span in ours] == [parent]
    assert len(collector.spans) == 2


@on_sqlite
@pytest.mark.anyio
@pytest.mark.parametrize("name", [None, "booking"])
async def test_the_service_has_a_name(
    url: str, collector: Collector, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name is not None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    async with traced(url) as (_, client, _):
        await client.get("/healthz")
    [request] = collector.exported
    [resource] = request.resource_spans
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == (name or "kalends")


@on_sqlite
@pytest.mark.anyio
@pytest.mark.parametrize("said", ["true", "TRUE"])
async def test_no_spans_where_that_is_said(
    url: str, collector: Collector, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", said)
    async with traced(url) as (app, client, _):
        await client.get("/healthz")
        assert app.state.context.tracing is None
    assert collector.bodies == []


@on_sqlite
@pytest.mark.anyio
async def test_a_collector_that_is_away_harms_nobody_and_is_told_once(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{free_port()}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    async with traced(url) as (app, client, _):
        assert app.state.context.tracing is not None
        for _ in range(3):
            assert (await client.get("/healthz")).status_code == 200
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    [told_] = [line for line in lines if line["event"] != "request"]
    assert (told_["event"], told_["level"]) == ("traces are not sent", "warning")
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in told_["cause"]


@pytest.mark.slow
def test_without_the_packages_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError('not installed')")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "KALENDS_DATABASE_URL": f"sqlite:///{tmp_path / 'k.db'}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }
    command = [str(KALENDS), "serve", "--no-worker", "--port", str(free_port())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kalends: OTEL_EXPORTER_OTLP_… is set: pip install kalends[otel]\n"
    assert not (tmp_path / "k.db").exists()
