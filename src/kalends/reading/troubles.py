"""What staff are told of a server that does not give its calendar."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from kalends.core.sources import SourceTrouble
from kalends.network import retry_after

_LATEST = datetime.max.replace(tzinfo=UTC)


def refusal(status: int, headers: httpx.Headers, *, by_name: bool) -> SourceTrouble:
    """Return the trouble that a status means. `by_name` tells whether a name and a password were sent."""
    wait = retry_after(headers.get("retry-after"), _sent_at(headers))
    return SourceTrouble(
        f"{_sentence(status, by_name=by_name)} ({status})",
        retry_after=wait.total_seconds() if wait else None,
    )


def _sentence(status: int, *, by_name: bool) -> str:
    match status:
        case 401 if by_name:
            return "The server refuses the name or the password."
        case 401:
            return "The server asks for a name and a password."
        case 403:
            return "The server does not let this calendar be read."
        case 404:
            return "There is no calendar at this address."
        case 410:
            return "The calendar is gone."
        case 405 | 415 | 501:
            return "The server does not understand the request: it may be no CalDAV server."
        case 429:
            return "The server was asked too often."
        case _ if status >= 500:
            return "The server has trouble of its own."
    return "The server does not answer with a calendar."


def _sent_at(headers: httpx.Headers) -> datetime:
    """Return when the answer was sent by the server's own clock, which a Retry-After that is a date goes by.
    One without the other tells nothing: then it is never too early."""
    try:
        sent = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return _LATEST
    return sent if sent.tzinfo is not None else sent.replace(tzinfo=UTC)
