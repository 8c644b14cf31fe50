"""Fetching an iCalendar file."""

from dataclasses import dataclass, replace

from kalends.core.sources import SourceAddress, Unchanged
from kalends.reading.fetching import Reader
from kalends.reading.states import State
from kalends.reading.troubles import refusal


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
    marks = replace(state, etag=answer.headers.get("etag"), modified=answer.headers.get("last-modified"))
    return Fetched(answer.body, marks)
