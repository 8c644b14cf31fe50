"""What Prometheus reads, if that is wanted."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

_BOOKING = {("POST", "/v1/calendar/appointments"), ("POST", "/v1/public/{slug}/appointments")}
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the folder in which several processes share their numbers."""


class Metrics:
    """The numbers of this process, or of all processes that share a folder."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "kalends_request_seconds",
            "Seconds per request, by route template.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._bookings = Counter(
            "kalends_bookings",
            "Bookings asked for, by what became of them.",
            ("outcome",),
            registry=self._registry,
        )
        self._deliveries = Counter(
            "kalends_deliveries",
            "Attempts to deliver, by what became of them.",
            ("kind", "result"),
            registry=self._registry,
        )
        self._readings = Counter(
            "kalends_readings",
            "Readings of other calendars, by what became of them.",
            ("result",),
            registry=self._registry,
        )
        self._failing = Gauge(
            "kalends_sources_failing",
            "Other calendars that can't be read at present.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._lag = Gauge(
            "kalends_outbox_lag_seconds",
            "How long the oldest event or delivery that is due has been waiting.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._waiting = Gauge(
            "kalends_database_waiting",
            "Units of work that wait for their turn: for SQLite's writer, or for a connection.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._zone_data = Gauge(
            "kalends_zone_data",
            "1 for the version of the time zone data that is used.",
            ("version",),
            registry=self._registry,
            multiprocess_mode="livemax",
        )

    def request(
        self, method: str, route: str, status: int, seconds: float, code: str | None, made: str = "booked"
    ) -> None:
        """Count a request; a booking also by its outcome: its error's `code`, or what was `made`."""
        self._requests.labels(method, route, status).observe(seconds)
        if (method, route) in _BOOKING:
            self._bookings.labels(made if status == 200 else code or str(status)).inc()

    def delivery(self, kind: str, *, succeeded: bool, final: bool) -> None:
        """Count an attempt to deliver to a webhook or by mail."""
        self._deliveries.labels(kind, "delivered" if succeeded else "failed" if final else "to_retry").inc()

    def reading(self, result: str) -> None:
        """Count a reading of another calendar: `read`, `unchanged` or `failed`."""
        self._readings.labels(result).inc()

    def waiting(self, units: int) -> None:
        """Set how many units of work wait now."""
        self._waiting.set(units)

    def zone_data(self, version: str) -> None:
        """Set which time zone data this process uses."""
        self._zone_data.labels(version).set(1)

    def rendered(self, lag_seconds: float, failing_sources: int) -> bytes:
        """Return everything in Prometheus's text format. `lag_seconds` is the outbox's at present."""
        self._lag.set(lag_seconds)
        self._failing.set(failing_sources)
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
