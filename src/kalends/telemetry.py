"""The log: one JSON object a line, on standard error."""

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
    """Standard error as it is now. A log that can't be written (a closed pipe, a full disk) must not break
    the request it tells of."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _SeldomRepeated(logging.Filter):
    """Lets a warning of a library through once an hour, whatever it fills in. Errors with a trace always."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        which, now = (record.name, str(record.msg)), _seconds()
        if which in self._told and now - self._told[which] < AGAIN_SECONDS:
            return False
        if len(self._told) >= _MOST_KNOWN:
            self._told.clear()
        self._told[which] = now
        return True


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
    # uvicorn's own words at start and stop are worth having; its access log is not: ours says more.
    logging.getLogger("uvicorn.error").setLevel(severity)
    logging.getLogger("uvicorn.access").disabled = True


log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kalends")

DEFECTS = ("a defect: please report it with this trace", "what had a defect works", logging.ERROR)
"""What an `Outage`, or `Outages`, of our own defects is made of."""


def defect(**about: Any) -> None:
    """Write the exception that is being handled, with its trace, to the log, for somebody to report."""
    log.exception(DEFECTS[0], **about)


AGAIN_SECONDS = 3_600
"""An outage that goes on is told again after so long."""
FLAPPING_SECONDS = 60
"""What fails and works by turns is told of this often at the most."""


class Outage:
    """Something that fails and works again, as the log tells of it: one line when it begins to fail, one for
    each other cause, one an hour while it goes on, and one when it works again."""

    def __init__(self, fails: str, works: str, level: int = logging.WARNING) -> None:
        self._fails, self._works, self._level = fails, works, level
        self._since: float | None = None
        self._failures = 0
        self._told: dict[str, float] = {}

    def fails(self, cause: str, **facts: Any) -> None:
        """Note a failure. `cause` names its kind, and says what to do: the same words for the same kind."""
        now = _seconds()
        if self._since is None:
            self._since = now
        self._failures += 1
        told = self._told.get(cause)
        if told is not None and now - told < (AGAIN_SECONDS if told >= self._since else FLAPPING_SECONDS):
            return
        self._told[cause] = now
        seconds = round(now - self._since)
        log.log(self._level, self._fails, cause=cause, failures=self._failures, seconds=seconds, **facts)

    def works(self, **facts: Any) -> None:
        """Note that it works."""
        if self._since is None:
            return
        since, self._since = self._since, None
        if any(told >= since for told in self._told.values()):
            log.info(self._works, failures=self._failures, seconds=round(_seconds() - since), **facts)
            self._failures = 0


class Outages:
    """The outages of many things of a kind, each by its id."""

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
