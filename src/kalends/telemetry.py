"""The log: one JSON object per line, on standard error."""

import contextlib
import logging
import re
import sys
import time
from typing import Any, TextIO, cast

import structlog

_MOST_KNOWN = 1_000
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
    """Standard error as it is now. If the log can't be written (a closed pipe, a full disk), the request that
    it is about must not fail."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _SeldomRepeated(logging.Filter):
    """Lets each warning of a library through once an hour, whatever values it contains. Errors with a trace
    always pass."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        which, now = (record.name, str(record.msg)), _seconds()
        if which in self._logged and now - self._logged[which] < AGAIN_SECONDS:
            return False
        if len(self._logged) >= _MOST_KNOWN:
            self._logged.clear()
        self._logged[which] = now
        return True


def configure(level: str) -> None:
    """Log what is at least as severe as `level` ("info", …), of Kalends and of the libraries alike."""
    severity = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.addFilter(_SeldomRepeated())
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
    # uvicorn's own lines at start and stop are worth having. Its access log is not: ours says more.
    logging.getLogger("uvicorn.error").setLevel(severity)
    logging.getLogger("uvicorn.access").disabled = True


log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kalends")

DEFECTS = ("a defect: please report it with this trace", "it works again after a defect", logging.ERROR)
"""What an `Outage`, or `Outages`, of our own defects takes."""


def defect(**about: Any) -> None:
    """Write the exception that is being handled, with its trace, to the log, for somebody to report."""
    log.exception(DEFECTS[0], **about)


AGAIN_SECONDS = 3_600
"""How long until an outage that goes on is logged again."""
FLAPPING_SECONDS = 60
"""How long until the same cause is logged again if it fails and works by turns."""


class Outage:
    """Something that fails and works again, in the log: one line when it begins to fail, one for each other
    cause, one an hour while it goes on, and one when it works again."""

    def __init__(self, fails: str, works: str, level: int = logging.WARNING) -> None:
        self._fails, self._works, self._level = fails, works, level
        self._since: float | None = None
        self._failures = 0
        self._logged: dict[str, float] = {}

    def fails(self, cause: str, **facts: Any) -> None:
        """Note a failure. `cause` says what is wrong and what to do, in the same words for the same thing."""
        now = _seconds()
        if self._since is None:
            self._since = now
        self._failures += 1
        last = self._logged.get(cause)
        if last is not None and now - last < (AGAIN_SECONDS if last >= self._since else FLAPPING_SECONDS):
            return
        self._logged[cause] = now
        seconds = round(now - self._since)
        log.log(self._level, self._fails, cause=cause, failures=self._failures, seconds=seconds, **facts)

    def works(self, **facts: Any) -> None:
        """Note that it works."""
        if self._since is None:
            return
        since, self._since = self._since, None
        if any(last >= since for last in self._logged.values()):
            log.info(self._works, failures=self._failures, seconds=round(_seconds() - since), **facts)
            self._failures = 0


class Outages:
    """The outages of many things of one sort, each by its id."""

    def __init__(self, fails: str, works: str, level: int = logging.WARNING) -> None:
        self._words = fails, works, level
        self._known: dict[str, Outage] = {}

    def fails(self, id_: str, cause: str, **facts: Any) -> None:
        """Note that one of them fails, as `Outage.fails` does."""
        self._known.setdefault(id_, Outage(*self._words)).fails(cause, **facts)

    def works(self, id_: str, **facts: Any) -> None:
        """Note that one of them works."""
        if (outage := self._known.get(id_)) is not None:
            outage.works(**facts)


def _seconds() -> float:
    return time.monotonic()
