"""The log: one JSON object a line, on standard error."""

import contextlib
import logging
import re
import sys
from typing import Any, TextIO, cast

import structlog

_ROW_VALUES = re.compile(r"^.*\bDETAIL:.*$", re.MULTILINE)


def _without_row_values(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL quotes the row an error is about; clients' names have no place in the log."""
    if isinstance(trace := event.get("exception"), str):
        event["exception"] = _ROW_VALUES.sub("DETAIL: (left out)", trace)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _without_row_values,
]


class _StandardError:
    """Standard error as it is now. A log that can't be written (a closed pipe, a full disk) must not break
    the request it tells of."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(level: str) -> None:
    """Write what is at least as severe as `level` ("info", …), ours and the libraries' alike."""
    severity = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(severity, logging.WARNING))
    # uvicorn's own words at start and stop are worth having; its access log is not: ours says more.
    logging.getLogger("uvicorn.error").setLevel(severity)
    logging.getLogger("uvicorn.access").disabled = True


log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kalends")
