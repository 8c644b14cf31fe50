"""Fetching an iCalendar file."""

from dataclasses import dataclass, replace

from kalends.core.sources import SourceAddress, Unchanged
from kalends.reading.fetching import Answer, Reader
from kalends.reading.states import State
from kalends.reading.troubles import refusal

_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered, not parsed yet, and the state with its marks."""

    body: bytes
    state: State


async def fetch(reader: Reader, address: SourceAddress, state: State) -> Fetched | Unchanged:
    """Fetch the file, if it has changed since. Raises SourceTrouble."""
    headers = {"Accept": "text/calendar, */*;q=0.1"}
    if state.etag is not None:
        headers["If-None-Match"] = state.etag
    if state.modified is not None:
        headers["If-Modified-Since"] = state.modified
    answer = await reader.ask(address, "GET", address.url, headers)
    if answer.status == 304 and len(headers) > 1:
        return Unchanged()
    if answer.status != 200:
        raise refusal(answer.status, answer.headers, by_name=address.username is not None)
    etag, modified = _mark(answer, "etag"), _mark(answer, "last-modified")
    return Fetched(answer.body, replace(state, etag=etag, modified=modified))


def _mark(answer: Answer, name: str) -> str | None:
    """Return a header if it can be sent back."""
    value = answer.headers.get(name)
    return value if value is not None and value.isascii() and len(value) < _LONGEST else None
