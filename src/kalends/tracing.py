"""Traces by OpenTelemetry, if its standard environment variables say where to send them.

A span is named by the route's template and never by the path: paths hold ids, and secrets of clients' links.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kalends.telemetry import Outage

_NAMES = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
_WHERE_TO = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracing:
    """One span for each request, within the trace of the caller (W3C Trace Context)."""

    def __init__(self) -> None:
        """Raises ValueError if the packages are missing."""
        check()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = {} if any(name in os.environ for name in _NAMES) else {"service.name": "kalends"}
        self._provider = TracerProvider(resource=Resource.create(named))
        exporter = OTLPSpanExporter()
        exporter.export = _telling(exporter.export)  # type: ignore[method-assign]
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("kalends")

    @contextmanager
    def request(self, headers: Iterable[tuple[bytes, bytes]], facts: dict[str, Any]) -> Iterator[None]:
        """Open a span around a request. What `facts` hold at the end (method, route, status) becomes its name
        and attributes."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        with self._tracer.start_as_current_span("request", extract(carrier), SpanKind.SERVER) as span:
            yield
            span.update_name(f"{facts['method']} {facts['route']}")
            span.set_attribute("http.request.method", facts["method"])
            span.set_attribute("http.route", facts["route"])
            span.set_attribute("http.response.status_code", facts["status"])
            if facts["status"] >= 500:
                span.set_status(StatusCode.ERROR)

    def close(self) -> None:
        """Send the spans that were not sent yet."""
        self._provider.shutdown()


def _telling(export: Callable[..., Any]) -> Callable[..., Any]:
    """Export as `export` does, and log once that a collector takes nothing, in place of the exporter's own
    line for each attempt."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    outage = Outage("traces are not sent", "traces are sent again")

    def telling(spans: Any) -> Any:
        result = export(spans)
        if result.name == "SUCCESS":
            outage.works()
        else:
            named = next(name for name in reversed(_WHERE_TO) if os.environ.get(name))
            outage.fails(f"The collector takes no spans. Is it up, and is {named} right?")
        return result

    return telling


def tracing() -> Tracing | None:
    """Return tracing as the environment says; None if it says nothing. Raises ValueError if the packages are
    missing."""
    return Tracing() if _wanted() else None


def check() -> None:
    """Raise ValueError if traces are wanted and the packages are missing."""
    if not _wanted():
        return
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401 - it is there
    except ImportError:
        raise ValueError("OTEL_EXPORTER_OTLP_… is set: pip install kalends[otel]") from None


def _wanted() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(os.environ.get(name) for name in _WHERE_TO)
